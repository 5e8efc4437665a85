"""Unit points bent so that rules hold and declared laws are kept: conditional inversion, cell by cell.

Rules tie some parameters together. Their coordinates are cut into atoms; of the cells that atoms make, those
that rules leave get weights by which every declared law stays true (see raking); a point then takes its atoms
one after the other, each by the distribution that the earlier ones leave, and its value inside by the law.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from lard.odd.laws import Law
from lard.odd.spec import OddSpec, Rule
from lard.scenario.atoms import DAY, KIND, RUNWAY, Atoms, columns_of, law_atoms, runway_atoms
from lard.scenario.raking import YIELD, rake
from lard.scenario.selection import Candidates

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Mask = NDArray[np.bool_]
Allowed = Callable[[Array, Sequence[Rule]], tuple[Mask, Mask]]
"""Of unit points: which obey the rules, and where the sun can stand as asked."""

_BINS = (64, 48, 32, 24, 16, 12, 8, 6, 4, 3, 2)
_CELLS = 2**15  # enumerated; beyond that, those that some point reaches
_POINTS = 2**17
_BASE = 17
_AIRPORTS = 0.5  # how much of it is kept where not all of it can be


@dataclass(frozen=True, slots=True)
class Component:
    """Coordinates that rules tie together: cells (c, axes) in order, sums of weights up to each."""

    axes: tuple[Atoms, ...]
    cells: Index
    upto: Array
    starts: Index  # (c, axes + 1) first cell that shares the first k atoms
    ends: Index  # one past the last

    def bend(self, u: Array) -> Array:
        """Points (n, dimensions) with this component's coordinates replaced."""
        bent = u.copy()
        cell = np.zeros(len(u), np.intp)
        for k, axis in enumerate(self.axes):
            first, last = self.starts[cell, k], self.ends[cell, k]
            lo, hi = self.upto[first], self.upto[last]
            goal = lo + u[:, axis.column] * (hi - lo)
            cell = np.clip(np.searchsorted(self.upto, goal, side="right") - 1, first, last - 1)
            lo, hi = self.upto[self.starts[cell, k + 1]], self.upto[self.ends[cell, k + 1]]
            within = np.clip((goal - lo) / (hi - lo), 0.0, np.nextafter(1.0, 0.0))
            bent[:, axis.column] = axis.place(self.cells[cell, k], within)
        return bent


def couple(
    spec: OddSpec,
    laws: Mapping[str, Law],
    chosen: Candidates,
    share: Array,
    dimensions: int,
    allowed: Allowed,
) -> tuple[Component, ...]:
    """The components of a spec's rules and of a sun that cannot stand everywhere as asked.

    None for what nothing ties, or of which nothing is left.
    """
    if not spec.rules and not {"light", "sun_elevation_deg"} & {*spec.environment}:
        return ()
    probe = qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng(_BASE)).random(2**12)
    sun = () if allowed(probe, ())[1].all() else (RUNWAY, DAY, KIND)
    found = [
        _component(
            spec, laws, chosen, share, columns, rules, bool(sun) and KIND in columns, dimensions, allowed
        )
        for columns, rules in _groups(spec, sun)
    ]
    return tuple(component for component in found if component is not None)


def _groups(spec: OddSpec, sun: tuple[int, ...]) -> list[tuple[tuple[int, ...], tuple[Rule, ...]]]:
    """Coordinates tied together, directly or through others, with their rules."""
    ties: list[tuple[set[int], list[Rule]]] = [({*sun}, [])] if sun else []
    for rule in spec.rules:
        columns = {column for name in rule.parameters for column in columns_of(spec, name)[0]}
        merged: tuple[set[int], list[Rule]] = (columns, [rule])
        apart = []
        for tie in ties:
            if tie[0] & columns:
                merged = (merged[0] | tie[0], [*tie[1], *merged[1]])
                columns = merged[0]
            else:
                apart.append(tie)
        ties = [*apart, merged]
    return [(tuple(sorted(columns)), tuple(rules)) for columns, rules in ties if columns]


def _component(
    spec: OddSpec,
    laws: Mapping[str, Law],
    chosen: Candidates,
    share: Array,
    columns: tuple[int, ...],
    rules: tuple[Rule, ...],
    sun: bool,
    dimensions: int,
    allowed: Allowed,
) -> Component | None:
    """One component; None where its rules leave nothing. With `sun` its place is one of the limits."""
    latitude = sun or not all(columns_of(spec, name)[1] for rule in rules for name in rule.parameters)
    for bins in _BINS:
        axes = tuple(
            runway_atoms(rules, chosen, share, latitude)
            if column == RUNWAY
            else law_atoms(spec, laws, column, rules, bins, sun)
            for column in columns
        )
        if np.prod([float(len(axis.shares)) for axis in axes]) <= _CELLS:
            break
    cells = _cells(axes)
    open_share = _open_shares(axes, cells, dimensions, rules, sun, allowed)
    volume = np.prod([axis.shares[cells[:, k]] for k, axis in enumerate(axes)], axis=0)
    there = (open_share > 0) & (volume > 0)
    if not there.any():
        return None
    cells, open_share, volume = cells[there], open_share[there], volume[there]
    firm = [_is_firm(spec, axis.column, rules) for axis in axes]
    if sun:
        firm = [here and axis.column != RUNWAY for here, axis in zip(firm, axes, strict=True)]
    # airports alike are no law of the spec: rather unlike than without some light or weather at all
    held = [_AIRPORTS if axis.column == RUNWAY else YIELD for axis in axes]
    weights = rake(cells, volume * open_share, [axis.shares for axis in axes], firm, held)
    # what rules take from inside a cell is drawn again elsewhere in it: it is tried that much more often
    tried = weights / open_share
    cells, tried = cells[tried > 0], tried[tried > 0]
    return _ordered(axes, cells, tried / tried.sum())


def _cells(axes: Sequence[Atoms]) -> Index:
    """All cells (c, axes) in lexicographic order; of very many, those that evenly spread points reach."""
    sizes = [len(axis.shares) for axis in axes]
    if np.prod([float(size) for size in sizes]) <= _CELLS:
        return np.stack([index.ravel() for index in np.indices(sizes)], axis=1)
    unit = qmc.Sobol(len(axes), scramble=True, rng=np.random.default_rng(_BASE)).random(_POINTS)
    reached = [
        axis.atom[np.clip(np.searchsorted(axis.edges, x, side="right") - 1, 0, len(axis.atom) - 1)]
        for axis, x in zip(axes, unit.T, strict=True)
    ]
    return np.unique(np.stack(reached, axis=1), axis=0)


def _open_shares(
    axes: Sequence[Atoms], cells: Index, dimensions: int, rules: Sequence[Rule], sun: bool, allowed: Allowed
) -> Array:
    """Share (c,) of each cell that obeys the rules, from points spread evenly inside."""
    each = 2 ** int(np.log2(np.clip(_POINTS // len(cells), 1, 256)))
    inside = qmc.Sobol(dimensions, scramble=False).random(each)
    inside = (inside + 0.5 / each) % 1.0
    open_share = np.zeros(len(cells))
    step = max(_POINTS // each, 1)
    for start in range(0, len(cells), step):
        part = cells[start : start + step]
        u = np.tile(inside, (len(part), 1))
        for k, axis in enumerate(axes):
            u[:, axis.column] = axis.place(np.repeat(part[:, k], each), u[:, axis.column])
        held, possible = allowed(u, rules)
        good = held & possible if sun else held
        open_share[start : start + step] = good.reshape(len(part), each).mean(axis=1)
    return open_share


def _is_firm(spec: OddSpec, column: int, rules: Sequence[Rule]) -> bool:
    """Whether rules only ask about a coordinate, and require nothing of it."""
    return not any(column in columns_of(spec, name)[0] for rule in rules for name in rule.require)


def _ordered(axes: tuple[Atoms, ...], cells: Index, weights: Array) -> Component:
    """A component with, for each cell and number of leading atoms, the run of cells that share them."""
    count = len(cells)
    starts, ends = np.zeros((count, len(axes) + 1), np.intp), np.full((count, len(axes) + 1), count)
    for k in range(1, len(axes) + 1):
        new = np.concatenate([[True], (cells[1:, :k] != cells[:-1, :k]).any(axis=1)])
        edges = np.concatenate([np.flatnonzero(new), [count]])
        run = np.cumsum(new) - 1
        starts[:, k], ends[:, k] = edges[run], edges[run + 1]
    return Component(axes, cells, np.concatenate([[0.0], np.cumsum(weights)]), starts, ends)
