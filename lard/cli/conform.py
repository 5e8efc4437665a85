"""`lard conform`: boxes grown to hold the runway, pictures without a lost runway, with a stated chance."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from lard.cli.benchmark import BUDGET, DATA, parameters
from lard.cli.options import numbers_of

if TYPE_CHECKING:
    from lard.robust.keeping import Certified
    from lard.robust.statement import Side


@click.command()
@click.argument("calibration", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("results", type=click.Path(dir_okay=False, path_type=Path))
@DATA
@click.option(
    "--alpha",
    type=float,
    help="Accepted chance of failure  [default: 0.1, or the least that the calibration airports allow].",
)
@click.option(
    "--unit",
    type=click.Choice(["airport", "runway"]),
    default="airport",
    show_default=True,
    help="What is exchangeable: airports, or (an assumption) runways wherever they are.",
)
@click.option(
    "--score",
    "threshold",
    type=click.FloatRange(0, 1),
    help="Least score of a detection, stated beforehand  [default: the operating point of CALIBRATION].",
)
@BUDGET
@click.option(
    "--method",
    type=click.Choice(["additive", "multiplicative"]),
    default="multiplicative",
    show_default=True,
    help="Margins in pixels, or as shares of the predicted width and height.",
)
@click.option(
    "--sides",
    type=click.Choice(["together", "each"]),
    default="together",
    show_default=True,
    help="One margin by the largest residual of a box, or one for each side at alpha / 4.",
)
@click.option(
    "--alpha-missed",
    type=float,
    help="Share of alpha for pictures whose runways are not found  [default: half of alpha].",
)
@click.option(
    "--by",
    type=click.Choice(["zone", "distance"]),
    help="Calibrate each zone, or range of distances, by itself.",
)
@click.option("--eps", help="L2 norms of perturbations, pixels in [0, 1], whole picture: with --model.")
@click.option("--model", help="The Lipschitz checkpoint, or name of a shipped model, of the results.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for conform.json, tables of runways, pictures and airports, and coverage.svg.",
)
def conform(
    calibration: Path,
    results: Path,
    datasets: tuple[Path, ...],
    alpha: float | None,
    unit: str,
    threshold: float | None,
    budget: float,
    method: str,
    sides: str,
    alpha_missed: float | None,
    by: str | None,
    eps: str | None,
    model: str | None,
    out: Path | None,
) -> None:
    """Margins and thresholds with guarantees from CALIBRATION (results on val), checked on RESULTS (on test).

    A guarantee is for a new airport, drawn as the calibration airports were: K of them support no alpha
    below 1 / (K + 1). Boxes: the grown box of a runway that is found holds it. Pictures: all of a picture's
    runways are found and held. Firing: a runway is found at all, with --eps under perturbations too. What
    the calibration pictures do not support is in `not_possible`, with the least alpha that they would.

    \b
    Examples:
      lard conform val.json results/ortho/fcos-s.json --data data/ortho
      lard conform val.json test.json --data data/ortho --alpha 0.1 --unit runway --out conform
      lard conform val.json test.json --data data/ortho --by zone --method additive --score 0.5
      lard conform val.json test.json --data data/ortho --model lip-fcos-m-robust --eps 0.1,0.25
    """
    from lard.robust.clusters import check_alpha
    from lard.robust.conform import DEFAULT_ALPHA, Claim
    from lard.robust.statement import check_differ, operating_score, read_side, state
    from lard.score.truth import coco_paths
    from lard.tables import json_text

    if (eps is None) != (model is None):
        raise click.UsageError("--eps and --model go together: a perturbation needs the model's constant")
    if alpha_missed is not None and threshold is not None:
        raise click.UsageError("--alpha-missed chooses the score that --score states; keep one")
    for name, value in (("--alpha", alpha), ("--alpha-missed", alpha_missed)):
        if value is not None:
            check_alpha(value, name)
    norms = _norms(eps)
    if out is not None:
        from lard.files import keep_others
        from lard.report.conform import DOCUMENT, FILES

        keep_others(out, FILES, DOCUMENT, keys=("alpha", "calibration"))
    check_differ(calibration, results)
    grouping = cast("Any", by)
    learnt = read_side(coco_paths(datasets, "val"), calibration, grouping)
    tested = read_side(coco_paths(datasets, "test"), results, grouping)
    score = operating_score(learnt, budget) if threshold is None else threshold
    certified = None if model is None else _certified(model, datasets, learnt, tested)
    claim = Claim(
        score, alpha, cast("Any", unit), cast("Any", method), cast("Any", sides), alpha_missed,
        threshold is not None, certified, norms,
    )  # fmt: skip
    found = state(learnt, tested, claim)
    if alpha is None and found.report["alpha"] > DEFAULT_ALPHA:
        count = found.report["calibration"]["airports_with_a_runway_found"]
        settled = f"{found.report['alpha']:.4g}, the least that {count} calibration airports allow"
        click.echo(f"lard: alpha {settled}", err=True)
    if found.report["airports_in_both"]:
        click.echo(f"lard: {found.report['assumes'][-1]}", err=True)
    if out is not None:
        from lard.report.conform import write_statement

        write_statement(found, out)
    click.echo(json_text(found.report), nl=False)


def _norms(text: str | None) -> tuple[float, ...]:
    """The norms of --eps, each finite and above 0."""
    import math

    norms = numbers_of(text) if text is not None else ()
    if norms is None or not all(0 < norm < math.inf for norm in norms):
        raise click.BadParameter(
            f"{text!r}: expected L2 norms above 0 separated by commas, pixels in [0, 1]", param_hint="--eps"
        )
    return norms


def _certified(model: str, datasets: tuple[Path, ...], learnt: Side, tested: Side) -> Certified:
    """Audited constant and temperature of the Lipschitz model of these results, new to their airports."""
    from lard.detect.checkpoint import load_detector
    from lard.detect.models import resolve
    from lard.errors import ModelError
    from lard.robust.belonging import check_belongs
    from lard.robust.keeping import Certified

    loaded = load_detector(resolve(model))
    if loaded.bound is None:
        raise ModelError(f"{model}: has no Lipschitz constant to certify with; use a lip-fcos model")
    trained = loaded.meta.get("airports", {}).get("train", ())
    if seen := sorted(set(trained) & set(learnt.found.airports.tolist())):
        raise ModelError(f"{model}: learnt from {', '.join(seen)}; calibrate on others")
    plan = parameters(None).predict
    for side, split in ((learnt, "val"), (tested, "test")):
        check_belongs(loaded, datasets, split, side.truth, side.rows, plan, side.results)
    return Certified(loaded.bound.constant, loaded.net.spec.temperature)
