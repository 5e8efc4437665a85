"""What the stages about robustness share: their settings, their folders, and operating points of models."""

from pathlib import Path
from typing import Any

from lard.documents import checked
from lard.errors import SpecError
from lard.robust.settings import RobustnessSettings
from lard.robust.subject import Point
from lard.score.points import origin_of, point_of
from lard.tables import read_json, write_json
from pipelines.benchmark import results_file
from pipelines.stage import PARAMS, params

REPORTS = Path("reports")
NOT_COMPUTED = "not_computed.json"
"""Models that a stage says nothing of, with the reason."""


def settings() -> RobustnessSettings:
    """The section `robustness` of params.yaml; SpecError names every field at fault."""
    found = params("robustness")
    where = f"{PARAMS}: robustness"
    return checked(RobustnessSettings, found, where, error=SpecError, remedy="see the shipped params.yaml")


def folder_of(protocol: str, stage: str) -> Path:
    """Where a stage puts what it finds out under a protocol."""
    return REPORTS / "robustness" / protocol / stage


def unfinished(protocol: str, stage: str) -> Path:
    """Where a stage keeps what it has done until it ends."""
    return REPORTS / ".robustness" / protocol / stage


def operating_point(protocol: str, model: str) -> Point | str:
    """The score from which a model's detections count, or why there is none."""
    path = results_file(protocol, model, ".score.json")
    document = read_json(path)
    if isinstance(document, dict) and document.get("operating_point", 0) is None:
        return "no score keeps its budget of false alarms on the validation pictures"
    score = point_of(path)
    if not 0 < score < 1:
        return f"its operating point is a score of {score:g}, which no finite logit has"
    return Point(score, origin_of(path))


def write_absent(absent: dict[str, str], folder: Path) -> None:
    """Write and tell which models are left out and why; an empty object where none is."""
    found: dict[str, Any] = dict(sorted(absent.items()))
    write_json(found, folder / NOT_COMPUTED)
    for model, reason in found.items():
        print(f"{model}: left out: {reason}")
