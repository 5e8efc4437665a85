"""Runs the requirements on a dataset and applies waivers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from lard.errors import LardError
from lard.quality.dataset import PARTS, Dataset
from lard.quality.load import with_lateral_of, with_yaw_offsets
from lard.quality.model import (
    FAIL,
    NOT_APPLICABLE,
    PASS,
    WAIVED,
    Check,
    Offence,
    Outcome,
    Result,
    Value,
    all_checks,
    check,
    find_check,
    settings_of,
)
from lard.quality.waivers import Waiver


@dataclass(frozen=True, slots=True)
class Run:
    """All results of one run with what they were judged by."""

    dataset: Dataset
    results: tuple[Result, ...]
    waivers: tuple[Waiver, ...] = ()
    judged_on: str = ""  # the day waivers were judged, "" without waivers

    def failed(self, severities: Sequence[str] = ("error", "warning")) -> tuple[Result, ...]:
        """Failed results of the given severities."""
        return tuple(r for r in self.results if r.status == FAIL and r.severity in severities)

    def count(self, status: str) -> int:
        """Number of results of a status."""
        return sum(r.status == status for r in self.results)


@check(
    "DQR-W01",
    "Every waiver is current and used",
    severity="error",
    rationale="A waiver that has expired, or waives nothing any more, hides the next finding.",
    objective="traceability",
)
def waivers_current(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Judged by the runner, which knows what each waiver covered."""
    return Outcome(None, "no waivers given")


def run_checks(
    data: Dataset,
    only: Sequence[str] = (),
    waivers: Sequence[Waiver] = (),
    today: date | None = None,
    watch: Callable[[Check], None] = lambda check: None,
) -> Run:
    """Run all requirements, or those of `only`, on a dataset; `watch` is called before each."""
    checks = all_checks()
    with_yaw_offsets(data)
    with_lateral_of(data)
    block = data.odd.dqr if data.odd is not None else {}
    settings = settings_of(checks, block, data.odd.where if data.odd is not None else "spec")
    chosen = {find_check(name).id for name in only} or {c.id for c in checks}
    today = today or date.today()
    live = [w for w in waivers if w.expires >= today]
    used: set[str] = set()
    results = []
    for item in checks:
        if item.id not in chosen or item.id == "DQR-W01":
            continue
        watch(item)
        severity, thresholds = settings[item.id]
        outcome = _evaluate(item, data, thresholds)
        results.append(_waive(item, severity, outcome, thresholds, live, used))
    if "DQR-W01" in chosen:
        relevant = [w for w in waivers if w.check in chosen]
        results.append(_judge_waivers(relevant, used, today, *settings["DQR-W01"]))
    return Run(data, tuple(results), tuple(waivers), today.isoformat() if waivers else "")


def _evaluate(item: Check, data: Dataset, thresholds: Mapping[str, Value]) -> Outcome:
    missing = [PARTS[name] for name in item.needs if name not in data.parts]
    if missing:
        return Outcome(None, f"the dataset has no {', no '.join(_bare(part) for part in missing)}")
    try:
        return item.function(data, thresholds)
    except LardError as error:
        return Outcome(
            False, f"could not be evaluated: {error}", offences=(Offence("check", None, str(error)),)
        )
    except Exception as error:  # a defect nobody foresaw is a finding of the dataset, not the end of the run
        text = f"could not be evaluated: {type(error).__name__}: {error}"
        return Outcome(False, text, offences=(Offence("check", None, text),))


def _bare(part: str) -> str:
    return part.removeprefix("a ").removeprefix("an ").removeprefix("the ")


def _waive(
    item: Check,
    severity: str,
    outcome: Outcome,
    thresholds: Mapping[str, Value],
    waivers: Sequence[Waiver],
    used: set[str],
) -> Result:
    if outcome.passed is None:
        return Result(item, NOT_APPLICABLE, severity, outcome, thresholds)
    if outcome.passed:
        return Result(item, PASS, severity, outcome, thresholds)
    offences = outcome.offences or (Offence("dataset", outcome.measured, outcome.message),)
    open_, notes = [], {}
    for offence in offences:
        waiver = next((w for w in waivers if w.covers(item.id, offence)), None)
        if waiver is None:
            open_.append(offence)
        else:
            used.add(waiver.where)
            notes[waiver.where] = f"{waiver.reason} ({waiver.author}, until {waiver.expires})"
    note = "; ".join(notes[key] for key in sorted(notes))
    if not open_:
        return Result(item, WAIVED, severity, replace(outcome, offences=offences), thresholds, note)
    return Result(item, FAIL, severity, replace(outcome, offences=tuple(open_)), thresholds, note)


def _judge_waivers(
    waivers: Sequence[Waiver], used: set[str], today: date, severity: str, thresholds: Mapping[str, Value]
) -> Result:
    item = find_check("DQR-W01")
    if not waivers:
        return Result(item, NOT_APPLICABLE, severity, Outcome(None, "no waivers given"), thresholds)
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
    outcome = Outcome(not offences, message, float(len(offences)), 0.0, tuple(offences), len(waivers))
    return Result(item, FAIL if offences else PASS, severity, outcome, thresholds)
