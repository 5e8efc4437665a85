"""Average precision weighted by how much it matters: a runway missed at 300 m is not one missed at 6 km."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lard.score.boxes import Floats
from lard.score.evaluation import IOUS, RECALLS, Evaluation


def severity_scores(evaluation: Evaluation, point: float | None) -> dict[str, Any] | None:
    """AP, AP50 and AP75 weighted by the domain's table, and the weighted recall at the operating point.

    The table stands in the ground truth (info.odd.severity; of several datasets the first). None without a
    table, or where a required runway's distance is not known.
    """
    table = severity_table(evaluation.truth)
    if table is None:
        return None
    runway = _weights(evaluation, table)
    if runway is None:
        return None
    precision = weighted_precision(evaluation, runway, _of_pictures(evaluation, runway))
    found = evaluation.matches()
    share = None
    if point is not None:
        hit = found.taken[0][found.right[0] & (evaluation.scores >= point)]
        whole = float(runway[~evaluation.crowd].sum())
        share = float(runway[hit].sum()) / whole if whole else None
    return {
        "by": "along_track_m",
        "points": table.tolist(),
        "AP": None if precision is None else float(precision.mean()),
        "AP50": None if precision is None else float(precision[0].mean()),
        "AP75": None if precision is None else float(precision[5].mean()),
        "recall": share,
    }


def severity_table(truth: Mapping[str, Any]) -> Floats | None:
    """Distances and weights (n, 2) that the domain of a ground truth states; None where it states none."""
    info = truth.get("info")
    odd = info.get("odd") if isinstance(info, dict) else None
    stated = odd.get("severity") if isinstance(odd, dict) else None
    if not isinstance(stated, dict) or stated.get("by") != "along_track_m":
        return None
    points = np.array(stated.get("points") or [], np.float64)
    sound = points.ndim == 2 and points.shape[1] == 2 and (points[:, 1] > 0).all()
    return points if sound and (np.diff(points[:, 0]) > 0).all() else None


def _weights(evaluation: Evaluation, table: Floats) -> Floats | None:
    """Weight of each runway (runways,), NaN where an ignorable one has no distance."""
    notes = [evaluation.truth["annotations"][place] for place in evaluation.notes]
    distance = np.array([note.get("along_track_m") for note in notes], np.float64)
    if np.isnan(distance[~evaluation.crowd]).any():
        return None
    return np.where(np.isnan(distance), np.nan, np.interp(distance, table[:, 0], table[:, 1]))


def _of_pictures(evaluation: Evaluation, runway: Floats) -> Floats:
    """What a false alarm weighs in each picture (images,): as its heaviest required runway.

    Where none is required, as a required runway does in the mean.
    """
    required = ~evaluation.crowd
    mean = float(runway[required].mean()) if required.any() else 1.0
    found = np.full(len(evaluation.image_ids), -np.inf)
    np.maximum.at(found, evaluation.runway_image[required], runway[required])
    return np.where(np.isfinite(found), found, mean)


def weighted_precision(evaluation: Evaluation, runway: Floats, picture: Floats) -> Floats | None:
    """Precision (10 IoUs, 101 recalls) where runways (runways,) and false alarms in pictures (images,) weigh.

    With equal weights it is the plain one; a weight of n counts a picture n times. None where nothing is
    required.
    """
    found = evaluation.matches()
    whole = float(runway[~evaluation.crowd].sum())
    if not whole:
        return None
    order = np.argsort(-evaluation.scores, kind="stable")
    alarm = picture[evaluation.image[order]]
    precision = np.zeros((len(IOUS), len(RECALLS)))
    for level in range(len(IOUS)):
        right, skipped = found.right[level][order], found.skipped[level][order]
        gain = np.where(right, runway[found.taken[level][order]], 0.0)
        hits = np.cumsum(gain)
        wrong = np.cumsum(np.where(right | skipped, 0.0, alarm))
        exact = hits / (hits + wrong + np.spacing(1))
        envelope = np.maximum.accumulate(exact[::-1])[::-1]
        # sums of weights end a rounding error below the whole
        places = np.searchsorted(hits / whole + 1e-12, RECALLS, side="left")
        reached = places < len(order)
        precision[level, reached] = envelope[places[reached]]
    return precision
