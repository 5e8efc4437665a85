"""How a picture was made: pixels that repeat, motion along rows, plain boxes."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

BLOCK = 8  # of JPEG: the changes at its borders are left out
PERIODS = (2, 3, 4)
CELL = 4  # pixels of the small picture that make a cell of a box
PLAIN = 2  # grey levels within a cell
EDGE = 6.0  # grey levels from a box to what is round it
FILLED, FRAMED = 0.95, 0.7  # shares of a box that is plain, and of each of its sides that stand off
LEAST_CELLS = 12
STEP = 2  # levels from one range to the next, so that a box lies in one


def line_changes(grey: NDArray[Any]) -> tuple[Array, Array]:
    """Mean change of a picture (h, w) from each column (w - 1) and each row (h - 1) to the next, levels."""
    if min(grey.shape) < 2:
        return np.zeros(0), np.zeros(0)
    across = cv2.reduce(cv2.absdiff(grey[:, 1:], grey[:, :-1]), 0, cv2.REDUCE_AVG, dtype=cv2.CV_32F)
    down = cv2.reduce(cv2.absdiff(grey[1:], grey[:-1]), 1, cv2.REDUCE_AVG, dtype=cv2.CV_32F)
    return np.asarray(across, np.float64).ravel(), np.asarray(down, np.float64).ravel()


def repeats(changes: tuple[Array, Array], first: int = 0) -> float:
    """Change at every 2nd, 3rd or 4th line over that at the others, the less of columns and rows: about 1,
    and more where pixels repeat.

    A picture that was enlarged without smoothing changes at whole steps only, both ways; the steps of a plain
    sky lie along rows alone. changes: of columns and rows, see `line_changes`; first: column of the first.
    """
    if min(len(change) for change in changes) < 3 * BLOCK - 1:
        return 1.0
    return max(min(_at_steps(changes[0], first, k), _at_steps(changes[1], 0, k)) for k in PERIODS)


def _at_steps(change: Array, start: int, period: int) -> float:
    """Change at one of `period` lines that follow each other over that at the others, beside JPEG blocks."""
    inside = (np.arange(len(change)) + start) % BLOCK != BLOCK - 1
    classes = (np.sort(change[k::period][inside[k::period]]) for k in range(period))
    parts = sorted(float(values[len(values) // 2]) for values in classes)
    return (parts[-1] + 0.2) / (float(np.mean(parts[:-1])) + 0.2)


def motion(grey: NDArray[Any]) -> float:
    """Logarithm of the finest structure along rows over that along columns, of every fourth of them: motion
    along the rows takes the one away."""
    curve = np.array([[1.0, -2.0, 1.0]], np.float32)
    along, down = (
        float(cv2.meanStdDev(cv2.filter2D(lines, cv2.CV_16S, curve))[1][0, 0])
        for lines in (grey[::4], np.ascontiguousarray(grey.T[::4]))
    )
    return float(np.log2((along + 0.2) / (down + 0.2)))


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
    window = np.ones(STEP + PLAIN)
    levels, *edges = (
        np.convolve(np.bincount(low[chosen], minlength=256), window)[len(window) - 1 :]
        for chosen in (plain, *(plain & side for side in _beside_edges(cells)))
    )
    # most plain levels are a sky's, and border on nothing but the next one
    told = (levels >= LEAST_CELLS) & (np.sum(np.array(edges) >= 2, axis=0) >= 3)
    for level in STEP * np.flatnonzero(told[::STEP]):
        mask = (plain & (low >= level) & (low < level + len(window))).astype(np.uint8)
        count, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
        for x, y, width, height, area in stats[1:count].tolist():
            solid = area >= max(LEAST_CELLS, FILLED * width * height) and min(width, height) >= 2
            if solid and area > best[0] and _stands_off(cells, x, y, width, height):
                best = (area, (x, y, width, height))
    return [CELL * side for side in best[1]] if best[0] else []


def _beside_edges(cells: NDArray[Any]) -> list[NDArray[np.bool_]]:
    """Cells that differ from the next but one as much as a plain box's at least: down, up, right and left."""
    found = []
    for lines, turn in ((cells, False), (cells.T, True)):
        apart = cv2.absdiff(lines[2:], lines[:-2]) > EDGE - 2 * PLAIN
        for room in ((0, 2), (2, 0)):
            side = np.pad(apart, (room, (0, 0)))
            found.append(side.T if turn else side)
    return found


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
