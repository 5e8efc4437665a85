"""Stage: results/*.score.json -> reports/leaderboard.csv and reports/leaderboard.html."""

from pathlib import Path

from lard.detect.config import read_params
from lard.report import Evidence, read_entries, write_leaderboard
from lard.tables import read_json
from pipelines.stage import params, run

RESULTS, REPORTS = Path("results"), Path("reports")


def main() -> None:
    """Rank the models of params.yaml by their scores."""
    plan = read_params("params.yaml").predict
    folder = Path("data") / plan.source
    models = sorted(params("models"))
    entries = read_entries([RESULTS / f"{model}.score.json" for model in models])
    evidence = Evidence(
        truth=read_json(folder / "coco" / f"{plan.split}.json"),
        results={model: read_json(RESULTS / f"{model}.json") for model in models},
        root=folder,
    )
    write_leaderboard(entries, REPORTS, evidence)
    for entry in entries:
        values = ", ".join(f"{name} {entry.metrics.get(name)}" for name in ("AP", "AP50", "AP75", "AR100"))
        print(f"{entry.model}: {values}")


if __name__ == "__main__":
    run(main)
