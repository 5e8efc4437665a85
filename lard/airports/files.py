"""Runway databases by name or path, whatever their format."""

import tempfile
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from lard.airports.content import versioned
from lard.airports.intake import NOT_ASKED_FOR, AirportInfo, ImportReport, Selection
from lard.airports.model import RunwayDatabase
from lard.airports.provenance import as_part
from lard.airports.table import load_shipped, read_table_folder, write_table_folder
from lard.errors import AirportError, naming
from lard.tables import sha256_file

SHIPPED = "shipped"
READ_FORMATS = ("table", "ourairports", "aptdat", "lard")
WRITE_FORMATS = ("table", "lard-v1", "lard-v2", "geojson")


def format_of(path: Path) -> str:
    """Format of a runway database by what it is called: a folder, .json, .csv, .dat or .dat.gz."""
    if path.is_dir():
        return "table"
    name = path.name.lower()
    suffixes = {".json": "lard", ".csv": "ourairports", ".dat": "aptdat", ".dat.gz": "aptdat"}
    for suffix, fmt in suffixes.items():
        if name.endswith(suffix):
            return fmt
    found = "a file of unknown kind" if path.exists() else "no such file or folder"
    raise AirportError(
        f"{path}: {found}; expected a table folder, a LARD .json, OurAirports' runways.csv, an apt.dat "
        f"or {SHIPPED!r}"
    )


def open_database(spec: str | Path = SHIPPED) -> RunwayDatabase:
    """A runway database: "shipped", a table folder, a LARD JSON, OurAirports' runways.csv or an apt.dat."""
    if str(spec) == SHIPPED:
        return load_shipped()
    with naming(spec):
        return import_database(Path(spec))[0]


def import_database(
    path: Path,
    fmt: str = "",
    selection: Selection | None = None,
    infos: dict[str, AirportInfo] | None = None,
    *,
    name: str = "",
    version: str = "",
    date: str = "",
    fixes: Path | None = None,
) -> tuple[RunwayDatabase, ImportReport]:
    """Read a database of any format and say what was kept; an empty format is guessed from the path.

    The version stated, the date or the file's SHA-256 is followed by a digest of what was made of it, so that
    labels can be traced; that of a table follows from the table.
    """
    from lard.airports.aptdat import read_aptdat
    from lard.airports.lardjson import read_lard_json
    from lard.airports.ourairports import read_ourairports

    fmt = fmt or format_of(path)
    if fixes is not None and fmt != "ourairports":
        raise AirportError(f"{fixes}: fixes are for OurAirports' runways.csv, not for {fmt}; use corrections")
    stated = bool(version or name)
    if not version and path.is_file():
        version = date or f"sha256-{sha256_file(path)[:12]}"
    if fmt == "ourairports":
        database, report = read_ourairports(
            path, selection, infos, name=name or path.stem, version=version, date=date, fixes=fixes
        )
        return versioned(database), report
    if fmt == "aptdat":
        database, report = read_aptdat(
            path, selection, infos, name=name or path.stem, version=version, date=date
        )
        return versioned(database), report
    if fmt == "lard":
        database, report = read_lard_json(path, infos, name=name or path.stem, version=version, date=date)
        database = versioned(database)
    elif fmt == "table":
        database = read_table_folder(path)
        if stated:
            named = replace(database, name=name or database.name, version=version or database.version)
            database = versioned(named)
        ends = sum(len(airport.runways) for airport in database.airports.values())
        report = ImportReport(path.name, ends, ends)
    else:
        raise AirportError(f"format {fmt!r} is unknown; expected one of {', '.join(READ_FORMATS)}")
    if selection is not None and selection.airports is not None:
        database = pick_airports(database, selection.airports)
        kept = sum(len(airport.runways) for airport in database.airports.values())
        report.exclude(NOT_ASKED_FOR, report.kept - min(kept, report.kept))
        report.kept = min(kept, report.kept)
    return database, report


def as_table(database: RunwayDatabase) -> RunwayDatabase:
    """A database as its table holds it, rounded: what is corrected now or after writing is then the same."""
    with tempfile.TemporaryDirectory() as folder:
        write_table_folder(database, folder)
        return read_table_folder(folder)


def pick_airports(database: RunwayDatabase, codes: Collection[str]) -> RunwayDatabase:
    """A database with these airports only, in its version; AirportError for a code it does not have."""
    airports = {airport.icao: airport for airport in (database.airport(code) for code in sorted(codes))}
    return as_part(replace(database, airports=airports), database)


def export_database(database: RunwayDatabase, path: Path, fmt: str, *, padded: bool = True) -> None:
    """Write a database in one of WRITE_FORMATS."""
    from lard.airports.geojson import write_geojson
    from lard.airports.lardjson import write_lard_json

    if fmt == "table":
        write_table_folder(database, path)
    elif fmt in ("lard-v1", "lard-v2"):
        write_lard_json(database, path, padded=padded)
    elif fmt == "geojson":
        write_geojson(database, path)
    else:
        raise AirportError(f"format {fmt!r} is unknown; expected one of {', '.join(WRITE_FORMATS)}")
