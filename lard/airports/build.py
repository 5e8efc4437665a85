"""Strips of two runway ends turned into landing directions, whatever file they came from."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lard.airports.intake import AirportInfo, ident_heading_deg
from lard.airports.model import Airport, Array, Point, Runway
from lard.airports.vocabulary import ASSUMABLE
from lard.errors import AirportError
from lard.geodesy import (
    ecef_from_geodetic,
    enu_from_ecef,
    geodesic_direct,
    geodesic_inverse,
    geodetic_from_ecef,
    wrap_deg,
)


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
    approach_lights: tuple[str, str] = ("full", "full")
    assumed: tuple[tuple[str, ...], tuple[str, ...]] = (ASSUMABLE, ASSUMABLE)


def ecef_of(points: Array, earth: str) -> Array:
    """ECEF positions (..., 3) in metres of points (..., 3) of latitude, longitude (deg) and altitude (m)."""
    return ecef_from_geodetic(points[..., 0], points[..., 1], points[..., 2], earth)


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
    first = Runway(
        strip.airport,
        strip.idents[0],
        strip.idents[1],
        # the right corner of the far end lies left of the pilot landing at the near end
        (*strip.edges[1], *strip.edges[0]),
        strip.displaced_m[0],
        strip.surface,
        strip.lighted,
        strip.marking[0],
        strip.source,
        strip.date,
        earth,
        strip.approach_lights[0],
        strip.assumed[0],
    )
    second = opposite(
        first, strip.displaced_m[1], strip.marking[1], strip.approach_lights[1], strip.assumed[1]
    )
    return first, second


def opposite(
    runway: Runway,
    displaced_m: float = 0.0,
    marking: str = "precision",
    approach_lights: str = "full",
    assumed: tuple[str, ...] = ASSUMABLE,
) -> Runway:
    """The other landing direction of a runway's strip: the same corners, seen from the far end."""
    tl, tr, br, bl = runway.corners
    return replace(
        runway,
        ident=runway.reciprocal,
        reciprocal=runway.ident,
        corners=(br, bl, tl, tr),
        displaced_m=displaced_m,
        marking=marking,
        approach_lights=approach_lights,
        assumed=assumed,
    )


def build_airports(
    strips: Iterable[Strip], earth: str, infos: Mapping[str, AirportInfo] | None = None
) -> dict[str, Airport]:
    """Airports of strips, sorted by code and ident."""
    return airports_of([runway for strip in strips for runway in runways_of(strip, earth)], infos)


def airports_of(
    runways: Iterable[Runway], infos: Mapping[str, AirportInfo] | None = None
) -> dict[str, Airport]:
    """Airports of landing directions, sorted; AirportError for an ident given twice at an airport.

    Without a stated reference point the airport's is the mean of its corners.
    """
    infos = infos or {}
    by_airport: dict[str, list[Runway]] = {}
    for runway in runways:
        by_airport.setdefault(runway.airport, []).append(runway)
    faults = [
        f"{icao}: runway {ident} occurs {count} times, expected once; remove the duplicate"
        for icao, members in sorted(by_airport.items())
        for ident, count in Counter(runway.ident for runway in members).items()
        if count > 1
    ]
    if faults:
        raise AirportError("\n".join(faults))
    return {
        icao: _airport(icao, members, infos.get(icao, AirportInfo()))
        for icao, members in sorted(by_airport.items())
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
