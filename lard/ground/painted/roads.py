"""Long straight things around an airport that are no runways: motorways, roads, railways and canals."""

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import LineString
from shapely.geometry.base import BaseGeometry

from lard.ground.painted.paint import Quad, Surface
from lard.ground.painted.palette import Palette, grey
from lard.ground.painted.strip import Strip

Array = NDArray[np.float64]
REACH_M = 15000.0
PIECE_M = 312.5
"""Lines are painted in pieces of this length, so that pieces in lakes can be left out."""


def road_quads(
    strips: list[Strip], area: BaseGeometry, palette: Palette, rng: np.random.Generator
) -> list[Quad]:
    """Return a few long lines that keep outside the fence; the first runs beside the longest runway."""
    longest = max(strips, key=lambda strip: strip.near.length_m)
    axis = math.atan2(longest.frame[3], longest.frame[2])
    kinds = ["motorway", "road", "road"]
    kinds += ["canal"] if rng.random() < 0.55 else []
    kinds += ["railway"] if rng.random() < 0.6 else []
    if rng.random() < 0.4:
        kinds.append("motorway")
    order = [kinds[k] for k in rng.permutation(len(kinds))]
    out: list[Quad] = []
    # Water first, then rails and small roads, the motorways on top.
    drawn: dict[str, list[Quad]] = {"canal": [], "railway": [], "road": [], "motorway": []}
    for k, kind in enumerate(order):
        angle = axis + rng.normal(0, 0.06) if k < 2 else axis + rng.uniform(0.3, math.pi - 0.3)
        line = _line_outside(area, angle, 1.0 if k % 2 else -1.0, rng)
        if line is not None:
            drawn[kind] += _along(line, kind, palette, rng)
    for quads in drawn.values():
        out += quads
    return out


def _line_outside(area: BaseGeometry, angle: float, side: float, rng: np.random.Generator) -> Array | None:
    """A gently bending polyline (n, 2) that passes the fence at 100 m or more, or None if none was found."""
    ahead = np.array([math.cos(angle), math.sin(angle)])
    across = np.array([-ahead[1], ahead[0]]) * side
    centre = np.array(area.centroid.coords[0])
    corners = np.array(area.convex_hull.exterior.coords)
    edge = float(((corners - centre) @ across).max())
    gap = float(rng.uniform(100, 1400))
    bends = rng.normal(0, 0.035, 2 * int(REACH_M / 2500))
    half = len(bends) // 2
    for extra in (0.0, 300.0, 800.0, 1600.0):
        start = centre + across * (edge + gap + extra)
        points = [start]
        for direction, part in ((1.0, bends[:half]), (-1.0, bends[half:])):
            heading, here = 0.0, start
            branch = []
            for bend in part:
                here = (
                    here
                    + direction * ahead * 2500.0 * math.cos(heading)
                    + across * 2500.0 * math.sin(abs(heading)) * 0.7
                )
                branch.append(here)
                heading += bend
            points = points + branch if direction > 0 else branch[::-1] + points
        if LineString(points).distance(area) > 90.0:
            return np.array(points)
    return None


def _along(line: Array, kind: str, palette: Palette, rng: np.random.Generator) -> list[Quad]:
    """Return the quads of a polyline of one kind."""
    tone = grey(float(rng.uniform(98, 135)), rng.uniform(-1, 3))
    if kind == "motorway":
        gap = float(rng.uniform(5, 9))
        parts = [(0.0, gap + 17.0, Surface.PLAIN, palette.pasture)]
        parts += [(side * (gap / 2 + 5.7), 5.7, Surface.ASPHALT, tone) for side in (-1.0, 1.0)]
        parts += [(side * (gap / 2 + 5.7), 0.1, Surface.PAINT, grey(210.0)) for side in (-1.0, 1.0)]
    elif kind == "canal":
        width = float(rng.uniform(8, 16))
        parts = [(0.0, width + 7.0, Surface.PLAIN, palette.soil), (0.0, width, Surface.PLAIN, palette.water)]
    elif kind == "railway":
        parts = [(0.0, 9.0, Surface.PLAIN, palette.pasture), (0.0, 4.5, Surface.PLAIN, grey(118.0, 5.0))]
        parts += [(side * 2.0, 0.45, Surface.PLAIN, grey(86.0, 2.0)) for side in (-1.0, 1.0)]
    else:
        parts = [(0.0, 7.0, Surface.PLAIN, palette.pasture), (0.0, 3.6, Surface.ASPHALT, tone)]
    share = np.arange(0.0, 1.0, PIECE_M / 2500.0)[:, None]
    pieces = np.concatenate([a + (b - a) * share for a, b in pairwise(line)] + [line[-1:]])
    out = []
    for offset, half, surface, colour in parts:
        for a, b in pairwise(pieces):
            d = (b - a) / np.hypot(*(b - a))
            n = np.array([-d[1], d[0]])
            # Pieces overlap a little so that a bend leaves no notch.
            p, q = a - d * min(half, 3.0) + n * offset, b + d * min(half, 3.0) + n * offset
            corners = np.array([p - n * half, q - n * half, q + n * half, p + n * half])
            frame = (float(p[0]), float(p[1]), float(d[0]), float(d[1]))
            out.append(Quad(corners, surface, colour, 1.0, frame, 0.7))
    return out
