"""What people divide land into: parcels with their crops; all functions of the place."""

import math

import numpy as np
from numpy.typing import NDArray

from lard.compiled import compiled
from lard.ground.painted.noise import unit

Array = NDArray[np.float64]
RECORD = 24
"""Numbers remembered of a parcel."""


@compiled(inline="always")
def ramp(distance_m: float, per_m: float) -> float:
    """Coverage of a pixel whose centre lies this far inside an edge; per_m = pixels per metre."""
    return min(max(distance_m * per_m + 0.5, 0.0), 1.0)


@compiled(inline="always")
def band(distance_m: float, half_m: float, per_m: float) -> float:
    """Coverage of a pixel by a band of given half width about distance 0, exact for thin bands too."""
    return max(ramp(half_m + distance_m, per_m) + ramp(half_m - distance_m, per_m) - 1.0, 0.0)


@compiled(inline="always")
def blend(
    r: float, g: float, b: float, share: float, colour: Array, tone: float = 1.0
) -> tuple[float, float, float]:
    """A colour moved by a share of the way to another (3,) of a tone."""
    return (
        r + share * (colour[0] * tone - r),
        g + share * (colour[1] * tone - g),
        b + share * (colour[2] * tone - b),
    )


@compiled()
def parcel(u: float, v: float, cell: float, splits: int, seed: int) -> tuple[float, float, float, float, int]:
    """Return the parcel (u0, u1, v0, v1, id) that holds a point: a square cell split again and again.

    Cells lean to strips along one side or the other, up to one in four; large ones to squares.
    """
    ci, cj = math.floor(u / cell), math.floor(v / cell)
    u0, v0 = ci * cell, cj * cell
    u1, v1 = u0 + cell, v0 + cell
    key = int(unit(ci, cj, seed) * 1.0e9)
    lean = math.exp((0.8 if cell > 1200.0 else 2.8) * (unit(ci, cj, seed + 9) - 0.5))
    for depth in range(splits):
        if depth > 1 and unit(key, depth, seed + 1) < 0.18:
            break
        cut = 0.3 + 0.4 * unit(key, depth, seed + 2)
        if (u1 - u0) * lean * (0.75 + 0.5 * unit(key, depth, seed + 3)) > v1 - v0:
            middle = u0 + cut * (u1 - u0)
            if u < middle:
                u1 = middle
                key = key * 2 + 1
            else:
                u0 = middle
                key = key * 2 + 2
        else:
            middle = v0 + cut * (v1 - v0)
            if v < middle:
                v1 = middle
                key = key * 2 + 3
            else:
                v0 = middle
                key = key * 2 + 4
        key &= 0xFFFFFFFFF
    return u0, u1, v0, v1, key


@compiled(error_model="numpy")
def parcel_record(
    e: Array,
    u: float,
    v: float,
    cell: float,
    splits: int,
    seed: int,
    crops: Array,
    pasture: Array,
    soil: Array,
    patch: float,
    groves: float,
    scattered: float,
    g: float,
) -> None:
    """Fill the record e (RECORD,) of the parcel at (u, v) of district (e[16], e[17]); see land_kernel."""
    u0, u1, v0, v1, key = parcel(u, v, cell, splits, int(seed + 17 * e[16] + 23 * e[17]))
    kind = unit(key, 1, seed)
    k = int(unit(key, 4, seed) * crops.shape[0])
    shade = 0.76 + 0.40 * unit(key, 5, seed)
    row_period = 9.0 + 15.0 * unit(key, 6, seed)
    e[0], e[1], e[2], e[3], e[4] = u0, u1, v0, v1, key
    e[5], e[6] = unit(key, 2, seed) - 0.5, unit(key, 3, seed) - 0.5
    for c in range(3):
        colour = pasture[c] if kind > 0.72 else crops[k, c]
        colour *= shade
        if patch < 1.0 and kind > 0.10:
            colour = soil[c] + patch * (colour - soil[c])
        e[7 + c] = colour
    e[10], e[11] = 1.0 / row_period, 0.0
    if kind <= 0.72 and row_period > 2.0 * g:
        e[11] = 0.03 * patch * min(row_period / (2.0 * g) - 1.0, 1.0) * (0.4 + kind)
    e[12] = 1.0 if u1 - u0 > v1 - v0 else 0.0
    e[13] = 1.0 if unit(key, 8, seed) < groves else 0.0
    # Every town has its own mixture of quarters.
    e[15] = unit(key, 7, seed) ** (0.55 + 1.3 * unit(int(e[16]), int(e[17]), seed + 97))
    vines = unit(key, 10, seed) < 0.4
    e[14] = 4.5 + 2.5 * unit(key, 9, seed) if vines else 6.0 + 4.0 * unit(key, 9, seed)
    e[18] = 1.0 if vines else 0.0
    # Worked in two parts: from one row on, a third of all fields has another tone.
    low, wide = (v0, v1 - v0) if e[12] > 0.0 else (u0, u1 - u0)
    e[19] = low + (0.2 + 0.6 * unit(key, 11, seed)) * wide
    e[20] = 0.0 if unit(key, 12, seed) > 0.35 or kind > 0.72 else 0.3 * (unit(key, 13, seed) - 0.5)
    # How far bare and wet places show, and ruts of wheels.
    e[21] = 0.15 + 0.55 * unit(key, 14, seed)
    e[22] = 0.28 if kind <= 0.72 and g < 0.8 else 0.0
    # Trees that stand alone, in pastures rather than in fields.
    lonely = unit(key, 15, seed)
    e[23] = scattered * lonely * lonely * (1.6 if kind > 0.72 else 0.35)
