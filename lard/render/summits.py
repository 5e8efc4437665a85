"""Greatest heights of a surface on levels of doubling cells, for rays to step over what they clear."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lard.ground.terrain.surface import Surface

Array = NDArray[np.float64]

LEVELS_NEAR = 3
"""1, 2 and 4 cells of the near grid; further levels are those of the far grid."""


@dataclass(frozen=True, slots=True)
class Summits:
    """Greatest height of every cell and its 8 neighbours, levels one after the other."""

    values: NDArray[np.float32]
    table: Array  # (levels, 6): x_min, y_min, cell size (m), columns, rows, first value
    top_m: float
    surface: Surface


_summits: dict[int, Summits] = {}


def summits_of(surface: Surface) -> Summits:
    """The pyramid of a surface; the last few are kept."""
    key = id(surface.height_m)
    if key not in _summits:
        while len(_summits) >= 4:
            del _summits[next(iter(_summits))]
        _summits[key] = build_summits(surface)
    return _summits[key]


def _cells(height: Array) -> Array:
    """Greatest corner of every cell (rows - 1, columns - 1) between posts."""
    rows = np.maximum(height[:-1], height[1:])
    return np.maximum(rows[:, :-1], rows[:, 1:])


def _halved(cells: Array) -> Array:
    rows, columns = cells.shape
    padded = np.pad(cells, ((0, rows % 2), (0, columns % 2)), mode="edge")
    return np.maximum.reduce([padded[j::2, i::2] for j in (0, 1) for i in (0, 1)])


def _around(cells: Array) -> Array:
    padded = np.pad(cells, 1, mode="edge")
    rows = np.maximum(np.maximum(padded[:-2], padded[1:-1]), padded[2:])
    return np.maximum(np.maximum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])


def build_summits(surface: Surface) -> Summits:
    """The pyramid of a surface, computed."""
    near = _cells(surface.height_m)
    if surface.far_height_m.size:
        far, x_min, y_min, step = (
            _cells(surface.far_height_m), surface.far_x_min_m, surface.far_y_min_m, surface.far_step_m,
        )  # fmt: skip
    else:  # cells of z_far around the near grid, so that both kinds are one
        step = 4 * surface.step_m
        x_min, y_min = surface.x_min_m - 4 * step, surface.y_min_m - 4 * step
        rows, columns = (math.ceil(n * surface.step_m / step) + 9 for n in near.shape)
        far = np.full((rows, columns), surface.z_far_m)
    i, j = (
        ((low - far_low + (np.arange(count) + 0.5) * surface.step_m) / step).astype(np.int64)
        for low, far_low, count in (
            (surface.x_min_m, x_min, near.shape[1]), (surface.y_min_m, y_min, near.shape[0]),
        )
    )  # fmt: skip
    np.maximum.at(far, (j[:, None], i), near)
    levels, table, first = [], [], 0
    for cells, x, y, size, count in (
        (near, surface.x_min_m, surface.y_min_m, surface.step_m, LEVELS_NEAR),
        (far, x_min, y_min, step, 16),
    ):
        for level in range(count):
            if level:
                cells = _halved(cells)
            levels.append(_around(cells).astype(np.float32).ravel())
            table.append((x, y, size * 2**level, cells.shape[1], cells.shape[0], first))
            first += levels[-1].size
            if max(cells.shape) <= 4:
                break
    values = np.nextafter(np.concatenate(levels), np.float32(np.inf))
    return Summits(values, np.array(table, np.float64), float(values.max()), surface)
