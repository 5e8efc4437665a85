"""Frames in groups that may be wrong by themselves: airports, sources, zones, sets, cameras, and all."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.quality.dataset import Dataset, sources_of

BY = ("airport", "runway", "source", "zone", "split", "camera")
LEAST = 5  # frames that can make a group of their own


def groups(
    data: Dataset, frames: pl.DataFrame, by: tuple[str, ...] = BY
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Names and rows (n,) of all frames and of every group of them by one of the columns, largest first."""
    yield "all frames", np.ones(len(frames), bool)
    sources = sources_of(data)
    columns = {
        "source": [sources.get(str(name)) for name in frames["frame_id"].to_list()],
        "camera": [f"{f:g}" if f is not None else None for f in frames["fx_px"].to_list()],
    }
    for name in by:
        values = columns.get(name) or frames[name].to_list()
        if name == "runway":
            pairs = zip(frames["airport"].to_list(), values, strict=True)
            values = [f"{airport}/{runway}" if runway else None for airport, runway in pairs]
        known = np.array([value if value is not None else "" for value in values], dtype=object)
        for value in sorted(set(known.tolist()) - {""}):
            rows = known == value
            if LEAST <= rows.sum() < len(frames):
                yield f"{name} {value}", rows
