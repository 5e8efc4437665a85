"""Scenario files: every layout read, written and read back to the same poses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from fuzz.mutate import BOMB
from hypothesis import given, settings
from hypothesis import strategies as st
from labels_support import database, frames_of

from lard.camera import Poses, cam_from_ecef
from lard.errors import DataError
from lard.scenario.formats import (
    camera_of_image,
    frames_of_scenario,
    read_scenario,
    scenario_of_frames,
    write_scenario,
)
from lard.scenario.formats_camera import read_studio_camera
from lard.scenario.formats_model import CLOCK, POSE_NUMBERS, Scenario, ScenarioImage, poses_table

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "lard"
DEEP_ALIASES = "k0: &k0 [x]\n" + "".join(f"k{k}: &k{k} [*k{k - 1}]\n" for k in range(1, 100))
V1 = """\
airport: LFPO
image: {fov: 33.50717983885091, height: 2048, watermark_height: 300, width: 2448}
poses:
- airport: LFPO
  pose: [2.429103154, 48.759228125, 367.531775575, -113.377619585, 84.396222529, 5.946164387]
  runway: '24'
  time: {second: 1, minute: 0, hour: 12, day: 1, month: 6, year: 2020}
runways: ['24']
runways_database: data/runways_database.json
time: {day_max: 1, day_min: 1}
trajectory: {sample_number: 1}
"""
OLDER = """\
airports:
- code: LFPO
  runways: ['24']
camera: {fov: 33.50717983885091}
image: {height: 2048, width: 2448}
poses:
- airport: LFPO
  pose: [2.429103154, 48.759228125, 367.531775575, -113.377619585, 84.396222529, 5.946164387]
  runway: '24'
  time: {second: 1, minute: 0, hour: 12, day: 1, month: 6, year: 2020}
time: {day: {max: 1, min: 1}}
trajectory: {sample_number: 1}
watermark: {height: 300}
"""
V2 = """\
airports_runways: {KXYZ: !!set {09L, 27R}}
image: {height: 1024, width: 1024, fov_x: 60.0, fov_y: 60.0, watermark_height: 0}
poses:
- uuid: 00000000-0000-0000-0000-000000000064
  airport: KXYZ
  runway: 09
  pose: [-84.372046405, 33.645917197, 469.181382805, -94.429451563, 87.176696018, 2.258734783]
  time: {second: 1, minute: 0, hour: 11, day: 1, month: 6, year: 2020}
runways_database: data/x.json
trajectory: {use_ODD: true}
time: {day_max: 1}
"""


def written(tmp_path: Path, text: str, name: str = "S.yaml") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def same_poses(a: pl.DataFrame, b: pl.DataFrame, tolerance: float = 0.0) -> None:
    assert a.select("airport", "runway", *CLOCK).equals(b.select("airport", "runway", *CLOCK))
    for name in POSE_NUMBERS:
        assert np.abs(a[name].to_numpy() - b[name].to_numpy()).max() <= tolerance, name


def test_both_v1_forms_say_the_same(tmp_path: Path) -> None:
    a, b = (read_scenario(written(tmp_path, text, f"{k}.yaml")) for k, text in enumerate((V1, OLDER)))
    assert (a.layout, b.layout) == ("v1", "v1-older")
    assert a.image == b.image and a.image.watermark_px == 300 and a.image.rendered_height_px == 2648
    assert a.image.rendered_fov_y_deg == pytest.approx(42.5347393626209, abs=1e-12)
    same_poses(a.poses, b.poses)
    assert a.airports_runways == b.airports_runways == {"LFPO": ["24"]}


def test_v2_reads_sets_and_bare_numbers(tmp_path: Path) -> None:
    scenario = read_scenario(written(tmp_path, V2))
    assert scenario.airports_runways == {"KXYZ": ["09L", "27R"]}
    assert scenario.poses["runway"].to_list() == ["09"]
    assert scenario.frame_ids == ["S_0"]


def test_v2_fills_the_vertical_angle_as_lard_does(tmp_path: Path) -> None:
    text = V2.replace("fov_y: 60.0, ", "").replace("width: 1024", "width: 1536")
    assert read_scenario(written(tmp_path, text)).image.fov_y_deg == 90.0


@pytest.mark.parametrize("layout", ["v1", "v2", "esp"])
@pytest.mark.parametrize("source", [V1, V2])
def test_round_trips(tmp_path: Path, layout: str, source: str) -> None:
    scenario = read_scenario(written(tmp_path, source))
    path = tmp_path / ("back.esp" if layout == "esp" else "back.yaml")
    write_scenario(scenario, path, layout)
    back = read_scenario(path)
    same_poses(scenario.poses, back.poses, 2e-8 if layout == "esp" else 0.0)
    for name in ("width_px", "height_px", "watermark_px"):
        assert getattr(back.image, name) == getattr(scenario.image, name)
    assert back.image.fov_y_deg == pytest.approx(scenario.image.fov_y_deg, abs=1e-12)
    assert back.image.fov_x_deg == pytest.approx(scenario.image.fov_x_deg, abs=1e-12)
    first = path.read_bytes()
    write_scenario(scenario, path, layout)
    assert path.read_bytes() == first


numbers = st.tuples(
    st.floats(-180, 179.99), st.floats(-89, 89), st.floats(1, 30000),
    st.floats(-400, 400), st.floats(0, 180), st.floats(-179, 179),
)  # fmt: skip
clocks = st.tuples(st.integers(1999, 2030), st.integers(1, 12), st.integers(1, 28),
                   st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(numbers, clocks), min_size=1, max_size=4))
def test_any_pose_survives_yaml_and_esp(tmp_path_factory: pytest.TempPathFactory, poses: list) -> None:
    folder = tmp_path_factory.mktemp("poses")
    rows = [
        {"pose_id": f"u{k}", "airport": "KXYZ", "runway": "09L",
         **dict(zip(POSE_NUMBERS, pose, strict=True)), **dict(zip(CLOCK, clock, strict=True))}
        for k, (pose, clock) in enumerate(poses)
    ]  # fmt: skip
    image = ScenarioImage(1024, 768, 60.0, 45.0)
    scenario = Scenario("S", "v2", image, poses_table(rows))
    write_scenario(scenario, folder / "S.yaml", "v2")
    same_poses(read_scenario(folder / "S.yaml").poses, scenario.poses)
    # LARD reads with YAML 1.1, where 1e-05 would be a text
    peer = yaml.safe_load((folder / "S.yaml").read_text())
    assert [pose["pose"] for pose in peer["poses"]] == [list(pose) for pose, _ in poses]
    assert [pose["runway"] for pose in peer["poses"]] == ["09L"] * len(poses)
    write_scenario(scenario, folder / "S.esp", "esp", "Asia/Tokyo")
    back = read_scenario(folder / "S.esp").poses
    turned = scenario.poses.with_columns((pl.col("yaw_deg") + 180).mod(360) - 180)
    assert back.select(CLOCK).equals(turned.select(CLOCK))
    for name in POSE_NUMBERS:
        gap = np.abs(back[name].to_numpy() - turned[name].to_numpy())
        assert np.minimum(gap, np.abs(gap - 360)).max() < 2e-8, name


def test_world_time_is_right_in_every_zone(tmp_path: Path) -> None:
    scenario = read_scenario(written(tmp_path, V1))  # 12:00:01 on 1 June 2020 at Paris-Orly

    def world_ms(zone: str) -> float:
        write_scenario(scenario, tmp_path / "S.esp", "esp", zone)
        document = json.loads((tmp_path / "S.esp").read_text())
        track = document["scenes"][0]["attributes"][1]["attributes"][1]
        low, high = track["value"]["minValueRange"], track["value"]["maxValueRange"]
        assert (low, high) == (1577836800000, 1609459199000)  # the year 2020 in UTC
        return low + track["keyframes"][0]["value"] * (high - low)

    noon = 1591012801000  # 2020-06-01T12:00:01Z
    assert world_ms("UTC") == pytest.approx(noon, abs=1)
    assert world_ms("Europe/Paris") == pytest.approx(noon - 2 * 3600e3, abs=1)
    assert world_ms("Asia/Tokyo") == pytest.approx(noon - 9 * 3600e3, abs=1)
    assert world_ms("solar") == pytest.approx(noon - round(2.429103154 * 240) * 1000, abs=1)
    with pytest.raises(DataError, match="time zone 'Mars/Base' is unknown"):
        world_ms("Mars/Base")


def test_the_machine_zone_does_not_enter(tmp_path: Path) -> None:
    source = written(tmp_path, V1)
    code = (
        "import sys; from lard.scenario.formats import *; "
        f"write_scenario(read_scenario({str(source)!r}), sys.argv[1], 'esp', 'Europe/Paris')"
    )
    contents = []
    for zone in ("UTC", "Asia/Tokyo"):
        target = tmp_path / "S.esp"
        environment = {**os.environ, "TZ": zone}
        subprocess.run([sys.executable, "-c", code, str(target)], check=True, env=environment)
        contents.append(target.read_bytes())
    assert contents[0] == contents[1]


def test_frames_become_a_scenario_and_back(tmp_path: Path) -> None:
    db = database()
    frames = frames_of(db, 12)
    scenario = scenario_of_frames(frames, "S")
    back = frames_of_scenario(scenario, db)
    for name in ("lat_deg", "lon_deg", "alt_m", "yaw_deg", "pitch_deg", "roll_deg", "fx_px", "fy_px"):
        assert np.abs(back[name] - frames[name]).max() < 1e-9, name
    for name in ("along_track_m", "lateral_deg", "vertical_deg", "yaw_offset_deg"):
        assert np.abs(back[name] - frames[name]).max() < 1e-6, name
    assert back["time_utc"].equals(frames["time_utc"])
    assert scenario_of_frames(frames, "S").poses.equals(scenario.poses)
    for layout in ("v1", "v2"):
        write_scenario(scenario, tmp_path / f"{layout}.yaml", layout)
        same_poses(read_scenario(tmp_path / f"{layout}.yaml").poses, scenario.poses)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("fov: 33.50717983885091", "fov: 180"), "S.yaml:2: image.fov: found 180"),
        (("48.759228125", ".nan"), "S.yaml:5: .nan is no number that can be used"),
        (("48.759228125", "98.7"), "S.yaml:5: poses.0.pose.1: lat_deg: found 98.7"),
        (("hour: 12", "hour: 25"), "S.yaml:7: poses.0.time"),
        (("runway: '24'", "runway: '47'"), "S.yaml:6: poses.0.runway"),
        ((", 5.946164387]", "]"), "expected pose: [longitude, latitude, altitude, yaw, pitch, roll]"),
        (("height: 2048", "height: tall"), "S.yaml:2: image.height: found 'tall'"),
        (("airport: LFPO\n  pose", "airport: LFPO\n  airport: LFPG\n  pose"), "key repeated"),
        (("poses:\n", "poses: [}\n"), "not valid YAML"),
        (("poses:\n", "runways_database: 1e999\nposes:\n"), "1e999 is no number that can be used"),
        (("poses:\n", "trajectory: {-.inf: 1}\nposes:\n"), "-.inf is no number that can be used"),
        (("48.759228125", "1.0e+308"), "S.yaml:5: 1.0e+308 is no number that can be used"),
        (("poses:\n", f"time: {'[' * 5000 + ']' * 5000}\nposes:\n"), "nested deeper than"),
        (("poses:\n", BOMB.decode() + "time: *j\nposes:\n"), "its aliases expand to too many values"),
        (("poses:\n", DEEP_ALIASES + "time: *k99\nposes:\n"), "nested deeper than"),
        (("poses:", "points:"), "expected a LARD scenario with image and poses"),
    ],
)
def test_faults_name_file_line_and_field(tmp_path: Path, change: tuple, expected: str) -> None:
    with pytest.raises(DataError) as caught:
        read_scenario(written(tmp_path, V1.replace(*change)))
    assert expected in str(caught.value)


def test_every_fault_is_reported_at_once(tmp_path: Path) -> None:
    text = (
        V1.replace("hour: 12", "hour: 25").replace("367.531775575", "high").replace("width: 2448", "width: 0")
    )
    with pytest.raises(DataError) as caught:
        read_scenario(written(tmp_path, text))
    assert len(str(caught.value).splitlines()) == 3


def test_v1_cannot_hold_two_airports_or_oblong_pixels(tmp_path: Path) -> None:
    scenario = read_scenario(written(tmp_path, V2.replace("fov_y: 60.0", "fov_y: 50.0")))
    with pytest.raises(DataError, match="square pixels"):
        write_scenario(scenario, tmp_path / "out.yaml", "v1")
    assert not (tmp_path / "out.yaml").exists()


def test_studio_camera_json_is_the_same_camera(tmp_path: Path) -> None:
    scenario = read_scenario(written(tmp_path, V1))
    camera = camera_of_image(scenario.image)
    poses = Poses.from_frames(
        scenario.poses.with_columns(pitch_deg=pl.col("tilt_deg") - 90, earth_model=pl.lit("sphere6371010"))
    )
    rotation, origin = cam_from_ecef(poses)
    ecef_from_cam = rotation[0].T
    y = np.arcsin(ecef_from_cam[0, 2])
    x = np.arctan2(-ecef_from_cam[1, 2], ecef_from_cam[2, 2])
    z = np.arctan2(-ecef_from_cam[0, 1], ecef_from_cam[0, 0])
    frame = {
        "position": dict(zip("xyz", origin[0].tolist(), strict=True)),
        "rotation": dict(zip("xyz", np.degrees([x, y, z]).tolist(), strict=True)),
        "coordinate": {"latitude": 48.759228125, "longitude": 2.429103154, "altitude": 367.531775575},
        "fovVertical": scenario.image.rendered_fov_y_deg,
    }
    document = {"width": 2448, "height": 2648, "numFrames": 0, "cameraFrames": [frame]}
    path = tmp_path / "S.json"
    path.write_text(json.dumps(document))
    read = read_scenario(path, airport="LFPO", runway="24")
    for name in POSE_NUMBERS:
        assert abs(read.poses[name][0] - scenario.poses[name][0]) < 1e-7, name
    again = camera_of_image(read.image)
    assert again.fx_px == pytest.approx(camera.fx_px) and again.height_px == camera.height_px
    del frame["rotation"]["y"]
    path.write_text(json.dumps(document))
    with pytest.raises(DataError, match=r"cameraFrames\[0\]\.rotation\.y: found None"):
        read_studio_camera(path)


@pytest.mark.skipif(not SHARED.is_dir(), reason="example files are not here")
def test_example_files() -> None:
    v1, older = (read_scenario(SHARED / f"v1_{name}scenario_example.yaml") for name in ("", "older_"))
    same_poses(v1.poses, older.poses)
    studio = read_scenario(SHARED / "v1_earth_studio_camera_example.json", airport="LFPO", runway="24")
    for name in POSE_NUMBERS:
        assert np.abs(v1.poses[name].to_numpy() - studio.poses[name].to_numpy()).max() < 1e-6, name
    assert read_scenario(SHARED / "v2_scenario_example.yaml").trajectory["use_ODD"] is True


def test_frames_without_a_time_are_no_poses() -> None:
    frames = frames_of(database(), 10)
    late = frames.with_columns(time_utc=pl.when(pl.int_range(pl.len()) == 3).then(None).otherwise("time_utc"))
    with pytest.raises(
        DataError, match=rf"time_utc is null in 1 of 10 frames \(first: {frames['frame_id'][3]}\)"
    ):
        scenario_of_frames(late, "x")
