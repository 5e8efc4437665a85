"""Labels of frames in parts: airport by airport, so that few airports' labels are in memory."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from lard.parts import part_path, scan
from lard.tables import LABELS, write_table

LIGHT = ("frame_id", "airport", "runway", "visible_fraction", "height_m", "slant_m", "hidden_fraction")
"""Columns that what is said of all labels rests on."""


def write_label_parts(labelled: Iterable[tuple[str, pl.DataFrame]], out: Path) -> pl.DataFrame:
    """Write `out`/airport=XXXX/part-0.parquet of each airport's labels; LIGHT columns of all."""
    for airport, labels in labelled:
        path = part_path(out, airport)
        path.parent.mkdir(parents=True)
        write_table(labels, path, LABELS)
    table = scan(out)
    known = table.collect_schema().names()
    return table.select([name for name in LIGHT if name in known]).collect()
