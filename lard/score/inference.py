"""What few airports allow to say: intervals and tests over airports, since frames of one share its ground.

An airport is the unit that is drawn; everything here treats its frames as one observation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, stdtrit

from lard.score.evaluation import Evaluation

Floats = NDArray[np.float64]

LEVEL = 0.95
LEAST_AIRPORTS = 6
"""Fewer airports get no interval: no exact test over five can reach 5 %."""
EXACT_UP_TO = 20
RANDOM_FLIPS = 1 << 17
METRICS = ("AP50", "AP")
_EDGE = 1e-3
"""Fractions are kept so far from 0 and 1 before their logit is taken."""


def airport_intervals(evaluation: Evaluation, airports: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """95 % intervals of AP and AP50 of the pooled pictures for airports like these; None below the least."""
    found: dict[str, Any] = {
        "airports": len(airports),
        "least_airports": LEAST_AIRPORTS,
        "level": LEVEL,
        "method": "jackknife over airports, Student t, logit scale",
        **dict.fromkeys(METRICS),
    }
    if len(airports) < LEAST_AIRPORTS:
        return found
    whole = evaluation.metrics([image for name in sorted(airports) for image in airports[name]])
    left = [
        evaluation.metrics([image for name in airports if name != without for image in airports[name]])
        for without in sorted(airports)
    ]
    for key in METRICS:
        if whole[key] is not None and all(row[key] is not None for row in left):
            found[key] = jackknife_interval(whole[key], np.array([row[key] for row in left]))
    return found


def jackknife_interval(whole: float, without: Floats, level: float = LEVEL) -> list[float] | None:
    """Interval of a fraction from its value and those without each airport (airports,).

    None where leaving an airport out never changes it: then nothing tells how others would differ.
    """
    count = len(without)
    scaled = logit(np.clip(without, _EDGE, 1 - _EDGE))
    error = float(np.sqrt((count - 1) / count * ((scaled - scaled.mean()) ** 2).sum()))
    if count < 2 or error < 1e-12:
        return None
    middle = float(logit(np.clip(whole, _EDGE, 1 - _EDGE)))
    half = float(stdtrit(count - 1, (1 + level) / 2)) * error
    return [float(expit(middle - half)), float(expit(middle + half))]


@dataclass(frozen=True, slots=True)
class SignFlip:
    """An exact test that differences (airports,) are symmetric about 0, and what their mean may be."""

    mean: float
    p: float
    smallest_p: float  # that so many airports can reach
    interval: tuple[float, float] | None  # of the mean, at 95 %; None where too few airports have none
    exact: bool  # all sign patterns, not a sample of them


def sign_flip(differences: Floats) -> SignFlip:
    """Flip the signs of the airports' differences in all ways, or beyond 20 airports in many.

    p is two-sided. The interval holds the values that the same test would not reject at 5 %: its ends are
    ordered means of the subsets of the differences.
    """
    count = len(differences)
    if count == 0:
        raise ValueError("no differences: the test needs one airport at least")
    exact = count <= EXACT_UP_TO
    sums, sizes = _subsets(differences) if exact else _some_subsets(differences)
    total = float(differences.sum())
    slack = 1e-9 * float(np.abs(differences).sum())  # sums of the same terms in another order are equal
    p = float(np.mean(np.abs(total - 2 * sums) >= abs(total) - slack))
    filled = sizes > 0
    means = np.sort(sums[filled] / sizes[filled])
    # one more place than there are means: the gaps between them are equally likely to hold the truth
    reject = int(np.floor((1 - LEVEL) / 2 * (len(means) + 1) + 1e-9))
    interval = (float(means[reject - 1]), float(means[-reject])) if reject else None
    least = 2.0 / len(sums) if not exact else 2.0 ** (1 - count)
    return SignFlip(total / count, p, least, interval, exact)


def _subsets(values: Floats) -> tuple[Floats, Floats]:
    """Sum and size of every subset: (2 ** n,) each, the empty one first."""
    sums, sizes = np.zeros(1), np.zeros(1)
    for value in values:
        sums, sizes = np.concatenate((sums, sums + value)), np.concatenate((sizes, sizes + 1))
    return sums, sizes


def _some_subsets(values: Floats) -> tuple[Floats, Floats]:
    """Sum and size of random subsets, the empty one, which flips nothing, among them."""
    rng = np.random.default_rng([0, len(values)])
    chosen = rng.random((RANDOM_FLIPS, len(values))) < 0.5
    chosen[0] = False
    return chosen @ values, chosen.sum(axis=1).astype(np.float64)


def paired_difference(
    first: Mapping[str, Mapping[str, Any]], second: Mapping[str, Mapping[str, Any]], metric: str
) -> dict[str, Any]:
    """second - first of a metric within airports: mean, interval, p; from metrics by airport.

    Airports where either has no value say nothing and are left out.
    """
    shared = [
        name
        for name in sorted(set(first) & set(second))
        if first[name].get(metric) is not None and second[name].get(metric) is not None
    ]
    gaps = np.array([second[name][metric] - first[name][metric] for name in shared], np.float64)
    if not len(gaps):
        keys = ("mean", "interval", "p", "smallest_p")
        return {"airports": 0, "airports_better": 0, "exact": True, **dict.fromkeys(keys)}
    found = sign_flip(gaps)
    return {
        "airports": len(gaps),
        "airports_better": int((gaps > 0).sum()),
        "mean": found.mean,
        "interval": list(found.interval) if found.interval else None,
        "p": found.p,
        "smallest_p": found.smallest_p,
        "exact": found.exact,
    }


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Probabilities adjusted for their number by Holm's step-down rule; None stays None."""
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    running = 0.0
    for rank, (p, place) in enumerate(known):
        running = max(running, min(1.0, (len(known) - rank) * p))
        adjusted[place] = running
    return adjusted
