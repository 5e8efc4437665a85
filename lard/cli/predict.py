"""`lard predict` and `lard export-model`: trained detectors at work, here and elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lard.cli.benchmark import CONFIG, parameters
from lard.cli.options import check_kept, numbers_of, workers_option
from lard.cli.printing import print_json

if TYPE_CHECKING:
    from lard.detect.config import PredictSpec


def _scales(_: click.Context, __: click.Parameter, text: str | None) -> tuple[float, ...] | None:
    """Scales written side by side with commas."""
    if text is None:
        return None
    found = numbers_of(text) or ()
    if not 1 <= len(found) <= 8 or not all(0.1 <= one <= 8 for one in found):
        raise click.BadParameter(f"{text!r}: expected up to 8 numbers from 0.1 to 8 with commas, as in 1,2")
    if len(set(found)) < len(found):
        raise click.BadParameter(f"{text!r}: names a scale twice; name each once, as in 1,2")
    return found


@click.command()
@click.argument("model")
@click.argument("inputs", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--data",
    "datasets",
    type=click.Path(file_okay=False, path_type=Path),
    multiple=True,
    help="Dataset folder, with coco/, instead of INPUTS; several are taken together.",
)
@CONFIG
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write: COCO results with --data; else JSON with pictures and detections"
    " [default: detections.json in the folder of --draw, or standard output].",
)
@click.option(
    "--score",
    type=click.FloatRange(0, 1, max_open=True),
    help="Least score of a detection [default: the operating point of a shipped model's card, else 0.3;"
    " with --data predict.score_floor of the parameter file].",
)
@click.option(
    "--corners",
    metavar="MODEL",
    help="Corner model, by name or checkpoint: the four corners of each box, as keypoints.",
)
@click.option(
    "--scales",
    callback=_scales,
    metavar="1,2",
    help="Scales at which each picture is searched, up to 8 from 0.1 to 8; a score is the mean of theirs: 1,2"
    " finds smaller runways with fewer false alarms, in five times the time [default: predict.scales of the"
    " parameter file, or 1].",
)
@click.option(
    "--relative",
    is_flag=True,
    help="Score detections against the five best of their picture, where a runway is to be expected: for"
    " 1-Lipschitz models, whose scores shrink with its contrast; needs --score with INPUTS where no card"
    " states one.",
)
@click.option(
    "--blend",
    is_flag=True,
    help="Of several --scales take the geometric mean of the scores and the mean of the boxes, instead of the"
    " mean and the best box: for 1-Lipschitz models; needs --score with INPUTS.",
)
@click.option(
    "--draw",
    type=click.Path(path_type=Path),
    help="Folder for the pictures and videos of INPUTS with their detections drawn.",
)
@click.option("--every", type=click.IntRange(1), help="Of a video only every n-th frame [default: 1].")
@click.option("--split", help="With --data: split [default: predict.split of the parameter file].")
@workers_option("1; with --data only", "--processes")
def predict(
    model: str,
    inputs: tuple[Path, ...],
    datasets: tuple[Path, ...],
    config: Path | None,
    out: Path | None,
    score: float | None,
    corners: str | None,
    scales: tuple[float, ...] | None,
    relative: bool,
    blend: bool,
    draw: Path | None,
    every: int | None,
    split: str | None,
    workers: str | None,
) -> None:
    """Detect runways with MODEL in pictures, folders of them and videos, or on a split of a dataset.

    MODEL is a checkpoint of lard train, an ONNX file of lard export-model, or the name of a shipped model.
    Boxes are in pixels of the upright picture. Files that cannot be read are named at the end, with exit
    status 2; the results hold all others.

    \b
    Examples:
      lard predict models/ortho/fcos-s/checkpoint.pt photo.jpg --draw out
      lard predict models/ortho/fcos-s/checkpoint.pt photos/ --score 0.5 --out found.json
      lard predict fcos-s.onnx approach.mp4 --every 10 --draw out
      lard predict fcos-m photos/ --scales 1,2 --draw out
      lard predict lip-fcos-m-robust photos/ --relative --draw out
      lard predict lip-fcos-m-robust photos/ --scales 1,2 --relative --blend --score 0.65 --draw out
      lard predict fcos-m photos/ --corners corners-s --draw out
      lard predict models/ortho/fcos-s/checkpoint.pt --data data/ortho --out results/ortho/fcos-s.json
      lard predict models/ortho/fcos-s/checkpoint.pt --data data/ortho --split val --out val.json
    """
    if bool(inputs) == bool(datasets):
        raise click.UsageError("give pictures, folders or videos as INPUTS, or a dataset with --data")
    foreign = {"--draw": draw, "--every": every} if datasets else {"--split": split, "--workers": workers}
    for option, given in foreign.items():
        if given is not None:
            raise click.UsageError(f"{option} goes with {'INPUTS' if datasets else '--data'} only")
    plan = parameters(config).predict
    if scales is not None:
        plan = plan.model_copy(update={"scales": scales})
    if relative:
        plan = plan.model_copy(update={"relative": True})
    if blend:
        if len(plan.scales) == 1:
            raise click.UsageError("--blend is about several scales; add --scales 1,2")
        plan = plan.model_copy(update={"blend": True})
    if out is not None:
        check_kept(out, Path(model), None if corners is None else Path(corners), config)
    if inputs:
        _predict_anywhere(model, inputs, plan, out, score, draw, every or 1, corners)
        return
    if out is None:
        raise click.UsageError("Missing option '--out'.")
    from lard.detect.corner_files import resolve_corners
    from lard.detect.models import resolve
    from lard.detect.predict import predict as run
    from lard.files import keep_unlike
    from lard.intake.tars import unchecked
    from lard.score.truth import coco_paths

    for line in unchecked(datasets):
        click.echo(line, err=True)
    changes = {"split": split, "score_floor": score}
    plan = plan.model_copy(update={key: value for key, value in changes.items() if value is not None})
    check_kept(out, *coco_paths(datasets, plan.split))
    keep_unlike(out, "a COCO results file", lambda rows: isinstance(rows, list))
    finder = None if corners is None else resolve_corners(corners)
    count = run(resolve(model), datasets, out, plan, processes=workers or 1, corners=finder)
    click.echo(f"{count} boxes in {out}")


def _predict_anywhere(
    model: str,
    inputs: tuple[Path, ...],
    plan: PredictSpec,
    out: Path | None,
    score: float | None,
    draw: Path | None,
    every: int,
    corners: str | None,
) -> None:
    """Write detections of pictures and videos; files that could not be read are one error at the end."""
    from contextlib import ExitStack

    from lard.detect.anywhere import predict_anywhere
    from lard.detect.inputs import (
        JOURNAL,
        collect,
        counted,
        is_detections,
        keep_drawings_apart,
        keep_result_apart,
    )
    from lard.detect.models import load
    from lard.errors import DataError
    from lard.files import keep_unlike
    from lard.tables import atomic_path, json_text, staged

    if out is None and draw is not None:
        out = draw / JOURNAL
    found = collect(inputs, draw)
    if out is not None:
        keep_result_apart(out, found, draw)
        keep_unlike(out, "what lard predict wrote", is_detections)
    if draw is not None:
        keep_drawings_apart(draw, found)
    loaded = load(model, score, plan, corners)
    with ExitStack() as stack:  # all or none, and no place that cannot be written after the work
        result = stack.enter_context(atomic_path(out)) if out is not None else None
        drawn = stack.enter_context(staged(draw)) if draw is not None else None
        document = predict_anywhere(loaded, found, drawn, every)
        for file in (result, None if drawn is None else drawn / JOURNAL):
            if file is not None:
                file.write_text(json_text(document), encoding="utf-8")
    if found.others:
        click.echo(f"left out, neither pictures nor videos: {counted(found.others)}", err=True)
    if out is None:
        print_json(document)
    else:
        where = f" in {out}" + (f", drawn in {draw}" if draw is not None else "")
        click.echo(f"{len(document['detections'])} boxes on {len(document['images'])} pictures{where}")
    if document["failed"]:
        raise DataError("\n".join(failure["error"] for failure in document["failed"]))


@click.command("export-model")
@click.argument("model", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--format", "kind", type=click.Choice(["onnx", "torch"]), default="onnx", show_default=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="File to write.")
@click.option("--size", default="1024x1024", show_default=True, help="Width x height of the frames, px.")
@CONFIG
def export_model(model: Path, kind: str, out: Path, size: str, config: Path | None) -> None:
    """Write MODEL, a checkpoint, as an ONNX or a torch.export file.

    The file takes pixels and answers with boxes and scores of every location. How to prepare frames and to
    choose among the locations is in its metadata (the entry "lard" of an ONNX file, the extra file lard.json
    of the other), as is the measured Lipschitz constant. `lard predict FILE.onnx` runs it.

    \b
    Examples:
      lard export-model models/ortho/fcos-s/checkpoint.pt --out fcos-s.onnx
      lard export-model models/ortho/lip-fcos-s/checkpoint.pt --format torch --size 1024x768 --out lip.pt2
    """
    from lard.detect.deploy import export_model as run
    from lard.detect.deploy import is_exported
    from lard.written import check_suffix, keep_foreign

    sides = size.lower().split("x")
    if len(sides) != 2 or not all(side.isdigit() for side in sides):
        raise click.BadParameter(f"{size!r}: expected WIDTHxHEIGHT", param_hint="--size")
    check_suffix(out, ".onnx" if kind == "onnx" else ".pt2")
    keep_foreign(out, "a model that lard export-model wrote", is_exported)
    about = run(
        model,
        out,
        "onnx" if kind == "onnx" else "torch",
        (int(sides[0]), int(sides[1])),
        parameters(config).predict,
    )
    constant = f", L {about['lipschitz']['L']:.6f}" if "lipschitz" in about else ""
    click.echo(f"{out}: {about['name']}, {about['parameters']} parameters{constant}")
