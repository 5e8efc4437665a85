"""The leaderboard: a CSV row per model, and an HTML page with slices, curves and the worst failures."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lard import __version__
from lard.errors import DataError
from lard.report.failures import failures
from lard.report.page import BLUE, GREEN, GREY, LINE, ORANGE, RED, figure, render, to_svg
from lard.tables import read_json, write_text

HEADLINE = ("AP", "AP50", "AP75", "AR100")
SLICED = ("AP50", "AP")
ZONE_ORDER = ("far", "medium", "close")
COLOURS = (BLUE, ORANGE, GREEN, RED, GREY, "#6b4fa3", "#2a8c8c", "#8a6d3b")


@dataclass(frozen=True, slots=True)
class Entry:
    """One model: headline metrics as fractions (None where undefined), slices by kind and name, the rest."""

    model: str
    metrics: Mapping[str, float | None]
    slices: Mapping[str, Mapping[str, Mapping[str, Any]]]
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Ground truth and detections behind the scores; pictures are looked for below `root`."""

    truth: Mapping[str, Any]
    results: Mapping[str, Sequence[Mapping[str, Any]]]
    root: Path


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
    return Entry(str(score.get("model") or path.name.split(".")[0]), metrics, ordered, facts)


def _ordered(names: Mapping[str, Any]) -> list[str]:
    return sorted(names, key=lambda n: (ZONE_ORDER.index(n) if n in ZONE_ORDER else len(ZONE_ORDER), n))


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


def leaderboard_csv(entries: Sequence[Entry]) -> str:
    """A row per model: model, AP, AP50, AP75, AR100 as fractions, then the slices; empty where undefined."""
    names = columns(entries)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["model", *names])
    for entry in entries:
        values = [value(entry, name) for name in names]
        writer.writerow([entry.model, *("" if v is None else f"{v:.6f}" for v in values)])
    return stream.getvalue()


def leaderboard_html(entries: Sequence[Entry], evidence: Evidence | None = None) -> str:
    """The page; without evidence it has no curves and no pictures."""
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
        kinds.append({"kind": kind, "names": names, "rows": rows, "counts": counts, "best": _best(rows)})
    table: list[dict[str, Any]] = [
        {
            "model": entry.model,
            "cells": [value(entry, name) for name in HEADLINE],
            "zones": [_number(entry.slices.get("zone", {}).get(z, {}).get("AP50")) for z in _zones(entries)],
            "facts": [(name, entry.facts[name]) for name in sorted(entry.facts)],
        }
        for entry in entries
    ]
    return render(
        "leaderboard.html.j2",
        title="Runway detection leaderboard",
        headline=HEADLINE,
        zones=_zones(entries),
        table=table,
        best=[_top([row["cells"][k] for row in table]) for k in range(len(HEADLINE))],
        best_zones=[_top([row["zones"][k] for row in table]) for k in range(len(_zones(entries)))],
        kinds=kinds,
        curves=curves_svg(entries, evidence) if evidence is not None else "",
        slices_plot=slices_svg(entries),
        failures=failures(evidence.truth, evidence.results, evidence.root) if evidence is not None else [],
        version=__version__,
    )


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


def curves_svg(entries: Sequence[Entry], evidence: Evidence) -> str:
    """Precision over recall at two IoU thresholds."""
    from lard.detect.score import Evaluation

    found = {}
    for entry in entries:
        rows = evidence.results.get(entry.model)
        if rows is not None:
            evaluation = Evaluation(evidence.truth, rows)
            found[entry.model] = evaluation.curves(sorted(evaluation.images))[0]
    if not found:
        return ""
    with figure(8.4, 3.3) as fig:
        axes = fig.subplots(1, 2, sharey=True)
        for ax, place, iou in ((axes[0], 0, 0.5), (axes[1], 5, 0.75)):
            for (model, precision), colour in zip(found.items(), COLOURS * 9, strict=False):
                recall = [k / 100 for k in range(101)]
                # beyond the largest recall reached precision is 0 by definition: nothing to draw
                kept = [(r, p) for r, p in zip(recall, precision[place], strict=True) if p > 0]
                if kept:
                    ax.plot(*zip(*kept, strict=True), color=colour, lw=1.6, label=model)
            ax.set_title(f"IoU {iou:g}")
            ax.set_xlim(0, 1)
            ax.set_ylim(0, 1.02)
            ax.set_xlabel("recall")
            ax.grid(color=LINE, lw=0.6)
            ax.tick_params(length=2)
        axes[0].set_ylabel("precision")
        if axes[0].get_legend_handles_labels()[0]:
            axes[0].legend(frameon=False, loc="lower left")
        return to_svg(fig, "Precision over recall")


def slices_svg(entries: Sequence[Entry]) -> str:
    """AP50 of each model by zone as dots on a line."""
    zones = _zones(entries)
    if not zones:
        return ""
    with figure(8.4, 0.7 + 0.34 * len(entries)) as fig:
        ax = fig.subplots()
        for row, entry in enumerate(reversed(entries)):
            values = [_number(entry.slices.get("zone", {}).get(z, {}).get("AP50")) for z in zones]
            known = [v for v in values if v is not None]
            if known:
                ax.plot(
                    [min(known), max(known)], [row, row], color=LINE, lw=3, zorder=1, solid_capstyle="round"
                )
            for zone, colour, found in zip(zones, COLOURS * 9, values, strict=False):
                if found is not None:
                    label = zone if row == 0 else None
                    ax.scatter([found], [row], color=colour, s=34, zorder=2, label=label, edgecolor="white")
        ax.set_yticks(range(len(entries)), [entry.model for entry in reversed(entries)])
        ax.set_ylim(-0.6, len(entries) - 0.4)
        ax.set_xlim(0, 1)
        ax.set_xlabel("AP50")
        ax.grid(axis="x", color=LINE, lw=0.6)
        ax.tick_params(length=0)
        ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0), handletextpad=0.2)
        return to_svg(fig, "AP50 by zone")


def write_leaderboard(entries: Sequence[Entry], folder: str | Path, evidence: Evidence | None = None) -> None:
    """Write leaderboard.csv and leaderboard.html into a folder."""
    if not entries:
        raise DataError("no score files; run the score stage or `lard score` first")
    write_text(leaderboard_csv(entries), Path(folder) / "leaderboard.csv")
    write_text(leaderboard_html(entries, evidence), Path(folder) / "leaderboard.html")
