"""What attacks on many pictures add up to: scores at each size, and how small the smallest changes are."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.detect.data import Picture, read_pictures
from lard.robust.layout import TOUCH, overlap
from lard.robust.masking import warnings
from lard.robust.scene import found_in
from lard.robust.subject import evenly
from lard.robust.unit import AttackPlan, Target, Unit, checked_eps
from lard.score.evaluation import Evaluation
from lard.score.points import measured_at
from lard.score.truth import Paths, coco_paths, read_truth, truth_sha256

COLUMNS = (
    "model", "goal", "image_id", "file_name", "norm", "eps", "eligible", "reached", "size", "loss",
    "required", "hidden", "detections", "smallest", "searched_to",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """The pictures under attack and the part of the ground truth that speaks of them."""

    pictures: list[Picture]
    truth: dict[str, Any]
    sha256: str
    split: str


def subject_of(datasets: Paths, split: str, most: int) -> Subject:
    """At most so many pictures of a split, evenly drawn from all of them."""
    paths = coco_paths(datasets, split)
    truth = read_truth(paths)
    pictures = evenly(read_pictures(datasets, split, truth), most)
    chosen = {picture.image_id for picture in pictures}
    part = {
        **truth,
        "images": [image for image in truth["images"] if int(image["id"]) in chosen],
        "annotations": [note for note in truth["annotations"] if int(note["image_id"]) in chosen],
    }
    return Subject(pictures, part, truth_sha256(paths), split)


def goal_report(
    plan: AttackPlan, target: Target, subject: Subject, found: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Scores at each size, the median smallest change, and what the checks say: one goal, one detector."""
    curve = [
        _at_size(subject, target.score, [one["sizes"][place] for one in found], found)
        for place in range(len(plan.eps) + 1)
    ]
    checks = [one["checks"] for one in found if one.get("checks")]
    told: dict[str, Any] = {
        "curve": curve,
        "checks": checks,
        "warnings": warnings(checks, plan.norm, checked_eps(plan)),
    }
    if plan.smallest_steps:
        told["smallest"] = smallest_of(found)
    return told


def _at_size(
    subject: Subject, score: float, rows: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """What `lard score` says of the attacked detections, and how many pictures fell silent."""
    evaluation = Evaluation(subject.truth, [item for row in rows for item in row["found"]])
    metrics, point = evaluation.metrics(), measured_at(evaluation, score)
    eligible = [bool(one["eligible"]) for one in found]
    reached = [row["reached"] for row, able in zip(rows, eligible, strict=True) if able]
    required: list[int] = [int((~picture.ignored).sum()) for picture in subject.pictures]
    hidden = [hidden_in(picture, row, score) for picture, row in zip(subject.pictures, rows, strict=True)]
    silent = [gone == count for gone, count in zip(hidden, required, strict=True) if count]
    told = {
        "eps": rows[0]["eps"],
        "AP": metrics["AP"],
        "AP50": metrics["AP50"],
        "recall": point["recall"],
        "false_alarms_per_image": point["false_alarms_per_image"],
        "silent": _share(silent),
        "reached": _share(reached),
        "eligible": sum(eligible),
    }
    if all("firing" in row for row in rows) and any(required):
        told["firing_recall"] = sum(row["firing"] for row in rows) / sum(required)
    return {key: round(value, 6) if isinstance(value, float) else value for key, value in told.items()}


def hidden_in(picture: Picture, row: Mapping[str, Any], score: float) -> int:
    """How many required runways of a picture no detection of the operating point touches."""
    boxes, scores = found_in(row["found"])
    best = overlap(boxes[scores >= score], picture.boxes[~picture.ignored])
    return int((best.max(axis=0, initial=0) < TOUCH).sum())


def smallest_of(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Median and quartiles of the smallest changes; those not found count as larger than all that were.

    Pictures that need no change count as 0; `median_held` is the median of the others alone.
    """
    rows = [one["smallest"] for one in found if "smallest" in one]
    sizes = np.array([np.inf if row["size"] is None else row["size"] for row in rows])
    censored = int(np.isinf(sizes).sum())
    quartiles = [_quantile(sizes, share) for share in (0.25, 0.5, 0.75)]
    return {
        "pictures": len(rows),
        "median": quartiles[1],
        "median_held": _quantile(sizes[sizes > 0], 0.5),
        "quartiles": [quartiles[0], quartiles[2]],
        "censored": censored,
        "censored_share": _share(np.isinf(sizes).tolist()),
        "searched_to": max((row["searched_to"] for row in rows), default=None),
        "reached_without": int((sizes == 0).sum()),
    }


def _quantile(sizes: NDArray[np.float64], share: float) -> float | None:
    """A quantile, None where it lies among those that were not found."""
    if not len(sizes):
        return None
    value = float(np.quantile(sizes, share, method="higher" if np.isinf(sizes).any() else "linear"))
    return round(value, 6) if np.isfinite(value) else None


def _share(values: Sequence[bool | int]) -> float | None:
    return round(sum(values) / len(values), 6) if values else None


def table(work: Sequence[Unit], found: Sequence[Mapping[str, Any]]) -> str:
    """A line of CSV for each detector, goal, picture and size."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for unit, one in zip(work, found, strict=True):
        smallest = one.get("smallest", {})
        for row in one["sizes"]:
            at_point = [item for item in row["found"] if item["score"] >= unit.target.score]
            writer.writerow(
                {
                    "model": unit.target.name, "goal": unit.goal, "image_id": one["image_id"],
                    "file_name": unit.picture.info.get("file_name", unit.picture.path.name),
                    "norm": unit.plan.norm, "eps": row["eps"], "eligible": one["eligible"],
                    "reached": row["reached"], "size": row["size"], "loss": row["loss"],
                    "required": int((~unit.picture.ignored).sum()),
                    "hidden": hidden_in(unit.picture, row, unit.target.score), "detections": len(at_point),
                    "smallest": smallest.get("size"), "searched_to": smallest.get("searched_to"),
                }
            )  # fmt: skip
    return stream.getvalue()
