"""Boxes of a detector whose box head shares the Lipschitz constant of its logits, and how far they may move.

Each location answers with a logit z and four box units u; all of them together are L-Lipschitz in the
pixels. The distances to the sides are stride * softplus(gain * u + side), which rises in u: within a
displacement B of all answers every coordinate of a box stays in an interval, and intersection over union with
a fixed box, which first rises and then falls in each coordinate alone, is least at one of the 16 corners of
these intervals.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lard.detect.fcos import LipschitzFcos
from lard.detect.loss import locations_px

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SLACK_PX = 1e-3
"""What a coordinate may differ by for float32 arithmetic."""
_CORNERS = np.array(list(itertools.product((0, 1), repeat=4)))  # (16, 4)


@dataclass(frozen=True, slots=True)
class BoxField:
    """The locations of the largest logits of a picture with their box units; others have no larger logit."""

    logits: Floats  # (n,), falling
    units: Floats  # (n, 4) left, top, right, bottom, with the level's bias
    centres: Floats  # (n, 2) px
    strides: Floats  # (n,) px
    gain: float
    temperature: float  # of the score sigmoid(temperature * z)
    rest: float  # the largest logit of all other locations, -inf where there is none

    def boxes(self, moved: float = 0.0) -> tuple[Floats, Floats]:
        """Least and largest corner pairs (n, 4) in px while answers are displaced by `moved` at most."""
        x, y = self.centres.T
        found = []
        for sign in (1.0, -1.0):
            sides = _softplus(self.gain * (self.units + sign * moved * np.array([1, 1, -1, -1])))
            left, top, right, bottom = (sides * self.strides[:, None]).T
            slack = sign * SLACK_PX if moved else 0.0
            found.append(
                np.stack((x - left - slack, y - top - slack, x + right - slack, y + bottom - slack), axis=1)
            )
        return found[0], found[1]


def box_field(net: LipschitzFcos, answers: Sequence[Tensor], held: int) -> BoxField:
    """The field of one picture from all answers (1, 5, h, w) of each level, finest first."""
    logits, units, centres, strides = [], [], [], []
    for level, (answer, stride) in enumerate(zip(answers, net.spec.strides_px, strict=True)):
        rows, columns = answer.shape[2:]
        flat = answer[0].flatten(1).double().cpu().numpy()
        logits.append(flat[0])
        units.append(flat[1:].T + float(net.sides[level]) / net.spec.box_gain)
        centres.append(locations_px(rows * stride, columns * stride, stride).astype(np.float64))
        strides.append(np.full(rows * columns, float(stride)))
    z = np.concatenate(logits)
    order = np.argsort(-z, kind="stable")
    first, others = order[:held], order[held:]
    rest = float(z[others[0]]) if len(others) else -np.inf
    return BoxField(
        z[first],
        np.concatenate(units)[first],
        np.concatenate(centres)[first],
        np.concatenate(strides)[first],
        net.spec.box_gain,
        net.spec.temperature,
        rest,
    )


def least_iou(low: Floats, high: Floats, box: Floats) -> Floats:
    """The least IoU (n,) that boxes between corner pairs (n, 4) can have with a fixed one (4,)."""
    chosen = np.where(_CORNERS[:, None, :] == 0, low, high)  # (16, n, 4)
    return np.asarray(_iou(chosen, box).min(axis=0), np.float64)


def may_meet(low: Floats, high: Floats, region: Floats) -> NDArray[np.bool_]:
    """Whether boxes between corner pairs (n, 4) can have a point in common with a region (4,)."""
    return np.asarray(
        (low[:, 0] < region[2])
        & (low[:, 1] < region[3])
        & (high[:, 2] > region[0])
        & (high[:, 3] > region[1])
    )


def region_of(box: Floats, iou: float) -> Floats:
    """Where every box lies that has at least this IoU with a fixed one.

    Such a box is at most 1 / iou as wide, and shares at least iou of its own width with it: it sticks out by
    (1 / iou - 1) widths at most. Heights alike.
    """
    spare = (box[2:] - box[:2]) * (1 / iou - 1)
    return np.concatenate((box[:2] - spare, box[2:] + spare))


def _iou(boxes: Floats, other: Floats) -> Floats:
    inner = np.minimum(boxes[..., 2:], other[2:]) - np.maximum(boxes[..., :2], other[:2])
    common = np.maximum(inner, 0).prod(axis=-1)
    size = np.maximum(boxes[..., 2:] - boxes[..., :2], 0).prod(axis=-1)
    return np.asarray(common / (size + (other[2:] - other[:2]).prod() - common), np.float64)


def _softplus(values: Floats) -> Floats:
    return np.asarray(np.logaddexp(0, values), np.float64)
