"""Compiled inner loops of the renderer: ray meets surface, footprint, filtered texture, air, noise.

Rays are met with the surface exactly at the corners of squares of pixels; in between, 1 / t, x / t and y / t
are linear in pixels as on any plane, and a square whose middle disagrees with that is divided, down to single
pixels met exactly. The derivative of the map from pixels to the ground gives the parallelogram that a pixel
sees; the texture is averaged along its long axis, row by row (or column by column) of texels, with exact
shares of the rows at both ends, on the pyramid level whose texels suit its short axis.

Texels are 32-bit words, spread to 16-bit lanes of 64-bit ones: one multiplication blends all channels.
One module on purpose: Numba's cache of a function notices changes of that function's own file only.
"""

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array
from numpy.typing import NDArray

Array = NDArray[Any]

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
HORIZON_M, HORIZON_RAD = 45, 46
UP = 47  # 3: vertical at the camera, ENU
ZONE_MARGIN_M = 50
LOD_BIAS = 51
MAX_TAPS = 52
WIDTH_PX, HEIGHT_PX = 53, 54
K1, K2, K3 = 55, 56, 57  # radial distortion
FAR_X, FAR_Y, FAR_STEP = 58, 59, 60  # grid of the far heights
VIEW_SIZE = 61

# places in the `air` vector and rows of the `sky` palette, as laid out in lard/render/atmosphere.py
BETA, LAYER_BOTTOM, LAYER_TOP, LAYER_BETA = 0, 1, 2, 3
ILLUMINANT, LAYER_COLOUR, CAMERA_HEIGHT, SHADOW_DEPTH = 4, 7, 10, 11
HORIZON, ZENITH, SCALES, GLOW, SUN = 0, 1, 2, 3, 4
LONGEST_PATH_M = 1e5

# a point of the lattice: 1 / t, x / t, y / t, share of the ground's colour, colour of the air, ground or not
W, X, Y, CLEAR, ADD, KIND, POINT_SIZE = 0, 1, 2, 3, 4, 7, 8
# a row of pixels: values of W .. ADD + 2 at the first, their changes per pixel, changes of W, X, Y per row
CHANGE, DOWN, SPAN_SIZE = 7, 14, 17

READ, WANTED, ABSENT = 1, 2, 3
EDGE = -2.0  # a start of EDGE - k: that of its parts stand in the rows below the picture, as the k-th
BLOCK_SHIFT = 8
TILE, CELL = 32, 4  # pixels: of the squares tried first, and of the smallest
LINE_TEXELS = 16  # of a cache line
SHADE_TAPS = 8  # of shadows along a footprint, at most
EDGE_RAMP_PX = 24.0
RIM_SHARE = 0.12  # of the coarsest level's half width, blended into its mean colour
ZONE_TOLERANCE_PX, TOLERANCE_PX = 0.02, 0.12
TOLERANCE_GREY = 0.5
MOST_ZOOM = 1.35  # ratio of distances across a square: one footprint serves a row of its pixels
FINE_TEXELS = 0.75  # runway pixels whose short axis spans more of the finest texels are supersampled

_SPREAD = np.uint64(0x000000FF00FF00FF)  # blue in bits 16 .. 23, green in bits 32 .. 39
_LANES = np.uint64(0x0000FFFF0000FFFF)
_LOW = np.uint64(0xFFFFFFFF)
_8, _16, _24, _32 = np.uint64(8), np.uint64(16), np.uint64(24), np.uint64(32)

_jit = njit(cache=True, nogil=True, error_model="numpy")
_inlined = njit(cache=True, nogil=True, error_model="numpy", forceinline=True)


@_inlined
def height_at(x: float, y: float, view: Array, heights: Array, far: Array) -> tuple[float, float, float]:
    """Height and its two slopes at map coordinates: near grid, far grid, level beyond."""
    rows, columns = heights.shape
    step = view[GRID_STEP]
    gx, gy = (x - view[GRID_X]) / step, (y - view[GRID_Y]) / step
    grid = heights
    if not (gx >= 0.0 and gy >= 0.0 and gx < columns - 1 and gy < rows - 1):
        rows, columns = far.shape
        step = view[FAR_STEP]
        gx, gy = (x - view[FAR_X]) / step, (y - view[FAR_Y]) / step
        grid = far
        if not (gx >= 0.0 and gy >= 0.0 and gx < columns - 1 and gy < rows - 1):
            return view[Z_FAR], 0.0, 0.0
    i, j = int(gx), int(gy)
    fx, fy = gx - i, gy - j
    a, b = grid[j, i], grid[j, i + 1]
    c, d = grid[j + 1, i], grid[j + 1, i + 1]
    low, high = a + (b - a) * fx, c + (d - c) * fx
    return low + (high - low) * fy, ((b - a) * (1.0 - fy) + (d - c) * fy) / step, (high - low) / step


@_inlined
def to_map(east: float, north: float, height: float, view: Array) -> tuple[float, float, float, float]:
    """Height-0 coordinates and map coordinates of ENU east and north at a height."""
    e = east / (1.0 + height / view[PRIME])
    n = north / (1.0 + height / view[MERIDIAN])
    p = POLYNOMIAL
    x = e * (view[p] + n * (view[p + 1] + n * view[p + 2]))
    return e, n, x, n * (view[p + 3] + n * view[p + 4]) + e * e * (view[p + 5] + n * view[p + 6])


@_inlined
def surface_up(e: float, n: float, height: float, view: Array) -> float:
    """ENU up coordinate of the surface point at height-0 coordinates (e, n) and a height."""
    c = view[DROP] * e * e + view[DROP + 1] * n * n
    half = view[DROP + 3] + view[DROP + 4] * n
    drop = -c / (half + math.sqrt(half * half - view[DROP + 2] * c))
    tilt = 1.0 - 0.5 * ((e / view[PRIME]) ** 2 + (n / view[MERIDIAN]) ** 2)
    return drop + height * tilt


@_inlined
def ray(u: float, v: float, view: Array) -> tuple[float, float, float, float]:
    """ENU direction of camera depth 1 through an image point, distortion undone, and its length."""
    xd, yd = (u - view[CX]) / view[FX], (v - view[CY]) / view[FY]
    x, y = xd, yd
    if view[K1] != 0.0 or view[K2] != 0.0 or view[K3] != 0.0:
        target = math.sqrt(xd * xd + yd * yd)
        r = target
        for _ in range(20):
            q = r * r
            gap = r * (1.0 + q * (view[K1] + q * (view[K2] + q * view[K3]))) - target
            slope = 1.0 + q * (3.0 * view[K1] + q * (5.0 * view[K2] + q * 7.0 * view[K3]))
            move = gap / max(slope, 0.05)
            r -= move
            if abs(move) < 1e-13:
                break
        if target > 0.0:
            x, y = xd * r / target, yd * r / target
    m = ROTATION
    dx = view[m] * x + view[m + 3] * y + view[m + 6]
    dy = view[m + 1] * x + view[m + 4] * y + view[m + 7]
    dz = view[m + 2] * x + view[m + 5] * y + view[m + 8]
    return dx, dy, dz, math.sqrt(1.0 + x * x + y * y)


@_inlined
def intersect(
    dx: float, dy: float, dz: float, start: float, view: Array, heights: Array, far: Array
) -> tuple[float, float, float, float, float, float]:
    """Ray parameter (negative: sky), map coordinates, height and slopes of the surface where a ray meets it.

    start: a ray parameter near the solution; 0 = from the shell at z_far; negative or NaN = sky.
    """
    if not start >= 0.0:
        return -1.0, 0.0, 0.0, 0.0, 0.0, 0.0
    t = start
    if start == 0.0:
        s, m = SHELL, SHELL_MATRIX
        beta = dx * view[s] + dy * view[s + 1] + dz * view[s + 2]
        if beta >= 0.0:
            return -1.0, 0.0, 0.0, 0.0, 0.0, 0.0
        alpha = (
            dx * (view[m] * dx + 2.0 * (view[m + 1] * dy + view[m + 2] * dz))
            + dy * (view[m + 3] * dy + 2.0 * view[m + 4] * dz)
            + view[m + 5] * dz * dz
        )
        disc = beta * beta - alpha * view[s + 3]
        if disc < 0.0:
            return -1.0, 0.0, 0.0, 0.0, 0.0, 0.0
        t = view[s + 3] / (math.sqrt(disc) - beta)
    height = view[Z_FAR]
    if start > 0.0:
        _, _, x, y = to_map(view[CAMERA] + t * dx, view[CAMERA + 1] + t * dy, height, view)
        height, _, _ = height_at(x, y, view, heights, far)
    x = y = slope_x = slope_y = 0.0
    tolerance = 1e-3 / max(view[FX], view[FY])
    for _ in range(12):
        e, n, x, y = to_map(view[CAMERA] + t * dx, view[CAMERA + 1] + t * dy, height, view)
        height, hx, hy = height_at(x, y, view, heights, far)
        gap = view[CAMERA + 2] + t * dz - surface_up(e, n, height, view)
        slope_x, slope_y = hx - e / view[PRIME], hy - n / view[MERIDIAN]
        if abs(gap) < tolerance * t:
            break
        rate = dz - slope_x * dx - slope_y * dy
        if rate > -1e-6:
            break  # a tangent ray: the far shell's (or the marched) point stands
        t = max(t - gap / rate, 0.1 * t)
        if start > 0.0:
            t = min(max(t, 0.9 * start), 1.1 * start)  # the marched point is the nearest one along the ray
    return t, x, y, height, slope_x, slope_y


@_inlined
def haze_colour(dx: float, dy: float, sky: Array) -> tuple[float, float, float]:
    """Colour of the sky at the horizon, and of haze, in a direction."""
    glow = 0.0
    if sky[GLOW, 0] != 0.0 or sky[GLOW, 1] != 0.0 or sky[GLOW, 2] != 0.0:
        across = math.sqrt(dx * dx + dy * dy) * math.sqrt(sky[SUN, 0] ** 2 + sky[SUN, 1] ** 2)
        cosine = (dx * sky[SUN, 0] + dy * sky[SUN, 1]) / max(across, 1e-12)
        glow = math.exp(sky[SCALES, 2] * (cosine - 1.0))
    h, g = HORIZON, GLOW
    return sky[h, 0] + sky[g, 0] * glow, sky[h, 1] + sky[g, 1] * glow, sky[h, 2] + sky[g, 2] * glow


@_jit
def sky_point(
    dx: float, dy: float, dz: float, norm: float, view: Array, sky: Array, air: Array, out: Array
) -> None:
    """Colour of the sky along a ray, into ADD of a lattice point."""
    sine = (dx * view[UP] + dy * view[UP + 1] + dz * view[UP + 2]) / norm
    up = max(math.asin(min(max(sine, -1.0), 1.0)) - view[HORIZON_RAD], 0.0)
    mix = 1.0 - math.exp(-up / sky[SCALES, 0])
    glow = math.exp(-up / sky[SCALES, 1])
    haze = haze_colour(dx / norm, dy / norm, sky)
    cover = 0.0
    if air[LAYER_BETA] > 0.0 and air[CAMERA_HEIGHT] < air[LAYER_TOP]:
        rise = max(math.sin(up), 1e-9)
        before = math.exp(-air[BETA] * max(air[LAYER_BOTTOM] - air[CAMERA_HEIGHT], 0.0) / rise)
        within = min((air[LAYER_TOP] - max(air[LAYER_BOTTOM], air[CAMERA_HEIGHT])) / rise, LONGEST_PATH_M)
        cover = before * -math.expm1(-air[LAYER_BETA] * within)
    for c in range(3):
        colour = sky[HORIZON, c] + (sky[ZENITH, c] - sky[HORIZON, c]) * mix
        colour += (haze[c] - sky[HORIZON, c]) * glow
        out[ADD + c] = colour + (air[LAYER_COLOUR + c] - colour) * cover
    out[W] = out[X] = out[Y] = out[CLEAR] = out[KIND] = 0.0


@_jit
def through_air(
    distance: float, height: float, dx: float, dy: float, view: Array, sky: Array, air: Array, out: Array
) -> None:
    """Share of the ground's colour that arrives, and what the air adds, into a lattice point.

    The last half of the way to the horizon also fades, in whatever visibility, because its pixels are rows
    of kilometres and the sky begins one pixel further.
    """
    fade = min(max(2.0 * distance / view[HORIZON_M] - 1.0, 0.0), 1.0)
    fade = fade * fade * (3.0 - 2.0 * fade)
    haze = haze_colour(dx, dy, sky)
    extra = air[LAYER_BETA]
    if extra <= 0.0:
        clear = math.exp(-air[BETA] * distance) * (1.0 - fade)
        out[CLEAR] = clear
        for c in range(3):
            out[ADD + c] = haze[c] * (1.0 - clear)
        return
    top, bottom, camera = air[LAYER_TOP], air[LAYER_BOTTOM], air[CAMERA_HEIGHT]
    drop = max(camera - height, 1e-3)
    high = min(max((camera - top) / drop, 0.0), 1.0)
    low = min(max((bottom - height) / drop, 0.0), 1.0)
    inside = bottom < camera < top
    over = math.exp(-air[BETA] * distance * high)
    within = math.exp(-(air[BETA] + extra) * distance * max(1.0 - high - low, 0.0))
    under = math.exp(-air[BETA] * distance * low)
    out[CLEAR] = over * within * under * (1.0 - fade)
    for c in range(3):
        layer = air[LAYER_COLOUR + c]
        mixed = (air[BETA] * haze[c] + extra * layer) / (air[BETA] + extra)
        seen = (1.0 - over) * haze[c] + over * ((1.0 - within) * mixed + within * (1.0 - under) * haze[c])
        out[ADD + c] = seen * (1.0 - fade) + (layer if inside else haze[c]) * fade


@_jit
def meet(
    u: float,
    v: float,
    view: Array,
    heights: Array,
    far: Array,
    start: Array,
    sky: Array,
    air: Array,
    out: Array,
) -> None:
    """The lattice point of an image point: where its ray meets the ground, and the air before it."""
    dx, dy, dz, norm = ray(u, v, view)
    guess = 0.0
    if start.shape[0] > 0:
        j = min(max(int(v), 0), int(view[HEIGHT_PX]) - 1)
        guess = start[j, min(max(int(u), 0), start.shape[1] - 1)]
    t, x, y, height, _, _ = intersect(dx, dy, dz, guess, view, heights, far)
    if t <= 0.0:
        sky_point(dx, dy, dz, norm, view, sky, air, out)
        return
    out[W], out[X], out[Y], out[KIND] = 1.0 / t, x / t, y / t, 1.0
    through_air(t * norm, height, dx, dy, view, sky, air, out)


@_jit
def in_zone(x: float, y: float, strips: Array, margin: float) -> bool:
    """Whether a map point lies on a runway or within the margin around it."""
    for k in range(strips.shape[0]):
        rx, ry = x - strips[k, 0], y - strips[k, 1]
        along = abs(rx * strips[k, 2] + ry * strips[k, 3])
        across = abs(ry * strips[k, 2] - rx * strips[k, 3])
        if along < strips[k, 4] + margin and across < strips[k, 5] + margin:
            return True
    return False


@_jit
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


@intrinsic
def prefetch(typingctx: Any, array: Any, index: Any) -> Any:
    """Ask the processor for the cache line of array[index]; a hint without effect on results."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = make_array(signature.args[0])(context, builder, arguments[0]).data
        pointer = builder.gep(data, [arguments[1]])
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, number, number, number])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [pointer, number(0), number(3), number(1)])  # to read, into all caches, data

    return types.void(array, types.intp), generate


@_inlined
def blended(texels: Array, at: int, side: int, q: int) -> np.uint64:
    """256 times the colours between two texels, in lanes of 16 bits: red, blue, green."""
    a, b = np.uint64(texels[np.uintp(at)]), np.uint64(texels[np.uintp(at + side)])
    a, b = (a | (a << _24)) & _SPREAD, (b | (b << _24)) & _SPREAD
    return (a << _8) + (b - a) * np.uint64((q >> 8) & 255)


@_inlined
def walk(
    texels: Array,
    place: int,
    step: int,
    side: int,
    first: int,
    last: int,
    start: int,
    length: int,
    q: int,
    slope: int,
) -> tuple[np.uint64, np.uint64]:
    """Weighted sums of the channels along a line of texels, blended sideways; lanes (red, green) and (blue).

    place: of texel (0, 0); step, side: to the next texel along and across the line; first .. last: texels
    along it; start, length: the line's, 1/256 texel; q, slope: place across of `first` and its change per
    texel, 1/65536.
    """
    index = place + first * step
    v = blended(texels, index + (q >> 16) * side, side, q)
    weight = np.uint64(256 - (start & 255))
    low, high = (v & _LANES) * weight, ((v >> _16) & _LANES) * weight
    low_sum = high_sum = np.uint64(0)
    for _ in range(last - first - 1):
        q += slope
        index += step
        v = blended(texels, index + (q >> 16) * side, side, q)
        low_sum += v & _LANES
        high_sum += (v >> _16) & _LANES
    weight = np.uint64((start + length) & 255)
    q += slope
    v = blended(texels, index + step + (q >> 16) * side, side, q)
    low += (v & _LANES) * weight + (low_sum << _8)
    high += ((v >> _16) & _LANES) * weight + (high_sum << _8)
    return low, high


@_jit
def walk_clamped(
    texels: Array, place: int, step: int, side: int, first: int, last: int, start: int, length: int, q: int,
    slope: int, end: int, side_end: int,
) -> tuple[np.uint64, np.uint64]:  # fmt: skip
    """As `walk`, with the outermost texels continued beyond the level's `end` and `side_end`."""
    low = high = np.uint64(0)
    for r in range(first, last + 1):
        weight = np.uint64(256)
        if r == first:
            weight = np.uint64(256 - (start & 255))
        elif r == last:
            weight = np.uint64((start + length) & 255)
        c = min(max(q, 0), ((side_end - 1) << 16) - 1)
        v = blended(texels, place + min(max(r, 0), end - 1) * step + (c >> 16) * side, side, c)
        low += (v & _LANES) * weight
        high += ((v >> _16) & _LANES) * weight
        q += slope
    return low, high


@_inlined
def see_level(
    s: Array, n: int, row: Array, ax: float, ay: float, major: float, weight: float, base: float,
    lights: Array, keep: bool, sampling: bool, texels: Array, blocks: Array, out: Array, place_out: int,
    shaded: bool, suns: Array,
) -> int:  # fmt: skip
    """Colours of n footprints in a row on one level, into or (keep) onto `out`; READ, WANTED or ABSENT.

    s: the row of pixels; row: the level's table entry; ax, ay, major: axis of the footprints, its length (m);
    weight: of this level's texels; base: of the air's and the far ground's light; lights (6,): light on the
    ground and the far ground's colour; out: flat, from place_out; suns (n,): what shadows leave, if shaded.
    """
    gain, x_min, y_max = 1.0 / row[0], row[1], row[2]
    width, height = int(row[3]), int(row[4])
    place, first_block = int(row[5]), int(row[6])
    # along: the walking direction, across: the other
    down = abs(ay) >= abs(ax)
    run = major * gain * (abs(ay) if down else abs(ax))
    square = 1.0 + run * run
    reach = math.sqrt(square)  # one texel's width besides the footprint's: bilinear where it is short
    length = int(reach * 256.0 + 0.5)
    slope = -(ax / ay if down else ay / ax) * run * run / square
    shift = 0.5 - 0.5 * reach
    # numerators of the texel coordinates; texel centres on integers
    w, dw = s[W], s[CHANGE + W]
    x, dx = (s[X] - x_min * w) * gain - 0.5 * w, (s[CHANGE + X] - x_min * dw) * gain - 0.5 * dw
    y, dy = (y_max * w - s[Y]) * gain - 0.5 * w, (y_max * dw - s[CHANGE + Y]) * gain - 0.5 * dw
    t0, t1 = 1.0 / w, 1.0 / (w + (n - 1) * dw)
    x0, x1, y0, y1 = x * t0, (x + (n - 1) * dx) * t1, y * t0, (y + (n - 1) * dy) * t1
    along_m, across_m = 0.5 * reach + 1.5, 0.5 * abs(slope) * (reach + 2.0) + 0.5
    mx, my = (across_m, along_m) if down else (along_m, across_m)
    left, right = math.floor(min(x0, x1) - mx), math.floor(max(x0, x1) + mx) + 1
    top, bottom = math.floor(min(y0, y1) - my), math.floor(max(y0, y1) + my) + 1
    whole = left >= 0 and top >= 0 and right < width and bottom < height
    if not whole:
        left, right = min(max(left, 0), width - 1), min(max(right, 0), width - 1)
        top, bottom = min(max(top, 0), height - 1), min(max(bottom, 0), height - 1)
    across_blocks = (width + 255) >> BLOCK_SHIFT
    state = READ
    for j in range(top >> BLOCK_SHIFT, (bottom >> BLOCK_SHIFT) + 1):
        for i in range(left >> BLOCK_SHIFT, (right >> BLOCK_SHIFT) + 1):
            block = np.uintp(first_block + j * across_blocks + i)
            if blocks[block] != READ:
                if blocks[block] == ABSENT:
                    return ABSENT
                blocks[block] = WANTED
                state = WANTED
    if state != READ or not sampling:
        return state
    pitch = int(row[7])
    step, side = (pitch, 1) if down else (1, pitch)
    end, side_end = (height, width) if down else (width, height)
    if run > 1.5 and whole:
        # the texels that the next row of pixels will read: most of the time would pass waiting for them
        tm = 1.0 / (w + 0.5 * (n - 1) * dw)
        ym, xm = (y + 0.5 * (n - 1) * dy) * tm, (x + 0.5 * (n - 1) * dx) * tm
        vw = s[DOWN + W]
        vx = ((s[DOWN + X] - x_min * vw) * gain - (xm + 0.5) * vw) * tm
        vy = ((y_max * vw - s[DOWN + Y]) * gain - (ym + 0.5) * vw) * tm
        if down:
            centre, low, high, shift_c = ym + vy, x0, x1, vx
        else:
            centre, low, high, shift_c = xm + vx, y0, y1, vy
        from_row, to_row = int(centre - 0.5 * reach), int(centre + 0.5 * reach) + 1
        wide = 0.5 * abs(high - low)
        middle = 0.5 * (low + high) + shift_c
        if down:
            for r in range(from_row, to_row + 1):
                c = int(middle + slope * (r - centre) - wide)
                for q in range(c, c + int(2.0 * wide) + LINE_TEXELS, LINE_TEXELS):
                    prefetch(texels, place + r * pitch + q)  # type: ignore[call-arg]
        else:
            for r in range(from_row, to_row + 1, LINE_TEXELS):
                c = int(middle + slope * (r - centre) - wide)
                for q in range(c, c + int(2.0 * wide) + 2):
                    prefetch(texels, place + q * pitch + r)  # type: ignore[call-arg]
    change = int(slope * 65536.0)
    scale = weight / (length * 256.0)
    along, along_change, across, across_change = (y, dy, x, dx) if down else (x, dx, y, dy)
    clear, clear_change = s[CLEAR], s[CHANGE + CLEAR]
    red_0, red_1, green_0, green_1 = s[ADD], s[CHANGE + ADD], s[ADD + 1], s[CHANGE + ADD + 1]
    blue_0, blue_1 = s[ADD + 2], s[CHANGE + ADD + 2]
    red_light, green_light, blue_light = lights[0] * scale, lights[1] * scale, lights[2] * scale
    red_far, green_far, blue_far = lights[3], lights[4], lights[5]
    for i in range(n):
        t = 1.0 / (w + i * dw)
        p = (along + i * along_change) * t
        start = math.floor((p + shift) * 256.0)
        first, last = start >> 8, (start + length) >> 8
        q = math.floor(((across + i * across_change) * t + slope * (first - p)) * 65536.0)
        if whole:
            low, high = walk(texels, place, step, side, first, last, start, length, q, change)
        else:
            low, high = walk_clamped(
                texels, place, step, side, first, last, start, length, q, change, end, side_end
            )
        part = clear + i * clear_change
        if shaded:
            part *= suns[i]
        red = part * (np.int64(low & _LOW) * red_light + red_far) + base * (red_0 + i * red_1)
        green = part * (np.int64(low >> _32) * green_light + green_far) + base * (green_0 + i * green_1)
        blue = part * (np.int64(high & _LOW) * blue_light + blue_far) + base * (blue_0 + i * blue_1)
        at = np.uintp(place_out + 3 * i)
        if keep:
            out[at] += np.float32(red)
            out[at + np.uintp(1)] += np.float32(green)
            out[at + np.uintp(2)] += np.float32(blue)
        else:
            out[at] = np.float32(red)
            out[at + np.uintp(1)] = np.float32(green)
            out[at + np.uintp(2)] = np.float32(blue)
    return READ


@_inlined
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


@_jit
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


@_inlined
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


@_inlined
def see(
    s: Array, out: Array, place_out: int, n: int, size: float, share: float, keep: bool, sampling: bool,
    raw: Array, view: Array, texels: Array, blocks: Array, table: Array, ground: Array, air: Array,
    shade: Array, shade_frame: Array,
) -> bool:  # fmt: skip
    """`share` of the colours of n pixels of the row s, into or onto `out`; whether all blocks were there."""
    levels = table.shape[0]
    x, y, ax, ay, major, minor = footprint(s, 0.5 * (n - 1), size)
    suited = max(minor, 2.0 * major / view[MAX_TAPS])
    lod = max(math.log2(suited / table[0, 0]) + view[LOD_BIAS], 0.0)
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


@_inlined
def plane_of(points: Array, j: int, i: int, step: int, size: int, plane: Array) -> None:
    """Bilinear coefficients (4, CHANGE) of a square of the lattice: value, per pixel right, down, both."""
    share = 1.0 / size
    for c in range(CHANGE):
        a, b = points[j, i, c], points[j, i + step, c]
        d, e = points[j + step, i, c], points[j + step, i + step, c]
        plane[0, c], plane[1, c], plane[2, c] = a, (b - a) * share, (d - a) * share
        plane[3, c] = (e - d - b + a) * share * share


@_inlined
def row_of(plane: Array, down: float, right: float, size: int, s: Array) -> None:
    """The row of pixels at a place within a square, both in pixels from its first corner."""
    for c in range(CHANGE):
        change = plane[1, c] + plane[3, c] * down
        s[CHANGE + c] = change
        s[c] = plane[0, c] + plane[2, c] * down + change * right
    for c in range(3):
        s[DOWN + c] = plane[2, c] + plane[3, c] * (0.5 * size)


@_jit
def fill_square(
    points: Array, pj: int, pi: int, step: int, j0: int, i0: int, size: int, band: int, zone: bool,
    count: int, out: Array, sampling: bool, s: Array, raw: Array, view: Array, strips: Array, texels: Array,
    blocks: Array, table: Array, ground: Array, air: Array, shade: Array, shade_frame: Array, plane: Array,
) -> bool:  # fmt: skip
    """Colours of a square of pixels between four lattice points; whether all blocks were there."""
    columns = min(size, int(view[WIDTH_PX]) - i0)
    rows = min(size, int(view[HEIGHT_PX]) - j0)
    whole = True
    plane_of(points, pj, pi, step, size, plane)
    if points[pj, pi, KIND] == 0.0:
        if sampling:
            for j in range(rows):
                row_of(plane, float(j), 0.0, size, s)
                line = 3 * ((j0 - band + j) * int(view[WIDTH_PX]) + i0)
                red, green, blue = s[ADD], s[ADD + 1], s[ADD + 2]
                red_1, green_1, blue_1 = s[CHANGE + ADD], s[CHANGE + ADD + 1], s[CHANGE + ADD + 2]
                for i in range(columns):
                    at = np.uintp(line + 3 * i)
                    out[at] = np.float32(red + i * red_1)
                    out[at + np.uintp(1)] = np.float32(green + i * green_1)
                    out[at + np.uintp(2)] = np.float32(blue + i * blue_1)
        return True
    for j in range(rows):
        row_of(plane, float(j), 0.0, size, s)
        line = 3 * (j0 - band + j) * int(view[WIDTH_PX])
        begin, end = columns, columns
        if zone and count > 1:
            _, _, _, _, _, minor = footprint(s, 0.5 * columns, 1.0)
            if minor > FINE_TEXELS * table[0, 0]:
                for i in range(columns):
                    t = 1.0 / (s[W] + i * s[CHANGE + W])
                    x, y = (s[X] + i * s[CHANGE + X]) * t, (s[Y] + i * s[CHANGE + Y]) * t
                    if in_zone(x, y, strips, view[ZONE_MARGIN_M]):
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
                whole &= see(
                    s, out, line + 3 * (i0 + left), right - left, size_px, share, job > 2, sampling, raw,
                    view, texels, blocks, table, ground, air, shade, shade_frame,
                )  # fmt: skip
    return whole


@_jit
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


@_jit
def exact_pixel(
    j: int, i: int, size: float, share: float, du: float, dv: float, band: int, out: Array, keep: bool,
    sampling: bool, s: Array, raw: Array, point: Array, view: Array, heights: Array, far: Array,
    start: Array, texels: Array, blocks: Array, table: Array, ground: Array, sky: Array, air: Array,
    shade: Array, shade_frame: Array,
) -> bool:  # fmt: skip
    """Add `share` of the colour of one pixel's part met exactly; whether all blocks were there."""
    place = 3 * ((j - band) * int(view[WIDTH_PX]) + i)
    u, v = i + 0.5 + du, j + 0.5 + dv
    dx, dy, dz, norm = ray(u, v, view)
    guess = start[j, i] if start.shape[0] > 0 else 0.0
    if guess <= EDGE:  # parts of a pixel at a terrain's edge: each has its own
        parts = int(1.0 / size + 0.5)
        at = int(EDGE - guess) * parts * parts + int((dv + 0.5) * parts) * parts + int((du + 0.5) * parts)
        guess = start[int(view[HEIGHT_PX]) + at // start.shape[1], at % start.shape[1]]
    t, x, y, height, slope_x, slope_y = intersect(dx, dy, dz, guess, view, heights, far)
    if t <= 0.0:
        sky_point(dx, dy, dz, norm, view, sky, air, point)
        if sampling:
            for c in range(3):
                value = np.float32(share * point[ADD + c])
                out[place + c] = out[place + c] + value if keep else value
        return True
    through_air(t * norm, height, dx, dy, view, sky, air, point)
    # derivative of the ground point with respect to u and v: t (d_u - d (n d_u) / (n d))
    ux, uy, uz, _ = ray(u + 0.5, v, view)
    vx, vy, vz, _ = ray(u, v + 0.5, view)
    ux, uy, uz = 2.0 * (ux - dx), 2.0 * (uy - dy), 2.0 * (uz - dz)
    vx, vy, vz = 2.0 * (vx - dx), 2.0 * (vy - dy), 2.0 * (vz - dz)
    fall = min(dz - slope_x * dx - slope_y * dy, -1e-9)
    lift_u, lift_v = (uz - slope_x * ux - slope_y * uy) / fall, (vz - slope_x * vx - slope_y * vy) / fall
    s[:] = 0.0
    s[W], s[X], s[Y], s[CLEAR] = 1.0 / t, x / t, y / t, point[CLEAR]
    s[CHANGE + X], s[CHANGE + Y] = ux - dx * lift_u, uy - dy * lift_u
    s[DOWN + X], s[DOWN + Y] = vx - dx * lift_v, vy - dy * lift_v
    for c in range(3):
        s[ADD + c] = point[ADD + c]
    return see(
        s, out, place, 1, size, share, keep, sampling, raw, view, texels, blocks, table, ground, air, shade,
        shade_frame
    )  # fmt: skip


@_jit
def fill_exactly(
    j0: int, i0: int, size: int, band: int, count: int, out: Array, sampling: bool, s: Array, raw: Array,
    point: Array, kinds: Array, view: Array, heights: Array, far: Array, start: Array, strips: Array,
    texels: Array, blocks: Array, table: Array, ground: Array, sky: Array, air: Array, shade: Array,
    shade_frame: Array,
) -> bool:  # fmt: skip
    """Colours of a square of pixels met one by one; those at a skyline and far runways are supersampled."""
    columns = min(size, int(view[WIDTH_PX]) - i0)
    rows = min(size, int(view[HEIGHT_PX]) - j0)
    for j in range(size + 2):
        for i in range(size + 2):
            meet(i0 + i - 0.5, j0 + j - 0.5, view, heights, far, start, sky, air, point)
            kinds[j, i] = 0
            if point[KIND] > 0.0:
                zone = in_zone(point[X] / point[W], point[Y] / point[W], strips, view[ZONE_MARGIN_M])
                kinds[j, i] = 2 if zone else 1
    whole = True
    for j in range(rows):
        for i in range(columns):
            parts = 1
            kind = kinds[j + 1, i + 1]
            seen = min(kind, 1)
            if kind == 2 or seen != min(kinds[j, i + 1], 1) or seen != min(kinds[j + 2, i + 1], 1):
                parts = count
            if seen != min(kinds[j + 1, i], 1) or seen != min(kinds[j + 1, i + 2], 1):
                parts = count
            if start.shape[0] > 0 and start[j0 + j, i0 + i] <= EDGE:
                parts = count
            part = 1.0 / parts
            for b in range(parts):
                for a in range(parts):
                    whole &= exact_pixel(
                        j0 + j, i0 + i, part, part * part, (a + 0.5) * part - 0.5, (b + 0.5) * part - 0.5,
                        band, out, a + b > 0, sampling, s, raw, point, view, heights, far, start, texels,
                        blocks, table, ground, sky, air, shade, shade_frame,
                    )  # fmt: skip
    return whole


@_jit
def fill_tile(
    lattice: Array, j0: int, ti: int, count: int, out: Array, sampling: bool, s: Array, raw: Array,
    inner: Array, known: Array, stack: Array, point: Array, kinds: Array, plane: Array, view: Array,
    heights: Array, far: Array, start: Array, strips: Array, texels: Array, blocks: Array, table: Array,
    ground: Array, sky: Array, air: Array, shade: Array, shade_frame: Array,
) -> bool:  # fmt: skip
    """Colours of one tile, in squares as large as the surface allows, down to pixels one by one."""
    i0 = ti * TILE
    last = TILE // CELL
    for b in range(2):
        for a in range(2):
            inner[b * last, a * last] = lattice[b, ti + a]
    known[:] = False
    known[0, 0] = known[0, last] = known[last, 0] = known[last, last] = True
    stack[0, 0], stack[0, 1], stack[0, 2] = 0, 0, last
    waiting = 1
    whole = True
    while waiting > 0:
        waiting -= 1
        b, a, step = stack[waiting, 0], stack[waiting, 1], stack[waiting, 2]
        j, i, size = j0 + CELL * b, i0 + CELL * a, CELL * step
        if j >= view[HEIGHT_PX] or i >= view[WIDTH_PX]:
            continue
        for k in range(5):
            d, c = b + (k // 2) * step, a + (k % 2) * step
            if k == 4:
                d, c = b + step // 2, a + step // 2
                if step == 1:
                    break
            if not known[d, c]:
                known[d, c] = True
                meet(
                    i0 + CELL * c + 0.5, j0 + CELL * d + 0.5, view, heights, far, start, sky, air, inner[d, c]
                )
        if step == 1:
            half = 0.5 * CELL + 0.5
            meet(i + half, j + half, view, heights, far, start, sky, air, point)
        else:
            point[:] = inner[b + step // 2, a + step // 2]
        zone = touches_zone(inner, b, a, step, strips, view[ZONE_MARGIN_M])
        tolerance = ZONE_TOLERANCE_PX if zone else TOLERANCE_PX / max(point[CLEAR], 0.05)
        if fits(inner, b, a, step, size, point, tolerance, j, i, start):
            whole &= fill_square(
                inner, b, a, step, j, i, size, j0, zone, count, out, sampling, s, raw, view, strips, texels,
                blocks, table, ground, air, shade, shade_frame, plane,
            )  # fmt: skip
        elif step == 1:
            whole &= fill_exactly(
                j, i, size, j0, count, out, sampling, s, raw, point, kinds, view, heights, far, start,
                strips, texels, blocks, table, ground, sky, air, shade, shade_frame,
            )  # fmt: skip
        else:
            half = step // 2
            for k in range(4):
                stack[waiting, 0], stack[waiting, 1] = b + (1 - k // 2) * half, a + (1 - k % 2) * half
                stack[waiting, 2] = half
                waiting += 1
    return whole


@_jit
def draw(
    first_band: int, image: Array, colours: Array, gain: float, sigma: float, key: Array, count: int,
    view: Array, heights: Array, far: Array, start: Array, strips: Array, texels: Array, blocks: Array,
    table: Array, ground: Array, sky: Array, air: Array, shade: Array, shade_frame: Array,
) -> int:  # fmt: skip
    """Draw bands of TILE rows from first_band on; the first band that lacks blocks, or the number of bands.

    Finished bands go to `colours` (height, width, 3) when it has a size, otherwise developed to `image`.
    After the first lack, the rest is only searched for what else to read.
    """
    width, height = int(view[WIDTH_PX]), int(view[HEIGHT_PX])
    across, bands = (width + TILE - 1) // TILE, (height + TILE - 1) // TILE
    lattice = np.empty((2, across + 1, POINT_SIZE))
    cells = TILE // CELL + 1
    inner, known = np.empty((cells, cells, POINT_SIZE)), np.empty((cells, cells), np.bool_)
    stack, plane = np.empty((16, 3), np.int64), np.empty((4, CHANGE))
    point, s, raw = np.empty(POINT_SIZE), np.empty(SPAN_SIZE), np.empty((2, max(6, TILE)))
    kinds = np.empty((CELL + 2, CELL + 2), np.int64)
    keep = colours.shape[0] > 0
    flat = colours.reshape(-1)
    scratch = np.empty(0 if keep else 3 * TILE * width, np.float32)
    lacking = bands
    for band in range(first_band, bands):
        for b in range(2):
            if b == 0 and band > first_band:
                lattice[0] = lattice[1]
                continue
            for i in range(across + 1):
                meet(
                    i * TILE + 0.5,
                    (band + b) * TILE + 0.5,
                    view,
                    heights,
                    far,
                    start,
                    sky,
                    air,
                    lattice[b, i],
                )
        out = flat[3 * band * TILE * width :] if keep else scratch
        whole = True
        for i in range(across):
            whole &= fill_tile(
                lattice, band * TILE, i, count, out, lacking == bands and whole, s, raw, inner, known,
                stack, point, kinds, plane, view, heights, far, start, strips, texels, blocks, table,
                ground, sky, air, shade, shade_frame,
            )  # fmt: skip
        if not whole:
            lacking = min(lacking, band)
        elif lacking == bands and not keep:
            rows = min(TILE, height - band * TILE)
            develop(
                scratch.reshape(TILE, width, 3)[:rows],
                band * TILE,
                gain,
                sigma,
                key,
                image[band * TILE : band * TILE + rows],
            )
    return lacking


@_jit
def develop(colours: Array, first_row: int, gain: float, sigma: float, key: Array, image: Array) -> None:
    """Exposure, noise and rounding to uint8 of rows of a picture.

    Noise of a value is a function of its place and the key (2 words): a hash whose four bytes add up to a
    nearly normal number.
    """
    rows, columns, _ = colours.shape
    per_row = 3 * columns
    values, bytes_out = colours.reshape(rows, per_row), image.reshape(rows, per_row)
    light = np.float32(gain)
    spread = np.float32(sigma / math.sqrt(4.0 * (256.0 * 256.0 - 1.0) / 12.0))
    for j in range(rows):
        base = np.uint32((first_row + j) * per_row)
        if sigma > 0.0:
            for i in range(per_row):
                h = np.uint32(np.uint32(base + np.uint32(i)) ^ key[0])
                h = np.uint32(h ^ (h >> np.uint32(16)))
                h = np.uint32(h * np.uint32(0x7FEB352D))
                h = np.uint32(h ^ (h >> np.uint32(15)))
                h = np.uint32(h * np.uint32(0x846CA68B))
                h = np.uint32(h ^ (h >> np.uint32(16)) ^ key[1])
                h = np.uint32(h * np.uint32(0x9E3779B1))
                h = np.uint32(h ^ (h >> np.uint32(15)))
                pairs = np.uint32((h & np.uint32(0x00FF00FF)) + ((h >> np.uint32(8)) & np.uint32(0x00FF00FF)))
                total = np.int32((pairs & np.uint32(0xFFFF)) + (pairs >> np.uint32(16)))
                value = (
                    values[j, i] * light + (np.float32(total) - np.float32(510.0)) * spread + np.float32(0.5)
                )
                bytes_out[j, i] = np.uint8(min(max(value, np.float32(0.0)), np.float32(255.0)))
        else:
            for i in range(per_row):
                value = values[j, i] * light + np.float32(0.5)
                bytes_out[j, i] = np.uint8(min(max(value, np.float32(0.0)), np.float32(255.0)))
