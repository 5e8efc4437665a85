"""CSV tables of runway data read as text, with every bad cell of a file reported at once."""

import csv
import io
import math
from collections.abc import Callable, Sequence
from pathlib import Path

from lard.documents import number_of, read_text
from lard.errors import AirportError

_YES = {"true", "yes", "on", "t", "y"}
_NO = {"false", "no", "off", "f", "n"}


class Cells:
    """The rows of a CSV file as text, and the faults found while reading numbers from them."""

    def __init__(self, path: Path, needed: Sequence[str], optional: Sequence[str] | None = None) -> None:
        """Read the file; AirportError when columns are missing or, with `optional` given, unknown."""
        self.path = path
        self.faults: list[str] = []
        header, *lines = self._lines(needed)
        self.columns = [name.strip() for name in header[1]]
        self._check_header(self.columns, needed, optional)
        self.rows: list[dict[str, str]] = []
        self._line_of: list[int] = []
        for line, cells in lines:
            if len(cells) != len(self.columns):
                expected = f"{len(self.columns)} cells as in the header"
                self.faults.append(f"{path}:{line}: found {len(cells)} cells, expected {expected}")
                continue
            self.rows.append({name: cell.strip() for name, cell in zip(self.columns, cells, strict=True)})
            self._line_of.append(line)

    def _lines(self, needed: Sequence[str]) -> list[tuple[int, list[str]]]:
        """Rows with cells and the lines they end on; the first is the header."""
        wanted = f"expected a CSV table with {', '.join(needed)}"
        text = read_text(self.path, error=AirportError, absent=wanted)
        try:
            reader = csv.reader(io.StringIO(text, newline=None))  # any line ends
            lines = [(reader.line_num, cells) for cells in reader if cells]
        except csv.Error as error:
            raise AirportError(f"{self.path}: not a readable CSV table ({error}); write it again") from error
        if not lines:
            raise AirportError(f"{self.path}:1: found an empty file, expected a CSV table with a header")
        return lines

    def line(self, index: int) -> int:
        """Line of the file that a data row, counted from 0, ends on."""
        return self._line_of[index]

    def _check_header(
        self, columns: list[str], needed: Sequence[str], optional: Sequence[str] | None
    ) -> None:
        twice = sorted({name for name in columns if name and columns.count(name) > 1})
        if twice:
            raise AirportError(
                "\n".join(f"{self.path}:1: column {name!r} occurs twice; keep one of them" for name in twice)
            )
        missing = [name for name in needed if name not in columns]
        unknown = [] if optional is None else [c for c in columns if c not in (*needed, *optional)]
        if not missing and not unknown:
            return
        if len(columns) == 1 and any(mark in columns[0] for mark in ";\t|"):
            raise AirportError(f"{self.path}:1: the header is one cell; separate columns with commas")
        known = ", ".join((*needed, *(optional or ())))
        lines = [f"{self.path}:1: column {name!r} is missing" for name in missing]
        lines += [f"{self.path}:1: column {name!r} is unknown; expected one of {known}" for name in unknown]
        raise AirportError("\n".join(lines))

    def fault(self, index: int, column: str, found: object, expected: str) -> None:
        """Note a bad cell; `index` counts data rows from 0."""
        self.faults.append(f"{self.path}:{self.line(index)}: {column}: found {found!r}, expected {expected}")

    def number(self, index: int, column: str, low: float = -math.inf, high: float = math.inf) -> float | None:
        """A finite number between bounds, None for an empty cell; anything else is noted as a fault."""
        text = self.rows[index].get(column, "")
        if not text:
            return None
        try:
            value = number_of(text)
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
        """A yes/no cell, however it is spelt: 1/0 (also 1.0), true/false, yes/no, on/off, t/f, y/n."""
        text = self.rows[index].get(column, "").lower()
        if not text:
            return default
        if text in _YES or text in _NO:
            return text in _YES
        try:
            number = number_of(text)
        except ValueError:
            number = math.nan
        if number not in (0.0, 1.0):
            self.fault(index, column, text, "1 or 0")
        return number == 1.0

    def word(self, index: int, column: str, expected: Callable[[str], str | None]) -> str:
        """A cell of words; one that a check expects something instead of is noted as a fault."""
        text = self.rows[index][column]
        if instead := expected(text):
            self.fault(index, column, text, instead)
        return text

    def raise_faults(self) -> None:
        """AirportError with all faults noted so far, if any."""
        if self.faults:
            raise AirportError("\n".join(self.faults))
