"""Conformal statements hold in simulation: runways, airports that differ, pictures, perturbations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import beta

from lard.errors import DataError, ModelError
from lard.robust.clusters import alpha_text, bound, exact_interval, shares_of, smallest_alpha, summary
from lard.robust.contained import average_precisions, contained_precision
from lard.robust.keeping import Certified, firing_score
from lard.robust.margins import Margins, Method, Sides, calibrate, residuals
from lard.robust.matched import NONE, Matched, matched
from lard.robust.risk import picture_risk, pictures_of
from lard.score.evaluation import Evaluation

Floats = NDArray[np.float64]


@settings(deadline=None)
@given(st.integers(0, 10_000), st.floats(0.02, 0.98))
def test_the_bound_is_the_least_value_that_keeps_the_risk(seed: int, alpha: float) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 40))
    values, groups = np.round(rng.normal(size=count), 1), rng.integers(0, 5, count)

    def risk(at: float) -> float:
        shares = shares_of(values > at, groups)
        return float((shares.sum() + 1) / (len(shares) + 1))

    found = bound(values, groups, alpha)
    assert (found < math.inf) == (alpha >= smallest_alpha(groups) - 1e-9)
    if found < math.inf:
        assert found in values and risk(found) <= alpha + 1e-8
        below = values[values < found]
        assert not len(below) or risk(float(below.max())) > alpha - 1e-8
    assert bound(values, groups, alpha, reserve=0.0) <= found


def test_runways_for_themselves_give_the_usual_rank() -> None:
    assert bound(np.arange(9.0), np.arange(9), 0.1) == 8.0
    assert bound(np.arange(8.0), np.arange(8), 0.1) == math.inf
    assert bound(np.arange(99.0), np.arange(99), 0.1) == 89.0
    assert bound(np.array([3.0, np.inf, 1.0]), np.arange(3), 0.5) == 3.0
    assert bound(np.array([3.0, np.inf, 1.0]), np.arange(3), 0.25) == math.inf, "no finite value will do"


def boxes(rng: np.random.Generator, count: int) -> Floats:
    low = rng.uniform(0, 500, (count, 2))
    return np.concatenate((low, low + rng.uniform(8, 80, (count, 2))), axis=1)


def shaken(rng: np.random.Generator, wanted: Floats, spread: Floats | float) -> Floats:
    """Predictions whose sides are off by shares of the size, spread (n,) or one for all."""
    size = np.tile(wanted[:, 2:] - wanted[:, :2], 2)
    return wanted + rng.normal(0, 1, wanted.shape) * size * np.reshape(spread, (-1, 1))


@pytest.mark.parametrize("method", ["additive", "multiplicative"])
@pytest.mark.parametrize("sides", ["together", "each"])
def test_boxes_of_exchangeable_runways_are_held_as_stated(method: Method, sides: Sides) -> None:
    rng, alpha, held = np.random.default_rng(5), 0.2, []
    for _ in range(300):
        wanted = boxes(rng, 160)
        predicted = shaken(rng, wanted, 0.06)
        margins = calibrate(predicted[:60], wanted[:60], alpha, method, sides)
        held.append(margins.holds(predicted[60:], wanted[60:]).mean())
    error = np.std(held) / math.sqrt(len(held))
    assert np.mean(held) >= 1 - alpha - 3 * error
    assert sides == "each" or np.mean(held) <= 1 - alpha + 1 / 61 + 3 * error, "and no better than needed"


def drawn_airports(rng: np.random.Generator, count: int) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Boxes of airports that differ: at some the detector is four times less exact than at others."""
    sizes = rng.integers(5, 60, count)
    spread = 0.04 * np.exp(rng.normal(0, 0.7, count))
    groups = np.repeat(np.arange(count), sizes)
    wanted = boxes(rng, len(groups))
    return shaken(rng, wanted, spread[groups]), wanted, groups


def test_airports_that_differ_need_to_be_the_unit() -> None:
    """With nine airports the clustered margins hold at a new one; those of pooled runways do not."""
    rng, alpha = np.random.default_rng(8), 0.1
    held: dict[str, list[float]] = {"airports": [], "runways": []}
    for _ in range(500):
        predicted, wanted, groups = drawn_airports(rng, 10)
        new = groups == 9
        for unit, names in (("airports", groups[~new]), ("runways", None)):
            margins = calibrate(predicted[~new], wanted[~new], alpha, airports=names)
            held[unit].append(float(margins.holds(predicted[new], wanted[new]).mean()))
    error = np.std(held["airports"]) / math.sqrt(500)
    assert np.mean(held["airports"]) >= 1 - alpha - 3 * error
    assert np.mean(held["runways"]) < 1 - alpha - 2 * error


def test_two_airports_state_nothing_at_ninety_percent() -> None:
    """Pooled runways of two airports cover less than .85 in a third of draws; clustered they are refused."""
    rng, short, held = np.random.default_rng(9), [], []
    for _ in range(400):
        predicted, wanted, groups = drawn_airports(rng, 3)
        new = groups == 2
        pooled = calibrate(predicted[~new], wanted[~new], 0.1)
        short.append(pooled.holds(predicted[new], wanted[new]).mean() < 0.85)
        third = calibrate(predicted[~new], wanted[~new], 1 / 3, airports=groups[~new])
        held.append(third.holds(predicted[new], wanted[new]).mean())
    assert np.mean(short) > 0.25
    assert np.mean(held) >= 2 / 3 - 3 * np.std(held) / math.sqrt(400)
    with pytest.raises(
        DataError, match=r"2 calibration airports .* too few for alpha 0.1; they allow 0.3334"
    ):
        calibrate(predicted[~new], wanted[~new], 0.1, airports=groups[~new])


def scene(rng: np.random.Generator, pictures: int, airports: int) -> Matched:
    """Pictures of one or two runways, some never found, at airports that differ in scores and exactness."""
    airport = rng.integers(0, airports, pictures)
    place = np.repeat(np.arange(pictures), rng.integers(1, 3, pictures))
    easy, spread = rng.normal(1.5, 0.8, airports), 0.03 * np.exp(rng.normal(0, 0.5, airports))
    wanted = boxes(rng, len(place))
    scores = 1 / (1 + np.exp(-rng.normal(easy[airport[place]], 1.0)))
    scores[rng.random(len(place)) < 0.01] = NONE
    predicted = shaken(rng, wanted, spread[airport[place]])
    predicted[scores == NONE] = np.nan
    names = np.array([f"A{k}" for k in airport])
    wrong = np.arange(pictures)
    return Matched(
        wanted, predicted, scores, place, np.arange(len(place)), rng.uniform(0, 0.5, pictures), wrong,
        np.arange(pictures), names,
    )  # fmt: skip


@pytest.mark.parametrize("by_airport", [True, False])
@pytest.mark.parametrize("stated", [None, 0.15])
def test_few_pictures_lose_a_runway_missed_ones_counted(by_airport: bool, stated: float | None) -> None:
    rng, alpha, lost, missed = np.random.default_rng(11), 0.3, [], []
    for _ in range(300):
        whole = scene(rng, 300, 16 if by_airport else 1)
        new = whole.airports == "A0" if by_airport else np.arange(300) >= 200
        rule = picture_risk(whole.of_pictures(~new), alpha, score=stated, by_airport=by_airport)
        if rule.margins is None or rule.score is None:
            lost.append(0.0)
            continue
        fresh = whole.of_pictures(new)
        unseen = fresh.scores < rule.score
        outside = unseen | ~rule.margins.holds(fresh.predicted, fresh.wanted)
        places = np.unique(fresh.pictures)
        lost.append(float(np.mean([outside[fresh.pictures == place].any() for place in places])))
        missed.append(float(np.mean([unseen[fresh.pictures == place].any() for place in places])))
        needs = pictures_of(fresh, "multiplicative")
        assert needs.lost(rule.score, float(rule.margins.sides[0])).mean() == pytest.approx(lost[-1])
    assert np.mean(lost) <= alpha + 3 * np.std(lost) / math.sqrt(len(lost))
    assert np.mean(lost) > 0.1, "not held by refusing"
    if stated is None:
        assert np.mean(missed) <= alpha / 2 + 3 * np.std(missed) / math.sqrt(len(missed))


def test_the_margin_is_learnt_where_one_more_picture_could_put_the_threshold() -> None:
    """Of 19 pictures 4 may be missed, but 5 are lost where the margin is learnt, of 9 that may be lost."""
    wanted = np.tile([0.0, 0.0, 100.0, 100.0], (19, 1))
    short = np.arange(19.0)
    predicted = wanted + np.stack((short, 0 * short, 0 * short, 0 * short), axis=1)
    scores = (1 + (np.arange(19) * 7) % 19) / 20
    each = np.arange(19)
    found = Matched(
        wanted, predicted, scores, each, each, np.empty(0), np.empty(0, np.int64), each,
        np.full(19, "A"),
    )  # fmt: skip
    rule = picture_risk(found, 0.5, "additive", alpha_missed=0.25, by_airport=False)
    assert rule.score == sorted(scores)[4] and rule.margins is not None
    strict = sorted(scores)[5]
    kept = np.sort(short[scores >= strict])
    assert rule.margins.sides[0] == kept[-5], "5 missed there and 4 outside are 9; with the new one 10 of 20"


def test_the_alpha_that_pictures_allow_can_be_had() -> None:
    rng = np.random.default_rng(3)
    whole = scene(rng, 200, 4)
    refused = picture_risk(whole, 0.2)
    assert refused.margins is None and "allow alpha 0.4" in refused.why_not
    allowed = float(refused.why_not.split("allow alpha ")[1].split()[0])
    at = picture_risk(whole, allowed)
    assert at.margins is not None and at.score is not None and 0 <= at.score < 1
    assert picture_risk(whole, allowed - 2e-4).margins is None
    with_score = float(refused.why_not.rsplit("alpha ", 1)[1].split()[0])
    assert with_score < allowed and picture_risk(whole, with_score, score=0.0).margins is not None
    high = picture_risk(whole, 0.3, score=0.9)
    assert high.margins is None and "missed from the score on" in high.why_not
    told = picture_risk(whole, 0.5, alpha_missed=0.1).why_not
    assert "alpha_missed 0.2" in told
    empty = whole.of_runways(np.zeros(len(whole.scores), np.bool_))
    with pytest.raises(DataError, match="no picture has a required runway"):
        picture_risk(empty, 0.3)


def test_firing_holds_when_logits_fall_as_far_as_the_constant_allows() -> None:
    """Clean calibration, test logits lowered by L eps: recall at the lowered threshold is as stated."""
    rng, alpha, eps, model = np.random.default_rng(13), 0.2, 0.3, Certified(1.2, 10.0)
    kept, clean, bare = [], [], []
    for _ in range(400):
        logits = rng.normal(rng.normal(0.1, 0.1, 12)[:, None], 0.1, (12, 30))
        scores = np.round(1 / (1 + np.exp(-model.temperature * logits)), 5)
        groups = np.repeat(np.arange(11), 30)
        score = firing_score(scores[:11].ravel(), groups, alpha)
        assert score is not None
        attacked = 1 / (1 + np.exp(-model.temperature * (logits[11] - model.constant * eps)))
        kept.append((np.round(attacked, 5) >= model.lowered(score, eps) - 5e-6).mean())
        clean.append((scores[11] >= score).mean())
        bare.append((attacked >= score).mean())
    assert np.mean(kept) >= 1 - alpha - 3 * np.std(kept) / 20
    assert (np.array(kept) >= np.array(clean)).all(), "whatever fires on clean pictures goes on firing"
    assert np.mean(bare) < 0.2, "at the clean threshold the attack silences nearly all"


def test_firing_refuses_what_has_no_meaning() -> None:
    assert firing_score(np.array([NONE, 0.5, 0.6]), np.arange(3), 0.3) is None
    assert firing_score(np.array([NONE, 0.5, 0.6]), np.arange(3), 0.5) == 0.5
    assert Certified(1.0, 10.0).lowered(0.4, 0.0) == 0.4
    with pytest.raises(ModelError, match="expected positive"):
        Certified(math.nan, 1.0)
    with pytest.raises(ModelError, match="eps nan"):
        Certified(1.0, 1.0).lowered(0.5, math.nan)


def test_margins_grow_the_side_that_falls_short() -> None:
    """A prediction too far inside on the right grows there; one too large shrinks."""
    wanted = np.tile([10.0, 20.0, 30.0, 40.0], (9, 1))
    predicted = wanted + np.array([0.0, -1.0, -2.0, 0.5])
    margins = calibrate(predicted, wanted, 0.5, "additive", "each")
    assert margins.sides.tolist() == [0.0, -1.0, 2.0, -0.5]
    np.testing.assert_allclose(margins.outer(predicted), wanted)
    assert margins.holds(predicted, wanted).all() and not margins.holds(predicted + 0.1, wanted).any()
    assert residuals(predicted, wanted, "multiplicative")[0].tolist() == pytest.approx(
        [0, -1 / 21.5, 2 / 18, -0.5 / 21.5]
    )
    assert calibrate(predicted, wanted, 0.5, "additive").sides.tolist() == [2.0] * 4


def test_margins_refuse_too_few_and_what_is_no_number() -> None:
    one = np.array([[0.0, 0.0, 5.0, 5.0]] * 3)
    with pytest.raises(DataError, match=r"3 matched runways are too few for alpha 0.1; they allow 0.25"):
        calibrate(one, one, 0.1)
    with pytest.raises(DataError, match="too few for any alpha"):
        calibrate(one, one, 0.9, sides="each")
    for alpha in (0.0, 1.0, 2.0, math.nan):
        with pytest.raises(DataError, match="between 0 and 1"):
            calibrate(one, one, alpha)
    with pytest.raises(DataError, match="not finite"):
        calibrate(one * np.nan, one, 0.5)
    assert alpha_text(1 / 3) == "0.3334" and alpha_text(0.2) == "0.2"


def test_intervals_are_exact() -> None:
    assert exact_interval(0, 0) == (0.0, 1.0)
    for hits, trials in ((0, 5), (5, 5), (3, 17), (45, 50)):
        low, high = exact_interval(hits, trials)
        assert low == pytest.approx(beta.ppf(0.025, hits, trials - hits + 1) if hits else 0)
        assert high == pytest.approx(beta.ppf(0.975, hits + 1, trials - hits) if hits < trials else 1)
    told = summary(np.array([True, False, True, True]), np.array(["a", "a", "a", "b"]))
    assert told["mean_of_airports"] == pytest.approx(5 / 6) and told["pooled"] == 0.75
    assert told["lowest_airport"] == pytest.approx(2 / 3) and told["interval"] is None


def pictures(seed: int, count: int = 40) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Truth with ignored runways, and detections near them, near nothing, and with equal scores."""
    rng = np.random.default_rng(seed)
    notes: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    for image in range(1, count + 1):
        for _ in range(rng.integers(0, 4)):
            x, y, w, h = rng.uniform((5, 5, 20, 15), (50, 50, 45, 40))
            notes.append(
                {
                    "image_id": image,
                    "category_id": 1,
                    "bbox": [x, y, w, h],
                    "iscrowd": int(rng.random() < 0.2),
                }
            )
            for _ in range(rng.integers(0, 3)):
                shift = rng.normal(0, 4, 4)
                box = [x + shift[0], y + shift[1], max(w + shift[2], 3), max(h + shift[3], 3)]
                rows.append({"image_id": image, "bbox": box, "score": round(float(rng.random()), 1)})
        rows.append({"image_id": image, "bbox": [1, 1, 6, 6], "score": round(float(rng.random()), 1)})
    images = [{"id": k, "width": 200, "height": 200, "airport": f"A{k % 3}"} for k in range(1, count + 1)]
    return {"images": images, "annotations": notes, "categories": [{"id": 1}]}, rows


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_boxes_that_need_hold_nothing_have_the_usual_precision(seed: int) -> None:
    """C-AP with no margin and no share asked for is AP50; shares asked for only lower it."""
    truth, rows = pictures(seed)
    usual = Evaluation(truth, rows).metrics()["AP50"]
    found = contained_precision(truth, rows, np.array([0.0, 0.5, 0.8, 1.0]))
    if usual is None:
        assert np.isnan(found).all()
        return
    assert found[0] == pytest.approx(usual, abs=1e-12)
    assert found[-1] <= found[0] + 1e-12


def test_growing_boxes_raises_containment_until_they_overlap_too_little() -> None:
    truth, rows = pictures(4, 120)
    read = matched(truth, rows)
    found = read.of_runways(read.found(0.0))
    by_margin = {}
    for margin in (0.0, 0.15, 1.0):
        grown = Margins("multiplicative", np.full(4, margin), 0.1, 1, 1)
        assert margin == 0 or grown.holds(found.predicted, found.wanted).mean() > 0.5
        moved = []
        for row in rows:
            x, y, w, h = row["bbox"]
            (box,) = grown.outer(np.array([[x, y, x + w, y + h]]))
            moved.append({**row, "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]]})
        by_margin[margin] = average_precisions(truth, moved)["C-AP"]
    assert by_margin[0.15] > by_margin[0.0] and by_margin[0.15] > by_margin[1.0]


def test_matches_are_those_of_average_precision() -> None:
    truth, rows = pictures(6)
    found = matched(truth, rows)
    judged = Evaluation(truth, rows)
    required = [note for note in truth["annotations"] if not note["iscrowd"]]
    assert len(found.scores) == len(required)
    assert [truth["annotations"][place] for place in found.notes] == required
    assert found.found(0.0).sum() == judged.matches().right[0].sum()
    assert np.isnan(found.predicted).all(axis=1).tolist() == (found.scores == NONE).tolist()
    half = found.of_pictures(found.airports == "A1")
    assert set(half.runway_airports.tolist()) <= {"A1"} and len(half.image_ids) == 13 + (40 % 3 >= 1)
    assert found.false_alarms(0.0) == len(found.false_scores) / 40
    late = matched(truth, [row for row in rows if row["score"] >= 0.5])
    assert (late.scores == np.where(found.scores >= 0.5, found.scores, NONE)).all(), (
        "a threshold takes matches away and changes none"
    )
