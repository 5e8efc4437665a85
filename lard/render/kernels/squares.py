"""Squares of pixels that see a plane, or the sky, filled at once."""

import numpy as np

from lard.render.kernels.footprint import footprint, footprints, see
from lard.render.kernels.lattice import in_zone, plane_of, row_of
from lard.render.kernels.layout import ADD, CHANGE, KIND, Array, View, W, X, Y, jit

FINE_TEXELS = 0.75  # runway pixels whose short axis spans more of the finest texels are supersampled


@jit
def fill_square(
    points: Array, pj: int, pi: int, step: int, j0: int, i0: int, size: int, band: int, zone: bool,
    count: int, out: Array, sampling: bool, s: Array, raw: Array, view: View, strips: Array, texels: Array,
    blocks: Array, table: Array, ground: Array, air: Array, shade: Array, shade_frame: Array, plane: Array,
    prints: Array,
) -> bool:  # fmt: skip
    """Colours of a square of pixels between four lattice points; whether all blocks were there."""
    columns = min(size, view.width_px - i0)
    rows = min(size, view.height_px - j0)
    whole = True
    plane_of(points, pj, pi, step, size, plane)
    if points[pj, pi, KIND] == 0.0:
        if sampling:
            for j in range(rows):
                row_of(plane, float(j), 0.0, size, s)
                line = 3 * ((j0 - band + j) * view.width_px + i0)
                red, green, blue = s[ADD], s[ADD + 1], s[ADD + 2]
                red_1, green_1, blue_1 = s[CHANGE + ADD], s[CHANGE + ADD + 1], s[CHANGE + ADD + 2]
                for i in range(columns):
                    at = np.uintp(line + 3 * i)
                    out[at] = np.float32(red + i * red_1)
                    out[at + np.uintp(1)] = np.float32(green + i * green_1)
                    out[at + np.uintp(2)] = np.float32(blue + i * blue_1)
        return True
    footprints(plane, size, 0.5 * (columns - 1), rows, prints)
    for j in range(rows):
        row_of(plane, float(j), 0.0, size, s)
        line = 3 * (j0 - band + j) * view.width_px
        begin, end = columns, columns
        if zone and count > 1:
            _, _, _, _, _, minor = footprint(s, 0.5 * columns, 1.0)
            if minor > FINE_TEXELS * table[0, 0]:
                for i in range(columns):
                    t = 1.0 / (s[W] + i * s[CHANGE + W])
                    x, y = (s[X] + i * s[CHANGE + X]) * t, (s[Y] + i * s[CHANGE + Y]) * t
                    if in_zone(x, y, strips, view.zone_margin_m):
                        begin, end = min(begin, i), i + 1
                end = max(end if begin < columns else columns, begin)
        part = 1.0 / count
        inner = count * count if begin < end else 0
        for job in range(2 + inner):
            # the pixels before and after those to be supersampled, then each of their samples
            left, right, size_px, share = 0, begin, 1.0, 1.0
            dy, dx = 0.0, 0.0
            if job == 1:
                left, right = end, columns
            elif job > 1:
                left, right, size_px, share = begin, end, part, part * part
                dy = ((job - 2) // count + 0.5) * part - 0.5
                dx = ((job - 2) % count + 0.5) * part - 0.5
            if left < right:
                if job > 0:
                    row_of(plane, j + dy, left + dx, size, s)
                if right - left == columns and job == 0:
                    seen = (
                        prints[0, j], prints[1, j], prints[2, j], prints[3, j], prints[4, j], prints[5, j]
                    )  # fmt: skip
                else:
                    seen = footprint(s, 0.5 * (right - left - 1), size_px)
                whole &= see(
                    s, seen, out, line + 3 * (i0 + left), right - left, share, job > 2, sampling,
                    raw, view, texels, blocks, table, ground, air, shade, shade_frame,
                )  # fmt: skip
    return whole
