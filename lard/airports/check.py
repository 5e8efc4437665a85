"""Plausibility of a runway database: every violation of every runway, none repaired."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from lard.airports.build import ecef_of
from lard.airports.intake import ident_heading_deg, reciprocal_ident
from lard.airports.model import Airport, Array, Runway, RunwayDatabase
from lard.errors import AirportError
from lard.geodesy import enu_from_ecef, wrap_deg


@dataclass(frozen=True, slots=True)
class Limits:
    """What a runway may be."""

    min_width_m: float = 15.0
    max_width_m: float = 80.0
    min_length_m: float = 400.0
    max_length_m: float = 5500.0
    max_ident_offset_deg: float = 30.0
    """Between true heading and ident: magnetic variation and rounding; 0.7 % of real runways exceed 25."""
    max_ident_spread_deg: float = 15.0
    """From the median offset of an airport with three strips or more, which is its magnetic variation."""
    max_reciprocal_gap_m: float = 0.01
    max_slope: float = 0.03
    duplicate_m: float = 10.0


@dataclass(frozen=True, slots=True)
class Violation:
    """One value of one runway that breaks a rule."""

    airport: str
    runway: str
    rule: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.airport} {self.runway}: {self.rule}: found {self.found}, expected {self.expected}"

    def as_dict(self) -> dict[str, str]:
        """The violation as plain values for JSON."""
        return asdict(self)


def check_database(database: RunwayDatabase, limits: Limits | None = None) -> list[Violation]:
    """Every violation in a database, in the order of airports and idents."""
    limits = limits or Limits()
    return [v for icao in sorted(database.airports) for v in check_airport(database.airports[icao], limits)]


def check_airport(airport: Airport, limits: Limits | None = None) -> list[Violation]:
    """Every violation of an airport's runways, alone and against each other."""
    limits = limits or Limits()
    numbers = [v for runway in airport.runways for v in _check_numbers(airport.icao, runway)]
    if numbers:  # geometry of coordinates that are no numbers says nothing more
        return numbers
    violations = [v for runway in airport.runways for v in _check_alone(airport.icao, runway, limits)]
    for rule in (_check_headings, _check_reciprocals, _check_duplicates):
        violations += rule(airport, limits)
    return violations


def raise_violations(database: RunwayDatabase, limits: Limits | None = None) -> None:
    """AirportError listing every violation, if there are any."""
    violations = check_database(database, limits)
    if violations:
        raise AirportError("\n".join(f"{database.name}: {violation}" for violation in violations))


def _check_numbers(icao: str, runway: Runway) -> Iterator[Violation]:
    bounds = ((-90.0, 90.0, "latitude"), (-180.0, 180.0, "longitude"), (-500.0, 9000.0, "altitude"))
    for corner, point in zip(("TL", "TR", "BR", "BL"), runway.corners, strict=True):
        for value, (low, high, name) in zip(point, bounds, strict=True):
            if not low <= value <= high:
                expected = f"a number from {low:g} to {high:g}"
                yield Violation(icao, runway.ident, f"{corner} {name}", repr(value), expected)


def _enu_corners(runway: Runway) -> Array:
    """Corners TL, TR, BR, BL (4, 3) in metres, east, north and up of BL."""
    corners = runway.corners_ecef()
    lat, lon, _ = runway.corners[3]
    return (corners - corners[3]) @ enu_from_ecef(lat, lon).T


def corners_cross(runway: Runway) -> bool:
    """Whether TL, TR, BR, BL is not a simple polygon running clockwise as seen from above."""
    east, north, _ = _enu_corners(runway).T
    ahead = np.roll(np.stack([east, north], -1), -1, axis=0) - np.stack([east, north], -1)
    turn = ahead[:, 0] * np.roll(ahead[:, 1], -1) - ahead[:, 1] * np.roll(ahead[:, 0], -1)
    return not bool((turn < 0).all())


def ident_offset_deg(runway: Runway) -> float:
    """True heading minus ten times the ident, degrees: magnetic variation and rounding."""
    return float(wrap_deg(runway.heading_deg - ident_heading_deg(runway.ident)))


def _check_headings(airport: Airport, limits: Limits) -> Iterator[Violation]:
    offsets = np.array([ident_offset_deg(runway) for runway in airport.runways])
    enough = len(airport.strips) >= 3
    usual = float(np.median(offsets)) if enough else 0.0
    for runway, offset in zip(airport.runways, offsets, strict=True):
        found = f"{runway.heading_deg:.1f} deg, {offset:+.1f} from the ident"
        if abs(offset) > limits.max_ident_offset_deg:
            expected = f"at most {limits.max_ident_offset_deg:g} deg from the ident"
            yield Violation(airport.icao, runway.ident, "heading", found, expected)
        elif enough and abs(offset - usual) > limits.max_ident_spread_deg:
            expected = f"within {limits.max_ident_spread_deg:g} deg of the airport's usual {usual:+.1f}"
            yield Violation(airport.icao, runway.ident, "heading", found, expected)


def _check_alone(icao: str, runway: Runway, limits: Limits) -> Iterator[Violation]:
    if corners_cross(runway):
        yield Violation(icao, runway.ident, "corner order", "crossed or mirrored corners", "TL, TR, BR, BL")
    corners = runway.corners_ecef()
    widths = {"near": np.linalg.norm(corners[2] - corners[3]), "far": np.linalg.norm(corners[0] - corners[1])}
    for end, width_m in widths.items():
        if not limits.min_width_m <= width_m <= limits.max_width_m:
            expected = f"{limits.min_width_m:g} to {limits.max_width_m:g} m"
            yield Violation(icao, runway.ident, f"width of the {end} end", f"{width_m:.2f} m", expected)
    if not limits.min_length_m <= runway.length_m <= limits.max_length_m:
        expected = f"{limits.min_length_m:g} to {limits.max_length_m:g} m"
        yield Violation(icao, runway.ident, "landing length", f"{runway.length_m:.1f} m", expected)
    slope = (runway.fpap[2] - runway.ltp[2]) / max(runway.length_m, 1.0)
    if abs(slope) > limits.max_slope:
        yield Violation(icao, runway.ident, "slope", f"{slope:.3f}", f"at most {limits.max_slope:g}")
    if runway.displaced_m < 0:
        yield Violation(icao, runway.ident, "displaced threshold", f"{runway.displaced_m:g} m", "0 m or more")


def _check_reciprocals(airport: Airport, limits: Limits) -> Iterator[Violation]:
    by_ident = {runway.ident: runway for runway in airport.runways}
    for runway in airport.runways:
        other = by_ident.get(runway.reciprocal)
        if other is None or other.reciprocal != runway.ident:
            yield Violation(airport.icao, runway.ident, "reciprocal", runway.reciprocal, "a linked runway")
            continue
        if reciprocal_ident(runway.ident) != runway.reciprocal:
            yield Violation(
                airport.icao, runway.ident, "reciprocal", runway.reciprocal, reciprocal_ident(runway.ident)
            )
        if runway.ident < runway.reciprocal:
            turned = np.roll(other.corners_ecef(), 2, axis=0)
            gap_m = float(np.linalg.norm(runway.corners_ecef() - turned, axis=-1).max())
            if gap_m > limits.max_reciprocal_gap_m:
                yield Violation(
                    airport.icao,
                    runway.ident,
                    f"corners against {other.ident}",
                    f"{gap_m:.3f} m apart",
                    f"at most {limits.max_reciprocal_gap_m:g} m",
                )


def _check_duplicates(airport: Airport, limits: Limits) -> Iterator[Violation]:
    idents = [runway.ident for runway in airport.runways]
    for ident in sorted({ident for ident in idents if idents.count(ident) > 1}):
        yield Violation(airport.icao, ident, "ident", f"{idents.count(ident)} times", "once")
    if not airport.runways:
        return
    ends = ecef_of(np.array([[runway.ltp, runway.fpap] for runway in airport.runways]), "wgs84")  # (n, 2, 3)
    gap = np.linalg.norm(ends[:, None] - ends, axis=-1).max(-1)
    for i, j in np.argwhere(np.triu(gap < limits.duplicate_m, k=1)):
        first, second = airport.runways[i], airport.runways[j]
        if first.ident != second.ident:
            found = f"the same thresholds as {second.ident}"
            yield Violation(airport.icao, first.ident, "duplicate", found, "one ident per landing direction")
