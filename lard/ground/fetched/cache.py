"""Tiles on disk: one file per tile that says what it holds, sharded folders, atomic writes.

A file is a line of JSON (sha256, size, media type, or the reason of a hole) followed by the body, so that a
tile and its checksum can never part. Damaged files count as absent and are fetched again.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lard.documents import parse_json, read_json
from lard.errors import DataError, SourceError
from lard.ground.fetched.grid import Tile
from lard.tables import atomic_path, write_json

SHARD = 64
SUFFIX = ".tile"
_NAME = re.compile(r"^(\d+)_(\d+)\.tile$")
_HEADER_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class Entry:
    """What the cache holds of a tile: a body, or the reason why there is none."""

    body: bytes
    media: str = ""
    hole: str = ""

    @property
    def sha256(self) -> str:
        """Hex digest of the body."""
        return hashlib.sha256(self.body).hexdigest()


class DamagedError(Exception):
    """A cache file that does not hold what it says."""


class TileCache:
    """The cached tiles and documents of one source below a common folder."""

    def __init__(self, root: str | Path, slug: str) -> None:
        self.folder = Path(root) / slug

    @property
    def description_path(self) -> Path:
        """Where the source's description is kept."""
        return self.folder / "source.json"

    def path(self, tile: Tile) -> Path:
        """File of a tile."""
        zoom, col, row = tile
        return self.folder / str(zoom) / f"{col // SHARD}_{row // SHARD}" / f"{col}_{row}{SUFFIX}"

    def read(self, tile: Tile) -> Entry | None:
        """The tile's entry; None when there is none or it is damaged."""
        try:
            return read_entry(self.path(tile))
        except (DamagedError, FileNotFoundError, NotADirectoryError):
            return None

    def write(self, tile: Tile, entry: Entry) -> None:
        """Store a tile or a hole, atomically."""
        write_entry(self.path(tile), entry)

    def document(self, name: str) -> Entry | None:
        """A stored answer that is no tile (capabilities, metadata)."""
        try:
            return read_entry(self.folder / f"{name}{SUFFIX}")
        except (DamagedError, FileNotFoundError):
            return None

    def write_document(self, name: str, entry: Entry) -> None:
        """Store an answer that is no tile."""
        write_entry(self.folder / f"{name}{SUFFIX}", entry)

    def describe(self, description: dict[str, object]) -> None:
        """Store the source's description beside its tiles when it has changed."""
        if not self.description_path.is_file() or read_json(self.description_path) != description:
            write_json(description, self.description_path)

    def remove_leftovers(self) -> int:
        """Delete what a killed run left half-written; only while no other run writes."""
        left = [path for path in self.folder.rglob(".*.tmp*") if path.is_file()]
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)

    def tiles(self) -> Iterator[tuple[Tile, Path]]:
        """Every tile file, by zoom, column and row."""
        zooms = sorted(
            int(path.name) for path in self.folder.iterdir() if path.is_dir() and path.name.isdecimal()
        )
        for zoom in zooms:
            found = []
            for path in (self.folder / str(zoom)).glob(f"*/*{SUFFIX}"):
                match = _NAME.match(path.name)
                if match:
                    found.append((int(match[1]), int(match[2]), path))
            for col, row, path in sorted(found):
                yield (zoom, col, row), path


def read_entry(path: Path) -> Entry:
    """Read and check a cache file; DamagedError when it is not whole."""
    with path.open("rb") as stream:
        line = stream.readline(_HEADER_LIMIT)
        body = stream.read()
    try:
        header = parse_json(line, "header")
        size, digest = int(header["size"]), str(header["sha256"])
        media, hole = str(header.get("media", "")), str(header.get("hole", ""))
    except (DataError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedError("its first line is no header") from error
    if len(body) != size:
        raise DamagedError(f"{len(body)} bytes instead of {size}")
    if hashlib.sha256(body).hexdigest() != digest:
        raise DamagedError("its SHA-256 is not the stated one")
    return Entry(body, media, hole)


def write_entry(path: Path, entry: Entry) -> None:
    """Write a cache file, atomically; SourceError when the disk refuses."""
    header = {"media": entry.media, "sha256": entry.sha256, "size": len(entry.body)}
    if entry.hole:
        header["hole"] = entry.hole[:1000]
    try:
        with atomic_path(path) as temporary:
            temporary.write_bytes(json.dumps(header, sort_keys=True).encode() + b"\n" + entry.body)
    except OSError as error:
        raise SourceError(
            f"{path}: cannot be written ({error.strerror}); make room or mend the folder, then run again: "
            "what is there is kept"
        ) from error
