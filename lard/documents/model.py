"""Documents checked against the model that their reader declares."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

from lard.errors import DataError, LardError

if TYPE_CHECKING:
    from pydantic import BaseModel

    Model = TypeVar("Model", bound=BaseModel)

SHOWN = 8
_COUNTED = r"^\w+ should have (at \w+ \d+ items?) after validation, not (\w+)"
_VALUE_CHARACTERS = 60


def checked(
    model: type[Model], document: Any, where: object, *, error: type[LardError] = DataError, remedy: str = ""
) -> Model:
    """The document as a declared model; each fault a line: file, field, what is wrong, found, remedy."""
    from pydantic import ValidationError

    try:
        return model.model_validate(document)
    except ValidationError as fault:
        faults = fault.errors(include_url=False, include_context=False)
        lines = [f"{where}: {_told(one)}{f'; {remedy}' if remedy else ''}" for one in faults[:SHOWN]]
        more = [f"and {len(faults) - SHOWN} more faults"] if len(faults) > SHOWN else []
        raise error("\n".join(lines + more)) from fault


def _told(fault: Any) -> str:
    """Field, what is wrong with it, and its value where that is short of a document."""
    field = ".".join(str(part)[:_VALUE_CHARACTERS] for part in fault["loc"])
    plain = not isinstance(fault["input"], dict | list)
    found = f" (found {fault['input']!r:.{_VALUE_CHARACTERS}})" if plain else ""
    message = fault["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    message = re.sub(r"a valid dictionary or instance of \w+", "an object with named fields", message)
    message = re.sub(_COUNTED, r"expected \1, found \2", message)
    message = re.sub(r"^String should (?:have|match)", "expected a text of", message)
    return f"{field}: {message}{found}" if field else f"{message}{found}"
