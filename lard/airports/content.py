"""What a runway table says as cells of text, and a digest of all of it that labels can depend on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lard.airports.build import ecef_of, square_edges
from lard.airports.model import Airport, Array, Runway, RunwayDatabase
from lard.geodesy import geodetic_from_ecef

SQUARE_TOLERANCE_M = 0.01
_DIGITS = 12

Cells = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EndCells:
    """A runway end as cells of text: position and width, attributes, corners where the edge is not square."""

    airport: str
    ident: str
    reciprocal: str
    place: Cells  # latitude and longitude in degrees, altitude and width in metres
    displaced_m: str
    surface: str
    lighted: str
    marking: str
    approach_lights: str
    corners: Cells = ("",) * 6  # latitude and longitude in degrees, altitude in metres of BR, then BL

    @property
    def told(self) -> list[str | Cells]:
        """What of the end a label, a verdict or a picture can depend on; corners make the place needless."""
        where = self.corners if any(self.corners) else self.place
        names = (self.airport, self.ident, self.reciprocal)
        return [
            *names,
            where,
            self.displaced_m,
            self.surface,
            self.lighted,
            self.marking,
            self.approach_lights,
        ]


def number_text(value: float, decimals: int) -> str:
    """A number with at most so many decimals, without trailing zeros and without a negative zero."""
    text = f"{value:.{decimals}f}".rstrip("0").rstrip(".") if decimals else f"{value:.0f}"
    return "0" if text in {"-0", ""} else text


def place_cells(lat_deg: float, lon_deg: float, alt_m: float, width_m: float) -> Cells:
    """Position of a threshold (1 mm) and width as cells."""
    return (
        number_text(lat_deg, 8), number_text(lon_deg, 8), number_text(alt_m, 3), number_text(width_m, 3),
    )  # fmt: skip


def corner_cells(points: Sequence[Sequence[float]]) -> Cells:
    """Points of latitude, longitude (deg) and altitude (m) as cells, to 0.1 mm."""
    return tuple(number_text(v, d) for point in points for v, d in zip(point, (9, 9, 4), strict=True))


def airport_cells(icao: str, country: str, lat_deg: float, lon_deg: float, elevation_m: float) -> Cells:
    """Code, country, reference point and elevation of an airport as cells."""
    return icao, country, number_text(lat_deg, 6), number_text(lon_deg, 6), number_text(elevation_m, 1)


def end_cells(runways: Sequence[Runway]) -> list[EndCells]:
    """Cells of landing directions, in their order; corners only where an edge is not square to the axis."""
    places: dict[int, tuple[Cells, Cells]] = {}
    for earth in sorted({runway.earth for runway in runways}):
        rows = [k for k, runway in enumerate(runways) if runway.earth == earth]
        places |= dict(zip(rows, _places([runways[k] for k in rows], earth), strict=True))
    return [
        EndCells(
            r.airport, r.ident, r.reciprocal, places[k][0], number_text(r.displaced_m, 3), r.surface,
            str(int(r.lighted)), r.marking, r.approach_lights, places[k][1],
        )
        for k, r in enumerate(runways)
    ]  # fmt: skip


def _places(runways: Sequence[Runway], earth: str) -> list[tuple[Cells, Cells]]:
    """Place and corners, as cells, of the near edges of landing directions on one earth."""
    corners = np.array([runway.corners for runway in runways], np.float64)  # (n, 4, 3) TL, TR, BR, BL
    ecef = ecef_of(corners, earth)
    width = np.linalg.norm(ecef[:, 2] - ecef[:, 3], axis=-1)
    ends = np.stack([_middles(corners, ecef, k, earth) for k in (2, 0)], 1)  # (n, 2, 3) LTP, FPAP
    square = square_edges(ends, np.stack([width, width], 1), earth)[:, 0]
    gap = np.linalg.norm(ecef[:, 2:] - ecef_of(square, earth), axis=-1).max(axis=1)
    return [
        (
            place_cells(lat, lon, alt, wide),
            corner_cells(near) if off > SQUARE_TOLERANCE_M else ("",) * 6,
        )
        for (lat, lon, alt), wide, off, near in zip(
            ends[:, 0].tolist(), width.tolist(), gap.tolist(), corners[:, 2:].tolist(), strict=True
        )
    ]


def _middles(corners: Array, ecef: Array, first: int, earth: str) -> Array:
    """Middles (n, 3) of edges that begin at a corner: latitude, longitude (deg), mean altitude (m)."""
    lat, lon, _ = geodetic_from_ecef((ecef[:, first] + ecef[:, first + 1]) / 2, earth)
    return np.stack([lat, lon, (corners[:, first, 2] + corners[:, first + 1, 2]) / 2], -1)


def digest_of_cells(
    earth: str, altitude_datum: str, airports: Iterable[Cells], ends: Iterable[EndCells], more: object = ()
) -> str:
    """SHA-256 of what labels, verdicts and pictures can depend on; no names, sources and dates."""
    told = sorted([end.told for end in ends], key=lambda items: items[:2])
    document = [earth, altitude_datum, sorted(airports), told, *([more] if more else [])]
    return hashlib.sha256(json.dumps(document, ensure_ascii=True).encode()).hexdigest()


def content_digest(database: RunwayDatabase) -> str:
    """SHA-256 of what a database says of its runways, whatever it calls itself: that of the table it makes.

    1 mm counts as equal. Far edges count where they are not those of the reciprocal, which no table can say.
    """
    airports = list(database.airports.values())
    runways = [runway for airport in airports for runway in airport.runways]
    cells = [airport_cells(a.icao, a.country, a.lat_deg, a.lon_deg, a.elevation_m) for a in airports]
    apart = _far_apart(airports)
    return digest_of_cells(
        database.earth, database.altitude_datum, cells, end_cells(runways) if runways else [], apart
    )


def _far_apart(airports: Iterable[Airport]) -> list[Cells]:
    """Far edges, as cells, that are not the near ones of the other direction."""
    found = []
    for airport in airports:
        ends = {runway.ident: runway for runway in airport.runways}
        for runway in airport.runways:
            other = ends.get(runway.reciprocal)
            if other is None or other.corners[2:] != runway.corners[:2]:
                far = corner_cells(runway.corners[:2])
                if other is None or far != corner_cells(other.corners[2:]):
                    found.append((runway.airport, runway.ident, *far))
    return sorted(found)


def version_of(version: str, digest: str) -> str:
    """A version that names content: 2026.11 or 2026.11+OTHER become 2026.11+DIGEST, its first 12 digits."""
    return f"{version.partition('+')[0]}+{digest[:_DIGITS]}"


def versioned(database: RunwayDatabase) -> RunwayDatabase:
    """A database under its source's version and its own content, so that no other one passes for it."""
    return replace(database, version=version_of(database.version, content_digest(database)))
