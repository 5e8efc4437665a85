"""Strips of two runway ends turned into landing directions, whatever file they came from."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from lard.airports.model import Airport, Array, Point, Runway, normalise_ident
from lard.errors import AirportError
from lard.geodesy import (
    ecef_from_geodetic,
    enu_from_ecef,
    geodesic_direct,
    geodesic_inverse,
    geodetic_from_ecef,
    wrap_deg,
)

M_PER_FT = 0.3048
_OTHER_SIDE = {"L": "R", "R": "L"}


@dataclass(frozen=True, slots=True)
class Strip:
    """Two runway ends and what a source states about each; all pairs are (first end, second end)."""

    airport: str
    idents: tuple[str, str]
    edges: tuple[tuple[Point, Point], tuple[Point, Point]]
    """Right and left corner of each landing threshold, as its landing pilot sees them."""
    displaced_m: tuple[float, float] = (0.0, 0.0)
    surface: str = "asphalt"
    lighted: bool = True
    marking: tuple[str, str] = ("precision", "precision")
    source: str = ""
    date: str = ""


@dataclass(frozen=True, slots=True)
class AirportInfo:
    """What a file of names says about an airport."""

    name: str = ""
    country: str = ""
    lat_deg: float | None = None
    lon_deg: float | None = None
    elevation_m: float | None = None


@dataclass(slots=True)
class ImportReport:
    """What an importer kept, left out and mended; every row read is in exactly one of kept and excluded."""

    source: str
    rows: int = 0
    kept: int = 0
    excluded: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def exclude(self, reason: str, count: int = 1) -> None:
        """Count rows left out for a reason."""
        if count:
            self.excluded[reason] += count

    def as_dict(self) -> dict[str, object]:
        """The report as plain values for JSON."""
        return {
            "source": self.source,
            "rows": self.rows,
            "kept": self.kept,
            "excluded": dict(sorted(self.excluded.items())),
            "notes": self.notes,
        }


def reciprocal_ident(ident: str) -> str:
    """Ident of the opposite landing direction: "18C" -> "36C", "8R" -> "26L"."""
    ident = normalise_ident(ident)
    number = (int(ident[:2]) + 17) % 36 + 1
    side = ident[2:]
    return f"{number:02d}{_OTHER_SIDE.get(side, side)}"


def ident_heading_deg(ident: str) -> float:
    """Heading an ident stands for, degrees: magnetic (true near the poles) and rounded to ten."""
    return 10.0 * int(normalise_ident(ident)[:2])


def displaced_thresholds(ends: Array, displaced_m: Array, earth: str) -> Array:
    """Landing thresholds (n, 2, 3) of pavement ends (n, 2, 3), both lat, lon (deg) and altitude (m).

    Each end moves along the geodesic to the other by its displaced length (n, 2); altitudes follow the
    straight slope between the ends.
    """
    lat, lon, alt = ends[..., 0], ends[..., 1], ends[..., 2]
    azimuth, back, length = geodesic_inverse(lat[:, 0], lon[:, 0], lat[:, 1], lon[:, 1], earth)
    new_lat, new_lon, _ = geodesic_direct(lat, lon, np.stack([azimuth, back], -1), displaced_m, earth)
    share = displaced_m / length[:, None]
    new_alt = alt + share * (alt[:, ::-1] - alt)
    # an end without displacement keeps its coordinates to the last digit
    moved = np.stack([new_lat, new_lon, new_alt], -1)
    return np.where((displaced_m == 0.0)[..., None], ends, moved)


def square_edges(thresholds: Array, width_m: Array, earth: str) -> Array:
    """Right and left corners (n, 2, 2, 3) of thresholds (n, 2, 3), level and square to the axis at each end.

    The width (n, 2) is per end; the construction is that of Runway.from_thresholds, on arrays.
    """
    lat, lon, alt = thresholds[..., 0], thresholds[..., 1], thresholds[..., 2]
    ecef = ecef_from_geodetic(lat, lon, alt, earth)  # (n, 2, 3)
    enu = enu_from_ecef(lat, lon)  # (n, 2, 3, 3)
    axis = np.einsum("nkij,nkj->nki", enu, ecef[:, ::-1] - ecef)
    right = np.stack([axis[..., 1], -axis[..., 0], np.zeros_like(lat)], -1)
    right /= np.hypot(axis[..., 0], axis[..., 1])[..., None]
    sides = np.stack([right, -right], 2) * (width_m / 2)[..., None, None]  # (n, 2, 2, 3)
    corners = ecef[:, :, None] + np.einsum("nkij,nkci->nkcj", enu, sides)
    corner_lat, corner_lon, _ = geodetic_from_ecef(corners, earth)
    level = np.broadcast_to(alt[..., None], corner_lat.shape)
    return np.stack([corner_lat, corner_lon, level], -1)


def as_edges(corners: Array) -> tuple[tuple[Point, Point], tuple[Point, Point]]:
    """The (2, 2, 3) corners of one strip as the tuples of a Strip."""
    (right1, left1), (right2, left2) = (
        tuple((float(p[0]), float(p[1]), float(p[2])) for p in edge) for edge in corners
    )
    return (right1, left1), (right2, left2)


def strip_headings_deg(thresholds: Array, earth: str) -> Array:
    """True landing headings (n, 2) in degrees of strips given by both thresholds (n, 2, 3)."""
    lat, lon = thresholds[..., 0], thresholds[..., 1]
    azimuth, back, _ = geodesic_inverse(lat[:, 0], lon[:, 0], lat[:, 1], lon[:, 1], earth)
    return np.stack([azimuth, back], -1) % 360.0


def idents_inverted(idents: tuple[str, str], headings_deg: Sequence[float]) -> bool:
    """Whether both idents of a strip belong to the opposite ends, judged by the true headings."""
    offsets = [
        abs(float(wrap_deg(h - ident_heading_deg(i)))) for i, h in zip(idents, headings_deg, strict=True)
    ]
    return min(offsets) > 90.0


def runways_of(strip: Strip, earth: str) -> tuple[Runway, Runway]:
    """Both landing directions of a strip; they share their four corners exactly."""
    (right1, left1), (right2, left2) = strip.edges
    first, second = strip.idents
    common = {"surface": strip.surface, "lighted": strip.lighted, "source": strip.source, "date": strip.date}
    return (
        Runway(
            strip.airport, first, second, (right2, left2, right1, left1), strip.displaced_m[0],
            marking=strip.marking[0], earth=earth, **common,
        ),
        Runway(
            strip.airport, second, first, (right1, left1, right2, left2), strip.displaced_m[1],
            marking=strip.marking[1], earth=earth, **common,
        ),
    )  # fmt: skip


def build_airports(
    strips: Iterable[Strip], earth: str, infos: dict[str, AirportInfo] | None = None
) -> dict[str, Airport]:
    """Airports of strips, sorted by code and ident; AirportError for an ident given twice at an airport.

    Without a stated reference point the airport's is the mean of its thresholds.
    """
    infos = infos or {}
    by_airport: dict[str, list[Runway]] = {}
    for strip in strips:
        by_airport.setdefault(strip.airport, []).extend(runways_of(strip, earth))
    faults = [
        f"{icao}: runway {ident} occurs {count} times, expected once; remove the duplicate"
        for icao, runways in sorted(by_airport.items())
        for ident, count in Counter(runway.ident for runway in runways).items()
        if count > 1
    ]
    if faults:
        raise AirportError("\n".join(faults))
    return {
        icao: _airport(icao, runways, infos.get(icao, AirportInfo()))
        for icao, runways in sorted(by_airport.items())
    }


def _airport(icao: str, runways: list[Runway], info: AirportInfo) -> Airport:
    lat, lon, alt = np.array([corner for runway in runways for corner in runway.corners]).T
    # relative to the first corner, so that an airport on the antimeridian has a sensible mean
    mean_lon = float(wrap_deg(lon[0] + wrap_deg(lon - lon[0]).mean()))
    return Airport(
        icao,
        info.name or icao,
        info.country,
        float(lat.mean()) if info.lat_deg is None else info.lat_deg,
        mean_lon if info.lon_deg is None else info.lon_deg,
        float(alt.mean()) if info.elevation_m is None else info.elevation_m,
        tuple(sorted(runways, key=lambda runway: runway.ident)),
    )
