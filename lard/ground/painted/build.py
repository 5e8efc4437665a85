"""Ground imagery of several airports, side by side in processes."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from lard.airports import Airport, RunwayDatabase
from lard.airports.layout import strips_around
from lard.errors import SourceError
from lard.files import folders_for
from lard.ground.painted.airport import Neighbours, build_ground
from lard.ground.painted.levels import REACHES
from lard.progress import track
from lard.workers import ARRIVAL_S, Failures, Shares, arrived, run_tasks, workers_of

AROUND_M = 2**0.5 * max(reach.margin_m for reach in REACHES) + 10_000.0
"""How far from an airport its ground can hold a neighbour: to the corners of the coarsest level."""


def build_grounds(
    airports: Sequence[Airport],
    folder: Path,
    seed: int,
    gsd_m: float,
    season: str,
    workers: str | int,
    db: RunwayDatabase,
    runways: bool = True,
) -> list[dict[str, Any]]:
    """Paint what is missing of folder/<ICAO>/ and return the manifests; workers never change a byte.

    Runways of all other airports of the database that lie on the ground are painted too; none is where
    `runways` are not to be painted.
    Every airport is finished or not there, so that a killed run goes on where it was.
    """
    # a worker may stand in another folder
    paint = partial(_paint, out_dir=folder.absolute(), seed=seed, gsd_m=gsd_m, season=season, runways=runways)
    jobs = [(airport, strips_around(db, airport, AROUND_M)) for airport in airports]
    failures = Failures(lambda job: f"airport {job[0].icao}")
    with folders_for(folder):
        where = workers_of(workers, Shares(folder))
        done = run_tasks(where, paint, jobs, failures)
        manifests = list(track(done, "ground", len(airports), "airports"))
    failures.check()
    files = {airport.icao: folder / airport.icao / "manifest.json" for airport in airports}
    patience_s = ARRIVAL_S if where.remote else 0.0
    absent = [icao for icao, file in files.items() if not arrived(file.is_file, patience_s)]
    if absent:
        raise SourceError(
            f"{folder}: workers say that {', '.join(absent[:5])} are painted, and they are not here; give an "
            "--out that all workers and this process share"
        )
    return manifests


def _paint(job: tuple[Airport, Neighbours], **settings: Any) -> dict[str, Any]:
    return build_ground(job[0], **settings, neighbours=job[1])
