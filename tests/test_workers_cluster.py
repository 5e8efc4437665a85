"""Workers as processes of a scheduler, in another folder: killed, hung, blind, late, left alone."""

import importlib.util
import subprocess
import threading
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
from dask_processes import Processes
from worker_tasks import killed_once, odd_ones_fail, slow, standing

from lard.errors import SourceError, Unfinished
from lard.workers import Failures, Shares, run_tasks, workers_of
from lard.workers.shares import Unseen

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        importlib.util.find_spec("distributed") is None,
        reason="Dask is not installed: pip install lard[dask]",
    ),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    made = Processes(tmp_path_factory.mktemp("there"))
    made.scheduler()
    made.worker("--nworkers", "2")
    yield made
    made.end()


def test_workers_of_another_folder_share_a_relative_one(
    cluster: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("out").mkdir()
    found = list(run_tasks(workers_of(cluster.address, Shares(Path("out"))), standing, range(40)))
    assert {folder for folder, _ in found} == {str(cluster.folder)}
    assert len({process for _, process in found}) == 2
    assert not list(Path("out").iterdir()), "the mark is gone"


def test_a_worker_killed_in_the_midst_loses_nothing(cluster: Processes, tmp_path: Path) -> None:
    tasks = [(str(tmp_path / "killed"), number) for number in range(30)]
    failures = Failures(str)
    assert sorted(run_tasks(workers_of(cluster.address), killed_once, tasks, failures)) == list(range(30))
    assert (tmp_path / "killed").exists()
    failures.check()


def test_what_kills_hangs_or_is_refused_is_named_and_the_rest_is_done(
    cluster: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LARD_TASK_LIMIT_S", "1")
    failures = Failures(lambda task: f"task {task}", lambda task: [[part] for part in task])
    tasks = [[0, 1], [2, 3], [4], [5], [6, 7]]
    found = run_tasks(workers_of(cluster.address), odd_ones_fail, tasks, failures)
    assert sorted(chain.from_iterable(found)) == [0, 1, 2, 4, 6]
    with pytest.raises(Unfinished) as told:
        failures.check()
    first, second, third, _ = str(told.value).splitlines()
    for line, task in ((first, 3), (second, 5)):
        assert line.startswith(f"task [{task}]: 2 workers were lost while it ran, the last tcp://")
    assert third == "task [7]: 7 is odd"


def blinded(folder: Path) -> tuple[str, ...]:
    """What runs a command where the folder is another one, as on a host that has not mounted it."""
    words = ("unshare", "-m", "sh", "-c", f'mount -t tmpfs none {folder} && exec "$@"', "sh")
    try:
        tried = subprocess.run([*words, "true"], capture_output=True, timeout=20)
    except OSError:
        pytest.skip("no unshare here")
    if tried.returncode:
        pytest.skip("mounts of one's own need root")
    return words


def test_a_worker_that_does_not_see_the_folder_is_named_before_it_works(
    cluster: Processes, tmp_path: Path
) -> None:
    before = blinded(tmp_path)
    other = Processes(cluster.folder, cluster.port)
    worker = other.worker("--no-nanny", "--name", "blind", before=before)
    try:
        from distributed import Client

        with Client(cluster.address, set_as_default=False) as client:
            client.wait_for_workers(3, timeout=60)
        began = tmp_path / "began"
        began.mkdir()
        with pytest.raises(Unseen, match=rf"worker tcp://\S+ on \S+ does not see the {tmp_path} of this run"):
            tasks = [(str(began), number, 0.0) for number in range(9)]
            list(run_tasks(workers_of(cluster.address, Shares(tmp_path)), slow, tasks))
        assert not list(began.iterdir()), "nobody has begun"
    finally:
        worker.kill()
        other.end()


def test_a_worker_that_comes_late_and_blind_is_named_and_writes_nothing(tmp_path: Path) -> None:
    before = blinded(tmp_path)
    late = Processes(tmp_path.parent)
    late.scheduler()
    timer = threading.Timer(1.0, late.worker, ("--no-nanny",), {"before": before})
    timer.start()
    try:
        with pytest.raises(Unseen, match="does not see the"):
            list(run_tasks(workers_of(late.address, Shares(tmp_path)), slow, [(str(tmp_path), 1, 0.0)]))
        assert not list(tmp_path.iterdir())
    finally:
        timer.join()
        late.end()


def test_a_scheduler_that_is_started_again_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And one that stays away ends the run with its address."""
    first = Processes(tmp_path)
    first.scheduler()
    first.worker("--no-nanny", "--death-timeout", "5")
    again = Processes(tmp_path, first.port)
    begun = tmp_path / "begun"
    begun.mkdir()

    def restart() -> None:
        while not (begun / "3").exists():
            time.sleep(0.05)
        for process in first.started:
            process.kill()
            process.wait()
        again.scheduler()
        again.worker("--no-nanny")

    thread = threading.Thread(target=restart)
    thread.start()
    try:
        tasks = [(str(begun), number, 0.2) for number in range(12)]
        assert set(run_tasks(workers_of(first.address), slow, tasks)) == set(range(12))
        thread.join()
        monkeypatch.setattr("lard.workers.scheduler.RECONNECT_S", 2.0)
        monkeypatch.setattr("lard.workers.scheduler.CONNECT_S", 2.0)
        threading.Timer(1.0, lambda: [process.kill() for process in again.started]).start()
        with pytest.raises(SourceError, match=rf"no Dask scheduler answers at {first.address} .* run again"):
            list(run_tasks(workers_of(first.address), slow, [(str(begun), 99, 60.0)]))
    finally:
        first.end()
        again.end()
