"""Stage: data/ortho and the findings about it -> reports/explorer, pages to walk through the dataset."""

from pathlib import Path

from lard.report.explorer import write_explorer
from lard.workers import default_workers
from pipelines.stage import params, run

FOLDER, FINDINGS, OUT = Path("data/ortho"), Path("reports/dqr/findings.parquet"), Path("reports/explorer")


def main() -> None:
    """Write the explorer beside the pictures that it shows."""
    runways, workers = str(params("runways")), int(default_workers())
    written = write_explorer(FOLDER, OUT, findings=FINDINGS, runways=runways, workers=workers)
    for note in written.notes:
        print(f"note: {note}")
    print(f"{written.frames} frames in {OUT / 'index.html'}")


if __name__ == "__main__":
    run(main)
