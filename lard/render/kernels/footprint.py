"""The patch of ground that a pixel sees, the levels that suit it, and the shadows on it."""

import math

import numpy as np

from lard.ground.pyramid import ABSENT, WANTED
from lard.render.atmosphere import ILLUMINANT, SHADOW_DEPTH
from lard.render.kernels.grain import roughen
from lard.render.kernels.layout import (
    ADD,
    CHANGE,
    CLEAR,
    DOWN,
    LIGHTS,
    PLACES,
    SHARES,
    STARTS,
    SUMS,
    SUNS,
    Array,
    View,
    W,
    X,
    Y,
    inlined,
    jit,
)
from lard.render.kernels.texels import see_level

SHADE_TAPS = 8  # of shadows along a footprint, at most
EDGE_RAMP_PX = 24.0
RIM_SHARE = 0.12  # of the coarsest level's half width, blended into its mean colour


@inlined
def footprint(s: Array, at: float, size: float) -> tuple[float, float, float, float, float, float]:
    """Map point of pixel `at` of a row, and its footprint's long axis (unit x, y), length, width (m)."""
    t = 1.0 / (s[W] + at * s[CHANGE + W])
    x, y = (s[X] + at * s[CHANGE + X]) * t, (s[Y] + at * s[CHANGE + Y]) * t
    scale = t * size
    xu, yu = (s[CHANGE + X] - x * s[CHANGE + W]) * scale, (s[CHANGE + Y] - y * s[CHANGE + W]) * scale
    xv, yv = (s[DOWN + X] - x * s[DOWN + W]) * scale, (s[DOWN + Y] - y * s[DOWN + W]) * scale
    # eigenvectors of J J^T
    xx, yy, xy = xu * xu + xv * xv, yu * yu + yv * yv, xu * yu + xv * yv
    half = 0.5 * (xx - yy)
    root = math.sqrt(half * half + xy * xy)
    major = math.sqrt(max(0.5 * (xx + yy) + root, 1e-12))
    minor = abs(xu * yv - xv * yu) / major
    ax, ay = (half + root, xy) if half >= 0.0 else (xy, root - half)
    length = math.sqrt(ax * ax + ay * ay)
    if length > 0.0:
        return x, y, ax / length, ay / length, major, minor
    return x, y, 0.0, 1.0, major, minor


@jit
def footprints(plane: Array, size: int, at: float, rows: int, prints: Array) -> None:
    """What `footprint` gives of pixel `at` of the first rows of a square, into prints (6, rows or more).

    A loop without branches, which the compiler turns into vectors: roots of several rows at once.
    """
    for j in range(rows):
        change_w, change_x, change_y = (
            plane[1, W] + plane[3, W] * j,
            plane[1, X] + plane[3, X] * j,
            plane[1, Y] + plane[3, Y] * j,
        )
        t = 1.0 / (plane[0, W] + plane[2, W] * j + at * change_w)
        x = (plane[0, X] + plane[2, X] * j + at * change_x) * t
        y = (plane[0, Y] + plane[2, Y] * j + at * change_y) * t
        down_w, down_x, down_y = (
            plane[2, W] + plane[3, W] * (0.5 * size),
            plane[2, X] + plane[3, X] * (0.5 * size),
            plane[2, Y] + plane[3, Y] * (0.5 * size),
        )
        xu, yu = (change_x - x * change_w) * t, (change_y - y * change_w) * t
        xv, yv = (down_x - x * down_w) * t, (down_y - y * down_w) * t
        xx, yy, xy = xu * xu + xv * xv, yu * yu + yv * yv, xu * yu + xv * yv
        half = 0.5 * (xx - yy)
        root = math.sqrt(half * half + xy * xy)
        major = math.sqrt(max(0.5 * (xx + yy) + root, 1e-12))
        ax = half + root if half >= 0.0 else xy
        ay = xy if half >= 0.0 else root - half
        length = math.sqrt(ax * ax + ay * ay)
        prints[0, j], prints[1, j] = x, y
        prints[2, j], prints[3, j] = (
            ax / length if length > 0.0 else 0.0,
            ay / length if length > 0.0 else 1.0,
        )
        prints[4, j], prints[5, j] = major, abs(xu * yv - xv * yu) / major


@jit
def greys_of_row(
    s: Array, n: int, ax: float, ay: float, major: float, rasters: Array, frames: Array, k: int, raw: Array
) -> bool:  # fmt: skip
    """Mean greys (SUMS) of raster k along the footprints of a row of pixels, bilinear, -1 outside of it.

    Whether any lies outside. ax, ay, major: the footprints' axis and length (m).
    """
    rows, columns = frames[k, 4], frames[k, 5]
    x_min, y_max, per_m = frames[k, 0], frames[k, 1], 1.0 / frames[k, 2]
    first = np.uintp(int(frames[k, 3]))
    run = major * per_m
    taps = min(int(run) + 1, SHADE_TAPS)
    step = run / taps
    right, down = columns - 1.001, rows - 1.001
    dx, dy = step * ax, -step * ay
    back_x, back_y = 0.5 * (taps - 1) * dx, 0.5 * (taps - 1) * dy
    outside = 0
    for i in range(n):
        t = 1.0 / (s[W] + i * s[CHANGE + W])
        x, y = (s[X] + i * s[CHANGE + X]) * t, (s[Y] + i * s[CHANGE + Y]) * t
        px, py = (x - x_min) * per_m - 0.5, (y_max - y) * per_m - 0.5
        inside = px > -0.5 and py > -0.5 and px < columns - 0.5 and py < rows - 0.5
        outside += 0 if inside else 1
        raw[SHARES, i] = 1.0 if inside else -1.0
        raw[STARTS, i], raw[PLACES, i] = px - back_x if inside else 0.0, py - back_y if inside else 0.0
        raw[SUMS, i] = 0.0
    for tap in range(taps if outside < n else 0):
        for i in range(n):
            qx = min(max(raw[STARTS, i] + tap * dx, 0.0), right)
            qy = min(max(raw[PLACES, i] + tap * dy, 0.0), down)
            c, r = np.uintp(qx), np.uintp(qy)
            fx, fy = qx - np.float64(c), qy - np.float64(r)
            r += first
            c1, r1 = c + np.uintp(1), r + np.uintp(1)
            a, b = np.float64(rasters[r, c]), np.float64(rasters[r1, c])
            a += (np.float64(rasters[r, c1]) - a) * fx
            b += (np.float64(rasters[r1, c1]) - b) * fx
            raw[SUMS, i] += a + (b - a) * fy
    for i in range(n):
        raw[SUMS, i] = raw[SUMS, i] / taps if raw[SHARES, i] > 0.0 else -1.0
    return outside > 0


@jit
def shine(
    s: Array, n: int, ax: float, ay: float, major: float, depth: float, shade: Array, frames: Array,
    raw: Array,
) -> None:  # fmt: skip
    """Light (SUNS) that shadows and slopes leave to a row of pixels; `depth`: what a full shadow takes."""
    for i in range(n):
        raw[SUNS, i] = -1.0
    for k in range(2):
        if frames[k, 4] > 0.0:
            missing = greys_of_row(s, n, ax, ay, major, shade, frames, k, raw)
            for i in range(n):
                raw[SUNS, i] = raw[SUMS, i] if raw[SUNS, i] < 0.0 else raw[SUNS, i]
            if not missing:
                break
    for i in range(n):
        raw[SUNS, i] = 1.0 if raw[SUNS, i] < 0.0 else raw[SUNS, i] * (1.0 / 255.0)
    if frames[2, 4] > 0.0:
        greys_of_row(s, n, ax, ay, major, shade, frames, 2, raw)
        for i in range(n):
            raw[SUNS, i] *= 1.0 if raw[SUMS, i] < 0.0 else raw[SUMS, i] * (1.0 / 128.0)
    for i in range(n):
        raw[SUNS, i] = 1.0 - depth * (1.0 - raw[SUNS, i])


@jit
def add_far(
    s: Array, out: Array, place_out: int, n: int, share: float, keep: bool, far_red: float, far_green: float,
    far_blue: float,
) -> None:  # fmt: skip
    """`share` of n pixels of the far ground's colour, into or (keep) onto `out`."""
    clear, change, red, green, blue = s[CLEAR], s[CHANGE + CLEAR], s[ADD], s[ADD + 1], s[ADD + 2]
    red_1, green_1, blue_1 = s[CHANGE + ADD], s[CHANGE + ADD + 1], s[CHANGE + ADD + 2]
    if keep:
        for i in range(n):
            at, part = np.uintp(place_out + 3 * i), clear + i * change
            out[at] += np.float32(part * far_red + share * (red + i * red_1))
            out[at + np.uintp(1)] += np.float32(part * far_green + share * (green + i * green_1))
            out[at + np.uintp(2)] += np.float32(part * far_blue + share * (blue + i * blue_1))
        return
    for i in range(n):
        at, part = np.uintp(place_out + 3 * i), clear + i * change
        out[at] = np.float32(part * far_red + share * (red + i * red_1))
        out[at + np.uintp(1)] = np.float32(part * far_green + share * (green + i * green_1))
        out[at + np.uintp(2)] = np.float32(part * far_blue + share * (blue + i * blue_1))


@inlined
def see(
    s: Array, seen: tuple[float, float, float, float, float, float], out: Array, place_out: int, n: int,
    share: float, keep: bool, sampling: bool, raw: Array, view: View, texels: Array, blocks: Array,
    table: Array, ground: Array, air: Array, shade: Array, shade_frame: Array,
) -> bool:  # fmt: skip
    """`share` of the colours of n pixels of the row s, into or onto `out`; whether all blocks were there.

    seen: the footprint of the row's middle.
    """
    levels = table.shape[0]
    x, y, ax, ay, major, minor = seen
    suited = max(minor, 2.0 * major / view.max_taps)
    lod = max(math.log2(suited / table[0, 0]) + view.lod_bias, 0.0)
    k = min(int(lod), levels - 1)
    rim = 1.0
    while True:
        reach = 0.5 * major
        inside = min(
            min(x - table[k, 1], table[k, 1] + table[k, 0] * table[k, 3] - x) - reach * abs(ax),
            min(table[k, 2] - y, y - table[k, 2] + table[k, 0] * table[k, 4]) - reach * abs(ay),
        )
        if k == levels - 1:
            rim = min(max(inside / (RIM_SHARE * 0.5 * table[k, 0] * min(table[k, 3], table[k, 4])), 0.0), 1.0)
            lod = min(lod, float(k))
            break
        edge = inside / (EDGE_RAMP_PX * table[k, 0])
        if edge >= 1.0:
            break
        if edge > 0.0:
            lod = max(lod, k + 1.0 - edge)
            break
        k += 1
        lod = max(lod, float(k))
    rim = rim * rim * (3.0 - 2.0 * rim)
    for c in range(3):
        raw[LIGHTS, c] = share * rim * air[ILLUMINANT + c]
        raw[LIGHTS, 3 + c] = share * (1.0 - rim) * air[ILLUMINANT + c] * ground[c]
    if rim <= 0.0:
        if sampling:
            add_far(s, out, place_out, n, share, keep, raw[LIGHTS, 3], raw[LIGHTS, 4], raw[LIGHTS, 5])
        return True
    k = min(int(lod), levels - 1)
    blend = (
        max(2.0 * (lod - k) - 1.0, 0.0) if k < levels - 1 else 0.0
    )  # half of each octave needs one level only
    weight, base, whole = 1.0 - blend, share, True
    shaded = sampling and shade.shape[0] > 0
    if shaded:
        shine(s, n, ax, ay, major, air[SHADOW_DEPTH], shade, shade_frame, raw)
    if sampling and view.grain > 0.0:
        shaded = roughen(s, n, x, y, major, view, blocks, table, shaded, raw[SUNS])
    while True:
        state = see_level(
            s, n, table[k], ax, ay, major, weight, base, keep, sampling, texels, blocks, out, place_out,
            shaded, raw,
        )  # fmt: skip
        whole &= state != WANTED
        if state != ABSENT:  # else the next coarser level takes its share
            if blend == 0.0:
                return whole
            weight, base, keep, blend = blend, 0.0, True, 0.0
            raw[LIGHTS, 3] = raw[LIGHTS, 4] = raw[LIGHTS, 5] = 0.0
        k = min(k + 1, levels - 1)
