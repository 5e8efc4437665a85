"""Map coordinates of a surface: the ellipsoidal orthographic projection at its origin.

(x, y) are the east and north components, in the local frame at height 0, of the WGS84 ellipsoid's point.
A point at height h above it has ENU E = x (1 + h / N0), N = y (1 + h / M0), U = drop(x, y) + h cos(tilt).
"""

import numpy as np
from numpy.typing import NDArray

from lard.geodesy import ecef_from_geodetic, ellipsoid, enu_from_ecef, from_enu, geodetic_from_ecef, to_enu

Array = NDArray[np.float64]


def quadric(lat0_deg: float, lon0_deg: float, height_m: float, earth: str) -> tuple[Array, Array, float]:
    """A (3, 3), b (3,), c with P A P + 2 b P + c = 0 for the ENU points P at that height."""
    a, f = ellipsoid(earth)
    rotation = enu_from_ecef(lat0_deg, lon0_deg)
    inverse = np.array([1 / (a + height_m) ** 2, 1 / (a + height_m) ** 2, 1 / (a * (1 - f) + height_m) ** 2])
    origin = ecef_from_geodetic(lat0_deg, lon0_deg, 0.0, earth)
    matrix = rotation * inverse @ rotation.T
    return matrix, rotation @ (inverse * origin), float(origin @ (inverse * origin) - 1)


def drop_m(x_m: Array, y_m: Array, lat0_deg: float, lon0_deg: float, earth: str) -> Array:
    """U (at most 0) of the ellipsoid above ENU east and north coordinates in metres."""
    matrix, b, _ = quadric(lat0_deg, lon0_deg, 0.0, earth)
    c = matrix[0, 0] * x_m**2 + matrix[1, 1] * y_m**2
    half = b[2] + matrix[1, 2] * y_m
    return -c / (half + np.sqrt(half**2 - matrix[2, 2] * c))


def map_polynomial(lat0_deg: float, lon0_deg: float, earth: str) -> Array:
    """Coefficients (7,) from height-0 ENU (E, N) of an earth model to WGS84 map coordinates.

    x = E (p0 + p1 N + p2 N^2), y = p3 N + p4 N^2 + p5 E^2 + p6 N E^2; the identity on WGS84. On the sphere
    it is fitted over 60 km; the residual stays below 5 cm within 30 km.
    """
    if earth == "wgs84":
        return np.array([1.0, 0, 0, 1.0, 0, 0, 0])
    span = np.linspace(-0.27, 0.27, 13)
    lat, lon = np.meshgrid(lat0_deg + span, lon0_deg + span / max(np.cos(np.radians(lat0_deg)), 0.05))
    e, n, _ = (
        to_enu(ecef_from_geodetic(lat, lon, 0.0, earth), lat0_deg, lon0_deg, 0.0, earth).reshape(-1, 3).T
    )
    x, y, _ = to_enu(ecef_from_geodetic(lat, lon, 0.0), lat0_deg, lon0_deg, 0.0).reshape(-1, 3).T
    px = np.linalg.lstsq(np.stack([e, e * n, e * n * n], -1), x, rcond=None)[0]
    py = np.linalg.lstsq(np.stack([n, n * n, e * e, n * e * e], -1), y, rcond=None)[0]
    return np.concatenate([px, py])


def map_from_geodetic(
    lat_deg: Array, lon_deg: Array, lat0_deg: float, lon0_deg: float
) -> tuple[Array, Array]:
    """Map coordinates in metres of WGS84 latitudes and longitudes in degrees."""
    enu = to_enu(ecef_from_geodetic(lat_deg, lon_deg, 0.0), lat0_deg, lon0_deg, 0.0)
    return enu[..., 0], enu[..., 1]


def geodetic_from_map(x_m: Array, y_m: Array, lat0_deg: float, lon0_deg: float) -> tuple[Array, Array]:
    """WGS84 latitudes and longitudes in degrees of map coordinates: the inverse of map_from_geodetic."""
    up = drop_m(x_m, y_m, lat0_deg, lon0_deg, "wgs84")
    lat, lon, _ = geodetic_from_ecef(from_enu(np.stack([x_m, y_m, up], -1), lat0_deg, lon0_deg, 0.0))
    return lat, lon


def enu_from_map(x_m: Array, y_m: Array, polynomial: Array) -> tuple[Array, Array]:
    """Height-0 ENU east and north of map coordinates: the inverse of map_polynomial."""
    p = polynomial
    e, n = x_m / p[0], y_m / p[3]
    for _ in range(4):
        e, n = (
            x_m / (p[0] + p[1] * n + p[2] * n * n),
            (y_m - p[4] * n * n - p[5] * e * e) / (p[3] + p[6] * e * e),
        )
    return e, n
