"""Conditional rules on arrays: which samples break a rule, and by how much."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.approach import Approaches
from lard.odd.context import Context, words
from lard.odd.parameters import APPROACH
from lard.odd.spec import Condition, OddSpec, Profile, Rule

Array = NDArray[np.float64]


def approach_rules(spec: OddSpec, context: Context | None) -> list[Rule]:
    """The rules that can be judged from approaches and the given context."""
    known = {*APPROACH, *(context or {})}
    return [rule for rule in spec.rules if rule.parameters <= known]


def rule_excess(
    rule: Rule,
    approaches: Approaches,
    context: Context | None,
    margins: Mapping[str, tuple[float, float]],
) -> tuple[Array, str]:
    """By how much (n,) a rule's limits are exceeded, and the parameter of the last one that is.

    0 where the rule holds or does not apply; in the parameter's unit, 1 for a category.
    """

    def value_of(name: str) -> NDArray[Any]:
        if name in APPROACH:
            return getattr(approaches, name)
        return np.asarray((context or {})[name])

    applies = np.ones(len(approaches), bool)
    for name, condition in rule.when.items():
        applies &= _outside(value_of(name), condition, value_of) <= 0
    excess, worst = np.zeros(len(approaches)), ""
    for name, condition in rule.require.items():
        below, above = margins.get(name, (0.0, 0.0))
        over = np.where(applies, _outside(value_of(name), condition, value_of, below, above), 0.0)
        worst = name if (over > excess).any() else worst
        excess = np.maximum(excess, over)
    return excess, worst


def _outside(
    values: NDArray[Any], condition: Condition, value_of: Any, below: float = 0.0, above: float = 0.0
) -> Array:
    """Distance (n,) beyond a condition's limits widened by margins; 0 inside; infinite for NaN."""
    lo: Any
    hi: Any
    if isinstance(condition, Profile):
        lo, hi = condition.limits(value_of(condition.by))
    elif isinstance(condition[0], str):
        return (~np.isin(words(values), condition)).astype(np.float64)
    else:
        lo, hi = condition
    over = np.maximum(np.maximum((lo - below) - values, values - (hi + above)), 0.0)
    return np.where(np.isnan(over), np.inf, over)
