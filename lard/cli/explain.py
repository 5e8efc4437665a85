"""`lard explain`: where a detector looks, what its decision rests on and what would turn it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lard.cli.attack import scores_of, targets_of
from lard.cli.benchmark import DATA
from lard.cli.options import SEED, workers_option
from lard.cli.printing import print_table

METHODS = ("gradient", "smoothgrad", "integrated", "occlusion", "hsic", "sobol", "radius")
USUAL = tuple(name for name in METHODS if name != "sobol")  # which costs more than all others together
SHOWN = ("hit", "inside", "lift", "deletion", "insertion", "stability", "attack_likeness")


def _methods(_: click.Context, __: click.Parameter, text: str) -> tuple[str, ...]:
    """Names side by side with commas, each once."""
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    odd = [name for name in names if name not in METHODS]
    if odd or not names:
        raise click.BadParameter(f"{text!r}: expected some of {', '.join(METHODS)}, with commas")
    return names


@click.command()
@click.argument("model")
@DATA
@click.option("--split", default="test", show_default=True, help="Split whose runways are explained.")
@click.option(
    "--n", "most", type=click.IntRange(1), default=30, show_default=True,
    help="Pictures, as many of each zone, spread over its airports; one runway of each.",
)  # fmt: skip
@click.option(
    "--methods", callback=_methods, default=",".join(USUAL), show_default=True,
    help="Maps to make, of these and sobol, which costs more than all others; radius is for Lipschitz"
    " models, and left out for a plain one beside them.",
)  # fmt: skip
@click.option("--also", multiple=True, help="Another model, on the same runways; may be given several times.")
@click.option(
    "--point", "points", type=click.Path(dir_okay=False, path_type=Path), multiple=True,
    help="Score file with the operating point; once for each model, MODEL first.",
)  # fmt: skip
@click.option(
    "--score", "scores", default="", callback=scores_of, metavar="0.6,0.4",
    help="The score from which a runway fires, for each model, instead of --point [default: a shipped"
    " model's own].",
)  # fmt: skip
@click.option(
    "--farthest", type=click.IntRange(16), metavar="PX",
    help="Look no farther than this around a plain model's locations, which is quicker and no longer exact:"
    " `largest_cut_off` tells by how much [default: as far as the network does].",
)  # fmt: skip
@click.option("--noisy", type=click.IntRange(1, 1000), default=6, show_default=True, help="Of SmoothGrad.")
@click.option("--steps", type=click.IntRange(1, 1000), default=8, show_default=True, help="Of the integral.")
@click.option("--grid", type=click.IntRange(2, 32), default=6, show_default=True,
              help="Parts a side that occlusion, HSIC and Sobol indices cover.")  # fmt: skip
@click.option("--masks", type=click.IntRange(4, 100_000), default=48, show_default=True, help="Of HSIC.")
@click.option(
    "--designs", type=click.IntRange(2, 4096), default=4, show_default=True,
    help="Of Sobol indices; each costs a picture for every part of the grid, and one.",
)  # fmt: skip
@click.option("--seed", type=SEED, default=0, show_default=True)
@click.option("--gallery", type=click.IntRange(0), default=9, show_default=True, help="Runways to draw.")
@workers_option("1", "--processes")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to write."
)
def explain(
    model: str,
    datasets: tuple[Path, ...],
    split: str,
    most: int,
    methods: tuple[str, ...],
    also: tuple[str, ...],
    points: tuple[Path, ...],
    scores: tuple[float, ...],
    farthest: int | None,
    noisy: int,
    steps: int,
    grid: int,
    masks: int,
    designs: int,
    seed: int,
    gallery: int,
    workers: str | None,
    out: Path,
) -> None:
    """Explain MODEL, a checkpoint or the name of a shipped model, on runways of a dataset.

    Writes explain.json (every number with its interval over airports), explain.csv (a row for each runway and
    method) and gallery/ (heat maps and counterfactuals) below --out. Run it again after an interruption: it
    goes on where it was, and ends with the same bytes. docs/explain.md defines the methods and numbers.

    \b
    Examples:
      lard explain lip-fcos-s --also fcos-s --data data/ortho --n 30 --out explain/ortho
      lard explain fcos-s --data data/ortho --methods gradient,occlusion --n 9 --out explain/quick
      lard explain mine.pt --point mine.score.json --data data/ortho --out explain/mine
    """
    from lard.assurance.explained import DOCUMENT, FILES, JOURNAL, campaign, subject_of
    from lard.assurance.methods import MapPlan
    from lard.assurance.saliency import ExplainPlan
    from lard.errors import ModelError
    from lard.files import folder_lock, keep_others
    from lard.robust.unit import opened

    keep_others(out, FILES, JOURNAL, DOCUMENT)
    targets = targets_of((model, *also), points, scores)
    named = (
        click.get_current_context().get_parameter_source("methods") is click.core.ParameterSource.COMMANDLINE
    )
    plain = [one.name for one in targets if opened(one.file).bound is None]
    if named and "radius" in methods and len(plain) == len(targets):
        raise ModelError(
            f"{plain[0]}: has no Lipschitz constant, which method radius needs; use a lip-fcos model"
        )
    maps = MapPlan(noisy=noisy, steps=steps, grid=grid, masks=masks, designs=designs)
    plan = ExplainPlan(methods, maps, seed, farthest)
    subject = subject_of(datasets, split, most, seed)
    with folder_lock(out):
        document = campaign(plan, targets, subject, out, gallery, workers or 1)
    _tell(document)


def _tell(document: dict[str, Any]) -> None:
    """A table of the methods' means, and a line on the counterfactuals of each model."""
    rows = []
    for name, model in document["models"].items():
        for method, found in model["methods"].items():
            values = [found[key]["value"] for key in SHOWN]
            rows.append([name, method, *("-" if one is None else f"{one:.3f}" for one in values)])
    columns = ["model", "method", *(key.replace("_", " ") for key in SHOWN)]
    zones = ", ".join(f"{count} {zone}" for zone, count in document["by_zone"].items())
    print_table(f"{document['pictures']} runways ({zones})", columns, rows, set(columns[2:]))
    for name, model in document["models"].items():
        for kind, found in model["counterfactuals"].items():
            if found["runways"]:
                click.echo(f"{name}, {kind}: {_turned_line(found)}")


def _turned_line(found: dict[str, Any]) -> str:
    if not found["found"]:
        return f"no counterfactual found of {found['runways']}"
    line = f"{found['found']} of {found['runways']} found, median norm {found['median_norm']:.3g}"
    if found["median_ratio"] is None:
        return line
    return f"{line}, {found['median_ratio']:.3g} times the certificate (least {found['least_ratio']:.3g})"
