"""How much a picture must change before a runway is not in it: no certificate can be worth more.

Let E be the norm of the change that paints a runway over by its surroundings. Where a model does not fire on
the painted picture, the radius of its certificate is at most E, and at most E / 2 where its threshold lies
half-way between both. The painting here is an estimate from the picture alone: the nearest picture without
the runway is not known, and a better painting gives a smaller E.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from lard.detect.data import Picture

ESTIMATE = (
    "estimate: the polygon, dilated by 1 px, filled from its surroundings; the smaller change of Telea"
    " inpainting and of the mean of a ring of 3 px; not a rendering without the runway"
)
DILATION_PX, RING_PX = 1, 3
_MARGIN_PX = 16  # of the part of the picture that is worked on


def erasure_energies(image: NDArray[np.uint8], picture: Picture) -> NDArray[np.float64]:
    """Estimated erasure energy of each required runway of an RGB picture (h, w, 3): L2, pixels in [0, 1]."""
    wanted = np.flatnonzero(~picture.ignored)
    return np.array([erasure_energy(image, picture.polygons[place]) for place in wanted], np.float64)


def erasure_energy(image: NDArray[np.uint8], polygon: NDArray[np.float64]) -> float:
    """Norm of the smaller of two changes that paint a polygon (n, 2) over.

    0 outside of the picture, infinite where a runway fills it: nothing is known of what lies below.
    """
    height, width = image.shape[:2]
    low = np.floor(polygon.min(axis=0)).astype(int) - _MARGIN_PX
    high = np.ceil(polygon.max(axis=0)).astype(int) + _MARGIN_PX
    x0, y0 = np.clip(low, 0, (width, height))
    x1, y1 = np.clip(high, 0, (width, height))
    part = np.ascontiguousarray(image[y0:y1, x0:x1])
    if not part.size:
        return 0.0
    mask = np.zeros(part.shape[:2], np.uint8)
    corners = np.round((polygon - (x0, y0)) - 0.5).astype(np.int32)  # pixel centres lie at halves
    cv2.fillPoly(mask, [corners], 1)
    mask = _dilated(mask, DILATION_PX)
    inside, ring = mask > 0, (_dilated(mask, RING_PX) > 0) & (mask == 0)
    if not inside.any():
        return 0.0
    if not ring.any():
        return math.inf
    values = part.astype(np.float64) / 255
    painted = _inpainted(part, mask)
    changes = (values[inside] - painted[inside], values[inside] - values[ring].mean(axis=0))
    return min(float(np.sqrt((change**2).sum())) for change in changes)


def _inpainted(part: NDArray[np.uint8], mask: NDArray[np.uint8]) -> NDArray[np.float64]:
    """A picture in [0, 1] whose masked part is filled; with its negative, since OpenCV rounds upwards."""
    bright = cv2.inpaint(part, mask, 3, cv2.INPAINT_TELEA).astype(np.float64)
    dark = cv2.inpaint(255 - part, mask, 3, cv2.INPAINT_TELEA).astype(np.float64)
    return np.asarray((bright + 255 - dark) / 510, np.float64)


def _dilated(mask: NDArray[np.uint8], by_px: int) -> NDArray[np.uint8]:
    side = 2 * by_px + 1
    return np.asarray(cv2.dilate(mask, np.ones((side, side), np.uint8)), np.uint8)
