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
from lard.tables import read_json, sha256_file, write_json

MAX_DETECTIONS = (1, 10, 100)
EVERYTHING_PX2 = 1e10
AREAS_PX2 = {
    "all": (0.0, EVERYTHING_PX2),
    "under 16 px": (0.0, 16.0**2),
    "16-32 px": (16.0**2, 32.0**2),
    "32-64 px": (32.0**2, 64.0**2),
    "over 64 px": (64.0**2, EVERYTHING_PX2),
}
"""Box areas, named by the side of the square of that area; runways on approach are small."""
DISTANCES_M = (1000.0, 2000.0, 3000.0, 4000.0, 5000.0)


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
        self.required: dict[int, list[float]] = {image_id: [] for image_id in self.images}
        for note in document["annotations"]:
            if not note["iscrowd"]:
                self.required[int(note["image_id"])].append(float(note["area"]))
        with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its timings
            coco = COCO()
            coco.dataset = document
            coco.createIndex()
            detections = coco.loadRes([dict(row) for row in results]) if results else _no_results(document)
            self._eval = COCOeval(coco, detections, "bbox")
            self._eval.params.maxDets = list(MAX_DETECTIONS)
            self._eval.params.areaRng = [list(limits) for limits in AREAS_PX2.values()]
            self._eval.params.areaRngLbl = list(AREAS_PX2)
            self._eval.evaluate()
        self._order = {int(image_id): place for place, image_id in enumerate(self._eval.params.imgIds)}
        self._matches = list(self._eval.evalImgs)
        self._params = deepcopy(self._eval.params)

    def metrics(self, images: Sequence[int] | None = None, area: str = "all") -> dict[str, Any]:
        """AP, AP50, AP75, AR at 1, 10, 100 detections; None where no box is required.

        An image may be listed more than once, as resampling does.
        """
        chosen = sorted(self.images if images is None else images)
        precision, recall = self.curves(chosen, area)
        found: dict[str, Any] = {
            "AP": _mean(precision),
            "AP50": _mean(precision[0]),
            "AP75": _mean(precision[5]),
            **{f"AR{count}": _mean(recall[:, place]) for place, count in enumerate(MAX_DETECTIONS)},
        }
        low, high = AREAS_PX2[area]
        boxes = sum(low <= size < high for image_id in chosen for size in self.required[image_id])
        return {**found, "images": len(chosen), "boxes": boxes}

    def curves(self, images: Sequence[int], area: str = "all") -> tuple[np.ndarray, np.ndarray]:
        """Precision (10 IoUs, 101 recalls) at 100 detections and recall (10 IoUs, 3 limits) of a subset."""
        params = deepcopy(self._params)
        params.imgIds = list(images)
        params.areaRng, params.areaRngLbl = [list(AREAS_PX2[area])], [area]
        shift = list(AREAS_PX2).index(area) * len(self._order)
        self._eval.params = self._eval._paramsEval = params
        self._eval.evalImgs = [self._matches[shift + self._order[image_id]] for image_id in images]
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
    """Image ids by zone, airport, number of required runways in view and distance of the nearest one."""
    found: dict[str, dict[str, list[int]]] = {"zone": {}, "airport": {}, "runways": {}, "distance": {}}
    required: dict[int, list[Any]] = {}
    for note in truth["annotations"]:
        if not note.get("iscrowd", 0):
            required.setdefault(int(note["image_id"]), []).append(note.get("slant_m"))
    for image in truth["images"]:
        image_id = int(image["id"])
        for key in ("zone", "airport"):
            if image.get(key) is not None:
                found[key].setdefault(str(image[key]), []).append(image_id)
        slants_m = required.get(image_id, [])
        found["runways"].setdefault("3+" if len(slants_m) >= 3 else str(len(slants_m)), []).append(image_id)
        if slants_m and None not in slants_m:
            found["distance"].setdefault(_distance_bin(min(slants_m)), []).append(image_id)
    return {key: groups for key, groups in found.items() if groups}


def _distance_bin(slant_m: float) -> str:
    place = int(np.searchsorted(DISTANCES_M, slant_m, side="right"))
    if place == len(DISTANCES_M):
        return f"over {DISTANCES_M[-1] / 1000:g} km"
    low = DISTANCES_M[place - 1] if place else 0.0
    return f"{low / 1000:g}-{DISTANCES_M[place] / 1000:g} km"


def score(
    truth_path: str | Path,
    results_path: str | Path,
    out: str | Path,
    model: str,
    facts: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Score a results file and write the metrics as JSON, with `facts` about the model; returns them."""
    truth = read_truth(truth_path)
    rows = read_results(results_path, truth)
    evaluation = Evaluation(truth, rows)
    groups = slices(truth)
    parts = {
        key: {name: evaluation.metrics(images) for name, images in sorted(parts.items())}
        for key, parts in groups.items()
    }
    parts["size"] = {area: evaluation.metrics(area=area) for area in AREAS_PX2 if area != "all"}
    parts["protocol"] = {
        "every visible runway required": Evaluation(truth, rows, all_required=True).metrics()
    }
    report = {
        **(facts or {}),
        "model": model,
        "detections": len(rows),
        "overall": evaluation.metrics(),
        "intervals": bootstrap(evaluation, groups.get("airport", {})),
        "slices": parts,
        "truth_sha256": sha256_file(truth_path),
        "results_sha256": sha256_file(results_path),
    }
    report = _rounded(report)
    write_json(report, out)
    return report


def bootstrap(
    evaluation: Evaluation, airports: Mapping[str, Sequence[int]], draws: int = 400, level: float = 0.95
) -> dict[str, Any]:
    """Percentile intervals of AP and AP50 over airports drawn anew; frames of one are not independent."""
    samples = airport_draws(sorted(airports), draws)
    seen: dict[tuple[str, ...], dict[str, Any]] = {}
    for sample in samples:
        if sample not in seen:
            seen[sample] = evaluation.metrics([image for name in sample for image in airports[name]])
    tail = (1 - level) / 2
    found: dict[str, Any] = {"airports": len(airports), "draws": len(samples), "level": level}
    for key in ("AP", "AP50"):
        values = [seen[sample][key] for sample in samples if seen[sample][key] is not None]
        found[key] = [float(np.quantile(values, q)) for q in (tail, 1 - tail)] if values else None
    return found


def airport_draws(airports: Sequence[str], draws: int) -> list[tuple[str, ...]]:
    """Samples of the airports with replacement, each sorted; none when there are fewer than two."""
    if len(airports) < 2:
        return []
    rng = np.random.default_rng([0, len(airports)])
    return [tuple(sorted(rng.choice(airports, len(airports)).tolist())) for _ in range(draws)]


def paired_difference(
    first: Evaluation, second: Evaluation, airports: Mapping[str, Sequence[int]], metric: str = "AP50"
) -> dict[str, Any]:
    """Difference second - first of a metric, with its interval over the same draws of airports."""
    samples = airport_draws(sorted(airports), 400)
    seen: dict[tuple[str, ...], float] = {}
    for sample in set(samples):
        images = [image for name in sample for image in airports[name]]
        pair = first.metrics(images)[metric], second.metrics(images)[metric]
        if None not in pair:
            seen[sample] = pair[1] - pair[0]
    values = [seen[sample] for sample in samples if sample in seen]
    whole = [evaluation.metrics()[metric] for evaluation in (first, second)]
    return {
        "difference": None if None in whole else whole[1] - whole[0],
        "interval": [float(np.quantile(values, q)) for q in (0.025, 0.975)] if values else None,
        "share_positive": float(np.mean(np.array(values) > 0)) if values else None,
    }


def _rounded(value: Any) -> Any:
    """Floats to 6 decimals, so that the last bits of a sum do not change a file."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return round(value, 6) if isinstance(value, float) else value
