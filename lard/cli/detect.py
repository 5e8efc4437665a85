"""`lard train`, `predict`, `score`: the detection benchmark on the command line."""

from __future__ import annotations

from pathlib import Path

import click

CONFIG = click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("params.yaml"),
    show_default=True,
    help="Parameter file with the sections models, train and predict.",
)
DATA = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Dataset folder, with coco/.",
)


@click.command()
@click.argument("model")
@DATA
@CONFIG
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder of the checkpoint [default: models/MODEL]."
)
def train(model: str, data: Path, config: Path, out: Path | None) -> None:
    """Train MODEL on the training split and write checkpoint.pt and log.csv.

    An interrupted run goes on from its last saved step when started again with the same parameters.

    \b
    Examples:
      lard train fcos-s --data data/ortho
      lard train lip-fcos-s --data data/ortho --config params.yaml --out models/lip-fcos-s
    """
    from lard.detect.config import read_params
    from lard.detect.train import train as run

    params = read_params(config)
    folder = out or Path("models") / model
    click.echo(
        run(model, params.model(model), params.train, data, folder, folder.parent / ".resume" / folder.name)
    )


@click.command()
@click.argument("checkpoint", type=click.Path(dir_okay=False, path_type=Path))
@DATA
@CONFIG
@click.option("--out", type=click.Path(path_type=Path), required=True, help="COCO results file to write.")
@click.option("--split", help="Split to predict on [default: predict.split of the parameter file].")
@click.option(
    "--processes", type=click.IntRange(1), default=1, show_default=True, help="Never changes the result."
)
def predict(checkpoint: Path, data: Path, config: Path, out: Path, split: str | None, processes: int) -> None:
    """Detect runways with CHECKPOINT and write COCO results.

    \b
    Examples:
      lard predict models/fcos-s/checkpoint.pt --data data/ortho --out results/fcos-s.json
      lard predict models/fcos-s/checkpoint.pt --data data/ortho --split val --out val.json --processes 2
    """
    from lard.detect.config import read_params
    from lard.detect.predict import predict as run

    plan = read_params(config).predict
    if split is not None:
        plan = plan.model_copy(update={"split": split})
    click.echo(f"{run(checkpoint, data, out, plan, processes=processes)} boxes in {out}")


@click.command()
@click.argument("results", type=click.Path(dir_okay=False, path_type=Path))
@DATA
@click.option("--split", default="test", show_default=True, help="Split the results are for.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="JSON to write [default: RESULTS with .score.json]."
)
def score(results: Path, data: Path, split: str, out: Path | None) -> None:
    """Score any COCO results file: AP50:95, AP50, AP75, AR, whole and by slice.

    \b
    Examples:
      lard score results/fcos-s.json --data data/ortho
      lard score mine.json --data data/ortho --split val --out mine.score.json
    """
    from lard.detect.score import score as run

    out = out or results.with_suffix(".score.json")
    report = run(data / "coco" / f"{split}.json", results, out, results.stem)
    for title, row in [("all", report["overall"]), *sorted(report["slices"].get("zone", {}).items())]:
        values = "  ".join(f"{key} {'-' if row[key] is None else format(row[key], '.3f')}" for key in SHOWN)
        click.echo(f"{title:>12}  {values}  ({row['images']} images, {row['boxes']} runways)")


SHOWN = ("AP", "AP50", "AP75", "AR100")
