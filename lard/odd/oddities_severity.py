"""Tables of severity that change no score, or weigh a missed runway more the farther it is."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from lard.odd.spec import OddSpec, Severity
from lard.odd.yamlfile import Faults

_RARE = 1e-4  # of the largest weight: such runways count for nothing
_SAME = 1e-9


def warn_of_severity(spec: OddSpec, faults: Faults) -> None:
    """Warn of a table without effect on the runways that are required, and of weights that rise."""
    table = spec.severity
    if table is None:
        return
    where = ("severity", "points")
    weights = [weight for _, weight in table.points]
    for k, ((near, first), (far, second)) in enumerate(pairwise(table.points), 1):
        if second > first * (1 + _SAME):
            text = f"weight {second:g} at {far:g} m is more than {first:g} at {near:g} m"
            faults.warn((*where, k), f"{text}: a runway missed farther out weighs more; exchange them")
    for k, weight in enumerate(weights):
        if weight < _RARE * max(weights):
            text = f"weight {weight:g} is next to nothing of the largest, {max(weights):g}"
            faults.warn((*where, k), f"{text}: such runways do not count; raise it")
    if max(weights) <= min(weights) * (1 + _SAME):
        faults.warn(where, f"every runway weighs {weights[0]:g}, so this changes no score; remove it")
    elif spec.zones:
        _warn_of_reach(spec, table, faults)


def _warn_of_reach(spec: OddSpec, table: Severity, faults: Faults) -> None:
    """Warn of points that no required runway is between: those of the domain's zones, margins included."""
    where = ("severity", "points")
    below, above = spec.margin("in")[0]
    lo = min(zone.laws["along_track_m"].lo for zone in spec.zones) - float(below)
    hi = max(zone.laws["along_track_m"].hi for zone in spec.zones) + float(above)
    x, weights = np.array(table.points).T
    inside = np.concatenate([[lo], x[(x > lo) & (x < hi)], [hi]])
    drawn = np.interp(inside, x, weights)
    if drawn.max() <= drawn.min() * (1 + _SAME):
        text = f"no required runway is nearer than {lo:g} or farther than {hi:g} m"
        same = f"where all weigh {drawn[0]:g}, so this changes no score"
        kilometres = 0 < 1000 * x.max() <= 2 * hi and x.max() < lo
        remedy = "if these are kilometres, write metres" if kilometres else "mend the distances, or remove it"
        faults.warn(where, f"{text}, {same}; {remedy}")
        return
    for k in range(len(x)):
        # a point counts by the stretches to its neighbours
        if (x[k] > hi and x[k - 1] >= hi) or (x[k] < lo and k + 1 < len(x) and x[k + 1] <= lo):
            text = f"no required runway is at {x[k]:g} m or next to it"
            faults.warn((*where, k), f"{text}: they are from {lo:g} to {hi:g} m; remove the point")
