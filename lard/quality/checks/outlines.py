"""Boxes, outlines, visible shares and flags of labels, made anew from corners or from pose and runway."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
import shapely
from numpy.typing import NDArray

from lard.camera import DISTORTION
from lard.quality.dataset import BOX, Dataset
from lard.quality.labels import body_corners, label_corners, label_name
from lard.quality.measures.outline import NEAR_M, in_picture, outlines, rings
from lard.quality.model import Offence, Outcome, share_outcome
from lard.quality.registry import check

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
_ROWS_AT_ONCE = 50_000
SPECK_PX2 = 1e-3  # of an outline in the picture: less may be seen by one path and not by the other


@dataclass(frozen=True, slots=True)
class Expected:
    """What n labels should say; rows that are not `known` cannot be judged."""

    known: Mask
    parts: NDArray[np.object_]  # outlines in the picture, None where there is none
    fraction: Array
    truncated: Mask
    behind: Mask
    behind_known: Mask


@check(
    "DQR-I03",
    "Boxes, outlines, visibility and truncation are recorded truly",
    severity="error",
    rationale="A runway half outside the picture must be known as such, or scores punish the impossible.",
    objective="accuracy",
    thresholds={"tolerance": 0.01, "max_box_px": 0.1},
    needs=("polygon", "corners", "camera"),
)
def visibility_true(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Recompute outline, box, visible fraction and flags with shapely, and compare.

    From the label's corners where it has all four, from pose and runway where some lie behind the camera.
    """
    assert data.labels is not None
    offences: list[Offence] = []
    worst, checked = 0.0, len(data.labels)
    for start in range(0, checked, _ROWS_AT_ONCE):
        part = _part(data, start)
        assert part.labels is not None
        expected = _expected(part)
        faults = _flag_faults(part.labels, expected)
        gap = _fraction_faults(part.labels, expected, float(limits["tolerance"]), faults)
        _shape_faults(part.labels, expected, float(limits["max_box_px"]), faults)
        offences += [
            Offence(label_name(part, k), float(gap[k]) if expected.known[k] else None, faults[k])
            for k in sorted(faults)
        ]
        worst = max(worst, float(np.nanmax(gap, initial=0.0)))
    outcome = share_outcome("labels state box, outline and visibility truly", checked, offences)
    message = f"{outcome.message}; largest gap in visible fraction {worst:.2g}"
    limit = float(limits["tolerance"])
    return Outcome(outcome.passed, message, worst, limit, tuple(offences), checked)


def _part(data: Dataset, start: int) -> Dataset:
    """The dataset of some label rows and their frames: outlines of all at once would fill the memory."""
    assert data.labels is not None and data.frames is not None
    labels = data.labels.slice(start, _ROWS_AT_ONCE)
    frames = data.frames.join(labels.select("frame_id"), on="frame_id", how="semi", maintain_order="left")
    return replace(data, labels=labels, frames=frames, manifest=None)


def _expected(data: Dataset) -> Expected:
    assert data.labels is not None and data.frames is not None
    size = data.frames.select("frame_id", "width_px", "height_px").unique("frame_id", keep="first")
    table = data.labels.select("frame_id").join(size, on="frame_id", how="left", maintain_order="left")
    full = np.column_stack([table[n].fill_null(0) for n in ("width_px", "height_px")]).astype(np.float64)
    corners = label_corners(data)
    whole = np.asarray(np.isfinite(corners).all(axis=(1, 2)) & (full > 0).all(axis=1))
    shapes = np.full(len(table), None, dtype=object)
    behind, behind_known = np.zeros(len(table), bool), np.zeros(len(table), bool)
    anew = np.zeros(len(table), bool)
    if {"pose", "camera", "runways"} <= data.parts:
        found = data.label_geometry
        body, lens = body_corners(found), found.camera
        bent = np.any([lens[name] != 0.0 for name in DISTORTION], axis=0)
        wanted = np.flatnonzero(~whole[found.rows] | bent)
        chosen = {name: values[wanted] for name, values in lens.items()}
        shapes[found.rows[wanted]] = outlines(body[wanted], chosen)
        anew[found.rows[wanted]] = True
        behind[found.rows] = (body[..., 0] < NEAR_M).any(axis=1)
        # a corner a hair from the limit may be taken either way
        behind_known[found.rows] = (np.abs(body[..., 0] - NEAR_M) > 0.01).all(axis=1)
    plain = np.flatnonzero(whole & ~anew)
    shapes[plain] = shapely.polygons(corners[plain]) if len(plain) else shapes[plain]
    parts, fraction = in_picture(shapes, full[:, 0], full[:, 1])
    inside = whole & ((corners >= 0) & (corners <= full[:, None, :])).all(axis=(1, 2))
    outlined = np.array([shape is not None for shape in shapes], bool)
    known = (full > 0).all(axis=1) & (whole | anew) & ~(anew & ~outlined & ~behind)
    if "hidden_fraction" in data.labels.columns:  # what land hides of the part in the picture
        fraction = fraction * (1.0 - data.labels["hidden_fraction"].fill_null(0.0).to_numpy())
    return Expected(known, parts, fraction, ~inside, behind, behind_known)


def _flag_faults(labels: pl.DataFrame, expected: Expected) -> dict[int, str]:
    """Faults of truncated and behind, by row."""
    truncated = labels["truncated"].fill_null(False).to_numpy()
    empty = labels["truncated"].is_null().to_numpy()
    faults = dict.fromkeys(np.flatnonzero(empty).tolist(), "it is not stated whether it is truncated")
    for k in np.flatnonzero(truncated != expected.truncated).tolist():
        text = f"tagged truncated {bool(truncated[k])}, the corners say otherwise"
        if not expected.known[k]:
            text = "some corners have no pixel, yet it is not tagged truncated"
        faults.setdefault(k, text)
    behind = labels["behind"].fill_null(False).to_numpy()
    for k in np.flatnonzero(expected.behind_known & (behind != expected.behind)).tolist():
        where = "some of it lies behind" if expected.behind[k] else "it lies before"
        faults.setdefault(k, f"tagged behind {bool(behind[k])}, yet {where} the camera")
    return faults


def _fraction_faults(labels: pl.DataFrame, expected: Expected, limit: float, faults: dict[int, str]) -> Array:
    """Gap (n,) between stated and expected visible fraction; its faults are noted."""
    stated = labels["visible_fraction"].fill_null(np.nan).to_numpy()
    gap = np.where(expected.known, np.abs(expected.fraction - stated), np.nan)
    for k in np.flatnonzero(~((stated >= 0) & (stated <= 1))).tolist():
        faults.setdefault(k, f"visible fraction is {stated[k]}, expected 0 to 1")
    for k in np.flatnonzero(expected.known & ~(gap <= limit)).tolist():
        text = f"visible fraction is {stated[k]:.3f}, the outline says {expected.fraction[k]:.3f}"
        faults.setdefault(k, text)
    return gap


def _shape_faults(labels: pl.DataFrame, expected: Expected, limit: float, faults: dict[int, str]) -> None:
    """Note boxes and outlines that are not those of the part in the picture."""
    boxes = np.column_stack([labels[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in BOX])
    there = np.array([part is not None for part in expected.parts], bool)
    area = np.where(there, shapely.area(expected.parts), 0.0)
    seen = expected.known & (area > SPECK_PX2)
    bounds = shapely.bounds(expected.parts)
    box_gap = np.abs(boxes - bounds).max(axis=1)
    for k in np.flatnonzero(seen & ~(box_gap <= limit)).tolist():
        faults.setdefault(k, f"box is {box_gap[k]:.1f} px from the clipped outline")
    stated, torn = rings(labels["polygon"].to_list())
    for k in np.flatnonzero(torn).tolist():
        faults.setdefault(k, "the polygon has fewer than three points, an odd number of values or no numbers")
    drawn = np.array([shape is not None for shape in stated], bool)
    for k in np.flatnonzero(seen & ~drawn & ~torn).tolist():
        faults.setdefault(k, "in the picture, but without a polygon")
    nothing = expected.known & (area <= 0.0)
    for k in np.flatnonzero(nothing & (drawn | np.isfinite(boxes).any(axis=1))).tolist():
        faults.setdefault(k, "has a polygon or a box, though no part of it is in the picture")
    both = np.flatnonzero(seen & drawn)
    away = shapely.hausdorff_distance(stated[both], expected.parts[both])
    crossed = ~shapely.is_valid(stated[both])
    spread = np.abs(shapely.area(stated[both]) - area[both])
    room = limit * np.maximum(shapely.length(expected.parts[both]), 1.0)
    for k, far, torn_ring, more, allowed in zip(both.tolist(), away, crossed, spread, room, strict=True):
        if not far <= limit:
            faults.setdefault(k, f"the polygon is {far:.1f} px from the clipped outline")
        elif more > allowed or (torn_ring and area[k] > 1.0):
            faults.setdefault(k, "the polygon crosses itself or runs along its outline twice")
