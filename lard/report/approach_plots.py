"""Figures of the leaderboard about final approach: sequences, corners, poses, integrity, distances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lard.report.entries import ordered
from lard.report.page import BLUE, COLOURS, GREEN, GREY, INK, LINE, ORANGE, RED, apart, figure, to_svg

Details = Mapping[str, Any]

_MISSED = "#e9c9c6"
_LONG, _PER_ROW = 26, 3


def timeline_svg(details: Mapping[str, Details], of: str = "") -> str:
    """Per sequence and model, over the distance: frames that find the runway, and the first stable one."""
    rows = [
        (run, model)
        for name in dict.fromkeys(run["sequence"] for found in details.values() for run in _runs(found))
        for model, found in details.items()
        for run in _runs(found)
        if run["sequence"] == name and len(_steps(run)) > 1
    ]
    if not rows:
        return ""
    with figure(8.4, 0.9 + 0.24 * len(rows)) as fig:
        ax = fig.subplots()
        for place, (run, _) in enumerate(reversed(rows)):
            _bars(ax, place, run)
        ax.set_yticks(range(len(rows)), [f"{_short(run)}  {model}" for run, model in reversed(rows)])
        ax.set_ylim(-0.7, len(rows) - 0.3)
        farthest = max(step["distance_m"] for run, _ in rows for step in _steps(run))
        ax.set_xlim(farthest * 1.02, 0)
        ax.set_xlabel("distance before the threshold, m")
        for colour, label in ((GREEN, "found"), (_MISSED, "missed")):
            ax.plot([], [], color=colour, lw=6, label=label, solid_capstyle="butt")
        ax.plot([], [], color=INK, marker="v", ms=5, lw=0, label="first stable")
        ax.legend(frameon=False, ncols=3, loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0)
        ax.grid(axis="x", color=LINE, lw=0.6)
        ax.set_axisbelow(True)
        ax.tick_params(length=0)
        return to_svg(fig, f"Sequences over distance{of}")


def _runs(found: Details) -> list[Mapping[str, Any]]:
    told: list[Mapping[str, Any]] = ((found.get("sequences") or {}).get("detector") or {}).get("runs", [])
    return told


def _steps(run: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [step for step in run.get("timeline", []) if step["distance_m"] is not None]


def _short(run: Mapping[str, Any]) -> str:
    """The name of a sequence without its source."""
    name = str(run["sequence"]).split(" ", 1)[-1]
    return name if len(name) <= _LONG else f"…{name[-_LONG:]}"


def _bars(ax: Any, place: int, run: Mapping[str, Any]) -> None:
    """A bar from each frame to the next, the last as long as the one before."""
    steps = _steps(run)
    at = [float(step["distance_m"]) for step in steps]
    ends = [*at[1:], at[-1] - (at[-2] - at[-1])]
    for found, colour in ((True, GREEN), (False, _MISSED)):
        spans = [(a, b - a) for a, b, s in zip(at, ends, steps, strict=True) if s["found"] is found]
        ax.broken_barh(spans, (place - 0.3, 0.6), facecolors=colour, linewidth=0)
    first = run.get("first_stable")
    if first and first.get("distance_m") is not None:
        ax.plot([first["distance_m"]], [place + 0.42], color=INK, marker="v", ms=4.5, lw=0)


def pose_svg(details: Mapping[str, Details], of: str = "") -> str:
    """Errors of corners, and of the deviations that poses give, over distance, with half a dot and a dot."""
    known = {
        model: found for model, found in details.items() if (found.get("corners") or {}).get("by_distance")
    }
    if not known:
        return ""
    poses = {model: (found.get("pose") or {}).get("by_distance", {}) for model, found in known.items()}
    names = ordered({name for found in known.values() for name in found["corners"]["by_distance"]})
    if not any(
        _of(found["corners"]["by_distance"], name, "p95") for found in known.values() for name in names
    ):
        return ""
    with figure(8.4, 3.2) as fig:
        axes = fig.subplots(1, 3 if any(poses.values()) else 1, squeeze=False)[0]
        for (model, found), colour in zip(known.items(), COLOURS * 9, strict=False):
            bins = found["corners"]["by_distance"]
            _line(axes[0], names, [_of(bins, name, "median") for name in names], colour, "-", model)
            _line(axes[0], names, [_of(bins, name, "p95") for name in names], colour, "--")
            for ax, key in zip(axes[1:], ("localiser_dots", "glide_path_dots"), strict=False):
                values = [_of(poses[model].get(name, {}), key, "p95") for name in names]
                _line(ax, names, values, colour, "--")
        axes[0].set_title("corner, px (line: median, dashes: 95 %)")
        for ax, title in zip(axes[1:], ("localiser, dots (95 %)", "glide path, dots (95 %)"), strict=False):
            ax.set_title(title)
            for dots, colour in ((0.5, GREY), (1.0, RED)):
                ax.axhline(dots, color=colour, lw=1, ls=":")
                ax.text(0, dots, f"{dots:g} dot", color=colour, va="bottom", fontsize=7)
        for ax in axes:
            ax.set_xticks(range(len(names)), [name.removesuffix(" km") for name in names])
            ax.set_xlim(-0.3, len(names) - 0.7)
            ax.set_xlabel("distance, km")
            ax.set_ylim(0, None)
            ax.grid(axis="y", color=LINE, lw=0.6)
            ax.tick_params(length=2)
        axes[0].legend(frameon=False, loc="best")
        return to_svg(fig, f"Corner and pose errors over distance{of}")


def _of(table: Mapping[str, Any], name: str, key: str) -> float | None:
    value = table.get(name, {}).get(key)
    return None if value is None else float(value)


def _line(
    ax: Any, names: Sequence[str], values: Sequence[float | None], colour: str, style: str, label: str = ""
) -> None:
    points = [(k, value) for k, value in enumerate(values) if value is not None]
    if points:
        ax.plot(*zip(*points, strict=True), color=colour, lw=1.4, ls=style, marker="o", ms=3, label=label)


def integrity_svg(details: Mapping[str, Details], of: str = "") -> str:
    """How often a corner that is off raises an alarm, and how often there are alarms against the design."""
    known = {model: found["integrity"] for model, found in details.items() if found.get("integrity")}
    known = {model: table for model, table in known.items() if table.get("detection_probability")}
    if not known:
        return ""
    with figure(8.4, 3.2) as fig:
        noticed, alarms = fig.subplots(1, 2)
        for (model, table), colour in zip(known.items(), COLOURS * 9, strict=False):
            moved = sorted((float(px), row) for px, row in table["detection_probability"].items())
            for key, style in (("mean", "-"), ("worst_corner", "--")):
                label = f"{model}, σ {table['corner_sigma_px']:g} px" if key == "mean" else ""
                values = [row[key] for _, row in moved]
                noticed.plot([px for px, _ in moved], values, color=colour, lw=1.4, ls=style, label=label)
            rates = sorted((float(rate), share) for rate, share in table["alarm_rate_at"].items())
            alarms.plot(*zip(*rates, strict=True), color=colour, lw=1.4, marker="o", ms=4)
        noticed.axhline(next(iter(known.values()))["false_alarm_rate"], color=GREY, lw=1, ls=":")
        noticed.set_xscale("log")
        offs = sorted({float(px) for table in known.values() for px in table["detection_probability"]})
        noticed.set_xticks(offs, [f"{px:g}" for px in offs])
        noticed.minorticks_off()
        noticed.set_ylim(0, 1.02)
        noticed.set_xlabel("one corner off by, px")
        noticed.set_title("chance of an alarm (dashes: worst corner)")
        noticed.legend(frameon=False, loc="upper left")
        alarms.plot([1e-3, 5e-2], [1e-3, 5e-2], color=GREY, lw=1, ls=(0, (4, 3)))
        alarms.set_xscale("log")
        alarms.set_yscale("symlog", linthresh=1e-3)
        alarms.set_ylim(0, 1.3)
        for axis in (alarms.xaxis, alarms.yaxis):
            axis.set_major_formatter(lambda value, _: f"{value:g}")
        alarms.set_xlabel("rate that the threshold is designed for")
        alarms.set_title("residuals beyond the threshold, share")
        for ax in (noticed, alarms):
            ax.grid(color=LINE, lw=0.6)
            ax.tick_params(length=2)
        return to_svg(fig, f"Integrity{of}")


def severity_svg(rows: Sequence[Mapping[str, Any]], of: str = "") -> str:
    """Plain and weighted AP50 and AP of each model; rows have cells plain, weighted, plain, weighted."""
    if all(value is None for row in rows for value in row["cells"][:4]):
        return ""
    with figure(8.4, 0.9 + 0.3 * len(rows)) as fig:
        axes = fig.subplots(1, 2, sharey=True)
        apart(fig)
        for ax, title, start in ((axes[0], "AP50", 0), (axes[1], "AP", 2)):
            for place, row in enumerate(reversed(rows)):
                plain, weighted = row["cells"][start : start + 2]
                known = [value for value in (plain, weighted) if value is not None]
                ax.plot(known, [place] * len(known), color=LINE, lw=3, zorder=1)
                for value, colour, label in ((plain, GREY, "plain"), (weighted, ORANGE, "weighted")):
                    if value is not None:
                        ax.scatter([value], [place], color=colour, s=30, zorder=2, label=label)
            ax.set_title(title)
            ax.set_xlim(0, 1)
            ax.grid(axis="x", color=LINE, lw=0.6)
            ax.tick_params(length=0)
        axes[0].set_yticks(range(len(rows)), [row["model"] for row in reversed(rows)])
        axes[0].set_ylim(-0.6, len(rows) - 0.4)
        handles, labels = axes[1].get_legend_handles_labels()
        shown = dict(zip(labels, handles, strict=True))
        axes[1].legend(
            shown.values(),
            shown,
            frameon=False,
            loc="upper left",
            bbox_to_anchor=(1.0, 1.0),
            handletextpad=0.2,
        )
        return to_svg(fig, f"Weighted by severity{of}")


def airports_by_distance_svg(details: Mapping[str, Details], of: str = "") -> str:
    """Per model, airport and distance: the share of required runways found, with both counts in the cell."""
    known = {
        model: found["found_by_airport"] for model, found in details.items() if "found_by_airport" in found
    }
    if not known:
        return ""
    airports = sorted({airport for table in known.values() for airport in table})
    names = ordered({name for table in known.values() for bins in table.values() for name in bins})
    wide = min(len(known), _PER_ROW)
    tall = -(-len(known) // _PER_ROW)
    with figure(8.4, tall * (0.75 + 0.21 * len(airports))) as fig:
        axes = fig.subplots(tall, wide, sharey=True, squeeze=False).ravel()
        for ax, (model, table) in zip(axes, known.items(), strict=False):
            _cells(ax, table, airports, names)
            ax.set_title(model)
        for ax in axes[len(known) :]:
            ax.set_axis_off()
        return to_svg(fig, f"Runways found by airport and distance{of}")


def _cells(ax: Any, table: Mapping[str, Any], airports: Sequence[str], names: Sequence[str]) -> None:
    for y, airport in enumerate(airports):
        for x, name in enumerate(names):
            cell = table.get(airport, {}).get(name)
            if cell:
                share = cell["found"] / cell["runways"]
                ax.broken_barh(
                    [(x - 0.48, 0.96)], (y - 0.46, 0.92), facecolors=BLUE, alpha=0.05 + 0.75 * share
                )
                text = f"{cell['found']}/{cell['runways']}"
                ax.text(x, y, text, ha="center", va="center", fontsize=6.5, color=INK)
    ax.set_xticks(range(len(names)), [name.removesuffix(" km") for name in names])
    ax.set_yticks(range(len(airports)), airports)
    ax.set_xlim(-0.5, len(names) - 0.5)
    ax.set_ylim(len(airports) - 0.5, -0.5)
    ax.set_xlabel("distance, km")
    ax.tick_params(length=0)
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
