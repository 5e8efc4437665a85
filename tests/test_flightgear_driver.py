"""The FlightGear source with stand-ins: it settles, restarts, refuses, resumes and leaves nothing behind."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from flightgear_fake import colour_of, fake_installation
from PIL import Image
from render_scene import make_airport

from lard.airports.model import RunwayDatabase
from lard.approach import Approaches, pose_of
from lard.camera import Camera
from lard.errors import DataError, SourceError
from lard.simulators.flightgear.install import airport_meshes
from lard.simulators.flightgear.settings import FlightGearSettings
from lard.simulators.flightgear.source import render_flightgear

AIRPORT = make_airport()
DB = RunwayDatabase("test", "1", "wgs84", "msl", {"XTST": AIRPORT})
POSE = ("lat_deg", "lon_deg", "alt_m", "yaw_deg", "pitch_deg", "roll_deg")
CAMERA = ("width_px", "height_px", "fx_px", "fy_px", "cx_px", "cy_px")
QUICK = FlightGearSettings(supersample=2, answer_timeout_s=1.0, start_timeout_s=20.0)

pytestmark = pytest.mark.skipif(
    shutil.which("setpriv") is None, reason="setpriv is not installed (util-linux, Linux only)"
)


def frames_table(n: int = 4, **changes: object) -> pl.DataFrame:
    camera = Camera.from_fov(96, 64, 60)
    along = np.linspace(300, 3000, n)
    poses = pose_of(AIRPORT.runway("07"), Approaches(along, 0.5, 3.0, 0.2, -3.0, 5.0))
    columns = {
        "frame_id": [f"XTST_07_{i:04d}" for i in range(n)], "along_track_m": along,
        **{name: getattr(poses, name) for name in POSE},
    }  # fmt: skip
    fixed = {
        "airport": "XTST", "runway": "07", "zone": "near", "split": "train", "earth_model": "wgs84",
        "altitude_datum": "msl", "visibility_m": 15000.0, "time_utc": "2024-06-01T12:00:00Z", "seed": 3,
        "vertical_deg": 3.0, "lateral_deg": 0.5, "yaw_offset_deg": 0.2,
        **{name: getattr(camera, name) for name in CAMERA},
        **changes,
    }  # fmt: skip
    return pl.DataFrame(columns).with_columns(**{name: pl.lit(value) for name, value in fixed.items()})


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fake FlightGear in the environment."""
    for name, value in fake_installation(tmp_path).items():
        monkeypatch.setenv(name, value)
    airport_meshes.cache_clear()
    return tmp_path


def assert_pictures(out: Path, frames: pl.DataFrame) -> None:
    """Every frame's picture is there, of its size, and shows its own pose."""
    for row in frames.iter_rows(named=True):
        picture = np.asarray(Image.open(out / "images" / f"{row['frame_id']}.jpg")).astype(int)
        assert picture.shape == (row["height_px"], row["width_px"], 3)
        assert np.abs(picture[10, 10] - colour_of(row["lat_deg"])).max() <= 3, row["frame_id"]


@pytest.mark.parametrize("mode", ["ok", "late"])
def test_each_picture_shows_its_own_frame(fake: Path, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    monkeypatch.setenv("FAKE_FG", mode)
    frames, out = frames_table(), fake / "out"
    manifest = render_flightgear(frames, out, 1, DB, QUICK)
    assert_pictures(out, frames)
    assert manifest["source"].unique().to_list() == ["flightgear"]
    assert "2020.3.16" in manifest["source_version"][0]


def test_several_simulators_share_the_work(fake: Path) -> None:
    frames = pl.concat(
        [frames_table(17), frames_table(1, width_px=64, cx_px=32.0).with_columns(pl.col("frame_id") + "s")]
    )
    render_flightgear(frames, fake / "out", 2, DB, QUICK)
    assert_pictures(fake / "out", frames)
    homes = [path for path in (fake / "cache" / "flightgear").iterdir() if path.is_dir()]
    assert len(homes) == 2


@pytest.mark.parametrize("mode", ["hang=2", "die=3"])
def test_a_hung_or_dead_simulator_is_replaced(fake: Path, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    monkeypatch.setenv("FAKE_FG", mode)
    frames = frames_table()
    render_flightgear(frames, fake / "out", 1, DB, QUICK)
    assert_pictures(fake / "out", frames)
    assert (fake / "cache" / "flightgear" / "misbehaved").exists()


def test_goes_on_after_a_run_that_failed(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames, out = frames_table(), fake / "out"
    render_flightgear(frames.head(2), out, 1, DB, QUICK)
    first = {path: path.stat().st_mtime_ns for path in (out / "images").iterdir()}
    monkeypatch.setenv("FAKE_FG", "stuck")
    with pytest.raises(SourceError, match=r"XTST_07_0002: flightgear failed 3 times.*(?s:.*)no such luck"):
        render_flightgear(frames, out, 1, DB, QUICK)
    monkeypatch.setenv("FAKE_FG", "ok")
    render_flightgear(frames, out, 1, DB, QUICK)
    assert_pictures(out, frames)
    assert {path: path.stat().st_mtime_ns for path in first} == first


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("wrong", "position m off by 3"),
        ("empty", "2 thresholds without scenery"),
        ("small", "window is 191 x 128"),
    ],
)
def test_what_it_shows_is_checked(
    fake: Path, monkeypatch: pytest.MonkeyPatch, mode: str, message: str
) -> None:
    monkeypatch.setenv("FAKE_FG", mode)
    with pytest.raises(SourceError, match=message):
        render_flightgear(frames_table(1), fake / "out", 1, DB, QUICK)


def test_a_simulator_that_never_answers(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_FG", "deaf")
    settings = FlightGearSettings(start_timeout_s=0.5)
    with pytest.raises(SourceError, match=r"did not start within 0\.5 s"):
        render_flightgear(frames_table(1), fake / "out", 1, DB, settings)


def test_no_scenery_is_refused_before_anything_starts(fake: Path) -> None:
    db = RunwayDatabase("test", "1", "wgs84", "msl", {"XTST": AIRPORT, "EGLL": AIRPORT})
    with pytest.raises(SourceError, match=r"no FlightGear scenery for EGLL(?s:.*)has XTST"):
        render_flightgear(frames_table(2, airport="EGLL"), fake / "out", 1, db, QUICK)
    assert not (fake / "cache").exists()


def test_port_in_use(fake: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SourceError, match=f"port {port} is in use"):
            render_flightgear(frames_table(1), fake / "out", 1, DB, FlightGearSettings(port=port))


def test_wrong_version_and_nothing_installed(
    tmp_path: Path, fake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (fake / "root" / "version").write_text("2024.1.1\n")
    with pytest.raises(SourceError, match=r"found FlightGear 2024.1.1, expected 2020.3"):
        render_flightgear(frames_table(1), fake / "out", 1, DB, QUICK)
    monkeypatch.setenv("LARD_FGFS", str(tmp_path / "none"))
    monkeypatch.setenv("FG_ROOT", str(tmp_path / "none"))
    with pytest.raises(SourceError, match=r"not installed(?s:.*)apt-get install"):
        render_flightgear(frames_table(1), fake / "out", 1, DB, QUICK)


def test_disk_full_keeps_what_is_finished(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames, out, write = frames_table(), fake / "out", Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if "0002" in path.name:
            raise OSError(28, "No space left on device")
        return write(path, data)

    with monkeypatch.context() as context:
        context.setattr(Path, "write_bytes", full)
        with pytest.raises(SourceError, match=r"0002.jpg: cannot be written \(the disk is full\)"):
            render_flightgear(frames, out, 1, DB, QUICK)
    assert len(list((out / "images").glob("*.jpg"))) == 2
    render_flightgear(frames, out, 1, DB, QUICK)
    assert_pictures(out, frames)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"earth_model": "sphere6371010"}, "earth_model"),
        ({"altitude_datum": "ellipsoidal"}, "altitude_datum"),
        ({"cx_px": 40.0}, "principal point"),
        ({"rain_mm_h": 2.0}, "rain_mm_h of frame .* is 2 and 1 more frames; flightgear does not draw it"),
        ({"fog_top_m": 60.0}, "fog_top_m"),
        ({"exposure_ev": -1.0}, "exposure_ev"),
        ({"visibility_m": 10.0}, "visibility_m is 10"),
    ],
)
def test_frames_it_cannot_show_are_refused(fake: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        render_flightgear(frames_table(2, **changes), fake / "out", 1, DB, QUICK)


def _processes(folder: Path) -> list[int]:
    """Processes whose environment names the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                environment = (entry / "environ").read_bytes()
                state = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0]
            except OSError:
                continue
            if str(folder).encode() in environment and state != "Z":
                found.append(int(entry.name))
    return found


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_process_outlives_the_run(fake: Path, how: signal.Signals) -> None:
    script = fake / "run.py"
    tests = Path(__file__).parent
    script.write_text(
        f"import signal, sys; sys.path[:0] = {[str(tests), str(tests.parent)]}\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job inherits none\n"
        "from test_flightgear_driver import DB, frames_table\n"
        "from lard.simulators.flightgear.source import render_flightgear\n"
        f"render_flightgear(frames_table(1), {str(fake / 'out')!r}, 1, DB)\n"
    )
    env = {**os.environ, "FAKE_FG": "hang=1"}
    run = subprocess.Popen([sys.executable, str(script)], env=env, stderr=subprocess.DEVNULL)
    marker = fake / "cache" / "flightgear" / "misbehaved"
    try:
        end = time.monotonic() + 30
        while not marker.exists():
            assert time.monotonic() < end and run.poll() is None
            time.sleep(0.05)
        started = [pid for pid in _processes(fake) if pid != run.pid]
        assert len(started) >= 3  # screen, bus, simulator
        run.send_signal(how)
        run.wait(20)
        end = time.monotonic() + 10
        while _processes(fake) and time.monotonic() < end:
            time.sleep(0.05)
        assert _processes(fake) == []
    finally:
        run.kill()
        run.wait()
