"""`lard explore`: pages to walk through a dataset, in one folder that opens without network or server."""

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
    help="Score from which detections count at first.  [default: that of the score file beside the results]",
)
@click.option(
    "--findings",
    type=click.Path(dir_okay=False, path_type=Path),
    help="findings.parquet of `lard dqr run`.",
)
@click.option(
    "--table",
    "tables",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Any .csv with a column frame_id, shown and filtered by; repeatable.",
)
@click.option(
    "--explained",
    multiple=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of `lard explain` on a split of DATASET, whose heat maps are shown; repeatable.",
)
@runways_option
@click.option("--copy-images", is_flag=True, help="Copy the pictures into --out, so that it can be moved.")
@click.option("--workers", type=click.IntRange(1), help="Threads.  [default: LARD_WORKERS, else all]")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder to write; open its index.html."
)
def explore(
    dataset: Path,
    results: tuple[Path, ...],
    score: float | None,
    findings: Path | None,
    tables: tuple[Path, ...],
    explained: tuple[Path, ...],
    runways: str,
    copy_images: bool,
    workers: int | None,
    out: Path,
) -> None:
    """Write pages to walk through DATASET, a labelled dataset folder, and open in any browser.

    Frames by airport, zone, weather, distance, finding and detection; each with its labels, horizon,
    detections, provenance and neighbours in approach space; a map of approaches; marks that become a list of
    frames or a waivers file. The pages show the pictures where DATASET has them: move both together, or
    --copy-images.

    \b
    Examples:
      lard explore data/ortho --out reports/explorer
      lard explore data/ortho --results results/ortho/fcos-s.json --findings reports/dqr/findings.parquet \\
          --explained explain/ortho --out reports/explorer
    """
    from lard.errors import naming
    from lard.report.explorer import write_explorer
    from lard.workers import default_workers

    with naming(
        dataset / "frames.parquet", dataset, *results, *tables, *explained, *filter(None, [findings])
    ):
        written = write_explorer(
            dataset,
            out,
            results=results,
            findings=findings,
            tables=tables,
            explained=explained,
            score=score,
            runways=runways,
            copy_images=copy_images,
            workers=workers or int(default_workers()),
        )
    for note in written.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(f"{written.frames} frames in {out / 'index.html'}")
