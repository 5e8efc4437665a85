"""Coasts, for maps and painted ground: rings of Natural Earth, in the public domain.

Of the world at 1:110 million, and around the shipped airports at 1:10 million.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
FILE = Path(__file__).with_name("coastline.json")
NEAR_FILE = Path(__file__).with_name("coasts.json")
NEAR_UNIT_DEG = 0.001
"""Step of the coordinates in the file of coasts near airports."""


@cache
def coast_rings() -> tuple[Array, ...]:
    """Closed rings of land, longitude east and latitude north (n, 2) deg, true to about 0.1 degrees."""
    document = json.loads(FILE.read_text(encoding="utf-8"))
    return tuple(np.array(ring, np.float64).reshape(-1, 2) / 10 for ring in document["rings"])


@cache
def coast_path() -> str:
    """The rings as one SVG path: x is the longitude, y the latitude downwards, degrees."""
    return "".join(
        "M" + "L".join(f"{lon:g} {-lat:g}" for lon, lat in ring[:-1].tolist()) + "Z" for ring in coast_rings()
    )


@cache
def _near_places() -> tuple[tuple[Array, list[list[int]]], ...]:
    places = json.loads(NEAR_FILE.read_text(encoding="utf-8"))["places"]
    return tuple((np.array(place["window"]), place["rings"]) for place in places)


def rings_near(lat_deg: float, lon_deg: float, margin_deg: Array) -> tuple[Array, ...] | None:
    """Closed rings (n, 2) of land, longitude and latitude (deg), cut at a window around a place.

    They are true to about 1 km, and holes are rings too: what lies within an odd number is land. None where
    no window about a shipped airport holds all within margin_deg (longitude, latitude) of the place.
    """
    at = np.array([lon_deg, lat_deg])
    fitting = [
        (np.abs(window[:2] + window[2:] - 2.0 * at).max(), rings)
        for window, rings in _near_places()
        if (window[:2] <= at - margin_deg).all() and (at + margin_deg <= window[2:]).all()
    ]
    if not fitting:
        return None
    rings = min(fitting, key=lambda found: found[0])[1]
    return tuple(
        np.cumsum(np.array(ring, np.float64).reshape(-1, 2), axis=0) * NEAR_UNIT_DEG for ring in rings
    )
