"""`lard airports import` and `export`: runway databases of others read and written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lard.cli.options import json_option, runways_option
from lard.cli.printing import print_json

if TYPE_CHECKING:
    from lard.airports.intake import ImportReport
    from lard.airports.model import RunwayDatabase


def codes_in(text: str | None) -> set[str] | None:
    """Airport codes of a comma-separated list, or of the lines of a file named after an @."""
    if text is None:
        return None
    if text.startswith("@"):
        from lard.documents import read_text
        from lard.errors import AirportError

        absent = "expected airport codes, one per line"
        text = ",".join(read_text(Path(text[1:]), error=AirportError, absent=absent).splitlines())
    return {code.strip().upper() for code in text.split(",") if code.strip()}


@click.command("import", short_help="Read a database into our table.")
@click.argument("source")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the table to write.")
@click.option(
    "--format", "fmt", type=click.Choice(["table", "ourairports", "aptdat", "lard"]), help="Default: by name."
)
@click.option("--airports", "codes", help="Codes to keep: KATL,LFPG or @FILE with one per line.")
@click.option("--names", type=click.Path(path_type=Path), help="CSV icao,name,country or airports.csv.")
@click.option("--only-named", is_flag=True, help="Keep only the airports of --names.")
@click.option("--fixes", type=click.Path(path_type=Path), help="CSV of OurAirports cells to replace.")
@click.option("--corrections", type=click.Path(path_type=Path), help="CSV of moved runway ends to apply.")
@click.option("--min-length", default=400.0, show_default=True, help="Shortest landing length, metres.")
@click.option("--unpaved", is_flag=True, help="Keep grass, gravel, dirt and snow runways too.")
@click.option("--fill-elevation", is_flag=True, help="Missing elevations: that of the nearest end.")
@click.option("--name", default="", help="Name of the database; default: the file's.")
@click.option(
    "--version",
    default="",
    help="Version of the database; default: date or content hash; of its own with --fixes or --datum.",
)
@click.option("--date", default="", help="Day of the source's data, YYYY-MM-DD.")
@click.option(
    "--datum",
    type=click.Choice(["msl", "ellipsoidal"]),
    help="Datum of the altitudes: a name, nothing is converted.",
)
@click.option("--url", help="Where to download OurAirports' runways.csv from.")
@json_option
def import_command(
    source: str,
    out: Path,
    fmt: str | None,
    codes: str | None,
    names: Path | None,
    only_named: bool,
    fixes: Path | None,
    corrections: Path | None,
    min_length: float,
    unpaved: bool,
    fill_elevation: bool,
    name: str,
    version: str,
    date: str,
    datum: str | None,
    url: str | None,
    as_json: bool,
) -> None:
    """Read a runway database and write it as our table; rows left out are counted by reason and named.

    SOURCE is a file or folder, or the word ourairports to download the current runways.csv.

    \b
    Examples:
      lard airports import ourairports --airports LFBO,LFPG --out data/airports
      lard airports import runways.csv --min-length 1500 --date 2026-11-21 --out data/airports
      lard airports import /usr/share/games/flightgear/Airports/apt.dat.gz --airports KATL --out data/fg
      lard airports import lard_v1_runways.json --out data/lard_v1
    """
    import tempfile
    from dataclasses import replace

    from lard.airports.content import versioned
    from lard.airports.corrections import apply_corrections, read_corrections
    from lard.airports.files import as_table, import_database
    from lard.airports.intake import Selection, read_infos
    from lard.airports.ourairports import RUNWAYS_URL, download_ourairports
    from lard.airports.surfaces import PAVED, UNPAVED
    from lard.airports.table import keep_other_tables, write_table_folder
    from lard.errors import naming

    if only_named and names is None:
        raise click.UsageError("--only-named needs --names")
    infos = read_infos(names) if names else None
    wanted = codes_in(codes)
    if only_named and infos is not None:
        wanted = set(infos) if wanted is None else wanted & set(infos)
    surfaces = (*PAVED, *UNPAVED) if unpaved else PAVED
    selection = Selection(wanted, surfaces, min_length, fill_elevation=fill_elevation)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(source)
        if source == "ourairports" and not path.exists():
            path, fmt = Path(folder) / "runways.csv", "ourairports"
            stated = download_ourairports(path, url or RUNWAYS_URL)
            name, date = name or "ourairports", date or stated
        with naming(path):
            database, report = import_database(
                path, fmt or "", selection, infos, name=name, version=version, date=date, fixes=fixes
            )
    if datum and datum != database.altitude_datum:
        database = versioned(replace(database, altitude_datum=datum))
    if corrections:
        with naming(corrections):
            database = apply_corrections(as_table(database), read_corrections(corrections))
    _refuse_nothing(report, database)
    keep_other_tables(out)
    write_table_folder(database, out)
    if as_json:
        print_json(report.as_dict())
    else:
        _print_report(report, database, out)


def _refuse_nothing(report: ImportReport, database: RunwayDatabase) -> None:
    """AirportError where no runway is kept: an empty database would only fail later."""
    from lard.errors import AirportError

    if not any(airport.runways for airport in database.airports.values()):
        reasons = ", ".join(f"{count} {reason}" for reason, count in report.excluded.most_common())
        raise AirportError(
            f"{report.source}: keeps none of its {report.rows} rows ({reasons or 'it has none'}); nothing is "
            f"written: {_remedy(report)}"
        )


def _remedy(report: ImportReport) -> str:
    """The options that would keep what was left out."""
    told = {"no elevation": "--fill-elevation (where one end has one) or fill the elevations in"}
    found = [remedy for reason, remedy in told.items() if reason in report.excluded]
    others = sum(count for reason, count in report.excluded.items() if reason not in told)
    if others or not found:
        found.append("change --airports, --min-length or --unpaved")
    return ", ".join(found)


def _print_report(report: ImportReport, database: RunwayDatabase, out: Path) -> None:
    for note in report.notes:
        click.echo(note)
    for reason, count in sorted(report.excluded.items(), key=lambda item: (-item[1], item[0])):
        named = report.which.get(reason, [])
        more = ", ..." if count > len(named) else ""
        click.echo(f"left out {count:6d}: {reason}" + (f" ({', '.join(named)}{more})" if named else ""))
    click.echo(f"kept     {report.kept:6d} of {report.rows} rows of {report.source}")
    click.echo(f"{out}: {len(database.airports)} airports")


@click.command("export", short_help="Write LARD JSON, GeoJSON or a table.")
@click.argument("out", type=click.Path(path_type=Path))
@runways_option
@click.option("--format", "fmt", required=True, type=click.Choice(["table", "lard-v1", "lard-v2", "geojson"]))
@click.option("--airports", "codes", help="Codes to write: KATL,LFPG or @FILE; default: all.")
@click.option("--corrections", type=click.Path(path_type=Path), help="CSV of moved runway ends to apply.")
@click.option("--unpadded", is_flag=True, help="LARD idents without a leading zero: 8R, not 08R.")
def export_command(
    out: Path, runways: str, fmt: str, codes: str | None, corrections: Path | None, unpadded: bool
) -> None:
    """Write a runway database for another tool: LARD V1 or V2 JSON, GeoJSON or our table.

    \b
    Examples:
      lard airports export runways.geojson --format geojson --airports LFPG
      lard airports export runways_db_V2_XPlane.json --format lard-v2 --corrections xplane.csv --unpadded
    """
    from lard.airports.corrections import apply_corrections, read_corrections
    from lard.airports.files import as_table, export_database, open_database, pick_airports
    from lard.errors import naming

    database = open_database(runways)
    if corrections:
        with naming(corrections):
            database = apply_corrections(as_table(database), read_corrections(corrections))
    wanted = codes_in(codes)
    if wanted is not None:
        database = pick_airports(database, wanted)
    _keep_others(out, fmt)
    export_database(database, out, fmt, padded=not unpadded)
    click.echo(f"{out}: {len(database.airports)} airports")


def _keep_others(out: Path, fmt: str) -> None:
    """DataError where an export would take the place of something that is no such export."""
    from lard.airports.geojson import is_runways
    from lard.airports.lardjson import read_lard_entries
    from lard.airports.table import keep_other_tables
    from lard.files import keep_unlike
    from lard.written import check_suffix, keep_foreign

    if fmt == "table":
        keep_other_tables(out)
    elif fmt == "geojson":
        check_suffix(out, ".geojson", ".json")
        keep_unlike(out, "a GeoJSON of runways", is_runways)
    else:
        check_suffix(out, ".json")
        keep_foreign(out, "a runway database of LARD", lambda file: bool(read_lard_entries(file)))
