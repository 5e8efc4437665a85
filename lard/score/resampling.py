"""Uncertainty of scores: airports are drawn anew, since frames of one airport are not independent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lard.score.evaluation import Evaluation

DRAWS = 400
TAILS = (0.025, 0.975)


def airport_draws(airports: Sequence[str], draws: int) -> list[tuple[str, ...]]:
    """Samples of the airports with replacement, each sorted; none when there are fewer than two."""
    if len(airports) < 2:
        return []
    rng = np.random.default_rng([0, len(airports)])
    return [tuple(sorted(rng.choice(airports, len(airports)).tolist())) for _ in range(draws)]


def resampled(
    evaluation: Evaluation, airports: Mapping[str, Sequence[int]], draws: int = DRAWS
) -> list[dict[str, Any]]:
    """Metrics of each draw; every evaluation of the same airports sees the same draws."""
    samples = airport_draws(sorted(airports), draws)
    seen = {
        sample: evaluation.metrics([image for name in sample for image in airports[name]])
        for sample in sorted(set(samples))
    }
    return [seen[sample] for sample in samples]


def bootstrap(
    evaluation: Evaluation, airports: Mapping[str, Sequence[int]], draws: int = DRAWS
) -> dict[str, Any]:
    """95 % percentile intervals of AP and AP50 over draws of airports."""
    rows = resampled(evaluation, airports, draws)
    found: dict[str, Any] = {"airports": len(airports), "draws": len(rows), "level": TAILS[1] - TAILS[0]}
    for key in ("AP", "AP50"):
        values = [row[key] for row in rows if row[key] is not None]
        found[key] = [float(np.quantile(values, tail)) for tail in TAILS] if values else None
    return found


def paired_difference(
    first: Evaluation, second: Evaluation, airports: Mapping[str, Sequence[int]], metric: str = "AP50"
) -> dict[str, Any]:
    """Difference second - first of a metric, with its interval over the same draws of airports.

    p is the two-sided bootstrap probability that the difference has the other sign; with a handful of
    airports it cannot get small, and says so.
    """
    return difference_of(
        first.metrics(), second.metrics(), resampled(first, airports), resampled(second, airports), metric
    )


def difference_of(
    first: Mapping[str, Any],
    second: Mapping[str, Any],
    first_draws: Sequence[Mapping[str, Any]],
    second_draws: Sequence[Mapping[str, Any]],
    metric: str,
) -> dict[str, Any]:
    """paired_difference of metrics and draws that are already there."""
    pairs = [(a[metric], b[metric]) for a, b in zip(first_draws, second_draws, strict=True)]
    values = np.array([b - a for a, b in pairs if a is not None and b is not None])
    whole = first[metric], second[metric]
    if not len(values):
        return {
            "difference": None if None in whole else whole[1] - whole[0],
            "interval": None,
            "share_positive": None,
            "p": None,
        }
    other = min(float((values <= 0).sum()), float((values >= 0).sum()))
    return {
        "difference": None if None in whole else whole[1] - whole[0],
        "interval": [float(np.quantile(values, tail)) for tail in TAILS],
        "share_positive": float(np.mean(values > 0)),
        "p": min(1.0, 2 * (other + 1) / (len(values) + 1)),
    }
