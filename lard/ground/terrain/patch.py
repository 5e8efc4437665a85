"""The land around a shipped airport: posts brought to coasts and to the runways in use there."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window

from lard.airports import Airport, Runway, load_shipped
from lard.airports.coastline import rings_near
from lard.errors import DataError
from lard.geodesy import ecef_from_geodetic
from lard.ground.terrain.levelled import between_all, land, slopes_of
from lard.ground.terrain.map import map_from_geodetic

Array = NDArray[np.float64]

FILE = Path(__file__).with_name("relief.tif")
POSTS_PER_DEG = 12
NO_POST = -32768
REACH_M = 88_000.0
"""Half the side of the square around an airport where heights are given."""
HOME_M = 10_000.0
"""An airport further than this from all shipped ones is another, with no posts of its own around it."""
NEIGHBOURS_M = 65_000.0
"""Runways of other airports this near are levelled for as well."""
POSTS_M = 100_000.0
_COAST_REACH_M, _COAST_STEP_M = 100_000.0, 250.0
_COAST_DEG = 0.83  # of latitude: what the shipped coasts hold around an airport, and a little less
M_PER_DEG = 111_195.0
METHOD = "relief 1"  # raise it when heights change


@dataclass(frozen=True, slots=True)
class Patch:
    """The land around a shipped airport; lengths in metres on the map at its position."""

    lat0_deg: float
    lon0_deg: float
    top: int  # row of the first post, from the north
    left: int  # column of the first post, from 180 degrees west
    posts: Array
    slopes: tuple[Array, Array]
    coast: Array  # distance inland, negative at sea, row 0 in the north
    strips: Array  # as lard.ground.terrain.levelled.land has them
    ends: Array
    digest: str  # SHA-256 of all that decides the heights

    def heights(self, lat_deg: Array, lon_deg: Array) -> Array:
        """Heights (n,) at latitudes and longitudes; NaN beyond REACH_M."""
        x, y = map_from_geodetic(lat_deg, lon_deg, self.lat0_deg, self.lon0_deg)
        known = self._known(lat_deg, x, y)
        row, column = self._among_posts(lat_deg[known], lon_deg[known])
        found = np.empty(len(row))
        land(
            found, x[known], y[known], row, column, self.posts, *self.slopes, self.coast, _COAST_REACH_M,
            _COAST_STEP_M, self.strips, self.ends,
        )  # fmt: skip
        out = np.full(x.shape, np.nan)
        out[known] = found
        return out

    def told(self, lat_deg: Array, lon_deg: Array) -> Array:
        """Heights (n,) of the posts alone, smooth between them; NaN beyond REACH_M."""
        x, y = map_from_geodetic(lat_deg, lon_deg, self.lat0_deg, self.lon0_deg)
        known = self._known(lat_deg, x, y)
        found = np.empty(int(known.sum()))
        between_all(found, *self._among_posts(lat_deg[known], lon_deg[known]), self.posts, *self.slopes)
        out = np.full(x.shape, np.nan)
        out[known] = found
        return out

    def _known(self, lat_deg: Array, x: Array, y: Array) -> NDArray[np.bool_]:
        near = np.abs(lat_deg - self.lat0_deg) < 2.0  # the map shows the far side of the earth as well
        return near & (np.maximum(np.abs(x), np.abs(y)) <= REACH_M)

    def _among_posts(self, lat_deg: Array, lon_deg: Array) -> tuple[Array, Array]:
        east = (lon_deg - self.lon0_deg + 180.0) % 360.0 - 180.0
        column = (self.lon0_deg + east + 180.0) * POSTS_PER_DEG - self.left
        return (90.0 - lat_deg) * POSTS_PER_DEG - self.top, column


@cache
def shipped_airports() -> tuple[Airport, ...]:
    return tuple(load_shipped().airports.values())


@cache
def places() -> Array:
    """Latitude and longitude (k, 2) of the shipped airports."""
    return np.array([(airport.lat_deg, airport.lon_deg) for airport in shipped_airports()])


def chords(lat_deg: Array, lon_deg: Array, which: list[int] | None = None) -> Array:
    """Straight distances (k, ...) in metres of points from shipped airports."""
    at = places() if which is None else places()[which]
    there = ecef_from_geodetic(lat_deg, lon_deg, np.zeros(np.shape(lat_deg)))
    here = ecef_from_geodetic(at[:, 0], at[:, 1], np.zeros(len(at)))
    return np.array([np.linalg.norm(there - point, axis=-1) for point in here])


@cache
def patch_of(index: int, used: tuple[Airport, ...] = ()) -> Patch:
    """The land around a shipped airport, brought to its runways or those of airports used."""
    if used:
        shipped = patch_of(index)
        airports = _beside(index, used)
        levelled = [runway for airport in airports for runway in airport.runways]
        told = repr((shipped.digest, [(runway.ident, runway.corners) for runway in levelled]))
        changes: dict[str, Any] = {**_levels(airports, shipped.lat0_deg, shipped.lon0_deg)}
        return replace(shipped, **changes, digest=hashlib.sha256(told.encode()).hexdigest())
    airport = shipped_airports()[index]
    lat0, lon0 = airport.lat_deg, airport.lon_deg
    tall = POSTS_M / M_PER_DEG
    wide = tall / math.cos(math.radians(abs(lat0) + tall))
    top, bottom = ((90.0 - lat0 + side * tall) * POSTS_PER_DEG for side in (-1, 1))
    left, right = ((lon0 + 180.0 + side * wide) * POSTS_PER_DEG for side in (-1, 1))
    top, left = math.floor(top), math.floor(left)
    posts = _read_posts(top, left, math.ceil(bottom) + 1 - top, math.ceil(right) + 1 - left)
    if (posts == NO_POST).any():
        raise DataError(f"{FILE}: lacks posts around {airport.icao}; run benchmarks/relief.py")
    rings = rings_near(lat0, lon0, np.array([_COAST_DEG * wide / tall, _COAST_DEG]))
    if rings is None:
        raise DataError(f"no shipped coasts around {airport.icao}; run benchmarks/coastline.py")
    near = np.flatnonzero(chords(np.array(lat0), np.array(lon0)) < NEIGHBOURS_M)
    airports = [shipped_airports()[k] for k in near]
    levelled = [runway for other in airports for runway in other.runways]
    strips = [strip for other in airports for strip in (other.strips or other.runways)]
    told = repr((METHOD, lat0, lon0, top, left, [runway.corners for runway in (*strips, *levelled)]))
    digest = hashlib.sha256(told.encode() + posts.tobytes() + b"".join(ring.tobytes() for ring in rings))
    return Patch(
        lat0, lon0, top, left, posts.astype(np.float64), slopes_of(posts.astype(np.float64)),
        _inland_of(rings, lat0, lon0), **_levels(airports, lat0, lon0), digest=digest.hexdigest(),
    )  # fmt: skip


def _levels(airports: list[Airport], lat0_deg: float, lon0_deg: float) -> dict[str, Array]:
    """Strips and ends of a patch, of the runways of airports."""
    strips = [strip for airport in airports for strip in (airport.strips or airport.runways)]
    ends = [runway for airport in airports for runway in airport.runways]
    return {
        "strips": np.array([_strip(strip, lat0_deg, lon0_deg) for strip in strips]),
        "ends": np.array([_end(runway, lat0_deg, lon0_deg) for runway in ends]),
    }


def _beside(index: int, used: tuple[Airport, ...]) -> list[Airport]:
    """Airports levelled for around a shipped one: those used, and shipped ones not in their place."""
    codes = {airport.icao for airport in used}
    centre = [index]
    kept = [
        airport for airport in used
        if chords(np.array(airport.lat_deg), np.array(airport.lon_deg), centre)[0] < NEIGHBOURS_M + HOME_M
    ]  # fmt: skip
    lat, lon = (np.array([getattr(airport, name) for airport in used]) for name in ("lat_deg", "lon_deg"))
    at = places()[index]
    near = chords(np.array(at[0]), np.array(at[1])) < NEIGHBOURS_M
    free = chords(lat, lon).min(axis=1) > HOME_M
    others = [shipped_airports()[k] for k in np.flatnonzero(near & free)]
    return kept + [airport for airport in others if airport.icao not in codes]


def _read_posts(top: int, left: int, rows: int, columns: int) -> NDArray[np.int16]:
    """Posts of the file, over the edge at 180 degrees if need be."""
    with rasterio.open(FILE) as source:
        world = source.width
        parts, at = [], left
        while at < left + columns:
            start = at % world
            count = min(left + columns - at, world - start)
            parts.append(source.read(1, window=Window(start, top, count, rows)))
            at += count
    return np.concatenate(parts, axis=1)


def _inland_of(rings: tuple[Array, ...], lat0_deg: float, lon0_deg: float) -> Array:
    """Distance inland from the coasts in metres, negative at sea, on nodes of the square around a place."""
    side = round(2 * _COAST_REACH_M / _COAST_STEP_M) + 1
    on_map = [map_from_geodetic(ring[:, 1], ring[:, 0], lat0_deg, lon0_deg) for ring in rings]
    drawn = [
        np.rint((np.stack([x, -y], -1) + _COAST_REACH_M) / _COAST_STEP_M * 16).astype(np.int32)
        for x, y in on_map
    ]
    wet = np.ones((side, side), np.uint8)
    cv2.fillPoly(wet, drawn, 0, shift=4)  # even-odd over all rings
    cv2.polylines(wet, drawn, True, 1, shift=4)  # what the coast touches is sea: narrow water stays open

    def away(mask: NDArray[np.uint8]) -> Array:
        if mask.all():
            return np.full(mask.shape, 2 * _COAST_REACH_M)
        return np.asarray(cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) * _COAST_STEP_M)

    # between nodes of land and of sea the coast is taken to lie halfway
    half = _COAST_STEP_M / 2
    return np.where(wet > 0, half - away(wet), away(1 - wet) - half).astype(np.float64)


def _strip(strip: Runway, lat0_deg: float, lon0_deg: float) -> list[float]:
    """A row of strips: centre, axis, half length, half width, height in the middle, slope."""
    (x0, y0), (x1, y1) = (
        map_from_geodetic(np.array(point[0]), np.array(point[1]), lat0_deg, lon0_deg)
        for point in (strip.ltp, strip.fpap)
    )
    length = math.hypot(x1 - x0, y1 - y0)
    return [
        float(x0 + x1) / 2, float(y0 + y1) / 2, float(x1 - x0) / length, float(y1 - y0) / length, length / 2,
        strip.width_m / 2, (strip.ltp[2] + strip.fpap[2]) / 2, (strip.fpap[2] - strip.ltp[2]) / length,
    ]  # fmt: skip


def _end(runway: Runway, lat0_deg: float, lon0_deg: float) -> list[float]:
    """A row of ends: landing threshold, unit vector from it against the direction of landing."""
    x, y, ux, uy, half, *_ = _strip(runway, lat0_deg, lon0_deg)
    return [x - ux * half, y - uy * half, -ux, -uy]
