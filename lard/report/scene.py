"""What surrounds an airport's runways in metres: their outlines, zones of the domain, cameras and frustums.

Everything lies in the east, north, up frame at the airport's reference point, on the frames' earth model.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.airports import Airport, Runway
from lard.approach import Approaches, pose_of
from lard.camera import Poses, cam_from_ecef
from lard.geodesy import ecef_from_geodetic, enu_from_ecef, to_enu

Array = NDArray[np.float64]
Origin = tuple[float, float, float]
EDGES = ((0, 1), (1, 3), (3, 2), (2, 0), (4, 5), (5, 7), (7, 6), (6, 4), (0, 4), (1, 5), (2, 6), (3, 7))
"""Pairs of corners of a zone that an edge joins."""
_STEPS = 9


def origin_of(airport: Airport) -> Origin:
    """Latitude, longitude (deg) and altitude (m) of the frame's origin: the first threshold."""
    return airport.runways[0].ltp


def runway_outline(runway: Runway, origin: Origin, earth: str) -> Array:
    """Corners TL, TR, BR, BL (4, 3) m."""
    return to_enu(runway.corners_ecef(earth), *origin, earth)


def zone_edges(
    runway: Runway, bounds: Mapping[str, tuple[float, float]], apexes: tuple[float, float], origin: Origin
) -> list[Array]:
    """Edges (points, 3) m of the room that a zone's distances and angles enclose before a runway.

    Edges along the approach are bent where the lateral and the vertical angle start at different points.
    """
    along, lateral, vertical = (bounds[name] for name in ("along_track_m", "lateral_deg", "vertical_deg"))
    corners = np.array([[a, s, h] for a in along for s in lateral for h in vertical], np.float64)
    part = np.linspace(0.0, 1.0, _STEPS)[:, None]
    lines = [corners[i] * (1 - part) + corners[j] * part for i, j in EDGES]
    return [_positions(runway, line, apexes, origin) for line in lines]


def nominal_path(
    runway: Runway, vertical_deg: float, length_m: float, apexes: tuple[float, float], origin: Origin
) -> Array:
    """The approach on the extended centreline at one vertical angle (points, 3) m, outermost first."""
    along = np.linspace(length_m, 0.0, _STEPS)
    line = np.column_stack([along, np.zeros(_STEPS), np.full(_STEPS, vertical_deg)])
    return _positions(runway, line, apexes, origin)


def _positions(runway: Runway, line: Array, apexes: tuple[float, float], origin: Origin) -> Array:
    zero = np.zeros(len(line))
    along, lateral, vertical = line.T
    poses = pose_of(runway, Approaches(along, lateral, vertical, zero, zero, zero), *apexes)
    return to_enu(
        ecef_from_geodetic(poses.lat_deg, poses.lon_deg, poses.alt_m, runway.earth), *origin, runway.earth
    )


def cameras(frames: pl.DataFrame, origin: Origin) -> tuple[Array, Array]:
    """Positions (n, 3) m and rotations enu_from_cam (n, 3, 3) of frames; camera x right, y down, z ahead."""
    poses = Poses.from_frames(frames)
    from_ecef, positions = cam_from_ecef(poses)
    return (
        to_enu(positions, *origin, poses.earth),
        enu_from_ecef(*origin[:2]) @ np.swapaxes(from_ecef, -1, -2),
    )
