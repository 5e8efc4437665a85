"""Points of a lattice of rays, and whether four of them make a square of a plane."""

import math

from lard.render.kernels.air import sky_point, through_air
from lard.render.kernels.layout import (
    ADD,
    CELL,
    CHANGE,
    CLEAR,
    DOWN,
    KIND,
    Array,
    View,
    W,
    X,
    Y,
    inlined,
    jit,
)
from lard.render.kernels.rays import intersect, ray

ZONE_TOLERANCE_PX, TOLERANCE_PX = 0.02, 0.12
TOLERANCE_GREY = 0.5
MOST_ZOOM = 1.35  # ratio of distances across a square: one footprint serves a row of its pixels


@inlined
def begin_at(u: float, v: float, view: View, start: Array) -> float:
    """How far along its ray the ground of an image point is looked for first; 0 where nothing is known."""
    if start.shape[0] == 0:
        return 0.0
    j = min(max(int(v), 0), view.height_px - 1)
    return float(start[j, min(max(int(u), 0), start.shape[1] - 1)])


@jit
def meet(
    u: float,
    v: float,
    view: View,
    heights: Array,
    far: Array,
    start: Array,
    sky: Array,
    air: Array,
    out: Array,
) -> None:
    """The lattice point of an image point: where its ray meets the ground, and the air before it."""
    dx, dy, dz, norm = ray(u, v, view)
    t, x, y, height, _, _ = intersect(dx, dy, dz, begin_at(u, v, view, start), view, heights, far)
    if t <= 0.0:
        sky_point(dx, dy, dz, norm, view, sky, air, out)
        return
    out[W], out[X], out[Y], out[KIND] = 1.0 / t, x / t, y / t, 1.0
    through_air(t * norm, height, dx, dy, view, sky, air, out)


@jit
def kind_at(u: float, v: float, view: View, heights: Array, far: Array, start: Array, strips: Array) -> int:
    """What an image point sees: 0 the sky, 1 the ground, 2 a runway or what lies close to one."""
    dx, dy, dz, _ = ray(u, v, view)
    t, x, y, _, _, _ = intersect(dx, dy, dz, begin_at(u, v, view, start), view, heights, far)
    if t <= 0.0:
        return 0
    w = 1.0 / t  # as points of the lattice keep it
    return 2 if in_zone((x / t) / w, (y / t) / w, strips, view.zone_margin_m) else 1


@jit
def in_zone(x: float, y: float, strips: Array, margin: float) -> bool:
    """Whether a map point lies on a runway or within the margin around it."""
    for k in range(strips.shape[0]):
        rx, ry = x - strips[k, 0], y - strips[k, 1]
        along = abs(rx * strips[k, 2] + ry * strips[k, 3])
        across = abs(ry * strips[k, 2] - rx * strips[k, 3])
        if along < strips[k, 4] + margin and across < strips[k, 5] + margin:
            return True
    return False


@jit
def touches_zone(points: Array, j: int, i: int, step: int, strips: Array, margin: float) -> bool:
    """Whether the ground seen by a square of the lattice may touch a runway's zone."""
    for b in range(2):
        for a in range(2):
            if points[j + b * step, i + a * step, KIND] == 0.0:
                return False
    for k in range(strips.shape[0]):
        low_a = low_c = 1e30
        high_a = high_c = -1e30
        for b in range(2):
            for a in range(2):
                w = points[j + b * step, i + a * step, W]
                rx = points[j + b * step, i + a * step, X] / w - strips[k, 0]
                ry = points[j + b * step, i + a * step, Y] / w - strips[k, 1]
                along, across = rx * strips[k, 2] + ry * strips[k, 3], ry * strips[k, 2] - rx * strips[k, 3]
                low_a, high_a = min(low_a, along), max(high_a, along)
                low_c, high_c = min(low_c, across), max(high_c, across)
        length, width = strips[k, 4] + margin, strips[k, 5] + margin
        if low_a < length and high_a > -length and low_c < width and high_c > -width:
            return True
    return False


@inlined
def plane_of(points: Array, j: int, i: int, step: int, size: int, plane: Array) -> None:
    """Bilinear coefficients (4, CHANGE) of a square of the lattice: value, per pixel right, down, both."""
    share = 1.0 / size
    for c in range(CHANGE):
        a, b = points[j, i, c], points[j, i + step, c]
        d, e = points[j + step, i, c], points[j + step, i + step, c]
        plane[0, c], plane[1, c], plane[2, c] = a, (b - a) * share, (d - a) * share
        plane[3, c] = (e - d - b + a) * share * share


@inlined
def row_of(plane: Array, down: float, right: float, size: int, s: Array) -> None:
    """The row of pixels at a place within a square, both in pixels from its first corner."""
    for c in range(CHANGE):
        change = plane[1, c] + plane[3, c] * down
        s[CHANGE + c] = change
        s[c] = plane[0, c] + plane[2, c] * down + change * right
    for c in range(3):
        s[DOWN + c] = plane[2, c] + plane[3, c] * (0.5 * size)


@jit
def fits(
    points: Array, pj: int, pi: int, step: int, size: int, middle: Array, tolerance: float, j0: int,
    i0: int, start: Array,
) -> bool:  # fmt: skip
    """Whether the exact middle of a square agrees with its corners: in place (px) and the air's colours."""
    kind = points[pj, pi, KIND]
    a, b = points[pj, pi], points[pj, pi + step]
    c, d = points[pj + step, pi], points[pj + step, pi + step]
    if b[KIND] != kind or c[KIND] != kind or d[KIND] != kind or middle[KIND] != kind:
        return False
    for k in range(CLEAR, ADD + 3):
        grey = 200.0 if k == CLEAR else 1.0
        if abs(0.25 * (a[k] + b[k] + c[k] + d[k]) - middle[k]) * grey > TOLERANCE_GREY:
            return False
    if kind == 0.0:
        for j in range(min(size, start.shape[0] - j0)):
            for i in range(min(size, start.shape[1] - i0)):
                if not math.isnan(start[j0 + j, i0 + i]):
                    return False
        return True
    zoom = max(max(a[W], b[W]) / min(a[W], b[W]), max(c[W], d[W]) / min(c[W], d[W]))
    if size > 2 * CELL and zoom > MOST_ZOOM:
        return False
    w = 0.25 * (a[W] + b[W] + c[W] + d[W])
    t = 1.0 / w
    x, y = 0.25 * (a[X] + b[X] + c[X] + d[X]) * t, 0.25 * (a[Y] + b[Y] + c[Y] + d[Y]) * t
    share = 0.5 / size
    wu, wv = (b[W] + d[W] - a[W] - c[W]) * share, (c[W] + d[W] - a[W] - b[W]) * share
    xu = ((b[X] + d[X] - a[X] - c[X]) * share - x * wu) * t
    xv = ((c[X] + d[X] - a[X] - b[X]) * share - x * wv) * t
    yu = ((b[Y] + d[Y] - a[Y] - c[Y]) * share - y * wu) * t
    yv = ((c[Y] + d[Y] - a[Y] - b[Y]) * share - y * wv) * t
    ex, ey = x - middle[X] / middle[W], y - middle[Y] / middle[W]
    det = xu * yv - xv * yu
    u, v = (ex * yv - ey * xv) / det, (ey * xu - ex * yu) / det
    if not u * u + v * v < tolerance * tolerance:
        return False
    if start.shape[0] > 0:  # a marched surface may hide or show something anywhere within the square
        slack = tolerance * (math.sqrt(wu * wu + wv * wv) + 1e-3 * w)
        for j in range(min(size, start.shape[0] - j0)):
            left = a[W] + (c[W] - a[W]) * j / size
            right = b[W] + (d[W] - b[W]) * j / size
            for i in range(min(size, start.shape[1] - i0)):
                if (
                    not abs((left + (right - left) * i / size) * start[j0 + j, i0 + i] - 1.0)
                    < slack * start[j0 + j, i0 + i]
                ):
                    return False
    return True
