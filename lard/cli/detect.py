"""`lard train`, `predict`, `score` and what goes with them: the detection benchmark on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from lard.detect.config import Params

CONFIG = click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Parameter file with models, train and predict [default: params.yaml where there is one].",
)
DATA = click.option(
    "--data",
    "datasets",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    multiple=True,
    help="Dataset folder, with coco/; several are taken together.",
)


def _params(config: Path | None) -> Params:
    """Parameters of a file, of params.yaml if it is there, else the defaults."""
    from lard.detect.config import Params, read_params

    default = Path("params.yaml")
    return read_params(config or default) if config or default.is_file() else Params()


@click.command()
@click.argument("model")
@DATA
@CONFIG
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder of the checkpoint [default: models/MODEL]."
)
@click.option(
    "--loaders", type=click.IntRange(0), default=0, show_default=True, help="Threads that cut crops ahead."
)
@click.option(
    "--tensorboard", type=click.Path(file_okay=False, path_type=Path), help="Folder for event files."
)
def train(
    model: str,
    datasets: tuple[Path, ...],
    config: Path | None,
    out: Path | None,
    loaders: int,
    tensorboard: Path | None,
) -> None:
    """Train MODEL on the training split and write checkpoint.pt and log.csv.

    MODEL is a name in the models section of the parameter file or one of these presets:

    \b
      fcos-s, fcos-m, fcos-l
          plain FCOS, from narrow to the width of a ResNet-18
      lip-fcos-s, lip-fcos-m, lip-fcos-l
          1-Lipschitz, accurate: focal loss on ten times the logit
      lip-fcos-s-robust, lip-fcos-m-robust, lip-fcos-l-robust
          1-Lipschitz, robust: hinge at margin 0.5 and Kantorovich-Rubinstein

    An interrupted run goes on from its last saved step when started again with the same parameters. Under
    torchrun its processes share each batch, in the place of train.processes.

    \b
    Examples:
      lard train fcos-s --data data/ortho
      lard train lip-fcos-s-robust --data data/ortho --config params.yaml --out models/robust
      lard train fcos-m --data data/ortho --data data/flightgear --loaders 8 --tensorboard runs
      torchrun --no-python --nproc-per-node 4 lard train fcos-l --data data/ortho
    """
    from lard.detect.train import train as run

    params = _params(config)
    folder = out or Path("models") / model
    click.echo(
        run(
            model,
            params.model(model),
            params.train,
            datasets,
            folder,
            folder.parent / ".resume" / folder.name,
            loaders=loaders,
            tensorboard=tensorboard,
        )
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

    plan = _params(config).predict
    if split is not None:
        plan = plan.model_copy(update={"split": split})
    click.echo(f"{run(checkpoint, datasets, out, plan, processes=processes)} boxes in {out}")


@click.command()
@click.argument("results", type=click.Path(dir_okay=False, path_type=Path))
@DATA
@click.option("--split", default="test", show_default=True, help="Split the results are for.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="JSON to write [default: RESULTS with .score.json]."
)
def score(results: Path, datasets: tuple[Path, ...], split: str, out: Path | None) -> None:
    """Score any COCO results file: AP50:95, AP50, AP75, AR, whole and by slice.

    The JSON also holds intervals over airports, calibration, the runways mistaken for the target and the
    errors of the boxes. With several datasets, image ids are those of `lard predict` on the same datasets.

    \b
    Examples:
      lard score results/ortho/fcos-s.json --data data/ortho
      lard score mine.json --data data/ortho --split val --out mine.score.json
    """
    from lard.score.scores import score as run
    from lard.score.truth import coco_paths

    out = out or results.with_suffix(".score.json")
    report = run(coco_paths(datasets, split), results, out, results.stem)
    zones = sorted(report["slices"].get("zone", {}).items())
    for title, row in [("all", report["overall"]), *zones]:
        values = "  ".join(f"{key} {'-' if row[key] is None else format(row[key], '.3f')}" for key in SHOWN)
        click.echo(f"{title:>12}  {values}  ({row['images']} images, {row['boxes']} runways)")


SHOWN = ("AP", "AP50", "AP75", "AR100")


@click.command()
@click.argument("checkpoint", type=click.Path(dir_okay=False, path_type=Path))
@DATA
@click.option("--split", default="test", show_default=True, help="Split to certify on.")
@click.option("--score", "threshold", default=0.3, show_default=True, help="A runway fires above this score.")
@click.option("--eps", default="0.25,0.5,1,2", show_default=True, help="L2 radii, pixels in [0, 1].")
@click.option("--limit", type=click.IntRange(1), help="Only the first pictures of the split.")
def certify(
    checkpoint: Path, datasets: tuple[Path, ...], split: str, threshold: float, eps: str, limit: int | None
) -> None:
    """Certified recall of a Lipschitz CHECKPOINT: runways that no perturbation of a radius can hide.

    \b
    Examples:
      lard certify models/ortho/lip-fcos-s/checkpoint.pt --data data/ortho
      lard certify models/ortho/lip-fcos-s/checkpoint.pt --data data/ortho --eps 0.1,0.5 --limit 50
    """
    import json

    from lard.detect.checkpoint import load_detector
    from lard.detect.data import read_pictures
    from lard.progress import track
    from lard.robust.certify import certificates

    try:
        radii = [float(part) for part in eps.split(",")]
    except ValueError as error:
        raise click.BadParameter(
            f"{eps!r}: expected numbers separated by commas", param_hint="--eps"
        ) from error
    pictures = read_pictures(datasets, split)[:limit]
    found = certificates(
        load_detector(checkpoint), track(pictures, "certify", unit="images"), threshold, radii
    )
    click.echo(json.dumps(found, indent=1, sort_keys=True))


@click.command()
@click.argument("calibration", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("results", type=click.Path(dir_okay=False, path_type=Path))
@DATA
@click.option(
    "--alpha", default=0.1, show_default=True, help="Accepted share of boxes that miss part of the runway."
)
@click.option("--score", "threshold", default=0.3, show_default=True, help="Least score of a detection.")
@click.option("--method", type=click.Choice(["additive", "multiplicative"]), default="multiplicative")
def conform(
    calibration: Path, results: Path, datasets: tuple[Path, ...], alpha: float, threshold: float, method: str
) -> None:
    """Conformal margins from CALIBRATION (results on val), and their coverage on RESULTS (on test).

    \b
    Examples:
      lard conform val.json results/ortho/fcos-s.json --data data/ortho --alpha 0.1
    """
    import json

    from lard.robust.conform import calibrate, coverage, matched_pairs
    from lard.score.scores import read_results
    from lard.score.truth import coco_paths, read_truth

    pairs = []
    for path, split in ((calibration, "val"), (results, "test")):
        truth = read_truth(coco_paths(datasets, split))
        pairs.append(matched_pairs(truth, read_results(path, truth), threshold))
    margins = calibrate(*pairs[0], alpha, "additive" if method == "additive" else "multiplicative")
    found = {"method": method, "margin": float(margins.sides[0]), "calibration_pairs": margins.pairs}
    click.echo(json.dumps(found | {"test": coverage(margins, *pairs[1])}, indent=1, sort_keys=True))


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
        _params(config).predict,
    )
    constant = f", L {about['lipschitz']['L']:.6f}" if "lipschitz" in about else ""
    click.echo(f"{out}: {about['name']}, {about['parameters']} parameters{constant}")
