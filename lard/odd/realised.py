"""What a spec declares of each parameter against what a table of frames holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.odd.drawing import distribution, quantiles
from lard.odd.laws import Law
from lard.odd.show import law_text, table
from lard.odd.spec import Categories, OddSpec

TOLERANCE = 0.02
"""Gap between declared and realised that is reported as a departure, if chance does not explain it."""

_GRID = (np.arange(4096) + 0.5) / 4096


@dataclass(frozen=True, slots=True)
class Realised:
    """One declared law against the frames; zone "" where it is the same for all zones.

    gap is the largest difference between the two distribution functions, or between the shares of one value;
    `rules` names those that look at the parameter.
    """

    parameter: str
    zone: str
    declared: str
    realised: str
    gap: float
    frames: int
    rules: tuple[str, ...]

    @property
    def departs(self) -> bool:
        """Whether the gap is more than a small tolerance and than chance would make it (1 % of the time)."""
        return self.frames > 0 and self.gap > max(TOLERANCE, 1.63 / np.sqrt(self.frames))


def realised(
    spec: OddSpec, frames: pl.DataFrame, laws: Mapping[str, Mapping[str, Law]] | None = None
) -> list[Realised]:
    """Every declared law that the table has a column of, and the zones' shares.

    `laws` by zone and parameter replace the spec's approach laws, for a sample of another method.
    """
    inside = frames.filter(pl.col("zone").is_in(list(spec.zone_names)))
    found = []
    if len(spec.zones) > 1:
        shares = Categories(weights={zone.name: zone.share for zone in spec.zones})
        found.append(_compare(spec, "zone", "", shares, inside["zone"]))
    for zone in spec.zones:
        part = inside.filter(pl.col("zone") == zone.name)
        declared = (laws or {}).get(zone.name, zone.laws)
        found += [_compare(spec, name, zone.name, law, part[name]) for name, law in declared.items()]
    for name, wanted in spec.environment.items():
        if name in inside.columns:
            found.append(_compare(spec, name, "", wanted, inside[name]))
    return found


def _compare(spec: OddSpec, name: str, zone: str, law: Law | Categories, column: pl.Series) -> Realised:
    values = column.drop_nulls().to_numpy()
    rules = tuple(rule.name for rule in spec.rules if name in rule.parameters)
    if isinstance(law, Categories):
        shares = _shares(law.weights)
        held, text, gap = _held_shares(shares, values.astype(str), str)
    elif law.law == "discrete":
        shares = _shares({float(value): weight for value, weight in (law.values or {}).items()})
        held, text, gap = _held_shares(shares, values.astype(np.float64), lambda value: f"{value:g}")
    else:
        held, text, gap = len(values), _spread(values), _largest_gap(name, law, values)
    return Realised(name, zone, _declared(name, law), text, gap, held, rules)


def _shares(weights: Mapping[Any, float]) -> dict[Any, float]:
    total = sum(weights.values())
    return {value: weight / total for value, weight in sorted(weights.items())}


def _held_shares(shares: Mapping[Any, float], values: NDArray[Any], text: Any) -> tuple[int, str, float]:
    """Number of values, their shares as text and the largest difference; what is not declared counts too."""
    found = {value: float((values == value).mean()) if len(values) else 0.0 for value in shares}
    other = 1 - sum(found.values()) if len(values) else 0.0
    parts = [f"{text(value)} {share:.1%}" for value, share in found.items()]
    parts += [f"other {other:.1%}"] if other > 1e-9 else []
    gap = max([abs(found[value] - share) for value, share in shares.items()] + [other])
    return len(values), ", ".join(parts), gap if len(values) else 0.0


def _largest_gap(name: str, law: Law, values: NDArray[Any]) -> float:
    """Largest difference between the declared and the counted distribution function."""
    if not len(values):
        return 0.0
    ordered = np.sort(values.astype(np.float64))
    # a fixed value comes back from a calculation a rounding away
    room = 1e-9 * max(1.0, abs(law.lo), abs(law.hi)) if law.lo == law.hi else 0.0
    at = distribution(name, law, ordered + room)
    before = distribution(name, law, np.nextafter(ordered - room, -np.inf))
    upto = np.searchsorted(ordered, ordered, side="right") / len(ordered)
    under = np.searchsorted(ordered, ordered, side="left") / len(ordered)
    return float(max(np.abs(at - upto).max(), np.abs(before - under).max()))


def _declared(name: str, law: Law | Categories) -> str:
    if isinstance(law, Categories) or law.law == "discrete" or law.lo == law.hi:
        return law_text(law)
    return f"{law_text(law)}, mean {_number(quantiles(name, law, _GRID).mean())}"


def _spread(values: NDArray[Any]) -> str:
    if not len(values):
        return "no frames"
    if values.min() == values.max():
        return f"{values.min():g}"
    return f"{values.min():.4g}..{values.max():.4g}, mean {_number(values.mean())}"


def _number(value: float) -> str:
    """Four digits; what rounding leaves of nothing is 0."""
    return f"{round(float(value), 9) + 0.0:.4g}"


def realised_text(found: Sequence[Realised]) -> list[str]:
    """The comparison as aligned lines; departures are marked with ! and followed by the rules at work."""
    rows = [["", "parameter", "zone", "declared", "realised", "gap"]]
    rows += [
        [
            "!" if one.departs else "",
            one.parameter,
            one.zone or "all",
            one.declared,
            one.realised,
            f"{one.gap:.3f}",
        ]
        for one in found
    ]
    lines = [line.rstrip() for line in table(rows)]
    for one in found:
        if one.departs:
            where = f" in zone {one.zone}" if one.zone else ""
            names = ", ".join(repr(rule) for rule in one.rules)
            reason = f"rules that look at it: {names}" if names else "no rule looks at it"
            lines.append(f"! {one.parameter}{where} departs from its law by {one.gap:.3f}; {reason}")
    return lines
