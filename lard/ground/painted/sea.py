"""Where the sea is around an airport: the shipped coastline in its plane, with land where runways need it.

Around the shipped airports the coastline is true to about 1 km, and land is added about the fence where it
says sea. Elsewhere it is true to about 0.1 degrees (11 km) and lacks small islands: the coast is moved
outwards, or an island is made up around the airport. Nothing may be read from its exact course.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray

from lard.airports.coastline import coast_rings, rings_near
from lard.geodesy import ecef_from_geodetic, to_enu
from lard.ground.painted.landcover import Outline, Shore
from lard.ground.painted.noise import fractal

Array = NDArray[np.float64]
REACH_M = 76_000.0
"""Half the side of the square that is looked at: a little more than the coarsest level."""
STEP_M = 1000.0
NEAR_STEP_M = 250.0
NEAR_FAR_M = 15_000.0
"""Distances to coasts near shipped airports are known this far: they are cut 19 km beyond the reach."""
NEAR_WAVES = (130.0, 2400.0)
"""What is made up of a known shore: by how much it wavers and the longest wave, m."""
FILL_M = 3000.0
"""How far from the fence land is added to a known coast."""
TRUE_TO_M = 12_000.0
"""How far the world's coastline may be off; a low airport nearer to it may stand at the water."""
LOW_M = 12.0
"""Airports up to this height may stand at the water."""
DRY_M = 2500.0
"""Land around other airports' runways, more than the shore's own waves reach."""
NEAR_DRY_M = 500.0
"""The same where the coast is known."""
CLEAR_STEP_M = 250.0
_WAVE_M = 2500.0
WAVES = (450.0, 5000.0)
"""What is made up of a shore that is not known: see NEAR_WAVES."""


@dataclass(frozen=True, slots=True)
class Coast:
    """The land's polygons (east, north, m) within reach of a place; how far distances to them hold, m."""

    land: shapely.Geometry
    far_m: float
    known: bool  # one of the shipped airports' coasts

    def depth_m(self, points: Array) -> Array:
        """How far points (n, 2) lie out at sea; negative on land; at most far_m either way."""
        at = shapely.points(points)
        if self.land.is_empty:
            return np.full(len(points), self.far_m)
        line = self.land.boundary
        shapely.prepare([self.land, line])
        inside = shapely.intersects(self.land, at)
        away = np.minimum(shapely.distance(line, at), self.far_m)
        return np.where(inside, -away, away)

    def depth_grid_m(self, step_m: float) -> Array:
        """The same at nodes of the square of the reach, row 0 in the north.

        Beyond 4 steps they are true to a step, and of the shores in the square alone.
        """
        grid = np.arange(-REACH_M, REACH_M + step_m, step_m)
        wet = np.ones((len(grid), len(grid)), np.uint8)
        lines = [ring for part in shapely.get_parts(self.land) for ring in (part.exterior, *part.interiors)]
        rings = [np.array(line.coords) * [1, -1] / step_m + REACH_M / step_m for line in lines]
        off = wet.copy()
        drawn = [np.rint(ring * 16).astype(np.int32) for ring in rings]
        cv2.fillPoly(wet, drawn, 0, shift=4)
        cv2.polylines(off, drawn, False, 0, shift=4)
        away = cv2.distanceTransform(off, cv2.DIST_L2, cv2.DIST_MASK_PRECISE).astype(np.float64) * step_m
        away = np.minimum(away, self.far_m)  # without a shore it is endless
        depth = np.where(wet > 0, away, -away)
        row, column = np.nonzero(away < 4.0 * step_m)
        depth[row, column] = self.depth_m(np.column_stack([grid[column], -grid[row]]))
        return depth


def coast_around(lat0_deg: float, lon0_deg: float) -> Coast:
    """The shipped coastline in the orthographic plane at a place: the finer one where there is one."""
    tall = math.degrees(1.05 * REACH_M / 6.37e6)
    wide = tall / max(math.cos(math.radians(lat0_deg)), 0.02)
    rings = rings_near(lat0_deg, lon0_deg, np.array([wide, tall]))
    if rings is None:
        return _world_around(lat0_deg, lon0_deg)
    land: shapely.Geometry = shapely.Polygon()
    for ring in rings:
        # Long sides are those of the cut, whose corners must stay.
        line = np.array(shapely.LinearRing(_in_plane(ring, lat0_deg, lon0_deg)).segmentize(3000.0).coords)
        land = land.symmetric_difference(shapely.make_valid(shapely.Polygon(_rounded(_rounded(line)))))
    return Coast(_areas(land), NEAR_FAR_M, True)


def _in_plane(lon_lat: Array, lat0_deg: float, lon0_deg: float) -> Array:
    flat = ecef_from_geodetic(lon_lat[:, 1], lon_lat[:, 0], np.zeros(len(lon_lat)))
    return np.asarray(to_enu(flat, lat0_deg, lon0_deg, 0.0)[:, :2])


def _rounded(ring: Array) -> Array:
    """A closed ring with its corners cut at a quarter of both sides (Chaikin 1974)."""
    a, b = ring[:-1], ring[1:]
    cut = np.stack([0.75 * a + 0.25 * b, 0.25 * a + 0.75 * b], axis=1).reshape(-1, 2)
    return np.concatenate([cut, cut[:1]])


def _areas(land: shapely.Geometry) -> shapely.Geometry:
    """Only the polygons of a geometry."""
    parts = [part for part in shapely.get_parts(shapely.make_valid(land)) if part.geom_type == "Polygon"]
    return shapely.multipolygons(parts)


def _world_around(lat0_deg: float, lon0_deg: float) -> Coast:
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
    whole = shapely.segmentize(shapely.union_all(parts), 0.1)
    land = shapely.transform(whole, lambda lon_lat: _in_plane(lon_lat, lat0_deg, lon0_deg))
    return Coast(shapely.make_valid(land), 2.0 * REACH_M, False)


def shore_of(
    area: shapely.Geometry,
    others: list[Array],
    elevation_m: float,
    lat0_deg: float,
    lon0_deg: float,
    gap_m: float,
    drawn_near: bool,
    seed: int,
) -> Shore | None:
    """Signed distance to the shore, positive at sea, with the airport's area and others' runways on land.

    area: the airport inside its fence; others: corners (4, 2) of other airports' runways in the plane; gap_m:
    from the fence to the water at airports by the sea; drawn_near: this one is, if it lies low and the
    coastline passes within what it is true to. The last two and the elevation count only where the coast is
    not known; there a fifth of gap_m is left where the sea would be nearer. None where no sea is in reach.
    """
    coast = coast_around(lat0_deg, lon0_deg)
    if coast.known:
        depth, dry_m = _with_ground_for(coast, area, 0.2 * gap_m), NEAR_DRY_M
    else:
        depth, dry_m = _moved_for(coast, area, elevation_m, gap_m, drawn_near, seed), DRY_M
    step_m = NEAR_STEP_M if coast.known else STEP_M
    if others:
        near = depth > -2.0 * dry_m
        runways = shapely.multipolygons([shapely.Polygon(corners) for corners in others])
        shapely.prepare(runways)
        away = shapely.distance(runways, shapely.points(_nodes(step_m)[near.ravel()]))
        depth[near] = np.minimum(depth[near], away - dry_m)
    if depth.max() < (0.0 if coast.known else -1000.0):
        return None
    waves = NEAR_WAVES if coast.known else WAVES
    return Shore(depth.astype(np.float32), -REACH_M, REACH_M, step_m, *waves)


def _nodes(step_m: float) -> Array:
    """Places (n, 2) of a grid's nodes, row by row from the north."""
    grid = np.arange(-REACH_M, REACH_M + step_m, step_m)
    x, y = np.meshgrid(grid, -grid)
    return np.column_stack([x.ravel(), y.ravel()])


def _with_ground_for(coast: Coast, area: shapely.Geometry, gap_m: float) -> Array:
    """Depths (rows, columns) of a known coast, with land to gap_m from the fence where it has none."""
    depth = coast.depth_grid_m(NEAR_STEP_M)
    nodes = _nodes(NEAR_STEP_M)
    x0, y0, x1, y1 = np.array(area.bounds) + FILL_M * np.array([-1, -1, 1, 1])
    near = (nodes[:, 0] > x0) & (nodes[:, 0] < x1) & (nodes[:, 1] > y0) & (nodes[:, 1] < y1)
    shapely.prepare(area)
    away = shapely.distance(area, shapely.points(nodes[near])) - gap_m
    near = near.reshape(depth.shape)
    depth[near] = np.minimum(depth[near], away)
    return depth


def _moved_for(
    coast: Coast,
    area: shapely.Geometry,
    elevation_m: float,
    gap_m: float,
    drawn_near: bool,
    seed: int,
) -> Array:
    """Depths (rows, columns) of the world's coast, moved so far that the airport is on land."""
    nodes = _nodes(STEP_M)
    depth = coast.depth_m(nodes)
    fence = np.array(area.convex_hull.exterior.segmentize(500.0).coords)
    out_m = float(coast.depth_m(fence).max())
    away = shapely.distance(area.convex_hull, shapely.points(nodes))
    if out_m > TRUE_TO_M:
        # An island that the coastline lacks, as round as waves leave it.
        depth = np.minimum(depth, away - 2.0 * DRY_M - 2.0 * gap_m)
    elif out_m > -gap_m or (drawn_near and elevation_m <= LOW_M and out_m > -TRUE_TO_M):
        depth = depth - out_m - gap_m
    side = round(len(nodes) ** 0.5)
    wave = fractal((side, side), -REACH_M, REACH_M, STEP_M, 32_000.0, 4000.0, seed, 0.6)
    calm = np.clip((away - 4000.0) / 12_000.0, 0.0, 1.0).reshape(side, side)
    return np.asarray(depth.reshape(side, side) + _WAVE_M * calm * wave)


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
