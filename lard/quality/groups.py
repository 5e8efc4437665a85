"""Groups of frames that may each be wrong on their own: airport, source, zone, set, camera."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.quality.dataset import CAMERA, Dataset, sources_of
from lard.quality.frames import every

WHOLE = "dataset"


def groups_of(data: Dataset) -> dict[str, frozenset[str]]:
    """Frame ids of the whole dataset and of each group; kinds of which there is one group are left out."""
    assert data.frames is not None
    frames = data.frames.unique("frame_id", keep="first", maintain_order=True)
    ids = frames["frame_id"].cast(pl.String).to_list()
    sources = sources_of(data)
    kinds: dict[str, list[str | None]] = {"source": [sources.get(name) for name in ids]}
    for kind, column in (("airport", "airport"), ("zone", "zone"), ("set", "split")):
        if column in frames.columns:
            kinds[kind] = frames[column].to_list()
    if set(CAMERA) <= set(frames.columns):
        kinds["camera"] = [
            None if None in row else f"{row[0]}x{row[1]} f {row[2]:.6g} c {row[4]:g},{row[5]:g}"
            for row in frames.select(CAMERA).iter_rows()
        ]
    found: dict[str, set[str]] = {WHOLE: set(ids)}
    for kind, values in kinds.items():
        if len({value for value in values if value is not None}) < 2:
            continue
        for name, value in zip(ids, values, strict=True):
            if value is not None:
                found.setdefault(f"{kind} {value}", set()).add(name)
    return {name: frozenset(members) for name, members in found.items()}


def crossed(groups: dict[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """The groups, and what each zone has in common with each airport, source, set and camera."""
    zones = {name: ids for name, ids in groups.items() if name.startswith("zone ")}
    others = {name: ids for name, ids in groups.items() if name != WHOLE and name not in zones}
    both = {
        f"{other}, {zone}": ids & inside for other, ids in others.items() for zone, inside in zones.items()
    }
    return groups | {name: ids for name, ids in both.items() if ids}


def sampled(ids: Sequence[str], groups: dict[str, frozenset[str]], most: int, per_group: int) -> list[str]:
    """At most `most` of the ids, evenly spread, and more until each group has `per_group` where it can."""
    chosen = {ids[k] for k in every(np.arange(len(ids)), most).tolist()}
    for name in sorted(groups):
        inside = [one for one in ids if one in groups[name]]
        lacking = per_group - sum(one in chosen for one in inside)
        if lacking > 0:
            rest = [one for one in inside if one not in chosen]
            chosen |= {rest[k] for k in every(np.arange(len(rest)), lacking).tolist()}
    return [one for one in ids if one in chosen]


def members(ids: Sequence[str], group: frozenset[str]) -> NDArray[np.bool_]:
    """Which of the ids (n,) are in a group."""
    return np.array([one in group for one in ids], bool)
