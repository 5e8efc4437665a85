"""Stage: reports/compliance.html, the report of the check stage with what is certified of detectors."""

from pathlib import Path

from lard.report.robustness_compliance import with_detectors
from lard.tables import write_text
from pipelines.stage import run

DATASET, ROBUSTNESS, REPORT = (
    Path("reports/dqr/compliance.html"),
    Path("reports/robustness"),
    Path("reports/compliance.html"),
)


def main() -> None:
    """Join them; a project without a benchmark has no detectors to speak of."""
    write_text(with_detectors(DATASET.read_text(encoding="utf-8"), ROBUSTNESS), REPORT)
    print(f"see {REPORT}")


if __name__ == "__main__":
    run(main)
