"""Tables of the leaderboard beyond the metrics: differences, runways mistaken, errors of boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lard.score.evaluation import Evaluation

ALL_PAIRS = 5
"""Up to so many models every pair is compared; of more, each with the best."""


def differences(evaluations: Mapping[str, Evaluation]) -> list[dict[str, Any]]:
    """Paired differences of AP50 and AP between models over the same draws of airports; best model first."""
    from lard.score.resampling import difference_of, resampled
    from lard.score.slices import slices

    models = list(evaluations)
    if len(models) < 2:
        return []
    airports = slices(evaluations[models[0]].truth).get("airport", {})
    whole = {model: judged.metrics() for model, judged in evaluations.items()}
    draws = {model: resampled(judged, airports) for model, judged in evaluations.items()}
    pairs = combinations(models, 2) if len(models) <= ALL_PAIRS else [(models[0], m) for m in models[1:]]
    return [
        {
            "pair": f"{better} minus {other}",
            "airports": len(airports),
            **{
                metric: difference_of(whole[other], whole[better], draws[other], draws[better], metric)
                for metric in ("AP50", "AP")
            },
        }
        for better, other in pairs
    ]


def confusion_rows(details: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Per model: what its best detection is in pictures with several runways, and runways found by order."""
    rows = []
    for model, detail in details.items():
        table = detail.get("confusion")
        if not table or not table.get("images"):
            continue
        images = table["images"]
        rows.append(
            {
                "model": model,
                "images": images,
                "score": table["score"],
                "best": [table["best_detection"][k] / images for k in BEST],
                "target": [table["target"][k] / images for k in TARGET],
                "order": {k: v["found"] / v["runways"] for k, v in sorted(table["order"].items())},
            }
        )
    return rows


BEST = {
    "target": "best is target", "other": "best is other", "background": "best is background",
    "nothing": "none",
}  # fmt: skip
TARGET = {"found": "target found", "other_instead": "other instead", "missed": "nothing found"}
ERRORS = (
    ("corner_px", "corner, px"),
    ("centre_px", "centre, px"),
    ("bearing_deg", "bearing, °"),
    ("offset_m", "offset at the runway, m"),
)


def localisation_rows(details: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Per model: errors of its boxes as (median, 95 %), None where not defined."""
    rows = []
    for model, detail in details.items():
        table = detail.get("localisation")
        if table and table.get("matched"):
            cells = [(table[key]["median"], table[key]["p95"]) if key in table else None for key, _ in ERRORS]
            rows.append({"model": model, "matched": table["matched"], "cells": cells})
    return rows


def orders(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Places of runways by distance that any model's table has."""
    return sorted({name for row in rows for name in row["order"]})
