"""Small JPEGs of a dataset's pictures, by number, made in threads."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image, ImageOps

from lard.errors import DataError
from lard.pictures import MOST_PX, unreadable, upright_rgb, upright_size
from lard.progress import Meter

SIDE_PX = 200
FOLDER_FILES = 1000
MOST_SIDE_PX = 16_384  # that browsers and viewers draw
_QUALITY = 72


def thumb_name(place: int) -> str:
    """Where the small picture of the frame at a place lies, below thumbs/."""
    return f"{place // FOLDER_FILES:03d}/{place:06d}.jpg"


def small_jpeg(path: Path, side_px: int = SIDE_PX) -> bytes:
    """A picture as a JPEG that fits a square, upright; DataError for one that is missing or broken."""
    small = _quickly(path, side_px) or Image.fromarray(upright_rgb(path).pixels)
    small.thumbnail((side_px, side_px), Image.Resampling.BICUBIC)
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=_QUALITY)
    return stream.getvalue()


def size_of(path: Path) -> tuple[int, int]:
    """Upright width and height (px) by a picture's header; 1 and 1 for one that is missing or broken."""
    try:
        with Image.open(path) as image:
            return upright_size(image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return 1, 1


def picture_fault(path: Path) -> str | None:
    """Why a file is no picture that browsers and viewers show, by a look at a reduced size; else None."""
    if not path.is_file():
        return f"{path}: no such picture"
    try:
        with Image.open(path, formats=("JPEG", "PNG")) as image:
            if max(image.size) > MOST_SIDE_PX:
                return f"{path}: {image.size[0]} x {image.size[1]} px; at most {MOST_SIDE_PX} each way"
            image.draft("RGB", (SIDE_PX, SIDE_PX))
            image.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return str(unreadable(path, error))
    return None


def _quickly(path: Path, side_px: int) -> Image.Image | None:
    """A JPEG decoded at a fraction of its size, a quarter of the work; None for any other picture."""
    if not path.is_file():
        raise DataError(f"{path}: no such picture")
    try:
        with Image.open(path) as image:
            if (
                image.format != "JPEG"
                or image.mode not in ("RGB", "L")
                or image.width * image.height > MOST_PX
            ):
                return None
            image.draft(image.mode, (side_px, side_px))
            return ImageOps.exif_transpose(image).convert("RGB")
    except Exception as error:  # a broken file makes decoders raise errors of any class
        raise unreadable(path, error) from error


def write_thumbs(pictures: Sequence[Path], folder: Path, workers: int) -> Mapping[int, str]:
    """Write the small picture of each path; the reason for each place where there is none."""
    for first in range(0, len(pictures), FOLDER_FILES):
        (folder / thumb_name(first)).parent.mkdir(parents=True, exist_ok=True)
    broken: dict[int, str] = {}

    def one(place: int) -> tuple[int, str]:
        try:
            (folder / thumb_name(place)).write_bytes(small_jpeg(pictures[place]))
        except DataError as error:
            return place, str(error)
        return place, ""

    with ThreadPoolExecutor(workers) as pool, Meter("thumbnails", len(pictures), "pictures") as meter:
        for place, reason in pool.map(one, range(len(pictures))):
            if reason:
                broken[place] = reason
            meter.advance()
    return broken
