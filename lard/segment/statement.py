"""What is stated of a model's masks on pictures of a dataset: how right they are, and what stays so."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from lard.detect.checkpoint import Checkpoint, load_segmenter
from lard.detect.data import Picture, read_pictures
from lard.detect.masks import check_outlines
from lard.errors import ModelError
from lard.robust.certificates import checked_radii
from lard.robust.certify import SLACK, logit_threshold
from lard.robust.subject import evenly, sizes_of, zone_of
from lard.score.truth import Paths, coco_paths, read_truth, truth_sha256
from lard.segment.knapsack import (
    Margins,
    cost_of_hiding,
    cost_of_iou,
    least_iou,
    least_joint_iou,
    most_alarms,
    most_missed,
    most_wrong,
)
from lard.segment.reading import Seen, best_score, read_all
from lard.tables import sha256_file

FORMAT = "lard-segmentation-1"
TARGET_IOU, TARGET_SHARE = 0.5, 0.1
"""Degradations whose eps is stated: IoU of a picture down to the first, this share of found pixels hidden."""
CLAIMS = {
    "certified_pixel_accuracy": "mean over pictures of the share of known pixels that stay right",
    "certified_iou": "IoU of all runway pixels of all pictures, each picture attacked with its own eps, is no"
    " lower: hidden and fabricated pixels paid from one budget",
    "certified_picture_iou": "mean over pictures with a required runway of the IoU that each keeps at least",
    "certified_false_negative_rate": "share of all runway pixels that are missed, at most",
    "fabricated_pixels_per_picture": "pixels off the runways that are seen as runway, at most, the whole"
    " budget spent on them",
}
CLEAN = -1.0
"""A budget that buys nothing, not even pixels whose logit is the threshold."""
Watch = Callable[[Sequence[Picture]], Iterable[Picture]]
"""Hands on pictures one by one, telling how far it is."""


@dataclass(frozen=True, slots=True)
class Studied:
    """A segmenter, the pictures it is looked at on, and from which logit a pixel is runway."""

    checkpoint: Checkpoint
    weights_sha256: str
    pictures: list[Picture]
    threshold: float
    about: dict[str, Any]


def studied(file: Path, datasets: Paths, split: str, score: float, limit: int | None) -> Studied:
    """Open a segmenter for at most `limit` pictures of a split, evenly drawn; bad input is refused here."""
    checkpoint = load_segmenter(file)
    threshold = logit_threshold(score, checkpoint.net.spec.temperature)
    paths = coco_paths(datasets, split)
    for path in paths:
        check_outlines(read_truth(path), str(path))
    every = read_pictures(datasets, split)
    pictures = evenly(every, limit)
    weights = sha256_file(file)
    about = {
        "format": FORMAT,
        "model": checkpoint.name,
        "family": checkpoint.net.spec.family,
        "L": checkpoint.bound.constant if checkpoint.bound else None,
        "checkpoint_sha256": weights,
        "truth_sha256": truth_sha256(paths),
        "split": split,
        "pictures": len(pictures),
        "pictures_in_split": len(every),
        "picture_sizes_px": sizes_of(pictures),
        "score": score,
        "logit": threshold,
        "norm": "L2 over the whole picture, red, green and blue values in [0, 1]",
    }
    return Studied(checkpoint, weights, pictures, threshold, about)


def seen_in(of: Studied, folder: Path | None = None, watch: Watch = list) -> list[Seen]:
    """What the model sees in its pictures, one pass each; the folder keeps it for other runs."""
    return list(read_all(of.checkpoint, watch(of.pictures), of.threshold, of.weights_sha256, folder))


def scored(of: Studied, seen: Sequence[Seen]) -> dict[str, Any]:
    """How right the masks of the clean pictures are, together and by zone."""
    zones: dict[str, list[Margins]] = {}
    for picture, one in zip(of.pictures, seen, strict=True):
        zones.setdefault(zone_of(picture), []).append(one.margins)
    by_zone = {zone: measured([(m, CLEAN) for m in every]) for zone, every in sorted(zones.items())}
    score, iou = best_score(seen)
    return {
        "clean": measured([(one.margins, CLEAN) for one in seen]),
        "by_zone": by_zone,
        "best": {"score": score, "iou": _rounded(iou)},
    }


def certified(of: Studied, seen: Sequence[Seen], radii: Sequence[float]) -> dict[str, Any]:
    """What no perturbation of each norm does to the masks; ModelError for a model without a constant."""
    reaches = [one.reach for one in seen if one.reach is not None]
    if of.checkpoint.bound is None or len(reaches) != len(seen):
        raise ModelError(
            f"{of.checkpoint.name}: has no Lipschitz constant to certify with; use a lip-seg model"
        )
    radii = checked_radii(radii, sizes_of(of.pictures))
    by_eps = {
        f"{eps:g}": _named(measured([(s.margins, r.budget(eps)) for s, r in zip(seen, reaches, strict=True)]))
        for eps in radii
    }
    table = pictures_table(of, seen)
    return {
        "claims": CLAIMS,
        "by_eps": by_eps,
        "degradation": {
            "iou_target": TARGET_IOU,
            "hidden_share": TARGET_SHARE,
            "eps_to_iou_quartiles": _quartiles(table["eps_to_iou"]),
            "eps_to_hide_quartiles": _quartiles(table["eps_to_hide"]),
        },
        "arithmetic": {
            "computed_in": "float32",
            "relative_slack": SLACK,
            "absolute_slack_logits": _rounded(max(reach.rounding for reach in reaches)),
        },
    }


def measured(given: Sequence[tuple[Margins, float]]) -> dict[str, float | None]:
    """Measures of pictures, each under the worst displacement of a squared norm; CLEAN: as they are."""
    every, budgets = [margins for margins, _ in given], [budget for _, budget in given]
    accuracies = [1 - most_wrong(m, b) / m.known for m, b in given if m.known]
    ious = [least_iou(m, b) for m, b in given if m.runway]
    runway = sum(margins.runway for margins in every)
    missed = sum(most_missed(m, b) for m, b in given)
    return {
        "pixel_accuracy": _mean(accuracies),
        "iou": _rounded(least_joint_iou(every, budgets)),
        "picture_iou": _mean(ious),
        "false_negative_rate": _rounded(missed / runway) if runway else None,
        "alarm_pixels_per_picture": _mean([most_alarms(m, b) for m, b in given]),
    }


def _named(found: dict[str, float | None]) -> dict[str, float | None]:
    names = (
        "certified_pixel_accuracy",
        "certified_iou",
        "certified_picture_iou",
        "certified_false_negative_rate",
        "fabricated_pixels_per_picture",
    )
    return dict(zip(names, found.values(), strict=True))


def pictures_table(of: Studied, seen: Sequence[Seen]) -> pl.DataFrame:
    """One row per picture: its pixels, IoU, and the norms at which it can be degraded."""
    rows = []
    for picture, one in zip(of.pictures, seen, strict=True):
        margins, reach = one.margins, one.reach
        costs = np.array([cost_of_iou(margins, TARGET_IOU), cost_of_hiding(margins, TARGET_SHARE)])
        eps = reach.radii(costs) if reach else np.full(2, math.nan)
        rows.append(
            {
                "image_id": picture.image_id,
                "frame_id": str(picture.info.get("frame_id") or picture.path.stem),
                "airport": picture.info.get("airport"),
                "zone": zone_of(picture),
                "runway_pixels": margins.runway,
                "found_pixels": len(margins.found),
                "alarm_pixels": margins.alarms,
                "iou": _rounded(len(margins.found) / margins.union) if margins.runway else None,
                "eps_to_iou": _rounded(float(eps[0])),
                "eps_to_hide": _rounded(float(eps[1])),
            }
        )
    return pl.DataFrame(rows, schema=TABLE)


TABLE: dict[str, Any] = {
    "image_id": pl.Int64, "frame_id": pl.String, "airport": pl.String, "zone": pl.String,
    "runway_pixels": pl.Int64, "found_pixels": pl.Int64, "alarm_pixels": pl.Int64, "iou": pl.Float64,
    "eps_to_iou": pl.Float64, "eps_to_hide": pl.Float64,
}  # fmt: skip
"""Columns of the table of pictures; eps are L2 norms of pixels in [0, 1]."""


def _quartiles(values: pl.Series) -> list[float | None]:
    known = values.drop_nulls().to_numpy()
    return [_rounded(float(q)) for q in np.quantile(known, (0.25, 0.5, 0.75))] if len(known) else [None] * 3


def _mean(values: Sequence[float]) -> float | None:
    return _rounded(float(np.mean(values))) if len(values) else None


def _rounded(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
