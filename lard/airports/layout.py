"""How the runways of an airport lie to each other."""

from itertools import combinations

import numpy as np

from lard.airports.build import ecef_of
from lard.airports.model import Airport, Runway
from lard.geodesy import to_enu, wrap_deg

_PARALLEL_DEG = 5.0


def parallel_pairs(airport: Airport) -> list[tuple[Runway, Runway]]:
    """Pairs of strips whose axes differ by less than five degrees."""
    return [(a, b) for a, b in combinations(airport.strips, 2) if _turn_deg(a, b) < _PARALLEL_DEG]


def _turn_deg(first: Runway, second: Runway) -> float:
    """Angle between two axes, 0 to 90 degrees, whichever way they are landed on."""
    return abs(float(wrap_deg(2 * (first.heading_deg - second.heading_deg)))) / 2


def crossing_pairs(airport: Airport) -> list[tuple[Runway, Runway]]:
    """Pairs of strips whose centrelines, threshold to threshold, intersect."""
    return [(a, b) for a, b in combinations(airport.strips, 2) if _cross(a, b)]


def _cross(first: Runway, second: Runway) -> bool:
    points = ecef_of(np.array([first.ltp, first.fpap, second.ltp, second.fpap]), first.earth)
    a, b, c, d = to_enu(points, first.ltp[0], first.ltp[1], first.ltp[2], first.earth)[:, :2]

    def side(start: np.ndarray, end: np.ndarray, point: np.ndarray) -> float:
        along, across = end - start, point - start
        return float(along[0] * across[1] - along[1] * across[0])

    return side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0
