"""Stage: reports/compliance.html, the report of the check stage with what is certified of detectors."""

from pathlib import Path

from lard.detect.config import read_params
from lard.report.assurance import accounts_below
from lard.report.robustness_compliance import with_detectors
from lard.tables import write_text
from pipelines.stage import PARAMS, assured_models, run

DATASET, ROBUSTNESS, REPORT = (
    Path("reports/dqr/compliance.html"),
    Path("reports/robustness"),
    Path("reports/compliance.html"),
)


def main() -> None:
    """Join them; a project without a benchmark has no detectors to speak of."""
    benchmark = read_params(PARAMS).benchmark
    protocols = () if benchmark is None else benchmark.protocols
    page = DATASET.read_text(encoding="utf-8")
    accounts = accounts_below(REPORT.parent, assured_models())
    write_text(with_detectors(page, ROBUSTNESS, protocols, accounts), REPORT)
    print(f"see {REPORT}")


if __name__ == "__main__":
    run(main)
