"""Tasks and workers: what fails is named, the rest is done, and nothing is trusted unseen."""

import errno
import importlib.util
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from worker_tasks import odd_ones_fail, square

from lard.errors import DataError, LardError, SourceError, SpecError, StorageFull, Unfinished
from lard.workers import Failures, Shares, Workers, arrived, run_tasks, workers_of
from lard.workers.scheduler import Scheduler
from lard.workers.shares import Unseen, probing
from lard.workers.slurm import read_profile
from lard.workers.tasks import MOST_FAILED, MOST_TRIES, TaskLost


def collected(
    fn: Callable[[Any], Any], tasks: list[Any], workers: Workers | None = None, parts: bool = True
) -> tuple[list[Any], str]:
    """Results, and what is told of failures."""
    split = (lambda task: [[part] for part in task]) if parts else (lambda task: [task])
    failures = Failures(lambda task: f"task {task}", split)
    found = list(run_tasks(workers or workers_of(1), fn, tasks, failures))
    with pytest.raises(Unfinished) as told:
        failures.check()
    assert told.value.exit_code == 1
    return found, str(told.value)


def test_a_task_that_fails_is_tried_in_parts_and_named_and_the_others_are_done() -> None:
    def fn(numbers: list[int]) -> list[int]:
        if 7 in numbers:
            raise DataError("7 is odd")
        return numbers

    found, told = collected(fn, [[1, 2], [6, 7, 8], [9]])
    assert sorted(chain.from_iterable(found)) == [1, 2, 6, 8, 9]
    assert told.splitlines() == [
        "task [7]: 7 is odd", "1 failed; all others that are finished are kept: mend and run again"
    ]  # fmt: skip


def test_only_what_may_pass_another_time_is_tried_again() -> None:
    tried: list[int] = []

    def fn(number: int) -> int:
        tried.append(number)
        if number == 1:
            raise DataError("always")
        if number == 2:
            raise SourceError("a disk")
        if number == 3 and tried.count(3) < MOST_TRIES:
            raise OSError(errno.EIO, "a network")
        return number

    found, told = collected(fn, [0, 1, 2, 3, 4], parts=False)
    assert sorted(found) == [0, 3, 4]
    assert [tried.count(number) for number in range(5)] == [1, 1, MOST_TRIES, MOST_TRIES, 1]
    assert "task 1: always" in told and "task 2: a disk" in told


def test_a_full_disk_ends_the_work_at_once_and_so_do_too_many_failures(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tried: list[int] = []

    def full(number: int) -> int:
        tried.append(number)
        raise StorageFull("the disk is full")

    failures = Failures(str)
    with pytest.raises(StorageFull):
        list(run_tasks(workers_of(1), full, range(50), failures))
    assert tried == [0]
    with pytest.raises(Unfinished, match=f"{MOST_FAILED} failed; stopped there"):
        list(run_tasks(workers_of(1), lambda n: 1 // 0, range(10 * MOST_FAILED), Failures(str)))
    assert capsys.readouterr().err.count("ZeroDivisionError") == 1, (
        "the program's own fault, told once in full"
    )


def test_without_a_list_of_failures_the_first_error_is_raised() -> None:
    with pytest.raises(TypeError):
        list(run_tasks(workers_of(1), abs, ["text"]))


@pytest.mark.e2e
def test_a_task_that_kills_or_keeps_its_process_is_found_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a pool that only tells that it broke, not by which of the tasks that were out."""
    monkeypatch.setenv("LARD_TASK_LIMIT_S", "1")
    found, told = collected(odd_ones_fail, [[0, 1], [2, 3], [4], [5], [7]], workers_of(2))
    assert sorted(chain.from_iterable(found)) == [0, 1, 2, 4]
    lost = "its worker was lost each time, out of memory, killed or past its time limit"
    assert told.splitlines()[:3] == [f"task [3]: {lost}", f"task [5]: {lost}", "task [7]: 7 is odd"]


class Growing:
    """A pool of which one can read the width, and that grows once work waits in it."""

    def __init__(self) -> None:
        self.width, self.most = 0, 0
        self.gate = threading.Event()

    def start(self) -> Executor:
        return ThreadPoolExecutor(4)

    def room(self) -> int:
        self.width = 3 if self.gate.is_set() else 0
        return 2 * self.width + 1


def test_the_width_is_read_while_tasks_run_not_only_when_one_ends() -> None:
    growing = Growing()
    running: list[float] = []

    def fn(number: int) -> int:
        running.append(time.monotonic())
        growing.gate.set()
        while len(running) < 3:  # the first ones end when three have begun
            time.sleep(0.01)
        return number

    workers = Workers(growing.start, growing.room, "a test", remote=True)
    assert sorted(run_tasks(workers, fn, range(6))) == list(range(6))


class Client:
    """As much of a Dask client as a scheduler's width needs."""

    def __init__(self) -> None:
        self.threads: dict[str, int] = {}

    def nthreads(self) -> dict[str, int]:
        return self.threads


def test_room_follows_the_workers_and_their_absence_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr("lard.workers.scheduler.time.monotonic", lambda: clock[0])
    scheduler, client = Scheduler("tcp://a:1", Shares(), 0.0), Client()
    scheduler._client, scheduler._quiet_since = client, clock[0]
    empty = scheduler.room()
    assert empty >= 32, "an adaptive cluster grows by what waits"
    clock[0] += 11
    scheduler.room()
    scheduler.room()
    assert capsys.readouterr().err.count("tcp://a:1: no workers yet") == 1
    client.threads = {f"w{i}": 4 for i in range(10)}
    clock[0] += 2
    assert scheduler.room() - empty == 10 * (scheduler.room() - empty) // 10 > 20, "by processes, not threads"


class Lost(Executor):
    """A scheduler that tells that a task's workers were lost, or that it is gone itself."""

    gone = 0

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if args[0] == 2:
            future.set_exception(TaskLost("4 workers were lost while it ran"))
        elif args[0] == 3 and not Lost.gone:
            Lost.gone = 1
            future.cancel()
            future.set_running_or_notify_cancel()
        else:
            future.set_result(fn(*args))
        return future


def test_a_scheduler_that_is_gone_is_asked_again_and_a_lost_task_is_named() -> None:
    """Task 2 is named after it was lost among others, and again alone."""
    found, told = collected(square, list(range(6)), Workers(Lost, lambda: 3, "x", remote=True), parts=False)
    assert sorted(found) == [0, 1, 9, 16, 25]
    assert Lost.gone == 1
    assert "task 2: 4 workers were lost while it ran" in told


def test_a_probe_tells_folders_files_and_programs_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, ground = tmp_path / "out", tmp_path / "manifest.json"
    out.mkdir()
    ground.write_text("{}")
    monkeypatch.chdir(tmp_path)
    with probing(Shares(Path("out"), (Path("manifest.json"),))) as probe:
        monkeypatch.chdir("/")  # where the worker stands
        probe.check("tcp://w:1")
        answer = probe.answer_of("tcp://w:1")
        assert answer is not None and answer.read_text() == probe.word
        ground.write_text("{} ")
        with pytest.raises(Unseen, match=r"worker tcp://w:1 on .*manifest.json is another file there"):
            probe.check("tcp://w:1")
        ground.unlink()
        with pytest.raises(Unseen, match=r"cannot read .*manifest.json \(No such file"):
            probe.check("tcp://w:1")
        other = replace(probe, mark=tmp_path / ".lard-seen-0")
        with pytest.raises(Unseen, match=rf"does not see the {tmp_path} of this run.*mount the same folder"):
            other.check("tcp://w:1")
        (tmp_path / ".lard-seen-0").write_text("an older run's word")
        with pytest.raises(Unseen, match="does not see"):
            other.check("tcp://w:1")
        newer = replace(probe, programs={**probe.programs, "numpy": "9.9"})
        with pytest.raises(Unseen, match=r"numpy is \S+ there and 9.9 here.*same environment"):
            newer.check("tcp://w:1")
    assert not list(out.iterdir()), "mark and answers are gone"


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with probing(Shares(tmp_path)) as probe:
        whole = Path.write_text

        def refuse(path: Path, *args: Any, **kwargs: Any) -> int:
            if path.name.startswith(".lard-seen-"):
                raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
            return whole(path, *args, **kwargs)

        monkeypatch.setattr(Path, "write_text", refuse)
        with pytest.raises(Unseen, match=rf"worker w on .* cannot write into {tmp_path}: .*Read-only"):
            probe.check("w")
        monkeypatch.undo()


def test_what_arrives_late_is_waited_for(tmp_path: Path) -> None:
    late = tmp_path / "late"
    threading.Timer(0.1, late.touch).start()
    assert arrived(late.is_file, 20.0)
    assert not arrived((tmp_path / "never").is_file, 0.0)
    assert not arrived(lambda: bool((tmp_path / "never").read_bytes()), 0.0), "an absent file is no fault"


@pytest.mark.parametrize("text", ["0", "-2", "many", "1.5", "9" * 30, "", "²"])
def test_what_names_no_workers_is_refused(text: str) -> None:
    with pytest.raises(LardError, match=r"workers is .*; expected a positive number, an address .* slurm:"):
        workers_of(text)


@pytest.mark.parametrize("text", ["soon", "-1", "nan", "1e9"])
def test_a_time_limit_is_seconds(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LARD_TASK_LIMIT_S", text)
    with pytest.raises(LardError, match=f"LARD_TASK_LIMIT_S is '{text}'; expected seconds"):
        workers_of(2)


PROFILE = "cores: 8\nmemory: 16 GB\nwalltime: '02:00:00'\n"


@pytest.fixture
def profile(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    def write(text: str) -> Path:
        path = tmp_path / "site.yaml"
        path.write_text(text)
        return path

    yield write


def test_a_slurm_profile_becomes_jobs(profile: Callable[[str], Path]) -> None:
    text = (
        PROFILE + "partition: short\naccount: runways\njobs: 20\njob_script_prologue: [module load python]\n"
    )
    read = read_profile(profile(text + "directives: [--constraint=icelake]\n"))
    settings = read.settings("/tmp/x")
    assert (settings["queue"], settings["account"], read.jobs) == ("short", "runways", 20)
    assert settings["cores"] == settings["processes"] == 8, "processes of one thread each"
    assert settings["job_script_prologue"] == ["module load python"]
    assert settings["job_extra_directives"] == ["--constraint=icelake"]
    assert "6480s" in settings["worker_extra_args"], "workers retire at 90 % of the walltime"
    assert read_profile(profile(PROFILE.replace("02:00:00", "1-02:00:00"))).walltime_s == 93_600


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (PROFILE.replace("8", "0"), "cores: .*greater than or equal to 1 .found 0"),
        (PROFILE.replace("16 GB", "16"), "memory: "),
        (PROFILE.replace("'02:00:00'", "2 hours"), "walltime: "),
        (PROFILE.replace("02:00:00", "00:00:00"), "walltime: expected at least 60 s"),
        (PROFILE.replace("02:00:00", "01:99:99"), "walltime: "),
        (PROFILE.replace("02:00:00", "99999-00:00:00"), "walltime: "),
        (PROFILE.replace("02:00:00", "\u0660\u0661:00:00"), "walltime: "),
        (PROFILE.replace("16 GB", "1 MB"), "memory 1 MB for the 8 processes.*at least 100 MB each"),
        (PROFILE.replace("16 GB", "9999999 GB"), "memory 9999999 GB.*at most 100 TB"),
        (PROFILE + "partition: ''\n", "partition: "),
        (PROFILE + "python: ''\n", "python: "),
        (PROFILE + "partion: short\n", "partion: "),
        (PROFILE + "partition: 'a b; rm'\n", "partition: "),
        (PROFILE + 'directives: ["--x\\n#SBATCH -n 9"]\n', "directives.0: "),
        ("cores: 8\n", "memory: "),
        ("- 1\n", "site.yaml: "),
        ("a: [\n", "site.yaml:"),
    ],
)
def test_a_wrong_profile_is_named(profile: Callable[[str], Path], wrong: str, told: str) -> None:
    with pytest.raises(SpecError, match=told) as error:
        read_profile(profile(wrong))
    assert "site.yaml" in str(error.value)


def test_a_profile_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"none.yaml: no such Slurm profile; write one"):
        workers_of(f"slurm:{tmp_path / 'none.yaml'}")


def test_a_network_card_that_is_not_here_is_named(
    profile: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    if importlib.util.find_spec("dask_jobqueue") is None:
        pytest.skip("dask-jobqueue is not installed")
    monkeypatch.setattr("shutil.which", lambda name: name)
    path = profile(PROFILE + "interface: none0\n")
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(SpecError, match=r"site.yaml: interface: no network card 'none0'.*expected .*lo"):
        workers_of(f"slurm:{path}")
    assert signal.getsignal(signal.SIGINT) is before, "Ctrl-C does what it did"
