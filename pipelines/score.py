"""Stage score@MODEL-PROTOCOL: results/<protocol>/<model>.score.json."""

from lard.detect.checkpoint import facts, trained_airports
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
    trained = coco_paths(datasets(sources.train), "train")
    choice = choice_of(params, model, protocol)
    tuned = coco_paths(datasets(sources.train), VALIDATION) if choice is not None else None
    checkpoint = model_folder(protocol, model) / "checkpoint.pt"
    origin = provenance(truth, trained, tuned)
    seen = trained_airports(checkpoint)
    if seen is not None:  # what the weights have seen, whatever the protocol trains
        origin["airports"] = with_training(origin["airports"], seen)
    report = score(
        truth,
        results_file(protocol, model),
        results_file(protocol, model, ".score.json"),
        model,
        facts(checkpoint),
        choice,
        origin,
    )
    overall = report["overall"]
    print(f"{model}: " + ", ".join(f"{key} {overall[key]}" for key in ("AP", "AP50", "AP75", "AR100")))


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
