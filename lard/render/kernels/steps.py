"""One ray, or a widening beam, stepping over terrain to its first crossing with it.

The surface's posts are kept as a pyramid of greatest heights. A ray steps as far as it provably stays above
the greatest height around it, on the coarsest level that allows it, and is followed cell by cell only near
the ground; the crossing is then bracketed. Heights are those above the curved ellipsoid.
"""

import math

import numpy as np
from numpy.typing import NDArray

from lard.compiled import compiled
from lard.render.kernels.layout import Array, View
from lard.render.kernels.rays import drop_and_tilt, height_at, shell_depth, to_map
from lard.render.summits import LEVELS_NEAR

_LONGEST_M = 150_000.0

_jit = compiled(nogil=True)


@_jit
def place(
    t: float, dx: float, dy: float, dz: float, guess: float, view: View
) -> tuple[float, float, float, float]:
    """Map coordinates, height above the ellipsoid and its rate in t, of a point of a ray.

    guess: its height roughly; 100 m of error move the result by millimetres.
    """
    e, n, x, y = to_map(view.camera_m[0] + t * dx, view.camera_m[1] + t * dy, guess, view)
    drop, tilt = drop_and_tilt(e, n, view)
    height = (view.camera_m[2] + t * dz - drop) / tilt
    return x, y, height, dz + e / view.prime_m * dx + n / view.meridian_m * dy


@_jit
def ground(x: float, y: float, view: View, near: Array, far: Array) -> float:
    """Height of the surface at map coordinates."""
    return height_at(x, y, view, near, far)[0]


@_jit
def highest(level: int, x: float, y: float, values: NDArray[np.float32], table: Array) -> float:
    """Greatest height within one cell of a level around a map point; NaN outside its grid."""
    columns, rows = int(table[level, 3]), int(table[level, 4])
    gx, gy = (x - table[level, 0]) / table[level, 2], (y - table[level, 1]) / table[level, 2]
    if not (gx >= 0.0 and gy >= 0.0 and gx < columns and gy < rows):
        return np.nan
    return values[int(table[level, 5]) + int(gy) * columns + int(gx)]


@_jit
def to_edge(gx: float, gy: float, rate_x: float, rate_y: float) -> float:
    """Ray parameter from a place in a grid, in cells, to just beyond the edge of its cell."""
    step = 1e9
    if rate_x != 0.0:
        step = (math.floor(gx) + (1.0005 if rate_x > 0.0 else -0.0005) - gx) / rate_x
    if rate_y != 0.0:
        step = min(step, (math.floor(gy) + (1.0005 if rate_y > 0.0 else -0.0005) - gy) / rate_y)
    return step


@_jit
def bracket(
    t0: float, gap0: float, t1: float, gap1: float, guess: float, dx: float, dy: float, dz: float,
    view: View, near: Array, far: Array,
) -> float:  # fmt: skip
    """Crossing between a point above and one below the ground (Illinois variant of false position)."""
    tolerance = 5e-4 / max(view.fx_px, view.fy_px)
    side = 0
    for _ in range(40):
        t = (t0 * gap1 - t1 * gap0) / (gap1 - gap0)
        x, y, height, _rate = place(t, dx, dy, dz, guess, view)
        gap = height - ground(x, y, view, near, far)
        if abs(gap) < tolerance * t or abs(t1 - t0) < 1e-9 * t:
            return t
        if gap > 0.0:
            t0, gap0 = t, gap
            if side == 1:
                gap1 *= 0.5
            side = 1
        else:
            t1, gap1 = t, gap
            if side == -1:
                gap0 *= 0.5
            side = -1
    return t0


@_jit
def advance(
    t: float, level: int, width: float, dx: float, dy: float, dz: float, view: View, near: Array,
    far: Array, values: NDArray[np.float32], table: Array,
) -> float:  # fmt: skip
    """Follow a ray from t to its first crossing, a beam (half width `width` at t = 1) to where it may touch.

    NaN: the ray or the whole beam goes to the sky. level: where to begin looking for free steps.
    """
    flat = max(math.sqrt(dx * dx + dy * dy), 1e-9)
    levels = table.shape[0]
    guess = max(view.z_far_m, 0.0)
    x, y, height, rate = place(t, dx, dy, dz, guess, view)
    x, y, height, rate = place(t, dx, dy, dz, height, view)
    bend = flat * flat / view.prime_m
    for _ in range(20000):
        spread = width * t
        if height - spread > view.top_m and rate - width >= 0.0:
            return np.nan
        x_margin = 4.0 * view.near_step_m
        inside_near = (
            abs(x - table[0, 0] - 0.5 * table[0, 2] * table[0, 3])
            < 0.5 * table[0, 2] * table[0, 3] - x_margin
            and abs(y - table[0, 1] - 0.5 * table[0, 2] * table[0, 4])
            < 0.5 * table[0, 2] * table[0, 4] - x_margin
        )
        lowest = 0 if inside_near else LEVELS_NEAR
        if level < lowest:
            level = lowest
        # the longest provably free step, on the coarsest level that gives one
        step, moved = 0.0, False
        while True:
            cell = table[level, 2]
            summit = highest(level, x, y, values, table)
            if math.isnan(summit):
                if level >= LEVELS_NEAR:
                    break
                level += 1
                continue
            room = cell * 0.98 - spread
            if room > 0.25 * cell:
                free = room / (flat + width)
                clear = height - spread - summit
                if clear > 0.0:
                    down = rate - width
                    if down < 0.0:
                        # the earth curves away under the ray: height >= height + rate s + bend s^2 / 2.2
                        inner = down * down - 1.8 * bend * clear
                        reach = free if inner <= 0.0 else 2.0 * clear / (-down + math.sqrt(inner))
                        step = min(free, reach)
                    else:
                        step = free
                    if step >= 0.4 * free or level == lowest:
                        moved = step > 0.1 * free or width > 0.0
                        break
            if level == lowest:
                break
            level -= 1
        if math.isnan(highest(levels - 1, x, y, values, table)):
            # beyond the grids: the smooth earth, or the grids are still ahead
            shell = shell_depth(dx, dy, dz, view)
            middle_x = table[levels - 1, 0] + 0.5 * (table[LEVELS_NEAR, 2] * table[LEVELS_NEAR, 3])
            middle_y = table[levels - 1, 1] + 0.5 * (table[LEVELS_NEAR, 2] * table[LEVELS_NEAR, 4])
            if (x - middle_x) * dx + (y - middle_y) * dy >= 0.0 or width > 0.0:
                if width > 0.0:
                    return t
                return max(shell, t) if not math.isnan(shell) and shell > 0.9 * t else np.nan
            if not math.isnan(shell) and shell < t:
                return shell
            step, moved = 0.5 * table[levels - 1, 2] / flat, True
        elif width > 0.0 and (not moved or step < 1e-3 * t):
            return t
        if moved:
            t += step
            if flat * t > _LONGEST_M and rate > 0.0:
                return np.nan
            x, y, height, rate = place(t, dx, dy, dz, height, view)
            level = min(level + 1, levels - 1)
            continue
        # near the ground: cell by cell; within one the gap is a parabola, known from three of its values
        t0, gap0 = t, height - ground(x, y, view, near, far)
        if gap0 <= 0.0:
            return t
        g = 0 if inside_near else LEVELS_NEAR
        step = to_edge(
            (x - table[g, 0]) / table[g, 2],
            (y - table[g, 1]) / table[g, 2],
            dx / table[g, 2],
            dy / table[g, 2],
        )
        if rate < 0.0:  # a steep ray need not run on to the edge
            step = min(step, max(1.5 * gap0 / -rate, 1e-3 * t))
        t = t0 + step
        x, y, height, rate = place(t, dx, dy, dz, height, view)
        gap = height - ground(x, y, view, near, far)
        if gap <= 0.0:
            return bracket(t0, gap0, t, gap, height, dx, dy, dz, view, near, far)
        if min(gap0, gap) < 0.5 * table[lowest, 2]:
            xm, ym, middle, _rate = place(t0 + 0.5 * step, dx, dy, dz, height, view)
            gap_m = middle - ground(xm, ym, view, near, far)
            if gap_m > 0.0:
                first, second = 4.0 * gap_m - 3.0 * gap0 - gap, 2.0 * (gap0 + gap) - 4.0 * gap_m
                if first >= 0.0 or second <= 0.0 or -first >= 2.0 * second:
                    continue
                t_m = t0 - 0.5 * step * first / second
                xm, ym, middle, _rate = place(t_m, dx, dy, dz, height, view)
                gap_m = middle - ground(xm, ym, view, near, far)
            else:
                t_m = t0 + 0.5 * step
            if gap_m <= 0.0:
                return bracket(t0, gap0, t_m, gap_m, middle, dx, dy, dz, view, near, far)
    return t
