"""Stage: results/*/*.score.json -> reports/leaderboard.csv, .json and .html."""

from pathlib import Path

from lard.detect.config import Params, read_params
from lard.errors import SpecError
from lard.report import Board, Evidence, read_entries, write_boards
from lard.score.truth import coco_paths, read_truth
from lard.stages.benchmark import datasets, results_file
from lard.stages.stage import run
from lard.tables import read_json

REPORTS = Path("reports")


def main() -> None:
    """Rank the models of each protocol of params.yaml by their scores."""
    params = read_params("params.yaml")
    if params.benchmark is None:
        raise SpecError("params.yaml: benchmark is missing; see the shipped params.yaml")
    boards = [board(params, name, params.benchmark.models) for name in params.benchmark.protocols]
    write_boards(boards, REPORTS)
    for ranked in boards:
        for entry in ranked.entries:
            values = ", ".join(
                f"{name} {entry.metrics.get(name)}" for name in ("AP", "AP50", "AP75", "AR100")
            )
            print(f"{ranked.name}: {entry.model}: {values}")


def board(params: Params, protocol: str, models: tuple[str, ...]) -> Board:
    """The scores of the models under one protocol, and the detections behind them."""
    sources = params.protocol(protocol)
    folders = datasets(sources.test)
    evidence = Evidence(
        truth=read_truth(coco_paths(folders, params.predict.split)),
        results={model: read_json(results_file(protocol, model)) for model in models},
        root=folders[0] if len(folders) == 1 else Path(),
    )
    entries = read_entries([results_file(protocol, model, ".score.json") for model in models])
    return Board(entries, evidence, protocol, {"train": sources.train, "test": sources.test})


if __name__ == "__main__":
    run(main)
