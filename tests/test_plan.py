"""Plans follow from measured rates: sums with known answers, files of others refused, clusters simulated."""

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace
from math import exp, inf
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from lard.cli import main
from lard.errors import DataError, LardError
from lard.plan.bench import JOURNAL, Bench, Entry
from lard.plan.estimate import Size, cluster_of, plan
from lard.plan.measure import scheduler_ms, store_mb_s
from lard.plan.pace import sample_ms
from lard.plan.rates import Rates, Run, fitted, foretold, read_rates, this_machine, write_rates
from lard.plan.simulate import Cluster, knees, simulate
from lard.plan.stages import FINELY, FINELY_OF_AIRPORT, MEASURED_KIB, STAGES
from lard.plan.steps import ONCE, PICTURES, TIMED, Step, measuring, verifying
from lard.quality import find_check, near, sighting


def _run(units: int, fixed: float, each: float) -> Run:
    """A run that takes exactly what a rate says."""
    value = fixed + each * units
    return Run(
        units=units, cpu_s=value, wall_s=2 * value, peak_mib=100 + value, bytes=1e3 * value, files=units,
        pace_ms=10.0,
    )  # fmt: skip


@pytest.fixture
def rates() -> Rates:
    """Every stage: 2 s and half a second per unit."""
    return Rates(
        lard_version=__import__("lard").__version__,
        machine=this_machine(),
        airports=["LFPO"],
        models={},
        stages={
            stage.name: fitted(stage.unit, [_run(8, 2, 0.5), _run(40, 2, 0.5)])  # type: ignore[arg-type]
            for stage in STAGES
        }
        | {
            "check": fitted("frame", [_run(n, 2, 0.5) for n in (8, 20, 40)], first_of="run"),
            "check tables": fitted("frame", [_run(1000, 3, 0.01), _run(20_000, 3, 0.01)], first_of="run"),
        },
        frame_log_sd=0.3,
        scheduler_ms=2.0,
        scheduler="2 processes",
        store_mb_s=100.0,
    )


def test_two_sizes_part_what_is_fixed_from_what_each_takes() -> None:
    """And medians forgive one run of three that something else held up."""
    rate = fitted("frame", [_run(8, 2, 0.5), _run(8, 50, 0.5), _run(8, 2, 0.5), *[_run(40, 2, 0.5)] * 3])
    assert rate.fixed.cpu_s == pytest.approx(2) and rate.each.cpu_s == pytest.approx(0.5)
    assert rate.each.files == pytest.approx(1) and rate.fixed.files == pytest.approx(0)
    assert rate.of("cpu_s", 1000, processes=3) == pytest.approx(506)
    # more work in less time: nothing per unit, not less than nothing
    assert fitted("frame", [_run(8, 9, 0), _run(40, 3, 0)]).each.cpu_s == 0
    with pytest.raises(DataError, match="runs of 1 sizes"):
        fitted("frame", [_run(8, 2, 0.5), _run(8, 2, 0.5)])


def test_three_sizes_part_the_first_frames_of_an_airport_from_those_that_follow() -> None:
    """Known answer: 2 s, 0.3 s for each of the first 40 of an airport and 0.1 s beyond."""
    took = {n: 2 + 0.3 * min(n, 40) + 0.1 * max(n - 40, 0) for n in (8, 40, 400)}
    rate = fitted("frame", [_run(n, s, 0) for n, s in took.items()])
    (first,) = rate.first
    assert first.units == 40 and first.more.cpu_s == pytest.approx(0.2)
    assert rate.each.cpu_s == pytest.approx(0.1)
    for n, s in took.items():
        assert rate.of("cpu_s", n) == pytest.approx(s)
    assert rate.of("cpu_s", 1000, 1, airports=5) == pytest.approx(2 + 200 * 0.3 + 800 * 0.1)
    assert rate.of("cpu_s", 100, 1, airports=5) == pytest.approx(2 + 100 * 0.3)
    assert rate.of("cpu_s", 1000, 10, airports=5) == pytest.approx(20 + 400 * 0.3 + 600 * 0.1)
    assert fitted("frame", [_run(n, s, 0) for n, s in took.items()], airports=2).first[0].units == 20
    grows = fitted("frame", [_run(8, 10, 0), _run(40, 12, 0), _run(400, 92, 0)])
    assert grows.first[0].more.cpu_s == 0 and grows.of("cpu_s", 400) == pytest.approx(92)


def test_four_sizes_part_what_a_run_looks_at_finely_from_the_rest() -> None:
    """Known answer: two samples, full with 400 and 1,600 frames; those of a run, not of each airport.

    From a dozen airports on, a sample holds some pictures of each.
    """

    def took(n: int) -> float:
        return 2 + 0.1 * n + 0.05 * min(n, 400) + 0.02 * min(n, 1600)

    runs = [_run(n, took(n), 0) for n in (8, 400, 1600, 3200)]
    rate = fitted("frame", runs, first_of="run")
    assert [one.units for one in rate.first] == [400, 1600] and rate.fixed.cpu_s == pytest.approx(2)
    for n in (8, 100, 400, 1000, 1600, 5000, 10**6):
        for airports in (1, 5, 12):
            assert rate.of("cpu_s", n, 1, airports) == pytest.approx(took(n))
    assert rate.of("cpu_s", 10**6, 1, 25) == pytest.approx(2 + 1e5 + 2 * (0.05 * 400 + 0.02 * 1600))
    assert [one.units for one in fitted("frame", runs, 25, "run").first] == [200, 800]


@given(
    st.lists(st.integers(1, 10**5), min_size=2, max_size=6, unique=True).map(sorted),
    st.lists(st.floats(0, 1e4), min_size=6, max_size=6),
)
def test_what_a_unit_takes_never_rises_and_the_ends_are_kept(sizes: list[int], took: list[float]) -> None:
    """Whatever was measured; what rises is a straight line from its first point to its last."""
    rate = fitted("frame", [_run(n, s, 0) for n, s in zip(sizes, took, strict=False)])
    assert all(one.more.cpu_s >= 0 for one in rate.first) and rate.each.cpu_s >= 0 and rate.fixed.cpu_s >= 0
    convex = fitted("frame", [_run(n, n * n / 1e5, 0) for n in sizes])
    lowest, highest = sizes[0], sizes[-1]
    assert convex.of("cpu_s", highest) - convex.of("cpu_s", lowest) == pytest.approx(
        (highest**2 - lowest**2) / 1e5
    )
    assert sum(one.more.cpu_s for one in convex.first) == pytest.approx(0, abs=1e-9)


def test_a_processor_that_was_slower_meanwhile_takes_no_part_in_a_rate() -> None:
    """The same work at half the pace, and foretold at the pace of the day."""

    def slower(run: Run, times: float) -> Run:
        return run.model_copy(
            update={"cpu_s": run.cpu_s * times, "wall_s": run.wall_s * times, "pace_ms": run.pace_ms * times}
        )

    runs = [_run(8, 2, 0.5), slower(_run(40, 2, 0.5), 2.0), slower(_run(40, 2, 0.5), 1.1)]
    rate = fitted("frame", runs)
    assert rate.pace_ms == pytest.approx(11)
    assert rate.fixed.cpu_s == pytest.approx(2 * 1.1) and rate.each.cpu_s == pytest.approx(0.5 * 1.1)
    assert rate.each.bytes == pytest.approx(500) and rate.spread == pytest.approx(0)
    for times in (0.7, 3.0):
        took = slower(_run(1000, 2, 0.5), times)
        told = foretold(rate, took, 1)
        assert told.cpu_s == pytest.approx(took.cpu_s) and told.bytes == pytest.approx(took.bytes)
    assert 0.1 < sample_ms() < 1000


def test_a_run_looks_finely_at_as_many_pictures_as_requirements_say() -> None:
    """What a plan takes for given of a check is what the check does."""
    for name in ("DQR-A02", "DQR-I05"):
        assert find_check(name).thresholds["max_samples"] == FINELY
    assert near.PER_GROUP == sighting.PER_GROUP == FINELY_OF_AIRPORT


def test_a_plan_shares_what_workers_share_and_nothing_else(rates: Rates) -> None:
    costs = {cost.stage: cost for cost in plan(rates, Size(1000, 6, 10, tested=0.1, steps=4))}
    assert list(costs) == [stage.name for stage in STAGES]
    assert costs["render"].processes == 10
    assert costs["render"].hours * 3600 == pytest.approx(2 + 0.5 * 100)
    assert costs["render"].cpu_hours * 3600 == pytest.approx(10 * 2 + 0.5 * 1000)
    assert costs["ground"].processes == 6  # an airport is never shared
    assert costs["label"].processes == 1 and costs["label"].hours * 3600 == pytest.approx(502)
    assert costs["predict"].units == 100 and costs["train"].units == 4
    assert costs["render"].bytes == pytest.approx(1e3 * 502) and costs["render"].files == pytest.approx(1000)
    assert costs["label"].process_mib == pytest.approx(100 + 502)  # a table grows
    assert costs["render"].process_mib == pytest.approx(100 + 22)  # pictures are let go of
    many = {cost.stage: cost for cost in plan(rates, Size(10**6, 6, 10))}
    # pictures of one airport, tables of all, and what was measured of the others
    here, others = 166_667, 833_333
    assert many["check"].process_mib == pytest.approx(102 + here / 2 + others * (0.01 + MEASURED_KIB / 1024))
    assert {cost.units for cost in plan(rates, Size(9, 1, 1)) if cost.stage == "train"} == {0}


@given(st.integers(1, 10**7), st.integers(1, 10**6), st.integers(1, 2000))
def test_more_frames_never_cost_less_and_more_workers_never_take_longer(
    frames: int, more: int, workers: int
) -> None:
    table = {"render": fitted("frame", [_run(8, 2, 0.5), _run(40, 2, 0.5), _run(400, 12, 0.25)])}
    some = Rates.model_construct(stages=table)
    few, many = (plan(some, Size(n, 1, workers))[0] for n in (frames, frames + more))
    assert few.cpu_hours <= many.cpu_hours and few.bytes <= many.bytes
    assert few.process_mib <= many.process_mib
    wide = plan(some, Size(frames, 1, workers + 1))[0]
    assert wide.hours <= few.hours and wide.bytes == few.bytes


@pytest.mark.parametrize("size", [Size(0, 1, 1), Size(1, 0, 1), Size(1, 1, 0), Size(1, 1, 1, float("nan"))])
def test_no_plan_of_nothing(rates: Rates, size: Size) -> None:
    with pytest.raises(DataError, match="expected"):
        plan(rates, size)


def _changed(rates: Rates, folder: Path, change: Any) -> Path:
    document = rates.model_dump(mode="json")
    change(document)
    path = folder / "rates.json"
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda d: d["stages"].pop("render"), "stages: render missing"),
        (lambda d: d["stages"].pop("check tables"), "stages: check tables missing"),
        (lambda d: d["stages"]["render"]["each"].update(cpu_s=float("nan")), "NaN"),
        (lambda d: d["stages"]["render"]["each"].update(cpu_s=-1), "stages.render.each.cpu_s"),
        (
            lambda d: d["stages"]["ground"].update(unit="frame"),
            "stages.ground.unit is frame, expected airport",
        ),
        (
            lambda d: d["stages"]["check tables"].update(unit="step"),
            "check tables.unit is step, expected frame",
        ),
        (lambda d: d["stages"].update(paint=d["stages"]["render"]), "stages.paint: no such stage"),
        (
            lambda d: d["stages"]["render"]["each"].update(cpu_s=0.4),
            "stages.render.each is not what its runs",
        ),
        (
            lambda d: d["stages"]["render"]["fixed"].update(bytes=0),
            "stages.render.fixed is not what its runs",
        ),
        (
            lambda d: d["stages"]["check"]["first"][0].update(units=9),
            "stages.check.first is not what its runs",
        ),
        (lambda d: d["stages"]["render"].update(pace_ms=9.0), "stages.render.pace_ms is not what its runs"),
        (lambda d: d["stages"]["render"]["runs"][0].update(pace_ms=0), "stages.render.runs.0.pace_ms"),
        (lambda d: d["stages"]["check"]["first"].pop(), "stages.check.first is not what its runs"),
        (
            lambda d: d["stages"]["check"].update(first_of="airport"),
            "stages.check.first is not what its runs",
        ),
        (lambda d: d["stages"]["render"]["runs"].pop(), "stages.render.runs: expected at least 2"),
        (lambda d: d["stages"]["render"]["runs"][1].update(units=8), "runs of 1 sizes"),
        (lambda d: d.update(scheduler_ms="2"), "scheduler_ms: expected a valid number"),
        (lambda d: d.update(store_mb_s=True), "store_mb_s: expected a valid number"),
        (lambda d: d.update(format="lard plan rates 2"), "format"),
        (lambda d: d.update(lard_version="9.9"), "lard_version is 9.9, this is"),
        (lambda d: d["machine"].update(cores=4096), "machine is .*4096 cores"),
    ],
)
def test_rates_of_elsewhere_are_refused_by_name(rates: Rates, tmp_path: Path, change: Any, told: str) -> None:
    path = _changed(rates, tmp_path, change)
    with pytest.raises(DataError, match=told) as fault:
        read_rates(path)
    assert str(path) in str(fault.value)


def test_rates_are_read_back_and_foreign_ones_when_said(rates: Rates, tmp_path: Path) -> None:
    write_rates(rates, tmp_path / "rates.json")
    assert read_rates(tmp_path / "rates.json") == rates
    path = _changed(rates, tmp_path, lambda d: d.update(lard_version="9.9"))
    assert read_rates(path, foreign=True).lard_version == "9.9"


def test_a_model_nobody_knows_is_named_before_anything_is_measured(tmp_path: Path) -> None:
    out = tmp_path / "rates.json"
    done = CliRunner().invoke(main, ["plan", "--measure", "--train", "nosuch", "--out", str(out)])
    assert done.exit_code == 2 and "models.nosuch: no such model" in done.output
    assert "lard ground" not in done.output and not out.exists()


def test_without_rates_the_command_says_how_to_measure(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["plan", "--frames", "10", "--rates", str(tmp_path / "none.json")])
    assert done.exit_code == 2 and "lard plan --measure --out rates.json" in done.output
    assert CliRunner().invoke(main, ["plan"]).exit_code == 2
    assert CliRunner().invoke(main, ["plan", "--frames", "9", "--workers", "0"]).exit_code == 2


def test_the_command_prints_and_writes_the_plan(rates: Rates, tmp_path: Path) -> None:
    path, out = tmp_path / "rates.json", tmp_path / "plan.json"
    write_rates(rates, path)
    arguments = ["plan", "--frames", "2000", "--workers", "20", "--rates", str(path), "--simulate"]
    done = CliRunner().invoke(main, [*arguments, "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "render" in done.output and "assumed, not measured" in done.output
    document = json.loads(out.read_text())
    assert [row["workers"] for row in document["simulation"]["widths"]] == [
        1,
        2,
        5,
        10,
        20,
        50,
        100,
        200,
        500,
        1000,
    ]
    assert document["stages"] == json.loads(
        CliRunner().invoke(main, [*arguments[:-1], "--json"]).output
    )["stages"]  # fmt: skip
    path.write_text("[]")
    done = CliRunner().invoke(main, [*arguments, "--out", str(path)])
    assert done.exit_code == 2 and path.read_text() == "[]"


@pytest.mark.parametrize(("tasks", "workers"), [(100, 7), (5, 9), (1, 1), (64, 8)])
def test_equal_tasks_take_as_many_rounds_as_there_are(tasks: int, workers: int) -> None:
    found = simulate(Cluster(tasks, 3.0), workers)
    assert found.makespan_s == pytest.approx(-(-tasks // workers) * 3.0)
    assert found.efficiency == pytest.approx(tasks * 3.0 / (found.makespan_s * workers))
    assert found.lost_tasks == 0 and found.limit == ("tasks" if workers >= tasks else "workers")


def test_lost_work_costs_what_renewal_theory_says() -> None:
    """A task of t on a worker of mean life M, back after R: (exp(t / M) - 1) (M + R) on average.

    Ross, Introduction to Probability Models, patterns of renewal: condition on the first failure.
    """
    found = simulate(Cluster(20_000, 10.0, mtbf_s=30.0, restart_s=5.0), 1)
    assert found.makespan_s / 20_000 == pytest.approx((exp(10 / 30) - 1) * 35, rel=0.03)
    # retries per task: exp(t / M) - 1
    assert found.lost_tasks / 20_000 == pytest.approx(exp(10 / 30) - 1, rel=0.05)
    assert found.limit == "failures"


def test_a_store_or_scheduler_that_is_full_bounds_the_time() -> None:
    store = simulate(Cluster(2000, 1.0, task_bytes=1e6, store_bytes_s=1e7), 100)
    assert store.makespan_s == pytest.approx(1.0 + 2000 * 0.1) and store.limit == "store"
    scheduler = simulate(Cluster(2000, 1.0, scheduler_s=0.1), 100)
    assert scheduler.makespan_s == pytest.approx(1.0 + 2000 * 0.1) and scheduler.limit == "scheduler"
    known = knees(Cluster(10, 1.0, task_bytes=1e6, store_bytes_s=1e7, scheduler_s=0.05))
    assert known == pytest.approx({"scheduler": 1.15 / 0.05, "store": 11.5})
    assert knees(Cluster(10, 1.0)) == {"scheduler": inf, "store": inf}


def test_lags_keep_the_mean_and_cost_at_the_end() -> None:
    even, uneven = Cluster(5000, 2.0), Cluster(5000, 2.0, log_sd=1.0)
    assert simulate(uneven, 1).makespan_s == pytest.approx(10_000, rel=0.05)
    assert simulate(uneven, 500).makespan_s > 1.2 * simulate(even, 500).makespan_s
    assert simulate(uneven, 50) == simulate(uneven, 50)
    assert simulate(uneven, 50) != simulate(replace(uneven, seed=2), 50)


@pytest.mark.parametrize(
    ("change", "workers", "told"),
    [
        ({}, 0, "workers is 0"),
        ({"task_s": float("nan")}, 1, "task_s is nan"),
        ({"tasks": 0}, 1, "tasks is 0"),
        ({"mtbf_s": 0.1}, 1, "hardly one would end"),
        ({"store_bytes_s": 0.0}, 1, "store_bytes_s is 0"),
        ({"log_sd": -1.0}, 1, "log_sd is -1"),
    ],
)
def test_clusters_that_cannot_be_are_refused(change: dict[str, Any], workers: int, told: str) -> None:
    with pytest.raises(DataError, match=told):
        simulate(replace(Cluster(10, 1.0), **change), workers)


def test_a_simulated_stage_is_the_planned_one(rates: Rates) -> None:
    (cost,) = (cost for cost in plan(rates, Size(1001, 3, 5)) if cost.stage == "render")
    cluster = cluster_of(rates, cost, 1e5, 60.0, store_mb_s=7.0)
    assert cluster.tasks == 251 and cluster.task_s == pytest.approx(2.0)
    assert cluster.task_bytes == pytest.approx(2000) and cluster.store_bytes_s == 7e6
    assert cluster.scheduler_s == 0.002 and cluster.log_sd == 0.3
    alone = simulate(replace(cluster, mtbf_s=inf, log_sd=0.0, scheduler_s=0.0, task_bytes=0.0), 1)
    assert alone.makespan_s == pytest.approx(2 + 251 * 2.0)


def test_the_time_left_is_as_guessed_until_enough_was_run(tmp_path: Path) -> None:
    """A first step that compiles for a minute says nothing of the rest; half of all that took twice does."""
    steps = [
        replace(_step("warm", "--version"), about_s=5, warms=True),
        *[replace(_step(f"s{k}", "--version"), about_s=10) for k in range(20)],
    ]
    bench = Bench(tmp_path, {}, lambda _: None)

    def after(**clock_s: float) -> float:
        bench.done = {
            name: Entry(step=name, run=_run(1, 0, 0).model_copy(update={"wall_s": s}))
            for name, s in clock_s.items()
        }
        return bench._left_s(steps)

    assert after() == pytest.approx(205)
    assert after(warm=90) == pytest.approx(200)
    assert after(warm=90, s0=30) < 2.1 * 190  # three times as long, but one step of twenty
    half = {f"s{k}": 20.0 for k in range(10)}
    assert after(warm=90, **half) == pytest.approx(200, rel=0.1)


def _step(name: str, *arguments: str, stage: str = "label") -> Step:
    return Step(name, arguments, (name,), 1.0, stage, 3)


def test_commands_are_measured_as_the_system_counts_them(tmp_path: Path) -> None:
    """A command that does nothing but print takes its time and memory, and what it made is weighed."""
    told: list[str] = []
    bench = Bench(tmp_path, {"verify": 3}, told.append)
    made = replace(_step("made", "--version"), keep=True)
    (tmp_path / "made").mkdir()
    (tmp_path / "made/one").write_bytes(b"x" * 1000)
    (run,) = bench.run([made])["label"]
    assert len(told) == 1 and told[0].startswith("1/1 lard --version (") and run.units == 3
    assert (run.bytes, run.files) == (1000, 1)
    own_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # until it execs, a child has ours
    assert 0.01 < run.cpu_s < 60 and 5 < run.peak_mib < max(2000, own_mib + 100)
    with pytest.raises(LardError, match=r"ended with 2 while measuring: .*no-such"):
        bench.run([made, _step("no-such", "no-such")])
    assert list(bench.done) == ["made"]


def test_what_was_measured_before_a_cut_is_not_measured_again(tmp_path: Path) -> None:
    """Steps that are in the journal stand; what the cut one left goes; another identity is refused."""
    told: list[str] = []
    folder, first = tmp_path / "work", replace(_step("one", "--version"), weighed=False)
    runs = Bench(folder, {"verify": 3}, told.append).run([first])
    with (folder / JOURNAL).open("a") as stream:
        stream.write('{"step": "two", "ru')  # killed as it wrote
    (folder / "two").write_text("half")
    second = replace(_step("two", "--version", stage=""), weighed=False)
    bench = Bench(folder, {"verify": 3}, told.append)
    again = bench.run([first, second])
    assert again == runs and len(told) == 2 and told[1].startswith("2/2 ")
    assert not (folder / "two").exists()
    assert [json.loads(line).get("step") for line in (folder / JOURNAL).read_text().splitlines()] == [
        None,
        "one",
        "two",
    ]
    with pytest.raises(DataError, match=r"was begun with .*verify.*remove the folder"):
        Bench(folder, {"verify": 4}, told.append)
    for text, told_of in (("{}\n[]\n", "expected"), ("{}\n{,\n", "not a journal of lard plan")):
        (folder / JOURNAL).write_text(text)
        with pytest.raises(DataError, match=told_of):
            Bench(folder, {}, told.append)


_WAITS = """
import sys
from pathlib import Path
from lard.plan import bench
from lard.plan.steps import Step
bench._COMMAND = (
    "import os, subprocess, sys, time; from pathlib import Path; "
    "grand = subprocess.Popen(['sleep', '60']); "
    "Path('pids.part').write_text(f'{os.getpid()} {grand.pid}'); os.rename('pids.part', 'pids'); "
    "time.sleep(60)" if sys.argv[2] == "wait" else bench._COMMAND
)
steps = [Step(name, ("--version",), (), 1.0) for name in sys.argv[3:]]
bench.Bench(Path(sys.argv[1]), {}, print).run(steps)
"""


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL])
def test_a_command_that_is_measured_ends_with_its_parent(tmp_path: Path, how: signal.Signals) -> None:
    """And what it started; the parent ends by the signal, and its journal stands."""
    script, folder = tmp_path / "run.py", tmp_path / "work"
    # as at a terminal, also where tests run in the background, which has these ignored
    heard = (
        "from signal import *; signal(SIGINT, default_int_handler); signal(SIGHUP, SIG_DFL); import signal\n"
    )
    script.write_text(heard + _WAITS)
    command = [sys.executable, str(script), str(folder)]
    subprocess.run([*command, "go", "one"], check=True)
    parent = subprocess.Popen([*command, "wait", "one", "two"], stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 60
        while not (folder / "pids").exists():
            assert time.monotonic() < end and parent.poll() is None
            time.sleep(0.05)
        started = [int(pid) for pid in (folder / "pids").read_text().split()]
        parent.send_signal(how)
        assert parent.wait(20) == -how
        mine = started[:1] if how == signal.SIGKILL else started  # of the rest nobody is left to tell
        end = time.monotonic() + 10
        while any(map(_alive, mine)) and time.monotonic() < end:
            time.sleep(0.05)
        assert not any(map(_alive, mine))
    finally:
        parent.kill()
        parent.wait()
        for pid in started:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    assert [json.loads(line).get("step") for line in (folder / JOURNAL).read_text().splitlines()] == [
        None,
        "one",
    ]


def test_steps_find_what_they_need_and_are_named_once() -> None:
    """Every input of a step was made before it; each stage of a measurement has two sizes."""
    for steps in (
        measuring(["LFPO"], 2),
        verifying(["LFPO"], 50, TIMED),
        verifying(["LFPO"], 50, ["certify"]),
    ):
        assert len({step.name for step in steps}) == len(steps)
        there: set[str] = set()
        for step in steps:
            inputs = {
                word for word in step.arguments if word.startswith(("data", "rows", "frames", "ground"))
            }
            inputs -= {"ground", *step.made} | ({"ground"} if step.stage == "ground" else set())
            assert {word.split("/")[0] for word in inputs} <= there, step.name
            there |= {name.split("/")[0] for name in step.made}
    sizes: dict[str, set[int]] = {}
    for step in measuring(["LFPO"], 2, "fcos-s"):
        sizes.setdefault(step.stage, set()).add(step.units)
    assert set(sizes) - {""} == {*TIMED, "train"}
    assert all(len(sizes[name]) == len(PICTURES.get(name, (1, 2))) for name in (*TIMED, "train"))
    many = [f"X{number:03d}" for number in range(25)]  # a check samples a run, not each of its airports
    units = {step.units for step in measuring(many, 1) if step.stage == "check"}
    assert units == {2 * n for n in PICTURES["check"]}
    assert {step.units for step in measuring(many, 1) if step.stage == "render"} == {
        25 * n for n in PICTURES["render"]
    }
    large = [step.units for step in measuring(["LFPO"], 3) if step.stage == "check"]
    assert [large.count(n) for n in PICTURES["check"]] == [3 if n < ONCE else 1 for n in PICTURES["check"]]
    stages = [step.stage for step in verifying(["LFPO"], 50, ["label", "check tables"])]
    assert stages == ["sample", "label", "check tables"]
    assert [step.stage for step in verifying(["LFPO"], 50, ["ground"])] == ["ground"]


def test_stages_to_verify_are_named(rates: Rates, tmp_path: Path) -> None:
    write_rates(rates, tmp_path / "rates.json")
    command = ["plan", "--verify", "50", "--rates", str(tmp_path / "rates.json"), "--stages", "label,paint"]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 2 and "'paint' is no stage; expected some of ground" in done.output
    done = CliRunner().invoke(main, [*command[:-1], ","])
    assert done.exit_code == 2 and "'' is no stage" in done.output
    done = CliRunner().invoke(main, ["plan", "--frames", "50", *command[3:]])
    assert done.exit_code == 2 and "--stages goes with --verify" in done.output
    assert [path.name for path in tmp_path.iterdir()] == ["rates.json"]


def test_a_verified_stage_is_told_beside_what_was_foretold(rates: Rates, tmp_path: Path) -> None:
    """One stage, really run; its folder stays for the others."""
    write_rates(rates, tmp_path / "rates.json")
    command = ["plan", "--verify", "50", "--rates", str(tmp_path / "rates.json"), "--stages", "sample"]
    done = CliRunner().invoke(main, [*command, "--json"])
    found = json.loads(done.stdout)
    told, took = (found["sample"][name] for name in ("told", "took"))
    assert list(found) == ["sample"]
    assert told["cpu_s"] == pytest.approx((2 + 25) * took["pace_ms"] / 10.0)
    assert done.exit_code == 1  # it takes no 27 s
    folder = tmp_path / "rates.json.verify-50"
    assert str(folder) in done.stderr and (folder / "rows50_0/frames.parquet").is_file()


def test_the_spread_of_equal_runs_is_told() -> None:
    runs = [_run(8, 2, 0.5), _run(40, 1, 0.5), _run(40, 2, 0.5), _run(40, 3, 0.5)]
    assert fitted("frame", runs).spread == pytest.approx(2 / 22)
    assert fitted("frame", runs[:2]).spread is None


def test_the_giving_of_tasks_and_the_store_are_timed(tmp_path: Path) -> None:
    assert 0 < scheduler_ms("1") < 50  # in this process: what giving itself takes
    assert 0.1 < store_mb_s(tmp_path) < 1e5
