"""Entries of the leaderboard as score files hold them, and the tables of their numbers for other programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lard.errors import DataError
from lard.report.approach_tables import COLUMNS, approach_values
from lard.report.approach_tables import PARTS as APPROACH
from lard.report.page import figures_text
from lard.report.robustness_columns import robustness_columns, robustness_values
from lard.report.scorefile import PARTS, read_cost, read_score

HEADLINE = ("AP", "AP50", "AP75", "AR100")
SLICED = ("AP50", "AP")
INTERVALS = ("AP50", "AP")
ORDER = (
    "far", "medium", "close", "day", "dusk", "night", "IN_ODD", "IN_EXTENDED_ODD", "OUT_OF_ODD",
    "under 16 px", "16-32 px", "32-64 px", "over 64 px",
)  # fmt: skip
"""Slices that have a better order than that of the alphabet."""
TITLES = {"runways": "required runways", "in_view": "runways in view", "protocol": "other protocols"}
ABOUT = {
    "ECE": "ECE",
    "parameters": "parameters",
    "gmac_per_megapixel": "GMAC per megapixel",
    "latency_ms": "latency, ms",
    "lipschitz_constant": "L",
}
"""What is told of a model beside its metrics, with the heading on the page."""
DETAILS = (
    "calibration", "confusion", "localisation", "found_by_airport", "operating_point", "operating_points",
    "intervals", "provenance", "validation", "severity", *APPROACH, "not_computed",
)  # fmt: skip
HIDDEN = ("family", *ABOUT)
HIDDEN_PARTS = ("format",)
DIGITS = {"lipschitz_constant": 7}
"""Significant digits of facts that differ from a whole number in few parts of a million."""
POINT = ("score", "precision", "recall", "f1", "false_alarms_per_image")
"""What the table tells of the operating point, as columns point_*."""
MEASURED = ("latency_ms_median", "latency_ms_p99", "peak_memory_mib", "gmac")
"""What was measured of a model on the machine that the page names, as columns measured_*."""
GRADED = ("AP50", "AP", "recall")
"""Scores weighted by severity, as columns severity_*."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One model: headline metrics as fractions (None where undefined), slices by kind and name, the rest."""

    model: str
    metrics: Mapping[str, float | None]
    slices: Mapping[str, Mapping[str, Mapping[str, Any]]]
    facts: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Ground truth and detections behind the scores; pictures are looked for below `root`."""

    truth: Mapping[str, Any]
    results: Mapping[str, Sequence[Mapping[str, Any]]]
    root: Path


@dataclass(frozen=True, slots=True)
class Board:
    """Models scored on the same pictures, best first.

    `logs` are those of their training by model, `sources` tells what trained and tested them, `attacks` are
    reports of `lard attack` on models of the board.
    """

    entries: Sequence[Entry]
    evidence: Evidence | None = None
    name: str = ""
    sources: Mapping[str, Sequence[str]] = field(default_factory=dict)
    logs: Mapping[str, Path] = field(default_factory=dict)
    attacks: Sequence[Mapping[str, Any]] = ()


def read_entries(paths: Sequence[Path]) -> list[Entry]:
    """Entries of score files of one ground truth, best AP first; DataError names what a file lacks."""
    entries = [_entry(path) for path in paths]
    names = [entry.model for entry in entries]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{', '.join(twice)}: two score files of one model; keep one")
    truths = {_truth(entry) for entry in entries} - {None}
    if len(truths) > 1:
        raise DataError(
            f"{', '.join(names)}: scored against {len(truths)} different ground truths; score all on one"
        )
    return sorted(entries, key=lambda entry: (-(entry.metrics.get("AP") or 0.0), entry.model))


def _entry(path: Path) -> Entry:
    score = read_score(path)
    slices = score.get("slices") or {}
    kinds = sorted(slices, key=lambda kind: (kind != "zone", kind))
    sorted_slices = {kind: {name: slices[kind][name] for name in ordered(slices[kind])} for kind in kinds}
    facts = {
        key: value
        for key, value in score.items()
        if key not in PARTS and key not in HIDDEN_PARTS and not isinstance(value, dict | list)
    }
    facts |= {key: score["overall"][key] for key in ("images", "boxes") if key in score["overall"]}
    details = {key: score[key] for key in DETAILS if isinstance(score.get(key), dict)}
    measured = read_cost(path)
    details |= {"cost": measured} if measured is not None else {}
    facts |= {"ECE": details["calibration"]["ECE"]} if "calibration" in details else {}
    return Entry(score["model"], score["overall"], sorted_slices, facts, details)


def with_sequences(entries: Sequence[Entry], paths: Mapping[str, Path]) -> list[Entry]:
    """Entries with the sequences that score files of flights tell of, in place of their own pictures'."""
    joined = []
    for entry in entries:
        if entry.model not in paths:
            joined.append(entry)
            continue
        told = read_score(paths[entry.model])
        missing = dict(entry.details.get("not_computed", {}))
        missing.pop("sequences", None)
        details = {k: v for k, v in entry.details.items() if k not in ("sequences", "not_computed")}
        if told.get("sequences"):
            details["sequences"] = {**told["sequences"], "provenance": told.get("provenance")}
        else:
            missing["sequences"] = (told.get("not_computed") or {}).get("sequences", "not told")
        details |= {"not_computed": missing} if missing else {}
        joined.append(replace(entry, details=details))
    return joined


def _truth(entry: Entry) -> str | None:
    return (entry.details.get("provenance") or {}).get("truth_sha256")


def ordered(names: Iterable[str]) -> list[str]:
    """Names of slices in the order a reader expects, distances from the nearest on."""
    return sorted(names, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))


def columns(entries: Sequence[Entry]) -> list[str]:
    """Names of the metric columns: the headline, then AP50 and AP of every slice but single airports."""
    found: dict[str, None] = dict.fromkeys(HEADLINE)
    kinds = dict.fromkeys(kind for entry in entries for kind in entry.slices)
    for metric in SLICED:
        for kind in sorted(kinds, key=lambda kind: (kind != "zone", kind)):
            if kind == "airport":
                continue
            for name in ordered(union(entries, kind)):
                found[f"{metric}_{_slug(kind, name)}"] = None
    return list(found)


def union(entries: Sequence[Entry], kind: str) -> dict[str, None]:
    """Names of the slices of a kind that any entry has."""
    return dict.fromkeys(name for entry in entries for name in entry.slices.get(kind, {}))


def _slug(kind: str, name: str) -> str:
    return name if kind == "zone" else f"{kind}_{name}".replace(" ", "_")


def value(entry: Entry, column: str) -> float | None:
    """The value of a metric column of an entry."""
    if column in HEADLINE:
        return number(entry.metrics.get(column))
    metric, _, slug = column.partition("_")
    for kind, groups in entry.slices.items():
        for name, metrics in groups.items():
            if _slug(kind, name) == slug:
                return number(metrics.get(metric))
    return None


def number(found: Any) -> float | None:
    """A number of at least 0, else None."""
    good = isinstance(found, int | float) and not isinstance(found, bool) and found == found and found >= 0
    return float(found) if good else None


def leaderboard_csv(boards: Sequence[Board]) -> str:
    """A row per model: AP, AP50, AP75, AR100 as fractions, slices, interval and operating point, facts.

    Empty where undefined; a column `protocol` when there are several boards.
    """
    entries = [entry for board in boards for entry in board.entries]
    names = columns(entries)
    told = [key for key in ABOUT if any(number(entry.facts.get(key)) is not None for entry in entries)]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    limits = [f"{metric}_{end}" for metric in INTERVALS for end in ("low", "high")]
    points = [f"point_{key}" for key in POINT]
    head = ["protocol"] if len(boards) > 1 else []
    graded = [f"severity_{key}" for key in GRADED]
    measured = [f"measured_{key}" for key in MEASURED]
    robust = robustness_columns([entry.details for entry in entries])
    added = [one.name for one in robust]
    writer.writerow([*head, "model", *names, *limits, *points, *graded, *COLUMNS, *measured, *added, *told])
    for board in boards:
        for entry in board.entries:
            values = [value(entry, name) for name in names] + _limits(entry) + _point(entry)
            values += [number((entry.details.get("severity") or {}).get(key)) for key in GRADED]
            values += approach_values(entry.details)
            values += [number((entry.details.get("cost") or {}).get(key)) for key in MEASURED]
            values += robustness_values(entry.details, robust)
            about = [number(entry.facts.get(key)) for key in told]
            writer.writerow(
                [*([board.name] if len(boards) > 1 else []), entry.model]
                + ["" if v is None else f"{v:.6f}" for v in values]
                + ["" if v is None else f"{v:.7g}" for v in about]
            )
    return stream.getvalue()


def _limits(entry: Entry) -> list[float | None]:
    """Both ends of the intervals of each metric that has one."""
    found = entry.details.get("intervals") or {}
    return [end for metric in INTERVALS for end in (found.get(metric) or (None, None))]


def _point(entry: Entry) -> list[float | None]:
    found = entry.details.get("operating_point") or {}
    return [number(found.get(key)) for key in POINT]


def fact_text(entry: Entry, key: str) -> str:
    """A fact as the page shows it, L with the digits that tell it from 1."""
    known = number(entry.facts.get(key))
    return figures_text(known) if known is None or key not in DIGITS else f"{known:.{DIGITS[key]}g}"


def leaderboard_table(board: Board, differences: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One board with everything a score file tells of each model, and the differences between models."""
    return {
        "protocol": board.name,
        "sources": {key: list(names) for key, names in board.sources.items()},
        "models": [
            {
                "model": entry.model,
                "metrics": dict(entry.metrics),
                "slices": {kind: dict(groups) for kind, groups in entry.slices.items()},
                "facts": dict(entry.facts),
                **entry.details,
            }
            for entry in board.entries
        ],
        "differences": [_rounded(row) for row in differences],
    }


def _rounded(value: Any) -> Any:
    """Floats to 6 decimals, so that the last bits of a sum do not change a file."""
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return round(value, 6) if isinstance(value, float) else value
