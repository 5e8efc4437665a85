"""Markings after FAA AC 150/5340-1: bars at thresholds, touchdown groups by length, side stripes."""

import numpy as np
import pytest

from lard.ground.painted.markings import (
    WHITE,
    YELLOW,
    Marking,
    RunwayEnd,
    displaced_markings,
    strip_markings,
    touchdown_zone,
)

FT = 0.3048


def an_end(ident: str = "09", length_ft: float = 10_000, width_ft: float = 150, **more: float) -> RunwayEnd:
    return RunwayEnd(ident, length_ft * FT, width_ft * FT, "precision", True, **more)


def bars_across(marks: list[Marking], colour: tuple[float, float, float]) -> list[tuple[float, float]]:
    """Where along the runway the marks of a colour lie that span its whole width, in feet."""
    spans = []
    for mark in marks:
        if mark.colour == colour and np.ptp(mark.corners_st[:, 1]) == pytest.approx(150 * FT):
            s = mark.corners_st[:, 0] / FT
            spans.append((round(float(s.min()), 2), round(float(s.max()), 2)))
    return spans


@pytest.mark.parametrize(
    ("ground", "white", "yellow"),
    [
        ({}, [], []),
        ({"pad_m": 80.0}, [(0, 10)], []),
        ({"displaced_m": 500 * FT}, [(0, 10)], []),
        ({"displaced_m": 500 * FT, "pad_m": 80.0}, [(0, 10)], [(-502.95, -500)]),
    ],
)
def test_bars_at_the_threshold_and_at_the_runways_end(
    ground: dict[str, float], white: list, yellow: list
) -> None:
    """White on the landing side if pavement lies before it; yellow only before displaced thresholds."""
    marks = displaced_markings(an_end(**ground))
    assert bars_across(marks, WHITE) == white
    assert bars_across(marks, YELLOW) == yellow


def test_arrow_heads_end_5_ft_before_the_bar() -> None:
    marks = displaced_markings(an_end(displaced_m=500 * FT))
    ends = sorted({round(float(mark.corners_st[:, 0].max()), 3) for mark in marks})
    assert ends[-2] == pytest.approx(-5 * FT, abs=0.03)


@pytest.mark.parametrize(
    ("length_ft", "groups"),
    [(4990, 2), (5989, 2), (5990, 3), (6989, 3), (6990, 4), (7989, 4), (7990, 5), (12_000, 5)],
)
def test_touchdown_groups_by_length(length_ft: float, groups: int) -> None:
    starts = {round(float(m.corners_st[:, 0].min()), 2) for m in touchdown_zone(an_end(length_ft=length_ft))}
    assert len(starts) == groups


@pytest.mark.parametrize(("width_ft", "apart_ft"), [(150, 150), (200, 200), (300, 200)])
def test_side_stripes_are_at_most_200_ft_apart(width_ft: float, apart_ft: float) -> None:
    marks = strip_markings(an_end(width_ft=width_ft), an_end("27", width_ft=width_ft))
    sides = [mark.corners_st[:, 1] for mark in marks if np.ptp(mark.corners_st[:, 0]) > 9000 * FT]
    assert len(sides) == 2
    assert np.ptp(np.concatenate(sides)) / FT == pytest.approx(apart_ft)
