"""OurAirports runways.csv (public domain): pavement ends in feet in, landing thresholds in metres out."""

import math
import time
from collections.abc import Mapping
from pathlib import Path

from lard.airports.build import build_airports
from lard.airports.csvfile import Cells
from lard.airports.intake import M_PER_FT, NOT_ASKED_FOR, AirportInfo, ImportReport, Selection
from lard.airports.model import RunwayDatabase
from lard.airports.pavement import Pavement, ident_fault, strips_of
from lard.airports.surfaces import surface_of
from lard.errors import SourceError
from lard.tables import atomic_path, name_fault

RUNWAYS_URL = "https://davidmegginson.github.io/ourairports-data/runways.csv"
DEADLINE_S = 300.0
"""For the whole file, however steadily it comes."""
LIMIT_BYTES = 64 << 20
"""Some fifteen times what the file holds."""

_END_COLUMNS = ("ident", "latitude_deg", "longitude_deg", "elevation_ft", "displaced_threshold_ft")
COLUMNS = (
    "airport_ident", "length_ft", "width_ft", "surface", "lighted", "closed",
    *(f"{end}_{name}" for end in ("le", "he") for name in _END_COLUMNS),
)  # fmt: skip


def download_ourairports(path: str | Path, url: str = RUNWAYS_URL, deadline_s: float = DEADLINE_S) -> str:
    """Download runways.csv to a path, whole or not at all; returns the day the server states for it.

    An answer that takes longer than `deadline_s` or is larger than LIMIT_BYTES is a SourceError.
    """
    import requests
    import urllib3

    until_s = time.monotonic() + deadline_s
    try:
        with atomic_path(path) as temporary, requests.get(url, stream=True, timeout=60) as reply:
            reply.raise_for_status()
            with temporary.open("wb") as stream:
                while chunk := reply.raw.read1(1 << 16, decode_content=True):
                    stream.write(chunk)
                    fault = ""
                    if time.monotonic() > until_s:
                        fault = f"not complete after {deadline_s:g} s"
                    elif stream.tell() > LIMIT_BYTES:
                        fault = f"larger than {LIMIT_BYTES >> 20} MiB"
                    if fault:
                        raise SourceError(f"{url}: download is {fault}; give a local runways.csv instead")
            Cells(temporary, COLUMNS)
            modified = reply.headers.get("Last-Modified", "")
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise SourceError(f"{url}: download failed ({error}); give a local runways.csv instead") from error
    return _day(modified)


def _day(http_date: str) -> str:
    """ISO day of an HTTP date, empty when there is none."""
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(http_date).date().isoformat()
    except (TypeError, ValueError):
        return ""


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

    Cells that are no numbers are an AirportError that lists them all. `fixes`: a CSV of cells to correct.
    """
    selection = selection or Selection()
    cells = Cells(Path(path), COLUMNS)
    sources = apply_fixes(cells, fixes) if fixes else {}
    report = ImportReport(source=Path(path).name, rows=len(cells.rows))
    chosen = []
    for index in range(len(cells.rows)):
        reason = _reason_to_exclude(cells, index, selection)
        if reason is None:
            chosen.append(_pavement(cells, index, sources.get(index, "")))
        else:
            row = cells.rows[index]
            named = f"{row['airport_ident']} {row['le_ident']}/{row['he_ident']}"
            report.exclude(reason, which=[] if reason == NOT_ASKED_FOR else [named])
    cells.raise_faults()
    selection.raise_absent(path, (row["airport_ident"] for row in cells.rows))
    strips = strips_of(chosen, selection, report, date, earth)
    report.kept = len(strips)
    return RunwayDatabase(name, version or date, earth, "msl", build_airports(strips, earth, infos)), report


def _reason_to_exclude(cells: Cells, index: int, selection: Selection) -> str | None:
    """Why the words of a row rule it out, or None."""
    row = cells.rows[index]
    idents = (row["le_ident"], row["he_ident"])
    surface = surface_of(row["surface"])
    if not selection.wants(row["airport_ident"]):
        return NOT_ASKED_FOR
    if fault := name_fault(row["airport_ident"]):
        cells.fault(index, "airport_ident", row["airport_ident"][:80], f"a plain code; it {fault}")
    if cells.flag(index, "closed", False):
        return "closed"
    if idents[0].upper().startswith("H") and not idents[1]:
        return "helipad"
    if surface == "water" or any(ident.upper().endswith("W") and ident[:1].isdigit() for ident in idents):
        return "water"
    if surface not in selection.surfaces:
        return "surface unknown" if surface == "unknown" else f"surface {surface}"
    return ident_fault(idents)


def _pavement(cells: Cells, index: int, fixed: str) -> Pavement:
    row = cells.rows[index]

    def feet(column: str) -> float:
        value = cells.number(index, column)
        return math.nan if value is None else value * M_PER_FT

    def end(prefix: str) -> tuple[float, float, float]:
        lat = cells.number(index, f"{prefix}_latitude_deg", -90, 90)
        lon = cells.number(index, f"{prefix}_longitude_deg", -180, 180)
        if lat is None or lon is None:
            return math.nan, math.nan, math.nan
        return lat, lon, feet(f"{prefix}_elevation_ft")

    def displaced(prefix: str) -> float:
        return (cells.number(index, f"{prefix}_displaced_threshold_ft") or 0.0) * M_PER_FT

    return Pavement(
        row["airport_ident"].upper(),
        (row["le_ident"], row["he_ident"]),
        (end("le"), end("he")),
        feet("width_ft"),
        (displaced("le"), displaced("he")),
        surface_of(row["surface"]),
        cells.flag(index, "lighted", False),
        ("precision", "precision"),  # the file is silent about markings: assumed, and said so
        "OurAirports" + (f"; {fixed}" if fixed else ""),
        feet("length_ft"),
    )


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
