"""Operating points come from validation pictures, and one point serves everything that needs a threshold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from detect_support import runway_note, write_toy_to_tune
from hypothesis import given, settings
from hypothesis import strategies as st

from lard.cli import main
from lard.errors import DataError
from lard.score.diagnosis import calibration
from lard.score.evaluation import Evaluation
from lard.score.points import (
    best_f1,
    by_budget,
    chosen_by,
    chosen_on_validation,
    chosen_threshold,
    measured_at,
    operating_points,
    point_of,
    stated,
)
from lard.score.scores import score, scores
from lard.score.truth import read_truth

HIT, AWAY = [100.0, 100.0, 40.0, 40.0], [700.0, 700.0, 20.0, 20.0]


def world(seed: int, images: int = 30) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Pictures of one runway each; right and wrong detections, of rough scores so that some are equal."""
    rng = np.random.default_rng(seed)
    pictures = [
        {"id": k, "file_name": f"{k}.jpg", "width": 1000, "height": 1000} for k in range(1, images + 1)
    ]
    notes = [{**runway_note(k, HIT, True, 900.0), "id": k} for k in range(1, images + 1)]
    rows = []
    for k in range(1, images + 1):
        for _ in range(int(rng.integers(0, 4))):
            right = rng.random() < 0.5
            known = float(np.clip(rng.normal(0.6 if right else 0.3, 0.2), 0, 1).round(2))
            rows.append({"image_id": k, "category_id": 1, "bbox": HIT if right else AWAY, "score": known})
    return {"images": pictures, "annotations": notes, "categories": [{"id": 1, "name": "runway"}]}, rows


def counted(rows: list[dict[str, Any]], point: float) -> tuple[int, int]:
    """Right and wrong detections of a score or above, one right at most per picture; by plain counting."""
    right, wrong = set(), 0
    for row in sorted(rows, key=lambda row: -row["score"]):
        if row["score"] >= point:
            if row["bbox"] == HIT and row["image_id"] not in right:
                right.add(row["image_id"])
            else:
                wrong += 1
    return len(right), wrong


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.05, 0.1, 0.5, 2.0]))
def test_points_are_the_best_of_all_thresholds(seed: int, budget: float) -> None:
    """Against trying every score: the lowest within the budget, and the best F1."""
    truth, rows = world(seed)
    judged, images = Evaluation(truth, rows), len(truth["images"])
    tried = {row["score"]: counted(rows, row["score"]) for row in rows}
    within = [point for point, (_, wrong) in tried.items() if wrong <= budget * images]
    found = by_budget(judged, budget)
    assert found == (min(within) if within else None)
    f1 = {point: 2 * right / (right + wrong + images) for point, (right, wrong) in tried.items()}
    best = best_f1(judged)
    assert best is None if not any(f1.values()) else f1[best] == max(f1.values())  # type: ignore[index]
    if found is not None:
        at = measured_at(judged, found)
        assert (at["found"], at["false_alarms"]) == tried[found]
        assert at["false_alarms_per_image"] <= budget + 1e-12


def test_scores_of_many_digits_keep_the_budget() -> None:
    """The threshold is written with six decimals and never lets in one detection more."""
    truth, _ = world(0, 10)
    close = 0.1234567
    rows = [
        {"image_id": 1, "category_id": 1, "bbox": AWAY, "score": close},
        {"image_id": 2, "category_id": 1, "bbox": AWAY, "score": close - 1e-8},
    ]
    found = by_budget(Evaluation(truth, rows), 0.1)
    assert found is None or measured_at(Evaluation(truth, rows), found)["false_alarms"] <= 1
    assert by_budget(Evaluation(truth, [{**rows[0], "score": 0.9}]), 0.01) is None, "no score is good enough"


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_boxes_of_no_score_change_neither_point_nor_calibration(seed: int) -> None:
    """Ten boxes of score 0 in each picture: the plain error would fall to nothing."""
    truth, rows = world(seed)
    padded = rows + [
        {"image_id": image["id"], "category_id": 1, "bbox": [10.0 * k, 5.0, 8.0, 8.0], "score": 0.0}
        for image in truth["images"]
        for k in range(10)
    ]
    plain, full = Evaluation(truth, rows), Evaluation(truth, padded)
    for budget in (0.1, 0.3):
        assert by_budget(plain, budget) == by_budget(full, budget)
    point = best_f1(plain)
    if point:
        assert best_f1(full) == point and calibration(full, point) == calibration(plain, point)


def test_one_point_serves_all_parts_of_a_report() -> None:
    truth, rows = world(3)
    report = scores(truth, rows, stated(0.55))
    assert {report[part]["score"] for part in ("operating_point", "calibration", "localisation")} == {0.55}
    assert report["operating_point"]["rule"] == "stated" and list(report["operating_points"]) == ["stated"]
    assert report["localisation"]["matched"] == report["calibration"]["matched"]
    assert report["localisation"]["matched"] == report["operating_point"]["found"]
    tuned = scores(truth, rows)
    assert tuned["operating_point"]["chosen_on"] == "scored pictures", "and the page says so"
    assert list(tuned["operating_points"]) == ["false_alarms", "best_f1"]
    assert scores(truth, [])["operating_point"] is None and "calibration" not in scores(truth, [])


def test_the_threshold_of_validation_is_applied_to_the_test_pictures() -> None:
    truth, rows = world(5)
    choice = chosen_by(Evaluation(*world(6)), 0.2, "validation")
    points = operating_points(Evaluation(truth, rows), choice)
    point = points["false_alarms"]
    assert point is not None and point["budget"] == 0.2 and point["chosen_on"] == "validation"
    assert point["validation"]["false_alarms_per_image"] <= 0.2
    right, wrong = counted(rows, point["score"])
    assert (point["found"], point["false_alarms"]) == (right, wrong)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_to_tune(tmp_path_factory.mktemp("points") / "data", test=8)


def results(truth_path: Path, out: Path, level: float) -> Path:
    truth = read_truth(truth_path)
    rows = [
        {"image_id": note["image_id"], "category_id": 1, "bbox": note["bbox"], "score": level}
        for note in truth["annotations"]
    ]
    out.write_text(json.dumps(rows))
    return out


def test_score_command_takes_points_from_validation(toy: Path, tmp_path: Path) -> None:
    test = results(toy / "coco/test.json", tmp_path / "m.json", 0.8)
    val = results(toy / "coco/val.json", tmp_path / "m.val.json", 0.7)
    data = ["--data", str(toy)]
    shown = CliRunner().invoke(main, ["score", str(test), *data, "--val", str(val), "--false-alarms", "0.2"])
    assert shown.exit_code == 0, shown.output
    assert "operating point, validation: score 0.7, recall 1.000" in shown.output
    report = json.loads((tmp_path / "m.score.json").read_text())
    assert report["validation"]["images"] == 6 and report["operating_point"]["budget"] == 0.2
    assert point_of(tmp_path / "m.score.json") == 0.7
    assert report["provenance"]["airports"]["seen_in_validation"] == ["KATL", "LFPO"]
    assert "scored pictures" in CliRunner().invoke(main, ["score", str(test), *data]).output
    both = CliRunner().invoke(main, ["score", str(test), *data, "--val", str(val), "--score", "0.5"])
    assert both.exit_code == 2 and "keep one" in both.output


def test_points_that_are_not_there(toy: Path, tmp_path: Path) -> None:
    wrong = [{"image_id": 1, "category_id": 1, "bbox": [1, 1, 3, 3], "score": 0.9}]
    (tmp_path / "w.json").write_text(json.dumps(wrong))
    assert chosen_on_validation(toy / "coco/val.json", tmp_path / "w.json", 0.01).thresholds == {
        "false_alarms": None,
        "best_f1": None,
    }
    with pytest.raises(DataError, match=r"no score keeps 0\.01 false alarms"):
        chosen_threshold(toy / "coco/val.json", tmp_path / "w.json", 0.01)
    (tmp_path / "s.json").write_text('{"operating_point": null}')
    with pytest.raises(DataError, match="score the results again with --val"):
        point_of(tmp_path / "s.json")
    report = score(toy / "coco/test.json", results(toy / "coco/test.json", tmp_path / "a.json", 0.5),
                   tmp_path / "a.score.json", "a", None,
                   chosen_on_validation(toy / "coco/val.json", tmp_path / "w.json", 0.01))  # fmt: skip
    assert report["operating_point"] is None and report["overall"]["AP"] == pytest.approx(1)
