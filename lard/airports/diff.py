"""Two runway databases compared by geometry, never by ident alone: idents change when the pole wanders."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from lard.airports.build import ecef_of
from lard.airports.model import Airport, Array, Runway, RunwayDatabase
from lard.geodesy import enu_from_ecef, wrap_deg

_MAX_HEADING_DEG = 20.0
_SAME_AIRPORT_M = 5000.0
_QUANTILES = {"median": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95, "max": 1.0}


@dataclass(frozen=True, slots=True)
class Pair:
    """A landing direction of one database and its match in the other; differences are second minus first."""

    airport: str
    first: str
    second_airport: str
    second: str
    distance_m: float
    """Between the landing thresholds, horizontally."""
    along_m: float
    across_m: float
    """Along the landing direction and to its right."""
    up_m: float
    width_m: float
    length_m: float
    heading_deg: float


@dataclass(frozen=True, slots=True)
class Difference:
    """What two databases share and what only one of them has."""

    pairs: tuple[Pair, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    """Landing directions without a match at airports that both have."""
    airports_only_first: tuple[str, ...] = ()
    airports_only_second: tuple[str, ...] = ()

    def quantiles(self) -> dict[str, float]:
        """Median, p75, p90, p95 and maximum of the threshold distances in metres; empty without pairs."""
        distances = np.array([pair.distance_m for pair in self.pairs])
        if not distances.size:
            return {}
        return {name: float(np.quantile(distances, q)) for name, q in _QUANTILES.items()}

    def medians(self) -> dict[str, float]:
        """Medians of the signed differences, by name."""
        names = ("along_m", "across_m", "up_m", "width_m", "length_m", "heading_deg")
        return {n: float(np.median([getattr(p, n) for p in self.pairs])) for n in names} if self.pairs else {}


def diff_databases(
    first: RunwayDatabase, second: RunwayDatabase, max_distance_m: float = 1500.0
) -> Difference:
    """Match the landing directions of two databases; each is used once, the closest pairs first.

    A pair has thresholds within the distance and headings within 20 degrees. Parallel runways are told apart
    by their across-track offset, which weighs more than a moved threshold.
    """
    shared_first, lone_first = _shared(first, second)
    shared_second, lone_second = _shared(second, first)
    ours, theirs = _runways(shared_first), _runways(shared_second)
    if not ours or not theirs:
        return Difference((), _labels(ours), _labels(theirs), lone_first, lone_second)
    starts, others = _ground_ecef(ours), _ground_ecef(theirs)
    rows = cKDTree(others).query_ball_point(starts, max_distance_m)
    i = np.repeat(np.arange(len(ours)), [len(row) for row in rows])
    j = np.array([k for row in rows for k in row], dtype=np.int64)
    headings = _headings(ours)[i]
    along, across = _offsets(others[j] - starts[i], ours, i, headings)
    turn = wrap_deg(_headings(theirs)[j] - headings)
    similar = np.flatnonzero(np.abs(turn) <= _MAX_HEADING_DEG)
    order = similar[np.argsort((np.abs(along) + 10 * np.abs(across))[similar], kind="stable")]
    pairs: dict[int, Pair] = {}
    used: set[int] = set()
    for k in order.tolist():
        mine, other = int(i[k]), int(j[k])
        if mine not in pairs and other not in used:
            pairs[mine] = _pair(ours[mine], theirs[other], float(along[k]), float(across[k]), float(turn[k]))
            used.add(other)
    return Difference(
        tuple(pairs[k] for k in sorted(pairs)),
        _labels(runway for k, runway in enumerate(ours) if k not in pairs),
        _labels(runway for k, runway in enumerate(theirs) if k not in used),
        lone_first,
        lone_second,
    )


def _shared(database: RunwayDatabase, other: RunwayDatabase) -> tuple[list[Airport], tuple[str, ...]]:
    """Airports that the other database has too, by code or by place, and the codes of the others."""
    mine, others = list(database.airports.values()), list(other.airports.values())
    if not mine or not others:
        return [], tuple(sorted(database.airports))
    here, there = (
        ecef_of(np.array([(a.lat_deg, a.lon_deg, 0.0) for a in x]), "wgs84") for x in (mine, others)
    )
    distance_m, _ = cKDTree(there).query(here)
    near = {a.icao for a, d in zip(mine, distance_m, strict=True) if d <= _SAME_AIRPORT_M}
    shared = [airport for airport in mine if airport.icao in near or airport.icao in other.airports]
    return shared, tuple(sorted(set(database.airports) - {airport.icao for airport in shared}))


def _runways(airports: Iterable[Airport]) -> list[Runway]:
    return [runway for airport in sorted(airports, key=lambda a: a.icao) for runway in airport.runways]


def _labels(runways: Iterable[Runway]) -> tuple[str, ...]:
    return tuple(f"{runway.airport} {runway.ident}" for runway in runways)


def _headings(runways: list[Runway]) -> Array:
    return np.array([runway.heading_deg for runway in runways])


def _ground_ecef(runways: list[Runway]) -> Array:
    """Landing thresholds (n, 3) at height zero, so that altitudes are compared as numbers only."""
    return ecef_of(np.array([runway.ltp for runway in runways]) * [1.0, 1.0, 0.0], "wgs84")


def _offsets(
    gap_ecef: Array, ours: list[Runway], i: NDArray[np.int64], heading_deg: Array
) -> tuple[Array, Array]:
    """ECEF gaps (k, 3) as metres (k,) along the landing directions of runways i and to the right."""
    lat, lon, _ = np.array([runway.ltp for runway in ours])[i].T
    east, north, _ = np.einsum("kij,kj->ik", enu_from_ecef(lat, lon), gap_ecef)
    sin, cos = np.sin(np.radians(heading_deg)), np.cos(np.radians(heading_deg))
    return east * sin + north * cos, east * cos - north * sin


def _pair(ours: Runway, theirs: Runway, along_m: float, across_m: float, turn_deg: float) -> Pair:
    return Pair(
        ours.airport,
        ours.ident,
        theirs.airport,
        theirs.ident,
        math.hypot(along_m, across_m),
        along_m,
        across_m,
        theirs.ltp[2] - ours.ltp[2],
        theirs.width_m - ours.width_m,
        theirs.length_m - ours.length_m,
        turn_deg,
    )
