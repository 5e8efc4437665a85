"""Figures of robustness on the leaderboard: certified recall, and attacked plain and Lipschitz detectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lard.report.page import COLOURS, GREY, INK, LINE, apart, figure, to_svg

FEWEST_ALARMS = 0.01
"""Left end of the logarithmic axis of false alarms per picture."""
MEASURES = (("AP50", "AP50"), ("recall", "recall at the operating point"), ("silent", "silent pictures"))


def certified_svg(certificates: Mapping[str, Any], of: str) -> str:
    """A row for each model: certified recall against false alarms, and against eps; "" without models."""
    if not certificates:
        return ""
    with figure(9.2, 3.1 * len(certificates)) as fig:
        axes = fig.subplots(len(certificates), 2, squeeze=False)
        apart(fig)
        for (left, right), (model, found) in zip(axes, certificates.items(), strict=True):
            recall_by_alarms(left, found)
            _recall_by_eps(right, found)
            left.set_title(f"{model}: over the threshold; dashed: operating point")
            right.set_title(f"{model}: at the operating point")
            for ax in (left, right):
                ax.grid(color=LINE, lw=0.6)
                ax.tick_params(length=2)
                ax.set_ylim(0, 1.02)
        return to_svg(fig, f"Certified recall{of}")


def recall_by_alarms(ax: Any, document: Mapping[str, Any]) -> None:
    """Curves over the threshold: recall of the clean pictures and certified at each eps."""
    curves = document["curves"]
    alarms = np.maximum(np.array(curves["false_alarms_per_picture"], np.float64), FEWEST_ALARMS)
    rows = {"clean": curves["firing_recall"]}
    rows |= {f"eps {eps}": recall for eps, recall in curves["certified_firing_recall"].items()}
    drawn = False
    for (label, recall), colour in zip(rows.items(), (INK, *COLOURS * 9), strict=False):
        if recall and None not in recall:
            ax.plot(alarms, recall, color=colour, lw=1.5, label=label, drawstyle="steps-post")
            drawn = True
    place = curves["score"].index(document["threshold"]["score"])
    ax.axvline(alarms[place], color=GREY, lw=1, ls=(0, (4, 3)))
    ax.set_xlim(FEWEST_ALARMS, max(10 * FEWEST_ALARMS, float(alarms.max())))
    ax.set_xscale("log")
    ax.set_xlabel("false alarms per clean picture")
    ax.set_ylabel("certified firing recall")
    if drawn:
        ax.legend(frameon=False, loc="upper left", fontsize=6.5, ncols=2, columnspacing=1.0)


def _recall_by_eps(ax: Any, found: Mapping[str, Any]) -> None:
    """Certified recall of each eps, and the shares of runways that their erasure energies leave at most."""
    rows = {float(eps): row for eps, row in found["by_eps"].items()}
    for key, label, style in (
        ("certified_firing_recall", "certified", {"color": COLOURS[0], "marker": "o", "ms": 4}),
        ("ceiling", "limit: E ≥ eps", {"color": GREY}),
        ("ceiling_balanced", "limit: E/2 ≥ eps", {"color": GREY, "ls": (0, (4, 3))}),
    ):
        points = [(eps, row[key]) for eps, row in rows.items() if row.get(key) is not None]
        if points:
            ax.plot(*zip(*points, strict=True), lw=1.5, label=label, **style)
    if found["clean"].get("firing_recall") is not None:
        ax.axhline(found["clean"]["firing_recall"], color=INK, lw=1, label="clean")
    ax.set_xscale("log")
    ax.set_xlabel("eps, L2 norm over the whole picture, pixels in [0, 1]")
    ax.set_ylabel("share of required runways")
    if ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False, loc="lower left", fontsize=7)


def attacks_svg(attacks: Mapping[str, Any], certificates: Mapping[str, Any], of: str) -> str:
    """Scores of all models over the size of the change, with what is certified; "" without attacks."""
    if not attacks:
        return ""
    goals = list(dict.fromkeys(goal for found in attacks.values() for goal in found["goals"]))
    with figure(9.2, 0.5 + 2.3 * len(goals)) as fig:
        axes = fig.subplots(len(goals), len(MEASURES) + 1, squeeze=False)
        for row, goal in zip(axes, goals, strict=True):
            for ax, (key, title) in zip(row, (*MEASURES, ("firing_recall", "firing recall")), strict=True):
                for (model, found), colour in zip(attacks.items(), COLOURS * 9, strict=False):
                    curve = found["goals"].get(goal, {}).get("curve", [])
                    points = [(one["eps"], one[key]) for one in curve if one.get(key) is not None]
                    if points:
                        ax.plot(
                            *zip(*points, strict=True), color=colour, lw=1.6, marker="o", ms=3, label=model
                        )
                    if key == "firing_recall" and model in certificates:
                        _certified_points(ax, certificates[model], curve, colour)
                ax.set_title(title)
                ax.grid(color=LINE, lw=0.6)
                ax.tick_params(length=2)
                ax.set_xlim(left=0)
                ax.set_ylim(-0.02, 1.02)
            row[0].set_ylabel(goal)
        for ax in axes[-1]:
            ax.set_xlabel("eps, L2, pixels in [0, 1]")
        handles, labels = axes[0][0].get_legend_handles_labels()
        fig.legend(
            handles, labels, frameon=False, loc="outside upper left", ncols=min(6, max(1, len(labels)))
        )
        return to_svg(fig, f"Scores under attack{of}")


def _certified_points(ax: Any, found: Mapping[str, Any], curve: Any, colour: str) -> None:
    """What no attack can go below, up to the largest size attacked."""
    largest = max((one["eps"] for one in curve), default=0.0)
    points = [(0.0, found["clean"]["firing_recall"])]
    points += [
        (float(eps), row["certified_firing_recall"])
        for eps, row in found["by_eps"].items()
        if float(eps) <= largest
    ]
    points = [point for point in points if point[1] is not None]
    if points:
        ax.plot(*zip(*points, strict=True), color=colour, lw=1.2, ls=(0, (4, 3)))
