"""`lard leaderboard`: results of any detector converted, entered and shown."""

from __future__ import annotations

from pathlib import Path

import click

from lard.cli.benchmark import DATA
from lard.cli.score import SHOWN

SPLIT = click.option("--split", default="test", show_default=True, help="Split the results are for.")


@click.group()
def leaderboard() -> None:
    """Enter results of any detector into a leaderboard and build its pages.

    \b
    Examples:
      lard leaderboard convert runs/predict/labels --data data/ortho --out mine.json
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
@SPLIT
@BOARD
def add(results: Path, card: Path, datasets: tuple[Path, ...], split: str, board: Path) -> None:
    """Check, score and store a submission: a COCO results file and a card.

    \b
    Examples:
      lard leaderboard add mine.json --card card.yaml --data data/ortho
    """
    from lard.score.submission import add as run
    from lard.score.truth import coco_paths

    report = run(results, card, coco_paths(datasets, split), board)
    overall = report["overall"]
    click.echo(f"{report['model']}: " + ", ".join(f"{key} {overall[key]}" for key in SHOWN))


@leaderboard.command()
@DATA
@SPLIT
@BOARD
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("reports"), show_default=True
)
def build(datasets: tuple[Path, ...], split: str, board: Path, out: Path) -> None:
    """Write leaderboard.html, .csv and .json from the stored submissions.

    \b
    Examples:
      lard leaderboard build --data data/ortho --out reports
    """
    from lard.report import Evidence, read_entries, write_leaderboard
    from lard.score.scores import read_results
    from lard.score.submission import verify
    from lard.score.truth import coco_paths, read_truth

    paths = coco_paths(datasets, split)
    scores = verify(paths, board)
    truth, entries = read_truth(paths), read_entries(scores)
    found = {
        read_entries([path])[0].model: read_results(path.with_name("results.json"), truth) for path in scores
    }
    root = datasets[0] if len(datasets) == 1 else Path()
    write_leaderboard(entries, out, Evidence(truth=truth, results=found, root=root))
    click.echo(f"{len(scores)} submissions in {out / 'leaderboard.html'}")


@leaderboard.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@DATA
@SPLIT
@click.option("--class", "class_id", default=0, show_default=True, help="The class that is the runway.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="COCO results.")
def convert(folder: Path, datasets: tuple[Path, ...], split: str, class_id: int, out: Path) -> None:
    """Turn YOLO detections in FOLDER into COCO results: one text file per image, named as the image is.

    A line is `class x y width height confidence` in fractions of the picture, as Ultralytics writes with
    save_txt and save_conf. An image without a file has no detections. With several datasets the files lie
    in one folder per source.

    \b
    Examples:
      lard leaderboard convert runs/predict/labels --data data/ortho --out mine.json
      lard leaderboard add mine.json --card card.yaml --data data/ortho
    """
    from lard.score.foreign import read_yolo
    from lard.score.truth import coco_paths, read_truth
    from lard.tables import write_json

    rows = read_yolo(folder, read_truth(coco_paths(datasets, split)), class_id)
    write_json(rows, out)
    click.echo(f"{len(rows)} boxes in {out}")
