"""What a data quality requirement (DQR) is, what it returns, and the registry that holds them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lard.errors import SpecError

if TYPE_CHECKING:
    from lard.quality.dataset import Dataset

PASS, FAIL, WAIVED, NOT_APPLICABLE = "PASS", "FAIL", "WAIVED", "NOT_APPLICABLE"
SEVERITIES = ("error", "warning")
Value = float | int | str | bool


@dataclass(frozen=True, slots=True)
class Offence:
    """One thing that breaks a requirement: a frame, a runway, a bin or a file."""

    subject: str
    measured: float | None
    message: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check function returns; `passed` None means that the requirement does not apply."""

    passed: bool | None
    message: str
    measured: float | None = None
    threshold: float | None = None
    offences: tuple[Offence, ...] = ()
    checked: int = 0
    evidence: Mapping[str, Any] = field(default_factory=dict)
    small_is_bad: bool = False  # which of its offences are the worst


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one requirement on one dataset, after waivers."""

    check: Check
    status: str
    severity: str
    outcome: Outcome
    thresholds: Mapping[str, Value]
    waiver: str = ""

    @property
    def id(self) -> str:
        """The id of the requirement."""
        return self.check.id


CheckFunction = Callable[["Dataset", Mapping[str, Any]], Outcome]


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


_CHECKS: dict[str, Check] = {}

OBJECTIVES = {
    "completeness": "The data cover the whole operational design domain (ODD), with no gap.",
    "representativeness": "The data are distributed as the ODD and the intended use say.",
    "accuracy": "Labels and metadata are true within a stated tolerance.",
    "integrity": "Pictures are what the sensor or renderer was meant to produce, unaltered.",
    "independence": "Samples, and training, validation and test sets, are independent of each other.",
    "traceability": "Every item leads back to its origin, version, licence and seed.",
    "sufficiency": "There are enough independent samples for the statement that is to be made.",
}


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


def all_checks() -> tuple[Check, ...]:
    """Every requirement, in the order of the catalogue."""
    from lard.quality import (  # noqa: F401  (importing registers their checks)
        checks_accuracy,
        checks_coverage,
        checks_images,
        checks_integrity,
        checks_pictures,
        checks_runways,
        checks_sets,
        checks_statistics,
        checks_trace,
        checks_variety,
        runner,
    )

    order = "CRAIUSTNW"
    return tuple(sorted(_CHECKS.values(), key=lambda c: (order.index(c.id[4]), c.id)))


def normalise_id(text: str) -> str:
    """`c01`, `C01` and `DQR-C01` are the same requirement."""
    upper = text.strip().upper()
    return upper if upper.startswith("DQR-") else f"DQR-{upper}"


def find_check(text: str) -> Check:
    """The requirement of that id; a SpecError names the known ones."""
    known = {c.id: c for c in all_checks()}
    found = known.get(normalise_id(text))
    if found is None:
        raise SpecError(f"unknown requirement {text!r}; known: {', '.join(known)} (see `lard dqr list`)")
    return found


def settings_of(
    checks: tuple[Check, ...], block: Mapping[str, Any], where: str
) -> dict[str, tuple[str, dict[str, Value]]]:
    """Severity and thresholds of every check: its defaults overridden by the spec's `dqr:` block.

    All faults of the block are reported in one SpecError; `where` names the spec.
    """
    known = {c.id: c for c in checks}
    settings = {c.id: (c.severity, dict(c.thresholds)) for c in checks}
    faults: list[str] = []
    for key, given in block.items():
        id = normalise_id(str(key))
        if id not in known:
            faults.append(f"{where}: dqr.{key}: unknown requirement; known: {', '.join(known)}")
            continue
        if not isinstance(given, Mapping):
            faults.append(f"{where}: dqr.{key}: expected a mapping of thresholds, found {given!r}")
            continue
        severity, values = settings[id]
        for name, value in given.items():
            if name == "severity":
                if value not in SEVERITIES:
                    faults.append(f"{where}: dqr.{key}.severity: {value!r} is not one of {SEVERITIES}")
                severity = str(value)
            elif name not in values:
                faults.append(
                    f"{where}: dqr.{key}.{name}: unknown threshold; known: severity, {', '.join(values)}"
                )
            elif isinstance(values[name], str) != isinstance(value, str) or not isinstance(
                value, (int, float, str)
            ):
                faults.append(
                    f"{where}: dqr.{key}.{name}: {value!r} is not like its default {values[name]!r}"
                )
            else:
                values[name] = value
        settings[id] = (severity, values)
    if faults:
        raise SpecError("\n".join(faults))
    return settings
