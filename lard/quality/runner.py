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
from lard.quality.model import (
    FAIL,
    INCONCLUSIVE,
    NOT_APPLICABLE,
    PASS,
    WAIVED,
    Offence,
    Outcome,
    inconclusive,
)
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

    def undecided(self, severities: Sequence[str] = ("error", "warning")) -> tuple[Result, ...]:
        """Results of the given severities whose evidence could not be had."""
        return tuple(r for r in self.results if r.status == INCONCLUSIVE and r.severity in severities)

    def judged(self) -> int:
        """Number of requirements about the data that came to a result."""
        return sum(r.status in (PASS, FAIL, WAIVED) and r.id != CURRENT for r in self.results)

    def accepted(self, severities: Sequence[str] = ("error", "warning")) -> bool:
        """Whether something was judged and nothing of the given severities failed or stayed undecided."""
        return bool(self.judged()) and not self.failed(severities) and not self.undecided(severities)

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
    missing = [name for name in item.needs if name not in data.parts]
    if missing:
        text = f"the dataset has no {', no '.join(_bare(PARTS[name]) for name in missing)}"
        return inconclusive(text, remedy) if (remedy := _lost(data, missing)) else Outcome(None, text)
    try:
        return item.function(data, thresholds)
    except LardError as error:
        return Outcome(
            False, f"could not be evaluated: {error}", offences=(Offence("check", None, str(error)),)
        )
    except Exception as error:  # a defect nobody foresaw is a finding of the dataset, not the end of the run
        text = f"could not be evaluated: {type(error).__name__}: {error}"
        return Outcome(False, text, offences=(Offence("check", None, text),))


def _lost(data: Dataset, missing: Sequence[str]) -> str:
    """What to do about a missing part that every dataset, or this one by its manifest, must have; or ""."""
    if "labels" not in data.parts and {"labels", "boxes", "corners"} & set(missing):
        return "label the frames (lard label), or give the annotations"
    if "images" in missing and "manifest" in data.parts:
        return "put the pictures that the manifest lists below the dataset's folder"
    return ""


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
    if outcome.passed is None and not outcome.remedy:
        return Result(item, NOT_APPLICABLE, severity, outcome, thresholds)
    if outcome.passed:
        return Result(item, PASS, severity, outcome, thresholds)
    status = INCONCLUSIVE if outcome.passed is None else FAIL
    text = f"{outcome.message}; to decide it: {outcome.remedy}" if outcome.remedy else outcome.message
    offences = outcome.offences or (Offence("dataset", outcome.measured, text),)
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
    return Result(item, status, severity, replace(outcome, offences=tuple(open_)), thresholds, note)
