"""Stage score@MODEL-PROTOCOL: results/<protocol>/<model>.score.json."""

from lard.detect.checkpoint import facts
from lard.detect.config import read_params
from lard.score.scores import score
from lard.score.truth import coco_paths
from lard.stages.benchmark import datasets, model_and_protocol, model_folder, results_file
from lard.stages.stage import run


def main(model: str, protocol: str) -> None:
    """Score the detections of a model trained under a protocol."""
    params = read_params("params.yaml")
    truth = coco_paths(datasets(params.protocol(protocol).test), params.predict.split)
    known = facts(model_folder(protocol, model) / "checkpoint.pt")
    out = results_file(protocol, model, ".score.json")
    overall = score(truth, results_file(protocol, model), out, model, known)["overall"]
    print(f"{model}: " + ", ".join(f"{key} {overall[key]}" for key in ("AP", "AP50", "AP75", "AR100")))


if __name__ == "__main__":
    run(lambda: main(*model_and_protocol()))
