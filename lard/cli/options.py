"""Options that several commands share, and what their texts mean."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    import polars as pl

    from lard.airports import RunwayDatabase


def finite_number(_: click.Context, param: click.Parameter, value: float | None) -> float | None:
    """The callback of options of numbers: click lets NaN pass."""
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value} is not a finite number.", param=param)
    return value


RUNWAYS_HELP = "Runway database: 'shipped', a table folder, LARD .json, OurAirports runways.csv or apt.dat."
_CREDIT_CHARACTERS = 500


class Credit(click.ParamType):
    """A licence or whom to name: a line that tables, cards and pages can show."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if len(value) > _CREDIT_CHARACTERS:
            self.fail(
                f"{len(value):,} characters; expected at most {_CREDIT_CHARACTERS}: a name and an address",
                param,
                ctx,
            )
        if not value.isprintable():
            self.fail(f"{value[:60]!r}: expected one line of printable characters", param, ctx)
        return value


class TerrainPath(click.ParamType):
    """A terrain model: the shipped one by name, a raster, or a folder."""

    name = "path"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        return "PATH|shipped"

    def convert(self, value: str | Path, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        if str(value) != "shipped" and not Path(value).exists():
            self.fail(f"{str(value)!r} does not exist; expected 'shipped', a raster or a folder", param, ctx)
        return Path(value)


CREDIT = Credit()
TERRAIN = TerrainPath()
DEM_HELP = "Terrain model: a raster, a folder of tiles, or 'shipped': coarse hills around shipped airports."
SEED = click.IntRange(0, (1 << 63) - 1)
runways_option = click.option("--runways", default="shipped", show_default=True, help=RUNWAYS_HELP)


def runways_of(path: str | Path, frames: pl.DataFrame, runways: str, done: str) -> RunwayDatabase:
    """The database of --runways for frames of a file; unless one was given, only that they were drawn on.

    A note says how frames fare by one that they were not drawn on: `done`, "rendered with" say.
    """
    from lard.errors import naming
    from lard.labels.judging import labelling_database

    source = click.get_current_context().get_parameter_source("runways")
    asked = None if source is ParameterSource.DEFAULT else runways
    with naming(path, runways):
        database, note = labelling_database(frames, asked, done)
    if note:
        click.echo(f"note: {note}", err=True)
    return database


def workers_option(default: str, *names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The option --workers, by other names too; its text goes to lard.workers.workers_of as it is."""
    return click.option(
        "--workers",
        *names,
        "workers",
        metavar="N|ADDRESS|slurm:FILE",
        help="Processes of this machine, a Dask scheduler's address (tcp://...) or a profile of Slurm jobs "
        f"(docs/scale.md); never changes the result.  [default: {default}]",
    )


ALL_WORKERS = "LARD_WORKERS, else all"
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
airports_option = click.option("--airports", required=True, help="ICAO codes, separated by commas.")


def check_kept(out: Path, *inputs: Path | None) -> None:
    """A usage error where a command would write over what it reads."""
    for path in inputs:
        if path is not None and path.exists() and os.path.realpath(out) == os.path.realpath(path):
            raise click.UsageError(f"--out {out} is {path}, which is read; name another file")


def codes_of(text: str) -> list[str]:
    """ICAO codes of a comma-separated list."""
    return [code.strip() for code in text.split(",") if code.strip()]


def numbers_of(text: str) -> tuple[float, ...] | None:
    """Numbers written side by side with commas; None where one of them is none."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        return None


def frames_at(dataset: str) -> pl.DataFrame:
    """The frames table at a path, or in a data set's folder."""
    from lard.parts import is_parted
    from lard.tables import FRAMES, read_table

    path = Path(dataset)
    inside = path.is_dir() and not is_parted(path)
    return read_table(path / "frames.parquet" if inside else path, FRAMES)
