"""`lard airports diff`: two databases compared by geometry, and the corrections between them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lard.cli.options import json_option
from lard.cli.printing import print_json, print_table

if TYPE_CHECKING:
    from lard.airports.diff import Difference


@click.command("diff", short_help="Compare two databases by geometry.")
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

    from lard.airports.corrections import KEY_COLUMNS, corrections_between, write_corrections
    from lard.airports.diff import diff_databases
    from lard.airports.files import open_database
    from lard.written import keep_csv

    one, other = open_database(first), open_database(second)
    difference = diff_databases(one, other, max_distance)
    if corrections_out:
        keep_csv(corrections_out, (KEY_COLUMNS,), "a table of corrections")
        write_corrections(corrections_between(one, other, other.name, max_distance), corrections_out)
    if as_json:
        print_json(
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
        print_table("farthest", columns, rows, set(columns[2:]))
    for name, ends, codes in (
        (first, difference.only_first, difference.airports_only_first),
        (second, difference.only_second, difference.airports_only_second),
    ):
        if ends:
            click.echo(f"only in {name}, {len(ends)} landing directions: {', '.join(ends)}")
        if codes:
            more = f" and {len(codes) - 20} more" if len(codes) > 20 else ""
            click.echo(f"only in {name}, {len(codes)} airports: {', '.join(codes[:20])}{more}")
