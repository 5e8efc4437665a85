"""Labels airport by airport, by workers wherever these are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from lard.airports import RunwayDatabase
from lard.errors import DataError
from lard.labels.occlusion import Terrain, TerrainByAirport
from lard.labels.table import label_frames
from lard.odd import OddSpec
from lard.parts import NOWHERE, by_airport
from lard.progress import track
from lard.workers import Shares, run_tasks, workers_of


@dataclass(frozen=True, slots=True)
class Labeller:
    """What frames are labelled by, which may go to a worker: runways, domain, land."""

    db: RunwayDatabase
    spec: OddSpec
    terrain: Terrain | TerrainByAirport | None = None

    def __call__(self, frames: pl.DataFrame) -> pl.DataFrame:
        """The labels of some frames; DataError where the land in sight is not known."""
        labels = label_frames(frames, self.db, self.spec, self.terrain)
        if self.terrain is not None:
            check_land_known(frames, labels)
        return labels


@dataclass(frozen=True, slots=True)
class _Named:
    """A labeller that says whose labels it gives."""

    label: Labeller

    def __call__(self, task: tuple[str, pl.DataFrame]) -> tuple[str, pl.DataFrame]:
        airport, rows = task
        return airport, self.label(rows)


def labels_by_airport(
    frames: pl.DataFrame, label: Labeller, workers: str | int = 1, reads: tuple[Path, ...] = ()
) -> Iterator[tuple[str, pl.DataFrame]]:
    """Airport and labels of the frames of each, as they are done.

    `reads` are files that the labeller reads wherever it works. Whoever works, the labels are the same.
    """
    tasks = by_airport(frames, frames["airport"].fill_null(NOWHERE))
    done = run_tasks(workers_of(workers, Shares(reads=reads)), _Named(label), tasks)
    yield from track(done, "label", frames["airport"].n_unique(), "airports")


def labels_of(
    frames: pl.DataFrame, label: Labeller, workers: str | int = 1, reads: tuple[Path, ...] = ()
) -> pl.DataFrame:
    """The labels of all frames as one table, by workers as labels_by_airport has them."""
    if workers in (1, "1"):
        return label(frames)
    parts = [labels for _, labels in labels_by_airport(frames, label, workers, reads)]
    return pl.concat(parts).sort("frame_id", "airport", "runway")


def check_land_known(frames: pl.DataFrame, labels: pl.DataFrame) -> None:
    """DataError unless the terrain tells what hides the runways in sight of the frames' own airports."""
    own = labels.join(frames.select("frame_id", "airport"), on=["frame_id", "airport"], how="semi")
    blind = own.filter(pl.col("hidden_fraction").is_null() & (pl.col("visible_fraction") > 0))
    if len(blind):
        first = blind.row(0, named=True)
        raise DataError(
            f"the terrain does not cover the land between the camera and the runways of "
            f"{', '.join(sorted(set(blind['airport'])))} in {blind['frame_id'].n_unique()} of {len(frames)} "
            f"frames (first: {first['frame_id']}, runway {first['runway']}); add tiles there, or label "
            "without a terrain"
        )
