"""The camera: the pose that corners give, and a model that is stated and constant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.quality.dataset import CAMERA, Dataset
from lard.quality.labels import label_corners, label_name
from lard.quality.measures import geometry
from lard.quality.model import Offence, Outcome, inconclusive
from lard.quality.registry import check

Array = NDArray[np.float64]

LOST = 10.0  # error of a pose that could not be found at all, in ranges


@check(
    "DQR-A04",
    "The pose found from the corners is the stated pose",
    severity="error",
    rationale="Corners are used to navigate by; a wrong focal length or field of view shows as range error.",
    objective="accuracy",
    thresholds={"max_median": 0.01, "max_p95": 0.05, "max_samples": 2000},
    needs=("pose", "camera", "corners", "runways"),
)
def pose_from_corners(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Perspective-n-point on the four corners; distance between found and stated camera over the range."""
    found = data.label_geometry
    stated = label_corners(data)[found.rows]
    size = np.column_stack([found.camera["width_px"], found.camera["height_px"]])[:, None, :]
    whole = ((stated >= 0) & (stated <= size)).all(axis=(1, 2))
    usable = np.flatnonzero(whole)
    step = max(1, -(-len(usable) // int(limits["max_samples"])))  # every step-th label, no draw needed
    offences, errors = [], []
    limit95 = float(limits["max_p95"])
    for k in usable[::step]:
        error = _pnp_error(data, int(k), stated[k])
        errors.append(error)
        if not error <= limit95:
            text = f"camera found from the corners is off by {error:.1%} of the range"
            offences.append(Offence(label_name(data, int(found.rows[k])), error, text))
    if not errors:
        return inconclusive(
            "no label has all four corners in the picture", "add frames that show a whole runway"
        )
    values = np.array(errors)
    median, p95 = float(np.median(values)), float(np.quantile(values, 0.95))
    passed = median <= float(limits["max_median"]) and p95 <= limit95
    if not passed and not offences:
        offences.append(Offence("dataset", median, f"median error {median:.2%} of the range"))
    message = f"{len(values)} labels: median error {median:.2%} of the range, 95 % within {p95:.2%}"
    return Outcome(passed, message, median, float(limits["max_median"]), tuple(offences), len(values))


def _pnp_error(data: Dataset, k: int, stated_px: Array) -> float:
    """Distance from the stated camera to the one found by PnP, over the distance to the runway."""
    found = data.label_geometry
    earth = str(found.earth[k])
    points = geometry.cart(found.corners[k], earth)
    eye = geometry.cart(
        np.array([found.pose["lat_deg"][k], found.pose["lon_deg"][k], found.pose["alt_m"][k]]), earth
    )
    centre = points.mean(axis=0)
    # axes along the runway keep the solver's numbers small and well scaled
    along = points[:2].mean(axis=0) - points[2:].mean(axis=0)
    along /= np.linalg.norm(along)
    across = points[1] - points[0]
    across -= (across @ along) * along
    across /= np.linalg.norm(across)
    axes = np.stack([across, along, np.cross(across, along)])
    model = (points - centre) @ axes.T
    camera = {name: float(found.camera[name][k]) for name in CAMERA}
    matrix = np.array(
        [[camera["fx_px"], 0, camera["cx_px"]], [0, camera["fy_px"], camera["cy_px"]], [0, 0, 1]]
    )
    lens = np.array([found.camera["k1"][k], found.camera["k2"][k], 0.0, 0.0, found.camera["k3"][k]])
    true_eye = axes @ (eye - centre)
    reach = float(np.linalg.norm(eye - points[2:].mean(axis=0)))
    best = LOST
    try:
        solutions = cv2.solvePnPGeneric(
            model, stated_px.astype(np.float64), matrix, lens, flags=cv2.SOLVEPNP_IPPE
        )
    except cv2.error:
        return LOST
    for rotation_vector, translation in zip(solutions[1], solutions[2], strict=True):
        # a plane seen from afar has two mirrored solutions; polish both, take the nearer
        rotation_vector, translation = cv2.solvePnPRefineLM(
            model, stated_px.astype(np.float64), matrix, lens, rotation_vector, translation
        )
        rotation = cv2.Rodrigues(rotation_vector)[0]
        eye_found = -(np.asarray(rotation).T @ np.asarray(translation)).ravel()
        error = float(np.linalg.norm(eye_found - true_eye)) / reach
        best = min(best, error) if np.isfinite(error) else best
    return best


@check(
    "DQR-A07",
    "The camera model is stated and constant",
    severity="error",
    rationale="Without size, focal length, principal point and earth model no label can be re-made.",
    objective="traceability",
    thresholds={"max_cameras": 1},
    needs=("frames",),
)
def camera_constant(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """All camera fields present, finite and equal in every frame of the dataset."""
    assert data.frames is not None
    columns = [*CAMERA, "earth_model", "altitude_datum"]
    table = data.frames.select("frame_id", *columns)
    incomplete = table.filter(
        pl.any_horizontal(pl.col(name).is_null() for name in columns)
        | pl.any_horizontal(~pl.col(name).is_finite() | (pl.col(name) <= 0) for name in CAMERA)
    )
    offences = [
        Offence(str(row["frame_id"]), None, f"camera not fully stated: {_unstated(row, columns)}")
        for row in incomplete.iter_rows(named=True)
    ]
    complete = table.join(incomplete.select("frame_id"), on="frame_id", how="anti")
    cameras = complete.group_by(columns).agg(pl.len(), pl.col("frame_id").min()).sort("len", "frame_id")
    for row in cameras.head(max(0, len(cameras) - int(limits["max_cameras"]))).iter_rows(named=True):
        text = ", ".join(f"{name} {row[name]}" for name in columns)
        offences.append(
            Offence(row["frame_id"], float(row["len"]), f"{row['len']} frames with another camera: {text}")
        )
    if data.kind.startswith("lard_v"):
        # what the table lacks was filled in on reading, which is not the same as stated
        offences.append(
            Offence("camera", None, f"the CSV does not state the camera: {data.meta.get('camera')}")
        )
    if not len(cameras):
        text = "no frame states its camera model, earth model and altitude datum in full"
        return Outcome(False, text, 0.0, float(limits["max_cameras"]), tuple(offences[:1]), len(table))
    main = cameras.row(-1, named=True)
    message = (
        f"{len(cameras)} camera(s); {main['width_px']}x{main['height_px']} px, f {main['fx_px']:.2f} px, "
        f"{main['earth_model']}, {main['altitude_datum']} altitudes"
    )
    return Outcome(
        not offences, message, float(len(cameras)), float(limits["max_cameras"]), tuple(offences), len(table)
    )


def _unstated(row: Mapping[str, Any], columns: list[str]) -> str:
    return ", ".join(name for name in columns if not row[name] or (row[name] != row[name]))
