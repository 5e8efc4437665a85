"""Corner models from training to keypoints that `lard score` reads."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from corners_support import LIP, PLAIN, write_cornered, write_random_corners
from detect_support import bright_boxes, write_random_model
from imports_support import ROOT, imported_files
from test_detect_resume import WITHOUT_EFFECT

import lard.detect
from lard.cli import main
from lard.detect.cards import CornersMeasured, corner_card_of, corners_appraised, shipped_corners
from lard.detect.checkpoint import read_tensors, write_tensors
from lard.detect.config import PredictSpec, TrainSpec, parse_params
from lard.detect.corner_files import load_corner_checkpoint, resolve_corners, save_corners
from lard.detect.corner_shipped import ship_corners
from lard.detect.corner_spec import CornerSpec
from lard.detect.corner_train import CornerShare, train_corners
from lard.detect.corners import load_corners
from lard.detect.draw import draw_found
from lard.detect.models import Found, Model
from lard.detect.state import CORNERS_DECIDING
from lard.errors import ModelError, SpecError
from lard.tables import read_json

PLAN = TrainSpec(steps=4, batch=4, crops_per_image=2, processes=1, save_every=2, validate_every=0)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cornered(tmp_path_factory.mktemp("cornered") / "data")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # without a params.yaml: the defaults


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(one) for one in arguments])


def test_a_model_learns_corners_that_are_scored(data: Path, tmp_path: Path) -> None:
    """From parameters to the score: corners at a fraction of the error that the corners of boxes have."""
    model = json.dumps({"base": "corners-s", "steps": 100} | PLAIN.model_dump(mode="json", exclude={"steps"}))
    train = {"batch": 16, "crops_per_image": 4, "processes": 1, "ema": 0.95, "validate_every": 50}
    (tmp_path / "p.yaml").write_text(f"models: {{own: {model}}}\ntrain: {json.dumps(train)}\n")
    done = _run("train", "own", "--data", data, "--config", "p.yaml", "--out", "own")
    assert done.exit_code == 0, done.output
    columns = (tmp_path / "own" / "log.csv").read_text().splitlines()[0].split(",")
    assert columns[2:5] == ["position", "heat", "presence"] and "val_corner_px" in columns
    assert "median" in (tmp_path / "own" / "log.svg").read_text()
    detector = write_random_model(tmp_path / "detector.pt")
    out = ("--data", data, "--score", "0", "--out", "found.json")
    assert _run("predict", detector, *out, "--corners", "own/checkpoint.pt").exit_code == 0
    assert all(len(row["keypoints"]) == 12 for row in read_json("found.json"))

    finder, rows, alone = load_corners("own/checkpoint.pt"), [], []
    for image in read_json(data / "coco" / "test.json")["images"]:
        pixels = np.asarray(cv2.imread(str(data / image["file_name"])), np.uint8)
        found = Model("b", Path("b"), PredictSpec(), bright_boxes, None, finder).detect(pixels)
        assert found.corners_px is not None and found.corner_scores is not None
        x0, y0, x1, y1 = found.boxes_px[0]
        row = {"image_id": image["id"], "category_id": 1, "bbox": [x0, y0, x1 - x0, y1 - y0], "score": 0.9}
        points = np.column_stack((found.corners_px[0], found.corner_scores[0])).ravel()
        rows.append({**row, "keypoints": points.tolist()})
        alone.append({**row, "keypoints": [x0, y0, 2, x1, y0, 2, x1, y1, 2, x0, y1, 2]})
    errors = []
    for name, written in (("net", rows), ("box", alone)):
        Path(f"{name}.json").write_text(json.dumps(written))
        assert _run("score", f"{name}.json", "--data", data, "--score", "0.5").exit_code == 0
        report = read_json(f"{name}.score.json")["corners"]
        assert report["with_corners"] == report["required"] == 8
        errors.append(report["error_px"])
    assert errors[0]["median"] < 1, errors
    assert errors[0]["p95"] < 0.4 * errors[1]["p95"], "far corners lie inside their box"


@pytest.mark.parametrize("spec", [LIP, PLAIN], ids=["lip", "plain"])
def test_an_interrupted_run_ends_with_the_same_bytes(
    spec: CornerSpec, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train_corners("m", spec, PLAN, data, tmp_path / "whole", tmp_path / "a").read_bytes()
    cut = CornerShare.cut

    def killed(share: CornerShare, step: int) -> tuple[torch.Tensor, ...]:
        if step == 3:
            raise KeyboardInterrupt
        return cut(share, step)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(CornerShare, "cut", killed)
        train_corners("m", spec, PLAN, data, tmp_path / "cut", tmp_path / "b")
    again = train_corners("m", spec, PLAN, data, tmp_path / "cut", tmp_path / "b")
    assert again.read_bytes() == whole
    loaded = load_corner_checkpoint(again)
    assert (loaded.bound is None) == (spec is PLAIN)
    assert loaded.meta["airports"] == {"train": ["TRAIN"], "validation": ["TEST"]}


def test_two_processes_share_one_step(data: Path, tmp_path: Path) -> None:
    """The Lipschitz family knows no batch statistics, so that both ways see the same loss."""
    plan = PLAN.model_copy(update={"steps": 1})
    rows = []
    for count in (1, 2):
        folder = tmp_path / str(count)
        train_corners("m", LIP, plan.model_copy(update={"processes": count}), data, folder, tmp_path / "w")
        rows.append((folder / "log.csv").read_text().splitlines()[1].split(","))
    for one, two in zip(rows[0][2:6], rows[1][2:6], strict=True):
        assert float(two) == pytest.approx(float(one), rel=1e-3)


def test_every_module_of_a_step_is_in_the_fingerprint() -> None:
    apart = {*WITHOUT_EFFECT, "detect/corner_files.py", "detect/cards.py"} - {"detect/corner_spec.py"}
    used = imported_files(ROOT / "lard/detect/corner_train.py", apart)
    assert {name.removeprefix("lard/") for name in used} | {"detect/corner_train.py"} == set(CORNERS_DECIDING)


def test_half_precision_answers_as_before(data: Path, tmp_path: Path) -> None:
    whole = load_corner_checkpoint(write_random_corners(tmp_path / "whole.pt"))
    save_corners(whole.net, "random-corners", {}, tmp_path / "half.pt", half=True)
    assert (tmp_path / "half.pt").stat().st_size < 0.75 * (tmp_path / "whole.pt").stat().st_size
    windows = torch.rand(2, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    halved = load_corner_checkpoint(tmp_path / "half.pt")
    with torch.no_grad():
        for a, b in zip(
            whole.net.read(whole.net(windows)), halved.net.read(halved.net(windows)), strict=True
        ):
            np.testing.assert_allclose(b.numpy(), a.numpy(), atol=0.05)


def test_pictures_of_ones_own_get_corners_and_sides(data: Path, tmp_path: Path) -> None:
    write_random_model(tmp_path / "detector.pt")
    write_random_corners(tmp_path / "c.pt", PLAIN.model_copy(update={"least_presence": 0.01}))
    arguments = ("predict", "detector.pt", data / "images" / "test_1.png", "--score", "0.5", "--draw", "out")
    assert _run(*arguments, "--corners", "c.pt").exit_code == 0
    document = read_json("out/detections.json")
    assert document["model"]["corners"] == {"file": "c.pt", "name": "random-corners"}
    assert document["categories"][0]["keypoints"][0] == "top_left"
    assert document["detections"] and all(len(row["keypoints"]) == 12 for row in document["detections"])
    found = lard.detect.load("detector.pt", score=0.5, corners="c.pt").detect(data / "images" / "test_1.png")
    assert found.corners_px is not None and found.corners_px.shape == (len(found), 4, 2)
    assert (
        lard.detect.load("detector.pt", score=0.5).detect(data / "images" / "test_1.png").corners_px is None
    )


def test_sides_are_drawn_between_corners_that_are_given() -> None:
    pixels = np.zeros((120, 120, 3), np.uint8)
    corners = np.array([[[40.0, 30.0], [80.0, 30.0], [90.0, 90.0], [30.0, 90.0]]])
    found = Found(
        np.array([[30.0, 30, 90, 90]]), np.array([0.9]), 120, 120, corners, np.array([[1.0, 1, 1, 0]])
    )
    drawn = np.asarray(draw_found(pixels, found))
    assert drawn[28:31, 60, 2].max() > 200 and drawn[60, 83:87, 2].max() > 200, "far edge and right side"
    assert drawn[88:91, 60, 2].max() == 0 and drawn[60, 33:37, 2].max() == 0, (
        "near edge and left side have no second corner"
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("c.pt", "p.png"), "c.pt: a corner model, no detector; give it with --corners"),
        (("d.pt", "p.png", "--corners", "d.pt"), "d.pt: a detector, no corner model"),
        (("d.pt", "p.png", "--corners", "x.onnx"), "x.onnx: corner models are checkpoints, not ONNX"),
        (
            ("d.pt", "p.png", "--corners", "corners-xl"),
            "corners-xl: neither a file nor the name of a shipped",
        ),
        (("d.pt", "p.png", "--corners", "p.png"), "p.png: refused: not a checkpoint"),
        (("d.pt", "p.png", "--corners", "altered.pt"), "altered.pt: claims Lipschitz constant"),
        (("d.pt", "p.png", "--corners", "wide.pt"), "wide.pt: spec.input_px:"),
        (("d.pt", "p.png", "--corners", "c.pt", "--out", "c.pt"), "is c.pt, which is read"),
    ],
)
def test_a_model_in_the_wrong_place_is_told(
    arguments: tuple[str, ...], told: str, data: Path, tmp_path: Path
) -> None:
    write_random_model(tmp_path / "d.pt")
    tensors, meta = read_tensors(write_random_corners(tmp_path / "c.pt"))
    write_tensors(tensors, {**meta, "spec": {**meta["spec"], "input_px": 47}}, tmp_path / "wide.pt")
    tensors, meta = read_tensors(write_random_corners(tmp_path / "altered.pt", LIP))
    tensors["stem.1.weight"] = tensors["stem.1.weight"] * 1.0005
    write_tensors(tensors, meta, tmp_path / "altered.pt")
    (tmp_path / "p.png").write_bytes((data / "images" / "test_1.png").read_bytes())
    (tmp_path / "x.onnx").write_bytes(b"onnx")
    done = _run("predict", *arguments)
    assert done.exit_code == 2 and told in done.output, done.output
    assert "Traceback" not in done.output and not (tmp_path / "out").exists()


def test_export_of_a_corner_model_and_a_start_for_one_are_refused(data: Path, tmp_path: Path) -> None:
    write_random_corners(tmp_path / "c.pt")
    done = _run("export-model", "c.pt", "--out", "c.onnx")
    assert done.exit_code == 2 and "a corner model, no detector" in done.output
    assert not (tmp_path / "c.onnx").exists()
    taken = tmp_path / "taken"
    taken.write_text("mine")
    done = _run("train", "corners-s", "--data", data, "--out", taken)
    assert done.exit_code == 2 and "a file is where a folder should be" in done.output
    assert "crops" not in done.output and taken.read_text() == "mine", "told before any training"
    done = _run("train", "corners-s", "--data", data, "--start", "fcos-s")
    assert done.exit_code == 2 and "--start begins detectors; corners-s is a corner model" in done.output


def test_parameters_tell_corner_models_from_detectors() -> None:
    params = parse_params(
        {"models": {"own": {"base": "corners-s", "steps": 7}, "d": {"base": "fcos-s"}}}, "p"
    )
    assert set(params.models) == {"d"} and params.corner_models["own"].steps == 7
    own = params.corner_model("own")
    assert own is not None and own.widths == (24, 48, 64)
    preset = params.corner_model("lip-corners-s")
    assert preset is not None and preset.family == "lip-corners" and params.corner_model("fcos-s") is None
    with pytest.raises(SpecError, match=r"own.*temperature"):
        parse_params({"models": {"own": {"base": "corners-s", "temperature": 4}}}, "p")
    with pytest.raises(SpecError, match="corners-s"):
        params.model("corner")
    with pytest.raises(ModelError, match="shipped corner model"):
        resolve_corners("corner")


def test_a_shipped_corner_model_has_a_card_and_takes_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lard.detect.cards.ZOO", tmp_path / "zoo")
    write_random_corners(tmp_path / "own.pt")
    ship_corners(tmp_path / "own.pt", "make it", tmp_path / "zoo" / "corners")
    assert resolve_corners("random-corners") == tmp_path / "zoo" / "corners" / "random-corners.pt"
    with pytest.raises(ModelError, match="a corner model, no detector"):
        lard.detect.load("random-corners")
    first = CornersMeasured(
        on="a", boxes="of b", pictures=2, required=3, share=1, corner_px_median=1.5, corner_px_p95=3
    )
    other, better = first.model_copy(update={"on": "b"}), first.model_copy(update={"corner_px_median": 1.0})
    corners_appraised("random-corners", [first, other])
    corners_appraised("random-corners", [better])
    assert corner_card_of("random-corners").scores == (other, better)
    with pytest.raises(ModelError, match="no shipped corner model 'x'; there are: random-corners"):
        corner_card_of("x")


def test_every_corner_model_that_ships_loads_and_has_its_card() -> None:
    assert shipped_corners() == ["corners-s", "lip-corners-s"]
    for name in shipped_corners():
        model, card = load_corner_checkpoint(resolve_corners(name)), corner_card_of(name)
        assert model.name == card.name == name and card.parameters == model.meta["parameters"]
        assert card.trained_airports and card.scores, f"{name}: a card without airports or scores"
        assert not {*card.trained_airports} & {*card.validation_airports}
        assert (card.lipschitz_constant is None) == (card.family == "corners")
        assert resolve_corners(name).stat().st_size < 1.5e6
