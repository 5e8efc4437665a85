"""`lard leaderboard`: results of any detector converted, entered and shown."""

from __future__ import annotations

from pathlib import Path

import click

from lard.cli.benchmark import BUDGET, CONFIG, DATA, VALIDATION, parameters
from lard.cli.options import check_kept, runways_option
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
@VALIDATION
@BUDGET
@runways_option
@click.option("--replace", is_flag=True, help="Replace an entry of the same name and authors.")
def add(
    results: Path,
    card: Path,
    datasets: tuple[Path, ...],
    split: str,
    board: Path,
    validation: Path | None,
    budget: float,
    runways: str,
    replace: bool,
) -> None:
    """Check, score and store a submission: a COCO results file and a card.

    Operating points come from --val, results on the validation split, or the card states score_threshold.

    \b
    Examples:
      lard leaderboard add mine.json --card card.yaml --data data/ortho --val mine_val.json
      lard leaderboard add mine.json --card card.yaml --data data/ortho --replace
    """
    from lard.score.submission import add as run
    from lard.score.truth import coco_paths

    tuned = None if validation is None else (coco_paths(datasets, "val"), validation)
    paths = coco_paths(datasets, split)
    report = run(
        results, card, paths, board, validation=tuned, budget=budget, replace=replace, runways=runways
    )
    overall = report["overall"]
    click.echo(f"{report['model']}: " + ", ".join(f"{key} {overall[key]}" for key in SHOWN))


@leaderboard.command()
@DATA
@SPLIT
@BOARD
@runways_option
@click.option(
    "--attack",
    "attacks",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="attack.json of `lard attack` on models of the board, for plots of robustness; repeatable.",
)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("reports"), show_default=True
)
def build(
    datasets: tuple[Path, ...],
    split: str,
    board: Path,
    runways: str,
    attacks: tuple[Path, ...],
    out: Path,
) -> None:
    """Write leaderboard.html, .csv and .json from the stored submissions, each scored anew.

    \b
    Examples:
      lard leaderboard build --data data/ortho --out reports
      lard leaderboard build --data data/ortho --attack attacks/ortho/attack.json --out reports
    """
    from lard.files import keep_others
    from lard.report import Board, Evidence, read_entries, write_boards
    from lard.report.attacked import read_attack
    from lard.score.submission import rebuilt, validation_paths
    from lard.score.truth import coco_paths, read_truth
    from lard.tables import read_json

    keep_others(
        out, ("leaderboard.html", "leaderboard.csv", "leaderboard.json"), "leaderboard.json", keys=("boards",)
    )
    paths = coco_paths(datasets, split)
    scores, changed = rebuilt(paths, board, validation_paths(datasets) or None, runways)
    for line in changed:
        click.echo(f"lard: {line}", err=True)
    found = {path.parent.name: read_json(path.with_name("results.json")) for path in scores}
    root = datasets[0] if len(datasets) == 1 else Path()
    entries, evidence = read_entries(scores), Evidence(truth=read_truth(paths), results=found, root=root)
    shown = [read_attack(path, [entry.model for entry in entries]) for path in attacks]
    write_boards([Board(entries, evidence, attacks=shown)], out)
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
    from lard.files import keep_unlike
    from lard.score.foreign import read_yolo
    from lard.score.truth import coco_paths, read_truth
    from lard.tables import write_json

    paths = coco_paths(datasets, split)
    check_kept(out, *paths)
    keep_unlike(out, "a COCO results file", lambda rows: isinstance(rows, list))
    truth = read_truth(paths)
    rows = read_yolo(folder, truth, class_id)
    write_json(rows, out)
    found = len({row["image_id"] for row in rows})
    click.echo(f"{len(rows)} boxes in {found} of {len(truth['images'])} pictures in {out}")


@leaderboard.command()
@click.argument("model", type=click.Path(dir_okay=False, path_type=Path))
@DATA
@SPLIT
@CONFIG
@click.option("--pictures", default=100, show_default=True, help="How many pictures are timed.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="JSON: cost.json in the folder of the entry, or MODEL.cost.json beside its score file.",
)
def cost(
    model: Path, datasets: tuple[Path, ...], split: str, config: Path | None, pictures: int, out: Path
) -> None:
    """Measure latency, memory and multiplications of MODEL, a checkpoint or ONNX file, on this machine.

    The page shows them apart from what entries state.

    \b
    Examples:
      lard leaderboard cost mine.onnx --data data/ortho --out leaderboard/mine/cost.json
    """
    from lard.detect.cost import measure_cost
    from lard.files import keep_unlike
    from lard.score.truth import coco_paths
    from lard.tables import write_json

    check_kept(out, model, config, *coco_paths(datasets, split))
    keep_unlike(out, "a measurement of cost", lambda found: isinstance(found, dict) and "gmac" in found)
    plan = parameters(config).predict.model_copy(update={"split": split})
    found = measure_cost(model, datasets, plan, pictures)
    write_json(found, out)
    click.echo(
        f"{found['latency_ms_median']:.1f} ms a picture (99 %: {found['latency_ms_p99']:.1f}),"
        f" {found['peak_memory_mib']:.0f} MiB on {found['machine']}"
    )
