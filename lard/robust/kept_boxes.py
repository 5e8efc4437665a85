"""What non-maximum suppression cannot take away: a kept box that is right, whatever a perturbation does.

Let B bound the displacement of all answers, t the IoU wanted, and i the location of the largest logit among
those that go on firing and whose box goes on having IoU t with runway g. Under a perturbation let i* be the
best-scored of all chosen locations whose box has IoU t with g then; it scores as high as i at least. Greedy
suppression drops i* only for a kept j that scores as high and overlaps it. If j has IoU t with g, a right box
is kept all the same. Else j may fall short of t, may rise to i, which takes z_i - z_j <= sqrt(2) B, and meets
a box of IoU t with g. Where no such j exists a right box is kept. For i to be chosen it must be among the
best `per_level` of its level, and i* among the best `max_boxes`: fewer locations may rise to i than either.
Scores are float32: logits whose scores differ by less than they resolve count as equal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lard.detect.config import PredictSpec
from lard.robust.box_field import BoxField, Floats, least_iou, may_meet, region_of

RIGHT_IOU = 0.5
RESOLVED = 1e-6
"""Difference of scores below which float32 may take them for equal."""
STRICTLY = 1e-6
"""Beyond RIGHT_IOU, so that no box is right for two runways that share no pixel."""


def kept_for_sure(
    field: BoxField, wanted: Floats, threshold: float, moved: float, plan: PredictSpec
) -> NDArray[np.bool_]:
    """Whether a kept box of at least that logit has IoU 0.5 with each runway (k, 4), come what may: (k,).

    moved: the largest displacement of all answers together.
    """
    low, high = field.boxes(moved)
    found = np.zeros(len(wanted), bool)
    for place, runway in enumerate(wanted):
        right = least_iou(low, high, runway) >= RIGHT_IOU + STRICTLY
        fires = right & (field.logits - moved > threshold)
        if not fires.any():
            continue
        best = float(field.logits[fires].max())
        blurred = _blurred(field.temperature, max(threshold, best - moved), best + moved)
        level = best - math.sqrt(2) * moved - blurred
        rising = field.logits >= level
        crowded = int(rising.sum()) >= min(plan.per_level, plan.max_boxes)
        if crowded or field.rest >= level:
            continue
        wrong = rising & ~right & may_meet(low, high, region_of(runway, RIGHT_IOU))
        found[place] = not wrong.any()
    return found


def _blurred(temperature: float, low: float, high: float) -> float:
    """How far below a logit of [low, high] another may lie whose score float32 does not tell from its own."""
    found = []
    for logit in (low, high):
        score = 1 / (1 + math.exp(-min(max(temperature * logit, -700.0), 700.0))) - RESOLVED
        if score <= 0:
            return math.inf
        found.append(logit - math.log(score / (1 - score)) / temperature)
    return max(found)


def fires_most(field: BoxField, threshold: float, moved: float, plan: PredictSpec) -> int:
    """Detections that can reach a logit together at most, by a knapsack, of those that a picture may have."""
    costs = np.maximum(threshold - field.logits, 0) ** 2
    reached = int((np.cumsum(np.sort(costs)) <= moved**2).sum())
    unseen = field.rest + moved >= threshold
    return plan.max_boxes if unseen else min(reached, plan.max_boxes)


@dataclass(frozen=True, slots=True)
class Boxed:
    """One picture: its field, its required runways, all labelled ones, and the displacement to withstand."""

    field: BoxField
    wanted: Floats  # (k, 4) corner pairs
    labelled: Floats  # (k + m, 4), the required ones first
    moved: float

    def apart(self) -> NDArray[np.bool_]:
        """Whether each required runway's box shares no point with any other labelled one: (k,).

        A box of IoU above 0.5 with one of two disjoint boxes has less with the other: matching cannot give
        it away.
        """
        low = np.maximum(self.wanted[:, None, :2], self.labelled[None, :, :2])
        high = np.minimum(self.wanted[:, None, 2:], self.labelled[None, :, 2:])
        meets = np.asarray((high > low).all(axis=2), bool)
        meets[np.arange(len(self.wanted)), np.arange(len(self.wanted))] = False
        return np.asarray(~meets.any(axis=1), bool)


def certified_recall(pictures: Sequence[Boxed], threshold: float, plan: PredictSpec) -> float | None:
    """Share of required runways with a right kept box from a logit on; None without any."""
    held = [kept_for_sure(one.field, one.wanted, threshold, one.moved, plan) for one in pictures]
    total = sum(map(len, held))
    return sum(int(one.sum()) for one in held) / total if total else None


def certified_ap50(pictures: Sequence[Boxed], thresholds: Sequence[float], plan: PredictSpec) -> float | None:
    """A lower bound of AP50 (101 points) under perturbations of every picture; None without runways.

    At each threshold right detections are counted that stay for sure, wrong ones as all that can be made to
    fire beside these: each picture's budget is spent twice, so the bound is loose and valid.
    """
    total = sum(len(one.wanted) for one in pictures)
    if not total:
        return None
    best = np.zeros(101)
    apart = [one.apart() for one in pictures]
    for threshold in thresholds:
        right = wrong = 0
        for one, alone in zip(pictures, apart, strict=True):
            sure = kept_for_sure(one.field, one.wanted, threshold, one.moved, plan) & alone
            right += int(sure.sum())
            wrong += max(fires_most(one.field, threshold, one.moved, plan) - int(sure.sum()), 0)
        if right:
            reached = np.linspace(0, 1, 101) <= right / total + 1e-12
            best[reached] = np.maximum(best[reached], right / (right + wrong))
    return float(best.mean())
