"""What grows on the land: crowns of forests, orchards, trees that stand alone, an airfield's turf."""

import math

import numpy as np
from numpy.typing import NDArray

from lard.compiled import compiled
from lard.ground.painted.landcover_parts import band, ramp
from lard.ground.painted.noise import hash32

Array = NDArray[np.float64]


@compiled(error_model="numpy")
def crown(x: float, y: float, per_m: float, seed: int, near: Array) -> tuple[float, float]:
    """Dome (below 0 between trees, 1 at a top) and tone (-0.5..0.5) of the crown over a place.

    One tree stands anywhere in each cell of a lattice; per_m = cells per metre. near (18,) keeps the four
    nearest trees between calls; it starts as nan.
    """
    u, v = x * per_m, y * per_m
    i, j = math.floor(u - 0.5), math.floor(v - 0.5)
    if near[16] != i or near[17] != j:
        near[16], near[17] = i, j
        for n in range(4):
            ci, cj = i + (n & 1), j + (n >> 1)
            h = hash32(ci, cj, seed)
            near[n] = ci + 0.05 + 0.9 / 255.0 * (h & 255)
            near[4 + n] = cj + 0.05 + 0.9 / 255.0 * ((h >> 8) & 255)
            radius = 0.38 + 0.17 / 255.0 * ((h >> 16) & 255)
            near[8 + n] = 1.0 / (radius * radius)
            near[12 + n] = ((h >> 24) & 255) / 255.0 - 0.5
    best, tone = -0.6, 0.0
    for n in range(4):
        du, dv = u - near[n], v - near[4 + n]
        dome = 1.0 - (du * du + dv * dv) * near[8 + n]
        tone = near[12 + n] if dome > best else tone
        best = max(best, dome)
    return best, tone


TREES_SHARE, VINES_SHARE = 0.30, 0.38
"""Ground that an orchard's trees and a vineyard's rows cover."""


@compiled()
def orchard(u: float, v: float, pitch_m: float, seed: int, vines: bool, per_m: float) -> float:
    """Coverage by trees planted in rows, or by rows of vines; on average TREES_SHARE and VINES_SHARE.

    Rows were begun anywhere, no tree stands quite in its place or has its neighbour's size, some are missing,
    and here and there a few together.
    """
    du, dv = u / pitch_m, v / (0.8 * pitch_m)
    i = math.floor(du)
    dv += hash32(i, 7, seed) * 2.3283064365386963e-10
    j = math.floor(dv)
    h = hash32(i, j, seed)
    du, dv = (du - i - 0.5) * pitch_m, (dv - j - 0.5) * 0.8 * pitch_m
    size = ((h >> 16) & 255) / 255.0
    if h >> 24 < 13:
        return 0.0
    if vines:
        return band(du, (0.16 + 0.08 * size) * pitch_m, per_m)
    if h >> 24 < 30 or hash32(i >> 2, j >> 2, seed + 1) & 255 < 14:
        return 0.0
    du += (((h & 255) / 255.0) - 0.5) * 0.38 * pitch_m
    dv += ((((h >> 8) & 255) / 255.0) - 0.5) * 0.30 * pitch_m
    return ramp((0.22 + 0.17 * size) * pitch_m - math.hypot(du, dv), per_m)


LONE_M = 34.0
"""Side of the cells in which a tree may stand alone."""


@compiled()
def lone(x: float, y: float, seed: int, share: float, per_m: float) -> tuple[float, float]:
    """Coverage by trees that stand alone, one in a share of all cells, and a tone (0..1) of each."""
    i, j = math.floor(x / LONE_M), math.floor(y / LONE_M)
    h = hash32(i, j, seed)
    if (h & 255) >= share * 256.0:
        return 0.0, 0.0
    size = ((h >> 24) & 255) / 255.0
    radius = 2.2 + 4.3 * size
    du = x - i * LONE_M - 7.0 - 20.0 / 255.0 * ((h >> 8) & 255)
    dv = y - j * LONE_M - 7.0 - 20.0 / 255.0 * ((h >> 16) & 255)
    return ramp(radius - math.hypot(du, dv), per_m), size


@compiled()
def turf(
    across: float,
    along: float,
    tone: float,
    mottle: float,
    texture: float,
    fine: float,
    wiggle: float,
    swath_gain: float,
    grass: Array,
    soil: Array,
    seed: int,
    per_m: float,
) -> tuple[float, float, float]:
    """Colour of an airfield's grass; across and along: the mower's way, in swaths of 14 m.

    Broad strips were mown on different days, between some of them run ruts of wheels; ground that lies high
    is dry and bare, low ground is lush.
    """
    strip_at = 0.2 * across + 0.004 * wiggle
    strip = math.floor(strip_at)
    h = hash32(strip, math.floor(along * (1.0 / 41.0) + 0.37 * strip), seed + 53)
    age = (h & 255) / 255.0 - 0.5
    swath = abs(across - math.floor(across) - 0.5) * 4.0 - 1.0
    green = tone + swath_gain * swath + 0.05 * texture + 0.20 * fine + 0.07 * age
    dry, lie = 0.5 * mottle + 0.9 * age, 0.8 * mottle + 0.6 * texture
    bare = min(max(lie - 0.28, 0.0), 0.4)
    lush = min(max(-lie - 0.25, 0.0), 0.35)
    if (h >> 8) & 255 < 90:
        rut = abs((strip_at - strip) * 70.0 - 3.0) - 1.0
        bare = max(bare, 0.5 * band(rut, 0.35, per_m))
    r = grass[0] * (green + 0.07 * dry - 0.30 * lush)
    g = grass[1] * (green + 0.01 * dry - 0.18 * lush)
    b = grass[2] * (green - 0.05 * dry - 0.30 * lush)
    return r + bare * (soil[0] - r), g + bare * (soil[1] - g), b + bare * (soil[2] - b)
