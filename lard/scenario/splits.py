"""Training, validation and test sets by airport; neighbours within 10 km always together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from lard.airports.model import RunwayDatabase
from lard.errors import SpecError
from lard.geodesy import geodesic_inverse
from lard.tables import stable_hash

SPLITS = ("train", "val", "test")
NEIGHBOUR_M = 10_000.0


def neighbour_groups(db: RunwayDatabase, airports: Iterable[str]) -> list[tuple[str, ...]]:
    """Airports in groups: any two closer than 10 km, directly or through others, share one; all sorted."""
    codes = sorted({db.airport(code).icao for code in airports})
    group = {code: {code} for code in codes}
    for k, first in enumerate(codes):
        for second in codes[k + 1 :]:
            a, b = db.airport(first), db.airport(second)
            # a degree of latitude is 111 km: spares the geodesics between far airports
            if abs(a.lat_deg - b.lat_deg) > 0.2 or group[first] is group[second]:
                continue
            if geodesic_inverse(a.lat_deg, a.lon_deg, b.lat_deg, b.lon_deg)[2] < NEIGHBOUR_M:
                merged = group[first] | group[second]
                for code in merged:
                    group[code] = merged
    return sorted({tuple(sorted(members)) for members in group.values()})


def assign_splits(
    db: RunwayDatabase, airports: Iterable[str], split: Mapping[str, Any] | None = None, seed: int = 0
) -> dict[str, str]:
    """train, val or test of each airport.

    `split` gives val and test each as a list of airports or as a fraction of the airports; the rest is
    train. Without it everything is train. Fractions choose groups by a seeded order that does not depend
    on how the airports are listed.
    """
    groups = neighbour_groups(db, airports)
    assigned: dict[str, str] = {}
    given = dict(split or {})
    unknown = sorted(set(given) - {"val", "test"})
    if unknown:
        raise SpecError(f"split: unknown set {', '.join(unknown)}; expected val and test (the rest is train)")
    fractions: dict[str, float] = {}
    for name in ("val", "test"):
        value = given.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            fractions[name] = float(value)
        elif isinstance(value, list | tuple):
            _assign_listed(db, groups, name, [str(code) for code in value], assigned)
        elif value is not None:
            raise SpecError(f"split.{name}: expected a list of airports or a fraction, found {value!r}")
    if any(not 0 <= value < 1 for value in fractions.values()) or sum(fractions.values()) >= 1:
        raise SpecError(f"split: fractions {fractions} must be at least 0 and leave some airports to train")
    _assign_fractions(groups, fractions, assigned, seed)
    return {code: assigned.get(code, "train") for members in groups for code in members}


def _assign_listed(
    db: RunwayDatabase, groups: list[tuple[str, ...]], name: str, codes: list[str], assigned: dict[str, str]
) -> None:
    wanted = {db.airport(code).icao for code in codes}
    sampled = {code for members in groups for code in members}
    if wanted - sampled:
        missing = ", ".join(sorted(wanted - sampled))
        raise SpecError(f"split.{name}: {missing} is not among the sampled airports; add it there")
    for members in groups:
        inside = wanted & set(members)
        if inside and inside != set(members):
            raise SpecError(
                f"split.{name}: {', '.join(sorted(inside))} lies within 10 km of "
                f"{', '.join(sorted(set(members) - inside))}; put them in the same set"
            )
    for code in sorted(wanted):
        if code in assigned:
            raise SpecError(f"split.{name}: {code} is in {assigned[code]} as well; keep one")
        assigned[code] = name


def _assign_fractions(
    groups: list[tuple[str, ...]], fractions: Mapping[str, float], assigned: dict[str, str], seed: int
) -> None:
    free = [members for members in groups if members[0] not in assigned]
    total = sum(len(members) for members in groups)
    order = np.random.default_rng([seed, stable_hash("split")]).permutation(len(free))
    queue = [free[k] for k in order]
    for name, fraction in fractions.items():
        wanted = round(fraction * total) if fraction * total >= 1 else int(fraction > 0)
        count = 0
        while count < wanted:
            # a set takes the next group that does not overshoot, else the smallest there is
            fitting = [m for m in queue if len(m) <= wanted - count] or sorted(queue, key=len)[:1]
            if not fitting or len(queue) == 1:
                raise SpecError(
                    f"split.{name}: {total} airports in {len(groups)} groups of neighbours are too few for a "
                    f"fraction of {fraction:g} beside a training set; add airports"
                )
            queue.remove(fitting[0])
            assigned.update(dict.fromkeys(fitting[0], name))
            count += len(fitting[0])
