"""What an attacker of one picture can do to a mask with one budget: exact knapsacks over squared margins.

A pixel is runway while its logit lies above a threshold. Where all logits together are L-Lipschitz in the
pixels, a perturbation of norm eps displaces them by a vector of norm L eps at most, and a set of pixels has
changed sides only if the squares of their distances to the threshold add up to (L eps)² at most. Every
displacement of such a norm is granted to the attacker, so that the worst is a choice of the cheapest pixels:
the knapsacks of Fast and Flexible Robustness Certificates for Semantic Segmentation (arXiv:2512.06010), for
one logit against a fixed threshold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lard.detect.masks import ELSE, RUNWAY

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

HELD = 1 << 18
"""Silent pixels held of a picture, those nearest to the threshold; of the others nothing is known."""


@dataclass(frozen=True, slots=True)
class Margins:
    """A picture's mask against the truth: costs, squared displacements of logits, ascending, and counts.

    found: of runway pixels that are seen, to hide each; silent: of other pixels that are not seen, to make
    each seen, the cheapest `HELD` of `silent_count`. missed: runway pixels not seen; alarms: others that are.
    """

    found: Floats
    silent: Floats
    silent_count: int
    missed: int
    alarms: int

    @property
    def runway(self) -> int:
        """Pixels of required runways."""
        return len(self.found) + self.missed

    @property
    def known(self) -> int:
        """Pixels that are not ignored."""
        return self.runway + self.silent_count + self.alarms

    @property
    def union(self) -> int:
        """Pixels that are runway or seen as one."""
        return self.runway + self.alarms


def margins_of(logits: NDArray[np.float32], truth: NDArray[np.int8], threshold: float) -> Margins:
    """The margins of logits (h, w) against a mask (h, w); pixels IGNORED there are left out."""
    above = logits.astype(np.float64) - threshold
    runway, other = above[truth == RUNWAY], above[truth == ELSE]
    silent = other[other <= 0] ** 2
    count = len(silent)
    if count > HELD:
        silent = np.partition(silent, HELD - 1)[:HELD]
    found = np.sort(runway[runway > 0] ** 2)
    missed, alarms = int((runway <= 0).sum()), int((other > 0).sum())
    return Margins(found, np.sort(silent), count, missed, alarms)


def most_wrong(margins: Margins, budget: float) -> int:
    """Known pixels that are wrong under the worst displacement of squared norm `budget`."""
    merged = np.sort(np.concatenate((margins.found, margins.silent)))
    bought = int(np.searchsorted(np.cumsum(merged), budget, side="right"))
    if len(margins.silent) < margins.silent_count and bought and merged[bought - 1] >= margins.silent[-1]:
        bought += margins.silent_count - len(margins.silent)
    return margins.missed + margins.alarms + bought


def most_missed(margins: Margins, budget: float) -> int:
    """Runway pixels that are not seen under the worst displacement."""
    return margins.missed + int(np.searchsorted(np.cumsum(margins.found), budget, side="right"))


def most_alarms(margins: Margins, budget: float) -> int:
    """Other pixels that are seen as runway under the worst displacement."""
    return margins.alarms + int(_made(margins, np.array([budget]))[0])


def trades(margins: Margins, budget: float) -> tuple[Ints, Ints]:
    """Every number of found pixels hidden (k,) that a budget pays for, and the most made seen beside it."""
    spent = _prefixes(margins.found)
    spent = spent[: max(1, int(np.searchsorted(spent, budget, side="right")))]
    return np.arange(len(spent)), _made(margins, budget - spent)


def least_iou(margins: Margins, budget: float) -> float:
    """The least IoU of the runways that one budget buys, hiding and making seen together; NaN of no pixel.

    Hiding a pixel takes it from the intersection, making one seen adds it to the union. For each number of
    hidden pixels the cheapest are hidden, and what is left buys the cheapest to be seen: no other choice of
    so many costs less, so that the minimum over that number is the minimum of all.
    """
    hidden, made = trades(margins, budget)
    union = margins.union + made
    shares = np.full(len(hidden), math.nan)
    np.divide(len(margins.found) - hidden, union, out=shares, where=union > 0)
    return float(shares.min())


def least_joint_iou(every: Sequence[Margins], budgets: Sequence[float]) -> float:
    """The least IoU of all pixels of several pictures, each attacked with a budget of its own; NaN of none.

    By Dinkelbach's method: for a share s the pictures' best choices, the most of hidden + s made, are
    independent of one another, and the share that these give is the next s.
    """
    options = [trades(margins, budget) for margins, budget in zip(every, budgets, strict=True)]
    found, union = sum(len(one.found) for one in every), sum(one.union for one in every)
    share = found / union if union else math.nan
    while True:
        best = [int(np.argmax(hidden + share * made)) for hidden, made in options]
        lost = sum(int(hidden[k]) for (hidden, _), k in zip(options, best, strict=True))
        more = sum(int(made[k]) for (_, made), k in zip(options, best, strict=True))
        now = (found - lost) / (union + more) if union + more else math.nan
        if not now < share - 1e-12:
            return share if share == share else now
        share = now


def cost_of_iou(margins: Margins, target: float) -> float:
    """The least squared displacement that brings the IoU down to a target, infinity where none does.

    Where more pixels would have to be made seen than are held, the cost of those held: a lower bound.
    """
    if margins.runway == 0:
        return math.nan
    hidden = np.arange(len(margins.found) + 1)
    left = len(margins.found) - hidden
    needed = np.maximum(np.ceil(left / target - margins.union - 1e-9), 0).astype(np.int64)
    making = _prefixes(margins.silent)
    costs = _prefixes(margins.found) + making[np.minimum(needed, len(making) - 1)]
    costs[needed > margins.silent_count] = math.inf
    return float(costs.min())


def cost_of_hiding(margins: Margins, share: float) -> float:
    """The least squared displacement that hides this share of the pixels found; NaN where none is."""
    if not len(margins.found):
        return math.nan
    return float(margins.found[: math.ceil(share * len(margins.found) - 1e-9)].sum())


def _made(margins: Margins, budgets: Floats) -> Ints:
    """The most silent pixels that each budget makes seen; all, where it pays for those held."""
    bought = np.searchsorted(np.cumsum(margins.silent), budgets, side="right")
    return np.where(bought == len(margins.silent), margins.silent_count, bought).astype(np.int64)


def _prefixes(costs: Floats) -> Floats:
    return np.concatenate(([0.0], np.cumsum(costs)))
