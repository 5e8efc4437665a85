"""`lard score`: any COCO results against ground truth; needs no network and imports no torch."""

from __future__ import annotations

from pathlib import Path

import click

from lard.cli.benchmark import DATA

SHOWN = ("AP", "AP50", "AP75", "AR100")


@click.command()
@click.argument("results", type=click.Path(dir_okay=False, path_type=Path))
@DATA
@click.option("--split", default="test", show_default=True, help="Split the results are for.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="JSON to write [default: RESULTS with .score.json]."
)
def score(results: Path, datasets: tuple[Path, ...], split: str, out: Path | None) -> None:
    """Score any COCO results file: AP50:95, AP50, AP75, AR, whole and by slice.

    The JSON also holds intervals over airports, calibration, the runways mistaken for the target and the
    errors of the boxes. With several datasets, image ids are those of `lard predict` on the same datasets.

    \b
    Examples:
      lard score results/ortho/fcos-s.json --data data/ortho
      lard score mine.json --data data/ortho --split val --out mine.score.json
    """
    from lard.score.scores import score as run
    from lard.score.truth import coco_paths

    out = out or results.with_suffix(".score.json")
    report = run(coco_paths(datasets, split), results, out, results.stem)
    zones = sorted(report["slices"].get("zone", {}).items())
    for title, row in [("all", report["overall"]), *zones]:
        values = "  ".join(f"{key} {'-' if row[key] is None else format(row[key], '.3f')}" for key in SHOWN)
        click.echo(f"{title:>12}  {values}  ({row['images']} images, {row['boxes']} runways)")
