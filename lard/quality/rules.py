"""The conditional rules of a spec as the checks judge them.

Written apart from lard.odd.rules, which decided the draw and the labels' verdicts: only the rule as it stands
in the spec is shared, not what it is taken to mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.odd.spec import Condition, OddSpec, Profile, Rule

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Values = Mapping[str, NDArray[Any]]  # one array (n,) per parameter

NO_MARGINS: Mapping[str, tuple[float, float]] = {}


def judged_rules(spec: OddSpec | None, known: Values) -> list[Rule]:
    """The rules whose parameters are all known."""
    return [rule for rule in spec.rules if rule.parameters <= set(known)] if spec is not None else []


def breaks(
    rule: Rule, values: Values, margins: Mapping[str, tuple[float, float]] = NO_MARGINS, slack: float = 0.0
) -> Mask:
    """Rows (n,) in which all of `when` holds and some of `require`, widened by its margins, does not.

    `slack` gives every limit a hair in favour of the row (against it when negative): see `hair`.
    """
    applies: Mask | None = None
    for name, condition in rule.when.items():
        held = _holds(values, name, condition, (0.0, 0.0), -slack)
        applies = held if applies is None else applies & held
    broken: Mask | None = None
    for name, condition in rule.require.items():
        missed = ~_holds(values, name, condition, margins.get(name, (0.0, 0.0)), slack)
        broken = missed if broken is None else broken | missed
    if broken is None:
        return np.zeros(len(next(iter(values.values()))), bool)
    return broken if applies is None else applies & broken


def broken_rules(spec: OddSpec | None, values: Values, slack: float = 0.0) -> Mapping[str, Mask]:
    """For each rule that can be judged, by name, the rows (n,) that break it, margins left out."""
    return {rule.name: breaks(rule, values, slack=slack) for rule in judged_rules(spec, values)}


def hair(name: str, slack: float) -> float:
    """Slack of a parameter: as given for angles, 100 times that for distances."""
    return slack * (100.0 if name.endswith("_m") else 1.0)


def _holds(
    values: Values, name: str, condition: Condition, margin: tuple[float, float], slack: float
) -> Mask:
    """Rows (n,) whose value meets a condition; a value that is no number meets none."""
    given = np.asarray(values[name])
    if isinstance(condition, Profile):
        low, high = _profile(condition.points, np.asarray(values[condition.by], np.float64))
    elif isinstance(condition[0], str):
        wanted = set(condition)
        return np.array([_word(value) in wanted for value in given.tolist()], bool)
    else:
        low, high = (np.full(len(given), float(bound)) for bound in condition)
    number = given.astype(np.float64)
    # a single value is met or missed by all of it: against the row too, it keeps its hair
    point = not isinstance(condition, Profile) and margin == (0.0, 0.0) and bool((low == high).all())
    room = hair(name, abs(slack) if point else slack)
    return (number >= low - margin[0] - room) & (number <= high + margin[1] + room)


def _word(value: Any) -> str:
    """A category as specs spell it: true, not True."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _profile(points: Sequence[tuple[float, float, float]], at: Array) -> tuple[Array, Array]:
    """Lower and upper limits (n,) on the broken line through points (x, low, high), level beyond its ends."""
    x, low, high = np.array(points, np.float64).T
    left = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(x) - 2)
    part = np.clip((at - x[left]) / (x[left + 1] - x[left]), 0.0, 1.0)
    return (
        low[left] + part * (low[left + 1] - low[left]),
        high[left] + part * (high[left + 1] - high[left]),
    )
