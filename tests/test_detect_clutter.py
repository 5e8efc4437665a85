"""Clutter changes everything but the runways, by its generator alone."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lard.detect.clutter import PARTS, USUAL, clutter, fractal, kept
from lard.detect.config import TrainSpec
from lard.detect.lookalikes import gaps, panes, smear

PAINTED = tuple(part for part in PARTS if part not in ("camera", "smear"))
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


def test_later_parts_are_for_those_who_ask_for_them() -> None:
    """A recipe that names none gives the crops it gave before there were others."""
    assert TrainSpec().clutter_parts == USUAL == PARTS[: len(USUAL)]
    for seed in range(10):
        usual = clutter(_grey(), [RUNWAY], np.random.default_rng(seed), USUAL)
        more = clutter(_grey(), [RUNWAY], np.random.default_rng(seed), PARTS)
        again = clutter(_grey(), [RUNWAY], np.random.default_rng(seed), PARTS)
        assert np.array_equal(more, again)
        painted = tuple(part for part in USUAL if part != "camera")
        before = clutter(_grey(), [RUNWAY], np.random.default_rng(seed), painted)
        after = clutter(_grey(), [RUNWAY], np.random.default_rng(seed), (*painted, "gaps", "panes"))
        assert np.array_equal(before[_on_runway()], after[_on_runway()])
        assert usual.shape == more.shape


@pytest.mark.parametrize("paint", [gaps, panes])
def test_what_looks_like_a_runway_is_light_beside_dark(paint: Callable[..., np.ndarray]) -> None:
    """On mid grey both appear in nearly every crop: what is lighter by 20 levels, what is darker by 20."""
    grey = np.full((96, 128, 3), 100, np.float32)
    lighter = darker = 0
    for seed in range(60):
        painted = paint(grey.copy(), np.random.default_rng(seed))
        assert painted.shape == grey.shape and np.isfinite(painted).all()
        assert painted.min() > -1 and painted.max() < 256
        lighter += bool((painted.mean(axis=2) > 120).any())
        darker += bool((painted.mean(axis=2) < 80).any())
    assert lighter >= 45 and darker >= 45


def test_smeared_pictures_keep_their_scene_and_lose_detail() -> None:
    rng = np.random.default_rng(3)
    fine = rng.integers(0, 256, (96, 128, 3), dtype=np.uint8)
    broad = np.repeat(np.linspace(40, 210, 128)[None, :, None], 96, axis=0).repeat(3, axis=2).astype(np.uint8)
    for seed in range(25):
        seen = smear(fine, np.random.default_rng(seed)).astype(float)
        assert seen.shape == fine.shape and np.array_equal(seen, smear(fine, np.random.default_rng(seed)))
        detail = np.abs(np.diff(seen, axis=1)).mean()
        assert detail < 0.75 * np.abs(np.diff(fine.astype(float), axis=1)).mean()
        scene = smear(broad, np.random.default_rng(seed)).mean(axis=(0, 2))
        assert np.corrcoef(scene, broad[0, :, 0])[0, 1] > 0.97


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 200, 3), (9, 8, 3)])
def test_small_and_narrow_crops_are_painted_too(shape: tuple[int, int, int]) -> None:
    for seed in range(30):
        assert clutter(np.full(shape, 90, np.uint8), [], np.random.default_rng(seed), PARTS).shape == shape
