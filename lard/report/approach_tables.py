"""What the leaderboard tells of corners, poses, integrity and sequences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Details = Mapping[str, Any]

PARTS = ("corners", "pose", "integrity", "sequences")
COLUMNS = {
    "corners_share": ("corners", "share"),
    "poses_solved": ("pose", "solved"),
    "corner_px_median": ("corners", "error_px", "median"),
    "corner_px_p95": ("corners", "error_px", "p95"),
    "along_track_m_p95": ("pose", "errors", "along_track_m", "p95"),
    "cross_track_m_p95": ("pose", "errors", "cross_track_m", "p95"),
    "height_m_p95": ("pose", "errors", "height_m", "p95"),
    "attitude_deg_p95": ("pose", "errors", "attitude_deg", "p95"),
    "localiser_dots_p95": ("pose", "errors", "localiser_dots", "p95"),
    "glide_path_dots_p95": ("pose", "errors", "glide_path_dots", "p95"),
    "within_one_dot": ("pose", "within_dots", "1"),
    "corner_sigma_px": ("integrity", "corner_sigma_px"),
    "fitted_sigma_px": ("integrity", "fitted_sigma_px"),
    "integrity_alarm_rate": ("integrity", "alarm_rate"),
    "sequences_found_stably": ("sequences", "detector", "found_stably"),
    "first_stable_m": ("sequences", "detector", "first_stable_m", "median"),
    "longest_gap_s": ("sequences", "detector", "longest_gap_s", "greatest"),
    "jump_rate": ("sequences", "detector", "jump_rate"),
    "identity_switches": ("sequences", "detector", "identity_switches"),
    "box_flicker_px": ("sequences", "detector", "box_flicker_px", "median"),
    "corner_flicker_px": ("sequences", "detector", "corner_flicker_px", "median"),
    "lasting_false_alarm_share": ("sequences", "detector", "lasting_false_alarm_share"),
}
"""Columns of leaderboard.csv and where in a score file their values stand."""
POSE = (
    ("corners_share", "corners of required runways"),
    ("poses_solved", "poses"),
    ("corner_px_median", "corner: median, px"),
    ("corner_px_p95", "95 %, px"),
    ("along_track_m_p95", "along track, m"),
    ("cross_track_m_p95", "cross track, m"),
    ("height_m_p95", "height, m"),
    ("attitude_deg_p95", "attitude, °"),
    ("localiser_dots_p95", "localiser, dots"),
    ("glide_path_dots_p95", "glide path, dots"),
    ("within_one_dot", "within a dot"),
    ("corner_sigma_px", "σ stated, px"),
    ("fitted_sigma_px", "σ fitted, px"),
    ("integrity_alarm_rate", "alarms"),
)
TIME = (
    ("with_runway", "sequences"),
    ("found_stably", "found stably"),
    ("first_stable_m", "first stable, m"),
    ("longest_gap_s", "longest gap, s"),
    ("jump_rate", "jump rate"),
    ("identity_switches", "identity switches"),
    ("box_flicker_px", "box flicker, px"),
    ("corner_flicker_px", "corner flicker, px"),
    ("lasting_false_alarm_share", "lasting false alarms"),
)
_SUMMARISED = {"first_stable_m": "median", "longest_gap_s": "greatest", "box_flicker_px": "median",
               "corner_flicker_px": "median"}  # fmt: skip


def _at(found: Any, path: tuple[str, ...]) -> float | None:
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return float(found) if isinstance(found, int | float) else None


def approach_values(details: Details) -> list[float | None]:
    """The values of COLUMNS of one model, None where its score file has none."""
    return [_at(details, path) for path in COLUMNS.values()]


def approach_tables(details: Mapping[str, Details]) -> dict[str, Any]:
    """Tables of the page by model, and why parts are missing: pose whole and by distance, sequences."""
    missing = {
        model: [f"{name}: {reason}" for name, reason in sorted(found.get("not_computed", {}).items())]
        for model, found in details.items()
    }
    return {
        "pose": {
            "heads": [head for _, head in POSE],
            "rows": [
                {"model": model, "cells": [_at(found, COLUMNS[name]) for name, _ in POSE]}
                for model, found in details.items()
                if "corners" in found
            ],
        },
        "by_distance": _by_distance(details),
        "integrity": next((found["integrity"] for found in details.values() if "integrity" in found), None),
        "time": {"heads": [head for _, head in TIME], "rows": _time_rows(details)},
        "missing": {model: lines for model, lines in missing.items() if lines and len(lines) < len(PARTS)},
    }


def _by_distance(details: Mapping[str, Details]) -> dict[str, Any]:
    """95th percentiles of cross track and height by distance, and both protection levels' medians."""
    names = sorted(  # "over" comes after the numbers
        {name for found in details.values() for name in (found.get("pose") or {}).get("by_distance", {})}
    )
    rows = []
    for model, found in details.items():
        bins = (found.get("pose") or {}).get("by_distance", {})
        levels = (found.get("integrity") or {}).get("by_distance", {})
        cells = [
            [_at(bins, (name, key, "p95")) for key in ("cross_track_m", "height_m")]
            + [_at(levels, (name, key, "median")) for key in ("cross_track_m", "height_m")]
            for name in names
        ]
        rows += [{"model": model, "cells": cells}] if bins else []
    return {"names": names, "rows": rows}


def _time_rows(details: Mapping[str, Details]) -> list[dict[str, Any]]:
    """Each model by itself and with the baseline tracker."""
    rows = []
    for model, found in details.items():
        for key, name in (("detector", model), ("baseline_tracker", f"{model}, tracked")):
            told = (found.get("sequences") or {}).get(key)
            if told:
                cells = [
                    _at(told, (column, _SUMMARISED[column]) if column in _SUMMARISED else (column,))
                    for column, _ in TIME
                ]
                rows.append({"model": name, "cells": cells})
    return rows
