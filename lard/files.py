"""The one way files are written: named inside their folder, atomically, the same bytes each time."""

import contextlib
import errno
import fcntl
import glob
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from lard.documents import read_json
from lard.errors import DataError, LardError
from lard.siblings import affixes as affixes
from lard.siblings import held_sibling

NAME_LIMIT_BYTES = 200
NO_NAME = r"^\s*$|^\.|[\x00-\x1f\x7f/\\]"
"""What makes a text no name of a file in a folder."""


def name_fault(name: str) -> str:
    """Why a text cannot be the name of one file in a folder; empty when it can."""
    if not name.strip():
        return "is empty"
    if name.startswith("."):
        return "begins with a dot"
    if re.search(NO_NAME, name):
        return "has a slash, a backslash or a control character"
    long = len(name.encode("utf-8", "surrogatepass")) > NAME_LIMIT_BYTES
    return f"is longer than {NAME_LIMIT_BYTES} bytes" if long else ""


def path_fault(name: str) -> str:
    """Why a text cannot be a relative path below a folder; empty when it can."""
    if re.search(r"[\x00-\x1f\x7f\\]", name):
        return "has a backslash or a control character"
    out = not name or ".." in name.split("/") or Path(name).is_absolute()
    return "leads out of its folder" if out else ""


def inside(name: str, where: str, error: type[Exception] = DataError) -> str:
    """A relative path as it stands; an error when it is absolute or leads out of its folder."""
    if fault := path_fault(name):
        raise error(f"{where}: {name[:80]!r} {fault}; expected a relative path below it")
    return name


def below(root: str | Path, name: str, error: type[LardError] = DataError) -> Path:
    """Where a writer puts a name below a folder; an error when .., a root or a link leads out of it."""
    path = Path(root) / inside(name, str(root), error)
    real = os.path.realpath(root)
    folder = os.path.realpath(path.parent)
    if folder != real and not folder.startswith(real.rstrip("/") + "/"):
        raise error(
            f"{path.parent}: is a link to {folder}, outside {root}; nothing is written there: replace the "
            "link by a folder"
        )
    return path


def keep_others(out: Path, names: Sequence[str], *marks: str, keys: Sequence[str] = ("format",)) -> None:
    """DataError where files that a command writes lie in a folder without a mark that its own run left.

    A mark is a folder, or a JSON file that holds an object with all `keys`.
    """
    taken = [name for name in names if os.path.lexists(out / name)]
    left = (out / mark for mark in marks)
    if taken and not any(
        mark.is_dir() or _holds(mark, lambda found: set(keys) <= set(found)) for mark in left
    ):
        raise DataError(
            f"{out / taken[0]}: is of no earlier run (no {marks[0]} of one is beside it) and would be written"
            " over; name a new or empty folder"
        )


def keep_unlike(out: Path, what: str, is_own: Callable[[Any], bool]) -> None:
    """DataError where a JSON file that a command writes lies there already and is something else."""
    if os.path.lexists(out) and not _holds(out, is_own):
        raise DataError(f"{out}: is not {what} and would be written over; name another file")


def _holds(path: Path, is_own: Callable[[Any], bool]) -> bool:
    try:
        return path.is_file() and is_own(read_json(path))
    except (DataError, TypeError):  # TypeError: a number has no keys
        return False


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary sibling of path that replaces it on success and vanishes on failure.

    A link is neither written through nor replaced: DataError. Folders made for it vanish with it; what a
    killed run left of it goes with the next.
    """
    with atomic_paths([path]) as (temporary,):
        yield temporary


@contextlib.contextmanager
def atomic_paths(paths: Sequence[str | Path]) -> Iterator[list[Path]]:
    """Yield a temporary sibling of each path; on success all replace their paths, on failure none does."""
    targets = [Path(path) for path in paths]
    temporaries: list[Path] = []
    held: list[int] = []
    with contextlib.ExitStack() as stack:
        for path in targets:
            stack.enter_context(meant(affixes(path.stem, path.suffix), path))
        try:
            for path in targets:
                stack.enter_context(folders_for(path.parent))
                _keep_place(path)
                if path.exists() and not path.is_file():  # root could replace /dev/null
                    raise DataError(f"{path}: is a device or pipe, which a file would replace; name a file")
                handle, temporary = held_sibling(path)
                held.append(handle)
                temporaries.append(temporary)
            yield temporaries
            for temporary in temporaries:
                temporary.chmod(0o644)
            for temporary, path in zip(temporaries, targets, strict=True):
                temporary.replace(path)
        except OSError as error:
            if error.errno is None or error.filename is not None:
                raise
            raise OSError(error.errno, os.strerror(error.errno), str(targets[0])) from error
        finally:
            for temporary in temporaries:
                temporary.unlink(missing_ok=True)
            for handle in held:
                os.close(handle)


_OF_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO)


@contextlib.contextmanager
def meant(ends: tuple[str, str], target: Path) -> Iterator[None]:
    """Faults of a temporary sibling, named by its affixes, become those of what it stands for."""
    start, end = (re.escape(part) for part in ends)
    try:
        yield
    except OSError as error:
        found = [error.filename, error.filename2]
        if error.filename is None and error.errno in _OF_WRITING:
            raise OSError(error.errno, os.strerror(error.errno), str(target)) from error
        names = [
            re.sub(rf"^(?:.*/)?{start}\w+{end}(?=/|$)", lambda _: str(target), str(name)) if name else None
            for name in found
        ]
        if error.errno is None or names == found:
            raise
        raise OSError(error.errno, os.strerror(error.errno), names[0], None, names[1]) from error


@contextlib.contextmanager
def folders_for(folder: Path) -> Iterator[None]:
    """Make a folder and those above it; those made vanish again on failure where nothing lies in them."""
    missing = [part for part in (folder, *folder.parents) if not part.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for part in missing:
            with contextlib.suppress(OSError):  # another writer has put something there
                part.rmdir()
        raise


def keep_link(target: Path) -> None:
    """DataError where a file is to be written and a link lies, which leads to what others may keep."""
    if target.is_symlink():
        raise DataError(
            f"{target}: is a link to {target.readlink()}; nothing is written there: name the file itself, or "
            "remove the link"
        )


def _keep_place(target: Path) -> None:
    """An error where a file is to be written and a link or a folder lies."""
    keep_link(target)
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))


@contextlib.contextmanager
def staged(out: str | Path) -> Iterator[Path]:
    """Yield an empty folder whose files all move into `out` on success; on failure none does.

    Other files that lie in `out` stay; a link in it is neither written through nor replaced: DataError.
    """
    out = Path(out)
    ends = affixes("staged")
    with folders_for(out), meant(ends, out), staging(out, ends) as made:
        yield made
        names = [path.relative_to(made) for path in sorted(made.rglob("*")) if path.is_file()]
        targets = [below(out, name.as_posix()) for name in names]
        with contextlib.ExitStack() as ready:  # every place, before the first file moves
            for folder in sorted({target.parent for target in targets}):
                ready.enter_context(folders_for(folder))
            for target in targets:
                _keep_place(target)
            for name, target in zip(names, targets, strict=True):
                (made / name).replace(target)


@contextlib.contextmanager
def staging(parent: Path, ends: tuple[str, str]) -> Iterator[Path]:
    """Yield an empty folder in another, named by its affixes and held while in use; it vanishes afterwards.

    Those that killed runs left there, which nobody holds, go first.
    """
    forget_staged(parent, ends)
    while True:
        made = Path(tempfile.mkdtemp(prefix=ends[0], suffix=ends[1], dir=parent))
        held = os.open(made, os.O_RDONLY)
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(held, fcntl.LOCK_EX)
        if made.is_dir():
            break
        os.close(held)  # another run took it for a dead one's before it was held
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        os.close(held)


def forget_staged(folder: Path, ends: tuple[str, str] | None = None) -> None:
    """Remove what killed runs staged in a folder; what a living one stages is held and stays."""
    start, end = map(glob.escape, ends or affixes("staged"))
    for path in folder.glob(f"{start}????????{end}"):
        with contextlib.suppress(OSError):
            held = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(held)


def write_text(text: str, path: str | Path) -> None:
    """Write text as UTF-8, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(value: Any, path: str | Path) -> None:
    """Write JSON with sorted keys, atomically; NaN is refused because JSON has none."""
    write_text(json_text(value), path)


def json_text(value: Any) -> str:
    """JSON with sorted keys; NaN is refused because JSON has none."""
    return json.dumps(value, sort_keys=True, indent=1, allow_nan=False) + "\n"


def stable_hash(text: str) -> int:
    """CRC-32 of the UTF-8 text: the same on every machine and Python, unlike hash()."""
    return zlib.crc32(text.encode("utf-8"))


def frame_rng(seed: int, key: str) -> np.random.Generator:
    """Return the generator of one frame or airport: independent of order, shard and worker."""
    return np.random.default_rng([seed, stable_hash(key)])


def sha256_file(path: str | Path) -> str:
    """Hex SHA-256 of a file."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextlib.contextmanager
def folder_lock(folder: str | Path) -> Iterator[None]:
    """Make and hold a folder for this process; wait, saying so, while another run still writes it.

    A run whose parent was killed may go on for a while; the lock is the kernel's and dies with its holder.
    Where nothing can be written beside a folder that is there, the lock lies among temporary files instead,
    named after the folder's own path: all processes of this machine that share these meet there.
    """
    folder = Path(folder)
    # the lock lies beside the folder, so that the folder holds only outputs, and goes with its holder
    lock = folder.parent / f".{folder.name}.lock"
    with folders_for(folder):
        try:
            stream = _held(lock, folder)
        except OSError as error:
            if error.errno not in _READ_ONLY or os.path.lexists(lock):
                raise
            name = hashlib.sha256(os.path.realpath(folder).encode()).hexdigest()[:16]
            lock = Path(tempfile.gettempdir()) / f".lard-{os.getuid()}-{name}.lock"
            stream = _held(lock, folder)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                lock.unlink()
            stream.close()


_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)


def _held(lock: Path, folder: Path) -> IO[str]:
    """The lock's file, opened and held: the one that lies there, not one that its last holder took away."""
    told = False
    while True:
        stream = _own_lock(lock)
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not told:
                print(f"{folder}: another run is still writing here; waiting for it to end", file=sys.stderr)
            told = True
            fcntl.flock(stream, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(stream.fileno()), lock.stat()):
                return stream
        stream.close()


def _own_lock(lock: Path) -> IO[str]:
    """The lock's file, opened as it is: a file of others of that name is neither emptied nor removed."""
    stream = os.fdopen(os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644), "r+")
    if os.fstat(stream.fileno()).st_size:
        stream.close()
        raise DataError(f"{lock}: is no lock of ours, which are empty; move it or choose another folder")
    return stream
