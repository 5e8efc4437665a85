"""Runways, airports and runway databases as values.

One Runway per landing direction. Corners are TL, TR, BR, BL as its landing pilot sees them: the near edge
BL-BR is the landing threshold, the far edge TL-TR the landing threshold of the reciprocal.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lard.errors import AirportError
from lard.geodesy import ecef_from_geodetic, enu_from_ecef, from_enu, geodetic_from_ecef
from lard.tables import name_fault

Array = NDArray[np.float64]
Point = tuple[float, float, float]
"""Latitude and longitude in degrees, altitude in metres."""

_IDENT = re.compile(r"^\s*(?:RWY?\s*)?(\d{1,2})\s*([LCRTWG]?)\s*$", re.IGNORECASE)


def normalise_ident(ident: str) -> str:
    """Two-digit runway ident: "8R" -> "08R", "rw9l" -> "09L"; AirportError when it is no runway number."""
    match = _IDENT.match(ident)
    number = int(match.group(1)) if match else 0
    if match is None or not 1 <= number <= 36:
        raise AirportError(f"runway ident {ident!r} is not a number from 01 to 36 with an optional L, C or R")
    return f"{number:02d}{match.group(2).upper()}"


@dataclass(frozen=True)
class Runway:
    """One landing direction of a runway strip."""

    airport: str
    ident: str
    reciprocal: str
    corners: tuple[Point, Point, Point, Point]  # TL, TR, BR, BL: latitude deg, longitude deg, altitude m
    displaced_m: float = 0.0  # pavement before this landing threshold
    surface: str = "asphalt"
    lighted: bool = True
    marking: str = "precision"
    source: str = ""
    date: str = ""
    earth: str = "wgs84"
    approach_lights: str = "full"
    assumed: tuple[str, ...] = ()  # what of lard.airports.vocabulary.ASSUMABLE no source states

    @classmethod
    def from_thresholds(
        cls,
        airport: str,
        ident: str,
        reciprocal: str,
        ltp: Point,
        fpap: Point,
        width_m: float,
        *,
        displaced_m: float = 0.0,
        surface: str = "asphalt",
        lighted: bool = True,
        marking: str = "precision",
        source: str = "",
        date: str = "",
        earth: str = "wgs84",
    ) -> "Runway":
        """Runway of two landing thresholds; the corners are level and square to the axis at each end."""
        br, bl = _end_corners(ltp, fpap, width_m, earth)
        tl, tr = _end_corners(fpap, ltp, width_m, earth)
        corners = (tl, tr, br, bl)
        return cls(
            airport, ident, reciprocal, corners, displaced_m, surface, lighted, marking, source, date, earth
        )

    def corners_ecef(self, earth: str | None = None) -> Array:
        """Corners TL, TR, BR, BL as ECEF positions (4, 3) in metres."""
        lat, lon, alt = np.array(self.corners).T
        return ecef_from_geodetic(lat, lon, alt, earth or self.earth)

    @cached_property
    def ltp(self) -> Point:
        """Landing threshold point: midpoint of BL and BR."""
        return self._midpoint(2, 3)

    @cached_property
    def fpap(self) -> Point:
        """Flight path alignment point: midpoint of TL and TR."""
        return self._midpoint(0, 1)

    @cached_property
    def axis_enu(self) -> Array:
        """LTP to FPAP (3,) in metres, in the east-north-up frame at the LTP."""
        lat, lon, alt = np.array([self.ltp, self.fpap]).T
        ltp, fpap = ecef_from_geodetic(lat, lon, alt, self.earth)
        return enu_from_ecef(self.ltp[0], self.ltp[1]) @ (fpap - ltp)

    @cached_property
    def heading_deg(self) -> float:
        """True heading of landing at the LTP, degrees in [0, 360)."""
        return float(np.degrees(np.arctan2(self.axis_enu[0], self.axis_enu[1])) % 360.0)

    @cached_property
    def length_m(self) -> float:
        """Distance between the two landing thresholds in metres."""
        return float(np.linalg.norm(self.axis_enu))

    @cached_property
    def width_m(self) -> float:
        """Length of the landing threshold edge in metres."""
        corners = self.corners_ecef()
        return float(np.linalg.norm(corners[2] - corners[3]))

    def _midpoint(self, first: int, second: int) -> Point:
        corners = self.corners_ecef()
        lat, lon, _ = geodetic_from_ecef((corners[first] + corners[second]) / 2, self.earth)
        # the chord dips below the surface by 0.04 mm over 45 m: keep the stated altitude
        return float(lat), float(lon), (self.corners[first][2] + self.corners[second][2]) / 2


def _end_corners(end: Point, other: Point, width_m: float, earth: str) -> tuple[Point, Point]:
    """Right and left corner of a runway end, as seen when looking from it to the other end."""
    offset = ecef_from_geodetic(*other, earth) - ecef_from_geodetic(*end, earth)
    east, north, _ = enu_from_ecef(end[0], end[1]) @ offset
    right = np.array([north, -east, 0.0]) / np.hypot(east, north)
    sides = from_enu(np.stack([right, -right]) * (width_m / 2), *end, earth)
    lat, lon, _ = geodetic_from_ecef(sides, earth)
    return (float(lat[0]), float(lon[0]), end[2]), (float(lat[1]), float(lon[1]), end[2])


@dataclass(frozen=True)
class Airport:
    """An airport and all its landing directions."""

    icao: str
    name: str
    country: str
    lat_deg: float
    lon_deg: float
    elevation_m: float
    runways: tuple[Runway, ...]

    def __post_init__(self) -> None:
        if fault := name_fault(self.icao):  # folders are named after it
            raise AirportError(f"airport code {self.icao[:80]!r} {fault}; expected a code such as LFPO")

    def runway(self, ident: str) -> Runway:
        """The landing direction of that ident, in any spelling; AirportError lists those there are."""
        wanted = normalise_ident(ident)
        for runway in self.runways:
            if runway.ident == wanted:
                return runway
        known = ", ".join(runway.ident for runway in self.runways)
        raise AirportError(f"airport {self.icao} has no runway {ident!r}; it has {known}")

    @property
    def strips(self) -> tuple[Runway, ...]:
        """One landing direction per strip, the one with the lower ident."""
        return tuple(runway for runway in self.runways if runway.ident < runway.reciprocal)


@dataclass(frozen=True)
class RunwayDatabase:
    """Airports by ICAO code with what is needed to trace and interpret them."""

    name: str
    version: str
    earth: str
    altitude_datum: str
    airports: Mapping[str, Airport]

    def airport(self, icao: str) -> Airport:
        """The airport of that code; AirportError names similar codes."""
        found = self.airports.get(icao.strip().upper())
        if found is None:
            near = difflib.get_close_matches(icao.strip().upper(), self.airports, n=4, cutoff=0.5)
            hint = f"; did you mean {', '.join(near)}?" if near else "."
            raise AirportError(
                f"airport {icao!r} is not in the runway database {self.name} "
                f"({len(self.airports)} airports){hint} List them with `lard airports list`; other "
                "databases, those of `lard airports import` too, are given with --runways"
            )
        return found
