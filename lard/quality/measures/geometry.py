"""A second path from geodetic coordinates to pixels and approach values, for checking the first.

Positions go through PROJ's own `cart` operation, attitudes through scipy's rotation composition, and the
approach frame is built from cross products of vectors. Nothing here calls lard.camera, lard.geodesy or
lard.approach, so a fault there cannot hide itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer
from scipy.spatial.transform import Rotation

from lard.errors import DataError

Array = NDArray[np.float64]

_ELLIPSOIDS = {"wgs84": "+ellps=WGS84", "sphere6371010": "+R=6371010"}


@lru_cache(maxsize=4)
def _cart(earth: str) -> Transformer:
    if earth not in _ELLIPSOIDS:
        raise DataError(f"earth model {earth!r} is unknown; expected one of {', '.join(_ELLIPSOIDS)}")
    return Transformer.from_pipeline(f"+proj=cart {_ELLIPSOIDS[earth]}")


def cart(geodetic: Array, earth: str) -> Array:
    """Earth-centred positions (..., 3) in metres of latitude deg, longitude deg, altitude m (..., 3)."""
    geodetic = np.asarray(geodetic, np.float64)
    x, y, z = _cart(earth).transform(geodetic[..., 1], geodetic[..., 0], geodetic[..., 2], radians=False)
    return np.stack([x, y, z], axis=-1)


def geodetic(points: Array, earth: str) -> Array:
    """Latitude deg, longitude deg, altitude m (..., 3) of earth-centred positions (..., 3)."""
    points = np.asarray(points, np.float64)
    lon, lat, alt = _cart(earth).transform(
        points[..., 0], points[..., 1], points[..., 2], radians=False, direction="INVERSE"
    )
    return np.stack([lat, lon, alt], axis=-1)


def body_in_ecef(
    lat_deg: Array, lon_deg: Array, yaw_deg: Array, pitch_deg: Array, roll_deg: Array
) -> Rotation:
    """Rotations taking body axes (forward, right, down) of n cameras to earth-centred axes."""
    ned_in_ecef = Rotation.from_euler(
        "ZY", np.column_stack([lon_deg, -90.0 - np.asarray(lat_deg)]), degrees=True
    )
    body_in_ned = Rotation.from_euler("ZYX", np.column_stack([yaw_deg, pitch_deg, roll_deg]), degrees=True)
    return ned_in_ecef * body_in_ned


def body_coordinates(points: Array, pose: Mapping[str, Array], earth: str) -> Array:
    """Points (n, k, 3) earth-centred as forward, right, down metres (n, k, 3) of n cameras."""
    eye = cart(np.column_stack([pose["lat_deg"], pose["lon_deg"], pose["alt_m"]]), earth)
    attitude = body_in_ecef(
        pose["lat_deg"], pose["lon_deg"], pose["yaw_deg"], pose["pitch_deg"], pose["roll_deg"]
    )
    offset = np.asarray(points) - eye[:, None, :]
    matrices = attitude.inv().as_matrix()
    return np.matmul(offset, np.swapaxes(matrices, 1, 2))


def pixels(points: Array, pose: Mapping[str, Array], camera: Mapping[str, Array], earth: str) -> Array:
    """Pixels (n, k, 2) of earth-centred points (n, k, 3); NaN where a point is not in front."""
    body = body_coordinates(points, pose, earth)
    forward = np.where(body[..., 0] > 0, body[..., 0], np.nan)
    return drawn(body[..., 1] / forward, body[..., 2] / forward, camera)


def drawn(right: Array, down: Array, camera: Mapping[str, Array]) -> Array:
    """Pixels (n, k, 2) of places (n, k) at depth 1; radial distortion after Brown where it is stated.

    Beyond the radius where a lens's polynomial turns back nothing is drawn: NaN.
    """
    square = right**2 + down**2
    k1, k2, k3 = (np.asarray(camera.get(name, 0.0))[..., None] for name in ("k1", "k2", "k3"))
    bend = 1.0 + k1 * square + k2 * square**2 + k3 * square**3
    growth = 1.0 + 3 * k1 * square + 5 * k2 * square**2 + 7 * k3 * square**3
    bend = np.where(growth > 0, bend, np.nan)
    x = camera["cx_px"][:, None] + camera["fx_px"][:, None] * right * bend
    y = camera["cy_px"][:, None] + camera["fy_px"][:, None] * down * bend
    return np.stack([x, y], axis=-1)


def approach_values(
    corners: Array,
    pose: Mapping[str, Array],
    earth: str,
    lateral_apex_m: float,
    vertical_apex_m: float,
    level: bool = True,
) -> dict[str, Array]:
    """Approach values (n,) of cameras, each relative to its runway's corners (n, 4, 3) geodetic.

    Not `level`: measured in the sloping plane of the runway, as LARD V2 does.
    """
    points = cart(corners, earth)  # TL, TR, BR, BL
    threshold, far = (points[:, 2] + points[:, 3]) / 2, (points[:, 0] + points[:, 1]) / 2
    at = geodetic(threshold, earth)
    lat, lon = np.radians(at[:, 0]), np.radians(at[:, 1])
    up = np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    east = np.column_stack([-np.sin(lon), np.cos(lon), np.zeros_like(lon)])
    axis = far - threshold
    axis = axis - _dot(axis, up)[:, None] * up
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    right = np.cross(axis, up)
    heading = np.degrees(np.arctan2(_dot(axis, east), _dot(axis, np.cross(up, east))))
    eye = cart(np.column_stack([pose["lat_deg"], pose["lon_deg"], pose["alt_m"]]), earth) - threshold
    if not level:
        axis = (far - threshold) / np.linalg.norm(far - threshold, axis=1, keepdims=True)
        up = np.cross(right, axis)
    before, across, above = -_dot(eye, axis), _dot(eye, right), _dot(eye, up)
    threshold_alt = (corners[:, 2, 2] + corners[:, 3, 2]) / 2
    return {
        "along_track_m": before,
        "lateral_deg": np.degrees(np.arctan2(across, before + lateral_apex_m)),
        "vertical_deg": np.degrees(np.arctan2(above, np.hypot(before + vertical_apex_m, across))),
        "yaw_offset_deg": (np.asarray(pose["yaw_deg"]) - heading + 180.0) % 360.0 - 180.0,
        "slant_m": np.linalg.norm(eye, axis=1),
        "height_m": np.asarray(pose["alt_m"]) - threshold_alt,
    }


def horizon_pixels(
    pose: Mapping[str, Array], camera: Mapping[str, Array], height_m: Array, bearings_deg: Array
) -> Array:
    """Pixels (n, k, 2) of the horizon of ground `height_m` below n cameras, k bearings from the yaw."""
    radius = 6_371_000.0  # the dip of the horizon needs no better radius
    dip = np.arccos(radius / (radius + np.maximum(height_m, 0.0)))[:, None]
    bearing = np.radians(np.asarray(pose["yaw_deg"])[:, None] + np.asarray(bearings_deg)[None, :])
    ned = np.stack(
        [
            np.cos(bearing) * np.cos(dip),
            np.sin(bearing) * np.cos(dip),
            np.broadcast_to(np.sin(dip), bearing.shape),
        ],
        axis=-1,
    )  # (n, k, 3) unit directions
    angles = np.column_stack([pose["yaw_deg"], pose["pitch_deg"], pose["roll_deg"]])
    matrices = Rotation.from_euler("ZYX", angles, degrees=True).inv().as_matrix()
    body = np.matmul(ned, np.swapaxes(matrices, 1, 2))
    forward = np.where(body[..., 0] > 1e-6, body[..., 0], np.nan)
    return drawn(body[..., 1] / forward, body[..., 2] / forward, camera)


def _dot(a: Array, b: Array) -> Array:
    return np.einsum("ni,ni->n", a, b)
