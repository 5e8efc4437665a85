"""Detections of required runways that carry corners, beside the true ones and the runways' geometry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.airports.model import Runway, RunwayDatabase
from lard.camera import DISTORTION, Camera, Poses, cam_from_ecef, project, undistort
from lard.errors import LardError
from lard.geodesy import EARTH_MODELS, ecef_from_geodetic, enu_from_ecef
from lard.score.boxes import Floats, Ints
from lard.score.evaluation import Evaluation
from lard.score.keypoints import corners_of

CLOSE_PX = 0.05
"""The runway table must give the corners of the ground truth so closely; files hold millionths of a pixel."""

_POSE = ("lat_deg", "lon_deg", "alt_m", "yaw_deg", "pitch_deg", "roll_deg")


@dataclass(frozen=True, slots=True)
class Sightings:
    """n detections of required runways with at least one corner; arrays beside one another."""

    detection: Ints  # (n,) place in the evaluation's detections
    note: Ints  # (n,) place in the annotations
    found_px: Floats  # (n, 4, 2)
    given: NDArray[np.bool_]  # (n, 4)
    true_px: Floats  # (n, 4, 2)
    shown: NDArray[np.bool_]  # (n, 4) whether the true corner is in the picture

    def __len__(self) -> int:
        return len(self.detection)

    def __getitem__(self, index: Any) -> Sightings:
        return Sightings(*(getattr(self, field.name)[index] for field in fields(self)))

    @property
    def whole(self) -> NDArray[np.bool_]:
        """Whether (n,) all four corners are given and in the picture."""
        return np.asarray((self.given & self.shown).all(axis=1))


def sightings(evaluation: Evaluation, results: Sequence[Mapping[str, Any]], score: float) -> Sightings:
    """The right detections (IoU 0.5, at a score or above) that give a corner."""
    found = evaluation.matches()
    rows = np.flatnonzero(found.right[0] & (evaluation.scores >= score))
    notes = evaluation.notes[found.taken[0][rows]] if len(rows) else np.zeros(0, np.int64)
    found_px, v = corners_of([results[evaluation.rows[k]] for k in rows])
    true_px, shown = corners_of([evaluation.truth["annotations"][k] for k in notes])
    all_of_them = Sightings(rows, notes, found_px, v > 0, true_px, shown == 2)
    return all_of_them[(v > 0).any(axis=1)]


@dataclass(frozen=True, slots=True)
class Geometry:
    """Runways and cameras of n sightings; frame: forward along the landing direction, right, down at the LTP.

    Found corners come as an ideal camera of the same focal lengths would draw them, axis at 0.
    """

    corners_m: Floats  # (n, 4, 3)
    seen_px: Floats  # (n, 4, 2)
    focal_px: Floats  # (n, 2)
    camera_m: Floats  # (n, 3) true position
    cam_from_runway: Floats  # (n, 3, 3) true attitude
    cam_from_ned: Floats  # (n, 3, 3) the same, from north, east, down at the camera
    length_m: Floats  # (n,)
    off_px: Floats  # (n,) greatest distance of the table's corners from the truth's, inf where unknown

    def __len__(self) -> int:
        return len(self.length_m)

    def __getitem__(self, index: Any) -> Geometry:
        return Geometry(*(getattr(self, field.name)[index] for field in fields(self)))

    @property
    def known(self) -> NDArray[np.bool_]:
        """Whether (n,) runway, camera and pose explain the corners of the ground truth."""
        return np.asarray(self.off_px <= CLOSE_PX)


def geometry_of(found: Sightings, truth: Mapping[str, Any], database: RunwayDatabase) -> Geometry:
    """Geometry of sightings; what is not known of one leaves NaN and an infinite off_px."""
    n = len(found)
    nan = np.full  # NaN until written
    made = Geometry(
        nan((n, 4, 3), np.nan), nan((n, 4, 2), np.nan), nan((n, 2), np.nan), nan((n, 3), np.nan),
        nan((n, 3, 3), np.nan), nan((n, 3, 3), np.nan), nan(n, np.nan), nan(n, np.inf),
    )  # fmt: skip
    images = {int(image["id"]): image for image in truth["images"]}
    groups: dict[tuple[Any, ...], list[int]] = {}
    for k, place in enumerate(found.note):
        note = truth["annotations"][place]
        image = images[int(note["image_id"])]
        key = (str(note.get("airport", "")), str(note.get("runway", "")), _camera(image), _earth(image))
        if None not in key:
            groups.setdefault(key, []).append(k)
    for (airport, ident, camera, earth), rows in groups.items():
        runway = _runway(database, airport, ident)
        if runway is None:
            continue
        of = [images[int(truth["annotations"][k]["image_id"])]["pose"] for k in found.note[rows]]
        values = {name: np.array([pose[name] for pose in of], np.float64) for name in _POSE}
        poses = Poses(**values, earth=earth)
        _fill(made, found, np.array(rows), replace(runway, earth=earth), camera, poses)
    return made


def _fill(made: Geometry, found: Sightings, rows: Ints, runway: Runway, camera: Camera, poses: Poses) -> None:
    """Write the rows of one runway seen by one camera."""
    axes, origin = _frame(runway)
    corners = (runway.corners_ecef() - origin) @ axes.T
    rotation, at = cam_from_ecef(poses)
    cam_from_runway = rotation @ axes.T
    position = (at - origin) @ axes.T
    focal = np.array([camera.fx_px, camera.fy_px])
    drawn = (found.found_px[rows] - [camera.cx_px, camera.cy_px]) / focal
    made.corners_m[rows] = corners
    made.seen_px[rows] = undistort(drawn, camera) * focal
    made.focal_px[rows] = focal
    made.camera_m[rows] = position
    made.cam_from_runway[rows] = cam_from_runway
    made.cam_from_ned[rows] = rotation @ np.swapaxes(_ned(poses), 1, 2)
    made.length_m[rows] = runway.length_m
    projected = project(np.einsum("nij,nkj->nki", cam_from_runway, corners - position[:, None, :]), camera)
    off = np.linalg.norm(projected - found.true_px[rows], axis=-1)
    made.off_px[rows] = np.where(found.shown[rows], np.nan_to_num(off, nan=np.inf), 0.0).max(axis=1)


def _ned(poses: Poses) -> Floats:
    enu = enu_from_ecef(poses.lat_deg, poses.lon_deg)
    return np.stack([enu[..., 1, :], enu[..., 0, :], -enu[..., 2, :]], axis=-2)


def _frame(runway: Runway) -> tuple[Floats, Floats]:
    """Axes (3, 3) forward, right, down in ECEF, horizontal at the LTP, and the LTP itself."""
    east, north = runway.axis_enu[:2] / np.hypot(*runway.axis_enu[:2])
    enu = np.array([[east, north, 0.0], [north, -east, 0.0], [0.0, 0.0, -1.0]])
    lat, lon, _ = runway.ltp
    return enu @ enu_from_ecef(lat, lon), ecef_from_geodetic(*runway.ltp, runway.earth)


def _runway(database: RunwayDatabase, airport: str, ident: str) -> Runway | None:
    try:
        return database.airport(airport).runway(ident)
    except LardError:
        return None  # the caller counts what is not known


def _camera(image: Mapping[str, Any]) -> Camera | None:
    known = image.get("camera")
    if not isinstance(known, Mapping):
        return None
    names = ("fx_px", "fy_px", "cx_px", "cy_px", *(name for name in DISTORTION if name in known))
    try:
        values = tuple((name, float(known[name])) for name in names)
        return _lens(int(image["width"]), int(image["height"]), values)
    except (KeyError, TypeError, ValueError, LardError):
        return None


@lru_cache(maxsize=1024)
def _lens(width_px: int, height_px: int, values: tuple[tuple[str, float], ...]) -> Camera:
    return Camera(width_px, height_px, **dict(values))


def _earth(image: Mapping[str, Any]) -> str | None:
    """Earth model of an image whose pose is known."""
    pose = image.get("pose")
    if not isinstance(pose, Mapping) or pose.get("earth_model") not in EARTH_MODELS:
        return None
    values = [pose.get(name) for name in _POSE]
    good = all(isinstance(v, int | float) and np.isfinite(v) for v in values)
    return str(pose["earth_model"]) if good else None
