"""Means over runways with the interval that few airports allow: whole airports are drawn again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lard.score.inference import LEAST_AIRPORTS, LEVEL

DRAWS = 2000
ALIKE = "one of no width means that all airports are alike here, not that others are"
METHOD = (
    f"bootstrap over airports, {DRAWS} draws, percentiles; none for fewer than {LEAST_AIRPORTS} airports;"
    f" {ALIKE}"
)


def mean_interval(
    values: Sequence[float | bool | None], airports: Sequence[str | None], seed: int
) -> dict[str, Any]:
    """Mean of the known values (n,) and its 95 % interval; `n` of them are known, `unknown` not.

    Airports are drawn with replacement, all runways of one together: they share their ground. A runway of no
    stated airport counts as one of its own.
    """
    known = [
        (float(value), airport if airport is not None else f"#{place}")
        for place, (value, airport) in enumerate(zip(values, airports, strict=True))
        if value is not None
    ]
    found: dict[str, Any] = {
        "value": None,
        "interval": None,
        "n": len(known),
        "unknown": len(values) - len(known),
    }
    if not known:
        return found
    names = sorted({airport for _, airport in known})
    place = {name: index for index, name in enumerate(names)}
    sums, counts = np.zeros(len(names)), np.zeros(len(names))
    for value, airport in known:
        sums[place[airport]] += value
        counts[place[airport]] += 1
    found["value"] = float(sums.sum() / counts.sum())
    if len(names) >= LEAST_AIRPORTS:
        chosen = np.random.default_rng([seed, len(names)]).integers(len(names), size=(DRAWS, len(names)))
        means = sums[chosen].sum(axis=1) / counts[chosen].sum(axis=1)
        ends = np.quantile(means, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
        found["interval"] = [float(end) for end in ends]
    return found


def paired_difference(
    first: Sequence[float | bool | None],
    second: Sequence[float | bool | None],
    airports: Sequence[str | None],
    seed: int,
) -> dict[str, Any]:
    """Mean of second - first over runways where both are known, with its interval."""
    gaps = [
        None if a is None or b is None else float(b) - float(a) for a, b in zip(first, second, strict=True)
    ]
    return mean_interval(gaps, airports, seed)
