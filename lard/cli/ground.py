"""`lard ground`: procedural ground imagery around airports."""

from pathlib import Path

import click

from lard.cli.options import ALL_WORKERS, SEED, runways_option, workers_option


@click.command()
@click.argument("airports", nargs=-1, required=True)
@runways_option
@click.option("--out", default="data/ground", show_default=True, type=click.Path(path_type=Path))
@click.option("--gsd", "gsd_m", default=0.25, show_default=True, help="Finest pixel, metres, at the runways.")
@click.option(
    "--season",
    default="summer",
    show_default=True,
    type=click.Choice(["summer", "autumn", "winter", "spring"]),
    help="Crops, leaves and snow; winters are white at high latitudes.",
)
@click.option("--seed", default=1, show_default=True, type=SEED, help="Same seed, same bytes.")
@click.option(
    "--no-runways",
    is_flag=True,
    help="The same ground with no runway painted, for `lard certify --without` (docs/robustness.md).",
)
@workers_option(ALL_WORKERS)
def ground(
    airports: tuple[str, ...],
    runways: str,
    out: Path,
    gsd_m: float,
    season: str,
    seed: int,
    no_runways: bool,
    workers: str | None,
) -> None:
    """Paint a procedural ortho-photo around AIRPORTS as Cloud Optimised GeoTIFF tiles.

    An airport that is already there, from the same runways and settings, is kept.

    \b
    Examples:
      lard ground LFPO KATL
      lard ground LSGG --runways my_airports --out my_ground --gsd 0.3
      lard ground LFPO KATL --workers slurm:site.yaml
      lard ground BIRK --season winter --out data/ground_winter
      lard ground LFPO KATL --no-runways --out data/ground_without
    """
    from lard.airports.files import open_database
    from lard.errors import SpecError
    from lard.ground.painted.build import build_grounds
    from lard.workers import default_workers

    if not 0.05 <= gsd_m <= 8:
        raise SpecError(f"--gsd {gsd_m:g}: expected 0.05 to 8 metres")
    db = open_database(runways)
    places = [db.airport(icao) for icao in sorted(set(airports))]
    build_grounds(places, out, seed, gsd_m, season, workers or default_workers(), db, runways=not no_runways)
    click.echo(f"{len(places)} airports in {out}")
