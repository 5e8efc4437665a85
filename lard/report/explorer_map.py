"""Airports, their runways and the approaches that frames take to them, as positions on the earth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from lard.airports import Runway, RunwayDatabase
from lard.airports.coastline import coast_path
from lard.airports.files import open_database
from lard.airports.provenance import is_named
from lard.approach import runway_frame
from lard.camera import Poses
from lard.errors import AirportError
from lard.geodesy import geodesic_direct

ARC_POINTS = 7


def map_of(frames: pl.DataFrame, info: Mapping[str, Any], runways: str) -> tuple[dict[str, Any], list[str]]:
    """Positions of frames, and airports with runways and cones; notes say why runways are left out.

    Runways are drawn only from the database that the labels were computed from.
    """
    database, notes = open_database(runways), []
    named = (str(info.get("runway_db")), str(info.get("runway_db_version")))
    known: RunwayDatabase | None = database
    if not is_named(database, *named):
        notes.append(
            f"labels were computed from the runways {' '.join(named)}, not {database.name} "
            f"{database.version}: the map shows none; name theirs with --runways"
        )
        known = None
    posed = frames.drop_nulls(["lat_deg", "lon_deg", "alt_m"])
    airports = [
        _airport(str(group["airport"][0]), group, known)
        for group in posed.filter(pl.col("airport") != "").partition_by("airport", maintain_order=False)
    ]
    places = [
        None if None in row else [round(value, 5) for value in row]
        for row in frames.select("lat_deg", "lon_deg").iter_rows()
    ]
    return {
        "places": places,
        "airports": sorted(airports, key=lambda airport: airport["code"]),
        "coast": coast_path(),
    }, notes


def _airport(code: str, frames: pl.DataFrame, database: RunwayDatabase | None) -> dict[str, Any]:
    """An airport where its database has it, else amid its frames; runways that frames approach have cones."""
    found: dict[str, Any] = {"code": code, "name": "", "runways": [], "at": _amid(frames)}
    if database is None:
        return found
    try:
        airport = database.airport(code)
    except AirportError:
        return found
    found |= {"name": airport.name, "at": _rounded(airport.lat_deg, airport.lon_deg)}
    for runway in airport.runways:
        approached = frames.filter(pl.col("runway") == runway.ident)
        cone = _cone(runway, approached) if len(approached) else []
        ends = [_rounded(*runway.ltp[:2]), _rounded(*runway.fpap[:2])]
        found["runways"].append(
            {"ident": runway.ident, "ends": ends, "cone": cone, "frames": len(approached)}
        )
    return found


def _cone(runway: Runway, frames: pl.DataFrame) -> list[list[float]]:
    """From the threshold, the sector in which cameras of frames approach a runway: its apex and its arc."""
    lat, lon, alt = (frames[name].to_numpy() for name in ("lat_deg", "lon_deg", "alt_m"))
    level = np.zeros(len(frames))
    along, cross, _ = runway_frame(runway, Poses(lat, lon, alt, level, level, level, runway.earth))
    before = along > 0
    if not before.any():
        return []
    angle = np.degrees(np.arctan2(cross[before], along[before]))
    reach_m = float(np.hypot(along, cross)[before].max())
    # seen from the threshold against the landing direction, right of the centreline is to the left
    azimuth = runway.heading_deg + 180.0 - np.linspace(angle.min(), angle.max(), ARC_POINTS)
    arc_lat, arc_lon, _ = geodesic_direct(*runway.ltp[:2], azimuth, reach_m, runway.earth)
    return [_rounded(*runway.ltp[:2]), *(_rounded(*p) for p in zip(arc_lat, arc_lon, strict=True))]


def _amid(frames: pl.DataFrame) -> list[float]:
    """The middle of cameras; longitudes are averaged as directions, so that 180 degrees is no seam."""
    lon = np.radians(frames["lon_deg"].to_numpy())
    middle = np.degrees(np.arctan2(np.sin(lon).mean(), np.cos(lon).mean()))
    return _rounded(float(frames["lat_deg"].to_numpy().mean()), float(middle))


def _rounded(lat_deg: float, lon_deg: float) -> list[float]:
    return [round(float(lat_deg), 5), round(float(lon_deg), 5)]
