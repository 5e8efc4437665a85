"""Boxes over parameters: ranges or a set of categories per parameter; one that is not named is unlimited.

Ranges of whole numbers begin and end half way between them, so that each number has a width of 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from lard.odd.parameters import PARAMETERS
from lard.odd.vocabulary import known_words

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Spans:
    """Two or more separate ranges, in order; some or all may be single values."""

    parts: tuple[Range, ...]


Side = Range | Spans | frozenset[str]
Box = Mapping[str, Side]
Point = dict[str, float | str]

ANY = "any other"
"""The words that a free-text parameter may have beside the known ones."""

_SEED = 14


def side_of_ranges(ranges: Iterable[Range]) -> Side | None:
    """The side of ranges in any order, those that meet joined; None without any."""
    joined: list[Range] = []
    for lo, hi in sorted(ranges):
        if joined and lo <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(hi, joined[-1][1]))
        else:
            joined.append((lo, hi))
    return _side(joined)


def _side(ranges: Sequence[Range]) -> Side | None:
    if not ranges:
        return None
    return ranges[0] if len(ranges) == 1 else Spans(tuple(ranges))


def ranges_of(side: Range | Spans) -> tuple[Range, ...]:
    """The ranges of a numeric side."""
    return side.parts if isinstance(side, Spans) else (side,)


def whole_range(name: str, bounds: Range) -> Range:
    """A range as a side of a box: of whole numbers from half below the least to half above the greatest."""
    if not PARAMETERS[name].whole:
        return bounds
    return float(np.ceil(bounds[0])) - 0.5, float(np.floor(bounds[1])) + 0.5


def side_of(box: Box, name: str) -> Side:
    """A box's side, or the whole of a parameter it does not limit."""
    if name in box:
        return box[name]
    parameter = PARAMETERS[name]
    if not parameter.categories:
        return whole_range(name, (parameter.lo, parameter.hi))
    return frozenset(known_words(name)) | ({ANY} if parameter.categories == ("*",) else frozenset())


def _open(name: str, side: frozenset[str], other: frozenset[str]) -> frozenset[str]:
    """A side that holds any other word holds the unknown ones of another side as well."""
    return side | (other - frozenset(known_words(name))) if ANY in side else side


def _names(a: Box, b: Box) -> list[str]:
    return list(dict.fromkeys((*a, *b)))


def _shared(first: Side, second: Side) -> Side | None:
    """What two numeric sides share; None where that is no more than a face."""
    assert not isinstance(first, frozenset) and not isinstance(second, frozenset)
    shared = []
    for a in ranges_of(first):
        for b in ranges_of(second):
            lo, hi = max(a[0], b[0]), min(a[1], b[1])
            # touching faces have no inside, unless a side is a single value by itself
            if lo < hi or (lo == hi and (a[0] == a[1] or b[0] == b[1])):
                shared.append((lo, hi))
    return _side(shared)


def _next(name: str, face: float, towards: float) -> float:
    return face if PARAMETERS[name].whole else float(np.nextafter(face, towards))


def _left(name: str, here: Side, away: Side) -> Side | None:
    """What of a numeric side lies outside another one: up to the number before it and from the one after.

    The faces between whole numbers hold none of them, so that both pieces may keep one.
    """
    assert not isinstance(here, frozenset) and not isinstance(away, frozenset)
    left = list(ranges_of(here))
    for cut in ranges_of(away):
        pieces = []
        for lo, hi in left:
            if hi < cut[0] or lo > cut[1]:
                pieces.append((lo, hi))
                continue
            # a face that both kept would hold a single value twice
            pieces += [(lo, _next(name, cut[0], -np.inf))] if lo < cut[0] else []
            pieces += [(_next(name, cut[1], np.inf), hi)] if cut[1] < hi else []
        left = pieces
    return _side(left)


def common(a: Box, b: Box) -> Box | None:
    """The box in both, None where they share nothing but a face."""
    shared: dict[str, Side] = {}
    for name in _names(a, b):
        first, second = side_of(a, name), side_of(b, name)
        if isinstance(first, frozenset) and isinstance(second, frozenset):
            words = _open(name, first, second) & _open(name, second, first)
            both: Side | None = words or None
        else:
            both = _shared(first, second)
        if both is None:
            return None
        shared[name] = both
    return shared


def minus(box: Box, cut: Box) -> list[Box]:
    """Disjoint boxes that together are box without cut."""
    if common(box, cut) is None:
        return [box]
    pieces: list[Box] = []
    rest = dict(box)
    for name in _names(box, cut):
        if name not in cut:
            continue
        here, away = side_of(rest, name), side_of(cut, name)
        if isinstance(here, frozenset) and isinstance(away, frozenset):
            here = _open(name, here, away)
            away = _open(name, away, here)
            if here - away:
                pieces.append({**rest, name: here - away})
                here &= away
            rest[name] = here
        else:
            left, shared = _left(name, here, away), _shared(here, away)
            if left is not None:
                pieces.append({**rest, name: left})
            assert shared is not None
            rest[name] = shared
    return pieces


def _width(side: Side) -> float:
    """Width of a side; single values by themselves count 1 each, categories too."""
    if isinstance(side, frozenset):
        return float(len(side))
    ranges = ranges_of(side)
    return sum(hi - lo for lo, hi in ranges) or float(len(ranges))


def volume(box: Box) -> float:
    """Product of the widths; a single value counts 1, a category 1."""
    return float(np.prod([_width(side) for side in box.values()]))


def is_thin(side: Side) -> bool:
    """Whether a side is single values only."""
    return not isinstance(side, frozenset) and all(lo == hi for lo, hi in ranges_of(side))


def single_values(box: Box) -> frozenset[str]:
    """The numeric parameters that a box holds at single values."""
    return frozenset(name for name, side in box.items() if is_thin(side))


def relative_volume(box: Box) -> float:
    """Volume in units of the possible ranges, so that metres do not outweigh degrees."""
    share = 1.0
    for name, side in box.items():
        if not isinstance(side, frozenset) and not is_thin(side):
            share *= _width(side) / (PARAMETERS[name].hi - PARAMETERS[name].lo)
    return share


def middle(box: Box) -> Point:
    """The middle of a box, of its widest range of each parameter; of categories the first."""
    return {name: _middle(name, side) for name, side in box.items()}


def _middle(name: str, side: Side) -> float | str:
    if isinstance(side, frozenset):
        return min(side)
    lo, hi = max(ranges_of(side), key=lambda one: one[1] - one[0])
    return float(np.floor((lo + hi) / 2 + 0.5)) if PARAMETERS[name].whole else (lo + hi) / 2


def spread(box: Box, names: Iterable[str], n: int) -> dict[str, NDArray[Any]]:
    """Evenly spread points of some of a box's parameters; always the same ones."""
    chosen = tuple(names)
    unit = qmc.Sobol(max(len(chosen), 1), scramble=True, rng=np.random.default_rng(_SEED)).random(n)
    return {name: _spread(name, side_of(box, name), u) for u, name in zip(unit.T, chosen, strict=False)}


def _spread(name: str, side: Side, u: NDArray[np.float64]) -> NDArray[Any]:
    """Values of a side at unit coordinates (n,)."""
    if isinstance(side, frozenset):
        return np.array(sorted(side))[(u * len(side)).astype(int)]
    ranges = np.array(ranges_of(side))
    widths = ranges[:, 1] - ranges[:, 0]
    upto = np.cumsum(widths if widths.any() else np.ones(len(ranges)))
    place = u * upto[-1]
    part = np.minimum(np.searchsorted(upto, place, side="right"), len(ranges) - 1)
    values = ranges[part, 1] - np.minimum(upto[part] - place, widths[part])
    return np.rint(values) if PARAMETERS[name].whole else values
