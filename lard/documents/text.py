"""Text of any Unicode encoding, of a bounded file."""

import codecs
import os
from pathlib import Path

from lard.errors import DataError, LardError

TEXT_LIMIT_BYTES = 512 << 20

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16: its mark begins with theirs
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def read_bytes(
    path: str | Path,
    *,
    error: type[LardError] = DataError,
    absent: str = "give the path of a file that is there",
    limit_bytes: int = TEXT_LIMIT_BYTES,
) -> bytes:
    """Bytes of a file of at most limit_bytes; `absent` says what to do when there is none."""
    try:
        with Path(path).open("rb") as stream:
            raw = stream.read(limit_bytes + 1)
    except (FileNotFoundError, NotADirectoryError) as fault:
        raise error(f"{path}: no such file; {absent}") from fault
    except OSError as fault:
        raise error(f"{path}: cannot be read ({os.strerror(fault.errno or 0)})") from fault
    except ValueError as fault:  # a NUL in the path
        raise error(f"{str(path)!r}: is no path of a file ({fault})") from fault
    if len(raw) > limit_bytes:
        raise error(f"{path}: longer than {limit_bytes >> 20} MiB, the most that is read; split it")
    return raw


def read_head(path: str | Path, *, error: type[LardError] = DataError, limit_bytes: int = 1 << 16) -> str:
    """The text that a file begins with, whatever it is: bytes that are none become U+FFFD."""
    try:
        with Path(path).open("rb") as stream:
            raw = stream.read(limit_bytes)
    except OSError as fault:
        raise error(f"{path}: cannot be read ({os.strerror(fault.errno or 0)})") from fault
    encoding, skipped = encoding_of(raw)
    return raw[skipped:].decode(encoding, "replace")


def first_line(path: str | Path, *, error: type[LardError] = DataError) -> str:
    """The first line of a text, with any line end, or of what may be one."""
    return next(iter(read_head(path, error=error).splitlines()), "")


def encoding_of(head: bytes) -> tuple[str, int]:
    """Encoding that the first bytes of a text show, and the length of its mark; UTF-8 where none does."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name, len(mark)
    if len(head) >= 2 and (head[0] == 0) != (head[1] == 0):
        return ("utf-16-be" if head[0] == 0 else "utf-16-le"), 0
    return "utf-8", 0


def _as_cp1252(fault: UnicodeError) -> tuple[str, int]:
    assert isinstance(fault, UnicodeDecodeError)
    return fault.object[fault.start : fault.end].decode("cp1252", "replace"), fault.end


OLD_BYTES = "lard-old-bytes"
"""Error handler that reads what is no UTF-8 as the Windows text it then mostly is: names of old tables."""
codecs.register_error(OLD_BYTES, _as_cp1252)


def decode_text(raw: bytes, where: object, *, error: type[LardError] = DataError, old: bool = False) -> str:
    """Text of UTF-8, UTF-16 or UTF-32 bytes; with `old` single bytes of Windows text are let in too."""
    encoding, skipped = encoding_of(raw)
    try:
        return raw[skipped:].decode(encoding, OLD_BYTES if old else "strict")
    except UnicodeDecodeError as fault:
        line = raw.count(b"\n", 0, fault.start) + 1
        found = raw[fault.start + skipped : fault.start + skipped + 1].hex() or "an end"
        raise error(
            f"{where}:{line}: byte 0x{found} is no {encoding.upper()} text; save the file as UTF-8"
        ) from fault


def read_text(
    path: str | Path,
    *,
    error: type[LardError] = DataError,
    absent: str = "give the path of a file that is there",
    limit_bytes: int = TEXT_LIMIT_BYTES,
    old: bool = False,
) -> str:
    """Text of a file without its byte order mark, line ends as they are."""
    return decode_text(
        read_bytes(path, error=error, absent=absent, limit_bytes=limit_bytes), path, error=error, old=old
    )
