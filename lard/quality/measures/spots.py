"""What is darker or brighter at one place in all pictures of a group, whatever they show."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

LEAST_LEVEL = 8.0  # grey levels: darker ones differ by their noise
AROUND = 6.0  # cells over which brightness is what is round a place


def spot(sketches: NDArray[Any]) -> tuple[float, float, float, float]:
    """The place that stands out most in pictures (n, h, w): x, y as shares, octaves, standard deviations.

    The median over the pictures of how much brighter each place is than what is round it, less that of its
    row, for horizons and lower edges are at like heights.
    """
    levels = np.log2(sketches.astype(np.float32) + LEAST_LEVEL)
    local = np.stack([one - cv2.GaussianBlur(one, (0, 0), AROUND) for one in levels])
    middle = np.median(local, axis=0)
    middle -= np.median(middle, axis=1, keepdims=True)
    row, column = np.unravel_index(int(np.argmax(np.abs(middle))), middle.shape)
    spread = 1.48 * float(np.median(np.abs(middle))) + 1e-6
    gap = float(middle[row, column])
    height, width = middle.shape
    return (float(column) + 0.5) / width, (float(row) + 0.5) / height, gap, abs(gap) / spread
