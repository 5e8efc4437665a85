"""Every airport and every approach is one of its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.odd.laws import Law
from lard.quality.columns import once
from lard.quality.dataset import POSE, Dataset, posed
from lard.quality.due import strip_numbers
from lard.quality.measures import geometry
from lard.quality.model import Offence, Outcome
from lard.quality.odd import PARAMETERS
from lard.quality.registry import check
from lard.quality.spelling import folded

Array = NDArray[np.float64]

KEYS = {"approach": PARAMETERS, "position": PARAMETERS[:3], "attitude": PARAMETERS[3:]}


@check(
    "DQR-U02",
    "Every airport has one name, and every approach is drawn anew",
    severity="error",
    rationale="An airport under two names, or the same approaches flown everywhere, are fewer samples.",
    objective="independence",
    thresholds={"near_m": 1500.0, "along_m": 1.0, "angle_deg": 0.02, "max_repeated_share": 0.005},
    needs=("frames", "airports"),
)
def places_own(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Thresholds that the poses put at one place under two names; approaches that recur at other runways."""
    assert data.frames is not None
    offences = _spellings(data) + _same_place(data, float(limits["near_m"]))
    names = data.frames["airport"].drop_nulls().n_unique()
    worst, allowed = 0.0, float(limits["max_repeated_share"])
    if "approach" in data.parts:
        worst, repeated = _repeated(data, limits, allowed)
        offences += repeated
    message = f"{names} airports under one name each, {worst:.1%} of the approaches recur at another runway"
    if offences:
        message = f"{len(offences)} repetitions among {names} airports; {worst:.1%} of the approaches recur"
    return Outcome(not offences, message, worst, allowed, tuple(offences), len(data.frames))


def _spellings(data: Dataset) -> list[Offence]:
    """Airports written in two ways, in frames and labels: by case, blanks or look-alike letters."""
    assert data.frames is not None
    ways: dict[str, set[str]] = defaultdict(set)
    for table in (data.frames, data.labels):
        if table is not None and "airport" in table.columns:
            for name in table["airport"].drop_nulls().unique().to_list():
                ways[folded(name).upper()].add(name)
    return [
        Offence(code, None, f"written as {' and '.join(repr(n) for n in sorted(names))}")
        for code, names in sorted(ways.items())
        if len(names) > 1
    ]


def _same_place(data: Dataset, near_m: float) -> list[Offence]:
    """Pairs of airports with a runway in common, by the database or by where the frames put thresholds."""
    strips: dict[str, set[int]] = defaultdict(set)
    if data.database is not None:
        for airport, _, _, number in strip_numbers(data).iter_rows():
            strips[airport.strip().upper()].add(number)
    points = _thresholds(data)
    named = {str(a).strip().upper() for a, _ in data.named_runways} | set(points)
    offences = []
    for a, b in combinations(sorted(named), 2):
        shared = strips[a] & strips[b]
        gap = np.inf
        if a in points and b in points:
            gap = float(np.linalg.norm(points[a][:, None] - points[b][None], axis=-1).min())
        if shared or gap < near_m:
            how = f"{len(shared)} runways in common" if shared else f"thresholds {gap:.0f} m apart"
            offences.append(Offence(f"{a}, {b}", None, f"{a} and {b} are one airport under two names: {how}"))
    return offences


def _thresholds(data: Dataset) -> dict[str, Array]:
    """Earth-centred thresholds (k, 3) of each airport, from pose and drawn approach of its frames."""
    if not {"approach", "pose"} <= data.parts or data.kind != "lard":
        return {}
    assert data.frames is not None
    told = data.frames.select("airport", "runway", *POSE, *(n for n in PARAMETERS if n not in POSE))
    frames = told.filter(posed()).drop_nulls(["airport", "runway", *PARAMETERS])
    apex = data.odd.lateral_apex_m if data.odd is not None else 0.0
    values = {
        name: frames[name].to_numpy() for name in (*POSE, "along_track_m", "lateral_deg", "yaw_offset_deg")
    }
    heading = np.radians(values["yaw_deg"] - values["yaw_offset_deg"])
    along = values["along_track_m"]
    right = np.tan(np.radians(values["lateral_deg"])) * (along + apex)
    north = along * np.cos(heading) + right * np.sin(heading)
    east = along * np.sin(heading) - right * np.cos(heading)
    lat = values["lat_deg"] + north / 111_200.0
    lon = values["lon_deg"] + east / (111_200.0 * np.cos(np.radians(values["lat_deg"])))
    places = geometry.cart(np.column_stack([lat, lon, np.zeros_like(lat)]), "wgs84")
    codes = frames["airport"].str.strip_chars().str.to_uppercase()
    table = pl.DataFrame(
        {
            "airport": codes,
            "runway": frames["runway"],
            "x": places[:, 0],
            "y": places[:, 1],
            "z": places[:, 2],
        }
    )
    middle = table.group_by("airport", "runway").agg(pl.col("x", "y", "z").median()).sort("airport", "runway")
    return {
        str(part["airport"][0]): part.select("x", "y", "z").to_numpy()
        for part in middle.partition_by("airport", maintain_order=True)
    }


def _repeated(data: Dataset, limits: Mapping[str, Any], allowed: float) -> tuple[float, list[Offence]]:
    """Largest share of frames whose approach, position or attitude recurs at another runway, and offences."""
    targets = once(data.targets)
    free = _free(data)
    worst, offences = 0.0, []
    for what, names in KEYS.items():
        used = [name for name in names if name in free]
        if len(targets) < 2 or len(used) < (2 if what != "approach" else 4):
            continue
        found: dict[str, str] = {}
        for shift in (0.0, 0.5):
            found |= _recurring(targets, used, limits, shift)
        share = len(found) / len(targets)
        worst = max(worst, share)
        if share > allowed:
            offences += [
                Offence(name, None, f"same {what} as {other}, at another runway")
                for name, other in sorted(found.items())
            ]
            break  # one story is enough
    return worst, offences


def _free(data: Dataset) -> set[str]:
    """Parameters that the spec lets vary continuously in every zone; all of them without a spec."""
    if data.odd is None:
        return set(PARAMETERS)
    fixed = set()
    for zone in data.odd.zones:
        for name in PARAMETERS:
            law: Law | None = zone.laws.get(name)
            low, high = zone.bounds.get(name, (0.0, 1.0))
            if high <= low or (law is not None and law.law == "discrete"):
                fixed.add(name)
    return set(PARAMETERS) - fixed


def _recurring(
    targets: pl.DataFrame, names: list[str], limits: Mapping[str, Any], shift: float
) -> dict[str, str]:
    """Frames whose values fall into one cell with those of a frame of another runway, with that frame."""
    step = {name: float(limits["along_m" if name.endswith("_m") else "angle_deg"]) for name in names}
    cells = [((pl.col(name) / step[name]) + shift).floor().alias(name) for name in names]
    place = (pl.col("airport") + "/" + pl.col("runway").fill_null("")).alias("place")
    grouped = (
        targets.select("frame_id", place, *cells)
        .group_by(names, maintain_order=True)
        .agg("frame_id", pl.col("place").n_unique().alias("places"))
        .filter(pl.col("places") > 1)
    )
    return {
        name: ids[0] if k else ids[1] for ids in grouped["frame_id"].to_list() for k, name in enumerate(ids)
    }
