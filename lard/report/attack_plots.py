"""Figures of attacks: how scores fall with the size of the change, all models on one plot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lard.report.page import COLOURS, LINE, figure, to_svg

MEASURES = (
    ("AP50", "AP50"),
    ("AP", "AP"),
    ("recall", "recall at the operating point"),
    ("silent", "silent pictures"),
    ("false_alarms_per_image", "false alarms a picture"),
    ("reached", "goal reached"),
)
SHARES = {"AP50", "AP", "recall", "silent", "reached"}
TITLES = {
    "vanish": "runways vanish",
    "fabricate": "false detection, anywhere",
    "fabricate-random": "false detection at a random place",
    "ap": "ranking lowered",
    "move": "boxes moved off",
}


def attack_curves_svg(report: Mapping[str, Any], of: str = "") -> str:
    """A row of curves for each goal over the size of the change; dotted lines mark median smallest ones."""
    models = report["models"]
    goals = list(next(iter(models.values()))["goals"])
    with figure(11.0, 0.5 + 1.9 * len(goals)) as fig:
        axes = fig.subplots(len(goals), len(MEASURES), squeeze=False)
        for row, goal in zip(axes, goals, strict=True):
            for ax, (key, title) in zip(row, MEASURES, strict=True):
                for (name, model), colour in zip(models.items(), COLOURS * 9, strict=False):
                    _draw(ax, model["goals"][goal], key, name, colour)
                ax.set_title(title)
                ax.grid(color=LINE, lw=0.6)
                ax.tick_params(length=2)
                ax.set_xlim(left=0)
                if key in SHARES:
                    ax.set_ylim(-0.02, 1.02)
                else:
                    ax.set_ylim(bottom=0)
            row[0].set_ylabel(TITLES.get(goal, goal))
        for ax in axes[-1]:
            ax.set_xlabel(f"eps, {report['settings']['norm']}, pixels in [0, 1]")
        handles, labels = axes[0][0].get_legend_handles_labels()
        fig.legend(handles, labels, frameon=False, loc="outside upper left", ncols=min(6, len(labels)))
        return to_svg(fig, f"Scores under attack over the size of the change{of}")


def _draw(ax: Any, goal: Mapping[str, Any], key: str, name: str, colour: str) -> None:
    """One model's curve, and where half of the pictures give in."""
    points = [(row["eps"], row[key]) for row in goal["curve"] if row[key] is not None]
    if points:
        ax.plot(*zip(*points, strict=True), color=colour, lw=1.6, marker="o", ms=3, label=name)
    median = goal.get("smallest", {}).get("median")
    if key == "reached" and median is not None and points and median <= points[-1][0]:
        ax.plot([median, median], [0, 1], color=colour, lw=0.9, ls=":")
