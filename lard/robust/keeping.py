"""Conformal thresholds of firing, and how far a certified model must lower them against a perturbation.

If a runway's clean logit is at least z with a chance of 1 - alpha, and no perturbation of norm eps moves a
logit by more than L eps, then its perturbed logit is at least z - L eps with the same chance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from lard.errors import ModelError
from lard.robust.clusters import Groups, bound, check_alpha
from lard.robust.matched import NONE
from lard.score.boxes import Floats

SCORE_ROUNDING = 5e-6
"""Results hold scores to five digits: half of the last."""
RELATIVE_SLACK, LOGIT_SLACK = 1e-4, 1e-5
"""What is given up of L eps, and of a logit, for float32 arithmetic."""


@dataclass(frozen=True, slots=True)
class Certified:
    """L from pixels in [0, 1] to all logits, and the temperature T of the score sigmoid(T z)."""

    constant: float
    temperature: float

    def __post_init__(self) -> None:
        if not (0 < self.constant < np.inf and 0 < self.temperature < np.inf):
            raise ModelError(f"L {self.constant}, temperature {self.temperature}: expected positive numbers")

    def lowered(self, score: float, eps: float) -> float:
        """The threshold on scores that a perturbation of L2 norm eps cannot take a score of `score` below."""
        if not 0 <= eps < np.inf:
            raise ModelError(f"eps {eps}: expected an L2 norm of 0 or more, pixels in [0, 1]")
        if eps == 0:
            return score
        drop = self.temperature * (self.constant * eps * (1 + RELATIVE_SLACK) + LOGIT_SLACK)
        start = min(max(score - SCORE_ROUNDING, 0.0), 1.0)
        return float(expit(logit(start) - drop))


def firing_score(scores: Floats, groups: Groups, alpha: float) -> float | None:
    """The highest threshold that a new runway's score (n,) stays below with a chance of alpha at most.

    None where too many runways are never found.
    """
    check_alpha(alpha)
    found = bound(np.where(scores == NONE, np.inf, -scores), groups, alpha)
    return -found if np.isfinite(found) else None
