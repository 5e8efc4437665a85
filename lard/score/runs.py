"""Runs of pictures that follow one another in time: sequences of a flight, footage with times."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lard.score.boxes import Floats

MOST_APART_S = 2.0
"""Pictures farther apart do not belong to one run."""
LEAST_FRAMES = 10


@dataclass(frozen=True, slots=True)
class Run:
    """Pictures of one flight in the order of time."""

    name: str
    image_ids: tuple[int, ...]
    time_s: Floats  # (frames,) increasing


def find_runs(truth: Mapping[str, Any]) -> tuple[list[Run], str]:
    """Runs of at least LEAST_FRAMES pictures, in the order of their names; if none, why in one line.

    Pictures belong together by source and `sequence`, else by airport, runway and the name without its
    last number. Their times are time_s, else time_to_landing_s, else time_utc.
    """
    groups: dict[str, list[tuple[float, int]]] = {}
    untimed = 0
    for image in truth["images"]:
        moment = _time_s(image)
        if moment is None:
            untimed += 1
            continue
        groups.setdefault(_flight(image), []).append((moment, int(image["id"])))
    runs, doubled = [], 0
    for name in sorted(groups):
        frames = sorted(groups[name])
        times = np.array([moment for moment, _ in frames])
        breaks = np.flatnonzero(np.diff(times) > MOST_APART_S) + 1
        starts, ends = np.append(0, breaks), np.append(breaks, len(frames))
        long = np.flatnonzero(ends - starts >= LEAST_FRAMES)
        kept = [np.arange(starts[k], ends[k]) for k in long]
        for number, part in enumerate(kept):
            if (np.diff(times[part]) <= 0).any():
                doubled += 1
                continue
            label = f"{name} ({number + 1})" if len(kept) > 1 else name
            runs.append(Run(label, tuple(frames[k][1] for k in part), times[part]))
    if runs:
        return runs, ""
    if doubled:
        return [], f"{doubled} sequences have pictures of equal times; state time_s"
    if untimed == len(truth["images"]):
        return [], "no picture states a time (time_s, time_to_landing_s or time_utc)"
    return [], f"no {LEAST_FRAMES} pictures of one flight follow each other within {MOST_APART_S:g} s"


def _flight(image: Mapping[str, Any]) -> str:
    if image.get("sequence"):
        named: tuple[Any, ...] = (image["sequence"],)
    else:
        stem = str(image.get("frame_id") or image["file_name"]).split(".")[0]
        bare = stem.rstrip("0123456789")
        bare = bare.rstrip("_-. ") if bare != stem else stem
        named = (image.get("airport"), image.get("runway"), bare)
    parts = (image.get("source"), *named)
    return " ".join(str(part) for part in parts if part)


def _time_s(image: Mapping[str, Any]) -> float | None:
    """Seconds on a clock that runs forward, whatever its origin."""
    for key, sign in (("time_s", 1.0), ("time_to_landing_s", -1.0)):
        value = image.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value):
            return sign * float(value)
    text = image.get("time_utc")
    if not text:
        return None
    try:
        moment = datetime.datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or datetime.UTC).timestamp()
