"""Conformal margins: how far a box must grow to hold the runway with a stated chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lard.errors import DataError
from lard.robust.clusters import Groups, alpha_text, bound, check_alpha, smallest_alpha
from lard.score.boxes import Floats

Method = Literal["additive", "multiplicative"]
Sides = Literal["together", "each"]
TOO_SMALL = np.array([1.0, 1.0, -1.0, -1.0])
"""Signs that make predicted minus true positive on each side (left, top, right, bottom) that must grow."""
TOUCHING_PX = 1e-6


@dataclass(frozen=True, slots=True)
class Margins:
    """Growth of the sides (left, top, right, bottom): px, or shares of the predicted width and height."""

    method: Method
    sides: Floats  # (4,)
    alpha: float
    pairs: int
    groups: int  # airports, or as many as pairs where each runway stands for itself

    def outer(self, boxes: Floats) -> Floats:
        """Boxes (n, 4) grown so that they hold the runway with a chance of at least 1 - alpha."""
        return boxes - TOO_SMALL * self.sides * _units(boxes, self.method)

    def holds(self, predicted: Floats, wanted: Floats) -> NDArray[np.bool_]:
        """Whether the grown boxes (n, 4) hold the true ones (n, 4): (n,)."""
        inside = TOO_SMALL * (self.outer(predicted) - wanted) <= TOUCHING_PX
        return np.asarray(inside.all(axis=1), np.bool_)

    def stretch(self, predicted: Floats) -> Floats:
        """Root of the ratio of areas, grown to predicted (n, 4): (n,)."""
        grown, plain = (boxes[:, 2:] - boxes[:, :2] for boxes in (self.outer(predicted), predicted))
        found: Floats = np.sqrt(np.maximum(grown, 0).prod(axis=1) / plain.prod(axis=1))
        return found


def residuals(predicted: Floats, wanted: Floats, method: Method) -> Floats:
    """How far each side (n, 4) falls short of the true box, positive where it must grow."""
    found: Floats = TOO_SMALL * (predicted - wanted) / _units(predicted, method)
    return found


def calibrate(
    predicted: Floats,
    wanted: Floats,
    alpha: float,
    method: Method = "multiplicative",
    sides: Sides = "together",
    airports: Groups | None = None,
) -> Margins:
    """Margins from matched pairs (n, 4): one by the largest residual of each, or one per side at alpha / 4.

    With airports (n,) the chance is that of a runway at a new airport, without that of a new runway
    exchangeable with these.
    """
    check_alpha(alpha)
    short = residuals(predicted, wanted, method)
    if not np.isfinite(short).all():
        raise DataError("boxes of matched runways are not finite or have no area; predict them again")
    groups = np.arange(len(short)) if airports is None else airports
    spent = 4 if sides == "each" else 1
    least = spent * smallest_alpha(groups)
    if alpha < least - 1e-9:
        unit = "matched runways" if airports is None else "calibration airports with a matched runway"
        few = f"{len(np.unique(groups))} {unit} are too few for"
        allowed = f"alpha {alpha:g}; they allow {alpha_text(least)} or more" if least < 1 else "any alpha"
        raise DataError(f"{few} {allowed}")
    if sides == "together":
        grown = np.full(4, bound(short.max(axis=1), groups, alpha))
    else:
        grown = np.array([bound(short[:, side], groups, alpha / spent) for side in range(4)])
    return Margins(method, grown, alpha, len(short), len(np.unique(groups)))


def _units(boxes: Floats, method: Method) -> Floats:
    size = boxes[:, 2:] - boxes[:, :2]
    return np.ones_like(boxes) if method == "additive" else np.concatenate((size, size), axis=1)
