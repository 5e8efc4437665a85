"""WebDataset shards: tar files of pictures with a JSON record each, the same bytes every time.

Beside them lie the dataset's tables as they are, from which `lard import webdataset` makes the dataset again,
and its coco/, by which `lard train` and `lard predict` read the pictures where they are.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lard.errors import DataError
from lard.export.coco import write_coco
from lard.export.common import LabelledFolder, staged_folder
from lard.export.records import frame_fields, objects
from lard.intake.tars import TABLES
from lard.progress import Meter

_COPIED = ("frames.parquet", "labels.parquet", "manifest.parquet", "dataset.json")
_COCO = "coco"
_BLOCK = tarfile.BLOCKSIZE


@dataclass(frozen=True, slots=True)
class Written:
    """Names of the shards, and the frame whose tar would be the largest by itself, in bytes."""

    shards: tuple[str, ...]
    largest_bytes: int
    largest: str


def write_webdataset(
    dataset: LabelledFolder, out: str | Path, shard_size: int | None = 1000, shard_bytes: int | None = None
) -> Written:
    """Write <split>-000000.tar ... with KEY.jpg and KEY.json per frame; return what was written.

    A shard ends before it has more frames than shard_size or more bytes than shard_bytes, but holds one.
    """
    dotted = [name for name in dataset.frames["frame_id"] if "." in name]
    if dotted:
        raise DataError(
            f"{dataset.folder}: frame id {dotted[0]!r} has a dot, which ends a key in a tar; rename it"
        )
    names: list[str] = []
    largest: tuple[int, str] = (0, "")
    with staged_folder(out) as folder, Meter("shards", len(dataset.frames), "frames") as meter:
        for split in dataset.splits:
            shard = _Shards(folder, split, shard_size, shard_bytes)
            with contextlib.closing(shard):
                for key, picture, record in _samples(dataset, split):
                    shard.add(key, picture, record)
                    meter.advance()
            names += shard.names
            largest = max(largest, shard.largest)
        if (dataset.folder / _COCO).is_dir():
            shutil.copytree(dataset.folder / _COCO, folder / _COCO)
        else:
            write_coco(dataset.frames, dataset.labels, folder / _COCO, dataset.info)
        (folder / TABLES).mkdir()
        for name in _COPIED:
            source = dataset.folder / name
            if source.is_dir():
                shutil.copytree(source, folder / TABLES / name)
            elif source.is_file():
                shutil.copyfile(source, folder / TABLES / name)
    return Written(tuple(names), *largest)


def _samples(dataset: LabelledFolder, split: str) -> Iterator[tuple[str, bytes, bytes]]:
    """Key, picture and record of every frame of a split, sorted."""
    visible = dataset.visible()
    for frame in dataset.splits[split].iter_rows(named=True):
        key, size = frame["frame_id"], (frame["width_px"], frame["height_px"])
        record = frame_fields(frame) | {"objects": objects(visible[key], *size, masks=True)}
        text = json.dumps(record, sort_keys=True, allow_nan=False)
        yield key, dataset.image_path(key).read_bytes(), text.encode()


class _Shards:
    """The tars of a split, one after another."""

    def __init__(self, folder: Path, split: str, most: int | None, most_bytes: int | None) -> None:
        self._folder, self._split, self._most, self._most_bytes = folder, split, most, most_bytes
        self._tar: tarfile.TarFile | None = None
        self._count = self._bytes = 0
        self.names: list[str] = []
        self.largest: tuple[int, str] = (0, "")

    def add(self, key: str, picture: bytes, record: bytes) -> None:
        """Add a frame, to a new shard where the last is full."""
        size = sum(_BLOCK + -(-len(content) // _BLOCK) * _BLOCK for content in (picture, record))
        full = self._most is not None and self._count >= self._most
        ended = _ended(self._bytes + size)
        self.largest = max(self.largest, (_ended(size), key))
        if self._tar is None or full or (self._most_bytes is not None and ended > self._most_bytes):
            self.close()
            self.names.append(f"{self._split}-{len(self.names):06d}.tar")
            self._tar = tarfile.open(self._folder / self.names[-1], "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115
            self._count = self._bytes = 0
        self._count, self._bytes = self._count + 1, self._bytes + size
        for name, content in ((f"{key}.jpg", picture), (f"{key}.json", record)):
            entry = tarfile.TarInfo(name)  # its defaults hold no owner and no time
            entry.size, entry.mode = len(content), 0o644
            self._tar.addfile(entry, io.BytesIO(content))

    def close(self) -> None:
        """End the last shard."""
        if self._tar is not None:
            self._tar.close()
            self._tar = None


def _ended(size: int) -> int:
    """Bytes of a tar, which ends in two empty blocks and is filled up to a whole record."""
    return -(-(size + 2 * _BLOCK) // tarfile.RECORDSIZE) * tarfile.RECORDSIZE
