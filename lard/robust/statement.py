"""A conformal statement from files: results on validation pictures calibrate, those on test ones check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from lard.errors import DataError, naming
from lard.robust.clusters import smallest_alpha, summary
from lard.robust.conform import (
    Checked,
    Claim,
    Group,
    Labelled,
    airports_table,
    check,
    group_report,
    labelled,
    reliability,
    rules_of,
    settled_alpha,
)
from lard.robust.contained import average_precisions
from lard.robust.matched import Matched, matched
from lard.score.boxes import corners, extents
from lard.score.evaluation import Evaluation
from lard.score.points import by_budget, no_score
from lard.score.slices import distance_bin
from lard.score.submitted import read_results
from lard.score.truth import Paths, read_truth, several, truth_sha256
from lard.tables import read_json, sha256_file

By = Literal["zone", "distance"]


@dataclass(frozen=True, slots=True)
class Side:
    """One set of pictures: its files, truth, detections, and what of the truth they found."""

    results: Path
    truth_sha256: str
    truth: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]
    labelled: Labelled

    @property
    def found(self) -> Matched:
        """The matched runways."""
        return self.labelled.found


@dataclass(frozen=True, slots=True)
class Statement:
    """The report, and what tables and figures are made of."""

    report: dict[str, Any]
    test: Side
    checked: Checked


def read_side(truth_paths: Paths, results: Path, by: By | None = None) -> Side:
    """Read results with the pictures they are for; a group of pictures per zone or distance where asked."""
    truth = read_truth(truth_paths)
    read = read_results(results, truth)
    read.tell()
    found = matched(truth, read.rows)
    if len(found.scores) and len(read.rows) and not (found.scores >= 0).any():
        raise DataError(
            f"{results}: none of {len(found.scores)} runways is found by {len(read.rows)} detections;"
            " expected the results of these pictures"
        )
    with naming(several(truth_paths)[0]):
        groups = None if by is None else picture_groups(truth, by)
    return Side(results, truth_sha256(truth_paths), truth, read.rows, labelled(found, groups))


def operating_score(side: Side, budget: float) -> float:
    """The lowest score that keeps a budget of false alarms per picture on these pictures."""
    found = by_budget(Evaluation(side.truth, side.rows), budget)
    if found is None:
        raise no_score(side.results, budget)
    return found


def picture_groups(truth: Mapping[str, Any], by: By) -> dict[str, list[int]]:
    """Image ids by zone, or by the distance of the nearest required runway; pictures without one are free."""
    slants: dict[int, list[Any]] = {}
    for note in truth["annotations"]:
        if not note.get("iscrowd"):
            slants.setdefault(int(note["image_id"]), []).append(note.get("slant_m"))
    groups: dict[str, list[int]] = {}
    unnamed = 0
    for image in truth["images"]:
        own = slants.get(int(image["id"]), [])
        if by == "zone":
            name = image.get("zone")
        else:
            name = distance_bin(min(own)) if own and None not in own else None
        if name is not None:
            groups.setdefault(str(name), []).append(int(image["id"]))
        elif own:
            unnamed += 1
    if unnamed:
        raise DataError(f"{unnamed} pictures with runways have no {by}; leave out --by {by}")
    return groups


def check_differ(calibration: Path, results: Path) -> None:
    """DataError where the results that calibrate are those that are checked."""
    if calibration.is_file() and results.is_file() and sha256_file(calibration) == sha256_file(results):
        raise DataError(f"{calibration}: the same results as {results}; calibrate on those of the val split")


def check_same(calibration: Side, test: Side) -> None:
    """DataError where the score file beside the results says they are of other pictures or another model.

    The score stage and `lard score --val` write there which validation results chose the operating point.
    """
    beside = test.results.with_name(f"{test.results.stem}.score.json")
    told = read_json(beside) if beside.is_file() else {}
    if not isinstance(told, dict) or told.get("results_sha256") != sha256_file(test.results):
        return  # of earlier results, or of none: says nothing of these
    if told.get("truth_sha256") not in (None, test.truth_sha256):
        raise DataError(f"{test.results}: scored against other pictures than --data has ({beside.name})")
    tuned = told.get("validation")
    if not isinstance(tuned, dict):
        return
    if tuned.get("truth_sha256") == calibration.truth_sha256 and tuned.get("results_sha256") not in (
        None,
        sha256_file(calibration.results),
    ):
        raise DataError(
            f"{calibration.results}: not the validation results of the model of {test.results}, as"
            f" {beside.name} names them by content; give those"
        )


def check_apart(calibration: Side, test: Side) -> list[str]:
    """DataError where both have the same pictures; else the airports that both have."""
    shared = {str(image["file_name"]) for image in calibration.truth["images"]} & {
        str(image["file_name"]) for image in test.truth["images"]
    }
    if calibration.truth_sha256 == test.truth_sha256 or shared:
        raise DataError(
            f"{calibration.results}: {len(shared)} pictures ({min(shared, default='')} first) are in the val"
            " and the test split; margins are checked on pictures that did not make them"
        )
    return sorted(set(calibration.found.airports.tolist()) & set(test.found.airports.tolist()) - {""})


def state(calibration: Side, test: Side, claim: Claim) -> Statement:
    """Learn the rules from calibration pictures and measure on test pictures what they are worth."""
    check_same(calibration, test)
    shared = check_apart(calibration, test)
    with naming(calibration.results):
        alpha = settled_alpha(calibration.found, claim)
        names = sorted(set(calibration.labelled.labels.tolist()) - {""})
        rules = {name: rules_of(calibration.labelled.of(name), claim, alpha) for name in names}
        if all(rule.margins is None for rule in rules.values()):
            raise DataError("; ".join(f"{name}: {rule.why_not['boxes']}" for name, rule in rules.items()))
    checked = check(rules, test.labelled, claim)
    kept = calibration.found.of_runways(calibration.found.found(claim.score))
    airports = np.unique(kept.runway_airports)
    report = {
        "alpha": alpha,
        "unit": claim.unit,
        "smallest_alpha": (4 if claim.sides == "each" else 1)
        * smallest_alpha(kept.runway_airports if claim.unit == "airport" else np.arange(len(kept.scores))),
        "method": claim.method,
        "sides": claim.sides,
        "score": claim.score,
        "score_chosen_on": "stated" if claim.stated else "calibration pictures",
        "says": _says(claim, alpha),
        "assumes": _assumes(claim, shared),
        "calibration": _about(calibration) | {"airports_with_a_runway_found": len(airports)},
        "test": _about(test),
        "airports_in_both": shared,
        "groups": {
            name: group_report(rule, calibration.labelled.of(name), test.labelled.of(name), claim)
            for name, rule in rules.items()
        },
        "test_groups_without_rules": sorted(set(test.labelled.labels.tolist()) - set(names) - {""}),
        "coverage": summary(checked.inside[checked.found], test.found.runway_airports[checked.found]),
        "airports": airports_table(checked, test.found),
        "average_precision": _precisions(test, rules),
        "reliability": reliability(calibration.found, test.found, claim),
    }
    if claim.certified is not None:
        report["perturbation"] = {
            "norm": "L2 over the whole picture, pixels in [0, 1]",
            "picture_sizes_px": sorted(
                {f"{int(image['width'])}x{int(image['height'])}" for image in test.truth["images"]}
            ),
            "L": claim.certified.constant,
            "temperature": claim.certified.temperature,
        }
    return Statement(report, test, checked)


def _says(claim: Claim, alpha: float) -> dict[str, str]:
    of = "at a new airport" if claim.unit == "airport" else "for a new runway like the calibration ones"
    chance = f"with a chance of at least {1 - alpha:.4g}"
    return {
        "boxes": f"{of}, the grown box of a runway that is found from the score on holds it {chance}",
        "pictures": f"{of}, all required runways of a picture are found and in their grown boxes {chance}",
        "firing": f"{of}, a detection of the stated score or more finds a runway {chance}; with eps, the"
        " location it came from goes on firing at the lowered score under any perturbation of that norm"
        " (before non-maximum suppression; its box may move)",
    }


def _assumes(claim: Claim, shared: Sequence[str]) -> list[str]:
    found = (
        ["calibration airports and the new one are exchangeable: drawn alike"]
        if claim.unit == "airport"
        else [
            "runways are exchangeable, those of one airport too: not true where airports differ, and coverage"
            " at an airport may be far lower"
        ]
    )
    if not claim.stated:
        found.append(
            "the score was chosen on the calibration pictures; margins of boxes are exact for a score stated"
            " beforehand (--score)"
        )
    if claim.certified is not None:
        found.append("the results are those of the stated model, each picture seen once as it is")
    if shared:
        found.append(f"airports {', '.join(shared)} are in both splits: not new ones to be tested on")
    return found


def _about(side: Side) -> dict[str, Any]:
    return {
        "results": side.results.name,
        "results_sha256": sha256_file(side.results),
        "truth_sha256": side.truth_sha256,
        "pictures": len(side.found.image_ids),
        "runways": len(side.found.scores),
        "airports": sorted(set(side.found.airports.tolist()) - {""}),
    }


def _precisions(test: Side, rules: Mapping[str, Group]) -> dict[str, Any]:
    """AP50 and AP of boxes that must hold the runway, as predicted and grown; None where some cannot grow."""
    found: dict[str, Any] = {
        "AP50": Evaluation(test.truth, test.rows).metrics()["AP50"],
        "as_predicted": average_precisions(test.truth, test.rows),
        "grown": None,
    }
    grown = grown_rows(test, rules)
    return found | ({} if grown is None else {"grown": average_precisions(test.truth, grown)})


def grown_rows(test: Side, rules: Mapping[str, Group]) -> list[dict[str, Any]] | None:
    """All detections with grown boxes; None where a group has no margins."""
    label_of = dict(zip(test.found.image_ids.tolist(), test.labelled.labels.tolist(), strict=True))
    grown: list[dict[str, Any]] = [dict(row) for row in test.rows]
    boxes = corners(np.array([row["bbox"] for row in grown], np.float64).reshape(-1, 4))
    labels = np.array([label_of[row["image_id"]] for row in grown], np.str_)
    for label in np.unique(labels).tolist():
        rule = rules.get(label)
        if label == "":
            continue  # no required runway there: whatever is found is a false alarm, grown or not
        if rule is None or rule.margins is None:
            return None
        boxes[labels == label] = rule.margins.outer(boxes[labels == label])
    for row, box in zip(grown, extents(boxes).tolist(), strict=True):
        row["bbox"] = box
    return grown
