"""What an aircraft would believe that steers by the detected corners: position, attitude, deviations.

Positions are those of lard.approach: along track before the landing threshold point, across it to the right,
height above its horizontal plane. Errors are estimates minus truth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.approach import VERTICAL_APEX_M
from lard.geodesy import wrap_deg
from lard.score.boxes import Floats
from lard.score.corners import groups, spread
from lard.score.pnp import Solved
from lard.score.sightings import Geometry, Sightings

POSITION = ("along_track_m", "cross_track_m", "height_m")
ATTITUDE = ("yaw_deg", "pitch_deg", "roll_deg")
DEVIATIONS = ("localiser_deg", "localiser_dots", "glide_path_deg", "glide_path_dots")


@dataclass(frozen=True, slots=True)
class Landing:
    """The landing aid that an estimate is compared with, and how much its pointer shows.

    ICAO Annex 10, volume I: full scale is a DDM of 0.155 of the localiser (3.1.3), whose nominal 0.00145 DDM
    per metre at the threshold makes 107 m there and whose course sector is at most 6 degrees; and of the
    glide path twice the half sector of 0.12 times its angle (3.1.5). A pointer has two dots on each side.
    """

    half_width_m: float = 0.155 / 0.00145  # at the threshold, to full scale
    most_localiser_deg: float = 3.0  # full scale to one side
    antenna_beyond_m: float = 300.0  # of the localiser, behind the far threshold
    glide_deg: float = 3.0
    glide_antenna_m: float = VERTICAL_APEX_M  # beyond the landing threshold
    glide_full_scale: float = 0.24  # of the glide angle
    dots: float = 2.0  # of full scale

    def localiser_dot_deg(self, length_m: Floats) -> Floats:
        """Degrees per dot (n,) of runways of these lengths."""
        full = np.degrees(np.arctan(self.half_width_m / (length_m + self.antenna_beyond_m)))
        return np.minimum(full, self.most_localiser_deg) / self.dots

    @property
    def glide_dot_deg(self) -> float:
        """Degrees per dot of the glide path."""
        return self.glide_full_scale * self.glide_deg / self.dots


LANDING = Landing()
WITHIN_DOTS = (0.5, 1.0)


def placed(camera_m: Floats) -> Floats:
    """Along track, cross track and height (n, 3) of positions forward, right, down."""
    return camera_m * [-1.0, 1.0, -1.0]


def deviations_deg(camera_m: Floats, length_m: Floats, landing: Landing = LANDING) -> Floats:
    """Angles (n, 2) from the centreline at the localiser and above the horizon at the glide path's aerial."""
    along, cross, up = placed(camera_m).T
    localiser = np.arctan2(cross, along + length_m + landing.antenna_beyond_m)
    glide = np.arctan2(up, np.hypot(along + landing.glide_antenna_m, cross))
    return np.degrees(np.stack([localiser, glide], axis=-1))


def attitude_deg(cam_from_ned: Floats) -> Floats:
    """Yaw, pitch and roll (n, 3) of rotations (n, 3, 3): the inverse of lard.camera.cam_from_ned."""
    forward = cam_from_ned[:, 2]
    yaw = np.arctan2(forward[:, 1], forward[:, 0])
    pitch = np.arctan2(-forward[:, 2], np.hypot(forward[:, 0], forward[:, 1]))
    roll = np.arctan2(cam_from_ned[:, 0, 2], cam_from_ned[:, 1, 2])
    return np.degrees(np.stack([yaw, pitch, roll], axis=-1))


def pose_errors(solved: Solved, known: Geometry, landing: Landing = LANDING) -> dict[str, Floats]:
    """Errors (n,) by name: position, attitude as a whole and by angle, deviations in degrees and dots."""
    gaps = placed(solved.camera_m) - placed(known.camera_m)
    values = dict(zip(POSITION, gaps.T, strict=True))
    between = solved.cam_from_runway @ np.swapaxes(known.cam_from_runway, 1, 2)
    values["attitude_deg"] = _angle_deg(between)
    angles = wrap_deg(attitude_deg(between @ known.cam_from_ned) - attitude_deg(known.cam_from_ned))
    values |= dict(zip(ATTITUDE, angles.T, strict=True))
    off = deviations_deg(solved.camera_m, known.length_m, landing) - deviations_deg(
        known.camera_m, known.length_m, landing
    )
    localiser, glide = off.T
    lateral_dot_deg = landing.localiser_dot_deg(known.length_m)
    columns = (localiser, localiser / lateral_dot_deg, glide, glide / landing.glide_dot_deg)
    return values | dict(zip(DEVIATIONS, columns, strict=True))


def _angle_deg(rotation: Floats) -> Floats:
    """Angle (n,) of rotations (n, 3, 3); exact for small ones."""
    chord = np.linalg.norm(rotation - np.eye(3), axis=(1, 2)) / np.sqrt(8)
    return np.degrees(2 * np.arcsin(np.minimum(chord, 1.0)))


def pose_report(
    found: Sightings, solved: Solved, known: Geometry, truth: Mapping[str, Any], landing: Landing = LANDING
) -> dict[str, Any]:
    """Errors of the poses of sightings whose geometry is known, whole and by distance, zone and airport."""
    good = solved.found
    report: dict[str, Any] = {
        "detections": len(good),
        "solved": int(good.sum()),
        "landing_aid": asdict(landing) | {"glide_dot_deg": landing.glide_dot_deg},
    }
    if not good.any():
        return report
    errors = pose_errors(solved[good], known[good], landing)
    report["errors"] = _spreads(errors)
    report["within_dots"] = _within(errors)
    for kind, name, rows in groups(found[good], truth):
        some = {key: value[rows] for key, value in errors.items()}
        entry = {"solved": len(rows), **_spreads(some), "within_dots": _within(some)}
        report.setdefault(f"by_{kind}", {})[name] = entry
    return report


def _spreads(errors: Mapping[str, Floats]) -> dict[str, Any]:
    return {key: spread(value, signed=key != "attitude_deg") for key, value in errors.items()}


def _within(errors: Mapping[str, Floats]) -> dict[str, float]:
    """Share of poses that err by no more than so many dots, laterally and vertically."""
    worst: NDArray[np.float64] = np.maximum(
        np.abs(errors["localiser_dots"]), np.abs(errors["glide_path_dots"])
    )
    return {f"{limit:g}": float(np.mean(worst <= limit)) for limit in WITHIN_DOTS}
