"""FlightGear's own runways: names from its apt.dat, corners and heights from the meshes it draws.

The meshes are cut by marking: a runway's threshold, numbers, aiming points and the rest each have a material
(`pa_threshold`, `pc_aim`), as have what lies beyond the declared edges (`pa_shoulder`, `pa_stopway`) and
before a displaced threshold (`pa_dspl_arrows`). So the landing threshold's corners are vertices of the mesh.
"""

import gzip
import re
import zlib
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lard.airports.aptdat import read_aptdat
from lard.airports.build import airports_of, ecef_of, opposite
from lard.airports.content import number_text, versioned
from lard.airports.intake import AirportInfo, Selection
from lard.airports.model import Airport, Point, Runway, RunwayDatabase
from lard.airports.table import csv_text
from lard.errors import SourceError
from lard.geodesy import geodetic_from_ecef, to_enu
from lard.simulators.flightgear.install import Installation, airport_meshes
from lard.simulators.flightgear.mesh import Mesh, read_mesh
from lard.tables import sha256_file

Array = NDArray[np.float64]

_END = re.compile(r"p[ac]_(threshold|no_threshold)")
_DISPLACED = re.compile(r"p[ac]_dspl_")
_BEFORE = re.compile(r"p[ac]_(dspl_|stopway)")
_SHOULDER = re.compile(r"p[ac]_shoulder")
_BEYOND_EDGE_M = 1.5  # a strip's own vertices lie at most so far outside the width apt.dat declares
_NEAR_END_M = 250.0  # a drawn threshold lies at most so far from apt.dat's
_SAME_LINE_M = 0.3
_STATIONS_M = np.arange(5.0, 150.0, 10.0)
_WIDEST_SHOULDER_M = 30.0
_GAP_M = 0.1


@dataclass(frozen=True, slots=True)
class DrawnEnd:
    """What is drawn at one runway end: the landing threshold's corners and the pavement around them."""

    right: Point
    left: Point
    before_m: float
    """Pavement before the threshold: displaced part, stopway or blast pad."""
    displaced_m: float
    shoulder_right_m: float
    shoulder_left_m: float
    """Paved width beyond the declared edge, over the first 150 m, as the landing pilot sees it."""


@dataclass(slots=True)
class RunwayReport:
    """What FlightGear draws at each end, and the runways that were left out, by reason."""

    ends: dict[tuple[str, str], DrawnEnd] = field(default_factory=dict)
    excluded: Counter[str] = field(default_factory=Counter)


def flightgear_runways(
    installation: Installation, airports: Collection[str] | None = None
) -> tuple[RunwayDatabase, RunwayReport]:
    """Runways as FlightGear draws them at its airports with scenery (or at those given), altitudes MSL."""
    meshes = airport_meshes(installation.scenery)
    codes = set(meshes) if airports is None else set(airports)
    missing = sorted(codes - set(meshes))
    if missing:
        raise SourceError(
            f"no FlightGear scenery for {', '.join(missing)}; there is some for {', '.join(sorted(meshes))}"
        )
    listed = _listed(installation, codes)
    report = RunwayReport()
    drawn: list[Runway] = []
    infos: dict[str, AirportInfo] = {}
    for icao in sorted(codes & set(listed)):
        airport, mesh = listed[icao], read_mesh(meshes[icao])
        infos[icao] = AirportInfo(airport.name, airport.country)
        for strip in airport.strips:
            drawn += _drawn_strip(strip, airport.runway(strip.reciprocal), mesh, report)
    report.excluded["no paved runway in apt.dat"] += len(codes - set(listed))
    digest = sha256_file(installation.root / "Airports" / "apt.dat.gz")[:12]
    version = f"{installation.version} apt.dat {digest}"
    database = RunwayDatabase("flightgear", version, "wgs84", "msl", airports_of(drawn, infos))
    return versioned(database), report


def _codes_in(path: Path) -> set[str]:
    """Codes of the airports in an apt.dat.gz."""
    try:
        with gzip.open(path, "rb") as stream:
            rows = (
                line.split(maxsplit=5) for line in stream if line[:3] in (b"1  ", b"16 ", b"17 ", b"1 \t")
            )
            return {fields[4].decode("latin-1").upper() for fields in rows if len(fields) > 4}
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(f"{path}: cannot be read ({error}); install flightgear-data-base again") from error


def _listed(installation: Installation, codes: set[str]) -> dict[str, Airport]:
    """Airports as apt.dat names them; a scenery folder's own files win, as they do in FlightGear."""
    path = installation.root / "Airports" / "apt.dat.gz"
    if not path.is_file():
        raise SourceError(f"{path}: no such file; install flightgear-data-base")
    known = Selection(airports=codes & _codes_in(path))  # scenery has airports that the file lacks
    found = dict(read_aptdat(path, known, name="flightgear")[0].airports)
    for folder in reversed(installation.scenery):
        for overlay in sorted(folder.glob("NavData/apt/*.dat*")):
            found |= read_aptdat(overlay, Selection(), name="flightgear")[0].airports
    return {icao: airport for icao, airport in found.items() if icao in codes and airport.runways}


def _drawn_strip(strip: Runway, other: Runway, mesh: Mesh, report: RunwayReport) -> list[Runway]:
    """Both landing directions of a strip as drawn; none, counted, where the mesh has no such thresholds."""
    ends = [drawn_end(runway, mesh) for runway in (strip, other)]
    first, second = ends
    if first is None or second is None:
        report.excluded["no threshold markings drawn"] += 1
        return []
    near = replace(
        strip,
        corners=(second.right, second.left, first.right, first.left),
        displaced_m=first.displaced_m,
        source="FlightGear scenery",
    )
    far = opposite(near, second.displaced_m, other.marking, other.approach_lights, other.assumed)
    for runway, end in ((near, first), (far, second)):
        report.ends[(runway.airport, runway.ident)] = end
    return [near, far]


def drawn_end(runway: Runway, mesh: Mesh) -> DrawnEnd | None:
    """The landing threshold that the mesh draws near a runway's; None when there is none."""
    enu = to_enu(mesh.vertices_ecef, *runway.ltp)
    forward = runway.axis_enu[:2] / np.hypot(*runway.axis_enu[:2])
    along = enu[:, :2] @ forward
    across = enu[:, :2] @ np.array([forward[1], -forward[0]])  # right positive
    edge_m = runway.width_m / 2 + _BEYOND_EDGE_M
    corners = _material(mesh, _END)
    own = (np.abs(across[corners]) < edge_m).all(1) & (along[corners].mean(1) > -_NEAR_END_M)
    own &= along[corners].mean(1) < min(_NEAR_END_M, runway.length_m / 2)
    if not own.any():
        return None
    vertices = np.unique(corners[own])
    start_m = along[vertices].min()
    line = vertices[along[vertices] < start_m + _SAME_LINE_M]
    right, left = line[across[line].argmax()], line[across[line].argmin()]
    if across[right] - across[left] < 0.8 * runway.width_m:
        return None
    return DrawnEnd(
        _point(mesh, right),
        _point(mesh, left),
        _length_before(mesh, _BEFORE, along, across, edge_m, start_m),
        _length_before(mesh, _DISPLACED, along, across, edge_m, start_m),
        _shoulder_m(mesh, along, across, start_m, float(across[right]), 1.0),
        _shoulder_m(mesh, along, across, start_m, float(across[left]), -1.0),
    )


def _material(mesh: Mesh, pattern: re.Pattern[str]) -> NDArray[np.int64]:
    """Triangles (k, 3) of the materials whose names begin like this."""
    found = [triangles for name, triangles in mesh.triangles.items() if pattern.match(name)]
    return np.concatenate(found) if found else np.zeros((0, 3), np.int64)


def _point(mesh: Mesh, vertex: np.intp) -> Point:
    lat, lon, alt = geodetic_from_ecef(mesh.vertices_ecef[vertex])
    return float(lat), float(lon), float(alt)


def _length_before(
    mesh: Mesh, pattern: re.Pattern[str], along: Array, across: Array, edge_m: float, start_m: float
) -> float:
    """How far pavement of some materials reaches back from a threshold along the strip, metres."""
    triangles = _material(mesh, pattern)
    own = (np.abs(across[triangles]) < edge_m).all(1) & (along[triangles] < start_m + _SAME_LINE_M).all(1)
    own &= along[triangles].mean(1) > start_m - 600.0
    return float(max(start_m - along[triangles[own]].min(), 0.0)) if own.any() else 0.0


def _shoulder_m(mesh: Mesh, along: Array, across: Array, start_m: float, edge_m: float, side: float) -> float:
    """Median width of the shoulder beside the declared edge at `edge_m`, over the first 150 m."""
    triangles = _material(mesh, _SHOULDER)
    outwards = side * (across[triangles] - edge_m)  # (k, 3)
    beside = (outwards.max(1) > 0.05) & (outwards.min(1) > -1.0)
    triangles, outwards = triangles[beside], outwards[beside]
    widths = []
    for station in start_m + _STATIONS_M:
        reach = 0.0
        for low, high in sorted(cuts(along[triangles] - station, outwards)):
            if low <= reach + _GAP_M:
                reach = max(reach, high)
        widths.append(min(reach, _WIDEST_SHOULDER_M))
    return float(np.median(widths))


def cuts(along: Array, across: Array) -> list[tuple[float, float]]:
    """Where triangles (k, 3) of positions along and across meet the line along = 0: intervals across."""
    intervals = []
    crossed = (along.min(1) < 0) & (along.max(1) > 0)
    for a, c in zip(along[crossed], across[crossed], strict=True):
        places = [
            c[i] + (c[j] - c[i]) * a[i] / (a[i] - a[j])
            for i, j in ((0, 1), (1, 2), (2, 0))
            if a[i] * a[j] < 0 or (a[i] == 0) != (a[j] == 0)
        ]
        intervals.append((float(min(places)), float(max(places))))
    return intervals


def pavement_csv(report: RunwayReport) -> str:
    """What is paved around each landing threshold, metres, as CSV: lengths before it, shoulders beside it."""
    columns = ("airport", "ident", "before_m", "displaced_m", "shoulder_left_m", "shoulder_right_m")
    rows = [
        (*key, *(number_text(getattr(end, name), 2) for name in columns[2:]))
        for key, end in sorted(report.ends.items())
    ]
    return csv_text(columns, rows)


def largest_gap_m(database: RunwayDatabase, installation: Installation, icao: str) -> float:
    """Largest distance of an airport's labelled corners from the drawn ones; inf for a runway not drawn."""
    mesh = read_mesh(airport_meshes(installation.scenery)[icao])
    gaps = [0.0]
    for runway in database.airport(icao).runways:
        end = drawn_end(runway, mesh)
        if end is None:
            return float("inf")
        drawn = ecef_of(np.array([end.right, end.left]), "wgs84")
        gaps.append(float(np.linalg.norm(drawn - runway.corners_ecef()[2:], axis=-1).max()))
    return max(gaps)
