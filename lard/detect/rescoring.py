"""Scores of a picture's detections against each other: scales that agree, and rivals in the same picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lard.detect.config import PredictSpec
from lard.detect.decode import Detections, nms
from lard.score.boxes import extents, iou

MOST = 2000
"""So many of the best boxes of all tiles or scales are compared with each other, which bounds the memory."""
FAINT = 0.005
"""What is rescored counts from this score on, whatever its new score must reach."""
RIVALS = 5
"""So many of the best detections of a picture are what a relative score is measured against."""
_CERTAIN = 1e-9


def faintly(plan: PredictSpec) -> PredictSpec:
    """The plan by which a detector looks at a picture whose detections are rescored afterwards."""
    if len(plan.scales) == 1 and not plan.relative:
        return plan
    return plan.model_copy(update={"score_floor": min(plan.score_floor, FAINT)})


def chosen(found: Detections, plan: PredictSpec) -> Detections:
    """The detections, best first, that reach the plan's score, at most as many as it allows."""
    boxes, scores = found
    reach = np.flatnonzero(scores >= plan.score_floor)[: plan.max_boxes]
    return boxes[reach], scores[reach]


def agreed(views: Sequence[Detections], nms_iou: float, blend: bool = False) -> Detections:
    """What several looks at one picture find, best first, each scored by how far they agree.

    Of boxes that overlap by more than nms_iou the best one stays, with the mean over the looks of the
    best score that each has there, 0 where it has none: a runway is seen in most of them, what is taken for
    one rarely twice in a place. With blend the mean is the geometric one, FAINT where a look has none, and
    the box the mean of the looks' best boxes there, weighted by their scores (after Solovyev et al., Weighted
    boxes fusion, Image and Vision Computing 2021). One look keeps its boxes and scores.
    """
    boxes = np.concatenate([found for found, _ in views])
    scores = np.concatenate([score for _, score in views])
    look = np.repeat(np.arange(len(views)), [len(score) for _, score in views])
    best = np.argsort(-scores, kind="stable")[:MOST]
    boxes, scores, look = boxes[best], scores[best], look[best]
    kept = nms(boxes, scores, nms_iou, len(boxes))
    if not len(kept):
        return boxes[kept], scores[kept]
    alike = iou(extents(boxes), extents(boxes[kept])) > nms_iou
    alike[kept, np.arange(len(kept))] = True  # a box without extent overlaps nothing
    owner = alike.argmax(axis=1)  # the box that suppressed it
    blended = blend and len(views) > 1
    seen = np.full((len(kept), len(views)), FAINT if blended else 0.0)
    np.maximum.at(seen, (owner, look), scores)
    score = np.exp(np.log(seen).mean(axis=1)) if blended else seen.mean(axis=1)
    chosen_boxes = _mean_boxes(boxes, scores, owner * len(views) + look, owner) if blended else boxes[kept]
    order = np.argsort(-score, kind="stable")
    return chosen_boxes[order], score[order]


def _mean_boxes(
    boxes: NDArray[np.float64],
    scores: NDArray[np.float64],
    part: NDArray[np.int64],
    owner: NDArray[np.int64],
) -> NDArray[np.float64]:
    """The mean (k, 4) by score of the first boxes of each owner's parts, of boxes (n, 4), best first."""
    first = np.unique(part, return_index=True)[1]
    weight = np.maximum(scores[first], _CERTAIN)
    total = np.zeros((owner.max() + 1, 5))
    np.add.at(total, owner[first], np.column_stack((boxes[first] * weight[:, None], weight)))
    return np.asarray(total[:, :4] / total[:, 4:])


def against_rivals(found: Detections) -> Detections:
    """Detections, best first, by how far they stand out from the RIVALS best of their picture.

    The logit of a score less the mean logit of the best, themselves among them, as a score again: 0.5 is
    the level of the best, and where there are fewer, or fainter ones, FAINT stands for them. A constant
    false-alarm rate as radars have it (Finn and Johnson, RCA Review 1968): the logits of a network whose
    gain is bounded grow and shrink with the contrast of a picture, those of runways and of all else.
    """
    boxes, scores = found
    logits = np.log(np.clip(scores, _CERTAIN, None)) - np.log(np.clip(1 - scores, _CERTAIN, None))
    faint = float(np.log(FAINT / (1 - FAINT)))
    best = np.concatenate((logits[:RIVALS], np.full(max(0, RIVALS - len(logits)), faint)))
    margin = logits - np.maximum(best, faint).mean()
    return boxes, 1 / (1 + np.exp(-margin))
