"""Which class of a foreign dataset is the runway."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lard.errors import DataError


def runway_class(names: Iterable[str], label: str, where: Path) -> str:
    """The name asked for, the only one, or the only one that speaks of runways; else DataError lists all."""
    known = list(dict.fromkeys(names))
    listed = ", ".join(known) or "none"
    if label:
        if label not in known:
            raise DataError(f"{where}: no class {label!r}; it has {listed}")
        return label
    if len(known) == 1:
        return known[0]
    alike = [name for name in known if "runway" in name.casefold()]
    if len(alike) != 1:
        raise DataError(f"{where}: which class is the runway? It has {listed}; give --class")
    return alike[0]


def same_name_note(where: Path, what: str, keys: Iterable[object], name: str) -> list[str]:
    """What to say of several classes of a file that have the runway's name: all are taken."""
    told = [f"{key!r:.20}" for key in keys]
    if len(told) < 2:
        return []
    return [f"{where.name}: {what} {', '.join(told)} are all called {name!r:.60} and taken for one"]


def class_notes(name: str, label: str) -> list[str]:
    """What to say of a class that was taken for the runway because there is no other."""
    if label or "runway" in name.casefold():
        return []
    return [f"its only class, {name!r:.60}, is taken for the runway"]
