"""Figures of the leaderboard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lard.report.entries import ordered
from lard.report.page import BLUE, COLOURS, GREY, LINE, apart, figure, figures_text, to_svg
from lard.score.inference import LEAST_AIRPORTS, jackknife_interval
from lard.score.points import measured_at

if TYPE_CHECKING:
    from lard.score.evaluation import Evaluation


def curves_svg(
    evaluations: Mapping[str, Evaluation], points: Mapping[str, float | None], of: str = ""
) -> str:
    """Precision over recall at two IoU thresholds, at the first with each model's operating point."""
    found = {model: judged.curves(judged.images)[0] for model, judged in evaluations.items()}
    if not any((precision > 0).any() for precision in found.values()):
        return ""
    with figure(8.4, 3.3) as fig:
        axes = fig.subplots(1, 2, sharey=True)
        apart(fig)
        for ax, place, iou in ((axes[0], 0, 0.5), (axes[1], 5, 0.75)):
            for (model, precision), colour in zip(found.items(), COLOURS * 9, strict=False):
                recall = [k / 100 for k in range(101)]
                # beyond the largest recall reached precision is 0 by definition: nothing to draw
                kept = [(r, p) for r, p in zip(recall, precision[place], strict=True) if p > 0]
                if kept:
                    ax.plot(*zip(*kept, strict=True), color=colour, lw=1.6, label=model)
                if place == 0 and (point := points.get(model)) is not None:
                    at = measured_at(evaluations[model], point)
                    if at["precision"] is not None and at["recall"] is not None:
                        ax.plot([at["recall"]], [at["precision"]], color=colour, marker="o", ms=5)
            ax.set_title(f"IoU {iou:g}")
            ax.set_xlim(0, 1)
            ax.set_ylim(0, 1.02)
            ax.set_xlabel("recall")
            ax.grid(color=LINE, lw=0.6)
            ax.tick_params(length=2)
        axes[0].set_ylabel("precision")
        if axes[0].get_legend_handles_labels()[0]:
            axes[0].legend(frameon=False, loc="lower left")
        return to_svg(fig, f"Precision over recall{of}")


def airports_svg(
    airports: Mapping[str, Mapping[str, Mapping[str, Any]]],
    details: Mapping[str, Mapping[str, Any]],
    of: str = "",
) -> str:
    """AP50 of each model in each airport as dots, and the 95 % interval of all together as a bar."""
    if all(row.get("AP50") is None for found in airports.values() for row in found.values()):
        return ""
    with figure(8.4, 0.8 + 0.36 * len(airports)) as fig:
        ax = fig.subplots()
        for place, (model, found) in enumerate(reversed(list(airports.items()))):
            interval = (details[model].get("intervals") or {}).get("AP50")
            if interval:
                ax.plot(interval, [place, place], color=LINE, lw=7, zorder=1, solid_capstyle="butt")
            values = [row["AP50"] for row in found.values() if row.get("AP50") is not None]
            ax.scatter(values, [place] * len(values), color=BLUE, s=14, zorder=2, alpha=0.75, lw=0)
        ax.set_yticks(range(len(airports)), list(reversed(list(airports))))
        ax.set_ylim(-0.6, len(airports) - 0.4)
        ax.set_xlim(0, 1)
        ax.set_xlabel("AP50")
        ax.grid(axis="x", color=LINE, lw=0.6)
        ax.tick_params(length=0)
        return to_svg(fig, f"AP50 by airport{of}")


def reliability_svg(tables: Mapping[str, Mapping[str, Any]], of: str = "") -> str:
    """Share of right detections over their score, and below it how many detections each bin holds."""
    known = {model: table for model, table in tables.items() if table.get("detections")}
    if not known:
        return ""
    with figure(8.4, 3.4) as fig:
        shares, counts = fig.subplots(1, 2)
        shares.plot([0, 1], [0, 1], color=GREY, lw=1, ls=(0, (4, 3)))
        for (model, table), colour in zip(known.items(), COLOURS * 9, strict=False):
            rows = [row for row in table["bins"] if row["detections"]]
            label = f"{model}, ECE {figures_text(table['ECE'])}"
            points = [row["score"] for row in rows], [row["precision"] for row in rows]
            shares.plot(*points, color=colour, lw=1.4, marker="o", ms=3.5, label=label)
            middle = [(row["low"] + row["high"]) / 2 for row in table["bins"]]
            counts.step(
                middle, [row["detections"] for row in table["bins"]], where="mid", color=colour, lw=1.4
            )
        shares.set_xlim(0, 1)
        shares.set_ylim(0, 1.02)
        shares.set_xlabel("score")
        shares.set_ylabel("share of right detections")
        shares.legend(frameon=True, framealpha=0.85, edgecolor="none", loc="lower right")
        counts.set_xlim(0, 1)
        counts.set_yscale("symlog", linthresh=1)
        counts.set_ylim(0, None)
        counts.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        counts.set_xlabel("score")
        counts.set_ylabel("detections")
        for ax in (shares, counts):
            ax.grid(color=LINE, lw=0.6)
            ax.tick_params(length=2)
        return to_svg(fig, f"Reliability{of}")


def distances_svg(details: Mapping[str, Mapping[str, Any]], of: str = "") -> str:
    """Share of required runways found over slant distance, with its 95 % band over airports.

    The band is the jackknife's over the airports that show runways at a distance; fewer than
    LEAST_AIRPORTS have none.
    """
    tables = {
        model: found["found_by_airport"] for model, found in details.items() if "found_by_airport" in found
    }
    names = ordered({name for table in tables.values() for bins in table.values() for name in bins})
    if len(names) < 2:
        return ""
    with figure(8.4, 3.3) as fig:
        ax = fig.subplots()
        for (model, table), colour in zip(tables.items(), COLOURS * 9, strict=False):
            rows = [(place, *recall_over_airports(table, name)) for place, name in enumerate(names)]
            known = [(place, share, band) for place, share, band in rows if share is not None]
            ax.plot(
                [k[0] for k in known],
                [k[1] for k in known],
                color=colour,
                lw=1.6,
                marker="o",
                ms=3.5,
                label=model,
            )
            banded = [(place, band) for place, _, band in known if band is not None]
            if banded:
                places = [place for place, _ in banded]
                low, high = ([band[end] for _, band in banded] for end in (0, 1))
                ax.fill_between(places, low, high, color=colour, alpha=0.13, lw=0)
        ax.set_xticks(range(len(names)), [name.removesuffix(" km") for name in names])
        ax.set_xlabel("slant distance, km")
        ax.set_ylabel("required runways found")
        ax.set_ylim(0, 1.02)
        ax.grid(color=LINE, lw=0.6)
        ax.tick_params(length=2)
        ax.legend(frameon=False, loc="lower left")
        return to_svg(fig, f"Runways found over distance{of}")


def recall_over_airports(
    table: Mapping[str, Mapping[str, Mapping[str, int]]], name: str
) -> tuple[float | None, list[float] | None]:
    """Share found of the required runways of one distance, and its 95 % interval over airports, if any."""
    counts = np.array(
        [(bins[name]["found"], bins[name]["runways"]) for bins in table.values() if name in bins]
    )
    if not len(counts):
        return None, None
    found, runways = counts.sum(axis=0)
    whole = float(found / runways)
    if len(counts) < LEAST_AIRPORTS:
        return whole, None
    return whole, jackknife_interval(whole, (found - counts[:, 0]) / (runways - counts[:, 1]))


def dots_svg(rows: Sequence[tuple[str, Sequence[float | None]]], names: Sequence[str], of: str = "") -> str:
    """AP50 of each model by zone as dots on a line; rows are (model, value per zone), the best first."""
    if all(value is None for _, values in rows for value in values):
        return ""
    with figure(8.4, 0.7 + 0.34 * len(rows)) as fig:
        ax = fig.subplots()
        for place, (_, values) in enumerate(reversed(rows)):
            known = [v for v in values if v is not None]
            if known:
                ends = [min(known), max(known)]
                ax.plot(ends, [place, place], color=LINE, lw=3, zorder=1, solid_capstyle="round")
            for zone, colour, found in zip(names, COLOURS * 9, values, strict=False):
                if found is not None:
                    label = zone if place == 0 else None
                    ax.scatter([found], [place], color=colour, s=34, zorder=2, label=label, edgecolor="white")
        ax.set_yticks(range(len(rows)), [model for model, _ in reversed(rows)])
        ax.set_ylim(-0.6, len(rows) - 0.4)
        ax.set_xlim(0, 1)
        ax.set_xlabel("AP50")
        ax.grid(axis="x", color=LINE, lw=0.6)
        ax.tick_params(length=0)
        if ax.get_legend_handles_labels()[0]:
            ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0), handletextpad=0.2)
        return to_svg(fig, f"AP50 by zone{of}")
