"""Waivers: findings that a named person has accepted, for a stated reason, until a stated day."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from typing import Any

from lard.quality.dataset import Dataset
from lard.quality.model import Offence, Outcome
from lard.quality.registry import check

CURRENT = "DQR-W01"


@dataclass(frozen=True, slots=True)
class Waiver:
    """One accepted finding; `subject` is a pattern such as `KATL_*` or `*`."""

    check: str
    subject: str
    reason: str
    author: str
    expires: date
    where: str

    def covers(self, check: str, offence: Offence) -> bool:
        """Whether the waiver is for this finding."""
        return self.check == check and fnmatchcase(offence.subject, self.subject)


@check(
    CURRENT,
    "Every waiver is current and used",
    severity="error",
    rationale="A waiver that has expired, or waives nothing any more, hides the next finding.",
    objective="traceability",
)
def waivers_current(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Judged by the runner, which knows what each waiver covered."""
    return Outcome(None, "no waivers given")


def judged(waivers: Sequence[Waiver], used: Collection[str], today: date) -> Outcome:
    """Whether waivers are current on a day and each covered a finding; used: `where` of those that did."""
    if not waivers:
        return Outcome(None, "no waivers given")
    offences = []
    for waiver in waivers:
        if waiver.expires < today:
            text = (
                f"waiver of {waiver.check} for {waiver.subject} expired on {waiver.expires} ({waiver.author})"
            )
            offences.append(Offence(waiver.where, None, text))
        elif waiver.where not in used:
            text = f"waiver of {waiver.check} for {waiver.subject} covers no finding: remove it"
            offences.append(Offence(waiver.where, None, text))
    message = f"{len(waivers) - len(offences)} of {len(waivers)} waivers are current and used"
    return Outcome(not offences, message, float(len(offences)), 0.0, tuple(offences), len(waivers))
