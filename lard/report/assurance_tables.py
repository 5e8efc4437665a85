"""Tables and pictures of the assurance page, and those that a document states itself.

Documents of other rooms join the page by a layout of their own: `tables` is a list of objects with `title`,
`columns` (texts), `rows` (lists of texts, numbers or null, one for each column), `note` and, for a section
other than the document's, `section`; `pictures` a list with `title`, `file` (below the document's folder) and
`note`.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from lard.errors import DataError
from lard.files import below
from lard.pictures import upright_rgb
from lard.report.page import figures_text

QUALITY = 82  # of embedded JPEGs
SECTIONS = ("", "looks", "knows", "refuses", "certified", "attacked", "stated")
"""Sections of an account that a table may name."""
Cell = str | int | float | None


@dataclass(frozen=True, slots=True)
class Table:
    """A table as the page shows it; numbers are written with four figures and stand to the right."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    section: str = ""  # none: its document's


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture as the page holds it: the source of an image, or a drawing (SVG) itself."""

    title: str
    source: str
    note: str = ""
    drawing: str = ""


def stated_tables(document: Mapping[str, Any]) -> list[Table]:
    """The tables that a document states; ValueError for one whose rows do not fit its columns."""
    found = []
    for table in document["tables"]:
        columns = [str(name) for name in table["columns"]]
        rows = [list(row) for row in table["rows"]]
        if any(len(row) != len(columns) for row in rows):
            raise ValueError(f"table {table['title']!r:.60}: rows of other lengths than its columns")
        odd = [cell for row in rows for cell in row if not isinstance(cell, str | int | float | None)]
        if odd:
            raise ValueError(f"table {table['title']!r:.60}: cell {odd[0]!r:.40}")
        section = str(table.get("section") or "")
        if section not in SECTIONS:
            raise ValueError(f"table {table['title']!r:.60}: section {section!r:.40}")
        found.append(Table(str(table["title"]), columns, rows, str(table.get("note") or ""), section))
    return found


def stated_pictures(document: Mapping[str, Any], folder: Path) -> list[Shown]:
    """The pictures that a document states, read from its folder."""
    return [
        shown_of(below(folder, str(one["file"])), str(one["title"]), str(one.get("note") or ""))
        for one in document.get("pictures", ())
    ]


def shown_of(path: Path, title: str, note: str = "") -> Shown:
    """A picture file, embedded: an SVG as it is, any other as JPEG."""
    if not path.is_file():
        raise DataError(f"{path}: picture {title!r:.60} is missing; run the command that draws it again")
    if path.suffix.lower() == ".svg":
        text = path.read_text(encoding="utf-8")
        if "<script" in text.lower() or "<svg" not in text:
            raise DataError(f"{path}: not a drawing without scripts; draw it again")
        return Shown(title, "", note, text[text.index("<svg") :])
    stream = io.BytesIO()
    Image.fromarray(upright_rgb(path).pixels).save(stream, "JPEG", quality=QUALITY)
    return Shown(title, f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}", note)


def told(found: Mapping[str, Any] | None) -> str:
    """A mean with its interval, and how many it is of where some are not known."""
    if not found or found["value"] is None:
        return "–"
    text = figures_text(round(found["value"], 4))
    if found["interval"]:
        low, high = (figures_text(round(end, 3)) for end in found["interval"])
        text += f" ({low} to {high})"
    return text if not found["unknown"] else f"{text}, n {found['n']}"
