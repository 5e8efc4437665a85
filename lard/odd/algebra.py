"""Algebra on domains as unions of boxes: containment with a witness, intersection, difference, volume.

A spec is a union of boxes over the approach parameters, times one box over what it says of environment
and runways, minus where its rules are broken. Rules of plain ranges cut exactly; rules whose limits follow
another parameter are no boxes and are handled by trying points (`exact` says so). A parameter that a spec
does not mention is unlimited. Parameters count as independent: that light follows from time is not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import qmc

from lard.approach import Approaches
from lard.odd.parameters import APPROACH, PARAMETERS
from lard.odd.rules import rule_excess
from lard.odd.spec import Categories, Condition, OddSpec, Profile, Rule

Side = tuple[float, float] | frozenset[str]
Box = Mapping[str, Side]
_ANY = "any other"
_TRIES = 2**14


@dataclass(frozen=True, slots=True)
class Region:
    """Disjoint boxes, and rules with moving limits that hold inside as well."""

    boxes: tuple[Box, ...]
    rules: tuple[Rule, ...] = ()

    @property
    def exact(self) -> bool:
        """Whether boxes say it all."""
        return not self.rules

    def is_empty(self) -> bool:
        """Whether nothing is inside; with moving limits, whether no tried point is."""
        return self.point() is None

    def point(self) -> dict[str, float | str] | None:
        """A point inside: the middle of the largest box, or the first tried point that obeys the rules."""
        for box in sorted(self.boxes, key=_relative_volume, reverse=True):
            if self.exact:
                return _middle(box)
            points = _points(box, _TRIES)
            good = np.flatnonzero(_obeys(self.rules, points))
            if len(good):
                return {name: values[good[0]].item() for name, values in points.items()}
        return None

    def volume(self) -> float:
        """Volume in the product of the units of all parameters limited here, categories counted."""
        total = 0.0
        for box in self.boxes:
            share = 1.0 if self.exact else float(_obeys(self.rules, _points(box, _TRIES)).mean())
            total += share * _volume(box)
        return total


@dataclass(frozen=True, slots=True)
class Containment:
    """Whether A lies in B; if not, a point of A outside B. exact: proven by boxes, not by tried points."""

    holds: bool
    witness: dict[str, float | str] | None
    exact: bool


def region(spec: OddSpec, level: str = "nominal") -> Region:
    """The domain of a spec, its approach ranges widened by the margins of a level."""
    common = {
        name: frozenset(law.names) if isinstance(law, Categories) else law.range
        for name, law in {**spec.environment, **spec.runways}.items()
    }
    zones = (
        {**{name: (float(lo), float(hi)) for name, (lo, hi) in zip(APPROACH, limits, strict=True)}, **common}
        for limits in spec.limits(level)
    )
    boxes = _disjoint(zones)
    moving = []
    for rule in spec.rules:
        conditions = (*rule.when.values(), *rule.require.values())
        if any(isinstance(condition, Profile) for condition in conditions):
            moving.append(rule)
        else:
            boxes = [piece for box in boxes for piece in _obedient(box, rule)]
    return Region(tuple(boxes), tuple(moving))


def intersection(a: Region, b: Region) -> Region:
    """What lies in both."""
    common = [_common(first, second) for first in a.boxes for second in b.boxes]
    return Region(tuple(box for box in common if box is not None), (*a.rules, *b.rules))


def difference(a: Region, b: Region) -> Region:
    """What lies in A and not in B's boxes; the moving rules of B are left out (see contains)."""
    pieces: list[Box] = list(a.boxes)
    for cut in b.boxes:
        pieces = [piece for box in pieces for piece in _minus(box, cut)]
    return Region(tuple(pieces), a.rules)


def contains(outer: Region, inner: Region) -> Containment:
    """Whether everything in `inner` lies in `outer`."""
    witness = difference(inner, outer).point()
    if witness is not None:
        return Containment(False, witness, True)
    for box in inner.boxes if outer.rules else ():
        points = _points(box, _TRIES)
        broken = np.flatnonzero(_obeys(inner.rules, points) & ~_obeys(outer.rules, points))
        if len(broken):
            return Containment(False, {name: v[broken[0]].item() for name, v in points.items()}, True)
    return Containment(True, None, inner.exact and outer.exact)


def _disjoint(boxes: Iterable[Box]) -> list[Box]:
    kept: list[Box] = []
    for box in boxes:
        pieces = [box]
        for other in kept:
            pieces = [piece for part in pieces for piece in _minus(part, other)]
        kept += pieces
    return kept


def _side(box: Box, name: str) -> Side:
    """A box's side, or the whole of a parameter it does not limit."""
    if name in box:
        return box[name]
    parameter = PARAMETERS[name]
    return frozenset(parameter.categories) if parameter.categories else (parameter.lo, parameter.hi)


def _open(side: frozenset[str], other: frozenset[str]) -> frozenset[str]:
    """Free-text categories as a set that can be cut: what the other names, and any other text."""
    return (side - {"*"}) | other | {_ANY} if "*" in side else side


def _names(a: Box, b: Box) -> list[str]:
    return list(dict.fromkeys((*a, *b)))


def _common(a: Box, b: Box) -> Box | None:
    common: dict[str, Side] = {}
    for name in _names(a, b):
        first, second = _side(a, name), _side(b, name)
        if isinstance(first, frozenset) and isinstance(second, frozenset):
            both = _open(first, second) & _open(second, first)
            if not both:
                return None
            common[name] = both
        elif isinstance(first, tuple) and isinstance(second, tuple):
            lo, hi = max(first[0], second[0]), min(first[1], second[1])
            # touching faces have no inside, unless a side is a single value by itself
            if hi < lo or (hi == lo and first[0] < first[1] and second[0] < second[1]):
                return None
            common[name] = (lo, hi)
    return common


def _minus(box: Box, cut: Box) -> list[Box]:
    """Disjoint boxes that together are box without cut."""
    if _common(box, cut) is None:
        return [box]
    pieces: list[Box] = []
    rest = dict(box)
    for name in _names(box, cut):
        if name not in cut:
            continue
        here, away = _side(rest, name), _side(cut, name)
        if isinstance(here, frozenset) and isinstance(away, frozenset):
            here = _open(here, away)
            if here - away and "*" not in away:
                pieces.append({**rest, name: here - away})
                here &= away
            rest[name] = here
        elif isinstance(here, tuple) and isinstance(away, tuple):
            if here[0] < away[0]:
                pieces.append({**rest, name: (here[0], away[0])})
            if away[1] < here[1]:
                pieces.append({**rest, name: (away[1], here[1])})
            rest[name] = (max(here[0], away[0]), min(here[1], away[1]))
    return pieces


def _obedient(box: Box, rule: Rule) -> list[Box]:
    """The part of a box where a rule of plain ranges holds, as disjoint boxes."""
    when, require = _as_box(rule.when), _as_box(rule.require)
    applies = _common(box, when)
    if applies is None:
        return [box]
    held = _common(applies, require)
    return [*_minus(box, when), *([held] if held is not None else [])]


def _as_box(conditions: Mapping[str, Condition]) -> Box:
    box: dict[str, Side] = {}
    for name, condition in conditions.items():
        assert not isinstance(condition, Profile)
        if isinstance(condition[0], str):
            box[name] = frozenset(str(item) for item in condition)
        else:
            box[name] = (float(condition[0]), float(condition[1]))
    return box


def _volume(box: Box) -> float:
    """Product of the widths; a single value counts 1, a category 1."""
    sides = (len(side) if isinstance(side, frozenset) else side[1] - side[0] or 1.0 for side in box.values())
    return float(np.prod(list(sides)))


def _relative_volume(box: Box) -> float:
    """Volume in units of the possible ranges, so that metres do not outweigh degrees."""
    share = 1.0
    for name, side in box.items():
        if isinstance(side, tuple) and side[0] < side[1]:
            share *= (side[1] - side[0]) / (PARAMETERS[name].hi - PARAMETERS[name].lo)
    return share


def _middle(box: Box) -> dict[str, float | str]:
    return {
        name: min(side) if isinstance(side, frozenset) else (side[0] + side[1]) / 2
        for name, side in box.items()
    }


def _points(box: Box, n: int) -> dict[str, np.ndarray[Any, Any]]:
    """Evenly spread points of a box by parameter; always the same ones."""
    unit = qmc.Sobol(max(len(box), 1), scramble=False).random(n)
    points: dict[str, np.ndarray[Any, Any]] = {}
    for u, (name, side) in zip(unit.T, box.items(), strict=False):
        if isinstance(side, frozenset):
            points[name] = np.array(sorted(side))[(u * len(side)).astype(int)]
        else:
            points[name] = side[0] + u * (side[1] - side[0])
    return points


def _obeys(rules: Iterable[Rule], points: Mapping[str, np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    """Whether points (n,) obey rules; a rule that looks at an unlimited parameter is not judged."""
    approaches = Approaches(*(points[name] for name in APPROACH))
    good = np.ones(len(approaches), bool)
    for rule in rules:
        if rule.parameters <= points.keys():
            good &= rule_excess(rule, approaches, points, {})[0] <= 0
    return good
