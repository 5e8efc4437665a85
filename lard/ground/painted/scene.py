"""The airport as quadrilaterals in drawing order: pavements, taxiways, buildings, runways with markings."""

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from lard.ground.painted.markings import RunwayEnd, strip_markings
from lard.ground.painted.paint import Quad, Surface
from lard.ground.painted.palette import Palette

Array = NDArray[np.float64]
PAVED = ("asphalt", "concrete", "mixed")


@dataclass(frozen=True, slots=True)
class Strip:
    """A runway strip in the ortho plane; corners (4, 2) TL, TR, BR, BL between landing thresholds."""

    corners: Array
    near: RunwayEnd
    far: RunwayEnd
    surface: str

    def at(self, st: Array) -> Array:
        """Plane coordinates (n, 2) of (s, t): bilinear in the four corners, so edges follow the labels."""
        tl, tr, br, bl = self.corners
        u = (st[:, :1]) / self.near.length_m
        v = st[:, 1:] / self.near.width_m + 0.5
        return (1 - u) * ((1 - v) * bl + v * br) + u * ((1 - v) * tl + v * tr)

    def rectangle(self, s0: float, s1: float, t0: float, t1: float) -> Array:
        """Return plane corners (4, 2) of a rectangle in runway metres."""
        return self.at(np.array([[s0, t0], [s1, t0], [s1, t1], [s0, t1]]))

    @property
    def frame(self) -> tuple[float, float, float, float]:
        """Origin and direction of the runway's axis."""
        origin = self.at(np.zeros((1, 2)))[0]
        axis = self.at(np.array([[self.near.length_m, 0.0]]))[0] - origin
        axis = axis / np.hypot(*axis)
        return float(origin[0]), float(origin[1]), float(axis[0]), float(axis[1])

    def pavement(self, side_m: float = 0.0, end_m: float = 0.0) -> Array:
        """Return the paved quadrilateral, displaced parts included, grown on the sides and at the ends."""
        half = self.near.width_m / 2 + side_m
        return self.rectangle(
            -self.near.displaced_m - end_m, self.near.length_m + self.far.displaced_m + end_m, -half, half
        )


def grey(value: float, warm: float = 0.0) -> tuple[float, float, float]:
    """Return a grey, warmer (browner) for positive warmth."""
    return value + 2 * warm, value + 0.4 * warm, value - 2 * warm


def runway_quads(strips: list[Strip], rng: np.random.Generator) -> list[Quad]:
    """Return shoulders and pads, then each runway with its markings; the longest comes last and wins."""
    shoulders: list[Quad] = []
    runways: list[Quad] = []
    for strip in sorted(strips, key=lambda s: (s.near.length_m, s.near.ident)):
        paved = strip.surface.lower().startswith(PAVED)
        concrete = strip.surface.lower().startswith(("con", "pem")) or (paved and rng.random() < 0.25)
        wide = strip.near.width_m >= 40
        frame = strip.frame
        if not paved:
            earth = (148.0, 140.0, 100.0) if "grass" in strip.surface.lower() else (160.0, 146.0, 118.0)
            runways.append(Quad(strip.pavement(), Surface.PLAIN, earth, 0.75, frame))
            continue
        side = (7.5 if wide else 3.0) if rng.random() < 0.85 else 1.5
        tone = float(rng.uniform(84, 122))
        shoulder = grey(tone + rng.uniform(-8, 26) + 10, rng.uniform(0, 4))
        length, half = strip.near.length_m, strip.near.width_m / 2
        s0, s1 = -strip.near.displaced_m, length + strip.far.displaced_m
        shoulders.append(Quad(strip.pavement(side), Surface.ASPHALT, shoulder, 1.0, frame, 0.8))
        for a, b in ((s0 - strip.near.pad_m, s0 + 1), (s1 - 1, s1 + strip.far.pad_m)):
            if b - a > 2:
                pad = strip.rectangle(a, b, -half - side, half + side)
                shoulders.append(Quad(pad, Surface.ASPHALT, shoulder, 1.0, frame, 1.0))
        if concrete:
            base = grey(float(rng.uniform(150, 182)), rng.uniform(1, 4))
            runways.append(Quad(strip.pavement(), Surface.CONCRETE, base, 1.0, frame))
        else:
            runways.append(
                Quad(strip.pavement(), Surface.ASPHALT, grey(tone, rng.uniform(-1, 2)), 1.0, frame)
            )
            if wide and rng.random() < 0.5:
                # Ends are often concrete on an asphalt runway.
                base = grey(float(rng.uniform(140, 165)), rng.uniform(1, 3))
                for a, b in ((s0, s0 + 150 + strip.near.displaced_m), (s1 - 150 - strip.far.displaced_m, s1)):
                    runways.append(
                        Quad(strip.rectangle(a, b, -half, half), Surface.CONCRETE, base, 1.0, frame)
                    )
        wear = float(rng.uniform(0.4, 1.4))
        for marking in strip_markings(strip.near, strip.far):
            runways.append(
                Quad(strip.at(marking.corners_st), Surface.PAINT, marking.colour, 1.0, frame, wear)
            )
        runways += _rubber(strip, rng)
    return shoulders + runways


def _rubber(strip: Strip, rng: np.random.Generator) -> list[Quad]:
    """Return the tyre deposits of both touchdown zones: more on long, wide runways."""
    out = []
    length, half = strip.near.length_m, strip.near.width_m / 2
    ox, oy, dx, dy = strip.frame
    reach = min(1100.0, 0.42 * length)
    for near in (True, False):
        opacity = float(rng.uniform(0.25, 0.75)) * min(length / 2600.0, 1.0)
        start = float(rng.uniform(90, 180))
        if near:
            corners = strip.rectangle(start, start + reach, -half, half)
            frame = (ox + start * dx, oy + start * dy, dx, dy)
        else:
            corners = strip.rectangle(length - start - reach, length - start, -half, half)
            frame = (ox + (length - start) * dx, oy + (length - start) * dy, -dx, -dy)
        out.append(Quad(corners, Surface.RUBBER, (44.0, 44.0, 46.0), opacity, frame, reach))
    return out


def polygon(corners: Array) -> Polygon:
    """Return plane corners as a shapely polygon."""
    return Polygon([tuple(p) for p in corners])


@dataclass(frozen=True, slots=True)
class Scene:
    """Quads in drawing order and the area inside the airport's fence."""

    roads: list[Quad]  # outside the fence, drawn first, to be left out where there is water
    quads: list[Quad]
    area: BaseGeometry


def build_scene(strips: list[Strip], palette: Palette, rng: np.random.Generator) -> Scene:
    """Return the whole airport: roads around it, taxiways and apron, buildings, runways and markings."""
    from lard.ground.painted.apron import airfield_quads
    from lard.ground.painted.lights import light_quads
    from lard.ground.painted.roads import road_quads

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
    return Scene(roads, airfield + light_quads(strips) + runways, area)
