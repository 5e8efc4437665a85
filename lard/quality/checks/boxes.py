"""Boxes of any dataset: in their picture, in its pixels, as x, y, width and height, around their outline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.quality.dataset import BOX, Dataset
from lard.quality.labels import label_name
from lard.quality.model import Offence, Outcome
from lard.quality.registry import check

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

MOST = 0.9  # share of a group's boxes that tells one story about all of them
LEAST = 5  # boxes that make such a group
_ROWS_AT_ONCE = 50_000
SMALLEST_PX = 64  # of a picture, below which fractions and pixels cannot be told apart


@check(
    "DQR-I06",
    "Boxes lie in their picture, in its pixels",
    severity="error",
    rationale="Normalised boxes, or corners read as sizes, teach nonsense without an error anywhere.",
    objective="accuracy",
    thresholds={"max_outside_px": 1.0, "max_outline_px": 2.0},
    needs=("labels",),
)
def boxes_inside(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Each box against its picture and its outline, and the boxes of each set against other layouts."""
    assert data.labels is not None
    table = _table(data)
    boxes = np.column_stack([table[n].cast(pl.Float64).fill_null(np.nan).to_numpy() for n in BOX])
    size = np.column_stack(
        [table[n].cast(pl.Float64).fill_null(np.nan).to_numpy() for n in ("width_px", "height_px")]
    )
    given = np.isfinite(boxes).any(axis=1)
    if not given.any():
        return Outcome(None, "no label has a box")
    faults = _single(boxes, size, given, float(limits["max_outside_px"]))
    _outlined(table, boxes, given, float(limits["max_outline_px"]), faults)
    offences = [Offence(label_name(data, k), value, text) for k, (value, text) in sorted(faults.items())]
    offences += _layouts(table, boxes, size, given)
    if data.kind == "coco" and data.frames is not None:
        unknown = data.frames.filter(pl.min_horizontal("width_px", "height_px").fill_null(0) < 1)
        offences += [
            Offence(str(name), None, "the file states no size of this picture")
            for name in unknown["frame_id"]
        ]
    count, bad = int(given.sum()), len(faults)
    message = f"{count - bad} of {count} boxes lie in their picture"
    return Outcome(not offences, message, bad / count, 0.0, tuple(offences), count)


def _table(data: Dataset) -> pl.DataFrame:
    """Boxes with the size and the set of their picture."""
    assert data.labels is not None
    columns = ("frame_id", "width_px", "height_px", "split")
    labels = data.labels.select("frame_id", "polygon", *BOX)
    if data.frames is None:
        return labels.with_columns(pl.lit(None).alias(name) for name in columns[1:])
    frames = data.frames.select(columns).unique("frame_id", keep="first")
    return labels.join(frames, on="frame_id", how="left", maintain_order="left")


def _single(boxes: Array, size: Array, given: Mask, room: float) -> dict[int, tuple[float | None, str]]:
    """Faults of single boxes, by row."""
    faults: dict[int, tuple[float | None, str]] = {}
    whole = np.isfinite(boxes).all(axis=1)
    for k in np.flatnonzero(given & ~whole).tolist():
        faults[k] = (None, "the box lacks some of its sides")
    spans = boxes[:, 2:] - boxes[:, :2]
    for k in np.flatnonzero(whole & ~(spans > 0).all(axis=1)).tolist():
        faults[k] = (float(spans[k].min()), f"the box is {spans[k, 0]:.4g} x {spans[k, 1]:.4g} px")
    over = np.maximum(-boxes[:, :2], boxes[:, 2:] - size).max(axis=1)
    for k in np.flatnonzero(whole & (over > room)).tolist():
        text = f"the box reaches {over[k]:.1f} px out of the picture of {size[k, 0]:g} x {size[k, 1]:g} px"
        if _fits_as_corners(boxes[k : k + 1], size[k : k + 1])[0]:
            text += " (fits when read as x_min, y_min, x_max, y_max)"
        faults.setdefault(k, (float(over[k]), text))
    tiny = whole & (boxes >= 0).all(axis=1) & (boxes <= 1.0).all(axis=1) & (size >= SMALLEST_PX).all(axis=1)
    for k in np.flatnonzero(tiny).tolist():
        faults.setdefault(
            k, (None, "the box lies within the first pixel: looks like fractions of the picture")
        )
    return faults


def _fits_as_corners(boxes: Array, size: Array) -> Mask:
    """Whether boxes (n, 4) would lie in their picture if their width and height were their far corner."""
    corner = boxes[:, 2:] - boxes[:, :2]
    return np.asarray((corner > boxes[:, :2]).all(axis=1) & (corner <= size + 1.0).all(axis=1))


def _outlined(
    table: pl.DataFrame, boxes: Array, given: Mask, room: float, faults: dict[int, tuple[float | None, str]]
) -> None:
    """Note boxes that are not those of their polygon."""
    for k, points in _polygons(table, np.flatnonzero(given)):
        if not points or len(points) % 2 or None in points:
            continue
        ring = np.array(points, np.float64).reshape(-1, 2)
        bounds = np.concatenate([ring.min(axis=0), ring.max(axis=0)])
        gap = float(np.abs(bounds - boxes[k]).max())
        if not gap <= room:
            centre = np.concatenate([boxes[k, :2] - (boxes[k, 2:] - boxes[k, :2]) / 2, boxes[k, :2]])
            centre[2:] += (boxes[k, 2:] - boxes[k, :2]) / 2
            hint = " (x and y look like those of its centre)" if np.abs(bounds - centre).max() <= room else ""
            faults.setdefault(k, (gap, f"the box is {gap:.1f} px from its polygon{hint}"))


def _polygons(table: pl.DataFrame, rows: NDArray[np.int64]) -> Iterator[tuple[int, list[Any] | None]]:
    """Rows and their polygons: as objects, those of all rows would fill the memory."""
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        some = rows[start : start + _ROWS_AT_ONCE]
        yield from zip(some.tolist(), table["polygon"].gather(some).to_list(), strict=True)


def _layouts(table: pl.DataFrame, boxes: Array, size: Array, given: Mask) -> list[Offence]:
    """Sets, or all boxes, that look like another layout as a whole."""
    splits = table["split"].cast(pl.String).fill_null("")
    stories = []
    for name in ["", *sorted(set(splits.unique().to_list()) - {""})]:
        rows = given & ((splits == name).to_numpy() if name else np.ones(len(boxes), bool))
        if rows.sum() < LEAST or not np.isfinite(size[rows]).all():
            continue
        story = _layout(boxes[rows], size[rows])
        if story:
            stories.append(Offence(f"set {name}" if name else "all boxes", float(rows.sum()), story))
    return stories


def _layout(boxes: Array, size: Array) -> str:
    """What a group of boxes (n, 4) looks like, if not like boxes in pixels."""
    large = size.min() >= SMALLEST_PX
    if large and np.mean((boxes <= 1.5).all(axis=1)) >= MOST:
        return "the boxes look like fractions of the picture"
    corner = boxes[:, 2:] - boxes[:, :2]
    if (
        np.mean((corner > boxes[:, :2]).all(axis=1)) >= MOST
        and np.mean(_fits_as_corners(boxes, size)) >= MOST
    ):
        return "the boxes look like x_min, y_min, x_max, y_max read as x, y, width, height"
    if len(boxes) >= 20 and size.min() >= 150 and np.nanmax(boxes) <= 100.0:
        return "the boxes look like per cent of the picture"
    return ""
