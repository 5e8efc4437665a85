"""How well scores tell two kinds of pictures apart, with intervals over airports and certified worst cases.

Alarms are larger the stranger a picture is. Pictures of one airport are no independent draws, so what is
resampled are airports: an airport drawn twice counts twice, inside the domain and outside of it alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.robust.certify import SLACK
from lard.score.inference import LEAST_AIRPORTS, LEVEL

Floats = NDArray[np.float64]
Names = NDArray[Any]

KEPT = 0.95
"""Share of the pictures inside the domain that FPR at 95 % keeps."""
DRAWS = 1000
"""Resamplings of airports behind an interval."""


@dataclass(frozen=True, slots=True)
class Alarms:
    """Alarms of pictures (n,), their airports (n,), and what each can move by per L2 norm of its pixels.

    `constants` (n,) is None where nothing is proved.
    """

    values: Floats
    airports: Names
    constants: Floats | None = None

    def moved(self, eps: float, up: bool) -> Floats:
        """The most (or least) that a perturbation of norm eps can make of each: (n,)."""
        assert self.constants is not None
        step = self.constants * eps * (1 + SLACK)
        return self.values + step if up else self.values - step


def auroc(inside: Floats, outside: Floats) -> float:
    """Chance that a picture outside alarms more than one inside, equal ones counting half (Mann-Whitney)."""
    return float(_wins(inside, outside).mean() / (len(outside)))


def _wins(inside: Floats, outside: Floats) -> Floats:
    """How many outside each one inside loses to, ties half: (inside,)."""
    ordered = np.sort(outside)
    below = np.searchsorted(ordered, inside, side="left")
    upto = np.searchsorted(ordered, inside, side="right")
    return np.asarray(len(ordered) - (below + upto) / 2, np.float64)


def certified_auroc(inside: Alarms, outside: Alarms, eps: float) -> float:
    """The least AUROC when every picture, inside or outside, may be perturbed by norm eps; exact for bounds.

    The worst case raises all alarms inside and lowers all outside by their constants times eps; the score
    then is that of the shifted alarms (OCSDF, Bethune et al., ICML 2023, for constants of 1).
    """
    return auroc(inside.moved(eps, up=True), outside.moved(eps, up=False))


def kept_outside(inside: Floats, outside: Floats, kept: float = KEPT) -> float:
    """Share outside that passes where a share `kept` of the pictures inside passes (FPR at 95 %)."""
    threshold = np.sort(inside)[_rank(len(inside), kept)]
    return float((outside <= threshold).mean())


def _rank(count: int, kept: float) -> int:
    return max(int(np.ceil(kept * count - 1e-9)) - 1, 0)


def threshold_of(values: Floats, false_stops: float) -> float | None:
    """The alarm above which a new picture of the domain lies with a chance of `false_stops` at most.

    The split conformal rank for exchangeable pictures; None where so few cannot support the rate.
    """
    rank = int(np.ceil((len(values) + 1) * (1 - false_stops) - 1e-9))
    return float(np.sort(values)[rank - 1]) if rank <= len(values) else None


@dataclass(frozen=True, slots=True)
class Resampled:
    """Weights of pictures inside (draws, n) and outside (draws, m), whole numbers of times they are drawn."""

    inside: Floats
    outside: Floats


def resampled(inside: Names, outside: Names, draws: int = DRAWS, seed: int = 0) -> Resampled | None:
    """Airports drawn with replacement; None where fewer than LEAST_AIRPORTS are inside.

    Pictures outside follow the draw of their airport when all of theirs are inside too, else theirs are drawn
    by themselves; of a single place outside nothing is drawn, and the interval is about the inside only.
    """
    names = np.unique(inside)
    if len(names) < LEAST_AIRPORTS:
        return None
    rng = np.random.default_rng([seed, len(inside), len(outside)])
    counts = _counts(rng, len(names), draws)
    own = counts[:, np.searchsorted(names, inside)]
    others = np.unique(outside)
    if len(others) and np.isin(others, names).all():
        beyond = counts[:, np.searchsorted(names, outside)]
    elif len(others) > 1:
        beyond = _counts(rng, len(others), draws)[:, np.searchsorted(others, outside)]
    else:
        beyond = np.ones((draws, len(outside)))
    drawn = beyond.sum(axis=1) > 0  # airports may lack a domain's pictures
    return Resampled(own[drawn], beyond[drawn])


def _counts(rng: np.random.Generator, places: int, draws: int) -> Floats:
    return rng.multinomial(places, np.full(places, 1 / places), size=draws).astype(np.float64)


def interval(values: Floats) -> list[float]:
    """The middle 95 % of resampled values."""
    tail = (1 - LEVEL) / 2
    return [float(end) for end in np.quantile(values, (tail, 1 - tail))]


def auroc_interval(inside: Floats, outside: Floats, drawn: Resampled) -> list[float]:
    """The middle 95 % of AUROC over resampled airports."""
    above = (outside[:, None] > inside[None, :]) + 0.5 * (outside[:, None] == inside[None, :])
    sums = np.einsum("dm,mn,dn->d", drawn.outside, above, drawn.inside, optimize=True)
    return interval(sums / (drawn.outside.sum(axis=1) * drawn.inside.sum(axis=1)))


def kept_interval(inside: Floats, outside: Floats, drawn: Resampled, kept: float = KEPT) -> list[float]:
    """The middle 95 % of FPR at 95 % over resampled airports."""
    order = np.argsort(inside, kind="stable")
    summed = np.cumsum(drawn.inside[:, order], axis=1)
    place = (summed >= kept * summed[:, -1:] - 1e-9).argmax(axis=1)
    passes = outside[None, :] <= inside[order][place][:, None]
    return interval((passes * drawn.outside).sum(axis=1) / drawn.outside.sum(axis=1))


def share_interval(hits: Sequence[bool] | NDArray[np.bool_], weights: Floats) -> list[float]:
    """The middle 95 % of a share of pictures (n,) over resampled airports, weights (draws, n)."""
    return interval(weights @ np.asarray(hits, np.float64) / weights.sum(axis=1))
