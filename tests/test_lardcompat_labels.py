"""LARD's conventions against a slow re-implementation of their description, one pose at a time."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from labels_support import database, frames_of
from pyproj import Geod

from lard.airports.lardjson import LardEntry, read_lard_entries, write_lard_json
from lard.export.conventions import label_as_v1, label_as_v2, lard_entries
from lard.export.lard_csv import lard_table, write_lard_csv
from lard.intake.lard_csv import read_lard_csv
from lard.labels.lard_v1 import SphereCameras, label_v1
from lard.labels.lard_v2 import label_v2, verdicts_v2
from lard.scenario.formats import read_scenario, scenario_of_frames
from lard.scenario.formats_camera import read_studio_camera
from lard.scenario.formats_model import Scenario

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "lard"
GEOD = Geod(ellps="WGS84")
R = 6371010.0


# --- V2, scalar -------------------------------------------------------------------------------------------


def flat(point: list, ltp: list, azimuth: float) -> list[float]:
    """x along the runway, y left, z up: geodesic distance and azimuth from the threshold, no curvature."""
    bearing, _, distance = GEOD.inv(ltp[1], ltp[0], point[1], point[0])
    angle = math.radians(bearing - azimuth)
    return [distance * math.cos(angle), -distance * math.sin(angle), point[2] - ltp[2]]


def mean(a: list, b: list) -> list[float]:
    return [(p + q) / 2 for p, q in zip(a, b, strict=True)]


def slow_v2(pose: dict, entry: LardEntry, image: dict, trajectory: dict, swap: bool) -> dict | None:
    a, b, c, d = entry.coordinate.tolist()
    number = int("".join(ch for ch in entry.ident if ch.isdigit())) * 10
    gap = abs((pose["yaw_deg"] - number + 180) % 360 - 180)
    if not gap < 90:
        return None
    ltp, fpap = mean(c, d), mean(a, b)
    azimuth, _, _ = GEOD.inv(ltp[1], ltp[0], fpap[1], fpap[0])
    camera = flat([pose["lat_deg"], pose["lon_deg"], pose["alt_m"]], ltp, azimuth)
    yaw = math.radians(pose["yaw_deg"] - azimuth)
    pitch, roll = math.radians(pose["tilt_deg"] - 90), math.radians(pose["roll_deg"])
    first, second = (image["h"], image["w"]) if swap else (image["w"], image["h"])
    pixels = []
    for corner in (a, b, c, d):
        x, y, z = (q - p for p, q in zip(camera, flat(corner, ltp, azimuth), strict=True))
        # yaw turns to the right, so the right-hand offset is -y
        ahead, right = math.cos(yaw) * x - math.sin(yaw) * y, -math.sin(yaw) * x - math.cos(yaw) * y
        forward, up = (
            math.cos(pitch) * ahead + math.sin(pitch) * z,
            -math.sin(pitch) * ahead + math.cos(pitch) * z,
        )
        turned, raised = (
            math.cos(roll) * right - math.sin(roll) * up,
            math.sin(roll) * right + math.cos(roll) * up,
        )
        if forward <= 0:
            return None
        u = first * (0.5 + turned / (2 * forward * math.tan(math.radians(image["fov_x"]) / 2)))
        v = second * (0.5 - raised / (2 * forward * math.tan(math.radians(image["fov_y"]) / 2)))
        pixels += [int(u), int(v)]
    axis = flat(fpap, ltp, azimuth)
    norm = math.sqrt(sum(k * k for k in axis))
    ex = [k / norm for k in axis]
    side = flat(c, ltp, azimuth)
    norm = math.sqrt(sum(k * k for k in side))
    ey = [k / norm for k in side]
    ez = [ex[1] * ey[2] - ex[2] * ey[1], ex[2] * ey[0] - ex[0] * ey[2], ex[0] * ey[1] - ex[1] * ey[0]]
    px, py, _ = (sum(p * q for p, q in zip(camera, e, strict=True)) for e in (ex, ey, ez))
    lateral = math.degrees(math.acos(max(-1.0, min(1.0, -px / math.hypot(px, py)))))
    lateral = -lateral if py > 0 else lateral
    seen = [p - 305 * q for p, q in zip(camera, ex, strict=True)]
    vx, vy, vz = (sum(p * q for p, q in zip(seen, e, strict=True)) for e in (ex, ey, ez))
    flat_part = math.hypot(vx, vy)
    cosine = flat_part / math.sqrt(vx * vx + vy * vy + vz * vz)
    vertical = math.copysign(math.degrees(math.acos(cosine)), vz)
    heading, _, _ = GEOD.inv(a[1], a[0], d[1], d[0])
    relative = (pose["yaw_deg"] - heading) % 360 - 180
    return {
        "pixels": pixels,
        "slant": math.sqrt(sum(k * k for k in camera)),
        "along": abs(px),
        "height": pose["alt_m"] - ltp[2],
        "lateral": lateral,
        "vertical": vertical,
        "verdict": slow_verdict(
            (abs(px), lateral, -vertical, relative, pose["tilt_deg"] - 90, pose["roll_deg"]), trajectory
        ),
    }


FAR = ((4500, 6000), (-3, 3), (-5.2, -1.8), (-24, 24), (-15, 5), (-30, 30))
MEDIUM = ((2500, 4500), (-3, 3), (-5.2, -1.8), (-24, 24), (-15, 5), (-15, 15))
CLOSE = ((280, 2500), (-3, 3), (-5.2, -1.8), (-18.5, 18.5), (-15, 5), (-10, 10))


def slow_verdict(values: tuple, trajectory: dict) -> str:
    if trajectory.get("use_ODD"):
        sets = (FAR, MEDIUM, CLOSE)
    elif any(
        trajectory.get(f"{k}_distrib") != "uniform" for k in ("alpha_h", "alpha_v", "yaw", "pitch", "roll")
    ):
        return "UNKNOWN"
    else:
        names = ("alpha_h", "alpha_v", "yaw", "pitch", "roll")
        bounds = [(trajectory["min_distance_m"], trajectory["max_distance_m"])]
        sets = (tuple(bounds + [(trajectory[f"{k}_min"], trajectory[f"{k}_max"]) for k in names]),)
    inner = ((100, 100), (1, 1), (0.8, 0.8), (1, 1), (1, 1), (1, 1))
    outer = ((300, 2000), (6, 6), (0.8, 10), (15, 15), (15, 15), (15, 15))
    for word, margins in (("IN_ODD", inner), ("IN_EXTENDED_ODD", outer)):
        for limits in sets:
            triples = zip(values, limits, margins, strict=True)
            if all(low - below <= value <= high + above for value, (low, high), (below, above) in triples):
                return word
    return "OUT_OF_ODD"


def poses_around(n: int, seed: int) -> Scenario:
    """Approaches with wide attitudes and distances, past the threshold too."""
    db = database()
    frames = frames_of(db, n, seed=seed, along_m=(-1500.0, 7000.0))
    rng = np.random.default_rng(seed)
    turn = pl.Series(rng.choice([0.0, 40.0, 90.0, 180.0, 360.0], n))
    return scenario_of_frames(frames.with_columns(yaw_deg=pl.col("yaw_deg") + turn), "S")


TRAJECTORIES = {
    "odd": {"use_ODD": True},
    "normal": {"use_ODD": False, "yaw_distrib": "normal"},
    "uniform": {
        "use_ODD": False, "min_distance_m": 500, "max_distance_m": 4000,
        **{f"{k}_distrib": "uniform" for k in ("alpha_h", "alpha_v", "yaw", "pitch", "roll")},
        "alpha_h_min": -2, "alpha_h_max": 2, "alpha_v_min": -4, "alpha_v_max": -2, "yaw_min": -10,
        "yaw_max": 10, "pitch_min": -8, "pitch_max": 0, "roll_min": -10, "roll_max": 10,
    },
}  # fmt: skip


@pytest.mark.parametrize("swap", [True, False])
@pytest.mark.parametrize("name", TRAJECTORIES)
@pytest.mark.parametrize("image", [(1024, 1024, 60.0, 60.0), (2448, 2048, 39.58, 33.507)])
def test_v2_matches_the_slow_labeller(swap: bool, name: str, image: tuple) -> None:
    scenario, entries = poses_around(60, seed=5), lard_entries_of_example()
    width, height, fov_x, fov_y = image
    rows = label_v2(
        scenario.poses, entries, width_px=width, height_px=height, fov_x_deg=fov_x, fov_y_deg=fov_y,
        trajectory=TRAJECTORIES[name], swap=swap,
    )  # fmt: skip
    expected = []
    for k, pose in enumerate(scenario.poses.iter_rows(named=True)):
        for entry in entries:
            sizes = {"w": width, "h": height, "fov_x": fov_x, "fov_y": fov_y}
            row = slow_v2(pose, entry, sizes, TRAJECTORIES[name], swap)
            if row is not None:
                expected.append((k, entry.ident, row))
    assert rows.select("pose", "runway").rows() == [(k, ident) for k, ident, _ in expected]
    names = [f"{axis}_{corner}" for corner in ("TR", "TL", "BL", "BR") for axis in "xy"]
    assert rows.select(names).rows() == [tuple(row["pixels"]) for _, _, row in expected]
    assert rows["verdict"].to_list() == [row["verdict"] for _, _, row in expected]
    for column, key in (("slant_m", "slant"), ("along_m", "along"), ("height_m", "height"),
                        ("lateral_deg", "lateral"), ("vertical_deg", "vertical")):  # fmt: skip
        gap = np.abs(rows[column].to_numpy() - [row[key] for _, _, row in expected])
        assert gap.max() < 1e-6, column


def lard_entries_of_example() -> list[LardEntry]:
    entries = []
    for runway in database().airport("KXYZ").runways:
        tl, tr, br, bl = runway.corners
        entries.append(LardEntry("KXYZ", runway.ident, np.array([tr, tl, bl, br]), None))
    return entries


@pytest.mark.skipif(not SHARED.is_dir(), reason="example files are not here")
def test_v2_example_with_a_published_database() -> None:
    scenario = read_scenario(SHARED / "v2_scenario_example.yaml")
    entries = read_lard_entries(SHARED / "lard_v2_runways_ArcGIS_KATL.json")
    labels = label_as_v2(scenario, SHARED / "lard_v2_runways_ArcGIS_KATL.json").labels
    table, _ = lard_table(labels, scenario, (1024, 1024), "v2")
    sizes = {"w": 1024, "h": 1024, "fov_x": 60.0, "fov_y": 60.0}
    expected = [
        row["pixels"]
        for pose in scenario.poses.iter_rows(named=True)
        for entry in entries
        if (row := slow_v2(pose, entry, sizes, {"use_ODD": True}, True)) is not None
    ]
    names = [f"{axis}_{corner}" for corner in ("TR", "TL", "BL", "BR") for axis in "xy"]
    assert [list(row) for row in table.select(names).rows()] == expected
    assert labels.group_by("frame_id").agg(pl.col("is_target").sum())["is_target"].to_list() == [1] * 6


def test_ninety_degrees_from_the_number_drops_both_directions() -> None:
    scenario = poses_around(1, seed=1)
    poses = scenario.poses.with_columns(yaw_deg=pl.lit(270.0))
    entries = [e for e in lard_entries_of_example() if e.ident in ("18", "36")]
    rows = label_v2(
        poses,
        entries,
        width_px=8,
        height_px=8,
        fov_x_deg=179.0,
        fov_y_deg=179.0,
        trajectory={"use_ODD": True},
    )
    assert len(rows) == 0


def test_verdict_windows_are_the_executed_ones() -> None:
    def verdict(**changes: float) -> str:
        base = {"along": 3000.0, "lateral": 0.0, "vertical": 3.0, "yaw": 0.0, "pitch": -4.0, "roll": 0.0}
        return str(verdicts_v2(np.array([list({**base, **changes}.values())]), {"use_ODD": True})[0])

    assert verdict(along=6100) == "IN_ODD" and verdict(along=6101) == "IN_EXTENDED_ODD"
    assert verdict(along=8000) == "IN_EXTENDED_ODD" and verdict(along=8001) == "OUT_OF_ODD"
    assert verdict(vertical=6.0) == "IN_ODD" and verdict(vertical=6.01) == "OUT_OF_ODD"
    assert verdict(vertical=-8.2) == "IN_EXTENDED_ODD" and verdict(vertical=-8.21) == "OUT_OF_ODD"
    assert verdict(lateral=-4.0) == "IN_ODD" and verdict(lateral=9.0) == "IN_EXTENDED_ODD"
    assert verdict(yaw=39.0) == "IN_EXTENDED_ODD" and verdict(along=1000, yaw=34.0) == "OUT_OF_ODD"
    assert verdict(along=5000, roll=45.0) == "IN_EXTENDED_ODD" and verdict(along=5000, roll=31) == "IN_ODD"


# --- V1, scalar -------------------------------------------------------------------------------------------


def sphere(lat: float, lon: float, alt: float) -> list[float]:
    la, lo = math.radians(lat), math.radians(lon)
    r = R + alt
    return [r * math.cos(la) * math.cos(lo), r * math.cos(la) * math.sin(lo), r * math.sin(la)]


def slow_v1(pose: dict, entry: LardEntry, fov: float, width: int, height: int) -> tuple[list, dict]:
    corners = [sphere(*corner) for corner in entry.coordinate.tolist()]
    if entry.position is not None:
        corners = entry.position.tolist()
    camera = sphere(pose["lat_deg"], pose["lon_deg"], pose["alt_m"])
    la, lo = math.radians(pose["lat_deg"]), math.radians(pose["lon_deg"])
    yaw = math.radians(pose["yaw_deg"])
    pitch, roll = math.radians(pose["tilt_deg"] - 90), math.radians(pose["roll_deg"])
    points = []
    for corner in corners:
        dx, dy, dz = (q - p for p, q in zip(camera, corner, strict=True))
        east = -math.sin(lo) * dx + math.cos(lo) * dy
        inward = math.cos(lo) * dx + math.sin(lo) * dy
        north, up = -math.sin(la) * inward + math.cos(la) * dz, math.cos(la) * inward + math.sin(la) * dz
        ahead = math.cos(yaw) * north + math.sin(yaw) * east
        right = -math.sin(yaw) * north + math.cos(yaw) * east
        forward, top = (
            math.cos(pitch) * ahead + math.sin(pitch) * up,
            -math.sin(pitch) * ahead + math.cos(pitch) * up,
        )
        points.append([math.cos(roll) * right - math.sin(roll) * top,
                       -math.sin(roll) * right - math.cos(roll) * top, forward])  # fmt: skip
    focal = height / 2 / math.tan(math.radians(fov) / 2)
    pixels: list = []
    for k, other in enumerate((3, 2, 1, 0)):
        point = points[k]
        if point[2] < 1 <= points[other][2]:
            share = (10 - point[2]) / (points[other][2] - point[2])
            point = [p + share * (q - p) for p, q in zip(point, points[other], strict=True)]
        if point[2] <= 0:
            pixels += [None, None]
            continue
        pixels += [math.floor(width / 2 + focal * point[0] / point[2]),
                   math.floor(height / 2 + focal * point[1] / point[2])]  # fmt: skip
    centre = np.mean(corners, axis=0)
    values, vectors = np.linalg.eigh(np.cov(np.array(corners).T))
    normal = vectors[:, np.argmin(values)]
    ltp, fpap = mean(corners[2], corners[3]), mean(corners[0], corners[1])
    axis = np.array(fpap) - ltp
    axis -= (axis @ normal) * normal
    axis /= np.linalg.norm(axis)
    offset = np.array(camera) - ltp
    distance = abs(offset @ normal)
    across = offset - (offset @ normal) * normal - (offset @ axis) * axis
    side = np.array(corners[2]) - ltp
    sign = 1.0 if across @ side > 0 else -1.0
    along = -(offset @ axis)
    assert np.linalg.norm(centre) > 6e6
    return pixels, {
        "slant_m": np.linalg.norm(offset),
        "along_m": along,
        "height_m": distance,
        "lateral_deg": sign * math.degrees(math.atan2(np.linalg.norm(across), along + 3050)),
        "vertical_deg": math.degrees(math.atan2(distance, along + 305)),
    }


@pytest.mark.parametrize("published", [False, True])
def test_v1_matches_the_slow_labeller(published: bool) -> None:
    scenario = poses_around(60, seed=8)
    entries = lard_entries_of_example()
    if published:
        if not SHARED.is_dir():
            pytest.skip("example files are not here")
        entries = [
            e for e in read_lard_entries(SHARED / "lard_v1_runways_database.json") if e.airport == "LFPO"
        ]
        base = read_scenario(SHARED / "v1_scenario_example.yaml").poses
        rng = np.random.default_rng(0)
        many = pl.concat([base] * 30)
        scenario = Scenario("S", "v1", scenario.image, many.with_columns(
            yaw_deg=pl.col("yaw_deg") + pl.Series(rng.normal(0, 12, len(many))),
            roll_deg=pl.col("roll_deg") + pl.Series(rng.normal(0, 20, len(many))),
        ))  # fmt: skip
    width, height, fov = 2448, 2648, 42.5347393626209
    cameras = SphereCameras.of_poses(scenario.poses, fov, width, height)
    rows = label_v1(scenario.poses, cameras, entries)
    by_key = {(e.airport, e.ident): e for e in entries}
    assert len(rows) == len(scenario.poses)
    for pose, row in zip(scenario.poses.iter_rows(named=True), rows.iter_rows(named=True), strict=True):
        pixels, metrics = slow_v1(pose, by_key[pose["airport"], pose["runway"]], fov, width, height)
        assert [row[f"{axis}_{corner}"] for corner in "ABCD" for axis in "xy"] == pixels
        for name, value in metrics.items():
            assert row[name] == pytest.approx(value, abs=1e-5), name
    assert rows["kept"].any() and not rows["kept"].all()


@pytest.mark.skipif(not SHARED.is_dir(), reason="example files are not here")
def test_v1_by_poses_and_by_the_studio_camera_agree() -> None:
    scenario = read_scenario(SHARED / "v1_scenario_example.yaml")
    track = read_studio_camera(SHARED / "v1_earth_studio_camera_example.json")
    runways = SHARED / "lard_v1_runways_database.json"
    by_pose, by_track = label_as_v1(scenario, runways), label_as_v1(scenario, runways, camera=track)
    assert by_pose.size_px == by_track.size_px == (2448, 2648)
    pixels = [c for c in by_pose.labels.columns if c.endswith("_px")]
    assert by_pose.labels.select(pixels).equals(by_track.labels.select(pixels))


def test_v1_keeps_only_pictures_with_all_corners(tmp_path: Path) -> None:
    write_lard_json(database(), tmp_path / "db.json")
    scenario = poses_around(40, seed=2)
    few, every = (label_as_v1(scenario, tmp_path / "db.json", all_rows=k) for k in (False, True))
    assert len(every.labels) == 40 > len(few.labels) > 0
    assert f"{40 - len(few.labels)} pictures left out" in few.notes[0]
    assert not few.labels["truncated"].any() and (few.labels["visible_fraction"] == 1).all()


# --- tables -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_tables_read_back(tmp_path: Path, version: str) -> None:
    write_lard_json(database(), tmp_path / "db.json")
    scenario = poses_around(30, seed=4)
    by = label_as_v1 if version == "v1" else label_as_v2
    labelled = by(
        scenario, tmp_path / "db.json", images=[f"footage/{name}.jpeg" for name in scenario.frame_ids]
    )
    table, left_out = lard_table(labelled.labels, scenario, labelled.size_px, version)
    assert left_out == 0
    write_lard_csv(table, tmp_path / "t.csv")
    text = (tmp_path / "t.csv").read_text()
    assert len(text.splitlines()[0].split(";")) == {"v1": 29, "v2": 34}[version] and '"' not in text
    back = read_lard_csv(tmp_path / "t.csv")
    assert back.columns == table.columns
    corners = [name for name in table.columns if name[:2] in ("x_", "y_")]
    assert back.select(corners).cast(pl.Int64).equals(table.select(corners))
    assert back["airport"].to_list() == table["airport"].to_list()
    if version == "v1":
        place = [table[f"y_{c}"] * labelled.size_px[0] + table[f"x_{c}"] for c in "ABCD"]
        assert all((a <= b).all() for a, b in pairwise(place))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ((";", ","), "separator found: commas"),
        (("x_TR", "x_XX"), ":1: unknown column 'x_XX'"),
        (("y_BR", "y_TL"), ":1: column 'y_TL' occurs twice"),
        ((";1024;1024;", ";1024;wide;"), ":2: column width: found 'wide', expected a number"),
        ((";1024;1024;", ";1024;"), ":2: 33 fields, expected 34"),
        ((";1024;1024;", ";1024;;"), ":2: column width: found None"),
    ],
)
def test_bad_tables_name_row_and_column(tmp_path: Path, change: tuple, expected: str) -> None:
    write_lard_json(database(), tmp_path / "db.json")
    scenario = poses_around(10, seed=4)
    table, _ = lard_table(label_as_v2(scenario, tmp_path / "db.json").labels, scenario, (1024, 1024), "v2")
    write_lard_csv(table, tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text((tmp_path / "t.csv").read_text().replace(*change))
    with pytest.raises(Exception, match=r"t\.csv") as caught:
        read_lard_csv(tmp_path / "t.csv")
    assert expected in str(caught.value)
    if change[0] == ";1024;1024;":
        assert len(str(caught.value).splitlines()) > 1  # every row is named


def test_lard_json_and_other_databases_give_the_same_entries(tmp_path: Path) -> None:
    write_lard_json(database(), tmp_path / "db.json")
    read = lard_entries(tmp_path / "db.json")
    assert [e.ident for e in read] == [e.ident for e in lard_entries_of_example()]
    document = json.loads((tmp_path / "db.json").read_text())
    assert list(document["KXYZ"]) == [e.ident for e in read]
