"""A foreign dataset as a dataset folder: pictures first, then the tables that make it one."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path
from typing import Any

import polars as pl
from PIL import Image

from lard import __version__
from lard.errors import DataError
from lard.intake.sets.model import Imported, refuse
from lard.intake.sets.sizes import upright_size
from lard.pictures import ORIENTATION, upright_rgb
from lard.progress import track
from lard.tables import (
    FRAMES,
    LABELS,
    MANIFEST,
    atomic_path,
    folder_lock,
    sha256_file,
    write_json,
    write_table,
)

JPEG_QUALITY = 95


def write_set(found: Imported, out: Path, licence: str = "", attribution: str = "") -> dict[str, int]:
    """Write images/, the tables and dataset.json; return the number of frames of each split.

    Upright JPEGs keep their bytes (hard links where the file system can); others become JPEGs of quality 95.
    A folder that holds another dataset is refused; a run that was stopped goes on.
    """
    _check(found, out)
    with folder_lock(out):
        (out / "images").mkdir(parents=True, exist_ok=True)
        digests = []
        names = found.frames["frame_id"].to_list()
        for name in track(names, "import", len(names), "img"):
            target = out / "images" / f"{name}.jpg"
            _place(found.pictures[name], target)
            digests.append(sha256_file(target))
        frames, labels = found.frames.select(list(FRAMES)), found.labels
        write_table(frames, out / "frames.parquet", FRAMES)
        write_table(labels, out / "labels.parquet", LABELS)
        write_table(_manifest(found, digests, licence, attribution), out / "manifest.parquet", MANIFEST)
        counts = dict(frames.group_by("split").len().sort("split").iter_rows())
        write_json(_description(found, counts, out), out / "dataset.json")
    return counts


def _check(found: Imported, out: Path) -> None:
    if (out / "dataset.json").exists():
        raise DataError(f"{out}: holds a dataset already; give another folder, or remove it")
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
    refuse(out, faults)


def _place(source: Path, target: Path) -> None:
    """The picture as an upright JPEG; one that is there already, of the same bytes, is kept."""
    with Image.open(source) as image:
        as_is = (
            image.format == "JPEG" and image.mode in ("RGB", "L") and image.getexif().get(ORIENTATION, 1) == 1
        )
    if target.exists():
        if as_is and target.samefile(source):
            return
        target.unlink()
    with atomic_path(target) as temporary:
        if not as_is:
            buffer = io.BytesIO()
            Image.fromarray(upright_rgb(source).pixels).save(
                buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0
            )
            temporary.write_bytes(buffer.getvalue())
            return
        try:
            temporary.unlink(missing_ok=True)
            os.link(source, temporary)
        except OSError:  # another file system, or one without links
            shutil.copyfile(source, temporary)


def _manifest(found: Imported, digests: list[str], licence: str, attribution: str) -> pl.DataFrame:
    constants = {
        "source_version": "", "licence": licence, "attribution": attribution, "runway_db": "annotated",
        "runway_db_version": "", "tool_version": __version__,
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


def _description(found: Imported, counts: dict[str, int], out: Path) -> dict[str, Any]:
    return {
        "name": out.name,
        "source": found.kind,
        "frames": len(found.frames),
        "splits": counts,
        "airports": sorted(set(found.frames["airport"]) - {""}),
        "runway_db": "annotated",
        "runway_db_version": "",
        "notes": list(found.notes),
        "tool_version": __version__,
    }
