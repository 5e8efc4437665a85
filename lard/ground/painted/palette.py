"""Colours and land-use proportions around one airport."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Colour = tuple[float, float, float]
"""Red, green, blue in 0..255 (sRGB)."""


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours and land-use proportions around one airport."""

    region: str
    crops: tuple[Colour, ...]
    grass: Colour  # the airport's own grass
    pasture: Colour
    forest: Colour
    water: Colour
    soil: Colour  # tracks, banks, bare ground
    lawn: Colour  # gardens
    roofs: tuple[Colour, ...]
    cell_m: float  # side of the square that is split into parcels
    splits: int  # how often it is split
    bend_m: float  # how far parcel lines bend
    forest_bias: float  # threshold of the forest field: lower means more forest
    urban_bias: float
    lake_bias: float
    hedge_m: float
    contrast: float  # strength of large-scale mottling
    patch: float = 1.0  # how far parcels differ from bare soil and each other
    canopy_m: float = 14.0  # height of full-grown trees
    groves: float = 0.0  # share of parcels planted with trees in rows: orchards, olives, palms
    scattered: float = 0.2  # density of trees that stand alone, 0 to 1
    mow: float = 0.022  # contrast of mowing stripes inside the fence
    second: Colour = (0.0, 0.0, 0.0)  # of the other kind of forest tree
    sea: Colour = (0.0, 0.0, 0.0)  # away from the shore


def grey(value: float, warm: float = 0.0) -> Colour:
    """Return a grey, warmer (browner) for positive warmth."""
    return value + 2 * warm, value + 0.4 * warm, value - 2 * warm


def colour_table(palette: Palette, sea: Colour) -> NDArray[np.float64]:
    """Return rows (9, 3): grass, pasture, forest, water, soil, lawn, road, other trees, deep water."""
    road = (112.0, 110.0, 108.0)
    p = palette
    rows = [p.grass, p.pasture, p.forest, p.water, p.soil, p.lawn, road, p.second, sea]
    return np.array(rows, np.float64)
