"""How much of a runway the land in between hides from the camera, earth curvature included."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lard.airports import Airport, Runway
from lard.camera import Camera, Poses, project
from lard.geodesy import ecef_from_geodetic, geodetic_from_ecef
from lard.labels.view import NEAR_PLANE_M

Array = NDArray[np.float64]
Hidden = NDArray[np.bool_]
Terrain = Callable[[Array, Array], Array]
"""Heights (n,) in metres of latitudes and longitudes (n,) in degrees; NaN where unknown."""

STEP_M = 30.0  # the post spacing of worldwide terrain models
TOLERANCE_M = 5.0  # their noise: land this much above a line of sight does not hide yet
CLEAR_M = 100.0  # the last part of a line of sight, over the airfield itself
MOST_HIDDEN = 0.5
"""A runway of which land hides more than this is asked of nobody: its verdict is OUT_OF_ODD."""
MOST_UNKNOWN = 0.1
"""A runway of which more than this lies behind land that the terrain does not know is judged by none."""
GAP_M = 300.0  # unknown land on a line of sight that voids of a terrain may leave
_ROWS, _COLUMNS = 16, 3
_EDGES = np.linspace(0.0, 1.0, _ROWS + 1) ** 2
"""Where patches of a runway end, as shares of its length: short where a camera on approach sees most."""
SURFACE_SHARES = np.repeat(np.diff(_EDGES) / _COLUMNS, _COLUMNS)
"""What share of a runway's surface each of surface_points (k,) stands for."""
_MOST_POINTS = 1_100_000  # of the earth at a time


@dataclass(frozen=True, slots=True)
class TerrainByAirport:
    """Terrain that is brought to runways: another for the frames of each airport."""

    about: Callable[[Airport], Terrain]


def smooth_earth(height_m: float) -> Terrain:
    """An earth without relief at one height: only its curvature hides."""
    return lambda lat_deg, lon_deg: np.full(np.shape(lat_deg), height_m)


def surface_points(corners: Array) -> Array:
    """Middles (..., k, 3) of patches of quadrilaterals with corners TL, TR, BR, BL (..., 4, 3)."""
    tl, tr, br, bl = (corners[..., k, :][..., None, None, :] for k in range(4))
    along = ((_EDGES[:-1] + _EDGES[1:]) / 2)[:, None, None]
    across = ((np.arange(_COLUMNS) + 0.5) / _COLUMNS)[:, None]
    left, right = bl + along * (tl - bl), br + along * (tr - br)
    points = left + across * (right - left)
    return points.reshape(*points.shape[:-3], _ROWS * _COLUMNS, 3)


def hidden_in_picture(hidden: Hidden, corners_cam: Array, camera: Camera) -> Array:
    """Share (n,) that land hides of what a picture would show of a runway; of the whole if it shows nothing.

    hidden (n, k) is of the points of surface_points, which count as large as their surroundings appear.
    """
    points = surface_points(corners_cam)
    depth = points[..., 2]
    ahead = depth >= NEAR_PLANE_M
    pixels = project(np.where(ahead[..., None], points, (0.0, 0.0, 1.0)), camera)
    size = np.array([camera.width_px, camera.height_px], np.float64)
    shown = ahead & ((pixels >= 0) & (pixels <= size)).all(axis=-1)
    # a patch of a plane appears as large as its surface over the cube of its depth
    weight = np.where(shown, np.maximum(depth, NEAR_PLANE_M) ** -3.0, 0.0)
    weight[~shown.any(axis=1)] = 1.0
    weight *= SURFACE_SHARES
    return (weight * hidden).sum(axis=1) / weight.sum(axis=1)


def hidden_fraction(runway: Runway, poses: Poses, terrain: Terrain) -> Array:
    """Share (n,) of a runway's surface whose straight line of sight to the camera passes below the land."""
    return np.asarray(sight_lines(runway, poses, terrain)[0] @ SURFACE_SHARES)


def sight_lines(
    runway: Runway,
    poses: Poses,
    terrain: Terrain,
    *,
    step_m: float = STEP_M,
    tolerance_m: float = TOLERANCE_M,
    clear_m: float = CLEAR_M,
) -> tuple[Hidden, Hidden]:
    """Which points (n, k) of surface_points of a runway land hides, and of which it is not known.

    A line of sight that passes below land is hidden; one over more than GAP_M of unknown land, and below none
    that is known, might be. Refraction, which lifts far objects a little, is left out. Heights are those of
    the poses' datum.
    """
    targets = surface_points(runway.corners_ecef(poses.earth))  # (k, 3)
    cameras = ecef_from_geodetic(poses.lat_deg, poses.lon_deg, poses.alt_m, poses.earth)
    far = np.linalg.norm(cameras - targets.mean(axis=0), axis=-1).max(initial=0.0)
    chunk = max(int(_MOST_POINTS / len(targets) / (far / step_m + 1)), 1)
    parts = [
        _hidden(targets, cameras[start : start + chunk], poses.earth, terrain, step_m, tolerance_m, clear_m)
        for start in range(0, len(cameras), chunk)
    ]
    nothing = np.empty((0, len(targets)), bool)
    hidden, unknown = zip(*parts, strict=True) if parts else ((nothing,), (nothing,))
    return np.concatenate(hidden), np.concatenate(unknown)


def judged_share(hidden: Array, unknown: Array) -> Array:
    """Hidden shares (n,), NaN where too much is unknown to say that a runway is seen."""
    return np.where((unknown > MOST_UNKNOWN) & (hidden <= MOST_HIDDEN), np.nan, hidden)


def _hidden(
    targets: Array,
    cameras: Array,
    earth: str,
    terrain: Terrain,
    step_m: float,
    tolerance_m: float,
    clear_m: float,
) -> tuple[Hidden, Hidden]:
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
    void = np.isnan(land)
    hidden = (height + tolerance_m < np.where(void, -np.inf, land)).any(axis=-1)
    gap_m = _longest_run(void) / samples * (1.0 - first) * length if void.any() else np.zeros(hidden.shape)
    return np.asarray(hidden), np.asarray(~hidden & (gap_m > GAP_M))


def _longest_run(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Length (...,) of the longest run of true flags (..., m)."""
    place = np.arange(flags.shape[-1])
    before = np.maximum.accumulate(np.where(flags, -1, place), axis=-1)
    return np.asarray((place - before).max(axis=-1))
