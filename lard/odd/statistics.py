"""What a number of samples lets one say: rule of three, Clopper-Pearson; airports as the independent unit."""

from __future__ import annotations

import math

from scipy import special

from lard.errors import DataError


def clopper_pearson(failures: int, samples: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact two-sided confidence interval of a failure probability."""
    if not 0 <= failures <= samples:
        raise DataError(f"{failures} failures of {samples} samples; expected 0 <= failures <= samples")
    _check_confidence(confidence)
    if samples == 0:
        return 0.0, 1.0
    alpha = 1 - confidence
    lo = float(special.betaincinv(failures, samples - failures + 1, alpha / 2)) if failures else 0.0
    if failures == samples:
        return lo, 1.0
    return lo, float(special.betaincinv(failures + 1, samples - failures, 1 - alpha / 2))


def failure_bound(samples: int, confidence: float = 0.95) -> float:
    """Largest failure probability that `samples` trials without a failure leave possible (about 3 / n)."""
    _check_confidence(confidence)
    return 1.0 if samples == 0 else -math.expm1(math.log1p(-confidence) / samples)


def samples_needed(probability: float, confidence: float = 0.95) -> int:
    """Trials without a failure that show a failure probability below the given one: 299 for 1 % at 95 %."""
    _check_confidence(confidence)
    if not 0 < probability < 1:
        raise DataError(f"failure probability is {probability}; expected between 0 and 1, for example 0.01")
    return math.ceil(math.log1p(-confidence) / math.log1p(-probability))


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise DataError(f"confidence is {confidence}; expected between 0 and 1, for example 0.95")
