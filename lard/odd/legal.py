"""Whether a law says something that its parameter can be."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from lard.odd.drawing import whole_bounds
from lard.odd.laws import NUMBER_LIMIT, Law
from lard.odd.parameters import Parameter
from lard.odd.spec import Categories, Condition, Profile
from lard.odd.vocabulary import word_fault
from lard.odd.yamlfile import Faults

Where = tuple[str | int, ...]


def check_size(parameter: Parameter, numbers: Iterable[float], where: Where, faults: Faults) -> bool:
    """Whether numbers, in the parameter's unit, are of a size to go on with; those that are not are noted."""
    largest = max(map(abs, numbers), default=0.0)
    if largest > NUMBER_LIMIT:
        unit = f" {parameter.unit}" if parameter.unit else ""
        text = (
            f"{largest:g}{unit} is more than any {parameter.stem} can be; expected at most {NUMBER_LIMIT:g}"
        )
        faults.add(where, f"{text}; is its unit right?")
    return largest <= NUMBER_LIMIT


def check_legal(parameter: Parameter, law: Law | Categories, where: Where, faults: Faults) -> None:
    """Note bounds beyond the possible ones, unknown words and ranges without a whole number."""
    if isinstance(law, Law):
        if law.lo < parameter.lo or law.hi > parameter.hi:
            unit = f" {parameter.unit}" if parameter.unit else ""
            faults.add(
                where,
                f"[{law.lo:g}, {law.hi:g}] leaves the possible [{parameter.lo:g}, {parameter.hi:g}]{unit}",
            )
        _check_whole(parameter, law, where, faults)
    else:
        for name in law.names:
            fault = word_fault(parameter.name, name)
            if fault is not None:
                faults.add(where, fault)


def check_condition(parameter: Parameter, condition: Condition, where: Where, faults: Faults) -> None:
    """Note limits of a rule that no value of the parameter can meet, or that follow the parameter itself."""
    if isinstance(condition, Profile):
        if parameter.categories:
            faults.add(where, "has categories, which follow nothing; list them")
        if condition.by == parameter.name:
            faults.add(where, f"limits of {parameter.name} cannot follow {condition.by} itself; name another")
        bounds = (min(p[1] for p in condition.points), max(p[2] for p in condition.points))
    elif isinstance(condition[0], str):
        return
    else:
        bounds = (float(condition[0]), float(condition[1]))
        if parameter.whole and np.ceil(bounds[0]) > np.floor(bounds[1]):
            faults.add(where, f"[{bounds[0]:g}, {bounds[1]:g}] holds no whole number; widen it")
    if not parameter.categories and (bounds[1] < parameter.lo or bounds[0] > parameter.hi):
        possible = f"[{parameter.lo:g}, {parameter.hi:g}] {parameter.unit}".rstrip()
        faults.add(
            where, f"[{bounds[0]:g}, {bounds[1]:g}] lies outside the possible {possible}; mend the bounds"
        )


def _check_whole(parameter: Parameter, law: Law, where: Where, faults: Faults) -> None:
    """A parameter of whole numbers needs one in its range, and nothing else among its values."""
    if not parameter.whole:
        return
    first, last = whole_bounds(law)
    broken = [value for value in law.values or () if value != round(value)]
    if broken:
        faults.add(where, f"{broken[0]:g} is no whole number, as values of {parameter.name} are; round it")
    elif first > last:
        faults.add(where, f"[{law.lo:g}, {law.hi:g}] holds no whole number; widen it")
