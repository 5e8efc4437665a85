"""How well a confidence tells right detections from wrong ones: risk against coverage, and its relatives.

Confidences are larger the surer. Equal ones share a place: a curve through them is what a random order would
give on average. Weights (n,) say how often each detection counts, for resampling.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

KEPT = 0.95
"""Share of right detections that FPR at 95 % keeps."""


def _blocks(confidence: Floats, wrong: Flags, weights: Floats | None) -> tuple[Floats, Floats]:
    """Weight and wrong weight of each distinct confidence, the surest first."""
    own = np.ones(len(wrong)) if weights is None else weights
    values, place = np.unique(-confidence, return_inverse=True)
    total = np.bincount(place, own, len(values))
    bad = np.bincount(place, own * wrong, len(values))
    held = total > 0
    return total[held].astype(np.float64), bad[held].astype(np.float64)


def aurc(confidence: Floats, wrong: Flags, weights: Floats | None = None) -> float:
    """Area under risk against coverage: the mean over accepted shares of the share of wrong ones in them.

    Geifman, Uziel and El-Yaniv (ICLR 2019). Least for a confidence that is the truth: `least_aurc`.
    """
    total, bad = _blocks(confidence, wrong, weights)
    counts = np.round(total).astype(np.int64)
    place = np.arange(1, counts.sum() + 1)
    # within a block of equals, wrong ones come as evenly as they do on average
    before = np.repeat(np.cumsum(counts) - counts, counts)
    lost = np.repeat(np.cumsum(bad) - bad, counts) + np.repeat(bad / total, counts) * (place - before)
    return float((lost / place).mean())


def least_aurc(wrong: Flags, weights: Floats | None = None) -> float:
    """The area that no confidence can be below: all right ones are surer than all wrong ones."""
    return aurc(-wrong.astype(np.float64), wrong, weights)


def aupr_error(confidence: Floats, wrong: Flags, weights: Floats | None = None) -> float:
    """Average precision of finding the wrong ones, the least sure first; about their share at random."""
    total, bad = _blocks(-confidence, wrong, weights)
    found = np.cumsum(bad)
    precision = found / np.cumsum(total)
    return float((precision * bad).sum() / found[-1])


def passed(confidence: Floats, wrong: Flags, weights: Floats | None = None, kept: float = KEPT) -> float:
    """Share of wrong ones accepted where a share `kept` of the right ones is (FPR at 95 %)."""
    total, bad = _blocks(confidence, wrong, weights)
    right = np.cumsum(total - bad)
    place = int((right >= kept * right[-1] - 1e-9).argmax())
    return float(np.cumsum(bad)[place] / bad.sum())


def risk_curve(confidence: Floats, wrong: Flags) -> tuple[Floats, Floats]:
    """Coverage and risk at each distinct confidence, the surest first."""
    total, bad = _blocks(confidence, wrong, None)
    covered = np.cumsum(total)
    return covered / covered[-1], np.cumsum(bad) / covered
