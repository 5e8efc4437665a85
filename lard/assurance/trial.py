"""Monitors tried on pictures inside and outside of a domain: what each sees, at what price, and for sure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lard.assurance.intervals import ALIKE
from lard.assurance.monitors import ALARMS, SAYS, Monitor, Seen
from lard.assurance.ranks import (
    KEPT,
    Alarms,
    Resampled,
    auroc,
    auroc_interval,
    certified_auroc,
    kept_interval,
    kept_outside,
    resampled,
    share_interval,
)
from lard.assurance.thresholds import SAYS as SAYS_RULE
from lard.errors import DataError
from lard.score.inference import LEAST_AIRPORTS

LEAST_INSIDE = 20


@dataclass(frozen=True, slots=True)
class Group:
    """Looked-at pictures outside of the domain, under a name."""

    name: str
    seen: Seen


def tried(
    monitor: Monitor, within: Seen, groups: Sequence[Group], radii: Sequence[float], seed: int
) -> dict[str, Any]:
    """Everything measured of a monitor: by alarm and group, with tables of it; no clocks, no paths.

    DataError for too few pictures inside, or none outside.
    """
    check_sets(monitor, within.airports, [group.name for group in groups])
    own = monitor.alarms(within.looks, within.airports)
    others = {group.name: monitor.alarms(group.seen.looks, group.seen.airports) for group in groups}
    rows: dict[str, Any] = {}
    for group in groups:
        drawn = _drawn(within, group.seen, seed)
        rows[group.name] = {
            "pictures": len(group.seen.looks),
            "airports": group.seen.counts(),
            "alarms": {
                name: _against(own[name], others[group.name][name], monitor.thresholds[name], drawn, radii)
                for name in ALARMS
            },
        }
    alone = _drawn(within, within, seed)
    document: dict[str, Any] = {
        "format": "lard-monitor",
        "model": monitor.model,
        "model_sha256": monitor.model_sha256,
        "lipschitz_constant": monitor.constant,
        "alarms": SAYS,
        "norm": "L2 over the whole picture, red, green and blue values in [0, 1]",
        "false_stop_rate": monitor.false_stops,
        "threshold_rule": monitor.rule,
        "fitted_on": dict(monitor.learnt_on),
        "thresholds_set_on": dict(monitor.set_on),
        "interval": f"bootstrap over airports, 95 %; none below {LEAST_AIRPORTS} airports inside; {ALIKE}",
        "inside": {
            "pictures": len(within.looks),
            "airports": within.counts(),
            "alarms": {name: _within(own[name], monitor.thresholds[name], alone, radii) for name in ALARMS},
        },
        "outside": rows,
        "values": {
            "inside": {name: _rounded(own[name].values) for name in ALARMS},
            **{key: {name: _rounded(one[name].values) for name in ALARMS} for key, one in others.items()},
        },
    }
    return document | {"tables": tables_of(document, radii)}


def check_sets(monitor: Monitor, within: Sequence[str], groups: Sequence[str]) -> None:
    """DataError for airports of pictures inside, and groups outside, that a monitor cannot be tried on."""
    if len(within) < LEAST_INSIDE:
        raise DataError(f"{len(within)} pictures inside the domain to try on; give at least {LEAST_INSIDE}")
    if not groups:
        raise DataError("nothing outside of the domain to try the monitor on; give --change or --domain")
    if learnt := sorted(set(within) & (set(monitor.learnt_on) | set(monitor.set_on))):
        raise DataError(
            f"the monitor was fitted or set on {learnt[0]} ({len(learnt)} such airports); try it on others"
        )


def _drawn(within: Seen, beyond: Seen, seed: int) -> Resampled | None:
    return resampled(np.array(within.airports), np.array(beyond.airports), seed=seed)


def _rounded(values: Any) -> list[float]:
    return [float(f"{value:.6g}") for value in values]


def _against(
    inside: Alarms, outside: Alarms, threshold: float, drawn: Resampled | None, radii: Sequence[float]
) -> dict[str, Any]:
    """One alarm on one group: rankings, the share stopped, and what of both no perturbation takes away."""
    stopped = outside.values > threshold
    found: dict[str, Any] = {
        "AUROC": auroc(inside.values, outside.values),
        "AUROC_interval": drawn and auroc_interval(inside.values, outside.values, drawn),
        "FPR95": kept_outside(inside.values, outside.values),
        "FPR95_interval": drawn and kept_interval(inside.values, outside.values, drawn),
        "stopped": float(stopped.mean()),
        "stopped_interval": drawn and share_interval(stopped, drawn.outside),
    }
    if inside.constants is None or outside.constants is None:
        return found | {"certified_AUROC": None, "certified_stopped": None}
    return found | {
        "certified_AUROC": {f"{eps:g}": certified_auroc(inside, outside, eps) for eps in radii},
        "certified_stopped": {
            f"{eps:g}": float((outside.moved(eps, up=False) > threshold).mean()) for eps in radii
        },
    }


def _within(
    inside: Alarms, threshold: float, drawn: Resampled | None, radii: Sequence[float]
) -> dict[str, Any]:
    """One alarm inside the domain: how often it stops for nothing, as it is and at worst."""
    stopped = inside.values > threshold
    proved = inside.constants is not None
    return {
        "threshold": threshold,
        "false_stops": float(stopped.mean()),
        "false_stops_interval": drawn and share_interval(stopped, drawn.inside),
        "moves_per_eps": float(np.median(inside.constants)) if inside.constants is not None else None,
        "false_stops_at_worst": {
            f"{eps:g}": float((inside.moved(eps, up=True) > threshold).mean()) for eps in radii
        }
        if proved
        else None,
    }


def tables_of(document: Mapping[str, Any], radii: Sequence[float]) -> list[dict[str, Any]]:
    """The document as tables of texts: title, columns, rows, note."""
    outside = document["outside"]
    head = ["outside of the domain", "pictures", *ALARMS]

    def rows_of(key: str) -> list[list[Any]]:
        return [
            [name, row["pictures"], *(_cell(row["alarms"][alarm], key) for alarm in ALARMS)]
            for name, row in outside.items()
        ]

    inside = document["inside"]
    stops = ["inside: false stops", inside["pictures"]]
    stops += [_cell(inside["alarms"][alarm], "false_stops") for alarm in ALARMS]
    rate, rule = document["false_stop_rate"], document["threshold_rule"]
    found = [
        {
            "title": "Out-of-domain monitors: AUROC",
            "columns": head,
            "rows": rows_of("AUROC"),
            "note": "Chance that a picture outside alarms more than one inside; 0.5 sees nothing. In brackets"
            f" 95 % over airports; {ALIKE}.",
        },
        {
            "title": "FPR at 95 %",
            "columns": head,
            "rows": rows_of("FPR95"),
            "note": f"Share outside that passes where {KEPT:.0%} of the pictures inside pass; 0 is best.",
        },
        {
            "title": "Stopped at the alarm threshold",
            "section": "refuses",
            "columns": head,
            "rows": [stops, *rows_of("stopped")],
            "note": f"Thresholds from validation airports, at a false-stop rate of {rate:g} there, by rule"
            f" {rule} ({SAYS_RULE[rule]}); the first row is what they cost on unseen airports.",
        },
    ]
    return [*found, _certified_table(document, radii)]


def _certified_table(document: Mapping[str, Any], radii: Sequence[float]) -> dict[str, Any]:
    rows = []
    for name, row in document["outside"].items():
        for alarm in ALARMS:
            own = row["alarms"][alarm]
            if own["certified_AUROC"]:
                cells = [f"{own['certified_AUROC'][f'{eps:g}']:.3f}" for eps in radii]
                rows.append([name, alarm, f"{own['AUROC']:.3f}", *cells])
    return {
        "title": "Certified AUROC",
        "section": "certified",
        "columns": ["outside of the domain", "alarm", "clean", *(f"eps {eps:g}" for eps in radii)],
        "rows": rows,
        "note": "The least AUROC when an attacker may change every picture, inside and outside, by an L2 norm"
        " of eps; only alarms with a Lipschitz constant have one.",
    }


def _cell(row: Mapping[str, Any], key: str) -> str:
    ends = row.get(f"{key}_interval")
    return f"{row[key]:.3f}" + (f" [{ends[0]:.2f}, {ends[1]:.2f}]" if ends else "")
