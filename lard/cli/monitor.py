"""`lard monitor`: the group, and what its commands share; each is imported when it is used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lard.cli.modules import ModuleGroup
from lard.cli.options import SEED

COMMANDS = {
    "fit": "lard.cli.monitor_fit",
    "score": "lard.cli.monitor_score",
    "failures": "lard.cli.monitor_failures",
    "departures": "lard.cli.monitor_score",
}

DATASET = click.option(
    "--data",
    "dataset",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Dataset folder, with coco/.",
)
KEEP = click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for what the model made of each picture, from which an interrupted or another run goes on.",
)
SEED_OPTION = click.option("--seed", type=SEED, default=0, show_default=True)
FOLDER = click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to write."
)


def per_airport_option(default: int, help_text: str, name: str = "--per-airport") -> Any:
    """An option for a number of pictures of each airport."""
    return click.option(name, type=click.IntRange(1), default=default, show_default=True, help=help_text)


@click.group(cls=ModuleGroup, lazy=COMMANDS)
def monitor() -> None:
    """Alarms for pictures outside of a detector's domain, and predicted failures of its detections.

    \b
    Examples:
      lard monitor fit lip-fcos-s --data data/ortho --out lip.monitor.npz
      lard monitor score lip.monitor.npz lip-fcos-s --data data/ortho --domain night=data/night --out monitors
      lard monitor failures lip-fcos-s --data data/ortho --out failures
      lard monitor departures data/frames.parquet --out departures
    """


def print_tables(tables: list[dict[str, Any]]) -> None:
    """Print tables of texts with their notes, one after the other."""
    from lard.cli.printing import print_table

    for table in tables:
        rows = [[str(cell) for cell in row] for row in table["rows"]]
        print_table(table["title"], table["columns"], rows, set())
        click.echo(f"{table['note']}\n")
