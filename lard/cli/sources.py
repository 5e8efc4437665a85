"""`lard sources`: what simulators need on this machine, and the runways they draw."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def sources() -> None:
    """Check simulators and read their runways.

    \b
    Examples:
      lard sources check flightgear
      lard sources runways flightgear --out data/runways_flightgear
    """


@sources.command()
@click.argument("source", type=click.Choice(["flightgear"]))
@click.option("--start", is_flag=True, help="Also start it once, headless, and stop it again.")
def check(source: str, start: bool) -> None:
    """Say whether a simulator can be used here, what is missing and how to install it.

    \b
    Examples:
      lard sources check flightgear
      lard sources check flightgear --start
    """
    from lard.simulators.flightgear.check import check_flightgear

    for line in check_flightgear(start):
        click.echo(line)


@sources.command()
@click.argument("source", type=click.Choice(["flightgear"]))
@click.option("--out", required=True, help="Runway table folder to write, with pavement.csv.")
@click.option("--airports", help="Codes, comma separated.  [default: all with scenery]")
@click.option("--corrections", help="Also write a corrections table (CSV) for the runways of --against.")
@click.option("--against", default="shipped", show_default=True, help="Runway database to be corrected.")
def runways(source: str, out: str, airports: str | None, corrections: str | None, against: str) -> None:
    """Write the runways as a simulator draws them: corners, heights, shoulders.

    \b
    Examples:
      lard sources runways flightgear --out data/runways_flightgear
      lard sources runways flightgear --airports PHNL,BIKF --out rw --corrections flightgear.csv
    """

    from lard.airports.corrections import KEY_COLUMNS, corrections_between, write_corrections
    from lard.airports.files import open_database
    from lard.airports.table import keep_other_tables, write_table_folder
    from lard.simulators.flightgear.install import find_installation
    from lard.simulators.flightgear.runways import flightgear_runways, pavement_csv
    from lard.tables import staged, write_text
    from lard.written import keep_csv

    codes = None if airports is None else [code.strip().upper() for code in airports.split(",")]
    installation = find_installation()
    database, report = flightgear_runways(installation, codes)
    keep_other_tables(Path(out))
    if corrections:
        keep_csv(Path(corrections), (KEY_COLUMNS,), "a table of corrections")
    with staged(out) as made:
        write_table_folder(database, made)
        write_text(pavement_csv(report), made / "pavement.csv")
    ends = sum(len(airport.runways) for airport in database.airports.values())
    click.echo(f"{out}: {ends} landing directions at {len(database.airports)} airports; {database.version}")
    for reason, count in sorted(report.excluded.items()):
        if count:
            click.echo(f"left out: {count} {reason}")
    if corrections:
        found = corrections_between(open_database(against), database, f"flightgear {installation.version}")
        write_corrections(found, corrections)
        click.echo(f"{corrections}: {len(found)} runway ends of {against}")
