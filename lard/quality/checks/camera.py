"""The camera: the pose that corners give, and a model that is stated and constant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.quality.dataset import CAMERA, Dataset
from lard.quality.groups import WHOLE, grouped
from lard.quality.labels import frame_ids, label_corners, label_name, reprojected
from lard.quality.measures import geometry
from lard.quality.model import Offence, Outcome, inconclusive
from lard.quality.registry import check
from lard.quality.sights import LabelGeometry
from lard.quality.untold import excused

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

MIN_GROUP = 12  # labels of a group that is judged on its own
LEANING, LEAN_SIGMAS = 0.1, 5.0
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
    assert data.labels is not None
    found = data.label_geometry
    whole = np.zeros(len(found.rows), bool)
    for piece, some in found.pieces():
        corners, camera = label_corners(data, some.rows), some.camera
        size = np.column_stack([camera["width_px"], camera["height_px"]])[:, None, :]
        whole[piece] = ((corners >= 0) & (corners <= size)).all(axis=(1, 2))
    usable = np.flatnonzero(whole)
    groups = grouped(data, frame_ids(data, found.rows[usable]))
    usable = usable[groups.sampled(np.arange(len(usable)), int(limits["max_samples"]), 30)]
    found = found.at(usable)
    stated, anew = label_corners(data, found.rows), reprojected(found)[0]
    quantum = _quantum(stated)
    limit, limit95 = float(limits["max_median"]), float(limits["max_p95"])
    rounding = (quantum, limit95)
    table = np.array(
        [_pnp_error(found.at(slice(k, k + 1)), stated[k], anew[k], rounding) for k in range(len(usable))],
        np.float64,
    )
    seen, known = len(table), ~np.isnan(table.reshape(-1, 3)[:, 0])
    rows = found.rows[known]
    errors, farther, spread = table.reshape(-1, 3)[known].T
    if not len(errors):
        text = "no label has all four corners in the picture"
        if seen:
            text = f"corners in steps of {quantum:g} px are too coarse for all {seen} runways"
        return inconclusive(text, "add frames that show a whole runway near, or keep corners unrounded")
    offences = []
    for name, inside in grouped(data, frame_ids(data, rows)).masks():
        if inside.sum() >= (1 if name == WHOLE else MIN_GROUP):
            offences += _group_offences(name, errors[inside], limit, limit95)
            offences += _lean_offences(name, farther[inside], spread[inside], limit)
    if offences:
        offences += [
            Offence(
                label_name(data, int(row)),
                float(error),
                f"camera found from the corners is off by {error:.1%} of the range",
            )
            for row, error in zip(rows, errors, strict=True)
            if not error <= limit95
        ]
    median, p95 = float(np.median(errors)), float(np.quantile(errors, 0.95))
    message = f"{len(errors)} labels: median error {median:.2%} of the range, 95 % within {p95:.2%}"
    if quantum:
        message += f"; corners come in steps of {quantum:g} px: what that explains is left out"
        message += f", and {seen - len(errors)} runways too small to tell"
    worst = max((o.measured for o in offences[:1] if o.measured is not None), default=median)
    return Outcome(not offences, message, worst, limit, tuple(offences), len(errors))


def _group_offences(name: str, errors: Array, limit: float, limit95: float) -> list[Offence]:
    """Whether a group's errors are too large in the median, or too often."""
    median, share = float(np.median(errors)), float(np.mean(~(errors <= limit95)))
    if not median <= limit:
        text = f"cameras found from the corners are off by {median:.1%} of the range in the median"
        return [Offence(name, median, text)]
    # 5 % may be off, and in a small group chance allows a few more
    if share > 0.05 + (0.0 if name == WHOLE else 2.0 * np.sqrt(0.05 / len(errors))):
        text = f"{share:.0%} of the cameras found from the corners are off by over {limit95:.0%}"
        return [Offence(name, float(np.quantile(errors, 0.95)), text)]
    return []


def _lean_offences(name: str, farther: Array, spread: Array, limit: float) -> list[Offence]:
    """Whether cameras found from rounded corners lean to one side of the stated range, beyond chance."""
    if not spread.all():
        return []
    weights = 1.0 / spread**2
    lean = float(np.sum(weights * np.clip(farther, -3 * LEANING, 3 * LEANING)) / np.sum(weights))
    if abs(lean) > limit and abs(lean) > LEAN_SIGMAS / np.sqrt(np.sum(weights)):
        text = f"cameras found from the rounded corners are {lean:+.1%} of the range too far on average"
        return [Offence(name, abs(lean), text)]
    return []


def _quantum(corners: Array) -> float:
    """The step corners were rounded to, in pixels: 1, 0.5 or 0.1; 0 when they were not."""
    if not len(corners):
        return 0.0
    for step in (1.0, 0.5, 0.1):
        rest = np.abs(np.concatenate([corners / step, corners / step - 0.5]) % 1.0 - 0.5)
        halves = np.split(rest, 2)
        if min(float(np.mean(half < 0.5 - 1e-4)) for half in halves) < 0.01:
            return step
    return 0.0


def _pnp_error(
    found: LabelGeometry, stated_px: Array, true_px: Array, rounding: tuple[float, float]
) -> tuple[float, float, float]:
    """Of one label: distance from the stated camera to the one found by PnP, how much farther that is, and
    the standard deviation that rounding explains; all over the distance to the runway.

    rounding: step of the corners in pixels, and the error that is asked about. Three of these deviations are
    taken off the distance; NaN where that is more than what is asked.
    """
    earth, pose_of, lens_of = str(found.earth[0]), found.pose, found.camera
    points = geometry.cart(found.corners[0], earth)
    eye = geometry.cart(np.array([pose_of[name][0] for name in ("lat_deg", "lon_deg", "alt_m")]), earth)
    centre = points.mean(axis=0)
    # axes along the runway keep the solver's numbers small and well scaled
    along = points[:2].mean(axis=0) - points[2:].mean(axis=0)
    along /= np.linalg.norm(along)
    across = points[1] - points[0]
    across -= (across @ along) * along
    across /= np.linalg.norm(across)
    axes = np.stack([across, along, np.cross(across, along)])
    model = (points - centre) @ axes.T
    camera = {name: float(lens_of[name][0]) for name in CAMERA}
    matrix = np.array(
        [[camera["fx_px"], 0, camera["cx_px"]], [0, camera["fy_px"], camera["cy_px"]], [0, 0, 1]]
    )
    lens = np.array([lens_of["k1"][0], lens_of["k2"][0], 0.0, 0.0, lens_of["k3"][0]])
    true_eye = axes @ (eye - centre)
    reach = float(np.linalg.norm(eye - points[2:].mean(axis=0)))
    explained, (quantum, asked) = 0.0, rounding
    if quantum and np.isfinite(true_px).all():
        exact = plane_poses(model, true_px.astype(np.float64), matrix, lens)
        spread = min((_eye_spread(model, *pose, matrix, lens) for pose in exact), default=np.inf)
        explained = 3.0 * spread * quantum / np.sqrt(12.0) / reach
        if not explained <= asked:
            return float("nan"), 0.0, 0.0
    best, farther = LOST, 0.0
    for pose in plane_poses(model, stated_px.astype(np.float64), matrix, lens):
        eye_found = _eye(*pose)
        error = float(np.linalg.norm(eye_found - true_eye)) / reach
        if np.isfinite(error) and error - explained < best:
            best = max(0.0, error - explained)
            farther = float(np.linalg.norm(eye_found) - np.linalg.norm(true_eye)) / reach
    return best, farther, explained / 3.0


def plane_poses(model: Array, pixels: Array, matrix: Array, lens: Array) -> list[tuple[Array, Array]]:
    """Rotation vectors and translations (3,) of cameras that see four points (4, 3) of nearly a plane.

    The solver of planes wants a plane to the millimetre: it starts on the flattened points, and its mirrored
    solutions are refined on the true ones. None when it fails.
    """
    flat = model - model.mean(axis=0)
    normal = np.linalg.svd(flat)[2][2]
    flat = model - ((model - model.mean(axis=0)) @ normal)[:, None] * normal
    # into the plane's own axes, z = 0, and back
    across = flat[1] - flat[0]
    across /= np.linalg.norm(across)
    axes = np.stack([across, np.cross(normal, across), normal])
    middle = flat.mean(axis=0)
    level = (flat - middle) @ axes.T
    level[:, 2] = 0.0
    try:
        found = cv2.solvePnPGeneric(level, pixels, matrix, lens, flags=cv2.SOLVEPNP_IPPE)
    except cv2.error:
        return []
    poses = []
    for rotation_vector, translation in zip(found[1], found[2], strict=True):
        turned = cv2.Rodrigues(rotation_vector)[0] @ axes
        start = np.asarray(translation).ravel() - turned @ middle
        refined = cv2.solvePnPRefineLM(
            model, pixels, matrix, lens, cv2.Rodrigues(turned)[0], start.reshape(3, 1)
        )
        poses.append((np.asarray(refined[0], np.float64).ravel(), np.asarray(refined[1], np.float64).ravel()))
    return poses


def _eye(rotation_vector: Array, translation: Array) -> Array:
    """Where a camera is (3,) in the axes of the points it sees."""
    return np.asarray(-(cv2.Rodrigues(rotation_vector)[0].T @ translation))


def _eye_spread(
    model: Array, rotation_vector: Array, translation: Array, matrix: Array, lens: Array
) -> float:
    """Standard deviation of the camera's place, in metres, per pixel of that of each corner's coordinates."""
    jacobian = np.asarray(cv2.projectPoints(model, rotation_vector, translation, matrix, lens)[1])[:, :6]
    moved = np.linalg.pinv(jacobian)  # (6, 8): pose per pixel
    step = np.concatenate([np.full(3, 1e-6), np.full(3, 1e-3)])
    base, columns = _eye(rotation_vector, translation), []
    for k in range(6):
        pose = np.concatenate([rotation_vector, translation])
        pose[k] += step[k]
        columns.append((_eye(pose[:3], pose[3:]) - base) / step[k])
    return float(np.linalg.norm(np.column_stack(columns) @ moved))


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
    untold = pl.DataFrame([excused(data, name).alias(name) for name in columns])
    left_out = untold.select(pl.any_horizontal(pl.all())).to_series()
    unsaid, table = int(left_out.sum()), table.filter(~left_out)
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
    # layouts of others cannot state it: what was filled in on reading is not the same as stated
    remedy = "import the dataset and state its camera in the frames" if data.kind != "lard" else ""
    if unsaid and not offences:
        remedy = "state the camera of the imported pictures in frames.parquet"
    if not len(cameras):
        text = "no frame states its camera model, earth model and altitude datum in full"
        if remedy:
            return inconclusive(text, remedy, len(table))
        return Outcome(False, text, 0.0, float(limits["max_cameras"]), tuple(offences[:1]), len(table))
    main = cameras.row(-1, named=True)
    message = (
        f"{len(cameras)} camera(s); {main['width_px']}x{main['height_px']} px, f {main['fx_px']:.2f} px, "
        f"{main['earth_model']}, {main['altitude_datum']} altitudes"
    )
    if unsaid and not offences:
        text = f"{unsaid} imported frames do not state their camera in full; of the others: {message}"
        return inconclusive(text, remedy, len(table))
    if remedy and not offences:
        assumed = data.meta.get("camera", "not stated")
        text = f"the layout does not state the camera ({assumed}); as read: {message}"
        return inconclusive(text, remedy, len(table))
    return Outcome(
        not offences, message, float(len(cameras)), float(limits["max_cameras"]), tuple(offences), len(table)
    )


def _unstated(row: Mapping[str, Any], columns: list[str]) -> str:
    return ", ".join(name for name in columns if not row[name] or (row[name] != row[name]))
