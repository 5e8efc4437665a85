"""What leaderboard.csv tells of robustness, and the rungs of what certificates claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Details = Mapping[str, Any]
LADDER = (
    ("firing_recall", "certified_firing_recall", "a location fires at the runway"),
    ("overlap_recall", "certified_overlap_recall", "and a kept box holds half of it"),
    ("box_recall", "certified_box_recall", "and a kept box has IoU 0.5"),
    (None, "quiet_pictures", "no false alarm in the picture"),
)
"""Rungs of what is claimed: key of the clean share, key of the certified one, meaning."""
ATTACKED = ("AP50", "recall")
CONFORMAL = {
    "conformal_alpha": ("conformal", "alpha"),
    "conformal_coverage": ("conformal", "coverage", "mean_of_airports"),
    "conformal_lowest_airport": ("conformal", "coverage", "lowest_airport"),
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column and where its values stand: parts of `robustness`, or goal, eps and measure of an attack."""

    name: str
    path: tuple[str, ...]


def robustness_columns(details: Sequence[Details]) -> list[Column]:
    """Columns of what entries tell of robustness; none where they tell nothing."""
    found = [Column("certified_score", ("certificates", "threshold", "score"))]
    for eps in sorted({eps for one in details for eps in _certificates(one).get("by_eps", {})}, key=float):
        found += [Column(f"{key}_eps_{eps}", ("certificates", "by_eps", eps, key)) for _, key, _ in LADDER]
    for goal, norm, eps in sorted({at for one in details for at in _attacked(one)}):
        found += [
            Column(f"{key}_{goal}_{norm}_{eps:g}", ("attack", goal, f"{eps:g}", key)) for key in ATTACKED
        ]
    found += [Column(name, path) for name, path in CONFORMAL.items()]
    return [one for one in found if any(value is not None for value in (_value(d, one) for d in details))]


def robustness_values(details: Details, wanted: Sequence[Column]) -> list[float | None]:
    """An entry's values of columns."""
    return [_value(details, one) for one in wanted]


def _value(details: Details, column: Column) -> float | None:
    found: Any = details.get("robustness") or {}
    if column.path[0] == "attack":
        _, goal, eps, key = column.path
        curve = _goals(details).get(goal, {}).get("curve", [])
        found = next((row.get(key) for row in curve if f"{row['eps']:g}" == eps), None)
    else:
        for key in column.path:
            found = found.get(key) if isinstance(found, Mapping) else None
    number = isinstance(found, int | float) and not isinstance(found, bool)
    return float(found) if number else None


def _certificates(details: Details) -> Mapping[str, Any]:
    return (details.get("robustness") or {}).get("certificates") or {}


def _goals(details: Details) -> Mapping[str, Any]:
    return ((details.get("robustness") or {}).get("attack") or {}).get("goals") or {}


def _attacked(details: Details) -> list[tuple[str, str, float]]:
    norm = ((details.get("robustness") or {}).get("attack") or {}).get("settings", {}).get("norm", "l2")
    goals = _goals(details).items()
    return [(goal, norm, float(row["eps"])) for goal, one in goals for row in one["curve"] if row["eps"]]
