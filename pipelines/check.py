"""Stage: data/ortho -> reports/dqr, with its compliance report; an error-level finding fails the stage."""

import sys
from pathlib import Path

from lard.odd import load_spec
from lard.quality import Odd, load_dataset, run_checks, verdict
from lard.quality.model import FAIL, INCONCLUSIVE
from lard.report import write_compliance
from lard.report.robustness_compliance import with_detectors
from lard.tables import write_text
from pipelines.stage import params, run, runway_database

FOLDER, OUT = Path("data/ortho"), Path("reports/dqr")
REPORT = OUT / "compliance.html"  # whatever the verdict; the compliance stage joins it with the detectors
JOINED = Path("reports/compliance.html")


def main() -> int:
    """Judge the dataset by the sampled domain; the report is written whatever the verdict."""
    path = Path(params("sample", "odd"))
    data = load_dataset(FOLDER)
    data.odd = Odd.from_spec(load_spec(path), path.name)
    data.database = runway_database()
    data.exports = ()  # the export stage comes after this one and judges what it writes
    data.cache = OUT.parent / f".{OUT.name}.pictures"
    result = run_checks(data)
    write_compliance(result, OUT, REPORT)
    # an earlier verdict must not outlive a gate that is shut; with what is said of detectors it comes last
    write_text(with_detectors(REPORT.read_text(encoding="utf-8"), None), JOINED)
    for r in result.results:
        if r.status in (FAIL, INCONCLUSIVE):
            word = "fails" if r.status == FAIL else "is inconclusive"
            print(f"{r.id} {word} ({r.severity}): {r.check.title}: {r.outcome.message}")
    print(f"{verdict(result)}: see {JOINED}")
    open_ = (*result.failed(("error",)), *result.undecided(("error",)))
    if open_:
        names = ", ".join(r.id for r in open_)
        print(f"lard: {names} of severity error fail or lack evidence; see {JOINED}", file=sys.stderr)
        enough = f"add frames (sample.n) or airports, or say in section dqr of {path} what is enough"
        print(f"`lard dqr explain {open_[0].id}` tells what it asks for: {enough}", file=sys.stderr)
    return 0 if result.accepted(("error",)) else 1


if __name__ == "__main__":
    run(main)
