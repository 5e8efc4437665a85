"""What is joined to frames by their names: findings of the data quality requirements, tables of any kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from lard.errors import DataError
from lard.tables import FINDINGS, read_table

MOST_TABLE_BYTES = 200_000_000


@dataclass(frozen=True, slots=True)
class Findings:
    """Findings as rows check, severity, subject, measured, threshold, message, frame (-1: the dataset's)."""

    rows: list[list[Any]]
    checks: Mapping[str, set[str]]
    """Ids of the requirements that each frame offends."""
    titles: Mapping[str, str]


def read_findings(path: str | Path, frames: pl.DataFrame) -> Findings:
    """Findings joined to frames by their subjects, which name a frame, with its runway or an export."""
    from lard.quality import all_checks

    table = read_table(path, FINDINGS, finite=False).sort("check_id", "subject")
    place = {name: k for k, name in enumerate(frames["frame_id"])}
    rows: list[list[Any]] = []
    checks: dict[str, set[str]] = {}
    for check, severity, subject, measured, threshold, message in table.select(list(FINDINGS)).iter_rows():
        name = _frame_named(subject, place)
        rows.append([check, severity, subject, measured, threshold, message, place.get(name or "", -1)])
        if name is not None:
            checks.setdefault(name, set()).add(check)
    known = {item.id: item.title for item in all_checks()}
    return Findings(rows, checks, {row[0]: known[row[0]] for row in rows if row[0] in known})


def _frame_named(subject: str, place: Mapping[str, int]) -> str | None:
    """The frame that a subject names: alone, before a runway that may have no label, or after an export."""
    parts = subject.split(":")
    for count in range(len(parts), 0, -1):  # the longest name first: names may hold colons themselves
        for first in range(len(parts) - count + 1):
            name = ":".join(parts[first : first + count])
            if name in place:
                return name
    return None


@dataclass(frozen=True, slots=True)
class Joined:
    """A table with rows by frame; facets and ranges hold what of it frames are filtered by."""

    name: str
    columns: list[str]
    rows: Mapping[str, list[list[Any]]]
    facets: Mapping[str, Mapping[str, set[str]]]
    ranges: Mapping[str, Mapping[str, float]]
    notes: list[str]


def read_joined(path: str | Path, names: Sequence[str]) -> Joined:
    """Read a .csv with a column frame_id; DataError when none of its rows is of these frames."""
    path = Path(path)
    table = _read_csv(path)
    known = table.filter(pl.col("frame_id").is_in(list(names)))
    if known.is_empty():
        raise DataError(
            f"{path}: none of its {len(table)} rows is of a frame of this dataset; name another table"
        )
    strange = len(table) - len(known)
    notes = [f"{path}: {strange} of {len(table)} rows are of frames that are not here"] if strange else []
    columns = [name for name in table.columns if name != "frame_id"]
    rows: dict[str, list[list[Any]]] = {}
    for name, *cells in known.select("frame_id", *columns).iter_rows():
        rows.setdefault(name, []).append(cells)
    facets, ranges = {}, {}
    for column in columns:
        if known.schema[column].is_numeric():
            least = known.drop_nulls(column).group_by("frame_id").agg(pl.col(column).min())
            ranges[column] = dict(least.iter_rows())
        elif known.schema[column] in (pl.String, pl.Boolean):
            facets[column] = _by_frame(known, column)
    return Joined(path.stem, columns, rows, facets, ranges, notes)


def _by_frame(table: pl.DataFrame, column: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, value in table.select("frame_id", column).drop_nulls().iter_rows():
        found.setdefault(name, set()).add(str(value))
    return found


def _read_csv(path: Path) -> pl.DataFrame:
    if not path.is_file():
        raise DataError(f"{path}: no such table; expected a .csv with a column frame_id")
    if path.stat().st_size > MOST_TABLE_BYTES:
        raise DataError(
            f"{path}: larger than {MOST_TABLE_BYTES:,} bytes; keep the columns that are looked at"
        )
    try:
        table = pl.read_csv(path, infer_schema_length=None, schema_overrides={"frame_id": pl.String})
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(
            f"{path}: not a table that can be read ({reason}); expected .csv with commas"
        ) from error
    if "frame_id" not in table.columns:
        raise DataError(f"{path}: no column frame_id; it has {', '.join(table.columns)[:200]}")
    numbers = [name for name, kind in table.schema.items() if kind.is_float()]
    finite = [pl.when(pl.col(name).is_finite()).then(pl.col(name)).alias(name) for name in numbers]
    return table.with_columns(finite)
