"""Rules and margins of a spec's file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lard.odd.laws import Law
from lard.odd.legal import check_condition, check_legal, check_size
from lard.odd.parameters import Parameter
from lard.odd.reading import GROUPS, Where, model_of, parameter_of, unknown_field
from lard.odd.spec import Categories, Condition, Profile, Rule
from lard.odd.yamlfile import Faults

Margins = dict[str, dict[str, tuple[float, float]]]

_RULE = ("name", "when", "require")


def read_margins(section: Mapping[str, Any], faults: Faults) -> Margins:
    """Widths below and above by level and canonical parameter name."""
    margins: Margins = {"in": {}, "extended": {}}
    for level, given in section.items():
        where = ("margins", level)
        if level not in margins:
            faults.add(where, "unknown margin; expected in or extended")
        elif not isinstance(given, dict):
            faults.add(where, f"expected a mapping of parameters, found {given!r}")
        else:
            for key, value in given.items():
                _read_margin(str(key), value, where, margins[level], faults)
    return margins


def _read_margin(
    key: str, value: Any, level: Where, margins: dict[str, tuple[float, float]], faults: Faults
) -> None:
    where = (*level, key)
    found = parameter_of(key, where, GROUPS, faults)
    if found is not None and found[0].categories:
        faults.add(where, "has categories, which no margin widens; remove it")
        return
    pair = value if isinstance(value, list) else [value, value]
    numbers = all(isinstance(x, int | float) and not isinstance(x, bool) for x in pair)
    if len(pair) != 2 or not numbers or not all(0 <= x < float("inf") for x in pair):
        faults.add(where, f"expected a width >= 0 or [below, above], found {value!r}")
    elif found is not None:
        if found[0].name in margins:
            faults.add(where, f"{found[0].name} is given twice, in different units; keep one")
        below, above = (float(x) * found[1] for x in pair)
        if check_size(found[0], (below, above), where, faults):
            margins[found[0].name] = (below, above)


def read_rules(given: Any, faults: Faults) -> list[Rule]:
    """The rules of a file without those that say nothing or cannot be read."""
    if given is None:
        return []
    if not isinstance(given, list):
        faults.add(("rules",), f"expected a list of rules, found {given!r}")
        return []
    rules: list[Rule] = []
    for index, item in enumerate(given):
        where = ("rules", index)
        if not isinstance(item, dict) or "require" not in item:
            faults.add(where, "expected a rule {name: ..., when: {...}, require: {...}}")
            continue
        for key in item:
            if key not in _RULE:
                faults.add((*where, str(key)), unknown_field(str(key), _RULE))
        name = item.get("name", f"rule {index + 1}")
        if not isinstance(name, str) or not name.strip():
            faults.add((*where, "name"), f"expected text, found {name!r}; put it in quotes")
        elif name in [rule.name for rule in rules]:
            faults.add((*where, "name"), f"{name!r} is the name of another rule too; give each its own")
        when = _conditions(item.get("when", {}), (*where, "when"), faults)
        if item.get("when", True) == {}:
            faults.warn(
                (*where, "when"), "asks nothing, so the rule always applies; add a condition, or drop it"
            )
        require = _conditions(item["require"], (*where, "require"), faults)
        if item["require"] == {}:
            faults.add(
                (*where, "require"), "is empty, so the rule asks nothing; add a limit or remove the rule"
            )
        if require:
            rules.append(Rule(name=str(name) or f"rule {index + 1}", when=when, require=require))
    return rules


def _conditions(given: Any, where: Where, faults: Faults) -> dict[str, Condition]:
    if not isinstance(given, dict):
        faults.add(where, f"expected a mapping of parameters, found {given!r}")
        return {}
    conditions: dict[str, Condition] = {}
    for key, value in given.items():
        here = (*where, str(key))
        found = parameter_of(str(key), here, GROUPS, faults)
        if found is None:
            continue
        if found[0].name in conditions:
            faults.add(here, f"{found[0].name} is given twice, in different units; keep one")
        condition = _condition(value, *found, here, faults)
        if condition is not None:
            check_condition(found[0], condition, here, faults)
            conditions[found[0].name] = condition
    return conditions


def _condition(
    value: Any, parameter: Parameter, factor: float, where: Where, faults: Faults
) -> Condition | None:
    """One limit of a rule in the parameter's own unit; None when it is none."""
    if parameter.categories:
        if isinstance(value, dict) and "by" in value:
            faults.add(where, "has categories, which no limit that moves can hold; list those allowed")
            return None
        if isinstance(value, dict):
            faults.add(
                where, f"expected one or more categories, found {value!r}; a rule has no use for weights"
            )
            return None
        categories = model_of(Categories, value, where, faults)
        if categories is None:
            return None
        check_legal(parameter, categories, where, faults)
        return categories.names
    if isinstance(value, dict) and "by" in value:
        profile = model_of(Profile, value, where, faults)
        if profile is None:
            return None
        points = tuple((x, lo * factor, hi * factor) for x, lo, hi in profile.points)
        whole = check_size(parameter, [number for point in points for number in point], where, faults)
        return profile.model_copy(update={"points": points}) if whole else None
    if isinstance(value, dict) and set(value) != {"range"}:
        text = f"expected a number, [low, high] or {{by: ..., points: ...}}, found {value!r}"
        faults.add(where, f"{text}; a rule limits values, laws belong to zones and environment")
        return None
    law = model_of(Law, value, where, faults)
    if law is None:
        return None
    limits = (law.lo * factor, law.hi * factor)
    return limits if check_size(parameter, limits, where, faults) else None
