"""What a spec allows of each zone: points spread over it, less the regions that its rules exclude."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.airports import RunwayDatabase
from lard.errors import AirportError
from lard.odd.laws import Law
from lard.odd.parameters import PARAMETERS as KNOWN
from lard.odd.spec import Categories, OddSpec
from lard.quality.odd import PARAMETERS, Odd, Zone
from lard.quality.rules import broken_rules
from lard.scenario.selection import strips_in_view

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
ContextOf = Callable[[pl.DataFrame], Mapping[str, NDArray[Any]]]

POINTS = 2**16
LEFT_BINS = 256
SLIVER = 0.01  # rules that leave less of a bin, compared with the others, exclude it
NOISE = 0.05  # what counting points may miss
RUNWAY_VALUES = (
    "length_m", "width_m", "elevation_m", "strips_in_view", "surface", "marking", "lighted", "country",
)  # fmt: skip


def bin_index(values: Array, low: float, high: float, bins: int) -> NDArray[np.int64]:
    """Bin number (n,) of values in [low, high], -1 outside by more than a millionth of the range."""
    values = np.asarray(values, np.float64)
    if high <= low:  # a parameter held fixed has one value
        return np.where(np.abs(values - low) <= 1e-6 * max(1.0, abs(low)), 0, -1)
    position = (values - low) / (high - low)
    inside = (position >= -1e-6) & (position <= 1 + 1e-6)
    index = np.clip(np.floor(np.where(inside, position, 0.0) * bins), 0, bins - 1)
    return np.where(inside, index, -1).astype(np.int64)


def bins_of(bounds: tuple[float, float], bins: int) -> int:
    """Number of bins of a range: one where it is a single value."""
    return bins if bounds[1] > bounds[0] else 1


@dataclass(frozen=True, slots=True)
class Domain:
    """One zone as its rules leave it."""

    zone: Zone
    even: Mapping[str, Array]  # points (n,) spread evenly over the zone's ranges
    allowed: Mask  # (n,) which of them break no rule
    drawn: Mapping[str, Array]  # points (m,) by the declared laws that break no rule
    left: Mapping[str, Array]  # points by each declared law alone, where the rules leave anything of it
    ruled: bool  # whether rules exclude anything of it

    def allowed_shares(self, names: tuple[str, ...], bins: int) -> Array:
        """How open (bins, ...) each bin or cell of parameters is: 1 for that of which rules leave most.

        Bins that hold no value of a discrete law and those of which rules leave a sliver have 0.
        """
        shape = tuple(bins_of(self.zone.bounds[name], bins) for name in names)
        flat = np.zeros(len(self.allowed), np.int64)
        for name, size in zip(names, shape, strict=True):
            flat = flat * size + bin_index(self.even[name], *self.zone.bounds[name], size)
        there = np.bincount(flat, minlength=int(np.prod(shape))).astype(np.float64)
        left = np.bincount(flat[self.allowed], minlength=int(np.prod(shape)))
        share = np.divide(left, there, out=np.zeros_like(there), where=there > 0)
        share /= max(float(share.max()), 1e-9)
        return np.where(share < SLIVER, 0.0, np.where(share > 1 - NOISE, 1.0, share)).reshape(shape)

    def expected_shares(self, name: str, bins: int) -> Array:
        """Share (bins,) of the frames that the declared law and the rules put into each bin."""
        low, high = self.zone.bounds[name]
        size, law = bins_of((low, high), bins), self.zone.laws.get(name)
        if self.ruled or (law is not None and law.law == "discrete"):
            index = bin_index(self.left[name], low, high, size)
            return np.bincount(index[index >= 0], minlength=size) / max(len(index), 1)
        edges = np.linspace(low, high, size + 1)
        return np.full(size, 1 / size) if law is None or size == 1 else np.diff(law.cdf(edges))

    def cdf(self, name: str) -> Any:
        """Distribution function of a parameter, rules included."""
        low, high = self.zone.bounds[name]
        if self.ruled:
            order = np.sort(self.left[name])
            return lambda x: np.searchsorted(order, x, side="right") / len(order)
        law = self.zone.laws.get(name)
        return law.cdf if law is not None else lambda x: np.clip((x - low) / (high - low), 0.0, 1.0)


def domains(odd: Odd, frames: pl.DataFrame, context_of: ContextOf) -> dict[str, Domain]:
    """The domain of each zone of an ODD, by name; context_of gives the row_context of a table."""
    return {zone.name: _domain(odd, frames, context_of, zone, k) for k, zone in enumerate(odd.zones)}


def _domain(odd: Odd, frames: pl.DataFrame, context_of: ContextOf, zone: Zone, number: int) -> Domain:
    spec, rng = odd.spec, np.random.default_rng([7, number])
    laws = {name: zone.laws.get(name) or Law(range=bounds) for name, bounds in zone.bounds.items()}
    even = {name: _even(law, rng.random(POINTS)) for name, law in laws.items()}
    lawful: dict[str, NDArray[Any]] = {name: law.ppf(rng.random(POINTS)) for name, law in laws.items()}
    context = _context(spec, frames, context_of, rng)
    allowed = _kept(spec, {**context, **even})
    kept = _kept(spec, {**context, **lawful})
    drawn = {name: values[kept] for name, values in lawful.items()}
    left = {name: _left(values, kept) for name, values in lawful.items()}
    return Domain(zone, even, allowed, drawn, left, bool(not kept.all() or not allowed.all()))


def _left(values: Array, kept: Mask) -> Array:
    """Values (m,) of a law in those of its narrow bins of which the rules leave something.

    Samples keep the declared laws under rules as far as they can, so this is what they should follow.
    """
    edges = np.unique(np.quantile(values, np.linspace(0, 1, LEFT_BINS + 1)))
    index = np.searchsorted(edges[1:-1], values, side="right")
    left = np.bincount(index[kept], minlength=len(edges)) > 0
    return values[left[index]]


def _even(law: Law, u: Array) -> Array:
    if law.values is not None:
        values = np.array(sorted(law.values))
        return values[np.minimum((u * len(values)).astype(np.int64), len(values) - 1)]
    return law.lo + u * (law.hi - law.lo)


def _context(
    spec: OddSpec | None, frames: pl.DataFrame, context_of: ContextOf, rng: np.random.Generator
) -> dict[str, NDArray[Any]]:
    """Values (POINTS,) of the other parameters that rules look at: as declared, else as in the frames."""
    if spec is None or not spec.rules:
        return {}
    wanted = {name for rule in spec.rules for name in rule.parameters} - set(PARAMETERS)
    context: dict[str, NDArray[Any]] = {}
    for name in sorted(wanted & set(spec.environment)):
        law = spec.environment[name]
        context[name] = np.asarray(law.ppf(rng.random(POINTS)) if isinstance(law, Law) else _names(law, rng))
    if len(frames) and wanted - set(context):
        rows = rng.integers(0, len(frames), POINTS)
        known = context_of(frames)
        context |= {name: known[name][rows] for name in sorted((wanted - set(context)) & set(known))}
    return context


def _names(law: Categories, rng: np.random.Generator) -> NDArray[Any]:
    return np.asarray(law.ppf(rng.random(POINTS)))


def _kept(spec: OddSpec | None, values: Mapping[str, NDArray[Any]]) -> Mask:
    kept = np.ones(POINTS, bool)
    for broken in broken_rules(spec, values).values():
        kept &= ~broken
    return kept


def row_context(
    frames: pl.DataFrame, runways: pl.DataFrame, table: pl.DataFrame, asked: Iterable[str] | None = None
) -> dict[str, NDArray[Any]]:
    """Environment and runway values (n,) of rows of a table that names a frame, an airport and a runway.

    Parameters that are known of no row are left out, and those that are not `asked` for.
    """
    wanted = None if asked is None else set(asked)
    names = [n for n in frames.columns if n in KNOWN and KNOWN[n].group == "environment"]
    names, of_runway = (
        [name for name in some if wanted is None or name in wanted] for some in (names, RUNWAY_VALUES)
    )
    # where each row's frame and runway stand: values are then looked up one parameter at a time
    ids = frames.select("frame_id").with_row_index("_frame").unique("frame_id", keep="first")
    ends = runways.select("airport", "runway").with_row_index("_end")
    rows = table.select("frame_id", "airport", "runway").join(
        ids, on="frame_id", how="left", maintain_order="left"
    )
    rows = rows.join(ends, on=["airport", "runway"], how="left", maintain_order="left")
    found = {}
    for name in (*names, *of_runway):
        source, place = (runways, rows["_end"]) if name in of_runway else (frames, rows["_frame"])
        column = source[name].gather(place)
        if column.null_count() < len(column):
            found[name] = words_of(column)
    return found


def words_of(column: pl.Series) -> NDArray[Any]:
    """The values (n,) of a column; of texts each word is one object, whatever number of rows hold it."""
    if column.dtype != pl.String:
        return column.to_numpy()
    words = column.drop_nulls().unique().sort()
    codes = column.cast(pl.Enum(words)).to_physical().cast(pl.Int64).fill_null(len(words))
    return np.array([*words.to_list(), None], object)[codes.to_numpy()]


def runway_values(
    database: RunwayDatabase | None, named: Iterable[tuple[str, str]], spec: OddSpec | None
) -> pl.DataFrame:
    """The runway parameters a spec may look at, of those named runways that the database knows."""
    rows = []
    for airport, name in named if database is not None else ():
        try:
            place = database.airport(airport)  # type: ignore[union-attr]
            runway = place.runway(name)
        except AirportError:
            continue  # DQR-A05 reports runways that the database does not know
        lighted = "true" if runway.lighted else "false"
        strips = float(strips_in_view(spec, place, runway)) if spec is not None else None
        sizes = (runway.length_m, runway.width_m, float(runway.ltp[2]), strips)
        rows.append((airport, name, *sizes, runway.surface, runway.marking, lighted, place.country))
    numbers = dict.fromkeys(RUNWAY_VALUES[:4], pl.Float64)
    texts = dict.fromkeys(("airport", "runway", *RUNWAY_VALUES[4:]), pl.String)
    order = ("airport", "runway", *RUNWAY_VALUES)
    schema: dict[str, Any] = {name: (numbers | texts)[name] for name in order}
    return pl.DataFrame(rows, schema=schema, orient="row")


def frame_faults(
    odd: Odd, targets: pl.DataFrame, context: Mapping[str, NDArray[Any]], slack: float = 1e-6
) -> Mapping[str, Mask]:
    """Why rows (n,) of targets are no part of the zone they name: a limit, or a rule by its name.

    context: the other values (n,) that rules look at, see row_context.
    """
    values: dict[str, NDArray[Any]] = {name: targets[name].to_numpy() for name in PARAMETERS}
    values |= context
    faults: dict[str, Mask] = {}
    zones = targets["zone"].to_numpy()
    for zone in odd.zones:
        here = zones == zone.name
        for name, (low, high) in zone.bounds.items():
            room = slack * max(1.0, high - low)
            outside = here & ~((values[name] >= low - room) & (values[name] <= high + room))
            if outside.any():
                faults[f"{zone.name}/{name}"] = outside
    for rule, broken in broken_rules(odd.spec, values, slack).items():
        if broken.any():
            faults[f"rule: {rule}"] = broken
    return faults
