"""What a data quality requirement (DQR) is, and the list of those registered; it knows none by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lard.quality.dataset import Dataset
from lard.quality.model import Outcome

SEVERITIES = ("error", "warning")
Value = float | int | str | bool
OBJECTIVES = {
    "completeness": "The data cover the whole operational design domain (ODD), with no gap.",
    "representativeness": "The data are distributed as the ODD and the intended use say.",
    "accuracy": "Labels and metadata are true within a stated tolerance.",
    "integrity": "Pictures are what the sensor or renderer was meant to produce, unaltered.",
    "independence": "Samples, and training, validation and test sets, are independent of each other.",
    "traceability": "Every item leads back to its origin, version, licence and seed.",
    "sufficiency": "There are enough independent samples for the statement that is to be made.",
}
CheckFunction = Callable[[Dataset, Mapping[str, Any]], Outcome]


@dataclass(frozen=True, slots=True)
class Check:
    """One requirement: a stable id, what it asks and why, its default thresholds and its function."""

    id: str
    title: str
    severity: str
    rationale: str
    objective: str
    thresholds: Mapping[str, Value]
    needs: tuple[str, ...]
    parameters: tuple[str, ...]
    function: CheckFunction

    @property
    def method(self) -> str:
        """How it is judged: the first paragraph of its function's description, as one line of plain text."""
        return " ".join((self.function.__doc__ or "").split("\n\n")[0].replace("`", "").split())


_CHECKS: dict[str, Check] = {}


def check(
    id: str,
    title: str,
    *,
    severity: str,
    rationale: str,
    objective: str,
    thresholds: Mapping[str, Value] | None = None,
    needs: tuple[str, ...] = (),
    parameters: tuple[str, ...] = (),
) -> Callable[[CheckFunction], CheckFunction]:
    """Register a function as the requirement `id`.

    `needs` names the parts of a dataset without which the requirement does not apply (see
    `Dataset.parts`); `parameters` the ODD parameters it gives evidence for.
    """
    if severity not in SEVERITIES or objective not in OBJECTIVES or id in _CHECKS:
        raise ValueError(f"{id}: severity {severity!r}, objective {objective!r} or a repeated id")

    def register(function: CheckFunction) -> CheckFunction:
        _CHECKS[id] = Check(
            id, title, severity, rationale, objective, dict(thresholds or {}), needs, parameters, function
        )
        return function

    return register


def registered() -> tuple[Check, ...]:
    """The requirements of the modules imported so far; `lard.quality.catalogue` imports them all."""
    return tuple(_CHECKS.values())


def normalise_id(text: str) -> str:
    """`c01`, `C01` and `DQR-C01` are the same requirement."""
    upper = text.strip().upper()
    return upper if upper.startswith("DQR-") else f"DQR-{upper}"
