"""Approach values of frames stated anew, after their cameras or their runways were corrected."""

from __future__ import annotations

import polars as pl

from lard.airports import RunwayDatabase
from lard.approach import approach_of
from lard.camera import Poses
from lard.odd.parameters import APPROACH

PICTURES_ON = {"pictures_db": "runway_db", "pictures_db_version": "runway_db_version"}
"""Columns of restated frames that name the runways their pictures were made on, and where that stood."""


def restated(
    frames: pl.DataFrame, db: RunwayDatabase, lateral_apex_m: float, vertical_apex_m: float
) -> pl.DataFrame:
    """Frames in their order with the approach to their runway as a database has it, which they now name."""
    parts = []
    for group in frames.with_row_index("_row").partition_by("airport", "runway", maintain_order=True):
        end = db.airport(group["airport"][0]).runway(group["runway"][0])
        anew = approach_of(end, Poses.from_frames(group), lateral_apex_m, vertical_apex_m)
        parts.append(group.with_columns(**{name: pl.Series(getattr(anew, name)) for name in APPROACH[:4]}))
    table = pl.concat(parts).sort("_row").drop("_row") if parts else frames
    # pictures keep showing the runways that frames were drawn on at first
    if set(PICTURES_ON.values()) <= set(table.columns):
        table = table.with_columns(
            pl.coalesce([told for told in (name, old) if told in table.columns]).alias(name)
            for name, old in PICTURES_ON.items()
        )
    return table.with_columns(runway_db=pl.lit(db.name), runway_db_version=pl.lit(db.version))
