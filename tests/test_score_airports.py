"""Intervals and tests over airports: they hold as often as they say, in simulation and against scipy."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from detect_support import runway_note
from hypothesis import given, settings
from hypothesis import strategies as st
from intervals_support import average_precision, by_airport, draw, whole_and_without
from scipy import stats

from lard.score.evaluation import Evaluation
from lard.score.inference import (
    LEAST_AIRPORTS,
    airport_intervals,
    holm,
    jackknife_interval,
    paired_difference,
    sign_flip,
)
from lard.score.slices import slices

MEAN, SPREAD = 2.2, 0.8


@pytest.fixture(scope="module")
def truth() -> float:
    """AP of the made-up world, from many airports."""
    rng = np.random.default_rng(7)
    return float(
        np.mean([average_precision(draw(rng, 300, MEAN, SPREAD), np.ones((1, 300)))[0] for _ in range(6)])
    )


@pytest.mark.parametrize("airports", [6, 10, 20])
def test_intervals_cover_as_often_as_they_say(airports: int, truth: float) -> None:
    """95 % of 300 worlds, within three standard errors of such a count; the old percentiles had 86 % at 6."""
    rng = np.random.default_rng([1, airports])
    held = 0
    for _ in range(300):
        interval = jackknife_interval(*whole_and_without(draw(rng, airports, MEAN, SPREAD)))
        assert interval is not None and 0 < interval[0] < interval[1] < 1
        held += interval[0] <= truth <= interval[1]
    assert held / 300 > 0.95 - 3 * np.sqrt(0.95 * 0.05 / 300)


@pytest.mark.parametrize("airports", [2, 5, 6, 10])
def test_equal_models_differ_no_more_often_than_stated(airports: int) -> None:
    """p < 0.05 in at most 5 % of draws, and never where so few airports cannot reach it."""
    rng = np.random.default_rng([2, airports])
    found = []
    for _ in range(300):
        first, second = (by_airport(draw(rng, airports, MEAN, SPREAD)) for _ in range(2))
        found.append(sign_flip(second - first))
    errors = np.mean([result.p <= 0.05 for result in found])
    assert errors <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)
    assert airports >= LEAST_AIRPORTS or (errors == 0 and all(result.interval is None for result in found))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9), st.integers(0, 10**6), st.booleans())
def test_sign_flip_equals_scipy(count: int, seed: int, rough: bool) -> None:
    """The p of scipy's permutation test of a mean; rounded differences bring ties and zeros."""
    values = np.random.default_rng(seed).normal(0.5, 1, count).round(0 if rough else 9)
    found = sign_flip(values)
    assert found.exact and found.smallest_p == 2.0 ** (1 - count) and found.p >= found.smallest_p
    if count > 1:
        theirs = stats.permutation_test((values,), np.mean, permutation_type="samples", n_resamples=np.inf)
        assert found.p == pytest.approx(theirs.pvalue, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(6, 10), st.integers(0, 10**6))
def test_the_interval_holds_what_the_test_does_not_reject(count: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(0.2, 1, count)
    found = sign_flip(values)
    assert found.interval is not None
    low, high = found.interval
    inside, width = 1e-6 * (high - low), high - low
    for value in (low + inside, (low + high) / 2, high - inside):
        assert sign_flip(values - value).p > 0.05
    for value in (low - inside, high + inside, high + width):
        assert sign_flip(values - value).p <= 0.05
    assert (found.p <= 0.05) == (not low <= 0 <= high)


def test_interval_of_differences_by_brute_force() -> None:
    """Ends are ordered means of all subsets; six airports leave out nothing but what lies beyond them."""
    values = np.array([0.1, 0.2, 0.35, -0.05, 0.4, 0.15])
    means = sorted(np.mean(chosen) for size in range(1, 7) for chosen in itertools.combinations(values, size))
    assert sign_flip(values).interval == pytest.approx((means[0], means[-1]))


def test_many_airports_are_sampled_and_say_so() -> None:
    values = np.random.default_rng(0).normal(0.3, 1, 25)
    found, again = sign_flip(values), sign_flip(values)
    assert not found.exact and found == again, "the same draws each time"
    assert found.p == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=0.02)
    same = sign_flip(np.zeros(8))
    assert same.p == 1 and same.interval == (0, 0)
    with pytest.raises(ValueError, match="one airport"):
        sign_flip(np.zeros(0))


def test_jackknife_by_hand() -> None:
    """On the logit scale a symmetric spread gives Student's interval of pseudo-values."""
    without = 1 / (1 + np.exp(-np.array([-0.2, -0.1, 0.0, 0.1, 0.2, 0.0])))
    error = np.sqrt(5 / 6 * 0.1)
    low, high = jackknife_interval(0.5, without) or (0, 0)
    assert low == pytest.approx(1 / (1 + np.exp(stats.t.ppf(0.975, 5) * error)))
    assert low + high == pytest.approx(1)
    assert jackknife_interval(0.7, np.full(8, 0.7)) is None, "airports that do not differ tell nothing"


def scored(found: dict[str, list[bool]]) -> Evaluation:
    """A picture with one runway for each entry of each airport, found or not."""
    images: list[dict[str, Any]] = []
    notes, rows = [], []
    for airport, hits in found.items():
        for hit in hits:
            number = len(images) + 1
            images.append(
                {"id": number, "file_name": f"{number}.jpg", "width": 99, "height": 99, "airport": airport}
            )
            box = [10.0, 10.0, 40.0, 30.0]
            notes.append({**runway_note(number, box, True, 900.0), "id": number})
            if hit:
                rows.append({"image_id": number, "category_id": 1, "bbox": box, "score": 0.9})
    return Evaluation({"images": images, "annotations": notes, "categories": [{"id": 1}]}, rows)


def test_few_airports_get_no_interval() -> None:
    few = scored({f"A{k}": [True, k > 1] for k in range(5)})
    report = airport_intervals(few, slices(few.truth)["airport"])
    assert report["airports"] == 5 and report["least_airports"] == 6
    assert report["AP50"] is None and report["AP"] is None
    more = scored({f"A{k}": [True, k > 1] for k in range(8)})
    report = airport_intervals(more, slices(more.truth)["airport"])
    low, high = report["AP50"]
    assert low < more.metrics()["AP50"] < high


def test_differences_are_within_airports() -> None:
    """Airports without a value for one model are left out; the sense is second minus first."""
    first = {"A": {"AP": 0.5}, "B": {"AP": 0.25}, "C": {"AP": None}, "D": {"AP": 0.5}}
    second = {"A": {"AP": 0.75}, "B": {"AP": 0.5}, "C": {"AP": 0.5}}
    found = paired_difference(first, second, "AP")
    assert found["airports"] == 2 and found["mean"] == 0.25 and found["airports_better"] == 2
    assert found["p"] == found["smallest_p"] == 0.5 and found["interval"] is None
    assert paired_difference(second, first, "AP")["mean"] == -0.25
    assert paired_difference(first, {}, "AP")["p"] is None


def test_holm_by_hand() -> None:
    assert holm([0.01, None, 0.04, 0.03]) == [0.03, None, pytest.approx(0.06), 0.06]
    assert holm([0.5, 0.9]) == [1.0, 1.0] and holm([]) == []
