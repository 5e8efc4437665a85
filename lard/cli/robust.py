"""`lard certify` and `lard conform`: what is certain about detections."""

from __future__ import annotations

from pathlib import Path

import click

from lard.cli.benchmark import DATA


@click.command()
@click.argument("checkpoint", type=click.Path(dir_okay=False, path_type=Path))
@DATA
@click.option("--split", default="test", show_default=True, help="Split to certify on.")
@click.option("--score", "threshold", default=0.3, show_default=True, help="A runway fires above this score.")
@click.option("--eps", default="0.25,0.5,1,2", show_default=True, help="L2 radii, pixels in [0, 1].")
@click.option("--limit", type=click.IntRange(1), help="Only the first pictures of the split.")
def certify(
    checkpoint: Path, datasets: tuple[Path, ...], split: str, threshold: float, eps: str, limit: int | None
) -> None:
    """Certified recall of a Lipschitz CHECKPOINT: runways that no perturbation of a radius can hide.

    \b
    Examples:
      lard certify models/ortho/lip-fcos-s/checkpoint.pt --data data/ortho
      lard certify models/ortho/lip-fcos-s/checkpoint.pt --data data/ortho --eps 0.1,0.5 --limit 50
    """
    import json

    from lard.detect.checkpoint import load_detector
    from lard.detect.data import read_pictures
    from lard.progress import track
    from lard.robust.certify import certificates

    try:
        radii = [float(part) for part in eps.split(",")]
    except ValueError as error:
        raise click.BadParameter(
            f"{eps!r}: expected numbers separated by commas", param_hint="--eps"
        ) from error
    pictures = read_pictures(datasets, split)[:limit]
    found = certificates(
        load_detector(checkpoint), track(pictures, "certify", unit="images"), threshold, radii
    )
    click.echo(json.dumps(found, indent=1, sort_keys=True))


@click.command()
@click.argument("calibration", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("results", type=click.Path(dir_okay=False, path_type=Path))
@DATA
@click.option(
    "--alpha", default=0.1, show_default=True, help="Accepted share of boxes that miss part of the runway."
)
@click.option("--score", "threshold", default=0.3, show_default=True, help="Least score of a detection.")
@click.option("--method", type=click.Choice(["additive", "multiplicative"]), default="multiplicative")
def conform(
    calibration: Path, results: Path, datasets: tuple[Path, ...], alpha: float, threshold: float, method: str
) -> None:
    """Conformal margins from CALIBRATION (results on val), and their coverage on RESULTS (on test).

    \b
    Examples:
      lard conform val.json results/ortho/fcos-s.json --data data/ortho --alpha 0.1
    """
    import json

    from lard.errors import naming
    from lard.robust.conform import calibrate, coverage, matched_pairs
    from lard.score.scores import read_results
    from lard.score.truth import coco_paths, read_truth

    pairs = []
    for path, split in ((calibration, "val"), (results, "test")):
        truth = read_truth(coco_paths(datasets, split))
        pairs.append(matched_pairs(truth, read_results(path, truth), threshold))
    with naming(calibration):
        margins = calibrate(*pairs[0], alpha, "additive" if method == "additive" else "multiplicative")
    found = {"method": method, "margin": float(margins.sides[0]), "calibration_pairs": margins.pairs}
    click.echo(json.dumps(found | {"test": coverage(margins, *pairs[1])}, indent=1, sort_keys=True))
