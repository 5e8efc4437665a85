"""Operating points: the score from which detections count, chosen on pictures that are not tested.

One point serves whatever needs a threshold: confusion, errors of boxes, calibration, failures, certificates.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from lard.errors import DataError
from lard.score.boxes import Floats
from lard.score.evaluation import Evaluation
from lard.score.submitted import read_results
from lard.score.truth import Paths, read_truth, truth_sha256
from lard.tables import read_json, sha256_file

FALSE_ALARMS_PER_IMAGE = 0.1
"""Budget of the first rule where none is stated."""
ChosenOn = Literal["validation", "stated", "scored pictures"]


@dataclass(frozen=True, slots=True)
class Choice:
    """Score thresholds by rule, the first of which is used, and what they were chosen on.

    A threshold is None where no score satisfies its rule.
    """

    chosen_on: ChosenOn
    thresholds: Mapping[str, float | None]
    budget: float | None = None  # false alarms per picture, where a rule has one
    there: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # what holds on those pictures
    origin: Mapping[str, Any] = field(default_factory=dict)  # their hashes, number and airports


def stated(score: float) -> Choice:
    """The threshold that a submission states, to the digits that files hold."""
    return Choice("stated", {"stated": _upwards(score)})


def chosen_by(evaluation: Evaluation, budget: float, chosen_on: ChosenOn) -> Choice:
    """Thresholds by a budget of false alarms per picture, and by the best F1."""
    thresholds = {"false_alarms": by_budget(evaluation, budget), "best_f1": best_f1(evaluation)}
    there = {rule: measured_at(evaluation, score) for rule, score in thresholds.items() if score is not None}
    return Choice(chosen_on, thresholds, budget, there)


def chosen_on_validation(
    truth_paths: Paths, results: str | Path, budget: float, *, warn: bool = True
) -> Choice:
    """Thresholds from the results of validation pictures."""
    truth = read_truth(truth_paths)
    read = read_results(results, truth)
    if warn:
        read.tell()
    found = chosen_by(Evaluation(truth, read.rows), budget, "validation")
    airports = sorted({str(image["airport"]) for image in truth["images"] if image.get("airport")})
    origin = {
        "truth_sha256": truth_sha256(truth_paths),
        "results_sha256": sha256_file(results),
        "images": len(truth["images"]),
        "airports": airports,
    }
    return Choice(found.chosen_on, found.thresholds, found.budget, found.there, origin)


def chosen_threshold(truth_paths: Paths, results: str | Path, budget: float) -> float:
    """The score within the budget on validation pictures; DataError where there is none."""
    found = chosen_on_validation(truth_paths, results, budget).thresholds["false_alarms"]
    if found is None:
        raise no_score(results, budget)
    return found


def no_score(results: str | Path, budget: float) -> DataError:
    """The error where a budget of false alarms per picture leaves no score."""
    return DataError(
        f"{results}: no score keeps {budget:g} false alarms per picture; allow more with"
        " --false-alarms, or give results that hold detections"
    )


def point_of(path: Path) -> float:
    """The score of the operating point in a score file."""
    document = read_json(path)
    point = document.get("operating_point") if isinstance(document, dict) else None
    score = point.get("score") if isinstance(point, dict) else None
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
        raise DataError(
            f"{path}: operating_point.score: {score!r}, expected a number from 0 to 1; score the results"
            " again with --val"
        )
    return float(score)


def origin_of(path: Path) -> str:
    """What the operating point of a score file was chosen on, "unknown" where it says nothing."""
    origin = read_json(path)["operating_point"].get("chosen_on", "unknown")
    if origin not in (*get_args(ChosenOn), "unknown"):
        raise DataError(
            f"{path}: operating_point.chosen_on: {origin!r}, expected one of {', '.join(get_args(ChosenOn))};"
            " score the results again with --val"
        )
    return str(origin)


def model_of(path: Path) -> str | None:
    """The model that a score file speaks of; None where it names none."""
    named = read_json(path).get("model")
    return named if isinstance(named, str) else None


def operating_points(evaluation: Evaluation, choice: Choice) -> dict[str, dict[str, Any] | None]:
    """By rule: the threshold, what it was chosen on, and what holds above it on the pictures scored."""
    points: dict[str, dict[str, Any] | None] = {}
    for rule, score in choice.thresholds.items():
        if score is None:
            points[rule] = None
            continue
        about: dict[str, Any] = {"rule": rule, "chosen_on": choice.chosen_on, "score": score}
        about |= {"budget": choice.budget} if rule == "false_alarms" else {}
        about |= {"validation": dict(choice.there[rule])} if choice.chosen_on == "validation" else {}
        points[rule] = about | measured_at(evaluation, score)
    return points


def measured_at(evaluation: Evaluation, score: float) -> dict[str, Any]:
    """Precision, recall, F1 and false alarms per picture of the detections of a score or above, at IoU 0.5.

    precision is None without a detection, recall and F1 without a required runway.
    """
    found, above = evaluation.matches(), evaluation.scores >= score
    required = int(found.required.sum())
    right = int((found.right[0] & above).sum())
    wrong = int((above & ~found.right[0] & ~found.skipped[0]).sum())
    return {
        "precision": right / (right + wrong) if right + wrong else None,
        "recall": right / required if required else None,
        "f1": 2 * right / (right + wrong + required) if required else None,
        "false_alarms_per_image": wrong / len(evaluation.image_ids),
        "required": required,
        "found": right,
        "false_alarms": wrong,
    }


def by_budget(evaluation: Evaluation, budget: float) -> float | None:
    """The lowest score from which there are at most `budget` false alarms per picture; None if none is."""
    scores, _, wrong = _sweep(evaluation)
    within = np.flatnonzero(wrong <= budget * len(evaluation.image_ids) + 1e-9)
    return _upwards(float(scores[within[-1]])) if len(within) else None


def best_f1(evaluation: Evaluation) -> float | None:
    """The score with the best F1; None where nothing is right."""
    scores, right, wrong = _sweep(evaluation)
    if not len(scores) or right[-1] == 0:
        return None
    f1 = 2 * right / (right + wrong + evaluation.matches().required.sum())
    return _upwards(float(scores[int(np.argmax(f1))]))


def _sweep(evaluation: Evaluation) -> tuple[Floats, Floats, Floats]:
    """Each different score, the highest first, with the right and wrong detections from it on: (scores,)."""
    found = evaluation.matches()
    order = np.argsort(-evaluation.scores, kind="stable")
    scores = evaluation.scores[order]
    right = np.cumsum(found.right[0][order])
    wrong = np.cumsum(~found.right[0][order] & ~found.skipped[0][order])
    last = np.append(scores[1:] < scores[:-1], True)[: len(scores)]  # equal scores come or go together
    return scores[last], right[last].astype(np.float64), wrong[last].astype(np.float64)


def _upwards(score: float) -> float:
    """The score to 6 decimals, as files hold it, never below: a rule that held goes on holding."""
    near = round(score, 6)
    return near if abs(near - score) < 1e-12 else math.ceil(score * 1e6) / 1e6
