"""A coverage as plain text and as JSON values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lard.odd.coverage import ZoneCoverage, emptiest
from lard.odd.filling import fill_plan
from lard.odd.show import table
from lard.odd.spec import OddSpec
from lard.odd.statistics import failure_bound, samples_needed

CONFIDENCE = 0.95


def summary(
    spec: OddSpec, zones: Sequence[ZoneCoverage], limit: int = 3, at_least: int = 1
) -> dict[str, Any]:
    """Everything a coverage says, as JSON values by zone."""
    return {zone.zone: _zone(spec, zone, limit, at_least) for zone in zones}


def is_summary(document: object) -> bool:
    """Whether a JSON document is a coverage's."""
    zones = list(document.values()) if isinstance(document, dict) else []
    return bool(zones) and all(isinstance(zone, dict) and {"ways", "bins"} <= set(zone) for zone in zones)


def _zone(spec: OddSpec, zone: ZoneCoverage, limit: int, at_least: int) -> dict[str, Any]:
    bins = {}
    for k, axis in enumerate(zone.axes):
        column = zone.indices[:, k]
        bins[axis.name] = {
            "labels": [axis.label(b) for b in range(axis.size)],
            "frames": [int((column == b).sum()) for b in range(axis.size)],
            "airports": [len(set(zone.airport[column == b])) for b in range(axis.size)],
            "allowed": zone.allowed(k).tolist(),
        }
    frames, airports = len(zone.indices), len(set(zone.airport))
    return {
        "frames": frames,
        "airports": airports,
        "outside": zone.outside,
        "bins": bins,
        "ways": {
            str(t): {
                "cells": ways.total,
                "covered": ways.covered(at_least),
                "fraction": ways.fraction(at_least),
                "frames_to_fill": len(fill_plan(zone, t, at_least=at_least)),
            }
            for t, ways in zone.ways.items()
        },
        "rules": len(spec.rules),
        "discrepancy": zone.discrepancy,
        "discrepancy_monte_carlo": zone.monte_carlo,
        "discrepancy_points": zone.discrepancy_points,
        "emptiest": {
            str(t): [
                {"bins": dict(c.bins), "frames": c.count, "airports": c.airports, "witness": c.witness}
                for c in emptiest(spec, zone, t, limit)
            ]
            for t in zone.ways
        },
        "failure_bound_frames": failure_bound(frames, CONFIDENCE),
        "failure_bound_airports": failure_bound(airports, CONFIDENCE),
    }


def text(summary_of_zones: dict[str, Any], at_least: int = 1) -> str:
    """The summary for a terminal."""
    lines: list[str] = []
    for name, zone in summary_of_zones.items():
        lines += [f"{name}: {zone['frames']} frames of {zone['airports']} airports"]
        if zone["outside"]:
            lines.append(f"  {zone['outside']} of them lie outside the zone")
        rows = [["  parameter", "bins", "fewest", "mean", "fewest airports"]]
        for parameter, bins in zone["bins"].items():
            # bins that rules forbid are none to fill
            frames, airports = (
                [count for count, left in zip(bins[key], bins["allowed"], strict=True) if left] or [0]
                for key in ("frames", "airports")
            )
            size, left = len(bins["allowed"]), sum(bins["allowed"])
            shown = str(size) if left == size else f"{left} of {size}"
            mean = f"{np.mean(frames):.1f}"
            rows.append([f"  {parameter}", shown, str(min(frames)), mean, str(min(airports))])
        lines += table(rows)
        for t, ways in zone["ways"].items():
            cost = f"; {ways['frames_to_fill']} more frames fill the rest" if ways["frames_to_fill"] else ""
            lines.append(
                f"  {t}-way: {ways['covered']} of {ways['cells']} cells hold {at_least} or more "
                f"({ways['fraction']:.2%}){cost}"
            )
        if zone["discrepancy_monte_carlo"]:
            ratio = np.sqrt(zone["discrepancy"] / zone["discrepancy_monte_carlo"])
            lines.append(
                f"  centred L2 discrepancy {np.sqrt(zone['discrepancy']):.2e}, {ratio:.2f} of Monte Carlo's "
                f"at the same {zone['discrepancy_points']} points"
                + ("; rules cut the box, so that it cannot be low" if zone["rules"] else "")
            )
        lines.append(
            f"  no failure in {zone['frames']} frames would show a failure rate below "
            f"{zone['failure_bound_frames']:.2%} were they independent; with airports as the independent "
            f"unit, below {zone['failure_bound_airports']:.1%} ({CONFIDENCE:.0%} confidence)"
        )
        for t, cells in zone["emptiest"].items():
            for cell in cells:
                if cell["frames"] < at_least:
                    where = ", ".join(f"{k} {v}" for k, v in cell["bins"].items())
                    lines.append(f"  hole ({t}-way): {where}: {cell['frames']} frames{_witness(cell)}")
        lines.append("")
    needed = ", ".join(f"{samples_needed(p, CONFIDENCE)} for {p:.0%}" for p in (0.1, 0.05, 0.01))
    lines.append(f"independent samples without a failure that show a rate at {CONFIDENCE:.0%}: {needed}")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _witness(cell: dict[str, Any]) -> str:
    point = cell["witness"]
    if point is None:
        return ""
    parts = (f"{k}={v:g}" if isinstance(v, float) else f"{k}={v}" for k, v in point.items())
    return f", for example {', '.join(parts)}"
