"""`lard airports`: list, show, check, import, export and compare runway databases."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from lard.airports.diff import Difference
    from lard.airports.intake import ImportReport
    from lard.airports.model import Airport, RunwayDatabase

RUNWAYS_HELP = "Runway database: 'shipped', a table folder, LARD .json, OurAirports runways.csv or apt.dat."
runways_option = click.option("--runways", default="shipped", show_default=True, help=RUNWAYS_HELP)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


@click.group()
def airports() -> None:
    """Runway databases: who has which runway where, and how well sources agree.

    \b
    Examples:
      lard airports list
      lard airports show KATL
      lard airports import ourairports --airports LFBO,LFPG --out data/airports
      lard airports diff lard_v1_runways.json data/airports
    """


def _codes(text: str | None) -> set[str] | None:
    """Airport codes of a comma-separated list, or of the lines of a file named after an @."""
    if text is None:
        return None
    if text.startswith("@"):
        from lard.errors import AirportError

        path = Path(text[1:])
        if not path.is_file():
            raise AirportError(f"{path}: no such file; expected airport codes, one per line")
        text = path.read_text(encoding="utf-8").replace("\n", ",")
    return {code.strip().upper() for code in text.split(",") if code.strip()}


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False))


def _print_table(title: str, columns: list[str], rows: list[list[str]], right: set[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", no_wrap=column in right)
    for row in rows:
        table.add_row(*row)
    # a file or a pipe has no width: never fold rows there
    console = Console() if sys.stdout.isatty() else Console(width=200, soft_wrap=True)
    console.print(table)


def _summary(airport: Airport) -> dict[str, Any]:
    from lard.airports.layout import crossing_pairs, parallel_pairs

    lengths = [runway.length_m for runway in airport.strips]
    return {
        "icao": airport.icao,
        "name": airport.name,
        "country": airport.country,
        "elevation_m": round(airport.elevation_m, 1),
        "runways": [f"{runway.ident}/{runway.reciprocal}" for runway in airport.strips],
        "longest_m": round(max(lengths, default=0.0)),
        "parallel": len(parallel_pairs(airport)),
        "crossing": len(crossing_pairs(airport)),
    }


@airports.command("list")
@runways_option
@click.option("--country", help="Only airports of this country (two letters in the shipped table).")
@click.option("--parallel", is_flag=True, help="Only airports with parallel runways.")
@click.option("--crossing", is_flag=True, help="Only airports with crossing runways.")
@json_option
def list_command(runways: str, country: str | None, parallel: bool, crossing: bool, as_json: bool) -> None:
    """List the airports of a runway database.

    \b
    Examples:
      lard airports list
      lard airports list --country US --crossing
      lard airports list --runways lard_v1_runways.json --json
    """
    from lard.airports.files import open_database

    database = open_database(runways)
    found = [_summary(database.airports[icao]) for icao in sorted(database.airports)]
    found = [
        row
        for row in found
        if (not country or row["country"].upper() == country.upper())
        and (not parallel or row["parallel"])
        and (not crossing or row["crossing"])
    ]
    if as_json:
        _print_json(found)
        return
    title = f"{database.name} {database.version}: {len(found)} airports, altitudes {database.altitude_datum}"
    columns = ["icao", "name", "country", "elevation_m", "longest_m", "parallel", "crossing", "runways"]
    rows = [[" ".join(v) if isinstance(v := row[c], list) else str(v) for c in columns] for row in found]
    _print_table(title, columns, rows, {"elevation_m", "longest_m", "parallel", "crossing"})


@airports.command("show", short_help="Show the landing directions of an airport.")
@click.argument("icao")
@runways_option
@json_option
def show_command(icao: str, runways: str, as_json: bool) -> None:
    """Show the landing directions of an airport, corners with --json.

    \b
    Examples:
      lard airports show KATL
      lard airports show LFPO --json
    """
    from lard.airports.files import open_database

    database = open_database(runways)
    airport = database.airport(icao)
    rows = [
        {
            "ident": runway.ident,
            "reciprocal": runway.reciprocal,
            "heading_deg": round(runway.heading_deg, 3),
            "length_m": round(runway.length_m, 1),
            "width_m": round(runway.width_m, 1),
            "displaced_m": round(runway.displaced_m, 1),
            "lat_deg": round(runway.ltp[0], 7),
            "lon_deg": round(runway.ltp[1], 7),
            "alt_m": round(runway.ltp[2], 2),
            "surface": runway.surface,
            "lighted": runway.lighted,
            "marking": runway.marking,
            "approach_lights": runway.approach_lights,
            "assumed": ", ".join(runway.assumed),
            "source": runway.source,
            "date": runway.date,
            "corners": dict(zip(("tl", "tr", "br", "bl"), map(list, runway.corners), strict=True)),
        }
        for runway in airport.runways
    ]
    if as_json:
        _print_json({**_summary(airport), "landing_directions": rows, "earth": database.earth})
        return
    columns = [c for c in rows[0] if c not in ("corners", "date", "lighted")] if rows else ["ident"]
    title = (
        f"{airport.icao} {airport.name} {airport.country}, {airport.elevation_m:.0f} m "
        f"{database.altitude_datum}; {database.name} {database.version}"
    )
    right = {c for c in columns if c.endswith(("_deg", "_m"))}
    _print_table(title, columns, [[str(row[c]) for c in columns] for row in rows], right)


@airports.command("check", short_help="Check a database for implausible runways.")
@click.argument("runways", default="shipped")
@json_option
def check_command(runways: str, as_json: bool) -> None:
    """Check every runway: corner order, reciprocals, heading against ident, width, length, duplicates.

    Prints each violation and exits with 1 when there are any.

    \b
    Examples:
      lard airports check
      lard airports check lard_v2_runways.json --json
    """
    from lard.airports.check import check_database
    from lard.airports.files import open_database

    database = open_database(runways)
    violations = check_database(database)
    if as_json:
        _print_json([violation.as_dict() for violation in violations])
    else:
        for violation in violations:
            click.echo(str(violation))
        ends = sum(len(airport.runways) for airport in database.airports.values())
        click.echo(
            f"{database.name}: {len(violations)} violations in {ends} landing directions "
            f"of {len(database.airports)} airports"
        )
    if violations:
        sys.exit(1)


@airports.command("import", short_help="Read a database into our table.")
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
@click.option("--version", default="", help="Version of the database; default: date or content hash.")
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
    """Read a runway database and write it as our table; rows left out are counted by reason.

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

    from lard.airports.corrections import apply_corrections, read_corrections
    from lard.airports.files import import_database
    from lard.airports.intake import Selection, read_infos
    from lard.airports.ourairports import RUNWAYS_URL, download_ourairports
    from lard.airports.surfaces import PAVED, UNPAVED
    from lard.airports.table import write_table_folder

    if only_named and names is None:
        raise click.UsageError("--only-named needs --names")
    infos = read_infos(names) if names else None
    wanted = _codes(codes)
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
        database, report = import_database(
            path, fmt or "", selection, infos, name=name, version=version, date=date, fixes=fixes
        )
    if datum:
        database = replace(database, altitude_datum=datum)
    if corrections:
        database = apply_corrections(database, read_corrections(corrections))
    write_table_folder(database, out)
    if as_json:
        _print_json(report.as_dict())
    else:
        _print_report(report, database, out)


def _print_report(report: ImportReport, database: RunwayDatabase, out: Path) -> None:
    for note in report.notes:
        click.echo(note)
    for reason, count in sorted(report.excluded.items(), key=lambda item: (-item[1], item[0])):
        click.echo(f"left out {count:6d}: {reason}")
    click.echo(f"kept     {report.kept:6d} of {report.rows} rows of {report.source}")
    click.echo(f"{out}: {len(database.airports)} airports")


@airports.command("export", short_help="Write LARD JSON, GeoJSON or a table.")
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
    from lard.airports.files import export_database, open_database, pick_airports

    database = open_database(runways)
    if corrections:
        database = apply_corrections(database, read_corrections(corrections))
    wanted = _codes(codes)
    if wanted is not None:
        database = pick_airports(database, wanted)
    export_database(database, out, fmt, padded=not unpadded)
    click.echo(f"{out}: {len(database.airports)} airports")


@airports.command("diff", short_help="Compare two databases by geometry.")
@click.argument("first")
@click.argument("second")
@click.option("--max-distance", default=1500.0, show_default=True, help="Farthest match, metres.")
@click.option("--worst", default=10, show_default=True, help="How many of the farthest pairs to print.")
@click.option(
    "--corrections", "corrections_out", type=click.Path(path_type=Path),
    help="Write a corrections table that moves FIRST onto SECOND.",
)  # fmt: skip
@json_option
def diff_command(
    first: str, second: str, max_distance: float, worst: int, corrections_out: Path | None, as_json: bool
) -> None:
    """Match two databases by geometry and report how far their landing thresholds lie apart.

    \b
    Examples:
      lard airports diff lard_v1_runways.json runways.csv
      lard airports diff shipped runways_db_V2_XPlane.json --corrections xplane.csv
    """
    from dataclasses import asdict

    from lard.airports.corrections import corrections_between, write_corrections
    from lard.airports.diff import diff_databases
    from lard.airports.files import open_database

    one, other = open_database(first), open_database(second)
    difference = diff_databases(one, other, max_distance)
    if corrections_out:
        write_corrections(corrections_between(one, other, other.name, max_distance), corrections_out)
    if as_json:
        _print_json(
            {
                "distance_m": difference.quantiles(),
                "medians": difference.medians(),
                "only_first": list(difference.only_first),
                "only_second": list(difference.only_second),
                "airports_only_first": list(difference.airports_only_first),
                "airports_only_second": list(difference.airports_only_second),
                "altitude_datums": [one.altitude_datum, other.altitude_datum],
                "pairs": [asdict(pair) for pair in difference.pairs],
            }
        )
        return
    if one.altitude_datum != other.altitude_datum:
        click.echo(
            f"altitudes: {one.altitude_datum} against {other.altitude_datum}; up_m holds the geoid's height"
        )
    _print_difference(difference, one.name, other.name, worst)


def _print_difference(difference: Difference, first: str, second: str, worst: int) -> None:
    click.echo(f"{len(difference.pairs)} landing directions of {first} found in {second}")
    if difference.pairs:
        parts = [f"{name} {value:.1f}" for name, value in difference.quantiles().items()]
        click.echo("threshold distance, m: " + ", ".join(parts))
        medians = [f"{name} {value:+.2f}" for name, value in difference.medians().items()]
        click.echo(f"median of {second} minus {first}: " + ", ".join(medians))
    far = sorted(difference.pairs, key=lambda pair: -pair.distance_m)[:worst]
    rows = [
        [
            f"{pair.airport} {pair.first}",
            f"{pair.second_airport} {pair.second}",
            *(
                f"{value:.1f}"
                for value in (pair.distance_m, pair.along_m, pair.across_m, pair.up_m, pair.width_m)
            ),
            f"{pair.heading_deg:.2f}",
        ]
        for pair in far
    ]
    columns = [first, second, "distance_m", "along_m", "across_m", "up_m", "width_m", "heading_deg"]
    if rows:
        _print_table("farthest", columns, rows, set(columns[2:]))
    for name, ends, codes in (
        (first, difference.only_first, difference.airports_only_first),
        (second, difference.only_second, difference.airports_only_second),
    ):
        if ends:
            click.echo(f"only in {name}, {len(ends)} landing directions: {', '.join(ends)}")
        if codes:
            more = f" and {len(codes) - 20} more" if len(codes) > 20 else ""
            click.echo(f"only in {name}, {len(codes)} airports: {', '.join(codes[:20])}{more}")
