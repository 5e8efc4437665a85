"""Stage score@MODEL-PROTOCOL: results/<protocol>/<model>.score.json."""

from pathlib import Path
from typing import Any

from lard.detect.checkpoint import Description, description_of, facts, trained_airports
from lard.detect.config import Params, read_params
from lard.score.points import Choice, chosen_on_validation
from lard.score.provenance import provenance, with_training
from lard.score.scores import score
from lard.score.truth import coco_paths, holds_images
from pipelines.benchmark import VALIDATION, datasets, model_and_protocol, model_folder, results_file
from pipelines.stage import run


def main(model: str, protocol: str) -> None:
    """Score the detections of a model trained under a protocol."""
    params = read_params("params.yaml")
    sources = params.protocol(protocol)
    truth = coco_paths(datasets(sources.test), params.predict.split)
    choice = choice_of(params, model, protocol)
    about = description_of(model_folder(protocol, model) / "checkpoint.pt")
    report = score(
        truth,
        results_file(protocol, model),
        results_file(protocol, model, ".score.json"),
        model,
        facts(about),
        choice,
        origin_of(params, about, protocol, truth, choice),
    )
    overall = report["overall"]
    print(f"{model}: " + ", ".join(f"{key} {overall[key]}" for key in ("AP", "AP50", "AP75", "AR100")))


def origin_of(
    params: Params, about: Description, protocol: str, truth: list[Path], validated: Choice | None
) -> dict[str, Any]:
    """Provenance of scores on `truth`, with the airports that the weights say they have seen."""
    sources = datasets(params.protocol(protocol).train)
    tuned = coco_paths(sources, VALIDATION) if validated is not None else None
    origin = provenance(truth, coco_paths(sources, "train"), tuned)
    seen = trained_airports(about)
    if seen is not None:  # whatever the protocol trains
        origin["airports"] = with_training(origin["airports"], seen, "weights")
    return origin


def choice_of(params: Params, model: str, protocol: str) -> Choice | None:
    """Operating points from the validation pictures of the training sources; None where there are none."""
    paths = coco_paths(datasets(params.protocol(protocol).train), VALIDATION)
    if not all(holds_images(path) for path in paths):
        print(f"{model}: no validation pictures; its operating points are chosen on the test pictures")
        return None
    results = results_file(protocol, model, ".val.json")
    return chosen_on_validation(paths, results, params.score.false_alarms_per_image)


if __name__ == "__main__":
    run(lambda: main(*model_and_protocol()))
