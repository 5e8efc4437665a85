"""Ground imagery of several airports, side by side in processes."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from lard.airports import Airport
from lard.ground.painted.airport import build_ground
from lard.progress import track
from lard.workers import executor_of, run_bounded


def build_grounds(
    airports: Sequence[Airport], folder: Path, seed: int, gsd_m: float, season: str, workers: str | int
) -> list[dict[str, Any]]:
    """Paint what is missing of folder/<ICAO>/ and return the manifests; workers never change a byte.

    Every airport is finished or not there, so that a killed run goes on where it was.
    """
    executor, width = executor_of(workers)
    paint = partial(build_ground, out_dir=folder, seed=seed, gsd_m=gsd_m, season=season)
    with executor:
        done = run_bounded(executor, width, paint, airports)
        return list(track(done, "ground", len(airports), "airports"))
