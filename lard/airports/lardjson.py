"""LARD V1 and V2 runway JSON, read and written.

Both versions store, per airport, runway and corner A..D, a coordinate (WGS84 degrees, metres above sea
level) and a position on a sphere of 6371010 m. C-D is the landing threshold, A-B the far end. V2: A = TR,
B = TL, C = BL, D = BR; V1 mixes left and right, even within a runway, so sides are decided here by geometry.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lard.airports.build import airports_of, ecef_of, opposite
from lard.airports.intake import AirportInfo, ImportReport, ident_heading_deg, reciprocal_ident
from lard.airports.model import Array, Point, Runway, RunwayDatabase, normalise_ident
from lard.airports.vocabulary import ASSUMABLE
from lard.documents import read_json
from lard.errors import AirportError
from lard.geodesy import to_enu, wrap_deg
from lard.tables import name_fault, write_text

SPHERE = "sphere6371010"
_CORNERS = ("A", "B", "C", "D")
_COORDINATE = ("latitude", "longitude", "altitude")
_LOW, _HIGH = np.array([-90.0, -180.0, -500.0]), np.array([90.0, 180.0, 9000.0])
_SAME_STRIP_M = 30.0


@dataclass(frozen=True)
class LardEntry:
    """One runway direction as a LARD file states it; rows are the corners A, B, C, D."""

    airport: str
    ident: str
    """The ident as spelt in the file."""
    coordinate: Array  # (4, 3) latitude and longitude in degrees, altitude in metres
    position: Array | None  # (4, 3) metres, ECEF on the sphere


def read_lard_entries(path: str | Path) -> list[LardEntry]:
    """All runway directions of a LARD file untouched; AirportError with every fault of the file at once."""
    path = Path(path)
    faults: list[str] = []
    document = _load(path, faults)
    if not isinstance(document, Mapping):
        raise AirportError(
            f"{path}: found {type(document).__name__}, expected an object of airports by ICAO code"
        )
    entries = [
        _entry(path, airport, ident, corners, faults)
        for airport, runways in document.items()
        for ident, corners in _items(path, airport, runways, faults)
    ]
    if faults:
        raise AirportError("\n".join(faults))
    return [entry for entry in entries if entry is not None]


def _load(path: Path, faults: list[str]) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        counts = Counter(key for key, _ in pairs)
        twice = sorted(key for key, count in counts.items() if count > 1)
        faults.extend(f"{path}: key {key!r} occurs twice in one object" for key in twice)
        return dict(pairs)

    return read_json(path, error=AirportError, absent="expected a LARD runway JSON", pairs=unique)


def _items(path: Path, airport: str, runways: Any, faults: list[str]) -> list[tuple[str, Any]]:
    if fault := name_fault(airport):
        faults.append(f"{path}: airport {airport[:80]!r} {fault}; expected a plain code")
    if not isinstance(runways, Mapping):
        faults.append(f"{path}: {airport}: found {type(runways).__name__}, expected runways by ident")
        return []
    return list(runways.items())


def _entry(path: Path, airport: str, ident: str, corners: Any, faults: list[str]) -> LardEntry | None:
    where = f"{path}: {airport} {ident}"
    before = len(faults)
    try:
        lard_ident(ident)
    except AirportError as error:
        faults.append(f"{path}: {airport}: {error}")
    missing = [c for c in _CORNERS if not isinstance(corners, Mapping) or c not in corners]
    if missing:
        faults.append(f"{where}: corner {', '.join(missing)} is missing, expected A, B, C and D")
        return None
    coordinate = np.array(
        [_numbers(where, c, "coordinate", corners[c], _COORDINATE, faults) for c in _CORNERS]
    )
    for corner, point in zip(_CORNERS, coordinate, strict=True):
        for name, value, low, high in zip(_COORDINATE, point, _LOW, _HIGH, strict=True):
            if np.isfinite(value) and not low <= value <= high:
                faults.append(
                    f"{where}: {corner}.coordinate.{name}: found {value}, expected {low:g} to {high:g}"
                )
    position = None
    if all(isinstance(corners[c], Mapping) and "position" in corners[c] for c in _CORNERS):
        position = np.array([_numbers(where, c, "position", corners[c], "xyz", faults) for c in _CORNERS])
    return LardEntry(airport, ident, coordinate, position) if len(faults) == before else None


def _numbers(where: str, corner: str, block: str, value: Any, names: Any, faults: list[str]) -> list[float]:
    cells = value.get(block) if isinstance(value, Mapping) else None
    numbers = []
    for name in names:
        found = cells.get(name) if isinstance(cells, Mapping) else None
        number = float(found) if isinstance(found, int | float) and not isinstance(found, bool) else np.nan
        if not np.isfinite(number):
            faults.append(f"{where}: {corner}.{block}.{name}: found {found!r}, expected a finite number")
        numbers.append(number)
    return numbers


def read_lard_json(
    path: str | Path,
    infos: Mapping[str, AirportInfo] | None = None,
    *,
    name: str = "",
    version: str = "",
    date: str = "",
    earth: str = "wgs84",
) -> tuple[RunwayDatabase, ImportReport]:
    """Read a LARD runway JSON; the report names what was mended: crossed corners, inverted idents, lone ends.

    Each direction keeps the altitudes stated for it, so reciprocals differ where the file does.
    """
    path = Path(path)
    entries = read_lard_entries(path)
    report = ImportReport(source=path.name, rows=len(entries), kept=len(entries))
    runways = [_runway(entry, path.stem, date, earth, report) for entry in entries]
    by_airport: dict[str, list[Runway]] = {}
    for runway in runways:
        by_airport.setdefault(runway.airport, []).append(runway)
    linked = [r for members in by_airport.values() for r in _link(members, report)]
    database = RunwayDatabase(name or path.stem, version or date, earth, "msl", airports_of(linked, infos))
    return database, report


def lard_ident(ident: str) -> str:
    """Ident of a LARD file, normalised; LARD counts headings modulo 36, so its 00C is 36C."""
    number = ident.strip().rstrip("LCRlcr")
    return normalise_ident("36" + ident.strip()[len(number) :] if number in ("0", "00") else ident)


def left_of_axis(coordinate: Array) -> Array:
    """Which of the corners A, B, C, D (4, 3) lie left of the axis from mid C-D to mid A-B."""
    origin = coordinate[0]
    east, north, _ = to_enu(ecef_of(coordinate, "wgs84"), origin[0], origin[1], origin[2]).T
    start, end = np.array([east[2:].mean(), north[2:].mean()]), np.array([east[:2].mean(), north[:2].mean()])
    axis = end - start
    return axis[0] * (north - start[1]) - axis[1] * (east - start[0]) > 0


def _runway(entry: LardEntry, source: str, date: str, earth: str, report: ImportReport) -> Runway:
    left = left_of_axis(entry.coordinate)
    label = f"{entry.airport} {entry.ident}"
    if left[0] == left[1] or left[2] == left[3]:
        raise AirportError(
            f"{label}: corners A, B or C, D lie on one side of the axis; expected C-D to be the landing "
            "threshold and A-B the far end"
        )
    if left[0] != left[3]:
        report.notes.append(f"{label}: corners A-B-C-D cross; ordered by geometry")
    points = [_point(row) for row in entry.coordinate]
    far = (points[0], points[1]) if left[0] else (points[1], points[0])
    near = (points[3], points[2]) if left[2] else (points[2], points[3])
    ident = lard_ident(entry.ident)
    runway = Runway(
        entry.airport, ident, reciprocal_ident(ident), (*far, *near), source=source, date=date, earth=earth,
        assumed=ASSUMABLE,
    )  # fmt: skip
    if abs(float(wrap_deg(runway.heading_deg - ident_heading_deg(ident)))) > 90:
        other = reciprocal_ident(ident)
        report.notes.append(f"{label}: named after the opposite direction; read as {other}")
        runway = replace(runway, ident=other, reciprocal=ident)
    _note_position(entry, label, report)
    return runway


def _point(row: Array) -> Point:
    return float(row[0]), float(row[1]), float(row[2])


def _note_position(entry: LardEntry, label: str, report: ImportReport) -> None:
    if entry.position is None:
        report.notes.append(f"{label}: no positions; coordinates used")
        return
    gap = np.linalg.norm(entry.position - ecef_of(entry.coordinate, SPHERE), axis=-1).max()
    if gap > 0.01:
        report.notes.append(f"{label}: position and coordinate differ by {gap:.2f} m; coordinate used")


def _link(members: list[Runway], report: ImportReport) -> list[Runway]:
    """Link reciprocals by geometry; an end without one gets it from its own corners."""
    ground = np.array([1.0, 1.0, 0.0])
    starts = ecef_of(np.array([runway.ltp for runway in members]) * ground, "wgs84")
    ends = ecef_of(np.array([runway.fpap for runway in members]) * ground, "wgs84")
    apart = np.linalg.norm(starts[:, None] - ends, axis=-1)
    gap = np.maximum(apart, apart.T)
    linked = []
    for k, runway in enumerate(members):
        partner = int(np.argmin(gap[k]))
        label = f"{runway.airport} {runway.ident}"
        if partner == k or gap[k, partner] > _SAME_STRIP_M:
            linked += [runway, opposite(runway)]
            report.notes.append(f"{label}: reciprocal {runway.reciprocal} added")
            continue
        other = members[partner]
        linked.append(replace(runway, reciprocal=other.ident))
        split_m = np.linalg.norm(
            runway.corners_ecef() - np.roll(other.corners_ecef(), 2, axis=0), axis=-1
        ).max()
        if k < partner and split_m > 0.01:
            report.notes.append(f"{label}: corners up to {split_m:.2f} m from those stated for {other.ident}")
    return linked


def write_lard_json(database: RunwayDatabase, path: str | Path, *, padded: bool = True) -> None:
    """Write a database in LARD's layout: A = TR, B = TL, C = BL, D = BR, positions on LARD's sphere.

    V2's readers take a coordinate's values in the order latitude, longitude, altitude: keys keep their order.
    """
    document = {
        icao: {
            runway.ident if padded else runway.ident.lstrip("0"): _lard_corners(runway)
            for runway in database.airports[icao].runways
        }
        for icao in sorted(database.airports)
    }
    write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", path)


def _lard_corners(runway: Runway) -> dict[str, dict[str, dict[str, float]]]:
    tl, tr, br, bl = runway.corners
    coordinate = np.array([tr, tl, bl, br])
    position = ecef_of(coordinate, SPHERE)
    return {
        corner: {
            "position": dict(zip("xyz", position[k].tolist(), strict=True)),
            "coordinate": dict(zip(_COORDINATE, coordinate[k].tolist(), strict=True)),
        }
        for k, corner in enumerate(_CORNERS)
    }
