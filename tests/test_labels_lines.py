"""Lines and masks of labels: on the corners, on the horizon, in the picture."""

from __future__ import annotations

import numpy as np
import pytest
from labels_support import database, frames_of
from shapely.geometry import LineString, box

from lard.camera import Camera, Poses, ray_directions
from lard.geodesy import geodesic_direct
from lard.labels.lines import clip_segments, horizon_dip_deg, horizon_line, runway_lines
from lard.labels.masks import polygon_rle, rle_mask

CAMERA = Camera.from_fov(1024, 768, 60)
DB = database()


def test_runway_lines_join_the_corners() -> None:
    frames = frames_of(DB, 40, camera=CAMERA, along_m=(800.0, 4000.0), runway="09L")
    end = DB.airport("KXYZ").runway("09L")
    frames = frames.filter(frames["frame_id"].str.contains("_09L_"))
    poses = Poses.from_frames(frames)
    lines = runway_lines(end, poses, CAMERA)
    from lard.camera import project, to_camera

    corners = project(to_camera(end.corners_ecef(), poses), CAMERA)
    inside = ((corners >= 0) & (corners <= [1024, 768])).all(axis=(1, 2))
    assert inside.any()
    for name, pair in (
        ("threshold", (3, 2)),
        ("far_end", (0, 1)),
        ("left_edge", (3, 0)),
        ("right_edge", (2, 1)),
    ):
        assert np.abs(lines[name][inside] - corners[inside][:, list(pair)]).max() < 1e-9, name
    middle = lines["centreline"][inside]
    left, right = lines["left_edge"][inside], lines["right_edge"][inside]
    assert (np.abs(middle - (left + right) / 2) < 1.0).all()


def test_lines_behind_the_camera_are_cut_or_absent() -> None:
    end = DB.airport("KXYZ").runway("09L")
    over = geodesic_direct(end.ltp[0], end.ltp[1], end.heading_deg, 1000.0)
    for yaw, there in ((end.heading_deg, True), (end.heading_deg + 180, True)):
        pose = Poses(over[0], over[1], end.ltp[2] + 40.0, yaw, -5.0, 0.0)
        lines = runway_lines(end, pose, CAMERA)
        assert np.isfinite(lines["centreline"]).all() == there
    pose = Poses(over[0], over[1], end.ltp[2] + 40.0, end.heading_deg, 80.0, 0.0)
    assert all(np.isnan(line).all() for line in runway_lines(end, pose, CAMERA).values())


def test_segments_are_clipped_as_by_shapely() -> None:
    rng = np.random.default_rng(0)
    segments = rng.uniform(-1000, 2000, (300, 2, 2))
    clipped = clip_segments(segments, CAMERA)
    picture = box(0, 0, 1024, 768)
    for segment, part in zip(segments, clipped, strict=True):
        expected = LineString(segment).intersection(picture)
        if expected.is_empty:
            assert np.isnan(part).all()
        else:
            assert np.abs(np.sort(np.array(expected.coords), 0) - np.sort(part, 0)).max() < 1e-6


@pytest.mark.parametrize("dip", [False, True])
def test_horizon_lies_at_its_angle(dip: bool) -> None:
    poses = Poses(48.0, 2.0, 600.0, np.linspace(0, 350, 30), -4.0, np.linspace(-30, 30, 30))
    lines = horizon_line(poses, CAMERA, dip=dip)
    assert np.isfinite(lines).all()
    from lard.camera import cam_from_ecef
    from lard.geodesy import ned_from_ecef

    rotation, _ = cam_from_ecef(poses)
    down = np.einsum("nij,nj->ni", rotation, ned_from_ecef(poses.lat_deg, poses.lon_deg)[:, 2])
    below = np.degrees(np.arcsin(np.einsum("nki,ni->nk", ray_directions(CAMERA, lines), down)))
    expected = horizon_dip_deg(poses)[:, None] if dip else 0.0
    assert np.abs(below - expected).max() < 1e-9
    # it spans the picture from left to right, and a bank to the right turns it counter-clockwise
    assert (lines[:, 0, 0] < 0).all() and (lines[:, -1, 0] > 1024).all()
    step = lines[:, 17] - lines[:, 15]
    assert np.abs(np.degrees(np.arctan2(step[:, 1], step[:, 0])) + poses.roll_deg).max() < 0.3


def test_horizon_dip_at_600_m() -> None:
    assert horizon_dip_deg(Poses(0.0, 0.0, 600.0, 0.0, 0.0, 0.0))[0] == pytest.approx(0.786, abs=0.003)


def test_masks_have_the_polygon_area() -> None:
    polygon = [10.0, 10.0, 90.0, 20.0, 80.0, 70.0, 15.0, 60.0]
    mask = rle_mask(polygon_rle(polygon, 120, 100))
    x, y = np.array(polygon).reshape(-1, 2).T
    area = abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) / 2
    assert mask.shape == (100, 120) and mask.sum() == pytest.approx(area, rel=0.03)
    assert rle_mask(polygon_rle([], 120, 100)).sum() == 0
