"""Independence: sets that share no place and are alike in the ODD."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl
from scipy import stats

from lard.quality.dataset import Dataset
from lard.quality.frames import TESTING, TRAINING, VALIDATION, zone_rows
from lard.quality.measures import geometry
from lard.quality.model import Offence, Outcome
from lard.quality.odd import PARAMETERS
from lard.quality.registry import check

NAMES = {TRAINING: "training", VALIDATION: "validation", TESTING: "test"}


@check(
    "DQR-S01",
    "Training, validation and test sets share no airport nor neighbours",
    severity="error",
    rationale="A test airport that was seen in training measures memory, not ability.",
    objective="independence",
    thresholds={"min_distance_km": 10.0, "max_shown_px2": 4.0},
    needs=("airports", "split"),
)
def sets_disjoint(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Airports of different sets: none in two, none nearer than the distance, none in another's pictures."""
    assert data.frames is not None
    pairs = data.frames.select("airport", "split").drop_nulls().unique().sort("airport", "split")
    splits: dict[str, list[str]] = defaultdict(list)
    for airport, split in pairs.iter_rows():
        splits[airport].append(split)
    if len({split for names in splits.values() for split in names}) < 2:
        return Outcome(None, "the dataset has one set only")
    offences = [
        Offence(airport, 0.0, f"in the sets {' and '.join(names)}")
        for airport, names in splits.items()
        if len(names) > 1
    ]
    places = _airport_places(data)
    smallest, limit = math.inf, float(limits["min_distance_km"])
    known = sorted(set(places) & set(splits))
    for i, a in enumerate(known):
        for b in known[i + 1 :]:
            distance = float(np.linalg.norm(places[a] - places[b])) / 1000.0
            if set(splits[a]) != set(splits[b]) or len(splits[a]) > 1:
                smallest = min(smallest, distance)
                if distance < limit:
                    text = f"{distance:.1f} km from {b}, which is in the set {splits[b][0]}"
                    offences.append(Offence(a, distance, text))
    offences += _shown_elsewhere(data, splits, float(limits["max_shown_px2"]))
    count = Counter(split for names in splits.values() for split in names)
    message = ", ".join(f"{split}: {n} airports" for split, n in sorted(count.items()))
    if math.isfinite(smallest):
        message += f"; nearest across sets {smallest:.0f} km"
    return Outcome(
        not offences,
        message,
        smallest if math.isfinite(smallest) else None,
        limit,
        tuple(offences),
        len(splits),
        {"splits": {s: sorted(a for a, names in splits.items() if s in names) for s in sorted(count)}},
    )


def _shown_elsewhere(data: Dataset, splits: Mapping[str, list[str]], most_px2: float) -> list[Offence]:
    """Pairs of airports, the runways of one larger than so many pixels in pictures of a set it is not in."""
    if not {"labels", "polygon"} <= data.parts:
        return []
    assert data.frames is not None and data.labels is not None
    place = data.frames.select("frame_id", "split", pl.col("airport").alias("own"))
    keys = data.labels.select("frame_id", "airport").with_row_index("row")
    away = keys.join(place.drop_nulls(), on="frame_id").filter(
        (pl.col("airport") != pl.col("own")) & pl.col("airport").is_in(list(splits))
    )
    seen = away.with_columns(data.labels["polygon"].gather(away["row"])).filter(
        pl.col("polygon").list.len() > 4
    )
    found: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for own, split, airport, flat in seen.select("own", "split", "airport", "polygon").iter_rows():
        x, y = np.array(flat).reshape(-1, 2).T
        area = abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
        if area > most_px2 and set(splits[airport]) != {split}:
            found[airport, split, own].append(area)
    return [
        Offence(
            airport,
            max(areas),
            f"of the set {splits[airport][0]}, shown in {len(areas)} {split} pictures of {own} with up to "
            f"{max(areas):.0f} px²; put both airports into one set",
        )
        for (airport, split, own), areas in sorted(found.items())
    ]


def _airport_places(data: Dataset) -> dict[str, np.ndarray]:
    """Earth-centred position of each airport: from the database, else the mean of its cameras."""
    assert data.frames is not None
    known = data.database.airports if data.database is not None else {}
    places = {
        icao: geometry.cart(np.array([a.lat_deg, a.lon_deg, 0.0]), "wgs84") for icao, a in known.items()
    }
    if "pose" in data.parts:
        means = data.frames.group_by("airport").agg(pl.col("lat_deg").mean(), pl.col("lon_deg").mean())
        for airport, lat, lon in means.drop_nulls().iter_rows():
            places.setdefault(airport, geometry.cart(np.array([lat, lon, 0.0]), "wgs84"))
    return places


@check(
    "DQR-S02",
    "Training, validation and test sets are alike in the ODD",
    severity="error",
    rationale="A test set that is easier or harder than the training set answers another question.",
    objective="representativeness",
    thresholds={"max_distance": 0.1, "max_environment_distance": 0.2, "min_p": 0.01, "min_p_others": 0.001},
    needs=("frames", "split", "odd"),
    parameters=PARAMETERS,
)
def sets_alike(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Two-sample distance of each approach parameter per zone, and of each declared condition, pair by pair.

    `min_p` is for training against test approaches; the many other pairs are held to `min_p_others`.
    """
    offences, table, worst = [], {}, 0.0
    for subject, first, second, a, b in _compared(data):
        if len(a) < 2 or len(b) < 2:
            continue
        distance, p = _apart(a, b)
        pair = "" if (first, second) == (TRAINING, TESTING) else f" ({first} and {second})"
        table[f"{subject}{pair}"] = {"distance": distance, "p": p}
        worst = max(worst, distance)
        approach = subject.split("/")[-1] in PARAMETERS
        most = float(limits["max_distance" if approach else "max_environment_distance"])
        rare = float(limits["min_p" if approach and not pair else "min_p_others"])
        if distance > most and p < rare:
            text = f"{NAMES[first]} and {NAMES[second]} differ: D = {distance:.3f}, p = {p:.2g}"
            offences.append(Offence(f"{subject}{pair}", distance, text))
    if not table:
        return Outcome(None, "no two sets have frames of one zone or declared conditions")
    message = f"largest distance of {len(table)} comparisons is {worst:.3f}"
    limit = float(limits["max_distance"])
    return Outcome(not offences, message, worst, limit, tuple(offences), len(table), {"ks": table})


def _compared(data: Dataset) -> Iterator[tuple[str, str, str, list[Any], list[Any]]]:
    """What is compared, two sets, and their values: approaches zone by zone, then the environment."""
    assert data.frames is not None and data.odd is not None
    pairs = [(TRAINING, TESTING), (TRAINING, VALIDATION), (VALIDATION, TESTING)]
    for zone, rows in zone_rows(data) if "approach" in data.parts else ():
        parts = {name: rows.filter(pl.col("split") == name) for name in NAMES}
        for first, second in pairs:
            for name in zone.bounds:
                one, two = (parts[s][name].to_list() for s in (first, second))
                yield f"{zone.name}/{name}", first, second, one, two
    frames = data.once
    splits = frames["split"].to_list()
    for name in data.odd.environment:
        values, _ = data.environment_values(name, frames)
        if values is None:
            continue
        known = [(v, s) for v, s in zip(values, splits, strict=True) if v is not None and v == v]
        for first, second in pairs:
            one, two = ([v for v, s in known if s == part] for part in (first, second))
            yield name, first, second, one, two


def _apart(a: list[Any], b: list[Any]) -> tuple[float, float]:
    """Kolmogorov-Smirnov distance of numbers or largest gap in the share of a word, and its p-value."""
    if not isinstance(a[0], str):
        result = stats.ks_2samp(np.asarray(a, np.float64), np.asarray(b, np.float64))
        return float(result.statistic), float(result.pvalue)
    one, two = Counter(a), Counter(b)
    words = sorted(set(one) | set(two))
    if len(words) < 2:
        return 0.0, 1.0
    table = np.array([[count[word] for word in words] for count in (one, two)])
    gap = float(np.abs(table[0] / len(a) - table[1] / len(b)).max())
    return gap, float(stats.chi2_contingency(table).pvalue)
