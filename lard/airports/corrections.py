"""Per-source corrections: where a simulator or globe shows a runway end away from the database.

A table is a CSV with one row per runway end: airport, ident, source, and any of
  east_m, north_m, up_m                       the end moves by so much
  width_m                                     the end gets this width, about its threshold
  br_lat_deg ... bl_alt_m (six columns)       the end gets these corners, seen by its landing pilot
An end owns its near edge; the far edge is the reciprocal's row, so both directions stay one strip.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lard.airports.build import ecef_of
from lard.airports.content import number_text
from lard.airports.csvfile import Cells
from lard.airports.diff import diff_databases
from lard.airports.model import Airport, Array, Point, Runway, RunwayDatabase, normalise_ident
from lard.airports.provenance import as_corrected
from lard.airports.table import CORNER_COLUMNS, csv_text
from lard.errors import AirportError
from lard.geodesy import from_enu, geodetic_from_ecef
from lard.tables import write_text

KEY_COLUMNS = ("airport", "ident", "source")
OFFSET_COLUMNS = ("east_m", "north_m", "up_m")
COLUMNS = (*KEY_COLUMNS, *OFFSET_COLUMNS, "width_m", *CORNER_COLUMNS)

_MAX_OFFSET_M = 1000.0


@dataclass(frozen=True, slots=True)
class Correction:
    """What one source shows at one runway end; either an offset and a width, or both corners."""

    airport: str
    ident: str
    east_m: float = 0.0
    north_m: float = 0.0
    up_m: float = 0.0
    width_m: float | None = None
    corners: tuple[Point, Point] | None = None
    """Right and left corner of the landing threshold."""
    source: str = ""


def read_corrections(path: str | Path) -> tuple[Correction, ...]:
    """Read a corrections table; AirportError with every bad cell at once."""
    cells = Cells(Path(path), ("airport", "ident"), COLUMNS)
    corrections, seen = [], set()
    for index, row in enumerate(cells.rows):
        ident = row["ident"]
        try:
            ident = normalise_ident(ident)
        except AirportError:
            cells.fault(index, "ident", ident, "a runway ident such as 09L")
        key = (row["airport"].upper(), ident)
        if key in seen:
            cells.fault(index, "ident", ident, f"one row per runway end; {' '.join(key)} occurs again")
        seen.add(key)
        corrections.append(_correction(cells, index, key))
    cells.raise_faults()
    return tuple(corrections)


def _correction(cells: Cells, index: int, key: tuple[str, str]) -> Correction:
    east, north, up = (cells.number(index, name, -_MAX_OFFSET_M, _MAX_OFFSET_M) for name in OFFSET_COLUMNS)
    width_m = cells.number(index, "width_m", 1, 200)
    limits = ((-90, 90), (-180, 180), (-500, 9000)) * 2
    values = [cells.number(index, c, *limit) for c, limit in zip(CORNER_COLUMNS, limits, strict=True)]
    stated = [value for value in values if value is not None]
    if stated and (
        len(stated) < len(CORNER_COLUMNS) or any(v is not None for v in (east, north, up, width_m))
    ):
        cells.fault(
            index, CORNER_COLUMNS[0], values[0], "all six corner cells and no offset or width, or none"
        )
    corners = None
    if len(stated) == len(CORNER_COLUMNS):
        corners = ((stated[0], stated[1], stated[2]), (stated[3], stated[4], stated[5]))
    source = cells.rows[index].get("source", "")
    return Correction(*key, east or 0.0, north or 0.0, up or 0.0, width_m, corners, source)


def write_corrections(corrections: Sequence[Correction], path: str | Path) -> None:
    """Write a corrections table with the columns that are in use, sorted by airport and ident."""
    ordered = sorted(corrections, key=lambda c: (c.airport, c.ident))
    rows = [
        {
            "airport": c.airport,
            "ident": c.ident,
            "source": c.source,
            **{
                name: number_text(getattr(c, name), 4) if c.corners is None else "" for name in OFFSET_COLUMNS
            },
            "width_m": "" if c.width_m is None else number_text(c.width_m, 4),
            **dict(zip(CORNER_COLUMNS, _corner_texts(c), strict=True)),
        }
        for c in ordered
    ]
    columns = tuple(n for n in COLUMNS if n in KEY_COLUMNS or any(row[n] not in ("", "0") for row in rows))
    write_text(csv_text(columns, [tuple(row[name] for name in columns) for row in rows]), path)


def _corner_texts(correction: Correction) -> list[str]:
    if correction.corners is None:
        return [""] * len(CORNER_COLUMNS)
    return [number_text(v, d) for point in correction.corners for v, d in zip(point, (9, 9, 4), strict=True)]


def apply_corrections(
    database: RunwayDatabase, corrections: Sequence[Correction], *, missing: str = "error"
) -> RunwayDatabase:
    """A database with each corrected end moved; a correction for no runway is an error, or skipped.

    Both landing directions of a strip get the change, so reciprocals keep sharing their corners. The result
    has a name and a version of its own, made from its content.
    """
    if missing not in ("error", "skip"):
        raise AirportError(f"missing={missing!r}: expected 'error' or 'skip'")
    by_airport: dict[str, dict[str, Correction]] = {}
    faults = []
    for correction in corrections:
        airport = database.airports.get(correction.airport)
        if airport is None or correction.ident not in {runway.ident for runway in airport.runways}:
            faults.append(
                f"correction of {correction.airport} {correction.ident}: no such end in {database.name}"
            )
            continue
        by_airport.setdefault(correction.airport, {})[correction.ident] = correction
    if faults and missing == "error":
        raise AirportError("\n".join(faults))
    airports = dict(database.airports)
    for icao, ends in by_airport.items():
        airports[icao] = _corrected(airports[icao], ends)
    return as_corrected(replace(database, airports=airports), database)


def _corrected(airport: Airport, ends: dict[str, Correction]) -> Airport:
    runways = []
    for runway in airport.runways:
        near, far = ends.get(runway.ident), ends.get(runway.reciprocal)
        tl, tr, br, bl = runway.corners
        if near is not None:
            br, bl = _edge((br, bl), near, runway)
        if far is not None:
            tl, tr = _edge((tl, tr), far, runway)
        sources = dict.fromkeys(c.source for c in (near, far) if c is not None and c.source)
        source = "; ".join([runway.source, *sources]) if runway.source else "; ".join(sources)
        runways.append(replace(runway, corners=(tl, tr, br, bl), source=source))
    return replace(airport, runways=tuple(runways))


def _edge(edge: tuple[Point, Point], correction: Correction, runway: Runway) -> tuple[Point, Point]:
    """Right and left corner of an end after its correction."""
    if correction.corners is not None:
        return correction.corners
    corners = np.array(edge)  # (2, 3)
    ecef = ecef_of(corners, runway.earth)
    if correction.width_m is not None:
        middle, span = ecef.mean(0), ecef[0] - ecef[1]
        scale = correction.width_m / float(np.linalg.norm(span)) / 2
        ecef = np.stack([middle + scale * span, middle - scale * span])
        corners = _geodetic(ecef, corners[:, 2], runway.earth)
    move = np.array([correction.east_m, correction.north_m])
    if move.any():
        # each corner in its own frame: exact to micrometres and level
        moved = [from_enu(np.append(move, 0.0), c[0], c[1], c[2], runway.earth) for c in corners]
        corners = _geodetic(np.stack(moved), corners[:, 2], runway.earth)
    right, left = corners + np.array([0.0, 0.0, correction.up_m])
    return (float(right[0]), float(right[1]), float(right[2])), (
        float(left[0]),
        float(left[1]),
        float(left[2]),
    )


def _geodetic(ecef: Array, alt_m: Array, earth: str) -> Array:
    """Points (n, 3) of ECEF positions at given altitudes: a tangent step leaves the level surface."""
    lat, lon, _ = geodetic_from_ecef(ecef, earth)
    return np.stack([lat, lon, alt_m], -1)


def corrections_between(
    database: RunwayDatabase, shown: RunwayDatabase, source: str, max_distance_m: float = 100.0
) -> tuple[Correction, ...]:
    """Corrections that give `database` the corners of `shown`, a source's own database; by geometry."""
    return tuple(
        Correction(
            pair.airport,
            pair.first,
            corners=shown.airports[pair.second_airport].runway(pair.second).corners[2:],
            source=source,
        )
        for pair in diff_databases(database, shown, max_distance_m).pairs
    )
