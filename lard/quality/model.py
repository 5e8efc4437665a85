"""What a data quality requirement (DQR) returns: an outcome with its offences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PASS, FAIL, WAIVED, NOT_APPLICABLE = "PASS", "FAIL", "WAIVED", "NOT_APPLICABLE"


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


def share_outcome(what: str, checked: int, offences: list[Offence], allowed: float = 0.0) -> Outcome:
    """Outcome of a rule that each subject keeps or breaks: measured is the share that breaks it."""
    if not checked:
        return Outcome(None, f"nothing to judge: no subjects for “{what}”")
    bad = len({offence.subject for offence in offences})
    share = bad / checked
    passed = share <= allowed
    return Outcome(passed, f"{checked - bad} of {checked} {what}", share, allowed, tuple(offences), checked)
