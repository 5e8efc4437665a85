"""Environment and runway values that a domain is judged by, beside the approach: which, and by how much."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.errors import DataError
from lard.odd.laws import Law
from lard.odd.parameters import APPROACH, PARAMETERS
from lard.odd.spec import Categories, OddSpec
from lard.odd.vocabulary import word_fault

Array = NDArray[np.float64]
Context = Mapping[str, NDArray[Any]]

_HAIR = 1e-9  # of a bound: a fixed sun elevation comes back from its time a rounding away


def needed_parameters(spec: OddSpec) -> dict[str, str]:
    """Every environment and runway parameter that a verdict depends on, and what of the spec asks for it."""
    needed = {name: f"environment.{name}" for name in spec.environment}
    needed |= {name: f"runways.{name}" for name in spec.runways}
    for rule in spec.rules:
        for name in sorted(rule.parameters - set(APPROACH)):
            needed.setdefault(name, f"rule {rule.name!r}")
    return needed


def is_null(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Which values (n,) are missing: None, not a number, no text."""
    if values.dtype.kind in "fc":
        return np.isnan(values)
    if values.dtype.kind == "O":
        return np.array([value is None or value != value or value == "" for value in values.tolist()], bool)
    return values == "" if values.dtype.kind == "U" else np.zeros(len(values), bool)


def check_context(spec: OddSpec, context: Context, n: int) -> None:
    """Raise DataError with one line per parameter that the spec asks about and the context does not tell."""
    faults = []
    for name, asker in needed_parameters(spec).items():
        given = np.asarray(context[name]) if name in context else None
        if given is None:
            what = f"column {name} is missing"
        elif len(given) != n:
            what = f"column {name} has {len(given)} values for {n} approaches"
        elif is_null(given).any():
            what = f"column {name} is null in {int(is_null(given).sum())} of {n} rows"
        elif not PARAMETERS[name].categories and given.dtype.kind not in "fiu":
            what = f"column {name} holds {given.dtype.name} values, not numbers"
        elif PARAMETERS[name].categories and (fault := unknown_word(name, given)):
            what = f"column {name}: {fault}"
        else:
            continue
        faults.append(
            f"{what}, so that {asker} of ODD {spec.name} {spec.version} cannot be judged; fill the column, "
            "or judge by a spec that does not ask for it"
        )
    if faults:
        raise DataError("\n".join(faults))


def unknown_word(name: str, values: NDArray[Any]) -> str | None:
    """What is wrong with the first unknown one of categories (n,) of a parameter, None without any."""
    found = sorted(
        {str(value).lower() if isinstance(value, bool) else str(value) for value in values.tolist()}
    )
    return next((fault for word in found if (fault := word_fault(name, word))), None)


def words(values: NDArray[Any]) -> NDArray[np.str_]:
    """Categories (n,) as specs spell them: true, not True."""
    if values.dtype.kind == "b":
        return np.where(values, "true", "false")
    return values.astype(str)


def context_margins(spec: OddSpec, context: Context) -> Iterator[tuple[str, Array, Array]]:
    """Per limited parameter its signed distance (n,) to the nearer limit, and that in half ranges.

    Negative outside; 1 and -1 for categories.
    """
    for name, law in {**spec.environment, **spec.runways}.items():
        values = np.asarray(context[name])
        if isinstance(law, Categories):
            inside = np.where(np.isin(words(values), law.names), 1.0, -1.0)
            yield name, inside, inside
            continue
        numbers = values.astype(np.float64)
        margin = law.slack(numbers)
        margin = np.where((margin < 0) & (margin >= -_room(law)), 0.0, margin)
        yield name, margin, margin / ((law.hi - law.lo) / 2 if law.hi > law.lo else 1.0)


def within_context(spec: OddSpec, context: Context, level: str) -> NDArray[np.bool_]:
    """Where (n,) every environment and runway value lies in its range, widened by a level's margins."""
    inside: NDArray[np.bool_] | None = None
    for name, law in {**spec.environment, **spec.runways}.items():
        values = np.asarray(context[name])
        if isinstance(law, Categories):
            held = np.isin(words(values), law.names)
        else:
            below, above = spec.margins.get(level, {}).get(name, (0.0, 0.0))
            held = law.slack(values.astype(np.float64), below, above) >= -_room(law)
        inside = held if inside is None else inside & held
    return np.ones(1, bool) if inside is None else inside


def _room(law: Law) -> float:
    return _HAIR * max(1.0, abs(law.lo), abs(law.hi))
