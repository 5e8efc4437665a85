"""Which combinations of bins rules leave, and a point in each: boxes, and points where limits move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.odd.algebra import Part, region
from lard.odd.axes import Axis
from lard.odd.boxes import Box, Point, Side, side_of_ranges
from lard.odd.drawing import whole_bounds
from lard.odd.laws import Law
from lard.odd.parameters import PARAMETERS
from lard.odd.spec import Categories, Condition, OddSpec, Profile, Rule, Zone

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Cells:
    """The axes of a zone over the boxes that the zone's rules leave."""

    axes: tuple[Axis, ...]
    laws: Mapping[str, Law | Categories]
    parts: tuple[Part, ...]
    _known: dict[tuple[int, ...], Mask] = field(default_factory=dict)
    _tried: dict[tuple[tuple[str, Any], ...], bool] = field(default_factory=dict)

    @cached_property
    def reach(self) -> tuple[Mask, ...]:
        """Per axis, which of its bins each box has a share in (boxes, bins)."""
        found = []
        for axis in self.axes:
            met = [[self._meets(part.box, axis, b) for b in range(axis.size)] for part in self.parts]
            found.append(np.array(met, bool).reshape(len(self.parts), axis.size))
        return tuple(found)

    def allowed(self, combo: Sequence[int]) -> Mask:
        """Cells of some axes, one array dimension per axis, in which something obeys the rules."""
        moving = tuple(k for k in combo if any(self.axes[k].name in part.moving for part in self.parts))
        open_here = self._open(moving).astype(np.float32)
        letters = dict(zip(combo, "abcdef", strict=False))
        terms, arrays = ["z" + "".join(letters[k] for k in moving)], [open_here]
        for k in combo:
            if k not in moving:
                terms.append("z" + letters[k])
                arrays.append(self.reach[k].astype(np.float32))
        return np.einsum(f"{','.join(terms)}->{''.join(letters.values())}", *arrays) > 0

    def witness(self, combo: Sequence[int], where: Sequence[int]) -> Point | None:
        """A point of a cell that obeys the rules."""
        for number, part in enumerate(self.parts):
            if all(self.reach[k][number, b] for k, b in zip(combo, where, strict=True)):
                box = self._cut(part.box, combo, where)
                found = self._point(part, box)
                if found is not None:
                    # the middle of a range is no value of a law that has a few: its end is
                    ends = {
                        name: side[0]
                        for name, side in box.items()
                        if isinstance(side, tuple) and self._is_stepped(name)
                    }
                    return {**found, **{name: ends[name] for name in ends if name not in part.moving}}
        return None

    def _is_stepped(self, name: str) -> bool:
        law = self.laws.get(name)
        return isinstance(law, Law) and (law.law == "discrete" or PARAMETERS[name].whole)

    def _open(self, moving: tuple[int, ...]) -> Mask:
        """Of each box and combination of bins of axes with moving limits, whether something is left."""
        if moving not in self._known:
            shape = (len(self.parts), *(self.axes[k].size for k in moving))
            left = np.zeros(shape, bool)
            for number, part in enumerate(self.parts):
                for where in np.ndindex(*shape[1:]):
                    if all(self.reach[k][number, b] for k, b in zip(moving, where, strict=True)):
                        left[(number, *where)] = part.exact or self._try(part, moving, where)
            self._known[moving] = left
        return self._known[moving]

    def _try(self, part: Part, combo: Sequence[int], where: Sequence[int]) -> bool:
        box = self._cut(part.box, combo, where)
        key = tuple((name, box[name]) for name in part.moving)
        if key not in self._tried:
            self._tried[key] = self._point(part, box) is not None
        return self._tried[key]

    def _point(self, part: Part, box: Box) -> Point | None:
        """A point of a part cut to a box; what moving limits look at takes values that its law can have."""
        cut = dict(box)
        for name in part.moving:
            law, side = self.laws.get(name), box.get(name)
            if isinstance(law, Law) and law.law == "discrete" and isinstance(side, tuple):
                held = [(value, value) for value in law.values or () if side[0] <= value <= side[1]]
                cut[name] = side_of_ranges(held) or side
        return replace(part, box=cut).point()

    def _cut(self, box: Box, combo: Sequence[int], where: Sequence[int]) -> Box:
        cut: dict[str, Side] = dict(box)
        for k, b in zip(combo, where, strict=True):
            name, bin_side = self.axes[k].name, self.axes[k].side(b)
            here = box[name]
            if isinstance(here, tuple) and isinstance(bin_side, tuple):
                cut[name] = (
                    drawable(name, self.laws[name], (max(here[0], bin_side[0]), min(here[1], bin_side[1])))
                    or here
                )
            else:
                cut[name] = bin_side
        return cut

    def _meets(self, box: Box, axis: Axis, b: int) -> bool:
        here, bin_side = box[axis.name], axis.side(b)
        if isinstance(here, tuple) and isinstance(bin_side, tuple):
            shared = (max(here[0], bin_side[0]), min(here[1], bin_side[1]))
            return drawable(axis.name, self.laws[axis.name], shared) is not None
        return isinstance(here, frozenset) and isinstance(bin_side, frozenset) and bool(here & bin_side)


def cells_of(spec: OddSpec, zone: Zone, axes: Sequence[Axis]) -> Cells:
    """The cells of one zone; boxes in which a law has no value are left out."""
    laws: dict[str, Law | Categories] = {**zone.laws, **spec.environment}
    parts = []
    rules = tuple(_between_values(rule, laws) for rule in spec.rules)
    # bins part separate values already: between them a box may go through
    spans = {name: _spanned(law) for name, law in laws.items()}
    whole = {
        "zones": (zone.model_copy(update={"laws": {name: spans[name] for name in zone.laws}}),),
        "environment": {name: spans[name] for name in spec.environment},
        "rules": rules,
    }
    for part in region(spec.model_copy(update=whole)).parts:
        box: dict[str, Side] = dict(part.box)
        for name, law in laws.items():
            side = box[name]
            if isinstance(side, tuple) and isinstance(law, Law):
                left = drawable(name, law, side)
                if left is None:
                    break
                box[name] = left
        else:
            parts.append(replace(part, box=box))
    return Cells(tuple(axes), laws, tuple(parts))


def _spanned(law: Law | Categories) -> Law | Categories:
    return Law(range=law.range) if isinstance(law, Law) and law.law == "discrete" else law


def _between_values(rule: Rule, laws: Mapping[str, Law | Categories]) -> Rule:
    """A rule whose limits on separate values lie between them: a face of two boxes then holds none."""

    def moved(name: str, condition: Condition) -> Condition:
        law = laws.get(name)
        if isinstance(condition, Profile) or isinstance(condition[0], str) or not isinstance(law, Law):
            return condition
        bounds = (float(condition[0]), float(condition[1]))
        if law.law != "discrete":
            if not PARAMETERS[name].whole:
                return bounds
            first, last = whole_bounds(law.model_copy(update={"range": bounds}))
            return (first - 0.5, last + 0.5) if first <= last else (first - 0.5, first - 0.5)
        values = np.array(sorted(law.values or {}))
        gaps = np.concatenate([[values[0] - 1], (values[1:] + values[:-1]) / 2, [values[-1] + 1]])
        # the gap below the first value inside and the one above the last; the same one where none is inside
        below, above = np.searchsorted(values, bounds[0]), np.searchsorted(values, bounds[1], side="right")
        return float(gaps[below]), float(gaps[above])

    return rule.model_copy(
        update={
            part: {name: moved(name, condition) for name, condition in getattr(rule, part).items()}
            for part in ("when", "require")
        }
    )


def drawable(name: str, law: Law | Categories, side: tuple[float, float]) -> tuple[float, float] | None:
    """A range from the first to the last value that a law can draw of it; None without any."""
    lo, hi = side
    if hi < lo:
        return None
    if isinstance(law, Law) and law.law == "discrete":
        values = [value for value in sorted(law.values or {}) if lo <= value <= hi]
        return (values[0], values[-1]) if values else None
    if isinstance(law, Law) and PARAMETERS[name].whole:
        first, last = whole_bounds(law.model_copy(update={"range": side}))
        return (float(first), float(last)) if first <= last else None
    fixed = isinstance(law, Law) and law.lo == law.hi
    return side if lo < hi or fixed else None
