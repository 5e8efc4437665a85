"""How a picture was made: pixels that repeat, levels that are missing, motion along rows, plain boxes."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

BLOCK = 8  # of JPEG: the changes at its borders are left out
PERIODS = (2, 3, 4)
NEAR = 17  # levels over which a histogram is smooth
USED = 0.02  # of the fullest level: less is not judged
CELL = 4  # pixels of the small picture that make a cell of a box
PLAIN = 2  # grey levels within a cell
EDGE = 6.0  # grey levels from a box to what is round it
FILLED, FRAMED = 0.95, 0.7  # shares of a box that is plain, and of each of its sides that stand off
LEAST_CELLS = 12


def repeats(grey: NDArray[Any], first: int = 0) -> float:
    """Change at every 2nd, 3rd or 4th line over that at the others: about 1, and more where pixels repeat.

    A picture that was enlarged without smoothing changes at whole steps only; first: column of the first.
    """
    largest = 1.0
    for lines, start in ((grey.T, first), (grey, 0)):
        if len(lines) < 3 * BLOCK:
            return 1.0
        change = cv2.reduce(cv2.absdiff(lines[1:], lines[:-1]), 1, cv2.REDUCE_AVG, dtype=cv2.CV_32F).ravel()
        place = np.arange(len(change)) + start
        inside = place % BLOCK != BLOCK - 1
        for period in PERIODS:
            parts = sorted(float(np.median(change[inside & (place % period == k)])) for k in range(period))
            largest = max(largest, (parts[-1] + 0.2) / (float(np.mean(parts[:-1])) + 0.2))
    return largest


def motion(grey: NDArray[Any]) -> float:
    """Logarithm of the finest structure along rows over that along columns, of every fourth of them: motion
    along the rows takes the one away."""
    curve = np.array([[1.0, -2.0, 1.0]], np.float32)
    along, down = (
        float(cv2.meanStdDev(cv2.filter2D(lines, cv2.CV_16S, curve))[1][0, 0])
        for lines in (grey[::4], np.ascontiguousarray(grey.T[::4]))
    )
    return float(np.log2((along + 0.2) / (down + 0.2)))


def banding(counts: Array) -> float:
    """How rough the histogram (256,) of a picture is: the spread of its levels about their neighbours', as a
    share. 0.2 to 0.5 for scenes; 0.6 and more where levels are missing, as of few colours."""
    inner = counts[1:-1]
    smooth = np.convolve(inner, np.ones(NEAR) / NEAR, "same")
    used = smooth > USED * smooth.max()
    return float(np.std(np.clip(inner[used] / smooth[used], 0.0, 3.0))) if used.any() else 0.0


def plain_box(quarter: NDArray[Any]) -> list[int]:
    """The largest upright box of one level that stands off all round in a small picture: x, y, width, height.

    Where blocks or a tile of a picture are lost they are filled with one colour; nothing in a scene is both
    upright in the picture and plain. Empty where there is none.
    """
    rows, columns = (side // CELL for side in quarter.shape)
    if min(rows, columns) < 6:
        return []
    kernel, every = np.ones((CELL, CELL), np.uint8), slice(None, None, CELL)
    high, low = (
        change(quarter, kernel, anchor=(0, 0))[every, every][:rows, :columns].astype(np.int16)
        for change in (cv2.dilate, cv2.erode)
    )
    cells = cv2.resize(
        quarter[: rows * CELL, : columns * CELL], (columns, rows), interpolation=cv2.INTER_AREA
    )
    plain, best = high - low <= PLAIN, (0, (0, 0, 0, 0))
    levels = np.bincount(low[plain], minlength=256)
    for level in np.flatnonzero(np.convolve(levels, np.ones(PLAIN + 1))[PLAIN:] >= LEAST_CELLS).tolist():
        mask = (plain & (low >= level) & (low <= level + PLAIN)).astype(np.uint8)
        count, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
        for x, y, width, height, area in stats[1:count].tolist():
            solid = area >= max(LEAST_CELLS, FILLED * width * height) and min(width, height) >= 2
            if solid and area > best[0] and _stands_off(cells, x, y, width, height):
                best = (area, (x, y, width, height))
    return [CELL * side for side in best[1]] if best[0] else []


def _stands_off(cells: NDArray[Any], x: int, y: int, width: int, height: int) -> bool:
    """Whether at least three sides of a box lie in the picture, and all of them stand off what is behind."""
    inside = float(cells[y : y + height, x : x + width].mean())
    sides = []
    if y >= 2:
        sides.append(cells[y - 2, x : x + width])
    if y + height + 1 < len(cells):
        sides.append(cells[y + height + 1, x : x + width])
    if x >= 2:
        sides.append(cells[y : y + height, x - 2])
    if x + width + 1 < cells.shape[1]:
        sides.append(cells[y : y + height, x + width + 1])
    return len(sides) >= 3 and all(np.mean(np.abs(s - inside) > EDGE) > FRAMED for s in sides)
