"""Rows of LARD's label tables that say nothing new, or nothing that a picture shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

FAR_SIDES = 10.0
"""Pictures' sides: so far out are corners of runways beside or below the camera, and slips of the pen."""


def first_alike(table: pl.DataFrame) -> NDArray[np.int64]:
    """For each row the first one (n,) that is alike in every column."""
    place = pl.Series("place of the row", np.arange(len(table)))
    first = table.with_columns(place).select(pl.col(place.name).min().over(table.columns))
    return first.to_series().to_numpy().astype(np.int64)


def far_out(corners_px: NDArray[np.float64], size_px: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether a corner (n, 4, 2) lies more than ten sides outside of its picture of width, height (n, 2)."""
    room = FAR_SIDES * size_px[:, None, :]
    beyond = (corners_px < -room) | (corners_px > size_px[:, None, :] + room)
    return np.asarray(beyond.any(axis=(1, 2)), np.bool_)


def told_rows(places: Sequence[Any], said: str, most: int = 5) -> list[str]:
    """A note on some rows, the first few named; none for none."""
    if not len(places):
        return []
    more = f" and {len(places) - most} more" if len(places) > most else ""
    return [f"{said}: {', '.join(map(str, places[:most]))}{more}"]
