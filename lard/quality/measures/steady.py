"""Pixels that keep their level while all around them changes: lines, text and dead cells of a sensor."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from lard.quality.measures.overlay import MIN_PICTURES, Overlay

Grey = NDArray[np.uint8]

AROUND_PX, THIN_PX = 31, 11  # pixels around; a mark is thinner, a plain sky above all horizons is not
CHANGING = 50.0  # grey levels by which the pixels around must change, on average, to tell
SHARE = 0.12  # of that: what changes so little from picture to picture is no scene
NEXT_PX, STANDS_OFF = 5, 6.0  # a mark differs from what is next to it, the end of a plain sky does not
NEAR_PX = 6  # pixels nearer than this are one mark
FEWEST = 12  # pixels of a mark
FEWEST_SINGLE = 16  # single pixels in all


def _sharp(pictures: Sequence[Grey]) -> NDArray[np.float32]:
    """How far each pixel (h, w) is off what is next to it, on average over the pictures, grey levels."""
    total = np.zeros(pictures[0].shape, np.float32)
    for grey in pictures:
        cv2.accumulate(cv2.absdiff(grey, cv2.blur(grey, (NEXT_PX, NEXT_PX))), total)
    return np.asarray(total / len(pictures), np.float32)


def steady_parts(pictures: Sequence[Grey]) -> tuple[tuple[Overlay, ...], int]:
    """Marks of steady pixels in pictures (h, w) of one size, and the number of steady pixels that are single.

    In a dozen pictures of different scenes hardly a pixel in a million keeps its level by chance.
    """
    if len(pictures) < MIN_PICTURES:
        return (), 0
    low = high = pictures[0]
    for grey in pictures[1:]:
        low, high = np.minimum(low, grey), np.maximum(high, grey)
    change = cv2.subtract(high, low)
    around = cv2.blur(change.astype(np.float32), (AROUND_PX, AROUND_PX))
    thin = cv2.morphologyEx(change, cv2.MORPH_CLOSE, np.ones((THIN_PX, THIN_PX), np.uint8))
    around = np.minimum(around, thin.astype(np.float32))
    steady = (around > CHANGING) & (change <= SHARE * around)
    if int(steady.sum()) < FEWEST:
        return (), 0
    steady &= _sharp(pictures) > STANDS_OFF
    joined = cv2.dilate(steady.astype(np.uint8), np.ones((2 * NEAR_PX + 1, 2 * NEAR_PX + 1), np.uint8))
    labels = cv2.connectedComponents(joined)[1]
    rows, columns = np.nonzero(steady)
    found, single = [], 0
    owner = labels[rows, columns]
    for label in np.unique(owner).tolist():
        y, x = rows[owner == label], columns[owner == label]
        if len(y) >= FEWEST:
            found.append(Overlay(int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1))
        else:
            single += len(y)
    return tuple(sorted(found, key=lambda o: (o.y0, o.x0))), single if single >= FEWEST_SINGLE else 0
