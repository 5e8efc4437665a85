"""`lard certify`: what no perturbation of a stated size can hide or invent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lard.cli.benchmark import BUDGET, CONFIG, DATA, VALIDATION, parameters
from lard.cli.options import numbers_of, workers_option

if TYPE_CHECKING:
    from lard.detect.config import PredictSpec
    from lard.robust.subject import Point

CELLS, DOCUMENT, TABLE, FIGURES = "cells", "certificates.json", "runways.csv", "certificates.svg"


@click.command()
@click.argument("model")
@DATA
@click.option("--split", default="test", show_default=True, help="Split to certify on.")
@click.option(
    "--point",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Score file of the model; its operating point is the score from which a runway fires"
    " [default: that of a shipped model's card].",
)
@VALIDATION
@BUDGET
@click.option("--score", "threshold", type=float, help="That score itself, instead of --point or --val.")
@click.option(
    "--eps",
    default="0.05,0.1,0.25,0.5,1,2",
    show_default=True,
    help="L2 norms of perturbations of whole pictures, pixels in [0, 1].",
)
@click.option(
    "--limit", type=click.IntRange(1), help="At most so many pictures, evenly drawn from the split."
)
@click.option(
    "--without",
    type=click.Path(file_okay=False, path_type=Path),
    multiple=True,
    help="Dataset folder with the same frames without runways (lard ground --no-runways), once for each"
    " --data: erasure energies are exact then.",
)
@CONFIG
@workers_option("1; others need --out")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for certificates.json with curves, runways.csv, certificates.svg and the cells of each"
    " picture, from which an interrupted run goes on.",
)
def certify(
    model: str,
    datasets: tuple[Path, ...],
    split: str,
    point: Path | None,
    validation: Path | None,
    budget: float,
    threshold: float | None,
    eps: str,
    limit: int | None,
    without: tuple[Path, ...],
    config: Path | None,
    workers: str | None,
    out: Path | None,
) -> None:
    """Certificates of a Lipschitz MODEL: what no perturbation of a norm can hide or invent.

    MODEL is a checkpoint of lard train or the name of a shipped model. Firing is certified, boxes are not.
    The score from which a runway fires is never chosen on the pictures certified: it comes from a score file
    (--point), from results on the validation split (--val) or is stated (--score).

    \b
    Examples:
      lard certify lip-fcos-m-robust --data data/ortho --out certificates/lip-fcos-m-robust
      lard certify checkpoint.pt --data data/ortho --point results/ortho/lip-fcos-s.score.json
      lard certify checkpoint.pt --data data/ortho --val results/ortho/lip-fcos-s.val.json --false-alarms 1
      lard certify checkpoint.pt --data data/ortho --score 0.5 --eps 0.1,0.5 --limit 50
      lard certify lip-fcos-s --data data/ortho --without data/ortho_without --out certificates/exact
    """
    import json

    from lard.detect.models import resolve
    from lard.files import below, keep_others
    from lard.progress import track
    from lard.robust.certified import certified

    wanted = _radii(eps)
    if workers not in (None, "1") and out is None:
        raise click.UsageError("--workers needs --out, the folder where workers put what they read")
    if out:
        keep_others(out, (DOCUMENT, TABLE, FIGURES, CELLS), DOCUMENT, CELLS, keys=("curves",))
    plan = parameters(config).predict
    chosen = _point(model, datasets, split, point, validation, budget, threshold, plan)
    found = certified(
        resolve(model),
        datasets,
        split,
        chosen,
        wanted,
        plan,
        limit=limit,
        without=without or None,
        cells=below(out, f"{CELLS}/1.npz").parent if out else None,
        watch=lambda pictures: track(pictures, "certify", unit="images"),
        workers=workers or 1,
    )
    if out:
        from lard.report.certificates import write_certified
        from lard.tables import staged

        with staged(out) as made:
            write_certified(found, chosen, made)
    shown = {key: value for key, value in found.document.items() if key != "curves"}
    click.echo(json.dumps(shown, indent=1, sort_keys=True))


def _point(
    model: str,
    datasets: tuple[Path, ...],
    split: str,
    point: Path | None,
    validation: Path | None,
    budget: float,
    threshold: float | None,
    plan: PredictSpec,
) -> Point:
    """The score from which runways fire, from the one place it was asked from."""
    from lard.detect.cards import card_of, shipped
    from lard.errors import DataError
    from lard.robust.subject import Point
    from lard.score.points import chosen_threshold, model_of, origin_of, point_of
    from lard.score.truth import coco_paths

    if sum(given is not None for given in (point, validation, threshold)) > 1:
        raise click.UsageError("--point, --val and --score each give the operating point; keep one")
    if threshold is not None:
        return Point(threshold, "stated")
    if validation is not None:
        if split == "val":
            raise click.UsageError(
                "--val would choose the score on the pictures certified; certify another split"
            )
        score = chosen_threshold(coco_paths(datasets, "val"), validation, budget)
        _check_own(model, datasets, validation, plan)
        chosen_on = f"validation ({validation.name}), at most {budget:g} false alarms per picture"
        return Point(score, chosen_on)
    if point is not None:
        score, origin = point_of(point), origin_of(point)
        if origin == "scored pictures" or (origin == "validation" and split == "val"):
            raise DataError(
                f"{point}: operating_point was chosen on the pictures scored; score the results with --val"
            )
        if (named := model_of(point)) is not None and named not in (model, _own_name(model)):
            raise DataError(
                f"{point}: model: {named!r}: the operating point of another model than {_own_name(model)!r};"
                " give this one's score file, or state the score with --score"
            )
        return Point(score, f"{origin} ({point.name})")
    stated = card_of(model).score_threshold if model in shipped() else None
    if stated is None:
        raise click.UsageError(
            "give --point, a score file with the operating point, --val, results on validation, or --score"
        )
    return Point(stated, "validation airports of the shipped model's card")


def _own_name(model: str) -> str:
    """The name of a shipped model, or what a checkpoint says."""
    from lard.detect.cards import shipped
    from lard.detect.checkpoint import description_of
    from lard.detect.models import resolve

    return model if model in shipped() else description_of(resolve(model)).name


def _check_own(model: str, datasets: tuple[Path, ...], validation: Path, plan: PredictSpec) -> None:
    """DataError where validation results are those of another model."""
    from lard.detect.checkpoint import load_detector
    from lard.detect.models import resolve
    from lard.robust.belonging import check_belongs
    from lard.score.submitted import read_results
    from lard.score.truth import coco_paths, read_truth

    truth = read_truth(coco_paths(datasets, "val"))
    rows = read_results(validation, truth).rows
    check_belongs(load_detector(resolve(model)), datasets, "val", truth, rows, plan, validation)


def _radii(text: str) -> list[float]:
    """Numbers between commas."""
    found = numbers_of(text)
    if found is None:
        raise click.BadParameter(f"{text!r}: expected numbers separated by commas", param_hint="--eps")
    return list(found)
