"""Entering the leaderboard: COCO results of any detector, checked, scored and stored with hashes.

An entry is card, results and, if it has any, validation results; its score file is derived from them and
the ground truth, and made again whenever the board is built.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from lard.airports.files import SHIPPED
from lard.errors import DataError
from lard.files import below
from lard.score.approaches import INTEGRITY
from lard.score.card import Card, read_card
from lard.score.entered import (
    COST,
    ENTRY,
    RESULTS,
    SCORE,
    VALIDATION,
    StoredEntry,
    at_odds,
    changes,
    check_against,
    check_owner,
    difference,
    read_entry,
)
from lard.score.points import FALSE_ALARMS_PER_IMAGE, Choice, chosen_on_validation, stated
from lard.score.provenance import provenance, with_training
from lard.score.scores import score_report
from lard.score.submitted import read_results
from lard.score.truth import Paths, read_truth, several, truth_sha256
from lard.tables import folder_lock, sha256_file, staged, write_json


def add(
    results: str | Path,
    card_path: str | Path,
    truth_paths: Paths,
    board: str | Path,
    *,
    validation: tuple[Paths, str | Path] | None = None,
    budget: float = FALSE_ALARMS_PER_IMAGE,
    replace: bool = False,
    runways: str = SHIPPED,
) -> dict[str, Any]:
    """Check and score a submission and store it as <board>/<name>/; returns its score report.

    `validation` is ground truth and results of the validation pictures, on which the operating points are
    chosen for `budget` false alarms per picture; without it the card states a threshold.
    """
    card = read_card(card_path)
    truth_hash = truth_sha256(truth_paths)
    if card.dataset_sha256 and card.dataset_sha256 != truth_hash:
        raise DataError(
            f"{card_path}: dataset_sha256: {card.dataset_sha256}, the ground truth is {truth_hash};"
            " the results are for another dataset, predict again"
        )
    _one_choice(card, card_path, validation is not None)
    rows = _mended_rows(results, truth_paths)
    tuned = None if validation is None else _mended_rows(validation[1], validation[0])
    with folder_lock(board):
        folder = below(board, f"{card.name}/{ENTRY}").parent
        check_owner(folder, card, replace)
        with staged(folder) as staging:  # what cannot be scored leaves no entry, and a former one as it was
            write_json(rows, staging / RESULTS)
            if tuned is not None:
                write_json(tuned, staging / VALIDATION)
            entry = StoredEntry(
                card=card,
                truth_sha256=truth_hash,
                results_sha256=sha256_file(staging / RESULTS),
                validation_truth_sha256=None if validation is None else truth_sha256(validation[0]),
                validation_sha256=None if tuned is None else sha256_file(staging / VALIDATION),
                false_alarms_per_image=budget,
            )
            check_against(folder, entry, staging)
            write_json(entry.model_dump(mode="json"), staging / ENTRY)
            tuned_on = None if validation is None else validation[0]
            report = recomputed(staging, entry, truth_paths, tuned_on, runways, warn=False)
            write_json(report, staging / SCORE)
            _forget(folder, entry)
    return report


def _mended_rows(results: str | Path, truth_paths: Paths) -> list[dict[str, Any]]:
    """Detections of a submitted file; each kind of slip mended in it is told on stderr."""
    read = read_results(results, read_truth(truth_paths))
    read.tell()
    return read.rows


def _forget(folder: Path, entry: StoredEntry) -> None:
    """What a former entry leaves that does not belong to the new one: validation, and measured cost."""
    if entry.validation_sha256 is None:
        (folder / VALIDATION).unlink(missing_ok=True)
    former = folder / RESULTS
    if former.is_file() and sha256_file(former) != entry.results_sha256 and (folder / COST).is_file():
        (folder / COST).unlink()
        print(f"lard: {folder / COST}: of the former results, removed; measure it again", file=sys.stderr)


def _one_choice(card: Card, card_path: str | Path, validated: bool) -> None:
    """The operating point comes from validation results or from the card, never from the test pictures."""
    if validated and card.score_threshold is not None:
        raise DataError(
            f"{card_path}: score_threshold: {card.score_threshold:g} is stated and validation results are"
            " given as well; keep one"
        )
    if not validated and card.score_threshold is None:
        raise DataError(
            f"{card_path}: score_threshold is missing; state the score from which detections count, or give"
            " the results of the validation pictures with --val"
        )


def recomputed(
    folder: Path,
    entry: StoredEntry,
    truth_paths: Paths,
    validation_truth: Paths | None,
    runways: str = SHIPPED,
    *,
    warn: bool = True,
) -> dict[str, Any]:
    """The score report of an entry from its results; nothing is taken from its score file."""
    return score_report(
        truth_paths,
        folder / RESULTS,
        entry.card.name,
        _facts(entry.card) | {"entry_sha256": sha256_file(folder / ENTRY)},
        _choice(folder, entry, validation_truth, warn),
        _origin(entry.card, truth_paths, validation_truth if entry.validation_sha256 else None),
        runways,
        replace(INTEGRITY, corner_sigma_px=entry.card.corner_sigma_px),
        warn=warn,
    )


def _choice(folder: Path, entry: StoredEntry, validation_truth: Paths | None, warn: bool) -> Choice:
    if entry.validation_sha256 is None:
        if entry.card.score_threshold is None:
            raise DataError(f"{folder / ENTRY}: neither threshold nor validation results; add it again")
        return stated(entry.card.score_threshold)
    if validation_truth is None or truth_sha256(validation_truth) != entry.validation_truth_sha256:
        raise DataError(
            f"{folder}: its validation results are for another validation set; add the submission again"
        )
    if entry.validation_truth_sha256 == entry.truth_sha256:
        raise DataError(
            f"{folder}: the validation pictures are those that are scored; enter results on another split"
        )
    budget = entry.false_alarms_per_image
    return chosen_on_validation(validation_truth, folder / VALIDATION, budget, warn=warn)


def _facts(card: Card) -> dict[str, Any]:
    apart = {"name", "dataset_sha256", "score_threshold", "trained_airports", "corner_sigma_px"}
    return {key: value for key, value in card.model_dump(exclude=apart).items() if value not in (None, "")}


def _origin(card: Card, truth_paths: Paths, validation_truth: Paths | None) -> dict[str, Any]:
    origin = provenance(truth_paths, tuned_on=validation_truth)
    return origin | {"airports": with_training(origin["airports"], card.trained_airports, "card")}


def rebuilt(
    truth_paths: Paths, board: str | Path, validation_truth: Paths | None, runways: str = SHIPPED
) -> tuple[list[Path], list[str]]:
    """Score files of a board, each made again from its results, and a line for each that differed.

    Results that are not those entered, and entries for another dataset, are refused.
    """
    truth_hash = truth_sha256(truth_paths)
    folders = sorted(
        {path.parent for name in (ENTRY, SCORE, RESULTS) for path in Path(board).glob(f"*/{name}")}
    )
    if not folders:
        raise DataError(f"{board}: no submissions; add one with lard leaderboard add")
    entries, faults = {}, []
    for folder in folders:
        try:
            entries[folder] = read_entry(folder)
            faults += changes(folder, entries[folder], truth_hash)
        except DataError as error:
            faults.append(str(error))
    faults += at_odds(entries)
    if faults:
        raise DataError("\n".join(faults))
    mended = []
    with folder_lock(board):
        for folder, entry in entries.items():
            report = recomputed(folder, entry, truth_paths, validation_truth, runways)
            if line := difference(folder / SCORE, report):
                mended.append(line)
                write_json(report, folder / SCORE)
    return [folder / SCORE for folder in entries], mended


def validation_paths(datasets: Paths) -> list[Path]:
    """The COCO files of the validation split that datasets have."""
    paths = [folder / "coco" / "val.json" for folder in several(datasets)]
    return [path for path in paths if path.is_file()]
