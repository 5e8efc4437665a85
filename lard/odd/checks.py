"""Checks across the parts of an ODD spec: margins, overlapping zones, a sun placed twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from lard.odd.laws import Law
from lard.odd.parameters import APPROACH
from lard.odd.spec import Categories, Rule, Zone
from lard.odd.yamlfile import Faults


def check_spec(
    zones: Sequence[Zone],
    margins: Mapping[str, Mapping[str, tuple[float, float]]],
    environment: Mapping[str, Law | Categories],
    runways: Mapping[str, Law | Categories],
    rules: Sequence[Rule],
    faults: Faults,
) -> None:
    """Note every contradiction between parts that are each valid."""
    for name, (below, above) in margins.get("in", {}).items():
        wide = margins.get("extended", {}).get(name, (0.0, 0.0))
        if below > wide[0] or above > wide[1]:
            text = f"[{below:g}, {above:g}] is wider than the extended margin [{wide[0]:g}, {wide[1]:g}]"
            faults.add(("margins", "in", name), f"{text}; widen the extended one")
    for first, second in combinations(zones, 2):
        _check_overlap(first, second, faults)
    if "sun_elevation_deg" in environment or "light" in environment:
        for name in {"local_time_h"} & set(environment):
            other = "sun_elevation_deg" if "sun_elevation_deg" in environment else "light"
            faults.add(("environment", name), f"the sun's place is given twice, also by {other}; keep one")
    if {"sun_elevation_deg", "light"} <= set(environment):
        faults.add(
            ("environment", "light"), "the sun's place is given twice, also by sun_elevation_deg; keep one"
        )
    if {"day_of_year", "season"} <= set(environment):
        faults.add(("environment", "season"), "the day is given twice, also by day_of_year; keep one")


def _check_overlap(first: Zone, second: Zone, faults: Faults) -> None:
    """Two zones that share approaches must agree on what they allow there."""
    boxes = [{p: zone.laws[p].range for p in APPROACH} for zone in (first, second)]
    common = {p: (max(b[p][0] for b in boxes), min(b[p][1] for b in boxes)) for p in APPROACH}
    lo, hi = common["along_track_m"]
    if hi <= lo:
        return
    differing = [p for p in APPROACH[1:] if boxes[0][p] != boxes[1][p]]
    if differing:
        limits = "; ".join(
            f"{p} [{boxes[0][p][0]:g}, {boxes[0][p][1]:g}] against [{boxes[1][p][0]:g}, {boxes[1][p][1]:g}]"
            for p in differing
        )
        faults.add(
            ("zones", second.name, "along_track_m"),
            f"overlaps zone {first.name} from {lo:g} to {hi:g} m with contradictory limits: {limits}; "
            "make the distances disjoint or the limits equal",
        )
