"""Frames of a domain taken out of it by one condition each: the same approaches in fog, in rain, at night."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from lard.errors import DataError
from lard.scenario import sun
from lard.tables import FRAMES, POSE, read_table

_NIGHT_NEEDS = {"day_of_year", "local_time_h"}


def _air(**values: float) -> Callable[[pl.DataFrame], pl.DataFrame]:
    return lambda frames: frames.with_columns(pl.lit(value).alias(name) for name, value in values.items())


def _night(frames: pl.DataFrame) -> pl.DataFrame:
    """Solar midnight of the same day; light and elevation of the sun follow from day and latitude."""
    day, latitude = frames["day_of_year"].to_numpy(), frames["lat_deg"].to_numpy()
    midnight = np.zeros(len(frames))
    elevation = sun.elevation_deg(day, midnight, latitude)
    return frames.with_columns(
        local_time_h=midnight,
        sun_elevation_deg=elevation,
        sun_azimuth_deg=sun.azimuth_deg(day, midnight, latitude),
        light=pl.Series(sun.light_of(elevation), dtype=pl.String),
        time_utc=pl.Series(sun.time_utc(day, midnight, frames["lon_deg"].to_numpy())),
    )


DEPARTURES: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "haze": _air(visibility_m=3000.0),
    "fog": _air(fog_base_m=0.0, fog_top_m=700.0, fog_visibility_m=1500.0),
    "rain": _air(rain_mm_h=8.0, cloud_fraction=1.0, visibility_m=6000.0, wetness_fraction=1.0),
    "night": _night,
}
"""What each departure does to frames; heights in m above the runways, visibilities in m."""


def departed(frames: pl.DataFrame, name: str, split: str, count: int) -> pl.DataFrame:
    """At most `count` frames of a split, spread evenly over its airports, under one of DEPARTURES.

    DataError for frames without the columns of a sampler, or a split without frames.
    """
    needed = _NIGHT_NEEDS if name == "night" else set()
    if missing := sorted(needed - set(frames.columns)):
        raise DataError(f"frames have no column {missing[0]}, which {name} changes; sample them again")
    own = frames.filter(pl.col("split") == split).sort("airport", "frame_id")
    if own.is_empty():
        known = ", ".join(sorted(map(str, frames["split"].unique().to_list())))
        raise DataError(f"frames have no split {split!r}; there are: {known}")
    turn = own.with_columns(turn=pl.int_range(pl.len()).over("airport"))
    chosen = turn.sort("turn", "airport").head(count).drop("turn").sort("frame_id")
    return DEPARTURES[name](chosen)


def keep_tables(out: Path) -> None:
    """DataError where a table to be written lies in `out` already and is none of an earlier run.

    One of an earlier run is told by its frames: the departure changes nothing of them.
    """
    for name in DEPARTURES:
        path = out / f"{name}.parquet"
        if os.path.lexists(path) and not _is_own(path, name):
            raise DataError(
                f"{path}: holds no frames of an earlier run and would be written over; name another folder"
            )


def _is_own(path: Path, name: str) -> bool:
    try:
        frames = read_table(path, FRAMES, POSE)
    except DataError:
        return False
    if name == "night" and not set(frames.columns) >= _NIGHT_NEEDS:
        return False
    return DEPARTURES[name](frames).equals(frames)
