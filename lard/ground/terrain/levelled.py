"""Coarse posts made land: joined smoothly, level at sea, brought to runways and kept below approaches.

Posts kilometres apart may be hundreds of metres off at an airport in a valley. So about the runways the
land is theirs, and the posts' share of it grows with distance.
"""

import math

import numpy as np
from numpy.typing import NDArray

from lard.compiled import compiled

Array = NDArray[np.float64]

NEAR_M, FULL_M = 3000.0, 15_000.0
"""Land is the runways' up to the first distance from them, the posts' from the second on."""
SEA_NEAR_M, SEA_FULL_M = 1000.0, 3000.0
"""The same at sea, which is level with the runways only beside them."""
SHORE_M, COAST_M, BEACH_M = 250.0, 3000.0, 1500.0
"""Land begins to rise this far from a coast, has the posts' full height so much further inland, and goes
by the distances of land instead of the sea's."""
APPROACH_DEG = 1.5
"""No relief rises through a plane of this slope before a landing threshold."""
APPROACH_END_M = 22_000.0
APPROACH_WIDTH_M, APPROACH_SPREAD_DEG = 300.0, 8.0
"""Half the width of that plane at the threshold, and how it widens to either side."""
SIDE_SLOPE, SIDE_ROUNDING_M = 1 / 3, 1000.0
"""How steeply relief may rise beside the plane and beyond its end, and over which distance it steepens."""
RUN_ON_M = 500.0
"""Beyond a runway's end its slope runs out over this distance."""
_START_M = 500.0
_TAN_APPROACH = math.tan(math.radians(APPROACH_DEG))
_TAN_SPREAD = math.tan(math.radians(APPROACH_SPREAD_DEG))

_jit = compiled(nogil=True)


def slopes_of(posts: Array) -> tuple[Array, Array]:
    """Slopes along rows and along columns (rows, columns) at posts, per post, of curves that never overshoot.

    Harmonic means of the differences to either side, zero at summits and in hollows (Fritsch and Butland
    1984); zero at the rim.
    """
    return _slopes(posts.T).T.copy(), _slopes(posts)


def _slopes(posts: Array) -> Array:
    """Slopes along the columns."""
    step = np.diff(posts, axis=1)
    before, after = step[:, :-1], step[:, 1:]
    same = before * after > 0
    slope = np.zeros_like(posts)
    slope[:, 1:-1] = np.where(same, 2 * before * after / np.where(same, before + after, 1.0), 0.0)
    return slope


@_jit
def ramp(share: float) -> float:
    """0 below 0, 1 above 1 and a smooth step between."""
    t = min(max(share, 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


@_jit
def _rise(excess_m: float, rounding_m: float) -> float:
    """A slope of one that begins level at 0."""
    return excess_m * excess_m / (excess_m + rounding_m) if excess_m > 0.0 else 0.0


@_jit
def between_posts(row: float, column: float, posts: Array, down: Array, along: Array) -> float:
    """Height at a place among posts: cubics by slopes_of, within the four posts around, met at the posts."""
    j = min(max(int(row), 0), posts.shape[0] - 2)
    i = min(max(int(column), 0), posts.shape[1] - 2)
    v, u = row - j, column - i
    total, low, high = 0.0, math.inf, -math.inf
    for b in range(2):
        q = v if b == 0 else 1.0 - v
        value_v, slope_v = 1.0 - ramp(q), q * (1.0 - q) * (1.0 - q) * (1.0 - 2.0 * b)
        for a in range(2):
            p = u if a == 0 else 1.0 - u
            value_u, slope_u = 1.0 - ramp(p), p * (1.0 - p) * (1.0 - p) * (1.0 - 2.0 * a)
            post = posts[j + b, i + a]
            total += value_v * (value_u * post + slope_u * along[j + b, i + a])
            total += slope_v * value_u * down[j + b, i + a]
            low, high = min(low, post), max(high, post)
    return min(max(total, low), high)


@_jit
def inland(x: float, y: float, coast: Array, reach_m: float, step_m: float) -> float:
    """Distance inland from the coast, negative at sea, at a place of the plane; row 0 in the north."""
    gx, gy = (x + reach_m) / step_m, (reach_m - y) / step_m
    i = min(max(int(gx), 0), coast.shape[1] - 2)
    j = min(max(int(gy), 0), coast.shape[0] - 2)
    u, v = gx - i, gy - j
    north = coast[j, i] * (1.0 - u) + coast[j, i + 1] * u
    return north * (1.0 - v) + (coast[j + 1, i] * (1.0 - u) + coast[j + 1, i + 1] * u) * v


@_jit
def about_runways(x: float, y: float, strips: Array) -> tuple[float, float]:
    """Height that runways lend the land at a place, and a smooth distance to the nearest."""
    total, norm, nearest = 0.0, 0.0, 0.0
    for k in range(strips.shape[0]):
        dx, dy, ux, uy = x - strips[k, 0], y - strips[k, 1], strips[k, 2], strips[k, 3]
        along = dx * ux + dy * uy
        across = max(abs(dy * ux - dx * uy) - strips[k, 5], 0.0)
        over = max(abs(along) - strips[k, 4], 0.0)
        run = min(abs(along), strips[k, 4]) + over * RUN_ON_M / (over + RUN_ON_M)
        height = strips[k, 6] + strips[k, 7] * (run if along > 0.0 else -run)
        close = 1.0 / (over * over + across * across + 1.0)
        total += height * close
        norm += close
        nearest += close**8
    return total / norm, nearest ** (-1.0 / 16.0)


@_jit
def below_approaches(rise: float, x: float, y: float, ends: Array) -> float:
    """A rise of relief over the runways' height, kept below a plane before every landing threshold."""
    for k in range(ends.shape[0]):
        dx, dy, ux, uy = x - ends[k, 0], y - ends[k, 1], ends[k, 2], ends[k, 3]
        before = dx * ux + dy * uy
        out = _rise(before, _START_M)
        side = abs(dy * ux - dx * uy) - APPROACH_WIDTH_M - _TAN_SPREAD * out
        room = _TAN_APPROACH * out + SIDE_SLOPE * (
            _rise(side, SIDE_ROUNDING_M)
            + _rise(-before, SIDE_ROUNDING_M)
            + _rise(before - APPROACH_END_M, SIDE_ROUNDING_M)
        )
        share = rise / max(room, 1e-3)
        square = share * share
        rise /= math.sqrt(math.sqrt(1.0 + square * square))
    return rise


@_jit
def land(
    out: Array, x: Array, y: Array, row: Array, column: Array, posts: Array, down: Array, along: Array,
    coast: Array, coast_reach_m: float, coast_step_m: float, strips: Array, ends: Array,
) -> None:  # fmt: skip
    """Heights (n,) into out: at places of the plane (x, y) that lie at (row, column) among the posts.

    strips (k, 8): centre x, y, unit axis x, y, half length, half width, height in the middle, slope along
    the axis. ends (m, 4): landing threshold x, y, unit vector from it against the direction of landing.
    """
    for k in range(out.shape[0]):
        base, away = about_runways(x[k], y[k], strips)
        depth = inland(x[k], y[k], coast, coast_reach_m, coast_step_m) - SHORE_M
        height = between_posts(row[k], column[k], posts, down, along) * ramp(depth / COAST_M)
        dry = ramp((away - NEAR_M) / (FULL_M - NEAR_M))
        wet = ramp((away - SEA_NEAR_M) / (SEA_FULL_M - SEA_NEAR_M))
        rise = (wet + (dry - wet) * ramp(depth / BEACH_M)) * (height - base)
        if rise > 0.0:
            rise = below_approaches(rise, x[k], y[k], ends)
        out[k] = base + rise


@_jit
def between_all(out: Array, row: Array, column: Array, posts: Array, down: Array, along: Array) -> None:
    """between_posts (n,) into out."""
    for k in range(out.shape[0]):
        out[k] = between_posts(row[k], column[k], posts, down, along)
