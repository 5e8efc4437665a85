"""Scores of any COCO results file against ground truth, whole and by slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lard.airports.files import SHIPPED, open_database
from lard.airports.model import RunwayDatabase
from lard.score.approaches import INTEGRITY, approach_parts
from lard.score.diagnosis import calibration, confusion, found_by_airport, localisation
from lard.score.evaluation import AREAS_PX2, Evaluation
from lard.score.inference import airport_intervals
from lard.score.integrity import Integrity
from lard.score.points import FALSE_ALARMS_PER_IMAGE, Choice, chosen_by, operating_points
from lard.score.provenance import provenance
from lard.score.severity import severity_scores
from lard.score.slices import slices
from lard.score.submitted import read_results
from lard.score.truth import (
    Paths,
    read_truth,
    roles_all_required,
    roles_of_verdict,
    roles_outside_absent,
)
from lard.tables import sha256_file, write_json

FORMAT = "lard-score-2"
VERDICTS = ("IN_ODD", "IN_EXTENDED_ODD", "OUT_OF_ODD")


def score(
    truth_paths: Paths,
    results_path: str | Path,
    out: str | Path,
    model: str,
    facts: Mapping[str, Any] | None = None,
    choice: Choice | None = None,
    origin: Mapping[str, Any] | None = None,
    runways: str = SHIPPED,
    design: Integrity = INTEGRITY,
) -> dict[str, Any]:
    """Score a results file and write the report as JSON, with `facts` about the model; returns it."""
    report = score_report(truth_paths, results_path, model, facts, choice, origin, runways, design)
    write_json(report, out)
    return report


def score_report(
    truth_paths: Paths,
    results_path: str | Path,
    model: str,
    facts: Mapping[str, Any] | None = None,
    choice: Choice | None = None,
    origin: Mapping[str, Any] | None = None,
    runways: str = SHIPPED,
    design: Integrity = INTEGRITY,
    *,
    warn: bool = True,
) -> dict[str, Any]:
    """The report of a results file; `choice` gives the operating points, `origin` is its provenance.

    Without a choice the points are chosen on the scored pictures themselves, and the report says so.
    `runways` is the database that the ground truth was labelled with; only poses from corners need it.
    """
    truth = read_truth(truth_paths)
    read = read_results(results_path, truth)
    if warn:
        read.tell()
    origin = dict(origin or provenance(truth_paths))
    choice = _as_chosen(choice, origin)
    cornered = any("keypoints" in row for row in read.rows)
    report = {
        **(facts or {}),
        "format": FORMAT,
        "model": model,
        "detections": len(read.rows),
        **scores(truth, read.rows, choice, open_database(runways) if cornered else None, design),
        "provenance": origin,
        "results_sha256": sha256_file(results_path),
    }
    report["truth_sha256"] = report["provenance"]["truth_sha256"]
    if choice is not None and choice.chosen_on == "validation":
        report["validation"] = dict(choice.origin)
    rounded: dict[str, Any] = _rounded(report)
    return rounded


def _as_chosen(choice: Choice | None, origin: Mapping[str, Any]) -> Choice | None:
    """The choice under its name: validation pictures that are scored themselves are no validation."""
    if choice is None or choice.origin.get("truth_sha256") != origin["truth_sha256"]:
        return choice
    return replace(choice, chosen_on="scored pictures")


def scores(
    truth: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    choice: Choice | None = None,
    runways: RunwayDatabase | None = None,
    design: Integrity = INTEGRITY,
) -> dict[str, Any]:
    """Every number of a score report: whole, intervals, slices, and all that counts from one point on."""
    evaluation = Evaluation(truth, rows)
    groups = slices(truth)
    choice = choice or chosen_by(evaluation, FALSE_ALARMS_PER_IMAGE, "scored pictures")
    points = operating_points(evaluation, choice)
    used = next(iter(points.values()))
    found: dict[str, Any] = {
        "overall": evaluation.metrics(),
        "intervals": airport_intervals(evaluation, groups.get("airport", {})),
        "slices": _slices(truth, evaluation, groups),
        "operating_point": used,
        "operating_points": points,
    }
    graded = severity_scores(evaluation, None if used is None else used["score"])
    found |= {"severity": graded} if graded else {}
    if used is not None:
        found["calibration"] = calibration(evaluation, used["score"])
        found["localisation"] = localisation(evaluation, used["score"])
        by_airport = found_by_airport(evaluation, used["score"])
        found |= {"found_by_airport": by_airport} if by_airport else {}
        mistaken = confusion(evaluation, used["score"])
        found |= {"confusion": mistaken} if mistaken["images"] else {}
    return found | approach_parts(evaluation, rows, None if used is None else used["score"], runways, design)


def _slices(
    truth: Mapping[str, Any], evaluation: Evaluation, groups: Mapping[str, Mapping[str, list[int]]]
) -> dict[str, dict[str, Any]]:
    """Metrics by kind and name of slice: of images, of sizes and verdicts of runways, and of protocols."""
    parts = {
        kind: {name: evaluation.metrics(images) for name, images in sorted(named.items())}
        for kind, named in groups.items()
    }
    parts["size"] = {area: evaluation.metrics(area=area) for area in AREAS_PX2 if area != "all"}
    known = {note.get("verdict") for note in truth["annotations"]}
    verdicts = {
        verdict: evaluation.with_roles(roles_of_verdict(truth, verdict)).metrics()
        for verdict in VERDICTS
        if verdict in known
    }
    if verdicts:
        parts["verdict"] = verdicts
    parts["protocol"] = {
        "every visible runway required": evaluation.with_roles(roles_all_required(truth)).metrics()
    }
    if "OUT_OF_ODD" in known:
        parts["protocol"]["runways out of ODD count as background"] = evaluation.with_roles(
            roles_outside_absent(truth)
        ).metrics()
    return parts


def _rounded(value: Any) -> Any:
    """Floats to 6 decimals, so that the last bits of a sum do not change a file."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return round(value, 6) if isinstance(value, float) else value
