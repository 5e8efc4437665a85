"""Representativeness: are the data distributed as the ODD says?"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
from scipy import stats

from lard.odd.realised import realised
from lard.quality.dataset import Dataset
from lard.quality.frames import zone_rows
from lard.quality.labels import visible_ids
from lard.quality.model import Offence, Outcome
from lard.quality.odd import PARAMETERS
from lard.quality.registry import check

OF_AIRPORT = 0.25  # distance of an airport's approaches from the declared law that is a finding
CHANCE = 1e-5  # if chance brings it less often: there are some hundreds of airports and parameters


@check(
    "DQR-R01",
    "Parameters follow their declared distribution",
    severity="error",
    rationale="A declared uniform draw that is in truth bunched hides the edges of the ODD from the test.",
    objective="representativeness",
    thresholds={"max_distance": 0.05, "min_p": 0.01},
    needs=("approach", "odd"),
    parameters=PARAMETERS,
)
def distributions(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Kolmogorov-Smirnov distance to the declared law, as rules leave it; large and not chance fails."""
    assert data.odd is not None
    offences, table, worst, skipped = [], {}, 0.0, []
    for zone, rows in zone_rows(data):
        domain = data.domains[zone.name]
        for name, (low, high) in zone.bounds.items():
            law = zone.laws.get(name)
            if law is not None and law.law == "discrete":
                skipped.append(f"{zone.name}/{name}")
                continue
            if len(rows) < 2 or high <= low:
                continue
            test = stats.kstest(rows[name].to_numpy(), domain.cdf(name))
            distance, p = float(test.statistic), float(test.pvalue)
            table[f"{zone.name}/{name}"] = {"distance": distance, "p": p}
            worst = max(worst, distance)
            if distance > float(limits["max_distance"]) and p < float(limits["min_p"]):
                kind: str = law.law if law is not None else "uniform"
                kind += " under the rules" if domain.ruled else ""
                text = f"differs from {kind} on {low:g}..{high:g}: D = {distance:.3f}, p = {p:.2g}"
                offences.append(Offence(f"{zone.name}/{name}", distance, text))
    offences += _one_sided(data)
    message = f"largest Kolmogorov-Smirnov distance of {len(table)} is {worst:.3f}"
    if skipped:
        message += f"; discrete and not tested: {', '.join(skipped)}"
    if not table:
        return Outcome(None, "no parameter has a continuous law and frames")
    return Outcome(
        not offences,
        message,
        worst,
        float(limits["max_distance"]),
        tuple(offences),
        len(table),
        {"ks": table},
    )


def _one_sided(data: Dataset) -> list[Offence]:
    """Airports whose approaches are not spread as declared, all zones together, though the whole looks well.

    Where rules bind parameters to runways, each airport has a law of its own, which is not judged.
    """
    levels: dict[tuple[str, str], list[float]] = defaultdict(list)
    for zone, rows in zone_rows(data):
        domain = data.domains[zone.name]
        if domain.ruled:
            continue
        for name, (low, high) in zone.bounds.items():
            law = zone.laws.get(name)
            if high <= low or (law is not None and law.law == "discrete") or not len(rows):
                continue
            share = np.asarray(domain.cdf(name)(rows[name].to_numpy()), np.float64)
            for airport, value in zip(rows["airport"].to_list(), share.tolist(), strict=True):
                if airport is not None:
                    levels[str(airport), name].append(value)
    if len({airport for airport, _ in levels}) < 2:
        return []
    offences = []
    for (airport, name), values in sorted(levels.items()):
        test = stats.kstest(values, "uniform")
        if test.statistic > OF_AIRPORT and test.pvalue < CHANCE:
            middle = float(np.median(values))
            text = (
                f"{name} of its {len(values)} frames is not spread as declared: half of them lie in the "
                f"{'lower' if middle < 0.5 else 'upper'} {min(middle, 1 - middle):.0%} of the law, "
                f"D = {test.statistic:.3f}, p = {test.pvalue:.2g}"
            )
            offences.append(Offence(f"airport {airport}/{name}", float(test.statistic), text))
    return offences


@check(
    "DQR-R02",
    "Parameters are not correlated beyond the design",
    severity="error",
    rationale="When height and roll go together in the data, a detector may learn one from the other.",
    objective="representativeness",
    thresholds={"max_correlation": 0.2},
    needs=("approach", "odd"),
    parameters=PARAMETERS,
)
def correlations(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Largest Spearman rank correlation of each pair per zone, less what the spec's rules bring."""
    limit, offences, table, worst = float(limits["max_correlation"]), [], {}, 0.0
    for zone, rows in zone_rows(data):
        if len(rows) < 30:
            continue
        domain = data.domains[zone.name]
        varying = [name for name in PARAMETERS if rows[name].n_unique() > 1]
        for a, b in combinations(varying, 2):
            rho = float(stats.spearmanr(rows[a].to_numpy(), rows[b].to_numpy()).statistic)
            if domain.ruled and a in domain.drawn and b in domain.drawn:  # what the rules bring is design
                rho -= float(np.nan_to_num(stats.spearmanr(domain.drawn[a], domain.drawn[b]).statistic))
            # three standard errors of chance are no finding in a small zone
            allowed = max(limit, 3.0 / np.sqrt(len(rows) - 1))
            table[f"{zone.name}/{a} x {b}"] = rho
            worst = max(worst, abs(rho))
            if abs(rho) > allowed:
                text = f"Spearman correlation {rho:+.2f}, at most {allowed:.2f} in size"
                offences.append(Offence(f"{zone.name}/{a} x {b}", abs(rho), text))
    if not table:
        return Outcome(None, "no zone has 30 frames")
    message = f"largest of {len(table)} correlations is {worst:.2f} in size"
    return Outcome(not offences, message, worst, limit, tuple(offences), len(table), {"spearman": table})


@check(
    "DQR-R03",
    "Airports are spread over the world",
    severity="warning",
    rationale="Pavement, vegetation and light differ by region; one busy airport must not be the dataset.",
    objective="representativeness",
    thresholds={"min_regions": 5, "max_airport_share": 0.05},
    needs=("airports",),
)
def geography(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Number of ICAO regions (first letter of the code) and the largest share of one airport."""
    assert data.frames is not None
    count = Counter(data.frames["airport"].drop_nulls().to_list())
    regions = sorted({airport[:1] for airport in count})
    total, offences = sum(count.values()), []
    if len(regions) < float(limits["min_regions"]):
        text = f"{len(regions)} ICAO regions ({', '.join(regions)}), {limits['min_regions']} needed"
        offences.append(Offence("regions", float(len(regions)), text))
    for airport, frames in sorted(count.items()):
        share = frames / total
        if share > float(limits["max_airport_share"]):
            text = f"{share:.1%} of the frames, at most {limits['max_airport_share']:.0%}"
            offences.append(Offence(airport, share, text))
    largest = max(count.values()) / total
    # of regions and the largest share, the one that breaks its limit is what the result is measured by
    measured, limit = float(len(regions)), float(limits["min_regions"])
    if measured >= limit and largest > float(limits["max_airport_share"]):
        measured, limit = largest, float(limits["max_airport_share"])
    return Outcome(
        not offences,
        f"{len(count)} airports in {len(regions)} ICAO regions; the largest has {largest:.1%} of the frames",
        measured,
        limit,
        tuple(offences),
        total,
        {"airports": dict(sorted(count.items()))},
    )


@check(
    "DQR-R04",
    "Pictures with several runways are represented",
    severity="error",
    rationale="Mistaking the parallel runway for one's own is a hazard that single-runway data cannot show.",
    objective="representativeness",
    thresholds={"min_share": 0.2},
    needs=("frames", "labels"),
)
def several_runways(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Share of frames with two or more visible runways, when airports with several are in the data."""
    assert data.frames is not None and data.labels is not None
    strips = _strips(data)
    if strips and max(strips.values()) < 2:
        return Outcome(None, "no airport of the dataset has more than one runway")
    known = data.frames["frame_id"].unique()  # DQR-T02 reports labels of other frames
    seen = visible_ids(data).to_frame().join(known.to_frame(), on="frame_id", how="semi")
    seen = seen.group_by("frame_id").len("runways")
    frames = len(known)
    histogram = Counter(dict(seen.group_by("runways").len().iter_rows()))
    histogram[0] = frames - len(seen)
    share = sum(n for count, n in histogram.items() if count >= 2) / max(frames, 1)
    floor = float(limits["min_share"])
    offences = (
        [] if share >= floor else [Offence("dataset", share, f"{share:.1%} of frames, {floor:.0%} needed")]
    )
    return Outcome(
        share >= floor,
        f"{share:.1%} of the frames show two or more runways",
        share,
        floor,
        tuple(offences),
        frames,
        {"runways_per_frame": {str(k): v for k, v in sorted(histogram.items()) if v}},
    )


def _strips(data: Dataset) -> dict[str, int]:
    assert data.frames is not None
    if data.database is None:
        return {}
    names = data.frames["airport"].drop_nulls().unique().to_list()
    known = data.database.airports
    return {name: len(known[name].strips) for name in names if name in known}


@check(
    "DQR-R05",
    "Frames without a runway are as many as declared",
    severity="error",
    rationale="Pictures without a runway teach and test silence; an unplanned one is a lost label.",
    objective="representativeness",
    thresholds={"declared_share": 0.0, "tolerance": 0.02},
    needs=("frames", "labels"),
)
def negatives(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Share of frames without any visible label against the declared share."""
    assert data.frames is not None and data.labels is not None
    all_frames = data.frames["frame_id"].unique()
    shown = visible_ids(data).unique().to_frame()
    empty = all_frames.to_frame().join(shown, on="frame_id", how="anti")["frame_id"].sort().to_list()
    share, declared = len(empty) / max(len(all_frames), 1), float(limits["declared_share"])
    tolerance = float(limits["tolerance"])
    gap = abs(share - declared)
    passed = gap <= tolerance
    text = f"no runway is visible; {declared:.0%} of such frames declared"
    offences = (
        ()
        if passed
        else tuple(Offence(frame_id, None, text) for frame_id in empty)
        or (Offence("dataset", share, f"{share:.1%} of the frames show no runway, {declared:.1%} declared"),)
    )
    message = f"{share:.2%} of the frames show no runway, {declared:.2%} declared"
    return Outcome(passed, message, gap, tolerance, offences, len(all_frames))


@check(
    "DQR-R06",
    "Environment and zones are as often as declared",
    severity="warning",
    rationale="Conditional rules and dropped frames change how often rain, night or a zone occurs, unseen.",
    objective="representativeness",
    thresholds={"max_gap": 0.1},
    needs=("frames", "odd"),
)
def laws_realised(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Largest gap between the declared and the counted distribution of each environment parameter and zone.

    Unlike R01 it asks for the law as declared, not as rules leave it: what rules take is named with them.
    """
    assert data.frames is not None and data.odd is not None
    if data.odd.spec is None:
        return Outcome(None, "the ODD is not a spec that declares laws")
    frames = data.frames.unique("frame_id", keep="first", maintain_order=True)
    judged = {"zone", *data.odd.spec.environment}
    found = [one for one in realised(data.odd.spec, frames) if one.parameter in judged and one.frames]
    limit, offences = float(limits["max_gap"]), []
    for one in found:
        # the 1 % point of Kolmogorov's statistic: less is chance in a small set
        if one.gap > max(limit, 1.63 / np.sqrt(one.frames)):
            rules = f"; rules that look at it: {', '.join(one.rules)}" if one.rules else ""
            text = f"declared {one.declared}, the frames have {one.realised}{rules}"
            offences.append(Offence(one.parameter, one.gap, text))
    if not found:
        return Outcome(
            None, "the spec declares no environment and one zone, or the frames have no such columns"
        )
    worst = max(one.gap for one in found)
    table = {
        one.parameter: {"declared": one.declared, "realised": one.realised, "gap": one.gap} for one in found
    }
    message = f"largest gap of {len(found)} declared laws is {worst:.3f}"
    return Outcome(not offences, message, worst, limit, tuple(offences), len(found), {"laws": table})
