"""A validation split carved out of the training split, by airport and without leaks."""

from __future__ import annotations

import numpy as np
import polars as pl

from lard.errors import DataError


def carve(frames: pl.DataFrame, share: float, seed: int) -> tuple[pl.DataFrame, str]:
    """Give whole training airports to the validation split, about a share of the training frames; say which.

    Frames that have a validation split already, or whose airports are not known, are left as they are.
    """
    training = frames.filter(pl.col("split") == "train")
    if share == 0 or not len(training) or (frames["split"] == "val").any():
        return frames, ""
    if (training["airport"] == "").any():
        return frames, "no validation split: the pictures name no airport, and frames of one would leak"
    counts = dict(training.group_by("airport").len().sort("airport").iter_rows())
    if len(counts) < 2:
        return frames, f"no validation split: all training pictures are of {next(iter(counts))}"
    order = np.random.default_rng([seed, 8]).permutation(sorted(counts))
    chosen: list[str] = []
    reached, wanted = 0, share * len(training)
    for airport in order[:-1]:
        # the airport that brings the share nearest to the one asked for
        if chosen and abs(reached + counts[airport] - wanted) >= abs(reached - wanted):
            break
        chosen.append(str(airport))
        reached += counts[airport]
    held = (pl.col("split") == "train") & pl.col("airport").is_in(chosen)
    carved = frames.with_columns(split=pl.when(held).then(pl.lit("val")).otherwise("split"))
    return carved, f"validation split of {reached} frames: {', '.join(sorted(chosen))}"


def airports_in_both(frames: pl.DataFrame) -> list[str]:
    """Airports that are in the training or validation split and in the test split as well."""
    known = frames.filter(pl.col("airport") != "")
    tested = set(known.filter(pl.col("split") == "test")["airport"])
    return sorted(tested & set(known.filter(pl.col("split") != "test")["airport"]))


def check_share(share: float) -> float:
    """The share of training frames to validate on; DataError for none."""
    if not 0 <= share < 1:
        raise DataError(f"--val {share:g}: expected a share of at least 0 and below 1")
    return share
