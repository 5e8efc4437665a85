"""How runways lie to each other, of one airport or of neighbours."""

from itertools import combinations

import numpy as np

from lard.airports.build import ecef_of
from lard.airports.model import Airport, Runway, RunwayDatabase
from lard.geodesy import to_enu, wrap_deg

TWIN_M, TWIN_DEG = 100.0, 10.0
"""Strips of two airports with centres this near and headings this alike are one strip, listed twice."""

_PARALLEL_DEG = 5.0


def parallel_pairs(airport: Airport) -> list[tuple[Runway, Runway]]:
    """Pairs of strips whose axes differ by less than five degrees."""
    return [(a, b) for a, b in combinations(airport.strips, 2) if _turn_deg(a, b) < _PARALLEL_DEG]


def _turn_deg(first: Runway, second: Runway) -> float:
    """Angle between two axes, 0 to 90 degrees, whichever way they are landed on."""
    return abs(float(wrap_deg(2 * (first.heading_deg - second.heading_deg)))) / 2


def is_twin(first: Runway, second: Runway) -> bool:
    """Whether two strips, of airports that share them, are one."""
    apart = first.corners_ecef().mean(axis=0) - second.corners_ecef(first.earth).mean(axis=0)
    return float(np.linalg.norm(apart)) <= TWIN_M and _turn_deg(first, second) <= TWIN_DEG


def strips_around(db: RunwayDatabase, airport: Airport, reach_m: float) -> tuple[tuple[Airport, Runway], ...]:
    """Other airports within reach of an airport's reference point, one row for each of their strips.

    Those that the airport has as well, under its own code, are left out.
    """
    here = ecef_of(np.array([[airport.lat_deg, airport.lon_deg, airport.elevation_m]]), db.earth)
    others = [other for icao, other in sorted(db.airports.items()) if icao != airport.icao and other.strips]
    points = np.array([(o.lat_deg, o.lon_deg, o.elevation_m) for o in others]).reshape(-1, 3)
    far = np.linalg.norm(ecef_of(points, db.earth) - here, axis=-1)
    return tuple(
        (other, strip)
        for other, distance in zip(others, far, strict=True)
        if distance <= reach_m
        for strip in other.strips
        if not any(is_twin(strip, own) for own in airport.strips)
    )


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
