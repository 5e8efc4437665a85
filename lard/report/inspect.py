"""Datasets opened to be looked at: our folders, and LARD's with a label table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from PIL import Image

from lard.errors import DataError, naming
from lard.intake.lard_csv import read_lard_csv
from lard.intake.lard_tables import labels_of_lard
from lard.labels.dataset import read_dataset
from lard.labels.draw import contact_sheet, draw_labels, open_image, select_frames
from lard.parts import is_table, refuse_shards


@dataclass(frozen=True, slots=True)
class Inspection:
    """Frames (frame_id, airport, zone) and LABELS of a folder; image paths are relative to it."""

    folder: Path
    frames: pl.DataFrame
    labels: pl.DataFrame


def open_for_inspection(folder: str | Path, csv_path: str | Path | None = None) -> Inspection:
    """Open a dataset folder, or a LARD folder by its label table; DataError says what is missing."""
    folder = Path(folder)
    if folder.suffix.lower() == ".csv" and csv_path is None:
        folder, csv_path = folder.parent, folder
    if not folder.is_dir():
        raise DataError(f"{folder}: no such dataset folder")
    if csv_path is None and is_table(folder / "labels.parquet"):
        frames, labels, _ = read_dataset(folder)
        return Inspection(folder, frames.select("frame_id", "airport", "zone"), labels)
    tables = [Path(csv_path)] if csv_path else sorted(folder.glob("*.csv"))
    if len(tables) != 1:
        refuse_shards(folder)
        found = ", ".join(table.name for table in tables) or "none"
        raise DataError(
            f"{folder}: neither labels.parquet nor exactly one .csv with LARD's labels (found: {found}); "
            "name one with --csv, or write one with `lard label`"
        )
    table = read_lard_csv(tables[0])
    unseen = table.filter(pl.col("image") == "")
    if len(unseen) == len(table):
        raise DataError(f"{tables[0]}: no row names an image; label again with the footage/ folder in place")
    with naming(tables[0]):
        labels = labels_of_lard(table.filter(pl.col("image") != ""))
    # paths are relative to the table, wherever it lies
    base = tables[0].resolve().parent
    frames = labels.select("frame_id", "airport").unique("frame_id", maintain_order=True)
    return Inspection(base, frames.with_columns(zone=pl.lit("")), labels)


def sheet_or_frame(
    view: Inspection,
    *,
    frame: str | None = None,
    n: int = 24,
    columns: int = 4,
    tile_px: int = 480,
    airports: Sequence[str] = (),
    zones: Sequence[str] = (),
    verdicts: Sequence[str] = (),
) -> Image.Image:
    """One frame at full size, or a contact sheet of up to n frames that pass the filters."""
    if frame is not None:
        return _one(view, frame)
    frames = view.frames
    for column, wanted in (("airport", airports), ("zone", zones)):
        frames = _among(frames, column, wanted, view.folder)
    if verdicts:
        judged = _among(view.labels, "verdict", verdicts, view.folder)
        frames = frames.filter(pl.col("frame_id").is_in(judged["frame_id"].to_list()))
    return contact_sheet(view.folder, select_frames(frames, n), view.labels, columns=columns, tile_px=tile_px)


def _among(table: pl.DataFrame, column: str, wanted: Sequence[str], folder: Path) -> pl.DataFrame:
    present = set(table[column].unique().to_list())
    unknown = [value for value in wanted if value not in present]
    if unknown:
        known = ", ".join(sorted(present))
        raise DataError(f"{folder}: no {column} {', '.join(unknown)} in this dataset; it has {known}")
    return table.filter(pl.col(column).is_in(list(wanted))) if wanted else table


def _one(view: Inspection, frame: str) -> Image.Image:
    rows = view.labels.filter(pl.col("frame_id") == frame).to_dicts()
    if not rows and frame not in set(view.frames["frame_id"]):
        raise DataError(
            f"{view.folder}: no frame {frame!r}; the first is {view.frames['frame_id'].first()!r}"
        )
    name = rows[0]["image"] if rows else f"images/{frame}.jpg"
    return draw_labels(open_image(view.folder / name), rows, inset=True)
