"""The leaderboard: a CSV row per model, and an HTML page with slices, curves and the worst failures."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lard import __version__
from lard.errors import DataError
from lard.report.failures import failures
from lard.report.leaderboard_plots import curves_svg, dots_svg, reliability_svg
from lard.report.leaderboard_tables import (
    BEST,
    ERRORS,
    TARGET,
    confusion_rows,
    differences,
    localisation_rows,
    orders,
)
from lard.report.page import render
from lard.tables import read_json, write_text

if TYPE_CHECKING:
    from lard.detect.evaluation import Evaluation

HEADLINE = ("AP", "AP50", "AP75", "AR100")
SLICED = ("AP50", "AP")
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
DETAILS = ("calibration", "confusion", "localisation", "operating_point", "intervals")
HIDDEN = ("family", *ABOUT)


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
    """Models scored on the same pictures, best first; `sources` tells what trained and tested them."""

    entries: Sequence[Entry]
    evidence: Evidence | None = None
    name: str = ""
    sources: Mapping[str, Sequence[str]] = field(default_factory=dict)


def read_entries(paths: Sequence[Path]) -> list[Entry]:
    """Entries of score files, best AP first; DataError names what a file lacks."""
    entries = [_entry(read_json(path), path) for path in paths]
    names = [entry.model for entry in entries]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{', '.join(twice)}: two score files of one model; keep one")
    return sorted(entries, key=lambda entry: (-(entry.metrics.get("AP") or 0.0), entry.model))


def _entry(score: Any, path: Path) -> Entry:
    metrics = score.get("metrics", score.get("overall")) if isinstance(score, dict) else None
    if not isinstance(metrics, dict) or "AP" not in metrics:
        raise DataError(f"{path}: no metrics; expected a score file with AP, AP50, AP75 and AR100")
    slices: dict[str, dict[str, Any]] = {}
    for key, value in (score.get("slices") or {}).items():
        if not isinstance(value, dict):
            continue
        if "AP" in value:  # flat: "zone:far"
            kind, _, name = key.partition(":")
            slices.setdefault(kind, {})[name] = value
        else:
            slices.setdefault(key, {}).update(value)
    kinds = sorted(slices, key=lambda kind: (kind != "zone", kind))
    ordered = {kind: {name: slices[kind][name] for name in _ordered(slices[kind])} for kind in kinds}
    known = ("model", "metrics", "overall", "slices")
    facts = {
        key: value for key, value in score.items() if key not in known and not isinstance(value, dict | list)
    }
    facts |= {key: metrics[key] for key in ("images", "boxes") if key in metrics}
    details = {key: score[key] for key in DETAILS if isinstance(score.get(key), dict)}
    facts |= {"ECE": details["calibration"].get("ECE")} if "calibration" in details else {}
    return Entry(str(score.get("model") or path.name.split(".")[0]), metrics, ordered, facts, details)


def _ordered(names: Mapping[str, Any]) -> list[str]:
    return sorted(names, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))


def columns(entries: Sequence[Entry]) -> list[str]:
    """Names of the metric columns: the headline, then AP50 and AP of every slice but single airports."""
    found: dict[str, None] = dict.fromkeys(HEADLINE)
    kinds = dict.fromkeys(kind for entry in entries for kind in entry.slices)
    for metric in SLICED:
        for kind in sorted(kinds, key=lambda kind: (kind != "zone", kind)):
            if kind == "airport":
                continue
            for name in _ordered(_union(entries, kind)):
                found[f"{metric}_{_slug(kind, name)}"] = None
    return list(found)


def _union(entries: Sequence[Entry], kind: str) -> dict[str, None]:
    return dict.fromkeys(name for entry in entries for name in entry.slices.get(kind, {}))


def _slug(kind: str, name: str) -> str:
    return name if kind == "zone" else f"{kind}_{name}".replace(" ", "_")


def value(entry: Entry, column: str) -> float | None:
    """The value of a metric column of an entry."""
    if column in HEADLINE:
        return _number(entry.metrics.get(column))
    metric, _, slug = column.partition("_")
    for kind, groups in entry.slices.items():
        for name, metrics in groups.items():
            if _slug(kind, name) == slug:
                return _number(metrics.get(metric))
    return None


def _number(found: Any) -> float | None:
    good = isinstance(found, int | float) and not isinstance(found, bool) and found == found and found >= 0
    return float(found) if good else None


def leaderboard_csv(boards: Sequence[Board]) -> str:
    """A row per model: AP, AP50, AP75, AR100 as fractions, the slices, then what is told of the model.

    Empty where undefined; a column `protocol` when there are several boards.
    """
    entries = [entry for board in boards for entry in board.entries]
    names = columns(entries)
    told = [key for key in ABOUT if any(_number(entry.facts.get(key)) is not None for entry in entries)]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*(["protocol"] if len(boards) > 1 else []), "model", *names, *told])
    for board in boards:
        for entry in board.entries:
            values = [value(entry, name) for name in names]
            about = [_number(entry.facts.get(key)) for key in told]
            writer.writerow(
                [*([board.name] if len(boards) > 1 else []), entry.model]
                + ["" if v is None else f"{v:.6f}" for v in values]
                + ["" if v is None else f"{v:.7g}" for v in about]
            )
    return stream.getvalue()


def leaderboard_html(boards: Sequence[Board]) -> str:
    """The page; a board without evidence has no curves, differences and pictures."""
    pages = [_page(board, f"b{place}-" if place else "") for place, board in enumerate(boards)]
    models = list(dict.fromkeys(entry.model for board in boards for entry in board.entries))
    matrix = []
    for board in boards:
        known = {entry.model: entry for entry in board.entries}
        cells = [value(known[model], "AP50") if model in known else None for model in models]
        matrix.append({"name": board.name, "sources": board.sources, "cells": cells})
    return render(
        "leaderboard.html.j2",
        title="Runway detection leaderboard",
        headline=HEADLINE,
        boards=pages,
        models=models,
        matrix=matrix if len(boards) > 1 else [],
        version=__version__,
    )


def _page(board: Board, prefix: str) -> dict[str, Any]:
    """What the template shows of one board; ids on the page start with a prefix."""
    entries, of = board.entries, f" ({board.name})" if prefix else ""
    zones = _zones(entries)
    zone_values = [
        [_number(entry.slices.get("zone", {}).get(zone, {}).get("AP50")) for zone in zones]
        for entry in entries
    ]
    table: list[dict[str, Any]] = [
        {
            "model": entry.model,
            "cells": [value(entry, name) for name in HEADLINE],
            "interval": (entry.details.get("intervals") or {}).get("AP50"),
            "zones": zone_values[place],
            "about": [_number(entry.facts.get(key)) for key in ABOUT],
            "facts": [(name, entry.facts[name]) for name in sorted(entry.facts) if name not in HIDDEN],
        }
        for place, entry in enumerate(entries)
    ]
    told = [place for place in range(len(ABOUT)) if any(row["about"][place] is not None for row in table)]
    judged = _evaluations(board)
    details = {entry.model: entry.details for entry in entries}
    reliability = {model: found["calibration"] for model, found in details.items() if "calibration" in found}
    confused = confusion_rows(details)
    evidence = board.evidence
    return {
        "prefix": prefix,
        "name": board.name,
        "zones": zones,
        "table": table,
        "about": [(place, list(ABOUT.values())[place]) for place in told],
        "best": [_top([row["cells"][k] for row in table]) for k in range(len(HEADLINE))],
        "best_zones": [_top([row["zones"][k] for row in table]) for k in range(len(zones))],
        "kinds": _kinds(entries),
        "curves": curves_svg(judged, of),
        "reliability": reliability_svg(reliability, of),
        "zones_plot": dots_svg(list(zip((e.model for e in entries), zone_values, strict=True)), zones, of),
        "differences": differences(judged),
        "confusion": {
            "rows": confused,
            "orders": orders(confused),
            "heads": (*BEST.values(), *TARGET.values()),
        },
        "localisation": {"rows": localisation_rows(details), "heads": [head for _, head in ERRORS]},
        "failures": failures(evidence.truth, evidence.results, evidence.root) if evidence is not None else [],
    }


def _evaluations(board: Board) -> dict[str, Evaluation]:
    """The matched detections of each model whose results are at hand."""
    if board.evidence is None:
        return {}
    from lard.detect.evaluation import Evaluation

    return {
        entry.model: Evaluation(board.evidence.truth, board.evidence.results[entry.model])
        for entry in board.entries
        if entry.model in board.evidence.results
    }


def _kinds(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """A table of AP50 and AP per kind of slice."""
    kinds = []
    for kind in dict.fromkeys(kind for entry in entries for kind in entry.slices):
        names = _ordered(_union(entries, kind))
        rows = [
            {
                "model": entry.model,
                "cells": [_number(entry.slices.get(kind, {}).get(name, {}).get("AP50")) for name in names],
                "ap": [_number(entry.slices.get(kind, {}).get(name, {}).get("AP")) for name in names],
            }
            for entry in entries
        ]
        counts = [_count(entries, kind, name) for name in names]
        title = TITLES.get(kind, kind.replace("_", " "))
        kinds.append({"title": title, "names": names, "rows": rows, "counts": counts, "best": _best(rows)})
    return kinds


def _zones(entries: Sequence[Entry]) -> list[str]:
    return _ordered(_union(entries, "zone"))


def _count(entries: Sequence[Entry], kind: str, name: str) -> str:
    for entry in entries:
        metrics = entry.slices.get(kind, {}).get(name, {})
        if "boxes" in metrics:
            return f"{metrics['boxes']} boxes"
    return ""


def _top(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return max(known) if len(known) > 1 else None


def _best(rows: Sequence[Mapping[str, Any]]) -> list[float | None]:
    width = len(rows[0]["cells"]) if rows else 0
    return [_top([row["cells"][k] for row in rows]) for k in range(width)]


def write_leaderboard(entries: Sequence[Entry], folder: str | Path, evidence: Evidence | None = None) -> None:
    """Write leaderboard.csv and leaderboard.html of one board into a folder."""
    write_boards([Board(entries, evidence)], folder)


def write_boards(boards: Sequence[Board], folder: str | Path) -> None:
    """Write leaderboard.csv and leaderboard.html of several boards, one after the other on one page."""
    if not any(board.entries for board in boards):
        raise DataError("no score files; run the score stage or `lard score` first")
    write_text(leaderboard_csv(boards), Path(folder) / "leaderboard.csv")
    write_text(leaderboard_html(boards), Path(folder) / "leaderboard.html")
