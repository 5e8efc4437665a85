"""Temporary siblings, in which files are written before they take their place: held while they are in use.

What a killed run left is told from what a living one writes by a lock of the kernel, which dies with it.
"""

import contextlib
import fcntl
import functools
import os
import stat
import tempfile
from pathlib import Path

_STEM_CHARACTERS = 40  # of a temporary name, which must not outgrow what file systems allow
_RANDOM_CHARACTERS = 8  # that tempfile puts between its beginning and its end


def affixes(name: str, suffix: str = "") -> tuple[str, str]:
    """How the names of a file's or folder's temporary siblings begin and end."""
    return f".{name[:_STEM_CHARACTERS]}.", f".tmp{suffix}"


def held_sibling(path: Path) -> tuple[int, Path]:
    """A new temporary sibling, held while its handle is open; those that killed runs left of it go first."""
    ends = affixes(path.stem, path.suffix)
    _forget_written(path.parent, ends)
    while True:
        handle, name = tempfile.mkstemp(prefix=ends[0], suffix=ends[1], dir=path.parent)
        with contextlib.suppress(OSError):  # a file system without locks, where nothing is forgotten either
            fcntl.flock(handle, fcntl.LOCK_EX)
        if _lies_at(handle, name):
            return handle, Path(name)
        os.close(handle)  # another run took it for a dead one's before it was held


def _lies_at(handle: int, name: str | Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(handle), os.lstat(name))
    return False


def _forget_written(folder: Path, ends: tuple[str, str]) -> None:
    """Remove the temporary siblings of a file that killed runs left; a living run's is held and stays."""
    start, end = ends
    for name in _left_in(os.path.realpath(folder)):
        if not (
            name.startswith(start)
            and name.endswith(end)
            and len(name) == len(start) + _RANDOM_CHARACTERS + len(end)
        ):
            continue
        with contextlib.suppress(OSError):
            handle = os.open(folder / name, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if stat.S_ISREG(os.fstat(handle).st_mode) and _lies_at(handle, folder / name):
                    (folder / name).unlink()
            finally:
                os.close(handle)


@functools.lru_cache(maxsize=4096)
def _left_in(folder: str) -> tuple[str, ...]:
    """Names like those of temporary siblings, as a folder held them when this process first wrote there.

    Once, since a folder of a million pictures takes a second to look through.
    """
    try:
        with os.scandir(folder) as entries:
            return tuple(one.name for one in entries if one.name[:1] == "." and ".tmp" in one.name)
    except OSError:
        return ()
