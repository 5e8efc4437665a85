"""Pictures as a monitor of whole frames sees them: 64 x 64 means of blocks, and the constant of that map."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from lard.errors import DataError

SIDE = 64
SCALE = 16.0
"""Of the means: those of a picture of 1024 x 1024 are then an orthogonal projection of its pixels."""


@cache
def averaging(length: int) -> NDArray[np.float64]:
    """Means over 64 equal stretches of a line of pixels: (64, length), rows sum to 1."""
    if length < SIDE:
        raise DataError(f"a picture of {length} px on a side; monitors need at least {SIDE}")
    edges = np.linspace(0, length, SIDE + 1)
    starts = np.arange(length)
    cover = np.minimum(edges[1:, None], starts + 1) - np.maximum(edges[:-1, None], starts)
    return np.maximum(cover, 0) * (SIDE / length)


@cache
def _norm(length: int) -> float:
    return float(np.linalg.norm(averaging(length), 2))


def shrunk(image: NDArray[np.uint8]) -> tuple[NDArray[np.float32], float]:
    """Block means (3, 64, 64) of an RGB picture (h, w, 3) in [0, 1], times SCALE, less mid grey.

    Beside them the constant of the map from pixels in [0, 1], 1 at 1024 x 1024: the norms of its two factors.
    """
    height, width = image.shape[:2]
    rows, columns = averaging(height), averaging(width)
    values = image.astype(np.float32) / np.float32(255) - np.float32(0.5)
    down = np.tensordot(rows.astype(np.float32), values, axes=(1, 0))  # (64, w, 3)
    small = np.tensordot(down, columns.astype(np.float32), axes=(1, 1))  # (64, 3, 64)
    gain = SCALE * _norm(height) * _norm(width)
    return np.ascontiguousarray(small.transpose(1, 0, 2) * np.float32(SCALE)), gain
