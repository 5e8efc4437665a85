"""Figures of the compliance report."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import polars as pl
from matplotlib.collections import PolyCollection
from numpy.typing import NDArray

from lard.airports.coastline import coast_rings
from lard.quality import Dataset, Run
from lard.quality.labels import required_labels
from lard.quality.odd import PARAMETERS
from lard.report.page import BLUE, GREY, LINE, ORANGE, RED, SOFT, SPLIT_COLOURS, figure, to_svg

LAND, SOUTH = "#f0ede3", -65
NAMES = {
    "along_track_m": "along track, m",
    "lateral_deg": "lateral, °",
    "vertical_deg": "vertical, °",
    "yaw_offset_deg": "yaw offset, °",
    "pitch_deg": "pitch, °",
    "roll_deg": "roll, °",
}


def coverage_svg(run: Run) -> str:
    """Frames per bin of each parameter and zone, against the number needed; "" without that evidence."""
    result = next((r for r in run.results if r.id == "DQR-C01"), None)
    table: dict[str, Any] = dict(result.outcome.evidence.get("coverage", {})) if result else {}
    if not table or result is None:
        return ""
    zones = list(dict.fromkeys(key.split("/")[0] for key in table))
    names = list(dict.fromkeys(key.split("/")[1] for key in table))
    with figure(11.2, 0.5 + 1.35 * len(zones)) as fig:
        axes = fig.subplots(len(zones), len(names), squeeze=False, sharey="row")
        for i, zone in enumerate(zones):
            for j, name in enumerate(names):
                row, ax = table[f"{zone}/{name}"], axes[i][j]
                counts = np.array(row["counts"])
                low, high = row["low"], row["high"]
                if high <= low:  # a parameter held fixed has one bin of no width
                    low, high = low - 0.5, high + 0.5
                edges = np.linspace(low, high, len(counts) + 1)
                needed = np.array(row["needed"])
                colours = [RED if c < n else BLUE for c, n in zip(counts, needed, strict=True)]
                ax.bar(
                    edges[:-1], counts, np.diff(edges), align="edge", color=colours, edgecolor="white", lw=0.5
                )
                ax.stairs(needed, edges, color=ORANGE, lw=1, baseline=None)
                for k in np.flatnonzero(np.array(row["allowed"]) == 0):
                    ax.axvspan(edges[k], edges[k + 1], color=LINE, lw=0)
                ax.set_xlim(low, high)
                ax.tick_params(length=2, labelsize=7)
                if i == 0:
                    ax.set_title(NAMES.get(name, name))
                if j == 0:
                    ax.set_ylabel(zone)
        return to_svg(fig, "Frames per bin of each ODD parameter and zone")


def splits_svg(data: Dataset) -> str:
    """Distribution functions of each parameter in each set."""
    if not {"approach", "split"} <= data.parts:
        return ""
    shown = data.targets.filter(pl.col("split").is_in(list(SPLIT_COLOURS)))
    names = [name for name in PARAMETERS if shown[name].is_not_null().any()]
    if not names:
        return ""
    with figure(11.2, 2.1) as fig:
        axes = fig.subplots(1, len(names), sharey=True, squeeze=False)[0]
        for ax, name in zip(axes, names, strict=True):
            for split, colour in SPLIT_COLOURS.items():
                values = np.sort(data.targets.filter(pl.col("split") == split)[name].to_numpy())
                if len(values):
                    quantiles = np.linspace(0, 1, 101)
                    ax.plot(np.quantile(values, quantiles), quantiles, color=colour, lw=1.3, label=split)
            ax.set_title(NAMES[name])
            ax.tick_params(length=2, labelsize=7)
            ax.grid(color=LINE, lw=0.5)
        axes[0].set_ylabel("share of frames below")
        axes[0].legend(frameon=False, fontsize=7.5, loc="upper left", handlelength=1.2)
        return to_svg(fig, "Distribution of each ODD parameter in each set")


def map_svg(data: Dataset) -> str:
    """Where the airports are, by set."""
    if data.frames is None or not {"airports", "pose"} <= data.parts:
        return ""
    places = (
        data.frames.group_by("airport", "split")
        .agg(pl.col("lat_deg").median(), pl.col("lon_deg").median(), pl.len())
        .drop_nulls(["airport", "lat_deg"])
        .sort("airport", "split")
    )
    if places.is_empty():
        return ""
    with figure(7.4, 3.3) as fig:
        ax = fig.subplots()
        outlines = [ring for ring in coast_rings() if ring[:, 1].max() > SOUTH]
        ax.add_collection(PolyCollection(outlines, facecolors=LAND, edgecolors="#cfc9b8", linewidths=0.35))
        for split in places["split"].unique(maintain_order=True).sort().to_list():
            rows = places.filter(pl.col("split").eq_missing(pl.lit(split)))
            ax.scatter(
                rows["lon_deg"],
                rows["lat_deg"],
                s=26,
                color=SPLIT_COLOURS.get(split, SOFT),
                label=split,
                zorder=3,
                edgecolor="white",
                linewidth=0.6,
            )
        if len(places) <= 60:
            taken: list[tuple[float, float]] = []
            for name, lat, lon in places.select("airport", "lat_deg", "lon_deg").iter_rows():
                # where airports crowd, one name stands for the group: the table above has them all
                if not any(abs(lon - a) < 22 and abs(lat - b) < 5 for a, b in taken):
                    ax.annotate(
                        name, (lon, lat), (5, -2.5), textcoords="offset points", fontsize=6.5, color=SOFT
                    )
                taken.append((lon, lat))
        ax.set_xlim(-180, 180)
        ax.set_ylim(SOUTH, 80)
        ax.set_xticks(
            range(-180, 181, 60),
            [f"{abs(x)}°{'W' if x < 0 else 'E' if x > 0 else ''}" for x in range(-180, 181, 60)],
        )
        ax.set_yticks(
            range(-60, 61, 30),
            [f"{abs(y)}°{'S' if y < 0 else 'N' if y > 0 else ''}" for y in range(-60, 61, 30)],
        )
        ax.grid(color=LINE, lw=0.6)
        ax.tick_params(length=0, labelsize=7)
        if ax.get_legend_handles_labels()[0]:
            ax.legend(frameon=False, fontsize=7.5, loc="lower left", ncols=3, handletextpad=0.2)
        return to_svg(fig, "Airports by set")


def picture_svg(run: Run) -> str:
    """Runways per frame, sizes of required boxes and their shapes, of those that there is evidence of."""
    evidence = {r.id: r.outcome.evidence for r in run.results}
    per_frame = dict(evidence.get("DQR-R04", {}).get("runways_per_frame", {}))
    sides = _box_sides(run.dataset)
    panels = [partial(_runways_per_frame, per_frame=per_frame)] if per_frame else []
    if len(sides):
        panels += [partial(_short_sides, side=sides.min(axis=1)), partial(_shapes, sides=sides)]
    if not panels:
        return ""
    with figure(11.2 / 3 * len(panels), 2.4) as fig:
        for ax, draw in zip(fig.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
            draw(ax)
            ax.tick_params(length=2, labelsize=7)
        return to_svg(fig, "Runways per frame and box sizes")


def _box_sides(data: Dataset) -> NDArray[np.float64]:
    """Width and height of required boxes (boxes, 2) px; DQR-I01 reports those that are not finite."""
    if "boxes" not in data.parts or data.labels is None:
        return np.empty((0, 2))
    labels = required_labels(data)
    sides = [np.maximum((labels[f"{a}_max_px"] - labels[f"{a}_min_px"]).to_numpy(), 0.1) for a in "xy"]
    table = np.stack(sides, axis=1).astype(np.float64)
    return table[np.isfinite(table).all(axis=1)]


def _runways_per_frame(ax: Any, per_frame: dict[str, int]) -> None:
    ax.bar(list(per_frame), list(per_frame.values()), color=BLUE, width=0.7)
    ax.set_title("runways visible per frame")
    ax.set_ylabel("frames")


def _short_sides(ax: Any, side: NDArray[np.float64]) -> None:
    # a little wider than the data, so that boxes all of one size have a bin of some width
    bins = np.geomspace(max(side.min(), 0.5) / 1.02, max(side.max(), 2.0) * 1.02, 30)
    ax.hist(side, bins=bins, color=BLUE, edgecolor="white", linewidth=0.4)
    ax.set_xscale("log")
    ticks = [t for t in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if bins[0] <= t <= bins[-1]]
    ax.set_xticks(ticks, [str(t) for t in ticks])
    ax.set_xticks([], minor=True)
    ax.set_title("shorter side of required boxes, px")


def _shapes(ax: Any, sides: NDArray[np.float64]) -> None:
    ax.hist(np.log2(sides[:, 0] / sides[:, 1]), bins=30, color=GREY, edgecolor="white", linewidth=0.4)
    ax.set_xticks(range(-4, 5, 2), ["1:16", "1:4", "1:1", "4:1", "16:1"])
    ax.set_title("width to height of required boxes")
