"""Stage: what is measured of shipped models besides scores -> reports/assurance.html, an account of each."""

from pathlib import Path

from lard.assurance.appraisal import AppraisalSpec, appraise
from lard.documents import checked
from lard.errors import SpecError
from lard.report.assurance import assurance_pages, write_pages
from lard.report.monitors import drawn
from lard.workers import default_workers
from pipelines.stage import PARAMS, params, run

DATA, OTHERS = Path("data/ortho"), {"flightgear": Path("data/flightgear")}
FOLDER, PAGE = Path("reports/assurance"), Path("reports/assurance.html")
LINKS = {"Leaderboard": "leaderboard.html", "ODD compliance": "compliance.html"}
WHERE = f"{PARAMS}: assurance"


def main() -> None:
    """Measure the models that params.yaml names on the test pictures, and write index and accounts."""
    spec = checked(AppraisalSpec, params("assurance"), WHERE, error=SpecError, remedy="see docs/explain.md")
    others = {name: place for name, place in OTHERS.items() if (place / "coco").is_dir()}
    split = str(params("predict").get("split", "test"))
    found = appraise(spec, DATA, split, others, FOLDER, WHERE, default_workers())
    for kind in ("monitor", "failure"):
        for path in found.documents.get(kind, ()):
            drawn(path)
    write_pages(assurance_pages(found.documents, PAGE, LINKS, found.absent))
    for (model, kind), reason in found.absent.items():
        print(f"{model}: no {kind} document: {reason}")
    print(f"{PAGE}: {', '.join(spec.models)} on {spec.explained} runways")


if __name__ == "__main__":
    run(main)
