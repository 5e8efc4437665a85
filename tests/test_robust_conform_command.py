"""`lard conform`: what a user gets, what is refused in one line, and that no network is needed."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from lard.cli import main
from lard.score.truth import truth_sha256

ROOT = Path(__file__).parent.parent
ZONES = ("close", "medium", "far")


def write_split(folder: Path, split: str, airports: int, seed: int, named: bool = True) -> Path:
    """A truth of twelve pictures per airport, and results near it; the first airport has no far pictures."""
    rng = np.random.default_rng(seed)
    images: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    for number in range(airports * 12):
        airport, zone = f"{split.upper()}{number // 12}", ZONES[number % 3]
        if number < 12 and zone == "far":
            zone = "medium"
        image = {"id": seed * 1000 + number, "file_name": f"images/{split}_{number}.jpg"}
        image |= {"width": 400, "height": 300, "zone": zone} | ({"airport": airport} if named else {})
        images.append(image)
        x, y, w, h = rng.uniform((20, 20, 20, 15), (200, 150, 90, 60))
        note = {"id": number + 1, "image_id": image["id"], "category_id": 1, "bbox": [x, y, w, h]}
        notes.append(note | {"iscrowd": 0, "slant_m": 900.0 + 1500 * (number % 3), "runway": "09"})
        short = rng.normal(0, 0.03, 4) * (w, h, w, h)
        box = [x + short[0], y + short[1], w - short[0] + short[2], h - short[1] + short[3]]
        score = round(float(rng.uniform(0.3, 0.99)), 5)
        rows.append({"image_id": image["id"], "category_id": 1, "bbox": box, "score": score})
        alarm = {"image_id": image["id"], "category_id": 1, "bbox": [350, 250, 20, 20], "score": 0.25}
        rows.append(alarm)
    (folder / "coco").mkdir(parents=True, exist_ok=True)
    document = {"images": images, "annotations": notes, "categories": [{"id": 1, "name": "runway"}]}
    (folder / "coco" / f"{split}.json").write_text(json.dumps(document))
    path = folder / f"{split}.results.json"
    path.write_text(json.dumps(rows))
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_split(tmp_path, "val", 4, 1)
    write_split(tmp_path, "test", 7, 2)
    return tmp_path


def conform(data: Path, *options: str, calibration: str = "val", results: str = "test") -> Result:
    files = [str(data / f"{name}.results.json") for name in (calibration, results)]
    return CliRunner().invoke(main, ["conform", *files, "--data", str(data), *options])


def refused(shown: Result, text: str) -> bool:
    """Whether a command ended with 2 and one line that holds a text."""
    lines = [line for line in shown.stderr.strip().splitlines() if not line.startswith(("Usage", "Try", "$"))]
    assert shown.exit_code == 2, shown.output
    assert len([line for line in lines if line]) == 1, shown.stderr
    assert text in shown.stderr, shown.stderr
    return True


def test_the_default_is_the_least_alpha_that_the_airports_allow(data: Path) -> None:
    shown = conform(data, "--out", str(data / "out"))
    assert shown.exit_code == 0, shown.output
    assert shown.stderr == "lard: alpha 0.2, the least that 4 calibration airports allow\n"
    report = json.loads(shown.stdout)
    assert report["alpha"] == report["smallest_alpha"] == 0.2 and report["unit"] == "airport"
    assert [row["airport"] for row in report["airports"]] == [f"TEST{k}" for k in range(7)]
    whole = report["groups"]["all"]
    assert whole["boxes"]["coverage"]["mean_of_airports"] >= 0.8 and whole["boxes"]["stretch"] > 1
    assert whole["pictures"] is None and "allow alpha 0.4 or more" in whole["not_possible"]["pictures"]
    assert whole["firing"]["score"] <= 0.4 and whole["firing"]["perturbed"] == []
    assert report["average_precision"]["grown"]["C-AP"] > report["average_precision"]["as_predicted"]["C-AP"]
    assert {row["unit"] for row in report["reliability"]} == {"airport", "runway"}
    assert min(row["alpha"] for row in report["reliability"] if row["unit"] == "airport") == 0.2

    assert json.loads((data / "out" / "conform.json").read_text()) == report
    runways = list(csv.DictReader((data / "out" / "runways.csv").open()))
    assert len(runways) == 84
    inside = [row for row in runways if row["inside"] == "true"]
    assert len(inside) == sum(row["inside"] for row in report["airports"])
    for row in inside:
        for end, sign in (("x0", 1), ("y0", 1), ("x1", -1), ("y1", -1)):
            assert sign * (float(row[f"true_{end}_px"]) - float(row[f"grown_{end}_px"])) >= -2e-4
    assert len(list(csv.DictReader((data / "out" / "pictures.csv").open()))) == 84
    assert len(list(csv.DictReader((data / "out" / "airports.csv").open()))) == 7
    figure = (data / "out" / "coverage.svg").read_text()
    assert figure.startswith("<svg") and "TEST6" in figure
    before = {path.name: path.read_bytes() for path in (data / "out").iterdir()}
    conform(data, "--out", str(data / "out"))
    assert before == {path.name: path.read_bytes() for path in (data / "out").iterdir()}, "the same bytes"


def test_runways_for_themselves_are_an_assumption_that_is_stated(data: Path) -> None:
    assert refused(
        conform(data, "--alpha", "0.1"), "4 calibration airports with a runway found allow no alpha"
    )
    assert "raise --alpha to 0.2" in conform(data, "--alpha", "0.1").stderr
    shown = conform(data, "--alpha", "0.1", "--unit", "runway", "--score", "0.2")
    report = json.loads(shown.stdout)
    assert report["alpha"] == 0.1 and any("exchangeable" in line for line in report["assumes"])
    assert report["score_chosen_on"] == "stated"
    pictures = report["groups"]["all"]["pictures"]
    assert pictures["score"] == 0.2 and pictures["alpha_missed"] is None
    assert pictures["lost"]["pooled"] <= 0.25 and pictures["false_alarms_per_picture"] == 1.0
    assert conform(data, "--alpha", "0.45").stderr == "", "an alpha that can be had is taken as it is"


def test_groups_of_pictures_too_small_are_named(data: Path) -> None:
    report = json.loads(conform(data, "--by", "zone", "--alpha", "0.2").stdout)
    assert set(report["groups"]) == set(ZONES)
    far = report["groups"]["far"]
    assert far["boxes"] is None and far["calibration_airports"] == 3
    assert "3 calibration airports" in far["not_possible"]["boxes"] and "0.25" in far["not_possible"]["boxes"]
    assert report["groups"]["close"]["boxes"]["coverage"]["airports"] == 7
    assert sum(row["found"] for row in report["airports"]) < sum(row["runways"] for row in report["airports"])
    assert report["average_precision"]["grown"] is None, "far boxes cannot be grown"
    near = json.loads(conform(data, "--by", "distance", "--alpha", "0.25").stdout)
    assert set(near["groups"]) == {"0-1 km", "2-3 km", "3-4 km"}
    truth = json.loads((data / "coco" / "val.json").read_text())
    truth["images"][5].pop("zone")
    (data / "coco" / "val.json").write_text(json.dumps(truth))
    assert refused(conform(data, "--by", "zone"), "1 pictures with runways have no zone")


def test_sides_and_methods(data: Path) -> None:
    each = conform(data, "--sides", "each", "--method", "additive")
    margins = json.loads(each.stdout)["groups"]["all"]["boxes"]["margins"]
    assert "alpha 0.8" in each.stderr and len(set(margins.values())) == 4
    assert refused(conform(data, "--sides", "each", "--alpha", "0.3"), "no alpha below 0.8")
    assert conform(data, "--method", "additive", "--alpha-missed", "0.2", "--alpha", "0.45").exit_code == 0


def test_refusals(data: Path) -> None:
    assert refused(conform(data, results="val"), "the same results as")
    assert refused(conform(data, "--alpha", "nan"), "not a finite number")
    for alpha in ("0", "1", "-0.5"):
        assert refused(conform(data, "--alpha", alpha), "expected a number between 0 and 1")
    assert refused(conform(data, "--alpha-missed", "1.5"), "--alpha-missed 1.5: expected a number")
    assert refused(conform(data, "--alpha-missed", "0.1", "--score", "0.2"), "keep one")
    assert refused(conform(data, "--eps", "0.1"), "--eps and --model go together")
    for eps in ("nan", "-1", "0.1,x", "inf", "0"):
        assert refused(conform(data, "--eps", eps, "--model", "lip-fcos-s"), "L2 norms above 0")
    (data / "copy.results.json").write_text((data / "test.results.json").read_text() + "\n")
    assert refused(conform(data, calibration="copy"), "image_id is not an image of the ground truth")
    rows = json.loads((data / "val.results.json").read_text())
    moved = [{**row, "bbox": [1, 1, 5, 5]} for row in rows]
    (data / "moved.results.json").write_text(json.dumps(moved))
    assert refused(conform(data, calibration="moved"), "none of 48 runways is found")
    (data / "nan.results.json").write_text(json.dumps([{**rows[0], "score": float("nan")}]))
    assert refused(conform(data, calibration="nan"), "nan.results.json")
    alarms = [{**row, "score": 0.999} if row["score"] == 0.25 else row for row in rows]
    (data / "alarms.results.json").write_text(json.dumps(alarms))
    assert refused(conform(data, calibration="alarms"), "no score keeps 0.1 false alarms per picture")
    over = [{**rows[0], "score": 1.000001}, *rows[1:]]
    (data / "over.results.json").write_text(json.dumps(over))
    told = conform(data, "--alpha", "0.3", calibration="over")
    assert told.exit_code == 0 and told.stderr.count("rounding error") == 1, "a slip is told once"
    (data / "few.results.json").write_text(json.dumps(rows[:2]))
    assert refused(
        conform(data, "--alpha", "0.2", "--score", "0", calibration="few"), "1 calibration airports"
    )


def test_pictures_of_both_splits_are_refused(data: Path) -> None:
    (data / "coco" / "val.json").write_text((data / "coco" / "test.json").read_text())
    rows = json.loads((data / "test.results.json").read_text())
    (data / "val.results.json").write_text(json.dumps(rows[:-1]))
    assert refused(conform(data), "84 pictures (images/test_0.jpg first) are in the val and the test split")


def test_airports_in_both_splits_are_told(data: Path) -> None:
    truth = json.loads((data / "coco" / "test.json").read_text())
    truth["images"][0]["airport"] = "VAL1"
    (data / "coco" / "test.json").write_text(json.dumps(truth))
    shown = conform(data, "--alpha", "0.3")
    assert shown.exit_code == 0 and "airports VAL1 are in both splits" in shown.stderr
    assert json.loads(shown.stdout)["airports_in_both"] == ["VAL1"]


def test_pictures_without_airports_need_the_assumption(tmp_path: Path) -> None:
    write_split(tmp_path, "val", 4, 1, named=False)
    write_split(tmp_path, "test", 2, 2, named=False)
    assert refused(conform(tmp_path), "name no airport")
    shown = conform(tmp_path, "--unit", "runway")
    assert shown.exit_code == 0
    report = json.loads(shown.stdout)
    assert [row["airport"] for row in report["airports"]] == [""] and report["alpha"] == 0.1


def test_perturbations_lower_the_threshold_of_a_certified_model(data: Path) -> None:
    told = ("--model", "lip-fcos-s", "--eps", "0.01,0.1", "--alpha", "0.3")
    shown = conform(data, *told)
    assert shown.exit_code == 0, shown.output
    report = json.loads(shown.stdout)
    assert report["perturbation"]["norm"].startswith("L2") and report["perturbation"]["L"] >= 1
    assert report["perturbation"]["picture_sizes_px"] == ["400x300"]
    firing = report["groups"]["all"]["firing"]
    scores = [firing["score"], *(row["score"] for row in firing["perturbed"])]
    assert scores == sorted(scores, reverse=True) and len(set(scores)) == 3
    assert firing["perturbed"][1]["at_least"], "the results end above the lowered score"
    assert refused(conform(data, "--model", "fcos-s", "--eps", "0.1"), "no Lipschitz constant")
    truth = json.loads((data / "coco" / "val.json").read_text())
    truth["images"][0]["airport"] = "KATL"
    (data / "coco" / "val.json").write_text(json.dumps(truth))
    assert refused(conform(data, *told), "learnt from KATL")


def test_results_of_another_model_or_of_other_pictures_are_refused(data: Path) -> None:
    sums = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in data.glob("*.results.json")}
    truths = {split: truth_sha256(data / "coco" / f"{split}.json") for split in ("val", "test")}
    told = {"results_sha256": sums["test.results.json"], "truth_sha256": truths["test"]}
    beside = data / "test.results.score.json"
    tuned = {"truth_sha256": truths["val"], "results_sha256": sums["val.results.json"]}
    beside.write_text(json.dumps(told | {"validation": tuned}))
    assert conform(data).exit_code == 0
    beside.write_text(json.dumps(told | {"validation": tuned | {"results_sha256": "0" * 64}}))
    assert refused(conform(data), "val.results.json: not the validation results of the model of")
    beside.write_text(json.dumps(told | {"truth_sha256": "0" * 64}))
    assert refused(conform(data), "test.results.json: scored against other pictures")
    beside.write_text(json.dumps(told | {"results_sha256": "0" * 64, "truth_sha256": "0" * 64}))
    assert conform(data).exit_code == 0, "a score file of earlier results says nothing of these"


def test_without_perturbations_no_torch_is_imported(data: Path) -> None:
    code = (
        "import sys; from click.testing import CliRunner; from lard.cli import main\n"
        "r = CliRunner().invoke(main, ['conform', 'val.results.json', 'test.results.json', '--data', '.',"
        " '--out', 'o']); assert r.exit_code == 0, (r.output, r.exception)\n"
        "print([m for m in ('torch', 'lard.detect.checkpoint') if m in sys.modules])"
    )
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=data, env=environment
    )
    assert done.stdout.strip() == "[]"
