"""Stage: runway table -> data/ground/<ICAO>/*.tif and manifest.json for every airport of the sample."""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from lard.airports import load_shipped
from lard.errors import SpecError
from lard.imagery.ground.procedural import build_ground
from lard.progress import track
from pipelines.stage import params, run

FOLDER = Path("data/ground")
WORKERS = min(2, os.cpu_count() or 1)  # never changes a byte


def main() -> None:
    """Build what is missing; every airport is finished or not there, so a killed run goes on where it was."""
    gsd_m, seed = params("ground", "gsd_m"), params("ground", "seed")
    if not isinstance(gsd_m, (int, float)) or not isinstance(seed, int):
        raise SpecError(
            "params.yaml: ground.gsd_m must be a number of metres and ground.seed an integer; "
            f"found {gsd_m!r} and {seed!r}"
        )
    db = load_shipped()
    airports = [db.airport(icao) for icao in sorted(set(params("sample", "airports")))]
    # spawn: GDAL handles do not survive a fork
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(WORKERS, mp_context=context) as pool:
        jobs = [pool.submit(build_ground, airport, FOLDER, seed, float(gsd_m)) for airport in airports]
        try:
            manifests = [job.result() for job in track(as_completed(jobs), "ground", len(jobs), "airports")]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    tiles = sum(len(level["tiles"]) for manifest in manifests for level in manifest["levels"])
    print(f"{len(manifests)} airports, {tiles} tiles in {FOLDER}")


if __name__ == "__main__":
    run(main)
