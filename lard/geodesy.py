"""Geodetic, earth-centred and local frames on arrays, on the WGS84 ellipsoid or on LARD's sphere.

Frames: ECEF (earth-centred, earth-fixed, metres), ENU (east, north, up) and NED (north, east, down).
Constants: WGS84 from NGA.STND.0036 (a = 6378137 m, 1/f = 298.257223563); the sphere of 6371010 m is the
one Google Earth Studio and LARD use, with latitude read as geocentric.
"""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pyproj import Geod

from lard.errors import DataError

Array = NDArray[np.float64]

EARTH_MODELS = ("wgs84", "sphere6371010")

_SEMI_MAJOR_M = {"wgs84": 6378137.0, "sphere6371010": 6371010.0}
_FLATTENING = {"wgs84": 1 / 298.257223563, "sphere6371010": 0.0}


def ellipsoid(earth: str) -> tuple[float, float]:
    """Semi-major axis in metres and flattening of an earth model; DataError for an unknown name."""
    if earth not in EARTH_MODELS:
        raise DataError(f"earth model {earth!r} is unknown; expected one of {', '.join(EARTH_MODELS)}")
    return _SEMI_MAJOR_M[earth], _FLATTENING[earth]


def curvature_radii(lat_deg: ArrayLike, earth: str = "wgs84") -> tuple[Array, Array]:
    """Prime-vertical and meridian radii of curvature in metres at a latitude."""
    a, f = ellipsoid(earth)
    e2 = f * (2 - f)
    w2 = 1 - e2 * np.sin(np.radians(lat_deg)) ** 2
    return a / np.sqrt(w2), a * (1 - e2) / w2**1.5


def ecef_from_geodetic(
    lat_deg: ArrayLike, lon_deg: ArrayLike, alt_m: ArrayLike, earth: str = "wgs84"
) -> Array:
    """ECEF positions (..., 3) in metres of latitudes and longitudes in degrees and heights in metres."""
    lat, lon = np.radians(lat_deg), np.radians(lon_deg)
    alt = np.asarray(alt_m, dtype=np.float64)
    _, f = ellipsoid(earth)
    e2 = f * (2 - f)
    prime, _ = curvature_radii(lat_deg, earth)
    equatorial = (prime + alt) * np.cos(lat)
    x, y = equatorial * np.cos(lon), equatorial * np.sin(lon)
    z = (prime * (1 - e2) + alt) * np.sin(lat)
    return np.stack(np.broadcast_arrays(x, y, z), axis=-1)


def geodetic_from_ecef(p_ecef: ArrayLike, earth: str = "wgs84") -> tuple[Array, Array, Array]:
    """Latitude and longitude in degrees and height in metres of ECEF positions (..., 3).

    Fixed-point iteration on the reduced latitude (Bowring 1976); below 1e-8 m from -10 km to 10,000 km.
    """
    p = np.asarray(p_ecef, dtype=np.float64)
    a, f = ellipsoid(earth)
    b, e2 = a * (1 - f), f * (2 - f)
    x, y, z = p[..., 0], p[..., 1], p[..., 2]
    rho = np.hypot(x, y)
    reduced = np.arctan2(z, rho * (1 - f))
    for _ in range(4):
        lat = np.arctan2(
            z + e2 / (1 - e2) * b * np.sin(reduced) ** 3,
            rho - e2 * a * np.cos(reduced) ** 3,
        )
        reduced = np.arctan2((1 - f) * np.sin(lat), np.cos(lat))
    # distance along the ellipsoid normal: well conditioned at the equator and at the poles
    sin, cos = np.sin(lat), np.cos(lat)
    alt = rho * cos + z * sin - a * np.sqrt(1 - e2 * sin**2)
    return np.degrees(lat), np.degrees(np.arctan2(y, x)), alt


def enu_from_ecef(lat_deg: ArrayLike, lon_deg: ArrayLike) -> Array:
    """Rotations (..., 3, 3) whose rows are the east, north and up directions at a point."""
    lat, lon = np.broadcast_arrays(np.radians(lat_deg), np.radians(lon_deg))
    sin_lat, cos_lat, sin_lon, cos_lon = np.sin(lat), np.cos(lat), np.sin(lon), np.cos(lon)
    zero = np.zeros_like(sin_lat)
    east = np.stack([-sin_lon, cos_lon, zero], axis=-1)
    north = np.stack([-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat], axis=-1)
    up = np.stack([cos_lat * cos_lon, cos_lat * sin_lon, sin_lat], axis=-1)
    return np.stack([east, north, up], axis=-2)


def ned_from_ecef(lat_deg: ArrayLike, lon_deg: ArrayLike) -> Array:
    """Rotations (..., 3, 3) whose rows are the north, east and down directions at a point."""
    enu = enu_from_ecef(lat_deg, lon_deg)
    return np.stack([enu[..., 1, :], enu[..., 0, :], -enu[..., 2, :]], axis=-2)


def to_enu(p_ecef: ArrayLike, lat0_deg: float, lon0_deg: float, alt0_m: float, earth: str = "wgs84") -> Array:
    """ENU coordinates (..., 3) in metres, at the given origin, of ECEF positions (..., 3)."""
    offset = np.asarray(p_ecef, dtype=np.float64) - ecef_from_geodetic(lat0_deg, lon0_deg, alt0_m, earth)
    return offset @ enu_from_ecef(lat0_deg, lon0_deg).T


def from_enu(
    p_enu: ArrayLike, lat0_deg: float, lon0_deg: float, alt0_m: float, earth: str = "wgs84"
) -> Array:
    """ECEF positions (..., 3) of ENU coordinates (..., 3) in metres at the given origin."""
    rotated = np.asarray(p_enu, dtype=np.float64) @ enu_from_ecef(lat0_deg, lon0_deg)
    return rotated + ecef_from_geodetic(lat0_deg, lon0_deg, alt0_m, earth)


@cache
def _geod(earth: str) -> Geod:
    a, f = ellipsoid(earth)
    return Geod(a=a, f=f)


def geodesic_inverse(
    lat1_deg: ArrayLike, lon1_deg: ArrayLike, lat2_deg: ArrayLike, lon2_deg: ArrayLike, earth: str = "wgs84"
) -> tuple[Any, Any, Any]:
    """Azimuth at point 1 towards 2, azimuth at 2 towards 1 (degrees from north) and distance in metres."""
    lon1, lat1, lon2, lat2 = np.broadcast_arrays(lon1_deg, lat1_deg, lon2_deg, lat2_deg)
    return _geod(earth).inv(lon1, lat1, lon2, lat2)


def geodesic_direct(
    lat_deg: ArrayLike,
    lon_deg: ArrayLike,
    azimuth_deg: ArrayLike,
    distance_m: ArrayLike,
    earth: str = "wgs84",
) -> tuple[Any, Any, Any]:
    """Latitude and longitude reached along a geodesic, and the azimuth there back to the start (degrees)."""
    lon, lat, azimuth, distance = np.broadcast_arrays(lon_deg, lat_deg, azimuth_deg, distance_m)
    lon2, lat2, back = _geod(earth).fwd(lon, lat, azimuth, distance)
    return lat2, lon2, back


def wrap_deg(angle_deg: ArrayLike) -> Any:
    """Angle in degrees brought to [-180, 180)."""
    return (np.asarray(angle_deg, dtype=np.float64) + 180.0) % 360.0 - 180.0
