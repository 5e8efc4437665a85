"""The environment and the runway of every frame lie in the domain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.odd.laws import Law
from lard.quality.dataset import Dataset
from lard.quality.model import Offence, Outcome
from lard.quality.registry import check

WEATHER = ("rain_mm_h", "cloud_fraction", "fog_top_m")
CLOCK_ROOM = {"local_time_h": 0.02, "day_of_year": 1.0, "sun_elevation_deg": 1.5}
"""How far values made anew from time and place may stray from those the frame was drawn with."""


@check(
    "DQR-C09",
    "The environment and runway of every frame lie in the domain",
    severity="error",
    rationale="A night frame in a day domain, or haze thicker than declared, is outside what is claimed.",
    objective="completeness",
    thresholds={"max_share": 0.0},
    needs=("frames", "odd"),
    parameters=("visibility_m", "sun_elevation_deg"),
)
def conditions_inside(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Every declared range and category against columns, else against what follows from time and place."""
    assert data.frames is not None and data.odd is not None
    frames = data.frames.unique("frame_id", keep="first", maintain_order=True)
    offences, judged = [], []
    for name, declared in data.odd.environment.items():
        values, stated = data.environment_values(name, frames)
        if values is None:
            continue  # DQR-C06 reports what the frames do not tell
        judged.append(name)
        room = 0.0 if stated else CLOCK_ROOM.get(name, 0.0)
        offences += _outside(frames, name, values, declared, room)
    offences += _undeclared(data, frames)
    offences += _runways(data, frames, judged)
    if not judged:
        return Outcome(None, "the ODD declares no environment and no runways that the frames tell of")
    bad = len({offence.subject for offence in offences})
    share, allowed = bad / max(len(frames), 1), float(limits["max_share"])
    count = Counter(offence.message.split(" is ")[0] for offence in offences)
    message = f"{bad} of {len(frames)} frames lie outside; judged: {', '.join(judged)}"
    if count:
        message += f"; outside: {', '.join(f'{name} of {n}' for name, n in sorted(count.items()))}"
    passed = share <= allowed
    return Outcome(passed, message, share, allowed, () if passed else tuple(offences), len(frames))


def _undeclared(data: Dataset, frames: pl.DataFrame) -> list[Offence]:
    """Frames in weather that a spec with an environment does not speak of: it has clear and dry air."""
    assert data.odd is not None
    declared = data.odd.environment
    offences = []
    for name in WEATHER if declared else ():
        kind = name.split("_")[0]
        if name not in frames.columns or any(other.startswith(kind) for other in declared):
            continue
        there = frames.filter(pl.col(name).cast(pl.Float64, strict=False) > 0)
        offences += [
            Offence(str(frame_id), float(value), f"{name} is {value:.4g}, the spec declares no {kind}")
            for frame_id, value in there.select("frame_id", name).iter_rows()
        ]
    return offences


def _outside(
    frames: pl.DataFrame, name: str, values: list[Any], declared: Law | tuple[str, ...], room: float
) -> list[Offence]:
    """Frames whose value is not one of those declared; unknown values are DQR-T02's."""
    ids = frames["frame_id"].to_list()
    if isinstance(declared, tuple):
        words = [str(v).lower() if isinstance(v, bool) else v for v in values]
        wanted = ", ".join(declared)
        return [
            Offence(str(ids[k]), None, f"{name} is {word}, declared are {wanted}")
            for k, word in enumerate(words)
            if word is not None and word not in declared
        ]
    numbers = np.array([np.nan if v is None else float(v) for v in values])
    if declared.law == "discrete" and declared.values:
        steps = np.array(sorted(declared.values), np.float64)
        away = np.abs(numbers[:, None] - steps[None, :]).min(axis=1)
        bad, text = away > room + 1e-6 * max(1.0, float(np.abs(steps).max())), f"one of {_listed(steps)}"
    else:
        slack = room + 1e-6 * max(1.0, abs(declared.lo), abs(declared.hi))
        bad = (numbers < declared.lo - slack) | (numbers > declared.hi + slack)
        text = f"{declared.lo:g} to {declared.hi:g}"
    return [
        Offence(str(ids[k]), float(numbers[k]), f"{name} is {numbers[k]:.6g}, declared is {text}")
        for k in np.flatnonzero(np.isfinite(numbers) & bad)
    ]


def _listed(values: NDArray[np.float64]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _runways(data: Dataset, frames: pl.DataFrame, judged: list[str]) -> list[Offence]:
    """Frames that approach a runway which the spec does not select."""
    assert data.odd is not None
    limits = data.odd.spec.runways if data.odd.spec is not None else {}
    if not limits or data.database is None:
        return []
    known = data.row_context(frames)
    offences = []
    for name, law in limits.items():
        if name not in known:
            continue
        judged.append(name)
        declared = law if isinstance(law, Law) else law.names
        offences += _outside(frames, name, known[name].tolist(), declared, 0.0)
    return offences
