"""For those who export: nothing is left behind that differs from the tables."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from lard.errors import DataError
from lard.quality.dataset import Dataset
from lard.quality.exports.compare import compared
from lard.quality.exports.read import read_export

SHOWN = 5


def demand_true(folder: Path, frames: pl.DataFrame, labels: pl.DataFrame, path: Path) -> None:
    """DataError with the first differences between an export and the tables it was made from."""
    data = Dataset(root=folder, kind="lard", name=folder.name, frames=frames, labels=labels)
    faults = [f"{offence.subject}: {offence.message}" for offence in compared(data, read_export(path))]
    if faults:
        more = [f"{len(faults) - SHOWN} more differences"] if len(faults) > SHOWN else []
        text = "; ".join([*faults[:SHOWN], *more])
        raise DataError(f"{path}: differs from the tables of {folder}: {text}; export again")
