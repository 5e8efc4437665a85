"""Tables of the leaderboard beyond the metrics: what was compared, differences, points, mistakes, errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

from lard.detect.cards import ModelCard
from lard.report.entries import MEASURED, Entry, number
from lard.score.inference import METRICS, holm, paired_difference

ALL_PAIRS = 5
"""Up to so many models every pair is compared; of more, each with the best."""
RULES = {
    "false_alarms": "budget of false alarms", "best_f1": "best F1", "stated": "stated by its authors",
}  # fmt: skip


_TOLD = ("name", "split", "odd_name", "odd_version", "odd_sha256", "runway_db", "runway_db_version",
         "tool_version")  # fmt: skip


def statement(entries: Sequence[Entry]) -> dict[str, Any]:
    """What the page may claim of the test airports: which of them trained or tuned which model.

    `unknown` are models whose training airports nobody states, `stated` the airports of those whose card
    alone tells them; `datasets` those that were scored against.
    """
    origins = {entry.model: entry.details.get("provenance") or {} for entry in entries}
    known = {model: origin["airports"] for model, origin in origins.items() if origin}
    first = next((origin for origin in origins.values() if origin), {})
    tested: Mapping[str, Any] = next(iter(known.values()), {})
    return {
        "datasets": [dict.fromkeys(_TOLD) | dataset for dataset in first.get("datasets", [])],
        "truth_sha256": first.get("truth_sha256"),
        "lard": sorted({origin["lard"] for origin in origins.values() if origin}),
        "test": tested.get("test", []),
        "unnamed": tested.get("images_without_airport", 0),
        "trained": {m: found["seen_in_training"] for m, found in known.items() if found["seen_in_training"]},
        "tuned": {
            m: found["seen_in_validation"] for m, found in known.items() if found["seen_in_validation"]
        },
        "unseen": [
            model
            for model, found in known.items()
            if found.get("train") is not None
            and not found["seen_in_training"]
            and not found["seen_in_validation"]
        ],
        "stated": {m: found["train"] for m, found in known.items() if found.get("train_told_by") == "card"},
        "unknown": [model for model in origins if model not in known or known[model].get("train") is None],
    }


def differences(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Differences of AP50 and AP within airports between models, the better named first.

    p_holm is adjusted for the number of pairs.
    """
    if len(entries) < 2:
        return []
    pairs = combinations(entries, 2) if len(entries) <= ALL_PAIRS else ((entries[0], e) for e in entries[1:])
    rows: list[dict[str, Any]] = []
    for better, other in pairs:
        ours, theirs = (entry.slices.get("airport", {}) for entry in (better, other))
        row: dict[str, Any] = {"pair": f"{better.model} minus {other.model}"}
        for metric in METRICS:
            pooled = better.metrics.get(metric), other.metrics.get(metric)
            gap = None if pooled[0] is None or pooled[1] is None else pooled[0] - pooled[1]
            row[metric] = {"difference": gap, **paired_difference(theirs, ours, metric)}
        rows.append(row)
    for metric in METRICS:
        for row, p in zip(rows, holm([row[metric]["p"] for row in rows]), strict=True):
            row[metric]["p_holm"] = p
    return rows


def point_rows(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Per model and rule: threshold, what it was chosen on, what held there and what holds here."""
    rows = []
    for entry in entries:
        points = entry.details.get("operating_points") or {}
        used = (entry.details.get("operating_point") or {}).get("rule")
        for rule in sorted(points, key=lambda rule: (rule != used, [*RULES, rule].index(rule))):
            point = points[rule]
            rows.append(
                {
                    "model": entry.model,
                    "used": rule == used,
                    "rule": RULES.get(rule, rule),
                    "point": point and {"budget": None} | point,
                    "there": (point or {}).get("validation"),
                }
            )
    return rows


def severity_rows(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Per model: plain and weighted AP50 and AP, and both recalls at the operating point."""
    rows = []
    for entry in entries:
        graded = entry.details.get("severity")
        if graded:
            plain = (entry.details.get("operating_point") or {}).get("recall")
            cells = [entry.metrics.get("AP50"), graded["AP50"], entry.metrics.get("AP"), graded["AP"], plain]
            rows.append(
                {"model": entry.model, "cells": [*cells, graded["recall"]], "points": graded["points"]}
            )
    return rows


def shipped_rows(cards: Iterable[ModelCard]) -> list[dict[str, Any]]:
    """Per shipped model and set of pictures what its card states: number, AP50, AP, recall, false alarms."""
    return [
        {
            "model": card.name,
            "on": one.what,
            "cells": [one.pictures, one.AP50, one.AP, one.recall, one.false_alarms_per_image],
        }
        for card in cards
        for one in card.scores
    ]


def cost_rows(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Per model: what was measured, and apart from it what the entry states of its latency."""
    rows = []
    for entry in entries:
        cost = entry.details.get("cost")
        stated = number(entry.facts.get("latency_ms"))
        if cost or stated is not None:
            cells = [number((cost or {}).get(key)) for key in MEASURED]
            about = {"machine": (cost or {}).get("machine"), "threads": (cost or {}).get("threads")}
            hardware = entry.facts.get("hardware") or ""
            rows.append(
                {"model": entry.model, "cells": cells, **about, "stated": stated, "hardware": hardware}
            )
    return rows


def points_of(entries: Sequence[Entry]) -> dict[str, float | None]:
    """The one score per model from which its detections count; None where it has no point."""
    return {entry.model: (entry.details.get("operating_point") or {}).get("score") for entry in entries}


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
