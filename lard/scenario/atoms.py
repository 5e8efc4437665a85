"""Unit coordinates cut into atoms: pieces where no condition of a rule changes, or narrow bins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.odd.drawing import distribution, quantiles
from lard.odd.laws import Law
from lard.odd.parameters import APPROACH, PARAMETERS
from lard.odd.spec import Categories, Condition, OddSpec, Profile, Rule
from lard.scenario import environment as env
from lard.scenario.selection import Candidates

Array = NDArray[np.float64]
Index = NDArray[np.intp]

RUNWAY = 0
DAY = 1 + len(APPROACH) + env.COORDINATE["day_of_year"]
TIME = 1 + len(APPROACH) + env.COORDINATE["local_time_h"]
KIND = 1 + len(APPROACH) + env.COORDINATE["light"]
_SUN = ("light", "sun_elevation_deg", "local_time_h", "season", "day_of_year")
_BAND_DEG = 5.0  # of latitude, where the sun matters


@dataclass(frozen=True, slots=True)
class Atoms:
    """One coordinate in pieces between edges (b + 1,); atom (b,) numbers them, equal ones belong together."""

    column: int
    edges: Array
    atom: Index

    @property
    def shares(self) -> Array:
        """Width (atoms,) of each atom: what the declared law gives it."""
        return np.bincount(self.atom, np.diff(self.edges)).astype(np.float64)

    def place(self, atom: Index, within: Array) -> Array:
        """Coordinates (n,) of the relative places `within` [0, 1) of atoms (n,)."""
        order = np.argsort(self.atom, kind="stable")
        widths = np.diff(self.edges)[order]
        upto = np.concatenate([[0.0], np.cumsum(widths)])
        shares = self.shares
        first = np.concatenate([[0.0], np.cumsum(shares)])[atom]
        position = first + within * shares[atom]
        starts = np.searchsorted(self.atom[order], atom, side="left")
        ends = np.searchsorted(self.atom[order], atom, side="right") - 1
        piece = np.clip(np.searchsorted(upto, position, side="right") - 1, starts, ends)
        lo, hi = self.edges[order[piece]], self.edges[order[piece] + 1]
        return np.clip(lo + (position - upto[piece]), lo, np.nextafter(hi, 0.0))


def columns_of(spec: OddSpec, name: str) -> tuple[tuple[int, ...], bool]:
    """The coordinates that a parameter's drawn value depends on, and whether it follows one law exactly."""
    if name in APPROACH:
        return (1 + APPROACH.index(name),), True
    if PARAMETERS[name].group == "runway":
        return (RUNWAY,), True
    if name in spec.environment:
        return (1 + len(APPROACH) + env.COORDINATE[name],), True
    if name in _SUN:
        placed = "light" in spec.environment or "sun_elevation_deg" in spec.environment
        return (RUNWAY, DAY, TIME, *((KIND,) if placed else ())), False
    return (), True  # the spec does not vary it


def runway_atoms(rules: Iterable[Rule], chosen: Candidates, share: Array, sunny: bool) -> Atoms:
    """Runways that rules (and where it matters the sun) cannot tell apart, as atoms."""
    latitude = np.array([np.floor(runway.ltp[0] / _BAND_DEG) for runway in chosen.runways])
    traits: list[NDArray[Any]] = [latitude] if sunny else []
    for rule in rules:
        for name, condition in _conditions(rule):
            by = condition.by if isinstance(condition, Profile) else ""
            for own in (name, by):
                if own in chosen.attributes:
                    values = chosen.attributes[own]
                    plain = own == name and not by
                    traits.append(_meets(values, condition) if plain else values)
    codes = [np.unique(trait, return_inverse=True)[1] for trait in traits]
    kinds = np.unique(np.column_stack(codes), axis=0, return_inverse=True)[1].ravel()
    edges = np.concatenate([[0.0], np.cumsum(share) / np.sum(share)])
    return Atoms(RUNWAY, edges, kinds)


def law_atoms(
    spec: OddSpec, laws: Mapping[str, Law], column: int, rules: Iterable[Rule], bins: int, sun: bool
) -> Atoms:
    """A coordinate that is no runway's: cut where conditions change, and into `bins` where limits move.

    With `sun` the place of the sun limits it as well.
    """
    name, law = _law_of(spec, laws, column)
    conditions = [(n, c) for rule in rules for n, c in _conditions(rule)]
    marks, moving = {0.0, 1.0}, law is None or (sun and column in (DAY, KIND))
    for other, condition in conditions:
        by = condition.by if isinstance(condition, Profile) else ""
        touches = column in columns_of(spec, other)[0] or (by and column in columns_of(spec, by)[0])
        if not touches:
            continue
        if law is not None and other == name and not by:
            marks |= set(_marks(name, law, condition))
        else:
            moving = True
            if isinstance(law, Law) and isinstance(condition, Profile):
                x, lo, hi = np.array(condition.points).T
                values = x if by == name else np.concatenate([lo, hi])
                marks |= set(distribution(name, law, values).tolist())
    if moving:
        marks |= _steps(law) if law is not None else set()
        if law is None or not _stepped(law) or column == DAY:
            marks |= set(np.linspace(0, 1, bins + 1).tolist())
    edges = np.array(sorted(marks))
    edges = edges[np.concatenate([[True], np.diff(edges) > 1e-12])]
    edges[-1] = 1.0
    if moving or law is None:
        return Atoms(column, edges, np.arange(len(edges) - 1))
    middle = quantiles(name, law, (edges[1:] + edges[:-1]) / 2)
    own = [c for other, c in conditions if other == name]
    traits = np.column_stack([np.zeros(len(middle), bool), *(_meets(middle, c) for c in own)])
    return Atoms(column, edges, np.unique(traits, axis=0, return_inverse=True)[1].ravel())


def _law_of(spec: OddSpec, laws: Mapping[str, Law], column: int) -> tuple[str, Law | Categories | None]:
    """The parameter with a law that is drawn from a coordinate; none where the spec leaves it alone."""
    for name in (*APPROACH, *spec.environment):
        law = laws.get(name) or spec.environment.get(name)
        if law is not None and columns_of(spec, name)[0] == (column,):
            return name, law
    return "", None


def _stepped(law: Law | Categories) -> bool:
    """Whether a law has a few separate values."""
    return isinstance(law, Categories) or law.law == "discrete"


def _steps(law: Law | Categories) -> set[float]:
    """Coordinates between the separate values of a law."""
    if isinstance(law, Categories):
        upper = np.cumsum([law.weights[category] for category in law.names])
    else:
        upper = np.cumsum([weight for _, weight in sorted((law.values or {}).items())])
    return set((upper / upper[-1]).tolist()) if len(upper) else set()


def _conditions(rule: Rule) -> list[tuple[str, Condition]]:
    return [*rule.when.items(), *rule.require.items()]


def _meets(values: NDArray[Any], condition: Condition) -> NDArray[np.bool_]:
    """Whether values (n,) meet a condition with fixed limits."""
    if isinstance(condition, Profile):
        return np.zeros(len(values), bool)
    if isinstance(condition[0], str):
        return np.isin(values.astype(str), condition)
    return (values >= condition[0]) & (values <= condition[1])


def _marks(name: str, law: Law | Categories, condition: Condition) -> list[float]:
    """Coordinates at which a condition with fixed limits begins or ends to hold."""
    if isinstance(law, Categories):
        return sorted(_steps(law))
    assert not isinstance(condition, Profile)
    limits = np.array([float(limit) for limit in condition])
    below = np.nextafter(limits, -np.inf)
    return np.concatenate([distribution(name, law, below), distribution(name, law, limits)]).tolist()
