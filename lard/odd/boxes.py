"""Boxes over parameters: a range or a set of categories per parameter; one not named is unlimited."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from scipy.stats import qmc

from lard.odd.parameters import PARAMETERS
from lard.odd.vocabulary import known_words

Side = tuple[float, float] | frozenset[str]
Box = Mapping[str, Side]
Point = dict[str, float | str]

ANY = "any other"
"""The words that a free-text parameter may have beside the known ones."""

_SEED = 14


def side_of(box: Box, name: str) -> Side:
    """A box's side, or the whole of a parameter it does not limit."""
    if name in box:
        return box[name]
    parameter = PARAMETERS[name]
    if not parameter.categories:
        return parameter.lo, parameter.hi
    return frozenset(known_words(name)) | ({ANY} if parameter.categories == ("*",) else frozenset())


def _open(name: str, side: frozenset[str], other: frozenset[str]) -> frozenset[str]:
    """A side that holds any other word holds the unknown ones of another side as well."""
    return side | (other - frozenset(known_words(name))) if ANY in side else side


def _names(a: Box, b: Box) -> list[str]:
    return list(dict.fromkeys((*a, *b)))


def common(a: Box, b: Box) -> Box | None:
    """The box in both, None where they share nothing but a face."""
    shared: dict[str, Side] = {}
    for name in _names(a, b):
        first, second = side_of(a, name), side_of(b, name)
        if isinstance(first, frozenset) and isinstance(second, frozenset):
            both = _open(name, first, second) & _open(name, second, first)
            if not both:
                return None
            shared[name] = both
        elif isinstance(first, tuple) and isinstance(second, tuple):
            lo, hi = max(first[0], second[0]), min(first[1], second[1])
            # touching faces have no inside, unless a side is a single value by itself
            if hi < lo or (hi == lo and first[0] < first[1] and second[0] < second[1]):
                return None
            shared[name] = (lo, hi)
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
        elif isinstance(here, tuple) and isinstance(away, tuple):
            if here[0] < away[0]:
                pieces.append({**rest, name: (here[0], away[0])})
            if away[1] < here[1]:
                pieces.append({**rest, name: (away[1], here[1])})
            rest[name] = (max(here[0], away[0]), min(here[1], away[1]))
    return pieces


def volume(box: Box) -> float:
    """Product of the widths; a single value counts 1, a category 1."""
    sides = (len(side) if isinstance(side, frozenset) else side[1] - side[0] or 1.0 for side in box.values())
    return float(np.prod(list(sides)))


def single_values(box: Box) -> frozenset[str]:
    """The numeric parameters that a box holds at one value."""
    return frozenset(name for name, side in box.items() if isinstance(side, tuple) and side[0] == side[1])


def relative_volume(box: Box) -> float:
    """Volume in units of the possible ranges, so that metres do not outweigh degrees."""
    share = 1.0
    for name, side in box.items():
        if isinstance(side, tuple) and side[0] < side[1]:
            share *= (side[1] - side[0]) / (PARAMETERS[name].hi - PARAMETERS[name].lo)
    return share


def middle(box: Box) -> Point:
    """The middle of a box; of categories the first."""
    return {
        name: min(side) if isinstance(side, frozenset) else (side[0] + side[1]) / 2
        for name, side in box.items()
    }


def spread(box: Box, names: Iterable[str], n: int) -> dict[str, np.ndarray[Any, Any]]:
    """Evenly spread points of some of a box's parameters; always the same ones."""
    chosen = tuple(names)
    unit = qmc.Sobol(max(len(chosen), 1), scramble=True, rng=np.random.default_rng(_SEED)).random(n)
    points: dict[str, np.ndarray[Any, Any]] = {}
    for u, name in zip(unit.T, chosen, strict=False):
        side = side_of(box, name)
        if isinstance(side, frozenset):
            points[name] = np.array(sorted(side))[(u * len(side)).astype(int)]
        else:
            points[name] = side[0] + u * (side[1] - side[0])
    return points
