"""What an imported set does not state of its pictures: said in words, no fault of it and no evidence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

import polars as pl

from lard.labels.checks import UNKNOWN, UNSTATED, is_unstated
from lard.quality.columns import POSE
from lard.quality.dataset import Dataset
from lard.quality.model import Offence
from lard.tables import FRAMES

FLAT = "lard-v2-flat"
"""The plane on which labels of LARD V2 are measured, whatever earth their pictures show."""
_FILLED = ("airport", "runway", "zone", "earth_model", "altitude_datum")
_WORDS = {
    "airport": ("airport",),
    "runway": ("runway",),
    "position": POSE[:3],
    "attitude": POSE[3:],
    "approach": ("along_track_m", "lateral_deg", "vertical_deg"),
    "yaw from the runway": ("yaw_offset_deg",),
    "focal length": ("fx_px", "fy_px"),
    "principal point": ("cx_px", "cy_px"),
    "earth model": ("earth_model",),
    "altitude datum": ("altitude_datum",),
    "visibility": ("visibility_m",),
    "time": ("time_utc",),
}


def is_imported(data: Dataset) -> bool:
    """Whether dataset.json says that an import made the set, and what its pictures do not state."""
    return data.kind == "lard" and UNSTATED in data.meta


def is_foreign() -> pl.Expr:
    """Whether a frame was drawn for no zone: nothing here knew more of it than its layout says."""
    return pl.col("zone").is_null()


def excused(data: Dataset, column: str) -> pl.Series:
    """Frames (n,) that need not state a column: of an imported set, those that did not at the import."""
    assert data.frames is not None
    if not is_imported(data) or column not in stated_gaps(data):
        return pl.repeat(False, len(data.frames), dtype=pl.Boolean, eager=True)
    return data.frames.select(is_unstated(column) & is_foreign()).to_series()


def stated_gaps(data: Dataset) -> Mapping[str, int]:
    """How many frames stated nothing when the set was imported, by column; what is no number is left out."""
    stated = data.meta.get(UNSTATED)
    pairs = stated.items() if isinstance(stated, Mapping) else ()
    return {str(name): n for name, n in pairs if name in FRAMES and type(n) is int and n >= 0}


def lost(data: Dataset) -> Iterator[Offence]:
    """Columns that more frames leave empty than dataset.json says, and what it says otherwise."""
    if not is_imported(data) or data.frames is None:
        return
    gaps, stated = stated_gaps(data), data.meta[UNSTATED]
    if not isinstance(stated, Mapping) or len(gaps) < len(stated):
        text = "expected the number of frames that state nothing, by column of frames; import the set again"
        yield Offence(f"dataset.json:{UNSTATED}", None, text)
    for name, most in sorted(gaps.items()):
        n = int(excused(data, name).sum())
        if n > most:
            text = f"{n} frames do not state it, {most} did not when the set was imported: {n - most} lost it"
            yield Offence(f"frames.{name}", float(n - most), text)


def in_words(data: Dataset) -> str:
    """What cannot be checked of an imported set, as clauses of a message that follow a semicolon; or ""."""
    if not is_imported(data) or data.frames is None:
        return ""
    things: dict[int, list[str]] = defaultdict(list)
    for word, columns in _WORDS.items():
        if n := max(int(excused(data, name).sum()) for name in columns):
            things[n].append(word)
    clauses = [
        f"of {n} frames it states no {', no '.join(words)}"
        for n, words in sorted(things.items(), reverse=True)
    ]
    if data.labels is not None:
        unmade = int(is_of_no_database(data).sum())
        flat = int((data.labels["earth_model"] == FLAT).sum())
        clauses += [f"of {unmade} labels it names no version of their runways"] if unmade else []
        clauses += [f"{flat} labels are measured on the plane of LARD V2"] if flat else []
    return f"; imported, not checked: {'; '.join(clauses)}" if clauses else ""


def is_of_no_database(data: Dataset) -> pl.Series:
    """Labels (n,) of an imported set that name no version of a runway database."""
    assert data.labels is not None
    if not is_imported(data):
        return pl.repeat(False, len(data.labels), dtype=pl.Boolean, eager=True)
    return data.labels["runway_db_version"].fill_null("") == ""


def without_fillers(table: pl.DataFrame) -> pl.DataFrame:
    """A table of an imported set with null where a word only says that nobody knows."""
    names = [name for name in _FILLED if name in table.columns and table[name].dtype == pl.String]
    filler = pl.col(names).is_in(["", UNKNOWN])
    return table.with_columns(pl.when(~filler).then(pl.col(names)).name.keep()) if names else table
