"""Boxes: their two forms, how much they overlap, and which runway a detection takes.

The compiled loops stay in one file: numba's cache knows changes of a function's own file only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lard.compiled import compiled

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def corners(xywh: Floats) -> Floats:
    """x, y, width, height -> x_min, y_min, x_max, y_max: (n, 4)."""
    return np.concatenate((xywh[:, :2], xywh[:, :2] + xywh[:, 2:]), axis=1)


def extents(corners: Floats) -> Floats:
    """x_min, y_min, x_max, y_max -> x, y, width, height: (n, 4)."""
    return np.concatenate((corners[:, :2], corners[:, 2:] - corners[:, :2]), axis=1)


def iou(first: Floats, second: Floats) -> Floats:
    """Intersection over union of every pair of boxes x, y, width, height: (n, 4), (m, 4) -> (n, m)."""
    return _compared(first, second, shares=False)


def share_inside(first: Floats, second: Floats) -> Floats:
    """Share of each first box in each second one; x, y, width, height: (n, 4), (m, 4) -> (n, m)."""
    return _compared(first, second, shares=True)


def _compared(first: Floats, second: Floats, shares: bool) -> Floats:
    crowd = np.full(len(second), shares)
    found: Floats = overlaps(
        np.ascontiguousarray(first, np.float64), np.ascontiguousarray(second, np.float64), crowd
    )
    return found


@compiled()
def overlaps(detected: Floats, runways: Floats, crowd: NDArray[np.bool_]) -> Floats:  # pragma: no cover
    """IoU (n, m) of boxes x, y, width, height; for an ignored runway the share of the detection in it."""
    found = np.zeros((len(detected), len(runways)))
    for i in range(len(detected)):
        x, y, w, h = detected[i]
        for j in range(len(runways)):
            common_w = min(x + w, runways[j, 0] + runways[j, 2]) - max(x, runways[j, 0])
            common_h = min(y + h, runways[j, 1] + runways[j, 3]) - max(y, runways[j, 1])
            if common_w <= 0 or common_h <= 0:
                continue
            inter = common_w * common_h
            union = w * h if crowd[j] else w * h + runways[j, 2] * runways[j, 3] - inter
            found[i, j] = inter / union
    return found


@compiled()
def match_images(
    detected: Floats,
    first_detected: Ints,
    runways: Floats,
    first_runway: Ints,
    crowd: NDArray[np.bool_],
    ignored: NDArray[np.bool_],
    ious: Floats,
) -> NDArray[np.int32]:  # pragma: no cover
    """Runway that each detection takes at each IoU, -1 for none: (ious, detections).

    Detections come best first and take the best free runway; required ones go before ignored ones, and a
    crowd, unlike others, may be taken any number of times.
    """
    taken_by = np.full((len(ious), len(detected)), -1, np.int32)
    for image in range(len(first_detected) - 1):
        start, end = first_detected[image], first_detected[image + 1]
        low, high = first_runway[image], first_runway[image + 1]
        if start == end or low == high:
            continue
        order = np.empty(high - low, np.int64)
        place = 0
        for kind in (False, True):
            for runway in range(low, high):
                if ignored[runway] == kind:
                    order[place] = runway
                    place += 1
        overlap = overlaps(detected[start:end], runways[low:high], crowd[low:high])
        taken = np.zeros(high - low, np.bool_)
        for level in range(len(ious)):
            taken[:] = False
            for detection in range(start, end):
                best, chosen = min(ious[level], 1 - 1e-10), -1
                for runway in order:
                    if taken[runway - low] and not crowd[runway]:
                        continue
                    if chosen >= 0 and not ignored[chosen] and ignored[runway]:
                        break
                    if overlap[detection - start, runway - low] < best:
                        continue
                    best, chosen = overlap[detection - start, runway - low], runway
                if chosen >= 0:
                    taken_by[level, detection] = chosen
                    taken[chosen - low] = True
    return taken_by
