"""Texels of one level, averaged along the footprints of a row of pixels.

Texels are 32-bit words, spread to 16-bit lanes of 64-bit ones: one multiplication blends all channels.
"""

import math

import numpy as np

from lard.ground.pyramid import ABSENT, BLOCK_PX, READ, WANTED
from lard.render.kernels.lanes import prefetch, walk_down, walk_right
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
    W,
    X,
    Y,
    inlined,
    jit,
)

LINE_TEXELS = 16  # of a cache line
BLOCK_SHIFT = BLOCK_PX.bit_length() - 1

_SPREAD = np.uint64(0x000000FF00FF00FF)  # blue in bits 16 .. 23, green in bits 32 .. 39
_LANES = np.uint64(0x0000FFFF0000FFFF)
_LOW = np.uint64(0xFFFFFFFF)
_8, _16, _24, _32 = np.uint64(8), np.uint64(16), np.uint64(24), np.uint64(32)


@inlined
def blended(texels: Array, at: int, side: int, q: int) -> np.uint64:
    """256 times the colours between two texels, in lanes of 16 bits: red, blue, green."""
    a, b = np.uint64(texels[np.uintp(at)]), np.uint64(texels[np.uintp(at + side)])
    a, b = (a | (a << _24)) & _SPREAD, (b | (b << _24)) & _SPREAD
    return (a << _8) + (b - a) * np.uint64((q >> 8) & 255)


@jit
def walk_clamped(
    texels: Array, place: int, step: int, side: int, first: int, last: int, start: int, length: int, q: int,
    slope: int, end: int, side_end: int,
) -> tuple[float, float, float]:  # fmt: skip
    """As `walk`, with the outermost texels continued beyond the level's `end` and `side_end`.

    place: of texel (0, 0); first .. last: texels along the line; start, length: the line's, 1/256 texel.
    """
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
    return float(np.int64(low & _LOW)), float(np.int64(low >> _32)), float(np.int64(high & _LOW))


@inlined
def see_level(
    s: Array, n: int, row: Array, ax: float, ay: float, major: float, weight: float, base: float,
    keep: bool, sampling: bool, texels: Array, blocks: Array, out: Array, place_out: int, shaded: bool,
    raw: Array,
) -> int:  # fmt: skip
    """Colours of n footprints in a row on one level, into or (keep) onto `out`; READ, WANTED or ABSENT.

    s: the row of pixels; row: the level's table entry; ax, ay, major: axis of the footprints, its length (m);
    weight: of this level's texels; base: of the air's and the far ground's light; out: flat, from place_out;
    raw: rows of LIGHTS (light on the ground, the far ground's colour), SUNS (what shadows leave) if shaded,
    and scratch.
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
    across_blocks = (width + BLOCK_PX - 1) >> BLOCK_SHIFT
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
    # loops without branches, which the compiler turns into vectors, around the one that walks
    clear, clear_change = s[CLEAR], s[CHANGE + CLEAR]
    for i in range(n):
        t = 1.0 / (w + i * dw)
        p = (along + i * along_change) * t
        start_at = np.floor((p + shift) * 256.0)
        raw[STARTS, i] = start_at
        first_at = np.floor(start_at * (1.0 / 256.0))
        raw[PLACES, i] = np.floor(((across + i * across_change) * t + slope * (first_at - p)) * 65536.0)
        raw[SHARES, i] = clear + i * clear_change
    if shaded:
        for i in range(n):
            raw[SHARES, i] *= raw[SUNS, i]
    if whole and down:
        walk_down(texels, place, pitch, length, change, n, raw[STARTS], raw[PLACES], raw[SUMS:])  # type: ignore[call-arg]
    elif whole:
        walk_right(texels, place, pitch, length, change, n, raw[STARTS], raw[PLACES], raw[SUMS:])  # type: ignore[call-arg]
    else:
        for i in range(n):
            start, q = int(raw[STARTS, i]), int(raw[PLACES, i])
            first, last = start >> 8, (start + length) >> 8
            red, green, blue = walk_clamped(
                texels, place, step, side, first, last, start, length, q, change, end, side_end
            )
            raw[SUMS, i], raw[SUMS + 1, i], raw[SUMS + 2, i] = red, green, blue
    red_0, red_1, green_0, green_1 = s[ADD], s[CHANGE + ADD], s[ADD + 1], s[CHANGE + ADD + 1]
    blue_0, blue_1 = s[ADD + 2], s[CHANGE + ADD + 2]
    red_light, green_light, blue_light = (
        raw[LIGHTS, 0] * scale,
        raw[LIGHTS, 1] * scale,
        raw[LIGHTS, 2] * scale,
    )
    red_far, green_far, blue_far = raw[LIGHTS, 3], raw[LIGHTS, 4], raw[LIGHTS, 5]
    if keep:
        for i in range(n):
            at, part = np.uintp(place_out + 3 * i), raw[SHARES, i]
            out[at] += np.float32(part * (raw[SUMS, i] * red_light + red_far) + base * (red_0 + i * red_1))
            out[at + np.uintp(1)] += np.float32(
                part * (raw[SUMS + 1, i] * green_light + green_far) + base * (green_0 + i * green_1)
            )
            out[at + np.uintp(2)] += np.float32(
                part * (raw[SUMS + 2, i] * blue_light + blue_far) + base * (blue_0 + i * blue_1)
            )
    else:
        for i in range(n):
            at, part = np.uintp(place_out + 3 * i), raw[SHARES, i]
            out[at] = np.float32(part * (raw[SUMS, i] * red_light + red_far) + base * (red_0 + i * red_1))
            out[at + np.uintp(1)] = np.float32(
                part * (raw[SUMS + 1, i] * green_light + green_far) + base * (green_0 + i * green_1)
            )
            out[at + np.uintp(2)] = np.float32(
                part * (raw[SUMS + 2, i] * blue_light + blue_far) + base * (blue_0 + i * blue_1)
            )
    return READ
