"""Parameters cut into bins: of equal width, of whole numbers, or one per category or separate value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.odd.boxes import Side
from lard.odd.drawing import whole_bounds
from lard.odd.laws import Law
from lard.odd.parameters import PARAMETERS
from lard.odd.spec import Categories, OddSpec, Zone

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Axis:
    """One parameter cut into bins of equal width, or into its categories or discrete values.

    The edges of bins of whole numbers lie half way between them.
    """

    name: str
    edges: Array | None = None  # (bins + 1,)
    values: tuple[Any, ...] = ()
    whole: bool = False

    @property
    def size(self) -> int:
        """Number of bins."""
        return len(self.values) if self.edges is None else len(self.edges) - 1

    def side(self, index: int) -> Side:
        """A bin as the side of a box."""
        if self.edges is not None:
            return float(self.edges[index]), float(self.edges[index + 1])
        value = self.values[index]
        return frozenset((value,)) if isinstance(value, str) else (float(value), float(value))

    def label(self, index: int) -> str:
        """A bin as text."""
        if self.edges is None:
            value = self.values[index]
            return f"{value:g}" if isinstance(value, float) else str(value)
        lo, hi = self.edges[index], self.edges[index + 1]
        return f"{math.ceil(lo)}..{math.floor(hi)}" if self.whole else f"{lo:g}..{hi:g}"

    def indices(self, column: NDArray[Any]) -> NDArray[np.intp]:
        """Bin of each value (n,); -1 outside; the last bin holds its upper edge."""
        if self.edges is not None:
            index = np.searchsorted(self.edges, column, side="right") - 1
            index = np.where(column == self.edges[-1], self.size - 1, index)
            return np.where((index < 0) | (index >= self.size) | np.isnan(column), -1, index)
        index = np.full(len(column), -1)
        for k, value in enumerate(self.values):
            index[column == value] = k
        return index


def axes_of(spec: OddSpec, zone: Zone, bins: int, columns: Sequence[str]) -> tuple[Axis, ...]:
    """The parameters that vary in a zone and have a column, approach first, then environment."""
    laws: dict[str, Law | Categories] = {**zone.laws, **spec.environment}
    axes = [axis_of(name, law, bins) for name, law in laws.items() if name in columns]
    return tuple(axis for axis in axes if axis.size > 1)


def axis_of(name: str, law: Law | Categories, bins: int) -> Axis:
    """The bins of one law."""
    if isinstance(law, Categories):
        return Axis(name, values=law.names)
    if law.values is not None:
        return Axis(name, values=tuple(sorted(law.values)))
    if law.lo == law.hi:
        return Axis(name, values=(law.lo,))
    if not PARAMETERS[name].whole:
        return Axis(name, edges=np.linspace(law.lo, law.hi, bins + 1))
    first, last = whole_bounds(law)
    if last - first < bins:
        return Axis(name, values=tuple(float(value) for value in range(first, last + 1)))
    return Axis(name, edges=np.round(np.linspace(first, last + 1, bins + 1)) - 0.5, whole=True)
