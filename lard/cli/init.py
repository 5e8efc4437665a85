"""`lard init`: a project of one's own."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from lard.cli.options import CREDIT, SEED, codes_of, runways_option


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--airport", "airports", multiple=True, required=True, help="ICAO code; repeatable.")
@runways_option
@click.option(
    "--ground",
    default="painted",
    show_default=True,
    metavar="painted|RASTER|KIND:ADDRESS",
    help="Painted, a georeferenced photo (GeoTIFF, COG, VRT), or a source of `lard tiles --help`.",
)
@click.option(
    "--odd", default="lard_v2", show_default=True, help="ODD spec: a file or a shipped one by name."
)
@click.option(
    "--n", default=1500, show_default=True, type=click.IntRange(1, 10_000_000), help="Frames in all."
)
@click.option("--seed", default=1, show_default=True, type=SEED, help="Same seed, same bytes.")
@click.option("--split", multiple=True, help="val=... or test=...: airports or a fraction.")
@click.option("--gsd", "gsd_m", type=float, help="Finest pixel in metres.  [default: the photo's own]")
@click.option(
    "--beyond",
    type=click.Choice(["painted", "nothing"]),
    help="What goes on where the imagery ends.  [default: painted for a RASTER, else nothing]",
)
@click.option(
    "--allow-host",
    "allow_hosts",
    multiple=True,
    metavar="HOST[:PORT]",
    help="A tile server inside your network that may be asked.",
)
@click.option("--licence", default="", type=CREDIT, help="Licence of the imagery.")
@click.option("--attribution", default="", type=CREDIT, help="Who is to be named for the imagery.")
@click.option("--benchmark", is_flag=True, help="Train and score the shipped detectors too.")
def init(
    folder: Path,
    airports: tuple[str, ...],
    runways: str,
    ground: str,
    odd: str,
    n: int,
    seed: int,
    split: tuple[str, ...],
    gsd_m: float | None,
    beyond: str | None,
    allow_hosts: tuple[str, ...],
    licence: str,
    attribution: str,
    benchmark: bool,
) -> None:
    """Start a project in FOLDER: parameters, stages and a copy of the domain, all checked.

    `dvc repro` in FOLDER then makes dataset, compliance report and, with --benchmark, leaderboard. Without
    --split a single airport is for testing; of several, a fifth each for testing and, from three on, for
    validation.

    \b
    Examples:
      lard init my_project --airport LFPO
      lard init lsgg --airport LSGG --runways my_airports --ground lsgg.tif --odd my_domain.yaml
      lard init three --airport LFBO --airport EHAM --airport KATL --split test=KATL --benchmark
      lard init tiles --airport LFPO --ground 'xyz:https://tiles.example.org/{z}/{x}/{y}.jpg' --gsd 0.5
    """
    from lard.cli.scenario import split_of
    from lard.project.create import Wanted, create_project

    codes = tuple(code for text in airports for code in codes_of(text))
    wanted = Wanted(
        codes, runways, ground, odd, n, seed, split_of(split), gsd_m, beyond or "", allow_hosts, licence,
        attribution, benchmark,
    )  # fmt: skip
    splits = create_project(folder, wanted)
    sets = "; ".join(f"{name} {', '.join(members)}" for name, members in splits.items() if members)
    click.echo(f"{folder}: {n} frames of {sets}; next: cd {shlex.quote(str(folder))} && dvc repro")
