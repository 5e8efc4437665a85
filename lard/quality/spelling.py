"""Names written in two ways, with blanks or look-alike letters, or not as the runway database does."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator

import polars as pl

from lard.errors import AirportError
from lard.quality.dataset import Dataset
from lard.quality.model import Offence

UNNAMED = ("frame_id", "image", "sha256", "time_utc")  # texts that name one row
TEXTS = ("attribution", "licence", "source", "source_version")  # where other letters than ASCII are at home
# letters of other alphabets that look like Latin ones
_LIKE = str.maketrans(
    "АВЕЅІЈКМНОРСТХУавеѕіјкмнорстхуΑΒΕΖΗΙΚΜΝΟΡΤΥΧα‐‑–—−",
    "ABESIJKMHOPCTXYabesijkmhopctxyABEZHIKMNOPTYXa-----",
)


def folded(text: str, number: bool = False) -> str:
    """A name without case, blanks, marks and look-alike letters; `number`: without leading zeros as well."""
    plain = unicodedata.normalize("NFKC", text).translate(_LIKE).casefold()
    words = " ".join(re.findall(r"[^\W_]+", "".join(c for c in plain if unicodedata.category(c) != "Cf")))
    return re.sub(r"(?<!\d)0+(?=\d)", "", words) if number else words


def misspelt(data: Dataset) -> Iterator[Offence]:
    """Every name in the tables that is spelt doubtfully; airports written in two ways are DQR-U02's."""
    for column, count in sorted(_names(data).items()):
        ways: dict[str, list[str]] = defaultdict(list)
        for name in sorted(count):
            ways[folded(name, number=column == "runway")].append(name)
            if fault := _fault(name, column):
                text = f"{name!r} in {count[name]} rows {fault}: write it plainly, everywhere alike"
                yield Offence(f"{column} {name.strip()}", float(count[name]), text)
        for names in ways.values() if column != "airport" else ():
            if len(names) > 1:
                shown = ", ".join(f"{name!r} in {count[name]} rows" for name in names[:4])
                few = min(count[name] for name in names)
                yield Offence(
                    f"{column} {names[0].strip()}", float(few), f"is written in several ways: {shown}"
                )
    yield from _times(data)
    yield from _as_database(data)


def _names(data: Dataset) -> dict[str, Counter[str]]:
    """How often each text occurs in each column of names, over all tables."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for table in (data.frames, data.labels, data.manifest):
        if table is None:
            continue
        for column in table.columns:
            if table[column].dtype == pl.String and column not in UNNAMED and not column.endswith("sha256"):
                rows = table[column].drop_nulls().value_counts().iter_rows()
                found[column].update({name: n for name, n in rows if name.strip()})
    return found


def _fault(name: str, column: str) -> str:
    """What is odd about one name."""
    if name != name.strip():
        return "begins or ends with a blank"
    if any(unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") or c == "\u00a0" for c in name):
        return "holds an invisible character"
    if column not in TEXTS and not name.isascii():
        return "holds letters that only look like those of a code"
    return ""


def _times(data: Dataset) -> Iterator[Offence]:
    """Times that are not all written alike: some with a zone, some without."""
    if data.frames is None or "time_utc" not in data.frames.columns:
        return
    shapes = data.frames["time_utc"].drop_nulls().str.replace_all(r"\.\d+", "").str.replace_all(r"\d", "0")
    count = shapes.value_counts(sort=True)
    for shape, n in count.rows()[1:]:
        text = f"{n} times are written like {shape!r}, most like {count.row(0)[0]!r}"
        yield Offence("frames.time_utc", float(n), text)


def _as_database(data: Dataset) -> Iterator[Offence]:
    """Airports and runways that the database knows under another spelling."""
    if data.database is None or data.kind != "lard":
        return
    for airport, runway in data.named_runways:
        try:
            ours = data.database.airport(airport)
            end = ours.runway(runway)
        except AirportError:
            continue  # DQR-A05 reports it
        for what, written, known in (("airport", airport, ours.icao), ("runway", runway, end.ident)):
            if written != known:
                text = f"written as {written!r}, the runway database names it {known!r}"
                yield Offence(f"{what} {airport.strip()}/{runway.strip()}", None, text)
