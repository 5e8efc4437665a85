"""One machine's processes, a Dask scheduler by address and shards: the same bytes."""

import hashlib
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
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
from lard.render.journal import part_of
from lard.tables import sha256_file

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


AIRPORTS = {code: replace(AIRPORT, icao=code) for code in ("XONE", "XTST", "XTWO")}
THREE = RunwayDatabase("test", "1", "wgs84", "ellipsoidal", AIRPORTS)


def frames_of_three() -> pl.DataFrame:
    """Frames of three airports whose ids do not sort as the airports do."""
    parts = [
        frames_table()[: 4 + place].with_columns(
            airport=pl.lit(code), frame_id=f"F{2 - place}" + pl.col("frame_id").str.slice(7)
        )
        for place, code in enumerate(AIRPORTS)
    ]
    return pl.concat(parts)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 40])
def test_shards_take_each_frame_once_and_airports_together(count: int) -> None:
    frames = frames_of_three().sample(fraction=1.0, shuffle=True, seed=count)
    parts = [part_of(frames, (place, count)) for place in range(count)]
    taken = pl.concat(parts)["frame_id"]
    assert sorted(taken) == sorted(frames["frame_id"]), "each once"
    assert max(map(len, parts)) - min(map(len, parts)) <= 1, "alike in size"
    visits = sum(part["airport"].n_unique() for part in parts)
    assert visits <= min(len(frames), len(AIRPORTS) + count - 1), "as few airports a shard as can be"


def test_any_number_of_shards_in_any_order_gives_the_same_bytes(
    ground_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for code in AIRPORTS:
        shutil.copytree(ground_root / "XTST", tmp_path / "ground" / code)
    frames, found = frames_of_three(), []
    rng = np.random.default_rng(5)
    for count in (1, 2, 3, 20):  # there are 15 frames
        out = tmp_path / f"of_{count}"
        for place in rng.permutation(count) if count > 1 else ():
            shuffled = frames.sample(fraction=1.0, shuffle=True, seed=int(place))
            render_frames(shuffled, tmp_path / "ground", out, 1, THREE, shard=(int(place), count))
        render_frames(frames, tmp_path / "ground", out, 1, THREE)
        found.append(hashes(out))
    assert len(found[0]) == 15 + 3
    assert all(one == found[0] for one in found[1:])
    # a shard reads its own pictures and grounds, and no others
    read: list[str] = []
    digest = sha256_file
    monkeypatch.setattr(
        "lard.render.journal.sha256_file", lambda path: read.append(path.stem) or digest(path)
    )
    shutil.rmtree(tmp_path / "ground" / "XTWO")
    part = render_frames(frames, tmp_path / "ground", tmp_path / "of_1", 1, THREE, shard=(0, 3))
    assert len(part) == 5
    assert sorted(read) == sorted(part["frame_id"])


def test_a_picture_changed_in_place_is_found_whatever_its_size_and_time_say(
    ground_root: Path, tmp_path: Path
) -> None:
    manifest = render_frames(frames_table(), ground_root, tmp_path, 1, DB)
    path = tmp_path / "images" / "XTST_07_0004.jpg"
    before, told = path.read_bytes(), path.stat()
    path.write_bytes(before[:-100] + bytes(98) + before[-2:])
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))
    assert path.stat().st_size == told.st_size
    assert render_frames(frames_table(), ground_root, tmp_path, 1, DB).equals(manifest)
    assert path.read_bytes() == before


def test_shards_give_the_same_bytes(by_processes: dict[str, str], ground_root: Path, tmp_path: Path) -> None:
    for i in (2, 0, 1):
        render_frames(frames_table(), ground_root, tmp_path, 1, DB, shard=(i, 3))
    assert len(list((tmp_path / "images").iterdir())) == FRAMES
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "images").iterdir()}
    render_frames(frames_table(), ground_root, tmp_path, 1, DB)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "images").iterdir()} == kept
    assert hashes(tmp_path) == by_processes
