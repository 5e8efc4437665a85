"""One machine's processes, a Dask scheduler by address and shards: the same bytes."""

import hashlib
import importlib.util
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from render_scene import make_airport, make_scene

from lard.airports.model import RunwayDatabase
from lard.approach import Approaches, pose_of
from lard.camera import Camera, intrinsics
from lard.errors import LardError
from lard.render.driver import render_frames

AIRPORT = make_airport()
DB = RunwayDatabase("test", "1", "wgs84", "ellipsoidal", {"XTST": AIRPORT})
FRAMES = 10

pytestmark = pytest.mark.e2e

needs_dask = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="Dask is not installed: pip install 'lard[dask]'"
)


def frames_table() -> pl.DataFrame:
    along = np.linspace(250, 3000, FRAMES)
    poses = pose_of(AIRPORT.runway("07"), Approaches(along, 0.5, 3.0, 0.2, -3.0, 5.0))
    names = ("lat_deg", "lon_deg", "alt_m", "yaw_deg", "pitch_deg", "roll_deg")
    fixed = {
        "airport": "XTST", "runway": "07", "zone": "near", "split": "train", "earth_model": "wgs84",
        "altitude_datum": "ellipsoidal", "visibility_m": 15000.0, "time_utc": "2024-06-01T12:00:00Z",
        "seed": 3, "vertical_deg": 3.0, "lateral_deg": 0.5, "yaw_offset_deg": 0.2,
        **intrinsics(Camera(96, 64, 80.0, 80.0, 48.0, 32.0, k1=-0.1)),
    }  # fmt: skip
    table = pl.DataFrame(
        {
            "frame_id": [f"XTST_07_{i:04d}" for i in range(FRAMES)],
            "along_track_m": along,
            **{name: getattr(poses, name) for name in names},
        }
    )
    return table.with_columns(**{name: pl.lit(value) for name, value in fixed.items()})


@pytest.fixture(scope="module")
def ground_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ground")
    make_scene(root / "XTST", AIRPORT, size=(512, 512), gsd_m=8.0, levels=3)
    return root


@pytest.fixture(scope="module")
def by_processes(ground_root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    out = tmp_path_factory.mktemp("processes")
    render_frames(frames_table(), ground_root, out, 2, DB)
    return hashes(out)


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    import dask
    from distributed import LocalCluster

    tests = str(Path(__file__).parent)
    # workers are processes of their own, as on a cluster; the dashboard would open a port for nothing
    with (
        dask.config.set({"distributed.worker.multiprocessing-method": "spawn"}),
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1",
            env={"PYTHONPATH": tests}, silence_logs=50,
        ) as cluster,
    ):  # fmt: skip
        yield cluster.scheduler_address


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix in (".jpg", ".parquet", ".jsonl")
    }


@needs_dask
def test_a_dask_scheduler_gives_the_same_bytes(
    scheduler: str, by_processes: dict[str, str], ground_root: Path, tmp_path: Path
) -> None:
    assert scheduler.startswith("tcp://")
    render_frames(frames_table(), ground_root, tmp_path, scheduler, DB)
    assert hashes(tmp_path) == by_processes


@needs_dask
def test_an_error_of_a_dask_worker_arrives_as_ours(scheduler: str, ground_root: Path, tmp_path: Path) -> None:
    low = frames_table().with_columns(alt_m=-50.0)
    with pytest.raises(LardError, match=r"frame XTST_07_000\d: the camera lies .* below the ground"):
        render_frames(low, ground_root, tmp_path, scheduler, DB)


@needs_dask
def test_workers_of_another_folder_that_come_late_write_where_they_are_told(
    by_processes: dict[str, str], ground_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scheduler and worker by their own commands, in a folder of their own, the worker when work waits."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    monkeypatch.chdir(here)
    (here / "ground").symlink_to(ground_root)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    started: list[subprocess.Popen[bytes]] = []

    def start(part: str, *words: str) -> None:
        command = [sys.executable, "-m", f"distributed.cli.dask_{part}", *words, "--no-dashboard"]
        environment = {**os.environ, "PYTHONPATH": path}
        quiet = subprocess.DEVNULL
        started.append(subprocess.Popen(command, cwd=there, env=environment, stdout=quiet, stderr=quiet))

    start("scheduler", "--host", "127.0.0.1", "--port", address.rpartition(":")[2])
    later = threading.Timer(3.0, start, ("worker", f"tcp://{address}", "--nthreads", "1", "--no-nanny"))
    try:
        wait_until_open(address)
        later.start()
        render_frames(frames_table(), Path("ground"), Path("out"), f"tcp://{address}", DB)
    finally:
        later.join()
        for process in started:
            process.kill()
            process.wait()
    assert hashes(here / "out") == by_processes
    assert not list(there.rglob("*.jpg"))


def wait_until_open(address: str) -> None:
    host, _, port = address.partition(":")
    for _ in range(300):
        try:
            socket.create_connection((host, int(port)), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"no scheduler at {address} within 30 s")


def test_shards_give_the_same_bytes(by_processes: dict[str, str], ground_root: Path, tmp_path: Path) -> None:
    for i in (2, 0, 1):
        render_frames(frames_table(), ground_root, tmp_path, 1, DB, shard=(i, 3))
    assert len(list((tmp_path / "images").iterdir())) == FRAMES
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "images").iterdir()}
    render_frames(frames_table(), ground_root, tmp_path, 1, DB)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "images").iterdir()} == kept
    assert hashes(tmp_path) == by_processes
