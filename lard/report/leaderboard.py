"""The leaderboard: CSV, JSON, and an HTML page with slices, curves and the worst failures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lard import __version__
from lard.detect.cards import card_of, shipped
from lard.errors import DataError
from lard.report.approach_plots import (
    airports_by_distance_svg,
    integrity_svg,
    pose_svg,
    severity_svg,
    timeline_svg,
)
from lard.report.approach_tables import approach_tables
from lard.report.attack_plots import attack_curves_svg
from lard.report.entries import (
    ABOUT,
    HEADLINE,
    HIDDEN,
    TITLES,
    Board,
    Entry,
    Evidence,
    fact_text,
    leaderboard_csv,
    leaderboard_table,
    number,
    ordered,
    read_entries,
    union,
    value,
    with_sequences,
)
from lard.report.failures import failures
from lard.report.leaderboard_plots import airports_svg, curves_svg, distances_svg, dots_svg, reliability_svg
from lard.report.leaderboard_tables import (
    BEST,
    ERRORS,
    TARGET,
    confusion_rows,
    cost_rows,
    differences,
    localisation_rows,
    orders,
    point_rows,
    points_of,
    severity_rows,
    shipped_rows,
    statement,
)
from lard.report.page import render_page
from lard.report.robustness import robustness_parts
from lard.report.training import training_svg
from lard.tables import atomic_paths, json_text

if TYPE_CHECKING:
    from lard.score.evaluation import Evaluation

__all__ = [
    "Board",
    "Entry",
    "Evidence",
    "leaderboard_csv",
    "leaderboard_html",
    "read_entries",
    "with_sequences",
    "write_boards",
    "write_leaderboard",
]


TOLD_WITHIN = 1e-6
"""A score file has six decimals."""


def leaderboard_html(boards: Sequence[Board]) -> str:
    """The page; a board without evidence has no curves and pictures."""
    return _html(boards, _pages(boards))


def _pages(boards: Sequence[Board]) -> list[dict[str, Any]]:
    return [_page(board, f"b{place}-" if place else "") for place, board in enumerate(boards)]


def _html(
    boards: Sequence[Board], pages: Sequence[Mapping[str, Any]], accounts: Mapping[str, str] | None = None
) -> str:
    models = list(dict.fromkeys(entry.model for board in boards for entry in board.entries))
    matrix = []
    for board in boards:
        known = {entry.model: entry for entry in board.entries}
        cells = [value(known[model], "AP50") if model in known else None for model in models]
        matrix.append({"name": board.name, "sources": board.sources, "cells": cells})
    return render_page(
        "leaderboard.html.j2",
        title="Runway detection leaderboard",
        headline=HEADLINE,
        boards=pages,
        models=models,
        facts=_facts(pages),
        matrix=matrix if len(boards) > 1 else [],
        shipped=shipped_rows(map(card_of, shipped())),
        accounts=dict(accounts or {}),
        version=__version__,
    )


def _page(board: Board, prefix: str) -> dict[str, Any]:
    """What the template shows of one board; ids on the page start with a prefix."""
    entries, of = board.entries, f" ({board.name})" if prefix else ""
    zones = _zones(entries)
    zone_values = [
        [number(entry.slices.get("zone", {}).get(zone, {}).get("AP50")) for zone in zones]
        for entry in entries
    ]
    table: list[dict[str, Any]] = [
        {
            "model": entry.model,
            "cells": [value(entry, name) for name in HEADLINE],
            "interval": (entry.details.get("intervals") or {}).get("AP50"),
            "zones": zone_values[place],
            "about": [(number(entry.facts.get(key)), fact_text(entry, key)) for key in ABOUT],
            "facts": [(name, entry.facts[name]) for name in sorted(entry.facts) if name not in HIDDEN],
        }
        for place, entry in enumerate(entries)
    ]
    told = [place for place in range(len(ABOUT)) if any(row["about"][place][0] is not None for row in table)]
    judged = _evaluations(board)
    details = {entry.model: entry.details for entry in entries}
    reliability = {model: found["calibration"] for model, found in details.items() if "calibration" in found}
    confused = confusion_rows(details)
    points = points_of(entries)
    graded = severity_rows(entries)
    airports = {entry.model: entry.slices.get("airport", {}) for entry in entries}
    return {
        "prefix": prefix,
        "name": board.name,
        "statement": statement(entries),
        "zones": zones,
        "table": table,
        "about": [(place, list(ABOUT.values())[place]) for place in told],
        "best": [_top([row["cells"][k] for row in table]) for k in range(len(HEADLINE))],
        "best_zones": [_top([row["zones"][k] for row in table]) for k in range(len(zones))],
        "kinds": _kinds(entries),
        "curves": curves_svg(judged, points, of),
        "airports_plot": airports_svg(airports, details, of),
        "points": point_rows(entries),
        "airports_by_distance": airports_by_distance_svg(details, of),
        "distances": distances_svg(details, of),
        "severity": graded,
        "severity_plot": severity_svg(graded, of),
        "pose_plot": pose_svg(details, of),
        "integrity_plot": integrity_svg(details, of),
        "timeline": timeline_svg(details, of),
        "flights": next((f["sequences"]["flights"] for f in details.values() if _flown(f)), []),
        "attacks": [attack_curves_svg(report, of) for report in board.attacks],
        "training": [(model, training_svg(log, f"{model}{of}")) for model, log in board.logs.items()],
        "approach": approach_tables(details),
        "robustness": robustness_parts(entries, of),
        "costs": cost_rows(entries),
        "reliability": reliability_svg(reliability, of),
        "zones_plot": dots_svg(list(zip((e.model for e in entries), zone_values, strict=True)), zones, of),
        "differences": differences(entries),
        "confusion": {
            "rows": confused,
            "orders": orders(confused),
            "heads": (*BEST.values(), *TARGET.values()),
        },
        "localisation": {"rows": localisation_rows(details), "heads": [head for _, head in ERRORS]},
        "failures": failures(judged, points, board.evidence.root) if board.evidence is not None else [],
    }


def _facts(pages: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Datasets, domains, runway databases and versions that the boards' score files tell of."""
    told: dict[str, dict[str, None]] = {
        "dataset": {},
        "ODD": {},
        "runways": {},
        "made by": {},
        "scored by": {},
    }
    for page in pages:
        for data in page["statement"]["datasets"]:
            for name, parts in (
                ("dataset", [data["name"] or data["source"], data["split"] and f"({data['split']})"]),
                ("ODD", [data["odd_name"], data["odd_version"]]),
                ("runways", [data["runway_db"], data["runway_db_version"]]),
                ("made by", [data["tool_version"] and f"lard {data['tool_version']}"]),
            ):
                text = " ".join(str(part) for part in parts if part)
                told[name] |= {text: None} if text else {}
        told["scored by"] |= {f"lard {version}": None for version in page["statement"]["lard"]}
    return [(name, ", ".join(texts)) for name, texts in told.items() if texts]


def _flown(found: Mapping[str, Any]) -> bool:
    return bool((found.get("sequences") or {}).get("flights"))


def _evaluations(board: Board) -> dict[str, Evaluation]:
    """The matched detections of each model whose results are at hand."""
    if board.evidence is None:
        return {}
    from lard.score.evaluation import Evaluation

    judged = {
        entry.model: Evaluation(board.evidence.truth, board.evidence.results[entry.model])
        for entry in board.entries
        if entry.model in board.evidence.results
    }
    for entry in board.entries:
        if entry.model in judged:
            _check_headline(entry, judged[entry.model])
    return judged


def _check_headline(entry: Entry, judged: Evaluation) -> None:
    """DataError where a score file tells another AP than the detections beside it give."""
    computed = judged.metrics()
    for key in HEADLINE:
        told = entry.metrics.get(key)
        if told is not None and abs(told - (computed[key] or 0.0)) > TOLD_WITHIN:
            raise DataError(
                f"{entry.model}: overall.{key}: {told} in its score file, its detections give"
                f" {computed[key]}; score the results again"
            )


def _kinds(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """A table of AP50 and AP per kind of slice."""
    kinds = []
    for kind in dict.fromkeys(kind for entry in entries for kind in entry.slices):
        names = ordered(union(entries, kind))
        rows = [
            {
                "model": entry.model,
                "cells": [number(entry.slices.get(kind, {}).get(name, {}).get("AP50")) for name in names],
                "ap": [number(entry.slices.get(kind, {}).get(name, {}).get("AP")) for name in names],
            }
            for entry in entries
        ]
        counts = [_count(entries, kind, name) for name in names]
        title = TITLES.get(kind, kind.replace("_", " "))
        kinds.append({"title": title, "names": names, "rows": rows, "counts": counts, "best": _best(rows)})
    return kinds


def _zones(entries: Sequence[Entry]) -> list[str]:
    return ordered(union(entries, "zone"))


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
    """Write leaderboard.csv, .json and .html of one board into a folder."""
    write_boards([Board(entries, evidence)], folder)


def write_boards(
    boards: Sequence[Board], folder: str | Path, accounts: Mapping[str, str] | None = None
) -> None:
    """Write leaderboard.csv, .json and .html of several boards, one after the other on one page.

    `accounts` are links to the assurance pages of shipped models by their names.
    """
    if not any(board.entries for board in boards):
        raise DataError("no score files; run the score stage or `lard score` first")
    pages = _pages(boards)
    table = [leaderboard_table(board, page["differences"]) for board, page in zip(boards, pages, strict=True)]
    texts = {
        "leaderboard.csv": leaderboard_csv(boards),
        "leaderboard.json": json_text({"boards": table}),
        "leaderboard.html": _html(boards, pages, accounts),
    }
    with atomic_paths([Path(folder) / name for name in texts]) as files:
        for file, text in zip(files, texts.values(), strict=True):
            file.write_text(text, encoding="utf-8")
