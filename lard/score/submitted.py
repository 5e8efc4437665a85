"""Reading submitted detections (COCO results): which slips are mended with a warning, which are refused.

docs/leaderboard.md has the table of both.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lard.errors import DataError
from lard.score.boxes import Floats, extents
from lard.score.evaluation import MAX_DETECTIONS, Evaluation
from lard.score.keypoints import keypoint_fault, order_fault
from lard.tables import read_json

OUTSIDE_PX = 1.0
"""A box may leave the picture by so much and is cut; by more it is refused."""
UNSEEN_PX = 0.02
"""Two coordinates rounded to 0.01 px may leave it by so much: left alone."""
SCORE_SLACK = 1e-5
"""A score may leave [0, 1] by so much, as float32 sums do, and is taken for the end."""
SHOWN = 80


class Fault(NamedTuple):
    """A kind of fault, and what was found in one row."""

    kind: str
    found: str


class Row(NamedTuple):
    """One row read: the detection (None if refused), the slips mended in it, its faults."""

    detection: dict[str, Any] | None
    slips: tuple[Fault, ...] = ()
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class Submitted:
    """Detections as they are scored, and a line for each kind of slip that was mended."""

    rows: list[dict[str, Any]]
    warnings: list[str] = field(default_factory=list)

    def tell(self) -> None:
        """Write the warnings to stderr."""
        for line in self.warnings:
            print(f"lard: {line}", file=sys.stderr)


def read_results(path: str | Path, truth: Mapping[str, Any]) -> Submitted:
    """Read a COCO results file and check it against its images; every kind of fault in one error."""
    document = read_json(path)
    if not isinstance(document, list):
        kind = type(document).__name__
        raise DataError(f"{path}: expected a list of detections, found {kind}; write the list alone")
    found, faults = checked(document, truth)
    if faults:
        raise DataError("\n".join(f"{path}: {fault}" for fault in faults))
    return Submitted(found.rows, [f"{path}: {line}" for line in found.warnings])


def checked(rows: Sequence[Any], truth: Mapping[str, Any]) -> tuple[Submitted, list[str]]:
    """The detections with their slips mended, and what is refused, one line per kind with its first row."""
    sizes = {int(image["id"]): (float(image["width"]), float(image["height"])) for image in truth["images"]}
    categories = {int(category["id"]) for category in truth["categories"]}
    read = [_row(row, sizes, categories) for row in rows]
    faults = _lines([row.faults for row in read])
    kept = [row.detection for row in read if row.detection is not None]
    if other := _other_form(rows, truth, bool(faults)) or _other_order(kept, truth):
        faults.insert(0, other)
    warnings = [f"{line}; mended" for line in _lines([row.slips for row in read])]
    counts = np.unique([row["image_id"] for row in kept], return_counts=True)[1] if kept else np.zeros(0, int)
    crowded = int((counts > MAX_DETECTIONS[-1]).sum())
    if crowded:
        warnings.append(
            f"{crowded} pictures have more than {MAX_DETECTIONS[-1]} detections; their best count"
        )
    return Submitted(kept, warnings), faults


def _lines(found: Sequence[Sequence[Fault]]) -> list[str]:
    """One line per kind of fault (rows x faults), with the first row that has it."""
    first: dict[str, tuple[int, str]] = {}
    counts: dict[str, int] = {}
    for place, faults in enumerate(found):
        for fault in faults:
            first.setdefault(fault.kind, (place, fault.found))
            counts[fault.kind] = counts.get(fault.kind, 0) + 1
    return [
        f"row {place}: {kind}, found {text}" + (f" ({counts[kind]} such rows)" if counts[kind] > 1 else "")
        for kind, (place, text) in first.items()
    ]


def _row(row: Any, sizes: Mapping[int, tuple[float, float]], categories: set[int]) -> Row:
    if not isinstance(row, dict) or not {"image_id", "category_id", "bbox", "score"} <= set(row):
        found = str(row)[:SHOWN]
        return Row(None, faults=(Fault("expected image_id, category_id, bbox and score", found),))
    slips: list[Fault] = []
    faults: list[Fault] = []
    image, category, score = row["image_id"], row["category_id"], row["score"]
    if not (_whole(image) and image in sizes):
        faults.append(Fault("image_id is not an image of the ground truth", _shown(image)))
    if not (_whole(category) and category in categories):
        faults.append(Fault(f"category_id must be one of {sorted(categories)}", _shown(category)))
    if not (_number(score) and -SCORE_SLACK <= score <= 1 + SCORE_SLACK):
        faults.append(Fault("score must be in [0, 1]", _shown(score)))
    elif not 0 <= score <= 1:
        slips.append(Fault("score a rounding error outside [0, 1]", _shown(score)))
        score = min(max(score, 0.0), 1.0)
    size = sizes[int(image)] if _whole(image) and image in sizes else None
    box = row["bbox"]
    if not (isinstance(box, list) and len(box) == 4 and all(_number(value) for value in box)):
        faults.append(Fault("bbox must be four finite numbers x, y, width, height", _shown(box)))
    elif box[2] <= 0 or box[3] <= 0:
        faults.append(Fault("bbox must have positive width and height", _shown(box)))
    elif size is not None:
        box = _cut(box, size, slips, faults)
    points = row.get("keypoints")
    if points is not None and (fault := keypoint_fault(points, size)):
        faults.append(Fault(fault, _shown(points)))
    if faults:
        return Row(None, tuple(slips), tuple(faults))
    detection = {
        "image_id": int(image), "category_id": int(category), "bbox": box, "score": score,
    }  # fmt: skip
    return Row(detection | ({} if points is None else {"keypoints": points}), tuple(slips))


def _cut(box: list[float], size: tuple[float, float], slips: list[Fault], faults: list[Fault]) -> list[float]:
    """The box x, y, width, height, cut to the picture where it leaves it by a pixel at most."""
    over = max(-box[0], -box[1], box[0] + box[2] - size[0], box[1] + box[3] - size[1])
    if over <= UNSEEN_PX:
        return box
    if over > OUTSIDE_PX:
        faults.append(Fault(f"bbox must lie in the {size[0]:g}x{size[1]:g} picture", _shown(box)))
        return box
    low = [max(box[0], 0.0), max(box[1], 0.0)]
    high = [min(box[0] + box[2], size[0]), min(box[1] + box[3], size[1])]
    if high[0] <= low[0] or high[1] <= low[1]:
        faults.append(Fault(f"bbox must lie in the {size[0]:g}x{size[1]:g} picture", _shown(box)))
        return box
    slips.append(Fault(f"bbox up to {OUTSIDE_PX:g} px outside the picture", _shown(box)))
    return [*low, high[0] - low[0], high[1] - low[1]]


def _other_form(rows: Sequence[Any], truth: Mapping[str, Any], refused: bool) -> str:
    """What the boxes are if not x, y, width, height in pixels; "" where nothing tells.

    Corners are told by boxes that leave the picture as they are read (`refused`) and not as corners, else
    by the runways that they hit.
    """
    sizes = {image["id"]: (image["width"], image["height"]) for image in truth["images"]}
    known = [row for row in rows if isinstance(row, dict) and _placed(row, sizes)]
    if not known:
        return ""
    boxes = np.array([row["bbox"] for row in known], np.float64)
    if 2 * (boxes.max(axis=1) <= 1).sum() > len(boxes):
        return "the boxes lie in the unit square; COCO has pixels: multiply by the picture's width and height"
    wide = np.array([sizes[row["image_id"]] for row in known], np.float64)
    inside = (boxes >= -OUTSIDE_PX).all() and (boxes[:, 2:] <= wide + OUTSIDE_PX).all()
    if not (inside and (boxes[:, 2:] > boxes[:, :2]).all()):
        return ""
    leaves = bool((boxes[:, :2] + boxes[:, 2:] > wide + OUTSIDE_PX).any())
    if (refused and leaves) or _hits_more_as_corners(known, boxes, truth):
        return (
            "the boxes are x_min, y_min, x_max, y_max; COCO has x, y, width, height:"
            " write x_max - x_min and y_max - y_min"
        )
    return ""


def _placed(row: Mapping[str, Any], sizes: Mapping[int, Any]) -> bool:
    box, image = row.get("bbox"), row.get("image_id")
    four = isinstance(box, list) and len(box) == 4 and all(_number(value) for value in box)
    return four and _whole(image) and image in sizes


def _hits_more_as_corners(rows: Sequence[Mapping[str, Any]], boxes: Floats, truth: Mapping[str, Any]) -> bool:
    """Whether boxes (n, 4) read as corners are right at more IoUs, and in one picture of two at least."""
    plain = [{"image_id": row["image_id"], "bbox": row["bbox"], "score": 1.0} for row in rows]
    turned = [{**row, "bbox": box} for row, box in zip(plain, extents(boxes).tolist(), strict=True)]
    read, other = (Evaluation(truth, found).matches().right for found in (plain, turned))
    pictures = len({row["image_id"] for row in rows})
    return bool(other.sum() > read.sum() and 2 * other[0].sum() >= pictures)


def _other_order(rows: Sequence[Mapping[str, Any]], truth: Mapping[str, Any]) -> str:
    """The order of corners if not ours; "" where no detection carries any, or nothing tells."""
    carrying = [row for row in rows if "keypoints" in row]
    if not carrying:
        return ""
    evaluation = Evaluation(truth, carrying)
    taken = evaluation.matches().taken[0]
    notes = np.full(len(carrying), -1)
    matched = np.flatnonzero(taken >= 0)
    notes[evaluation.rows[matched]] = evaluation.notes[taken[matched]]
    return order_fault(carrying, notes, truth)


def _shown(value: object) -> str:
    return repr(value)[:SHOWN]


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))


def _whole(value: Any) -> bool:
    return _number(value) and float(value).is_integer()
