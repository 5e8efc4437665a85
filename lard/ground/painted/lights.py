"""Small things beside and before a runway: PAPI units, bars of approach lights and what carries them."""

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from lard.ground.painted.markings import RunwayEnd, aiming_point
from lard.ground.painted.paint import Quad, Surface
from lard.ground.painted.palette import Palette, grey
from lard.ground.painted.strip import Strip, polygon

Array = NDArray[np.float64]
RED = (204.0, 70.0, 58.0)
REACH_M = {"full": 900.0, "simple": 420.0, "none": 0.0}
"""How far before the threshold approach lights begin."""
MAST_M = 2.0
"""Height of the lights' platforms outside the fence."""
PIER_M = 4.0
"""Height of a pier's deck above the water."""


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
    out = []
    for distance in np.arange(30.0, REACH_M[end.approach_lights] + 1.0, 30.0):
        if distance < end.displaced_m + end.pad_m + 5.0:
            continue
        half = 15.0 if distance == 300.0 else 2.0
        corners = _place(strip, near, -distance - 0.4, -distance + 0.4, -half, half)
        out.append(Quad(corners, Surface.PLAIN, grey(206.0, 2.0), 0.85, strip.frame, 0.0))
    return out


@dataclass(frozen=True, slots=True)
class Way:
    """30 m of the way under approach lights: its middle (2,), and the quads of it on land and over water."""

    middle: Array
    land: list[Quad]
    pier: list[Quad]


def light_ways(strips: list[Strip], palette: Palette) -> list[Way]:
    """What approach lights stand on: a cleared lane with a service track on land, a pier over water."""
    out = []
    for strip in strips:
        if strip.near.marking == "none":
            continue
        for end, near in ((strip.near, True), (strip.far, False)):
            for s in np.arange(30.0, REACH_M[end.approach_lights] + 1.0, 30.0):
                if s < end.displaced_m + end.pad_m + 5.0:
                    continue
                lane = _place(strip, near, -s - 15.0, -s + 15.0, -9.0, 9.0)
                track = _place(strip, near, -s - 15.0, -s + 15.0, 3.6, 6.2)
                deck = _place(strip, near, -s - 15.5, -s + 15.5, -2.2, 2.2)
                half = 16.0 if s == 300.0 else 4.5
                head = _place(strip, near, -s - 2.4, -s + 2.4, -half, half)
                # Masts with their platform stand on land that falls away or is built upon.
                base = _place(strip, near, -s - 1.5, -s + 1.5, -half, half)
                land = [
                    Quad(lane, Surface.PLAIN, palette.pasture, 0.8, strip.frame, 2.0),
                    Quad(track, Surface.PLAIN, palette.soil, 0.75, strip.frame, 2.0),
                    Quad(base, Surface.PLAIN, grey(150.0, 2.0), 0.9, strip.frame, 0.6, MAST_M),
                ]
                pier = [
                    Quad(corners, Surface.PLAIN, grey(160.0, 3.0), 1.0, strip.frame, 0.6, PIER_M)
                    for corners in (deck, head)
                ]
                out.append(Way(lane.mean(axis=0), land, pier))
    return out
