"""Rankings, areas and distances of monitors and confidences against answers that are known."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from lard.assurance.mahalanobis import fit_gaussian
from lard.assurance.ranks import (
    Alarms,
    auroc,
    auroc_interval,
    certified_auroc,
    kept_interval,
    kept_outside,
    resampled,
    share_interval,
    threshold_of,
)
from lard.assurance.selective import aupr_error, aurc, least_aurc, passed, risk_curve
from lard.assurance.shrink import SCALE, averaging, shrunk
from lard.assurance.thresholds import threshold_by
from lard.errors import DataError

RNG = np.random.default_rng(3)


def alarms(values: np.ndarray, constant: float = 1.0) -> Alarms:
    return Alarms(values, np.array(["X"] * len(values)), np.full(len(values), constant))


def test_auroc_counts_pairs_and_ties_half() -> None:
    inside, outside = RNG.integers(0, 6, 40).astype(float), RNG.integers(2, 9, 30).astype(float)
    pairs = [(o > i) + 0.5 * (o == i) for i in inside for o in outside]
    assert auroc(inside, outside) == pytest.approx(np.mean(pairs))


def test_a_random_monitor_sees_nothing_and_certifies_less_the_more_may_change() -> None:
    inside, outside = alarms(RNG.normal(size=2000)), alarms(RNG.normal(size=2000))
    clean = auroc(inside.values, outside.values)
    assert clean == pytest.approx(0.5, abs=0.03)
    bounds = [certified_auroc(inside, outside, eps) for eps in (0.0, 0.1, 0.5, 1.0, 9.0)]
    assert bounds[0] == clean and bounds[-1] == 0
    assert all(later <= former for former, later in pairwise(bounds))


def test_the_certified_area_is_reached_by_an_attacker_who_may_move_all_alarms() -> None:
    """No move within the bound gives less, the worst one gives it (but for the slack of the arithmetic)."""
    inside, outside = alarms(RNG.normal(0, 1, 60), 2.0), alarms(RNG.normal(3, 1, 50), 2.0)
    eps = 0.4
    bound = certified_auroc(inside, outside, eps)
    for _ in range(50):
        moved = [one.values + RNG.uniform(-2 * eps, 2 * eps, len(one.values)) for one in (inside, outside)]
        assert auroc(*moved) >= bound
    assert auroc(inside.values + 2 * eps, outside.values - 2 * eps) == pytest.approx(bound, abs=2e-3)


def test_shares_that_pass_and_thresholds_are_those_of_their_ranks() -> None:
    inside = RNG.permutation(np.arange(1.0, 101.0))
    assert kept_outside(inside, np.array([94.0, 95.0, 95.5, 200.0])) == 0.5
    assert threshold_of(np.arange(1.0, 20.0), 0.05) == 19
    assert threshold_of(np.arange(1.0, 19.0), 0.05) is None, "18 pictures cannot support one in twenty"
    assert threshold_of(np.arange(1.0, 100.0), 0.1) == 90


def test_false_stops_of_new_pictures_keep_the_stated_rate() -> None:
    values = RNG.normal(size=(4000, 40))
    stops = [value[-1] > threshold_of(value[:-1], 0.1) for value in values]  # type: ignore[operator]
    assert np.mean(stops) == pytest.approx(0.1, abs=0.02)


def test_a_rule_of_airports_keeps_its_rate_at_new_airports_where_that_of_pictures_does_not() -> None:
    """Airports that differ by more than their pictures do: 9 of 5 pictures each, then a tenth."""
    names = np.repeat(np.arange(9), 5)
    stops: dict[str, list[bool]] = {"pictures": [], "airports": []}
    for _ in range(3000):
        shift = RNG.normal(0, 3, 10)
        values, new = shift[names] + RNG.normal(size=45), shift[9] + RNG.normal()
        for rule, own in stops.items():
            own.append(new > threshold_by(rule, values, names, 0.2))  # type: ignore[arg-type]
    assert np.mean(stops["airports"]) <= 0.2 + 0.02
    assert np.mean(stops["pictures"]) > np.mean(stops["airports"])


def test_one_strange_airport_does_not_decide_the_median() -> None:
    values = np.concatenate([np.arange(20.0), np.arange(20.0) + 1, np.arange(20.0) + 500])
    names = np.repeat(["A", "B", "C"], 20)
    assert threshold_by("median", values, names, 0.05) == pytest.approx(1 + 0.95 * 19)
    assert threshold_by("pictures", values, names, 0.05) > 500
    with pytest.raises(DataError, match=r"3 validation airports cannot set a false-stop rate of 0\.2; .* 4"):
        threshold_by("airports", values, names, 0.2)
    # weights 1 / 4 each: three quarters are reached at the last picture of the strange one
    assert threshold_by("airports", values, names, 0.25) == 519


def test_intervals_draw_airports_together_and_few_airports_have_none() -> None:
    places = np.repeat([f"A{k}" for k in range(8)], 10)
    shift = np.repeat(RNG.normal(0, 2, 8), 10)  # an airport's pictures resemble one another
    inside, outside = RNG.normal(size=80) + shift, RNG.normal(1, 1, 80) + shift
    drawn = resampled(places, places)
    assert drawn is not None
    assert (drawn.inside == drawn.outside).all(), "an airport drawn twice counts twice on both sides"
    low, high = auroc_interval(inside, outside, drawn)
    assert low < auroc(inside, outside) < high and high - low > 0.05
    low, high = kept_interval(inside, outside, drawn)
    assert low <= kept_outside(inside, outside) <= high
    assert share_interval(np.ones(80, bool), drawn.inside) == [1, 1]
    assert resampled(places[:50], places) is None
    single = resampled(places, np.array(["elsewhere"] * 4))
    assert single is not None and (single.outside == 1).all()


def test_mahalanobis_of_shifted_gaussians_has_the_area_of_theory() -> None:
    """In two dimensions P(shifted is farther) = 1 - exp(-lambda / 4) / 2, lambda the squared shift."""
    factor = np.array([[2.0, 0.0], [1.5, 0.3]])
    shift = factor @ np.array([1.2, -0.9])

    def draw() -> np.ndarray:
        return RNG.normal(size=(20000, 2)) @ factor.T + 5

    gaussian = fit_gaussian(draw())
    found = auroc(gaussian.distances(draw()), gaussian.distances(draw() + shift))
    assert found == pytest.approx(1 - np.exp(-(1.2**2 + 0.9**2) / 4) / 2, abs=0.01)
    assert gaussian.shrinkage < 0.01


def test_fewer_pictures_than_features_give_a_finite_distance_and_a_bound_that_holds() -> None:
    rows = RNG.normal(size=(25, 90)) * np.geomspace(1e-3, 1e3, 90)
    rows[:, 7] = 4.0  # a dead channel
    gaussian = fit_gaussian(rows)
    assert 0.3 < gaussian.shrinkage <= 1
    columns = np.geomspace(0.1, 2, 90)
    constant = gaussian.constant(columns)
    steps = RNG.normal(size=(200, 90))
    steps /= np.linalg.norm(steps, axis=1)[:, None]
    moved = gaussian.distances(rows[:1] + steps * columns) - gaussian.distances(rows[:1])
    assert np.isfinite(moved).all() and (np.abs(moved) <= constant).all()
    with pytest.raises(DataError, match="at least 20"):
        fit_gaussian(rows[:19])
    with pytest.raises(DataError, match="finite"):
        fit_gaussian(np.where(rows == 4.0, np.nan, rows))


def test_a_confidence_that_is_the_truth_is_optimal() -> None:
    wrong = np.arange(50) < 12
    truth = 1.0 - wrong
    best = sum((k - 38) / k for k in range(39, 51)) / 50
    assert aurc(truth + RNG.uniform(0, 0.1, 50), wrong) >= least_aurc(wrong)
    assert least_aurc(wrong) == pytest.approx(best)
    assert aupr_error(truth, wrong) == 1 and passed(truth, wrong) == 0
    assert aurc(-truth, wrong) > wrong.mean(), "the opposite of the truth"


def test_a_confidence_that_says_nothing_risks_the_share_of_errors() -> None:
    wrong = RNG.random(3000) < 0.3
    assert aurc(np.zeros(3000), wrong) == pytest.approx(wrong.mean())
    assert aupr_error(np.zeros(3000), wrong) == pytest.approx(wrong.mean())
    noise = RNG.normal(size=3000)
    assert aurc(noise, wrong) == pytest.approx(wrong.mean(), abs=0.03)
    assert aupr_error(noise, wrong) == pytest.approx(wrong.mean(), abs=0.04)
    assert passed(noise, wrong) == pytest.approx(0.95, abs=0.02)
    coverage, risk = risk_curve(noise, wrong)
    assert coverage[-1] == 1 and risk[-1] == pytest.approx(wrong.mean())


def test_weights_are_repetitions() -> None:
    confidence, wrong = RNG.integers(0, 9, 40).astype(float), RNG.random(40) < 0.4
    times = RNG.integers(0, 4, 40)
    again = np.repeat(confidence, times), np.repeat(wrong, times)
    for measure in (aurc, aupr_error, passed):
        assert measure(confidence, wrong, times.astype(float)) == pytest.approx(measure(*again))


def test_shrinking_is_a_projection_at_1024_and_its_constant_is_reached_elsewhere() -> None:
    assert np.allclose(averaging(100).sum(axis=1), 1) and np.allclose(averaging(100).sum(axis=0), 0.64)
    flat = np.full((1024, 1024, 3), 130, np.uint8)
    small, gain = shrunk(flat)
    assert gain == pytest.approx(1) and small.shape == (3, 64, 64)
    assert np.allclose(small, SCALE * (130 / 255 - 0.5), atol=1e-4)
    for shape in ((1024, 1024, 3), (150, 97, 3)):
        first = RNG.integers(0, 200, shape).astype(np.uint8)
        second = (first + RNG.integers(0, 50, shape)).astype(np.uint8)
        (a, gain), (b, _) = shrunk(first), shrunk(second)
        assert np.linalg.norm(a - b) <= gain * np.linalg.norm((second.astype(float) - first) / 255) * 1.0001
    (a, gain), (b, _) = (
        shrunk(np.full((128, 64, 3), 10, np.uint8)),
        shrunk(np.full((128, 64, 3), 60, np.uint8)),
    )
    step = np.linalg.norm(np.full((128, 64, 3), 50 / 255))
    assert np.linalg.norm(a - b) == pytest.approx(gain * step, rel=1e-4), "a change of brightness reaches it"
    with pytest.raises(DataError, match="at least 64"):
        shrunk(flat[:60])
