"""What an attacker can buy with a budget: a knapsack of runways to silence and locations to make fire.

Costs and budgets are squared displacements of logits. Sets of locations that share none are bought apart,
and their costs add up, since one Lipschitz constant holds for all logits together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def hidden(costs: Floats, budget: float) -> int:
    """Runways (n,) that can be silenced together at most, those that never fired, at cost 0, included."""
    return int((_prefixes(costs)[1:] <= budget).sum())


def fabricated(costs: Floats, count: int, budgets: Floats) -> Ints:
    """Locations of `count` that each budget (m,) can make fire together at most; `costs` of the cheapest.

    Where all of these can be paid for, nothing is known of the others, and all count.
    """
    bought = np.searchsorted(_prefixes(costs)[1:], budgets, side="right")
    return np.where(bought == len(costs), count, bought).astype(np.int64)


def trades(hiding: Floats, making: Floats, count: int, budget: float) -> list[tuple[int, int]]:
    """Pairs (runways silenced, locations made to fire) that one budget pays for, none better in both."""
    spent = _prefixes(hiding[hiding > 0])
    spent = spent[spent <= budget]
    return list(enumerate(fabricated(making, count, budget - spent).tolist()))


def worst_precision(fired: Sequence[int], choices: Sequence[Sequence[tuple[int, int]]]) -> float:
    """The least share of runways among all that fires: pictures choose one of their trades each.

    fired: runways that fire in each clean picture. By Dinkelbach's method: for a share s the pictures' best
    choices are independent of one another, and the share that these give is the next s. NaN where nothing
    fires.
    """
    share = 1.0
    while True:
        right = wrong = 0
        for count, pairs in zip(fired, choices, strict=True):
            hides, makes = min(pairs, key=lambda pair: (count - pair[0]) * (1 - share) - pair[1] * share)
            right, wrong = right + count - hides, wrong + makes
        found = right / (right + wrong) if right + wrong else math.nan
        if not found < share - 1e-12:
            return found if share == 1.0 else share
        share = found


def _prefixes(costs: Floats) -> Floats:
    """Costs of buying nothing, the cheapest, the two cheapest and so on: (n,) -> (n + 1,)."""
    return np.concatenate(([0.0], np.cumsum(np.sort(costs))))
