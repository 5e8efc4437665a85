"""How much of a runway the land in between hides from the camera, earth curvature included."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lard.airports import Runway
from lard.camera import Poses
from lard.geodesy import ecef_from_geodetic, geodetic_from_ecef

Array = NDArray[np.float64]
Terrain = Callable[[Array, Array], Array]
"""Heights (n,) in metres of latitudes and longitudes (n,) in degrees; NaN where unknown, hiding nothing."""

STEP_M = 30.0  # the post spacing of worldwide terrain models
TOLERANCE_M = 5.0  # their noise: land this much above a line of sight does not hide yet
CLEAR_M = 100.0  # the last part of a line of sight, over the airfield itself
_ALONG, _ACROSS = 7, 3
_CHUNK = 256


def smooth_earth(height_m: float) -> Terrain:
    """An earth without relief at one height: only its curvature hides."""
    return lambda lat_deg, lon_deg: np.full(np.shape(lat_deg), height_m)


def hidden_fraction(
    runway: Runway,
    poses: Poses,
    terrain: Terrain,
    *,
    step_m: float = STEP_M,
    tolerance_m: float = TOLERANCE_M,
    clear_m: float = CLEAR_M,
) -> Array:
    """Share (n,) of a runway's surface whose straight line of sight to the camera passes below the land.

    Refraction, which lifts far objects a little, is left out. Heights are those of the poses' datum.
    """
    tl, tr, br, bl = runway.corners_ecef(poses.earth)
    along, across = np.linspace(0.0, 1.0, _ALONG)[:, None, None], np.linspace(0.0, 1.0, _ACROSS)[:, None]
    left, right = bl + along * (tl - bl), br + along * (tr - br)
    targets = (left + across * (right - left)).reshape(-1, 3)  # (k, 3)
    cameras = ecef_from_geodetic(poses.lat_deg, poses.lon_deg, poses.alt_m, poses.earth)
    parts = [
        _hidden(targets, cameras[start : start + _CHUNK], poses.earth, terrain, step_m, tolerance_m, clear_m)
        for start in range(0, len(cameras), _CHUNK)
    ]
    return np.concatenate(parts) if parts else np.empty(0)


def _hidden(
    targets: Array,
    cameras: Array,
    earth: str,
    terrain: Terrain,
    step_m: float,
    tolerance_m: float,
    clear_m: float,
) -> Array:
    sight = cameras[:, None] - targets  # (n, k, 3)
    length = np.linalg.norm(sight, axis=-1)
    samples = max(int(np.ceil((length.max() - clear_m) / step_m)), 1)
    share = np.linspace(0.0, 1.0, samples + 1)[1:]
    # from where the airfield ends to the camera; a camera over the airfield has an unhindered view
    first = np.minimum(clear_m / length, 1.0)
    position = first[..., None] + (1.0 - first[..., None]) * share  # (n, k, samples)
    points = targets[:, None] + position[..., None] * sight[:, :, None]
    lat, lon, height = geodetic_from_ecef(points, earth)
    land = terrain(lat.ravel(), lon.ravel()).reshape(height.shape)
    below = height + tolerance_m < np.where(np.isnan(land), -np.inf, land)
    return below.any(axis=-1).mean(axis=-1)
