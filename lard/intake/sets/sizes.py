"""Sizes of pictures as people see them: upright."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from PIL import Image

from lard import pictures
from lard.pictures import unreadable


@lru_cache(maxsize=1 << 18)
def upright_size(path: Path) -> tuple[int, int]:
    """Width and height of a picture after its EXIF orientation, from its header; DataError for no picture."""
    try:
        with Image.open(path) as image:
            return pictures.upright_size(image)
    except Exception as error:  # a broken file makes decoders raise errors of any class
        raise unreadable(path, error) from error
