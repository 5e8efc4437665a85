"""`lard conform`: boxes grown to hold the runway with a stated chance."""

from __future__ import annotations

from pathlib import Path

import click

from lard.cli.benchmark import BUDGET, DATA


@click.command()
@click.argument("calibration", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("results", type=click.Path(dir_okay=False, path_type=Path))
@DATA
@click.option(
    "--alpha", default=0.1, show_default=True, help="Accepted share of boxes that miss part of the runway."
)
@click.option(
    "--score",
    "threshold",
    type=click.FloatRange(0, 1),
    help="Least score of a detection  [default: the operating point of CALIBRATION].",
)
@BUDGET
@click.option("--method", type=click.Choice(["additive", "multiplicative"]), default="multiplicative")
def conform(
    calibration: Path,
    results: Path,
    datasets: tuple[Path, ...],
    alpha: float,
    threshold: float | None,
    budget: float,
    method: str,
) -> None:
    """Conformal margins from CALIBRATION (results on val), and their coverage on RESULTS (on test).

    \b
    Examples:
      lard conform val.json results/ortho/fcos-s.json --data data/ortho --alpha 0.1
    """
    import json

    from lard.errors import naming
    from lard.robust.conform import calibrate, coverage, matched_pairs
    from lard.score.points import chosen_threshold
    from lard.score.submitted import read_results
    from lard.score.truth import coco_paths, read_truth

    if threshold is None:
        threshold = chosen_threshold(coco_paths(datasets, "val"), calibration, budget)
    pairs = []
    for path, split in ((calibration, "val"), (results, "test")):
        truth = read_truth(coco_paths(datasets, split))
        pairs.append(matched_pairs(truth, read_results(path, truth).rows, threshold))
    with naming(calibration):
        margins = calibrate(*pairs[0], alpha, "additive" if method == "additive" else "multiplicative")
    found = {
        "method": method,
        "score": threshold,
        "margin": float(margins.sides[0]),
        "calibration_pairs": margins.pairs,
    }
    click.echo(json.dumps(found | {"test": coverage(margins, *pairs[1])}, indent=1, sort_keys=True))
