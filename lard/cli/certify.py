"""`lard certify`: what no perturbation of a stated size can hide."""

from __future__ import annotations

from pathlib import Path

import click

from lard.cli.benchmark import DATA


@click.command()
@click.argument("checkpoint", type=click.Path(dir_okay=False, path_type=Path))
@DATA
@click.option("--split", default="test", show_default=True, help="Split to certify on.")
@click.option(
    "--point",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Score file of the model; its operating point is the score from which a runway fires.",
)
@click.option("--score", "threshold", type=float, help="That score itself, instead of --point.")
@click.option("--eps", default="0.25,0.5,1,2", show_default=True, help="L2 radii, pixels in [0, 1].")
@click.option("--limit", type=click.IntRange(1), help="Only the first pictures of the split.")
def certify(
    checkpoint: Path,
    datasets: tuple[Path, ...],
    split: str,
    point: Path | None,
    threshold: float | None,
    eps: str,
    limit: int | None,
) -> None:
    """Certified recall of a Lipschitz CHECKPOINT: runways that no perturbation of a radius can hide.

    \b
    Examples:
      lard certify checkpoint.pt --data data/ortho --point results/ortho/lip-fcos-s.score.json
      lard certify checkpoint.pt --data data/ortho --score 0.5 --eps 0.1,0.5 --limit 50
    """
    import json

    from lard.detect.checkpoint import load_detector
    from lard.detect.data import read_pictures
    from lard.progress import track
    from lard.robust.certify import certificates
    from lard.score.points import point_of

    if (point is None) == (threshold is None):
        raise click.UsageError("give --point, a score file with the operating point, or --score")
    fires = threshold if point is None else point_of(point)
    assert fires is not None
    try:
        radii = [float(part) for part in eps.split(",")]
    except ValueError as error:
        raise click.BadParameter(
            f"{eps!r}: expected numbers separated by commas", param_hint="--eps"
        ) from error
    pictures = read_pictures(datasets, split)[:limit]
    found = certificates(load_detector(checkpoint), track(pictures, "certify", unit="images"), fires, radii)
    click.echo(json.dumps(found, indent=1, sort_keys=True))
