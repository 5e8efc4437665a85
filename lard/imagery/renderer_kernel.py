"""Compiled inner loops of the renderer: ray meets surface, footprint, filtered texture, haze.

A pixel is mapped back to the ground, the derivative of that map gives the parallelogram of ground it sees,
and the texture is averaged over the parallelogram's long axis with bilinear taps on the pyramid level whose
texels suit its short axis. Everything runs in double precision in ENU metres; texture weights are integers.

One module on purpose: Numba's cache of a function notices changes of that function's own file only.
"""

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[Any]
Four = tuple[float, float, float, bool]
Coloured = tuple[float, float, float, int]

# places in the `view` vector
FX, FY, CX, CY = 0, 1, 2, 3
CAMERA = 4  # 3: camera position, ENU m
ROTATION = 7  # 9: cam_from_enu, row by row
SHELL = 16  # 3 + 1: A C + b and C A C + 2 b C + c of the quadric at z_far
SHELL_MATRIX = 20  # 6: xx, xy, xz, yy, yz, zz
DROP = 26  # 5: see, snn, suu, half0, half1 of the height-0 ellipsoid
PRIME, MERIDIAN = 31, 32
POLYNOMIAL = 33  # 7
Z_FAR, GRID_X, GRID_Y, GRID_STEP = 40, 41, 42, 43
VISIBILITY, HORIZON_M, HORIZON_RAD = 44, 45, 46
UP = 47  # 3: vertical at the camera, ENU
ZONE_MARGIN_M = 50
LOD_BIAS = 51
MAX_TAPS = 52
VIEW_SIZE = 53

SKY, GROUND, FINE, MISSING = 0, 1, 2, 255
BLOCK_SHIFT = 8
EDGE_RAMP_PX = 24.0
RIM_SHARE = 0.12  # of the coarsest level's half width, blended into its mean colour
CONTRAST = 45.0
KOSCHMIEDER = 3.912  # -ln(0.02): contrast threshold of the meteorological visibility


@njit(cache=True, nogil=True)
def sky_mix(elevation_rad: float, scale_rad: float) -> float:
    """Share of the zenith colour at an elevation above the visible horizon."""
    return 1.0 - math.exp(-max(elevation_rad, 0.0) / scale_rad)


@njit(cache=True, nogil=True)
def transmittance(distance_m: float, visibility_m: float, horizon_m: float) -> float:
    """Share of the ground's own colour left at a distance.

    The last half of the way to the horizon also fades, in whatever visibility, because its pixels are rows
    of kilometres and the sky begins one pixel further.
    """
    fade = min(max(2.0 * distance_m / horizon_m - 1.0, 0.0), 1.0)
    return math.exp(-KOSCHMIEDER * distance_m / visibility_m) * (1.0 - fade * fade * (3.0 - 2.0 * fade))


@njit(cache=True, nogil=True)
def height_at(x: float, y: float, view: Array, heights: Array) -> tuple[float, float, float]:
    """Height and its two slopes at map coordinates."""
    rows, columns = heights.shape
    gx = (x - view[GRID_X]) / view[GRID_STEP]
    gy = (y - view[GRID_Y]) / view[GRID_STEP]
    if not (gx >= 0.0 and gy >= 0.0 and gx < columns - 1 and gy < rows - 1):
        return view[Z_FAR], 0.0, 0.0
    i, j = int(gx), int(gy)
    fx, fy = gx - i, gy - j
    a, b = heights[j, i], heights[j, i + 1]
    c, d = heights[j + 1, i], heights[j + 1, i + 1]
    low, high = a + (b - a) * fx, c + (d - c) * fx
    slope_x = ((b - a) * (1.0 - fy) + (d - c) * fy) / view[GRID_STEP]
    return low + (high - low) * fy, slope_x, (high - low) / view[GRID_STEP]


@njit(cache=True, nogil=True)
def to_map(east: float, north: float, height: float, view: Array) -> tuple[float, float, float, float]:
    """Map coordinates of ENU east and north at a height."""
    e = east / (1.0 + height / view[PRIME])
    n = north / (1.0 + height / view[MERIDIAN])
    p = POLYNOMIAL
    x = e * (view[p] + n * (view[p + 1] + n * view[p + 2]))
    return e, n, x, n * (view[p + 3] + n * view[p + 4]) + e * e * (view[p + 5] + n * view[p + 6])


@njit(cache=True, nogil=True)
def surface_up(e: float, n: float, height: float, view: Array) -> float:
    """ENU up coordinate of the surface point at height-0 coordinates (e, n) and a height."""
    c = view[DROP] * e * e + view[DROP + 1] * n * n
    half = view[DROP + 3] + view[DROP + 4] * n
    drop = -c / (half + math.sqrt(half * half - view[DROP + 2] * c))
    tilt = 1.0 - 0.5 * ((e / view[PRIME]) ** 2 + (n / view[MERIDIAN]) ** 2)
    return drop + height * tilt


@njit(cache=True, nogil=True)
def intersect(
    dx: float, dy: float, dz: float, view: Array, heights: Array
) -> tuple[float, float, float, float, float]:
    """Ray parameter (negative: sky), map coordinates and slopes of the surface where a ray meets it."""
    s, m = SHELL, SHELL_MATRIX
    beta = dx * view[s] + dy * view[s + 1] + dz * view[s + 2]
    if beta >= 0.0:
        return -1.0, 0.0, 0.0, 0.0, 0.0
    alpha = (
        dx * (view[m] * dx + 2.0 * (view[m + 1] * dy + view[m + 2] * dz))
        + dy * (view[m + 3] * dy + 2.0 * view[m + 4] * dz)
        + view[m + 5] * dz * dz
    )
    disc = beta * beta - alpha * view[s + 3]
    if disc < 0.0:
        return -1.0, 0.0, 0.0, 0.0, 0.0
    t = view[s + 3] / (math.sqrt(disc) - beta)
    height = view[Z_FAR]
    x = y = slope_x = slope_y = 0.0
    tolerance = 1e-3 / max(view[FX], view[FY])
    for _ in range(12):
        e, n, x, y = to_map(view[CAMERA] + t * dx, view[CAMERA + 1] + t * dy, height, view)
        height, hx, hy = height_at(x, y, view, heights)
        gap = view[CAMERA + 2] + t * dz - surface_up(e, n, height, view)
        slope_x, slope_y = hx - e / view[PRIME], hy - n / view[MERIDIAN]
        if abs(gap) < tolerance * t:
            break
        rate = dz - slope_x * dx - slope_y * dy
        if rate > -1e-6:
            break  # a tangent ray: the far shell's point stands
        t = max(t - gap / rate, 0.1 * t)
    return t, x, y, slope_x, slope_y


@njit(cache=True, nogil=True)
def in_zone(x: float, y: float, strips: Array, margin: float) -> bool:
    """Whether a map point lies on a runway or within the margin around it."""
    for k in range(strips.shape[0]):
        rx, ry = x - strips[k, 0], y - strips[k, 1]
        along = abs(rx * strips[k, 2] + ry * strips[k, 3])
        across = abs(ry * strips[k, 2] - rx * strips[k, 3])
        if along < strips[k, 4] + margin and across < strips[k, 5] + margin:
            return True
    return False


@njit(cache=True, nogil=True)
def line_mean(
    texels: Array, blocks: Array, row: Array, x: float, y: float, run_x: float, run_y: float, taps: int
) -> Four:
    """Mean colour of bilinear taps along a line on one level, and whether a block was missing.

    x, y: middle of the line on the map (m); run_x, run_y: its extent (m); row: the level's table entry.
    """
    gsd, width, height = row[0], int(row[3]), int(row[4])
    offset, first = int(row[5]), int(row[6])
    # fixed point, 16 fractional bits; texel centres on integers
    px, py = (x - row[1]) / gsd - 0.5, (row[2] - y) / gsd - 0.5
    step_x, step_y = run_x / gsd / taps, -run_y / gsd / taps
    px -= step_x * (taps - 1) * 0.5
    py -= step_y * (taps - 1) * 0.5
    last_x, last_y = px + step_x * (taps - 1), py + step_y * (taps - 1)
    left, right = max(int(min(px, last_x)) - 1, 0), min(int(max(px, last_x)) + 2, width - 1)
    top, bottom = max(int(min(py, last_y)) - 1, 0), min(int(max(py, last_y)) + 2, height - 1)
    across = (width + 255) >> BLOCK_SHIFT
    missing = False
    for j in range(top >> BLOCK_SHIFT, (bottom >> BLOCK_SHIFT) + 1):
        for i in range(left >> BLOCK_SHIFT, (right >> BLOCK_SHIFT) + 1):
            if blocks[first + j * across + i] != 1:
                blocks[first + j * across + i] = 2
                missing = True
    if missing:
        return 0.0, 0.0, 0.0, True
    qx, qy = math.floor(px * 65536.0), math.floor(py * 65536.0)
    sx, sy = math.floor(step_x * 65536.0), math.floor(step_y * 65536.0)
    max_x, max_y = ((width - 1) << 16) - 1, ((height - 1) << 16) - 1
    stride = 3 * width
    red = green = blue = 0
    for _ in range(taps):
        cx, cy = min(max(qx, 0), max_x), min(max(qy, 0), max_y)
        fx, fy = (cx >> 8) & 255, (cy >> 8) & 255
        a = offset + (cy >> 16) * stride + 3 * (cx >> 16)
        b = a + stride
        w11 = fx * fy
        w10, w01 = (fx << 8) - w11, (fy << 8) - w11
        w00 = 65536 - (fx << 8) - w01
        red += w00 * texels[a] + w10 * texels[a + 3] + w01 * texels[b] + w11 * texels[b + 3]
        green += w00 * texels[a + 1] + w10 * texels[a + 4] + w01 * texels[b + 1] + w11 * texels[b + 4]
        blue += w00 * texels[a + 2] + w10 * texels[a + 5] + w01 * texels[b + 2] + w11 * texels[b + 5]
        qx += sx
        qy += sy
    scale = 1.0 / (65536.0 * taps)
    return red * scale, green * scale, blue * scale, False


@njit(cache=True, nogil=True)
def filtered(
    x: float,
    y: float,
    major_x: float,
    major_y: float,
    major: float,
    minor: float,
    view: Array,
    texels: Array,
    blocks: Array,
    table: Array,
    far: Array,
) -> Four:
    """Colour averaged over a footprint (its axis, lengths in metres), and whether it is missing."""
    levels = table.shape[0]
    minor = max(minor, 2.0 * major / view[MAX_TAPS])
    lod = max(math.log2(minor / table[0, 0]) + view[LOD_BIAS], 0.0)
    k = min(int(lod), levels - 1)
    rim = 1.0
    while True:
        reach = 0.5 * major
        inside = min(
            min(x - table[k, 1], table[k, 1] + table[k, 0] * table[k, 3] - x) - reach * abs(major_x),
            min(table[k, 2] - y, y - table[k, 2] + table[k, 0] * table[k, 4]) - reach * abs(major_y),
        )
        if k == levels - 1:
            rim = min(max(inside / (RIM_SHARE * 0.5 * table[k, 0] * min(table[k, 3], table[k, 4])), 0.0), 1.0)
            lod = min(lod, float(k))
            break
        share = inside / (EDGE_RAMP_PX * table[k, 0])
        if share >= 1.0:
            break
        if share > 0.0:
            lod = max(lod, k + 1.0 - share)
            break
        k += 1
        lod = max(lod, float(k))
    if rim <= 0.0:
        return far[0], far[1], far[2], False
    k = min(int(lod), levels - 1)
    blend = max(2.0 * (lod - k) - 1.0, 0.0)  # half of each octave needs one level only
    taps = max(math.ceil(major / table[k, 0]), 1)
    taps = min(taps, int(view[MAX_TAPS]))
    red, green, blue, missing = line_mean(
        texels, blocks, table[k], x, y, major_x * major, major_y * major, taps
    )
    if blend > 0.0 and k + 1 < levels:
        taps = max((taps + 1) >> 1, 1)
        r2, g2, b2, missing2 = line_mean(
            texels, blocks, table[k + 1], x, y, major_x * major, major_y * major, taps
        )
        missing = missing or missing2
        red, green, blue = red + (r2 - red) * blend, green + (g2 - green) * blend, blue + (b2 - blue) * blend
    if rim < 1.0:
        rim = rim * rim * (3.0 - 2.0 * rim)
        red, green, blue = (
            far[0] + (red - far[0]) * rim, far[1] + (green - far[1]) * rim, far[2] + (blue - far[2]) * rim,
        )  # fmt: skip
    return red, green, blue, missing


@njit(cache=True, nogil=True)
def sample(
    u: float,
    v: float,
    size: float,
    view: Array,
    heights: Array,
    strips: Array,
    texels: Array,
    blocks: Array,
    table: Array,
    far: Array,
    sky: Array,
) -> Coloured:
    """Colour seen by a square of `size` pixels around pixel (u, v), and its kind."""
    r = ROTATION
    cx, cy = (u - view[CX]) / view[FX], (v - view[CY]) / view[FY]
    dx = view[r] * cx + view[r + 3] * cy + view[r + 6]
    dy = view[r + 1] * cx + view[r + 4] * cy + view[r + 7]
    dz = view[r + 2] * cx + view[r + 5] * cy + view[r + 8]
    norm = math.sqrt(1.0 + cx * cx + cy * cy)
    t, x, y, slope_x, slope_y = intersect(dx, dy, dz, view, heights)
    if t <= 0.0:
        up = (dx * view[UP] + dy * view[UP + 1] + dz * view[UP + 2]) / norm
        mix = sky_mix(math.asin(min(max(up, -1.0), 1.0)) - view[HORIZON_RAD], sky[2, 0])
        return (
            sky[0, 0] + (sky[1, 0] - sky[0, 0]) * mix,
            sky[0, 1] + (sky[1, 1] - sky[0, 1]) * mix,
            sky[0, 2] + (sky[1, 2] - sky[0, 2]) * mix,
            SKY,
        )
    # derivative of the ground point with respect to u and v: t (d_u - d (n d_u) / (n d))
    fall = min(dz - slope_x * dx - slope_y * dy, -1e-9)
    scale_u, scale_v = t * size / view[FX], t * size / view[FY]
    lift_u = (view[r + 2] - slope_x * view[r] - slope_y * view[r + 1]) / fall
    lift_v = (view[r + 5] - slope_x * view[r + 3] - slope_y * view[r + 4]) / fall
    xu, yu = scale_u * (view[r] - dx * lift_u), scale_u * (view[r + 1] - dy * lift_u)
    xv, yv = scale_v * (view[r + 3] - dx * lift_v), scale_v * (view[r + 4] - dy * lift_v)
    # axes of the footprint: eigenvectors of J J^T
    xx, yy, xy = xu * xu + xv * xv, yu * yu + yv * yv, xu * yu + xv * yv
    half = 0.5 * (xx - yy)
    root = math.sqrt(half * half + xy * xy)
    major = math.sqrt(max(0.5 * (xx + yy) + root, 1e-12))
    minor = abs(xu * yv - xv * yu) / major
    ax, ay = (half + root, xy) if half >= 0.0 else (xy, root - half)
    length = math.sqrt(ax * ax + ay * ay)
    if length > 0.0:
        ax, ay = ax / length, ay / length
    else:
        ax, ay = 1.0, 0.0
    red, green, blue, missing = filtered(x, y, ax, ay, major, minor, view, texels, blocks, table, far)
    kind = MISSING if missing else GROUND
    if not missing and size == 1.0 and major > table[0, 0] and in_zone(x, y, strips, view[ZONE_MARGIN_M]):
        kind = FINE
    clear = transmittance(t * norm, view[VISIBILITY], view[HORIZON_M])
    return (
        sky[0, 0] + (red - sky[0, 0]) * clear,
        sky[0, 1] + (green - sky[0, 1]) * clear,
        sky[0, 2] + (blue - sky[0, 2]) * clear,
        kind,
    )


@njit(cache=True, nogil=True)
def first_pass(
    colours: Array,
    kinds: Array,
    step: int,
    view: Array,
    heights: Array,
    strips: Array,
    texels: Array,
    blocks: Array,
    table: Array,
    far: Array,
    sky: Array,
) -> int:
    """One sample per pixel still MISSING (every `step`-th); how many remain so."""
    rows, columns = kinds.shape
    left = 0
    for j in range(0, rows, step):
        for i in range(0, columns, step):
            if kinds[j, i] != MISSING:
                continue
            red, green, blue, kind = sample(
                i + 0.5, j + 0.5, 1.0, view, heights, strips, texels, blocks, table, far, sky
            )
            colours[j, i, 0], colours[j, i, 1], colours[j, i, 2] = red, green, blue
            kinds[j, i] = kind
            left += kind == MISSING
    return left


@njit(cache=True, nogil=True)
def mark_fine(colours: Array, kinds: Array, fine: Array) -> None:
    """Mark the pixels worth supersampling: runways seen from afar, the horizon, hard edges."""
    rows, columns = kinds.shape
    for j in range(rows):
        for i in range(columns):
            fine[j, i] = MISSING if kinds[j, i] == FINE else GROUND
    for j in range(rows - 1):
        for i in range(columns - 1):
            for k in range(2):
                b, a = (j, i + 1) if k == 0 else (j + 1, i)
                change = (
                    abs(colours[j, i, 0] - colours[b, a, 0])
                    + abs(colours[j, i, 1] - colours[b, a, 1])
                    + abs(colours[j, i, 2] - colours[b, a, 2])
                )
                if change > 3.0 * CONTRAST or (kinds[j, i] == SKY) != (kinds[b, a] == SKY):
                    fine[j, i] = MISSING
                    fine[b, a] = MISSING


@njit(cache=True, nogil=True)
def second_pass(
    colours: Array,
    fine: Array,
    count: int,
    view: Array,
    heights: Array,
    strips: Array,
    texels: Array,
    blocks: Array,
    table: Array,
    far: Array,
    sky: Array,
) -> int:
    """Mean of count x count samples for every pixel marked MISSING in `fine`; how many remain so."""
    rows, columns = fine.shape
    left = 0
    size = 1.0 / count
    for j in range(rows):
        for i in range(columns):
            if fine[j, i] != MISSING:
                continue
            red = green = blue = 0.0
            missing = False
            for b in range(count):
                for a in range(count):
                    r, g, bl, kind = sample(
                        i + (a + 0.5) * size, j + (b + 0.5) * size, size,
                        view, heights, strips, texels, blocks, table, far, sky,
                    )  # fmt: skip
                    red, green, blue = red + r, green + g, blue + bl
                    missing = missing or kind == MISSING
            if missing:
                left += 1
            else:
                fine[j, i] = GROUND
                share = 1.0 / (count * count)
                colours[j, i, 0] = red * share
                colours[j, i, 1] = green * share
                colours[j, i, 2] = blue * share
    return left


@njit(cache=True, nogil=True)
def develop(colours: Array, noise: Array, table: Array, gain: float, image: Array) -> None:
    """Exposure, noise (a byte per value, through its table) and rounding to uint8."""
    rows, columns, _ = colours.shape
    for j in range(rows):
        for i in range(columns):
            for c in range(3):
                value = colours[j, i, c] * gain + table[noise[j, i, c]] + 0.5
                image[j, i, c] = np.uint8(min(max(value, 0.0), 255.0))
