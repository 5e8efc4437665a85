"""Labels of frames in parts: airport by airport, so that no more than one airport's labels are in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl

from lard.parts import NOWHERE, by_airport, part_path, scan
from lard.progress import track
from lard.tables import LABELS, write_table

LIGHT = ("frame_id", "airport", "runway", "visible_fraction", "height_m", "slant_m", "hidden_fraction")
"""Columns that what is said of all labels rests on."""


def write_label_parts(
    frames: pl.DataFrame, out: Path, label: Callable[[pl.DataFrame], pl.DataFrame]
) -> pl.DataFrame:
    """Write `out`/airport=XXXX/part-0.parquet for the frames of each airport; LIGHT columns of all labels.

    `label` gives the labels of some frames.
    """
    groups = by_airport(frames, frames["airport"].fill_null(NOWHERE))
    for airport, rows in track(groups, "label", frames["airport"].n_unique(), "airports"):
        path = part_path(out, airport)
        path.parent.mkdir(parents=True)
        write_table(label(rows), path, LABELS)
    table = scan(out)
    known = table.collect_schema().names()
    return table.select([name for name in LIGHT if name in known]).collect()
