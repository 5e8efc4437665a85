"""The stages predict, score and report: both splits predicted, points from validation, claims computed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from detect_support import write_random_model, write_toy
from ruamel.yaml import YAML

from lard.detect.checkpoint import read_tensors, write_tensors
from pipelines import predict, report, score, watch
from pipelines.benchmark import results_file


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one source, whose validation airports differ, and an untrained model."""
    data = write_toy(tmp_path / "data" / "ortho")
    for split, airports in (("val", ("EGLL", "SBGR")), ("train", ("EHAM", "HKJK"))):
        document = json.loads((data / "coco" / "train.json").read_text())
        for image in document["images"]:
            image["airport"] = airports[image["id"] % 2]
        (data / "coco" / f"{split}.json").write_text(json.dumps(document))
    tensors, meta = read_tensors(write_random_model(tmp_path / "m.pt"))
    write_tensors(tensors, meta | {"name": "tiny"}, tmp_path / "models" / "ortho" / "tiny" / "checkpoint.pt")
    small = {"widths": [8, 16, 16], "depths": [1, 1, 1], "pyramid": 8, "towers": 1, "side_limits_px": [32]}
    params = {
        "benchmark": {"models": ["tiny"], "protocols": ["ortho"]},
        "protocols": {"ortho": {"train": ["ortho"], "test": ["ortho"]}},
        "models": {"tiny": {"base": "fcos-s", **small}},
        "predict": {"score_floor": 0.0, "max_boxes": 20},
        "score": {"false_alarms_per_image": 3.0},
    }
    YAML(typ="safe").dump(params, tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    return tmp_path


def page() -> str:
    report.main()
    return re.sub(r"\s+", " ", Path("reports/leaderboard.html").read_text())


def test_points_come_from_the_validation_airports(project: Path) -> None:
    predict.main("tiny", "ortho")
    test, val = (json.loads(results_file("ortho", "tiny", end).read_text()) for end in (".json", ".val.json"))
    assert {row["image_id"] for row in test} == {1, 2, 3, 4}
    assert {row["image_id"] for row in val} == {1, 2, 3, 4, 5, 6}
    score.main("tiny", "ortho")
    found = json.loads(results_file("ortho", "tiny", ".score.json").read_text())
    point = found["operating_point"]
    assert point["chosen_on"] == "validation" and point["budget"] == 3.0
    assert point["validation"]["false_alarms_per_image"] <= 3.0
    assert found["validation"]["airports"] == ["EGLL", "SBGR"]
    assert found["provenance"]["airports"]["train"] == ["EHAM", "HKJK"]
    told = page()
    assert "None of the 2 test airports (KATL, LFPO) is among those that trained tiny" in told
    assert "budget of false alarms of 3" in told and "scored pictures</td>" not in told


def test_without_validation_pictures_the_page_says_so(project: Path) -> None:
    path = project / "data/ortho/coco/val.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | {"images": [], "annotations": []}))
    predict.main("tiny", "ortho")
    assert results_file("ortho", "tiny", ".val.json").read_text() == "[]\n"
    score.main("tiny", "ortho")
    found = json.loads(results_file("ortho", "tiny", ".score.json").read_text())
    assert all(
        point is None or point["chosen_on"] == "scored pictures"
        for point in found["operating_points"].values()
    )
    assert found["provenance"]["airports"]["validation"] is None
    assert "makes its figures look better than they are" in page()


def test_training_on_the_test_airports_is_told(project: Path) -> None:
    path = project / "data/ortho/coco/train.json"
    path.write_text((project / "data/ortho/coco/test.json").read_text())
    predict.main("tiny", "ortho")
    score.main("tiny", "ortho")
    told = page()
    assert "tiny was trained on KATL, LFPO, which are test airports here" in told
    assert "None of the" not in told


def test_flown_approaches_are_scored_at_the_same_point(project: Path) -> None:
    """Too few frames for a sequence: the page says so; the threshold is that of the test pictures."""
    data = write_toy(project / "data" / "sequences")
    (data / "flights.json").write_text("[]")
    for empty in (False, True):
        if empty:
            path = project / "data/ortho/coco/val.json"
            document = json.loads(path.read_text())
            path.write_text(json.dumps(document | {"images": [], "annotations": []}))
        predict.main("tiny", "ortho")
        score.main("tiny", "ortho")
        watch.main("tiny", "ortho")
        plain, flown = (
            json.loads(results_file("ortho", "tiny", end).read_text())
            for end in (".score.json", ".sequences.score.json")
        )
        for rule, point in plain["operating_points"].items():
            other = flown["operating_points"][rule]
            assert (point and point["score"]) == (other and other["score"])
    assert "tiny, not computed:" not in page()  # no operating point, no part: nothing is left to explain
    assert "Flown for this board" not in page() and "Training</h2>" not in page()
