"""The shipped relief: posts every 5 arc-minutes (9 km) around the shipped airports, brought to their runways.

The posts are those of ETOPO5 (National Geophysical Data Center, 1988). They tell that there are mountains
and about how high; no valley, ridge or summit smaller than 9 km is in them. What is made of them about
coasts and runways: lard.ground.terrain.levelled.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
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
from lard.tables import sha256_file

Array = NDArray[np.float64]

SHIPPED = "shipped"
"""What stands for the shipped relief where a terrain model is asked for."""
FILE = Path(__file__).with_name("relief.tif")
POSTS_PER_DEG = 12
NO_POST = -32768
REACH_M = 88_000.0
"""Half the side of the square around an airport where heights are given."""
HOME_M = 10_000.0
"""An airport further than this from all shipped ones is another, whose runways the relief does not know."""
NEIGHBOURS_M = 65_000.0
"""Runways of shipped airports this near are levelled for as well."""
_POSTS_M = 100_000.0
_COAST_REACH_M, _COAST_STEP_M = 100_000.0, 250.0
_COAST_DEG = 0.83  # of latitude: what the shipped coasts hold around an airport, and a little less
_M_PER_DEG = 111_195.0
_METHOD = "relief 1"  # raise it when heights change


def located(path: str | Path) -> str:
    """A terrain model's path as other processes find it, which may stand in another folder."""
    return SHIPPED if str(path) == SHIPPED else str(Path(path).absolute())


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


@dataclass(frozen=True, slots=True)
class ShippedDem:
    """The shipped relief as a terrain model (lard.ground.terrain.model)."""

    datum: str = "msl"
    path: str = SHIPPED
    far_reach_m: float = 80_000.0
    far_step_m: float = 200.0

    def heights(self, lat_deg: Array, lon_deg: Array, step_m: float = 0.0) -> Array:
        """Heights in metres of latitudes and longitudes of any shape; NaN away from the shipped airports."""
        return _of_patches(lat_deg, lon_deg, Patch.heights)

    def told(self, lat_deg: Array, lon_deg: Array) -> Array:
        """Heights of the posts, not brought to coasts and runways; NaN away from the shipped airports."""
        return _of_patches(lat_deg, lon_deg, Patch.told)

    def check_covers(self, icao: str, lat_deg: float, lon_deg: float) -> None:
        """DataError for an airport that is none of the shipped ones."""
        if _chords(np.array(lat_deg), np.array(lon_deg)).min() > HOME_M:
            raise DataError(
                f"terrain {SHIPPED}: does not cover {icao} at {lat_deg:.4f}, {lon_deg:.4f}, only the "
                f"{len(_airports())} shipped airports; name a raster or a folder of tiles there"
            )

    def stated(self, places: Iterable[tuple[float, float]], reach_m: float) -> dict[str, Any]:
        """The file (by SHA-256) that tells the land near places (latitude, longitude), and its datum."""
        return {
            "name": self.name(), "heights": "mean sea level", "given_in": self.datum, "geoid": "",
            "files": {FILE.name: sha256_file(FILE)},
        }  # fmt: skip

    def digest(self, lat_deg: float, lon_deg: float, reach_m: float) -> str:
        """SHA-256 of posts, coasts and runways that decide the heights around a shipped airport, as text."""
        nearest = int(np.argmin(_chords(np.array(lat_deg), np.array(lon_deg))))
        return f"{SHIPPED} {_patch(nearest).digest}"

    def name(self) -> str:
        """What a manifest calls it."""
        return f"{SHIPPED} ({_METHOD}, ETOPO5)"

    def summary(self) -> str:
        """One line: what it is, and in what datum."""
        return (
            f"{SHIPPED}: ETOPO5, posts every 5 arc-minutes (9 km), heights above mean sea level; here as "
            "the posts tell them, drawn at the runways' own height"
        )


@cache
def _airports() -> tuple[Airport, ...]:
    return tuple(load_shipped().airports.values())


@cache
def _places() -> Array:
    """Latitude and longitude (k, 2) of the shipped airports."""
    return np.array([(airport.lat_deg, airport.lon_deg) for airport in _airports()])


def _chords(lat_deg: Array, lon_deg: Array, which: list[int] | None = None) -> Array:
    """Straight distances (k, ...) in metres of points from shipped airports."""
    places = _places() if which is None else _places()[which]
    there = ecef_from_geodetic(lat_deg, lon_deg, np.zeros(np.shape(lat_deg)))
    here = ecef_from_geodetic(places[:, 0], places[:, 1], np.zeros(len(places)))
    return np.array([np.linalg.norm(there - point, axis=-1) for point in here])


def _of_patches(lat_deg: Array, lon_deg: Array, heights: Any) -> Array:
    """Heights of points of any shape, each from the patch of the nearest shipped airport."""
    lat, lon = np.broadcast_arrays(np.asarray(lat_deg, np.float64), np.asarray(lon_deg, np.float64))
    shape, lat, lon = lat.shape, lat.ravel(), lon.ravel()
    out = np.full(lat.shape, np.nan)
    patches = _touched(lat, lon) if lat.size else []
    if len(patches) == 1:
        out = heights(_patch(patches[0]), lat, lon)
    elif patches:
        nearest = np.argmin(_chords(lat, lon, patches), axis=0)
        for k, patch in enumerate(patches):
            of = nearest == k
            out[of] = heights(_patch(patch), lat[of], lon[of])
    return out.reshape(shape)


def _touched(lat_deg: Array, lon_deg: Array) -> list[int]:
    """Shipped airports whose squares touch that around points (n,)."""
    low, high = np.nanmin(lat_deg), np.nanmax(lat_deg)
    west, east = np.nanmin(lon_deg), np.nanmax(lon_deg)
    tall = REACH_M / _M_PER_DEG + 0.05
    found = []
    for k, (lat, lon) in enumerate(_places()):
        wide = tall / math.cos(math.radians(min(abs(lat) + tall, 89.0)))
        beside = any(west - wide <= lon + turn <= east + wide for turn in (-360.0, 0.0, 360.0))
        if low - tall <= lat <= high + tall and beside:
            found.append(k)
    return found


@cache
def _patch(index: int) -> Patch:
    """The land around a shipped airport."""
    airport = _airports()[index]
    lat0, lon0 = airport.lat_deg, airport.lon_deg
    tall = _POSTS_M / _M_PER_DEG
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
    near = np.flatnonzero(_chords(np.array(lat0), np.array(lon0)) < NEIGHBOURS_M)
    levelled = [runway for k in near for runway in _airports()[k].runways]
    strips = [strip for k in near for strip in (_airports()[k].strips or _airports()[k].runways)]
    told = repr((_METHOD, lat0, lon0, top, left, [runway.corners for runway in (*strips, *levelled)]))
    digest = hashlib.sha256(told.encode() + posts.tobytes() + b"".join(ring.tobytes() for ring in rings))
    return Patch(
        lat0, lon0, top, left, posts.astype(np.float64), slopes_of(posts.astype(np.float64)),
        _inland_of(rings, lat0, lon0), np.array([_strip(strip, lat0, lon0) for strip in strips]),
        np.array([_end(runway, lat0, lon0) for runway in levelled]), digest.hexdigest(),
    )  # fmt: skip


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
