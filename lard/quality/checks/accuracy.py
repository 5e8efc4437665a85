"""Accuracy of labels and metadata, each judged along a path that did not make them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.airports.provenance import is_named
from lard.quality.dataset import Dataset
from lard.quality.groups import grouped
from lard.quality.labels import (
    ANGLES,
    DISTANCES,
    frame_ids,
    label_corners,
    label_name,
    recomputed_approach,
    reprojected,
)
from lard.quality.measures.units import looks_like
from lard.quality.model import Offence, Outcome, inconclusive
from lard.quality.registry import check
from lard.quality.sights import LabelGeometry

Array = NDArray[np.float64]

MIN_GROUP = 12  # labels of a group whose common shift is looked at
COMMON_SIGMAS = 5.0
NEAR_M = 1.0  # corners nearer than this to the camera plane need no pixel: they would be astronomical


@check(
    "DQR-A01",
    "Corners equal an independent re-projection",
    severity="error",
    rationale="A wrong rotation, earth model or corner order moves labels where no one looks at them.",
    objective="accuracy",
    thresholds={"max_p99_px": 1.0, "max_px": 2.0, "max_common_px": 0.2},
    needs=("pose", "camera", "corners", "runways"),
)
def corners_reprojected(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Distance in pixels of every stated corner to the runway corner projected along a second path, and what
    shift the labels of each group share."""
    found = data.label_geometry
    m = len(found.rows)
    error, judged = np.zeros((m, 4)), np.zeros((m, 4), bool)
    contradiction, own = np.zeros(m, bool), np.full((m, 2), np.nan)
    for piece, some in found.pieces():
        error[piece], judged[piece], contradiction[piece], own[piece] = _corner_errors(data, some)
    worst = error.max(axis=1, initial=0.0)
    limit, limit99 = float(limits["max_px"]), float(limits["max_p99_px"])
    p99 = float(np.quantile(error[judged], 0.99)) if judged.any() else 0.0
    allowed = limit if p99 <= limit99 else limit99
    bad = np.flatnonzero((worst > allowed) | contradiction)
    offences = []
    for piece, some in found.at(bad).pieces():
        stated, anew = label_corners(data, some.rows), reprojected(some)[0]
        for k, row in enumerate(some.rows.tolist()):
            off = float(worst[bad[piece][k]])
            text = f"farthest corner {off:.2f} px from its re-projection"
            if contradiction[bad[piece][k]]:
                text = "corners stated behind the camera are in front of it, or the reverse"
            else:
                hint = _corner_hint(stated[k], anew[k])
                text += f" ({hint})" if hint else ""
            offences.append(Offence(label_name(data, row), off, text))
    common = _common_offences(data, found.rows, own, float(limits["max_common_px"]))
    largest = float(error[judged].max()) if judged.any() else 0.0
    message = f"{int(judged.sum())} corners: 99 % within {p99:.3g} px, largest {largest:.3g} px"
    if not m:
        return inconclusive(
            "no label names a runway of the database",
            "give the runway database the labels were made from (--runways)",
        )
    figures = largest, limit
    if common and not offences:  # what fails is said, not what passes
        figures = max(o.measured or 0.0 for o in common), float(limits["max_common_px"])
    offences = [*common, *offences]
    return Outcome(not offences, message, *figures, tuple(offences), m)


def _corner_errors(
    data: Dataset, found: LabelGeometry
) -> tuple[Array, NDArray[np.bool_], NDArray[np.bool_], Array]:
    """Of labels: errors (m, 4) px, 0 where a corner is not judged, and which are; whether corners contradict
    the camera plane (m,); and how the label is moved (m, 2) px, NaN where no corner in the picture tells."""
    points_px, depth = reprojected(found)
    stated = label_corners(data, found.rows)
    missing = np.isnan(stated).any(axis=2)
    error = np.linalg.norm(stated - points_px, axis=2)
    in_front, has_pixel = depth > NEAR_M, ~missing
    # a corner in front without pixels, or behind with pixels, is as wrong as one can be
    contradiction = (in_front & missing & (depth > NEAR_M + 0.01)) | (has_pixel & (depth <= NEAR_M - 0.01))
    judged = in_front & has_pixel
    # far beyond the picture a hair of attitude or position is many pixels, as the square of the distance
    reach = 4.0 * found.camera["width_px"][:, None]
    size = np.maximum(np.nanmax(np.abs(points_px), axis=2, initial=0.0), reach) / reach
    error = np.where(judged, error / size**2, 0.0)
    inside = judged & (points_px > 0).all(axis=2) & (points_px < reach[..., None] / 4).all(axis=2)
    moves = np.where(inside[..., None], stated - points_px, np.nan)
    own, seen = np.full((len(moves), 2), np.nan), np.isfinite(moves.sum(axis=2)).any(axis=1)
    own[seen] = np.nanmedian(moves[seen], axis=1) if seen.any() else 0.0
    return error, judged, np.asarray(contradiction.any(axis=1)), own


def _common_offences(data: Dataset, rows: NDArray[np.int64], own: Array, limit: float) -> list[Offence]:
    """Groups whose labels are all shifted alike, by less than a single label may be: own (m, 2), NaN where
    none is known. Rounding moves corners to and fro, another pixel centre to one side."""
    if data.frames is None or not len(rows):
        return []
    seen = np.isfinite(own).all(axis=1)
    rows, own = rows[seen], own[seen]
    offences = []
    for name, group in grouped(data, frame_ids(data, rows)).masks(crossed=True):
        inside = own[group] if len(rows) else own
        if len(inside) < MIN_GROUP:
            continue
        shift, spread = np.median(inside, axis=0), inside.std(axis=0)
        size = float(np.hypot(*shift))
        error = float(np.hypot(*spread)) * 1.25 / np.sqrt(len(inside))
        if size > limit and size > COMMON_SIGMAS * error:
            text = (
                f"its labels are shifted by ({shift[0]:+.2f}, {shift[1]:+.2f}) px in common "
                f"({len(inside)} labels)"
            )
            offences.append(Offence(name, size, text))
    return offences


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
        bad = ~(gap <= limit)
        story = looks_like(name, stated[bad], values[name][bad]) if bad.any() else ""
        for k in np.flatnonzero(bad):
            unit = "m" if name in DISTANCES else "deg"
            text = f"{name} is stated as {stated[k]:.3f}, the pose says {values[name][k]:.3f} {unit}{story}"
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
        turned = (gap + 180.0) % 360.0 - 180.0
        # beyond half a turn an angle is the same direction, but another number to every law and slice
        gap = np.where(np.abs(stated) <= 180.0, turned, gap)
    return np.abs(gap)


def _drawn_here(data: Dataset) -> tuple[pl.DataFrame, int]:
    """Frames drawn on the database at hand, or on one they do not name, and how many were drawn on others."""
    assert data.frames is not None
    frames = data.once
    keys = ("runway_db", "runway_db_version")
    if data.database is None or any(name not in frames.columns for name in keys):
        return frames, 0
    ours = data.database
    other = [
        (pl.col(keys[0]).eq_missing(pl.lit(name)) & pl.col(keys[1]).eq_missing(pl.lit(version)))
        for name, version in frames.select(keys).unique().iter_rows()
        if not is_named(ours, name or ours.name, version or ours.version)
    ]
    here = frames.filter(~pl.any_horizontal(other)) if other else frames
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
        bad = ~(gap <= limit)
        story = looks_like(name, stated[bad], values[name][bad]) if bad.any() else ""
        for k in np.flatnonzero(bad):
            text = f"frames.{name} is {stated[k]:.3f}, the pose says {values[name][k]:.3f}{story}"
            offences.append(Offence(str(frames["frame_id"][int(rows[k])]), float(gap[k]), text))
    return offences, worst, checked
