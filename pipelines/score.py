"""Stage score@MODEL: results/<model>.score.json, the metrics of results/<model>.json."""

import sys
from pathlib import Path

from lard.detect.checkpoint import facts
from lard.detect.config import read_params
from lard.detect.score import score
from pipelines.stage import run


def main(model: str) -> None:
    """Score the detections of the model named on the command line."""
    params = read_params("params.yaml")
    params.model(model)
    plan = params.predict
    truth = Path("data") / plan.source / "coco" / f"{plan.split}.json"
    results = Path("results")
    known = facts(Path("models") / model / "checkpoint.pt")
    overall = score(truth, results / f"{model}.json", results / f"{model}.score.json", model, known)[
        "overall"
    ]
    print(f"{model}: " + ", ".join(f"{key} {overall[key]}" for key in ("AP", "AP50", "AP75", "AR100")))


if __name__ == "__main__":
    run(lambda: main(" ".join(sys.argv[1:])))
