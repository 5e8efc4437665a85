"""Failure prediction: planted heads that know and heads that cannot, certificates, refusals, the command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from monitor_support import write_model, write_split

from lard.assurance.failure import BEST, Found, balanced, check_enough, cross_fit, gathered
from lard.assurance.failure_trial import ALL, AT_POINT, CERTIFICATE, HEAD, SCORE, compared
from lard.assurance.features import look
from lard.assurance.selective import aurc
from lard.cli import main
from lard.detect.checkpoint import load_detector
from lard.detect.data import load_image, read_pictures
from lard.errors import DataError


def detections(airports: list[str], seed: int, told: bool) -> Found:
    """Forty detections of each airport, a third of them wrong; inputs tell the overlap or are noise."""
    rng = np.random.default_rng(seed)
    count = 40 * len(airports)
    overlap = np.where(rng.random(count) < 0.33, rng.uniform(0, 0.3, count), rng.uniform(0.6, 1, count))
    signal = overlap if told else rng.random(count)
    inputs = np.stack([signal + rng.normal(0, 0.05, count), rng.normal(size=count)], axis=1)
    scores = rng.random(count)
    ids = np.arange(count)
    return Found(
        inputs, overlap, scores, rng.random(count), np.repeat(airports, 40), ids, np.zeros((count, 4))
    )


VALIDATION, TEST = ["V1", "V2", "V3"], [f"T{k}" for k in range(7)]


def test_a_head_that_is_told_the_overlap_is_near_the_truth() -> None:
    document, fitted = compared(
        detections(VALIDATION, 1, True), detections(TEST, 2, True), constant=2.0, point=0.5, seed=0
    )
    rows = document["test"][ALL]
    head, score = rows["confidences"][HEAD], rows["confidences"][SCORE]
    assert head["AURC"] < rows["least_AURC"] + 0.005 and head["AUPR_error"] > 0.98 and head["FPR95"] < 0.02
    assert score["AURC"] == pytest.approx(rows["wrong"] / rows["detections"], abs=0.1), "it was random"
    assert head["AURC_less_score_interval"][1] < 0, "and the head is better for certain"
    assert set(rows["confidences"]) == {SCORE, CERTIFICATE, HEAD}
    assert document["test"][AT_POINT]["detections"] == int((detections(TEST, 2, True).scores >= 0.5).sum())
    assert document["mean_absolute_error_of_IoU"]["head"] < 0.12
    assert document["mean_absolute_error_of_IoU"]["constant"] > 0.2
    # predictions for an airport that the head was not shown are as good
    assert aurc(fitted.held_out, detections(VALIDATION, 1, True).wrong) < 0.1


def test_a_head_without_a_signal_predicts_nothing() -> None:
    document, _ = compared(detections(VALIDATION, 3, False), detections(TEST, 4, False), None, None, seed=0)
    rows = document["test"][ALL]
    share = rows["wrong"] / rows["detections"]
    assert rows["confidences"][HEAD]["AURC"] == pytest.approx(share, abs=0.12)
    assert rows["confidences"][HEAD]["AURC_less_score_interval"][1] > 0, "not better for certain"
    assert CERTIFICATE not in rows["confidences"]


def test_sets_that_say_nothing_are_refused() -> None:
    good = detections(TEST, 5, True)
    one = detections(["V1"], 6, True)
    with pytest.raises(DataError, match="1 validation airport"):
        cross_fit(one, 0)
    with pytest.raises(DataError, match="40 detections, 0 of them wrong"):
        check_enough(
            Found(one.inputs, np.ones(40), one.scores, one.support, one.airports, one.images, one.boxes),
            "test",
        )
    with pytest.raises(DataError, match="T0 is in both splits"):
        compared(good, good, None, None, 0)
    few = compared(detections(VALIDATION, 1, True), good, None, 0.999, 0)[0]["test"][AT_POINT]
    assert "take more pictures" in few["not_possible"], "the other table stands"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures whose runways are every other detection of the model, in turn: half of them are right."""
    folder = tmp_path_factory.mktemp("failures")
    checkpoint = load_detector(write_model(folder / "lip.pt", "lip-fcos"))
    for split, count in (("val", 5), ("test", 2)):
        write_split(folder, split, count)
        path = folder / "coco" / f"{split}.json"
        document = json.loads(path.read_text())
        document["annotations"] = []
        for picture in read_pictures(folder, split):
            boxes = look(checkpoint, load_image(picture), picture.path).boxes[::2]
            for x0, y0, x1, y1 in boxes.tolist():
                note = {
                    "id": len(document["annotations"]) + 1,
                    "image_id": picture.image_id,
                    "category_id": 1,
                }
                note |= {"bbox": [x0, y0, x1 - x0, y1 - y0], "area": 1.0, "iscrowd": 0}
                document["annotations"].append(note)
        path.write_text(json.dumps(document))
    return folder


def test_truth_of_detections_is_the_best_required_runway(data: Path) -> None:
    from lard.assurance.domains import Shot, read_shots

    checkpoint = load_detector(data / "lip.pt")
    shots = read_shots(data, "test")[:3]
    looks = [look(checkpoint, load_image(shot.picture), "x") for shot in shots]
    found = gathered(looks, shots)
    assert found.overlap[0] == pytest.approx(1, abs=1e-3) and 0 < found.wrong.sum() < len(found)
    assert len(found) == sum(min(len(one.scores), BEST) for one in looks)
    # runways that need not be found make their detections neither right nor wrong
    none = [
        Shot(type(shot.picture)(**{
            name: getattr(shot.picture, name) for name in shot.picture.__slots__
        } | {"ignored": np.ones(len(shot.picture.boxes), bool)}))
        for shot in shots
    ]  # fmt: skip
    left = gathered(looks, none)
    assert len(left) == found.wrong.sum() and left.wrong.all()
    assert balanced(found.wrong)[found.wrong].sum() == pytest.approx(0.5)
    assert balanced(np.ones(4, bool)).sum() == pytest.approx(1)


def test_the_command_compares_confidences_and_writes_what_a_page_needs(data: Path) -> None:
    options = ["monitor", "failures", str(data / "lip.pt"), "--data", str(data), "--out", str(data / "out")]
    shown = CliRunner().invoke(main, [*options, "--score", "0.4"])
    assert shown.exit_code == 0, shown.output
    document = json.loads((data / "out" / "failures.json").read_text())
    assert document["format"] == "lard-failure" and len(document["tables"]) == 2
    assert set(document["confidences"]) == {SCORE, CERTIFICATE, HEAD}
    table = pl.read_csv(data / "out" / "detections.csv")
    rows = document["test"][ALL]
    assert len(table) == rows["detections"] and int(table["wrong"].sum()) == rows["wrong"]
    assert (data / "out" / document["pictures"][0]["file"]).read_text().startswith("<svg")
    learnt = write_model(data / "seen.pt", "lip-fcos")
    from lard.detect.checkpoint import read_tensors, write_tensors

    tensors, meta = read_tensors(learnt)
    write_tensors(tensors, {**meta, "airports": {"train": ["BIRK"]}}, learnt)
    shown = CliRunner().invoke(main, ["monitor", "failures", str(learnt), *options[3:]])
    assert shown.exit_code == 2 and "learnt from BIRK" in shown.stderr
