"""What a set lacks: how many frames show every part, and stretches that are empty for a reason."""

from __future__ import annotations

import numpy as np
import pytest

from lard.quality.measures.stretches import least_frames, widest_empty


@pytest.mark.parametrize(("share", "sure", "n"), [(0.1, 0.95, 29), (0.5, 0.5, 1), (0.05, 0.95, 59)])
def test_least_frames_hold_the_part(share: float, sure: float, n: int) -> None:
    assert least_frames(share, sure) == n
    assert (1 - share) ** n <= 1 - sure < (1 - share) ** (n - 1) + 1e-12


def test_nothing_asked_needs_no_frames() -> None:
    assert least_frames(0.0, 0.95) == 0 == least_frames(0.1, 0.0)


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.2), (0.4, 0.6), (0.8, 1.0)])
def test_a_stretch_that_was_left_out_is_found(low: float, high: float) -> None:
    rng = np.random.default_rng(3)
    others, drawn = rng.random(1000), rng.random(120)
    start, end, share, chance = widest_empty(drawn[(drawn < low) | (drawn > high)], others)
    assert start == pytest.approx(low, abs=0.03) and end == pytest.approx(high, abs=0.03)
    assert share == pytest.approx(0.2, abs=0.05) and chance < 1e-6


def test_chance_bounds_what_equal_draws_give() -> None:
    rng = np.random.default_rng(4)
    found = [widest_empty(rng.random(30), rng.random(300))[3] for _ in range(2000)]
    for p in (0.1, 0.01):  # a bound: as rare as it says, or rarer
        assert np.mean(np.array(found) < p) <= 1.5 * p
    assert np.mean(np.array(found) < 0.5) > 0.05  # and not an empty one


def test_equal_values_are_not_lacking() -> None:
    assert widest_empty(np.array([1.0, 2.0]), np.array([1.0, 1.0, 2.0]))[2] == 0.0
