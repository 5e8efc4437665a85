"""Figures of out-of-domain monitors and of failure prediction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.documents import read_json
from lard.files import write_json, write_text
from lard.report.page import BLUE, COLOURS, GREY, INK, LINE, ORANGE, RED, apart, figure, to_svg

Floats = NDArray[np.float64]
TRUTH = "the truth"


def pictures_of(document: Mapping[str, Any]) -> list[dict[str, str]]:
    """The figures of a document of `lard monitor`, as it states them: title and file beside it."""
    return [{"title": title, "file": file, "note": ""} for title, file, _ in _FIGURES[document["format"]]]


def draw(document: Mapping[str, Any], folder: Path) -> None:
    """Draw the figures of a document into its folder."""
    for _, file, make in _FIGURES[document["format"]]:
        write_text(make(document), folder / file)


def drawn(path: Path) -> None:
    """Draw the figures of a document beside it, and state them in it."""
    document = dict(read_json(path, absent="run the command that writes it first"))
    draw(document, path.parent)
    write_json(document | {"pictures": pictures_of(document)}, path)


def distributions_svg(document: Mapping[str, Any]) -> str:
    """Alarms of each group of pictures, a panel for each alarm, with its threshold."""
    alarms, groups = list(document["alarms"]), list(document["values"])
    with figure(11.2, 1.0 + 0.26 * len(groups)) as fig:
        axes = fig.subplots(1, len(alarms), sharey=True)
        apart(fig)
        for ax, alarm in zip(axes, alarms, strict=True):
            for place, group in enumerate(groups):
                values = np.sort(document["values"][group][alarm])
                low, first, middle, third, high = np.quantile(values, (0.05, 0.25, 0.5, 0.75, 0.95))
                colour = BLUE if group == "inside" else ORANGE
                ax.plot([low, high], [place, place], color=colour, lw=1)
                ax.plot([first, third], [place, place], color=colour, lw=4, solid_capstyle="butt")
                ax.plot([middle], [place], color=INK, marker="|", ms=9, mew=1.4)
            ax.axvline(document["inside"]["alarms"][alarm]["threshold"], color=RED, lw=1)
            ax.set_title(alarm)
            ax.set_yticks(range(len(groups)), groups)
            ax.tick_params(length=2, labelsize=7)
            ax.grid(color=LINE, lw=0.6, axis="x")
        axes[0].invert_yaxis()
        fig.supxlabel("alarm: 5, 25, 50, 75 and 95 % of the pictures; red: where it stops", fontsize=8)
        return to_svg(fig, f"Alarms of monitors of {document['model']} inside and outside of the domain")


def roc_svg(document: Mapping[str, Any]) -> str:
    """Share of pictures outside that is stopped against false stops, a panel for each alarm."""
    alarms = list(document["alarms"])
    groups = [name for name in document["values"] if name != "inside"]
    with figure(11.2, 3.1) as fig:
        axes = fig.subplots(1, len(alarms), sharey=True)
        apart(fig)
        for ax, alarm in zip(axes, alarms, strict=True):
            inside = np.array(document["values"]["inside"][alarm])
            for place, group in enumerate(groups):
                false, true = roc(inside, np.array(document["values"][group][alarm]))
                style = ("-", (0, (4, 2)), (0, (1, 1.5)))[place // len(COLOURS) % 3]
                ax.plot(false, true, color=COLOURS[place % len(COLOURS)], lw=1.3, ls=style, label=group)
            ax.plot([0, 1], [0, 1], color=GREY, lw=0.8)
            ax.set_xlim(0, 1)
            ax.set_ylim(0, 1.01)
            ax.set_title(alarm)
            ax.set_xticks((0, 0.5, 1))
            ax.set_xlabel("false stops inside")
            ax.grid(color=LINE, lw=0.6)
            ax.tick_params(length=2, labelsize=7)
        axes[0].set_ylabel("stopped outside")
        fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=6, frameon=False)
        return to_svg(fig, f"Stops outside against false stops of monitors of {document['model']}")


def roc(inside: Floats, outside: Floats) -> tuple[Floats, Floats]:
    """Shares of pictures inside and outside that alarm from each level on, from none to all."""
    levels = np.unique(np.concatenate((inside, outside)))[::-1]
    shares = [
        1 - np.searchsorted(np.sort(values), levels, side="left") / len(values)
        for values in (inside, outside)
    ]
    return np.insert(shares[0], 0, 0.0), np.insert(shares[1], 0, 0.0)


def risk_svg(document: Mapping[str, Any]) -> str:
    """Coverage and risk of each confidence, and of the best that could be."""
    name = document["model"]
    curves = {key: axes for key, axes in document["curves"].items() if key != TRUTH}
    with figure(5.4, 3.2) as fig:
        ax = fig.subplots()
        for place, (label, (coverage, risk)) in enumerate(curves.items()):
            ax.plot(coverage, risk, color=COLOURS[place], lw=1.4, label=label)
        ax.plot(*document["curves"][TRUTH], color=GREY, lw=1, ls=(0, (4, 3)), label=TRUTH)
        ax.set_xlim(0, 1)
        ax.set_ylim(0, None)
        ax.set_xlabel("share of detections accepted, the surest first")
        ax.set_ylabel("share of these that are wrong")
        ax.set_title(f"failure prediction on detections of {name}, unseen airports")
        ax.grid(color=LINE, lw=0.6)
        ax.tick_params(length=2)
        ax.legend(frameon=False, loc="upper left")
        return to_svg(fig, f"Risk against coverage of confidences of {name}")


_FIGURES: dict[str, tuple[tuple[str, str, Callable[[Mapping[str, Any]], str]], ...]] = {
    "lard-monitor": (
        ("Alarms inside and outside of the domain", "distributions.svg", distributions_svg),
        ("Stops outside against false stops inside", "roc.svg", roc_svg),
    ),
    "lard-failure": (("Risk against coverage", "risk.svg", risk_svg),),
}
