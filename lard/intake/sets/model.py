"""What every reader of a foreign dataset gives: frames, labels and where the pictures lie."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import polars as pl

from lard.errors import DataError
from lard.labels.checks import UNKNOWN
from lard.tables import FRAMES, check_schema, name_fault

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
MOST_FAULTS = 30
_SPLIT = re.compile(
    r"(?:^|[_\-./\\ ])(train|training|val|valid|validation|dev|test|testing)\d{0,4}(?=$|[_\-./\\ ])",
    re.IGNORECASE,
)
_SPLITS = {"tr": "train", "va": "val", "de": "val", "te": "test"}
_STRANGE = re.compile(r"[^\w.+\-]+")


@dataclass(frozen=True, slots=True, eq=False)
class Imported:
    """A foreign dataset: FRAMES with a column `source`, LABELS, a picture per frame, what was left out."""

    kind: str
    frames: pl.DataFrame
    labels: pl.DataFrame
    pictures: Mapping[str, Path]
    notes: tuple[str, ...] = ()


def split_of(name: str | PurePath) -> str:
    """The split that a path names, the last one where several do; "" for none."""
    found = _SPLIT.findall(str(name))
    return _SPLITS[found[-1].lower()[:2]] if found else ""


def frame_ids(pictures: Sequence[Path], root: Path) -> dict[Path, str]:
    """A name for each picture: its stem, or its path below the root where two stems are alike."""
    every = list(dict.fromkeys(pictures))
    stems = Counter(path.stem.casefold() for path in every)
    names: dict[Path, str] = {}
    for path in every:
        name = path.stem
        if stems[name.casefold()] > 1:
            name = (
                path.with_suffix("").relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
            )
        names[path] = _STRANGE.sub("_", name).strip("._") or "picture"
    called: dict[str, list[Path]] = {}
    for path, name in names.items():
        called.setdefault(name.casefold(), []).append(path)
    refuse(
        root,
        (
            f"{root}: {len(paths)} pictures would be called {names[paths[0]]}: "
            f"{', '.join(_below(path, root) for path in paths[:3])}; rename all but one"
            for paths in called.values()
            if len(paths) > 1
        ),
    )
    return names


def _below(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def frames_of(rows: Sequence[Mapping[str, Any]] | pl.DataFrame, source: str) -> pl.DataFrame:
    """FRAMES of what is known of each picture, and its `source`; the rest is null."""
    table = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(list(rows), infer_schema_length=None)
    if "source" not in table.columns:
        table = table.with_columns(source=pl.lit(source))
    absent = [pl.lit(None, kind).alias(name) for name, kind in FRAMES.items() if name not in table.columns]
    table = table.with_columns(absent)
    fixed = {
        "airport": "", "runway": "", "zone": "", "split": "", "seed": 0, "earth_model": UNKNOWN,
        "altitude_datum": UNKNOWN,
    }  # fmt: skip
    table = table.with_columns(pl.col(name).fill_null(value) for name, value in fixed.items())
    return check_schema(table, FRAMES, "frames").select(*FRAMES, "source").sort("frame_id")


def airport_faults(airports: Iterable[str]) -> Iterator[str]:
    """A fault for each code that cannot name files; "" stands for an airport that nobody knows."""
    for airport in airports:
        fault = name_fault(airport) if airport else ""
        if fault:
            yield f"airport {airport[:80]!r} {fault}; expected a code such as LFPO"


def refuse(where: Path, faults: Iterable[str]) -> None:
    """DataError of all faults that were found, the first thirty of them told."""
    found = list(faults)
    if found:
        more = [f"{where}: and {len(found) - MOST_FAULTS} more faults"] if len(found) > MOST_FAULTS else []
        raise DataError("\n".join([*found[:MOST_FAULTS], *more]))
