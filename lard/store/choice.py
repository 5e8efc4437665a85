"""Which files of a dataset in a store are wanted: all, tables or pictures, some airports or splits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from lard.documents import read_json
from lard.errors import DataError
from lard.files import write_json
from lard.parts import KEY
from lard.store.contents import Contents
from lard.tables import write_parquet

PICTURES = "images/"
TABLES = ("frames.parquet", "labels.parquet", "manifest.parquet")
INFO = "dataset.json"
ONLY = ("tables", "pictures")


@dataclass(frozen=True, slots=True)
class Choice:
    """What is wanted of a dataset; empty ones leave all in."""

    airports: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    only: str = ""

    @property
    def by_frame(self) -> bool:
        """Whether frames are chosen among."""
        return bool(self.airports or self.splits)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Paths of the files wanted, in the order of fetching; those made of others, and where they lie."""

    paths: list[str]
    made: Mapping[str, Path] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()


def chosen(contents: Contents, choice: Choice, fetch: Callable[[str], Path]) -> Chosen:
    """The files that a choice wants; `fetch` brings a table that it depends on.

    Tables are cut to the chosen frames, and dataset.json counts these. Files that tell of all frames (COCO
    files, journals) are left out then.
    """
    paths = sorted(contents.files, key=lambda path: ("/" not in path, path))
    if choice.by_frame:
        return _of_frames(paths, choice, fetch, contents)
    wanted = {"tables": False, "pictures": True}.get(choice.only)
    return Chosen([path for path in paths if wanted is None or path.startswith(PICTURES) is wanted])


def _of_frames(paths: list[str], choice: Choice, fetch: Callable[[str], Path], contents: Contents) -> Chosen:
    tables = [path for path in paths if path.partition("/")[0] in TABLES and _may_hold(path, choice.airports)]
    made = {path: fetch(path) for path in tables}
    frames = {path: _read(file, path) for path, file in made.items() if path.startswith(TABLES[0])}
    if not frames:
        raise DataError(f"--airports, --split: no {TABLES[0]} of these there; pull without them")
    ids: set[str] = set()
    for path, table in frames.items():
        for name, wanted in (("airport", choice.airports), ("split", choice.splits)):
            if wanted and name not in table.columns:
                raise DataError(f"{path}: column {name} is missing; pull without choosing by it")
            table = table.filter(pl.col(name).is_in(list(wanted))) if wanted else table
        ids.update(table["frame_id"])
    if not ids:
        known = pl.concat(
            [table.select("airport", "split") for table in frames.values()], how="vertical_relaxed"
        )
        told = {name: ", ".join(sorted(map(str, known[name].unique()))[:20]) for name in known.columns}
        raise DataError(
            f"--airports, --split: no frame of these; there are airports {told['airport']} and splits "
            f"{told['split']}"
        )
    kept = {path: file for path, file in made.items() if _cut(file, path, ids)}
    if INFO in contents.files:
        kept[INFO] = _counted(fetch(INFO), pl.concat(list(frames.values()), how="diagonal_relaxed"), ids)
    pictures = [path for path in paths if path.startswith(PICTURES) and _frame_of(path) in ids]
    left_out = [path for path in paths if not path.startswith(PICTURES) and path not in made and path != INFO]
    told_out = tuple(path for path in left_out if path.partition("/")[0] not in TABLES)
    wanted_paths = {"tables": list(kept), "pictures": pictures}.get(choice.only, [*pictures, *kept])
    return Chosen(wanted_paths, {path: kept[path] for path in wanted_paths if path in kept}, told_out)


def _may_hold(path: str, airports: tuple[str, ...]) -> bool:
    """Whether a file of a table can hold frames of the airports: one that is no part may."""
    found = next((part.partition("=")[2] for part in path.split("/") if part.startswith(f"{KEY}=")), None)
    return found is None or not airports or found in airports


def _frame_of(path: str) -> str:
    return path.removeprefix(PICTURES).rpartition(".")[0]


def _read(file: Path, path: str) -> pl.DataFrame:
    try:
        table = pl.read_parquet(file, hive_partitioning=False)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise DataError(f"{path}: not a readable parquet table; push it again") from error
    if "frame_id" not in table.columns:
        raise DataError(f"{path}: column frame_id is missing; pull without --airports and --split")
    return table


def _cut(file: Path, path: str, ids: set[str]) -> bool:
    """Leave only rows of the frames in a table's file; whether any are left."""
    table = _read(file, path)
    rows = table.filter(pl.col("frame_id").is_in(list(ids)))
    if len(rows) < len(table):
        write_parquet(rows, file)
    return len(rows) > 0 or "/" not in path


def _counted(file: Path, frames: pl.DataFrame, ids: set[str]) -> Path:
    """dataset.json with the numbers of the chosen frames."""
    info = read_json(file)
    rows = frames.filter(pl.col("frame_id").is_in(list(ids)))
    if isinstance(info, dict) and len(rows) < len(frames):
        splits = (
            dict(rows.group_by("split").len().sort("split").iter_rows()) if "split" in rows.columns else {}
        )
        write_json(
            info
            | {"frames": len(rows), "splits": splits, "airports": sorted(rows["airport"].unique().to_list())},
            file,
        )
    return file
