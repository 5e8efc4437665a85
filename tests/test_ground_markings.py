"""Markings in the runway's own metres: counts, places, glyphs the right way up."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lard.imagery.ground.markings import (
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
