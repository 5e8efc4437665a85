"""`lard terrain`: runways beside a terrain model."""

from __future__ import annotations

import math
from pathlib import Path

import click

from lard.cli.options import runways_option


@click.group()
def terrain() -> None:
    """How runways lie on a terrain model (GeoTIFF, COG, VRT, SRTM .hgt, terrarium tiles).

    \b
    Examples:
      lard terrain report LSGG LFLB --dem data/dem
    """


@terrain.command()
@click.argument("airports", nargs=-1, required=True)
@click.option(
    "--dem",
    required=True,
    metavar="PATH|shipped",
    help="Terrain model: a raster, a folder of rasters or of z/x/y.png, a template, or 'shipped'.",
)
@runways_option
@click.option("--limit", "limit_m", default=10.0, show_default=True, help="Metres beyond which to flag.")
@click.option(
    "--step", "step_m", default=50.0, show_default=True, help="Metres between stations along a runway."
)
@click.option("--out", type=click.Path(path_type=Path), help="CSV of every station along every centreline.")
def report(
    airports: tuple[str, ...], dem: str, runways: str, limit_m: float, step_m: float, out: Path | None
) -> None:
    """Compare runway altitudes of AIRPORTS with a terrain model, at the ends and along the centrelines.

    Differences are terrain minus runway. What is beyond the limit is flagged: the runway's altitude, the
    terrain or one of their datums is wrong, or the runway stands on an embankment the terrain does not know.

    \b
    Examples:
      lard terrain report CA62 --runways my_airports --dem N35W121.hgt --out ca62.csv
      lard terrain report LSGG --dem data/dem --limit 5
      lard terrain report LSZH SKBO --dem shipped --limit 100
    """
    import polars as pl

    from lard.airports.files import open_database
    from lard.cli.printing import print_table
    from lard.errors import DataError, naming
    from lard.ground.terrain.dem import load_dem
    from lard.quality.measures.terrain import STATIONS, centreline, terrain_fit
    from lard.tables import write_text
    from lard.written import check_suffix, keep_csv

    if not step_m > 0 or not limit_m > 0:
        raise DataError(f"--step {step_m:g}, --limit {limit_m:g}: expected more than 0 metres")
    if out is not None:
        check_suffix(out, ".csv")
        keep_csv(out, (STATIONS,), "a table of stations")
    db = open_database(runways)
    model = load_dem(dem, db.altitude_datum)
    places = [db.airport(icao) for icao in sorted({icao.strip().upper() for icao in airports})]
    for place in places:
        model.check_covers(place.icao, place.lat_deg, place.lon_deg)
    strips = [strip for place in places for strip in (place.strips or place.runways)]
    with naming(dem):
        fits = [terrain_fit(strip, model, step_m) for strip in strips]
    bare = [f"{fit.airport} {fit.runway}" for fit in fits if fit.covered == 0]
    if len(bare) == len(fits):
        raise DataError(f"{dem}: covers none of {', '.join(bare)}; add the tiles around them")
    if out is not None:
        stations = pl.concat([centreline(strip, model, step_m) for strip in strips])
        write_text(stations.write_csv(float_precision=7), out)
    rows = [
        [
            fit.airport, fit.runway, _figure(fit.first_m, "+.1f"), _figure(fit.last_m, "+.1f"),
            _figure(fit.mean_m, "+.1f"), _figure(fit.rms_m, ".1f"), _figure(fit.worst_m, "+.1f"),
            f"{fit.runway_slope_percent:+.2f}",
            _figure(fit.terrain_slope_percent, "+.2f"), "; ".join(fit.faults(limit_m)) or "ok",
        ]
        for fit in fits
    ]  # fmt: skip
    columns = [
        "airport", "runway", "first end m", "second end m", "mean m", "rms m", "worst m", "slope %",
        "terrain slope %", "verdict",
    ]  # fmt: skip
    print_table(model.summary(), columns, rows, set(columns[2:-1]))
    flagged = sum(bool(fit.faults(limit_m)) for fit in fits)
    click.echo(f"{len(fits)} runways, {flagged} flagged" + (f"; stations in {out}" if out else ""))


def _figure(value: float, form: str) -> str:
    """A number as text, nothing where no terrain is known."""
    return "" if math.isnan(value) else format(value, form)
