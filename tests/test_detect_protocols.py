"""Several imagery sources: joined ground truth, and protocols that the pipeline expands."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from detect_support import write_toy
from imports_support import imported_files
from ruamel.yaml import YAML

from lard.detect.config import parse_params
from lard.detect.data import read_pictures
from lard.detect.predict import predict
from lard.errors import DataError, SpecError
from lard.score.scores import score
from lard.score.truth import coco_paths, read_truth, truth_sha256
from lard.tables import sha256_file

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("sources")
    return [write_toy(folder / "clear", test=4), write_toy(folder / "hazy", test=5)]


def test_joined_ids_are_unique_and_the_first_source_keeps_its_own(two: list[Path]) -> None:
    joined = read_truth(coco_paths(two, "test"))
    alone = read_truth(coco_paths(two[0], "test"))
    ids = [image["id"] for image in joined["images"]]
    assert len(set(ids)) == 9 and ids[:4] == [image["id"] for image in alone["images"]]
    assert [image["source"] for image in joined["images"]] == ["clear"] * 4 + ["hazy"] * 5
    assert len({note["id"] for note in joined["annotations"]}) == len(joined["annotations"])
    assert {note["image_id"] for note in joined["annotations"]} <= set(ids)
    pictures = read_pictures(two, "test")
    assert [picture.image_id for picture in pictures] == ids
    assert pictures[4].path == two[1] / "images" / "test_0.jpg"
    boxes = sum(len(picture.boxes) for picture in pictures)
    assert boxes == len(joined["annotations"])


def test_hash_of_one_source_is_its_files_and_of_two_depends_on_the_order(two: list[Path]) -> None:
    paths = coco_paths(two, "test")
    assert truth_sha256(paths[:1]) == sha256_file(paths[0])
    assert len({truth_sha256(paths), truth_sha256(paths[::-1]), truth_sha256(paths[:1])}) == 3


def test_scores_by_source(two: list[Path], tmp_path: Path) -> None:
    """Perfect on the first source and blind on the second."""
    truth = read_truth(coco_paths(two, "test"))
    first = {image["id"] for image in truth["images"] if image["source"] == "clear"}
    rows = [
        {"image_id": note["image_id"], "category_id": 1, "bbox": note["bbox"], "score": 0.9}
        for note in truth["annotations"]
        if note["image_id"] in first
    ]
    (tmp_path / "r.json").write_text(json.dumps(rows))
    report = score(coco_paths(two, "test"), tmp_path / "r.json", tmp_path / "s.json", "half")
    by_source = report["slices"]["source"]
    assert by_source["clear"]["AP"] == pytest.approx(1) and by_source["hazy"]["AP"] == 0
    assert 0 < report["overall"]["AP50"] < 1


def test_sources_that_do_not_go_together(two: list[Path], tmp_path: Path) -> None:
    other = write_toy(tmp_path / "other")
    document = json.loads((other / "coco" / "test.json").read_text())
    document["categories"] = [{"id": 3, "name": "runway"}]
    (other / "coco" / "test.json").write_text(json.dumps(document))
    with pytest.raises(DataError, match="categories differ"):
        read_truth(coco_paths([two[0], other], "test"))


def test_protocols_are_checked() -> None:
    document = {"protocols": {"a": {"train": ["x", "x"], "test": ["x"]}, "b": {"train": [], "test": ["x"]}}}
    with pytest.raises(SpecError) as caught:
        parse_params(document, "params.yaml")
    assert "named twice" in str(caught.value) and "protocols.b.train" in str(caught.value)
    params = parse_params({"protocols": {"a": {"train": ["x"], "test": ["y"]}}}, "params.yaml")
    with pytest.raises(SpecError, match=r"protocols\.c: no such protocol; the parameter file has a"):
        params.protocol("c")


def _checkout(folder: Path) -> Path:
    """What the detect stages need of the repository, with two toy sources and three protocols."""
    for name in ("lard", "pipelines"):
        shutil.copytree(ROOT / name, folder / name)
    yaml = YAML()
    stages = yaml.load(ROOT / "dvc.yaml")
    kept = {name: stages["stages"][name] for name in ("train", "predict", "score", "report")}
    for stage in kept.values():
        for kind in ("coco", "images"):
            stage["deps"].append(f"data/hazy/{kind}")
    for absent in ("reports/robustness", "reports/assurance.html"):
        kept["report"]["deps"].remove(absent)
    kept["report"]["params"].remove("assurance.models")
    yaml.dump({"stages": kept}, folder / "dvc.yaml")
    small = {"widths": [8, 16, 16], "depths": [1, 1, 1], "pyramid": 8, "towers": 1, "side_limits_px": [32]}
    document = {
        "benchmark": {"models": ["tiny"], "protocols": ["all", "on-ortho", "without-ortho"]},
        "protocols": {
            "all": {"train": ["ortho", "hazy"], "test": ["ortho", "hazy"]},
            "on-ortho": {"train": ["ortho"], "test": ["ortho", "hazy"]},
            "without-ortho": {"train": ["hazy"], "test": ["ortho"]},
        },
        "models": {"tiny": {"base": "fcos-s", **small}},
        "train": {"steps": 2, "batch": 4, "crops_per_image": 2, "crop_px": 64, "processes": 1},
        "score": {"false_alarms_per_image": 0.1},
        "predict": {"score_floor": 0.0, "max_boxes": 20},
    }
    yaml.dump(document, folder / "params.yaml")
    for number, source in enumerate(("ortho", "hazy")):
        dataset = write_toy(folder / "data" / source, test=4 + number)
        for path in (dataset / "images").iterdir() if number else ():
            pixels = cv2.imread(str(path))
            cv2.imwrite(str(path), (pixels * 0.5 + 100).astype(np.uint8))
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "-q"], cwd=folder, check=True)
    return folder


def _repro(folder: Path) -> str:
    environment = dict(os.environ, PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    environment["PYTHONPATH"] = str(folder)
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "repro"], cwd=folder, env=environment, text=True, timeout=600,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


@pytest.mark.e2e
def test_two_sources_under_three_protocols(tmp_path: Path) -> None:
    """dvc expands models by protocols; each trains and is tested on its own sources; nothing runs twice."""
    folder = _checkout(tmp_path / "checkout")
    output = _repro(folder)
    ran = {line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")}
    runs = [f"tiny-{protocol}" for protocol in ("all", "on-ortho", "without-ortho")]
    assert ran == {"report", *(f"{stage}@{run}" for stage in ("train", "predict", "score") for run in runs)}
    scores = {
        name: json.loads((folder / f"results/{name}/tiny.score.json").read_text())
        for name in ("all", "on-ortho", "without-ortho")
    }
    assert scores["all"]["overall"]["images"] == 9 and set(scores["all"]["slices"]["source"]) == {
        "ortho",
        "hazy",
    }
    assert scores["on-ortho"]["truth_sha256"] == scores["all"]["truth_sha256"]
    assert scores["without-ortho"]["overall"]["images"] == 4
    weights = [(folder / f"models/{name}/tiny/checkpoint.pt").read_bytes() for name in scores]
    assert len(set(weights)) == 3, "each protocol has seen other pictures"
    rows = list(csv.DictReader((folder / "reports/leaderboard.csv").open()))
    assert [row["protocol"] for row in rows] == ["all", "on-ortho", "without-ortho"]
    page = (folder / "reports/leaderboard.html").read_text()
    assert page.count('id="b1-models"') == 1 and "tested on" in page
    assert "Running stage" not in _repro(folder)
    # one protocol more trains one model more
    yaml = YAML()
    params = yaml.load(folder / "params.yaml")
    params["protocols"]["without-hazy"] = {"train": ["ortho"], "test": ["hazy"]}
    params["benchmark"]["protocols"].append("without-hazy")
    yaml.dump(params, folder / "params.yaml")
    ran = {line.split("'")[1] for line in _repro(folder).splitlines() if line.startswith("Running stage")}
    assert ran == {
        "train@tiny-without-hazy",
        "predict@tiny-without-hazy",
        "score@tiny-without-hazy",
        "report",
    }


def test_the_default_pipeline_has_one_protocol_on_one_source() -> None:
    """A second source must cost nothing to those who have one: two models, each trained once."""
    params = YAML(typ="safe").load(ROOT / "params.yaml")
    assert params["benchmark"]["protocols"] == ["ortho"]
    assert params["protocols"]["ortho"] == {"train": ["ortho"], "test": ["ortho"]}


def test_predictions_over_two_sources_are_those_of_each(two: list[Path], tmp_path: Path) -> None:
    import torch

    from lard.detect.checkpoint import exported, save_detector
    from lard.detect.config import ModelSpec, PredictSpec
    from lard.detect.fcos import build

    spec = ModelSpec(
        family="fcos", widths=(8, 16, 16), depths=(1, 1, 1), pyramid=8, towers=1, side_limits_px=(32,)
    )
    torch.manual_seed(0)
    save_detector(exported(build(spec), spec), "m", spec, {}, tmp_path / "m.pt")
    plan = PredictSpec(score_floor=0.0, max_boxes=5)
    predict(tmp_path / "m.pt", two, tmp_path / "both.json", plan)
    both = json.loads((tmp_path / "both.json").read_text())
    for number, dataset in enumerate(two):
        predict(tmp_path / "m.pt", dataset, tmp_path / "one.json", plan)
        one = json.loads((tmp_path / "one.json").read_text())
        part = [row for row in both if (row["image_id"] > 4) == bool(number)]
        assert [row["bbox"] for row in part] == [row["bbox"] for row in one]
        assert np.unique(
            [a["image_id"] - b["image_id"] for a, b in zip(part, one, strict=True)]
        ).tolist() == [4 * number]


WITHOUT_EFFECT = {
    "__init__.py", "airports/__init__.py", "detect/__init__.py", "score/__init__.py",
    "errors.py", "files.py", "progress.py", "tables.py",
    "geodesy.py",  # the camera's, for other callers
    "detect/deploy.py",  # only for ONNX files
    "detect/events.py", "detect/memory.py", "detect/state.py",  # about a run, not in it
}  # fmt: skip
"""Modules that the stages import and that change none of their bytes."""


@pytest.mark.parametrize(
    "stage", ["train", "predict", "score", "watch", "certify", "attack", "conform", "report"]
)
def test_a_stage_depends_on_the_code_that_it_runs(stage: str) -> None:
    """On all of it, and on nothing of the detection rooms that it does not run."""
    deps = set(YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"][stage]["deps"])
    rooms = ("lard/detect/", "lard/score/", "lard/report/", "lard/camera.py", "lard/scenario/sun.py")
    apart = WITHOUT_EFFECT | ({"report/compliance.py"} if stage == "report" else set())
    used = {
        name for name in imported_files(ROOT / "pipelines" / f"{stage}.py", apart) if name.startswith(rooms)
    }
    missing = {name for name in used if name not in deps and f"{name.rsplit('/', 1)[0]}" not in deps}
    assert not missing, f"missing from the deps of {stage}: {sorted(missing)}"
    idle = {name for name in deps if name.startswith(rooms) and name.endswith(".py")} - used
    assert not idle, f"{stage} does not run: {sorted(idle)}"
