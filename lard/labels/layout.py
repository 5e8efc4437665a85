"""The tables of a dataset folder put into parts by airport, and back into one file each."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from lard.errors import DataError
from lard.files import folder_lock
from lard.parts import (
    NOWHERE,
    by_airport,
    check_whole,
    is_parted,
    is_table,
    part_path,
    refuse_shards,
    replaced,
    restored,
)
from lard.tables import FRAMES, LABELS, MANIFEST, read_table, write_table

TABLES = {"frames.parquet": FRAMES, "labels.parquet": LABELS, "manifest.parquet": MANIFEST}


def split_tables(folder: Path) -> list[str]:
    """Put every table of a dataset folder that is one file into parts; the names of those.

    Rows of labels and manifest lie by the airport of their frame. Tables change one after another and are
    read alike in either layout, so a run may be stopped at any moment and repeated.
    """
    with folder_lock(folder):
        frames = _frames(folder)
        one = [name for name in TABLES if (folder / name).is_file()]
        places = frames.select("frame_id", _place=pl.col("airport").fill_null("").replace("", NOWHERE))
        tables = {name: read_table(folder / name, TABLES[name]) for name in one}
        for name in one:
            table = tables.pop(name)
            own = table.select("frame_id").join(places, on="frame_id", how="left", maintain_order="left")
            lost = table.filter(own["_place"].is_null())
            if len(lost):
                raise DataError(
                    f"{folder / name}: frame {lost['frame_id'][0]} is not in frames.parquet "
                    f"({len(lost)} such rows); make the table again"
                )
            with replaced(folder / name) as made:
                parts = dict.fromkeys(
                    places["_place"].unique().sort(), table.clear()
                )  # a part each, empty or not
                for airport, rows in (*parts.items(), *by_airport(table, own["_place"])):
                    path = part_path(made, airport)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    write_table(rows, path, TABLES[name])
    return one


def join_tables(folder: Path) -> list[str]:
    """Put every table of a dataset folder that is in parts into one file; the names of those."""
    with folder_lock(folder):
        frames = _frames(folder)
        parted = [name for name in TABLES if is_parted(folder / name)]
        for name in parted:
            check_whole(folder / name, frames)
        for name in parted:
            with replaced(folder / name) as made:
                write_table(read_table(folder / name, TABLES[name]), made, TABLES[name])
    return parted


def _frames(folder: Path) -> pl.DataFrame:
    """The frames of a folder, after what a killed run took away is back; DataError names a table's double."""
    for name in TABLES:
        restored(folder / name)
    if not is_table(folder / "frames.parquet"):
        refuse_shards(folder)
        raise DataError(f"{folder}: no frames.parquet; give a dataset folder")
    frames = read_table(folder / "frames.parquet", FRAMES)
    twice = frames.filter(pl.col("frame_id").is_duplicated())["frame_id"]
    if len(twice):
        raise DataError(f"{folder / 'frames.parquet'}: frame {twice[0]} occurs more than once; name it once")
    return frames
