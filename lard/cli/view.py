"""`lard view`: a dataset in 3-D and on a time line, in the Rerun viewer."""

from __future__ import annotations

from pathlib import Path

import click

from lard.cli.options import runways_option


@click.command()
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option(
    "--results",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="COCO results on a split of DATASET, named after the model; repeatable.",
)
@click.option(
    "--score",
    type=click.FloatRange(0, 1),
    help="Score from which detections are shown.  [default: that of the score file beside the results]",
)
@click.option(
    "--odd", type=click.Path(dir_okay=False, path_type=Path), help="Spec.  [default: the dataset's own]"
)
@runways_option
@click.option("--limit", type=click.IntRange(1), help="Show the first frames alone.")
@click.option(
    "--save",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a recording (.rrd) instead of opening the viewer.",
)
def view(
    dataset: Path,
    results: tuple[Path, ...],
    score: float | None,
    odd: Path | None,
    runways: str,
    limit: int | None,
    save: Path | None,
) -> None:
    """Show DATASET in 3-D: runways, zones, paths, cameras with their pictures, labels and detections.

    Needs the extra view (pip install 'lard[view]'). The time line `frame` goes through frames, `flight` plays
    sequences as films. A recording opens with `rerun FILE.rrd` on any machine that has the viewer.

    \b
    Examples:
      lard view data/ortho
      lard view data/ortho --results results/ortho/fcos-s.json --save ortho.rrd
      lard view data/sequences --save flights.rrd
    """
    from lard.errors import DataError, naming
    from lard.report.live import rerun
    from lard.report.live import view as run

    if save is not None and save.suffix != ".rrd":
        raise DataError(f"--save {save}: recordings end in .rrd")
    rerun()  # whether the extra is here: no fault of a file
    with naming(dataset / "frames.parquet", dataset, *results):
        shown = run(dataset, save=save, results=results, score=score, odd=odd, runways=runways, limit=limit)
    for note in shown.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(f"{shown.frames} frames of {shown.airports} airports in {save or 'the viewer'}")
