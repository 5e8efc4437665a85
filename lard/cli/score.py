"""`lard score`: any COCO results against ground truth; needs no network and imports no torch."""

from __future__ import annotations

from pathlib import Path

import click

from lard.cli.benchmark import BUDGET, DATA, VALIDATION
from lard.cli.options import check_kept, runways_option

SHOWN = ("AP", "AP50", "AP75", "AR100")


@click.command()
@click.argument("results", type=click.Path(dir_okay=False, path_type=Path))
@DATA
@click.option("--split", default="test", show_default=True, help="Split the results are for.")
@VALIDATION
@BUDGET
@click.option(
    "--score",
    "threshold",
    type=click.FloatRange(0, 1),
    help="State the score from which detections count, instead of --val.",
)
@runways_option
@click.option(
    "--corner-sigma-px",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0.001, 1000),
    help="Standard deviation of corners that the integrity test takes for granted.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="JSON to write [default: RESULTS with .score.json]."
)
def score(
    results: Path,
    datasets: tuple[Path, ...],
    split: str,
    validation: Path | None,
    budget: float,
    threshold: float | None,
    runways: str,
    corner_sigma_px: float,
    out: Path | None,
) -> None:
    """Score any COCO results file: AP50:95, AP50, AP75, AR, whole and by slice.

    The JSON also holds intervals over airports and, from the operating point on, calibration, the runways
    mistaken for the target and the errors of the boxes. The point comes from --val or --score; without
    either it is chosen on the scored pictures themselves, and the report says so. With several datasets,
    image ids are those of `lard predict` on the same datasets.

    Where detections carry the four corners (keypoints) and --runways is the table of the labels, the errors
    of corners and poses and an integrity test follow; where pictures are sequences, what happens in time.

    \b
    Examples:
      lard score results/ortho/fcos-s.json --data data/ortho --val results/ortho/fcos-s.val.json
      lard score mine.json --data data/ortho --split val --out mine.score.json
    """
    from lard.files import keep_unlike
    from lard.score.integrity import Integrity
    from lard.score.points import chosen_on_validation, stated
    from lard.score.provenance import provenance
    from lard.score.scores import score as run
    from lard.score.truth import coco_paths

    if validation is not None and threshold is not None:
        raise click.UsageError("--val and --score both give the operating point; keep one")
    paths, tuned = coco_paths(datasets, split), coco_paths(datasets, "val")
    out = out or results.with_suffix(".score.json")
    check_kept(out, results, validation, *paths, *tuned)
    keep_unlike(out, "a score file", lambda found: isinstance(found, dict) and "overall" in found)
    choice = None if threshold is None else stated(threshold)
    if validation is not None:
        choice = chosen_on_validation(tuned, validation, budget)
    origin = provenance(paths, tuned_on=tuned if validation is not None else None)
    design = Integrity(corner_sigma_px)
    report = run(paths, results, out, results.stem, None, choice, origin, runways, design)
    zones = sorted(report["slices"].get("zone", {}).items())
    for title, row in [("all", report["overall"]), *zones]:
        values = "  ".join(f"{key} {_text(row[key])}" for key in SHOWN)
        click.echo(f"{title:>12}  {values}  ({row['images']} images, {row['boxes']} runways)")
    point = report["operating_point"]
    if point is None:
        click.echo("no operating point: no score satisfies its rule")
        return
    click.echo(
        f"operating point, {point['chosen_on']}: score {point['score']:g}, recall {_text(point['recall'])},"
        f" {point['false_alarms_per_image']:.3f} false alarms per image"
    )


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
