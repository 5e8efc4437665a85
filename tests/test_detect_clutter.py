"""Clutter changes everything but the runways, by its generator alone."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lard.detect.clutter import PARTS, clutter, fractal, kept

PAINTED = tuple(part for part in PARTS if part != "camera")
RUNWAY = np.array([[60.0, 30.0], [70.0, 30.0], [95.0, 120.0], [40.0, 120.0]])


def _grey(side: int = 128) -> np.ndarray:
    picture = np.full((side, side, 3), 120, np.uint8)
    return cv2.fillPoly(picture, [RUNWAY.astype(np.int32)], (60, 62, 64))


def _on_runway(side: int = 128) -> np.ndarray:
    mask = np.zeros((side, side), np.uint8)
    return cv2.fillPoly(mask, [RUNWAY.astype(np.int32)], 1).astype(bool)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_no_painted_part_touches_a_runway(seed: int) -> None:
    before = _grey()
    after = clutter(before, [RUNWAY], np.random.default_rng(seed), PAINTED)
    assert after.dtype == np.uint8 and after.shape == before.shape
    assert np.array_equal(after[_on_runway()], before[_on_runway()])


@pytest.mark.parametrize("part", PARTS)
def test_each_part_changes_pictures_on_its_own(part: str) -> None:
    changed = [
        not np.array_equal(clutter(_grey(), [RUNWAY], np.random.default_rng(seed), (part,)), _grey())
        for seed in range(40)
    ]
    assert sum(changed) >= 5


def test_a_part_left_out_leaves_the_draws_of_the_others() -> None:
    for seed in range(20):
        alone = clutter(_grey(), [RUNWAY], np.random.default_rng(seed), ("text",))
        beside = clutter(_grey(), [RUNWAY], np.random.default_rng(seed), ("houses", "text"))
        without = clutter(_grey(), [RUNWAY], np.random.default_rng(seed), ("houses",))
        lettering = (alone != _grey()).any(axis=2)
        plain = (without == _grey()).all(axis=2)
        assert np.array_equal(beside[lettering & plain], alone[lettering & plain])


def test_nothing_asked_for_changes_nothing() -> None:
    assert np.array_equal(clutter(_grey(), [RUNWAY], np.random.default_rng(1), ()), _grey())


def test_pictures_without_runways_may_change_everywhere() -> None:
    assert not kept((40, 50), []).any()
    assert clutter(np.zeros((64, 64, 3), np.uint8), [], np.random.default_rng(0), PARTS).shape == (64, 64, 3)


def test_polygons_far_outside_the_crop_are_no_fault() -> None:
    far = RUNWAY * 1e6
    assert kept((32, 32), [far, -far]).shape == (32, 32)


@given(
    height=st.integers(1, 70), width=st.integers(1, 70), seed=st.integers(0, 9999), rough=st.floats(0.3, 1.0)
)
@settings(max_examples=50, deadline=None)
def test_fractals_are_finite_and_normalised(height: int, width: int, seed: int, rough: float) -> None:
    noise = fractal((height, width), np.random.default_rng(seed), rough)
    assert noise.shape == (height, width)
    assert np.isfinite(noise).all()
    assert abs(float(noise.mean())) < 1e-3
