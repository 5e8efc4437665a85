"""CSV tables of runway data read as text, with every bad cell of a file reported at once."""

import math
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from lard.errors import AirportError


class Cells:
    """The rows of a CSV file as text, and the faults found while reading numbers from them."""

    def __init__(self, path: Path, needed: Sequence[str], optional: Sequence[str] | None = None) -> None:
        """Read the file; AirportError when columns are missing or, with `optional` given, unknown."""
        self.path = path
        self.faults: list[str] = []
        if not path.is_file():
            raise AirportError(f"{path}: no such file; expected a CSV table with {', '.join(needed)}")
        try:
            table = pl.read_csv(path, infer_schema=False)
        except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
            reason = str(error).splitlines()[0]
            raise AirportError(f"{path}: not a readable comma-separated table ({reason})") from error
        table.columns = [name.strip().lstrip("\ufeff") for name in table.columns]
        self._check_header(table.columns, needed, optional)
        self.columns = table.columns
        self.rows: list[dict[str, str]] = [
            {name: (value or "").strip() for name, value in row.items()}
            for row in table.iter_rows(named=True)
        ]

    def _check_header(
        self, columns: list[str], needed: Sequence[str], optional: Sequence[str] | None
    ) -> None:
        missing = [name for name in needed if name not in columns]
        unknown = [] if optional is None else [c for c in columns if c not in (*needed, *optional)]
        if not missing and not unknown:
            return
        known = ", ".join((*needed, *(optional or ())))
        lines = [f"{self.path}:1: column {name!r} is missing" for name in missing]
        lines += [f"{self.path}:1: column {name!r} is unknown; expected one of {known}" for name in unknown]
        if len(columns) == 1 and any(mark in columns[0] for mark in ";\t|"):
            lines.append(f"{self.path}:1: the header is one cell; separate columns with commas")
        raise AirportError("\n".join(lines))

    def fault(self, index: int, column: str, found: object, expected: str) -> None:
        """Note a bad cell; `index` counts data rows from 0."""
        self.faults.append(f"{self.path}:{index + 2}: {column}: found {found!r}, expected {expected}")

    def number(self, index: int, column: str, low: float = -math.inf, high: float = math.inf) -> float | None:
        """A finite number between bounds, None for an empty cell; anything else is noted as a fault."""
        text = self.rows[index].get(column, "")
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and low <= value <= high):
            bounds = "" if math.isinf(low) and math.isinf(high) else f" from {low:g} to {high:g}"
            self.fault(index, column, text, f"a number{bounds}")
            return None
        return value

    def required(self, index: int, column: str, low: float = -math.inf, high: float = math.inf) -> float:
        """A number that must be there; nan (with a fault noted) when it is not."""
        if not self.rows[index].get(column, ""):
            self.fault(index, column, "", "a number, not an empty cell")
            return math.nan
        value = self.number(index, column, low, high)
        return math.nan if value is None else value

    def flag(self, index: int, column: str, default: bool) -> bool:
        """A yes/no cell: 1/0, true/false, yes/no."""
        text = self.rows[index].get(column, "").lower()
        if not text:
            return default
        if text not in {"1", "0", "true", "false", "yes", "no"}:
            self.fault(index, column, text, "1 or 0")
        return text in {"1", "true", "yes"}

    def raise_faults(self) -> None:
        """AirportError with all faults noted so far, if any."""
        if self.faults:
            raise AirportError("\n".join(self.faults))
