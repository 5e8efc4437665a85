"""Entering the leaderboard: COCO results of any detector, checked, scored and stored with hashes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from lard.documents import checked, read_yaml
from lard.errors import DataError
from lard.score.scores import read_results, score
from lard.score.truth import Paths, read_truth, truth_sha256
from lard.tables import folder_lock, read_json, sha256_file, write_json


class Card(BaseModel):
    """What a submission says about itself; dataset_sha256 is that of the COCO file it was made for.

    latency_ms is the time of one frame on the hardware named, everything included.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    authors: str
    description: str = ""
    url: str = ""
    licence: str = ""
    dataset_sha256: str = ""
    parameters: int | None = Field(default=None, ge=0)
    latency_ms: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    hardware: str = ""


def read_card(path: str | Path) -> Card:
    """Read a card (YAML); every fault in one error."""
    path = Path(path)
    document = read_yaml(path, absent="write a card with at least name and authors")
    card = checked(Card, document, path)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", card.name):
        raise DataError(
            f"{path}: name: {card.name!r}, expected letters, digits, dots, dashes and underscores"
        )
    return card


def add(results: str | Path, card_path: str | Path, truth_paths: Paths, board: str | Path) -> dict[str, Any]:
    """Check and score a submission and store it as <board>/<name>/; returns its score report."""
    card = read_card(card_path)
    truth_hash = truth_sha256(truth_paths)
    if card.dataset_sha256 and card.dataset_sha256 != truth_hash:
        raise DataError(
            f"{card_path}: dataset_sha256: {card.dataset_sha256}, the ground truth is {truth_hash};"
            " the results are for another dataset, predict again"
        )
    rows = read_results(results, read_truth(truth_paths))
    with folder_lock(board):
        folder = Path(board) / card.name
        write_json(rows, folder / "results.json")
        told = card.model_dump(exclude={"name", "dataset_sha256"})
        facts = {key: value for key, value in told.items() if value not in (None, "")}
        return score(truth_paths, folder / "results.json", folder / "score.json", card.name, facts)


def verify(truth_paths: Paths, board: str | Path) -> list[Path]:
    """The score files of a board whose results and dataset are still those that were scored."""
    truth_hash = truth_sha256(truth_paths)
    found, faults = sorted(Path(board).glob("*/score.json")), []
    for path in found:
        report = read_json(path)
        if not isinstance(report, dict):
            faults.append(f"{path}: no score file; add the submission again")
            continue
        if report.get("truth_sha256") != truth_hash:
            faults.append(f"{path}: scored against another dataset; add it again")
        results = path.with_name("results.json")
        if not results.is_file() or sha256_file(results) != report.get("results_sha256"):
            faults.append(f"{results}: not the file that was scored; add the submission again")
    if faults:
        raise DataError("\n".join(faults))
    if not found:
        raise DataError(f"{board}: no submissions; add one with lard leaderboard add")
    return found
