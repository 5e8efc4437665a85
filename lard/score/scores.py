"""Scores of any COCO results file against ground truth, whole and by slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lard.errors import DataError
from lard.score.diagnosis import calibration, confusion, localisation, operating_point
from lard.score.evaluation import AREAS_PX2, Evaluation
from lard.score.resampling import bootstrap
from lard.score.slices import slices
from lard.score.truth import (
    Paths,
    read_truth,
    roles_all_required,
    roles_of_verdict,
    roles_outside_absent,
    truth_sha256,
)
from lard.tables import read_json, sha256_file, write_json

VERDICTS = ("IN_ODD", "IN_EXTENDED_ODD", "OUT_OF_ODD")


def read_results(path: str | Path, truth: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Read a COCO results file and check it against its images; every kind of fault in one error."""
    rows = read_json(path)
    if not isinstance(rows, list):
        raise DataError(f"{path}: expected a list of detections, found {type(rows).__name__}")
    faults = submission_faults(rows, truth)
    if faults:
        raise DataError("\n".join(f"{path}: {fault}" for fault in faults))
    return rows


def submission_faults(rows: Sequence[Any], truth: Mapping[str, Any]) -> list[str]:
    """What is wrong with a list of detections, one line per kind with the first row it occurs in."""
    sizes = {int(image["id"]): (float(image["width"]), float(image["height"])) for image in truth["images"]}
    categories = {int(category["id"]) for category in truth["categories"]}
    first: dict[str, tuple[int, str]] = {}
    counts: dict[str, int] = {}
    for place, row in enumerate(rows):
        for kind, found in _row_faults(row, sizes, categories):
            first.setdefault(kind, (place, found))
            counts[kind] = counts.get(kind, 0) + 1
    return [
        f"row {first[kind][0]}: {kind}, found {first[kind][1]}"
        + (f" ({counts[kind]} such rows)" if counts[kind] > 1 else "")
        for kind in counts
    ]


def _row_faults(
    row: Any, sizes: Mapping[int, tuple[float, float]], categories: set[int]
) -> list[tuple[str, str]]:
    if not isinstance(row, dict) or not {"image_id", "category_id", "bbox", "score"} <= set(row):
        return [("expected image_id, category_id, bbox and score", str(row)[:80])]
    faults = []
    known = _whole(row["image_id"]) and row["image_id"] in sizes
    if not known:
        faults.append(("image_id is not an image of the ground truth", f"{row['image_id']!r:.60}"))
    if not (_whole(row["category_id"]) and row["category_id"] in categories):
        faults.append((f"category_id must be one of {sorted(categories)}", f"{row['category_id']!r:.60}"))
    if not (_number(row["score"]) and 0 <= row["score"] <= 1):
        faults.append(("score must be in [0, 1]", f"{row['score']!r:.60}"))
    box = row["bbox"]
    if not (isinstance(box, list) and len(box) == 4 and all(_number(value) for value in box)):
        faults.append(("bbox must be four finite numbers x, y, width, height", str(box)[:80]))
    elif box[2] <= 0 or box[3] <= 0:
        faults.append(("bbox must have positive width and height", str(box)))
    elif known:
        width, height = sizes[row["image_id"]]
        if box[0] < -1 or box[1] < -1 or box[0] + box[2] > width + 1 or box[1] + box[3] > height + 1:
            faults.append((f"bbox must lie in the {width:g}x{height:g} picture", str(box)))
    return faults


def _whole(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))


def score(
    truth_paths: Paths,
    results_path: str | Path,
    out: str | Path,
    model: str,
    facts: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Score a results file and write the metrics as JSON, with `facts` about the model; returns them."""
    truth = read_truth(truth_paths)
    rows = read_results(results_path, truth)
    report = {
        **(facts or {}),
        "model": model,
        "detections": len(rows),
        **scores(truth, rows),
        "truth_sha256": truth_sha256(truth_paths),
        "results_sha256": sha256_file(results_path),
    }
    report = _rounded(report)
    write_json(report, out)
    return report


def scores(truth: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Every number of a score report: whole, intervals, slices, calibration, confusion, errors of boxes."""
    evaluation = Evaluation(truth, rows)
    groups = slices(truth)
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
    point = operating_point(evaluation)
    found: dict[str, Any] = {
        "overall": evaluation.metrics(),
        "intervals": bootstrap(evaluation, groups.get("airport", {})),
        "slices": parts,
        "calibration": calibration(evaluation),
        "operating_point": point,
    }
    if point is not None:
        found["localisation"] = localisation(evaluation, point["score"])
        mistaken = confusion(evaluation, point["score"])
        found |= {"confusion": mistaken} if mistaken["images"] else {}
    return found


def _rounded(value: Any) -> Any:
    """Floats to 6 decimals, so that the last bits of a sum do not change a file."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return round(value, 6) if isinstance(value, float) else value
