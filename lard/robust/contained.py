"""Average precision of boxes that must hold the runway: C-AP, C-mAP.

A detection is right when its box has IoU 0.5 or more with a runway and holds a stated share of it (IoA):
boxes grown too little fail by the one, boxes grown too far by the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.score.averaging import precision_and_hits
from lard.score.boxes import Floats, Ints, overlaps, share_inside
from lard.score.evaluation import RECALLS, Evaluation

SHARES = np.append(np.linspace(0.8, 0.95, 4), 1.0)
"""Shares of a runway (IoA) that C-mAP averages over; the last asks for all of it."""
LEAST_IOU = 0.5
ROUNDING = 1e-6


def contained_precision(
    truth: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], shares: Floats = SHARES
) -> Floats:
    """Average precision at IoU 0.5 when a box must hold each share of a runway: (shares,)."""
    judged = Evaluation(truth, rows)
    right = np.zeros((len(shares), len(judged.scores)), np.bool_)
    skipped = np.zeros_like(right)
    for image_id in np.unique(judged.image_ids[judged.image]).tolist():
        own, runways = judged.detections_of([image_id]), judged.runways_of(image_id)
        if not len(runways):
            continue
        boxes, crowd = judged.boxes[own], judged.crowd[runways]
        overlap = overlaps(boxes, np.ascontiguousarray(judged.runways[runways]), crowd)
        held = share_inside(judged.runways[runways], boxes).T
        for level, share in enumerate(shares):
            enough = crowd | (held >= share - ROUNDING)
            right[level, own], skipped[level, own] = _matched(np.where(enough, overlap, 0.0), crowd)
    required = int((~judged.crowd).sum())
    if not required:
        return np.full(len(shares), np.nan)
    best: Ints = np.argsort(-judged.scores, kind="stable").astype(np.int64)
    limits = np.array([100], np.int64)
    precision, _ = precision_and_hits(right, skipped, best, judged.rank, RECALLS, limits, required)
    found: Floats = precision.mean(axis=1)
    return found


def _matched(overlap: Floats, crowd: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which detections of a picture, best first, take a runway or lie in an ignored one: (detections,)."""
    right, skipped = np.zeros(len(overlap), np.bool_), np.zeros(len(overlap), np.bool_)
    free = ~crowd
    for place in np.flatnonzero((overlap >= LEAST_IOU).any(axis=1)):
        row = overlap[place]
        open_to = np.where(free, row, 0.0)
        best = len(row) - 1 - int(np.argmax(open_to[::-1]))  # of equal ones the last, as pycocotools takes it
        if open_to[best] >= LEAST_IOU:
            right[place], free[best] = True, False
        else:
            skipped[place] = bool((row[crowd] >= LEAST_IOU).any())
    return right, skipped


def average_precisions(
    truth: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> dict[str, float | None]:
    """C-AP, all of a runway held, and C-mAP, the mean over shares from 0.8 to 1, both at IoU 0.5."""
    found = contained_precision(truth, rows)
    if np.isnan(found).any():
        return {"C-AP": None, "C-mAP": None}
    return {"C-AP": float(found[-1]), "C-mAP": float(found.mean())}
