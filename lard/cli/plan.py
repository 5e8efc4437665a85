"""`lard plan`: what a dataset of any size costs, from rates measured on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lard.cli.options import check_kept, codes_of, finite_number
from lard.cli.printing import print_json, print_table

if TYPE_CHECKING:
    from lard.plan.estimate import Cost
    from lard.plan.rates import Rate, Rates
    from lard.plan.simulate import Outcome

_LIMIT = 25  # per cent that a foretold figure may be off
_POSITIVE = click.FloatRange(0, min_open=True)


@click.command()
@click.option("--frames", type=click.IntRange(1, 10**9), help="Frames of the dataset that is planned.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 10**6), help="Workers.")
@click.option(
    "--grounds", default=84, show_default=True, type=click.IntRange(1, 10**6), help="Airports to paint."
)
@click.option(
    "--tested",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0, 1),
    callback=finite_number,
    help="Share of the frames that is predicted and certified.",
)
@click.option(
    "--train-steps", default=0, show_default=True, type=click.IntRange(0, 10**9), help="Steps of training."
)
@click.option(
    "--rates",
    "rates_path",
    default="rates.json",
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Rates of this machine, as --measure wrote them.",
)
@click.option("--foreign", is_flag=True, help="Take rates of another machine or version of lard.")
@click.option(
    "--measure",
    is_flag=True,
    help="Measure rates by small runs of every stage: about 16 minutes of a processor. Cut off, it goes on "
    "where it was.",
)
@click.option(
    "--verify",
    type=click.IntRange(9, 10**6),
    metavar="N",
    help="Run every stage with N frames beside what the rates foretell; exit status 1 where processor time "
    f"or storage is off by more than {_LIMIT} %. Cut off, it goes on where it was.",
)
@click.option(
    "--stages",
    metavar="A,B",
    help="With --verify: these stages alone; others run only where these need what they make.",
)
@click.option(
    "--airports",
    default="LFPO",
    show_default=True,
    help="Airports that --measure and --verify paint: choose some like yours.",
)
@click.option(
    "--repeats", default=2, show_default=True, type=click.IntRange(1, 50), help="Runs of each size measured."
)
@click.option(
    "--train", "train", default="", metavar="MODEL", help="With --measure: also training of a model."
)
@click.option("--simulate", is_flag=True, help="Also simulate 1 to 1,000 workers with lags and failures.")
@click.option(
    "--stage", default="render", show_default=True, type=click.Choice(["ground", "render"]), help="Simulated."
)
@click.option(
    "--mtbf-hours", default=100.0, show_default=True, type=_POSITIVE, callback=finite_number,
    help="Simulated: mean life of a worker.",
)  # fmt: skip
@click.option(
    "--restart-s", default=120.0, show_default=True, type=click.FloatRange(0), callback=finite_number,
    help="Simulated: until a lost worker is back.",
)  # fmt: skip
@click.option(
    "--scheduler-ms", type=click.FloatRange(0), callback=finite_number,
    help="Simulated: scheduler's time per task  [default: as measured].",
)  # fmt: skip
@click.option(
    "--store-mb-s", type=_POSITIVE, callback=finite_number,
    help="Simulated: bandwidth of the store that all write to  [default: as measured].",
)  # fmt: skip
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="Of the simulation.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="JSON to write: the rates of --measure [default: that of --rates], else the plan.",
)
def plan(
    measure: bool, verify: int | None, frames: int | None, rates_path: Path, foreign: bool, out: Path | None,
    **options: Any,
) -> None:  # fmt: skip
    """State hours, storage and memory of every stage for a dataset of --frames.

    All figures follow from rates that --measure wrote: processor time with a fixed part per process and one
    per frame, airport or step, more for the first frames of an airport or a run. Hours are those of
    processors that do nothing else. How well they foretell, --verify tells (docs/costs.md).

    \b
    Examples:
      lard plan --measure --out rates.json
      lard plan --verify 400
      lard plan --verify 5000 --stages "sample,label,check tables,export"
      lard plan --frames 1000000 --workers 200
      lard plan --frames 1000000 --workers 200 --simulate --scheduler-ms 1 --store-mb-s 500 --out plan.json
    """
    if sum((measure, verify is not None, frames is not None)) != 1:
        raise click.UsageError("give one of --frames, --measure and --verify")
    if options["stages"] is not None and verify is None:
        raise click.UsageError("--stages goes with --verify; a plan and rates are of every stage")
    if measure:
        _measure(out or rates_path, options)
        return
    from lard.plan.rates import read_rates

    rates = read_rates(rates_path, foreign)
    if verify is not None:
        _verify(rates, verify, {**options, "rates_path": rates_path})
    elif frames is not None:
        check_kept(out or Path(), rates_path)
        _plan(rates, frames, out, options)


def _measure(out: Path, options: dict[str, Any]) -> None:
    from lard.files import folders_for, keep_unlike
    from lard.plan.measure import measure
    from lard.plan.rates import is_rates, write_rates

    keep_unlike(out, "a rates file that lard plan wrote", is_rates)
    if options["train"]:  # known before minutes of work
        from lard.detect.config import Params

        if Params().corner_model(options["train"]) is None:
            Params().model(options["train"])
    with folders_for(out.parent):  # no minutes of work for a place that cannot be written
        folder = out.with_name(f"{out.name}.measure")
        _tell(f"what is measured is kept in {folder} until all is")
        rates = measure(folder, _codes(options), options["repeats"], options["train"], _tell)
        write_rates(rates, out)
    columns = ["stage", "per", "fixed CPU s", "CPU s each", "first ones", "spread", "peak MiB", "kB each"]
    rows = [
        [
            name, rate.unit, f"{rate.fixed.cpu_s:.2f}", f"{rate.each.cpu_s:.3g}",
            _of_first(rate),
            "" if rate.spread is None else f"{rate.spread:.0%}", f"{rate.most_mib:.0f}",
            f"{rate.each.bytes / 1e3:.4g}",
        ]
        for name, rate in rates.stages.items()
    ]  # fmt: skip
    print_table(f"{out}: rates of this machine", columns, rows, set(columns[2:]))


def _of_first(rate: Rate) -> str:
    """What each of the first units takes, up to which."""
    more = [sum(other.more.cpu_s for other in rate.first[k:]) for k in range(len(rate.first))]
    return ", ".join(
        f"{rate.each.cpu_s + extra:.3g} to {one.units}" for extra, one in zip(more, rate.first, strict=True)
    )


def _tell(line: str) -> None:
    click.echo(line, err=True)


def _codes(options: dict[str, Any]) -> list[str]:
    from lard.airports import load_shipped

    codes = sorted(set(codes_of(options["airports"])))
    if not codes:
        raise click.UsageError("--airports names none; give ICAO codes of shipped airports")
    for code in codes:
        load_shipped().airport(code)
    return codes


def _stages(text: str | None) -> list[str]:
    """The stages to verify, all where none are named."""
    from lard.plan.steps import TIMED

    names = list(TIMED) if text is None else [name.strip() for name in text.split(",")]
    if unknown := [name for name in names if name not in TIMED]:
        raise click.UsageError(f"--stages: {unknown[0]!r} is no stage; expected some of {', '.join(TIMED)}")
    return names


def _verify(rates: Rates, frames: int, options: dict[str, Any]) -> None:
    import sys

    from lard.plan.measure import verify

    path = options["rates_path"]
    folder = path.with_name(f"{path.name}.verify-{frames}")
    found = verify(folder, rates, frames, _codes(options), _stages(options["stages"]), _tell)
    if folder.exists():
        _tell(f"what was made and what it took is kept in {folder} for the other stages")
    rows, worst = [], 0.0
    for name, (told, took) in found.items():
        off = {
            part: 100 * (getattr(told, part) / max(getattr(took, part), 1e-9) - 1)
            for part in ("cpu_s", "bytes")
        }
        worst = max(worst, *map(abs, off.values()))
        rows.append(
            [
                name, str(took.units), f"{told.cpu_s:.1f}", f"{took.cpu_s:.1f}", f"{off['cpu_s']:+.0f} %",
                f"{took.pace_ms / rates.stages[name].pace_ms - 1:+.0%}",
                f"{told.bytes / 1e6:.2f}", f"{took.bytes / 1e6:.2f}", f"{off['bytes']:+.0f} %",
                f"{took.peak_mib:.0f}",
            ]
        )  # fmt: skip
    columns = [
        "stage",
        "units",
        "CPU s told",
        "took",
        "off",
        "slower",
        "MB told",
        "wrote",
        "off ",
        "peak MiB",
    ]
    if options["as_json"]:
        print_json(
            {
                name: {"told": told.model_dump(), "took": took.model_dump()}
                for name, (told, took) in found.items()
            }
        )
    else:
        print_table(f"{frames} frames", columns, rows, set(columns[1:]))
        click.echo(f"worst: off by {worst:.0f} % (limit {_LIMIT} %)")
    sys.exit(0 if worst <= _LIMIT else 1)


def _plan(rates: Rates, frames: int, out: Path | None, options: dict[str, Any]) -> None:
    from dataclasses import asdict

    from lard.files import keep_unlike, write_json
    from lard.plan.estimate import Size, plan
    from lard.plan.rates import described

    if out is not None:
        keep_unlike(out, "a plan that lard plan wrote", lambda value: "stages" in value and "size" in value)
    size = Size(frames, options["grounds"], options["workers"], options["tested"], options["train_steps"])
    costs = plan(rates, size)
    document: dict[str, Any] = {
        "size": asdict(size),
        "stages": [asdict(cost) for cost in costs],
        "rates": {"machine": rates.machine.model_dump(), "lard_version": rates.lard_version},
    }
    outcomes: list[Outcome] = []
    if options["simulate"]:
        outcomes, document["simulation"] = _simulated(rates, costs, options)
    if out is not None:
        write_json(document, out)
    if options["as_json"]:
        print_json(document)
        return
    _print_costs(costs, size.workers, described(rates.machine))
    if outcomes:
        _print_outcomes(outcomes, document["simulation"])


def _simulated(
    rates: Rates, costs: list[Cost], options: dict[str, Any]
) -> tuple[list[Outcome], dict[str, Any]]:
    """Outcomes of all widths of a stage, and what they rest on."""
    from dataclasses import asdict

    from lard.plan.estimate import cluster_of
    from lard.plan.simulate import WIDTHS, knees, simulate
    from lard.progress import track

    (cost,) = (cost for cost in costs if cost.stage == options["stage"])
    cluster = cluster_of(
        rates, cost, options["mtbf_hours"] * 3600, options["restart_s"], options["scheduler_ms"],
        options["store_mb_s"], options["seed"],
    )  # fmt: skip
    widths = sorted({*WIDTHS, options["workers"]})
    outcomes = [simulate(cluster, width) for width in track(widths, "simulate", unit="widths")]
    full = {name: round(value) for name, value in knees(cluster).items() if value < 1e9}
    document = {
        "stage": cost.stage,
        "cluster": asdict(cluster),
        "widths": [asdict(outcome) for outcome in outcomes],
        "full_at_workers": full,
        "measured": {
            "scheduler_ms": options["scheduler_ms"] is None,
            "store_mb_s": options["store_mb_s"] is None,
            "log_sd": True,
            "mtbf_s": False,
        },
    }
    return outcomes, document


def _print_costs(costs: list[Cost], workers: int, machine: str) -> None:
    columns = ["stage", "units", "per", "processes", "hours", "CPU hours", "GB", "files", "MiB each"]
    rows = [
        [
            cost.stage, f"{cost.units:,}", cost.unit, f"{cost.processes:,}", f"{cost.hours:,.2f}",
            f"{cost.cpu_hours:,.1f}", f"{cost.bytes / 1e9:,.2f}", f"{cost.files:,.0f}",
            f"{cost.process_mib:,.0f}",
        ]
        for cost in costs
    ]  # fmt: skip
    rows.append(
        ["all", "", "", "", f"{sum(c.hours for c in costs):,.2f}", f"{sum(c.cpu_hours for c in costs):,.1f}",
         f"{sum(c.bytes for c in costs) / 1e9:,.2f}", f"{sum(c.files for c in costs):,.0f}", ""]
    )  # fmt: skip
    print_table(f"{workers} workers like {machine}", columns, rows, set(columns[1:]) - {"per"})
    alone = [cost.stage for cost in costs if cost.units and cost.processes == 1 < workers]
    if alone:
        click.echo(f"one process each, however many workers: {', '.join(alone)}")


def _print_outcomes(outcomes: list[Outcome], about: dict[str, Any]) -> None:
    columns = ["workers", "hours", "efficiency", "scheduler", "store", "lost tasks", "limit"]
    rows = [
        [
            f"{o.workers:,}", f"{o.makespan_s / 3600:,.2f}", f"{o.efficiency:.0%}", f"{o.scheduler_busy:.0%}",
            f"{o.store_busy:.0%}", f"{o.lost_tasks:,}", o.limit,
        ]
        for o in outcomes
    ]  # fmt: skip
    cluster = about["cluster"]
    click.echo()
    print_table(
        f"{about['stage']}: {cluster['tasks']:,} tasks of {cluster['task_s']:.2f} s", columns, rows,
        set(columns[:-1]),
    )  # fmt: skip
    for name, width in about["full_at_workers"].items():
        click.echo(f"the {name} is busy all the time from {width:,} workers on")
    click.echo("assumed, not measured: how long workers live and until they are back")
