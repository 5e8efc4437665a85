"""The objects below a URL: listed, read, written whole and checked; one class for all stores but S3."""

import base64
import hashlib
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from lard.errors import DataError
from lard.files import atomic_path
from lard.store.faults import Damaged, Missing, retried
from lard.store.urls import joined

T = TypeVar("T")
PIECE_BYTES = 16 << 20
"""What of a large object is in memory at once."""
_AGAIN = ": it is being written, or damaged; run again later, or push it anew"


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as its store tells of it: bytes, and a tag that changes with its content ("" for none)."""

    size: int
    tag: str


@dataclass(frozen=True, slots=True)
class Digests:
    """What a file's content is known by: its size, SHA-256 and MD5, and the MD5s of its pieces."""

    size: int
    sha256: str
    md5: str
    pieces: tuple[bytes, ...] = ()


def digests(path: Path, piece_bytes: int = 0) -> Digests:
    """Digests of a file, read once; those of pieces when a size of pieces is given."""
    sha, md5, pieces, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), [], 0
    with path.open("rb") as stream:
        while chunk := stream.read(piece_bytes or PIECE_BYTES):
            sha.update(chunk)
            md5.update(chunk)
            size += len(chunk)
            if piece_bytes:
                pieces.append(hashlib.md5(chunk, usedforsecurity=False).digest())
    return Digests(size, sha.hexdigest(), md5.hexdigest(), tuple(pieces))


class Store:
    """Objects below a URL, by paths relative to it. Every request is tried again where that may help."""

    def __init__(self, url: str, fs: Any) -> None:
        self.url, self._fs = url, fs
        self._scheme, _, self._root = url.partition("://")

    def listing(self) -> dict[str, Stored]:
        """All objects below, by path; none where nothing lies there."""
        found = self._tried(self._found, "", "listed")
        return {path: stored for path, stored in found.items() if path}

    def info(self, path: str) -> Stored:
        """What the store tells of an object; Missing where there is none."""
        return self._tried(lambda: self._info(path), path, "read")

    def read(self, path: str, stored: Stored | None = None) -> bytes:
        """An object's bytes; Missing where there is none, SourceError where not all of them come."""

        def once() -> bytes:
            data = self._fs.cat_file(self._key(path))
            if stored is not None and len(data) != stored.size:
                raise Damaged(self._short(path, len(data), stored.size))
            return bytes(data)

        return self._tried(once, path, "read")

    def fetch(self, path: str, target: Path, size: int, sha256: str = "") -> None:
        """Write an object to a file, whole or not at all; SourceError unless it has this size and SHA-256."""

        def once() -> None:
            with atomic_path(target) as made:
                digest = self._received(path, made, size)
                found = made.stat().st_size
                if found != size:
                    raise Damaged(self._short(path, found, size))
                if sha256 and digest != sha256:
                    raise Damaged(
                        f"{joined(self.url, path)}: holds other bytes than its list says (SHA-256 "
                        f"{digest[:12]}... for {sha256[:12]}...){_AGAIN}"
                    )

        self._tried(once, path, "read")

    def put(self, path: str, data: bytes) -> Stored:
        """Write an object, which counts when it is there as a whole; what the store tells of it."""
        return self._tried(lambda: self._put(path, data), path, "written")

    def put_file(self, path: str, source: Path, known: Digests) -> Stored:
        """Write a file of these digests as an object; DataError where its content has become another."""
        if known.size <= PIECE_BYTES:
            data = source.read_bytes()
            if hashlib.sha256(data).hexdigest() != known.sha256:
                raise _changed(source)
            return self.put(path, data)
        return self._tried(lambda: self._put_large(path, source, known), path, "written")

    def delete(self, paths: Collection[str]) -> None:
        """Remove objects; those already gone count as removed."""
        for path in paths:
            with suppress(Missing):
                self._tried(partial(self._fs.rm_file, self._key(path)), path, "removed")

    def holds(self, stored: Stored, known: Digests) -> bool | None:
        """Whether an object of the listing has a file's content; None where the store does not tell."""
        if stored.size != known.size:
            return False
        return None if self._scheme in ("file", "memory") else _told_md5(stored.tag, known.md5)

    def proves(self, path: str, stored: Stored, known: Digests) -> bool:
        """Whether an object of the listing is read to have a file's content; only local ones are read."""
        if self._scheme not in ("file", "memory") or stored.size != known.size:
            return False

        def once() -> bool:
            digest = hashlib.sha256()
            with self._fs.open(self._key(path), "rb") as stream:
                while chunk := stream.read(PIECE_BYTES):
                    digest.update(chunk)
            return digest.hexdigest() == known.sha256 and self._info(path) == stored

        try:
            return self._tried(once, path, "read")
        except Missing:  # removed since it was listed
            return False

    def piece_bytes(self, size: int) -> int:
        """Size of the pieces that a file of this size is sent in, 0 for as a whole."""
        return 0

    def abandoned(self, paths: Collection[str]) -> int:
        """End uploads in pieces that killed runs left of these objects; how many."""
        return 0

    def _key(self, path: str) -> str:
        return f"{self._root}/{path}" if path else self._root

    def _tried(self, do: Callable[[], T], path: str, doing: str) -> T:
        return retried(do, joined(self.url, path) if path else self.url, doing)

    def _short(self, path: str, found: int, size: int) -> str:
        return f"{joined(self.url, path)}: {found} of {size} bytes came{_AGAIN}"

    def _found(self) -> dict[str, Stored]:
        with suppress(FileNotFoundError):
            infos: Mapping[str, Any] = self._fs.find(self._root, detail=True)
            below = len(self._root.lstrip("/")) + 1
            return {
                path.lstrip("/")[below:]: Stored(int(info["size"]), _tag(info))
                for path, info in infos.items()
                if info["type"] == "file"
            }
        return {}

    def _info(self, path: str) -> Stored:
        info = self._fs.info(self._key(path))
        if info.get("type") == "directory":
            raise Missing(f"{joined(self.url, path)}: is no file but a folder; name a file in it")
        return Stored(int(info["size"]), _tag(info))

    def _received(self, path: str, made: Path, size: int) -> str:
        """Write an object's bytes to a file; their SHA-256."""
        if size <= PIECE_BYTES:
            data = self._fs.cat_file(self._key(path))
            made.write_bytes(data)
            return hashlib.sha256(data).hexdigest()
        self._fs.get_file(self._key(path), str(made))
        return digests(made).sha256

    def _put(self, path: str, data: bytes) -> Stored:
        if self._scheme == "file":
            target = Path(self._key(path))
            target.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(target) as made:
                made.write_bytes(data)
        else:
            self._fs.pipe_file(self._key(path), data)
        return self._proved(path, hashlib.md5(data, usedforsecurity=False).hexdigest(), len(data))

    def _put_large(self, path: str, source: Path, known: Digests) -> Stored:
        if self._scheme == "file":
            target = Path(self._key(path))
            target.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(target) as made, source.open("rb") as read, made.open("wb") as written:
                while chunk := read.read(PIECE_BYTES):
                    written.write(chunk)
                written.flush()
                if digests(made).sha256 != known.sha256:
                    raise _changed(source)
        else:
            self._fs.put_file(str(source), self._key(path))
            if digests(source).sha256 != known.sha256:
                raise _changed(source)
        return self._proved(path, known.md5, known.size)

    def _proved(self, path: str, md5: str, size: int) -> Stored:
        """What the store tells of an object just written; Damaged unless size and MD5 are those sent."""
        stored = self._info(path)
        if stored.size != size or _told_md5(stored.tag, md5) is False:
            raise Damaged(
                f"{joined(self.url, path)}: the store holds {stored.size} bytes, tag {stored.tag[:40]!r}, of "
                f"{size} that were sent; run again"
            )
        return stored


def _tag(info: Mapping[str, Any]) -> str:
    """What tells a version of an object from others: an MD5 where the store has one, else its time."""
    if info.get("md5Hash"):
        return base64.b64decode(info["md5Hash"]).hex()
    for name in ("etag", "ETag"):
        if info.get(name):
            return str(info[name]).strip('"')
    if "mtime" in info:
        return f"{info['mtime']:.9f}-{info.get('ino', 0)}"
    created = info.get("created", "")  # of memory: a time in two forms
    return repr(created.timestamp() if isinstance(created, datetime) else created)


def _told_md5(tag: str, md5: str) -> bool | None:
    """Whether a tag is this MD5; None where it is none."""
    is_md5 = len(tag) == 32 and not set(tag.lower()) - set("0123456789abcdef")
    return tag.lower() == md5 if is_md5 else None


def _changed(source: Path) -> DataError:
    return DataError(f"{source}: has changed while it was sent; let what writes it end, and push again")
