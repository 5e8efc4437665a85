"""What is odd in a spec and yet can be meant: gaps, far zones, laws that rules or other laws make void."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from itertools import pairwise
from typing import Any

import numpy as np

from lard.odd.axes import axis_of
from lard.odd.cells import cells_of
from lard.odd.laws import Law
from lard.odd.parameters import resolve
from lard.odd.spec import Categories, OddSpec, Profile
from lard.odd.yamlfile import Faults

FAR_M = 20_000.0
"""Farther than any final approach begins."""

RUNWAY_WIDTH_M = 45.0
_SEVERITIES = ("error", "warning")


def place_of(faults: Faults, sections: Sequence[tuple[str, ...]], name: str) -> tuple[str, ...]:
    """Where a file states a parameter, in whatever unit: the first of the sections that has it."""
    for section in sections:
        for path in faults.lines:
            if len(path) == len(section) + 1 and path[:-1] == section:
                found = resolve(str(path[-1]))
                if not isinstance(found, str) and found[0].name == name:
                    return (*section, str(path[-1]))
    return (*sections[0], name)


def warn_of_oddities(spec: OddSpec, faults: Faults) -> None:
    """Note everything about a spec that looks like a slip."""
    _warn_of_gaps(spec, faults)
    for zone in spec.zones:
        sections = (("zones", zone.name), ("approach",))
        along, where = zone.laws["along_track_m"], place_of(faults, sections, "along_track_m")
        if along.hi > FAR_M:
            width_px = RUNWAY_WIDTH_M / along.hi * spec.camera.fx_px
            faults.warn(
                where,
                f"reaches {along.hi / 1000:g} km out, where a runway {RUNWAY_WIDTH_M:g} m wide has "
                f"{width_px:.2g} px; final approaches begin within {FAR_M / 1000:g} km",
            )
        visibility = spec.environment.get("visibility_m")
        if isinstance(visibility, Law) and along.lo > visibility.hi:
            text = f"begins at {along.lo:g} m, beyond the best visibility of {visibility.hi:g} m"
            faults.warn(where, f"{text}: no runway is ever seen; widen environment.visibility_m")
        vertical = zone.laws["vertical_deg"]
        if vertical.hi <= 0:
            where = place_of(faults, sections, "vertical_deg")
            faults.warn(where, "lies below the runway; positive is above it")
    _warn_of_idle_rules(spec, faults)
    _warn_of_void_values(spec, faults)


def _warn_of_gaps(spec: OddSpec, faults: Faults) -> None:
    ordered = sorted(spec.zones, key=lambda zone: zone.laws["along_track_m"].lo)
    reach = ordered[0].laws["along_track_m"].hi
    last = ordered[0]
    for _, zone in pairwise(ordered):
        along = zone.laws["along_track_m"]
        if along.lo > reach * (1 + 1e-9) + 1e-6:
            faults.warn(
                place_of(faults, (("zones", zone.name),), "along_track_m"),
                f"a gap from {reach:g} to {along.lo:g} m between the zones {last.name} and {zone.name}: "
                "approaches there are in no zone; join the zones, or leave it if it is meant",
            )
        if along.hi > reach:
            reach, last = along.hi, zone


def _warn_of_idle_rules(spec: OddSpec, faults: Faults) -> None:
    """Rules whose `when` no law of the spec can meet."""
    for index, rule in enumerate(spec.rules):
        for name, condition in rule.when.items():
            laws = [zone.laws[name] for zone in spec.zones if name in zone.laws]
            given: list[Law | Categories] = [*laws]
            given += [own[name] for own in (spec.environment, spec.runways) if name in own]
            if given and not any(_can_meet(law, condition) for law in given):
                text = f"rule {rule.name!r} never applies: no value of {name} that the spec allows meets it"
                faults.warn(("rules", index, "when", name), f"{text}; widen one of them or remove the rule")


def _can_meet(law: Law | Categories, condition: Any) -> bool:
    if isinstance(condition, Profile):
        return True
    if isinstance(law, Categories):
        return bool(set(law.names) & set(condition))
    if law.law == "discrete":
        return any(condition[0] <= value <= condition[1] for value in law.values or {})
    return bool(condition[0] <= law.hi and law.lo <= condition[1])


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


def check_dqr(spec: OddSpec, known: Mapping[str, Mapping[str, Any]], faults: Faults) -> None:
    """Note every unknown id, threshold, severity and kind of value of the `dqr:` section.

    known: by requirement id (DQR-C01) its thresholds with their defaults.
    """
    for key, given in spec.dqr.items():
        upper = str(key).strip().upper()
        wanted = upper if upper.startswith("DQR-") else f"DQR-{upper}"
        if wanted not in known:
            near = get_close_matches(wanted, known, n=2, cutoff=0.8)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            faults.add(("dqr", key), f"unknown requirement{hint}; `lard dqr list` shows them")
            continue
        for name, value in given.items():
            _check_threshold(("dqr", key, name), wanted, value, known[wanted], faults)


def _check_threshold(
    where: tuple[str, str, str], requirement: str, value: Any, known: Mapping[str, Any], faults: Faults
) -> None:
    name = where[2]
    if name == "severity":
        if value not in _SEVERITIES:
            faults.add(where, f"{value!r} is no severity; expected {' or '.join(_SEVERITIES)}")
    elif name not in known:
        near = get_close_matches(name, known, n=1, cutoff=0.6)
        hint = f"; did you mean {near[0]}?" if near else ""
        text = f"unknown threshold of {requirement}{hint}; it has {', '.join(('severity', *known))}"
        faults.add(where, text)
    elif isinstance(known[name], str) != isinstance(value, str) or not isinstance(value, int | float | str):
        faults.add(where, f"{value!r} is not like its default {known[name]!r}")
