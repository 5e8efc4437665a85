"""Stage predict@MODEL: results/<model>.json, the detections of a model on the test split of data/<source>."""

import os
import sys
from pathlib import Path

from lard.detect.config import read_params
from lard.detect.predict import predict
from pipelines.stage import run


def main(model: str) -> None:
    """Predict with the model named on the command line; every core takes a share of the images."""
    params = read_params("params.yaml")
    params.model(model)
    plan = params.predict
    checkpoint = Path("models") / model / "checkpoint.pt"
    out = Path("results") / f"{model}.json"
    predict(checkpoint, Path("data") / plan.source, out, plan, model, processes=min(8, os.cpu_count() or 1))


if __name__ == "__main__":
    run(lambda: main(" ".join(sys.argv[1:])))
