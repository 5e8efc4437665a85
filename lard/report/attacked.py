"""Reports of `lard attack` as the leaderboard takes them: checked, and of its own models alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from lard.errors import DataError
from lard.report.score_parts import Count, NotBelow0, Part, Share
from lard.tables import read_json


class _Size(Part):
    eps: NotBelow0
    AP50: Share | None
    AP: Share | None
    recall: Share | None
    silent: Share | None
    reached: Share | None
    false_alarms_per_image: NotBelow0 | None


class _Goal(Part):
    curve: Annotated[list[_Size], Field(min_length=1)]


class _Model(Part):
    goals: Annotated[dict[str, _Goal], Field(min_length=1)]


class _Settings(Part):
    norm: str


class _Attack(Part):
    format: str = Field(pattern=r"^lard-attack-1$")
    norm: str
    split: str
    pictures: Count
    settings: _Settings
    models: Annotated[dict[str, _Model], Field(min_length=1)]


def read_attack(path: Path, models: Sequence[str]) -> dict[str, Any]:
    """The report with those of its models that are on the board; DataError when it is none, or none is."""
    document = read_json(path)
    try:
        _Attack.model_validate(document)
    except ValidationError as error:
        fault = error.errors()[0]
        raise DataError(
            f"{path}: {'.'.join(map(str, fault['loc'])) or 'document'}: {fault['msg']}"
            f" (found {str(fault['input'])[:60]!r}); give attack.json as lard attack writes it"
        ) from error
    known = {name: found for name, found in document["models"].items() if name in models}
    if not known:
        raise DataError(
            f"{path}: models: attacks {', '.join(document['models'])}, none of which is on the board: "
            f"{', '.join(models)}"
        )
    goals = [set(found["goals"]) for found in known.values()]
    if any(goal != goals[0] for goal in goals):
        raise DataError(f"{path}: models: attacked for different goals; attack all in one run")
    return {**document, "models": known}
