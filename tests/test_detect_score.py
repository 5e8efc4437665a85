"""Scores against pycocotools itself, and the refusal of bad submissions."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from detect_support import write_toy
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from lard.cli import main
from lard.errors import DataError
from lard.score.evaluation import AREAS_PX2, Evaluation
from lard.score.scores import score
from lard.score.slices import slices
from lard.score.submitted import checked, read_results
from lard.score.truth import read_truth, roles_all_required


@pytest.fixture(scope="module")
def truth_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy") / "data", train=1, test=12) / "coco" / "test.json"


def noisy_results(truth: dict[str, Any], seed: int = 0) -> list[dict[str, Any]]:
    """Jittered true boxes and some false ones."""
    rng = np.random.default_rng(seed)
    rows = [
        {
            "image_id": note["image_id"],
            "category_id": 1,
            "bbox": np.abs(np.array(note["bbox"]) + rng.normal(0, 1.5, 4)).round(2).tolist(),
            "score": round(rng.uniform(0.3, 1), 3),
        }
        for note in truth["annotations"]
    ]
    for image in truth["images"]:
        box = [float(rng.uniform(0, 90)), float(rng.uniform(0, 90)), 20.0, 20.0]
        rows.append(
            {"image_id": image["id"], "category_id": 1, "bbox": box, "score": float(rng.uniform(0, 0.6))}
        )
    return rows


def plain_pycocotools(
    truth: dict[str, Any],
    rows: list[dict[str, Any]],
    images: list[int],
    area: tuple[float, float] = (0, 1e10),
) -> np.ndarray:
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = json.loads(json.dumps(truth))
        coco.createIndex()
        judge = COCOeval(coco, coco.loadRes(rows), "bbox")
        judge.params.imgIds = images
        judge.params.areaRng[0] = list(area)
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return judge.stats


def test_numbers_equal_pycocotools_whole_and_by_slice(truth_path: Path) -> None:
    truth = read_truth(truth_path)
    rows = noisy_results(truth)
    evaluation = Evaluation(truth, rows)
    groups = [sorted(evaluation.images), *slices(truth)["zone"].values(), *slices(truth)["airport"].values()]
    for images in groups:
        mine, theirs = evaluation.metrics(images), plain_pycocotools(truth, rows, images)
        for key, place in {"AP": 0, "AP50": 1, "AP75": 2, "AR1": 6, "AR10": 7, "AR100": 8}.items():
            assert mine[key] == pytest.approx(theirs[place], abs=1e-9)


def test_areas_equal_pycocotools(truth_path: Path) -> None:
    truth = read_truth(truth_path)
    rows = noisy_results(truth, 1)
    evaluation = Evaluation(truth, rows)
    everything = sorted(evaluation.images)
    for name in ("16-32 px", "under 16 px"):
        mine, theirs = (
            evaluation.metrics(area=name),
            plain_pycocotools(truth, rows, everything, AREAS_PX2[name]),
        )
        assert mine["AP"] == pytest.approx(theirs[0], abs=1e-9)
    assert (
        sum(evaluation.metrics(area=name)["boxes"] for name in AREAS_PX2) == 2 * evaluation.metrics()["boxes"]
    )


def test_ignorable_runways_neither_reward_nor_punish(truth_path: Path) -> None:
    truth = read_truth(truth_path)
    perfect = [
        {"image_id": note["image_id"], "category_id": 1, "bbox": note["bbox"], "score": 0.9}
        for note in truth["annotations"]
    ]
    required = [row for row, note in zip(perfect, truth["annotations"], strict=True) if not note["iscrowd"]]
    assert len(required) < len(perfect)
    for rows in (perfect, required):
        assert Evaluation(truth, rows).metrics()["AP"] == pytest.approx(1.0)
    assert Evaluation(truth, required, roles_all_required(truth)).metrics()["AR100"] < 1


def test_no_detections_score_zero_and_empty_slices_are_null(truth_path: Path, tmp_path: Path) -> None:
    (tmp_path / "none.json").write_text("[]")
    report = score(truth_path, tmp_path / "none.json", tmp_path / "none.score.json", "none")
    assert report["overall"]["AP50"] == 0 and report["overall"]["AR100"] == 0
    assert report["slices"]["runways"]["0"]["AP"] is None, "images without runways have no precision"
    assert json.loads((tmp_path / "none.score.json").read_text()) == report


def test_faults_of_a_submission_are_all_listed(truth_path: Path, tmp_path: Path) -> None:
    truth = read_truth(truth_path)
    good = {"image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5], "score": 0.5}
    rows = [
        good,
        {**good, "image_id": 99},
        {**good, "image_id": 98},
        {**good, "category_id": 2},
        {**good, "score": 1.5},
        {**good, "bbox": [1, 1, 0, 5]},
        {**good, "bbox": [1, 1, 5]},
        {**good, "bbox": [1, 1, 500, 5]},
        {"image_id": 1},
        7,
    ]
    faults = checked(rows, truth)[1]
    assert len(faults) == 7 and "(2 such rows)" in faults[0] and faults[0].startswith("row 1")
    assert checked([good], truth)[1] == []
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    with pytest.raises(DataError, match="score must be in"):
        read_results(tmp_path / "rows.json", truth)
    (tmp_path / "rows.json").write_text('{"a": 1}')
    with pytest.raises(DataError, match="expected a list"):
        read_results(tmp_path / "rows.json", truth)


def test_an_outline_of_half_a_corner_is_refused(truth_path: Path, tmp_path: Path) -> None:
    document = json.loads(truth_path.read_text())
    document["annotations"][0]["segmentation"] = [[1, 1, 5, 1, 5, 5, 1]]
    (tmp_path / "odd.json").write_text(json.dumps(document))
    with pytest.raises(DataError, match=r"annotations\.0\.segmentation.*an outline of 7 numbers"):
        read_truth(tmp_path / "odd.json")


def test_score_command(truth_path: Path, tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text(json.dumps(noisy_results(read_truth(truth_path))))
    data = str(truth_path.parent.parent)
    shown = CliRunner().invoke(main, ["score", str(tmp_path / "m.json"), "--data", data])
    assert shown.exit_code == 0, shown.output
    assert "AP50" in shown.output and "far" in shown.output
    assert (tmp_path / "m.score.json").is_file()
    missing = CliRunner().invoke(main, ["score", str(tmp_path / "none.json"), "--data", data])
    assert missing.exit_code == 2 and "no such file" in missing.output


@pytest.mark.parametrize("command", ["train", "predict", "score", "certify", "conform", "leaderboard"])
def test_help_has_examples(command: str) -> None:
    shown = CliRunner().invoke(main, [command, "--help"])
    assert shown.exit_code == 0 and "Examples:" in shown.output and f"lard {command} " in shown.output
