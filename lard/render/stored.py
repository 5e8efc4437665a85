"""Pictures rendered straight into an object store, grounds read from one: no folder is shared.

A worker sends each picture as one object, whose checksum the store tells; the journal is a few objects of
lines with these tags, and one when all is done. A run that was killed keeps what the store lists with the
tags noted.
"""

import atexit
import hashlib
import json
import secrets
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from lard.errors import SourceError
from lard.files import name_fault
from lard.render.journal import JOURNAL, image_name, journal_line, write_tables
from lard.render.place import Written
from lard.store.cache import locked
from lard.store.contents import CONTENTS, Entry, begin, read_contents, write_contents
from lard.store.mount import Mount, mounted
from lard.store.objects import Store, Stored, digests
from lard.store.opening import open_store
from lard.store.pool import each
from lard.store.urls import joined
from lard.workers import Shares, Workers

_FLUSH_LINES, _FLUSH_S = 256, 15.0
"""Pictures, and seconds, that a killed run has to make again at most."""


@dataclass(frozen=True, slots=True)
class StorePlace:
    """A dataset in an object store, by its URL."""

    url: str

    def check(self, frame_ids: Collection[str]) -> None:
        """DataError where objects of others lie there; else the place is marked as ours."""
        store = open_store(self.url)
        begin(store, store.listing())

    def held(self) -> AbstractContextManager[None]:
        """Nothing: stores know no locks. Two runs of the same frames send the same bytes."""
        return nullcontext()

    def kept(self, keys: Mapping[str, str]) -> dict[str, str]:
        """SHA-256 of pictures of the same inputs that the store lists with the tag that was noted."""
        store = open_store(self.url)
        listing = store.listing()
        return {
            name: note.sha256
            for name, note in _noted(store).items()
            if keys.get(name) == note.key and _lists(listing, name, note)
        }

    @contextmanager
    def journal(self, shard: tuple[int, int]) -> Iterator[Callable[[list[tuple[str, Written]]], None]]:
        """Yield what notes finished pictures: in an object every few hundred of them, or seconds."""
        segments = _Segments(open_store(self.url), f"{JOURNAL}_{shard[0]}_{shard[1]}_{secrets.token_hex(4)}")
        try:
            yield segments.add
        finally:
            segments.flush()

    def elsewhere(self) -> "StorePlace":
        """The same: a URL is what it is everywhere."""
        return self

    def write(self, frame_id: str, jpeg: bytes) -> Written:
        """Send a picture; what its store tells of it."""
        stored = open_store(self.url).put(image_name(frame_id), jpeg)
        return frame_id, hashlib.sha256(jpeg).hexdigest(), stored.tag

    def check_arrived(self, results: list[Written], workers: Workers) -> None:
        """Nothing: the store has told each picture's checksum to the worker that sent it."""

    def confirm(self, done: Mapping[str, str]) -> None:
        """SourceError unless the store lists all pictures of a run as they were sent."""
        self._entries(done)

    def finish(
        self, frames: pl.DataFrame, manifest: pl.DataFrame, keys: Mapping[str, str], done: Mapping[str, str]
    ) -> None:
        """Write tables and journal, then the list of all; then remove what is of no frame, and the pieces."""
        store = open_store(self.url)
        entries, stale = self._entries(done), []
        listing = store.listing()
        before = dict(read_contents(store).files) if CONTENTS in listing else {}
        for path, entry in before.items():
            if path.startswith("images/"):
                stale += [path] if path not in entries and path in listing else []
            elif path in listing:
                entries[path] = entry
        lines = [journal_line(name, keys[name], done[name]) for name in sorted(done)]
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made)
            write_tables(folder, frames, manifest, folder / f"{JOURNAL}.jsonl", "".join(lines))
            for file in sorted(folder.iterdir()):
                known = digests(file, store.piece_bytes(file.stat().st_size))
                entries[file.name] = Entry(
                    known.size, known.sha256, store.put_file(file.name, file, known).tag
                )
        noted = _noted(store)
        stale += [
            image_name(name)
            for name, note in noted.items()
            if name not in done and _lists(listing, name, note)
        ]
        write_contents(store, entries)
        store.delete([*dict.fromkeys(stale), *(path for path in listing if path.startswith(f"{JOURNAL}_"))])

    def shares(self, reads: tuple[Path, ...]) -> Shares:
        """No folder; the files that are read, if any, and programs."""
        return Shares(None, reads)

    def _entries(self, done: Mapping[str, str]) -> dict[str, Entry]:
        """The list's rows of finished pictures; SourceError unless the store has each as it was sent."""
        store = open_store(self.url)
        listing, noted = store.listing(), _noted(store)
        entries, lost = {}, []
        for name, digest in done.items():
            note, path = noted.get(name), image_name(name)
            if note is None or note.sha256 != digest or not _lists(listing, name, note):
                lost.append(name)
            else:
                entries[path] = Entry(listing[path].size, digest, note.tag)
        if lost:
            raise SourceError(
                f"{joined(self.url, image_name(min(lost)))}: is not in the store as it was sent ({len(lost)} "
                f"of {len(done)} pictures): another run or somebody writes there; let it end and run again"
            )
        return entries


@dataclass(frozen=True, slots=True)
class _Note:
    """What the journal holds of a picture."""

    key: str
    sha256: str
    tag: str


class _Segments:
    """Lines of the journal, as objects that are never written again."""

    def __init__(self, store: Store, name: str) -> None:
        self._store, self._name = store, name
        self._lines: list[str] = []
        self._count, self._last = 0, time.monotonic()

    def add(self, rows: list[tuple[str, Written]]) -> None:
        """Note pictures with their keys."""
        for key, (name, digest, tag) in rows:
            self._lines.append(
                json.dumps({"frame_id": name, "key": key, "sha256": digest, "tag": tag}, sort_keys=True)
                + "\n"
            )
        if len(self._lines) >= _FLUSH_LINES or time.monotonic() - self._last > _FLUSH_S:
            self.flush()

    def flush(self) -> None:
        """Write the lines that wait."""
        if self._lines:
            self._count += 1
            self._store.put(f"{self._name}_{self._count:06d}.jsonl", "".join(self._lines).encode())
            self._lines = []
        self._last = time.monotonic()


def _noted(store: Store) -> dict[str, _Note]:
    """What the journals tell of each picture; of the finished one, tags are those of the list."""
    listing = store.listing()
    listed = read_contents(store).files if CONTENTS in listing else {}
    noted: dict[str, _Note] = {}
    segments = sorted(
        path for path in listing if path.startswith(JOURNAL) and path.endswith(".jsonl") and "/" not in path
    )
    for data in each(store.read, segments):
        for line in data.decode("utf-8", "replace").splitlines():
            try:
                row = json.loads(line)
                name, key, digest = row["frame_id"], row["key"], row["sha256"]
            except (ValueError, KeyError, TypeError):
                continue  # of others: its frame is made again
            if not all(isinstance(one, str) for one in (name, key, digest)) or name_fault(name):
                continue
            entry = listed.get(image_name(name))
            tag = (
                entry.tag
                if "tag" not in row and entry is not None and entry.sha256 == digest
                else row.get("tag")
            )
            # a run's pieces are later than the journal of all; among them the one that the store lists counts
            if isinstance(tag, str) and (name not in noted or _listed_tag(listing, name) == tag):
                noted[name] = _Note(key, digest, tag)
    return noted


def _listed_tag(listing: Mapping[str, Stored], frame_id: str) -> str | None:
    """The tag that a store lists for a picture."""
    stored = listing.get(image_name(frame_id))
    return stored.tag if stored is not None else None


def _lists(listing: Mapping[str, Stored], frame_id: str, note: _Note) -> bool:
    return _listed_tag(listing, frame_id) == note.tag


@dataclass(frozen=True, slots=True)
class StoreGround:
    """An airport's ground in a folder of grounds in a store."""

    url: str
    icao: str

    def folder(self) -> Path:
        """Its folder here, of which a process keeps one: tasks come airport by airport."""
        if _held.get("ground") != self:
            _release()
            with locked(f"{self.url} {self.icao}"):  # the other workers of this machine find it fetched
                mount = _stack.enter_context(
                    mounted(self.url, lambda one: [path for path in one.contents.files if self._has(path)])
                )
            _held.update(ground=self, folder=mount.folder / self.icao)
        folder = _held["folder"]
        assert isinstance(folder, Path)
        return folder

    def _has(self, path: str) -> bool:
        return path.startswith(f"{self.icao}/")


_held: dict[str, object] = {}
_stack = ExitStack()


def _release() -> None:
    """Give up the ground that this process holds."""
    _held.clear()
    _stack.close()


atexit.register(_release)


@contextmanager
def ground_manifests(url: str, airports: Collection[str]) -> Iterator[Path]:
    """Yield a folder with what of grounds is no imagery: their manifests and covers."""

    def wanted(mount: Mount) -> list[str]:
        return [
            path
            for path in mount.contents.files
            if path.partition("/")[0] in airports and not path.endswith(".tif")
        ]

    with mounted(url, wanted) as mount:
        yield mount.folder
