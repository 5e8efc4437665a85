"""Repeatable value noise over the plane: integer hashes, lattices in metres, octaves faded by pixel size."""

import math

import numpy as np
from numpy.typing import NDArray

from lard.compiled import compiled

Array = NDArray[np.float64]
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


@compiled(error_model="numpy")
def column_places(
    x0: float, step: float, width: int, info: Array, count: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Cell and smoothed share of it (octaves, width) where each column falls in each octave's lattice."""
    cells = np.empty((max(count, 1), width), np.int32)
    shares = np.empty((max(count, 1), width), np.float32)
    for k in range(count):
        for j in range(width):
            lu = (x0 + (j + 0.5) * step) / info[k, 0] - info[k, 1]
            cells[k, j] = int(lu)
            fu = lu - int(lu)
            shares[k, j] = fu * fu * (3.0 - 2.0 * fu)
    return cells, shares


@compiled(error_model="numpy")
def row_noise(
    y: float,
    flat: NDArray[np.float32],
    starts: NDArray[np.int64],
    info: Array,
    count: int,
    cells: NDArray[np.int32],
    shares: NDArray[np.float32],
    noise: NDArray[np.float32],
    textures: NDArray[np.float32],
    wiggles: NDArray[np.float32],
    fines: NDArray[np.float32],
) -> None:
    """Fill texture, wiggle and fine texture (width,) of the row at y from all octaves; see land_kernel.

    cells and shares (octaves, width): where columns fall in each lattice; noise: room for a lattice's row.
    """
    textures[:] = 0.0
    wiggles[:] = 0.0
    fines[:] = 0.0
    for k in range(count):
        lv = y / info[k, 0] - info[k, 2]
        iv = int(lv)
        fv = lv - iv
        fv = fv * fv * (3.0 - 2.0 * fv)
        at = starts[k, 0] + iv * starts[k, 1]
        for c in range(starts[k, 1]):
            noise[c] = flat[at + c] + (flat[at + starts[k, 1] + c] - flat[at + c]) * fv
        gain, bend = np.float32(info[k, 3]), np.float32(info[k, 4])
        fine_gain = gain if info[k, 0] < 13.0 else np.float32(0.0)
        for j in range(textures.size):
            left = cells[k, j]
            n = noise[left] + (noise[left + 1] - noise[left]) * shares[k, j]
            textures[j] += gain * n
            wiggles[j] += bend * n
            fines[j] += fine_gain * n
