"""`lard privacy`: what training under differential privacy costs."""

from __future__ import annotations

import math
from pathlib import Path

import click

from lard.cli.benchmark import CONFIG, DATA, parameters
from lard.cli.options import numbers_of


@click.command()
@click.argument("model")
@DATA
@CONFIG
@click.option(
    "--epsilon", default="0.5,1,2,4,8,inf", show_default=True, help="Budgets; inf is training without noise."
)
@click.option("--delta", type=float, default=1e-5, show_default=True, help="Chance that a budget fails.")
@click.option(
    "--unit",
    "units",
    type=click.Choice(["frame", "airport"]),
    multiple=True,
    default=("frame", "airport"),
    show_default=True,
    help="What the layer must not tell of; several are studied side by side.",
)
@click.option("--split", default="train", show_default=True, help="Private frames.")
@click.option("--on", default="test", show_default=True, help="Frames that the layers are scored on.")
@click.option(
    "--frames", type=click.IntRange(1), default=800, show_default=True, help="Private frames at most."
)
@click.option(
    "--test-frames", type=click.IntRange(1), default=120, show_default=True, help="Scored frames at most."
)
@click.option("--steps", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Steps.")
@click.option(
    "--sample-rate", type=float, default=0.25, show_default=True, help="Chance of a unit to be in a step."
)
@click.option(
    "--rate", type=click.FloatRange(0, min_open=True), default=10, show_default=True, help="Learning rate."
)
@click.option(
    "--repeats", type=click.IntRange(1, 20), default=3, show_default=True, help="Trainings of each budget."
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for privacy.json and privacy.svg  [default: the table only].",
)
def privacy(
    model: str,
    datasets: tuple[Path, ...],
    config: Path | None,
    epsilon: str,
    delta: float,
    units: tuple[str, ...],
    split: str,
    on: str,
    frames: int,
    test_frames: int,
    steps: int,
    sample_rate: float,
    rate: float,
    repeats: int,
    seed: int,
    out: Path | None,
) -> None:
    """Average precision against epsilon when MODEL's last layer is trained under differential privacy.

    MODEL is a checkpoint or a shipped model, whose other layers stay as they are and count as public. Its
    last layer is trained anew on the private frames, by gradients whose norm is bounded without clipping,
    with Gaussian noise and an accountant (pip install 'lard[privacy]'). The learning rate and the steps are
    to be fixed beforehand: choosing them by their results costs privacy that is not counted here.

    \b
    Examples:
      lard privacy fcos-s --data data/ortho --out privacy
      lard privacy fcos-s --data data/ortho --epsilon 1,8 --unit frame --frames 200
      lard privacy models/own/checkpoint.pt --data data/own --epsilon 2,inf --delta 1e-6 --out privacy
    """
    from lard.assurance.privacy import Recipe
    from lard.assurance.private_study import Question, study
    from lard.detect.models import resolve
    from lard.report.privacy import DOCUMENT, FILES, study_lines, write_study

    epsilons = numbers_of(epsilon)
    if epsilons is None or any(math.isnan(value) for value in epsilons):
        raise click.BadParameter(f"{epsilon!r}: expected numbers separated by commas", param_hint="--epsilon")
    if out is not None:
        from lard.files import keep_others

        keep_others(out, FILES, DOCUMENT)
    question = Question(
        tuple(dict.fromkeys(epsilons)), tuple(dict.fromkeys(units)), split, on, frames, test_frames,
        repeats=repeats, seed=seed,
    )  # fmt: skip
    recipe = Recipe(delta, steps, sample_rate, rate)
    report = study(resolve(model), datasets, question, recipe, parameters(config).predict)
    if report["features_learnt_from"]:
        told = ", ".join(report["features_learnt_from"])
        click.echo(f"lard: the frozen layers learnt from {told}: epsilon is the last layer's", err=True)
    if out is not None:
        write_study(report, out)
    click.echo("\n".join(study_lines(report)))
