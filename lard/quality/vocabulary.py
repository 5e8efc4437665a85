"""Words in the tables that are none of the words the spec, the formats or the producers of pictures use."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from lard.airports.table import ALTITUDE_DATUMS
from lard.geodesy import EARTH_MODELS
from lard.odd.parameters import PARAMETERS as KNOWN
from lard.quality.dataset import Dataset
from lard.quality.frames import SETS
from lard.quality.model import Offence
from lard.quality.odd import VERDICTS
from lard.quality.spelling import folded
from lard.quality.untold import FLAT, is_imported

SOURCES = ("ortho", "flightgear", "xplane", "cesium", "msfs", "ges", "earth_studio", "real")
_CLOSED: dict[str, tuple[str, ...]] = {
    "earth_model": EARTH_MODELS,
    "altitude_datum": ALTITUDE_DATUMS,
    "verdict": (*VERDICTS, "UNKNOWN"),
}
_CLOSED |= {name: p.categories for name, p in KNOWN.items() if p.categories and p.categories != ("*",)}


def unknown_words(data: Dataset) -> Iterator[Offence]:
    """Zones, sets, light, seasons, earth models, datums, verdicts and sources that are no known word.

    Code that filters by the word finds no row, however consistently all rows are spelt alike. Where the words
    are not closed (sets, which DQR-S04 asks for, and sources) only another spelling of a known one counts.
    """
    if data.kind != "lard":
        return
    closed = dict(_CLOSED)
    if data.odd is not None and data.odd.zones:
        closed["zone"] = tuple(zone.name for zone in data.odd.zones)
    stated = data.meta.get("source")
    sources = (*SOURCES, stated) if isinstance(stated, str) else SOURCES
    more = {"labels.earth_model": (FLAT,)} if is_imported(data) else {}
    open_ended = {"split": SETS, "source": tuple(dict.fromkeys(sources))}
    for place, table in (("frames", data.frames), ("labels", data.labels), ("manifest", data.manifest)):
        if table is None:
            continue
        for column in table.columns:
            words = closed.get(column) or open_ended.get(column)
            if words is None or table[column].dtype != pl.String:
                continue
            words = (*words, *more.get(f"{place}.{column}", ()))
            for word, n in sorted(table[column].drop_nulls().value_counts().iter_rows()):
                meant = next((known for known in words if folded(known) == folded(word)), None)
                if not word.strip() or word in words or (meant is None and column in open_ended):
                    continue
                told = f"expected {', '.join(words)}" if meant is None else f"it is written {meant!r}"
                yield Offence(f"{place}.{column} {word.strip()}", float(n), f"{word!r} in {n} rows: {told}")
