"""Slices, calibration, runways mistaken for one another and errors of boxes, on scenes worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from detect_support import runway_note
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from lard.score.diagnosis import calibration, confusion, localisation
from lard.score.evaluation import AREAS_PX2, Evaluation
from lard.score.points import best_f1, measured_at
from lard.score.scores import scores
from lard.score.slices import slices
from lard.score.truth import roles_of_verdict, roles_outside_absent

FOCAL_PX = 800.0


def image(image_id: int, **known: Any) -> dict[str, Any]:
    camera = {"fx_px": FOCAL_PX, "fy_px": FOCAL_PX, "cx_px": 500.0, "cy_px": 500.0}
    return {
        "id": image_id,
        "file_name": f"{image_id}.jpg",
        "width": 1000,
        "height": 1000,
        "camera": camera,
        **known,
    }


def truth_of(images: list[dict[str, Any]], notes: list[dict[str, Any]]) -> dict[str, Any]:
    numbered = [{**note, "id": k + 1} for k, note in enumerate(notes)]
    return {"images": images, "annotations": numbered, "categories": [{"id": 1, "name": "runway"}]}


def row(image_id: int, box: list[float], score: float) -> dict[str, Any]:
    return {"image_id": image_id, "category_id": 1, "bbox": box, "score": score}


LEFT, RIGHT, AWAY = [100.0, 100.0, 40.0, 40.0], [300.0, 100.0, 40.0, 30.0], [700.0, 700.0, 20.0, 20.0]


def test_the_parallel_instead_of_the_target() -> None:
    """Four pictures of target (left, nearer) and parallel: both found, only one, none, a wrong place."""
    notes = [
        note
        for k in range(1, 5)
        for note in (runway_note(k, LEFT, True, 900.0), runway_note(k, RIGHT, False, 1500.0, "OUT_OF_ODD"))
    ]
    alone = runway_note(5, LEFT, True, 900.0)
    truth = truth_of([image(k) for k in range(1, 6)], [*notes, alone])
    rows = [
        row(1, LEFT, 0.9), row(1, RIGHT, 0.8), row(2, RIGHT, 0.9), row(3, LEFT, 0.1), row(4, AWAY, 0.9),
        row(4, LEFT, 0.8), row(5, LEFT, 0.9),
    ]  # fmt: skip
    table = confusion(Evaluation(truth, rows), 0.5)
    assert table["images"] == 4, "a picture with one runway cannot confuse"
    assert table["best_detection"] == {"target": 1, "other": 1, "background": 1, "nothing": 1}
    assert table["target"] == {"found": 2, "other_instead": 1, "missed": 1}
    assert table["order"] == {"1": {"runways": 4, "found": 2}}, "only required runways are counted"


def test_operating_point_and_calibration_by_hand() -> None:
    truth = truth_of(
        [image(1), image(2)], [runway_note(1, LEFT, True, 900.0), runway_note(2, LEFT, True, 900.0)]
    )
    rows = [row(1, LEFT, 0.95), row(2, AWAY, 0.85), row(2, LEFT, 0.75), row(2, RIGHT, 0.15)]
    evaluation = Evaluation(truth, rows)
    assert best_f1(evaluation) == 0.75
    point = measured_at(evaluation, 0.75)
    assert point["recall"] == 1 and point["precision"] == pytest.approx(2 / 3)
    assert point["f1"] == pytest.approx(0.8) and point["false_alarms_per_image"] == 0.5
    table = calibration(evaluation, 0.0)
    assert table["detections"] == 4 and [bin_["detections"] for bin_ in table["bins"]] == [0, 1] + [0] * 5 + [
        1,
        1,
        1,
    ]
    assert table["ECE"] == pytest.approx((0.15 + 0.25 + 0.85 + 0.05) / 2), "per runway found"
    above = calibration(evaluation, 0.75)
    assert above["detections"] == 3 and above["ECE"] == pytest.approx((0.05 + 0.25 + 0.85) / 2)
    nothing = Evaluation(truth, [])
    assert best_f1(nothing) is None and calibration(nothing, 0.5)["ECE"] is None
    assert "localisation" not in scores(truth, []) and scores(truth, [])["overall"]["AP"] == 0


def test_scores_that_are_probabilities_have_no_calibration_error() -> None:
    rng = np.random.default_rng(2)
    images, notes, rows = [], [], []
    for k in range(1, 2001):
        images.append(image(k))
        notes.append(runway_note(k, LEFT, True, 900.0))
        chance = float(rng.uniform())
        rows.append(row(k, LEFT if rng.uniform() < chance else AWAY, chance))
    assert calibration(Evaluation(truth_of(images, notes), rows), 0.0)["ECE"] < 0.08


def test_errors_of_boxes_by_hand() -> None:
    """A box 8 px to the right at the centre of the picture, 1000 m away: atan(8 / 800), and 10 m."""
    at = [480.0, 490.0, 40.0, 20.0]
    truth = truth_of([image(1)], [runway_note(1, at, True, 1000.0)])
    shifted = [488.0, 490.0, 40.0, 20.0]
    found = localisation(Evaluation(truth, [row(1, shifted, 0.9)]), 0.5)
    assert found["matched"] == 1
    assert found["corner_px"]["median"] == found["centre_px"]["median"] == pytest.approx(8)
    assert found["bearing_deg"]["median"] == pytest.approx(math.degrees(math.atan(8 / FOCAL_PX)))
    assert found["offset_m"]["median"] == pytest.approx(10)
    grown = [478.0, 490.0, 44.0, 20.0]  # the centre stays, each corner moves by 2 px
    found = localisation(Evaluation(truth, [row(1, grown, 0.9)]), 0.5)
    assert found["centre_px"]["median"] == 0 and found["corner_px"]["median"] == pytest.approx(2)
    assert localisation(Evaluation(truth, [row(1, at, 0.2)]), 0.5)["matched"] == 0
    unknown = truth_of([{**image(1), "camera": None}], [runway_note(1, at, True, 1000.0)])
    assert "bearing_deg" not in localisation(Evaluation(unknown, [row(1, at, 0.9)]), 0.5)


def test_verdicts_and_protocols_change_what_counts() -> None:
    truth = truth_of(
        [image(1)], [runway_note(1, LEFT, True, 900.0), runway_note(1, RIGHT, False, 900.0, "OUT_OF_ODD")]
    )
    both = [row(1, RIGHT, 0.9), row(1, LEFT, 0.8)]
    evaluation = Evaluation(truth, both)
    assert evaluation.metrics()["AP"] == pytest.approx(1), "the other runway is ignored"
    assert evaluation.with_roles(roles_outside_absent(truth)).metrics()["AP"] == pytest.approx(0.5)
    outside = evaluation.with_roles(roles_of_verdict(truth, "OUT_OF_ODD"))
    assert outside.metrics()["AP"] == pytest.approx(1) and outside.metrics()["boxes"] == 1
    report = scores(truth, both)
    assert report["slices"]["verdict"]["OUT_OF_ODD"]["AP"] == pytest.approx(1)
    assert report["slices"]["protocol"]["runways out of ODD count as background"]["AP"] == pytest.approx(0.5)
    assert report["slices"]["protocol"]["every visible runway required"]["boxes"] == 2


def test_slices_by_light_time_and_runways_in_view() -> None:
    """At the equator in March: high sun at noon, none at 1 in the night, just below the horizon at 18:20."""
    at = {"pose": {"lat_deg": 0.0, "lon_deg": 30.0}}
    times = ("2024-03-21T10:00:00Z", "2024-03-20T23:00:00Z", "2024-03-21T16:20:00Z")
    images = [
        image(k + 1, time_utc=time, source="ab"[k % 2], zone="far", **at) for k, time in enumerate(times)
    ]
    notes = [
        runway_note(1, LEFT, True, 900.0), runway_note(1, RIGHT, False, 900.0, "OUT_OF_ODD"),
        runway_note(2, LEFT, True, 5500.0),
    ]  # fmt: skip
    found = slices(truth_of(images, notes))
    assert found["light"] == {"day": [1], "night": [2], "dusk": [3]}
    assert found["solar_time"] == {"12-15 h": [1], "00-06 h": [2], "18-24 h": [3]}
    assert found["in_view"] == {"2": [1], "1": [2], "0": [3]} and found["runways"] == {"1": [1, 2], "0": [3]}
    assert found["distance"] == {"0-1 km": [1], "over 5 km": [2]} and found["source"] == {
        "a": [1, 3],
        "b": [2],
    }
    assert "zone" not in found and "airport" not in found, "one zone for all says nothing more than the whole"


def test_times_that_cannot_be_read_give_no_slice() -> None:
    images = [
        image(1, time_utc="noon", pose={"lat_deg": 0, "lon_deg": 0}),
        image(2, time_utc="2024-03-21T10:00:00Z"),
    ]
    assert "light" not in slices(truth_of(images, []))


def scene(seed: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Random pictures, runways (some ignorable) and detections of all sizes, equal scores among them."""
    rng = np.random.default_rng(seed)
    images = [image(k + 1) for k in range(int(rng.integers(1, 6)))]
    notes, rows = [], []
    for picture in images:
        for _ in range(int(rng.integers(0, 4))):
            box = [*rng.uniform(0, 100, 2).tolist(), *rng.uniform(4, 90, 2).tolist()]
            verdict = "IN_ODD" if rng.random() < 0.6 else "OUT_OF_ODD"
            notes.append(runway_note(picture["id"], box, False, 1000.0, verdict))
            for _ in range(int(rng.integers(0, 4))):
                near = (np.array(box) * rng.uniform(0.85, 1.15, 4)).tolist()
                rows.append(row(picture["id"], near, float(np.round(rng.random(), 1))))
        for _ in range(int(rng.integers(0, 3))):
            box = [*rng.uniform(0, 100, 2).tolist(), *rng.uniform(4, 90, 2).tolist()]
            rows.append(row(picture["id"], box, float(np.round(rng.random(), 1))))
    return truth_of(images, notes), rows


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_any_scene_scores_as_pycocotools_says(seed: int) -> None:
    import contextlib
    import io

    truth, rows = scene(seed)
    if not rows:
        return
    evaluation = Evaluation(truth, rows)
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = truth
        coco.createIndex()
        judge = COCOeval(coco, coco.loadRes([dict(r) for r in rows]), "bbox")
        judge.params.areaRng = [list(limits) for limits in AREAS_PX2.values()]
        judge.params.areaRngLbl = list(AREAS_PX2)
        judge.evaluate()
        judge.accumulate()
    for place, area in enumerate(AREAS_PX2):
        precision, recall = evaluation.curves(evaluation.images, area)
        assert np.abs(precision - judge.eval["precision"][:, :, 0, place, -1]).max() < 1e-9
        assert np.abs(recall - judge.eval["recall"][:, 0, place, :]).max() < 1e-9


def test_more_than_a_hundred_detections_of_a_picture_are_cut() -> None:
    truth = truth_of([image(1)], [runway_note(1, LEFT, True, 900.0)])
    rows = [row(1, AWAY, 0.9)] * 100 + [row(1, LEFT, 0.5)]
    evaluation = Evaluation(truth, rows)
    assert len(evaluation.scores) == 100 and evaluation.metrics()["AR100"] == 0
    assert evaluation.rows.tolist() == list(range(100))
