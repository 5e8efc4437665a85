"""Folders of this machine sent to stores: what changed, several files at once, the list last."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lard.errors import DataError
from lard.files import name_fault
from lard.progress import Meter
from lard.store.contents import CONTENTS, LISTS, Entry, Unreadable, begin, read_contents, write_contents
from lard.store.faults import Missing
from lard.store.objects import Digests, Store, Stored, digests
from lard.store.opening import open_store
from lard.store.pool import each


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push did: files sent and their bytes, those kept, removed, and unfinished uploads ended."""

    sent: int
    sent_bytes: int
    kept: int
    removed: int
    left: int
    ended: int


def push(folder: Path, url: str, *, delete: bool = False) -> Pushed:
    """Send what changed of a folder to a URL; a run that was killed is gone on with.

    Files that the folder no longer has leave the list; with `delete` they are removed from the store too,
    where an earlier list names them.
    """
    files = dict(local_files(folder))
    if not files:
        raise DataError(f"{folder}: holds no files; give the folder of a dataset")
    return send(open_store(url), files, {}, delete=delete)


def send(
    store: Store, files: Mapping[str, Path], keep: Mapping[str, Entry], *, delete: bool = False
) -> Pushed:
    """Make a folder in a store of local files, by their paths there, and of those `keep`, which are there."""
    listing = store.listing()
    before = begin(store, listing, files)
    ended = store.abandoned(files)
    entries, sent, sent_bytes = dict(keep), 0, 0
    with Meter("push", len(files), "files") as meter:
        one: Callable[[tuple[str, Path]], tuple[str, Entry, bool]] = partial(_sent, store, listing, before)
        for path, entry, was_sent in each(one, sorted(files.items(), key=_tables_last)):
            entries[path] = entry
            sent += was_sent
            sent_bytes += entry.size * was_sent
            meter.advance(note=f"{sent_bytes / 1e6:.0f} MB sent")
    gone = [path for path in before if path not in entries and path in listing]
    if entries != before or CONTENTS not in listing:
        _alone(store, before)
        write_contents(store, entries)
    if delete:
        store.delete(gone)
    return Pushed(sent, sent_bytes, len(files) - sent, len(gone) * delete, len(gone) * (not delete), ended)


def _alone(store: Store, before: Mapping[str, Entry]) -> None:
    """DataError where another run has finished a list of this folder since `before` was read."""
    try:
        store.info(CONTENTS)
        now = dict(read_contents(store).files)
    except (Missing, Unreadable):
        now = {}
    if now != before:
        raise DataError(
            f"{store.url}: was written by another run meanwhile, whose list stays; see what is there, "
            "and push again"
        )


def local_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Files below a folder by their relative paths with slashes; names that begin with a dot are left out.

    DataError for what is no plain file, or cannot be named in a store.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    for place, folders, names in os.walk(folder, followlinks=True, onerror=_raise):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(place) / name
            if name.startswith(".") or (path.parent == folder and name in LISTS):
                continue
            if not path.is_file() or name_fault(name):
                raise DataError(
                    f"{path}: {name_fault(name) or 'is no plain file'}; move it away to push the folder"
                )
            yield path.relative_to(folder).as_posix(), path


def _raise(error: OSError) -> None:
    raise error


def _tables_last(item: tuple[str, Path]) -> tuple[bool, str]:
    """The order of sending: what lies deeper first."""
    return "/" not in item[0], item[0]


def _sent(
    store: Store, listing: Mapping[str, Stored], before: Mapping[str, Entry], item: tuple[str, Path]
) -> tuple[str, Entry, bool]:
    """A file's entry, and whether it was sent: it was not where the store holds its content already."""
    path, source = item
    known = digests(source, store.piece_bytes(source.stat().st_size))
    stored = listing.get(path)
    if stored is not None and _is_there(store, path, stored, before.get(path), known):
        return path, Entry(known.size, known.sha256, stored.tag), False
    stored = store.put_file(path, source, known)
    return path, Entry(known.size, known.sha256, stored.tag), True


def _is_there(store: Store, path: str, stored: Stored, entry: Entry | None, known: Digests) -> bool:
    told = store.holds(stored, known)
    if told is not None:
        return told
    listed = entry is not None and entry == Entry(known.size, known.sha256, stored.tag)
    return listed or store.proves(path, stored, known)
