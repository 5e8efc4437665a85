"""Stage: what is measured of shipped models besides scores -> reports/assurance.html."""

from pathlib import Path

from lard.assurance.appraisal import AppraisalSpec, appraise
from lard.documents import checked
from lard.errors import SpecError
from lard.report.assurance import write_assurance
from pipelines.stage import PARAMS, params, run

DATA = Path("data/ortho")
FOLDER, PAGE = Path("reports/assurance"), Path("reports/assurance.html")
LINKS = {"Leaderboard": "leaderboard.html", "ODD compliance": "compliance.html"}
WHERE = f"{PARAMS}: assurance"


def main() -> None:
    """Explain and certify the models that params.yaml names on the test pictures, and write the page."""
    spec = checked(AppraisalSpec, params("assurance"), WHERE, error=SpecError, remedy="see docs/explain.md")
    documents = appraise(spec, [DATA], str(params("predict").get("split", "test")), FOLDER, WHERE)
    write_assurance(documents, PAGE, LINKS)
    print(f"{PAGE}: {', '.join(spec.models)} on {spec.explained} runways")


if __name__ == "__main__":
    run(main)
