"""Groups of frames that may each be wrong on their own: airport, source, zone, set, camera."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.quality.dataset import CAMERA, Dataset, source_column
from lard.quality.frames import every

WHOLE = "dataset"
Codes = NDArray[np.int32]


@dataclass(frozen=True)
class Grouped:
    """In which groups of frames n things are; names of groups in their order, the whole first."""

    inside: NDArray[np.bool_]  # (n,) of a frame of the table
    kinds: Mapping[str, tuple[list[str], Codes]]  # by kind its names and which of them (n,), -1 for none

    def masks(self, crossed: bool = False) -> Iterator[tuple[str, NDArray[np.bool_]]]:
        """Each group and what is in it (n,); `crossed`: then also what it has in common with each zone."""
        yield WHOLE, self.inside
        for kind, (names, codes) in self.kinds.items():
            for k, name in enumerate(names):
                yield f"{kind} {name}", codes == k
        if not crossed or "zone" not in self.kinds:
            return
        zones, zone_of = self.kinds["zone"]
        for kind, (names, codes) in self.kinds.items():
            for k, name in enumerate(names) if kind != "zone" else ():
                for number, zone in enumerate(zones):
                    yield f"{kind} {name}, zone {zone}", (codes == k) & (zone_of == number)

    def sampled(self, usable: NDArray[np.int64], most: int, per_group: int) -> NDArray[np.int64]:
        """At most `most` of the usable things (their numbers, ascending), evenly spread, and more until each
        group has `per_group` where it can."""
        chosen = np.zeros(len(self.inside), bool)
        chosen[every(usable, most)] = True
        able = np.zeros(len(self.inside), bool)
        able[usable] = True
        groups = {WHOLE: (self.inside.astype(np.int32), 1)}
        for kind, (names, codes) in self.kinds.items():
            groups |= {f"{kind} {name}": (codes, k) for k, name in enumerate(names)}
        for name in sorted(groups):
            codes, k = groups[name]
            inside = able & (codes == k)
            lacking = per_group - int((inside & chosen).sum())
            if lacking > 0:
                chosen[every(np.flatnonzero(inside & ~chosen), lacking)] = True
        return np.flatnonzero(chosen)


def grouped(data: Dataset, ids: pl.Series) -> Grouped:
    """In which groups the frames (n,) of these ids are."""
    own = data.once.select(pl.col("frame_id").cast(pl.String)).with_row_index("_frame")
    asked = pl.DataFrame([ids.cast(pl.String).alias("frame_id")])
    rows = asked.join(own, on="frame_id", how="left", maintain_order="left")["_frame"]
    inside, at = rows.is_not_null().to_numpy(), rows.fill_null(0).to_numpy()
    kinds = {}
    for kind, (names, codes) in _kinds(data).items():
        kinds[kind] = (names, np.where(inside, codes[at], np.int32(-1)) if len(codes) else codes[:0])
    return Grouped(inside, kinds)


def groups_of(data: Dataset) -> dict[str, frozenset[str]]:
    """Frame ids of the whole dataset and of each group; kinds of which there is one group are left out."""
    ids = data.once["frame_id"].cast(pl.String)
    found = {WHOLE: frozenset(ids.to_list())}
    for kind, (names, codes) in _kinds(data).items():
        for k, name in enumerate(names):
            found[f"{kind} {name}"] = frozenset(ids.filter(pl.Series(codes == k)).to_list())
    return found


def _kinds(data: Dataset) -> dict[str, tuple[list[str], Codes]]:
    """By kind the names of its groups, as they first appear, and which each frame (n,) is in; -1 for none."""
    frames = data.once
    columns = {"source": source_column(data, frames["frame_id"])}
    for kind, column in (("airport", "airport"), ("zone", "zone"), ("set", "split")):
        if column in frames.columns:
            columns[kind] = frames[column]
    if set(CAMERA) <= set(frames.columns):
        columns["camera"] = _cameras(frames)
    found = {}
    for kind, values in columns.items():
        words = values.drop_nulls().cast(pl.String).unique(maintain_order=True)
        if len(words) >= 2:
            codes = values.cast(pl.String).cast(pl.Enum(words)).to_physical().cast(pl.Int32).fill_null(-1)
            found[kind] = (words.to_list(), codes.to_numpy())
    return found


def _cameras(frames: pl.DataFrame) -> pl.Series:
    """What tells each frame's camera (n,), null where some of it is not stated."""
    kinds = frames.select(CAMERA).with_row_index("_row").group_by(CAMERA, maintain_order=True).agg("_row")
    names = [
        None if None in row else f"{row[0]}x{row[1]} f {row[2]:.6g} c {row[4]:g},{row[5]:g}"
        for row in kinds.select(CAMERA).iter_rows()
    ]
    named = kinds.select("_row", pl.Series("name", names, dtype=pl.String)).explode("_row")
    return named.sort("_row")["name"]


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
