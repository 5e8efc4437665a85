"""Labels tables from corner pixels that another convention or tool has decided."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.labels.clip import clip_to_image, polygon_areas
from lard.labels.table import CORNERS, polygon_lists
from lard.tables import LABELS, check_schema

Array = NDArray[np.float64]


def labels_of_pixels(
    corners_px: Array, size_px: NDArray[np.int64], columns: Mapping[str, Any]
) -> pl.DataFrame:
    """LABELS of corners TL, TR, BR, BL (n, 4, 2), NaN where unknown, in pictures of width and height (n, 2).

    `columns` holds what pixels cannot tell: ids, runway, approach values, verdict and provenance. A runway
    with an unknown corner has no polygon.
    """
    n = len(corners_px)
    behind = np.isnan(corners_px).any(axis=(1, 2))
    polygons, counts = np.full((n, 12, 2), np.nan), np.zeros(n, np.int64)
    for width, height in np.unique(size_px, axis=0).tolist():
        rows = np.flatnonzero((size_px == (width, height)).all(axis=1) & ~behind)
        clipped, found = clip_to_image(corners_px[rows], np.full(len(rows), 4), width, height)
        polygons[rows, : clipped.shape[1]] = clipped
        polygons[rows, clipped.shape[1] :] = clipped[:, :1]
        counts[rows] = np.where((found < 3) | (polygon_areas(clipped) == 0), 0, found)
    seen = counts > 0
    box = np.full((n, 4), np.nan)
    box[seen] = np.concatenate([polygons[seen].min(axis=1), polygons[seen].max(axis=1)], axis=1)
    whole = polygon_areas(corners_px)
    with np.errstate(divide="ignore", invalid="ignore"):
        fraction = np.where(seen, np.minimum(polygon_areas(polygons) / whole, 1.0), 0.0)
    outside = ~((corners_px >= 0) & (corners_px <= size_px[:, None, :])).all(axis=(1, 2))
    table: dict[str, Any] = dict(columns)
    for k, corner in enumerate(CORNERS):
        table[f"x_{corner}_px"], table[f"y_{corner}_px"] = corners_px[:, k, 0], corners_px[:, k, 1]
    table |= {name: box[:, k] for k, name in enumerate(("x_min_px", "y_min_px", "x_max_px", "y_max_px"))}
    table |= {
        "polygon": polygon_lists(polygons, counts),
        "visible_fraction": fraction,
        "truncated": outside,
        "behind": behind,
    }
    pixels = [f"{axis}_{corner}_px" for corner in CORNERS for axis in "xy"]
    pixels += ["x_min_px", "y_min_px", "x_max_px", "y_max_px"]
    frame = pl.DataFrame(table).with_columns(pl.col(pixels).fill_nan(None))
    return check_schema(frame, LABELS, "labels").select(list(LABELS))


def ordered_around(corners_px: Array) -> Array:
    """Corners (n, 4, 2) in any order as TL, TR, BR, BL of the picture: round their centre, upper edge first.

    For labels whose letters tell nothing about the runway; with a steep roll the upper edge may be a side.
    """
    offset = corners_px - corners_px.mean(axis=1, keepdims=True)
    turn = np.argsort(np.arctan2(offset[..., 1], offset[..., 0]), axis=1)  # clockwise in a picture
    ring = np.take_along_axis(corners_px, turn[..., None], axis=1)
    height = ring[..., 1] + np.roll(ring[..., 1], -1, axis=1)
    first = np.argmin(height, axis=1)
    index = (first[:, None] + np.arange(4)) % 4
    return np.take_along_axis(ring, index[..., None], axis=1)
