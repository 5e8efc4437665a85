"""Poses from four corners beside OpenCV's and SciPy's, their errors, and deviations in dots."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from approach_support import FOCAL_PX, detections, flown, runway, seen_from
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from lard.airports.table import load_shipped
from lard.camera import cam_from_ned
from lard.score.approaches import approach_parts
from lard.score.evaluation import Evaluation
from lard.score.pnp import Solved, drawn, solve
from lard.score.pose import Landing, attitude_deg, deviations_deg, pose_errors
from lard.score.sightings import geometry_of, sightings

FOCAL = np.full((1, 2), FOCAL_PX)


@settings(max_examples=60, deadline=None)
@given(
    along_m=st.floats(250, 9000),
    lateral_deg=st.floats(-10, 10),
    glide_deg=st.floats(1.2, 8),
    yaw_deg=st.floats(-25, 25),
    pitch_deg=st.floats(-20, 15),
    roll_deg=st.floats(-45, 45),
)
def test_exact_corners_give_the_pose(
    along_m: float, lateral_deg: float, glide_deg: float, yaw_deg: float, pitch_deg: float, roll_deg: float
) -> None:
    """From anywhere on an approach, in any attitude that has the runway before the camera."""
    cross, up = (
        along_m * math.tan(math.radians(lateral_deg)),
        (along_m + 305) * math.tan(math.radians(glide_deg)),
    )
    corners, seen, position, rotation = seen_from(
        runway(),
        np.array([along_m]),
        np.array([cross]),
        np.array([up]),
        np.array([[yaw_deg, pitch_deg, roll_deg]]),
    )
    solved = solve(corners, seen, FOCAL)
    assert solved.found[0]
    np.testing.assert_allclose(solved.camera_m, position, atol=1e-4)
    np.testing.assert_allclose(solved.cam_from_runway, rotation, atol=1e-7)


def views(n: int, seed: int, sigma_px: float) -> tuple[Any, Any, Any, Any]:
    rng = np.random.default_rng(seed)
    along = rng.uniform(400, 6000, n)
    cross = along * np.tan(np.radians(rng.uniform(-4, 4, n)))
    up = (along + 305) * np.tan(np.radians(rng.uniform(2, 4.5, n)))
    corners, seen, position, rotation = seen_from(
        runway(), along, cross, up, rng.uniform([-10, -8, -15], [10, 6, 15], (n, 3))
    )
    return corners, seen + rng.normal(0, sigma_px, seen.shape), position, rotation


def test_noisy_corners_beside_opencv() -> None:
    """No sum of squares is above OpenCV's (SQPnP, refined); where both are equal, so are the positions."""
    corners, seen, _, _ = views(40, 1, 0.4)
    solved = solve(corners, seen, np.repeat(FOCAL, 40, axis=0))
    assert solved.found.all()
    matrix = np.diag([FOCAL_PX, FOCAL_PX, 1.0])
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 500, 1e-14)
    near = 0
    for k in range(40):
        _, turn, move = cv2.solvePnP(corners[k], seen[k], matrix, None, flags=cv2.SOLVEPNP_SQPNP)
        turn, move = cv2.solvePnPRefineLM(corners[k], seen[k], matrix, None, turn, move, criteria)
        points, _ = cv2.projectPoints(corners[k], turn, move, matrix, None)
        theirs, ours = ((points[:, 0] - seen[k]) ** 2).sum(), (solved.residual_px[k] ** 2).sum()
        assert ours <= theirs + 1e-9
        if theirs < ours + 1e-8:
            near += 1
            at = -(cv2.Rodrigues(turn)[0].T @ move).ravel()
            np.testing.assert_allclose(solved.camera_m[k], at, rtol=1e-3, atol=0.05)
    assert near > 25


def test_noisy_corners_beside_scipy() -> None:
    """The same minimum from the true pose, found by SciPy without our derivatives."""
    corners, seen, position, rotation = views(5, 2, 0.5)
    solved = solve(corners, seen, np.repeat(FOCAL, 5, axis=0))
    for k in range(5):

        def left(x: Any, k: int = k) -> Any:
            p = (
                Rotation.from_rotvec(x[:3]).as_matrix() @ rotation[k] @ (corners[k] - position[k] - x[3:]).T
            ).T
            return (FOCAL_PX * p[:, :2] / p[:, 2:] - seen[k]).ravel()

        best = least_squares(
            left, np.zeros(6), x_scale=[1e-3] * 3 + [10.0] * 3, xtol=1e-15, ftol=1e-15, gtol=1e-15
        )
        np.testing.assert_allclose(solved.camera_m[k], position[k] + best.x[3:], rtol=1e-4, atol=1e-2)


def test_derivatives_beside_differences() -> None:
    corners, seen, position, rotation = views(3, 3, 0.0)
    focal = np.repeat(FOCAL, 3, axis=0)
    _, jacobian = drawn(rotation, position, corners, seen, focal)
    for axis in range(6):
        step = np.zeros(6)
        step[axis] = h = 1e-6 if axis < 3 else 1e-3
        ends = [
            drawn(Rotation.from_rotvec(sign * step[:3]).as_matrix() @ rotation, position + sign * step[3:],
                  corners, seen, focal)[0]
            for sign in (1, -1)
        ]  # fmt: skip
        np.testing.assert_allclose(jacobian[..., axis], (ends[1] - ends[0]) / (2 * h), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("spoil", ["point", "line", "turned over", "not a number"])
def test_corners_of_no_runway_have_no_pose(spoil: str) -> None:
    corners, seen, _, _ = views(1, 4, 0.0)
    if spoil == "point":
        seen[:] = 5.0
    elif spoil == "line":
        seen[0] = [[0, 0], [1, 1], [2, 2], [3, 3]]
    elif spoil == "turned over":
        seen = seen[:, [1, 0, 3, 2]]
    else:
        seen[0, 0, 0] = np.nan
    assert not solve(corners, seen, FOCAL).found[0]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_any_four_points_are_answered(seed: int) -> None:
    """Random points: a pose with all corners before the camera, or none; never an exception."""
    rng = np.random.default_rng(seed)
    corners, _, _, _ = views(6, 5, 0.0)
    solved = solve(corners, rng.normal(0, 10 ** rng.uniform(-3, 4), (6, 4, 2)), np.repeat(FOCAL, 6, axis=0))
    good = solved[solved.found]
    points = np.einsum(
        "nij,nkj->nki", good.cam_from_runway, corners[: len(good.found)] - good.camera_m[:, None]
    )
    assert (points[..., 2] > 0).all() and np.isfinite(good.residual_px).all()


@given(st.floats(-179, 179), st.floats(-85, 85), st.floats(-179, 179))
def test_attitude_is_the_inverse_of_the_camera(yaw: float, pitch: float, roll: float) -> None:
    angles = attitude_deg(cam_from_ned(np.array([yaw]), np.array([pitch]), np.array([roll])))
    np.testing.assert_allclose(angles, [[yaw, pitch, roll]], atol=1e-7)


def test_a_dot_by_hand() -> None:
    """3,000 m of runway: 106.9 m at 3,300 m is 1.855 degrees to two dots; glide path .36 degrees a dot."""
    landing = Landing()
    assert landing.localiser_dot_deg(np.array([3000.0]))[0] == pytest.approx(
        math.degrees(math.atan(0.155 / 0.00145 / 3300)) / 2
    )
    assert landing.localiser_dot_deg(np.array([600.0]))[0] == 1.5  # the course sector is six degrees at most
    assert landing.glide_dot_deg == pytest.approx(0.36)
    at_full_scale = np.array([[0.0, 0.155 / 0.00145, -50.0]])  # at the threshold
    off = deviations_deg(at_full_scale, np.array([3000.0]), landing)[0, 0]
    assert off / landing.localiser_dot_deg(np.array([3000.0]))[0] == pytest.approx(2.0)
    on_path = np.array([[-1000.0, 0.0, -1305.0 * math.tan(math.radians(3.0))]])
    assert deviations_deg(on_path, np.array([3000.0]))[0] == pytest.approx([0.0, 3.0])


@pytest.mark.parametrize("k1", [0.0, 0.03])
def test_true_corners_give_true_poses(k1: float) -> None:
    """Through the whole of it: geodesy, runway table, lens. What remains is the rounding of the files."""
    truth = flown("LFPO", "24", 0.25, k1=k1)
    rows = detections(truth)
    parts = approach_parts(Evaluation(truth, rows), rows, 0.5)
    pose = parts["pose"]
    assert pose["solved"] == pose["detections"] > 5
    assert pose["geometry"]["greatest_difference_px"] < 1e-5 and pose["geometry"]["without_geometry"] == 0
    for name in ("along_track_m", "cross_track_m", "height_m", "yaw_deg", "pitch_deg", "roll_deg"):
        assert pose["errors"][name]["p95"] < 0.02, name
    assert pose["within_dots"] == {"0.5": 1.0, "1": 1.0}
    assert sum(row["solved"] for row in pose["by_distance"].values()) == pose["solved"]
    assert parts["corners"]["error_px"]["p95"] == 0.0
    assert set(parts["not_computed"]) == {"sequences"}  # one frame in four seconds


def test_a_pose_that_is_off_by_hand() -> None:
    """Corners as another camera sees them: 12 m right, 5 m higher, yawed by half a degree."""
    truth = flown("LFPO", "24", 0.25)
    rows = detections(truth)
    evaluation = Evaluation(truth, rows)
    found = sightings(evaluation, rows, 0.5)
    found = found[found.whole]
    known = geometry_of(found, truth, load_shipped())
    ned = cam_from_ned(*np.add(attitude_deg(known.cam_from_ned), [0.5, 0, 0]).T)
    solved = Solved(
        ned @ np.swapaxes(known.cam_from_ned, 1, 2) @ known.cam_from_runway,
        np.add(known.camera_m, [-20.0, 12.0, -5.0]), np.zeros((len(found), 8)), np.zeros((len(found), 8, 6)),
        np.ones(len(found), bool),
    )  # fmt: skip
    errors = pose_errors(solved, known)
    np.testing.assert_allclose(errors["along_track_m"], 20.0)
    np.testing.assert_allclose(errors["cross_track_m"], 12.0)
    np.testing.assert_allclose(errors["height_m"], 5.0)
    np.testing.assert_allclose(errors["yaw_deg"], 0.5, atol=1e-6)
    np.testing.assert_allclose(errors["roll_deg"], 0.0, atol=1e-6)
    turned = Rotation.from_matrix(
        solved.cam_from_runway @ np.swapaxes(known.cam_from_runway, 1, 2)
    ).magnitude()
    np.testing.assert_allclose(errors["attitude_deg"], np.degrees(turned))


def test_another_runway_table_is_refused() -> None:
    """Moved by a metre, or without the airport: no pose, and the reason."""
    truth = flown("LFPO", "24", 0.25)
    rows = detections(truth)
    database = load_shipped()
    airport = database.airport("LFPO")
    moved = tuple(
        replace(r, corners=tuple((a + 1e-5, b, c) for a, b, c in r.corners)) for r in airport.runways
    )
    wrong = replace(database, airports={"LFPO": replace(airport, runways=moved)})
    parts = approach_parts(Evaluation(truth, rows), rows, 0.5, wrong)
    assert "does not give the corners of the ground truth" in parts["not_computed"]["pose"]
    assert "corners" in parts and "pose" not in parts and "integrity" not in parts
    parts = approach_parts(Evaluation(truth, rows), rows, 0.5, replace(database, airports={}))
    assert "no picture states camera and pose" in parts["not_computed"]["pose"]


@pytest.mark.parametrize("part", ["camera", "pose", "earth", "corners", "named", "none given"])
def test_what_is_missing_is_named(part: str) -> None:
    truth = copy.deepcopy(flown("LFPO", "24", 0.25))
    rows = detections(truth)
    for image in truth["images"]:
        if part == "earth":
            image["pose"]["earth_model"] = "unknown"
        elif part in image:
            del image[part]
    if part == "corners":
        for note in truth["annotations"]:
            del note["keypoints"]
    if part == "named":
        truth["categories"] = [{**truth["categories"][0], "keypoints": ["a", "b", "c", "d"]}]
    if part == "none given":
        rows = [{key: value for key, value in row.items() if key != "keypoints"} for row in rows]
    missing = approach_parts(Evaluation(truth, rows), rows, 0.5)["not_computed"]
    told = {
        "corners": "no corners (keypoints)", "named": "names its keypoints",
        "none given": "no detection carries corners",
    }.get(part, "no picture states camera and pose")  # fmt: skip
    assert told in missing["pose"] and told in missing["integrity"]
