"""A foreign dataset as a dataset folder: pictures first, then the tables that make it one."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
from PIL import Image

from lard import __version__
from lard.errors import DataError
from lard.intake.sets.model import Imported, refuse
from lard.intake.sets.outlines import UNTOLD
from lard.intake.sets.sizes import upright_size
from lard.labels.checks import UNSTATED, labelled_twice, unstated
from lard.pictures import ORIENTATION, unreadable, upright_jpeg
from lard.progress import track
from lard.tables import (
    FRAMES,
    LABELS,
    MANIFEST,
    folder_lock,
    folders_for,
    sha256_file,
    staged,
    write_json,
    write_table,
)

STAGING = ".staged."  # what a run that was killed may have left


@contextlib.contextmanager
def new_set(found: Imported, out: Path) -> Iterator[Path]:
    """Yield a folder whose files become `out`, all or none; DataError as `check_set` has it."""
    with folders_for(out), folder_lock(out):
        check_set(found, out)
        with staged(out) as made:
            yield made


def write_set(
    found: Imported, out: Path, title: str, licence: str = "", attribution: str = ""
) -> dict[str, int]:
    """Write images/, the tables and dataset.json; return the number of frames of each split.

    Upright JPEGs keep their bytes (hard links where the file system can); others become JPEGs of quality 95.
    """
    (out / "images").mkdir()
    digests = []
    names = found.frames["frame_id"].to_list()
    for name in track(names, "import", len(names), "img"):
        target = out / "images" / f"{name}.jpg"
        _place(found.pictures[name], target)
        digests.append(sha256_file(target))
    frames, labels = found.frames.drop("source"), found.labels
    write_table(frames, out / "frames.parquet", FRAMES)
    write_table(labels, out / "labels.parquet", LABELS)
    write_table(_manifest(found, digests, licence, attribution), out / "manifest.parquet", MANIFEST)
    counts = dict(frames.group_by("split").len().sort("split").iter_rows())
    write_json(_description(found, counts, title), out / "dataset.json")
    return counts


def check_set(found: Imported, out: Path) -> None:
    """DataError unless `out` is new or empty, pictures are as the labels say and each runway stands once."""
    if out.is_dir() and any(not path.name.startswith(STAGING) for path in out.iterdir()):
        holds = "a dataset already" if (out / "dataset.json").exists() else "other files"
        raise DataError(f"{out}: holds {holds}; give a new or empty folder")
    if not len(found.frames):
        raise DataError(f"{out}: nothing to write: no picture was read")
    faults = []
    for name, width, height in found.frames.select("frame_id", "width_px", "height_px").iter_rows():
        path = found.pictures[name]
        if not path.is_file():
            faults.append(f"{path}: no such picture; the labels name it")
            continue
        size = upright_size(path)
        if size != (width, height):
            faults.append(f"{path}: {size[0]}x{size[1]} px, its labels say {width}x{height}")
    faults += [
        f"{found.pictures[name]}: runway {runway} is labelled twice; leave one out, or rename one"
        for name, _, runway in labelled_twice(found.labels).iter_rows()
    ]
    refuse(out, faults)


def _place(source: Path, target: Path) -> None:
    """The picture as an upright JPEG; DataError for one that breaks off."""
    if not _is_plain_jpeg(source):
        target.write_bytes(upright_jpeg(source)[0])
        return
    try:
        os.link(source.resolve(), target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)


def _is_plain_jpeg(source: Path) -> bool:
    """Whether a file is a whole upright JPEG of 8 bits; decoded at an eighth of its size, which is quick."""
    try:
        with Image.open(source) as image:
            if image.format != "JPEG" or image.mode not in ("RGB", "L"):
                return False
            image.draft(image.mode, (max(image.width // 8, 1), max(image.height // 8, 1)))
            image.load()
            return image.getexif().get(ORIENTATION, 1) == 1
    except Exception as error:  # a broken file makes decoders raise errors of any class
        raise unreadable(source, error) from error


def _manifest(found: Imported, digests: list[str], licence: str, attribution: str) -> pl.DataFrame:
    constants = {
        "source_version": "", "licence": licence, "attribution": attribution,
        "runway_db": UNTOLD["runway_db"], "runway_db_version": "", "tool_version": __version__,
    }  # fmt: skip
    table = found.frames.select(
        "frame_id",
        ("images/" + pl.col("frame_id") + ".jpg").alias("image"),
        pl.Series("sha256", digests, dtype=pl.String),
        "width_px",
        "height_px",
        pl.col("source").fill_null(found.kind),
        *(pl.lit(value).alias(name) for name, value in constants.items()),
        "seed",
    )
    return table.select(list(MANIFEST))


def _description(found: Imported, counts: dict[str, int], title: str) -> dict[str, Any]:
    made = found.labels["runway_db"].unique().drop_nulls().to_list()
    return {
        "name": title,
        "source": found.kind,
        "frames": len(found.frames),
        "splits": counts,
        "airports": sorted(set(found.frames["airport"]) - {""}),
        UNSTATED: unstated(found.frames),
        "runway_db": made[0] if len(made) == 1 else UNTOLD["runway_db"],
        "runway_db_version": "",
        "notes": list(found.notes),
        "tool_version": __version__,
    }
