"""Stage predict@MODEL-PROTOCOL: results/<protocol>/<model>.json and <model>.val.json.

The first holds detections on the test sources, the second those on the validation airports of the sources
that trained, where operating points are chosen.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from lard.detect.config import PredictSpec, read_params
from lard.detect.predict import predict
from lard.score.truth import coco_paths, holds_images
from lard.tables import write_json
from pipelines.benchmark import VALIDATION, datasets, model_and_protocol, model_folder, results_file
from pipelines.stage import run


def main(model: str, protocol: str) -> None:
    """Predict with a model trained under a protocol; every core takes a share of the images."""
    params = read_params("params.yaml")
    sources = params.protocol(protocol)
    predicted(model, protocol, datasets(sources.test), params.predict, ".json")
    plan = params.predict.model_copy(update={"split": VALIDATION})
    folders = datasets(sources.train)
    if all(holds_images(path) for path in coco_paths(folders, VALIDATION)):
        predicted(model, protocol, folders, plan, ".val.json")
    else:  # a project of two airports has none; the score stage says what that means
        write_json([], results_file(protocol, model, ".val.json"))


def predicted(model: str, protocol: str, folders: Sequence[Path], plan: PredictSpec, suffix: str) -> None:
    """Write the detections of a model in dataset folders; every core takes a share of the images."""
    predict(
        model_folder(protocol, model) / "checkpoint.pt",
        folders,
        results_file(protocol, model, suffix),
        plan,
        model,
        processes=min(8, os.cpu_count() or 1),
    )


if __name__ == "__main__":
    run(lambda: main(*model_and_protocol()))
