"""`lard segment`: masks of runways instead of boxes, scored, certified and attacked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from lard.cli.attack import FEW_PICTURES, RESTARTS, scores_of
from lard.cli.benchmark import DATA
from lard.cli.options import SEED, numbers_of

CERTIFICATES, TABLE, FIGURE, PAGE, SEEN = (
    "certificates.json", "pictures.csv", "curves.svg", "segmentation.html", "seen",
)  # fmt: skip
ATTACK, JOURNAL = "attack.json", ".journal"

SPLIT = click.option("--split", default="test", show_default=True, help="Split of the pictures.")
SCORE = click.option(
    "--score", type=float, default=0.5, show_default=True, help="From which a pixel counts as runway."
)
LIMIT = click.option(
    "--limit", type=click.IntRange(1), help="At most so many pictures, evenly drawn from the split."
)
FOLDER = click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to write."
)


def _eps(_: click.Context, __: click.Parameter, text: str) -> tuple[float, ...]:
    """Numbers written side by side with commas; what norm they can be, the pictures decide."""
    found = numbers_of(text)
    if not found:
        raise click.BadParameter(f"{text!r}: expected numbers separated by commas")
    return tuple(sorted(set(found)))


@click.group()
def segment() -> None:
    """Masks of runways: what seg and lip-seg models of `lard train` see, pixel by pixel.

    \b
    Examples:
      lard train lip-seg-s --data data/ortho
      lard segment predict models/lip-seg-s/checkpoint.pt photos/ --out masks
      lard segment score models/seg-s/checkpoint.pt --data data/ortho
      lard segment certify models/lip-seg-s/checkpoint.pt --data data/ortho --out certificates/lip-seg-s
      lard segment attack models/lip-seg-s/checkpoint.pt --also models/seg-s/checkpoint.pt \\
        --data data/ortho --out attacks/masks
    """


@segment.command()
@click.argument("model", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path))
@SCORE
@FOLDER
def predict(model: Path, inputs: tuple[Path, ...], score: float, out: Path) -> None:
    """Write a mask of each picture of INPUTS, files and folders: white where MODEL sees a runway.

    Masks are NAME.SUFFIX.png below --out, of the size of the upright picture; masks.json tells of them all.
    Files that cannot be read are named at the end, with exit status 2.

    \b
    Examples:
      lard segment predict models/lip-seg-s/checkpoint.pt photo.jpg --out masks
      lard segment predict models/seg-s/checkpoint.pt photos/ --score 0.4 --out masks
    """
    from lard.segment.predict import write_masks

    document = write_masks(model, inputs, score, out)
    for row in document["failed"]:
        click.echo(f"lard: {row['file_name']}: {row['error']}", err=True)
    click.echo(f"{len(document['images'])} masks in {out}")
    if document["failed"]:
        raise click.exceptions.Exit(2)


@segment.command()
@click.argument("model", type=click.Path(dir_okay=False, path_type=Path))
@DATA
@SPLIT
@SCORE
@LIMIT
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="JSON file to write as well.")
def score(
    model: Path, datasets: tuple[Path, ...], split: str, score: float, limit: int | None, out: Path | None
) -> None:
    """Score the masks of MODEL on a split: IoU of all runway pixels and by picture, accuracy, pixels missed.

    `best` is the score from which the IoU would be largest: take it from the validation split, and give it to
    the other commands with --score.

    \b
    Examples:
      lard segment score models/seg-s/checkpoint.pt --data data/ortho
      lard segment score models/lip-seg-s/checkpoint.pt --data data/ortho --split val --out val.json
    """
    from lard.files import keep_unlike
    from lard.segment.statement import FORMAT, scored, seen_in, studied
    from lard.tables import write_json

    if out:
        keep_unlike(
            out,
            "what lard segment wrote",
            lambda found: isinstance(found, dict) and found.get("format") == FORMAT,
        )
    of = studied(model, datasets, split, score, limit)
    document = {**of.about, **scored(of, seen_in(of, watch=_watched))}
    if out:
        write_json(document, out)
    click.echo(json.dumps(document, indent=1, sort_keys=True))


@segment.command()
@click.argument("model", type=click.Path(dir_okay=False, path_type=Path))
@DATA
@SPLIT
@SCORE
@click.option(
    "--eps", callback=_eps, default="0.1,0.25,0.5,1", show_default=True,
    help="L2 norms of perturbations of whole pictures, pixels in [0, 1].",
)  # fmt: skip
@LIMIT
@FOLDER
def certify(
    model: Path,
    datasets: tuple[Path, ...],
    split: str,
    score: float,
    eps: tuple[float, ...],
    limit: int | None,
    out: Path,
) -> None:
    """Certificates of the masks of a lip-seg MODEL: what no perturbation of a norm can do to them.

    Writes certificates.json, pictures.csv, curves.svg and segmentation.html below --out. One pass a picture;
    what was read of each stays in seen/, from which an interrupted run and other eps go on.

    \b
    Examples:
      lard segment certify models/lip-seg-s/checkpoint.pt --data data/ortho --out certificates/lip-seg-s
      lard segment certify models/lip-seg-s/checkpoint.pt --data data/ortho --eps 1 --limit 50 --out c
    """
    from lard.errors import ModelError
    from lard.files import below, keep_others
    from lard.report.segmentation import segmentation_html, segmentation_svg
    from lard.robust.certificates import checked_radii
    from lard.robust.certify import bound_of_model
    from lard.segment.statement import certified, pictures_table, scored, seen_in, studied
    from lard.tables import staged, write_json, write_text

    keep_others(out, (CERTIFICATES, TABLE, FIGURE, PAGE, SEEN), CERTIFICATES, SEEN)
    of = studied(model, datasets, split, score, limit)
    if of.checkpoint.bound is None:
        raise ModelError(
            f"{model}: family 'seg' has no Lipschitz constant to certify with; use a lip-seg model"
        )
    bound_of_model(of.checkpoint)
    checked_radii(eps, of.about["picture_sizes_px"])  # refused before the work
    seen = seen_in(of, below(out, f"{SEEN}/1.npz").parent, _watched)
    found = {**scored(of, seen), "certified": certified(of, seen, eps)}
    with staged(out) as made:
        models = {of.checkpoint.name: {**of.about, **found}}
        write_json({**of.about, **found}, made / CERTIFICATES)
        write_text(pictures_table(of, seen).write_csv(float_precision=6), made / TABLE)
        write_text(segmentation_svg(models), made / FIGURE)
        write_text(segmentation_html(of.about, models), made / PAGE)
    click.echo(json.dumps({**of.about, **found}, indent=1, sort_keys=True))


@segment.command()
@click.argument("model", type=click.Path(dir_okay=False, path_type=Path))
@DATA
@SPLIT
@click.option(
    "--score", "scores", default="0.5", show_default=True, callback=scores_of, metavar="0.5,0.3",
    help="From which a pixel counts as runway: one for all models, or one for each, MODEL first.",
)  # fmt: skip
@click.option(
    "--also", multiple=True, type=click.Path(dir_okay=False, path_type=Path),
    help="Another model, on the same plot; may be given several times.",
)  # fmt: skip
@click.option(
    "--eps", callback=_eps, default="0.25,1", show_default=True,
    help="L2 norms of the changes of whole pictures, pixels in [0, 1].",
)  # fmt: skip
@click.option("--steps", type=click.IntRange(1, 10_000), default=10, show_default=True, help="Of descent.")
@RESTARTS
@click.option("--seed", type=SEED, default=0, show_default=True)
@FEW_PICTURES
@FOLDER
def attack(
    model: Path,
    datasets: tuple[Path, ...],
    split: str,
    scores: tuple[float, ...],
    also: tuple[Path, ...],
    eps: tuple[float, ...],
    steps: int,
    restarts: int,
    seed: int,
    limit: int,
    out: Path,
) -> None:
    """Attack the masks of MODEL: changes of the pixels, in an L2 ball, that lower the IoU of each picture.

    Writes attack.json, curves.svg and segmentation.html below --out, with the certificates of lip-seg models
    on the same pictures beside the attacks. Run it again after an interruption: it goes on where it was.

    \b
    Examples:
      lard segment attack models/seg-s/checkpoint.pt --data data/ortho --out attacks/seg-s
      lard segment attack models/lip-seg-s/checkpoint.pt --also models/seg-s/checkpoint.pt \\
        --data data/ortho --score 0.2,0.5 --eps 0.25,0.5,1 --limit 20 --out attacks/masks
    """
    from lard.files import folder_lock, keep_others
    from lard.report.segmentation import segmentation_html, segmentation_svg
    from lard.segment.statement import studied
    from lard.segment.study import Plan, attacked
    from lard.tables import staged, write_json, write_text

    keep_others(out, (ATTACK, FIGURE, PAGE, JOURNAL), JOURNAL, ATTACK)
    files = (model, *also)
    if len(scores) not in (1, len(files)):
        raise click.BadParameter(
            f"{len(scores)} scores for {len(files)} models; give one for all or one for each",
            param_hint="--score",
        )
    each = scores * len(files) if len(scores) == 1 else scores
    every = [studied(one, datasets, split, score, limit) for one, score in zip(files, each, strict=True)]
    with folder_lock(out):
        report = attacked(every, Plan(eps, steps, restarts, seed), out)
    with staged(out) as made:
        write_json(report, made / ATTACK)
        write_text(segmentation_svg(report["models"]), made / FIGURE)
        write_text(segmentation_html(report, report["models"]), made / PAGE)
    _tell(report)


def _watched(pictures: Any) -> Any:
    from lard.progress import track

    return track(pictures, "segment", unit="pictures")


def _tell(report: dict[str, Any]) -> None:
    """A table of the curves."""
    from lard.cli.printing import print_table

    rows = []
    for name, found in report["models"].items():
        certified = (found["certified"] or {}).get("by_eps", {})
        rows.append([name, "0", f"{found['clean']['iou'] or 0:.3f}", "-"])
        for row in found["attacked"]:
            bound = certified.get(f"{row['eps']:g}", {}).get("certified_iou")
            rows.append(
                [name, f"{row['eps']:g}", f"{row['iou'] or 0:.3f}", "-" if bound is None else f"{bound:.3f}"]
            )
    columns = ["model", "eps", "IoU attacked", "IoU certified"]
    print_table(f"{report['pictures']} pictures; {report['norm']}", columns, rows, set(columns[1:]))
