"""Completeness of sources, environment and runways."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from lard.errors import AirportError
from lard.odd.laws import Law
from lard.quality.dataset import Dataset
from lard.quality.domain import bin_index
from lard.quality.model import Offence, Outcome, inconclusive
from lard.quality.registry import check
from lard.quality.untold import is_imported


@check(
    "DQR-C05",
    "Every source shows every airport",
    severity="warning",
    rationale="When one imagery source shows only some airports, source and place cannot be told apart.",
    objective="completeness",
    thresholds={"max_ratio": 3.0},
    needs=("airports", "manifest"),
)
def sources_complete(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Pictures per source and airport: no empty cell, none much fuller than another."""
    assert data.frames is not None and data.manifest is not None
    rows = data.manifest.select("frame_id", "source").join(
        data.frames.select("frame_id", "airport").unique("frame_id"), on="frame_id", how="inner"
    )
    sources = sorted(rows["source"].drop_nulls().unique().to_list())
    if len(sources) < 2:
        return Outcome(None, f"one imagery source only ({', '.join(sources) or 'none named'})")
    airports = sorted(rows["airport"].drop_nulls().unique().to_list())
    count = Counter(rows.select("source", "airport").iter_rows())
    offences = [
        Offence(f"{source}/{airport}", 0.0, "no picture of this airport from this source")
        for source in sources
        for airport in airports
        if not count[source, airport]
    ]
    full = [count[source, airport] for source in sources for airport in airports]
    ratio = max(full) / max(min(full), 1)
    limit = float(limits["max_ratio"])
    if ratio > limit and not offences:
        offences.append(Offence("crosstab", ratio, f"fullest cell holds {ratio:.1f} times the emptiest"))
    message = f"{len(sources)} sources x {len(airports)} airports, fullest to emptiest {ratio:.1f}"
    return Outcome(not offences, message, ratio, limit, tuple(offences), len(full))


@check(
    "DQR-C06",
    "Time of day, sun and visibility cover what the spec declares",
    severity="warning",
    rationale="Light and haze change a picture more than a degree of attitude does.",
    objective="completeness",
    thresholds={"min_share": 0.05, "bins": 4},
    needs=("frames", "odd"),
    parameters=("visibility_m", "sun_elevation_deg"),
)
def environment_covered(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Share of frames in each declared category, or in equal bins of each declared range."""
    assert data.frames is not None and data.odd is not None
    if not data.odd.environment:
        return Outcome(None, "the ODD spec declares no environment")
    frames, floor, bins = data.frames, float(limits["min_share"]), int(limits["bins"])
    offences, table, checked, worst = [], {}, 0, 1.0
    for name, declared in data.odd.environment.items():
        values, _ = data.environment_values(name, frames)
        if values is None:
            offences.append(Offence(name, None, "declared in the spec, but the frames have no such column"))
            continue
        cells = _cells(values, declared, bins)
        table[name] = cells
        due = _declared_shares(data, name, cells)
        for cell, count in cells.items():
            share = count / max(len(frames), 1)
            # what is declared to be rare is not asked for more often than half of what is declared
            needed = min(floor, due[cell] / 2)
            checked, worst = checked + 1, min(worst, share)
            if share < needed:
                offences.append(
                    Offence(f"{name}={cell}", share, f"{share:.1%} of the frames, {needed:.1%} needed")
                )
    if not checked and (data.kind != "lard" or is_imported(data)):
        names = ", ".join(offence.subject for offence in offences)
        return Outcome(None, f"tables of this layout state none of the declared conditions ({names})")
    message = f"{checked} declared conditions, the rarest in {worst:.1%} of the frames"
    return Outcome(not offences, message, worst, floor, tuple(offences), len(frames), {"environment": table})


def _declared_shares(data: Dataset, name: str, cells: Mapping[str, int]) -> dict[str, float]:
    """Share of the frames that the spec declares for each cell: by weights, else all alike."""
    alike = dict.fromkeys(cells, 1.0 / max(len(cells), 1))
    law = data.odd.spec.environment.get(name) if data.odd is not None and data.odd.spec is not None else None
    if law is None:
        return alike
    weights = law.values if isinstance(law, Law) else law.weights
    if not weights:
        return alike
    named = {one if isinstance(one, str) else f"{one:g}": float(weight) for one, weight in weights.items()}
    total = sum(named.values())
    return {cell: named.get(cell, 0.0) / total for cell in cells} if total > 0 else alike


def _cells(values: list[Any], declared: Law | tuple[str, ...], bins: int) -> dict[str, int]:
    """Frames per declared category, or per bin that the declared law fills equally."""
    if isinstance(declared, tuple):
        count = Counter(str(v).lower() if isinstance(v, bool) else str(v) for v in values)
        return {name: count[name] for name in declared}
    if declared.lo == declared.hi:
        return {f"{declared.lo:g}": sum(v is not None and abs(v - declared.lo) < 1e-9 for v in values)}
    if declared.law == "discrete":
        return {f"{x:g}": sum(v == x for v in values) for x in sorted(declared.values or {})}
    numbers = np.array([np.nan if v is None else float(v) for v in values])
    index = bin_index(declared.cdf(numbers), 0.0, 1.0, bins)
    span = declared.hi - declared.lo
    index[~((numbers >= declared.lo - 1e-6 * span) & (numbers <= declared.hi + 1e-6 * span))] = -1
    edges = declared.ppf(np.linspace(0.0, 1.0, bins + 1))
    return {f"{edges[k]:.4g}..{edges[k + 1]:.4g}": int(np.sum(index == k)) for k in range(bins)}


WIDTH_EDGES_M = (0.0, 30.0, 40.0, 50.0, 1e9)
LENGTH_EDGES_M = (0.0, 1500.0, 2500.0, 3500.0, 1e9)


@check(
    "DQR-C07",
    "Runways differ in heading, width and length",
    severity="warning",
    rationale="A detector that has seen runways of one width learns that width as a range finder.",
    objective="representativeness",
    thresholds={"min_sectors": 8, "min_width_classes": 3, "min_length_classes": 3},
    needs=("frames", "runways"),
)
def runway_variety(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Heading sectors of 30 degrees, width and length classes among the target runways."""
    assert data.frames is not None and data.database is not None
    targets = []
    for airport, runway in sorted(set(data.frames.select("airport", "runway").drop_nulls().iter_rows())):
        try:
            targets.append(data.database.airport(airport).runway(runway))
        except AirportError:
            continue  # DQR-A05 reports runways that the database does not know
    if not targets:
        return inconclusive(
            "no target runway is in the runway database", "give the database of the runways (--runways)"
        )
    found = {
        "min_sectors": Counter(int(r.heading_deg // 30) for r in targets),
        "min_width_classes": Counter(int(np.searchsorted(WIDTH_EDGES_M, r.width_m)) for r in targets),
        "min_length_classes": Counter(int(np.searchsorted(LENGTH_EDGES_M, r.length_m)) for r in targets),
    }
    offences = [
        Offence(name.removeprefix("min_"), float(len(count)), f"{len(count)} present, {limits[name]} needed")
        for name, count in found.items()
        if len(count) < float(limits[name])
    ]
    message = ", ".join(f"{len(count)} {name[4:].replace('_', ' ')}" for name, count in found.items())
    # the one that falls shortest is what the result is measured by
    worst = min(found, key=lambda name: len(found[name]) / max(float(limits[name]), 1e-9))
    return Outcome(
        not offences,
        f"{len(targets)} runway ends: {message}",
        float(len(found[worst])),
        float(limits[worst]),
        tuple(offences),
        len(targets),
        {"variety": {name: {str(k): v for k, v in sorted(c.items())} for name, c in found.items()}},
    )
