"""Repeatable value noise over the plane: integer hashes, lattices in metres, octaves faded by pixel size."""

import math

import numpy as np
from numpy.typing import NDArray

from lard.compiled import compiled

MASK = 0xFFFFFFFF
FADE_START_PX = 2.0
"""An octave whose wavelength is below this many pixels contributes nothing."""
FADE_END_PX = 4.5
"""An octave whose wavelength is above this many pixels contributes fully."""


@compiled()
def hash32(ix: int, iy: int, seed: int) -> int:
    """Return 32 well mixed bits of two integers and a seed."""
    h = (ix * 73856093) ^ (iy * 19349663) ^ (seed * 83492791)
    h = ((h ^ (h >> 15)) * 2246822519) & MASK
    h = ((h ^ (h >> 13)) * 3266489917) & MASK
    return h ^ (h >> 16)


@compiled()
def unit(ix: int, iy: int, seed: int) -> float:
    """Return a hash as a float in [0, 1)."""
    return hash32(ix, iy, seed) * 2.3283064365386963e-10


@compiled()
def lattice(i0: int, j0: int, rows: int, columns: int, seed: int) -> NDArray[np.float32]:
    """Return lattice values in [-1, 1] for nodes (i0 + column, j0 + row), shape (rows, columns)."""
    out = np.empty((rows, columns), np.float32)
    for r in range(rows):
        for c in range(columns):
            out[r, c] = 2.0 * unit(i0 + c, j0 + r, seed) - 1.0
    return out


def fade(wavelength_m: float, gsd_m: float) -> float:
    """Weight in [0, 1] of an octave at a pixel size, so that fine detail fades instead of aliasing."""
    t = (wavelength_m / gsd_m - FADE_START_PX) / (FADE_END_PX - FADE_START_PX)
    t = min(max(t, 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


@compiled()
def add_octave(
    out: NDArray[np.float32],
    x0_m: float,
    y0_m: float,
    step_m: float,
    wavelength_m: float,
    seed: int,
    gain: float,
    turn_rad: float = 0.6,
) -> None:
    """Add one octave of rotated value noise to a grid whose node (r, c) is (x0 + c step, y0 - r step)."""
    # A rotation per octave hides the lattice's axes.
    angle = turn_rad * (1 + seed % 997)
    ca = math.cos(angle) / wavelength_m
    sa = math.sin(angle) / wavelength_m
    rows, columns = out.shape
    for r in range(rows):
        y = y0_m - r * step_m
        for c in range(columns):
            x = x0_m + c * step_m
            u = x * ca - y * sa
            v = x * sa + y * ca
            iu = math.floor(u)
            iv = math.floor(v)
            fu = u - iu
            fv = v - iv
            fu = fu * fu * (3.0 - 2.0 * fu)
            fv = fv * fv * (3.0 - 2.0 * fv)
            i = int(iu)
            j = int(iv)
            a = unit(i, j, seed)
            b = unit(i + 1, j, seed)
            d = unit(i, j + 1, seed)
            e = unit(i + 1, j + 1, seed)
            top = a + (b - a) * fu
            out[r, c] += gain * (2.0 * (top + (d + (e - d) * fu - top) * fv) - 1.0)


def fractal(
    shape: tuple[int, int],
    x0_m: float,
    y0_m: float,
    step_m: float,
    longest_m: float,
    shortest_m: float,
    seed: int,
    roughness: float = 0.55,
) -> NDArray[np.float32]:
    """Fractal noise of about unit spread on a grid; octaves finer than the grid carries are faded out."""
    out = np.zeros(shape, np.float32)
    wavelength, gain, octave = longest_m, 1.0, 0
    while wavelength >= shortest_m:
        weight = gain * fade(wavelength, step_m)
        if weight <= 0.0:
            break
        add_octave(out, x0_m, y0_m, step_m, wavelength, seed * 31 + octave, 1.6 * weight)
        wavelength /= 2.0
        gain *= roughness
        octave += 1
    return out
