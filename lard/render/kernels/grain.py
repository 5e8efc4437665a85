"""Detail of painted ground where a camera is so low that a texel covers several pixels.

The ground holds nothing finer than its texels; what grass, soil and tar look like below them is drawn: value
noise fixed to the map, an octave for every halving of the texel that a pixel resolves. Nothing is drawn where
texels are smaller than pixels, nor on runways and their edges, on which labels rest,
nor on the pavement before and beyond their thresholds.
"""

import math

import numpy as np

from lard.ground.pyramid import ABSENT, BLOCK_PX
from lard.render.kernels.layout import CHANGE, Array, View, W, X, Y, inlined, jit

LONGEST_TEXELS = 2.0  # wavelength of the first octave: what the ground itself resolves
FADE_M = 20.0  # beyond a runway's zone, over which grain comes in
_OCTAVES = 12
_TURNS = np.exp(0.9j * np.arange(_OCTAVES))  # from octave to octave, which hides the lattice
_COS, _SIN = _TURNS.real.copy(), _TURNS.imag.copy()


@inlined
def _node(i: int, j: int, seed: np.uint32) -> float:
    """A number in [-1, 1) of a node of the lattice."""
    h = (
        np.uint32(np.uint32(i) * np.uint32(0x9E3779B1))
        ^ np.uint32(np.uint32(j) * np.uint32(0x85EBCA77))
        ^ seed
    )
    h = np.uint32((h ^ (h >> np.uint32(15))) * np.uint32(0x846CA68B))
    h = np.uint32((h ^ (h >> np.uint32(13))) * np.uint32(0x7FEB352D))
    return np.float64(np.int32(h ^ (h >> np.uint32(16)))) * (1.0 / 2147483648.0)


@inlined
def _noise(u: float, v: float, seed: np.uint32) -> float:
    """Value noise in [-1, 1] at a place of a lattice of unit cells."""
    iu, iv = math.floor(u), math.floor(v)
    fu, fv = u - iu, v - iv
    fu, fv = fu * fu * (3.0 - 2.0 * fu), fv * fv * (3.0 - 2.0 * fv)
    i, j = np.int64(iu), np.int64(iv)
    a, b = _node(i, j, seed), _node(i + 1, j, seed)
    c, d = _node(i, j + 1, seed), _node(i + 1, j + 1, seed)
    top = a + (b - a) * fu
    return top + (c + (d - c) * fu - top) * fv


@inlined
def texel_m(x: float, y: float, blocks: Array, table: Array) -> float:
    """Side in m of the finest texel that the ground has at a map point."""
    last = table.shape[0] - 1
    for k in range(last):
        column, row = math.floor((x - table[k, 1]) / table[k, 0]), math.floor((table[k, 2] - y) / table[k, 0])
        width = int(table[k, 3])
        if 0 <= column < width and 0 <= row < int(table[k, 4]):
            across = (width + BLOCK_PX - 1) // BLOCK_PX
            if blocks[int(table[k, 6]) + (row // BLOCK_PX) * across + column // BLOCK_PX] != ABSENT:
                return float(table[k, 0])
    return float(table[last, 0])


@inlined
def openness(x: float, y: float, view: View) -> float:
    """0 on a runway and within the margin around it, 1 beyond FADE_M more."""
    least = FADE_M
    for k in range(view.smooth_count):
        rx, ry = x - view.smooth[k, 0], y - view.smooth[k, 1]
        along = abs(rx * view.smooth[k, 2] + ry * view.smooth[k, 3]) - view.smooth[k, 4]
        across = abs(ry * view.smooth[k, 2] - rx * view.smooth[k, 3]) - view.smooth[k, 5]
        least = min(least, max(along, across) - view.zone_margin_m)
    return max(least, 0.0) / FADE_M


@jit
def roughen(
    s: Array, n: int, x: float, y: float, major: float, view: View, blocks: Array, table: Array, shaded: bool,
    suns: Array,
) -> bool:  # fmt: skip
    """Grain on the light (n,) of a row of pixels; its middle sees (x, y), footprints are major metres long.

    shaded: whether suns hold light already. Whether they do now.
    """
    texel = texel_m(x, y, blocks, table)
    if texel <= major:
        return shaded
    for i in range(n):
        t = 1.0 / (s[W] + i * s[CHANGE + W])
        px, py = (s[X] + i * s[CHANGE + X]) * t, (s[Y] + i * s[CHANGE + Y]) * t
        total = 0.0
        gain = view.grain * openness(px, py, view)
        if gain > 0.0:
            resolved, scale, octave = texel / major, 1.0 / (LONGEST_TEXELS * texel), 0
            while resolved > 1.0 and octave < _OCTAVES:
                share = min(resolved - 1.0, 1.0)
                c, d = _COS[octave] * scale, _SIN[octave] * scale
                word = np.uint32(view.grain_seed + 0x3C6EF372 * octave)
                total += share * share * (3.0 - 2.0 * share) * _noise(px * c - py * d, px * d + py * c, word)
                resolved, scale, octave = 0.5 * resolved, 2.0 * scale, octave + 1
        light = 1.0 + gain * total
        suns[i] = suns[i] * light if shaded else light
    return True
