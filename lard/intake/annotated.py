"""Annotated pictures of real approaches as a dataset folder: labelme files, or LARD V1's CSV."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from lard.documents import read_text
from lard.errors import DataError
from lard.intake.labelme import Annotated, labels_of_annotated, read_labelme
from lard.intake.lard_cells import is_night
from lard.intake.lard_csv import sound_lard_csv
from lard.intake.lard_rows import FAR_SIDES, far_out, first_alike
from lard.intake.lard_tables import labels_of_lard
from lard.intake.sets.model import Imported, frames_of, refuse
from lard.intake.sets.outlines import UNTOLD
from lard.intake.sets.sizes import upright_size
from lard.intake.sets.write import new_set, write_set
from lard.labels.table import CORNERS

NOTES = {
    "image": pl.String, "airport": pl.String, "runway": pl.String, "split": pl.String,
    "time_to_landing_s": pl.Float64, "weather": pl.String, "night": pl.String, "time_utc": pl.String,
}  # fmt: skip
"""Columns that a table of notes beside labelme files may have; image is needed, the rest may be empty."""
SPLITS = ("train", "val", "test")


def import_labelme(
    folder: Path, out: Path, *, notes: Path | None = None, airport: str = "", split: str = "test",
    other_labels: Sequence[str] = (), licence: str = "", attribution: str = "",
) -> pl.DataFrame:  # fmt: skip
    """Write a dataset folder from the labelme files of a folder; return the frames."""
    files = sorted(folder.rglob("*.json")) if folder.is_dir() else []
    if not files:
        raise DataError(f"{folder}: no labelme file (*.json) in it")
    pictures: list[Annotated] = []
    paths: list[Path] = []
    faults: list[str] = []
    broken: set[str] = set()
    for path in files:
        try:
            picture = read_labelme(path, other_labels)
        except DataError as error:
            faults.append(str(error))
            broken.add(path.stem)
            continue
        image = _picture_of(path, picture, folder)
        faults += _picture_faults(image, picture.width_px, picture.height_px, path)
        pictures.append(picture)
        paths.append(image)
    faults += _unlabelled(folder, paths, broken)
    known = _read_notes(notes, [picture.image for picture in pictures], faults) if notes else {}
    ids = [_frame_id(path, folder) for path in paths]
    faults += [
        f"{paths[i]}: two pictures would be called {name}" for i, name in enumerate(ids) if name in ids[:i]
    ]
    refuse(folder, faults)
    rows = []
    for picture, name in zip(pictures, ids, strict=True):
        note = known.get(picture.image, {})
        named = [ident for ident, _ in picture.runways if ident]
        night = str(note.get("night") or "").lower() in ("1", "true", "yes") or "night" in picture.flags
        rows.append(
            {
                "frame_id": name, "airport": note.get("airport") or airport,
                "runway": note.get("runway") or (named[0] if named else ""),
                "split": note.get("split") or split,
                "width_px": picture.width_px, "height_px": picture.height_px,
                "time_utc": note.get("time_utc"), "time_to_landing_s": note.get("time_to_landing_s"),
                "weather": note.get("weather") or "", "light": "night" if night else "day",
            }
        )  # fmt: skip
    labels = labels_of_annotated(pictures, ids, [str(row["airport"]) for row in rows])
    return _write(rows, labels, dict(zip(ids, paths, strict=True)), out, "labelme", licence, attribution)


def _frame_id(path: Path, folder: Path) -> str:
    """The picture's path below the folder, or its name where it lies beside, without suffix and slashes."""
    below = path.relative_to(folder) if path.is_relative_to(folder) else Path(path.name)
    return below.with_suffix("").as_posix().replace("/", "_")


def import_lard_real(
    csv: Path, out: Path, *, split: str = "test", licence: str = "", attribution: str = ""
) -> pl.DataFrame:
    """Write a dataset folder from a LARD V1 label table and the pictures it names; return the frames."""
    found = sound_lard_csv(csv)
    table = found.table
    if not len(table):
        raise DataError(f"{csv}: no rows; expected one per picture")
    labels = labels_of_lard(table)
    paths: dict[str, Path] = {}
    faults = _row_faults(csv, table, found.lines, labels)
    for name, image, width, height in zip(
        labels["frame_id"], table["image"], table["width"], table["height"], strict=True
    ):
        if not image:
            faults.append(f"{csv}: frame {name} names no picture")
            continue
        path = csv.parent / image
        if name in paths and paths[name] != path:
            faults.append(f"{csv}: {image} and {paths[name].name} would both be called {name}")
        paths[name] = path
        faults += _picture_faults(path, int(width), int(height), csv)
    refuse(csv, faults)
    table = table.with_columns(frame_id=labels["frame_id"]).unique("frame_id", keep="first")
    rows = [
        {
            "frame_id": row["frame_id"], "airport": row["airport"], "runway": row["runway"], "split": split,
            "width_px": int(row["width"]), "height_px": int(row["height"]), "time_utc": None,
            "time_to_landing_s": row["time_to_landing"], "weather": row["weather"] or "",
            "light": "night" if is_night(row["night"]) else "day",
        }
        for row in table.iter_rows(named=True)
    ]  # fmt: skip
    labels = labels.with_columns(
        image="images/" + pl.col("frame_id") + ".jpg", runway_db=pl.lit(UNTOLD["runway_db"])
    )
    return _write(rows, labels, paths, out, "lard-real", licence, attribution)


def _row_faults(csv: Path, table: pl.DataFrame, lines: Sequence[int], labels: pl.DataFrame) -> list[str]:
    """Rows that stand there twice, or whose corners no one can have seen in the picture, by line."""
    corners = labels.select(
        f"{axis}_{corner}_px" for corner in CORNERS for axis in "xy"
    ).to_numpy().astype(np.float64).reshape(-1, 4, 2)  # fmt: skip
    far = far_out(corners, table.select("width", "height").to_numpy().astype(np.int64))
    first = first_alike(table)
    faults = []
    for row, line in enumerate(lines):
        if first[row] != row:
            faults.append(f"{csv}:{line}: is line {lines[first[row]]} again; keep one of them")
        elif far[row]:
            faults.append(f"{csv}:{line}: a corner more than {FAR_SIDES:g} picture sizes outside; mend it")
        elif labels["visible_fraction"][row] == 0:
            faults.append(f"{csv}:{line}: nothing of the runway lies in the picture; mend its corners")
    return faults


def _picture_of(path: Path, picture: Annotated, folder: Path) -> Path:
    """The picture beside its labelme file, else where the file says, within the folder's surroundings."""
    beside = path.parent / picture.image
    stated = Path(os.path.normpath(path.parent / picture.stated))
    near = stated.resolve().is_relative_to(folder.resolve().parent)
    return stated if near and stated.is_file() and not beside.is_file() else beside


def _picture_faults(path: Path, width: int, height: int, where: Path) -> list[str]:
    if not path.is_file():
        return [f"{where}: no picture {path.name} beside it"]
    try:
        size = upright_size(path)
    except DataError as error:
        return [str(error)]
    if size != (width, height):
        return [f"{where}: {path.name} is {size[0]}x{size[1]} px, annotated as {width}x{height}"]
    return []


def _unlabelled(folder: Path, paths: Sequence[Path], broken: set[str]) -> list[str]:
    """A picture without annotation may be unfinished work; an empty one says that no runway is seen.

    `broken`: names of annotations that could not be read, which are told by themselves.
    """
    known = set(paths)
    suffixes = (".jpg", ".jpeg", ".png")
    stray = [
        p
        for p in sorted(folder.rglob("*"))
        if p.suffix.lower() in suffixes and p not in known and p.stem not in broken
    ]
    return [
        f"{path}: a picture without annotation; annotate it (no shapes: no runway) or move it"
        for path in stray
    ]


def _read_notes(path: Path, images: Sequence[str], faults: list[str]) -> dict[str, dict[str, Any]]:
    try:
        raw = "\n".join(read_text(path, old=True).splitlines()).encode()
        table = pl.read_csv(raw, schema_overrides={name: NOTES[name] for name in NOTES}, infer_schema=False)
    except DataError as error:
        faults.append(str(error))
        return {}
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        faults.append(f"{path}: {str(error).splitlines()[0]}; expected a CSV with columns {', '.join(NOTES)}")
        return {}
    unknown = sorted(set(table.columns) - set(NOTES))
    if unknown or "image" not in table.columns:
        faults.append(
            f"{path}: columns {', '.join(table.columns)}; expected image and some of {', '.join(NOTES)}"
        )
        return {}
    if not all(column.is_finite().all() for column in table.select(pl.col(pl.Float64))):
        faults.append(f"{path}: time_to_landing_s is not a finite number of seconds everywhere")
    twice = table.filter(pl.col("image").is_duplicated())["image"].unique().sort()
    faults += [f"{path}: {name} has more than one row; keep one" for name in twice]
    for row in table.iter_rows(named=True):
        if row.get("split") and row["split"] not in SPLITS:
            faults.append(f"{path}: {row['image']}: split {row['split']!r:.60}; expected {', '.join(SPLITS)}")
        if row.get("time_utc") and not _is_time(row["time_utc"]):
            faults.append(
                f"{path}: {row['image']}: time_utc {row['time_utc']!r:.60}; expected 2024-05-31T10:15:00Z"
            )
    notes = {row["image"]: row for row in table.iter_rows(named=True)}
    faults += [f"{path}: {name} is no annotated picture" for name in notes if name not in set(images)]
    return notes


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _write(
    rows: list[dict[str, Any]], labels: pl.DataFrame, paths: Mapping[str, Path], out: Path, kind: str,
    licence: str, attribution: str,
) -> pl.DataFrame:  # fmt: skip
    """The folder of what is known of real pictures; pose and camera are null."""
    known = pl.DataFrame(rows, schema_overrides={"time_to_landing_s": pl.Float64, "time_utc": pl.String})
    more = known.select("frame_id", "time_to_landing_s", "weather", "light")
    frames = frames_of(known, kind).join(more, on="frame_id", maintain_order="left")
    found = Imported(kind, frames, labels, paths)
    with new_set(found, out) as made:
        write_set(found, made, f"annotated pictures ({kind})", licence, attribution)
    return frames.drop("source")
