"""Corners of runways as detectors give them, and the pose of the aircraft that follows from four of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from lard.airports.model import Runway, RunwayDatabase
from lard.approach import approach_of, runway_frame
from lard.camera import Camera, Poses, ray_directions
from lard.errors import LardError
from lard.geodesy import enu_from_ecef, from_enu, geodetic_from_ecef, ned_from_ecef, to_enu, wrap_deg
from lard.score.boxes import Floats
from lard.score.evaluation import Evaluation
from lard.score.slices import distance_bin

LOCALISER_BEYOND_M = 300.0
"""Where the localiser is taken to stand, beyond the far threshold."""
COURSE_HALF_WIDTH_M, COURSE_MOST_DEG = 105.0, 3.0
"""Full deflection of a localiser: so far aside at the threshold, but never more than this angle."""
GLIDE_FULL_DEG = 0.7
"""Full deflection of a glide path, and with it two dots."""
ERRORS = (
    "along_track_m", "cross_track_m", "height_m", "yaw_deg", "pitch_deg", "roll_deg", "localiser_deg",
    "localiser_dots", "glide_path_deg", "glide_path_dots",
)  # fmt: skip
_UNTIL = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 200, 1e-12)
_POSE = ("lat_deg", "lon_deg", "alt_m", "yaw_deg", "pitch_deg", "roll_deg")


def corner_scores(
    evaluation: Evaluation, rows: Sequence[Mapping[str, Any]], score: float, db: RunwayDatabase | None
) -> dict[str, Any] | None:
    """Errors of corners and of the pose from them, for runways found at a score or above; by distance too.

    rows are the detections that were evaluated, with COCO keypoints TL, TR, BR, BL. The pose needs the
    runway's corners in `db`. None where no detection has corners.
    """
    if not any("keypoints" in row for row in rows):
        return None
    found = evaluation.matches()
    matched = np.flatnonzero(found.right[0] & (evaluation.scores >= score))
    samples: list[dict[str, Any]] = []
    for k in matched.tolist():
        note = evaluation.truth["annotations"][evaluation.notes[found.taken[0][k]]]
        given = _corners(rows[evaluation.rows[k]].get("keypoints"))
        wanted = _corners(note.get("keypoints"))
        if given is None or wanted is None:
            continue
        sample = {"corner_px": float(np.linalg.norm(given - wanted, axis=1).mean())}
        slant_m = note.get("slant_m")
        sample["distance"] = None if slant_m is None else distance_bin(slant_m)  # type: ignore[assignment]
        error = _pose_error(given, note, evaluation.pictures[evaluation.image[k]], db)
        samples.append(sample | (error or {}))
    bins = sorted({str(sample["distance"]) for sample in samples} - {"None"})
    return {
        "score": score,
        "matched": len(matched),
        "with_corners": len(samples),
        "with_pose": sum("height_m" in sample for sample in samples),
        **_spread(samples),
        "by_distance": {name: _spread([s for s in samples if s["distance"] == name]) for name in bins},
    }


def _corners(keypoints: Any) -> Floats | None:
    """Corners (4, 2) in px of COCO keypoints; None where one is not given."""
    if not isinstance(keypoints, list) or len(keypoints) != 12:
        return None
    points = np.array(keypoints, np.float64).reshape(4, 3)
    return points[:, :2] if (points[:, 2] > 0).all() else None


def _spread(samples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Number, median and 95 % of the sizes of each error that samples have."""
    found: dict[str, Any] = {"runways": len(samples)}
    for key in ("corner_px", *ERRORS):
        values = [abs(sample[key]) for sample in samples if key in sample]
        if values:
            found[key] = {"median": float(np.median(values)), "p95": float(np.quantile(values, 0.95))}
    return found


def _pose_error(
    corners_px: Floats, note: Mapping[str, Any], image: Mapping[str, Any], db: RunwayDatabase | None
) -> dict[str, float] | None:
    """Errors of the pose from corners (4, 2), estimated minus true; None where something is not known."""
    camera, pose = image.get("camera"), image.get("pose")
    if db is None or not isinstance(camera, dict) or not isinstance(pose, dict):
        return None
    try:
        runway = db.airport(str(note.get("airport"))).runway(str(note.get("runway")))
        lens = Camera(int(image["width"]), int(image["height"]), **camera)
        true = Poses(**{key: np.array([float(pose[key])]) for key in _POSE}, earth=runway.earth)
    except (LardError, KeyError, TypeError, ValueError):
        return None
    estimated = pose_from_corners(corners_px, runway, lens)
    return None if estimated is None else pose_errors(runway, estimated, true)


def pose_from_corners(corners_px: Floats, runway: Runway, camera: Camera) -> Poses | None:
    """The pose (1,) from which a runway's corners TL, TR, BR, BL lie at pixels (4, 2); None without one.

    Of the poses found (SQPnP) the one above the runway that fits best, refined in the picture.
    """
    rays = ray_directions(camera, corners_px)
    # undistorted pixels: solver's tolerances are meant for pixels
    focal = np.diag([camera.fx_px, camera.fy_px, 1.0])
    flat = np.ascontiguousarray(rays[:, :2] / rays[:, 2:] * [camera.fx_px, camera.fy_px])
    lat0, lon0, alt0 = runway.ltp
    corners_enu = to_enu(runway.corners_ecef(), lat0, lon0, alt0, runway.earth)
    best: tuple[float, Floats, Floats] | None = None
    try:
        count, turns, shifts, _ = cv2.solvePnPGeneric(
            corners_enu, flat, focal, None, flags=cv2.SOLVEPNP_SQPNP
        )
        for k in range(count):
            turn, shift = cv2.solvePnPRefineLM(corners_enu, flat, focal, None, turns[k], shifts[k], _UNTIL)
            rotation = np.asarray(cv2.Rodrigues(turn)[0], np.float64)
            seen = corners_enu @ rotation.T + shift.ravel()
            eye = np.asarray(-rotation.T @ shift.ravel(), np.float64)
            if (seen[:, 2] <= 0).any() or eye[2] <= 0:
                continue
            misfit = float(np.abs((seen / seen[:, 2:]) @ focal.T[:, :2] - flat).max())
            if best is None or misfit < best[0]:
                best = misfit, rotation, eye
    except cv2.error:  # corners on one line
        return None
    if best is None or not np.isfinite(best[0]):
        return None
    _, rotation, eye = best
    lat, lon, alt = geodetic_from_ecef(from_enu(eye, lat0, lon0, alt0, runway.earth), runway.earth)
    attitude = rotation @ enu_from_ecef(lat0, lon0) @ ned_from_ecef(lat, lon).T
    right, down, forward = attitude
    return Poses(
        lat, lon, alt,
        np.degrees(np.arctan2(forward[1], forward[0])), np.degrees(-np.arcsin(np.clip(forward[2], -1, 1))) ,
        np.degrees(np.arctan2(right[2], down[2])), earth=runway.earth,
    )  # fmt: skip


def pose_errors(runway: Runway, estimated: Poses, true: Poses) -> dict[str, float]:
    """Estimated minus true: position in the runway's frame, attitude, deviations as an ILS shows them."""
    places = [np.concatenate(runway_frame(runway, pose)) for pose in (estimated, true)]
    along, cross, height = places[0] - places[1]
    behind_m = runway.length_m + LOCALISER_BEYOND_M
    localiser = [np.degrees(np.arctan2(p[1], p[0] + behind_m)) for p in places]
    glide = [float(approach_of(runway, pose).vertical_deg[0]) for pose in (estimated, true)]
    full_deg = min(COURSE_MOST_DEG, float(np.degrees(np.arctan2(COURSE_HALF_WIDTH_M, behind_m))))
    aside, above = float(localiser[0] - localiser[1]), glide[0] - glide[1]
    turned = [
        float(wrap_deg(getattr(estimated, key) - getattr(true, key))[0])
        for key in ("yaw_deg", "pitch_deg", "roll_deg")
    ]
    values = (along, cross, height, *turned, aside, 2 * aside / full_deg, above, 2 * above / GLIDE_FULL_DEG)
    return dict(zip(ERRORS, map(float, values), strict=True))
