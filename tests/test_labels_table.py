"""Labels against a slow, independent chain: pyproj for the earth, shapely to clip, scalars between."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labels_support import database, frames_of
from polars.testing import assert_frame_equal
from pyproj import Transformer
from shapely.geometry import Polygon, box

from lard.camera import Camera
from lard.errors import DataError
from lard.labels import label_frames
from lard.labels.clip import clip_halfspace, clip_to_image, polygon_areas
from lard.labels.view import NEAR_PLANE_M
from lard.odd import OddSpec, load_spec

SPEC = Path(__file__).parents[1] / "odd_specs" / "lard_v2.yaml"
DB = database()


@pytest.fixture(scope="module")
def spec() -> OddSpec:
    return load_spec(SPEC)


def slow_camera_points(frame: dict, corners: list) -> list[tuple[float, float, float]]:
    """Corners in camera axes, one at a time: ECEF by pyproj, then elementary rotations."""
    ecef = Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True)
    cx, cy, cz = ecef.transform(frame["lon_deg"], frame["lat_deg"], frame["alt_m"])
    lat, lon = math.radians(frame["lat_deg"]), math.radians(frame["lon_deg"])
    yaw, pitch, roll = (math.radians(frame[k]) for k in ("yaw_deg", "pitch_deg", "roll_deg"))
    points = []
    for corner_lat, corner_lon, corner_alt in corners:
        px, py, pz = ecef.transform(corner_lon, corner_lat, corner_alt)
        dx, dy, dz = px - cx, py - cy, pz - cz
        east = -math.sin(lon) * dx + math.cos(lon) * dy
        inward = math.cos(lon) * dx + math.sin(lon) * dy
        north = -math.sin(lat) * inward + math.cos(lat) * dz
        down = -(math.cos(lat) * inward + math.sin(lat) * dz)
        f1, r1 = math.cos(yaw) * north + math.sin(yaw) * east, -math.sin(yaw) * north + math.cos(yaw) * east
        f2, d2 = math.cos(pitch) * f1 - math.sin(pitch) * down, math.sin(pitch) * f1 + math.cos(pitch) * down
        r3, d3 = math.cos(roll) * r1 + math.sin(roll) * d2, -math.sin(roll) * r1 + math.cos(roll) * d2
        points.append((r3, d3, f2))
    return points


def slow_projected(points: list, frame: dict) -> Polygon | None:
    """Projected polygon of the part beyond the near plane."""
    kept = []
    for k, (x, y, z) in enumerate(points):
        nx, ny, nz = points[(k + 1) % 4]
        if z >= NEAR_PLANE_M:
            kept.append((x, y, z))
        if (z >= NEAR_PLANE_M) != (nz >= NEAR_PLANE_M):
            t = (NEAR_PLANE_M - z) / (nz - z)
            kept.append((x + t * (nx - x), y + t * (ny - y), NEAR_PLANE_M))
    if len(kept) < 3:
        return None
    pixels = [
        (frame["cx_px"] + frame["fx_px"] * x / z, frame["cy_px"] + frame["fy_px"] * y / z) for x, y, z in kept
    ]
    return Polygon(pixels)


@pytest.mark.parametrize("along_m", [(100.0, 6000.0), (-2500.0, 200.0)])
@pytest.mark.parametrize("camera", [Camera.from_fov(1024, 1024, 60), Camera.from_fov(2448, 2048, 70, 50)])
def test_labels_agree_with_slow_chain(spec: OddSpec, along_m: tuple, camera: Camera) -> None:
    frames = frames_of(DB, 60, seed=3, camera=camera, along_m=along_m)
    labels = label_frames(frames, DB, spec)
    picture = box(0, 0, camera.width_px, camera.height_px)
    seen = {(row["frame_id"], row["runway"]): row for row in labels.iter_rows(named=True)}
    expected = 0
    for frame in frames.iter_rows(named=True):
        for strip in DB.airport("KXYZ").strips:
            end = strip
            if math.cos(math.radians(frame["yaw_deg"] - strip.heading_deg)) < 0:
                end = DB.airport("KXYZ").runway(strip.reciprocal)
            points = slow_camera_points(frame, list(end.corners))
            if all(z < NEAR_PLANE_M for _, _, z in points):
                assert (frame["frame_id"], end.ident) not in seen
                continue
            expected += 1
            row = seen[frame["frame_id"], end.ident]
            for name, (x, y, z) in zip(("tl", "tr", "br", "bl"), points, strict=True):
                if z < NEAR_PLANE_M:
                    assert row[f"x_{name}_px"] is None and row[f"y_{name}_px"] is None and row["behind"]
                else:
                    tolerance = 1e-6 * max(1.0, 100.0 / z)
                    assert row[f"x_{name}_px"] == pytest.approx(
                        frame["cx_px"] + frame["fx_px"] * x / z, abs=tolerance, rel=1e-9
                    )
                    assert row[f"y_{name}_px"] == pytest.approx(
                        frame["cy_px"] + frame["fy_px"] * y / z, abs=tolerance, rel=1e-9
                    )
            projected = slow_projected(points, frame)
            assert projected is not None
            visible = projected.intersection(picture)
            share = visible.area / projected.area
            assert row["visible_fraction"] == pytest.approx(share, abs=1e-7)
            if visible.area > 1e-6:
                bounds = [row[k] for k in ("x_min_px", "y_min_px", "x_max_px", "y_max_px")]
                assert bounds == pytest.approx(visible.bounds, abs=1e-4)
                drawn = Polygon(np.reshape(row["polygon"], (-1, 2)))
                assert drawn.symmetric_difference(visible).area < 1e-4 * max(1.0, visible.area)
            assert row["truncated"] == (share < 1 - 1e-12 or row["behind"])
    assert len(labels) == expected


def test_every_strip_in_front_has_a_row_and_the_target_is_marked(spec: OddSpec) -> None:
    frames = frames_of(DB, 40, along_m=(1000.0, 5000.0))
    labels = label_frames(frames, DB, spec)
    assert labels.select("frame_id", "runway").equals(
        labels.sort("frame_id", "runway").select("frame_id", "runway")
    )
    targets = labels.filter("is_target")
    assert targets["frame_id"].to_list() == frames["frame_id"].to_list()
    assert targets["runway"].to_list() == frames["runway"].to_list()
    joined = targets.join(frames, on="frame_id", suffix="_drawn")
    for name in ("along_track_m", "lateral_deg", "vertical_deg", "yaw_offset_deg"):
        assert np.abs(joined[name] - joined[f"{name}_drawn"]).max() < 1e-6


def test_invisible_runway_keeps_its_row(spec: OddSpec) -> None:
    frames = frames_of(DB, 10, yaw_deg=0.0, pitch_deg=60.0, roll_deg=0.0)
    labels = label_frames(frames, DB, spec)
    assert len(labels) and labels["visible_fraction"].max() == 0.0
    assert labels["x_min_px"].null_count() == len(labels)
    assert set(labels["polygon"].list.len()) == {0}


def test_target_of_an_inverted_name_is_the_same_strip(spec: OddSpec) -> None:
    frames = frames_of(DB, 10, runway="27R").filter(pl.col("frame_id").str.contains("_09L_"))
    labels = label_frames(frames, DB, spec).filter("is_target")
    assert labels["runway"].unique().to_list() == ["09L"]


def test_no_frames_give_an_empty_table(spec: OddSpec) -> None:
    assert len(label_frames(frames_of(DB, 3).clear(), DB, spec)) == 0


def test_labels_do_not_depend_on_the_other_rows(spec: OddSpec) -> None:
    frames = frames_of(DB, 30, along_m=(-500.0, 3000.0))
    whole = label_frames(frames, DB, spec)
    parts = [label_frames(frames[k : k + 1], DB, spec) for k in range(len(frames))]
    assert_frame_equal(whole, pl.concat(parts), abs_tol=1e-11, rel_tol=1e-12)


def test_earth_model_of_the_frames_decides(spec: OddSpec) -> None:
    airport = DB.airport("KXYZ")
    runways = tuple(replace(runway, earth="sphere6371010") for runway in airport.runways)
    sphere = replace(DB, earth="sphere6371010", airports={"KXYZ": replace(airport, runways=runways)})
    frames = frames_of(sphere, 5)
    labels = label_frames(frames, DB, spec)
    assert labels.equals(label_frames(frames, sphere, spec))
    assert set(labels["earth_model"]) == {"sphere6371010"}


def test_all_faults_are_reported_at_once(spec: OddSpec) -> None:
    frames = frames_of(DB, 10)
    broken = frames.with_columns(
        lat_deg=pl.when(pl.arange(pl.len()) == 2).then(float("nan")).otherwise("lat_deg"),
        alt_m=pl.when(pl.arange(pl.len()) == 4).then(12.0).otherwise("alt_m"),
        airport=pl.when(pl.arange(pl.len()) == 6).then(pl.lit("KXYY")).otherwise("airport"),
    )
    with pytest.raises(DataError) as caught:
        label_frames(pl.concat([broken, broken[:1]]), DB, spec)
    message = str(caught.value)
    for part in ("row 3", "lat_deg is nan", "under ground", "did you mean KXYZ", "more than once"):
        assert part in message
    assert len(message.splitlines()) == 4


def test_datums_are_never_mixed(spec: OddSpec) -> None:
    with pytest.raises(DataError, match="altitude datum of the frames is 'ellipsoidal'"):
        label_frames(frames_of(DB, 3, altitude_datum="ellipsoidal"), DB, spec)


# a micropixel: beside coordinates of 1e-249 px it is GEOS that loses its way
coordinates = st.floats(-3000, 3000).map(lambda value: round(value, 6))
quads = st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=3)


@settings(max_examples=80, deadline=None)
@given(quads)
def test_clipped_triangles_match_shapely(triangle: list) -> None:
    expected = Polygon(triangle).intersection(box(0, 0, 1000, 700))
    polygons, counts = clip_to_image(np.array([triangle]), np.array([3]), 1000, 700)
    assert polygon_areas(polygons)[0] == pytest.approx(expected.area, rel=1e-9, abs=1e-5)
    assert counts[0] <= 7 and (polygons >= 0).all() and (polygons <= [1000, 700]).all()


def test_shared_edges_are_cut_at_the_same_point() -> None:
    a, b = np.array([0.1, -3.7]), np.array([5.3, 9.9])
    left, right = np.array([[a, b, [-9.0, 1.0]]]), np.array([[b, a, [9.0, 1.0]]])
    cut = [clip_halfspace(p, np.array([3]), p[..., 1])[0][0] for p in (left, right)]
    shared = {tuple(v) for v in cut[0] if v[1] == 0 or abs(v[1]) < 1e-12}
    assert shared & {tuple(v) for v in cut[1]}
