"""Runway markings at true scale in the runway's metres: s onwards from the landing threshold, t to the right.

Dimensions follow ICAO Annex 14 volume I (chapter 5.2) and, where the runway lies in a country that paints
after the United States, FAA AC 150/5340-1M (chapter 2). Each function names its sources.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lard.airports.model import Airport
from lard.ground.painted.glyphs import GLYPHS

Array = NDArray[np.float64]
WHITE = (236.0, 236.0, 230.0)
YELLOW = (226.0, 182.0, 52.0)


@dataclass(frozen=True, slots=True)
class RunwayEnd:
    """What the markings of one landing direction depend on; lengths in metres between landing thresholds."""

    ident: str
    length_m: float
    width_m: float
    marking: str  # "precision", "nonprecision", "basic" or "none"
    faa: bool
    displaced_m: float = 0.0
    pad_m: float = 0.0  # blast pad before the pavement's end


@dataclass(frozen=True, slots=True)
class Marking:
    """One painted convex quadrilateral: corners (4, 2) as (s, t) in metres, colour in 0..255."""

    corners_st: Array
    colour: tuple[float, float, float] = WHITE


def marked_like_faa(airport: Airport) -> bool:
    """Whether runways are painted after the FAA: the United States and their territories; else after ICAO."""
    if airport.country:
        return airport.country in ("US", "PR", "VI", "GU", "AS", "MP")
    return airport.icao[:1] == "K" or airport.icao[:2] in ("PA", "PH", "PG", "TJ", "TI", "NS")


def rectangle(
    s0: float, s1: float, t0: float, t1: float, colour: tuple[float, float, float] = WHITE
) -> Marking:
    """Return the marking that covers s0..s1 along and t0..t1 across."""
    return Marking(np.array([[s0, t0], [s1, t0], [s1, t1], [s0, t1]]), colour)


def bar_count(width_m: float) -> int:
    """Return the number of threshold stripes of a runway width (ICAO 5.2.4.4 table; FAA table 2-2 agrees)."""
    for limit_m, bars in ((20.5, 4), (26.5, 6), (37.0, 8), (52.5, 12)):
        if width_m < limit_m:
            return bars
    return 16


def threshold_bars(end: RunwayEnd) -> list[Marking]:
    """Return the threshold stripes: 30 m long from 6 m (ICAO 5.2.4.5-6) or 150 ft from 20 ft (FAA 2.5).

    Stripe and gap are 1.8 m (ICAO) or 5.75 ft (FAA), the gap at the centreline is double; where
    they would run into the side stripes they are narrowed.
    """
    bars = bar_count(end.width_m)
    pitch_m = 3.5052 if end.faa else 3.6
    reach_m = end.width_m / 2 - 0.9
    # n/2 stripes and n/2 - 1 gaps beyond the half of the double gap.
    unit_m = min(pitch_m / 2, reach_m / bars)
    start, length = (6.096, 45.72) if end.faa else (6.0, 30.0)
    out = []
    for k in range(bars // 2):
        inner = unit_m * (1 + 2 * k)
        for side in (-1.0, 1.0):
            low, high = sorted((side * inner, side * (inner + unit_m)))
            out.append(rectangle(start, start + length, low, high))
    return out


def designator(end: RunwayEnd, start_m: float) -> tuple[list[Marking], float]:
    """Return the designator whose lower line starts at s = start, and the s where it ends.

    Characters are 60 ft by 20 ft (FAA 2.3) or, on runways of at least 40 m, 18 m by 6 m, else 9 m by 3 m
    (ICAO 5.2.2.4 gives the least size). The letter stands nearer the threshold, so that the pilot reads
    the number above it. The United States leave out the leading zero.
    """
    number, letter = end.ident[:2], end.ident[2:]
    if end.faa:
        number = number.lstrip("0")
    height = 18.288 if end.faa else 18.0 if end.width_m >= 40 else 9.0
    if end.width_m < 22:
        height = 9.0
    width = height / 3
    space = 0.75 * width
    out: list[Marking] = []
    s = start_m
    for text in (letter, number):
        if not text:
            continue
        total = len(text) * width + (len(text) - 1) * space
        for k, char in enumerate(text):
            left = -total / 2 + k * (width + space)
            for quad in GLYPHS[char]:
                st = np.stack([s + quad[:, 1] * height, left + quad[:, 0] * width], axis=-1)
                out.append(Marking(st))
        s += height + (6.1 if text == letter else 0.0)
    return out, s


def aiming_point(end: RunwayEnd) -> tuple[float, float, float, float]:
    """Return (start, length, width, inner spacing) of the aiming point blocks in metres.

    FAA 2.8: 1,020 ft from the threshold, 150 ft by 30 ft, 72 ft apart, reduced in proportion below 150 ft
    of runway width; 100 ft long on runways under 4,200 ft. ICAO table 5-1 by landing distance: from 150,
    250, 300 or 400 m; 30-45 or 45-60 m long, 4, 6 or 6-10 m wide, 6, 9 or 18-22.5 m apart; where that does
    not fit between the side stripes (a 30 m runway of 1,200 m and more), reduced in proportion.
    """
    if end.faa:
        scale = min(end.width_m / 45.72, 1.0)
        return 310.896, (45.72 if end.length_m >= 1280 else 30.48), 9.144 * scale, 21.946 * scale
    if end.length_m < 800:
        start, length, width, inner = 150.0, 30.0, 4.0, 6.0
    elif end.length_m < 1200:
        start, length, width, inner = 250.0, 30.0, 6.0, 9.0
    elif end.length_m < 2400:
        start, length, width, inner = 300.0, 45.0, 8.0, 19.0
    else:
        start, length, width, inner = 400.0, 60.0, 10.0, 20.0
    scale = min((end.width_m / 2 - 1.2) / (inner / 2 + width), 1.0)
    return start, length, width * scale, inner * scale


def touchdown_zone(end: RunwayEnd) -> list[Marking]:
    """Return the touchdown zone groups: 3, 2 and 1 bars 22.5 m by 1.8 m, 1.5 m apart, each 150 m (500 ft).

    ICAO 5.2.6 (pattern with distance coding, pairs by length 1, 2, 3, 4, 6; none within 50 m of the aiming
    point),
    FAA 2.9 (75 ft by 6 ft, 5 ft apart; the full set from 7,990 ft of length on, one group less for each
    1,000 ft below that, which keeps them 900 ft from the midpoint).
    """
    aim_start, aim_length, _, inner = aiming_point(end)
    if end.faa:
        groups = {152.4: 3, 457.2: 2, 609.6: 2, 762.0: 1, 914.4: 1}
        length, width, gap = 22.86, 1.83, 1.52
        groups = {s: n for s, n in groups.items() if s + 303.2 <= end.length_m / 2}
    else:
        limits_m = (900.0, 1200.0, 1500.0, 2400.0)
        pairs = (1, 2, 3, 4, 6)[sum(end.length_m >= limit for limit in limits_m)]
        length, width, gap = 22.5, 1.8, 1.5
        coding = {6: (3, 3, 2, 2, 1, 1), 4: (3, 3, 2, 1), 3: (3, 2, 1), 2: (2, 1), 1: (1,)}[pairs]
        groups = {150.0 * (k + 1): bars for k, bars in enumerate(coding)}
        groups = {
            s: n
            for s, n in groups.items()
            if (s + length < aim_start - 50 or s > aim_start + aim_length + 50)
            and s + length < end.length_m / 2
        }
    scale = min(end.width_m / 45.0, 1.0)
    width, gap = width * scale, gap * scale
    out = []
    for s, bars in groups.items():
        for k in range(bars):
            t0 = inner / 2 + k * (width + gap)
            out += [rectangle(s, s + length, t0, t0 + width), rectangle(s, s + length, -t0 - width, -t0)]
    return out


def end_markings(end: RunwayEnd) -> list[Marking]:
    """Return everything painted for one landing direction, except the centreline and the side stripes."""
    if end.marking == "none":
        return []
    out: list[Marking] = []
    # 12 m (ICAO figure 5-2), 40 ft (FAA figure 2-1) between stripes and designator.
    start = 20.0
    if end.marking != "basic" or end.width_m >= 29:
        bars = threshold_bars(end)
        start = float(max(bar.corners_st[:, 0].max() for bar in bars)) + 12.2
        out += bars
    out += designator(end, start)[0]
    if end.marking != "basic" or end.length_m >= 1200:
        s, length, width, inner = aiming_point(end)
        if s + length < end.length_m / 2 - 60:
            out += [
                rectangle(
                    s,
                    s + length,
                    side * (inner / 2 + (width if side < 0 else 0)),
                    side * inner / 2 + (width if side > 0 else 0),
                )
                for side in (-1, 1)
            ]
    if end.marking == "precision":
        out += touchdown_zone(end)
    return out + displaced_markings(end)


def displaced_markings(end: RunwayEnd) -> list[Marking]:
    """The threshold bar, arrow heads and arrows before a displaced threshold, and the blast pad's chevrons.

    FAA 2.6-2.7 and 2.13: a bar of 10 ft that begins at the threshold, before blast pads too; heads of 45 ft
    by 15 ft 5 ft before it, arrows of 120 ft each 200 ft, a yellow bar where the runway begins. ICAO
    5.2.4.8-10: a bar of 1.8 m before the threshold, arrows of 30 m each 50 m, the first 20 m before it;
    neither heads nor a yellow bar. Both: yellow chevrons 3 ft wide each 100 ft (30 m).
    """
    out: list[Marking] = []
    half = end.width_m / 2
    displaced = end.displaced_m >= 15
    if end.faa and (displaced or end.pad_m >= 20):
        out.append(rectangle(0.0, 3.048, -half, half))
    elif displaced:
        out.append(rectangle(-1.8, 0.0, -half, half))
    if displaced and end.faa and end.displaced_m >= 40:
        count = 4 if end.width_m >= 40 else 2
        for k in range(count):
            t = (k - (count - 1) / 2) * end.width_m / count
            out += _arrow_head(-1.5, t, 13.7, 4.6)
    if displaced:
        tip, length, each, head, across = (
            (-90.0, 36.6, 61.0, 13.7, 4.6) if end.faa else (-20.0, 30.0, 50.0, 10.0, 3.5)
        )
        neck = 9.0 / 13.7 * head  # the shaft ends inside the head
        while tip - length > -end.displaced_m + 3:
            out += _arrow_head(tip, 0.0, head, across)
            out.append(rectangle(tip - length, tip - neck, -0.45, 0.45))
            tip -= each
    if end.pad_m >= 20:
        edge = -end.displaced_m
        if displaced and end.faa:
            out.append(rectangle(edge - 0.9, edge, -half, half, YELLOW))
        tip = edge - 3.0
        while tip > edge - end.pad_m - half:
            for side in (-1.0, 1.0):
                # An arm runs back at 45 degrees from its tip, cut at the pad's end.
                back = min(half, end.pad_m + tip - edge)
                if back > 1.0:
                    arm = [
                        [tip, 0.0],
                        [tip - back, side * back],
                        [tip - back - 1.27, side * back],
                        [tip - 1.27, 0.0],
                    ]
                    out.append(Marking(np.array(arm), YELLOW))
            tip -= 30.5
    return out


def _arrow_head(tip_s: float, t: float, length: float, width: float) -> list[Marking]:
    """Return an open arrow head that points along landing, as two slanted bars."""
    stroke = 2.2
    return [
        Marking(
            np.array(
                [
                    [tip_s, t],
                    [tip_s - length, t + side * width / 2],
                    [tip_s - length - stroke, t + side * width / 2],
                    [tip_s - 3.0 * stroke, t],
                ]
            )
        )
        for side in (-1.0, 1.0)
    ]


def strip_markings(near: RunwayEnd, far: RunwayEnd) -> list[Marking]:
    """Return a whole strip's markings in the near end's (s, t): both ends, centreline, side stripes.

    Centreline stripes 30 m and gaps 20 m (ICAO 5.2.3.3) or 120 ft and 80 ft (FAA 2.4); 0.9 m wide on
    precision runways, 0.45 m on non-precision ones of at least 30 m, else 0.3 m (ICAO 5.2.3.4 gives these as
    least widths by category). Side stripes 0.9 m from 30 m of width on, else 0.45 m, their outer edge on the
    runway's edge (ICAO 5.2.7.4-5, FAA 2.10), in the United States at most 200 ft apart.
    """
    length, half = near.length_m, near.width_m / 2
    out = end_markings(near)
    flipped = [Marking(np.array([length, 0.0]) - m.corners_st, m.colour) for m in end_markings(far)]
    if near.marking == "none" and far.marking == "none":
        return []
    starts = []
    for end in (near, far):
        bars = end.marking != "basic" or end.width_m >= 29
        first = (51.8 if end.faa else 36.0) + 12.2 if bars else 20.0
        starts.append(designator(end, first)[1] + 12.2)
    stripe, gap = (36.576, 24.384) if near.faa else (30.0, 20.0)
    kinds = (near.marking, far.marking)
    width = 0.9 if "precision" in kinds else 0.45 if "nonprecision" in kinds and near.width_m >= 29 else 0.3
    usable = length - starts[0] - starts[1]
    count = max(int((usable + gap) // (stripe + gap)), 1)
    # Differences are taken up at the middle (ICAO 5.2.3.3); here the gaps stretch evenly by centimetres.
    pitch = (usable - stripe) / max(count - 1, 1)
    out += flipped
    out += [
        rectangle(starts[0] + k * pitch, starts[0] + k * pitch + stripe, -width / 2, width / 2)
        for k in range(count)
    ]
    if "precision" in kinds or near.width_m >= 40:
        edge = 0.9 if near.width_m >= 29 else 0.45
        s0, s1 = (-near.displaced_m, length + far.displaced_m) if near.faa else (0.0, length)
        side = min(half, 30.48) if near.faa else half
        out += [rectangle(s0, s1, -side, edge - side), rectangle(s0, s1, side - edge, side)]
    return out
