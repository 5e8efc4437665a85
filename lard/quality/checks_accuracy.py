"""Accuracy of labels and metadata, each judged along a path that did not make them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.quality import geometry
from lard.quality.checks_coverage import label_name, share_outcome
from lard.quality.dataset import CAMERA, CORNERS, Dataset
from lard.quality.model import Offence, Outcome, check

Array = NDArray[np.float64]

NEAR_M = 1.0  # corners nearer than this to the camera plane need no pixel: they would be astronomical
LOST = 10.0  # error of a pose that could not be found at all, in ranges
DISTANCES = ("along_track_m", "slant_m", "height_m")
ANGLES = ("lateral_deg", "vertical_deg", "yaw_offset_deg")


def label_corners(data: Dataset) -> Array:
    """Corner pixels (n, 4, 2) of all labels as stated, NaN where null."""
    assert data.labels is not None
    columns = [data.labels[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in CORNERS]
    return np.column_stack(columns).reshape(-1, 4, 2)


def reprojected(data: Dataset) -> tuple[NDArray[np.int64], Array, Array]:
    """Label rows (m,) whose runway is known, their corner pixels (m, 4, 2) and depths (m, 4) anew."""
    found = data.label_geometry
    points_px = np.full((len(found.rows), 4, 2), np.nan)
    depth = np.full((len(found.rows), 4), np.nan)
    for earth, mask in found.groups():
        points = geometry.cart(found.corners[mask], earth)
        pose = {name: values[mask] for name, values in found.pose.items()}
        camera = {name: values[mask] for name, values in found.camera.items()}
        points_px[mask] = geometry.pixels(points, pose, camera, earth)
        depth[mask] = geometry.body_coordinates(points, pose, earth)[..., 0]
    return found.rows, points_px, depth


def recomputed_approach(data: Dataset) -> tuple[NDArray[np.int64], dict[str, Array]]:
    """Label rows (m,) whose runway is known and their approach values (m,) anew from the pose.

    LARD V2's own tables measure in the sloping plane of the runway, tables written in its layout by others
    level with the ground: the one that fits the stated vertical angles is taken.
    """
    rows = data.label_geometry.rows
    values = _approach_anew(data, level=True)
    if data.kind == "lard_v2":
        assert data.labels is not None
        stated = data.labels["vertical_deg"].cast(pl.Float64).fill_null(np.nan).to_numpy()[rows]
        sloping = _approach_anew(data, level=False)
        misfit = [np.nansum(np.abs(stated - v["vertical_deg"])) for v in (values, sloping)]
        values = values if misfit[0] < misfit[1] else sloping
        values["along_track_m"] = np.abs(values["along_track_m"])  # stated without its sign
    return rows, values | {name: data.label_geometry.pose[name] for name in ("pitch_deg", "roll_deg")}


def _approach_anew(data: Dataset, level: bool) -> dict[str, Array]:
    found = data.label_geometry
    apexes = (data.odd.lateral_apex_m, data.odd.vertical_apex_m) if data.odd else (0.0, 305.0)
    values: dict[str, Array] = {name: np.full(len(found.rows), np.nan) for name in (*DISTANCES, *ANGLES)}
    for earth, mask in found.groups():
        pose = {name: column[mask] for name, column in found.pose.items()}
        anew = geometry.approach_values(found.corners[mask], pose, earth, *apexes, level=level)
        for name, column in anew.items():
            values[name][mask] = column
    return values


@check(
    "DQR-A01",
    "Corners equal an independent re-projection",
    severity="error",
    rationale="A wrong rotation, earth model or corner order moves labels where no one looks at them.",
    objective="accuracy",
    thresholds={"max_p99_px": 1.0, "max_px": 2.0},
    needs=("pose", "camera", "corners", "runways"),
)
def corners_reprojected(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Distance in pixels of every stated corner to the runway corner projected along a second path."""
    rows, points_px, depth = reprojected(data)
    stated = label_corners(data)[rows]
    missing = np.isnan(stated).any(axis=2)
    error = np.linalg.norm(stated - points_px, axis=2)
    in_front, has_pixel = depth > NEAR_M, ~missing
    # a corner in front without pixels, or behind with pixels, is as wrong as one can be
    contradiction = (in_front & missing & (depth > NEAR_M + 0.01)) | (has_pixel & (depth <= NEAR_M - 0.01))
    judged = in_front & has_pixel
    # far beyond the picture a hair of attitude or position is many pixels, as the square of the distance
    reach = 4.0 * data.label_geometry.camera["width_px"][:, None]
    size = np.maximum(np.nanmax(np.abs(points_px), axis=2, initial=0.0), reach) / reach
    error = np.where(judged, error / size**2, 0.0)
    worst = error.max(axis=1, initial=0.0)
    limit, limit99 = float(limits["max_px"]), float(limits["max_p99_px"])
    p99 = float(np.quantile(error[judged], 0.99)) if judged.any() else 0.0
    allowed = limit if p99 <= limit99 else limit99
    offences = []
    for k in np.flatnonzero((worst > allowed) | contradiction.any(axis=1)):
        text = f"farthest corner {worst[k]:.2f} px from its re-projection"
        if contradiction[k].any():
            text = "corners stated behind the camera are in front of it, or the reverse"
        else:
            hint = _corner_hint(stated[k], points_px[k])
            text += f" ({hint})" if hint else ""
        offences.append(Offence(label_name(data, int(rows[k])), float(worst[k]), text))
    largest = float(error[judged].max()) if judged.any() else 0.0
    message = f"{int(judged.sum())} corners: 99 % within {p99:.3g} px, largest {largest:.3g} px"
    if not len(rows):
        return Outcome(None, "no label names a runway of the database")
    return Outcome(not offences, message, largest, limit, tuple(offences), len(rows))


def _corner_hint(stated: Array, expected: Array) -> str:
    """What may have happened, when one simple story explains the corners."""
    if np.isnan(stated).any() or np.isnan(expected).any():
        return ""
    error = np.linalg.norm(stated - expected, axis=1).max()
    for order, story in (
        ([2, 3, 0, 1], "they fit the reciprocal runway end"),
        ([1, 0, 3, 2], "left and right are exchanged"),
        ([3, 2, 1, 0], "near and far are exchanged"),
    ):
        if np.linalg.norm(stated - expected[order], axis=1).max() < error / 4:
            return story
    shift = (stated - expected).mean(axis=0)
    if np.abs(stated - expected - shift).max() < 0.2 * np.linalg.norm(shift):
        return f"all corners are shifted by ({shift[0]:+.1f}, {shift[1]:+.1f}) px"
    return ""


@check(
    "DQR-A03",
    "Stated approach values equal those of the pose",
    severity="error",
    rationale="Zones, slices and ODD verdicts rest on these numbers; a wrong unit or sign spoils them all.",
    objective="accuracy",
    thresholds={"max_m": 1.0, "max_deg": 0.02},
    needs=("pose", "labels", "runways"),
)
def metadata_true(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Recompute distances and angles of every label, and of every frame's target, from the pose."""
    assert data.labels is not None and data.frames is not None
    rows, values = recomputed_approach(data)
    offences, worst, checked = [], 0.0, 0
    for name in (*DISTANCES, *ANGLES):
        if name not in data.labels.columns or data.labels[name].null_count() == len(data.labels):
            continue
        stated = data.labels[name].cast(pl.Float64).fill_null(np.nan).to_numpy()[rows]
        gap = _gap(name, stated, values[name])
        limit = float(limits["max_m" if name in DISTANCES else "max_deg"])
        checked += len(rows)
        worst = max(worst, float(np.nanmax(gap / limit, initial=0.0)))
        for k in np.flatnonzero(~(gap <= limit)):
            unit = "m" if name in DISTANCES else "deg"
            text = f"{name} is stated as {stated[k]:.3f}, the pose says {values[name][k]:.3f} {unit}"
            offences.append(Offence(label_name(data, int(rows[k])), float(gap[k]), text))
    here, elsewhere = _drawn_here(data)
    more, worst_frame, frames = _frame_metadata(data, here, limits)
    offences += more
    checked += frames
    if not checked:
        return Outcome(None, "no label or frame with a known runway states approach values")
    worst = max(worst, worst_frame)
    message = f"{checked} values of labels and frames; the largest gap is {worst:.2g} times its tolerance"
    if elsewhere:
        message += f"; {elsewhere} frames were drawn on other runways, their drawn values are not judged"
    return Outcome(not offences, message, worst, 1.0, tuple(offences), checked)


def _gap(name: str, stated: Array, true: Array) -> Array:
    gap = stated - true
    if name in ANGLES:
        gap = (gap + 180.0) % 360.0 - 180.0
    return np.abs(gap)


def _drawn_here(data: Dataset) -> tuple[pl.DataFrame, int]:
    """Frames drawn on the database at hand, or on one they do not name, and how many were drawn on others."""
    assert data.frames is not None
    frames = data.frames.unique("frame_id", keep="first", maintain_order=True)
    keys = ("runway_db", "runway_db_version")
    if data.database is None or any(name not in frames.columns for name in keys):
        return frames, 0
    ours = (data.database.name, data.database.version)
    same = [pl.col(name).is_null() | (pl.col(name) == value) for name, value in zip(keys, ours, strict=True)]
    here = frames.filter(pl.all_horizontal(same))
    return here, len(frames) - len(here)


def _frame_metadata(
    data: Dataset, frames: pl.DataFrame, limits: Mapping[str, Any]
) -> tuple[list[Offence], float, int]:
    """The drawn approach of frames against their pose and target runway."""
    if data.kind != "lard" or "approach" not in data.parts:
        return [], 0.0, 0  # foreign frames take their approach values from their labels
    view = Dataset(
        root=data.root, kind=data.kind, name=data.name, frames=frames, labels=frames, odd=data.odd,
        database=data.database,
    )  # fmt: skip
    rows, values = recomputed_approach(view)
    offences, worst, checked = [], 0.0, 0
    for name in ("along_track_m", *ANGLES):
        stated = frames[name].fill_null(np.nan).to_numpy()[rows]
        gap = _gap(name, stated, values[name])
        limit = float(limits["max_m" if name in DISTANCES else "max_deg"])
        checked += len(rows)
        worst = max(worst, float(np.nanmax(gap / limit, initial=0.0)))
        for k in np.flatnonzero(~(gap <= limit)):
            text = f"frames.{name} is {stated[k]:.3f}, the pose says {values[name][k]:.3f}"
            offences.append(Offence(str(frames["frame_id"][int(rows[k])]), float(gap[k]), text))
    return offences, worst, checked


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
        return Outcome(None, "no label has all four corners in the picture")
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


__all__ = ["label_corners", "label_name", "recomputed_approach", "reprojected", "share_outcome"]
