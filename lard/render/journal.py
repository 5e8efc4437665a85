"""What is finished of a dataset folder: pictures with the key of what they depend on and their SHA-256.

A frame is kept when both still hold; so a run of the renderer or of a simulator may be killed at any moment.
"""

import errno
import hashlib
import io
import json
import os
import re
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import Image

from lard.errors import DataError, SourceError, StorageFull
from lard.progress import Meter
from lard.tables import (
    FRAMES,
    MANIFEST,
    atomic_path,
    atomic_paths,
    below,
    check_schema,
    name_fault,
    sha256_file,
    write_parquet,
)

JOURNAL = "render_journal"
_THREADS = min(32, 4 * (os.cpu_count() or 1))
_HALF_WRITTEN = re.compile(r"\..+\.[a-z0-9_]+\.tmp\.jpg")

Picture = NDArray[np.uint8]
"""RGB (height, width, 3)."""


def unique_frames(frames: pl.DataFrame) -> pl.DataFrame:
    """Frames sorted by id; DataError when there is none or an id occurs twice."""
    frames = check_schema(frames, FRAMES, "frames").sort("frame_id")
    if len(frames) == 0:
        raise DataError("frames: the table is empty; sample some frames first")
    twice = frames.filter(pl.col("frame_id").is_duplicated())["frame_id"].unique().sort().to_list()
    if twice:
        raise DataError(f"frames: frame_id {', '.join(twice[:5])} occurs more than once; ids must be unique")
    return frames


def part_of(frames: pl.DataFrame, shard: tuple[int, int]) -> pl.DataFrame:
    """The frames of shard (i, n): of one airport after another, so that few airports are of two shards."""
    place, count = shard
    first, end = (len(frames) * number // count for number in (place, place + 1))
    return frames.sort("airport", "frame_id")[first:end].sort("frame_id")


def image_name(frame_id: str) -> str:
    """Path of a frame's picture relative to the dataset folder."""
    return f"images/{frame_id}.jpg"


def journal_line(frame_id: str, key: str, digest: str) -> str:
    """One finished frame."""
    return json.dumps({"frame_id": frame_id, "key": key, "sha256": digest}, sort_keys=True) + "\n"


def kept_pictures(keys: Mapping[str, str], out_dir: Path) -> dict[str, str]:
    """SHA-256 of the pictures already there, of the same inputs and undamaged."""
    found = {frame_id: digest for frame_id, key, digest in _entries(out_dir) if keys.get(frame_id) == key}

    def undamaged(entry: tuple[str, str]) -> bool:
        path = out_dir / image_name(entry[0])  # read: images/ may be a link
        return path.is_file() and sha256_file(path) == entry[1]

    # every byte is read: sizes and times do not tell of a picture changed in place. Reading and hashing
    # release the interpreter lock, and on a network file system most of it is waiting
    with ThreadPoolExecutor(_THREADS) as pool, Meter("kept", len(found), "pictures") as meter:
        kept = {}
        for entry, whole in zip(found.items(), pool.map(undamaged, found.items()), strict=True):
            meter.advance()
            if whole:
                kept[entry[0]] = entry[1]
    return kept


def _entries(out_dir: Path) -> Iterator[tuple[str, str, str]]:
    """Frame id, key and SHA-256 of every whole line of the journals, in their order."""
    for journal in sorted(out_dir.glob(f"{JOURNAL}*.jsonl")):
        for line in filter(None, journal.read_text(encoding="utf-8", errors="replace").splitlines()):
            try:
                entry = json.loads(line)
                found = entry["frame_id"], entry["key"], entry["sha256"]
            except (ValueError, KeyError, TypeError, RecursionError):
                continue  # the last line of a killed run may be cut; its frame is made again
            if all(isinstance(part, str) for part in found) and not name_fault(found[0]):
                yield found


class Journal:
    """A file that lines are appended to, each at once; a new one without any goes away again."""

    def __init__(self, path: Path) -> None:
        self.path, self._is_new, self._told = path, False, False

    def __enter__(self) -> "Journal":
        # unbuffered: closing has nothing left to write, so a full disk is told once and where it happens
        try:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW  # not into a file elsewhere
            self._is_new = not self.path.exists()
            self._stream = os.fdopen(os.open(self.path, flags, 0o644), "ab", buffering=0)
        except OSError as error:
            raise unwritable(self.path, error) from error
        if not self._is_new:
            self.add(["\n"])  # ends a line that a killed run left cut
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        if self._is_new and not self._told:
            self.path.unlink(missing_ok=True)

    def add(self, lines: list[str]) -> None:
        """Append lines; SourceError when there is no room."""
        try:
            self._stream.write("".join(lines).encode())
            self._told = True
        except OSError as error:
            raise unwritable(self.path, error) from error


def write_picture(picture: Picture, path: Path, jpeg_quality: int) -> str:
    """Write a picture as JPEG atomically; its SHA-256. SourceError when it cannot be written."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=jpeg_quality, subsampling=0)
    return write_jpeg(buffer.getvalue(), path)


def write_jpeg(jpeg: bytes, path: Path) -> str:
    """Write an encoded picture atomically; its SHA-256. SourceError when it cannot be written."""
    try:
        with atomic_path(path) as temporary:
            temporary.write_bytes(jpeg)
    except OSError as error:
        raise unwritable(path, error) from error
    return hashlib.sha256(jpeg).hexdigest()


def write_tables(
    out_dir: Path, frames: pl.DataFrame, manifest: pl.DataFrame, journal: Path, lines: str
) -> None:
    """Write frames.parquet, manifest.parquet and the journal: all three or none."""
    tables = {"frames.parquet": (frames, FRAMES), "manifest.parquet": (manifest, MANIFEST)}
    with atomic_paths([*(out_dir / name for name in tables), journal]) as (*files, listed):
        for file, (name, (table, schema)) in zip(files, tables.items(), strict=True):
            write_parquet(check_schema(table, schema, str(out_dir / name)), file)
        listed.write_text(lines, encoding="utf-8")


def unwritable(path: Path, error: OSError) -> SourceError:
    """What to tell of a file that could not be written."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    reason = "the disk is full" if full else os.strerror(error.errno or 0)
    return (StorageFull if full else SourceError)(
        f"{path}: cannot be written ({reason}); finished pictures are kept and nothing half-written counts, "
        "make room and run again"
    )


def picture_path(out_dir: Path, frame_id: str) -> Path:
    """Where a frame's picture is written; DataError where that is not below the dataset folder."""
    return below(out_dir, image_name(frame_id))


def check_folder(out_dir: Path, frame_ids: Collection[str]) -> None:
    """DataError when images/ holds pictures of these names that no run of ours is known to have made."""
    if any(out_dir.glob(f"{JOURNAL}*.jsonl")) or (out_dir / "manifest.parquet").is_file():
        return
    theirs = sorted(name for name in frame_ids if os.path.lexists(out_dir / image_name(name)))
    if theirs:
        raise DataError(
            f"{out_dir / image_name(theirs[0])}: is there already and was not made here "
            f"({len(theirs)} such pictures); choose another --out or move them away"
        )


def remove_stale(out_dir: Path, frame_ids: Collection[str]) -> None:
    """Remove our pictures of frames no longer in the table, and what killed runs left half-written.

    Ours are those whose bytes a journal states; a picture that somebody put there or changed is kept.
    """
    made: dict[str, set[str]] = {}
    for frame_id, _, digest in _entries(out_dir):
        made.setdefault(frame_id, set()).add(digest)
    for frame_id in sorted(set(made) - set(frame_ids)):
        path = picture_path(out_dir, frame_id)
        if path.is_file() and sha256_file(path) in made[frame_id]:
            path.unlink()
    for path in (out_dir / "images").glob(".*.tmp.jpg"):
        if _HALF_WRITTEN.fullmatch(path.name) and path.is_file():
            path.unlink()
