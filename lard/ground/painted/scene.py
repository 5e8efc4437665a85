"""The airport composed: quadrilaterals in drawing order, from roads to runways, and the area in its fence."""

from dataclasses import dataclass

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from lard.ground.painted.apron import airfield_quads
from lard.ground.painted.lights import Way, light_quads, light_ways
from lard.ground.painted.paint import Quad
from lard.ground.painted.palette import Palette
from lard.ground.painted.roads import road_quads
from lard.ground.painted.runways import runway_quads
from lard.ground.painted.strip import Strip, polygon


@dataclass(frozen=True, slots=True)
class Scene:
    """Quads in drawing order and the area inside the airport's fence."""

    roads: list[Quad]  # outside the fence, drawn first, to be left out where there is water
    ways: list[Way]  # what approach lights stand on, for land and for water
    quads: list[Quad]  # taxiways, apron, buildings, lights
    runways: list[Quad]  # with shoulders, pads, markings and rubber, drawn last
    area: BaseGeometry


def build_scene(strips: list[Strip], palette: Palette, rng: np.random.Generator) -> Scene:
    """Return the whole airport: roads around it, taxiways and apron, buildings, runways and markings."""
    airfield, sites = airfield_quads(strips, palette, rng)
    runways = runway_quads(strips, rng)
    parts = [
        polygon(
            strip.pavement(
                150.0 if strip.near.width_m >= 40 else 70.0, 330.0 if strip.near.width_m >= 40 else 90.0
            )
        )
        for strip in strips
    ]
    parts += [site.buffer(45.0, join_style="mitre") for site in sites]
    # Runways that cross or nearly meet share one field; the fence keeps within 320 m of pavement.
    fields = [
        shapely.union_all([a, b]).convex_hull.intersection(shapely.union_all([a, b]).buffer(320.0))
        for k, a in enumerate(parts)
        for b in parts[:k]
        if a.intersects(b)
    ]
    # Closing joins neighbouring runways; the fence then runs in long straight pieces.
    area = shapely.union_all(parts + fields)
    reach = float(rng.uniform(120, 380))
    area = area.buffer(reach, join_style="mitre").buffer(-reach, join_style="mitre").simplify(25.0)
    if area.convex_hull.area < min(float(rng.uniform(1.2, 1.8)) * area.area, 12.0e6):
        area = area.convex_hull
    area = shapely.union_all([shapely.Polygon(part.exterior) for part in getattr(area, "geoms", [area])])
    roads = road_quads(strips, area, palette, rng)
    return Scene(roads, light_ways(strips, palette), airfield + light_quads(strips), runways, area)
