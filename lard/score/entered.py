"""What lies on a board: stored entries, whose they are, and what of them was changed by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from lard.documents import checked
from lard.errors import DataError
from lard.score.card import Card, same_to_the_eye
from lard.score.points import FALSE_ALARMS_PER_IMAGE
from lard.tables import json_text, read_json, sha256_file

ENTRY, RESULTS, VALIDATION, SCORE = "entry.json", "results.json", "validation.json", "score.json"
COST = "cost.json"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class StoredEntry(BaseModel):
    """entry.json of a board: the card, and hashes of the files that were entered."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    card: Card
    truth_sha256: Sha256
    results_sha256: Sha256
    validation_truth_sha256: Sha256 | None = None
    validation_sha256: Sha256 | None = None
    false_alarms_per_image: float = Field(default=FALSE_ALARMS_PER_IMAGE, gt=0, allow_inf_nan=False)


def read_entry(folder: Path) -> StoredEntry:
    """entry.json of an entry's folder, checked."""
    document = read_json(folder / ENTRY, absent="add the submission again")
    return checked(StoredEntry, document, folder / ENTRY)


def check_owner(folder: Path, card: Card, replace: bool) -> None:
    """An entry is replaced when asked, and by its own authors only; no name is taken for another's."""
    for other in sorted(folder.parent.glob(f"*/{ENTRY}")):
        known = read_entry(other.parent).card
        case_only = known.name.casefold() == card.name.casefold()
        alike = same_to_the_eye(known.name, card.name) and known.authors != card.authors
        if known.name != card.name and (case_only or alike):
            raise DataError(f"{folder}: {known.name!r} is on the board and looks the same; take another name")
    if not (folder / ENTRY).is_file() and not (folder / RESULTS).is_file():
        return
    if not (folder / ENTRY).is_file():
        raise DataError(
            f"{folder}: an entry without {ENTRY}, nobody's; remove the folder or take another name"
        )
    if not replace:
        raise DataError(
            f"{folder}: an entry of this name is on the board; take another name, or --replace your own"
        )
    owner = read_entry(folder).card.authors
    if owner != card.authors:
        raise DataError(f"{folder}: the entry belongs to {owner!r}, not {card.authors!r}; take another name")


def check_against(folder: Path, entry: StoredEntry, staging: Path) -> None:
    """A new entry, its files staged, beside those of its board: other detections, one budget for all."""
    others = [path.parent for path in folder.parent.glob(f"*/{ENTRY}") if path.parent.name != folder.name]
    entries = {other: read_entry(other) for other in sorted(others)}
    if faults := at_odds(entries | {folder: entry}, {folder: staging}):
        raise DataError("\n".join(faults))


def at_odds(entries: Mapping[Path, StoredEntry], staged: Mapping[Path, Path] | None = None) -> list[str]:
    """A line where entries of different authors look or are the same, or budgets differ.

    `staged` are folders in which the files of entries lie that are not yet on the board.
    """
    faults = []
    authors = {entry.card.authors for entry in entries.values()}
    first: dict[str, Path] = {}
    for folder, entry in entries.items() if len(authors) > 1 else ():
        held = _detections_sha256((staged or {}).get(folder, folder) / RESULTS)
        other = first.setdefault(held, folder) if held else folder
        if entries[other].card.authors != entry.card.authors:
            faults.append(f"{folder}: the detections are those of {other.name}, by other authors; keep one")
    for (one, known), (folder, entry) in combinations(entries.items(), 2):
        apart = known.card.authors != entry.card.authors
        if apart and same_to_the_eye(known.card.name, entry.card.name):
            faults.append(f"{folder}: the name looks the same as {one.name}, by other authors; rename one")
    budgets = {
        entry.false_alarms_per_image: folder.name
        for folder, entry in entries.items()
        if entry.validation_sha256 is not None
    }
    if len(budgets) > 1:
        told = ", ".join(f"{budget:g} ({name})" for budget, name in sorted(budgets.items()))
        faults.append(f"false_alarms_per_image: {told}; one board has one budget, add with --false-alarms")
    return faults


def _detections_sha256(path: Path) -> str:
    """Hash of detections whatever their order and form; "" of none, or where the file is not theirs."""
    try:
        rows = [(row["image_id"], row["score"], *row["bbox"]) for row in read_json(path)]
        numbers = np.array(rows, np.float64).reshape(-1, 6)
    except (DataError, LookupError, TypeError, ValueError):
        return ""  # told where the files are compared with those entered
    ordered = numbers[np.lexsort(numbers.T)] + 0.0  # no zero is below zero
    return hashlib.sha256(ordered.tobytes()).hexdigest() if len(rows) else ""


def changes(folder: Path, entry: StoredEntry, truth_hash: str) -> list[str]:
    faults = []
    if entry.card.name != folder.name:
        faults.append(f"{folder / ENTRY}: card.name: {entry.card.name}, the folder is {folder.name}")
    if entry.truth_sha256 != truth_hash:
        faults.append(f"{folder}: entered for another dataset; add it again")
    for name, wanted in ((RESULTS, entry.results_sha256), (VALIDATION, entry.validation_sha256)):
        path = folder / name
        if wanted is not None and (not path.is_file() or sha256_file(path) != wanted):
            faults.append(f"{path}: not the file that was entered; add the submission again")
    return faults


def difference(path: Path, report: Mapping[str, Any]) -> str:
    """What a stored score file has that its results do not give, in one line; "" if nothing."""
    try:
        stored = read_json(path)
    except DataError:
        return f"{path}: could not be read; made again from its results"
    if json_text(stored) == json_text(report):  # true is not 1
        return ""
    if isinstance(stored, dict) and stored.get("entry_sha256") != report["entry_sha256"]:
        return f"{path}: {ENTRY} is not the one that was scored, its card or point differ; made again from it"
    overall = stored.get("overall") if isinstance(stored, dict) else None
    told = overall.get("AP50") if isinstance(overall, dict) else None
    return (
        f"{path}: not what its results give (AP50 {told}, computed {report['overall']['AP50']});"
        " made again from them"
    )
