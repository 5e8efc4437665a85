"""X-Plane by its documented packets and Web API, packets lost and late; the eye is posed, not the plane."""

import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from fake_xplane import FakeXPlane
from hypothesis import given
from hypothesis import strategies as st
from labels_support import database, frames_of
from PIL import Image

from lard.camera import Camera, Poses, cam_from_ecef
from lard.cli import main
from lard.errors import DataError, SourceError
from lard.geodesy import ecef_from_geodetic
from lard.simulators.core import SimulatorFault
from lard.simulators.xplane import packets
from lard.simulators.xplane.link import UdpLink, WebLink
from lard.simulators.xplane.settings import XPlaneSettings
from lard.simulators.xplane.simulator import aircraft_position, window_fov_deg
from lard.simulators.xplane.source import render_xplane
from lard.tables import FRAMES, read_table, write_table

CAMERA = Camera.from_fov(96, 64, 60.0)


def frames(n: int = 3) -> pl.DataFrame:
    return frames_of(database(), n, camera=CAMERA).sort("frame_id")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "screenshots").mkdir()
    return tmp_path / "screenshots"


@pytest.fixture
def simulator(folder: Path) -> Iterator[FakeXPlane]:
    fake = FakeXPlane(folder)
    yield fake
    fake.close()


def settings(fake: FakeXPlane, **changes: object) -> XPlaneSettings:
    short = XPlaneSettings(
        fake.screenshots, port=fake.port, timeout_s=2.0, settle_s=0.02, screenshot_timeout_s=2.0
    )
    return replace(short, **changes)  # type: ignore[arg-type]


def test_packets_are_the_documented_bytes() -> None:
    assert packets.rref("sim/a", 7, 20) == b"RREF\0" + struct.pack("<ii", 20, 7) + b"sim/a".ljust(400, b"\0")
    assert packets.dref("sim/b[2]", 1.5) == b"DREF\0" + struct.pack("<f", 1.5) + b"sim/b[2]".ljust(500, b"\0")
    assert packets.vehx(1.0, 2.0, 3.0, 370.0, -4.0, 5.0) == (
        b"VEHX\0" + struct.pack("<i", 0) + struct.pack("<ddd", 1, 2, 3) + struct.pack("<fff", 10, -4, 5)
    )
    assert packets.command("sim/operation/pause_toggle") == b"CMND\0sim/operation/pause_toggle\0"
    text = packets.alert(["a", "b"])
    assert len(text) == 5 + 4 * 240 and text[5:7] == b"a\0" and text[245:247] == b"b\0"
    row = packets.data({18: [1.0, 2.0]})
    assert row == b"DATA\0" + struct.pack("<i8f", 18, 1, 2, *[-999.0] * 6)
    assert packets.rref_values(b"RREF," + struct.pack("<ifif", 3, 0.5, 4, 1.0)) == {3: 0.5, 4: 1.0}
    for cut in (b"", b"RREF", b"RREF,123", b"DATA*" + bytes(36)):
        assert packets.rref_values(cut) == {}
    for bad in (
        lambda: packets.dref("x" * 600, 1),
        lambda: packets.alert(["a"] * 5),
        lambda: packets.command("é"),
    ):
        with pytest.raises(SourceError):
            bad()


@given(st.floats(10, 170), st.integers(200, 4000), st.floats(0.1, 1.0))
def test_the_middle_of_a_wider_window_keeps_the_focal_length(fov: float, window: int, share: float) -> None:
    width = max(round(window * share), 1)
    fx = Camera.from_fov(width, width, fov).fx_px
    wide = Camera.from_fov(window, window, window_fov_deg(fx, window))
    assert wide.fx_px == pytest.approx(fx, rel=1e-9)


@given(
    st.floats(-80, 80), st.floats(-180, 180), st.floats(0, 5000), st.floats(0, 360), st.floats(-30, 30),
    st.floats(-40, 40),
)  # fmt: skip
def test_the_eye_stands_at_the_pose(
    lat: float, lon: float, alt: float, yaw: float, pitch: float, roll: float
) -> None:
    names = ("lat_deg", "lon_deg", "alt_m", "yaw_deg", "pitch_deg", "roll_deg")
    frame = dict(zip(names, (lat, lon, alt, yaw, pitch, roll), strict=True))
    at = aircraft_position(frame, (-0.5, 1.25, -4.0))
    poses = Poses(*(frame[name] for name in names))
    rotation, origin = cam_from_ecef(poses)
    right, down, forward = rotation[0] @ (origin[0] - ecef_from_geodetic(*at))
    np.testing.assert_allclose([right, down, forward], [-0.5, -1.25, 4.0], atol=1e-6)


@pytest.mark.parametrize(("lose", "late"), [(0, 0), (3, 0), (0, 2), (4, 3)])
def test_reading_and_writing_survive_lost_and_late_packets(folder: Path, lose: int, late: int) -> None:
    fake = FakeXPlane(folder, lose=lose, late=late)
    link = UdpLink("127.0.0.1", fake.port, 5.0)
    try:
        for value in (1.0, 2.5, -7.0):
            link.write({"sim/x": value, "sim/y[3]": -value})
            assert link.read(["sim/y[3]", "sim/x"]) == {"sim/x": value, "sim/y[3]": -value}
    finally:
        link.close()
        fake.close()


def test_silence_and_a_stuck_value_are_faults(simulator: FakeXPlane) -> None:
    link = UdpLink("127.0.0.1", simulator.port, 1.0)
    simulator.stuck.add("sim/x")
    with pytest.raises(SimulatorFault, match="keeps sim/x at 0; 3 was written 5 times"):
        link.write({"sim/x": 3.0})
    link.close()
    nobody = UdpLink("127.0.0.1", 9, 0.3)
    with pytest.raises(SimulatorFault, match=r"no answer for sim/x in 0\.3 s; is it running"):
        nobody.read(["sim/x"])
    nobody.close()


@pytest.mark.parametrize("by_web", [False, True])
def test_frames_become_a_dataset(simulator: FakeXPlane, tmp_path: Path, by_web: bool) -> None:
    web = simulator.serve_web() if by_web else ""
    out, table = tmp_path / "data", frames()
    manifest = render_xplane(table, out, database(), settings(simulator, web_url=web))
    assert manifest["source"].to_list() == ["xplane"] * 3
    assert manifest["source_version"][0].startswith("X-Plane 12.01")
    written = read_table(out / "frames.parquet", FRAMES)
    assert written["frame_id"].to_list() == table["frame_id"].to_list()
    for row in manifest.iter_rows(named=True):
        with Image.open(out / row["image"]) as picture:
            assert picture.size == (96, 64)
    assert simulator.values["sim/graphics/view/field_of_view_deg"] == pytest.approx(
        window_fov_deg(CAMERA.fx_px, 200), abs=1e-4
    )
    last = table.row(-1, named=True)
    assert simulator.placed[:3] == pytest.approx(aircraft_position(last, (-0.5, 1.25, -4.0)), abs=1e-6)
    shots = simulator.shots
    render_xplane(table, out, database(), settings(simulator, web_url=web))
    assert simulator.shots == shots, "finished frames are kept"


def test_lost_packets_do_not_change_the_pictures(folder: Path, tmp_path: Path) -> None:
    digests = []
    for lose in (0, 5):
        fake = FakeXPlane(folder, lose=lose)
        try:
            manifest = render_xplane(frames(2), tmp_path / f"data{lose}", database(), settings(fake))
        finally:
            fake.close()
        digests.append(manifest["sha256"].to_list())
    assert digests[0] == digests[1]


def test_what_xplane_cannot_show_is_refused_before_it_starts(simulator: FakeXPlane, tmp_path: Path) -> None:
    for change, text in (
        ({"altitude_datum": pl.lit("wgs84")}, "counts from mean sea level"),
        ({"fy_px": pl.col("fx_px") * 1.2}, "pixels are square"),
        ({"cx_px": pl.col("cx_px") + 3}, "not the middle of the picture"),
        ({"earth_model": pl.lit("sphere6371010")}, "flies over WGS84"),
        ({"k1": pl.lit(-0.1)}, "draws them straight"),
    ):
        with pytest.raises(DataError, match=text):
            render_xplane(frames().with_columns(**change), tmp_path / "x", database(), settings(simulator))
    with pytest.raises(SourceError, match="no such folder"):
        render_xplane(
            frames(), tmp_path / "x", database(), settings(simulator, screenshots=tmp_path / "elsewhere")
        )


def test_faults_of_the_window_and_its_screenshots(folder: Path, tmp_path: Path) -> None:
    for window, text in (((80, 64), "smaller than the frames"), ((97, 64), "odd number of pixels")):
        fake = FakeXPlane(folder, window)
        try:
            with pytest.raises(SourceError, match=text):
                render_xplane(frames(1), tmp_path / "x", database(), settings(fake))
        finally:
            fake.close()
    for old in folder.iterdir():
        old.unlink()
    fake = FakeXPlane(folder)
    fake.extra_shots = 1
    try:
        with pytest.raises(SourceError, match="nothing says which belongs to the frame"):
            render_xplane(frames(1), tmp_path / "x", database(), settings(fake))
        fake.screenshots = tmp_path / "lost"
        fake.screenshots.mkdir()
        with pytest.raises(SourceError, match="is this the folder that X-Plane writes to"):
            render_xplane(
                frames(1), tmp_path / "x", database(),
                settings(fake, screenshots=folder, screenshot_timeout_s=0.3),
            )  # fmt: skip
    finally:
        fake.close()


def test_web_api_faults(simulator: FakeXPlane) -> None:
    link = WebLink(simulator.serve_web(), 2.0)
    with pytest.raises(SourceError, match="no dataref sim/absent"):
        link.read(["sim/absent"])
    link.close()
    with pytest.raises(SimulatorFault, match="no answer"):
        WebLink("http://127.0.0.1:9", 0.5)


def test_command_renders_and_refuses_options_of_other_sources(simulator: FakeXPlane, tmp_path: Path) -> None:
    path = tmp_path / "frames.parquet"
    write_table(frames(2), path, FRAMES)
    base = ["render", str(path), "--source", "xplane", "--out", str(tmp_path / "data")]
    shots = ["--screenshots", str(simulator.screenshots), "--xplane-port", str(simulator.port)]
    done = CliRunner().invoke(main, [*base, *shots])
    assert done.exit_code == 0, done.output
    assert "2 xplane pictures" in done.output
    assert CliRunner().invoke(main, base).exit_code == 2, "no screenshot folder"
    wrong = CliRunner().invoke(main, [*base, *shots, "--geoid", "x.tif"])
    assert wrong.exit_code == 2 and "--geoid is for --source cesium" in wrong.output
