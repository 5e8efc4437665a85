"""Runways that LARD V2 names after the direction opposite to the one that is approached."""

from __future__ import annotations

import numpy as np
import polars as pl

from lard.airports import RunwayDatabase
from lard.approach import approach_of
from lard.camera import Poses
from lard.errors import AirportError
from lard.geodesy import wrap_deg
from lard.quality.dataset import Dataset

_POSE = ("lat_deg", "lon_deg", "alt_m", "yaw_deg", "pitch_deg", "roll_deg")
RENAMED = "rows_named_by_the_end_they_face"


def with_facing_names(data: Dataset) -> None:
    """Name rows after the end that is faced where the stated distance is that end's; counted in meta.

    Published scenarios name the opposite direction throughout, so the names of their labels say nothing else.
    """
    if data.database is None or data.frames is None or data.kind != "lard_v2":
        return
    poses = data.frames.select("frame_id", *_POSE)
    renamed = 0
    for name in ("frames", "labels"):
        table = getattr(data, name)
        if table is not None and len(table):
            own = table.select("frame_id", "airport", "runway", "along_track_m")
            facing = _facing(own.join(poses, "frame_id", "left", maintain_order="left"), data.database)
            renamed += int((facing != table["runway"]).sum())
            setattr(data, name, table.with_columns(facing))
    if renamed:
        data.meta = {**data.meta, RENAMED: renamed}


def _facing(table: pl.DataFrame, database: RunwayDatabase) -> pl.Series:
    """Idents (n,) of the ends that rows face and measure from; those stated where both say nothing else."""
    idents = table["runway"].to_numpy().astype(object)
    for key, rows in table.with_row_index("_row").group_by("airport", "runway", maintain_order=True):
        try:
            airport = database.airport(str(key[0]))
            ends = [airport.runway(str(key[1]))]
            ends.append(airport.runway(ends[0].reciprocal))
        except AirportError:
            continue  # DQR-A05 reports it
        lat, lon, alt, yaw, pitch, roll = (rows[column].cast(pl.Float64).to_numpy() for column in _POSE)
        poses = Poses(lat, lon, alt, yaw, pitch, roll)
        stated = np.abs(rows["along_track_m"].cast(pl.Float64).to_numpy())
        named, other = (np.abs(np.abs(approach_of(end, poses).along_track_m) - stated) for end in ends)
        away = np.abs(wrap_deg(poses.yaw_deg - ends[0].heading_deg)) > 90.0
        idents[rows["_row"].to_numpy()[away & (other < named)]] = ends[1].ident
    return pl.Series("runway", idents, dtype=pl.String)
