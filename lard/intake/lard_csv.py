"""LARD's label tables, V1 and V2: what their columns are, and the one reader of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from lard.documents import read_text
from lard.errors import DataError
from lard.intake.lard_cells import RANGES, text_fault

NM_M, FOOT_PER_M = 1852.0, 3.28084
SEPARATOR = ";"
V1_LATERAL_APEX_M = 3050.0  # V1 sees the lateral angle from so far beyond the threshold
LETTERS = ("A", "B", "C", "D")
SIDES = ("TR", "TL", "BL", "BR")
METRICS = (
    "slant_distance", "along_track_distance", "height_above_runway",
    "lateral_path_angle", "vertical_path_angle",
)  # fmt: skip

_HEAD = ("image", "height", "width", "type", "original_dataset", "scenario", "airport", "runway")
_TIMES = ("time_to_landing", "weather", "night", "time")


def pixel_columns(corners: Sequence[str]) -> tuple[str, ...]:
    """Names of the columns of some corners: x and y of each."""
    return tuple(f"{axis}_{corner}" for corner in corners for axis in "xy")


V1_COLUMNS = (*_HEAD, *_TIMES, *METRICS, "yaw", "pitch", "roll", "watermark_height", *pixel_columns(LETTERS))
V2_COLUMNS = (
    "uuid", *_HEAD, *_TIMES, "lat_cam", "lon_cam", "alt_cam", "yaw", "pitch", "roll", *METRICS,
    "watermark_height", "runway_in_cone", *pixel_columns(SIDES),
)  # fmt: skip
_TEXTS = {
    "uuid", "image", "type", "original_dataset", "scenario", "airport", "runway", "weather", "night", "time",
    "runway_in_cone",
}  # fmt: skip
_SYNONYMS = {"lat": "lat_cam", "lon": "lon_cam", "alt": "alt_cam"}
_FILLED = {"height", "width", *pixel_columns(LETTERS), *pixel_columns(SIDES)}
# published tables go without the others
_NEEDED = {"image", "airport", "runway", *_FILLED}
_MOST_FAULTS = 50


@dataclass(frozen=True, slots=True)
class BadCell:
    """A cell that is not what its column holds; `text` is None where it is empty."""

    line: int
    column: str
    text: str | None
    expected: str

    def __str__(self) -> str:
        return f"column {self.column}: found {self.text!r}, expected {self.expected}"


@dataclass(frozen=True, slots=True)
class LardCsv:
    """A label table as found: all of LARD's columns in their order, null where a cell is empty or no number.

    `layout` holds the faults of header and lines, each with its line; a table that has some is empty.
    """

    version: str
    table: pl.DataFrame
    unknown: tuple[str, ...]
    layout: tuple[tuple[int, str], ...]
    cells: tuple[BadCell, ...]
    lines: tuple[int, ...]
    """Line of the file of each row."""


def read_lard_csv(path: str | Path) -> pl.DataFrame:
    """Read a sound V1 or V2 label table, texts "" where it has none; DataError lists every fault by line."""
    return sound_lard_csv(path).table


def sound_lard_csv(path: str | Path) -> LardCsv:
    """A sound table with the lines of its rows, texts "" where it has none; DataError lists every fault."""
    found = open_lard_csv(path)
    columns = V1_COLUMNS if found.version == "v1" else V2_COLUMNS
    names = ", ".join(f"{name!r:.40}" for name in found.unknown[:8])
    names += f" and {len(found.unknown) - 8} more" if len(found.unknown) > 8 else ""
    known = f"expected some of LARD's columns {', '.join(columns)}"
    faults = [(1, f"unknown column {names}; {known}")] if found.unknown else []
    faults += [*found.layout, *((cell.line, str(cell)) for cell in found.cells)]
    if faults:
        lines = [f"{path}:{line}: {message}" for line, message in faults[:_MOST_FAULTS]]
        more = len(faults) - _MOST_FAULTS
        raise DataError("\n".join([*lines, f"... and {more} more"] if more > 0 else lines))
    return replace(found, table=found.table.with_columns(pl.col(pl.String).fill_null("")))


def open_lard_csv(path: str | Path) -> LardCsv:
    """Read a label table whatever its faults; DataError only when it is no text parted by semicolons."""
    path = Path(path)
    numbered = _lines(path)
    lines = [text for _, text in numbered]
    names = _names(path, lines)
    version, columns = ("v1", V1_COLUMNS) if "x_A" in names else ("v2", V2_COLUMNS)
    layout = _layout_faults(names, columns, numbered)
    raw = pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    if not layout and len(lines) > 1:
        try:
            raw = pl.read_csv(
                "\n".join(lines).encode(),
                separator=SEPARATOR,
                infer_schema=False,
                has_header=False,
                skip_rows=1,
                new_columns=names,
            )
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            raise DataError(f"{path}: not a readable CSV table ({str(error).splitlines()[0]})") from error
    cells: list[BadCell] = []
    # rows and lines part ways only where a quoted cell holds a line end
    of_row = (
        [number for number, _ in numbered[1:]] if len(raw) == len(numbered) - 1 else range(2, len(raw) + 2)
    )
    table = pl.DataFrame([_column(raw, name, of_row, cells) for name in columns])
    return LardCsv(
        version, table, tuple(name for name in names if name not in columns), tuple(layout), tuple(cells),
        tuple(of_row),
    )  # fmt: skip


def _lines(path: Path) -> list[tuple[int, str]]:
    """Lines with their numbers, of any line ends and without the blank ones."""
    text = read_text(path, absent="expected a label table")
    lines = list(enumerate(re.split(r"\r\n|\r|\n", text), start=1))
    return [(number, line) for number, line in lines if line.strip()] if '"' not in text else _unquoted(lines)


def _unquoted(lines: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    """Lines without the blank ones outside of quotes: within, they are part of a cell."""
    kept, quotes = [], 0
    for number, line in lines:
        if line.strip() or quotes % 2:
            kept.append((number, line))
        quotes += line.count('"')
    return kept


def _names(path: Path, lines: Sequence[str]) -> list[str]:
    first = lines[0] if lines else ""
    header = first.split(SEPARATOR)
    if len(header) == 1:
        found = next((name for mark, name in ((",", "commas"), ("\t", "tabs")) if mark in first), "none")
        raise DataError(
            f"{path}:1: no semicolon in the header (separator found: {found}); LARD's is {SEPARATOR!r}"
        )
    names = [name.strip().strip('"') for name in header]
    return [_SYNONYMS.get(name, name) for name in names]


def _layout_faults(
    names: Sequence[str], columns: Sequence[str], lines: Sequence[tuple[int, str]]
) -> list[tuple[int, str]]:
    twice = sorted({name for name in names if names.count(name) > 1})
    faults = [(1, f"column {name!r} occurs twice") for name in twice]
    missing = sorted(name for name in columns if name in _NEEDED and name not in names)
    if missing:
        faults.append((1, f"columns {', '.join(missing)} are missing"))
    for number, line in lines[1:]:
        fields = line.count(SEPARATOR) + 1
        if '"' not in line and fields != len(names):
            faults.append((number, f"{fields} fields, expected {len(names)}"))
    return faults


def _column(raw: pl.DataFrame, name: str, lines: Sequence[int], cells: list[BadCell]) -> pl.Series:
    """A column with its type, null where the file has none; its bad cells are added to the list."""
    if name not in raw.columns:
        return pl.Series(name, [None] * len(raw), dtype=pl.String if name in _TEXTS else pl.Float64)
    text = raw[name]
    if name in _TEXTS:
        cells += [
            BadCell(lines[row], name, cell, fault)
            for row, cell in enumerate(text.to_list() if name in ("night", "time") else ())
            if cell and (fault := text_fault(name, cell))
        ]
        return text
    bare = text.str.strip_chars()
    filled = (text.is_not_null() & (bare != "")).fill_null(False)
    number = bare.cast(pl.Float64, strict=False)
    number = pl.select(pl.when(number.is_finite()).then(number)).to_series().alias(name)
    low, high = RANGES.get(name, (-np.inf, np.inf))
    expected = "a number above 0" if name in ("height", "width") else "a number"
    expected += f" from {low:g} to {high:g}" if name in RANGES else ""
    bad = filled & number.is_null()
    if name in _FILLED:
        bad = bad | ~filled
    bad = bad | ~number.is_between(low, high).fill_null(True)
    if name in ("height", "width"):
        bad = bad | (number <= 0).fill_null(False)
    cells += [
        BadCell(lines[int(row)], name, text[int(row)], expected) for row in np.flatnonzero(bad.to_numpy())
    ]
    return number
