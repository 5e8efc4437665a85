"""The gate of a small second source: its pictures and labels must be true before anything is made of them."""

from pathlib import Path

from lard.airports import RunwayDatabase
from lard.errors import DataError
from lard.odd import load_spec
from lard.quality import Odd, load_dataset, run_checks, verdict
from lard.quality.model import FAIL, INCONCLUSIVE
from lard.report import write_compliance

TRUE_OF_EACH = ("accuracy", "integrity", "independence", "traceability")
"""Objectives that every frame must meet; how well a few dozen of them cover the ODD is reported only."""


def pass_gate(
    folder: Path, odd: str, database: RunwayDatabase, objectives: tuple[str, ...] = TRUE_OF_EACH
) -> None:
    """Judge a labelled folder and write its report into <folder>/dqr; DataError names what shuts the gate."""
    data = load_dataset(folder)
    path = Path(odd)
    data.odd, data.database = Odd.from_spec(load_spec(path), path.name), database
    data.exports = ()  # what an earlier run exported is replaced after this
    result = run_checks(data)
    write_compliance(result, folder / "dqr", folder / "dqr" / "compliance.html")
    shut = [r for r in result.failed(("error",)) if r.check.objective in objectives]
    for r in result.results:
        if r.status in (FAIL, INCONCLUSIVE) and r not in shut:
            word = "fails" if r.status == FAIL else "is inconclusive"
            print(f"{r.id} {word} ({r.severity}): {r.check.title}: {r.outcome.message}")
    print(f"{verdict(result)}: see {folder / 'dqr' / 'compliance.html'}")
    if shut or not result.judged():
        faults = [f"{folder}: {r.id} fails: {r.check.title}: {r.outcome.message}" for r in shut]
        faults = faults or [f"{folder}: nothing could be judged"]
        raise DataError("\n".join([*faults, f"{folder}: nothing is exported; see {folder / 'dqr'}"]))
