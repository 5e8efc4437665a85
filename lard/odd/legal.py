"""Whether a law says something that its parameter can be."""

from __future__ import annotations

from lard.odd.drawing import whole_bounds
from lard.odd.laws import Law
from lard.odd.parameters import Parameter
from lard.odd.spec import Categories
from lard.odd.vocabulary import word_fault
from lard.odd.yamlfile import Faults

Where = tuple[str | int, ...]


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
