"""Sizes of pictures as people see them: upright."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from PIL import Image

from lard.pictures import unreadable

_ORIENTATION, _TURNED = 0x0112, (5, 6, 7, 8)


@lru_cache(maxsize=1 << 18)
def upright_size(path: Path) -> tuple[int, int]:
    """Width and height of a picture after its EXIF orientation, from its header; DataError for no picture."""
    try:
        with Image.open(path) as image:
            width, height = image.size
            turned = image.getexif().get(_ORIENTATION) in _TURNED
    except Exception as error:  # a broken file makes decoders raise errors of any class
        raise unreadable(path, error) from error
    return (height, width) if turned else (width, height)
