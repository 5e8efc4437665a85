"""The residual test in simulation: alarms as designed, moved corners noticed, levels that hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from approach_support import FOCAL_PX, detections, flown, runway, seen_from
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, chi2, kstest, ncx2

from lard.score.approaches import approach_parts
from lard.score.evaluation import Evaluation
from lard.score.integrity import (
    Integrity,
    detection_probability,
    nominal_levels,
    noncentrality,
    parity_of,
    protection_levels,
    statistic,
    threshold,
)
from lard.score.pnp import Solved, solve
from lard.score.pose import placed

SIGMA_PX = 0.2
DRAWS = 4000


def solved_with(errors_px: Any, along_m: float = 1500.0) -> tuple[Solved, Any]:
    """Poses from one place with these errors (n, 4, 2) of the corners, and the true position."""
    corners, seen, position, _ = seen_from(
        runway(), np.array([along_m]), np.array([40.0]), np.array([(along_m + 305) * 0.055]),
        np.array([[2.0, -3.0, 4.0]]),
    )  # fmt: skip
    n = len(errors_px)
    solved = solve(np.repeat(corners, n, 0), seen + errors_px, np.full((n, 2), FOCAL_PX))
    return solved, position[0]


def within(count: int, chance: float, n: int = DRAWS) -> bool:
    low, high = binom.interval(0.9999, n, chance)
    return bool(low <= count <= high)


@pytest.fixture(scope="module")
def clean() -> tuple[Solved, Any]:
    return solved_with(np.random.default_rng(5).normal(0, SIGMA_PX, (DRAWS, 4, 2)))


def test_false_alarms_are_as_designed(clean: tuple[Solved, Any]) -> None:
    values = statistic(clean[0], SIGMA_PX)
    assert clean[0].found.all()
    assert kstest(values, chi2(2).cdf).pvalue > 1e-3
    for rate in (0.05, 0.01, 0.001):
        assert within(int((values > threshold(rate)).sum()), rate)


def test_the_position_errs_as_the_gain_says(clean: tuple[Solved, Any]) -> None:
    """Standard deviations of along, cross and height; the nominal level is exceeded at its risk."""
    solved, position = clean
    exact, _ = solved_with(np.zeros((1, 4, 2)))
    parity = parity_of(exact)
    errors = placed(solved.camera_m - position)
    sigma = SIGMA_PX * np.sqrt((parity.gain[0] ** 2).sum(axis=1))
    np.testing.assert_allclose(errors.std(axis=0), sigma, rtol=0.06)
    levels = nominal_levels(parity, Integrity(SIGMA_PX, risk=0.05))[0]
    beyond = np.abs(np.column_stack([errors, np.hypot(errors[:, 0], errors[:, 1])])) > levels
    assert (np.abs(beyond.mean(axis=0)[:3] - 0.05) < 0.015).all()
    assert beyond.mean(axis=0)[3] < 0.065


@pytest.mark.parametrize(("corner", "moved_px"), [(0, 1.0), (1, 2.0), (2, 3.0), (3, 6.0)])
def test_a_moved_corner_is_noticed_as_computed(corner: int, moved_px: float) -> None:
    rng = np.random.default_rng(corner)
    errors = rng.normal(0, SIGMA_PX, (DRAWS, 4, 2))
    angle = 2 * np.pi * np.arange(DRAWS) / 8
    errors[:, corner] += moved_px * np.stack([np.cos(angle), np.sin(angle)], -1)
    design = Integrity(SIGMA_PX)
    solved, _ = solved_with(errors)
    noticed = int((statistic(solved, SIGMA_PX) > threshold(design.false_alarm_rate)).sum())
    exact, _ = solved_with(np.zeros((1, 4, 2)))
    chance = detection_probability(parity_of(exact), moved_px, design)[0, corner]
    # moves of many pixels bend what is linear at the true pose: a few per cent
    assert abs(noticed / DRAWS - chance) < 0.05


def test_detection_probability_beside_scipy_and_at_its_ends() -> None:
    """The mean of eight directions as SciPy has it; what is not moved alarms at the false-alarm rate."""
    exact, _ = solved_with(np.zeros((1, 4, 2)))
    parity, design = parity_of(exact), Integrity(0.7, 0.02)
    np.testing.assert_allclose(detection_probability(parity, 0.0, design), 0.02, atol=1e-6)
    assert detection_probability(parity, 1e6, design).min() > 0.99
    expected = np.zeros(8)
    for k in range(8):
        move = np.zeros(8)
        move[4:6] = 3.0 / 0.7 * np.array([np.cos(np.pi * k / 4), np.sin(np.pi * k / 4)])
        expected[k] = ncx2.sf(chi2.isf(0.02, 2), 2, ((parity.projector[0] @ move) ** 2).sum() + 1e-12)
    assert detection_probability(parity, 3.0, design)[0, 2] == pytest.approx(expected.mean(), abs=1e-5)


@settings(max_examples=25)
@given(st.floats(1e-4, 0.2), st.floats(1e-6, 0.2))
def test_noncentrality_beside_scipy(rate: float, missed: float) -> None:
    if missed < 1 - rate:
        value = noncentrality(rate, missed)
        assert ncx2.cdf(chi2.isf(rate, 2), 2, value) == pytest.approx(missed, rel=1e-5)


def test_levels_are_those_of_the_worst_direction() -> None:
    """Slope by trying directions one by one: the level is never passed and nearly reached."""
    exact, _ = solved_with(np.zeros((1, 4, 2)))
    parity, design = parity_of(exact), Integrity(SIGMA_PX)
    bias = np.sqrt(noncentrality(design.false_alarm_rate, design.risk)) * SIGMA_PX
    slope = np.zeros(4)
    angles = np.linspace(0, np.pi, 40_001)
    for corner in range(4):
        moves = np.zeros((len(angles), 8))
        moves[:, 2 * corner], moves[:, 2 * corner + 1] = np.cos(angles), np.sin(angles)
        shown = np.linalg.norm(moves @ parity.projector[0], axis=1)
        errors = moves @ parity.gain[0].T
        sizes = np.column_stack([np.abs(errors), np.hypot(errors[:, 0], errors[:, 1])])
        slope = np.maximum(slope, (sizes / shown[:, None]).max(axis=0))
    levels = protection_levels(parity, design)[0]
    np.testing.assert_allclose(levels, slope * bias + nominal_levels(parity, design)[0], rtol=1e-4)


def test_levels_hold_whatever_one_corner_does() -> None:
    """In the linear model: the worst direction of each corner at many sizes, at a risk one can count."""
    exact, _ = solved_with(np.zeros((1, 4, 2)))
    parity, design = parity_of(exact), Integrity(SIGMA_PX, 0.01, 0.02)
    levels = protection_levels(parity, design)[0]
    rng = np.random.default_rng(8)
    noise = rng.normal(0, SIGMA_PX, (10_000, 8))
    worst = np.zeros(4)
    for corner in range(4):
        for angle in np.linspace(0, np.pi, 30, endpoint=False):
            move = np.zeros(8)
            move[2 * corner : 2 * corner + 2] = np.cos(angle), np.sin(angle)
            shown = np.linalg.norm(parity.projector[0] @ move)
            for size in (0.0, 2.0, 3.5, 5.0):
                errors = noise + move * size * SIGMA_PX / shown
                quiet = ((errors @ parity.projector[0]) ** 2).sum(1) / SIGMA_PX**2 <= threshold(0.01)
                off = errors @ parity.gain[0].T
                off = np.column_stack([np.abs(off), np.hypot(off[:, 0], off[:, 1])])
                worst = np.maximum(worst, (quiet[:, None] & (off > levels)).mean(axis=0))
    assert (worst <= 0.02).all()


def test_a_report_on_clean_corners() -> None:
    """A flight with corners of the stated error: fitted deviation, alarms and levels agree with it."""
    truth = flown("LFPO", "24", 1.0)
    rows = detections(truth, 0.3, seed=2)
    told = approach_parts(Evaluation(truth, rows), rows, 0.5, design=Integrity(0.3))["integrity"]
    assert told["fitted_sigma_px"] == pytest.approx(0.3, rel=0.15)
    assert within(told["alarms"], 0.01, told["detections"])
    assert set(told["protection"]) == {"along_track_m", "cross_track_m", "height_m", "horizontal_m"}
    assert told["beyond_without_alarm"]["height_m"] == 0.0
    for name, level in told["protection"].items():
        assert level["median"] > told["nominal"][name]["median"] > 0
    chances = [told["detection_probability"][f"{k}"]["mean"] for k in (1, 2, 5, 10, 20)]
    assert chances == sorted(chances) and chances[-1] > 0.9
    understated = approach_parts(Evaluation(truth, rows), rows, 0.5, design=Integrity(0.1))["integrity"]
    assert understated["alarm_rate"] > 0.2
