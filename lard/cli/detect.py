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


@click.command()
@click.argument("checkpoint", type=click.Path(dir_okay=False, path_type=Path))
@DATA
@click.option("--split", default="test", show_default=True, help="Split to certify on.")
@click.option("--score", "threshold", default=0.3, show_default=True, help="A runway fires above this score.")
@click.option("--eps", default="0.25,0.5,1,2", show_default=True, help="L2 radii, pixels in [0, 1].")
@click.option("--limit", type=click.IntRange(1), help="Only the first pictures of the split.")
def certify(checkpoint: Path, data: Path, split: str, threshold: float, eps: str, limit: int | None) -> None:
    """Certified recall of a Lipschitz CHECKPOINT: runways that no perturbation of a radius can hide.

    \b
    Examples:
      lard certify models/lip-fcos-s/checkpoint.pt --data data/ortho
      lard certify models/lip-fcos-s/checkpoint.pt --data data/ortho --score 0.2 --eps 0.1,0.5 --limit 50
    """
    import json

    from lard.detect.certify import certificates
    from lard.detect.checkpoint import load_detector
    from lard.detect.data import read_pictures
    from lard.progress import track

    try:
        radii = [float(part) for part in eps.split(",")]
    except ValueError as error:
        raise click.BadParameter(
            f"{eps!r}: expected numbers separated by commas", param_hint="--eps"
        ) from error
    pictures = read_pictures(data, split)[:limit]
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
    calibration: Path, results: Path, data: Path, alpha: float, threshold: float, method: str
) -> None:
    """Conformal margins from CALIBRATION (results on val), and their coverage on RESULTS (on test).

    \b
    Examples:
      lard conform val.json results/fcos-s.json --data data/ortho --alpha 0.1
    """
    import json

    from lard.detect.conform import calibrate, coverage, matched_pairs
    from lard.detect.score import read_results, read_truth

    pairs = []
    for path, split in ((calibration, "val"), (results, "test")):
        truth = read_truth(data / "coco" / f"{split}.json")
        pairs.append(matched_pairs(truth, read_results(path, truth), threshold))
    margins = calibrate(*pairs[0], alpha, "additive" if method == "additive" else "multiplicative")
    found = {"method": method, "margin": float(margins.sides[0]), "calibration_pairs": margins.pairs}
    click.echo(json.dumps(found | {"test": coverage(margins, *pairs[1])}, indent=1, sort_keys=True))


@click.group()
def leaderboard() -> None:
    """Enter results of any detector into a leaderboard and build its pages.

    \b
    Examples:
      lard leaderboard add mine.json --card card.yaml --data data/ortho
      lard leaderboard build --data data/ortho --out reports
    """


BOARD = click.option(
    "--board",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("leaderboard"),
    show_default=True,
    help="Folder of the submissions.",
)


@leaderboard.command()
@click.argument("results", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--card", type=click.Path(dir_okay=False, path_type=Path), required=True, help="YAML: name, authors ..."
)
@DATA
@click.option("--split", default="test", show_default=True, help="Split the results are for.")
@BOARD
def add(results: Path, card: Path, data: Path, split: str, board: Path) -> None:
    """Check, score and store a submission: a COCO results file and a card.

    \b
    Examples:
      lard leaderboard add mine.json --card card.yaml --data data/ortho
    """
    from lard.detect.submission import add as run

    report = run(results, card, data / "coco" / f"{split}.json", board)
    click.echo(f"{report['model']}: " + ", ".join(f"{key} {report['overall'][key]}" for key in SHOWN))


@leaderboard.command()
@DATA
@click.option("--split", default="test", show_default=True, help="Split the submissions are for.")
@BOARD
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("reports"), show_default=True
)
def build(data: Path, split: str, board: Path, out: Path) -> None:
    """Write leaderboard.html and leaderboard.csv from the stored submissions.

    \b
    Examples:
      lard leaderboard build --data data/ortho --out reports
    """
    from lard.detect.submission import verify
    from lard.report import Evidence, read_entries, write_leaderboard
    from lard.tables import read_json

    truth = data / "coco" / f"{split}.json"
    scores = verify(truth, board)
    found = {str(read_json(path)["model"]): read_json(path.with_name("results.json")) for path in scores}
    write_leaderboard(read_entries(scores), out, Evidence(truth=read_json(truth), results=found, root=data))
    click.echo(f"{len(scores)} submissions in {out / 'leaderboard.html'}")
