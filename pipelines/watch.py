"""Stage watch@MODEL-PROTOCOL: a model over time -> results/<protocol>/<model>.sequences.score.json."""

from pathlib import Path

from lard.detect.checkpoint import description_of, facts
from lard.detect.config import read_params
from lard.score.points import Choice
from lard.score.scores import score_report
from lard.score.truth import coco_paths
from lard.tables import read_json, write_json
from pipelines.benchmark import model_and_protocol, model_folder, results_file
from pipelines.predict import predicted
from pipelines.score import choice_of, origin_of
from pipelines.stage import run

FOLDER = Path("data/sequences")
RESULTS, SCORE = ".sequences.json", ".sequences.score.json"


def main(model: str, protocol: str) -> None:
    """Detect runways in the flown approaches and score them at the model's operating point."""
    params = read_params("params.yaml")
    out = results_file(protocol, model, RESULTS)
    predicted(model, protocol, [FOLDER], params.predict.model_copy(update={"split": "test"}), RESULTS)
    truth = coco_paths([FOLDER], "test")
    validated = choice_of(params, model, protocol)
    choice = validated or _as_scored(model, protocol)
    about = description_of(model_folder(protocol, model) / "checkpoint.pt")
    origin = origin_of(params, about, protocol, truth, validated)
    report = score_report(truth, out, model, facts(about), choice, origin)
    if "sequences" in report:
        report["sequences"]["flights"] = read_json(FOLDER / "flights.json")
    write_json(report, results_file(protocol, model, SCORE))
    told = report.get("sequences", {}).get("detector")
    print(
        f"{model}: found stably in {told['found_stably']} of {told['sequences']} approaches"
        if told
        else model
    )


def _as_scored(model: str, protocol: str) -> Choice:
    """The points of the score stage, on the test pictures: one serves all, without validation too."""
    points = read_json(results_file(protocol, model, ".score.json"))["operating_points"]
    return Choice("scored pictures", {rule: point and point["score"] for rule, point in points.items()})


if __name__ == "__main__":
    run(lambda: main(*model_and_protocol()))
