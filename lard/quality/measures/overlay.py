"""What stands still while the scenes change: watermarks, logos and bands of a source."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Grey = NDArray[np.uint8]
Mask = NDArray[np.bool_]

MIN_STEP = 6  # grey levels from pixel to pixel that count as an edge
STEADY = 0.9  # share of the pictures that must have the same edge at a place
STILL = 10  # grey levels a still row may change between pictures: what compression does
MIN_PICTURES = 12  # fewer may agree by chance
JOIN = 0.012  # of the picture's size: edges nearer than this are one overlay
MIN_PIXELS = 24  # edge pixels of the smallest overlay


@dataclass(frozen=True, slots=True)
class Overlay:
    """A rectangle of still edges, pixels: columns x0..x1 and rows y0..y1, ends exclusive."""

    x0: int
    y0: int
    x1: int
    y1: int


@dataclass(frozen=True, slots=True)
class Still:
    """What is still in all of the pictures looked at."""

    overlays: tuple[Overlay, ...]
    top_px: int  # height of a still band at the upper edge, 0 where none
    bottom_px: int
    pictures: int


def still_parts(pictures: Iterable[Grey]) -> Still | None:
    """Overlays and bands of pictures (h, w) of one size; None when they are too few to tell.

    An overlay is where the same edge, of the same sign, is in nearly all of them, also under a translucent
    one. A band is a run of rows at the lower edge that never change; at the upper edge, where a plain sky is
    still by nature, only if all pictures jump where it ends.
    """
    low = high = np.zeros((0, 0), np.uint8)
    edges: list[NDArray[np.uint16]] = []
    jumps = np.zeros(0, np.int64)
    count = 0
    for grey in pictures:
        if not count:
            low, high = grey.copy(), grey.copy()
            edges = [np.zeros(grey.shape, np.uint16) for _ in range(4)]
            jumps = np.zeros(len(grey), np.int64)
        low, high = np.minimum(low, grey), np.maximum(high, grey)
        count += 1
        for axis in (0, 1):
            step = _steps(grey, axis)
            edges[2 * axis] += step > MIN_STEP
            edges[2 * axis + 1] += step < -MIN_STEP
            if axis == 0:
                jumps += np.mean(np.abs(step) > MIN_STEP, axis=1) > 0.5
    if count < MIN_PICTURES:
        return None
    still = np.mean(cv2.absdiff(high, low) <= STILL, axis=1) >= 0.98
    top, bottom = _run(still), _run(still[::-1])
    ends = np.flatnonzero(jumps[: top + 1] >= STEADY * count)
    top = int(ends[-1]) + 1 if len(ends) else 0
    return Still(
        _overlays(np.max(edges, axis=0) >= STEADY * count),
        top if top < len(still) else 0,
        bottom if bottom < len(still) else 0,
        count,
    )


def _steps(grey: Grey, axis: int) -> NDArray[np.int16]:
    """Change (h, w) from each pixel to the next along an axis, 0 at the end."""
    step = np.zeros(grey.shape, np.int16)
    if axis == 0:
        step[:-1] = cv2.subtract(grey[1:], grey[:-1], dtype=cv2.CV_16S)
    else:
        step[:, :-1] = cv2.subtract(grey[:, 1:], grey[:, :-1], dtype=cv2.CV_16S)
    return step


def _overlays(edges: Mask) -> tuple[Overlay, ...]:
    """Boxes around groups of edge pixels, from top to bottom."""
    height, width = edges.shape
    reach = max(3, round(JOIN * max(height, width)))
    joined = cv2.dilate(edges.astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    labels = cv2.connectedComponents(joined)[1]
    found = []
    for label in range(1, int(labels.max()) + 1):
        rows, columns = np.nonzero(edges & (labels == label))
        if len(rows) >= MIN_PIXELS:
            found.append(
                Overlay(int(columns.min()), int(rows.min()), int(columns.max()) + 2, int(rows.max()) + 2)
            )
    return tuple(sorted(found, key=lambda o: (o.y0, o.x0)))


def _run(still: Mask) -> int:
    """Number of leading rows that are still."""
    return len(still) if still.all() else int(np.argmin(still))
