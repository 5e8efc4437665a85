"""Rays of image points, and where they meet the surface."""

import math

import numpy as np

from lard.distortion import true_radius
from lard.render.kernels.layout import Array, View, inlined


@inlined
def height_at(x: float, y: float, view: View, heights: Array, far: Array) -> tuple[float, float, float]:
    """Height and its two slopes at map coordinates: near grid, far grid, level beyond."""
    rows, columns = heights.shape
    step = view.near_step_m
    gx, gy = (x - view.near_x_m) / step, (y - view.near_y_m) / step
    grid = heights
    if not (gx >= 0.0 and gy >= 0.0 and gx < columns - 1 and gy < rows - 1):
        rows, columns = far.shape
        step = view.far_step_m
        gx, gy = (x - view.far_x_m) / step, (y - view.far_y_m) / step
        grid = far
        if not (gx >= 0.0 and gy >= 0.0 and gx < columns - 1 and gy < rows - 1):
            return view.z_far_m, 0.0, 0.0
    i, j = int(gx), int(gy)
    fx, fy = gx - i, gy - j
    a, b = grid[j, i], grid[j, i + 1]
    c, d = grid[j + 1, i], grid[j + 1, i + 1]
    low, high = a + (b - a) * fx, c + (d - c) * fx
    return low + (high - low) * fy, ((b - a) * (1.0 - fy) + (d - c) * fy) / step, (high - low) / step


@inlined
def to_map(east: float, north: float, height: float, view: View) -> tuple[float, float, float, float]:
    """Height-0 coordinates and map coordinates of ENU east and north at a height."""
    e = east / (1.0 + height / view.prime_m)
    n = north / (1.0 + height / view.meridian_m)
    p = view.polynomial
    x = e * (p[0] + n * (p[1] + n * p[2]))
    return e, n, x, n * (p[3] + n * p[4]) + e * e * (p[5] + n * p[6])


@inlined
def drop_and_tilt(e: float, n: float, view: View) -> tuple[float, float]:
    """ENU up coordinate of the ellipsoid at height-0 coordinates (e, n), and its rate with the height."""
    c = view.drop[0] * e * e + view.drop[1] * n * n
    half = view.drop[3] + view.drop[4] * n
    drop = -c / (half + math.sqrt(half * half - view.drop[2] * c))
    return drop, 1.0 - 0.5 * ((e / view.prime_m) ** 2 + (n / view.meridian_m) ** 2)


@inlined
def surface_up(e: float, n: float, height: float, view: View) -> float:
    """ENU up coordinate of the surface point at height-0 coordinates (e, n) and a height."""
    drop, tilt = drop_and_tilt(e, n, view)
    return drop + height * tilt


@inlined
def ray(u: float, v: float, view: View) -> tuple[float, float, float, float]:
    """ENU direction of camera depth 1 through an image point, distortion undone, and its length."""
    xd, yd = (u - view.cx_px) / view.fx_px, (v - view.cy_px) / view.fy_px
    x, y = xd, yd
    if view.k1 != 0.0 or view.k2 != 0.0 or view.k3 != 0.0:
        drawn = math.sqrt(xd * xd + yd * yd)
        if drawn > 0.0:
            r = true_radius(drawn, view.k1, view.k2, view.k3, view.fold_radius)
            x, y = xd * r / drawn, yd * r / drawn
    m = view.rotation
    dx = m[0, 0] * x + m[1, 0] * y + m[2, 0]
    dy = m[0, 1] * x + m[1, 1] * y + m[2, 1]
    dz = m[0, 2] * x + m[1, 2] * y + m[2, 2]
    return dx, dy, dz, math.sqrt(1.0 + x * x + y * y)


@inlined
def shell_depth(dx: float, dy: float, dz: float, view: View) -> float:
    """Ray parameter where a ray meets the ellipsoid at z_far; NaN when it does not."""
    s, m = view.shell, view.shell_matrix
    beta = dx * s[0] + dy * s[1] + dz * s[2]
    if beta >= 0.0:
        return np.nan
    alpha = (
        dx * (m[0, 0] * dx + 2.0 * (m[0, 1] * dy + m[0, 2] * dz))
        + dy * (m[1, 1] * dy + 2.0 * m[1, 2] * dz)
        + m[2, 2] * dz * dz
    )
    disc = beta * beta - alpha * view.shell_level
    return np.nan if disc < 0.0 else view.shell_level / (math.sqrt(disc) - beta)


@inlined
def intersect(
    dx: float, dy: float, dz: float, start: float, view: View, heights: Array, far: Array
) -> tuple[float, float, float, float, float, float]:
    """Ray parameter (negative: sky), map coordinates, height and slopes of the surface where a ray meets it.

    start: a ray parameter near the solution; 0 = from the shell at z_far; negative or NaN = sky.
    """
    if not start >= 0.0:
        return -1.0, 0.0, 0.0, 0.0, 0.0, 0.0
    t = start
    if start == 0.0:
        t = shell_depth(dx, dy, dz, view)
        if math.isnan(t):
            return -1.0, 0.0, 0.0, 0.0, 0.0, 0.0
    height = view.z_far_m
    if start > 0.0:
        _, _, x, y = to_map(view.camera_m[0] + t * dx, view.camera_m[1] + t * dy, height, view)
        height, _, _ = height_at(x, y, view, heights, far)
    x = y = slope_x = slope_y = 0.0
    tolerance = 1e-3 / max(view.fx_px, view.fy_px)
    for _ in range(12):
        e, n, x, y = to_map(view.camera_m[0] + t * dx, view.camera_m[1] + t * dy, height, view)
        height, hx, hy = height_at(x, y, view, heights, far)
        gap = view.camera_m[2] + t * dz - surface_up(e, n, height, view)
        slope_x, slope_y = hx - e / view.prime_m, hy - n / view.meridian_m
        if abs(gap) < tolerance * t:
            break
        rate = dz - slope_x * dx - slope_y * dy
        if rate > -1e-6:
            break  # a tangent ray: the far shell's (or the marched) point stands
        t = max(t - gap / rate, 0.1 * t)
        if start > 0.0:
            t = min(max(t, 0.9 * start), 1.1 * start)  # the marched point is the nearest one along the ray
    return t, x, y, height, slope_x, slope_y
