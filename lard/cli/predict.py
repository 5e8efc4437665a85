"""`lard predict` and `lard export-model`: trained detectors at work, here and elsewhere."""

from __future__ import annotations

from pathlib import Path

import click

from lard.cli.benchmark import CONFIG, DATA, parameters


@click.command()
@click.argument("checkpoint", type=click.Path(dir_okay=False, path_type=Path))
@DATA
@CONFIG
@click.option("--out", type=click.Path(path_type=Path), required=True, help="COCO results file to write.")
@click.option("--split", help="Split to predict on [default: predict.split of the parameter file].")
@click.option(
    "--processes", type=click.IntRange(1), default=1, show_default=True, help="Never changes the result."
)
def predict(
    checkpoint: Path,
    datasets: tuple[Path, ...],
    config: Path | None,
    out: Path,
    split: str | None,
    processes: int,
) -> None:
    """Detect runways with CHECKPOINT, or an ONNX file of lard export-model, and write COCO results.

    \b
    Examples:
      lard predict models/ortho/fcos-s/checkpoint.pt --data data/ortho --out results/ortho/fcos-s.json
      lard predict models/ortho/fcos-s/checkpoint.pt --data data/ortho --split val --out val.json
      lard predict fcos-s.onnx --data data/ortho --out results/ortho/fcos-s.json
    """
    from lard.detect.predict import predict as run

    plan = parameters(config).predict
    if split is not None:
        plan = plan.model_copy(update={"split": split})
    click.echo(f"{run(checkpoint, datasets, out, plan, processes=processes)} boxes in {out}")


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

    sides = size.lower().split("x")
    if len(sides) != 2 or not all(side.isdigit() for side in sides):
        raise click.BadParameter(f"{size!r}: expected WIDTHxHEIGHT", param_hint="--size")
    about = run(
        model,
        out,
        "onnx" if kind == "onnx" else "torch",
        (int(sides[0]), int(sides[1])),
        parameters(config).predict,
    )
    constant = f", L {about['lipschitz']['L']:.6f}" if "lipschitz" in about else ""
    click.echo(f"{out}: {about['name']}, {about['parameters']} parameters{constant}")
