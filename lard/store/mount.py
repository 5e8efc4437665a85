"""Folders of stores as folders here while a command runs: what it needs of them, what it changed."""

import contextlib
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lard.errors import DataError
from lard.files import affixes, below, sha256_file, staging
from lard.progress import Meter
from lard.store.cache import cache_folder, linked, make_room
from lard.store.contents import Contents, Entry, read_contents
from lard.store.faults import Missing
from lard.store.objects import Store, digests
from lard.store.opening import open_store
from lard.store.pool import each
from lard.store.push import local_files, send
from lard.store.urls import checked_url, last_name, parent

_READ_ONLY = (".jpg", ".jpeg", ".png", ".tif", ".tar")
Wanted = Callable[["Mount"], Collection[str]]
"""Which files of a folder are needed: may add some to the mount, and look at them."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder of a store and where those of its files that are here lie."""

    store: Store
    contents: Contents
    folder: Path

    def add(self, paths: Collection[str]) -> None:
        """Bring files here, where they are not yet; DataError where they do not fit into the cache."""
        files = self.contents.files
        missing = sorted(path for path in paths if not (self.folder / path).exists())
        size = self.contents.total(missing)
        make_room(size, self.store.url)
        for folder in {below(self.folder, path).parent for path in missing}:
            folder.mkdir(parents=True, exist_ok=True)

        def one(path: str) -> None:
            target = self.folder / path
            linked(self.store, path, files[path], target)
            if not path.endswith(_READ_ONLY):  # what may be written in place is none of the cache's
                own = target.with_name(f".{target.name}.own")
                shutil.copyfile(target, own)
                own.replace(target)

        with Meter(f"fetch {last_name(self.store.url)}", len(missing), "files") as meter:
            for _ in each(one, missing):
                meter.advance()

    def changed(self) -> dict[str, Path]:
        """Files here that are new, or others than in the store."""
        files = self.contents.files
        return {
            path: place
            for path, place in local_files(self.folder)
            if path not in files
            or place.stat().st_size != files[path].size
            or sha256_file(place) != files[path].sha256
        }


@contextlib.contextmanager
def mounted(url: str, wanted: Wanted) -> Iterator[Mount]:
    """Yield a folder of a store as one here with the files wanted; it vanishes afterwards."""
    store = open_store(url)
    contents = read_contents(store)
    root = cache_folder()
    root.mkdir(parents=True, exist_ok=True)
    with staging(root, affixes("mount")) as made:
        mount = Mount(store, contents, made / last_name(checked_url(url)))
        mount.folder.mkdir()
        mount.add(wanted(mount))
        yield mount


def write_back(mount: Mount, lost: Collection[str] = ()) -> int:
    """Send what was changed in a mount, with a new list last; how many files. `lost` are removed there.

    DataError where the folder was written by another run meanwhile.
    """
    changed = mount.changed()
    if not changed and not lost:
        return 0
    if read_contents(mount.store).sha256 != mount.contents.sha256:
        raise DataError(
            f"{mount.store.url}: was written by another run meanwhile; nothing is changed there, run again"
        )
    keep: Mapping[str, Entry] = {
        path: entry
        for path, entry in mount.contents.files.items()
        if path not in changed and path not in lost
    }
    return send(mount.store, changed, keep, delete=bool(lost)).sent


def fetch_file(url: str, folder: Path) -> Path | None:
    """A single object as a file in a folder here; None where there is none."""
    store, name = open_store(parent(checked_url(url))), last_name(checked_url(url))
    try:
        stored = store.info(name)
    except Missing:
        return None
    target = folder / name
    store.fetch(name, target, stored.size)
    known = digests(target, store.piece_bytes(stored.size))
    if store.holds(stored, known) is False:
        raise DataError(f"{url}: other bytes came than the store tells of; run again")
    return target


def send_file(path: Path, url: str) -> None:
    """Send a single file."""
    store, name = open_store(parent(checked_url(url))), last_name(checked_url(url))
    store.put_file(name, path, digests(path, store.piece_bytes(path.stat().st_size)))
