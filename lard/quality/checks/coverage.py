"""Completeness: is every part of the declared ODD in the data?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.labels.occlusion import MOST_HIDDEN
from lard.odd import OUT_OF_ODD
from lard.odd.context import needed_parameters
from lard.quality.dataset import Dataset
from lard.quality.domain import bin_index, bins_of
from lard.quality.frames import kept_rows, zone_rows
from lard.quality.labels import label_name, recomputed_approach
from lard.quality.model import Offence, Outcome, share_outcome
from lard.quality.odd import PARAMETERS, UNITS, VERDICTS
from lard.quality.registry import check

_ROWS_AT_ONCE = 200_000


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
    """Count frames in equal bins of each parameter's range per zone, less what rules exclude."""
    bins, offences, table = int(limits["bins"]), [], {}
    least, floor = float(limits["min_per_bin"]), float(limits["min_share_of_mean"])
    smallest, checked, left_out = np.inf, 0, 0
    for zone, rows in kept_rows(data):
        domain = data.domains[zone.name]
        for name, (low, high) in zone.bounds.items():
            size = bins_of((low, high), bins)
            index = bin_index(rows[name].to_numpy(), low, high, size)
            count = np.bincount(index[index >= 0], minlength=size)
            allowed = domain.allowed_shares((name,), bins)
            expected = floor * domain.expected_shares(name, bins) * count.sum()
            needed = np.where(allowed > 0, np.ceil(np.maximum(least * allowed, expected) - 1e-6), 0.0)
            table[f"{zone.name}/{name}"] = {
                "low": low, "high": high, "counts": count.tolist(), "needed": needed.tolist(),
                "allowed": allowed.tolist(),
            }  # fmt: skip
            checked, left_out = checked + int((allowed > 0).sum()), left_out + int((allowed == 0).sum())
            fill = np.divide(count, needed, out=np.full(size, np.inf), where=needed > 0)
            smallest = min(smallest, float(fill.min()))
            for k in np.flatnonzero(count < needed):
                a, b = low + (high - low) * k / size, low + (high - low) * (k + 1) / size
                part = (
                    f" (rules leave {allowed[k]:.0%} of what they leave elsewhere)" if allowed[k] < 1 else ""
                )
                offences.append(
                    Offence(
                        f"{zone.name}/{name}[{k}]",
                        float(fill[k]),
                        f"{count[k]} frames from {a:g} to {b:g} {UNITS[name]}{part}, {needed[k]:g} needed: "
                        "draw more approaches there or narrow the ODD",
                    )
                )
    full = checked - len(offences)
    message = f"{full} of {checked} bins hold enough frames; the emptiest holds {smallest:.2g} times its need"
    if left_out:
        message += f"; {left_out} bins lie outside the ODD by its rules or laws"
    return Outcome(
        not offences, message, smallest, 1.0, tuple(offences), checked, {"coverage": table},
        small_is_bad=True,
    )  # fmt: skip


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
    """Share of the allowed volume that lies in non-empty cells of the grid of each pair, per zone."""
    bins, floor = int(limits["bins"]), float(limits["min_share"])
    offences, table, worst = [], {}, 1.0
    for zone, rows in kept_rows(data):
        domain = data.domains[zone.name]
        sizes = {name: bins_of(bounds, bins) for name, bounds in zone.bounds.items()}
        index = {
            name: bin_index(rows[name].to_numpy(), low, high, sizes[name])
            for name, (low, high) in zone.bounds.items()
        }
        for a, b in combinations(index, 2):
            both = (index[a] >= 0) & (index[b] >= 0)
            flat = index[a][both] * sizes[b] + index[b][both]
            filled = np.bincount(flat, minlength=sizes[a] * sizes[b]) > 0
            allowed = domain.allowed_shares((a, b), bins).ravel()
            share = float(allowed[filled].sum() / allowed.sum()) if allowed.any() else 1.0
            table[f"{zone.name}/{a} x {b}"] = share
            worst = min(worst, share)
            if share < floor:
                holes = np.flatnonzero(~filled & (allowed > 0))
                empty = ", ".join(f"({k // sizes[b]},{k % sizes[b]})" for k in holes[:8])
                what = "the allowed volume" if (allowed < 1).any() else f"{sizes[a]}x{sizes[b]} cells"
                text = f"{share:.0%} of {what} hold a frame, {floor:.0%} needed; empty: {empty}"
                offences.append(Offence(f"{zone.name}/{a} x {b}", share, text))
    message = f"the least covered of {len(table)} pairs has {worst:.1%} of its allowed volume filled"
    return Outcome(
        not offences, message, worst, floor, tuple(offences), len(table), {"pairs": table}, small_is_bad=True
    )


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
    assert data.labels is not None and data.odd is not None
    rows, values = recomputed_approach(data)
    stated = data.labels["verdict"].gather(rows)
    slack = float(limits["slack"])  # values on a bound may fall to either side of it
    asked = needed_parameters(data.odd.spec) if data.odd.spec is not None else None
    context = {name: column[rows] for name, column in data.row_context(data.labels, asked).items()}
    hidden, drawn = mostly_hidden(data.labels)[rows], _drawn(data)[rows]
    judged = drawn | (stated.fill_null("UNKNOWN") != "UNKNOWN").to_numpy()
    known = stated.replace_strict(list(VERDICTS), range(len(VERDICTS)), default=-1, return_dtype=pl.Int8)
    verdict = known.fill_null(-1).to_numpy()
    offences = []
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        piece = slice(start, start + _ROWS_AT_ONCE)
        here = {name: column[piece] for name, column in values.items()}
        around = {name: column[piece] for name, column in context.items()}
        loose, tight = (data.odd.verdicts(here, hair, around) for hair in (slack, -slack))
        least = np.where(hidden[piece], VERDICTS.index(OUT_OF_ODD), loose)
        most = np.where(hidden[piece], VERDICTS.index(OUT_OF_ODD), tight)
        wrong = judged[piece] & ((verdict[piece] < least) | (verdict[piece] > most))
        for k in np.flatnonzero(wrong).tolist():
            allowed = VERDICTS[least[k] : most[k] + 1]
            text = f"labelled {stated[start + k]}, but the pose is {' or '.join(allowed)}"
            offences.append(Offence(label_name(data, int(rows[start + k])), None, text))
    return share_outcome("labels carry the verdict of their pose", int(judged.sum()), offences)


def _drawn(data: Dataset) -> NDArray[np.bool_]:
    """Labels (n,) of frames drawn for a zone of the ODD: each of them has a verdict."""
    assert data.labels is not None and data.frames is not None and data.odd is not None
    zones = [zone.name for zone in data.odd.zones] if data.kind == "lard" else []
    drawn = data.frames.filter(pl.col("zone").is_in(zones))["frame_id"]
    return data.labels["frame_id"].is_in(drawn.implode()).to_numpy()


def mostly_hidden(labels: pl.DataFrame) -> NDArray[np.bool_]:
    """Labels (n,) that land hides so far that they are outside any domain."""
    if "hidden_fraction" not in labels.columns:
        return np.zeros(len(labels), bool)
    return (labels["hidden_fraction"].fill_null(0.0) > MOST_HIDDEN).to_numpy()


@check(
    "DQR-C04",
    "Each ODD zone holds its share of the frames",
    severity="error",
    rationale="Scores over all frames mean what the spec says only when the zones are mixed as it says.",
    objective="completeness",
    thresholds={"relative_tolerance": 0.2, "max_outside": 0.0},
    needs=("approach", "odd"),
    parameters=("along_track_m",),
)
def zone_shares(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Share of frames per zone against the declared one; frames must keep limits and rules of their zone."""
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
    worst = max(worst, _outside(data, float(limits["max_outside"]), offences))
    shares = ", ".join(f"{name} {row['share']:.1%}" for name, row in table.items())
    return Outcome(not offences, shares, worst, tolerance, tuple(offences), total, {"zones": table})


def _outside(data: Dataset, allowed: float, offences: list[Offence]) -> float:
    """Note the frames that break a limit or rule of the zone they were drawn for; 1 when too many do."""
    if data.kind != "lard":
        return 0.0  # others name no zone: theirs is the one whose distances hold the frame
    total, ids = len(data.targets), data.targets["frame_id"].to_list()
    bad = np.any([np.zeros(total, bool), *data.frame_faults.values()], axis=0)
    if not bad.mean() > allowed:
        return 0.0
    for name, mask in data.frame_faults.items():
        text = f"breaks the {name}" if name.startswith("rule: ") else f"lies outside the limits of {name}"
        offences += [Offence(str(ids[k]), None, text) for k in np.flatnonzero(mask)]
    return 1.0
