"""`lard dqr`: run, list and explain the data quality requirements."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from lard.cli.options import TERRAIN, runways_option

if TYPE_CHECKING:
    from lard.quality import Odd
    from lard.quality.dataset import Dataset


@click.group()
def dqr() -> None:
    """Data quality requirements and the ODD compliance report.

    \b
    Examples:
      lard dqr run data/ortho --odd odd_specs/lard_v2.yaml --out reports/dqr
      lard dqr list
      lard dqr explain A01
    """


def _workers(_: click.Context, __: click.Parameter, text: str) -> int | str:
    """A number of threads, or what names workers elsewhere."""
    if "://" in text or text.startswith("slurm:"):
        return text
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= 10_000):
        raise click.BadParameter(f"{text!r}: expected a positive number, tcp://... or slurm:PROFILE.yaml")
    return int(text)


@dqr.command()
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option(
    "--odd",
    type=click.Path(path_type=Path),
    help="ODD spec that the dataset must cover: a file, or a shipped one by name.  "
    "[default: the one the dataset names]",
)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder for the results."
)
@click.option("--only", multiple=True, metavar="ID", help="Run only this requirement; may be repeated.")
@click.option("--waivers", type=click.Path(path_type=Path), help="Accepted findings (YAML).")
@runways_option
@click.option(
    "--reference", type=click.Path(path_type=Path, exists=True), help="OurAirports runways.csv for A06."
)
@click.option(
    "--terrain",
    type=TERRAIN,
    multiple=True,
    help="Terrain raster or folder of rasters for A05; repeatable.",
)
@click.option(
    "--export",
    "exports",
    type=click.Path(path_type=Path, exists=True),
    multiple=True,
    help="A file or folder exported from DATASET, to compare with it (T03); repeatable.",
)
@click.option(
    "--workers",
    default="2",
    show_default=True,
    metavar="N|ADDRESS|slurm:FILE",
    callback=_workers,
    help="Threads for pictures, a Dask scheduler's address or a profile of Slurm jobs (docs/scale.md).",
)
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning"]),
    default="warning",
    show_default=True,
    help="Least severity of a failure, or of missing evidence, that makes the exit code 1.",
)
def run(
    dataset: Path,
    odd: Path | None,
    out: Path,
    only: tuple[str, ...],
    waivers: Path | None,
    runways: str,
    reference: Path | None,
    terrain: tuple[Path, ...],
    exports: tuple[Path, ...],
    workers: int | str,
    fail_on: str,
) -> None:
    """Judge DATASET: a dataset folder, a LARD V1 or V2 folder, or COCO annotations.

    Writes findings.parquet, summary.json, junit.xml and compliance.html into --out. Exit code 0: all
    requirements pass, are waived or do not apply; 1: some fail or lack evidence, or nothing could be judged;
    2: it could not be run.

    \b
    Examples:
      lard dqr run data/ortho --odd odd_specs/lard_v2.yaml --out reports/dqr
      lard dqr run data/ortho --odd odd_specs/lard_v2.yaml --export out/yolo --out reports/dqr
      lard dqr run annotations.json --out dqr --only U01 --only I04
      lard dqr run LARD_V2/ --odd odd_specs/lard_v2.yaml --waivers waivers.yaml --out dqr
    """
    from lard.airports.files import open_database
    from lard.errors import DataError
    from lard.files import keep_others
    from lard.quality import (
        find_check,
        load_dataset,
        read_waivers,
        run_checks,
        verdict,
    )
    from lard.quality.facing import RENAMED
    from lard.quality.measures.terrain import refuse_shipped
    from lard.quality.model import FAIL, INCONCLUSIVE
    from lard.quality.outputs import scope
    from lard.report import write_compliance

    if os.path.realpath(out) == os.path.realpath(dataset):
        raise DataError(f"--out {out}: is the dataset; name a folder beside it")
    keep_others(
        out,
        ("findings.parquet", "summary.json", "junit.xml", "compliance.html"),
        "summary.json",
        keys=("verdict", "checks"),
    )
    for name in only:
        find_check(name)
    refuse_shipped(terrain)
    given = read_waivers(waivers) if waivers else ()
    data = load_dataset(dataset)
    data.odd = _domain(data, odd, only)
    data.database = open_database(runways)
    _tell_of_runways(data)
    data.reference_runways, data.terrain, data.workers = reference, terrain, workers
    data.exports = (*data.exports, *exports)
    data.cache = out.parent / f".{out.name}.pictures"
    result = run_checks(data, only, given)
    write_compliance(result, out, out / "compliance.html")
    for r in result.results:
        if r.status in (FAIL, INCONCLUSIVE):
            remedy = f"; to decide it: {r.outcome.remedy}" if r.outcome.remedy else ""
            click.echo(f"{r.id} {r.status} ({r.severity}): {r.check.title}: {r.outcome.message}{remedy}")
    if data.meta.get(RENAMED):
        click.echo(
            f"note: {data.meta[RENAMED]} rows of frames and labels are named after the opposite direction; "
            "judged by the runway end they face"
        )
    if scope(result):
        click.echo(scope(result))
    click.echo(f"{verdict(result)}: {out / 'compliance.html'}")
    sys.exit(0 if result.accepted(("error", "warning") if fail_on == "warning" else ("error",)) else 1)


def _domain(data: Dataset, odd: Path | None, only: tuple[str, ...]) -> Odd | None:
    """The domain asked for, else the one that a dataset names; DataError when it is needed and not found."""
    from lard.errors import DataError
    from lard.labels.judging import dataset_spec
    from lard.odd import load_spec
    from lard.quality import Odd, all_checks, find_check

    if odd is not None:
        return Odd.from_spec(load_spec(odd), odd.name)
    if data.kind != "lard":
        return None
    try:
        found = dataset_spec(data.frames, data.meta)
    except DataError:
        if any("odd" in check.needs for check in (map(find_check, only) if only else all_checks())):
            raise
        return None  # what is run asks for no domain
    return Odd.from_spec(*found) if found else None


def _tell_of_runways(data: Dataset) -> None:
    """Say when labels were computed from other runways than those that nobody asked for."""
    from lard.airports.provenance import is_named

    source = click.get_current_context().get_parameter_source("runways")
    made_from = (data.meta.get("runway_db"), data.meta.get("runway_db_version"))
    assert data.database is not None
    known = (data.database.name, data.database.version)
    other = all(made_from) and not is_named(data.database, *map(str, made_from))
    if data.kind == "lard" and other and source is ParameterSource.DEFAULT:
        text = f"labels were computed from the runways {made_from[0]} {made_from[1]}"
        click.echo(f"note: {text}, judged by {' '.join(known)}; name theirs with --runways", err=True)


@dqr.command(name="list")
def list_() -> None:
    """List all requirements.

    \b
    Examples:
      lard dqr list
    """
    from lard.quality import all_checks

    for item in all_checks():
        click.echo(f"{item.id}  {item.severity:<8} {item.objective:<18} {item.title}")


@dqr.command()
@click.argument("id")
def explain(id: str) -> None:
    """Say what requirement ID asks, why, how it is judged and by which thresholds.

    \b
    Examples:
      lard dqr explain DQR-A01
      lard dqr explain c02
    """
    from lard.quality import find_check
    from lard.quality.dataset import PARTS
    from lard.quality.registry import OBJECTIVES

    item = find_check(id)
    click.echo(f"{item.id}: {item.title}\n")
    click.echo(f"why        {item.rationale}")
    click.echo(f"how        {item.method}")
    click.echo(f"objective  {item.objective}: {OBJECTIVES[item.objective]}")
    click.echo(f"severity   {item.severity}")
    click.echo(f"needs      {', '.join(PARTS[name] for name in item.needs) or 'nothing'}")
    for name, value in item.thresholds.items():
        click.echo(f"threshold  {name} = {value}")
    if item.thresholds:
        values = ", ".join(f"{name}: {value}" for name, value in item.thresholds.items())
        click.echo(f"in a spec  dqr: {{{item.id.removeprefix('DQR-')}: {{{values}}}}}")
