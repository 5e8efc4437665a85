"""Pictures of datasets as OpenCV reads them, within bounds: a damaged header may state billions of pixels."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

MOST_PX = 100_000_000


def decoded(data: bytes, flags: int) -> NDArray[np.uint8] | None:
    """Pixels of a picture's bytes; None where OpenCV cannot read them, or for more than MOST_PX pixels.

    OpenCV raises errors for sizes beyond its own limit, and makes room for all below it.
    """
    if _is_too_large(data):
        return None
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None
    return None if pixels is None else np.asarray(pixels, np.uint8)


def _is_too_large(data: bytes) -> bool:
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.width * image.height > MOST_PX
    except Image.DecompressionBombError:
        return True
    except Exception:  # of a decoder that cannot read it: OpenCV may
        return False


def read_plain(path: Path, flags: int) -> NDArray[np.uint8] | None:
    """Pixels of a picture's file, None where it cannot be read or `decoded` has none."""
    try:
        return decoded(path.read_bytes(), flags)
    except OSError:
        return None
