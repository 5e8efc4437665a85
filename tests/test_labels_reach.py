"""Runways of other airports: every one in sight has its label, none beyond the horizon or from below."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from labels_support import database, frames_of
from pyproj import Transformer

from lard.airports import Airport, Runway, RunwayDatabase
from lard.camera import Camera, Poses, cam_from_ecef
from lard.errors import DataError
from lard.export.coco import coco_dataset
from lard.geodesy import geodesic_direct, geodesic_inverse
from lard.labels import label_frames
from lard.labels.dataset import write_labels
from lard.labels.reach import StripIndex, horizon_m, strips_in_reach
from lard.odd import OddSpec, load_spec

SPEC = Path(__file__).parents[1] / "odd_specs" / "lard_v2.yaml"
DB = database()


@pytest.fixture(scope="module")
def spec() -> OddSpec:
    return load_spec(SPEC)


def strip_at(icao: str, heading: float, distance_m: float, alt_m: float, axis: float = 89.7) -> Airport:
    """An airport of one strip, 2 km long, some way from KXYZ."""
    lat, lon, _ = geodesic_direct(33.6, -84.4, heading, distance_m)
    far_lat, far_lon, _ = geodesic_direct(lat, lon, axis, 2000.0)
    near, far = (float(lat), float(lon), alt_m), (float(far_lat), float(far_lon), alt_m)
    ends = (
        Runway.from_thresholds(icao, "09L", "27R", near, far, 45.0),
        Runway.from_thresholds(icao, "27R", "09L", far, near, 45.0),
    )
    return Airport(icao, icao, "US", float(lat), float(lon), alt_m, ends)


def with_neighbours(*more: Airport) -> RunwayDatabase:
    return replace(DB, airports={**DB.airports, **{airport.icao: airport for airport in more}})


def frames_90(n: int = 40, **changes: float) -> pl.DataFrame:
    """Approaches to 09L and others."""
    return frames_of(DB, n, along_m=(3000.0, 6000.0), **changes)


def test_a_neighbour_in_the_picture_is_labelled_and_nothing_else_changes(spec: OddSpec) -> None:
    db = with_neighbours(strip_at("KNEB", 70.0, 12_000.0, 310.0), strip_at("KFAR", 90.0, 200_000.0, 310.0))
    frames = frames_90()
    labels, alone = label_frames(frames, db, spec), label_frames(frames, DB, spec)
    assert labels.filter(pl.col("airport") == "KXYZ").equals(alone)
    other = labels.filter(pl.col("airport") != "KXYZ")
    assert set(other["airport"]) == {"KNEB"} and len(other) > 5
    assert other["visible_fraction"].min() > 0 and not other["is_target"].any()
    assert set(other["runway"]) <= {"09L", "27R"}  # idents that the frames' own airport has as well
    assert labels.select("frame_id", "airport", "runway").is_unique().all()


def test_a_neighbour_is_labelled_as_its_own_frames_would_label_it(spec: OddSpec) -> None:
    db = with_neighbours(strip_at("KNEB", 70.0, 12_000.0, 310.0))
    frames = frames_90()
    other = label_frames(frames, db, spec).filter(pl.col("airport") == "KNEB")
    own = label_frames(frames.with_columns(airport=pl.lit("KNEB"), runway=pl.lit("09L")), db, spec)
    own = own.filter((pl.col("airport") == "KNEB") & (pl.col("visible_fraction") > 0))
    assert other.drop("is_target").equals(own.drop("is_target"))


def test_every_strip_whose_sight_line_clears_the_sphere_is_found(spec: OddSpec) -> None:
    """Against a slow walk over all strips and frames: projection by pyproj, sight by angles."""
    rng = np.random.default_rng(4)
    more = [
        strip_at(f"K{k:03d}", rng.uniform(0, 360), rng.uniform(8e3, 90e3), rng.uniform(200, 700),
                 rng.uniform(30, 150))
        for k in range(150)
    ]  # fmt: skip
    db = with_neighbours(*more)
    frames = frames_90(30, pitch_deg=-2.0, roll_deg=0.0)
    found = label_frames(frames, db, spec).filter(pl.col("airport") != "KXYZ")
    got = set(found.select("frame_id", "airport").iter_rows())
    ecef = Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True)
    expected = set()
    for frame in frames.iter_rows(named=True):
        here = np.array(ecef.transform(frame["lon_deg"], frame["lat_deg"], frame["alt_m"]))
        pose = Poses.from_frames(frames.filter(pl.col("frame_id") == frame["frame_id"]))
        rotation = cam_from_ecef(pose)[0][0]
        for airport in more:
            strip = airport.strips[0]
            points = np.array([ecef.transform(c[1], c[0], c[2]) for c in strip.corners])
            rise = []
            for corner, point in zip(strip.corners, points, strict=True):
                above = np.array(ecef.transform(corner[1], corner[0], corner[2] + 1.0)) - point
                rise.append((here - point) @ above)
            x, y, z = rotation @ (points - here).T
            inside = (z > 1) & (abs(x / z) < np.tan(np.pi / 6)) & (abs(y / z) < np.tan(np.pi / 6))
            if max(rise) > 0 and inside.any():
                expected.add((frame["frame_id"], airport.icao))
    assert expected <= got and len(expected) > 30
    whole = set(found.filter(~pl.col("truncated")).select("frame_id", "airport").iter_rows())
    assert whole <= expected


def test_the_horizon_ends_the_reach() -> None:
    camera = Camera.from_fov(1024, 1024, 60.0)
    lat, lon, _ = geodesic_direct(33.6, -84.4, 270.0, 100.0)
    for height_m in (50.0, 400.0, 3000.0):
        for share, seen in ((0.98, 1), (1.05, 0)):
            strip = strip_at("KNEB", 90.0, share * horizon_m(height_m), 0.0, axis=0.0)
            db = replace(DB, airports={"KNEB": strip})
            yaw, _, _ = geodesic_inverse(lat, lon, strip.lat_deg, strip.lon_deg)
            poses = Poses(*(np.array([float(v)]) for v in (lat, lon, height_m, yaw, 0.0, 0.0)))
            found = [*strips_in_reach(StripIndex.of(db, "wgs84"), "", poses, *cam_from_ecef(poses), camera)]
            assert len(found) == seen, (height_m, share)


def test_a_runway_above_the_camera_shows_no_face(spec: OddSpec) -> None:
    frames = frames_90()
    above = float(frames["alt_m"].max()) + 50.0
    db = with_neighbours(strip_at("KTOP", 80.0, 12_000.0, above))
    assert set(label_frames(frames, db, spec)["airport"]) == {"KXYZ"}


def test_a_strip_listed_twice_is_labelled_once(spec: OddSpec) -> None:
    neighbour = strip_at("KNEB", 70.0, 12_000.0, 310.0)
    again = tuple(replace(runway, airport="KZZZ") for runway in neighbour.runways)
    twin = replace(neighbour, icao="KZZZ", runways=again)
    own = DB.airport("KXYZ")
    copy = replace(own, icao="KAAA", runways=tuple(replace(r, airport="KAAA") for r in own.runways))
    labels = label_frames(frames_90(), with_neighbours(neighbour, twin, copy), spec)
    assert set(labels["airport"]) == {"KXYZ", "KNEB"}


def test_a_lens_that_bends_lines_sees_its_neighbours_too(spec: OddSpec) -> None:
    db = with_neighbours(strip_at("KNEB", 70.0, 12_000.0, 310.0))
    frames = frames_of(DB, 20, along_m=(3000.0, 6000.0), k1=-0.2, k2=0.02, k3=0.0)
    assert "KNEB" in set(label_frames(frames, db, spec)["airport"])


def test_other_databases_of_no_strips_and_lower_case_frames(spec: OddSpec) -> None:
    frames = frames_90(10).with_columns(airport=pl.lit(" kxyz"))
    labels = label_frames(frames, DB, spec)
    assert set(labels["airport"]) == {" kxyz"} and labels["is_target"].sum() == 10


def test_metadata_state_the_limit_and_coco_ignores_what_is_not_required(
    spec: OddSpec, tmp_path: Path
) -> None:
    db = with_neighbours(strip_at("KNEB", 70.0, 12_000.0, 310.0))
    frames = frames_90()
    labels, info = write_labels(tmp_path, frames, db, spec, "lard_v2.yaml")
    reach = json.loads((tmp_path / "dataset.json").read_text())["reach"]
    other = labels.filter(pl.col("airport") == "KNEB")
    assert reach["labels_of_other_airports"] == len(other) > 0
    assert 10_000 < reach["farthest_m"] < reach["horizon_m"] < 120_000
    assert info["airports"] == ["KXYZ"]
    notes = [n for n in coco_dataset(frames, labels, {})["annotations"] if n["airport"] == "KNEB"]
    assert len(notes) == len(other)
    assert all(note["iscrowd"] == 1 for note in notes if note["verdict"] == "OUT_OF_ODD")


def test_a_strip_without_an_elevation_is_named(spec: OddSpec) -> None:
    db = with_neighbours(strip_at("KNAN", 70.0, 12_000.0, float("nan")))
    with pytest.raises(DataError, match=r"1 strips have no position or elevation \(first: KNAN 09L\)"):
        label_frames(frames_90(10), db, spec)


@pytest.mark.parametrize(("lat_deg", "lon_deg"), [(10.0, 179.97), (-16.0, -179.99), (89.6, 40.0)])
def test_neighbours_are_found_across_the_antimeridian_and_at_the_poles(
    spec: OddSpec, lat_deg: float, lon_deg: float
) -> None:
    own = database(lat_deg, lon_deg)
    lat, lon, _ = geodesic_direct(lat_deg, lon_deg, 70.0, 12_000.0)
    far_lat, far_lon, _ = geodesic_direct(lat, lon, 89.7, 2000.0)
    near, far = (float(lat), float(lon), 310.0), (float(far_lat), float(far_lon), 310.0)
    ends = (
        Runway.from_thresholds("KNEB", "09L", "27R", near, far, 45.0),
        Runway.from_thresholds("KNEB", "27R", "09L", far, near, 45.0),
    )
    neighbour = Airport("KNEB", "KNEB", "US", float(lat), float(lon), 310.0, ends)
    db = replace(own, airports={**own.airports, "KNEB": neighbour})
    labels = label_frames(frames_of(own, 40, along_m=(3000.0, 6000.0)), db, spec)
    assert len(labels.filter(pl.col("airport") == "KNEB")) > 10
