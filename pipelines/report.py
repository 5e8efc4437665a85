"""Stage: results/*/*.score.json -> reports/leaderboard.csv, .json and .html."""

from pathlib import Path

from lard.detect.config import Params, read_params
from lard.errors import DataError, SpecError
from lard.report import Board, Evidence, read_entries, with_robustness, with_sequences, write_boards
from lard.report.assurance import accounts_below
from lard.score.truth import coco_paths, read_truth
from lard.tables import read_json, sha256_file
from pipelines.benchmark import datasets, model_folder, results_file
from pipelines.stage import assured_models, run

REPORTS = Path("reports")


def main() -> None:
    """Rank the models of each protocol of params.yaml by their scores."""
    params = read_params("params.yaml")
    if params.benchmark is None:
        raise SpecError("params.yaml: benchmark is missing; see the shipped params.yaml")
    boards = [board(params, name, params.benchmark.models) for name in params.benchmark.protocols]
    write_boards(boards, REPORTS, accounts_below(REPORTS, assured_models()))
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
    for entry in entries:
        scored = entry.facts.get("results_sha256")
        if scored not in (None, sha256_file(results_file(protocol, entry.model))):
            path = results_file(protocol, entry.model, ".score.json")
            raise DataError(f"{path}: results_sha256: {scored}: of other results; run dvc repro")
    flown = {model: results_file(protocol, model, ".sequences.score.json") for model in models}
    entries = with_sequences(entries, {model: path for model, path in flown.items() if path.is_file()})
    entries = with_robustness(entries, REPORTS / "robustness" / protocol)
    logs = {entry.model: model_folder(protocol, entry.model) / "log.csv" for entry in entries}
    logs = {model: path for model, path in logs.items() if path.is_file()}
    return Board(entries, evidence, protocol, {"train": sources.train, "test": sources.test}, logs)


if __name__ == "__main__":
    run(main)
