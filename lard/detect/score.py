"""Scores of any COCO results file against a COCO file, whole and by slice; the numbers are pycocotools'."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from lard.errors import DataError
from lard.tables import read_json, write_json

MAX_DETECTIONS = (1, 10, 100)
METRICS = ("AP", "AP50", "AP75", "AR1", "AR10", "AR100")


class Evaluation:
    """All matches of a submission, computed once; metrics of any subset of images follow cheaply."""

    def __init__(
        self, truth: Mapping[str, Any], results: Sequence[Mapping[str, Any]], all_required: bool = False
    ) -> None:
        document = deepcopy(dict(truth))
        for note in document["annotations"]:
            note["iscrowd"] = 0 if all_required else int(note.get("iscrowd", 0))
            note.setdefault("area", note["bbox"][2] * note["bbox"][3])
        self.images = {int(image["id"]): image for image in document["images"]}
        self.required = dict.fromkeys(self.images, 0)
        for note in document["annotations"]:
            self.required[int(note["image_id"])] += 1 - note["iscrowd"]
        with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its timings
            coco = COCO()
            coco.dataset = document
            coco.createIndex()
            detections = coco.loadRes([dict(row) for row in results]) if results else _no_results(document)
            self._eval = COCOeval(coco, detections, "bbox")
            self._eval.params.maxDets = list(MAX_DETECTIONS)
            self._eval.params.areaRng = [[0, 1e10]]
            self._eval.params.areaRngLbl = ["all"]
            self._eval.evaluate()
        self._order = {int(image_id): place for place, image_id in enumerate(self._eval.params.imgIds)}
        self._matches = list(self._eval.evalImgs)
        self._params = deepcopy(self._eval.params)

    def metrics(self, images: Sequence[int] | None = None) -> dict[str, Any]:
        """AP, AP50, AP75, AR at 1, 10, 100 detections; None where no box is required."""
        chosen = sorted(self.images if images is None else set(images))
        precision, recall = self.curves(chosen)
        found: dict[str, Any] = {
            "AP": _mean(precision),
            "AP50": _mean(precision[0]),
            "AP75": _mean(precision[5]),
            **{f"AR{count}": _mean(recall[:, place]) for place, count in enumerate(MAX_DETECTIONS)},
        }
        boxes = sum(self.required[image_id] for image_id in chosen)
        return {**found, "images": len(chosen), "boxes": boxes}

    def curves(self, images: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Precision (10 IoUs, 101 recalls) at 100 detections and recall (10 IoUs, 3 limits) of a subset."""
        params = deepcopy(self._params)
        params.imgIds = list(images)
        self._eval.params = self._eval._paramsEval = params
        self._eval.evalImgs = [self._matches[self._order[image_id]] for image_id in images]
        with contextlib.redirect_stdout(io.StringIO()):
            self._eval.accumulate()
        return self._eval.eval["precision"][:, :, 0, 0, -1], self._eval.eval["recall"][:, 0, 0, :]


def _no_results(document: Mapping[str, Any]) -> COCO:
    """A COCO object without detections; pycocotools refuses an empty list."""
    empty = COCO()
    empty.dataset = {"images": document["images"], "categories": document["categories"], "annotations": []}
    empty.createIndex()
    return empty


def _mean(values: np.ndarray) -> float | None:
    """Mean of the defined values; pycocotools writes -1 where there is nothing to find."""
    defined = values[values > -1]
    return float(defined.mean()) if defined.size else None


def read_truth(path: str | Path) -> dict[str, Any]:
    """Read a COCO ground-truth file."""
    document = read_json(path)
    if not isinstance(document, dict) or not {"images", "annotations", "categories"} <= set(document):
        raise DataError(f"{path}: not a COCO file; expected images, annotations and categories")
    if not document["images"]:
        raise DataError(f"{path}: no images; expected at least one")
    return document


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
    if row["image_id"] not in sizes:
        faults.append(("image_id is not an image of the ground truth", repr(row["image_id"])))
    if row["category_id"] not in categories:
        faults.append((f"category_id must be one of {sorted(categories)}", repr(row["category_id"])))
    if not (_number(row["score"]) and 0 <= row["score"] <= 1):
        faults.append(("score must be in [0, 1]", repr(row["score"])))
    box = row["bbox"]
    if not (isinstance(box, list) and len(box) == 4 and all(_number(value) for value in box)):
        faults.append(("bbox must be four finite numbers x, y, width, height", str(box)[:80]))
    elif box[2] <= 0 or box[3] <= 0:
        faults.append(("bbox must have positive width and height", str(box)))
    elif row["image_id"] in sizes:
        width, height = sizes[row["image_id"]]
        if box[0] < -1 or box[1] < -1 or box[0] + box[2] > width + 1 or box[1] + box[3] > height + 1:
            faults.append((f"bbox must lie in the {width:g}x{height:g} picture", str(box)))
    return faults


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))


def slices(truth: Mapping[str, Any]) -> dict[str, dict[str, list[int]]]:
    """Image ids by zone, airport and number of required runways in view."""
    found: dict[str, dict[str, list[int]]] = {"zone": {}, "airport": {}, "runways": {}}
    required: dict[int, int] = {}
    for note in truth["annotations"]:
        required[int(note["image_id"])] = (
            required.get(int(note["image_id"]), 0) + 1 - int(note.get("iscrowd", 0))
        )
    for image in truth["images"]:
        for key in ("zone", "airport"):
            if image.get(key) is not None:
                found[key].setdefault(str(image[key]), []).append(int(image["id"]))
        count = required.get(int(image["id"]), 0)
        found["runways"].setdefault("3+" if count >= 3 else str(count), []).append(int(image["id"]))
    return {key: groups for key, groups in found.items() if groups}


def score(truth_path: str | Path, results_path: str | Path, out: str | Path, model: str) -> dict[str, Any]:
    """Score a results file and write the metrics as JSON; returns what was written."""
    truth = read_truth(truth_path)
    rows = read_results(results_path, truth)
    evaluation = Evaluation(truth, rows)
    report = {
        "model": model,
        "detections": len(rows),
        "overall": evaluation.metrics(),
        "all_required": Evaluation(truth, rows, all_required=True).metrics(),
        "slices": {
            key: {group: evaluation.metrics(images) for group, images in sorted(groups.items())}
            for key, groups in slices(truth).items()
        },
    }
    report = _rounded(report)
    write_json(report, out)
    return report


def _rounded(value: Any) -> Any:
    """Floats to 6 decimals, so that the last bits of a sum do not change a file."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return round(value, 6) if isinstance(value, float) else value
