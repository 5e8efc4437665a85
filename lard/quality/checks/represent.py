"""Every set stands for the whole: its zones, environment and airports against the spec and the other sets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from lard.odd.laws import Law
from lard.odd.parameters import PARAMETERS as KNOWN
from lard.quality.dataset import Dataset
from lard.quality.frames import SETS, TESTING, TRAINING, zone_rows
from lard.quality.measures.stretches import least_frames, widest_empty
from lard.quality.model import Offence, Outcome
from lard.quality.registry import check

Array = NDArray[np.float64]

CHANCE = 1e-4  # a lack that chance explains more often than this is none
CHANCE_OF_NONE = 1e-3  # the same where a set holds nothing at all of a zone or condition
BINS = 4
FEW_VALUES = 8  # a column of so few numbers holds classes
FOLLOWING = ("light", "season", "sun_elevation_deg", "sun_azimuth_deg")  # from time and place
PLENTY = 3  # times the least number of a set's airports, that a dataset has before it is asked for
ONE_WAY = 6  # frames of an airport that would show a second direction of landing, were there one
FEW = 3  # airports of a set, below which none can be said to outweigh the others


@check(
    "DQR-S03",
    "Every set holds every zone, every condition and its airports alike",
    severity="error",
    rationale="A test set without the far zone or with good visibility only says nothing about the rest.",
    objective="representativeness",
    thresholds={
        "min_relative_share": 0.2,
        "max_zone_gap": 0.5,
        "max_airport_share": 0.6,
        "max_empty_share": 0.1,
    },
    needs=("frames", "split"),
)
def sets_whole(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Share of each zone, condition and airport in each set, against the spec and the dataset as a whole."""
    assert data.frames is not None
    frames = data.once
    told = frames.select("split", "airport", "runway")
    parts = {name: told.filter(pl.col("split") == name) for name in SETS}
    parts = {name: part for name, part in parts.items() if len(part)}
    offences: list[Offence] = []
    table: dict[str, Any] = {name: {"frames": len(part)} for name, part in parts.items()}
    offences += _zones(data, parts, float(limits["max_zone_gap"]), table)
    conditions = _conditions(data, frames)
    for name, (numbers, cells) in conditions.items():
        lacks = list(_lacking(name, cells, frames, parts, float(limits["min_relative_share"])))
        if numbers is not None:
            named = {lack.subject.split("/")[0] for lack in lacks}
            stretches = _empty(name, numbers, frames, float(limits["max_empty_share"]))
            lacks += [lack for lack in stretches if lack.subject.split("/")[0] not in named]
        offences += lacks
    offences += _approaches(data, float(limits["max_empty_share"]))
    offences += _airports(parts, float(limits["max_airport_share"]))
    offences += _one_way(parts)
    if not parts:
        return Outcome(None, "no frame is in a training, validation or test set")
    stated = [cell for _, cells in conditions.values() for cell in cells if cell is not None]
    zoned = any(len(row) > 1 for row in table.values())
    if not offences and not stated and not zoned and not frames["airport"].count():
        return Outcome(
            None, "frames state no zone, no airport and no condition that varies: nothing to compare sets by"
        )
    sizes = ", ".join(f"{name} {len(part)}" for name, part in parts.items())
    message = f"{len(offences)} lacks in {len(parts)} sets ({sizes} frames)"
    return Outcome(
        not offences, message, float(len(offences)), 0.0, tuple(offences), len(frames), {"sets": table}
    )


def _zones(
    data: Dataset, parts: Mapping[str, pl.DataFrame], limit: float, table: dict[str, Any]
) -> list[Offence]:
    """Zones that a set lacks, or holds far too few or many of."""
    if not {"approach", "odd"} <= data.parts:
        return []
    offences = []
    for zone, rows in zone_rows(data):
        count = Counter(rows["split"].to_list())
        for name, part in parts.items():
            n, share = len(part), count[name] / len(part)
            table[name][zone.name] = count[name]
            gap = abs(share - zone.share) / zone.share
            p = float(stats.binomtest(count[name], n, zone.share).pvalue)
            none = not count[name] and (1 - zone.share) ** n < CHANCE_OF_NONE
            if (gap > limit and p < CHANCE) or none:
                what = "no frame" if not count[name] else f"{share:.1%} of the frames"
                text = f"the {name} set has {what} of zone {zone.name}, the spec declares {zone.share:.1%}"
                offences.append(Offence(f"{name}/{zone.name}", share, text))
    return offences


def _conditions(data: Dataset, frames: pl.DataFrame) -> dict[str, tuple[Array | None, list[str | None]]]:
    """Numbers (n,), None of words, and cell (n,) of each frame for each condition.

    Asked is what the spec declares, and what frames state beside it but for that which follows from time and
    place: airports differ in it.
    """
    found: dict[str, tuple[Array | None, list[str | None]]] = {}
    declared = dict(data.odd.environment) if data.odd is not None else {}
    stated = [n for n in frames.columns if n in KNOWN and KNOWN[n].group == "environment"]
    names = [*declared, *(n for n in stated if n not in declared and not (declared and n in FOLLOWING))]
    for name in names:
        values, _ = data.environment_values(name, frames)
        law = declared.get(name)
        if values is None or (isinstance(law, Law) and law.lo == law.hi):
            continue
        if isinstance(law, tuple) or any(isinstance(v, str) for v in values):
            found[name] = (None, [None if v is None else str(v) for v in values])
            continue
        numbers = np.array([np.nan if v is None else float(v) for v in values])
        kinds = len(np.unique(numbers[np.isfinite(numbers)]))
        if kinds < 2:
            continue
        if kinds <= FEW_VALUES or (isinstance(law, Law) and law.law == "discrete"):
            found[name] = (None, [None if not np.isfinite(v) else f"{v:g}" for v in numbers])
            continue
        quantiles = np.linspace(0, 1, BINS + 1)
        edges = law.ppf(quantiles) if isinstance(law, Law) else np.nanquantile(numbers, quantiles)
        index = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, BINS - 1)
        cells = [
            None if not np.isfinite(v) else f"{edges[k]:.4g}..{edges[k + 1]:.4g}"
            for v, k in zip(numbers, index, strict=True)
        ]
        found[name] = (numbers, cells)
    return found


def _approaches(data: Dataset, most: float) -> list[Offence]:
    """Stretches of an approach parameter, zone by zone, that one set lacks."""
    if not {"approach", "odd"} <= data.parts:
        return []
    found = []
    for zone, rows in zone_rows(data):
        for name, (low, high) in zone.bounds.items():
            if high > low:
                values = rows[name].to_numpy().astype(np.float64)
                found += list(_empty(f"{zone.name}/{name}", values, rows, most))
    return found


def _empty(name: str, numbers: Array, frames: pl.DataFrame, most: float) -> Iterator[Offence]:
    """Stretches of a condition in which a set has no frame, though the others have a share of theirs."""
    known = frames.select("split").with_columns(value=pl.Series(numbers)).filter(pl.col("value").is_finite())
    if "sequence" in frames.columns:  # frames of one approach share their weather
        known = known.unique(["split", "value"], maintain_order=True)
    for part in SETS:
        mine = known.filter(pl.col("split") == part)["value"].to_numpy()
        others = known.filter(pl.col("split") != part)["value"].to_numpy()
        if not len(mine) or not len(others):
            continue
        low, high, share, chance = widest_empty(mine, others)
        if share > most and chance < CHANCE:
            text = (
                f"the {part} set has no frame with {name} {low:.4g}..{high:.4g}, the other sets {share:.1%}"
            )
            yield Offence(f"{part}/{name}", share, text)


def _lacking(
    name: str,
    cells: list[str | None],
    frames: pl.DataFrame,
    parts: Mapping[str, pl.DataFrame],
    floor: float,
) -> Iterator[Offence]:
    """Conditions that a set has far fewer of than the dataset."""
    splits = frames["split"].to_list()
    whole = Counter(cell for cell in cells if cell is not None)
    total = max(sum(whole.values()), 1)
    for part in parts:
        here = Counter(c for c, s in zip(cells, splits, strict=True) if c is not None and s == part)
        n = sum(here.values())
        for cell, count in sorted(whole.items()):
            share = count / total
            rare = stats.binom.cdf(here[cell], n, share) < (CHANCE if here[cell] else CHANCE_OF_NONE)
            if n and here[cell] / n < floor * share and rare:
                what = f"no frame with {name} {cell}"
                if here[cell]:
                    what = f"{here[cell] / n:.1%} of its frames with {name} {cell}"
                text = f"the {part} set has {what}, the dataset {share:.1%}"
                yield Offence(f"{part}/{name}={cell}", here[cell] / n, text)


def _airports(parts: Mapping[str, pl.DataFrame], limit: float) -> list[Offence]:
    """Sets of which one airport, or one region, makes up nearly all."""
    counts = {name: Counter(part["airport"].drop_nulls().to_list()) for name, part in parts.items()}
    regions = {airport[:1] for count in counts.values() for airport in count}
    offences = []
    for name, count in counts.items():
        total = sum(count.values())
        if len(count) < FEW or total < 10 * FEW:
            continue  # DQR-N01 asks for enough airports
        airport, most = count.most_common(1)[0]
        if most / total > limit:
            text = f"{most / total:.0%} of the {name} set show {airport}, at most {limit:.0%}"
            offences.append(Offence(f"{name}/{airport}", most / total, text))
        here = {airport[:1] for airport in count}
        if len(here) == 1 and len(regions) >= 4:
            text = f"all {len(count)} airports of the {name} set are in ICAO region {min(here)}"
            offences.append(Offence(f"{name}/region", 1.0, text))
    return offences


def _one_way(parts: Mapping[str, pl.DataFrame]) -> list[Offence]:
    """Sets that fly one direction only at each of their airports, where the other sets fly both."""
    flown: dict[str, dict[str, bool]] = {}
    for name, part in parts.items():
        known = part.drop_nulls(["airport", "runway"]).with_columns(
            direction=pl.col("runway").cast(pl.String).str.extract(r"^(\d+)").cast(pl.Int32, strict=False)
        )
        for airport, frames in known.drop_nulls("direction").group_by("airport", maintain_order=True):
            angles = np.radians(10.0 * frames["direction"].unique().to_numpy())
            if len(frames) >= ONE_WAY:
                both = np.cos(angles[:, None] - angles).min() < -0.9
                flown.setdefault(name, {})[str(airport[0])] = bool(both)
    offences = []
    for name, airports in flown.items():
        others = [both for other, found in flown.items() if other != name for both in found.values()]
        one_way = len(airports) >= FEW and not any(airports.values())
        if one_way and len(others) >= FEW and np.mean(others) > 0.5:
            text = f"the {name} set flies one direction only at each of its {len(airports)} airports"
            offences.append(Offence(f"{name}/direction", float(len(airports)), text))
    return offences


@check(
    "DQR-S04",
    "There are a training, a validation and a test set",
    severity="warning",
    rationale="Without a validation set a detector is tuned on its training or test pictures.",
    objective="independence",
    thresholds={"sets": "train/val/test", "min_airports": 2, "min_part_share": 0.1, "confidence": 0.95},
    needs=("frames", "split"),
)
def sets_there(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Every set that is asked for has frames, of several airports where there are many; no other set has."""
    assert data.frames is not None
    count = Counter(data.frames["split"].to_list())
    wanted = [name.strip() for name in str(limits["sets"]).split("/") if name.strip()]
    if data.kind != "lard" and len(count) < 2:
        return Outcome(None, f"one set only ({', '.join(map(str, count))})")
    offences = [Offence(name, 0.0, f"the dataset has no {name} set") for name in wanted if not count[name]]
    for name, n in sorted(count.items(), key=lambda item: str(item[0])):
        if name not in wanted:
            shown = "no set" if name is None else f"the set {name!r}"
            text = f"{n} frames are in {shown}; expected {', '.join(wanted)}"
            offences.append(Offence(str(name), float(n), text))
    offences += _too_few_airports(data.frames, int(limits["min_airports"]))
    part, sure = float(limits["min_part_share"]), float(limits["confidence"])
    least = least_frames(part, sure)
    for name in wanted:
        if 0 < count[name] < least:
            text = (
                f"the {name} set has {count[name]} frames; {least} are needed to hold what {part:.0%} of all "
                f"frames show, with a confidence of {sure:.0%}"
            )
            offences.append(Offence(f"{name}/frames", float(count[name]), text))
    message = ", ".join(f"{name}: {count[name]} frames" for name in wanted)
    return Outcome(not offences, message, float(len(offences)), 0.0, tuple(offences), sum(count.values()))


def _too_few_airports(frames: pl.DataFrame, least: int) -> list[Offence]:
    """Training and test sets of fewer airports, where the dataset has plenty."""
    if "airport" not in frames.columns or frames["airport"].drop_nulls().n_unique() < PLENTY * least:
        return []
    offences = []
    for name in (TRAINING, TESTING):  # one airport may do to choose a model
        airports = frames.filter(pl.col("split") == name)["airport"].drop_nulls().unique().sort().to_list()
        if 0 < len(airports) < least:
            text = f"shows {', '.join(airports)} only, at least {least} airports are needed"
            offences.append(Offence(name, float(len(airports)), text))
    return offences
