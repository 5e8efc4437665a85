"""`lard airports list`, `show` and `check`: what a runway database holds, and what in it is implausible."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from lard.cli.options import json_option, runways_option
from lard.cli.printing import print_json, print_table

if TYPE_CHECKING:
    from lard.airports.model import Airport


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


@click.command("list")
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
        print_json(found)
        return
    title = f"{database.name} {database.version}: {len(found)} airports, altitudes {database.altitude_datum}"
    columns = ["icao", "name", "country", "elevation_m", "longest_m", "parallel", "crossing", "runways"]
    rows = [[" ".join(v) if isinstance(v := row[c], list) else str(v) for c in columns] for row in found]
    print_table(title, columns, rows, {"elevation_m", "longest_m", "parallel", "crossing"})


@click.command("show", short_help="Show the landing directions of an airport.")
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
            "source": runway.source,
            "date": runway.date,
            "corners": dict(zip(("tl", "tr", "br", "bl"), map(list, runway.corners), strict=True)),
        }
        for runway in airport.runways
    ]
    if as_json:
        print_json({**_summary(airport), "landing_directions": rows, "earth": database.earth})
        return
    columns = [c for c in rows[0] if c not in ("corners", "date", "lighted")] if rows else ["ident"]
    title = (
        f"{airport.icao} {airport.name} {airport.country}, {airport.elevation_m:.0f} m "
        f"{database.altitude_datum}; {database.name} {database.version}"
    )
    right = {c for c in columns if c.endswith(("_deg", "_m"))}
    print_table(title, columns, [[str(row[c]) for c in columns] for row in rows], right)


@click.command("check", short_help="Check a database for implausible runways.")
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
        print_json([violation.as_dict() for violation in violations])
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
