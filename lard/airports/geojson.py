"""Runways as GeoJSON (RFC 7946), to look at in a map viewer."""

from pathlib import Path
from typing import Any

from lard.airports.model import Point, Runway, RunwayDatabase
from lard.tables import write_json


def write_geojson(database: RunwayDatabase, path: str | Path) -> None:
    """Write one polygon per strip and one point per landing threshold, longitude first."""
    features = [
        feature
        for icao in sorted(database.airports)
        for runway in database.airports[icao].runways
        for feature in ([_threshold(runway), _polygon(runway)] if _is_strip(runway) else [_threshold(runway)])
    ]
    head = {
        "altitude_datum": database.altitude_datum,
        "name": database.name,
        "version": database.version,
    }
    write_json({"type": "FeatureCollection", "features": features, "properties": head}, path)


def is_runways(document: object) -> bool:
    """Whether a JSON document is one that `write_geojson` wrote."""
    about = document.get("properties") if isinstance(document, dict) else None
    return isinstance(about, dict) and {"altitude_datum", "name", "version"} <= set(about)


def _is_strip(runway: Runway) -> bool:
    return runway.ident < runway.reciprocal


def _position(point: Point) -> list[float]:
    return [round(point[1], 9), round(point[0], 9), round(point[2], 3)]


def _polygon(runway: Runway) -> dict[str, Any]:
    tl, tr, br, bl = (_position(corner) for corner in runway.corners)
    return {
        "type": "Feature",
        # an exterior ring runs counterclockwise and returns to its start
        "geometry": {"type": "Polygon", "coordinates": [[bl, br, tr, tl, bl]]},
        "properties": {
            "airport": runway.airport,
            "kind": "runway",
            "length_m": round(runway.length_m, 2),
            "runway": f"{runway.ident}/{runway.reciprocal}",
            "source": runway.source,
            "surface": runway.surface,
            "width_m": round(runway.width_m, 2),
        },
    }


def _threshold(runway: Runway) -> dict[str, Any]:
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": _position(runway.ltp)},
        "properties": {
            "airport": runway.airport,
            "displaced_m": round(runway.displaced_m, 2),
            "heading_deg": round(runway.heading_deg, 3),
            "ident": runway.ident,
            "kind": "landing threshold",
            "marking": runway.marking,
            "approach_lights": runway.approach_lights,
            "assumed": list(runway.assumed),
        },
    }
