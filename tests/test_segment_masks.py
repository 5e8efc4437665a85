"""Masks of runways, and knapsacks over what a model sees of them."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from detect_support import SIZE_PX, write_plain, write_toy
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lard.detect.config import TrainSpec
from lard.detect.crops import crops_of
from lard.detect.data import read_pictures
from lard.detect.masks import ELSE, IGNORED, RUNWAY, check_outlines, inside, mask_of
from lard.errors import DataError
from lard.score.truth import read_truth
from lard.segment import knapsack
from lard.segment.knapsack import (
    cost_of_hiding,
    cost_of_iou,
    least_iou,
    least_joint_iou,
    margins_of,
    most_alarms,
    most_missed,
    most_wrong,
)
from lard.segment.reading import Seen, best_score, scores_of


def square(x0: float, y0: float, x1: float, y1: float) -> NDArray[np.float64]:
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])


def test_a_pixel_belongs_to_a_polygon_that_holds_its_centre() -> None:
    assert inside(square(2, 3, 5, 7), 10, 10).sum() == 12
    assert inside(square(2.4, 3, 5.6, 7), 10, 10).sum() == 16  # centres at 2.5 and 5.5
    assert inside(square(2.6, 3, 5.4, 7), 10, 10).sum() == 8
    assert inside(square(-5, -5, 3, 2), 10, 10).sum() == 6  # cut by the picture
    assert not inside(square(20, 20, 30, 30), 10, 10).any()


def test_triangles_that_share_a_diagonal_share_no_pixel_and_leave_none_out() -> None:
    whole = square(1.5, 2.5, 18.5, 27.5)  # edges and diagonal run through centres
    upper, lower = (inside(whole[[0, 1, 2]], 30, 20), inside(whole[[0, 2, 3]], 30, 20))
    assert not (upper & lower).any()
    np.testing.assert_array_equal(upper | lower, inside(whole, 30, 20))


@given(st.lists(st.tuples(st.floats(-20, 120), st.floats(-20, 120)), min_size=3, max_size=3))
@settings(max_examples=60, deadline=None)
def test_the_mask_of_a_triangle_has_its_area_to_a_pixel_of_its_outline(
    points: list[tuple[float, float]],
) -> None:
    corners = np.array(points)
    mask = inside(corners + 20, 140, 140)
    sides = np.roll(corners, -1, axis=0) - corners
    area = abs(sides[0, 0] * sides[1, 1] - sides[0, 1] * sides[1, 0]) / 2
    outline = np.hypot(*sides.T).sum()
    assert abs(mask.sum() - area) <= outline + 4
    np.testing.assert_array_equal(mask, inside(corners[::-1] + 20, 140, 140))  # whichever way it turns


def test_required_runways_lie_over_those_that_do_not_count() -> None:
    mask = mask_of([square(0, 0, 6, 6), square(3, 3, 9, 9)], np.array([True, False]), 10, 10)
    assert (mask == RUNWAY).sum() == 36 and (mask == IGNORED).sum() == 27 and (mask == ELSE).sum() == 37


def test_masks_of_crops_are_those_of_what_the_crops_show(tmp_path: Path) -> None:
    """Bright rectangles on dark ground: after cutting, zooming, mirroring and relighting the same pixels."""
    plan = TrainSpec(crop_px=64, crops_per_image=8, batch=8, processes=1, zoom=1.5)
    checked = 0
    for serial, picture in enumerate(read_pictures(write_plain(tmp_path), "train")):
        for crop in crops_of(picture, serial, plan):
            mask = mask_of(crop.outlines, crop.taught, 64, 64)
            grey = crop.pixels.astype(float).mean(axis=2)
            if not (mask == RUNWAY).any() or (mask == RUNWAY).all():
                continue
            middle = (grey[mask == RUNWAY].mean() + grey[mask == ELSE].mean()) / 2
            apart = ((grey > middle) != (mask == RUNWAY)) & (mask != IGNORED)
            outline = 4 * math.sqrt((mask == RUNWAY).sum()) + 8
            assert apart.sum() <= outline  # resizing blurs edges by a pixel
            checked += 1
    assert checked > 10


@pytest.mark.parametrize(
    ("rings", "told"),
    [
        (None, "has none"),
        ([], "has none"),
        ([[1, 2, 3, 4]], "fewer than three points"),
        ([[0, 0, 1, 0, 1, 1], [5, 5, 6, 5, 6, 6]], "2 rings"),
        ({"counts": "x", "size": [1, 1]}, "is a dict"),
    ],
)
def test_labels_without_one_polygon_are_refused(rings: object, told: str) -> None:
    with pytest.raises(DataError, match=f"test.json: annotation 7: segmentation .*{told}"):
        check_outlines({"annotations": [{"id": 7, "segmentation": rings}]}, "test.json")


def test_labels_with_polygons_pass(tmp_path: Path) -> None:
    check_outlines(read_truth(write_toy(tmp_path) / "coco/train.json"), "train.json")
    assert SIZE_PX == 160


def brute(logits: NDArray[np.float64], truth: NDArray[np.int8], budget: float) -> list[tuple[int, ...]]:
    """Wrong, missed, alarms, intersection and union of every set of pixels that a budget flips."""
    found = []
    for chosen in itertools.product([False, True], repeat=logits.size):
        flips = np.array(chosen)
        if (logits[flips] ** 2).sum() <= budget:
            seen = ((logits > 0) ^ flips) & (truth != IGNORED)
            runway = truth == RUNWAY
            missed, alarms = int((runway & ~seen).sum()), int((seen & ~runway).sum())
            union = int((seen | runway).sum())
            found.append((missed + alarms, missed, alarms, int((seen & runway).sum()), union))
    return found


@given(st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_knapsacks_are_the_worst_of_all_sets_of_pixels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1, (3, 3)).astype(np.float32)
    truth = rng.choice([RUNWAY, RUNWAY, ELSE, IGNORED], (3, 3)).astype(np.int8)
    margins, budget = margins_of(logits, truth, 0.1), float(rng.uniform(0, 4))
    above = (logits.astype(np.float64) - 0.1).ravel()
    every = brute(above, truth.ravel(), budget)
    assert most_wrong(margins, budget) == max(row[0] for row in every)
    assert most_missed(margins, budget) == max(row[1] for row in every)
    assert most_alarms(margins, budget) == max(row[2] for row in every)
    ious = [inter / union for *_, inter, union in every if union]
    least = least_iou(margins, budget)
    assert math.isnan(least) if not ious else least == pytest.approx(min(ious))
    if margins.runway:
        cost = cost_of_iou(margins, 0.4)
        if math.isfinite(cost):
            assert least_iou(margins, cost + 1e-9) <= 0.4
        if cost > 0:
            below = brute(above, truth.ravel(), min(cost, 1e6) - 1e-9)
            assert all(inter / union > 0.4 for *_, inter, union in below if union)
    if len(margins.found):
        cost, wanted = cost_of_hiding(margins, 0.5), math.ceil(len(margins.found) / 2)
        assert most_missed(margins, cost + 1e-9) >= margins.missed + wanted
        assert most_missed(margins, cost - 1e-9) < margins.missed + wanted


@given(st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_the_joint_iou_is_the_worst_of_all_choices_of_pictures(seed: int) -> None:
    rng = np.random.default_rng(seed)
    every = []
    for _ in range(3):
        logits, truth = rng.normal(0, 1, (2, 3)), rng.choice([RUNWAY, ELSE], (2, 3)).astype(np.int8)
        every.append((logits.astype(np.float32), truth, float(rng.uniform(0, 3))))
    margins = [margins_of(logits, truth, 0.0) for logits, truth, _ in every]
    ways = [
        {row[3:] for row in brute(logits.astype(np.float64).ravel(), truth.ravel(), budget)}
        for logits, truth, budget in every
    ]
    ratios = []
    for chosen in itertools.product(*ways):
        inter, union = (sum(column) for column in zip(*chosen, strict=True))
        ratios += [inter / union] if union else []
    found = least_joint_iou(margins, [budget for *_, budget in every])
    assert math.isnan(found) if not ratios else found == pytest.approx(min(ratios))


def test_pixels_that_are_not_held_count_for_the_attacker(monkeypatch: pytest.MonkeyPatch) -> None:
    """With fewer silent pixels held every bound is as bad or worse, never better."""
    rng = np.random.default_rng(3)
    logits = rng.normal(-0.4, 0.5, (20, 20)).astype(np.float32)
    truth = (rng.random((20, 20)) < 0.2).astype(np.int8)
    whole = margins_of(logits, truth, 0.0)
    monkeypatch.setattr(knapsack, "HELD", 25)
    few = margins_of(logits, truth, 0.0)
    assert len(few.silent) == 25 < few.silent_count == whole.silent_count
    for budget in np.linspace(0, 30, 25):
        assert most_wrong(few, budget) >= most_wrong(whole, budget)
        assert most_alarms(few, budget) >= most_alarms(whole, budget)
        assert least_iou(few, budget) <= least_iou(whole, budget)
    assert most_alarms(few, 30.0) == few.alarms + few.silent_count
    assert cost_of_iou(few, 0.01) <= cost_of_iou(whole, 0.01)


def test_the_best_score_is_that_of_the_largest_iou() -> None:
    rng = np.random.default_rng(5)
    seen, logits, truths = [], [], []
    for _ in range(3):
        truth = rng.choice([RUNWAY, ELSE, ELSE, IGNORED], (30, 30)).astype(np.int8)
        drawn = (rng.normal(0, 1, truth.shape) + 1.2 * (truth == RUNWAY) - 1).astype(np.float32)
        seen.append(Seen(margins_of(drawn, truth, 0.0), None, scores_of(drawn, truth)))
        logits.append(drawn)
        truths.append(truth)
    z, truth = np.array(logits, np.float64), np.array(truths)
    ious = {}
    for score in np.arange(1, 100) / 100:
        found = (z > np.log(score / (1 - score))) & (truth != IGNORED)
        union = (found | (truth == RUNWAY)).sum()
        ious[float(score)] = (found & (truth == RUNWAY)).sum() / union
    score, iou = best_score(seen)
    assert iou == pytest.approx(max(ious.values())) and ious[score] == pytest.approx(iou)
