"""Coasts of the world, for maps and painted ground: rings of Natural Earth, in the public domain."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FILE = Path(__file__).with_name("coastline.json")


@cache
def coast_rings() -> tuple[NDArray[np.float64], ...]:
    """Closed rings of land, longitude east and latitude north (n, 2) deg, true to about 0.1 degrees."""
    document = json.loads(FILE.read_text(encoding="utf-8"))
    return tuple(np.array(ring, np.float64).reshape(-1, 2) / 10 for ring in document["rings"])


@cache
def coast_path() -> str:
    """The rings as one SVG path: x is the longitude, y the latitude downwards, degrees."""
    return "".join(
        "M" + "L".join(f"{lon:g} {-lat:g}" for lon, lat in ring[:-1].tolist()) + "Z" for ring in coast_rings()
    )
