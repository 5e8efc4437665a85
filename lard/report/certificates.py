"""Figures of certificates: recall against false alarms, against the physical limit, and runway by runway."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from lard.report.page import BLUE, COLOURS, GREY, LINE, RED, apart, figure, to_svg
from lard.report.robustness_plots import recall_by_alarms
from lard.tables import write_json, write_text

if TYPE_CHECKING:
    from lard.robust.certified import Certificates
    from lard.robust.subject import Point

DOCUMENT, TABLE, FIGURES = "certificates.json", "runways.csv", "certificates.svg"


def write_certified(found: Certificates, point: Point, folder: Path) -> None:
    """Write a model's document with its curves, the table of its runways and the figures into a folder."""
    from lard.robust.subject import runways_table

    table = runways_table(found.subject, point)
    write_json(found.document, folder / DOCUMENT)
    write_text(table.write_csv(float_precision=6), folder / TABLE)
    write_text(certificates_svg(found.document, table, found.name), folder / FIGURES)


def certificates_svg(document: Mapping[str, Any], runways: pl.DataFrame, name: str) -> str:
    """Three figures side by side of a document and a table of lard.robust.certificates."""
    with figure(11.2, 3.4) as fig:
        left, middle, right = fig.subplots(1, 3)
        apart(fig)
        recall_by_alarms(left, document)
        left.set_ylim(0, 1.02)
        left.set_title("over the threshold; dashed: operating point")
        _recall_by_eps(middle, document, runways)
        _radius_by_energy(right, runways)
        for ax in (left, middle, right):
            ax.grid(color=LINE, lw=0.6)
            ax.tick_params(length=2)
        return to_svg(fig, f"Certificates of {name}")


def _recall_by_eps(ax: Any, document: Mapping[str, Any], runways: pl.DataFrame) -> None:
    """What the model certifies at the operating point, under the limit that erasure energies set."""
    energies = np.sort(runways["erasure_energy"].to_numpy())
    eps = np.geomspace(0.01, 10, 200)
    if len(energies):
        for halves, style, label in ((1, "-", "E ≥ eps"), (2, (0, (4, 3)), "E/2 ≥ eps")):
            shares = 1 - np.searchsorted(energies / halves, eps) / len(energies)
            ax.plot(eps, shares, color=GREY, lw=1.4, ls=style, label=f"limit: {label}")
        radii = np.sort(runways["firing_radius"].to_numpy())
        alone = 1 - np.searchsorted(radii, eps) / len(radii)
        ax.plot(eps, alone, color=BLUE, lw=1.5, label="radius ≥ eps, one by one")
    points = {
        float(key): row["certified_firing_recall"]
        for key, row in document["by_eps"].items()
        if row["certified_firing_recall"] is not None
    }
    ax.plot(
        list(points), list(points.values()), "o", color=RED, ms=4, label="certified, one budget a picture"
    )
    ax.set_xscale("log")
    ax.set_xlim(eps[0], eps[-1])
    ax.set_ylim(0, 1.02)
    ax.set_xlabel("eps, L2 norm of the change of the picture")
    ax.set_ylabel("share of required runways")
    exact = (runways["erasure_method"] == "exact").all() and len(runways)
    ax.set_title(f"against the {'exact' if exact else 'estimated'} limit")
    ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(0.0, 0.95), fontsize=7)


def _radius_by_energy(ax: Any, runways: pl.DataFrame) -> None:
    """The radius of each firing runway over its erasure energy, by zone."""
    ends = np.array([0.1, 30.0])
    fired = runways.filter(pl.col("fires") & (pl.col("erasure_energy") > 0))
    zones = fired["zone"].unique().sort().to_list()
    for zone, colour in zip(zones, COLOURS * 9, strict=False):
        rows = fired.filter(pl.col("zone") == zone)
        points = rows["erasure_energy"], rows["firing_radius"].clip(lower_bound=1e-3)
        ax.scatter(*points, s=9, color=colour, label=zone, alpha=0.75, lw=0)
    for share in (1.0, 0.1):
        ax.plot(ends, share * ends, color=GREY, lw=1, ls="-" if share == 1 else (0, (4, 3)))
        ax.annotate(
            f"r = {share:g} E", (ends[0], share * ends[0]), (3, 4), textcoords="offset points", color=GREY
        )
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(*ends)
    ax.set_ylim(1e-3, ends[1])
    ax.set_xlabel("erasure energy E, L2")
    ax.set_ylabel("firing radius r, L2")
    ax.set_title("how much of the possible is reached")
    if zones:
        ax.legend(frameon=False, loc="lower right", fontsize=7, handletextpad=0.2)
