"""Small things beside and before a runway: PAPI units and the bars of the approach lights."""

import numpy as np
import shapely

from lard.ground.painted.markings import RunwayEnd, aiming_point
from lard.ground.painted.paint import Quad, Surface
from lard.ground.painted.palette import grey
from lard.ground.painted.strip import Strip, polygon

RED = (204.0, 70.0, 58.0)


def light_quads(strips: list[Strip]) -> list[Quad]:
    """PAPI at the left of both ends and approach light bars before precision ends, off all other pavement."""
    out: list[Quad] = []
    for strip in strips:
        if strip.near.marking == "none":
            continue
        others = shapely.union_all(
            [polygon(other.pavement(12.0, 130.0)) for other in strips if other is not strip]
        )
        for end, near in ((strip.near, True), (strip.far, False)):
            for quad in _papi(strip, end, near) + _approach_bars(strip, end, near):
                if not polygon(quad.corners).intersects(others):
                    out.append(quad)
    return out


def _place(strip: Strip, near: bool, s0: float, s1: float, t0: float, t1: float) -> np.ndarray:
    """Plane corners of a rectangle given in the metres of the near or the far end."""
    if not near:
        s0, s1, t0, t1 = strip.near.length_m - s1, strip.near.length_m - s0, -t1, -t0
    return strip.rectangle(s0, s1, t0, t1)


def _papi(strip: Strip, end: RunwayEnd, near: bool) -> list[Quad]:
    """Four units 15 m left of the runway's edge, 9 m apart, abeam the aiming point (ICAO Annex 14, 5.3.5)."""
    if end.length_m < 1000:
        return []
    s = aiming_point(end)[0]
    out = []
    for k in range(4):
        t = -end.width_m / 2 - 15.0 - 9.0 * k
        corners = _place(strip, near, s, s + 1.6, t - 1.2, t)
        out.append(Quad(corners, Surface.PLAIN, RED if k < 2 else grey(245.0), 1.0, strip.frame, 0.0))
    return out


def _approach_bars(strip: Strip, end: RunwayEnd, near: bool) -> list[Quad]:
    """Barrettes 4 m wide each 30 m out to 900 m (420 m), crossbar at 300 m (ICAO Annex 14, 5.3.4)."""
    reach = {"full": 900.0, "simple": 420.0, "none": 0.0}[end.approach_lights]
    out = []
    for distance in np.arange(30.0, reach + 1.0, 30.0):
        if distance < end.displaced_m + end.pad_m + 5.0:
            continue
        half = 15.0 if distance == 300.0 else 2.0
        corners = _place(strip, near, -distance - 0.4, -distance + 0.4, -half, half)
        out.append(Quad(corners, Surface.PLAIN, grey(206.0, 2.0), 0.85, strip.frame, 0.0))
    return out
