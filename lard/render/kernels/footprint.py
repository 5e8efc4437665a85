"""The patch of ground that a pixel sees, the levels that suit it, and the shadows on it."""

import math

import numpy as np

from lard.ground.pyramid import ABSENT, WANTED
from lard.render.atmosphere import ILLUMINANT, SHADOW_DEPTH
from lard.render.kernels.grain import roughen
from lard.render.kernels.layout import ADD, CHANGE, CLEAR, DOWN, Array, View, W, X, Y, inlined, jit
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


@inlined
def grey_at(x: float, y: float, ax: float, ay: float, major: float, rasters: Array, frame: Array) -> float:
    """Mean grey of a raster along a footprint of axis (ax, ay), major metres long, bilinear; -1 outside."""
    rows, columns = frame[4], frame[5]
    if rows == 0.0:
        return -1.0
    per_m = 1.0 / frame[2]
    px, py = (x - frame[0]) * per_m - 0.5, (frame[1] - y) * per_m - 0.5
    if not (px > -0.5 and py > -0.5 and px < columns - 0.5 and py < rows - 0.5):
        return -1.0
    first = int(frame[3])
    run = major * per_m
    taps = min(int(run) + 1, SHADE_TAPS)
    step = run / taps
    right, down = columns - 1.001, rows - 1.001
    dx, dy = step * ax, -step * ay
    px, py = px - 0.5 * (taps - 1) * dx, py - 0.5 * (taps - 1) * dy
    total = 0.0
    for i in range(taps):
        qx, qy = min(max(px + i * dx, 0.0), right), min(max(py + i * dy, 0.0), down)
        c, r = np.uintp(qx), np.uintp(qy)
        fx, fy = qx - np.float64(c), qy - np.float64(r)
        r += np.uintp(first)
        c1, r1 = c + np.uintp(1), r + np.uintp(1)
        a, b = np.float64(rasters[r, c]), np.float64(rasters[r1, c])
        a += (np.float64(rasters[r, c1]) - a) * fx
        b += (np.float64(rasters[r1, c1]) - b) * fx
        total += a + (b - a) * fy
    return total / taps


@jit
def shine(
    s: Array,
    n: int,
    ax: float,
    ay: float,
    major: float,
    depth: float,
    shade: Array,
    frame: Array,
    suns: Array,
) -> None:
    """Light (n,) that shadows and slopes leave to the pixels of a row; `depth`: what a full shadow takes."""
    for i in range(n):
        t = 1.0 / (s[W] + i * s[CHANGE + W])
        x, y = (s[X] + i * s[CHANGE + X]) * t, (s[Y] + i * s[CHANGE + Y]) * t
        sun = grey_at(x, y, ax, ay, major, shade, frame[0])
        if sun < 0.0:
            sun = grey_at(x, y, ax, ay, major, shade, frame[1])
        sun = 1.0 if sun < 0.0 else sun * (1.0 / 255.0)
        if frame[2, 4] > 0.0:
            relief = grey_at(x, y, ax, ay, major, shade, frame[2])
            sun *= 1.0 if relief < 0.0 else relief * (1.0 / 128.0)
        suns[i] = 1.0 - depth * (1.0 - sun)


@inlined
def see(
    s: Array, out: Array, place_out: int, n: int, size: float, share: float, keep: bool, sampling: bool,
    raw: Array, view: View, texels: Array, blocks: Array, table: Array, ground: Array, air: Array,
    shade: Array, shade_frame: Array,
) -> bool:  # fmt: skip
    """`share` of the colours of n pixels of the row s, into or onto `out`; whether all blocks were there."""
    levels = table.shape[0]
    x, y, ax, ay, major, minor = footprint(s, 0.5 * (n - 1), size)
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
    lights = raw[0]
    for c in range(3):
        lights[c] = share * rim * air[ILLUMINANT + c]
        lights[3 + c] = share * (1.0 - rim) * air[ILLUMINANT + c] * ground[c]
    if rim <= 0.0:
        if sampling:
            for i in range(n):
                clear = s[CLEAR] + i * s[CHANGE + CLEAR]
                for c in range(3):
                    value = np.float32(clear * lights[3 + c] + share * (s[ADD + c] + i * s[CHANGE + ADD + c]))
                    at = np.uintp(place_out + 3 * i + c)
                    out[at] = out[at] + value if keep else value
        return True
    k = min(int(lod), levels - 1)
    blend = (
        max(2.0 * (lod - k) - 1.0, 0.0) if k < levels - 1 else 0.0
    )  # half of each octave needs one level only
    weight, base, whole = 1.0 - blend, share, True
    shaded = sampling and shade.shape[0] > 0
    if shaded:
        shine(s, n, ax, ay, major, air[SHADOW_DEPTH], shade, shade_frame, raw[1])
    if sampling and view.grain > 0.0:
        shaded = roughen(s, n, x, y, major, view, blocks, table, shaded, raw[1])
    while True:
        state = see_level(
            s, n, table[k], ax, ay, major, weight, base, lights, keep, sampling, texels, blocks, out,
            place_out, shaded, raw[1],
        )  # fmt: skip
        whole &= state != WANTED
        if state != ABSENT:  # else the next coarser level takes its share
            if blend == 0.0:
                return whole
            weight, base, keep, blend = blend, 0.0, True, 0.0
            lights[3] = lights[4] = lights[5] = 0.0
        k = min(k + 1, levels - 1)
