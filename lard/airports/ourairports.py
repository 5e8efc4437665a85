"""OurAirports runways.csv (public domain): pavement ends in, landing thresholds out."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lard.airports.build import (
    M_PER_FT,
    AirportInfo,
    ImportReport,
    Strip,
    as_edges,
    build_airports,
    displaced_thresholds,
    idents_inverted,
    reciprocal_ident,
    square_edges,
    strip_headings_deg,
)
from lard.airports.csvfile import Cells
from lard.airports.model import Array, RunwayDatabase, normalise_ident
from lard.airports.surfaces import PAVED, surface_of
from lard.errors import AirportError
from lard.geodesy import geodesic_inverse

RUNWAYS_URL = "https://davidmegginson.github.io/ourairports-data/runways.csv"
AIRPORTS_URL = "https://davidmegginson.github.io/ourairports-data/airports.csv"

_END_COLUMNS = ("ident", "latitude_deg", "longitude_deg", "elevation_ft", "displaced_threshold_ft")
COLUMNS = (
    "airport_ident", "length_ft", "width_ft", "surface", "lighted", "closed",
    *(f"{end}_{name}" for end in ("le", "he") for name in _END_COLUMNS),
)  # fmt: skip

_LENGTH_TOLERANCE_M = 150.0
_THRESHOLD_EVIDENCE_M = 60.0


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows of a world-wide file to keep; None means all airports."""

    airports: Collection[str] | None = None
    surfaces: Collection[str] = PAVED
    min_length_m: float = 400.0
    max_length_m: float = 5500.0
    min_width_m: float = 15.0
    max_width_m: float = 80.0
    fill_elevation: bool = False
    """Give an end without elevation that of the nearest end of its airport that has one."""


def read_ourairports(
    path: str | Path,
    selection: Selection | None = None,
    infos: Mapping[str, AirportInfo] | None = None,
    *,
    name: str = "ourairports",
    version: str = "",
    date: str = "",
    earth: str = "wgs84",
    fixes: str | Path | None = None,
) -> tuple[RunwayDatabase, ImportReport]:
    """Read runways.csv: displaced thresholds applied, feet converted, each row left out counted by reason.

    Cells that are no numbers are an AirportError that lists them all. `fixes` names a CSV of cells to correct.
    """
    selection = selection or Selection()
    cells = Cells(Path(path), COLUMNS)
    sources = apply_fixes(cells, fixes) if fixes else {}
    report = ImportReport(source=Path(path).name, rows=len(cells.rows))
    wanted = None if selection.airports is None else {icao.upper() for icao in selection.airports}
    chosen = []
    for index, row in enumerate(cells.rows):
        if wanted is not None and row["airport_ident"].upper() not in wanted:
            report.exclude("airport not asked for")
            continue
        ends = _ends(cells, index)
        reason = _reason_to_exclude(row, selection) or _missing(row, ends, selection)
        if reason is None:
            chosen.append((index, ends))
        else:
            report.exclude(reason)
    cells.raise_faults()
    if wanted is not None:
        absent = sorted(wanted - {row["airport_ident"].upper() for row in cells.rows})
        if absent:
            raise AirportError(f"{path}: no rows for {', '.join(absent)}; expected ICAO codes of the file")
    strips = _strips(cells, chosen, sources, selection, report, date, earth)
    report.kept = len(strips)
    airports = build_airports(strips, earth, dict(infos or {}))
    return RunwayDatabase(name, version or date, earth, "msl", airports), report


def _ends(cells: Cells, index: int) -> Array:
    """Pavement ends of a row (2, 5): lat, lon (deg), elevation (ft), displaced (ft), width (ft); nan if empty."""
    width = cells.number(index, "width_ft")
    values = [
        (
            cells.number(index, f"{end}_latitude_deg", -90, 90),
            cells.number(index, f"{end}_longitude_deg", -180, 180),
            cells.number(index, f"{end}_elevation_ft"),
            cells.number(index, f"{end}_displaced_threshold_ft") or 0.0,
            width,
        )
        for end in ("le", "he")
    ]
    return np.array(values, dtype=np.float64)


def _reason_to_exclude(row: Mapping[str, str], selection: Selection) -> str | None:
    """Why the words of a row rule it out, or None."""
    idents = (row["le_ident"], row["he_ident"])
    surface = surface_of(row["surface"])
    if row["closed"] == "1":
        return "closed"
    if idents[0].upper().startswith("H") and not idents[1]:
        return "helipad"
    if surface == "water" or any(ident.upper().endswith("W") and ident[:1].isdigit() for ident in idents):
        return "water"
    if surface not in selection.surfaces:
        return "surface unknown" if surface == "unknown" else f"surface {surface}"
    try:
        first, second = (normalise_ident(ident) for ident in idents)
    except AirportError:
        return "ident is no runway number"
    return None if reciprocal_ident(first) == second else "idents are not reciprocal"


def _missing(row: Mapping[str, str], ends: Array, selection: Selection) -> str | None:
    """Why the numbers of a row rule it out, or None."""
    if np.isnan(ends[:, :2]).any():
        return "no coordinates"
    if math.isnan(ends[0, 4]) or ends[0, 4] <= 0:
        return "no width"
    if not selection.min_width_m <= ends[0, 4] * M_PER_FT <= selection.max_width_m:
        return f"width outside {selection.min_width_m:g} to {selection.max_width_m:g} m"
    if np.isnan(ends[:, 2]).any() and not selection.fill_elevation:
        return "no elevation"
    if (ends[:, 3] < 0).any():
        return "negative displaced threshold"
    length_m = float(geodesic_inverse(*ends[0, :2], *ends[1, :2])[2])
    stated_m = float(row["length_ft"] or "nan") * M_PER_FT
    moved_m = ends[:, 3].sum() * M_PER_FT
    if _are_thresholds(length_m, stated_m, moved_m):
        stated_m, moved_m = stated_m - moved_m, 0.0
    if not selection.min_length_m <= length_m - moved_m <= selection.max_length_m:
        return f"landing length outside {selection.min_length_m:g} to {selection.max_length_m:g} m"
    if abs(length_m - stated_m) > _LENGTH_TOLERANCE_M:
        return f"coordinates and length_ft differ by more than {_LENGTH_TOLERANCE_M:g} m"
    return None


def _are_thresholds(length_m: float, stated_m: float, displaced_m: float) -> bool:
    """Whether coordinates lie at the landing thresholds: their distance is the landing length, not the pavement's."""
    return abs(length_m - (stated_m - displaced_m)) + _THRESHOLD_EVIDENCE_M < abs(length_m - stated_m)


def apply_fixes(cells: Cells, path: str | Path) -> dict[int, str]:
    """Replace cells of runways.csv by those of a CSV airport, le_ident, column, value, source.

    Returns the source of the fixed values by row number; a fix that fits no row is an AirportError.
    """
    fixes = Cells(Path(path), ("airport", "le_ident", "column", "value", "source"), ())
    rows = {(row["airport_ident"], row["le_ident"]): index for index, row in enumerate(cells.rows)}
    sources: dict[int, str] = {}
    for k, fix in enumerate(fixes.rows):
        index = rows.get((fix["airport"], fix["le_ident"]))
        if index is None:
            fixes.fault(k, "le_ident", f"{fix['airport']} {fix['le_ident']}", f"a row of {cells.path}")
        elif fix["column"] not in COLUMNS:
            fixes.fault(k, "column", fix["column"], f"one of {', '.join(COLUMNS)}")
        else:
            cells.rows[index][fix["column"]] = fix["value"]
            note = f"{fix['column']}: {fix['source']}"
            sources[index] = f"{sources[index]}; {note}" if index in sources else note
    fixes.raise_faults()
    return sources


def _strips(
    cells: Cells,
    chosen: list[tuple[int, Array]],
    sources: Mapping[int, str],
    selection: Selection,
    report: ImportReport,
    date: str,
    earth: str,
) -> list[Strip]:
    if not chosen:
        return []
    ends = np.stack([values for _, values in chosen])  # (n, 2, 5)
    codes = np.array([cells.rows[index]["airport_ident"].upper() for index, _ in chosen])
    points = np.concatenate([ends[..., :2], ends[..., 2:3] * M_PER_FT], -1)
    filled = _filled_elevations(points, codes) if selection.fill_elevation else points
    found = ~np.isnan(filled).any((1, 2))
    report.exclude("no elevation", int((~found).sum()))
    displaced_m = ends[..., 3] * M_PER_FT
    moved_m = np.where(_at_thresholds(cells, chosen, points, displaced_m)[:, None], 0.0, displaced_m)
    thresholds = displaced_thresholds(filled, moved_m, earth)
    headings = strip_headings_deg(thresholds, earth)
    edges = square_edges(thresholds, ends[..., 4] * M_PER_FT, earth)
    strips = []
    for k, (index, _) in enumerate(chosen):
        if not found[k]:
            continue
        row = cells.rows[index]
        idents = (normalise_ident(row["le_ident"]), normalise_ident(row["he_ident"]))
        source = "OurAirports" + (f"; {sources[index]}" if index in sources else "")
        if (moved_m[k] != displaced_m[k]).any():
            report.notes.append(
                f"{codes[k]} {'/'.join(idents)}: coordinates are the landing thresholds already"
            )
        if np.isnan(points[k]).any():
            source += "; elevation of the nearest end"
            report.notes.append(f"{codes[k]} {'/'.join(idents)}: elevation taken from the nearest known end")
        if idents_inverted(idents, headings[k]):
            report.notes.append(
                f"{codes[k]} {'/'.join(idents)}: idents exchanged, they name the opposite ends"
            )
            idents = (idents[1], idents[0])
        strips.append(
            Strip(
                str(codes[k]),
                idents,
                as_edges(edges[k]),
                (float(displaced_m[k, 0]), float(displaced_m[k, 1])),
                surface_of(row["surface"]),
                row["lighted"] == "1",
                source=source,
                date=date,
            )
        )
    return strips


def _at_thresholds(
    cells: Cells, chosen: list[tuple[int, Array]], points: Array, displaced_m: Array
) -> NDArray[np.bool_]:
    """Per strip, whether its coordinates lie at the landing thresholds instead of the pavement ends."""
    length_m = geodesic_inverse(points[:, 0, 0], points[:, 0, 1], points[:, 1, 0], points[:, 1, 1])[2]
    stated_m = np.array([float(cells.rows[index]["length_ft"]) * M_PER_FT for index, _ in chosen])
    triples = zip(length_m, stated_m, displaced_m.sum(-1), strict=True)
    return np.array([_are_thresholds(*triple) for triple in triples])


def _filled_elevations(points: Array, codes: Array) -> Array:
    """Ends (n, 2, 3) whose missing altitudes are those of the nearest end of the same airport, if any."""
    filled = points.copy()
    flat, owner = filled.reshape(-1, 3), np.repeat(codes, 2)
    for k in np.flatnonzero(np.isnan(flat[:, 2])):
        known = np.flatnonzero((owner == owner[k]) & ~np.isnan(points.reshape(-1, 3)[:, 2]))
        if known.size:
            lat, lon = flat[known, 0], flat[known, 1]
            distance_m = geodesic_inverse(flat[k, 0], flat[k, 1], lat, lon)[2]
            flat[k, 2] = flat[known[np.argmin(distance_m)], 2]
    return filled


def read_infos(path: str | Path) -> dict[str, AirportInfo]:
    """Names and countries by airport code: a CSV with icao, name, country, or OurAirports' airports.csv."""
    path = Path(path)
    cells = Cells(path, ())
    columns = set(cells.columns)
    if {"icao", "name", "country"} <= columns:
        code, country, lat, lon, elevation, scale = (
            "icao",
            "country",
            "lat_deg",
            "lon_deg",
            "elevation_m",
            1.0,
        )
    elif {"ident", "name", "iso_country"} <= columns:
        code, country, scale = "ident", "iso_country", M_PER_FT
        lat, lon, elevation = "latitude_deg", "longitude_deg", "elevation_ft"
    else:
        raise AirportError(
            f"{path}:1: expected the columns icao, name, country, or ident, name, iso_country of OurAirports"
        )
    infos = {}
    for index, row in enumerate(cells.rows):
        height = cells.number(index, elevation)
        infos[row[code].upper()] = AirportInfo(
            row["name"],
            row[country],
            cells.number(index, lat, -90, 90),
            cells.number(index, lon, -180, 180),
            None if height is None else height * scale,
        )
    cells.raise_faults()
    return infos
