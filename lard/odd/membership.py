"""Is an approach inside the ODD, and by how much does each parameter keep or miss its limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lard.approach import Approaches
from lard.odd.parameters import APPROACH
from lard.odd.rules import Context, approach_rules, rule_excess
from lard.odd.spec import OddSpec

Array = NDArray[np.float64]
Names = NDArray[np.str_]

IN_ODD, IN_EXTENDED_ODD, OUT_OF_ODD = VERDICTS = ("IN_ODD", "IN_EXTENDED_ODD", "OUT_OF_ODD")
_VERDICTS = np.array(VERDICTS)
_CHUNK = 65_536  # keeps the columns of a chunk in the cache


@dataclass(frozen=True, slots=True)
class Judgement:
    """Verdicts (n,) and, against the nearest zone, signed margins per parameter (n,) in its own unit.

    A margin is the distance to the nearer nominal limit, negative outside; `worst` names the parameter
    that fails most (or holds least) in units of half its range, `rule` the first broken rule or "".
    """

    verdict: Names
    zone: Names
    margins: Mapping[str, Array]
    worst: Names
    worst_margin: Array
    rule: Names


def verdicts(spec: OddSpec, approaches: Approaches, context: Context | None = None) -> Names:
    """IN_ODD, IN_EXTENDED_ODD or OUT_OF_ODD (n,); the union over zones, limits included.

    Not-a-number is outside. The context holds environment and runway values (n,) by parameter; rules
    that look at a parameter it lacks are not judged.
    """
    code = np.full(len(approaches), 2, np.int8)
    for level, value in (("extended", 1), ("in", 0)):
        code[_inside_any(spec, approaches, level, context)] = value
    return _VERDICTS[code]


def _inside_any(
    spec: OddSpec, approaches: Approaches, level: str, context: Context | None
) -> NDArray[np.bool_]:
    limits = spec.limits(level)
    inside = np.zeros(len(approaches), bool)
    columns = [getattr(approaches, name) for name in APPROACH]
    for start in range(0, len(approaches), _CHUNK):
        part = slice(start, start + _CHUNK)
        values = [column[part] for column in columns]
        for zone in limits:
            held = values[0] >= zone[0, 0]
            held &= values[0] <= zone[0, 1]
            for value, (lo, hi) in zip(values[1:], zone[1:], strict=True):
                held &= value >= lo
                held &= value <= hi
            inside[part] |= held
    for rule in approach_rules(spec, context):
        excess, _ = rule_excess(rule, approaches, context, spec.margins.get(level, {}))
        inside &= excess <= 0
    return inside


def zone_margins(spec: OddSpec, approaches: Approaches) -> Array:
    """Signed distances (zones, 6, n) to the nearer nominal limit, negative outside."""
    values = np.stack([getattr(approaches, name) for name in APPROACH])
    limits = spec.limits()
    return np.minimum(values - limits[..., :1], limits[..., 1:] - values)


def judge(spec: OddSpec, approaches: Approaches, context: Context | None = None) -> Judgement:
    """Verdicts with the signed margin of every parameter against the zone each approach fits best."""
    margins = zone_margins(spec, approaches)
    limits = spec.limits()
    # a parameter held fixed has no half range: its excess is compared in its own unit
    half = np.where(limits[..., 1] > limits[..., 0], (limits[..., 1] - limits[..., 0]) / 2, 1.0)
    relative = np.where(np.isnan(margins), -np.inf, margins / half[..., None])
    best = relative.min(axis=1).argmax(axis=0)
    column = np.arange(len(approaches))
    chosen, scaled = margins[best, :, column], relative[best, :, column]
    worst = scaled.argmin(axis=1)
    broken = np.full(len(approaches), "", dtype=f"U{max([1, *(len(rule.name) for rule in spec.rules)])}")
    for rule in reversed(approach_rules(spec, context)):
        broken[rule_excess(rule, approaches, context, {})[0] > 0] = rule.name
    return Judgement(
        verdict=verdicts(spec, approaches, context),
        zone=np.array(spec.zone_names)[best],
        margins={name: chosen[:, k] for k, name in enumerate(APPROACH)},
        worst=np.array(APPROACH)[worst],
        worst_margin=chosen[column, worst],
        rule=broken,
    )


def zone_of(spec: OddSpec, approaches: Approaches) -> Names:
    """Name (n,) of the first zone whose nominal limits hold the approach, "" where none does."""
    inside = (zone_margins(spec, approaches) >= 0).all(axis=1)
    names = np.array([*spec.zone_names, ""])
    return names[np.where(inside.any(axis=0), inside.argmax(axis=0), len(spec.zones))]
