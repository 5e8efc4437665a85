"""Stage: data/ortho -> reports/compliance.html and reports/dqr; an error-level finding fails the stage."""

import sys
from pathlib import Path

from lard.odd import load_spec
from lard.quality import Odd, load_dataset, run_checks, verdict, write_outputs
from lard.quality.model import FAIL
from lard.report import write_compliance
from lard.stages.stage import params, run, runway_database

FOLDER, REPORT, OUT = Path("data/ortho"), Path("reports/compliance.html"), Path("reports/dqr")


def main() -> int:
    """Judge the dataset by the sampled domain; the report is written whatever the verdict."""
    path = Path(params("sample", "odd"))
    data = load_dataset(FOLDER)
    data.odd = Odd.from_spec(load_spec(path), path.name)
    data.database = runway_database()
    data.cache = OUT.parent / f".{OUT.name}.pictures"
    result = run_checks(data)
    write_outputs(result, OUT)
    write_compliance(result, REPORT)
    for r in result.results:
        if r.status == FAIL:
            print(f"{r.id} fails ({r.severity}): {r.check.title}: {r.outcome.message}")
    print(f"{verdict(result)}: see {REPORT}")
    failed = result.failed(("error",))
    if failed:
        names = ", ".join(r.id for r in failed)
        print(f"lard: {names} of severity error fail; see {REPORT}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    run(main)
