"""Entering the leaderboard: COCO results of any detector, checked, scored and stored with hashes.

An entry is card, results and, if it has any, validation results; its score file is derived from them and
the ground truth, and made again whenever the board is built.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from lard.airports.files import SHIPPED
from lard.documents import checked, read_yaml
from lard.errors import DataError
from lard.score.approaches import INTEGRITY
from lard.score.points import FALSE_ALARMS_PER_IMAGE, Choice, chosen_on_validation, stated
from lard.score.provenance import provenance
from lard.score.scores import score_report
from lard.score.submitted import read_results
from lard.score.truth import Paths, read_truth, several, truth_sha256
from lard.tables import folder_lock, read_json, sha256_file, write_json

ENTRY, RESULTS, VALIDATION, SCORE = "entry.json", "results.json", "validation.json", "score.json"

Checked = TypeVar("Checked", bound=BaseModel)
Line = Annotated[str, Field(max_length=1000)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Card(BaseModel):
    """What a submission says about itself; dataset_sha256 is that of the COCO file it was made for.

    latency_ms is the time of one frame on the hardware named, everything included. score_threshold is the
    score from which its detections count, where it has no validation results. corner_sigma_px is the standard
    deviation of its corners' coordinates, for the integrity test. trained_airports are the codes
    of all airports that its training has seen, in any imagery.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    authors: Line = Field(min_length=1)
    description: Line = ""
    url: Line = ""
    licence: Line = ""
    dataset_sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    parameters: int | None = Field(default=None, ge=0)
    latency_ms: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    hardware: Line = ""
    score_threshold: float | None = Field(default=None, ge=0, le=1)
    corner_sigma_px: float = Field(default=INTEGRITY.corner_sigma_px, gt=0, allow_inf_nan=False)
    trained_airports: tuple[Annotated[str, Field(min_length=1, max_length=40)], ...] | None = None


class StoredEntry(BaseModel):
    """entry.json of a board: the card, and hashes of the files that were entered."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    card: Card
    truth_sha256: Sha256
    results_sha256: Sha256
    validation_truth_sha256: Sha256 | None = None
    validation_sha256: Sha256 | None = None
    false_alarms_per_image: float = Field(default=FALSE_ALARMS_PER_IMAGE, gt=0, allow_inf_nan=False)


def read_card(path: str | Path) -> Card:
    """Read a card (YAML); every fault in one error."""
    path = Path(path)
    return checked(Card, read_yaml(path, absent="write a card with at least name and authors"), path)


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
    rows = read_results(results, read_truth(truth_paths)).rows
    tuned = None if validation is None else read_results(validation[1], read_truth(validation[0])).rows
    with folder_lock(board):
        folder = Path(board) / card.name
        _check_owner(folder, card, replace)
        write_json(rows, folder / RESULTS)
        if tuned is None:
            (folder / VALIDATION).unlink(missing_ok=True)
        else:
            write_json(tuned, folder / VALIDATION)
        entry = StoredEntry(
            card=card,
            truth_sha256=truth_hash,
            results_sha256=sha256_file(folder / RESULTS),
            validation_truth_sha256=None if validation is None else truth_sha256(validation[0]),
            validation_sha256=None if tuned is None else sha256_file(folder / VALIDATION),
            false_alarms_per_image=budget,
        )
        write_json(entry.model_dump(mode="json"), folder / ENTRY)
        tuned_on = None if validation is None else validation[0]
        report = recomputed(folder, entry, truth_paths, tuned_on, runways)
        write_json(report, folder / SCORE)
    return report


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


def _check_owner(folder: Path, card: Card, replace: bool) -> None:
    """An entry is replaced when asked, and by its own authors only."""
    if not (folder / ENTRY).is_file() and not (folder / RESULTS).is_file():
        return
    if not replace:
        raise DataError(
            f"{folder}: an entry of this name is on the board; take another name, or --replace your own"
        )
    owner = read_entry(folder).card.authors
    if owner != card.authors:
        raise DataError(f"{folder}: the entry belongs to {owner!r}, not {card.authors!r}; take another name")


def read_entry(folder: Path) -> StoredEntry:
    """entry.json of an entry's folder, checked."""
    document = read_json(folder / ENTRY, absent="add the submission again")
    return checked(StoredEntry, document, folder / ENTRY)


def recomputed(
    folder: Path,
    entry: StoredEntry,
    truth_paths: Paths,
    validation_truth: Paths | None,
    runways: str = SHIPPED,
) -> dict[str, Any]:
    """The score report of an entry from its results; nothing is taken from its score file."""
    return score_report(
        truth_paths,
        folder / RESULTS,
        entry.card.name,
        _facts(entry.card),
        _choice(folder, entry, validation_truth),
        _origin(entry.card, truth_paths, validation_truth if entry.validation_sha256 else None),
        runways,
        replace(INTEGRITY, corner_sigma_px=entry.card.corner_sigma_px),
    )


def _choice(folder: Path, entry: StoredEntry, validation_truth: Paths | None) -> Choice:
    if entry.validation_sha256 is None:
        if entry.card.score_threshold is None:
            raise DataError(f"{folder / ENTRY}: neither threshold nor validation results; add it again")
        return stated(entry.card.score_threshold)
    if validation_truth is None or truth_sha256(validation_truth) != entry.validation_truth_sha256:
        raise DataError(
            f"{folder}: its validation results are for another validation set; add the submission again"
        )
    return chosen_on_validation(validation_truth, folder / VALIDATION, entry.false_alarms_per_image)


def _facts(card: Card) -> dict[str, Any]:
    apart = {"name", "dataset_sha256", "score_threshold", "trained_airports", "corner_sigma_px"}
    return {key: value for key, value in card.model_dump(exclude=apart).items() if value not in (None, "")}


def _origin(card: Card, truth_paths: Paths, validation_truth: Paths | None) -> dict[str, Any]:
    origin = provenance(truth_paths, tuned_on=validation_truth)
    return origin | {"airports": with_training(origin["airports"], card.trained_airports)}


def with_training(airports: Mapping[str, Any], train: tuple[str, ...] | None) -> dict[str, Any]:
    """The comparison of airports with those that a card says were trained on."""
    if train is None:
        return dict(airports)
    return {
        **airports,
        "train": sorted(set(train)),
        "seen_in_training": sorted({*airports["test"]} & {*train}),
    }


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
            faults += _changed(folder, entries[folder], truth_hash)
        except DataError as error:
            faults.append(str(error))
    if faults:
        raise DataError("\n".join(faults))
    mended = []
    with folder_lock(board):
        for folder, entry in entries.items():
            report = recomputed(folder, entry, truth_paths, validation_truth, runways)
            if line := _difference(folder / SCORE, report):
                mended.append(line)
                write_json(report, folder / SCORE)
    return [folder / SCORE for folder in entries], mended


def _changed(folder: Path, entry: StoredEntry, truth_hash: str) -> list[str]:
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


def _difference(path: Path, report: Mapping[str, Any]) -> str:
    """What a stored score file has that its results do not give, in one line; "" if nothing."""
    try:
        stored = read_json(path)
    except DataError:
        return f"{path}: could not be read; made again from its results"
    if stored == report:
        return ""
    overall = stored.get("overall") if isinstance(stored, dict) else None
    told = overall.get("AP50") if isinstance(overall, dict) else None
    return (
        f"{path}: not what its results give (AP50 {told}, computed {report['overall']['AP50']});"
        " made again from them"
    )


def validation_paths(datasets: Paths) -> list[Path]:
    """The COCO files of the validation split that datasets have."""
    paths = [folder / "coco" / "val.json" for folder in several(datasets)]
    return [path for path in paths if path.is_file()]
