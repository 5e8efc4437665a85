"""The report of certificates: a ladder of claims for each eps, and curves over the threshold."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.errors import DataError
from lard.robust.budget import fabricated, hidden, trades, worst_precision
from lard.robust.cells import Cells
from lard.robust.certify import SLACK, Floats, logit_threshold
from lard.robust.erasure import ESTIMATE
from lard.robust.exact_erasure import METHOD as EXACT
from lard.robust.kept_boxes import certified_ap50, certified_recall
from lard.robust.subject import Point, Subject, boxed, runways_table, sizes_of, zone_of
from lard.score.evaluation import Evaluation
from lard.score.points import measured_at

NO_BOXES = "boxes of this model carry no certificate: its regression branch is not Lipschitz"
CLAIMS = {
    "certified_firing_recall": "share of required runways where a location goes on firing whose clean box"
    " overlaps it by half, whatever a perturbation of norm eps does to its picture",
    "certified_overlap_recall": f"not certified ({NO_BOXES}); clean share: it fires and a kept box holds half"
    " of it",
    "certified_box_recall": f"not certified ({NO_BOXES}); clean share: it fires and a kept box has IoU 0.5",
    "quiet_pictures": "share of pictures where no location off the labelled runways can be made to fire; off:"
    " its centre lies more than its stride outside of their boxes",
    "fabricated_locations_per_picture": "bound on the locations off the runways that fire together, before"
    " non-maximum suppression",
    "never_silent_pictures": "share of pictures with a required runway where something goes on firing",
    "worst_precision": "bound on runways that fire / (these + locations off the runways that fire), where the"
    " attacker shares one eps per picture among both",
    "ceiling": "share of required runways whose erasure energy E is at least eps (`erasure` says which are"
    " exact and which estimated): a model that"
    " falls silent without the runway cannot certify more",
    "ceiling_balanced": "the same with E / 2: its threshold lies half-way between both pictures",
}
BOX_CLAIMS = {
    "certified_overlap_recall": "share of required runways of which a kept box of the operating point holds"
    " half, whatever a perturbation of norm eps does: that of certified_box_recall, which implies it",
    "certified_box_recall": "share of required runways with which a kept box of the operating point has IoU"
    " 0.5, after non-maximum suppression, whatever a perturbation of norm eps does to its picture",
    "certified_AP50": "lower bound of AP50 where every picture is perturbed with norm eps",
}
"""In place of those, of a model whose boxes share the constant of its logits."""
SWEEP = 48
"""Thresholds of the curves at most."""


def checked_radii(radii: Sequence[float], sizes: Mapping[str, int]) -> list[float]:
    """The radii, smallest first; DataError for those that no perturbation can have."""
    least = min(math.prod(map(int, name.split("x"))) for name in sizes)
    for eps in radii:
        if not (math.isfinite(eps) and 0 < eps <= math.sqrt(3 * least)):
            raise DataError(
                f"eps {eps:g}: expected L2 norms of whole pictures in [0, 1], above 0 and at most"
                f" {math.sqrt(3 * least):.0f}, which turns black into white"
            )
    return sorted({float(f"{eps:g}") for eps in radii})  # as reports name them


def document_of(subject: Subject, point: Point, radii: Sequence[float]) -> dict[str, Any]:
    """Everything stated about a model on these pictures, curves included; no clocks, no paths."""
    sizes = sizes_of(subject.pictures)
    radii = checked_radii(radii, sizes)
    threshold = logit_threshold(point.score, subject.temperature)
    costs = [one.costs(threshold) for one in subject.cells]
    evaluation = subject.evaluation()
    table = runways_table(subject, point)
    return {
        "norm": "L2 over the whole picture, red, green and blue values in [0, 1]",
        "picture_sizes_px": sizes,
        "eps_in_grey_levels": _in_grey_levels(sizes, radii),
        "arithmetic": {
            "computed_in": "float32; bfloat16 rounds by more than any radius and is not certified",
            "relative_slack": SLACK,
            "absolute_slack_logits": _rounded(max(one.reach.rounding for one in subject.cells)),
        },
        "threshold": {"score": point.score, "logit": _rounded(threshold), "chosen_on": point.chosen_on},
        "runways": len(table),
        "clean": _clean(table, measured_at(evaluation, point.score), subject, threshold),
        "claims": CLAIMS | (BOX_CLAIMS if boxed(subject, 0.0) else {}),
        "by_eps": {f"{eps:g}": _rungs(subject, costs, threshold, eps, table) for eps in radii},
        "radii": _radii(subject, threshold, table),
        "erasure": {**_how(table), **_by_zone(subject, costs, radii, table)},
        "curves": curves(subject, point, evaluation, radii),
    }


def certified_firing_recall(cells: Sequence[Cells], costs: Sequence[Floats], eps: float) -> float | None:
    """Share of required runways that fire under any perturbation of norm eps per picture; None without any.

    The attacker of a picture spends its budget of squared logit displacement on the cheapest runways first.
    """
    total = sum(map(len, costs))
    lost = sum(hidden(cost, one.reach.budget(eps)) for one, cost in zip(cells, costs, strict=True))
    return 1 - lost / total if total else None


def fabricated_per_picture(
    cells: Sequence[Cells], threshold: float, radii: Sequence[float]
) -> NDArray[np.int64]:
    """Bound on the locations off the runways that can be made to fire: (pictures, radii)."""
    return np.stack(
        [
            fabricated(
                one.making(threshold), one.off_count, np.array([one.reach.budget(eps) for eps in radii])
            )
            for one in cells
        ]
    )


def silence_radii(cells: Sequence[Cells], threshold: float) -> Floats:
    """Norm of pixels below which no location off the runways can be made to fire, per picture."""
    return np.array(
        [one.reach.radii(one.making(threshold)).min() if len(one.off) else math.inf for one in cells]
    )


def _rungs(
    subject: Subject, costs: Sequence[Floats], threshold: float, eps: float, table: pl.DataFrame
) -> dict[str, Any]:
    """What holds for one eps."""
    made = fabricated_per_picture(subject.cells, threshold, [eps])
    energies = table["erasure_energy"].to_numpy()
    silence = [
        one.silence(threshold) > one.reach.budget(eps)
        for one, cost in zip(subject.cells, costs, strict=True)
        if len(cost)
    ]
    choices = [
        trades(cost, one.making(threshold), one.off_count, one.reach.budget(eps))
        for one, cost in zip(subject.cells, costs, strict=True)
    ]
    worst = worst_precision([int((cost > 0).sum()) for cost in costs], choices)
    return {
        "certified_firing_recall": _rounded(certified_firing_recall(subject.cells, costs, eps)),
        **_box_rungs(subject, threshold, eps),
        "quiet_pictures": _rounded(float((made == 0).mean())),
        "fabricated_locations_per_picture": _rounded(float(made.mean())),
        "never_silent_pictures": _share(silence),
        "worst_precision": _rounded(worst),
        "ceiling": _share(energies >= eps),
        "ceiling_balanced": _share(energies / 2 >= eps),
    }


def _box_rungs(subject: Subject, threshold: float, eps: float) -> dict[str, float | None]:
    """Rungs about kept boxes, None where these carry no certificate; IoU 0.5 means holding half at least."""
    pictures = boxed(subject, eps)
    if pictures is None:
        return {"certified_overlap_recall": None, "certified_box_recall": None}
    floor = subject.plan.score_floor  # below it prediction keeps nothing
    lowest = logit_threshold(floor, subject.temperature) if floor > 0 else -math.inf
    threshold = max(threshold, lowest)
    recall = _rounded(certified_recall(pictures, threshold, subject.plan))
    best = np.concatenate([one.field.logits[:1] for one in pictures])
    sweep = np.quantile(best, np.linspace(0, 1, SWEEP)) - 1e-6 if len(best) else []
    thresholds = sorted({threshold, *(max(float(one), lowest) for one in sweep)})
    ap50 = _rounded(certified_ap50(pictures, thresholds, subject.plan))
    return {"certified_overlap_recall": recall, "certified_box_recall": recall, "certified_AP50": ap50}


def _clean(
    table: pl.DataFrame, measured: Mapping[str, Any], subject: Subject, threshold: float
) -> dict[str, Any]:
    """What holds of the pictures as they are, without slack."""
    firing = [int((one.off > threshold).sum()) for one in subject.cells]
    return {
        "firing_recall": _share(table["fires"]),
        "overlap_recall": _share(table["kept_overlaps"]),
        "box_recall": _share(table["kept_iou50"]),
        "locations_off_runways_per_picture": _rounded(float(np.mean(firing))),
        "as_scored": {
            name: _rounded(measured[name]) for name in ("precision", "recall", "false_alarms_per_image")
        },
    }


def _radii(subject: Subject, threshold: float, table: pl.DataFrame) -> dict[str, Any]:
    """The middle of the radii, and how much of the possible they are."""
    silence = silence_radii(subject.cells, threshold)
    return {
        "firing_median": _median(table["firing_radius"]),
        "firing_to_erasure_energy_median": _median(table["radius_to_energy"]),
        "above_erasure_energy": int((table["firing_radius"] > table["erasure_energy"]).sum()),
        "no_fabrication_median": _median(silence),
        "no_fabrication_above_zero": _share(silence > 0),
    }


def _how(table: pl.DataFrame) -> dict[str, Any]:
    """How the energies were had, and of how many runways in which way."""
    exact = int((table["erasure_method"] == "exact").sum())
    counts = {"exact": exact, "estimate": len(table) - exact}
    methods = {"exact": EXACT, "estimate": ESTIMATE}
    told = "; ".join(methods[name] for name, count in counts.items() if count) or ESTIMATE
    return {"method": told, "runways_by_method": counts}


def _by_zone(
    subject: Subject, costs: Sequence[Floats], radii: Sequence[float], table: pl.DataFrame
) -> dict[str, Any]:
    """Erasure energy and certified firing recall of all pictures, and of those of each zone."""
    places: dict[str, list[int]] = {}
    for place, picture in enumerate(subject.pictures):
        places.setdefault(zone_of(picture), []).append(place)

    def summary(chosen: Sequence[int], rows: pl.DataFrame) -> dict[str, Any]:
        cells, spent = [subject.cells[k] for k in chosen], [costs[k] for k in chosen]
        certified = {f"{eps:g}": _rounded(certified_firing_recall(cells, spent, eps)) for eps in radii}
        energies = rows["erasure_energy"].to_numpy()
        quartiles = np.quantile(energies, (0.25, 0.5, 0.75)).tolist() if len(energies) else [None] * 3
        return {
            "runways": len(rows),
            "energy_quartiles": [_rounded(value) for value in quartiles],
            "firing_recall": _share(rows["fires"]),
            "certified_firing_recall": certified,
            "radius_to_energy_median": _median(rows["radius_to_energy"]),
        }

    zones = {zone: summary(found, table.filter(pl.col("zone") == zone)) for zone, found in places.items()}
    return {"all": summary(range(len(subject.pictures)), table), "by_zone": zones}


def curves(
    subject: Subject, point: Point, evaluation: Evaluation, radii: Sequence[float]
) -> dict[str, list[float | None] | dict[str, list[float | None]]]:
    """Certified firing recall against false alarms per clean picture, for thresholds from high to low."""
    scores = _sweep(subject, point)
    found: dict[str, Any] = {"score": scores, "false_alarms_per_picture": [], "firing_recall": []}
    found |= {"certified_firing_recall": {f"{eps:g}": [] for eps in radii}}
    found |= {"fabricated_locations_per_picture": {f"{eps:g}": [] for eps in radii}}
    for score in scores:
        threshold = logit_threshold(score, subject.temperature)
        costs = [one.costs(threshold) for one in subject.cells]
        alarms = measured_at(evaluation, score)["false_alarms_per_image"]
        found["false_alarms_per_picture"].append(_rounded(alarms))
        fires = np.concatenate([*costs, np.empty(0)]) > 0
        found["firing_recall"].append(_share(fires))
        made = fabricated_per_picture(subject.cells, threshold, radii).mean(axis=0)
        for eps, mean in zip(radii, made.tolist(), strict=True):
            recall = certified_firing_recall(subject.cells, costs, eps)
            found["certified_firing_recall"][f"{eps:g}"].append(_rounded(recall))
            found["fabricated_locations_per_picture"][f"{eps:g}"].append(_rounded(mean))
    return found


def _sweep(subject: Subject, point: Point) -> list[float]:
    """Scores at which runways begin to fire, thinned out, and the operating point; the highest first."""
    best = np.array([logits[0] for one in subject.cells for logits in one.own if len(logits)])
    if len(best):
        best = np.quantile(best, np.linspace(0, 1, SWEEP))
    scores = 1 / (1 + np.exp(-best * subject.temperature))
    kept = {min(max(math.floor(score * 1e6) / 1e6, 1e-6), 1 - 1e-6) for score in scores}
    return sorted(kept | {point.score}, reverse=True)


def _in_grey_levels(sizes: Mapping[str, int], radii: Sequence[float]) -> dict[str, dict[str, float]]:
    """Root mean square change, in grey levels of 255, of perturbations of each eps, by picture size."""
    values = {name: 3 * math.prod(map(int, name.split("x"))) for name in sizes}
    return {
        name: {f"{eps:g}": round(255 * eps / math.sqrt(count), 6) for eps in radii}
        for name, count in values.items()
    }


def _share(flags: Any) -> float | None:
    found = np.asarray(flags, bool)
    return _rounded(float(found.mean())) if len(found) else None


def _median(values: Any) -> float | None:
    known = np.array([value for value in values if value is not None], np.float64)
    return _rounded(float(np.median(known))) if len(known) else None


def _rounded(value: float | None) -> float | None:
    return round(value, 6) if value is not None and math.isfinite(value) else None
