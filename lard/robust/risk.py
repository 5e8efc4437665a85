"""Whole pictures: a score threshold and a margin such that few pictures lose a runway, missed ones counted.

Sequential conformal risk control. A picture is lost when one of its required runways is not found from the
threshold on, or is not inside its grown box. Detections choose their runways in the order of their scores, so
that a lower threshold changes no match: losses fall in the threshold and in the margin as they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.errors import DataError
from lard.robust.clusters import Groups, alpha_text, bound, check_alpha, smallest_alpha
from lard.robust.margins import Margins, Method, residuals
from lard.robust.matched import NONE, Matched
from lard.score.boxes import Floats, Ints


@dataclass(frozen=True, slots=True)
class Risk:
    """Threshold and margin that hold a picture's risk at alpha; None, and why, where nothing does."""

    alpha: float
    alpha_missed: float | None  # share spent on the threshold; None where it is stated
    score: float | None
    margins: Margins | None
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Pictures:
    """Pictures with a required runway: the score that finds all of them, and the growth that holds all."""

    places: Ints  # (pictures,) places among all pictures
    scores: Floats  # (pictures,), NONE where a runway is never found
    growth: Floats  # (pictures,), infinite where a runway is never found

    def lost(self, score: float, growth: float) -> NDArray[np.bool_]:
        """Whether each picture loses a runway: (pictures,)."""
        return (self.scores < max(score, 0.0)) | (self.growth > growth + 1e-12)


def pictures_of(found: Matched, method: Method) -> Pictures:
    """What each picture with a required runway needs in order to lose none."""
    places, first = np.unique(found.pictures, return_index=True)
    if not len(places):
        return Pictures(places, np.empty(0), np.empty(0))
    short = residuals(found.predicted, found.wanted, method).max(axis=1)
    growth = np.where(found.scores == NONE, np.inf, short)
    return Pictures(places, np.minimum.reduceat(found.scores, first), np.maximum.reduceat(growth, first))


def picture_risk(
    found: Matched,
    alpha: float,
    method: Method = "multiplicative",
    alpha_missed: float | None = None,
    score: float | None = None,
    by_airport: bool = True,
) -> Risk:
    """Threshold and margin under which a picture is lost with a chance of alpha at most.

    alpha_missed, half of alpha where not given, is the chance of a runway not found from the threshold on.
    With a score stated beforehand all of alpha is for the margin.
    """
    check_alpha(alpha)
    needs = pictures_of(found, method)
    if not len(needs.places):
        raise DataError("no picture has a required runway; calibrate on others")
    groups: Groups = found.airports[needs.places] if by_airport else np.arange(len(needs.places))
    spent = None if score is not None else alpha / 2 if alpha_missed is None else alpha_missed
    if spent is None:
        return _risk(needs, groups, alpha, None, score, score, method)
    check_alpha(spent, "alpha of missed runways")
    least = smallest_alpha(groups, needs.scores == NONE)
    if spent < least - 1e-9:
        units = f"{len(np.unique(groups))} {'airports' if by_airport else 'pictures'}"
        return Risk(alpha, spent, None, None, _too_many_missed(units, least, alpha_missed is None))
    never = np.where(needs.scores == NONE, np.inf, -needs.scores)
    # the margin is learnt at a threshold that the one chosen with a new airport at hand cannot exceed
    kept, strict = -bound(never, groups, spent), -bound(never, groups, spent, reserve=0.0)
    return _risk(needs, groups, alpha, spent, kept, strict, method)


def _risk(
    needs: Pictures,
    groups: Groups,
    alpha: float,
    spent: float | None,
    kept: float | None,
    strict: float | None,
    method: Method,
) -> Risk:
    assert kept is not None and strict is not None
    lost = needs.scores < max(strict, 0.0)
    growth = bound(np.where(lost, np.inf, needs.growth), groups, alpha)
    if not math.isfinite(growth):
        least = smallest_alpha(groups, lost)
        why = f"runways missed from the score on allow {allowed_alpha(least)}"
        return Risk(alpha, spent, None, None, why)
    margins = Margins(method, np.full(4, growth), alpha, int((~lost).sum()), len(np.unique(groups)))
    return Risk(alpha, spent, kept, margins)


def _too_many_missed(units: str, least: float, halved: bool) -> str:
    because = f"{units}, with the runways that are never found, allow"
    if not halved:
        return f"{because} {allowed_alpha(least, 'alpha_missed')}"
    return (
        f"{because} {allowed_alpha(2 * least)}, half of it for missed runways;"
        f" with a score stated beforehand {allowed_alpha(least)}"
    )


def allowed_alpha(least: float, name: str = "alpha") -> str:
    """The alphas from a least one on, in words."""
    return f"{name} {alpha_text(least)} or more" if least < 1 else f"no {name}"


def risk_found(rule: Risk, test: Matched) -> dict[str, Any]:
    """What a rule costs on other pictures: those lost, missed runways, false alarms, stretch."""
    assert rule.score is not None and rule.margins is not None
    needs = pictures_of(test, rule.margins.method)
    kept = test.found(rule.score)
    stretch = rule.margins.stretch(test.predicted[kept])
    missed = needs.scores < max(rule.score, 0.0)
    return {
        "pictures": len(needs.places),
        "missed_in": int(missed.sum()),
        "false_alarms_per_picture": test.false_alarms(rule.score),
        "stretch": float(stretch.mean()) if len(stretch) else None,
    }
