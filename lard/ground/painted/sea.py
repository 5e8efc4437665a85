"""Where the sea is around an airport: the shipped coastline in its plane, moved where a runway needs land.

The coastline is true to about 0.1 degrees (11 km) and lacks small islands. A runway is on land whatever it
says: the coast is moved outwards, or an island is made up around the airport. Nothing may be read from its
exact course.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray

from lard.airports.coastline import coast_rings
from lard.geodesy import ecef_from_geodetic, to_enu
from lard.ground.painted.landcover import Outline
from lard.ground.painted.noise import fractal

Array = NDArray[np.float64]
REACH_M = 76_000.0
"""Half the side of the square that is looked at: a little more than the coarsest level."""
STEP_M = 1000.0
TRUE_TO_M = 12_000.0
"""How far the coastline may be off; a low airport nearer to it may stand at the water."""
LOW_M = 12.0
"""Airports up to this height may stand at the water."""
DRY_M = 2500.0
"""Land around other airports' runways, more than the shore's own waves reach."""
CLEAR_STEP_M = 250.0
_WAVE_M = 2500.0


@dataclass(frozen=True, slots=True)
class Coast:
    """The land's polygons (east, north, m) within reach of a place."""

    land: shapely.Geometry

    def depth_m(self, points: Array) -> Array:
        """How far points (n, 2) lie out at sea; negative on land; at most twice the reach either way."""
        at = shapely.points(points)
        inside = shapely.intersects(self.land, at)
        if self.land.is_empty:
            return np.full(len(points), 2 * REACH_M)
        line = self.land.boundary
        away = np.minimum(shapely.distance(line, at), 2 * REACH_M)
        return np.where(inside, -away, away)


def coast_around(lat0_deg: float, lon0_deg: float) -> Coast:
    """The shipped coastline in the orthographic plane at a place."""
    tall = math.degrees(2.5 * REACH_M / 6.37e6)
    wide = min(tall / max(math.cos(math.radians(lat0_deg)), 0.02), 90.0)
    window = shapely.box(lon0_deg - wide, lat0_deg - tall, lon0_deg + wide, lat0_deg + tall)
    parts = []
    for ring in coast_rings():
        for turn in (-360.0, 0.0, 360.0):  # the rings are cut at 180 degrees
            if ring[:, 0].max() + turn < lon0_deg - wide or ring[:, 0].min() + turn > lon0_deg + wide:
                continue
            part = shapely.Polygon(ring + np.array([turn, 0.0])).intersection(window)
            if not part.is_empty:
                parts.append(part.buffer(1e-6))  # halves meet again at 180 degrees

    def to_plane(lon_lat: Array) -> Array:
        flat = ecef_from_geodetic(lon_lat[:, 1], lon_lat[:, 0], np.zeros(len(lon_lat)))
        return np.asarray(to_enu(flat, lat0_deg, lon0_deg, 0.0)[:, :2])

    land = shapely.transform(shapely.segmentize(shapely.union_all(parts), 0.1), to_plane)
    return Coast(shapely.make_valid(land))


def shore_of(
    area: shapely.Geometry,
    others: list[Array],
    elevation_m: float,
    lat0_deg: float,
    lon0_deg: float,
    gap_m: float,
    drawn_near: bool,
    seed: int,
) -> Outline | None:
    """Signed distance to the shore, positive at sea, with the airport's area and others' runways on land.

    area: the airport inside its fence; others: corners (4, 2) of other airports' runways in the plane; gap_m:
    from the fence to the water at airports by the sea; drawn_near: this one is, if it lies low and the
    coastline passes within what it is true to. None where no sea is in reach.
    """
    coast = coast_around(lat0_deg, lon0_deg)
    grid = np.arange(-REACH_M, REACH_M + STEP_M, STEP_M)
    x, y = np.meshgrid(grid, -grid)
    nodes = np.column_stack([x.ravel(), y.ravel()])
    depth = coast.depth_m(nodes)
    fence = np.array(area.convex_hull.exterior.segmentize(500.0).coords)
    out_m = float(coast.depth_m(fence).max())
    away = shapely.distance(area.convex_hull, shapely.points(nodes))
    if out_m > TRUE_TO_M:
        # An island that the coastline lacks, as round as waves leave it.
        depth = np.minimum(depth, away - 2.0 * DRY_M - 2.0 * gap_m)
    elif out_m > -gap_m or (drawn_near and elevation_m <= LOW_M and out_m > -TRUE_TO_M):
        depth = depth - out_m - gap_m
    shape = x.shape
    wave = fractal(shape, -REACH_M, REACH_M, STEP_M, 32_000.0, 4000.0, seed, 0.6)
    calm = np.clip((away - 4000.0) / 12_000.0, 0.0, 1.0).reshape(shape)
    depth = depth.reshape(shape) + _WAVE_M * calm * wave
    if others:
        runways = shapely.multipolygons([shapely.Polygon(corners) for corners in others])
        depth = np.minimum(depth, shapely.distance(runways, shapely.points(nodes)).reshape(shape) - DRY_M)
    if depth.max() < -1000.0:
        return None
    return Outline(depth.astype(np.float32), -REACH_M, REACH_M, STEP_M)


def clearing_of(others: list[Array]) -> Outline | None:
    """Metres from other airports' runways (true to a cell), negated; None where there are none."""
    if not others:
        return None
    cells = int(2 * REACH_M / CLEAR_STEP_M) + 1
    free = np.full((cells, cells), 255, np.uint8)
    for corners in others:
        ends = (corners[:2].mean(axis=0), corners[2:].mean(axis=0))
        a, b = (
            (round(float(end[0] + REACH_M) / CLEAR_STEP_M), round(float(REACH_M - end[1]) / CLEAR_STEP_M))
            for end in ends
        )
        cv2.line(free, a, b, 0, 1)
    away = cv2.distanceTransform(free, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) * CLEAR_STEP_M
    return Outline(-away.astype(np.float32), -REACH_M, REACH_M, CLEAR_STEP_M)
