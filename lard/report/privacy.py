"""Table and figure of what private training costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lard.report.page import BLUE, GREEN, GREY, LINE, ORANGE, figure, to_svg
from lard.tables import json_text, staged

DOCUMENT, FIGURE = "privacy.json", "privacy.svg"
FILES = (DOCUMENT, FIGURE)


def write_study(report: dict[str, Any], out: Path) -> None:
    """Write privacy.json and privacy.svg into a folder."""
    with staged(out) as folder:
        (folder / DOCUMENT).write_text(json_text(report), encoding="utf-8")
        (folder / FIGURE).write_text(study_svg(report), encoding="utf-8")


def study_lines(report: dict[str, Any]) -> list[str]:
    """The table as text: a line for each unit and epsilon."""
    lines = [f"{'unit':<8} {'epsilon':>8} {'noise':>8} {'AP50':>6} {'lowest':>7} {'highest':>8} {'kept':>6}"]
    for unit, section in report["units"].items():
        for row in section["rows"]:
            epsilon = "none" if row["epsilon"] is None else f"{row['epsilon']:g}"
            kept = "" if row["share_of_gain"] is None else f"{row['share_of_gain']:6.2f}"
            ap50 = row["AP50"]
            lines.append(
                f"{unit:<8} {epsilon:>8} {row['noise']:8.2f} {ap50['mean']:6.3f} {ap50['low']:7.3f}"
                f" {ap50['high']:8.3f} {kept:>6}"
            )
    return [
        *lines,
        f"the detector as it is: {_ap50(report['detector_as_it_is'])},"
        f" nothing learnt: {_ap50(report['nothing_learnt'])}",
    ]


def _ap50(measured: dict[str, Any]) -> str:
    return "no AP50" if measured["AP50"] is None else f"AP50 {measured['AP50']:.3f}"


def study_svg(report: dict[str, Any]) -> str:
    """AP50 over epsilon for each unit, from the lowest to the highest repetition."""
    with figure(5.2, 3.0) as fig:
        ax = fig.subplots()
        for (unit, section), colour in zip(report["units"].items(), (BLUE, ORANGE), strict=False):
            rows = sorted(
                (row for row in section["rows"] if row["epsilon"] is not None), key=lambda row: row["epsilon"]
            )
            if rows:
                at = [row["epsilon"] for row in rows]
                label = f"{section['units']} {unit}s"
                ax.plot(
                    at, [row["AP50"]["mean"] for row in rows], color=colour, marker="o", ms=3, label=label
                )
                low, high = ([row["AP50"][end] for row in rows] for end in ("low", "high"))
                ax.fill_between(at, low, high, color=colour, alpha=0.15, lw=0)
            for row in section["rows"]:
                if row["epsilon"] is None:
                    title = f"{unit}s without noise"
                    ax.axhline(row["AP50"]["mean"], color=colour, lw=1, ls="--", label=title)
        for key, label, colour in (
            ("detector_as_it_is", "the detector as it is", GREEN),
            ("nothing_learnt", "nothing learnt", GREY),
        ):
            if report[key]["AP50"] is not None:
                ax.axhline(report[key]["AP50"], color=colour, lw=1, ls=":", label=label)
        ax.set_xscale("log")
        asked = {row["epsilon"] for section in report["units"].values() for row in section["rows"]}
        ticks = sorted(epsilon for epsilon in asked if epsilon is not None)
        ax.set_xticks(ticks, labels=[f"{epsilon:g}" for epsilon in ticks])
        ax.minorticks_off()
        ax.set_ylim(0, 1.02)
        ax.set_xlabel(f"epsilon at delta {report['recipe']['delta']:g}")
        ax.set_ylabel("AP50")
        ax.grid(color=LINE, lw=0.6)
        ax.legend(frameon=False, fontsize=6.5)
        return to_svg(fig, f"What private training of the last layer of {report['model']} costs")
