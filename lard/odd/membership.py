"""Is an approach inside the ODD, and by how much does each parameter keep or miss its limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lard.approach import Approaches
from lard.odd.context import Context, check_context, context_margins, within_context
from lard.odd.laws import Law
from lard.odd.parameters import APPROACH
from lard.odd.rules import approach_rules, rule_excess
from lard.odd.spec import OddSpec

Array = NDArray[np.float64]
Names = NDArray[np.str_]

IN_ODD, IN_EXTENDED_ODD, OUT_OF_ODD = VERDICTS = ("IN_ODD", "IN_EXTENDED_ODD", "OUT_OF_ODD")
_VERDICTS = np.array(VERDICTS)
_CHUNK = 16_384  # keeps the columns of a chunk in the cache


@dataclass(frozen=True, slots=True)
class Judgement:
    """Verdicts (n,) and, against the nearest zone, signed margins per parameter (n,) in its own unit.

    A margin is the distance to the nearer nominal limit, negative outside (1 and -1 for categories); `worst`
    names the parameter that fails most (or holds least) in units of half its range, `rule` the first broken
    rule or "". With a context its environment and runway parameters are among them.
    """

    verdict: Names
    zone: Names
    margins: Mapping[str, Array]
    worst: Names
    worst_margin: Array
    rule: Names


def verdicts(spec: OddSpec, approaches: Approaches, context: Context | None = None) -> Names:
    """IN_ODD, IN_EXTENDED_ODD or OUT_OF_ODD (n,); the union over zones, limits included.

    Not-a-number is outside. The context holds environment and runway values (n,) by parameter, all that the
    spec's ranges and rules ask for: DataError names what it lacks. Without a context the approach alone is
    judged, by its ranges and the rules on nothing else.
    """
    if context is not None:
        check_context(spec, context, len(approaches))
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
        for zone, separate in zip(limits, _separate(spec), strict=True):
            held = values[0] >= zone[0, 0]
            held &= values[0] <= zone[0, 1]
            for value, (lo, hi) in zip(values[1:], zone[1:], strict=True):
                held &= value >= lo
                held &= value <= hi
            for k, law in separate.items():
                held &= law.slack(values[k], *spec.margin(level)[k]) >= 0
            inside[part] |= held
    if context is not None:
        inside &= within_context(spec, context, level)
    for rule in approach_rules(spec, context):
        excess, _ = rule_excess(rule, approaches, context, spec.margins.get(level, {}))
        inside &= excess <= 0
    return inside


def _separate(spec: OddSpec) -> list[dict[int, Law]]:
    """Per zone the approach parameters, by place, that are a few values and no range."""
    return [
        {k: zone.laws[name] for k, name in enumerate(APPROACH) if zone.laws[name].law == "discrete"}
        for zone in spec.zones
    ]


def zone_margins(spec: OddSpec, approaches: Approaches) -> Array:
    """Signed distances (zones, 6, n) to the nearer nominal limit, negative outside."""
    values = np.stack([getattr(approaches, name) for name in APPROACH])
    limits = spec.limits()
    return np.minimum(values - limits[..., :1], limits[..., 1:] - values)


def judge(spec: OddSpec, approaches: Approaches, context: Context | None = None) -> Judgement:
    """Verdicts with the signed margin of every parameter against the zone each approach fits best.

    The context is that of `verdicts`.
    """
    n = len(approaches)
    verdict = verdicts(spec, approaches, context)
    best, worst = np.empty(n, np.intp), np.empty(n, np.intp)
    margins, worst_margin = np.empty((len(APPROACH), n)), np.empty(n)
    limits = spec.limits()
    # a parameter held fixed has no half range: its excess is compared in its own unit
    half = np.where(limits[..., 1] > limits[..., 0], (limits[..., 1] - limits[..., 0]) / 2, 1.0)
    middle = limits.mean(axis=-1)
    values = np.stack([getattr(approaches, name) for name in APPROACH])
    for start in range(0, n, _CHUNK):
        part = slice(start, start + _CHUNK)
        here = values[:, part]
        best[part], worst[part] = _closest(np.where(np.isnan(here), np.inf, here), middle, 1 / half)
        zone = best[part]
        for k, value in enumerate(here):
            np.minimum(value - limits[zone, k, 0], limits[zone, k, 1] - value, out=margins[k, part])
        worst_margin[part] = np.take_along_axis(margins[:, part], worst[None, part], axis=0)[0]
    separate = _separate(spec)
    for zone_index, laws in enumerate(separate):
        for k, law in laws.items():
            here = best == zone_index
            margins[k, here] = law.slack(values[k, here])
    if any(separate):
        worst = (margins / half[best].T).argmin(axis=0)
        worst_margin = np.take_along_axis(margins, worst[None], axis=0)[0]
    names = [*APPROACH]
    held = dict(zip(APPROACH, margins, strict=True))
    # the smallest share of a half range that is left, so that both kinds of parameter can be compared
    least = np.take_along_axis(margins / half[best].T, worst[None], axis=0)[0]
    for name, margin, share in context_margins(spec, context) if context is not None else ():
        held[name] = margin
        names.append(name)
        worse = share < least
        worst[worse], worst_margin[worse], least[worse] = len(names) - 1, margin[worse], share[worse]
    broken = np.full(n, "", dtype=f"U{max([1, *(len(rule.name) for rule in spec.rules)])}")
    for rule in reversed(approach_rules(spec, context)):
        broken[rule_excess(rule, approaches, context, {})[0] > 0] = rule.name
    return Judgement(
        verdict=verdict,
        zone=np.array(spec.zone_names)[best],
        margins=held,
        worst=np.array(names)[worst],
        worst_margin=worst_margin,
        rule=broken,
    )


def _closest(values: Array, middle: Array, scale: Array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Per sample of values (6, n): its zone, and the parameter furthest out there.

    Among the zones that hold its distance, or all when none does, it is the one it is least outside of.
    Distances from the middle (zones, 6) are in half ranges, scale (zones, 6) being their reciprocals.
    """
    shape = (len(middle), values.shape[1])
    reach, guilty = np.full(shape, -1.0), np.zeros(shape, np.intp)
    for zone in range(len(middle)):
        for k, value in enumerate(values):
            distance = np.abs(value - middle[zone, k])
            distance *= scale[zone, k]
            further = distance > reach[zone]
            np.copyto(reach[zone], distance, where=further)
            guilty[zone][further] = k
    # the first parameter is the distance: zones that hold it go before those that do not
    away = np.abs(values[0] - middle[:, :1]) * scale[:, :1] > 1
    best = np.where(away & ~away.all(axis=0), np.inf, reach).argmin(axis=0)
    return best, np.take_along_axis(guilty, best[None], axis=0)[0]


def zone_of(spec: OddSpec, approaches: Approaches) -> Names:
    """Name (n,) of the first zone whose nominal limits hold the approach, "" where none does."""
    inside = (zone_margins(spec, approaches) >= 0).all(axis=1)
    names = np.array([*spec.zone_names, ""])
    return names[np.where(inside.any(axis=0), inside.argmax(axis=0), len(spec.zones))]
