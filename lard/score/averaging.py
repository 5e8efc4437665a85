"""Precision at recalls, from detections in the order of their scores, in one compiled pass."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lard.compiled import compiled
from lard.score.boxes import Floats, Ints

SPACING = float(np.spacing(1))
"""What pycocotools adds to a denominator."""


@compiled()
def precision_and_hits(
    right: NDArray[np.bool_],
    skipped: NDArray[np.bool_],
    chosen: Ints,
    rank: Ints,
    recalls: Floats,
    limits: Ints,
    required: int,
) -> tuple[Floats, Ints]:  # pragma: no cover
    """Best precision at each recall or beyond (ious, recalls) and hits within each limit (ious, limits).

    right and skipped are (ious, detections), rank (detections,); chosen lists detections, the best first.
    """
    precision = np.zeros((len(right), len(recalls)))
    counts = np.zeros((len(right), len(limits)), np.int64)
    exact = np.empty(len(chosen))
    for level in range(len(right)):
        hits, wrong = 0, 0
        for detection in chosen:
            if right[level, detection]:
                hits += 1
                # precision only falls between hits, so that hits alone make its envelope
                exact[hits - 1] = hits / (hits + wrong + SPACING)
                for place in range(len(limits)):
                    if rank[detection] < limits[place]:
                        counts[level, place] += 1
            elif not skipped[level, detection]:
                wrong += 1
        for place in range(hits - 2, -1, -1):
            exact[place] = max(exact[place], exact[place + 1])
        at = 0
        for place in range(len(recalls)):
            while at < hits and (at + 1) / required < recalls[place]:
                at += 1
            if at == hits:
                break
            precision[level, place] = exact[at]
    return precision, counts
