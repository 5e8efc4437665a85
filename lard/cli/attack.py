"""`lard attack`: how small a change of pixels makes a detector fail, and how scores fall with its size."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lard.cli.benchmark import DATA
from lard.cli.options import SEED, numbers_of, workers_option
from lard.cli.printing import print_table

if TYPE_CHECKING:
    from lard.robust.unit import Target

GOALS = ("vanish", "fabricate", "fabricate-random", "ap", "move")
MOST_SIZES = 20
SIZES = {"l2": "0.25,0.5,1,2", "linf": "0.001,0.002,0.004,0.008"}
LARGEST = {"l2": 1e4, "linf": 1.0}
RESTARTS = click.option(
    "--restarts", type=click.IntRange(1, 100), default=1, show_default=True,
    help="Starts at each size; all but the first are random.",
)  # fmt: skip
FEW_PICTURES = click.option(
    "--limit", type=click.IntRange(1), default=12, show_default=True,
    help="Pictures, evenly drawn from the split.",
)  # fmt: skip


def _sizes(context: click.Context, _: click.Parameter, text: str | None) -> tuple[float, ...]:
    """Sizes written side by side with commas, ascending, each once; without a text the norm's own."""
    norm = context.params.get("norm", "l2")
    text = SIZES[norm] if text is None else text
    found = tuple(sorted(set(numbers_of(text) or ())))
    largest = LARGEST[norm]
    if not 1 <= len(found) <= MOST_SIZES or not all(
        math.isfinite(one) and 0 < one <= largest for one in found
    ):
        raise click.BadParameter(
            f"{text!r}: expected up to {MOST_SIZES} numbers above 0 and at most {largest:g} with commas, in"
            " units of pixels in [0, 1]"
        )
    return found


def scores_of(_: click.Context, __: click.Parameter, text: str) -> tuple[float, ...]:
    """Scores written side by side with commas, in the order of the models; none of an empty text."""
    found = numbers_of(text) if text else ()
    if found is None or not all(0 < one < 1 for one in found):
        raise click.BadParameter(f"{text!r}: expected a number between 0 and 1 for each model, with commas")
    return found


@click.command()
@click.argument("model")
@DATA
@click.option("--split", default="test", show_default=True, help="Split whose pictures are attacked.")
@click.option(
    "--goal",
    "goals",
    type=click.Choice([*GOALS, "all"]),
    multiple=True,
    default=("vanish",),
    show_default=True,
    help="What the attacker wants; several may be given.",
)
@click.option(
    "--norm", type=click.Choice(list(LARGEST)), default="l2", show_default=True, is_eager=True,
    help="Of the whole picture, all channels, pixels in [0, 1].",
)  # fmt: skip
@click.option(
    "--eps", callback=_sizes, metavar="0.25,1",
    help=f"Sizes of the change [default: {SIZES['l2']} in l2, {SIZES['linf']} in linf].",
)  # fmt: skip
@click.option("--steps", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Of descent.")
@RESTARTS
@click.option(
    "--smallest-steps", type=click.IntRange(0, 10_000), default=20, show_default=True,
    help="Of the search for the smallest change; 0 leaves it out.",
)  # fmt: skip
@click.option("--seed", type=SEED, default=0, show_default=True)
@FEW_PICTURES
@click.option(
    "--point", "points", type=click.Path(dir_okay=False, path_type=Path), multiple=True,
    help="Score file with the operating point; once for each model, MODEL first.",
)  # fmt: skip
@click.option(
    "--score", "scores", default="", callback=scores_of, metavar="0.6,0.4",
    help="The score from which detections count, for each model, instead of --point [default: a shipped"
    " model's own].",
)  # fmt: skip
@click.option("--also", multiple=True, help="Another model, on the same plots; may be given several times.")
@click.option("--transfer", help="Model whose attacks are tried on the others, as one of the checks.")
@click.option(
    "--checks", type=click.IntRange(0), default=1, show_default=True,
    help="Pictures on which signs of masked gradients are sought.",
)  # fmt: skip
@click.option(
    "--queries", type=click.IntRange(0, 1_000_000), default=100, show_default=True,
    help="Of the search without gradients, one of the checks.",
)  # fmt: skip
@click.option("--gallery", type=click.IntRange(0), default=4, show_default=True, help="Pictures to show.")
@workers_option("1", "--processes")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to write."
)
def attack(
    model: str,
    datasets: tuple[Path, ...],
    split: str,
    goals: tuple[str, ...],
    norm: str,
    eps: tuple[float, ...],
    steps: int,
    restarts: int,
    smallest_steps: int,
    seed: int,
    limit: int,
    points: tuple[Path, ...],
    scores: tuple[float, ...],
    also: tuple[str, ...],
    transfer: str | None,
    checks: int,
    queries: int,
    gallery: int,
    workers: str | None,
    out: Path,
) -> None:
    """Attack MODEL, a checkpoint or the name of a shipped model, on pictures of a dataset.

    Writes attack.json, pictures.csv, curves.svg, gallery/ and the attacked detections (COCO results) below
    --out. Run it again after an interruption: it goes on where it was, and ends with the same bytes.
    docs/attacks.md tells the goals, and what the checks mean.

    \b
    Examples:
      lard attack fcos-s --also lip-fcos-s --data data/ortho --out attacks/ortho
      lard attack fcos-s --data data/ortho --goal all --eps 0.5,1 --limit 4 --out attacks/all
      lard attack mine.pt --point mine.score.json --data data/ortho --norm linf --eps 0.004,0.008 --out a
    """
    from lard.files import folder_lock, keep_others
    from lard.report.attack_plots import attack_curves_svg
    from lard.robust.campaign import DOCUMENT, FILES, JOURNAL, Extras, campaign, expected_cost
    from lard.robust.tally import subject_of
    from lard.robust.unit import AttackPlan

    if norm not in ("l2", "linf"):
        raise click.BadParameter(norm, param_hint="--norm")
    keep_others(out, FILES, JOURNAL, DOCUMENT)
    targets = targets_of((model, *also), points, scores)
    source = None if transfer is None else _source(transfer, targets[0].score)
    wanted = GOALS if "all" in goals else tuple(dict.fromkeys(goals))
    plan = AttackPlan("l2" if norm == "l2" else "linf", eps, steps, restarts, smallest_steps, queries, seed)
    subject = subject_of(datasets, split, limit)
    click.echo(f"attack: {expected_cost(plan, targets, wanted, subject)}", err=True)
    with folder_lock(out):
        extras = Extras(checks, gallery, source)
        report = campaign(plan, targets, wanted, subject, out, extras, workers or 1, draw=attack_curves_svg)
    _tell(report)


def targets_of(names: tuple[str, ...], points: tuple[Path, ...], scores: tuple[float, ...]) -> list[Target]:
    """The models under attack with their operating points; a usage error where these do not pair."""
    from lard.detect.cards import card_of, shipped
    from lard.detect.models import resolve
    from lard.errors import ModelError
    from lard.robust.unit import Target
    from lard.score.points import point_of

    if points and scores:
        raise click.UsageError("--point and --score both give operating points; keep one")
    stated: list[float | None] = [*map(point_of, points), *scores]
    if stated and len(stated) != len(names):
        raise click.UsageError(
            f"{len(stated)} operating points for {len(names)} models; give one for each, MODEL first"
        )
    found: list[Target] = []
    for name, score in zip(names, stated or [None] * len(names), strict=True):
        file = resolve(name)
        if file.suffix == ".onnx":
            raise ModelError(f"{name}: an ONNX file has no gradients; give the checkpoint it was made from")
        if score is None and name in shipped():
            score = card_of(name).score_threshold
        if score is None:
            raise click.UsageError(f"{name}: give its operating point, with --point SCOREFILE or --score")
        if not 0 < score < 1:
            raise ModelError(f"{name}: operating point {score:g}; expected a score between 0 and 1")
        label = name if name in shipped() else _name_in(file)
        taken = sum(one.name == label or one.name.startswith(f"{label}-#") for one in found)
        found.append(Target(f"{label}-#{taken + 1}" if taken else label, file, score))
    return found


def _source(name: str, score: float) -> Target:
    """The model whose attacks are tried on the others, at its own operating point if it states one."""
    from lard.detect.cards import card_of, shipped

    own = name in shipped() and card_of(name).score_threshold is not None
    return targets_of((name,), (), () if own else (score,))[0]


def _name_in(file: Path) -> str:
    from lard.detect.checkpoint import description_of

    return description_of(file).name


def _tell(report: dict[str, Any]) -> None:
    """A table of the curves, the smallest changes, and the warnings."""
    shown = ("AP50", "AP", "recall", "silent", "false_alarms_per_image", "reached")
    rows = []
    for name, model in report["models"].items():
        for goal, found in model["goals"].items():
            for row in found["curve"]:
                values = ["-" if row[key] is None else f"{row[key]:.3f}" for key in shown]
                rows.append([name, goal, f"{row['eps']:g}", *values])
            for line in found["warnings"]:
                click.echo(f"lard: {name}, {goal}: {line}", err=True)
    columns = ["model", "goal", "eps", "AP50", "AP", "recall", "silent", "false alarms", "reached"]
    sizes = ", ".join(f"{width} x {height} px" for width, height in report["picture_px"])
    title = f"{report['pictures']} pictures of {sizes}; {report['norm']}; pixels {report['pixels']}"
    print_table(title, columns, rows, set(columns[2:]))
    for name, model in report["models"].items():
        for goal, found in model["goals"].items():
            if "smallest" in found:
                click.echo(f"{name}, {goal}: {_smallest_line(found['smallest'])}")


def _smallest_line(found: dict[str, Any]) -> str:
    censored = f"{found['censored']} of {found['pictures']} not found up to {found['searched_to'] or 0:.3g}"
    if not found["pictures"]:
        return "no picture gives the attacker something to do"
    both = ["unknown" if found[key] is None else f"{found[key]:.3g}" for key in ("median", "median_held")]
    rest = f"{both[1]} without the {found['reached_without']} that need none"
    return f"median smallest change {both[0]}, {rest}; {censored}"
