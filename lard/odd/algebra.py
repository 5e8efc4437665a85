"""Algebra on domains as unions of boxes: containment with a witness, intersection, difference, volume.

A spec is a union of boxes over the approach parameters, times one box over what it says of environment
and runways, minus where its rules are broken. Rules of plain ranges cut exactly; rules whose limits follow
another parameter are no boxes and are handled by trying points (`exact` says so). A parameter that a spec
does not mention is unlimited. Parameters count as independent: that light follows from time is not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lard.approach import Approaches
from lard.odd.boxes import (
    Box,
    Point,
    Side,
    common,
    is_thin,
    middle,
    minus,
    relative_volume,
    side_of,
    side_of_ranges,
    single_values,
    spread,
    volume,
    whole_range,
)
from lard.odd.laws import Law
from lard.odd.parameters import APPROACH, PARAMETERS
from lard.odd.rules import rule_excess
from lard.odd.spec import Categories, Condition, OddSpec, Profile, Rule

_TRIES = 2**14


@dataclass(frozen=True, slots=True)
class Part:
    """What of a box obeys all `rules` and breaks at least one of each group of `broken`: limits that move."""

    box: Box
    rules: tuple[Rule, ...] = ()
    broken: tuple[tuple[Rule, ...], ...] = ()

    @property
    def exact(self) -> bool:
        """Whether the box says it all."""
        return not self.rules and not self.broken

    @property
    def moving(self) -> tuple[str, ...]:
        """The parameters that the moving limits look at."""
        rules = (*self.rules, *(rule for group in self.broken for rule in group))
        return tuple(sorted({name for rule in rules for name in rule.parameters}))

    def point(self) -> Point | None:
        """A point inside: the middle of the box, or the first tried point with the others in the middle."""
        if self.exact:
            return middle(self.box)
        points = spread(self.box, self.moving, _TRIES)
        good = np.flatnonzero(self._holds(points))
        if not len(good):
            return None
        return middle(self.box) | {name: values[good[0]].item() for name, values in points.items()}

    def volume(self) -> float:
        """Volume in the product of the units of all its parameters."""
        if self.exact:
            return volume(self.box)
        return float(self._holds(spread(self.box, self.moving, _TRIES)).mean()) * volume(self.box)

    def _holds(self, points: Mapping[str, np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
        good = _obeys(self.rules, points)
        for group in self.broken:
            good &= ~_obeys(group, points)
        return good


@dataclass(frozen=True, slots=True)
class Region:
    """Disjoint parts."""

    parts: tuple[Part, ...]

    @property
    def boxes(self) -> tuple[Box, ...]:
        """The boxes of the parts."""
        return tuple(part.box for part in self.parts)

    @property
    def exact(self) -> bool:
        """Whether boxes say it all."""
        return all(part.exact for part in self.parts)

    def is_empty(self) -> bool:
        """Whether nothing is inside; with moving limits, whether no tried point is."""
        return self.point() is None

    def point(self) -> Point | None:
        """A point inside, of the largest box that has one."""
        for part in sorted(self.parts, key=lambda part: relative_volume(part.box), reverse=True):
            found = part.point()
            if found is not None:
                return found
        return None

    def wide(self) -> frozenset[str]:
        """The parameters that are more than a single value somewhere."""
        sides = (item for box in self.boxes for item in box.items())
        return frozenset(n for n, side in sides if not isinstance(side, frozenset) and not is_thin(side))

    def volume(self, wide: frozenset[str] | None = None) -> float:
        """Volume in the product of the units of all parameters limited here, categories counted.

        What is a single value of a `wide` parameter has none; by default those that are wide here.
        """
        thick = self.wide() if wide is None else wide
        return sum(part.volume() for part in self.parts if not thick & single_values(part.box))

    def over(self, names: Iterable[str]) -> Region:
        """The same with a side for each of the names: the whole of what it does not limit."""
        wanted = tuple(names)
        filled = [
            {**part.box, **{name: side_of(part.box, name) for name in wanted if name not in part.box}}
            for part in self.parts
        ]
        return Region(tuple(replace(part, box=box) for part, box in zip(self.parts, filled, strict=True)))


@dataclass(frozen=True, slots=True)
class Containment:
    """Whether A lies in B; if not, a point of A outside B. exact: proven by boxes, not by tried points."""

    holds: bool
    witness: Point | None
    exact: bool


def region(spec: OddSpec, level: str = "nominal") -> Region:
    """The domain of a spec, its ranges and what its rules require widened by the margins of a level."""
    margins: Mapping[str, tuple[float, float]] = spec.margins.get(level, {})
    shared = {name: _domain(name, law, margins) for name, law in {**spec.environment, **spec.runways}.items()}
    zones = (
        {**{name: _domain(name, zone.laws[name], margins) for name in APPROACH}, **shared}
        for zone in spec.zones
    )
    boxes = _disjoint(zones)
    moving = []
    for rule in (widened(rule, margins) for rule in spec.rules):
        conditions = (*rule.when.values(), *rule.require.values())
        if any(isinstance(condition, Profile) for condition in conditions):
            moving.append(rule)
        else:
            boxes = [piece for box in boxes for piece in _obedient(box, rule)]
    parts = Region(tuple(Part(box, tuple(moving)) for box in boxes))
    return parts.over(sorted({name for rule in moving for name in rule.parameters}))


def _domain(name: str, law: Law | Categories, margins: Mapping[str, tuple[float, float]]) -> Side:
    """What a parameter can be by its law, widened by its margins: of a discrete law its values only."""
    if isinstance(law, Categories):
        return frozenset(law.names)
    bounds = [(value, value) for value in law.values or ()] or [law.range]
    side = side_of_ranges(whole_range(name, _wider(one, margins, name)) for one in bounds)
    assert side is not None
    return side


def widened(rule: Rule, margins: Mapping[str, tuple[float, float]]) -> Rule:
    """A rule whose required ranges are wider by margins."""
    require: dict[str, Condition] = {}
    for name, condition in rule.require.items():
        below, above = margins.get(name, (0.0, 0.0))
        if isinstance(condition, Profile):
            points = tuple((x, lo - below, hi + above) for x, lo, hi in condition.points)
            require[name] = condition.model_copy(update={"points": points})
        else:
            require[name] = condition if isinstance(condition[0], str) else _wider(condition, margins, name)
    return rule.model_copy(update={"require": require})


def _wider(bounds: Any, margins: Mapping[str, tuple[float, float]], name: str) -> tuple[float, float]:
    below, above = margins.get(name, (0.0, 0.0))
    return float(bounds[0]) - below, float(bounds[1]) + above


def intersection(a: Region, b: Region) -> Region:
    """What lies in both."""
    parts = []
    for first in a.parts:
        for second in b.parts:
            box = common(first.box, second.box)
            if box is not None:
                rules = _joined(first.rules, second.rules)
                parts.append(Part(box, rules, (*first.broken, *second.broken)))
    return Region(tuple(parts))


def difference(a: Region, b: Region) -> Region:
    """What lies in A and not in B."""
    parts: list[Part] = []
    for part in a.parts:
        pieces = [part.box]
        for cut in b.parts:
            pieces = [piece for box in pieces for piece in minus(box, cut.box)]
            shared = common(part.box, cut.box)
            if shared is not None:
                parts += _outside(part, shared, cut)
        parts += [replace(part, box=piece) for piece in pieces]
    return Region(tuple(parts))


def _outside(part: Part, shared: Box, cut: Part) -> list[Part]:
    """The parts, apart from each other, of a common box that are in `part` and not in `cut`."""
    found = []
    if len(_joined(part.rules, cut.rules)) > len(part.rules):
        found.append(Part(shared, part.rules, (*part.broken, cut.rules)))
    for k, group in enumerate(cut.broken):
        rules = _joined(part.rules, (*cut.rules, *group))
        found.append(Part(shared, rules, (*part.broken, *cut.broken[:k])))
    return found


def _joined(rules: tuple[Rule, ...], more: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """Rules and those of `more` that say something else, whatever their names."""
    known = [(rule.when, rule.require) for rule in rules]
    return (*rules, *(rule for rule in more if (rule.when, rule.require) not in known))


def contains(outer: Region, inner: Region) -> Containment:
    """Whether everything in `inner` lies in `outer`."""
    rest = difference(inner, outer)
    witness = rest.point()
    return Containment(witness is None, witness, witness is not None or rest.exact)


def _disjoint(boxes: Iterable[Box]) -> list[Box]:
    kept: list[Box] = []
    for box in boxes:
        pieces = [box]
        for other in kept:
            pieces = [piece for part in pieces for piece in minus(part, other)]
        kept += pieces
    return kept


def _obedient(box: Box, rule: Rule) -> list[Box]:
    """The part of a box where a rule of plain ranges holds, as disjoint boxes."""
    when, require = _as_box(rule.when), _as_box(rule.require)
    applies = common(box, when) if when is not None else None
    if when is None or applies is None:
        return [box]
    held = common(applies, require) if require is not None else None
    return [*minus(box, when), *([held] if held is not None else [])]


def _as_box(conditions: Mapping[str, Condition]) -> Box | None:
    """Conditions with plain limits as a box; None where one leaves no whole number."""
    box: dict[str, Side] = {}
    for name, condition in conditions.items():
        assert not isinstance(condition, Profile)
        if isinstance(condition[0], str):
            box[name] = frozenset(str(item) for item in condition)
        else:
            lo, hi = whole_range(name, (float(condition[0]), float(condition[1])))
            if PARAMETERS[name].whole and lo >= hi:
                return None
            box[name] = (lo, hi)
    return box


def _obeys(rules: Iterable[Rule], points: Mapping[str, np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    """Whether points (n,) obey rules."""
    n = len(next(iter(points.values())))
    nothing = np.zeros(n)
    approaches = Approaches(*(points.get(name, nothing) for name in APPROACH))
    good = np.ones(n, bool)
    for rule in rules:
        good &= rule_excess(rule, approaches, points, {})[0] <= 0
    return good
