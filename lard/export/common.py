"""What every exporter shares: the dataset, its images, and a folder that appears only when it is complete."""

from __future__ import annotations

import contextlib
import os
import shutil
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from lard.errors import DataError
from lard.files import affixes, meant, staging
from lard.labels.dataset import read_dataset
from lard.parts import is_table
from lard.tables import MANIFEST, folders_for, read_table

SPLITS = ("train", "val", "test")
_SIDE_LIMIT_PX = 65_500  # of JPEG
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class LabelledFolder:
    """A labelled dataset folder in memory; image paths are relative to the folder."""

    folder: Path
    frames: pl.DataFrame
    labels: pl.DataFrame
    info: Mapping[str, Any]
    manifest: pl.DataFrame | None

    def image_path(self, frame_id: str) -> Path:
        """Path of a frame's picture."""
        return self.folder / "images" / f"{frame_id}.jpg"

    @property
    def splits(self) -> dict[str, pl.DataFrame]:
        """Frames of each split that has any, sorted by frame_id."""
        parts = {name: self.frames.filter(pl.col("split") == name).sort("frame_id") for name in SPLITS}
        return {name: part for name, part in parts.items() if len(part)}

    def visible(self, verdicts: tuple[str, ...] = ()) -> Visible:
        """Label rows of runways in the picture, by frame_id; of the given verdicts when there are any."""
        keys = self.labels.lazy().select("frame_id", "airport", "runway", "visible_fraction", "verdict")
        wanted = [pl.col("visible_fraction") > 0, *([pl.col("verdict").is_in(verdicts)] if verdicts else [])]
        seen = keys.with_row_index("row").filter(*wanted).sort("frame_id", "airport", "runway")
        found = seen.select("frame_id", "row").collect()
        return Visible(self.labels, found["frame_id"], found["row"])


class Visible:
    """Label rows by frame_id; while they are looked up in order, a few thousand are in memory."""

    def __init__(self, labels: pl.DataFrame, ids: pl.Series, rows: pl.Series) -> None:
        """`ids` (n,) are sorted, `rows` (n,) say where each is among the labels."""
        self._labels, self._ids, self._rows = labels, ids, rows
        self._start, self._near = 0, list[dict[str, Any]]()

    def __getitem__(self, frame_id: str) -> list[dict[str, Any]]:
        start, end = bisect_left(self._ids, frame_id), bisect_right(self._ids, frame_id)
        if start < self._start or end > self._start + len(self._near):
            some = self._rows[start : max(end, start + _ROWS_AT_ONCE)]
            self._start, self._near = start, self._labels[some].to_dicts()
        return self._near[start - self._start : end - self._start]


def open_dataset(folder: str | Path, *, images: bool = True) -> LabelledFolder:
    """Read a dataset folder; DataError lists missing parts and, when asked for, missing images."""
    folder = Path(folder)
    frames, labels, info = read_dataset(folder)
    unknown = sorted(map(str, set(frames["split"].unique()) - set(SPLITS)))
    if unknown:
        raise DataError(
            f"{folder / 'frames.parquet'}: split {', '.join(unknown)}; expected {', '.join(SPLITS)}"
        )
    faults = _frame_faults(frames, folder)
    if faults:
        raise DataError("\n".join(faults))
    path = folder / "manifest.parquet"
    manifest = read_table(path, MANIFEST) if is_table(path) else None
    dataset = LabelledFolder(folder, frames, labels, info, manifest)
    absent = [name for name in frames["frame_id"] if images and not dataset.image_path(name).is_file()]
    if absent:
        raise DataError(
            f"{folder}: {len(absent)} of {len(frames)} images are missing, the first is "
            f"{dataset.image_path(absent[0])}; render them first"
        )
    return dataset


def _frame_faults(frames: pl.DataFrame, folder: Path) -> list[str]:
    """Frames whose size is no size, or whose numbers are not finite; unknown ones may be empty."""
    small = frames.filter(
        # each by itself: the smaller of a number and nothing is the number
        ~pl.all_horizontal(
            pl.col(name).is_between(1, _SIDE_LIMIT_PX).fill_null(False) for name in ("width_px", "height_px")
        )
    )
    where = folder / "frames.parquet"
    faults = [
        f"{where}: frame {name} is {width} x {height} px; expected from 1 to {_SIDE_LIMIT_PX} each way"
        for name, width, height in small.select("frame_id", "width_px", "height_px").head(3).iter_rows()
    ]
    names = frames["frame_id"]
    twice = names.filter(names.is_duplicated()).unique().sort()
    faults += [f"{where}: frame {name} occurs more than once; name every frame once" for name in twice[:3]]
    return faults


def one_line(value: Any) -> str:
    """A text as one line that can be written: without control characters and half surrogates."""
    text = str(value).encode("utf-8", "replace").decode()
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


@contextlib.contextmanager
def staged_folder(out: str | Path) -> Iterator[Path]:
    """Yield a temporary sibling of a folder that becomes it on success and vanishes on failure."""
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out}: exists and is not an empty folder; remove it or choose another --out")
    if out.is_symlink():
        raise DataError(f"{out}: is a link to {out.readlink()}; give the folder itself as --out")
    ends = affixes(out.name)
    with folders_for(out.parent), meant(ends, out), staging(out.parent, ends) as made:
        yield made
        made.chmod(0o755)
        if out.exists():
            out.rmdir()
        made.replace(out)


def place_image(source: Path, target: Path) -> None:
    """Put a picture at a new place: as a hard link where the file system can, else as a copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)
