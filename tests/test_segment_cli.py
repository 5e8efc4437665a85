"""`lard train` of segmenters and `lard segment`, from files to files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from detect_support import write_plain, write_random_model, write_toy
from PIL import Image
from segment_support import LIP, PLAIN, write_segmenter

from lard.cli import main

PARAMS = """
models:
  tiny: {family: lip-seg, widths: [8, 16, 16], depths: [1, 1, 1], pyramid: 8, towers: 1, side_limits_px: [32],
         temperature: 40, offset: 0.02}
train: {steps: 4, batch: 4, crop_px: 64, processes: 1, save_every: 2, validate_every: 2}
"""


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def refused(*arguments: object) -> str:
    """The one line of a refusal."""
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    line = result.stderr.strip()
    assert line.startswith("lard: ") and "\n" not in line
    return line


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_toy(tmp_path_factory.mktemp("toy") / "data")
    (folder / "coco/val.json").write_bytes((folder / "coco/test.json").read_bytes())
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_segmenter(folder / "lip.pt", LIP)
    write_segmenter(folder / "plain.pt", PLAIN)
    write_random_model(folder / "boxes.pt")
    return folder


def test_a_segmenter_is_trained_validated_scored_and_certified(tmp_path: Path, toy: Path) -> None:
    (tmp_path / "params.yaml").write_text(PARAMS)
    out = tmp_path / "model"
    trained = run("train", "tiny", "--data", toy, "--config", tmp_path / "params.yaml", "--out", out)
    assert trained.exit_code == 0, trained.output
    assert "val_iou" in (out / "log.csv").read_text().splitlines()[0]
    assert "IoU" in (out / "log.svg").read_text()
    first = (out / "checkpoint.pt").read_bytes()
    run("train", "tiny", "--data", toy, "--config", tmp_path / "params.yaml", "--out", out)
    assert (out / "checkpoint.pt").read_bytes() == first
    scored = run("segment", "score", out / "checkpoint.pt", "--data", toy, "--out", tmp_path / "s.json")
    assert scored.exit_code == 0, scored.output
    assert json.loads(scored.stdout) == json.loads((tmp_path / "s.json").read_text())


def test_certificates_fall_with_eps_and_go_on_from_what_was_seen(
    tmp_path: Path, toy: Path, models: Path
) -> None:
    out = tmp_path / "c"
    arguments = ("segment", "certify", models / "lip.pt", "--data", toy, "--out", out, "--eps")
    found = run(*arguments, "0.02,0.1,1")
    assert found.exit_code == 0, found.output
    document = json.loads((out / "certificates.json").read_text())
    rows = [document["certified"]["by_eps"][eps] for eps in ("0.02", "0.1", "1")]
    for key, clean, sign in (
        ("certified_iou", "iou", -1),
        ("certified_picture_iou", "picture_iou", -1),
        ("certified_pixel_accuracy", "pixel_accuracy", -1),
        ("certified_false_negative_rate", "false_negative_rate", 1),
        ("fabricated_pixels_per_picture", "alarm_pixels_per_picture", 1),
    ):
        values = [document["clean"][clean], *(row[key] for row in rows)]
        assert values == sorted(values, reverse=sign < 0), key
    kept = {path: path.stat().st_mtime_ns for path in (out / "seen").iterdir()}
    before = (out / "certificates.json").read_bytes()
    assert len(kept) == 4
    assert run(*arguments, "0.02,0.1,1").exit_code == 0
    assert (out / "certificates.json").read_bytes() == before
    assert kept == {path: path.stat().st_mtime_ns for path in (out / "seen").iterdir()}
    page = (out / "segmentation.html").read_text()
    assert "tiny-lip-seg" in page and "160 x 160" in page and "<svg" in page
    lines = (out / "pictures.csv").read_text().splitlines()
    assert len(lines) == 5 and lines[0].endswith("iou,eps_to_iou,eps_to_hide")


def test_attacks_of_both_twins_lie_between_their_certificates_and_the_clean_masks(
    tmp_path: Path, toy: Path, models: Path
) -> None:
    out = tmp_path / "a"
    arguments = (
        "segment", "attack", models / "lip.pt", "--also", models / "plain.pt", "--data", toy,
        "--eps", "0.05,0.5", "--steps", 3, "--limit", 3, "--out", out,
    )  # fmt: skip
    found = run(*arguments)
    assert found.exit_code == 0, found.output
    report = json.loads((out / "attack.json").read_text())
    lip, plain = report["models"]["tiny-lip-seg"], report["models"]["tiny-seg"]
    assert lip["violations"] == 0 and plain["certified"] is None
    for model in (lip, plain):
        curve = [model["clean"]["picture_iou"], *(row["picture_iou"] for row in model["attacked"])]
        assert curve == sorted(curve, reverse=True)
    assert plain["attacked"][-1]["iou"] < plain["clean"]["iou"]
    for row in lip["attacked"]:
        assert lip["certified"]["by_eps"][f"{row['eps']:g}"]["certified_picture_iou"] <= row["picture_iou"]
    before = {name: (out / name).read_bytes() for name in ("attack.json", "curves.svg", "segmentation.html")}
    journal = sorted((out / ".journal").glob("*.json"))
    journal[0].write_text("half a file")  # is made again, all others are taken
    times = {path: path.stat().st_mtime_ns for path in journal[1:]}
    assert run(*arguments).exit_code == 0
    assert before == {name: (out / name).read_bytes() for name in before}
    assert times == {path: path.stat().st_mtime_ns for path in journal[1:]}


def test_masks_are_written_of_pictures(tmp_path: Path, toy: Path, models: Path) -> None:
    out = tmp_path / "m"
    found = run("segment", "predict", models / "lip.pt", toy / "images", "--out", out)
    assert found.exit_code == 0, found.output
    document = json.loads((out / "masks.json").read_text())
    for row in document["images"]:
        mask = np.asarray(Image.open(out / row["mask"]))
        assert mask.shape == (160, 160) and set(mask.ravel().tolist()) <= {0, 255}
        assert (mask > 0).sum() == row["runway_pixels"] > 0
    (toy.parent / "broken").mkdir(exist_ok=True)
    (toy.parent / "broken/x.jpg").write_bytes(b"no picture")
    broken = run("segment", "predict", models / "lip.pt", toy.parent / "broken", "--out", tmp_path / "b")
    assert broken.exit_code == 2 and "x.jpg" in broken.stderr
    (tmp_path / "own").mkdir()
    (tmp_path / "own/masks.json").write_text("[]")
    line = refused("segment", "predict", models / "lip.pt", toy / "images", "--out", tmp_path / "own")
    assert "is of no earlier run" in line


def test_bad_input_is_refused_in_a_line(tmp_path: Path, toy: Path, models: Path) -> None:
    out = tmp_path / "x"
    data = ("--data", toy, "--out", out)
    for command in ("certify", "attack", "score"):
        line = refused("segment", command, models / "boxes.pt", *data)
        assert "boxes.pt: family 'fcos': a detector" in line
    assert "no Lipschitz constant" in refused("segment", "certify", models / "plain.pt", *data)
    for eps in ("nan", "-1", "0", "inf", "1e9"):
        assert "expected L2 norms" in refused("segment", "certify", models / "lip.pt", *data, f"--eps={eps}")
        assert "expected L2 norms" in refused("segment", "attack", models / "plain.pt", *data, f"--eps={eps}")
    assert run("segment", "certify", models / "lip.pt", *data, "--eps", "a").exit_code == 2
    assert run("segment", "certify", models / "lip.pt", *data, "--score", "nan").exit_code == 2
    assert "score threshold" in refused("segment", "certify", models / "lip.pt", *data, "--score", "2")
    boxes = write_plain(tmp_path / "plain")
    line = refused("segment", "score", models / "lip.pt", "--data", boxes, "--split", "train")
    assert "annotation 1: segmentation has none" in line
    assert "segmentation has none" in refused("train", "seg-s", "--data", boxes, "--out", out)
    for command in ("certify", "attack"):
        line = refused(command, models / "lip.pt", *data, "--score", "0.5")
        assert "answers with masks" in line
    assert not out.exists()
