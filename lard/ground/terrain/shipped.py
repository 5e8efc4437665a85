"""The shipped relief: posts every 5 arc-minutes (9 km) around the shipped airports, brought to their runways.

The posts are those of ETOPO5 (National Geophysical Data Center, 1988). They tell that there are mountains
and about how high; no valley, ridge or summit smaller than 9 km is in them. What is made of them about
coasts and runways: lard.ground.terrain.levelled. Runways of another database take the shipped ones' place.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.airports import Airport, RunwayDatabase, load_shipped
from lard.errors import DataError
from lard.ground.terrain import SHIPPED as SHIPPED
from lard.ground.terrain.patch import (
    FILE,
    HOME_M,
    M_PER_DEG,
    METHOD,
    POSTS_M,
    REACH_M,
    Patch,
    chords,
    patch_of,
    places,
    shipped_airports,
)  # fmt: skip
from lard.tables import sha256_file

Array = NDArray[np.float64]


def located(path: str | Path) -> str:
    """A terrain model's path as other processes find it, which may stand in another folder."""
    return SHIPPED if str(path) == SHIPPED else str(Path(path).absolute())


def in_use(airport: Airport, db: RunwayDatabase) -> tuple[Airport, ...]:
    """Airports of a database that take the shipped ones' place around one of them; none if they are the same.

    The airport itself, and those around it that have a shipped airport's code and place.
    """
    found, other = [airport], _runways_of(airport) != _shipped_runways(airport.icao)
    for k in np.flatnonzero(chords(np.array(airport.lat_deg), np.array(airport.lon_deg)) < POSTS_M):
        theirs = db.airports.get(shipped_airports()[k].icao)
        if theirs is None or theirs.icao == airport.icao:
            continue
        if chords(np.array(theirs.lat_deg), np.array(theirs.lon_deg), [int(k)])[0] <= HOME_M:
            found.append(theirs)
            other |= _runways_of(theirs) != _runways_of(shipped_airports()[k])
    return tuple(found) if other else ()


def _runways_of(airport: Airport) -> set[Any]:
    return {(runway.ident, runway.reciprocal, runway.corners) for runway in airport.runways}


def _shipped_runways(icao: str) -> set[Any]:
    shipped = load_shipped().airports.get(icao)
    return _runways_of(shipped) if shipped else set()


@dataclass(frozen=True, slots=True)
class ShippedDem:
    """The shipped relief as a terrain model (lard.ground.terrain.model)."""

    datum: str = "msl"
    path: str = SHIPPED
    far_reach_m: float = 80_000.0
    far_step_m: float = 200.0
    used: tuple[Airport, ...] = ()  # whose runways take the shipped ones' place

    def levelled_by(self, airports: tuple[Airport, ...]) -> ShippedDem:
        """The same posts brought to the runways of these airports; none: to the shipped ones (in_use)."""
        return replace(self, used=airports)

    def heights(self, lat_deg: Array, lon_deg: Array, step_m: float = 0.0) -> Array:
        """Heights in metres of latitudes and longitudes of any shape; NaN away from the shipped airports."""
        return _of_patches(lat_deg, lon_deg, Patch.heights, self.used)

    def told(self, lat_deg: Array, lon_deg: Array) -> Array:
        """Heights of the posts, not brought to coasts and runways; NaN away from the shipped airports."""
        return _of_patches(lat_deg, lon_deg, Patch.told, self.used)

    def check_covers(self, icao: str, lat_deg: float, lon_deg: float) -> None:
        """DataError for an airport at none of the shipped ones' places."""
        if chords(np.array(lat_deg), np.array(lon_deg)).min() > HOME_M:
            raise DataError(
                f"terrain {SHIPPED}: does not cover {icao} at {lat_deg:.4f}, {lon_deg:.4f}, only the "
                f"{len(shipped_airports())} shipped airports; name a raster or a folder of tiles there"
            )

    def stated(self, places: Iterable[tuple[float, float]], reach_m: float) -> dict[str, Any]:
        """The file (by SHA-256) that tells the land near places (latitude, longitude), and its datum."""
        return {
            "name": self.name(), "heights": "mean sea level", "given_in": self.datum, "geoid": "",
            "files": {FILE.name: sha256_file(FILE)},
        }  # fmt: skip

    def digest(self, lat_deg: float, lon_deg: float, reach_m: float) -> str:
        """SHA-256 of posts, coasts and runways that decide the heights around a shipped airport, as text."""
        nearest = int(np.argmin(chords(np.array(lat_deg), np.array(lon_deg))))
        return f"{SHIPPED} {patch_of(nearest, self.used).digest}"

    def name(self) -> str:
        """What a manifest calls it."""
        return f"{SHIPPED} ({METHOD}, ETOPO5)"

    def summary(self) -> str:
        """One line: what it is, and in what datum."""
        return (
            f"{SHIPPED}: ETOPO5, posts every 5 arc-minutes (9 km), heights above mean sea level; here as "
            "the posts tell them, drawn at the runways' own height"
        )


def _of_patches(lat_deg: Array, lon_deg: Array, heights: Any, used: tuple[Airport, ...]) -> Array:
    """Heights of points of any shape, each from the patch of the nearest shipped airport."""
    lat, lon = np.broadcast_arrays(np.asarray(lat_deg, np.float64), np.asarray(lon_deg, np.float64))
    shape, lat, lon = lat.shape, lat.ravel(), lon.ravel()
    out = np.full(lat.shape, np.nan)
    patches = _touched(lat, lon) if lat.size else []
    if len(patches) == 1:
        out = heights(patch_of(patches[0], used), lat, lon)
    elif patches:
        nearest = np.argmin(chords(lat, lon, patches), axis=0)
        for k, patch in enumerate(patches):
            of = nearest == k
            out[of] = heights(patch_of(patch, used), lat[of], lon[of])
    return out.reshape(shape)


def _touched(lat_deg: Array, lon_deg: Array) -> list[int]:
    """Shipped airports whose squares touch that around points (n,)."""
    low, high = np.nanmin(lat_deg), np.nanmax(lat_deg)
    west, east = np.nanmin(lon_deg), np.nanmax(lon_deg)
    tall = REACH_M / M_PER_DEG + 0.05
    found = []
    for k, (lat, lon) in enumerate(places()):
        wide = tall / math.cos(math.radians(min(abs(lat) + tall, 89.0)))
        beside = any(west - wide <= lon + turn <= east + wide for turn in (-360.0, 0.0, 360.0))
        if low - tall <= lat <= high + tall and beside:
            found.append(k)
    return found
