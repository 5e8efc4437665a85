"""Rules that never apply, always hold or forbid all they apply to, and what they leave nothing of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lard.odd.axes import axis_of
from lard.odd.cells import cells_of
from lard.odd.laws import Law
from lard.odd.parameters import CONDITIONS, PARAMETERS
from lard.odd.reading import place_of
from lard.odd.spec import Categories, Condition, OddSpec, Profile, Rule, Zone
from lard.odd.yamlfile import Faults

Laws = Mapping[str, Law | Categories]

_SUN = ("local_time_h", "day_of_year", "season", "sun_elevation_deg", "light")
_PIECES = 12
"""Pieces that a range is cut into to see whether rules leave something of each."""


def warn_of_rules(spec: OddSpec, faults: Faults) -> None:
    """Warn of rules without effect, of those that forbid, and of what they make void."""
    domains: list[Laws] = [{**zone.laws, **spec.environment, **spec.runways} for zone in spec.zones]
    for index, rule in enumerate(spec.rules if spec.zones else ()):
        where = ("rules", index)
        _warn_of_undeclared(spec, rule, where, faults)
        idle = [name for name, condition in rule.when.items() if not _ever(domains, name, condition)]
        for name in idle:
            text = f"rule {rule.name!r} never applies: no value of {name} that the spec allows meets it"
            faults.warn((*where, "when", name), f"{text}; widen one of them or remove the rule")
        if idle:
            continue
        if rule.when and all(_always(domains, name, c) for name, c in rule.when.items()):
            text = f"rule {rule.name!r} always applies: every value that the spec allows meets its `when`"
            faults.warn((*where, "when"), f"{text}; leave `when` out, or narrow it")
        if all(
            _always(domains, name, c) or _within(rule.when.get(name), c) for name, c in rule.require.items()
        ):
            text = f"rule {rule.name!r} forbids nothing: every value that the spec allows meets it"
            faults.warn((*where, "require"), f"{text}; narrow it or remove the rule")
        elif rule.when and not faults.found and _forbids(spec, rule):
            text = f"rule {rule.name!r} forbids all that it applies to: nothing meets `when` and `require`"
            faults.warn((*where, "require"), f"{text}; widen one of them")
        _warn_of_profiles(spec, rule, where, domains, faults)
    if spec.zones:
        _warn_of_void_values(spec, faults)


def _warn_of_undeclared(spec: OddSpec, rule: Rule, where: tuple[str | int, ...], faults: Faults) -> None:
    """A parameter without a law keeps its default, so a rule cannot vary with it."""
    for name in sorted(rule.parameters - set(spec.environment) - set(CONDITIONS)):
        follows = name in _SUN and set(_SUN) & set(spec.environment)
        if PARAMETERS[name].group == "environment" and not follows:
            text = f"looks at {name}, which the environment does not declare, so that it never changes"
            faults.warn(where, f"rule {rule.name!r} {text}; add it there")


def _ever(domains: list[Laws], name: str, condition: Condition) -> bool:
    """Whether some zone allows a value that meets a condition; what has no law may have any."""
    return any(name not in laws or _can_meet(laws[name], condition) for laws in domains)


def _always(domains: list[Laws], name: str, condition: Condition) -> bool:
    """Whether every value that the zones allow meets a condition."""
    parameter = PARAMETERS[name]
    if all(name not in laws for laws in domains) and not isinstance(condition, Profile):
        if parameter.categories:
            return parameter.categories != ("*",) and set(parameter.categories) <= set(condition)
        return _holds(condition, (parameter.lo, parameter.hi))
    return all(name in laws and _meets_all(laws, laws[name], condition) for laws in domains)


def _meets_all(laws: Laws, law: Law | Categories, condition: Condition) -> bool:
    if isinstance(condition, Profile):
        governing = laws.get(condition.by)
        if not isinstance(law, Law) or not isinstance(governing, Law):
            return False
        inside = [x for x, _, _ in condition.points if governing.lo < x < governing.hi]
        lo, hi = condition.limits(np.array([governing.lo, *inside, governing.hi]))
        return bool((lo <= law.lo).all() and (hi >= law.hi).all())
    if isinstance(law, Categories):
        return set(law.names) <= set(condition)
    return _holds(condition, tuple(law.values or law.range))


def _within(given: Condition | None, condition: Condition) -> bool:
    """Whether whatever meets `given` meets `condition` too, of the same parameter."""
    if given is None or isinstance(given, Profile) or isinstance(condition, Profile):
        return False
    if isinstance(given[0], str):
        return set(given) <= set(condition)
    return _holds(condition, given)


def _holds(condition: Condition, values: Sequence[Any]) -> bool:
    """Whether a condition on numbers holds for all of some values."""
    assert not isinstance(condition, Profile)
    return bool(float(condition[0]) <= min(values) and max(values) <= float(condition[1]))


def _can_meet(law: Law | Categories, condition: Any) -> bool:
    if isinstance(condition, Profile):
        return True
    if isinstance(law, Categories):
        return bool(set(law.names) & set(condition))
    if law.law == "discrete":
        return any(condition[0] <= value <= condition[1] for value in law.values or {})
    return bool(condition[0] <= law.hi and law.lo <= condition[1])


def _forbids(spec: OddSpec, rule: Rule) -> bool:
    """Whether rules leave nothing of any zone where this one applies, though without it something is left."""
    if any(isinstance(condition, Profile) for condition in rule.when.values()):
        return False
    narrowed = [found for zone in spec.zones if (found := _where_it_applies(spec, zone, rule.when))]
    others = tuple(other for other in spec.rules if other is not rule)

    def leaves(rules: tuple[Rule, ...]) -> bool:
        return any(
            cells_of(part.model_copy(update={"rules": rules}), part.zones[0], ()).allowed(()).any()
            for part in narrowed
        )

    return leaves(others) and not leaves((*others, rule))


def _where_it_applies(spec: OddSpec, zone: Zone, when: Mapping[str, Condition]) -> OddSpec | None:
    """One zone of a spec, narrowed to what meets conditions; None when nothing of it does."""
    parts: dict[str, dict[str, Any]] = {
        "approach": dict(zone.laws), "environment": dict(spec.environment), "runway": dict(spec.runways),
    }  # fmt: skip
    for name, condition in when.items():
        laws = parts[PARAMETERS[name].group]
        law = laws.get(name)
        if law is not None and not _can_meet(law, condition):
            return None
        laws[name] = _narrowed(law, condition)
    zone = zone.model_copy(update={"laws": parts["approach"]})
    update = {"zones": (zone,), "environment": parts["environment"], "runways": parts["runway"]}
    return spec.model_copy(update=update)


def _narrowed(law: Law | Categories | None, condition: Condition) -> Law | Categories:
    assert not isinstance(condition, Profile)
    if isinstance(condition[0], str):
        names = set(condition) & set(law.names) if isinstance(law, Categories) else set(condition)
        return Categories.model_validate(sorted(map(str, names)))
    lo, hi = float(condition[0]), float(condition[1])
    if not isinstance(law, Law):
        return Law(range=(lo, hi))
    if law.values is not None:
        return Law.model_validate({"values": {v: w for v, w in law.values.items() if lo <= v <= hi}})
    return Law(range=(max(lo, law.lo), min(hi, law.hi)))


def _warn_of_profiles(
    spec: OddSpec, rule: Rule, where: tuple[str | int, ...], domains: list[Laws], faults: Faults
) -> None:
    """Limits that follow a parameter: beyond all its values, or leaving nothing at some of them."""
    for name, condition in rule.require.items():
        if not isinstance(condition, Profile):
            continue
        governing = [law for laws in domains if isinstance(law := laws.get(condition.by), Law)]
        first, last = condition.points[0][0], condition.points[-1][0]
        here = (*where, "require", name)
        if governing and not any(first < law.hi and law.lo < last for law in governing if law.lo < law.hi):
            lo, hi = min(law.lo for law in governing), max(law.hi for law in governing)
            text = (
                f"points of {condition.by} from {first:g} to {last:g} lie outside the spec's [{lo:g}, {hi:g}]"
            )
            faults.warn(here, f"{text}: the limits never move; are they in another unit?")
        for zone in spec.zones if not faults.found else ():
            law = {**zone.laws, **spec.environment}.get(condition.by)
            if not isinstance(law, Law):
                continue
            axis = axis_of(condition.by, law, _PIECES)
            left = cells_of(spec, zone, (axis,)).allowed((0,))
            if left.any() and not left.all():
                void = [axis.label(int(k)) for k in np.flatnonzero(~left)]
                text = f"rules leave nothing of zone {zone.name} at {condition.by} {', '.join(void)}"
                faults.warn(here, f"{text}; widen the limits there, or cut the zone")


def _warn_of_void_values(spec: OddSpec, faults: Faults) -> None:
    """Declared categories and separate values that the rules leave in no zone."""
    if not spec.rules or faults.found:
        return  # beside other faults nothing may be left of anything
    for name, law in spec.environment.items():
        if not isinstance(law, Categories) and law.law != "discrete":
            continue
        axis = axis_of(name, law, 1)
        left = np.zeros(axis.size, bool)
        for zone in spec.zones:
            left |= cells_of(spec, zone, (axis,)).allowed((0,))
        void = [axis.label(int(k)) for k in np.flatnonzero(~left)]
        rules = ", ".join(repr(rule.name) for rule in spec.rules if name in rule.parameters)
        if void:
            text = f"rules {rules} leave nothing of {', '.join(void)}: it is declared and never drawn"
            faults.warn(place_of(faults, (("environment",),), name), text)
