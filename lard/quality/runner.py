"""Runs the requirements on a dataset and applies waivers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from lard.errors import LardError
from lard.quality.catalogue import all_checks, find_check
from lard.quality.dataset import PARTS, Dataset
from lard.quality.facing import with_facing_names
from lard.quality.load import with_lateral_of, with_yaw_offsets
from lard.quality.model import FAIL, NOT_APPLICABLE, PASS, WAIVED, Offence, Outcome
from lard.quality.registry import Check, Value
from lard.quality.settings import settings_of
from lard.quality.waivers import CURRENT, Waiver, judged


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


def run_checks(
    data: Dataset,
    only: Sequence[str] = (),
    waivers: Sequence[Waiver] = (),
    today: date | None = None,
    watch: Callable[[Check], None] = lambda check: None,
) -> Run:
    """Run all requirements, or those of `only`, on a dataset; `watch` is called before each."""
    checks = all_checks()
    with_facing_names(data)
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
        if item.id not in chosen or item.id == CURRENT:
            continue
        watch(item)
        severity, thresholds = settings[item.id]
        outcome = _evaluate(item, data, thresholds)
        results.append(_waive(item, severity, outcome, thresholds, live, used))
    if CURRENT in chosen:
        severity, thresholds = settings[CURRENT]
        outcome = judged([w for w in waivers if w.check in chosen], used, today)
        results.append(_waive(find_check(CURRENT), severity, outcome, thresholds, (), set()))
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
