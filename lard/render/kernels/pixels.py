"""Pixels met with the surface one by one, with more samples at skylines and on far runways."""

import numpy as np

from lard.render.kernels.air import sky_point, through_air
from lard.render.kernels.footprint import footprint, see
from lard.render.kernels.lattice import kind_at
from lard.render.kernels.layout import ADD, CHANGE, CLEAR, DOWN, EDGE, Array, View, W, X, Y, jit
from lard.render.kernels.rays import intersect, ray


@jit
def exact_pixel(
    j: int, i: int, size: float, share: float, du: float, dv: float, band: int, out: Array, keep: bool,
    sampling: bool, s: Array, raw: Array, point: Array, view: View, heights: Array, far: Array,
    start: Array, texels: Array, blocks: Array, table: Array, ground: Array, sky: Array, air: Array,
    shade: Array, shade_frame: Array,
) -> bool:  # fmt: skip
    """Add `share` of the colour of one pixel's part met exactly; whether all blocks were there."""
    place = 3 * ((j - band) * view.width_px + i)
    u, v = i + 0.5 + du, j + 0.5 + dv
    dx, dy, dz, norm = ray(u, v, view)
    guess = start[j, i] if start.shape[0] > 0 else 0.0
    if guess <= EDGE:  # parts of a pixel at a terrain's edge: each has its own
        parts = int(1.0 / size + 0.5)
        at = int(EDGE - guess) * parts * parts + int((dv + 0.5) * parts) * parts + int((du + 0.5) * parts)
        guess = start[view.height_px + at // start.shape[1], at % start.shape[1]]
    t, x, y, height, slope_x, slope_y = intersect(dx, dy, dz, guess, view, heights, far)
    if t <= 0.0:
        sky_point(dx, dy, dz, norm, view, sky, air, point)
        if sampling:
            for c in range(3):
                value = np.float32(share * point[ADD + c])
                out[place + c] = out[place + c] + value if keep else value
        return True
    through_air(t * norm, height, dx, dy, view, sky, air, point)
    # derivative of the ground point with respect to u and v: t (d_u - d (n d_u) / (n d))
    ux, uy, uz, _ = ray(u + 0.5, v, view)
    vx, vy, vz, _ = ray(u, v + 0.5, view)
    ux, uy, uz = 2.0 * (ux - dx), 2.0 * (uy - dy), 2.0 * (uz - dz)
    vx, vy, vz = 2.0 * (vx - dx), 2.0 * (vy - dy), 2.0 * (vz - dz)
    fall = min(dz - slope_x * dx - slope_y * dy, -1e-9)
    lift_u, lift_v = (uz - slope_x * ux - slope_y * uy) / fall, (vz - slope_x * vx - slope_y * vy) / fall
    s[:] = 0.0
    s[W], s[X], s[Y], s[CLEAR] = 1.0 / t, x / t, y / t, point[CLEAR]
    s[CHANGE + X], s[CHANGE + Y] = ux - dx * lift_u, uy - dy * lift_u
    s[DOWN + X], s[DOWN + Y] = vx - dx * lift_v, vy - dy * lift_v
    for c in range(3):
        s[ADD + c] = point[ADD + c]
    return see(
        s, footprint(s, 0.0, size), out, place, 1, share, keep, sampling, raw, view, texels, blocks,
        table, ground, air, shade, shade_frame,
    )  # fmt: skip


@jit
def fill_exactly(
    j0: int, i0: int, size: int, band: int, count: int, out: Array, sampling: bool, s: Array, raw: Array,
    point: Array, kinds: Array, view: View, heights: Array, far: Array, start: Array, strips: Array,
    texels: Array, blocks: Array, table: Array, ground: Array, sky: Array, air: Array, shade: Array,
    shade_frame: Array,
) -> bool:  # fmt: skip
    """Colours of a square of pixels met one by one; those at a skyline and far runways are supersampled."""
    columns = min(size, view.width_px - i0)
    rows = min(size, view.height_px - j0)
    for j in range(size + 2):
        for i in range(size + 2):
            kinds[j, i] = kind_at(i0 + i - 0.5, j0 + j - 0.5, view, heights, far, start, strips)
    whole = True
    for j in range(rows):
        for i in range(columns):
            parts = 1
            kind = kinds[j + 1, i + 1]
            seen = min(kind, 1)
            if kind == 2 or seen != min(kinds[j, i + 1], 1) or seen != min(kinds[j + 2, i + 1], 1):
                parts = count
            if seen != min(kinds[j + 1, i], 1) or seen != min(kinds[j + 1, i + 2], 1):
                parts = count
            if start.shape[0] > 0 and start[j0 + j, i0 + i] <= EDGE:
                parts = count
            part = 1.0 / parts
            for b in range(parts):
                for a in range(parts):
                    whole &= exact_pixel(
                        j0 + j, i0 + i, part, part * part, (a + 0.5) * part - 0.5, (b + 0.5) * part - 0.5,
                        band, out, a + b > 0, sampling, s, raw, point, view, heights, far, start, texels,
                        blocks, table, ground, sky, air, shade, shade_frame,
                    )  # fmt: skip
    return whole
