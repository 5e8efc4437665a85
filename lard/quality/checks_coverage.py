"""Completeness: is every part of the declared ODD in the data?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.errors import AirportError
from lard.odd.laws import Law
from lard.quality.dataset import Dataset
from lard.quality.model import Offence, Outcome, check
from lard.quality.odd import PARAMETERS, UNITS, VERDICTS, Zone
from lard.quality.sun import solar_clock, sun_elevation_deg

Array = NDArray[np.float64]


def zone_rows(data: Dataset) -> Iterator[tuple[Zone, pl.DataFrame]]:
    """Each zone of the ODD with the frames drawn for it."""
    assert data.odd is not None
    for zone in data.odd.zones:
        yield zone, data.targets.filter(pl.col("zone") == zone.name)


def bin_index(values: Array, low: float, high: float, bins: int) -> NDArray[np.int64]:
    """Bin number (n,) of values in [low, high], -1 outside by more than a millionth of the range."""
    position = (np.asarray(values, np.float64) - low) / (high - low)
    index = np.clip(np.floor(position * bins), 0, bins - 1)
    index[~((position >= -1e-6) & (position <= 1 + 1e-6))] = -1
    return index.astype(np.int64)


@check(
    "DQR-C01",
    "Every ODD parameter range is covered in every zone",
    severity="error",
    rationale="A detector is not tested where there are no data; a hole in a range voids claims made for it.",
    objective="completeness",
    thresholds={"bins": 10, "min_per_bin": 10, "min_share_of_mean": 0.2},
    needs=("approach", "odd"),
    parameters=PARAMETERS,
)
def ranges_covered(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Count frames in equal bins of each parameter's range per zone."""
    bins, offences, counts = int(limits["bins"]), [], {}
    smallest, checked = np.inf, 0
    for zone, rows in zone_rows(data):
        for name, (low, high) in zone.bounds.items():
            index = bin_index(rows[name].to_numpy(), low, high, bins)
            count = np.bincount(index[index >= 0], minlength=bins)
            counts[f"{zone.name}/{name}"] = {"low": low, "high": high, "counts": count.tolist()}
            needed = max(float(limits["min_per_bin"]), float(limits["min_share_of_mean"]) * count.mean())
            smallest, checked = min(smallest, float(count.min())), checked + bins
            for k in np.flatnonzero(count < needed):
                a, b = low + (high - low) * k / bins, low + (high - low) * (k + 1) / bins
                offences.append(
                    Offence(
                        f"{zone.name}/{name}[{k}]",
                        float(count[k]),
                        f"{count[k]} frames from {a:g} to {b:g} {UNITS[name]}, {needed:g} needed: "
                        "draw more approaches there or narrow the ODD",
                    )
                )
    return Outcome(
        not offences,
        f"{checked - len(offences)} of {checked} bins hold enough frames; the emptiest holds {smallest:g}",
        smallest,
        float(limits["min_per_bin"]),
        tuple(offences),
        checked,
        {"coverage": counts},
    )


@check(
    "DQR-C02",
    "Pairs of ODD parameters are covered",
    severity="error",
    rationale="Faults often need two conditions at once; ranges covered one by one may leave corners empty.",
    objective="completeness",
    thresholds={"bins": 5, "min_share": 0.95},
    needs=("approach", "odd"),
    parameters=PARAMETERS,
)
def pairs_covered(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Share of non-empty cells in the grid of each pair of parameters, per zone."""
    bins, floor = int(limits["bins"]), float(limits["min_share"])
    offences, table, worst = [], {}, 1.0
    for zone, rows in zone_rows(data):
        index = {
            name: bin_index(rows[name].to_numpy(), low, high, bins)
            for name, (low, high) in zone.bounds.items()
        }
        for a, b in combinations(index, 2):
            both = (index[a] >= 0) & (index[b] >= 0)
            cells = np.bincount(index[a][both] * bins + index[b][both], minlength=bins * bins)
            share = float(np.mean(cells > 0))
            table[f"{zone.name}/{a} x {b}"] = share
            worst = min(worst, share)
            if share < floor:
                empty = ", ".join(f"({k // bins},{k % bins})" for k in np.flatnonzero(cells == 0)[:8])
                text = f"{share:.0%} of {bins}x{bins} cells hold a frame, {floor:.0%} needed; empty: {empty}"
                offences.append(Offence(f"{zone.name}/{a} x {b}", share, text))
    message = f"the least covered of {len(table)} pairs has {worst:.1%} of its cells filled"
    return Outcome(not offences, message, worst, floor, tuple(offences), len(table), {"pairs": table})


@check(
    "DQR-C03",
    "Every ODD verdict is the one its pose deserves",
    severity="error",
    rationale="A pose outside the ODD labelled IN_ODD is scored as required and flatters or damns wrongly.",
    objective="accuracy",
    thresholds={"slack": 1e-6},
    needs=("pose", "verdict", "runways", "odd"),
    parameters=PARAMETERS,
)
def verdicts_true(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Recompute each label's verdict from the pose and the runway, and compare."""
    from lard.quality.checks_accuracy import recomputed_approach

    assert data.labels is not None and data.odd is not None
    rows, values = recomputed_approach(data)
    stated = data.labels["verdict"].to_list()
    slack = float(limits["slack"])  # values on a bound may fall to either side of it
    loose, tight = data.odd.verdicts(values, slack), data.odd.verdicts(values, -slack)
    offences, judged = [], 0
    for k, row in enumerate(rows.tolist()):
        verdict = stated[row]
        if verdict is None or verdict == "UNKNOWN":
            continue
        judged += 1
        allowed = VERDICTS[loose[k] : tight[k] + 1]
        if verdict not in allowed:
            text = f"labelled {verdict}, but the pose is {' or '.join(allowed)}"
            offences.append(Offence(label_name(data, row), None, text))
    return share_outcome("labels carry the verdict of their pose", judged, offences)


def label_name(data: Dataset, row: int) -> str:
    """How findings name a label: frame and runway."""
    assert data.labels is not None
    frame_id, runway = data.labels["frame_id"][row], data.labels["runway"][row]
    return f"{frame_id}:{runway}" if runway else str(frame_id)


def share_outcome(what: str, checked: int, offences: list[Offence], allowed: float = 0.0) -> Outcome:
    """Outcome of a rule that each subject keeps or breaks: measured is the share that breaks it."""
    if not checked:
        return Outcome(None, f"nothing to judge: no subjects for “{what}”")
    bad = len({offence.subject for offence in offences})
    share = bad / checked
    passed = share <= allowed
    return Outcome(passed, f"{checked - bad} of {checked} {what}", share, allowed, tuple(offences), checked)


@check(
    "DQR-C04",
    "Each ODD zone holds its share of the frames",
    severity="error",
    rationale="Scores over all frames mean what the spec says only when the zones are mixed as it says.",
    objective="completeness",
    thresholds={"relative_tolerance": 0.2},
    needs=("approach", "odd"),
    parameters=("along_track_m",),
)
def zone_shares(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Share of frames per zone against the share the spec declares."""
    assert data.odd is not None
    total, tolerance = len(data.targets), float(limits["relative_tolerance"])
    if not total:
        return Outcome(False, "no frame has complete approach values", 1.0, tolerance)
    offences, table, worst = [], {}, 0.0
    for zone, rows in zone_rows(data):
        share = len(rows) / total
        gap = abs(share - zone.share) / zone.share
        table[zone.name] = {"share": share, "declared": zone.share, "frames": len(rows)}
        worst = max(worst, gap)
        if not gap <= tolerance:
            text = f"{share:.1%} of the frames, the spec declares {zone.share:.1%}"
            offences.append(Offence(zone.name, gap, text))
    known = {zone.name for zone in data.odd.zones}
    for name, count in sorted(Counter(data.targets["zone"].to_list()).items(), key=lambda kv: str(kv[0])):
        if name not in known:
            worst = max(worst, 1.0)
            subject = str(name or "(no zone)")
            offences.append(Offence(subject, count / total, f"{count} frames of a zone not in the ODD"))
    shares = ", ".join(f"{name} {row['share']:.1%}" for name, row in table.items())
    return Outcome(not offences, shares, worst, tolerance, tuple(offences), total, {"zones": table})


@check(
    "DQR-C05",
    "Every source shows every airport",
    severity="warning",
    rationale="When one imagery source shows only some airports, source and place cannot be told apart.",
    objective="completeness",
    thresholds={"max_ratio": 3.0},
    needs=("airports", "manifest"),
)
def sources_complete(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Pictures per source and airport: no empty cell, none much fuller than another."""
    assert data.frames is not None and data.manifest is not None
    rows = data.manifest.select("frame_id", "source").join(
        data.frames.select("frame_id", "airport").unique("frame_id"), on="frame_id", how="inner"
    )
    sources = sorted(rows["source"].drop_nulls().unique().to_list())
    if len(sources) < 2:
        return Outcome(None, f"one imagery source only ({', '.join(sources) or 'none named'})")
    airports = sorted(rows["airport"].drop_nulls().unique().to_list())
    count = Counter(rows.select("source", "airport").iter_rows())
    offences = [
        Offence(f"{source}/{airport}", 0.0, "no picture of this airport from this source")
        for source in sources
        for airport in airports
        if not count[source, airport]
    ]
    full = [count[source, airport] for source in sources for airport in airports]
    ratio = max(full) / max(min(full), 1)
    limit = float(limits["max_ratio"])
    if ratio > limit and not offences:
        offences.append(Offence("crosstab", ratio, f"fullest cell holds {ratio:.1f} times the emptiest"))
    message = f"{len(sources)} sources x {len(airports)} airports, fullest to emptiest {ratio:.1f}"
    return Outcome(not offences, message, ratio, limit, tuple(offences), len(full))


@check(
    "DQR-C06",
    "Time of day, sun and visibility cover what the spec declares",
    severity="warning",
    rationale="Light and haze change a picture more than a degree of attitude does.",
    objective="completeness",
    thresholds={"min_share": 0.05, "bins": 4},
    needs=("frames", "odd"),
    parameters=("visibility_m", "sun_elevation_deg"),
)
def environment_covered(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Share of frames in each declared category, or in equal bins of each declared range."""
    assert data.frames is not None and data.odd is not None
    if not data.odd.environment:
        return Outcome(None, "the ODD spec declares no environment")
    frames, floor, bins = data.frames, float(limits["min_share"]), int(limits["bins"])
    offences, table, checked, worst = [], {}, 0, 1.0
    for name, declared in data.odd.environment.items():
        values = _environment_values(data, name)
        if values is None:
            offences.append(Offence(name, None, "declared in the spec, but the frames have no such column"))
            continue
        cells = _cells(values, declared, bins)
        table[name] = cells
        for cell, count in cells.items():
            share = count / max(len(frames), 1)
            checked, worst = checked + 1, min(worst, share)
            if share < floor:
                offences.append(
                    Offence(f"{name}={cell}", share, f"{share:.1%} of the frames, {floor:.0%} needed")
                )
    message = f"{checked} declared conditions, the rarest in {worst:.1%} of the frames"
    return Outcome(not offences, message, worst, floor, tuple(offences), len(frames), {"environment": table})


def _environment_values(data: Dataset, name: str) -> list[Any] | None:
    """The frames' values of an environment parameter: a column, or derived from time and place."""
    assert data.frames is not None
    if name in data.frames.columns and data.frames[name].null_count() < len(data.frames):
        return data.frames[name].to_list()
    if not {"time", "pose"} <= data.parts:
        return None
    times = data.frames["time_utc"].to_list()
    lon = data.frames["lon_deg"].to_numpy()
    if name == "sun_elevation_deg":
        return sun_elevation_deg(times, data.frames["lat_deg"].to_numpy(), lon).tolist()
    hours, days = solar_clock(times, lon)
    derived = {"local_time_h": hours, "day_of_year": days}
    return derived[name].tolist() if name in derived else None


def _cells(values: list[Any], declared: Law | tuple[str, ...], bins: int) -> dict[str, int]:
    """Frames per declared category, or per bin that the declared law fills equally."""
    if isinstance(declared, tuple):
        count = Counter(str(v).lower() if isinstance(v, bool) else str(v) for v in values)
        return {name: count[name] for name in declared}
    if declared.lo == declared.hi:
        return {f"{declared.lo:g}": sum(v is not None and abs(v - declared.lo) < 1e-9 for v in values)}
    if declared.law == "discrete":
        return {f"{x:g}": sum(v == x for v in values) for x in sorted(declared.values or {})}
    numbers = np.array([np.nan if v is None else float(v) for v in values])
    index = bin_index(declared.cdf(numbers), 0.0, 1.0, bins)
    span = declared.hi - declared.lo
    index[~((numbers >= declared.lo - 1e-6 * span) & (numbers <= declared.hi + 1e-6 * span))] = -1
    edges = declared.ppf(np.linspace(0.0, 1.0, bins + 1))
    return {f"{edges[k]:.4g}..{edges[k + 1]:.4g}": int(np.sum(index == k)) for k in range(bins)}


WIDTH_EDGES_M = (0.0, 30.0, 40.0, 50.0, 1e9)
LENGTH_EDGES_M = (0.0, 1500.0, 2500.0, 3500.0, 1e9)


@check(
    "DQR-C07",
    "Runways differ in heading, width and length",
    severity="warning",
    rationale="A detector that has seen runways of one width learns that width as a range finder.",
    objective="representativeness",
    thresholds={"min_sectors": 8, "min_width_classes": 3, "min_length_classes": 3},
    needs=("frames", "runways"),
)
def runway_variety(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Heading sectors of 30 degrees, width and length classes among the target runways."""
    assert data.frames is not None and data.database is not None
    targets = []
    for airport, runway in sorted(set(data.frames.select("airport", "runway").drop_nulls().iter_rows())):
        try:
            targets.append(data.database.airport(airport).runway(runway))
        except AirportError:
            continue  # DQR-A05 reports runways that the database does not know
    if not targets:
        return Outcome(None, "no target runway is in the runway database")
    found = {
        "min_sectors": Counter(int(r.heading_deg // 30) for r in targets),
        "min_width_classes": Counter(int(np.searchsorted(WIDTH_EDGES_M, r.width_m)) for r in targets),
        "min_length_classes": Counter(int(np.searchsorted(LENGTH_EDGES_M, r.length_m)) for r in targets),
    }
    offences = [
        Offence(name.removeprefix("min_"), float(len(count)), f"{len(count)} present, {limits[name]} needed")
        for name, count in found.items()
        if len(count) < float(limits[name])
    ]
    message = ", ".join(f"{len(count)} {name[4:].replace('_', ' ')}" for name, count in found.items())
    return Outcome(
        not offences,
        f"{len(targets)} runway ends: {message}",
        float(len(found["min_sectors"])),
        float(limits["min_sectors"]),
        tuple(offences),
        len(targets),
        {"variety": {name: {str(k): v for k, v in sorted(c.items())} for name, c in found.items()}},
    )
