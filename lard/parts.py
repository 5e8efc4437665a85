"""Tables in parts: a folder `frames.parquet/airport=LFPO/part-0.parquet` in the place of a file of that name.

Many may write one, each its own airports; whoever reads a table reads either layout alike. A part holds all
columns, `airport` too; labels lie by the airport of their frame, whatever runways it sees.
"""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

import polars as pl

from lard.errors import DataError
from lard.files import affixes, keep_link, name_fault, sha256_file, staging

KEY = "airport"
NOWHERE = "__HIVE_DEFAULT_PARTITION__"
"""The part of frames of no known airport, as others name it."""
ORDER = ("frame_id", "airport", "runway")
"""Columns that tables of one file are sorted by, as far as they have them."""
SHARD_TABLES = "tables"
"""Folder beside tar shards with the tables of their dataset."""
_COLUMNS_AT_ONCE = 4


def is_table(path: Path) -> bool:
    """Whether a table lies there, as a file or as a folder of parts."""
    return path.is_file() or is_parted(path)


def is_parted(path: Path) -> bool:
    """Whether a folder of parts lies there."""
    return path.is_dir() and any(path.glob(f"{KEY}=*"))


def is_sharded(folder: Path) -> bool:
    """Whether a dataset's pictures lie in tars: it has some, and no images/."""
    return not (folder / "images").is_dir() and any(folder.glob("*.tar"))


def in_tars(folder: Path) -> DataError:
    """What to do about a folder of tar shards where pictures or tables are to be read."""
    return DataError(
        f"{folder}: its pictures lie in tars, which only lard train, predict, score and conform read; make "
        f"a folder of them first: lard import webdataset {folder} --out FOLDER"
    )


def refuse_shards(folder: Path) -> None:
    """DataError where a folder is no dataset but one in tar shards, or that of their tables."""
    if (folder / "images").is_dir():
        return
    if is_table(folder / SHARD_TABLES / "frames.parquet"):
        raise in_tars(folder)
    if folder.name == SHARD_TABLES and any(folder.parent.glob("*.tar")):
        raise in_tars(folder.parent)


def part_files(path: Path) -> dict[str, list[Path]]:
    """Files of each airport, both sorted; DataError where a folder holds anything else."""
    found: dict[str, list[Path]] = {}
    for folder in sorted(path.iterdir()):
        if folder.name.startswith("."):  # what a living run stages
            continue
        name, _, value = folder.name.partition("=")
        files = [
            file for file in sorted(folder.glob("*")) if folder.is_dir() and not file.name.startswith(".")
        ]
        odd = [file for file in files if file.suffix != ".parquet" or not file.is_file()]
        if name != KEY or not value or name_fault(value) or not files or odd:
            raise DataError(
                f"{odd[0] if odd else folder}: no part of a table; expected {KEY}=XXXX/part-0.parquet and "
                "nothing else, move it away"
            )
        found[value] = files
    return found


def check_whole(path: Path, frames: pl.DataFrame) -> None:
    """DataError where a table in parts has none for an airport of the frames: its rows are lost."""
    if not is_parted(path):
        return
    lacking = sorted(set(frames["airport"].fill_null("").replace("", NOWHERE)) - set(part_files(path)))
    if lacking:
        raise DataError(
            f"{path}: no part for {', '.join(lacking[:3])}{' and others' if len(lacking) > 3 else ''}, "
            "though frames.parquet has frames of it; bring the part back, or make the table again"
        )


def part_path(path: Path, airport: str) -> Path:
    """Where the only part of an airport is written."""
    airport = airport or NOWHERE
    fault = name_fault(airport)
    if fault:
        raise DataError(f"{path}: airport {airport!r} {fault}; name the airport of every frame")
    return path / f"{KEY}={airport}" / "part-0.parquet"


def scan(path: Path) -> pl.LazyFrame:
    """The rows of a table of either layout, not read yet and in no stated order.

    A part that lacks a column others have leaves it empty.
    """
    if path.is_file():
        return pl.scan_parquet(path, hive_partitioning=False)
    files = [file for files in part_files(path).values() for file in files]
    return pl.concat(
        [pl.scan_parquet(file, hive_partitioning=False) for file in files], how="diagonal_relaxed"
    )


def read_parts(path: Path, needed: Collection[str] = (), columns: Collection[str] = ()) -> pl.DataFrame:
    """All rows of a table in parts, in the order of the table in one file; of `columns` alone if any.

    DataError names a part that is no table or lacks one of the columns `needed`, which would be empty there.
    """
    for file in (file for files in part_files(path).values() for file in files):
        try:
            known = pl.read_parquet_schema(file)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            reason = " ".join(str(error).split())[:200]
            raise DataError(f"{file}: not a readable parquet table ({reason}); write it again") from error
        if missing := [name for name in needed if name not in known]:
            raise DataError(f"{file}: column {missing[0]} is missing; write the part again")
    table = scan(path)
    keys = table.select([name for name in ORDER if name in table.collect_schema().names()]).collect()
    order = keys.select(pl.arg_sort_by(keys.columns, maintain_order=True)).to_series() if keys.width else None
    return read_columns(table, columns, order)


def read_columns(
    table: pl.LazyFrame, columns: Collection[str] = (), order: pl.Series | None = None
) -> pl.DataFrame:
    """The rows of a scan, or those at the places `order`; of `columns` alone if any, as far as it has them.

    Columns are read a few at a time: decoding and sorting them takes memory for some, not for all.
    """
    names = [name for name in table.collect_schema().names() if not columns or name in columns]
    series: list[pl.Series] = []
    for start in range(0, len(names), _COLUMNS_AT_ONCE):
        few = table.select(names[start : start + _COLUMNS_AT_ONCE]).collect()
        series += (column.rechunk() if order is None else column.gather(order) for column in few)
    return pl.DataFrame(series)


def by_airport(table: pl.DataFrame, airports: pl.Series) -> Iterator[tuple[str, pl.DataFrame]]:
    """The rows of each airport, `airports` (n,) saying whose each row is; rows keep their order."""
    places = airports.alias("airport").to_frame().with_row_index("row").sort("airport", maintain_order=True)
    for (name,), rows in places.group_by("airport", maintain_order=True):
        yield str(name), table[rows["row"]]


def digest(path: Path) -> str:
    """SHA-256 of a file; of a folder of parts that of its parts' names and digests."""
    if path.is_file():
        return sha256_file(path)
    lines = [
        f"{file.relative_to(path).as_posix()} {sha256_file(file)}\n"
        for files in part_files(path).values()
        for file in files
    ]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


@contextlib.contextmanager
def replaced(target: Path) -> Iterator[Path]:
    """Yield a place to write a table to, a file or a folder, that takes the target's place on success.

    A run killed between taking the old table away and putting the new one there leaves the old one beside,
    as .NAME.before; the next look at the place by `restored` brings it back.
    """
    before = _before(target)
    keep_link(target)
    restored(target)
    with staging(target.parent, affixes(target.name)) as made:
        yield made / target.name
        if os.path.lexists(target):
            target.rename(before)
        (made / target.name).rename(target)
    _remove(before)


def restored(target: Path) -> None:
    """Bring back the table that a killed run took away before its new one was there."""
    before = _before(target)
    if os.path.lexists(before):
        if os.path.lexists(target):
            _remove(before)
        else:
            before.rename(target)


def _before(target: Path) -> Path:
    return target.with_name(f".{target.name}.before")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
