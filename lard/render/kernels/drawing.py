"""Tiles of a picture, divided until they are planes, and bands of tiles."""

import numpy as np

from lard.render.kernels.film import develop
from lard.render.kernels.lattice import TOLERANCE_PX, ZONE_TOLERANCE_PX, fits, meet, touches_zone
from lard.render.kernels.layout import (
    CELL,
    CHANGE,
    CLEAR,
    POINT_SIZE,
    RAW_ROWS,
    SPAN_SIZE,
    TILE,
    Array,
    View,
    jit,
    maker,
)
from lard.render.kernels.pixels import fill_exactly
from lard.render.kernels.squares import fill_square


@jit
def fill_tile(
    lattice: Array, j0: int, ti: int, count: int, out: Array, sampling: bool, s: Array, raw: Array,
    inner: Array, known: Array, stack: Array, point: Array, kinds: Array, plane: Array, prints: Array,
    view: View, heights: Array, far: Array, start: Array, strips: Array, texels: Array, blocks: Array,
    table: Array, ground: Array, sky: Array, air: Array, shade: Array, shade_frame: Array,
) -> bool:  # fmt: skip
    """Colours of one tile, in squares as large as the surface allows, down to pixels one by one."""
    i0 = ti * TILE
    last = TILE // CELL
    for b in range(2):
        for a in range(2):
            for c in range(POINT_SIZE):
                inner[b * last, a * last, c] = lattice[b, ti + a, c]
    known[:] = False
    known[0, 0] = known[0, last] = known[last, 0] = known[last, last] = True
    stack[0, 0], stack[0, 1], stack[0, 2] = 0, 0, last
    waiting = 1
    whole = True
    while waiting > 0:
        waiting -= 1
        b, a, step = stack[waiting, 0], stack[waiting, 1], stack[waiting, 2]
        j, i, size = j0 + CELL * b, i0 + CELL * a, CELL * step
        if j >= view.height_px or i >= view.width_px:
            continue
        for k in range(5):
            d, c = b + (k // 2) * step, a + (k % 2) * step
            if k == 4:
                d, c = b + step // 2, a + step // 2
                if step == 1:
                    break
            if not known[d, c]:
                known[d, c] = True
                meet(
                    i0 + CELL * c + 0.5, j0 + CELL * d + 0.5, view, heights, far, start, sky, air, inner[d, c]
                )
        if step == 1:
            half = 0.5 * CELL + 0.5
            meet(i + half, j + half, view, heights, far, start, sky, air, point)
        else:
            for c in range(POINT_SIZE):
                point[c] = inner[b + step // 2, a + step // 2, c]
        zone = touches_zone(inner, b, a, step, strips, view.zone_margin_m)
        tolerance = ZONE_TOLERANCE_PX if zone else TOLERANCE_PX / max(point[CLEAR], 0.05)
        if fits(inner, b, a, step, size, point, tolerance, j, i, start):
            whole &= fill_square(
                inner, b, a, step, j, i, size, j0, zone, count, out, sampling, s, raw, view, strips, texels,
                blocks, table, ground, air, shade, shade_frame, plane, prints,
            )  # fmt: skip
        elif step == 1:
            whole &= fill_exactly(
                j, i, size, j0, count, out, sampling, s, raw, point, kinds, view, heights, far, start,
                strips, texels, blocks, table, ground, sky, air, shade, shade_frame,
            )  # fmt: skip
        else:
            half = step // 2
            for k in range(4):
                stack[waiting, 0], stack[waiting, 1] = b + (1 - k // 2) * half, a + (1 - k % 2) * half
                stack[waiting, 2] = half
                waiting += 1
    return whole


@maker
def draw(
    first_band: int, image: Array, colours: Array, gain: float, sigma: float, key: Array, count: int,
    view: View, heights: Array, far: Array, start: Array, strips: Array, texels: Array, blocks: Array,
    table: Array, ground: Array, sky: Array, air: Array, shade: Array, shade_frame: Array,
) -> int:  # fmt: skip
    """Draw bands of TILE rows from first_band on; the first band that lacks blocks, or the number of bands.

    Finished bands go to `colours` (height, width, 3) when it has a size, otherwise developed to `image`.
    After the first lack, the rest is only searched for what else to read.
    """
    width, height = view.width_px, view.height_px
    across, bands = (width + TILE - 1) // TILE, (height + TILE - 1) // TILE
    lattice = np.empty((2, across + 1, POINT_SIZE))
    cells = TILE // CELL + 1
    inner, known = np.empty((cells, cells, POINT_SIZE)), np.empty((cells, cells), np.bool_)
    stack, plane = np.empty((16, 3), np.int64), np.empty((4, CHANGE))
    point, s, raw = np.empty(POINT_SIZE), np.empty(SPAN_SIZE), np.empty((RAW_ROWS, TILE))
    kinds, prints = np.empty((CELL + 2, CELL + 2), np.int64), np.empty((6, TILE))
    keep = colours.shape[0] > 0
    flat = colours.reshape(-1)
    scratch = np.empty(0 if keep else 3 * TILE * width, np.float32)
    lacking = bands
    for band in range(first_band, bands):
        for b in range(2):
            if b == 0 and band > first_band:
                lattice[0] = lattice[1]
                continue
            for i in range(across + 1):
                meet(
                    i * TILE + 0.5,
                    (band + b) * TILE + 0.5,
                    view,
                    heights,
                    far,
                    start,
                    sky,
                    air,
                    lattice[b, i],
                )
        out = flat[3 * band * TILE * width :] if keep else scratch
        whole = True
        for i in range(across):
            whole &= fill_tile(
                lattice, band * TILE, i, count, out, lacking == bands and whole, s, raw, inner, known,
                stack, point, kinds, plane, prints, view, heights, far, start, strips, texels, blocks, table,
                ground, sky, air, shade, shade_frame,
            )  # fmt: skip
        if not whole:
            lacking = min(lacking, band)
        elif lacking == bands and not keep:
            rows = min(TILE, height - band * TILE)
            develop(
                scratch.reshape(TILE, width, 3)[:rows],
                band * TILE,
                gain,
                sigma,
                key,
                image[band * TILE : band * TILE + rows],
            )
    return lacking
