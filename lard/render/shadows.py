"""Shadows that what stands on the ground casts in the light of a frame's sun.

The ground folder may hold heights of objects above the ground (`objects` in its manifest). A sweep along the
sun's direction carries the top of the shadow from cell to cell: O(cells), whatever the shadows' lengths. The
ground between objects counts as flat: hills cast no shadows.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lard.compiled import compiled
from lard.ground.objects import COARSE, Objects
from lard.render.atmosphere import Raster

Array = NDArray[np.float64]

_LOWEST_SINE = math.sin(math.radians(1.0))
_SUN_RADIUS = math.tan(math.radians(0.27))
_LONGEST_CELLS = 600
_CELL_BLUR = 0.8  # cells; rounds the corners of cells off


def shade_of(objects: Objects, sun_enu: Array, softness: float = 0.0) -> NDArray[np.uint8]:
    """Sunlight (rows, columns) on the ground, 255 = all, of a sun in a direction (3,), ENU.

    A sun below 1 degree casts the shadows of 1 degree; softness (0 to 1) blurs them, as thin cloud does.
    """
    across = math.hypot(sun_enu[0], sun_enu[1])
    if across < 1e-6:
        return np.full(objects.height.shape, 255, np.uint8)
    tangent = max(sun_enu[2], _LOWEST_SINE) / across
    fall = tangent * objects.frame[2] / objects.unit_m
    # per row or column of the sweep, the other axis drifts by `drift`
    away_column, away_row = -sun_enu[0] / across, sun_enu[1] / across
    shade = np.empty(objects.height.shape, np.uint8)
    if abs(away_row) >= abs(away_column):
        drift = away_column / abs(away_row)
        step = fall * math.sqrt(1 + drift * drift)
        heights, target = objects.height, shade
        forward = away_row > 0
    else:
        drift = away_row / abs(away_column)
        step = fall * math.sqrt(1 + drift * drift)
        heights, target = (
            np.ascontiguousarray(objects.height.T),
            np.empty(objects.height.shape[::-1], np.uint8),
        )
        forward = away_column > 0
    _sweep(heights, target, drift, step, forward, _SUN_RADIUS / max(tangent, 1e-6))
    if target is not shade:
        shade = np.asarray(cv2.transpose(target), np.uint8)
    return np.asarray(cv2.GaussianBlur(shade, (0, 0), _CELL_BLUR + 4.0 * softness), np.uint8)


def shade_near(
    objects: Objects, coarse: Objects, sun_enu: Array, softness: float, box: tuple[float, float, float, float]
) -> tuple[Raster | None, Raster]:
    """Sunlight in full detail within a box of the map (x_min, x_max, y_min, y_max), and coarser everywhere.

    coarse: the same objects, pooled. None where the box holds hardly any cells.
    """
    everywhere = Raster(shade_of(coarse, sun_enu, softness / COARSE), coarse.frame)
    rows, columns = objects.height.shape
    x_min, y_max, gsd = objects.frame
    left, right = (int(np.clip((x - x_min) / gsd, 0, columns)) for x in box[:2])
    top, bottom = (int(np.clip((y_max - y) / gsd, 0, rows)) for y in box[:1:-1])
    if right - left < 2 or bottom - top < 2:
        return None, everywhere
    # what stands outside may cast its shadow inside
    tangent = max(sun_enu[2], _LOWEST_SINE) / max(math.hypot(sun_enu[0], sun_enu[1]), 1e-6)
    spare = min(math.ceil(int(coarse.height.max()) * objects.unit_m / tangent / gsd) + 4, _LONGEST_CELLS)
    first_row, first_column = max(top - spare, 0), max(left - spare, 0)
    part = np.ascontiguousarray(
        objects.height[first_row : min(bottom + spare, rows), first_column : min(right + spare, columns)]
    )
    sharp = shade_of(Objects(part, objects.unit_m, objects.frame), sun_enu, softness)
    inside = sharp[top - first_row : bottom - first_row, left - first_column : right - first_column]
    return Raster(inside, np.array([x_min + left * gsd, y_max - top * gsd, gsd])), everywhere


@compiled(nogil=True, error_model="numpy")
def _sweep(heights: Any, shade: Any, drift: float, fall: float, forward: bool, blur: float) -> None:
    """Carry the shadow's top along lines of cells: from row to row it falls by `fall`.

    Lines drift sideways by `drift` cells a row, rounded. A cell is in full shadow where the top passes well
    above it; the edge of a shadow from a higher top is softer (`blur` times the top), as the sun is a disc.
    """
    rows, columns = heights.shape
    spare = math.ceil(abs(drift) * rows) + 1
    top = np.zeros(columns + 2 * spare, np.float32)
    down, soft, rim = np.float32(fall), np.float32(blur), np.float32(0.5 * fall + 1e-6)
    zero, one, full = np.float32(0), np.float32(1), np.float32(255)
    for k in range(rows):
        j = k if forward else rows - 1 - k
        first = spare - math.floor(k * drift + 0.5)
        line, own, out = top[first : first + columns], heights[j], shade[j]
        for i in range(columns):
            came = max(line[i] - down, zero)
            high = np.float32(own[i])
            dark = min(max(came - high, zero) / (rim + soft * came), one)
            out[i] = np.uint8(full - full * dark)
            line[i] = max(came, high)
