"""Stage predict@MODEL-PROTOCOL: results/<protocol>/<model>.json, detections on its test sources."""

import os

from lard.detect.config import read_params
from lard.detect.predict import predict
from lard.stages.benchmark import datasets, model_and_protocol, model_folder, results_file
from lard.stages.stage import run


def main(model: str, protocol: str) -> None:
    """Predict with a model trained under a protocol; every core takes a share of the images."""
    params = read_params("params.yaml")
    predict(
        model_folder(protocol, model) / "checkpoint.pt",
        datasets(params.protocol(protocol).test),
        results_file(protocol, model),
        params.predict,
        model,
        processes=min(8, os.cpu_count() or 1),
    )


if __name__ == "__main__":
    run(lambda: main(*model_and_protocol()))
