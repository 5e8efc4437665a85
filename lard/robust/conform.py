"""Conformal boxes: margins, learnt on a calibration split, that hold the true runway with a stated chance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lard.errors import DataError
from lard.score.boxes import corners, iou

Method = Literal["additive", "multiplicative"]


@dataclass(frozen=True, slots=True)
class Margins:
    """Growth of the sides (left, top, right, bottom): px, or shares of the predicted width and height."""

    method: Method
    sides: NDArray[np.float64]  # (4,)
    alpha: float
    pairs: int

    def outer(self, boxes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Boxes (n, 4) grown so that they contain the runway with a chance of at least 1 - alpha."""
        return boxes + np.array([-1.0, -1.0, 1.0, 1.0]) * self.sides * _units(boxes, self.method)


def matched_pairs(
    truth: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], score: float, least_iou: float = 0.5
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Predicted and true boxes (n, 4) of the required runways that a detection of that score matches."""
    by_image: dict[int, list[Sequence[float]]] = {}
    for row in rows:
        if row["score"] >= score:
            by_image.setdefault(int(row["image_id"]), []).append(row["bbox"])
    predicted, wanted = [], []
    for note in truth["annotations"]:
        found = by_image.get(int(note["image_id"]))
        if note.get("iscrowd", 0) or not found:
            continue
        box, boxes = np.array([note["bbox"]], np.float64), np.array(found, np.float64)
        overlap = iou(boxes, box)[:, 0]
        if overlap.max() >= least_iou:
            predicted.append(boxes[overlap.argmax()])
            wanted.append(box[0])
    return corners(np.array(predicted).reshape(-1, 4)), corners(np.array(wanted).reshape(-1, 4))


def calibrate(
    predicted: NDArray[np.float64],
    wanted: NDArray[np.float64],
    alpha: float,
    method: Method = "multiplicative",
    joint: bool = True,
) -> Margins:
    """Margins from matched pairs: one for all sides by their largest residual, or one each at alpha / 4."""
    if not 0 < alpha < 1:
        raise DataError(f"alpha {alpha}: expected a number between 0 and 1")
    sign = np.array([1.0, 1.0, -1.0, -1.0])  # positive where the prediction is too small
    residuals = sign * (predicted - wanted) / _units(predicted, method)
    if joint:
        sides = np.full(4, conformal_quantile(residuals.max(axis=1), alpha))
    else:
        sides = np.array([conformal_quantile(residuals[:, side], alpha / 4) for side in range(4)])
    if not np.isfinite(sides).all():
        need = math.ceil((1 if joint else 4) / alpha) - 1
        raise DataError(
            f"{len(predicted)} matched runways are too few for alpha {alpha};"
            f" at least {need} are needed, raise alpha"
        )
    return Margins(method, sides, alpha, len(predicted))


def conformal_quantile(residuals: NDArray[np.float64], alpha: float) -> float:
    """The ceil((n + 1)(1 - alpha))-th smallest residual; infinite when n is too small."""
    rank = math.ceil((len(residuals) + 1) * (1 - alpha) - 1e-9)
    return float(np.sort(residuals)[rank - 1]) if rank <= len(residuals) else math.inf


def coverage(margins: Margins, predicted: NDArray[np.float64], wanted: NDArray[np.float64]) -> dict[str, Any]:
    """Share of true boxes inside the grown ones, and the mean root of the ratio of areas."""
    outer = margins.outer(predicted)
    inside = (outer[:, :2] <= wanted[:, :2] + 1e-6).all(axis=1) & (outer[:, 2:] >= wanted[:, 2:] - 1e-6).all(
        axis=1
    )
    stretch = np.sqrt(
        (outer[:, 2:] - outer[:, :2]).prod(axis=1) / (predicted[:, 2:] - predicted[:, :2]).prod(axis=1)
    )
    return {
        "pairs": len(predicted),
        "coverage": float(inside.mean()) if len(predicted) else None,
        "stretch": float(stretch.mean()) if len(predicted) else None,
    }


def _units(boxes: NDArray[np.float64], method: Method) -> NDArray[np.float64]:
    size = boxes[:, 2:] - boxes[:, :2]
    return np.ones_like(boxes) if method == "additive" else np.concatenate((size, size), axis=1)
