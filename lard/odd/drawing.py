"""Values as drawn from a law: whole numbers and categories beside continuous ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.odd.laws import Law
from lard.odd.parameters import PARAMETERS
from lard.odd.spec import Categories

Array = NDArray[np.float64]


def quantiles(name: str, law: Law | Categories, u: Array) -> NDArray[Any]:
    """Values (n,) that a parameter takes at probabilities u in [0, 1]."""
    if isinstance(law, Categories) or not PARAMETERS[name].whole:
        return law.ppf(u)
    if law.law == "discrete":
        return np.rint(law.ppf(u))
    first, last = whole_bounds(law)
    return np.clip(np.floor(_stretched(law).ppf(u) + 0.5), first, last)


def distribution(name: str, law: Law, x: Array) -> Array:
    """Distribution function (n,) of the values that quantiles gives."""
    if not PARAMETERS[name].whole or law.law == "discrete":
        return law.cdf(x)
    return _stretched(law).cdf(np.floor(x) + 0.5)


def coordinates(name: str, law: Law, x: Array) -> Array:
    """Probabilities (n,) at which values x are drawn; of whole numbers, what lies half way between them."""
    return _stretched(law).cdf(x) if PARAMETERS[name].whole else law.cdf(x)


def whole_bounds(law: Law) -> tuple[int, int]:
    """Least and greatest whole number of a law's range; the first exceeds the second where it has none."""
    return math.ceil(law.lo), math.floor(law.hi)


def _stretched(law: Law) -> Law:
    """The law over half a unit more at either end, so that the end values are as likely as those between."""
    first, last = whole_bounds(law)
    return law.model_copy(update={"range": (first - 0.5, last + 0.5)})
