"""What a command may write over: what lard wrote before, told by what it holds; never a file of others."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
from PIL import Image, PngImagePlugin

from lard.documents import read_text
from lard.errors import DataError, LardError
from lard.tables import Schema

MARK = "drawn by lard"
"""What pictures that commands draw say of themselves: the comment of a JPEG, Software of a PNG."""
_PICTURES = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}


def check_suffix(out: Path, *suffixes: str) -> None:
    """DataError where the name of an output ends unlike what is written."""
    if out.suffix.lower() not in suffixes:
        raise DataError(f"--out {out}: expected a name that ends in {' or '.join(suffixes)}")


def keep_foreign(out: Path, what: str, is_own: Callable[[Path], bool]) -> None:
    """DataError where a file lies already that is something else than what a command writes."""
    if not os.path.lexists(out) or out.is_dir():
        return  # a folder is told when it is written
    try:
        own = out.is_file() and is_own(out)
    except (LardError, OSError, ValueError):
        own = False
    if not own:
        raise DataError(f"{out}: is not {what} and would be written over; name another file")


def keep_table(out: Path, schema: Schema, what: str) -> None:
    """DataError where --out is no name of a parquet table, or a file lies there that is no such table."""
    check_suffix(out, ".parquet")

    def is_own(path: Path) -> bool:
        try:
            return set(schema) <= set(pl.read_parquet_schema(path))
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
            return False

    keep_foreign(out, what, is_own)


def keep_csv(out: Path, headers: Sequence[Sequence[str]], what: str) -> None:
    """DataError where a file lies already whose first line names none of these rows of columns."""
    firsts = [",".join(columns) for columns in headers]

    def is_own(path: Path) -> bool:
        line = read_text(path, error=DataError).split("\n", 1)[0].strip().replace('"', "")
        return any(line.replace(";", ",").startswith(first) for first in firsts)

    keep_foreign(out, what, is_own)


def keep_text(out: Path, what: str, *marks: str) -> None:
    """DataError where a file lies already whose text lacks one of the marks that ours have."""
    keep_foreign(out, what, lambda path: all(mark in read_text(path, error=DataError) for mark in marks))


def keep_picture(out: Path) -> None:
    """DataError where --out is no JPEG or PNG, or a picture lies there that no command drew."""
    check_suffix(out, *_PICTURES)
    keep_foreign(out, "a picture that lard drew", _is_drawn)


def save_picture(image: Image.Image, path: Path, quality: int, subsampling: int = -1) -> None:
    """Write a picture in the format of its suffix, marked as drawn."""
    kind = _PICTURES[path.suffix.lower()]
    if kind == "PNG":
        about = PngImagePlugin.PngInfo()
        about.add_text("Software", MARK)
        image.save(path, format=kind, pnginfo=about)
    else:
        image.save(path, format=kind, quality=quality, subsampling=subsampling, comment=MARK.encode())


def _is_drawn(path: Path) -> bool:
    with Image.open(path) as image:
        said = image.info.get("comment", image.info.get("Software", ""))
    return (said if isinstance(said, bytes) else str(said).encode()) == MARK.encode()
