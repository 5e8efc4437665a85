"""The project's errors: every message says where, what was found, what was expected and the remedy."""

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from pathlib import PurePath

LINES_TOLD, CHARACTERS_TOLD, TEXT_TOLD, NAME_TOLD = 15, 500, 3000, 60
# half characters, what turns the direction of text, and breaks of lines that are none
_STEERS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_LONG_NAME = re.compile(r"(?<=(?<!\w)')[^']{160,}(?='(?!\w))|[^\s/'\"]{160,}")


class LardError(Exception):
    """Root of all errors a user can cause and mend; the CLI prints the message and exits with exit_code."""

    exit_code = 2


class SpecError(LardError):
    """An ODD specification or a parameter file is malformed or contradicts itself."""


class AirportError(LardError):
    """A runway database, an airport or a runway is unknown, malformed or inconsistent."""


class DataError(LardError):
    """A table, dataset, label or image is missing, malformed or inconsistent."""


class SourceError(LardError):
    """An imagery source cannot deliver: ground tiles missing, simulator absent, server failing."""


class StorageFull(SourceError):
    """There is no room left to write results to; whatever else is tried ends there too."""


class ModelError(LardError):
    """A checkpoint, model name or training run is unusable."""


class Unfinished(LardError):
    """Some of many tasks failed, each named; the others are finished and kept."""

    exit_code = 1


@contextlib.contextmanager
def naming(path: object, *others: object) -> Iterator[None]:
    """Errors about what a file holds name the file, where they name no file of these and no option."""
    try:
        yield
    except LardError as error:
        if str(error).startswith("--") or any(_named(one, str(error)) for one in (path, *others)):
            raise  # what an option asked for is at fault, or the file is named
        raise type(error)(f"{path}: {error}") from error


def _named(path: object, text: str) -> bool:
    name = PurePath(str(path))
    return (name != PurePath() and str(path) in text) or bool(name.suffix and name.name in text)


def told(error: LardError) -> str:
    """What a user reads of an error: of many lines the first, of long ones the start, names cut short."""
    lines = [one_line(line) for line in str(error).split("\n")]
    shown: list[str] = []
    for line in lines[:LINES_TOLD]:
        if sum(map(len, shown)) + len(line) > TEXT_TOLD:
            break
        shown.append(line)
    more = [f"and {len(lines) - len(shown)} more lines"] if len(lines) > len(shown) else []
    return "\n".join(shown + more)


def one_line(text: str) -> str:
    """A message as a line that a terminal shows as it is: nothing that steers it, long names cut short."""
    plain = _LONG_NAME.sub(_abbreviated, _STEERS.sub("?", text))
    return plain if len(plain) <= CHARACTERS_TOLD else f"{plain[:CHARACTERS_TOLD]} ..."


def _abbreviated(found: re.Match[str]) -> str:
    """The ends of a long name or value, and how long it is."""
    return f"{found[0][:NAME_TOLD]}...({len(found[0])} characters)...{found[0][-NAME_TOLD // 3 :]}"


# what to do about a fault of the operating system
_REMEDIES = {
    errno.ENOSPC: "make room and run again",
    errno.EDQUOT: "make room and run again",
    errno.EROFS: "choose a place that can be written",
    errno.EACCES: "choose another place or change its permissions",
    errno.EPERM: "choose another place or change its permissions",
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "a file is where a folder should be; move it or choose another place",
    errno.EEXIST: "a file is where a folder should be; move it or choose another place",
    errno.EISDIR: "a folder is where a file should be; move it or choose another place",
    errno.ENOTEMPTY: "choose a new or empty folder",
    errno.ELOOP: "its links lead in a circle or where none is followed; give the place itself",
    errno.EXDEV: "choose a place on one file system",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EIO: "check the disk, and that it is a plain file",
    errno.EMFILE: "too many files are open; raise the limit (ulimit -n) or use fewer workers",
}


def fault_line(error: OSError) -> str | None:
    """A fault of a file or folder in one line: path, reason, remedy; None for others, so that they show.

    Errors that only look alike (a library's own classes, failures without a path) keep their traceback.
    """
    if error.errno in _REMEDIES or (error.errno is not None and error.filename is not None):
        paths = [str(path) for path in (error.filename, error.filename2) if path is not None]
        reason = f"{' -> '.join(paths)}: " if paths else ""
        remedy = _REMEDIES.get(error.errno, "check the disk")
        return one_line(f"{reason}{os.strerror(error.errno)}; {remedy}")
    if type(error).__module__.partition(".")[0] == "rasterio" or isinstance(error, FileNotFoundError):
        return one_line(" ".join(str(error).split()))  # GDAL and polars put the path into their text
    return None
