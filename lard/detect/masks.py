"""Masks of runways from their polygons: what each pixel of a picture or crop is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.errors import DataError

RUNWAY, ELSE, IGNORED = 1, 0, -1


def inside(polygon: NDArray[np.float64], height_px: int, width_px: int) -> NDArray[np.bool_]:
    """Pixels whose centre lies in a polygon (n, 2) of x, y in px, by the even-odd rule: (height, width).

    Pixel (row, column) has its centre at (column + 0.5, row + 0.5). A centre on an edge belongs to the side
    that lies right of or below it, so that polygons that share an edge share no pixel.
    """
    mask = np.zeros((height_px, width_px), dtype=bool)
    limits = (width_px, height_px)
    x0, y0 = np.clip(np.floor(polygon.min(axis=0)), 0, limits).astype(int)
    x1, y1 = np.clip(np.ceil(polygon.max(axis=0)), 0, limits).astype(int)
    if x1 <= x0 or y1 <= y0:
        return mask
    x, y = np.arange(x0, x1) + 0.5, np.arange(y0, y1) + 0.5
    found = np.zeros((len(y), len(x)), dtype=bool)
    for one, other in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        # from above to below, so that both polygons at a shared edge round it alike
        (ax, ay), (bx, by) = (one, other) if one[1] <= other[1] else (other, one)
        rows = np.flatnonzero((ay <= y) != (by <= y))  # those that the edge crosses
        if len(rows):
            crossing = ax + (y[rows] - ay) / (by - ay) * (bx - ax)
            found[rows] ^= crossing[:, None] <= x
    mask[y0:y1, x0:x1] = found
    return mask


def mask_of(
    polygons: Sequence[NDArray[np.float64]], wanted: NDArray[np.bool_], height_px: int, width_px: int
) -> NDArray[np.int8]:
    """RUNWAY in the wanted polygons, IGNORED in the others alone, ELSE outside of all: (height, width)."""
    mask = np.zeros((height_px, width_px), dtype=np.int8)
    order = np.argsort(wanted, kind="stable")  # the wanted ones last, on top
    for place in order:
        mask[inside(polygons[place], height_px, width_px)] = RUNWAY if wanted[place] else IGNORED
    return mask


def check_outlines(truth: Mapping[str, Any], where: str) -> None:
    """DataError where a label of a COCO document has no single polygon: a box says nothing of its pixels."""
    for note in truth["annotations"]:
        rings = note.get("segmentation")
        if not (isinstance(rings, list) and rings):
            found = "has none" if not rings else f"is a {type(rings).__name__}"
        elif len(rings) != 1 or not isinstance(rings[0], list) or len(rings[0]) < 6:
            found = f"has {len(rings)} rings" if len(rings) != 1 else "has fewer than three points"
        else:
            continue
        raise DataError(
            f"{where}: annotation {note.get('id')}: segmentation {found}; masks need one polygon of each"
            " runway, as lard label and lard export write them"
        )
