"""Make the coastline around the shipped airports: `python benchmarks/coastline.py land-10m.json`.

land-10m.json is a file of the npm package world-atlas 2.0.2 (`npm pack world-atlas@2.0.2`): "land" of Natural
Earth 4.1 at 1:10 million as TopoJSON, quantised to 0.0036 by 0.0017 degrees. What lies within WITHIN_M of
the airports of the shipped table is kept, less the steps of that lattice, and written to
lard/airports/coasts.json. Run it again when the table gets airports that lie elsewhere.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from lard.airports import load_shipped
from lard.airports.coastline import NEAR_FILE, NEAR_UNIT_DEG
from lard.files import write_text

WITHIN_M = 95_000.0
"""Half the side of the square that is kept around an airport: what is painted and 20 km more."""
M_PER_DEG = 111_195.0
STEPS_M = 210.0
"""Vertices this near to the line between others are left out: half a step of the source's lattice."""
ABOUT = (
    "Coastlines around the shipped airports from Natural Earth (naturalearthdata.com), 1:10m land, "
    "version 4.1, public domain, as redistributed by the npm package world-atlas 2.0.2; "
    "made by benchmarks/coastline.py"
)


def polygons(topology: dict[str, Any]) -> list[shapely.Geometry]:
    """The land's polygons in degrees (TopoJSON 1.0.0: arcs are steps of a lattice, shared by rings)."""
    scale, origin = (np.array(topology["transform"][key]) for key in ("scale", "translate"))
    arcs = [np.cumsum(arc, axis=0) * scale + origin for arc in topology["arcs"]]

    def ring(numbers: list[int]) -> np.ndarray:
        parts = [arcs[k] if k >= 0 else arcs[~k][::-1] for k in numbers]
        return np.concatenate([parts[0], *(part[1:] for part in parts[1:])])

    found = []
    for shape in topology["objects"]["land"]["geometries"]:
        groups = shape["arcs"] if shape["type"] == "MultiPolygon" else [shape["arcs"]]
        for group in groups:
            outer, *holes = (ring(numbers) for numbers in group)
            found.append(shapely.make_valid(shapely.Polygon(outer, holes)))
    return found


def windows() -> list[tuple[float, float, float, float]]:
    """West, south, east, north (deg) of the square around every shipped airport, in whole units."""
    out = []
    for airport in load_shipped().airports.values():
        tall = WITHIN_M / M_PER_DEG
        wide = tall / math.cos(math.radians(abs(airport.lat_deg) + tall))
        box = (
            airport.lon_deg - wide,
            airport.lat_deg - tall,
            airport.lon_deg + wide,
            airport.lat_deg + tall,
        )
        west, south, east, north = (round(edge, 3) for edge in box)
        out.append((west, south, east, north))
    return sorted(out)


def kept(land: list[shapely.Geometry], window: tuple[float, float, float, float]) -> list[np.ndarray]:
    """Closed rings (n, 2) in units of the file of the land in one window, holes after what they lie in."""
    middle = (window[1] + window[3]) / 2
    stretch = np.array([math.cos(math.radians(middle)), 1.0]) * M_PER_DEG
    rings = []
    for turn in (-360.0, 0.0, 360.0):
        box = shapely.box(window[0] - turn, window[1], window[2] - turn, window[3])
        for polygon in land:
            if not shapely.box(*polygon.bounds).intersects(box):
                continue
            part = polygon.intersection(box)
            east = np.array([turn, 0.0])
            metric = shapely.transform(part, lambda points, by=east: (points + by) * stretch)
            simple = shapely.simplify(metric, STEPS_M)
            for piece in shapely.get_parts(simple):
                if piece.geom_type != "Polygon" or piece.is_empty:
                    continue
                for line in (piece.exterior, *piece.interiors):
                    rings.append(np.rint(np.array(line.coords) / stretch / NEAR_UNIT_DEG).astype(int))
    return [ring for ring in rings if len(np.unique(ring, axis=0)) >= 3]


def main() -> None:
    land = polygons(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    rows = []
    for window in windows():
        rings = [[*ring[0].tolist(), *np.diff(ring, axis=0).ravel().tolist()] for ring in kept(land, window)]
        rows.append(json.dumps({"window": window, "rings": rings}, separators=(",", ":")))
    unit = f"window: degrees west, south, east, north; rings of land in it: {NEAR_UNIT_DEG} degrees, "
    unit += "longitude, latitude, then steps to the next vertex; even-odd"
    head = f'{{\n "about": {json.dumps(ABOUT)},\n "unit": {json.dumps(unit)},\n "places": [\n'
    write_text(head + ",\n".join(rows) + "\n]}\n", NEAR_FILE)
    print(f"{NEAR_FILE}: {len(rows)} places, {NEAR_FILE.stat().st_size / 1024:.0f} kB")


if __name__ == "__main__":
    main()
