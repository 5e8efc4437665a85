"""What a sample lacks by chance, and what it lacks because it was drawn elsewhere."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

Array = NDArray[np.float64]


def least_frames(share: float, confidence: float) -> int:
    """Least number of independent frames that hold one of a part of this share with this confidence.

    Of n frames none is of the part with probability (1 - share)^n: 29 frames for a tenth and 95 %.
    """
    if not (0 < share < 1 and 0 < confidence < 1):
        return 0  # nothing is asked for
    return math.ceil(math.log(1 - confidence) / math.log(1 - share))


def widest_empty(sample: Array, others: Array) -> tuple[float, float, float, float]:
    """The stretch free of a sample (n,) that holds most of the other values (m,), ends of the range included.

    Returns its ends, the share of the others within, and how likely any stretch of so many is by chance: were
    both drawn alike, k values before the first of the sample, and by symmetry between any two neighbours,
    would all be others with probability C(n + m - k, n) / C(n + m, n); there are n + 1 such places.
    """
    mine, theirs = np.sort(sample), np.sort(others)
    n, m = len(mine), len(theirs)
    below = np.searchsorted(theirs, mine, side="left")
    above = np.searchsorted(theirs, mine, side="right")  # equal values are not lacking
    inside = np.append(below, m) - np.concatenate([[0], above])
    place = int(inside.argmax())
    k = int(inside[place])
    first = int(above[place - 1]) if place else 0
    if k == 0:
        return math.nan, math.nan, 0.0, 1.0
    chance = _log_choose(n + m - k, n) - _log_choose(n + m, n) + math.log(n + 1)
    return float(theirs[first]), float(theirs[first + k - 1]), k / m, min(1.0, math.exp(chance))


def _log_choose(n: int, k: int) -> float:
    return float(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))
