"""Where rays meet terrain: the first crossing of every pixel's ray with a surface, hills in front included.

The surface's posts are kept as a pyramid of greatest heights. A ray steps as far as it provably stays above
the greatest height around it, on the coarsest level that allows it, and is followed cell by cell only near
the ground; the crossing is then bracketed. Heights are those above the curved ellipsoid, as in the kernel.
Squares of pixels march together first, as a widening beam, so that single rays start close to the ground.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lard.imagery import renderer_kernel as kernel
from lard.imagery.ground.terrain import Surface
from lard.imagery.terrain_summits import LEVELS_NEAR, Summits, summits_of

Array = NDArray[np.float64]

BEAM_PX, FINE_BEAM_PX = 32, 4
_LONGEST_M = 150_000.0

# places in the scene vector of this module
_FX, _FY, _CX, _CY, _CAMERA, _ROTATION, _SHELL, _MATRIX = 0, 1, 2, 3, 4, 7, 16, 20
_DROP, _PRIME, _MERIDIAN, _POLYNOMIAL, _Z_FAR = 26, 31, 32, 33, 40
_NEAR, _FAR = 41, 44  # x_min, y_min, step of either grid
_TOP = 47  # greatest height of all
_DISTORTION = 48
_SIZE = 51


def march(view: Array, surface: Surface, samples: int = 1, wanted: NDArray[np.bool_] | None = None) -> Array:
    """Ray parameters (height * samples, width * samples) where rays first meet the surface; NaN: sky.

    view: as the renderer's kernels take it. A ray is camera + t d with d of depth 1 along the optical axis,
    so t is the depth. samples: rays per side of a pixel, through the middles of its parts; wanted: pixels
    (height, width) to march, all by default, the others stay NaN.
    """
    summits = summits_of(surface)
    width, height = int(view[kernel.WIDTH_PX]), int(view[kernel.HEIGHT_PX])
    scene = _scene(view, surface, summits)
    start = np.full((height * samples, width * samples), np.nan)
    chosen = np.ones((height, width), np.bool_) if wanted is None else wanted
    _march(
        start, chosen, samples, scene, surface.height_m, surface.far_height_m, summits.values, summits.table
    )
    return start


def _scene(view: Array, surface: Surface, summits: Summits) -> Array:
    """The view in this module's layout: its compiled code must not depend on that of the kernel."""
    scene = np.zeros(_SIZE)
    for here, there, count in (
        (_FX, kernel.FX, 1), (_FY, kernel.FY, 1), (_CX, kernel.CX, 1), (_CY, kernel.CY, 1),
        (_CAMERA, kernel.CAMERA, 3), (_ROTATION, kernel.ROTATION, 9), (_SHELL, kernel.SHELL, 4),
        (_MATRIX, kernel.SHELL_MATRIX, 6), (_DROP, kernel.DROP, 5), (_PRIME, kernel.PRIME, 1),
        (_MERIDIAN, kernel.MERIDIAN, 1), (_POLYNOMIAL, kernel.POLYNOMIAL, 7), (_Z_FAR, kernel.Z_FAR, 1),
        (_DISTORTION, kernel.K1, 1), (_DISTORTION + 1, kernel.K2, 1), (_DISTORTION + 2, kernel.K3, 1),
    ):  # fmt: skip
        scene[here : here + count] = view[there : there + count]
    scene[_NEAR : _NEAR + 3] = surface.x_min_m, surface.y_min_m, surface.step_m
    scene[_FAR : _FAR + 3] = surface.far_x_min_m, surface.far_y_min_m, surface.far_step_m
    scene[_TOP] = max(summits.top_m, surface.z_far_m)
    return scene


@njit(cache=True, nogil=True)
def _grid_height(heights: Array, x_min: float, y_min: float, step: float, x: float, y: float) -> float:
    """Bilinear height of a grid; NaN outside."""
    rows, columns = heights.shape
    if rows == 0:
        return np.nan
    gx, gy = (x - x_min) / step, (y - y_min) / step
    if not (gx >= 0.0 and gy >= 0.0 and gx < columns - 1 and gy < rows - 1):
        return np.nan
    i, j = int(gx), int(gy)
    fx, fy = gx - i, gy - j
    low = heights[j, i] + (heights[j, i + 1] - heights[j, i]) * fx
    high = heights[j + 1, i] + (heights[j + 1, i + 1] - heights[j + 1, i]) * fx
    return low + (high - low) * fy


@njit(cache=True, nogil=True)
def _place(
    t: float, dx: float, dy: float, dz: float, guess: float, scene: Array
) -> tuple[float, float, float, float]:
    """Map coordinates, height above the ellipsoid and its rate in t, of a point of a ray.

    guess: its height roughly; 100 m of error move the result by millimetres.
    """
    east, north = scene[_CAMERA] + t * dx, scene[_CAMERA + 1] + t * dy
    e, n = east / (1.0 + guess / scene[_PRIME]), north / (1.0 + guess / scene[_MERIDIAN])
    c = scene[_DROP] * e * e + scene[_DROP + 1] * n * n
    half = scene[_DROP + 3] + scene[_DROP + 4] * n
    drop = -c / (half + math.sqrt(half * half - scene[_DROP + 2] * c))
    tilt = 1.0 - 0.5 * ((e / scene[_PRIME]) ** 2 + (n / scene[_MERIDIAN]) ** 2)
    height = (scene[_CAMERA + 2] + t * dz - drop) / tilt
    p = _POLYNOMIAL
    x = e * (scene[p] + n * (scene[p + 1] + n * scene[p + 2]))
    y = n * (scene[p + 3] + n * scene[p + 4]) + e * e * (scene[p + 5] + n * scene[p + 6])
    return x, y, height, dz + e / scene[_PRIME] * dx + n / scene[_MERIDIAN] * dy


@njit(cache=True, nogil=True)
def _ground(x: float, y: float, scene: Array, near: Array, far: Array) -> float:
    height = _grid_height(near, scene[_NEAR], scene[_NEAR + 1], scene[_NEAR + 2], x, y)
    if math.isnan(height):
        height = _grid_height(far, scene[_FAR], scene[_FAR + 1], scene[_FAR + 2], x, y)
    return scene[_Z_FAR] if math.isnan(height) else height


@njit(cache=True, nogil=True)
def _summit(level: int, x: float, y: float, values: NDArray[np.float32], table: Array) -> float:
    """Greatest height within one cell of a level around a map point; NaN outside its grid."""
    columns, rows = int(table[level, 3]), int(table[level, 4])
    gx, gy = (x - table[level, 0]) / table[level, 2], (y - table[level, 1]) / table[level, 2]
    if not (gx >= 0.0 and gy >= 0.0 and gx < columns and gy < rows):
        return np.nan
    return values[int(table[level, 5]) + int(gy) * columns + int(gx)]


@njit(cache=True, nogil=True)
def _shell(dx: float, dy: float, dz: float, scene: Array) -> float:
    """Ray parameter where a ray meets the ellipsoid at z_far; NaN when it does not."""
    s, m = _SHELL, _MATRIX
    beta = dx * scene[s] + dy * scene[s + 1] + dz * scene[s + 2]
    if beta >= 0.0:
        return np.nan
    alpha = (
        dx * (scene[m] * dx + 2.0 * (scene[m + 1] * dy + scene[m + 2] * dz))
        + dy * (scene[m + 3] * dy + 2.0 * scene[m + 4] * dz)
        + scene[m + 5] * dz * dz
    )
    disc = beta * beta - alpha * scene[s + 3]
    return np.nan if disc < 0.0 else scene[s + 3] / (math.sqrt(disc) - beta)


@njit(cache=True, nogil=True)
def _advance(
    t: float, level: int, width: float, dx: float, dy: float, dz: float, scene: Array, near: Array,
    far: Array, values: NDArray[np.float32], table: Array,
) -> float:  # fmt: skip
    """Follow a ray from t to its first crossing, a beam (half width `width` at t = 1) to where it may touch.

    NaN: the ray or the whole beam goes to the sky. level: where to begin looking for free steps.
    """
    flat = max(math.sqrt(dx * dx + dy * dy), 1e-9)
    levels = table.shape[0]
    guess = max(scene[_Z_FAR], 0.0)
    x, y, height, rate = _place(t, dx, dy, dz, guess, scene)
    x, y, height, rate = _place(t, dx, dy, dz, height, scene)
    bend = flat * flat / scene[_PRIME]
    for _ in range(20000):
        spread = width * t
        if height - spread > scene[_TOP] and rate - width >= 0.0:
            return np.nan
        x_margin = 4.0 * scene[_NEAR + 2]
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
            summit = _summit(level, x, y, values, table)
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
        if math.isnan(_summit(levels - 1, x, y, values, table)):
            # beyond the grids: the smooth earth, or the grids are still ahead
            shell = _shell(dx, dy, dz, scene)
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
            x, y, height, rate = _place(t, dx, dy, dz, height, scene)
            level = min(level + 1, levels - 1)
            continue
        # near the ground: cell by cell; within one the gap is a parabola, known from three of its values
        t0, gap0 = t, height - _ground(x, y, scene, near, far)
        if gap0 <= 0.0:
            return t
        g = 0 if inside_near else LEVELS_NEAR
        step = _to_edge(
            (x - table[g, 0]) / table[g, 2],
            (y - table[g, 1]) / table[g, 2],
            dx / table[g, 2],
            dy / table[g, 2],
        )
        if rate < 0.0:  # a steep ray need not run on to the edge
            step = min(step, max(1.5 * gap0 / -rate, 1e-3 * t))
        t = t0 + step
        x, y, height, rate = _place(t, dx, dy, dz, height, scene)
        gap = height - _ground(x, y, scene, near, far)
        if gap <= 0.0:
            return _bracket(t0, gap0, t, gap, height, dx, dy, dz, scene, near, far)
        if min(gap0, gap) < 0.5 * table[lowest, 2]:
            xm, ym, middle, _rate = _place(t0 + 0.5 * step, dx, dy, dz, height, scene)
            gap_m = middle - _ground(xm, ym, scene, near, far)
            if gap_m > 0.0:
                first, second = 4.0 * gap_m - 3.0 * gap0 - gap, 2.0 * (gap0 + gap) - 4.0 * gap_m
                if first >= 0.0 or second <= 0.0 or -first >= 2.0 * second:
                    continue
                t_m = t0 - 0.5 * step * first / second
                xm, ym, middle, _rate = _place(t_m, dx, dy, dz, height, scene)
                gap_m = middle - _ground(xm, ym, scene, near, far)
            else:
                t_m = t0 + 0.5 * step
            if gap_m <= 0.0:
                return _bracket(t0, gap0, t_m, gap_m, middle, dx, dy, dz, scene, near, far)
    return t


@njit(cache=True, nogil=True)
def _to_edge(gx: float, gy: float, rate_x: float, rate_y: float) -> float:
    """Ray parameter from a place in a grid, in cells, to just beyond the edge of its cell."""
    step = 1e9
    if rate_x != 0.0:
        step = (math.floor(gx) + (1.0005 if rate_x > 0.0 else -0.0005) - gx) / rate_x
    if rate_y != 0.0:
        step = min(step, (math.floor(gy) + (1.0005 if rate_y > 0.0 else -0.0005) - gy) / rate_y)
    return step


@njit(cache=True, nogil=True)
def _bracket(
    t0: float, gap0: float, t1: float, gap1: float, guess: float, dx: float, dy: float, dz: float,
    scene: Array, near: Array, far: Array,
) -> float:  # fmt: skip
    """Crossing between a point above and one below the ground (Illinois variant of false position)."""
    tolerance = 5e-4 / max(scene[_FX], scene[_FY])
    side = 0
    for _ in range(40):
        t = (t0 * gap1 - t1 * gap0) / (gap1 - gap0)
        x, y, height, _rate = _place(t, dx, dy, dz, guess, scene)
        gap = height - _ground(x, y, scene, near, far)
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


@njit(cache=True, nogil=True)
def _undistorted(x: float, y: float, scene: Array) -> tuple[float, float]:
    """Normalised image coordinates without radial distortion."""
    k1, k2, k3 = scene[_DISTORTION], scene[_DISTORTION + 1], scene[_DISTORTION + 2]
    if k1 == 0.0 and k2 == 0.0 and k3 == 0.0:
        return x, y
    distorted = math.sqrt(x * x + y * y)
    if distorted == 0.0:
        return x, y
    r = distorted
    for _ in range(30):
        r2 = r * r
        value = r * (1.0 + r2 * (k1 + r2 * (k2 + r2 * k3))) - distorted
        slope = 1.0 + r2 * (3.0 * k1 + r2 * (5.0 * k2 + r2 * 7.0 * k3))
        change = value / (slope if slope > 0.05 else 0.05)
        r -= change
        if abs(change) < 1e-13:
            break
    return x * r / distorted, y * r / distorted


@njit(cache=True, nogil=True)
def _beam(
    free: float, left: int, top: int, right: int, bottom: int, scene: Array, near: Array, far: Array,
    values: NDArray[np.float32], table: Array,
) -> float:  # fmt: skip
    """Ray parameter up to which all rays through a rectangle of pixels are free; NaN: all go to the sky."""
    r = _ROTATION
    mx, my = _undistorted(
        (0.5 * (left + right) - scene[_CX]) / scene[_FX],
        (0.5 * (top + bottom) - scene[_CY]) / scene[_FY], scene,
    )  # fmt: skip
    width = 0.0
    for corner in range(4):
        cx, cy = _undistorted(
            ((left if corner & 1 else right) - scene[_CX]) / scene[_FX],
            ((top if corner & 2 else bottom) - scene[_CY]) / scene[_FY], scene,
        )  # fmt: skip
        width = max(width, math.sqrt((cx - mx) ** 2 + (cy - my) ** 2))
    dx = scene[r] * mx + scene[r + 3] * my + scene[r + 6]
    dy = scene[r + 1] * mx + scene[r + 4] * my + scene[r + 7]
    dz = scene[r + 2] * mx + scene[r + 5] * my + scene[r + 8]
    # edges of a distorted square bulge: 2 % more
    return _advance(free, table.shape[0] - 1, 1.02 * width, dx, dy, dz, scene, near, far, values, table)


@njit(cache=True, nogil=True)
def _march(
    start: Array, wanted: NDArray[np.bool_], samples: int, scene: Array, near: Array, far: Array,
    values: NDArray[np.float32], table: Array,
) -> None:  # fmt: skip
    rows, columns = wanted.shape
    for top in range(0, rows, BEAM_PX):
        for left in range(0, columns, BEAM_PX):
            bottom, right = min(top + BEAM_PX, rows), min(left + BEAM_PX, columns)
            if not _any(wanted, left, top, right, bottom):
                continue
            free = _beam(0.0, left, top, right, bottom, scene, near, far, values, table)
            if math.isnan(free):
                continue
            for j in range(top, bottom, FINE_BEAM_PX):
                for i in range(left, right, FINE_BEAM_PX):
                    j1, i1 = min(j + FINE_BEAM_PX, bottom), min(i + FINE_BEAM_PX, right)
                    if not _any(wanted, i, j, i1, j1):
                        continue
                    fine = _beam(free, i, j, i1, j1, scene, near, far, values, table)
                    if not math.isnan(fine):
                        _rays(start, wanted, samples, fine, i, j, i1, j1, scene, near, far, values, table)


@njit(cache=True, nogil=True)
def _any(wanted: NDArray[np.bool_], left: int, top: int, right: int, bottom: int) -> bool:
    for j in range(top, bottom):
        for i in range(left, right):
            if wanted[j, i]:
                return True
    return False


@njit(cache=True, nogil=True)
def _rays(
    start: Array, wanted: NDArray[np.bool_], samples: int, free: float, left: int, top: int, right: int,
    bottom: int, scene: Array, near: Array, far: Array, values: NDArray[np.float32], table: Array,
) -> None:  # fmt: skip
    r = _ROTATION
    for j in range(top, bottom):
        for i in range(left, right):
            if not wanted[j, i]:
                continue
            for b in range(samples):
                for a in range(samples):
                    cx, cy = _undistorted(
                        (i + (a + 0.5) / samples - scene[_CX]) / scene[_FX],
                        (j + (b + 0.5) / samples - scene[_CY]) / scene[_FY], scene,
                    )  # fmt: skip
                    dx = scene[r] * cx + scene[r + 3] * cy + scene[r + 6]
                    dy = scene[r + 1] * cx + scene[r + 4] * cy + scene[r + 7]
                    dz = scene[r + 2] * cx + scene[r + 5] * cy + scene[r + 8]
                    start[j * samples + b, i * samples + a] = _advance(
                        free, 0, 0.0, dx, dy, dz, scene, near, far, values, table
                    )
