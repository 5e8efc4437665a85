"""Corners and the pose that follows from them, against the maps that drew them and against scipy."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import least_squares

from lard.airports import load_shipped
from lard.approach import Approaches, pose_of
from lard.camera import Camera, Poses, project, to_camera
from lard.report import read_entries, write_leaderboard
from lard.score.evaluation import Evaluation
from lard.score.points import stated
from lard.score.pose import corner_scores, pose_errors, pose_from_corners
from lard.score.scores import score

DB = load_shipped()
LENS = Camera.from_fov(1024, 1024, 60)
BENT = Camera(1024, 1024, 886.8, 886.8, 512.0, 512.0, k1=-0.05)


def view(
    along_m: float, lateral_deg: float, vertical_deg: float, attitude: tuple[float, float, float]
) -> Poses:
    runway = DB.airport("EHAM").runway("18R")
    return pose_of(runway, Approaches(*np.array([along_m, lateral_deg, vertical_deg, *attitude])))  # type: ignore[arg-type]


def seen(pose: Poses, camera: Camera = LENS) -> np.ndarray:
    """Pixels (4, 2) of the corners of EHAM 18R."""
    return np.asarray(project(to_camera(DB.airport("EHAM").runway("18R").corners_ecef(), pose), camera)[0])


@settings(max_examples=30, deadline=None)
@given(
    st.floats(300, 6000), st.floats(-3, 3), st.floats(1.8, 5.2), st.floats(-20, 20), st.floats(-10, 5),
    st.floats(-15, 15), st.booleans(),
)  # fmt: skip
def test_exact_corners_give_the_pose_back(
    along: float, lateral: float, vertical: float, yaw: float, pitch: float, roll: float, bent: bool
) -> None:
    true, camera = view(along, lateral, vertical, (yaw, pitch, roll)), BENT if bent else LENS
    runway = DB.airport("EHAM").runway("18R")
    found = pose_from_corners(seen(true, camera), runway, camera)
    assert found is not None
    errors = pose_errors(runway, found, true)
    for key, error in errors.items():
        limit = 0.05 if key.endswith("_m") else 1e-3
        assert abs(error) < limit, (key, error)


def test_noisy_corners_against_least_squares() -> None:
    """The same pose as scipy finds by minimising the distances in the picture, from another start."""
    runway, rng = DB.airport("EHAM").runway("18R"), np.random.default_rng(4)
    true = view(1500.0, 0.5, 3.0, (2.0, -3.0, 4.0))
    noisy = seen(true) + rng.normal(0, 0.3, (4, 2))
    found = pose_from_corners(noisy, runway, LENS)
    assert found is not None

    def misfit(x: np.ndarray) -> np.ndarray:
        return (seen(pose_of(runway, Approaches(*x))) - noisy).ravel()

    start = [1700.0, 0.0, 3.4, 0.0, 0.0, 0.0]
    theirs = pose_of(runway, Approaches(*least_squares(misfit, start, x_scale=[500, 1, 1, 5, 5, 5]).x))
    errors = pose_errors(runway, found, theirs)
    assert all(abs(errors[key]) < 0.2 for key in ("along_track_m", "cross_track_m", "height_m")), errors
    assert all(abs(errors[key]) < 0.01 for key in ("yaw_deg", "pitch_deg", "roll_deg"))


def test_deviations_as_an_ils_shows_them() -> None:
    """Full deflection is two dots: 0.7 degrees of glide path, 105 m beside the course at the threshold."""
    runway = DB.airport("EHAM").runway("18R")
    true, high = view(2000.0, 0.0, 3.0, (0, 0, 0)), view(2000.0, 0.0, 3.7, (0, 0, 0))
    errors = pose_errors(runway, high, true)
    assert errors["glide_path_deg"] == pytest.approx(0.7) and errors["glide_path_dots"] == pytest.approx(2)
    assert errors["height_m"] == pytest.approx(2305 * (np.tan(np.radians(3.7)) - np.tan(np.radians(3.0))))
    aside = view(1e-6, np.degrees(np.arctan2(105.0, 1e-6)), 3.0, (0, 0, 0))
    middle = view(1e-6, 0.0, 3.0, (0, 0, 0))
    assert pose_errors(runway, aside, middle)["localiser_dots"] == pytest.approx(2, abs=0.01)


@pytest.mark.parametrize("corners", [np.full((4, 2), 500.0), np.array([[1.0, 1], [2, 2], [3, 3], [4, 4]])])
def test_corners_that_allow_no_pose(corners: np.ndarray) -> None:
    found = pose_from_corners(corners, DB.airport("EHAM").runway("18R"), LENS)
    assert found is None or np.isfinite(found.alt_m).all()


def scene(shift_px: float, corners: bool = True) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """One picture of EHAM 18R, and a detection whose corners are so far to the right."""
    true = view(1500.0, 0.5, 3.0, (0.0, 0.0, 0.0))
    points = seen(true)
    low, size = points.min(axis=0), np.ptp(points, axis=0)
    keys = ("lat_deg", "lon_deg", "alt_m", "yaw_deg", "pitch_deg", "roll_deg")
    pose = {key: float(getattr(true, key)[0]) for key in keys}
    camera = {"fx_px": LENS.fx_px, "fy_px": LENS.fy_px, "cx_px": LENS.cx_px, "cy_px": LENS.cy_px}
    image = {"id": 1, "file_name": "1.jpg", "width": 1024, "height": 1024, "camera": camera, "pose": pose}
    flat = [float(v) for x, y in points for v in (x, y, 2)]
    box = [*low.tolist(), *size.tolist()]
    note = {
        "id": 1, "image_id": 1, "category_id": 1, "bbox": box, "iscrowd": 0, "airport": "EHAM",
        "runway": "18R", "keypoints": flat, "slant_m": 1510.0,
    }  # fmt: skip
    row: dict[str, Any] = {"image_id": 1, "category_id": 1, "bbox": box, "score": 0.9}
    if corners:
        row["keypoints"] = [v + (shift_px if k % 3 == 0 else 0) for k, v in enumerate(flat)]
    return {"images": [image], "annotations": [note], "categories": [{"id": 1, "name": "runway"}]}, [row]


def test_errors_of_corners_and_pose_in_a_report() -> None:
    truth, rows = scene(3.0)
    found = corner_scores(Evaluation(truth, rows), rows, 0.5, DB)
    assert found is not None and found["with_corners"] == found["with_pose"] == found["matched"] == 1
    assert found["corner_px"]["median"] == pytest.approx(3)
    assert found["by_distance"]["1-2 km"]["corner_px"] == found["corner_px"]
    # all corners 3 px to the right are a turn to the left, little else
    assert found["yaw_deg"]["median"] == pytest.approx(np.degrees(3 / LENS.fx_px), rel=0.1)
    assert found["along_track_m"]["median"] < 30
    exact = corner_scores(Evaluation(*scene(0.0)), scene(0.0)[1], 0.5, DB)
    assert exact is not None and exact["height_m"]["median"] < 0.05
    bare = corner_scores(Evaluation(truth, rows), rows, 0.5, None)
    assert bare is not None and bare["with_pose"] == 0 and "height_m" not in bare
    assert corner_scores(Evaluation(*scene(0.0, False)), scene(0.0, False)[1], 0.5, DB) is None


def test_corners_reach_the_page(tmp_path: Path) -> None:
    """From results with keypoints; another database than the labels' gives corners and no pose."""
    truth, rows = scene(2.0)
    for version, poses in ((DB.version, 1), ("1900.01", 0)):
        truth["info"] = {"runway_db": DB.name, "runway_db_version": version}
        (tmp_path / "t.json").write_text(json.dumps(truth))
        (tmp_path / "r.json").write_text(json.dumps(rows))
        report = score(
            tmp_path / "t.json", tmp_path / "r.json", tmp_path / "m.score.json", "m", None, stated(0.5)
        )
        assert report["corners"]["with_pose"] == poses and report["corners"]["corner_px"]["median"] == 2
        write_leaderboard(read_entries([tmp_path / "m.score.json"]), tmp_path)
        page = (tmp_path / "leaderboard.html").read_text()
        assert "Corners and pose" in page and "glide path, dots" in page
        table = next(csv.DictReader((tmp_path / "leaderboard.csv").open()))
        assert table["corners_corner_px"] == "2.000000" and bool(table["corners_height_m"]) == bool(poses)
