"""Markings in the runway's own metres: counts, places, glyphs the right way up."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lard.ground.painted.markings import (
    GLYPHS,
    WHITE,
    YELLOW,
    RunwayEnd,
    aiming_point,
    bar_count,
    designator,
    displaced_markings,
    end_markings,
    strip_markings,
    threshold_bars,
    touchdown_zone,
)


def an_end(**changes: object) -> RunwayEnd:
    values = {
        "ident": "09L",
        "length_m": 3000.0,
        "width_m": 45.0,
        "marking": "precision",
        "faa": False,
    } | changes
    return RunwayEnd(**values)


@pytest.mark.parametrize(
    ("width_m", "bars"), [(18, 4), (23, 6), (30, 8), (45, 12), (45.72, 12), (60, 16), (60.96, 16)]
)
def test_threshold_stripes_by_width(width_m: float, bars: int) -> None:
    assert bar_count(width_m) == bars
    assert len(threshold_bars(an_end(width_m=width_m))) == bars


def test_icao_threshold_stripes_start_at_6_m_and_are_30_m_long() -> None:
    corners = np.array([bar.corners_st for bar in threshold_bars(an_end())])
    assert corners[..., 0].min() == 6.0
    assert corners[..., 0].max() == 36.0
    widths = np.ptp(corners[..., 1], axis=1)
    assert widths == pytest.approx(1.8, abs=1e-9)
    # the gap about the centreline is twice the stripe
    assert np.abs(corners[..., 1]).min() == pytest.approx(1.8)


@given(
    width_m=st.floats(15, 80),
    length_m=st.floats(600, 5500),
    faa=st.booleans(),
    marking=st.sampled_from(["precision", "nonprecision", "basic"]),
    displaced_m=st.floats(0, 600),
)
def test_everything_lies_on_the_pavement(
    width_m: float, length_m: float, faa: bool, marking: str, displaced_m: float
) -> None:
    end = an_end(width_m=width_m, length_m=length_m, faa=faa, marking=marking, displaced_m=displaced_m)
    for mark in strip_markings(
        end, an_end(ident="27R", width_m=width_m, length_m=length_m, faa=faa, marking=marking)
    ):
        assert np.abs(mark.corners_st[:, 1]).max() <= width_m / 2 + 1e-9
        assert mark.corners_st[:, 0].min() >= -displaced_m - 20.0
        assert mark.corners_st[:, 0].max() <= length_m + 1e-9


@given(length_m=st.floats(1000, 5000), faa=st.booleans())
def test_touchdown_groups_keep_off_the_aiming_point(length_m: float, faa: bool) -> None:
    end = an_end(length_m=length_m, faa=faa)
    start, length, _, _ = aiming_point(end)
    for mark in touchdown_zone(end):
        s = mark.corners_st[:, 0]
        assert s.max() < start or s.min() > start + length


def test_letter_stands_before_the_number_and_reads_upright() -> None:
    marks, last = designator(an_end(ident="09L"), 48.0)
    quads = np.array([mark.corners_st for mark in marks])
    foot = quads[1]  # the lower stroke of the L
    stem = quads[0]
    assert foot[:, 0].min() == pytest.approx(48.0)
    # the foot of an L points to the landing pilot's right
    assert foot[:, 1].max() > stem[:, 1].max()
    assert last == pytest.approx(48.0 + 18 + 6.1 + 18)


def test_the_united_states_leave_out_the_leading_zero() -> None:
    with_zero, _ = designator(an_end(ident="09"), 48.0)
    without, _ = designator(an_end(ident="09", faa=True), 48.0)
    assert len(with_zero) == len(GLYPHS["0"]) + len(GLYPHS["9"])
    assert len(without) == len(GLYPHS["9"])


def test_reciprocal_markings_are_the_same_seen_from_the_other_end() -> None:
    near, far = an_end(ident="09"), an_end(ident="27")
    ahead = {tuple(np.round(m.corners_st.mean(axis=0), 6)) for m in strip_markings(near, far)}
    back = {tuple(np.round([3000.0, 0.0] - m.corners_st.mean(axis=0), 6)) for m in strip_markings(far, near)}
    assert {(s, t + 0.0) for s, t in ahead} == {(s, t + 0.0) for s, t in back}


def test_displaced_threshold_has_bar_arrows_and_no_stripes_before_it() -> None:
    marks = displaced_markings(an_end(displaced_m=300.0))
    assert marks
    assert all(mark.corners_st[:, 0].max() <= 0 for mark in marks)
    assert all(mark.colour == WHITE for mark in marks)
    assert displaced_markings(an_end()) == []


def test_blast_pad_has_yellow_chevrons_beyond_the_pavement() -> None:
    marks = displaced_markings(an_end(pad_m=100.0))
    assert all(mark.colour == YELLOW for mark in marks)
    assert min(mark.corners_st[:, 0].min() for mark in marks) >= -102.0
    assert max(mark.corners_st[:, 0].max() for mark in marks) <= 0.0


def test_unmarked_runway_stays_bare() -> None:
    assert strip_markings(an_end(marking="none"), an_end(marking="none")) == []
    assert end_markings(an_end(marking="none")) == []


def boxes(marks: list) -> np.ndarray:
    """Rows (s0, s1, t0, t1) of the marks that are rectangles along the runway."""
    quads = [mark.corners_st for mark in marks if len(np.unique(np.round(mark.corners_st, 6), axis=0)) == 4]
    straight = [q for q in quads if all(len(set(np.round(q[:, axis], 6))) == 2 for axis in (0, 1))]
    return np.array([(q[:, 0].min(), q[:, 0].max(), q[:, 1].min(), q[:, 1].max()) for q in straight])


@pytest.mark.parametrize("width_m", [18.0, 23.0, 30.0, 45.0, 60.0])
def test_faa_threshold_stripes(width_m: float) -> None:
    """AC 150/5340-1: 150 ft by 5.75 ft from 20 ft on, 5.75 ft apart and twice that in the middle."""
    s0, s1, t0, t1 = boxes(threshold_bars(an_end(width_m=width_m, faa=True))).T
    assert (s0 == pytest.approx(20 * 0.3048)) and (s1 - s0 == pytest.approx(150 * 0.3048))
    assert (t1 - t0 <= 5.75 * 0.3048 + 1e-9).all() and (t1 - t0 > 1.5).all()
    right = np.sort(t0[t0 > 0])
    assert np.diff(right) == pytest.approx(2 * (t1 - t0)[0])
    assert right[0] == pytest.approx((t1 - t0)[0])


ICAO_AIMING = [
    # landing distance, start, lengths, widths, inner spacing: Annex 14 table 5-1
    (700, 150, (30, 45), (4, 4), (6, 6)),
    (799, 150, (30, 45), (4, 4), (6, 6)),
    (800, 250, (30, 45), (6, 6), (9, 9)),
    (1199, 250, (30, 45), (6, 6), (9, 9)),
    (1200, 300, (45, 60), (6, 10), (18, 22.5)),
    (2399, 300, (45, 60), (6, 10), (18, 22.5)),
    (2400, 400, (45, 60), (6, 10), (18, 22.5)),
    (4000, 400, (45, 60), (6, 10), (18, 22.5)),
]


@pytest.mark.parametrize(("length_m", "start_m", "lengths", "widths", "inners"), ICAO_AIMING)
def test_icao_aiming_point_by_landing_distance(
    length_m: float, start_m: float, lengths: tuple, widths: tuple, inners: tuple
) -> None:
    start, length, width, inner = aiming_point(an_end(length_m=length_m))
    assert start == start_m
    for value, (low, high) in ((length, lengths), (width, widths), (inner, inners)):
        assert low <= value <= high


def test_faa_aiming_point() -> None:
    start, length, width, inner = aiming_point(an_end(faa=True, width_m=45.72))
    feet = np.array([start, length, width, inner]) / 0.3048
    assert feet == pytest.approx([1020, 150, 30, 72], abs=0.01)


@given(width_m=st.floats(15, 80), length_m=st.floats(600, 5000), faa=st.booleans())
def test_aiming_point_keeps_between_the_side_stripes(width_m: float, length_m: float, faa: bool) -> None:
    _, _, width, inner = aiming_point(an_end(width_m=width_m, length_m=length_m, faa=faa))
    assert inner / 2 + width <= width_m / 2 - 0.89


@pytest.mark.parametrize(
    ("length_m", "starts"),
    [
        (880, [150]),
        (1100, [150]),  # the pair at 300 m lies within 50 m of the aiming point
        (1300, [150, 450]),
        (2000, [150, 450, 600]),
        (3000, [150, 300, 600, 750, 900]),
    ],
)
def test_icao_touchdown_pairs_each_150_m(length_m: float, starts: list[float]) -> None:
    """Annex 14 5.2.6: 150 m apart from the threshold on, none within 50 m of the aiming point."""
    end = an_end(length_m=length_m)
    marks = touchdown_zone(end)
    s0, s1, t0, t1 = boxes(marks).T
    assert sorted(set(s0)) == starts
    assert s1 - s0 == pytest.approx(22.5)
    assert t1 - t0 == pytest.approx(1.8)
    assert np.abs(np.concatenate([t0, t1])).min() == pytest.approx(aiming_point(end)[3] / 2)


def test_faa_touchdown_groups() -> None:
    """500 ft apart, 75 ft by 6 ft bars 36 ft off the centreline, none within 900 ft of the midpoint."""
    marks = touchdown_zone(an_end(faa=True, width_m=45.72, length_m=2600))
    s0, s1, t0, t1 = boxes(marks).T
    starts, bars = np.unique(np.round(s0 / 0.3048), return_counts=True)
    assert starts.tolist() == [500, 1500, 2000, 2500, 3000]
    assert (bars // 2).tolist() == [3, 2, 2, 1, 1]
    assert s1 - s0 == pytest.approx(75 * 0.3048)
    assert np.abs(np.concatenate([t0, t1])).min() == pytest.approx(36 * 0.3048, abs=0.01)
    for mark in touchdown_zone(an_end(faa=True, width_m=45.72, length_m=2000)):
        assert mark.corners_st[:, 0].max() < 1000 - 900 * 0.3048


@settings(deadline=None)
@given(length_m=st.floats(900, 5000), faa=st.booleans(), marking=st.sampled_from(["precision", "basic"]))
def test_centreline_stripes_and_gaps(length_m: float, faa: bool, marking: str) -> None:
    """Annex 14 5.2.3.3: stripe and gap 50 to 75 m, the stripe no shorter than the gap or 30 m."""
    near, far = (an_end(ident=i, length_m=length_m, faa=faa, marking=marking) for i in ("09", "27"))
    rows = boxes(strip_markings(near, far))
    middle = (rows[:, 3] == -rows[:, 2]) & (rows[:, 3] < 0.6) & (rows[:, 1] - rows[:, 0] > 20)
    s0, s1, t0, t1 = rows[middle].T
    order = np.argsort(s0)
    stripe, pitch = (s1 - s0)[0], np.diff(s0[order])
    assert stripe == pytest.approx(120 * 0.3048 if faa else 30.0)
    assert (t1 - t0) == pytest.approx(0.9 if marking == "precision" else 0.3)
    assert ((pitch >= 50.0 - 1e-6) & (pitch <= 75.0)).all()


@pytest.mark.parametrize(("width_m", "stripe_m"), [(23.0, 0.45), (30.0, 0.9), (45.0, 0.9)])
def test_side_stripes_lie_on_the_edges(width_m: float, stripe_m: float) -> None:
    near, far = (an_end(ident=i, width_m=width_m) for i in ("09", "27"))
    rows = boxes(strip_markings(near, far))
    rows = rows[(rows[:, 1] - rows[:, 0]) > 2900]
    assert len(rows) == 2
    assert np.abs(rows[:, 2:]).max() == pytest.approx(width_m / 2)
    assert rows[:, 3] - rows[:, 2] == pytest.approx(stripe_m)


@pytest.mark.parametrize(("faa", "bar_m"), [(False, 1.8), (True, 10 * 0.3048)])
def test_displaced_threshold_dimensions(faa: bool, bar_m: float) -> None:
    """A bar across the runway; arrows on the centreline of 120 ft each 200 ft, ICAO's of 30 m each 50 m."""
    marks = displaced_markings(an_end(displaced_m=300.0, faa=faa))
    rows = boxes(marks)
    bar = rows[rows[:, 0 if faa else 1] == 0.0]
    assert len(bar) == 1
    assert bar[0, 1] - bar[0, 0] == pytest.approx(bar_m, abs=0.01)
    assert bar[0, 3] - bar[0, 2] == pytest.approx(45.0)
    arrows = rows[np.isclose(rows[:, 3] - rows[:, 2], 0.9)]
    assert np.diff(np.sort(arrows[:, 0])) == pytest.approx(200 * 0.3048 if faa else 50.0, abs=0.1)
    tips = np.array([mark.corners_st[:, 0].max() for mark in marks])
    first, length = (-90.0, 120 * 0.3048) if faa else (-20.0, 30.0)
    assert np.sort(tips[tips <= first + 0.01])[-1] == pytest.approx(first)
    assert first - arrows[:, 0].max() == pytest.approx(length, abs=0.1)
    heads = [mark for mark in marks if mark.corners_st[:, 0].max() == pytest.approx(-1.5)]
    assert len(heads) == (8 if faa else 0), "a row of heads only in the United States"


def test_chevrons_are_a_yard_wide_and_100_ft_apart() -> None:
    """Arms at 45 degrees, 0.9 m across, that meet on the centreline and point at the runway."""
    arms = [m.corners_st for m in displaced_markings(an_end(pad_m=100.0)) if m.corners_st[0, 1] == 0.0]
    tips = sorted({float(arm[0, 0]) for arm in arms})
    assert np.diff(tips) == pytest.approx(100 * 0.3048, abs=0.1)
    for arm in arms:
        assert arm[1, 0] < arm[0, 0]
        along = (arm[1] - arm[0]) / np.hypot(*(arm[1] - arm[0]))
        assert abs(along[0]) == pytest.approx(abs(along[1]))
        off = arm[3] - arm[0]
        assert abs(off[0] * along[1] - off[1] * along[0]) == pytest.approx(0.9, abs=0.01)


@pytest.mark.parametrize(
    ("faa", "width_m", "height_m"), [(True, 45.0, 60 * 0.3048), (False, 45.0, 18.0), (False, 30.0, 9.0)]
)
def test_designators_have_their_height(faa: bool, width_m: float, height_m: float) -> None:
    marks, _ = designator(an_end(ident="27", faa=faa, width_m=width_m), 48.0)
    s = np.concatenate([mark.corners_st[:, 0] for mark in marks])
    assert np.ptp(s) == pytest.approx(height_m, abs=1e-6)
    assert height_m >= 9.0
