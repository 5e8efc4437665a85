"""Files of stores kept on this machine: by URL, tag and SHA-256, checked at each use, within a limit.

Several processes share it: files appear whole, none is changed where it lies, and who reads one holds a link
of its own, so that another may make room.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from lard.errors import DataError
from lard.files import sha256_file
from lard.store.contents import Entry
from lard.store.objects import Store
from lard.store.urls import joined

_LIMIT_GB = 20.0
_LEFT_S = 86_400.0
_TRIES = 5  # of others that make room between a fetch and a link


def cache_folder() -> Path:
    """LARD_STORE_CACHE of the environment, else lard/store among the user's caches."""
    own = os.environ.get("LARD_STORE_CACHE")
    if own:
        return Path(own).absolute()
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "lard" / "store"


def cache_limit_bytes() -> int:
    """LARD_STORE_CACHE_GB of the environment, in bytes."""
    text = os.environ.get("LARD_STORE_CACHE_GB", str(_LIMIT_GB))
    try:
        limit = float(text)
    except ValueError:
        limit = 0.0
    if not 0 < limit < 1e9:
        raise DataError(f"LARD_STORE_CACHE_GB is {text!r}; expected a number of gigabytes above 0")
    return int(limit * 1e9)


def linked(store: Store, path: str, entry: Entry, target: Path) -> None:
    """Put a file of a store at a new place here, by way of the cache."""
    for _ in range(_TRIES):
        found = _found(store, path, entry)
        with contextlib.suppress(FileNotFoundError):  # another process made room
            try:
                os.link(found, target)
            except FileNotFoundError:
                raise
            except OSError:  # another file system, or one without links
                shutil.copyfile(found, target)
            return
    raise DataError(
        f"{joined(store.url, path)}: was taken out of {cache_folder()} each time; raise LARD_STORE_CACHE_GB "
        "or run fewer commands at once"
    )


def _found(store: Store, path: str, entry: Entry) -> Path:
    """Where a file of a store lies in the cache; fetched unless it is there, undamaged."""
    name = hashlib.sha256("\0".join((store.url, path, entry.tag, entry.sha256)).encode()).hexdigest()
    place = cache_folder() / "files" / name[:2] / name
    with contextlib.suppress(FileNotFoundError):
        if place.stat().st_size == entry.size and sha256_file(place) == entry.sha256:
            os.utime(place)  # what was used last goes last
            return place
    place.parent.mkdir(parents=True, exist_ok=True)
    store.fetch(path, place, entry.size, entry.sha256)
    return place


def make_room(size: int, what: str) -> None:
    """Remove what was not used for longest until `size` more bytes fit; DataError where they do not.

    Files that a running command has linked give no room and stay.
    """
    limit, root = cache_limit_bytes(), cache_folder()
    if size > limit:
        raise DataError(
            f"{what}: {size / 1e9:.3g} GB are needed here and the cache {root} may hold {limit / 1e9:g} GB; "
            "set LARD_STORE_CACHE_GB and LARD_STORE_CACHE, or fetch a part with `lard pull`"
        )
    with locked():
        files = []
        for path in (root / "files").glob("??/*"):
            with contextlib.suppress(FileNotFoundError):
                found = path.stat()
                if path.name.startswith("."):  # is being fetched, or a killed process has left it
                    if time.time() - found.st_mtime > _LEFT_S:
                        path.unlink()
                    continue
                files.append((found.st_mtime_ns, found.st_size, found.st_nlink, path))
        held = sum(one[1] for one in files)
        for _, length, links, path in sorted(files):
            if held + size <= limit:
                return
            if links == 1:
                path.unlink(missing_ok=True)
                held -= length


@contextlib.contextmanager
def locked(what: str = "") -> Iterator[None]:
    """One process of this machine at a time makes room, or fetches `what`."""
    name = hashlib.sha256(what.encode()).hexdigest()[:16] if what else "room"
    root = cache_folder() / "locks"
    root.mkdir(parents=True, exist_ok=True)
    with (root / name).open("ab") as stream:  # on a disk of this machine, whose locks hold
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
