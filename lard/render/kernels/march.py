"""Pictures of depths on terrain: squares of pixels march first, as a widening beam, then single rays."""

import math

import numpy as np
from numpy.typing import NDArray

from lard.compiled import compiled
from lard.render.kernels.layout import Array, View
from lard.render.kernels.rays import ray
from lard.render.kernels.steps import advance, ground, place

BEAM_PX, SQUARE_PX = 32, 16
SLACK_PX = 0.03
UNSET = -1.0

_jit = compiled(nogil=True)


@_jit
def beam(
    free: float, left: int, top: int, right: int, bottom: int, view: View, near: Array, far: Array,
    values: NDArray[np.float32], table: Array,
) -> float:  # fmt: skip
    """Ray parameter up to which all rays through a rectangle of pixels are free; NaN: all go to the sky."""
    mx, my = 0.5 * (left + right), 0.5 * (top + bottom)
    dx, dy, dz, _ = ray(mx, my, view)
    width = 0.0
    for corner in range(4):
        cx, cy, cz, _ = ray(left if corner & 1 else right, top if corner & 2 else bottom, view)
        width = max(width, math.sqrt((cx - dx) ** 2 + (cy - dy) ** 2 + (cz - dz) ** 2))
    # edges of a distorted square bulge: 2 % more
    return advance(free, table.shape[0] - 1, 1.02 * width, dx, dy, dz, view, near, far, values, table)


@_jit
def inverse(
    start: Array, j: int, i: int, free: float, view: View, near: Array, far: Array,
    values: NDArray[np.float32], table: Array,
) -> float:  # fmt: skip
    """1 / t of a pixel, marched unless known; 0 for the sky."""
    t = start[j, i]
    if t == UNSET:
        dx, dy, dz, _ = ray(i + 0.5, j + 0.5, view)
        t = advance(free, 0, 0.0, dx, dy, dz, view, near, far, values, table)
        start[j, i] = t
    return 0.0 if math.isnan(t) else 1.0 / max(t, 1e-9)


@_jit
def fill_plane(
    start: Array, j0: int, i0: int, size: int, bottom: int, right: int, free: float, view: View,
    near: Array, far: Array, values: NDArray[np.float32], table: Array,
) -> bool:  # fmt: skip
    """Fill a square whose 1 / t is bilinear, as that of a plane is; whether it was."""
    rows, columns = start.shape
    j1, i1 = min(j0 + size, rows - 1), min(i0 + size, columns - 1)
    if j1 - j0 < 2 or i1 - i0 < 2:
        return False
    a = inverse(start, j0, i0, free, view, near, far, values, table)
    b = inverse(start, j0, i1, free, view, near, far, values, table)
    c = inverse(start, j1, i0, free, view, near, far, values, table)
    d = inverse(start, j1, i1, free, view, near, far, values, table)
    sky = a == 0.0
    if (b == 0.0) != sky or (c == 0.0) != sky or (d == 0.0) != sky or (sky and size > 4):
        return False
    width, height = i1 - i0, j1 - j0
    slack = SLACK_PX * 0.5 * (abs(b + d - a - c) / width + abs(c + d - a - b) / height) + 1e-5 * (
        a + b + c + d
    )
    for probe in range(5):  # middles of the edges, then of the square
        j = j0 + (height // 2 if probe in (1, 2, 4) else height * (probe // 3))
        i = i0 + (width // 2 if probe in (0, 3, 4) else width * (probe // 2))
        w = inverse(start, j, i, free, view, near, far, values, table)
        fj, fi = (j - j0) / height, (i - i0) / width
        plane = (a * (1.0 - fi) + b * fi) * (1.0 - fj) + (c * (1.0 - fi) + d * fi) * fj
        if (w == 0.0) != sky or abs(w - plane) > slack:
            return False
    for j in range(j0, min(j0 + size, bottom)):
        fj = (j - j0) / height
        first, last = a + (c - a) * fj, b + (d - b) * fj
        for i in range(i0, min(i0 + size, right)):
            if start[j, i] == UNSET:
                w = first + (last - first) * (i - i0) / width
                start[j, i] = np.nan if sky else 1.0 / w
    return True


@_jit
def fill(
    start: Array, left: int, top: int, right: int, bottom: int, size: int, free: float, view: View,
    near: Array, far: Array, values: NDArray[np.float32], table: Array,
) -> None:  # fmt: skip
    """Fill a rectangle of pixels square by square; squares that are no plane in four, down to pixels."""
    todo = np.empty((256, 3), np.int64)  # row, column, size
    for j0 in range(top, bottom, size):
        for i0 in range(left, right, size):
            count = 1
            todo[0, 0], todo[0, 1], todo[0, 2] = j0, i0, size
            while count > 0:
                count -= 1
                j, i, n = todo[count, 0], todo[count, 1], todo[count, 2]
                if j >= bottom or i >= right:
                    continue
                if n > 2:
                    if fill_plane(start, j, i, n, bottom, right, free, view, near, far, values, table):
                        continue
                    n //= 2
                    for quarter in range(4):
                        todo[count, 0] = j + n * (quarter >> 1)
                        todo[count, 1] = i + n * (quarter & 1)
                        todo[count, 2] = n
                        count += 1
                    continue
                for b in range(j, min(j + n, bottom)):
                    for a in range(i, min(i + n, right)):
                        inverse(start, b, a, free, view, near, far, values, table)


@_jit
def march(
    start: Array, view: View, near: Array, far: Array, values: NDArray[np.float32], table: Array
) -> bool:
    """Fill `start`; false when the camera is below the ground."""
    rows, columns = start.shape
    x, y, height, _rate = place(0.0, 0.0, 0.0, 0.0, 0.0, view)
    x, y, height, _rate = place(0.0, 0.0, 0.0, 0.0, height, view)
    if height <= ground(x, y, view, near, far):
        return False
    for top in range(0, rows, BEAM_PX):
        for left in range(0, columns, BEAM_PX):
            bottom, right = min(top + BEAM_PX, rows), min(left + BEAM_PX, columns)
            # one pixel more, for the corners shared with the next squares
            free = beam(0.0, left, top, right + 1, bottom + 1, view, near, far, values, table)
            if math.isnan(free):
                start[top:bottom, left:right] = np.nan
                continue
            fill(start, left, top, right, bottom, SQUARE_PX, free, view, near, far, values, table)
    return True


@_jit
def march_parts(
    parts: Array, pixels: NDArray[np.int64], samples: int, view: View, near: Array, far: Array,
    values: NDArray[np.float32], table: Array,
) -> None:  # fmt: skip
    for k in range(pixels.shape[0]):
        j, i = pixels[k, 0], pixels[k, 1]
        free = beam(0.0, i, j, i + 1, j + 1, view, near, far, values, table)
        for part in range(samples * samples):
            if math.isnan(free):
                parts[k, part] = np.nan
                continue
            u, v = i + (part % samples + 0.5) / samples, j + (part // samples + 0.5) / samples
            dx, dy, dz, _ = ray(u, v, view)
            parts[k, part] = advance(free, 0, 0.0, dx, dy, dz, view, near, far, values, table)


@_jit
def mark_edges(start: Array, edges: NDArray[np.bool_]) -> None:
    """Mark both pixels of every jump along columns: 1 / t changes evenly where the land goes on."""
    rows, columns = start.shape
    for i in range(columns):
        for j in range(rows - 1):
            here, there = start[j, i], start[j + 1, i]
            if math.isnan(here) and math.isnan(there):
                continue
            if math.isnan(here) != math.isnan(there):
                edges[j, i] = edges[j + 1, i] = True
                continue
            jump = abs(1.0 / here - 1.0 / there)
            if jump < 0.05 / min(here, there):
                continue
            before = abs(1.0 / start[j - 1, i] - 1.0 / here) if j > 0 else 0.0
            after = abs(1.0 / there - 1.0 / start[j + 2, i]) if j + 2 < rows else 0.0
            if not jump < 3.0 * max(before, after):
                edges[j, i] = edges[j + 1, i] = True
