"""Scores of a picture's detections against each other: scales that agree, rivals in the same picture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from detect_support import write_random_model, write_toy
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import lard.detect
from lard.cli import main
from lard.detect.config import PredictSpec
from lard.detect.predict import predict
from lard.detect.rescoring import FAINT, RIVALS, against_rivals, agreed, chosen
from lard.errors import ModelError

NMS_IOU = PredictSpec().nms_iou
SCENE = np.full((80, 120, 3), 40, np.uint8)
SCENE[20:30, 50:70] = 230


def test_scales_that_agree_raise_a_runway_above_what_one_of_them_takes_for_one() -> None:
    """By hand: seen twice (.6, .4) means .5; seen once, at .9, .45; the box is that of the better look."""
    first = np.array([[10.0, 10, 30, 30], [100.0, 10, 120, 30]]), np.array([0.6, 0.9])
    second = np.array([[12.0, 10, 32, 30]]), np.array([0.4])
    boxes, scores = agreed([first, second], NMS_IOU)
    assert boxes.tolist() == [[10, 10, 30, 30], [100, 10, 120, 30]] and np.allclose(scores, [0.5, 0.45])
    for plan in (PredictSpec(score_floor=0.46), PredictSpec(max_boxes=1)):
        kept, score = chosen((boxes, scores), plan)
        assert kept.tolist() == [[10, 10, 30, 30]] and np.allclose(score, [0.5])
    one, score = agreed([first], NMS_IOU)
    assert score.tolist() == [0.9, 0.6] and one.tolist() == first[0][::-1].tolist()
    none = np.zeros((0, 4)), np.zeros(0)
    assert [len(part) for part in agreed([none, none], NMS_IOU)] == [0, 0]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_agreement_is_a_choice_of_boxes_with_scores_no_higher_than_before(seed: int, looks: int) -> None:
    rng = np.random.default_rng(seed)
    views = []
    for _ in range(looks):
        low = rng.uniform(0, 60, (rng.integers(0, 12), 2))
        views.append(
            (np.concatenate((low, low + rng.uniform(1, 30, low.shape)), axis=1), rng.random(len(low)))
        )
    boxes, scores = agreed(views, NMS_IOU)
    every = np.concatenate([found for found, _ in views])
    given_scores = np.concatenate([score for _, score in views])
    assert (np.diff(scores) <= 0).all()
    for box, score in zip(boxes, scores, strict=True):
        own = given_scores[(every == box).all(axis=1)]
        assert own.max() / looks <= score + 1e-12 and score <= own.max() + 1e-12
    again, same = agreed([(boxes, scores)], NMS_IOU)
    assert np.array_equal(again, boxes) and np.array_equal(same, scores)  # nothing overlaps any more
    turned, alike = agreed(views[::-1], NMS_IOU)
    assert np.allclose(alike, scores) and len(turned) == len(boxes)


def test_a_threshold_between_one_look_and_the_mean_loses_no_agreed_runway(tmp_path: Path) -> None:
    """What a detector finds at several scales above a score is what it finds above none, cut there."""
    model = write_random_model(tmp_path / "m.pt")
    plan = PredictSpec(scales=(1.0, 2.0))
    whole = lard.detect.load(model, score=0.0, plan=plan).detect(SCENE)
    middle = float(np.median(whole.scores))
    above = lard.detect.load(model, score=middle, plan=plan).detect(SCENE)
    assert len(above) and above.scores.tolist() == whole.scores[whole.scores >= middle].tolist()


def test_blended_scales_have_the_geometric_mean_and_the_boxes_between() -> None:
    """By hand: .9 and .4 mean .6, the box is 9 : 4 between theirs; seen once, sqrt(.8 FAINT), its own box."""
    first = np.array([[10.0, 10, 30, 30], [100.0, 10, 120, 30]]), np.array([0.9, 0.8])
    second = np.array([[12.0, 10, 32, 36], [10.0, 14, 30, 30]]), np.array([0.4, 0.3])
    boxes, scores = agreed([first, second], NMS_IOU, blend=True)
    assert np.allclose(scores, [0.6, np.sqrt(0.8 * FAINT)])
    between = (0.9 * first[0][0] + 0.4 * second[0][0]) / 1.3
    assert np.allclose(boxes, [between, first[0][1]])
    one, same = agreed([first], NMS_IOU, blend=True)
    assert one.tolist() == first[0].tolist() and same.tolist() == first[1].tolist()
    none = np.zeros((0, 4)), np.zeros(0)
    assert [len(part) for part in agreed([none, none], NMS_IOU, blend=True)] == [0, 0]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 4))
def test_blends_stay_within_what_the_looks_found(seed: int, looks: int) -> None:
    """No score above the plain mean but for FAINT; boxes within the hull; any order of looks."""
    rng = np.random.default_rng(seed)
    views = []
    for _ in range(looks):
        low = rng.uniform(0, 60, (rng.integers(0, 12), 2))
        found = np.concatenate((low, low + rng.uniform(1, 30, low.shape)), axis=1)
        views.append((found, rng.uniform(FAINT, 1, len(low))))
    boxes, scores = agreed(views, NMS_IOU, blend=True)
    assert (np.diff(scores) <= 0).all() and len(boxes) == len(agreed(views, NMS_IOU)[0])
    if len(boxes):
        every = np.concatenate([found for found, _ in views])
        assert (boxes >= every.min(axis=0) - 1e-9).all() and (boxes <= every.max(axis=0) + 1e-9).all()
        assert scores.max() <= max(score.max() for _, score in views if len(score)) + 1e-12
        plain = np.sort(agreed(views, NMS_IOU)[1])[::-1]
        assert (scores <= plain + FAINT).all()
    turned, alike = agreed(views[::-1], NMS_IOU, blend=True)
    assert np.allclose(alike, scores) and len(turned) == len(boxes)


def boxes_of(count: int) -> np.ndarray:
    """Boxes (count, 4) that do not overlap."""
    return np.array([[30.0 * k, 0, 30.0 * k + 10, 10] for k in range(count)]).reshape(-1, 4)


def odds(scores: np.ndarray) -> np.ndarray:
    return scores / (1 - scores)


def test_a_relative_score_is_the_odds_over_the_mean_of_the_best() -> None:
    """By hand: odds 8, 2, 1, 1, 1, 1/4; the geometric mean of the best five is 16^(1/5)."""
    given_odds = np.array([8, 2, 1, 1, 1, 0.25])
    boxes, scores = against_rivals((boxes_of(6), given_odds / (1 + given_odds)))
    assert np.array_equal(boxes, boxes_of(6))
    assert np.allclose(odds(scores), given_odds / 16**0.2)


def test_a_runway_alone_stands_out_from_what_is_too_faint_to_be_found() -> None:
    _, alone = against_rivals((boxes_of(1), np.array([0.5])))
    _, beside = against_rivals((boxes_of(9), np.array([0.5] + [FAINT / 2] * 8)))
    _, among = against_rivals((boxes_of(9), np.full(9, 0.5)))
    assert np.isclose(odds(alone[0]), (odds(np.array(FAINT)) ** -(1 - 1 / RIVALS)))
    assert np.isclose(alone[0], beside[0]) and np.allclose(among, 0.5)
    _, sure = against_rivals((boxes_of(3), np.array([1.0, 0.3, 0.0])))
    assert np.isfinite(sure).all() and (np.diff(sure) < 0).all()
    assert len(against_rivals((boxes_of(0), np.zeros(0)))[1]) == 0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.2, 5))
def test_what_raises_all_odds_alike_changes_no_relative_score(seed: int, gain: float) -> None:
    """The order within a picture stays, and a common factor of all odds is gone."""
    rng = np.random.default_rng(seed)
    scores = np.sort(rng.uniform(0.1, 0.9, rng.integers(RIVALS, 20)))[::-1]
    raised = odds(scores) * gain
    _, plain = against_rivals((boxes_of(len(scores)), scores))
    _, other = against_rivals((boxes_of(len(scores)), raised / (1 + raised)))
    assert np.allclose(plain, other) and (np.diff(plain) <= 0).all()
    assert plain[0] >= 0.5


def test_relative_scores_in_pictures_and_datasets(tmp_path: Path) -> None:
    """The same boxes as without, scored by what stands beside them, in both forms of the command."""
    model, toy = write_random_model(tmp_path / "m.pt"), write_toy(tmp_path / "data")
    predict(model, toy, tmp_path / "plain.json", PredictSpec(score_floor=0.0))
    predict(model, toy, tmp_path / "relative.json", PredictSpec(score_floor=0.0, relative=True))
    plain, other = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("plain", "relative"))
    for image in {row["image_id"] for row in plain}:
        own = sorted((-row["score"], row["bbox"]) for row in plain if row["image_id"] == image)
        _, wanted = against_rivals((boxes_of(len(own)), -np.array([score for score, _ in own])))
        found = {tuple(row["bbox"]): row["score"] for row in other if row["image_id"] == image}
        assert found.keys() == {tuple(bbox) for _, bbox in own}
        assert np.allclose([found[tuple(bbox)] for _, bbox in own], wanted, atol=1e-3)


def test_relative_scores_want_a_threshold_of_their_own(tmp_path: Path) -> None:
    model = write_random_model(tmp_path / "m.pt")
    with pytest.raises(
        ModelError, match="no card states an operating point of this search, relative scores; give a score"
    ):
        lard.detect.load(model, plan=PredictSpec(relative=True))
    Image.fromarray(SCENE).save(tmp_path / "p.png")
    command = ["predict", str(model), str(tmp_path / "p.png"), "--relative"]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 2 and "give a score" in done.stderr and not done.stdout
    done = CliRunner().invoke(main, [*command, "--score", "0.45", "--scales", "1,2"])
    assert done.exit_code == 0, done.output
    blended = CliRunner().invoke(main, [*command, "--score", "0.45", "--scales", "1,2", "--blend"])
    assert blended.exit_code == 0 and blended.stdout != done.stdout, blended.output
    alone = CliRunner().invoke(main, [*command, "--score", "0.45", "--blend"])
    assert alone.exit_code == 2 and "add --scales 1,2" in alone.stderr
    found = json.loads(done.stdout)["detections"]
    assert found and all(row["score"] >= 0.45 for row in found)
