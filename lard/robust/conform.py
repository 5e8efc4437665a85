"""What conformal prediction states of a detector: boxes, whole pictures, firing; and what holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lard.errors import DataError
from lard.robust.clusters import (
    Groups,
    alpha_text,
    check_alpha,
    exact_interval,
    smallest_alpha,
    summary,
)
from lard.robust.keeping import Certified, firing_score
from lard.robust.margins import Margins, Method, Sides, calibrate
from lard.robust.matched import NONE, Matched
from lard.robust.risk import Pictures, Risk, allowed_alpha, picture_risk, pictures_of, risk_found
from lard.score.boxes import Floats

Unit = Literal["airport", "runway"]
WHOLE = "all"
SIDE_NAMES = ("left", "top", "right", "bottom")
DEFAULT_ALPHA = 0.1
ALPHAS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)


@dataclass(frozen=True, slots=True)
class Claim:
    """What is to be stated, and of which detections."""

    score: float  # from which detections count
    alpha: float | None = None  # the least of DEFAULT_ALPHA and more that the calibration airports allow
    unit: Unit = "airport"
    method: Method = "multiplicative"
    sides: Sides = "together"
    alpha_missed: float | None = None
    stated: bool = False  # the score was not chosen on the calibration pictures
    certified: Certified | None = None
    eps: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """The rules of one group of pictures; None where its calibration pictures support none."""

    margins: Margins | None
    pictures: Risk | None
    firing: float | None
    why_not: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Labelled:
    """Matched runways, and the group that each picture belongs to."""

    found: Matched
    labels: NDArray[np.str_]  # (pictures,)

    def of(self, label: str) -> Matched:
        """The pictures of one group."""
        return self.found.of_pictures(self.labels == label)


def labelled(found: Matched, groups: Mapping[str, Sequence[int]] | None = None) -> Labelled:
    """Give pictures their groups, by names with the image ids of each; all are one group without them."""
    if groups is None:
        return Labelled(found, np.full(len(found.image_ids), WHOLE))
    by_id = {image_id: name for name, ids in groups.items() for image_id in ids}
    names = [by_id.get(int(image_id), "") for image_id in found.image_ids]
    return Labelled(found, np.array(names, np.str_))


def settled_alpha(found: Matched, claim: Claim) -> float:
    """The alpha that is claimed: as stated, else the least of DEFAULT_ALPHA and more that can be had."""
    if claim.alpha is not None:
        check_alpha(claim.alpha)
    kept = found.of_runways(found.found(claim.score))
    groups = groups_of(kept, claim.unit)
    least = (4 if claim.sides == "each" else 1) * smallest_alpha(groups)
    unit = "airports" if claim.unit == "airport" else "runways"
    count = len(np.unique(groups))
    asked = DEFAULT_ALPHA if claim.alpha is None else claim.alpha
    if least >= 1 or (claim.alpha is not None and asked < least - 1e-9):
        allowed = f"no alpha below {alpha_text(least)}" if least < 1 else "no statement at all"
        remedy = f"raise --alpha to {alpha_text(least)}, " if least < 1 else ""
        assume = ", or take runways for exchangeable with --unit runway" if unit == "airports" else ""
        raise DataError(
            f"{count} calibration {unit} with a runway found allow {allowed};"
            f" {remedy}calibrate on more {unit}{assume}"
        )
    return max(asked, least)


def groups_of(found: Matched, unit: Unit) -> Groups:
    """What is exchangeable: the airport of each runway, or each runway for itself: (runways,)."""
    if unit == "runway":
        return np.arange(len(found.scores))
    airports = found.runway_airports
    if (airports == "").any():
        raise DataError(
            f"{int((airports == '').sum())} runways are in pictures that name no airport; write `airport`"
            " into the COCO images, or take runways for exchangeable with --unit runway"
        )
    return airports


def rules_of(found: Matched, claim: Claim, alpha: float) -> Group:
    """Learn margins, the rule of pictures and the threshold of firing from one group of pictures."""
    why: dict[str, str] = {}
    kept = found.of_runways(found.found(claim.score))
    margins = None
    try:
        airports = groups_of(kept, claim.unit) if claim.unit == "airport" else None
        margins = calibrate(kept.predicted, kept.wanted, alpha, claim.method, claim.sides, airports)
    except DataError as error:
        why["boxes"] = str(error)
    if not len(found.scores):
        return Group(None, None, None, why | dict.fromkeys(("pictures", "firing"), "no required runway"))
    by_airport = claim.unit == "airport"
    score = claim.score if claim.stated else None
    risk = picture_risk(found, alpha, claim.method, claim.alpha_missed, score, by_airport)
    if risk.margins is None:
        why["pictures"] = risk.why_not
    groups = groups_of(found, claim.unit)
    fires = firing_score(found.scores, groups, alpha)
    if fires is None:
        least = smallest_alpha(groups, found.scores == NONE)
        units = f"{len(np.unique(groups))} {claim.unit}s, with the runways that are never found,"
        why["firing"] = f"{units} allow {allowed_alpha(least)}"
    return Group(margins, risk, fires, why)


@dataclass(frozen=True, slots=True)
class Checked:
    """How the rules do on test pictures: per runway, and per picture with a required one."""

    found: NDArray[np.bool_]  # (runways,) from the score on, where its group has margins
    inside: NDArray[np.bool_]  # (runways,) found, and inside the grown box
    outer: Floats  # (runways, 4) grown boxes, NaN where none
    stretch: Floats  # (runways,), NaN where none
    pictures: Pictures
    judged: NDArray[np.bool_]  # (pictures,) whether a rule was there
    lost: NDArray[np.bool_]  # (pictures,)


def check(rules: Mapping[str, Group], test: Labelled, claim: Claim) -> Checked:
    """Apply each group's rules to its test pictures."""
    found = test.found
    labels = test.labels[found.pictures]
    counted = np.zeros(len(found.scores), np.bool_)
    inside = counted.copy()
    outer, stretch = np.full((len(counted), 4), np.nan), np.full(len(counted), np.nan)
    needs = pictures_of(found, claim.method)
    judged = np.zeros(len(needs.places), np.bool_)
    lost = judged.copy()
    for label, rule in rules.items():
        own = found.found(claim.score) & (labels == label)
        if rule.margins is not None:
            counted |= own
            predicted = found.predicted[own]
            inside[own] = rule.margins.holds(predicted, found.wanted[own])
            outer[own], stretch[own] = rule.margins.outer(predicted), rule.margins.stretch(predicted)
        risk = rule.pictures
        if risk is not None and risk.margins is not None and risk.score is not None:
            here = test.labels[needs.places] == label
            judged |= here
            lost |= here & needs.lost(risk.score, float(risk.margins.sides[0]))
    return Checked(counted, inside, outer, stretch, needs, judged, lost)


def airports_table(checked: Checked, test: Matched) -> list[dict[str, Any]]:
    """Coverage of found runways and share of pictures lost in each test airport, with exact intervals."""
    rows = []
    for name in np.unique(test.airports).tolist():
        own = test.runway_airports == name
        pictures = (test.airports[checked.pictures.places] == name) & checked.judged
        found, inside = int((own & checked.found).sum()), int((own & checked.inside).sum())
        lost, count = int((pictures & checked.lost).sum()), int(pictures.sum())
        rows.append(
            {
                "airport": name,
                "runways": int(own.sum()),
                "found": found,
                "inside": inside,
                "coverage": inside / found if found else None,
                "coverage_interval": list(exact_interval(inside, found)) if found else None,
                "stretch": _mean(checked.stretch[own & checked.found]),
                "pictures": count,
                "lost": lost if count else None,
                "lost_interval": list(exact_interval(lost, count)) if count else None,
            }
        )
    return rows


def group_report(rule: Group, calibration: Matched, test: Matched, claim: Claim) -> dict[str, Any]:
    """The rules of one group, their price and what holds on its test pictures."""
    report: dict[str, Any] = {
        "calibration_airports": len(np.unique(calibration.runway_airports)),
        "calibration_runways": len(calibration.scores),
        "calibration_found": int(calibration.found(claim.score).sum()),
        "not_possible": dict(rule.why_not),
        "boxes": None,
        "pictures": None,
        "firing": None,
    }
    if rule.margins is not None:
        found = test.found(claim.score)
        predicted = test.predicted[found]
        inside = rule.margins.holds(predicted, test.wanted[found])
        report["boxes"] = {
            "margins": dict(zip(SIDE_NAMES, rule.margins.sides.tolist(), strict=True)),
            "coverage": summary(inside, test.runway_airports[found]),
            "stretch": _mean(rule.margins.stretch(predicted)),
        }
    risk = rule.pictures
    if risk is not None and risk.margins is not None and risk.score is not None:
        needs = pictures_of(test, claim.method)
        lost = needs.lost(risk.score, float(risk.margins.sides[0]))
        report["pictures"] = {
            "alpha_missed": risk.alpha_missed,
            "score": risk.score,
            "margin": float(risk.margins.sides[0]),
            "lost": summary(lost, test.airports[needs.places]),
            **risk_found(risk, test),
        }
    if rule.firing is not None:
        report["firing"] = _firing(rule.firing, test, claim)
    return report


def _firing(score: float, test: Matched, claim: Claim) -> dict[str, Any]:
    lowest = min(test.false_scores.min(initial=1.0), test.scores[test.scores != NONE].min(initial=1.0))
    lowered = []
    for eps in claim.eps:
        assert claim.certified is not None
        at = claim.certified.lowered(score, eps)
        alarms = test.false_alarms(at)
        # below the lowest score that the results hold there may be more: not seen, not counted
        lowered.append(
            {"eps": eps, "score": at, "false_alarms_per_picture": alarms, "at_least": bool(at < lowest)}
        )
    return {
        "score": score,
        "fires": summary(test.found(score), test.runway_airports),
        "false_alarms_per_picture": test.false_alarms(score),
        "perturbed": lowered,
    }


def reliability(calibration: Matched, test: Matched, claim: Claim) -> list[dict[str, Any]]:
    """Coverage of grown boxes against 1 - alpha for a range of alphas and both units, all pictures as one."""
    kept, other = (found.of_runways(found.found(claim.score)) for found in (calibration, test))
    rows: list[dict[str, Any]] = []
    for unit in ("airport", "runway"):
        if unit == "airport" and ((kept.runway_airports == "").any() or not len(kept.scores)):
            continue
        airports = kept.runway_airports if unit == "airport" else None
        for alpha in ALPHAS:
            try:
                margins = calibrate(kept.predicted, kept.wanted, alpha, claim.method, claim.sides, airports)
            except DataError:  # too few for so small an alpha: the curve begins at a larger one
                continue
            inside = margins.holds(other.predicted, other.wanted)
            rows.append(
                {
                    "unit": unit,
                    "alpha": alpha,
                    "margin": float(margins.sides.max()),
                    "coverage": summary(inside, other.runway_airports),
                    "stretch": _mean(margins.stretch(other.predicted)),
                }
            )
    return rows


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if len(values) else None
