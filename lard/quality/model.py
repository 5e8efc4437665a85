"""What a data quality requirement (DQR) returns: an outcome with its offences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PASS, FAIL, WAIVED, NOT_APPLICABLE = "PASS", "FAIL", "WAIVED", "NOT_APPLICABLE"
INCONCLUSIVE = "INCONCLUSIVE"


@dataclass(frozen=True, slots=True)
class Offence:
    """One thing that breaks a requirement: a frame, a runway, a bin or a file."""

    subject: str
    measured: float | None
    message: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check function returns; `passed` None means that it does not apply, or, with a `remedy`, that it
    does and its evidence could not be had."""

    passed: bool | None
    message: str
    measured: float | None = None
    threshold: float | None = None
    offences: tuple[Offence, ...] = ()
    checked: int = 0
    evidence: Mapping[str, Any] = field(default_factory=dict)
    small_is_bad: bool = False  # which of its offences are the worst
    remedy: str = ""  # what would make an outcome without evidence conclusive


def inconclusive(message: str, remedy: str, checked: int = 0) -> Outcome:
    """Outcome of a requirement that applies but whose evidence could not be had."""
    return Outcome(None, message, checked=checked, remedy=remedy)


def share_outcome(what: str, checked: int, offences: list[Offence], allowed: float = 0.0) -> Outcome:
    """Outcome of a rule that each subject keeps or breaks: measured is the share that breaks it."""
    if not checked:
        return Outcome(None, f"nothing to judge: no subjects for “{what}”")
    bad = len({offence.subject for offence in offences})
    share = bad / checked
    passed = share <= allowed
    return Outcome(passed, f"{checked - bad} of {checked} {what}", share, allowed, tuple(offences), checked)
