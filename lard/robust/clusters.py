"""What exchangeable groups allow to say: the bound that a new group stays within, and the smallest risk.

A group is an airport, whose runways share ground, light and lens, or a single runway where runways are taken
for exchangeable. Groups weigh the same, however many values they have.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from lard.errors import DataError
from lard.score.boxes import Floats
from lard.score.inference import LEAST_AIRPORTS, jackknife_interval

Groups = NDArray[Any]
LEVEL = 0.95
_ROUNDING = 1e-9


def check_alpha(alpha: float, name: str = "alpha") -> None:
    """DataError where a share of accepted failures is none."""
    if not 0 < alpha < 1:
        raise DataError(f"{name} {alpha}: expected a number between 0 and 1")


def bound(values: Floats, groups: Groups, alpha: float, reserve: float = 1.0) -> float:
    """The least value that a new group's values exceed in a share of alpha at most, on average over groups.

    values and groups are (n,). `reserve` is what the new group is taken to lose: 1, all of it, is safe; with
    0 the result is a lower bound of the one that would be chosen with the new group at hand. Infinite where
    no finite value will do.
    """
    _, place, counts = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.argsort(values, kind="stable")
    weights = 1 / counts[place][order]
    allowed = alpha * (len(counts) + 1) - reserve + _ROUNDING
    if reserve == 0 and allowed >= len(counts):
        return -math.inf
    above = np.append(np.cumsum(weights[::-1])[::-1][1:], 0.0)[: len(values)]
    within = np.flatnonzero((above <= allowed) & np.isfinite(values[order]) & (allowed >= 0))
    return float(values[order][within[0]]) if len(within) else math.inf


def smallest_alpha(groups: Groups, lost: NDArray[np.bool_] | None = None) -> float:
    """The least alpha that these groups (n,) can support when some values are lost whatever the bound."""
    shares = np.zeros(len(np.unique(groups))) if lost is None else shares_of(lost, groups)
    return float((shares.sum() + 1) / (len(shares) + 1))


def alpha_text(alpha: float) -> str:
    """An alpha to four decimals, never below: one that is asked for by this text can be had."""
    return f"{math.ceil(alpha * 1e4 - 1e-6) / 1e4:g}"


def shares_of(hits: NDArray[np.bool_], groups: Groups) -> Floats:
    """Share of hits (n,) in each group, in the groups' order: (groups,)."""
    _, place, counts = np.unique(groups, return_inverse=True, return_counts=True)
    found: Floats = np.bincount(place, hits.astype(np.float64), len(counts)) / counts
    return found


def exact_interval(hits: int, trials: int, level: float = LEVEL) -> tuple[float, float]:
    """Clopper-Pearson interval of a chance, from independent trials; (0, 1) without any."""
    tail = (1 - level) / 2
    low = float(betaincinv(hits, trials - hits + 1, tail)) if hits else 0.0
    high = float(betaincinv(hits + 1, trials - hits, 1 - tail)) if hits < trials else 1.0
    return low, high


def summary(hits: NDArray[np.bool_], airports: Groups) -> dict[str, Any]:
    """A share over airports of equal weight, its interval for airports like these, its range, and pooled."""
    if not len(hits):
        keys = ("mean_of_airports", "interval", "lowest_airport", "highest_airport", "pooled")
        return dict.fromkeys(keys) | {"airports": 0}
    shares = shares_of(hits, airports)
    count, mean = len(shares), float(shares.mean())
    left_out = (shares.sum() - shares) / max(count - 1, 1)
    return {
        "airports": count,
        "mean_of_airports": mean,
        "interval": jackknife_interval(mean, left_out) if count >= LEAST_AIRPORTS else None,
        "lowest_airport": float(shares.min()),
        "highest_airport": float(shares.max()),
        "pooled": float(hits.mean()),
    }
