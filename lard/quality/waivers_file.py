"""The waivers file: read and checked against the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

from lard.documents import read_yaml
from lard.errors import LardError, SpecError
from lard.quality.catalogue import find_check
from lard.quality.waivers import Waiver

FIELDS = ("check", "subject", "reason", "author", "expires")


def read_waivers(path: str | Path) -> tuple[Waiver, ...]:
    """Read a waivers file; SpecError names every fault at once."""
    path = Path(path)
    data = read_yaml(path, error=SpecError, absent="give the path of a waivers file")
    entries = data.get("waivers") if isinstance(data, Mapping) else None
    if not isinstance(entries, list):
        raise SpecError(f"{path}: expected `waivers:` with a list of {', '.join(FIELDS)}")
    faults: list[str] = []
    waivers = [_waiver(entry, f"{path.name}#{k}", faults) for k, entry in enumerate(entries, 1)]
    if faults:
        raise SpecError("\n".join(faults))
    return tuple(waiver for waiver in waivers if waiver is not None)


def _waiver(entry: Any, where: str, faults: list[str]) -> Waiver | None:
    if not isinstance(entry, Mapping):
        faults.append(f"{where}: expected a mapping of {', '.join(FIELDS)}, found {entry!r}")
        return None
    before = len(faults)
    faults += [
        f"{where}: unknown field {key!r}; expected {', '.join(FIELDS)}" for key in entry if key not in FIELDS
    ]
    for name in ("check", "reason", "author"):
        if not isinstance(entry.get(name), str) or not entry[name].strip():
            faults.append(f"{where}: {name} is missing or empty; a waiver needs it")
    if not isinstance(entry.get("subject", "*"), str):
        faults.append(f"{where}: subject is {entry['subject']!r:.60}; expected a text such as far/*")
    expires = _day(entry.get("expires"))
    if expires is None:
        faults.append(f"{where}: expires is {entry.get('expires')!r}; expected a day such as 2030-12-31")
    check = str(entry.get("check", ""))
    if len(faults) == before:
        try:
            check = find_check(check).id
        except LardError as error:
            faults.append(f"{where}: check: {error}")
    if len(faults) > before or expires is None:
        return None
    return Waiver(check, str(entry.get("subject", "*")), entry["reason"], entry["author"], expires, where)


def _day(value: Any) -> date | None:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        return None
