"""Frames that fill the holes of a data set's coverage, and only those."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.airports.model import RunwayDatabase
from lard.errors import SpecError, naming
from lard.odd.axes import Axis
from lard.odd.coverage import ZoneCoverage, coverage, zone_coverage
from lard.odd.drawing import coordinates, distribution
from lard.odd.filling import Plan, fill_plan
from lard.odd.laws import Law
from lard.odd.parameters import APPROACH, CONDITIONS
from lard.odd.spec import Categories, OddSpec, Zone
from lard.scenario import environment as env
from lard.scenario.sampler import DIMENSIONS, Points, frames_of, points_of, rules_held
from lard.scenario.selection import Candidates, candidates, weights
from lard.scenario.splits import assign_splits
from lard.tables import frame_rng, stacked

Array = NDArray[np.float64]

_TRIES = 64
_ROUNDS = 8  # a sample placed outside its planned bins leaves other holes open for the next


@dataclass(frozen=True, slots=True)
class Fill:
    """New frames, and per zone how many holes no feasible point was found for."""

    frames: pl.DataFrame
    impossible: dict[str, int]


def fill(
    spec: OddSpec,
    db: RunwayDatabase,
    airports: Iterable[str],
    frames: pl.DataFrame,
    *,
    t: int = 2,
    bins: int = 5,
    target: float = 1.0,
    at_least: int = 1,
    seed: int = 0,
    split: Mapping[str, Any] | None = None,
    where: str = "frames",
) -> Fill:
    """Frames to add so that the share `target` of each zone's t-way cells holds `at_least` frames each.

    Airports that are in the table keep the set they have there; others follow `split`.
    """
    if not 0 < target <= 1:
        raise SpecError(f"target coverage is {target}; expected above 0 and at most 1")
    if t < 1 or at_least < 1 or seed < 0:
        raise SpecError(f"t is {t}, at least {at_least} per cell, seed {seed}; expected 1, 1 and 0 or more")
    codes = list(airports)
    chosen = candidates(spec, db, codes)
    share = weights(chosen)
    splits = assign_splits(db, codes, split, seed)
    splits |= dict(frames.select("airport", "split").unique().iter_rows())
    tables, impossible = [frames.clear()], {}
    with naming(where):
        coverage(spec, frames.clear(), bins, ())  # the door: what is no frames table is refused here
    for zone in spec.zones:
        present, impossible[zone.name] = frames.filter(pl.col("zone") == zone.name), 0
        for turn in range(_ROUNDS):
            covered = zone_coverage(spec, zone, present, bins, (t,))
            plan = fill_plan(covered, t, target, at_least, seed)
            key = f"fill/{spec.name}/{zone.name}/{turn}/{len(present)}"
            points, impossible[zone.name] = _points_in_cells(
                spec, zone, covered, plan, chosen, share, frame_rng(seed, key)
            )
            if points is None:
                break
            first = _next_numbers(present)
            table = frames_of(spec, db, zone.name, chosen, points, splits, seed, first)
            tables.append(table)
            present = stacked([present, table], where)
    return Fill(stacked(tables, where).sort("frame_id"), impossible)


def _next_numbers(table: pl.DataFrame) -> dict[tuple[str, str], int]:
    """Per airport and runway, the number after the last frame of one zone's table."""
    number = table["frame_id"].str.split("_").list.last().cast(pl.Int64, strict=False)
    grouped = table.with_columns(number.alias("number")).group_by("airport", "runway").agg(pl.max("number"))
    return {(row[0], row[1]): (-1 if row[2] is None else row[2]) + 1 for row in grouped.iter_rows()}


def _points_in_cells(
    spec: OddSpec,
    zone: Zone,
    covered: ZoneCoverage,
    plan: Plan,
    chosen: Candidates,
    share: Array,
    rng: np.random.Generator,
) -> tuple[Points | None, int]:
    """One feasible point per planned sample, and how many samples had none in 64 tries.

    The first half of the tries keeps to all the planned bins, the others only to those of the hole.
    """
    if not len(plan):
        return None, 0
    rows = np.repeat(np.arange(len(plan)), _TRIES)
    u = rng.random((len(rows), DIMENSIONS))
    if env.declared_conditions(spec):
        u = np.hstack([u, rng.random((len(rows), len(CONDITIONS)))])
    # runways take turns in the order of their weights, whatever the cell
    u[:, 0] = (rows + u[:, 0]) / len(plan)
    strict = np.arange(len(rows)) % _TRIES < _TRIES // 2
    for axis, chosen_bins, held in zip(covered.axes, plan.bins.T, plan.held.T, strict=True):
        column = _dimension(axis.name)
        law = zone.laws[axis.name] if axis.name in zone.laws else spec.environment[axis.name]
        placed = _within(axis, law, chosen_bins[rows], u[:, column])
        u[:, column] = np.where(strict | held[rows], placed, u[:, column])
    points, possible = points_of(spec, zone.laws, chosen, share, u)
    good = np.logical_and.reduce([possible, *rules_held(spec, chosen, points)])
    first = np.where(good.reshape(-1, _TRIES).any(axis=1), good.reshape(-1, _TRIES).argmax(axis=1), -1)
    kept = np.flatnonzero(first >= 0) * _TRIES + first[first >= 0]
    return (points[kept] if len(kept) else None), int((first < 0).sum())


def _dimension(name: str) -> int:
    """The coordinate of a unit point that a parameter is drawn from."""
    return 1 + APPROACH.index(name) if name in APPROACH else 1 + len(APPROACH) + env.COORDINATE[name]


def _within(axis: Axis, law: Law | Categories, chosen_bins: NDArray[np.intp], u: Array) -> Array:
    """Unit coordinates (n,) that the law's inverse brings into the chosen bins."""
    if isinstance(law, Categories):
        lower, upper = _steps([law.weights[name] for name in law.names])
    elif law.values is not None:
        lower, upper = _steps([law.values[value] for value in sorted(law.values)])
    elif axis.edges is None:
        values = np.array(axis.values)
        lower, upper = (distribution(axis.name, law, values - step) for step in (1.0, 0.0))
    else:
        values = axis.edges[chosen_bins] + u * np.diff(axis.edges)[chosen_bins]
        return coordinates(axis.name, law, values)
    return lower[chosen_bins] + u * (upper - lower)[chosen_bins]


def _steps(shares: Sequence[float]) -> tuple[Array, Array]:
    edges = np.concatenate([[0.0], np.cumsum(shares) / np.sum(shares)])
    return edges[:-1], edges[1:]
