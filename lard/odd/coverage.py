"""How much of a domain a data set covers: bins, t-way combinations, discrepancy, holes with witnesses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import qmc

from lard.approach import Approaches
from lard.errors import DataError, SpecError
from lard.odd.axes import Axis, axes_of
from lard.odd.cells import Cells, cells_of
from lard.odd.parameters import APPROACH, PARAMETERS
from lard.odd.rules import rule_excess
from lard.odd.spec import OddSpec, Zone

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
Mask = NDArray[np.bool_]

_DISCREPANCY_POINTS = 10_000


@dataclass(frozen=True, slots=True)
class Ways:
    """Counts of samples in every combination of bins of every t axes of one zone."""

    t: int
    combos: tuple[tuple[int, ...], ...]  # axis indices
    counts: tuple[Counts, ...]  # per combo, one array dimension per axis
    feasible: tuple[Mask, ...]  # where the rules allow anything

    @property
    def total(self) -> int:
        """Cells that can be filled."""
        return sum(int(mask.sum()) for mask in self.feasible)

    def covered(self, at_least: int = 1) -> int:
        """Cells that hold at least so many samples."""
        pairs = zip(self.counts, self.feasible, strict=True)
        return sum(int(((count >= at_least) & mask).sum()) for count, mask in pairs)

    def fraction(self, at_least: int = 1) -> float:
        """Share of the fillable cells that hold at least so many samples."""
        return self.covered(at_least) / self.total if self.total else 1.0


@dataclass(frozen=True, slots=True)
class ZoneCoverage:
    """Coverage of one zone; `indices` (n, axes) are the bins of its samples, -1 outside."""

    zone: str
    axes: tuple[Axis, ...]
    cells: Cells
    indices: NDArray[np.intp]
    airport: NDArray[np.str_]
    ways: Mapping[int, Ways]
    outside: int  # samples with some approach parameter beyond the zone
    discrepancy: float  # centred L2 (squared, as scipy gives it) of the approach, laws taken out
    monte_carlo: float  # its expectation for as many independent samples
    discrepancy_points: int

    def allowed(self, axis: int) -> Mask:
        """Which bins of an axis the rules leave."""
        return self.cells.allowed((axis,))


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination of bins, how many samples and airports it holds, and a point inside."""

    zone: str
    bins: Mapping[str, str]
    count: int
    airports: int
    witness: Mapping[str, Any] | None


def coverage(
    spec: OddSpec, frames: pl.DataFrame, bins: int = 5, strengths: Sequence[int] = (1, 2, 3)
) -> list[ZoneCoverage]:
    """Coverage of each zone of a spec by a frames table (any table with its columns)."""
    if bins < 1:
        raise SpecError(f"{bins} bins were asked for; expected at least 1")
    needed = ("zone", "airport", *APPROACH)
    missing = [name for name in needed if name not in frames.columns]
    if missing:
        raise DataError(f"the table lacks {', '.join(missing)}; coverage needs a frames table")
    for name in sorted({*spec.environment, *APPROACH} & set(frames.columns)):
        kind = frames.schema[name]
        categories = bool(PARAMETERS[name].categories)
        if not (kind in (pl.String, pl.Boolean) if categories else kind.is_numeric()):
            raise DataError(f"column {name} holds {kind}; expected {'words' if categories else 'numbers'}")
    strange = sorted({str(zone) for zone in frames["zone"].unique()} - set(spec.zone_names))
    if strange:
        raise DataError(
            f"the table has the zones {', '.join(strange)}, ODD {spec.name} has "
            f"{', '.join(spec.zone_names)}; use the spec the frames were drawn from"
        )
    return [zone_coverage(spec, zone, frames, bins, strengths) for zone in spec.zones]


def zone_coverage(
    spec: OddSpec, zone: Zone, frames: pl.DataFrame, bins: int, strengths: Sequence[int]
) -> ZoneCoverage:
    """Coverage of one zone by the rows of a table that name it."""
    table = frames.filter(pl.col("zone") == zone.name)
    axes = axes_of(spec, zone, bins, frames.columns)
    cells = cells_of(spec, zone, axes)
    indices = np.column_stack(
        [np.zeros((len(table), 0), np.intp), *(a.indices(table[a.name].to_numpy()) for a in axes)]
    )
    laws = [(name, law) for name, law in zone.laws.items() if law.lo < law.hi]
    values = {name: table[name].to_numpy() for name, _ in laws}
    outside = np.zeros(len(table), bool)
    for name, law in zone.laws.items():
        outside |= ~(law.slack(table[name].to_numpy()) >= 0)
    unit = (
        np.column_stack([law.cdf(values[name]) for name, law in laws]) if laws else np.zeros((len(table), 0))
    )
    unit = unit[np.isfinite(unit).all(axis=1)]  # what frames do not tell lies outside, and nowhere
    # the sum over pairs is quadratic: an even choice of rows stands for very large tables
    unit = unit[np.linspace(0, len(unit) - 1, min(len(unit), _DISCREPANCY_POINTS)).astype(int)]
    return ZoneCoverage(
        zone=zone.name,
        axes=axes,
        cells=cells,
        indices=indices,
        airport=table["airport"].to_numpy().astype(str),
        ways={t: count_ways(cells, indices, t) for t in strengths},
        outside=int(outside.sum()),
        discrepancy=centred_discrepancy(unit),
        monte_carlo=monte_carlo_discrepancy(len(unit), unit.shape[1]),
        discrepancy_points=len(unit),
    )


def count_ways(cells: Cells, indices: NDArray[np.intp], t: int) -> Ways:
    """Samples in each combination of bins of each t axes, and which of them the rules leave."""
    combos = tuple(combinations(range(len(cells.axes)), t))
    counts = tuple(
        _histogram(indices[:, combo], tuple(cells.axes[k].size for k in combo)) for combo in combos
    )
    return Ways(t, combos, counts, tuple(cells.allowed(combo) for combo in combos))


def _histogram(indices: NDArray[np.intp], shape: tuple[int, ...]) -> Counts:
    inside = indices[(indices >= 0).all(axis=1)]
    flat = np.ravel_multi_index(tuple(inside.T), shape)
    return np.bincount(flat, minlength=int(np.prod(shape))).reshape(shape)


def obeying(spec: OddSpec, points: Mapping[str, NDArray[Any]]) -> Mask:
    """Which points (n,) by parameter break no rule that can be judged from them."""
    approaches = Approaches(*(points[name] for name in APPROACH))
    good = np.ones(len(approaches), bool)
    for rule in spec.rules:
        if rule.parameters <= points.keys():
            good &= rule_excess(rule, approaches, points, {})[0] <= 0
    return good


def centred_discrepancy(unit: Array) -> float:
    """Centred L2 discrepancy (squared) of points (n, d) in the unit cube."""
    if not unit.size:
        return 0.0
    return float(qmc.discrepancy(np.clip(unit, 0.0, 1.0), method="CD"))


def monte_carlo_discrepancy(n: int, d: int) -> float:
    """Expected centred L2 discrepancy (squared) of n independent uniform points."""
    return ((5 / 4) ** d - (13 / 12) ** d) / n if n and d else 0.0


def emptiest(spec: OddSpec, zone: ZoneCoverage, t: int, limit: int = 10) -> list[Cell]:
    """The fillable cells with the fewest samples, each with a feasible point inside."""
    ways = zone.ways[t]
    ranked = []
    for k, (counts, feasible) in enumerate(zip(ways.counts, ways.feasible, strict=True)):
        flat = np.flatnonzero(feasible)
        order = flat[np.argsort(counts.ravel()[flat], kind="stable")[:limit]]
        ranked += [(int(counts.ravel()[cell]), k, int(cell)) for cell in order]
    cells = []
    known = {*APPROACH, *spec.environment}
    for count, k, flat_index in sorted(ranked)[:limit]:
        combo = ways.combos[k]
        where = np.unravel_index(flat_index, ways.counts[k].shape)
        inside = (zone.indices[:, combo] == where).all(axis=1)
        point = zone.cells.witness(combo, [int(b) for b in where]) or {}
        witness = {name: value for name, value in point.items() if name in known} or None
        labels = {
            zone.axes[axis].name: zone.axes[axis].label(int(b)) for axis, b in zip(combo, where, strict=True)
        }
        cells.append(Cell(zone.zone, labels, count, len(set(zone.airport[inside])), witness))
    return cells
