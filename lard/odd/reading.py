"""Parts of a spec's file: sections, checked models and parameter names, each fault noted with its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from lard.odd.parameters import PARAMETERS, Parameter, resolve
from lard.odd.vocabulary import nearest
from lard.odd.yamlfile import Faults

Model = TypeVar("Model", bound=BaseModel)
Where = tuple[str | int, ...]

GROUPS = ("approach", "environment", "runway")


def unknown_field(key: str, known: Iterable[str]) -> str:
    """What to say of a key that is none of the known ones."""
    names = list(known)
    near = nearest(key, names)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    return f"unknown field; expected one of {', '.join(names)}{hint}"


def section_of(data: Mapping[str, Any], key: str, faults: Faults) -> dict[str, Any]:
    """A section of the file; empty when it is absent or no mapping, which is noted."""
    section = data.get(key)
    if section is None:
        return {}
    if not isinstance(section, dict):
        faults.add((key,), f"expected a mapping of fields, found {section!r}")
        return {}
    return {str(name): value for name, value in section.items()}


def model_of(kind: type[Model], given: Any, where: Where, faults: Faults) -> Model | None:
    """Validate a part of the file; note each fault with its place and return None when there is one."""
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        for item in error.errors():
            message = item["msg"].removeprefix("Value error, ")
            if item["type"] == "extra_forbidden":
                message = unknown_field(str(item["loc"][-1]), kind.model_fields)
            elif item["type"] == "missing":
                message = "missing; add it"
            elif item["type"] != "value_error":
                message = f"{message[0].lower()}{message[1:]}, found {item['input']!r}"
            faults.add((*where, *item["loc"]), message)
        return None


def parameter_of(
    key: str, where: Where, groups: Sequence[str], faults: Faults
) -> tuple[Parameter, float] | None:
    """The parameter a key means and the factor to its unit; None, and a fault, when it is out of place."""
    found = resolve(key)
    if isinstance(found, str):
        known = [p.name for p in PARAMETERS.values() if p.group in groups]
        near = nearest(key, known)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        text = (
            found
            if found.startswith("unknown unit")
            else f"{found}; expected one of {', '.join(known)}{hint}"
        )
        faults.add(where, text)
        return None
    if found[0].group not in groups:
        faults.add(where, f"belongs to the section {found[0].group}, not here; move it")
        return None
    return found


def place_of(faults: Faults, sections: Sequence[tuple[str, ...]], name: str) -> tuple[str, ...]:
    """Where a file states a parameter, in whatever unit: the first of the sections that has it."""
    for section in sections:
        for path in faults.lines:
            if len(path) == len(section) + 1 and path[:-1] == section:
                found = resolve(str(path[-1]))
                if not isinstance(found, str) and found[0].name == name:
                    return (*section, str(path[-1]))
    return (*sections[0], name)
