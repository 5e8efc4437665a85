"""Where rays meet terrain: the first crossing of every pixel's ray with a surface, hills in front included.

The surface's posts are kept as a pyramid of greatest heights. A ray steps as far as it provably stays above
the greatest height around it, on the coarsest level that allows it, and is followed cell by cell only near
the ground; the crossing is then bracketed. Heights are those above the curved ellipsoid, as in the kernel.
Squares of pixels march together first, as a widening beam, so that single rays start close to the ground.

One module on purpose: Numba's cache of a function notices changes of that function's own file only.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lard.errors import DataError
from lard.ground.terrain.surface import Surface
from lard.render import kernels as kernel
from lard.render.summits import LEVELS_NEAR, Summits, summits_of

Array = NDArray[np.float64]

BEAM_PX, SQUARE_PX = 32, 16
SLACK_PX = 0.03
_UNSET = -1.0
_LONGEST_M = 150_000.0

# places in the scene vector of this module
_FX, _FY, _CX, _CY, _CAMERA, _ROTATION, _SHELL, _MATRIX = 0, 1, 2, 3, 4, 7, 16, 20
_DROP, _PRIME, _MERIDIAN, _POLYNOMIAL, _Z_FAR = 26, 31, 32, 33, 40
_NEAR, _FAR = 41, 44  # x_min, y_min, step of either grid
_TOP = 47  # greatest height of all
_DISTORTION = 48
_SIZE = 51


def march(view: Array, surface: Surface) -> Array:
    """Ray parameters (height, width) where the rays of pixel centres first meet the surface; NaN: sky.

    view: as the renderer's kernels take it. A ray is camera + t d with d of depth 1 along the optical axis,
    so t is the depth. Squares whose corners and middles agree on a plane are interpolated, to SLACK_PX.
    """
    summits = summits_of(surface)
    start = np.full((int(view[kernel.HEIGHT_PX]), int(view[kernel.WIDTH_PX])), _UNSET)
    scene = _scene(view, surface, summits)
    if not _march(start, scene, surface.height_m, surface.far_height_m, summits.values, summits.table):
        raise DataError(
            "the camera lies below the terrain; take a higher approach, or check the runway against the "
            "terrain with `lard terrain report`"
        )
    return start


def start_depths(view: Array, surface: Surface, samples: int) -> Array:
    """What `march` gives, with pixels at edges of the terrain marched in samples x samples parts.

    Such a pixel holds kernel.EDGE - k; its parts' ray parameters, row by row, are the k-th samples * samples
    values of the rows below the picture.
    """
    start = march(view, surface)
    pixels = np.argwhere(edge_pixels(start))
    if samples == 1 or len(pixels) == 0:
        return start
    height, width = start.shape
    parts = march_parts(view, surface, pixels, samples).ravel()
    packed = np.full((height + -(-parts.size // width), width), np.nan)
    packed[:height] = start
    packed[height:].reshape(-1)[: parts.size] = parts
    packed[pixels[:, 0], pixels[:, 1]] = kernel.EDGE - np.arange(len(pixels))
    return packed


def edge_pixels(start: Array) -> NDArray[np.bool_]:
    """Pixels (height, width) beside a jump of the depth: a skyline, or a hill before land further away."""
    edges = np.zeros(start.shape, np.bool_)
    _mark_edges(start, edges)
    _mark_edges(start.T, edges.T)
    return edges


def march_parts(view: Array, surface: Surface, pixels: NDArray[np.int64], samples: int) -> Array:
    """Ray parameters (n, samples * samples), row by row, of the parts of pixels (n, 2): row, column."""
    summits = summits_of(surface)
    parts = np.empty((len(pixels), samples * samples))
    scene = _scene(view, surface, summits)
    _march_parts(
        parts, pixels, samples, scene, surface.height_m, surface.far_height_m, summits.values, summits.table
    )
    return parts


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
def _ray(u: float, v: float, scene: Array) -> tuple[float, float, float]:
    """ENU direction, of depth 1, through an image point."""
    cx, cy = _undistorted((u - scene[_CX]) / scene[_FX], (v - scene[_CY]) / scene[_FY], scene)
    r = _ROTATION
    return (
        scene[r] * cx + scene[r + 3] * cy + scene[r + 6],
        scene[r + 1] * cx + scene[r + 4] * cy + scene[r + 7],
        scene[r + 2] * cx + scene[r + 5] * cy + scene[r + 8],
    )


@njit(cache=True, nogil=True)
def _beam(
    free: float, left: int, top: int, right: int, bottom: int, scene: Array, near: Array, far: Array,
    values: NDArray[np.float32], table: Array,
) -> float:  # fmt: skip
    """Ray parameter up to which all rays through a rectangle of pixels are free; NaN: all go to the sky."""
    mx, my = 0.5 * (left + right), 0.5 * (top + bottom)
    dx, dy, dz = _ray(mx, my, scene)
    width = 0.0
    for corner in range(4):
        cx, cy, cz = _ray(left if corner & 1 else right, top if corner & 2 else bottom, scene)
        width = max(width, math.sqrt((cx - dx) ** 2 + (cy - dy) ** 2 + (cz - dz) ** 2))
    # edges of a distorted square bulge: 2 % more
    return _advance(free, table.shape[0] - 1, 1.02 * width, dx, dy, dz, scene, near, far, values, table)


@njit(cache=True, nogil=True)
def _march(
    start: Array, scene: Array, near: Array, far: Array, values: NDArray[np.float32], table: Array
) -> bool:
    """Fill `start`; false when the camera is below the ground."""
    rows, columns = start.shape
    x, y, height, _rate = _place(0.0, 0.0, 0.0, 0.0, 0.0, scene)
    x, y, height, _rate = _place(0.0, 0.0, 0.0, 0.0, height, scene)
    if height <= _ground(x, y, scene, near, far):
        return False
    for top in range(0, rows, BEAM_PX):
        for left in range(0, columns, BEAM_PX):
            bottom, right = min(top + BEAM_PX, rows), min(left + BEAM_PX, columns)
            # one pixel more, for the corners shared with the next squares
            free = _beam(0.0, left, top, right + 1, bottom + 1, scene, near, far, values, table)
            if math.isnan(free):
                start[top:bottom, left:right] = np.nan
                continue
            _fill(start, left, top, right, bottom, SQUARE_PX, free, scene, near, far, values, table)
    return True


@njit(cache=True, nogil=True)
def _fill(
    start: Array, left: int, top: int, right: int, bottom: int, size: int, free: float, scene: Array,
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
                    if _fill_plane(start, j, i, n, bottom, right, free, scene, near, far, values, table):
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
                        _inverse(start, b, a, free, scene, near, far, values, table)


@njit(cache=True, nogil=True)
def _inverse(
    start: Array, j: int, i: int, free: float, scene: Array, near: Array, far: Array,
    values: NDArray[np.float32], table: Array,
) -> float:  # fmt: skip
    """1 / t of a pixel, marched unless known; 0 for the sky."""
    t = start[j, i]
    if t == _UNSET:
        dx, dy, dz = _ray(i + 0.5, j + 0.5, scene)
        t = _advance(free, 0, 0.0, dx, dy, dz, scene, near, far, values, table)
        start[j, i] = t
    return 0.0 if math.isnan(t) else 1.0 / max(t, 1e-9)


@njit(cache=True, nogil=True)
def _fill_plane(
    start: Array, j0: int, i0: int, size: int, bottom: int, right: int, free: float, scene: Array,
    near: Array, far: Array, values: NDArray[np.float32], table: Array,
) -> bool:  # fmt: skip
    """Fill a square whose 1 / t is bilinear, as that of a plane is; whether it was."""
    rows, columns = start.shape
    j1, i1 = min(j0 + size, rows - 1), min(i0 + size, columns - 1)
    if j1 - j0 < 2 or i1 - i0 < 2:
        return False
    a = _inverse(start, j0, i0, free, scene, near, far, values, table)
    b = _inverse(start, j0, i1, free, scene, near, far, values, table)
    c = _inverse(start, j1, i0, free, scene, near, far, values, table)
    d = _inverse(start, j1, i1, free, scene, near, far, values, table)
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
        w = _inverse(start, j, i, free, scene, near, far, values, table)
        fj, fi = (j - j0) / height, (i - i0) / width
        plane = (a * (1.0 - fi) + b * fi) * (1.0 - fj) + (c * (1.0 - fi) + d * fi) * fj
        if (w == 0.0) != sky or abs(w - plane) > slack:
            return False
    for j in range(j0, min(j0 + size, bottom)):
        fj = (j - j0) / height
        first, last = a + (c - a) * fj, b + (d - b) * fj
        for i in range(i0, min(i0 + size, right)):
            if start[j, i] == _UNSET:
                w = first + (last - first) * (i - i0) / width
                start[j, i] = np.nan if sky else 1.0 / w
    return True


@njit(cache=True, nogil=True)
def _march_parts(
    parts: Array, pixels: NDArray[np.int64], samples: int, scene: Array, near: Array, far: Array,
    values: NDArray[np.float32], table: Array,
) -> None:  # fmt: skip
    for k in range(pixels.shape[0]):
        j, i = pixels[k, 0], pixels[k, 1]
        free = _beam(0.0, i, j, i + 1, j + 1, scene, near, far, values, table)
        for part in range(samples * samples):
            if math.isnan(free):
                parts[k, part] = np.nan
                continue
            u, v = i + (part % samples + 0.5) / samples, j + (part // samples + 0.5) / samples
            dx, dy, dz = _ray(u, v, scene)
            parts[k, part] = _advance(free, 0, 0.0, dx, dy, dz, scene, near, far, values, table)


@njit(cache=True, nogil=True)
def _mark_edges(start: Array, edges: NDArray[np.bool_]) -> None:
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
