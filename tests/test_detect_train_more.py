"""Training on several processes, in half precision, with presets, and what it says when it cannot go on."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from detect_support import SIZE_PX, write_random_model, write_toy
from ruamel.yaml import YAML

from lard.cli import main
from lard.detect.checkpoint import description_of, facts, load_detector, multiplications
from lard.detect.config import ModelSpec, Params, PredictSpec, TrainSpec, parse_params
from lard.detect.crops import _square as square
from lard.detect.crops import horizon_y_px
from lard.detect.data import Picture, load_image, read_pictures
from lard.detect.decode import detect_all
from lard.detect.fcos import Level
from lard.detect.learner import Learner
from lard.detect.predict import predict
from lard.detect.presets import PRESETS
from lard.detect.train import train
from lard.errors import ModelError, SpecError

SMALL = {"widths": (8, 16, 16), "depths": (1, 1, 1), "pyramid": 8, "towers": 1, "side_limits_px": (32,)}
LIP = ModelSpec(family="lip-fcos", **SMALL)
PLAIN = ModelSpec(family="fcos", **SMALL)
PLAN = TrainSpec(steps=3, batch=4, crops_per_image=2, crop_px=64, processes=1, save_every=2)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy") / "data")


def test_pictures_of_one_size_are_seen_together(toy: Path, tmp_path: Path) -> None:
    """Batches of mixed sizes find what single pictures do, in the order of the pictures."""
    net = load_detector(write_random_model(tmp_path / "m.pt")).net
    images = [load_image(picture) for picture in read_pictures(toy, "train")]
    images[1], images[4] = images[1][:96], images[4][:96]
    seen = []
    net.register_forward_pre_hook(lambda _, given: seen.append(tuple(given[0].shape)))
    plan = PredictSpec(score_floor=0.4, max_boxes=20)
    alone = detect_all(net, images, plan)
    assert [shape[0] for shape in seen] == [1] * 6
    seen.clear()
    together = detect_all(net, images, plan.model_copy(update={"batch": 3}))
    assert sorted(seen) == [(1, 3, SIZE_PX, SIZE_PX), (2, 3, 96, SIZE_PX), (3, 3, SIZE_PX, SIZE_PX)]
    for one, other in zip(alone, together, strict=True):
        assert len(one[1]) == 20
        np.testing.assert_allclose(other[0], one[0], atol=1e-2)
        np.testing.assert_allclose(other[1], one[1], atol=1e-5)


def test_loaders_and_event_files_change_no_byte(toy: Path, tmp_path: Path) -> None:
    plain = train("m", PLAIN, PLAN, toy, tmp_path / "a", tmp_path / "work")
    pytest.importorskip("tensorboard")
    fast = train(
        "m", PLAIN, PLAN, toy, tmp_path / "b", tmp_path / "work", loaders=3, tensorboard=tmp_path / "runs"
    )
    assert plain.read_bytes() == fast.read_bytes()
    assert list((tmp_path / "runs").glob("events.*"))


def test_event_files_without_tensorboard(toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ModelError, match="pip install 'lard\\[tensorboard\\]'"):
        train("m", PLAIN, PLAN, toy, tmp_path / "b", tmp_path / "work", tensorboard=tmp_path / "runs")


@pytest.mark.parametrize("spec", [LIP, PLAIN], ids=["lip", "plain"])
def test_half_precision_trains_and_stays_orthogonal(spec: ModelSpec, toy: Path, tmp_path: Path) -> None:
    half = PLAN.model_copy(update={"precision": "bfloat16"})
    path = train("m", spec, half, toy, tmp_path / "half", tmp_path / "work")
    full = train("m", spec, PLAN, toy, tmp_path / "full", tmp_path / "work")
    rows = [
        [float(cell or 0) for cell in (folder.parent / "log.csv").read_text().splitlines()[1].split(",")]
        for folder in (path, full)
    ]
    assert rows[0][2] == pytest.approx(rows[1][2], rel=0.05) and rows[0] != rows[1]
    bound = load_detector(path).bound
    assert bound is None or bound.constant == pytest.approx(1, abs=1e-4)


def test_auto_takes_what_the_device_computes_in_and_says_so(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = PLAN.model_copy(update={"precision": "auto", "steps": 1})
    for native, expected in ((False, "float32"), (True, "bfloat16")):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda native=native: native)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
        path = train("m", PLAIN, plan, toy, tmp_path / expected, tmp_path / "work")
        assert load_detector(path).meta["train"]["precision"] == expected
        asked = plan.model_copy(update={"precision": expected})
        same = train("m", PLAIN, asked, toy, tmp_path / f"asked {expected}", tmp_path / "work")
        assert same.read_bytes() == path.read_bytes()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_training_and_predicting_on_a_gpu(precision: str, toy: Path, tmp_path: Path) -> None:
    plan = TrainSpec.model_validate({**PLAN.model_dump(), "device": "cuda", "precision": precision})
    path = train("m", LIP, plan, toy, tmp_path / "out", tmp_path / "work")
    assert load_detector(path).bound is not None
    assert predict(path, toy, tmp_path / "r.json", PredictSpec(device="cuda", score_floor=0.0)) > 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_no_gpu_is_said(toy: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"train\.device: cuda is not available"):
        train("m", LIP, PLAN.model_copy(update={"device": "cuda"}), toy, tmp_path / "o", tmp_path / "w")
    path = train("m", LIP, PLAN.model_copy(update={"steps": 1}), toy, tmp_path / "o", tmp_path / "w")
    with pytest.raises(ModelError, match=r"predict\.device: cuda is not available"):
        predict(path, toy, tmp_path / "r.json", PredictSpec(device="cuda"))


@pytest.mark.parametrize(
    ("room", "remedy"), [(4, "set train.batch to 4, which fits"), (1, "lower train.crop_px")]
)
def test_lack_of_memory_names_a_batch_that_was_tried(
    room: int, remedy: str, toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine with room for so many crops: the message says what fits there, not just a smaller one."""
    answers = Learner.answers

    def cramped(learner: Learner, images: torch.Tensor, frames: torch.Tensor) -> list[Level]:
        if len(images) > room:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return answers(learner, images, frames)

    monkeypatch.setattr(Learner, "answers", cramped)
    with pytest.raises(ModelError, match=f"out of memory at step 0, batch 16 of 64 px; {remedy}"):
        train(
            "m", PLAIN, PLAN.model_copy(update={"batch": 16, "parts": 1}), toy, tmp_path / "o", tmp_path / "w"
        )


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_are_sound(name: str) -> None:
    spec = Params().model(name)
    assert spec.lipschitz == name.startswith("lip")
    assert (spec.offset > 0) == (name.endswith("robust") or name.startswith("lip-seg"))
    assert (spec.loss == "bag") == name.endswith("certified")
    help_text = CliRunner().invoke(main, ["train", "--help"]).output
    assert name in help_text.replace(",", " ").split() and "robust:" in help_text and "accurate:" in help_text


def test_larger_presets_work_harder() -> None:
    for family in ("fcos", "lip-fcos"):
        work = [multiplications(Params().model(f"{family}-{size}"), 256) for size in "sml"]
        assert work[0] < work[1] / 2 < work[2] / 4
    assert multiplications(PLAIN, 64) * 4 == multiplications(PLAIN, 128)


def test_a_model_may_start_from_a_preset() -> None:
    params = parse_params({"models": {"mine": {"base": "lip-fcos-m-robust", "offset": 0.3}}}, "params.yaml")
    preset = Params().model("lip-fcos-m-robust")
    assert params.model("mine") == preset.model_copy(update={"offset": 0.3})
    with pytest.raises(SpecError, match="base 'yolo' is none of fcos-s"):
        parse_params({"models": {"mine": {"base": "yolo"}}}, "params.yaml")


def test_the_robust_preset_trains_predicts_and_certifies(toy: Path, tmp_path: Path) -> None:
    """End to end on the command line, at a size that is trained in seconds."""
    YAML(typ="safe").dump(
        {
            "models": {"robust": {"base": "lip-fcos-s-robust", "widths": [8, 16, 16, 16], "pyramid": 8}},
            "train": {"steps": 8, "batch": 4, "crops_per_image": 2, "crop_px": 64, "processes": 1},
            "predict": {"score_floor": 0.0, "max_boxes": 5},
        },
        tmp_path / "params.yaml",
    )
    out, results, config = str(tmp_path / "model"), str(tmp_path / "r.json"), str(tmp_path / "params.yaml")
    checkpoint = str(tmp_path / "model" / "checkpoint.pt")
    for command in (
        ["train", "robust", "--data", str(toy), "--config", config, "--out", out],
        ["predict", checkpoint, "--data", str(toy), "--config", config, "--out", results],
        ["score", results, "--data", str(toy)],
        ["certify", checkpoint, "--data", str(toy), "--eps", "0.1", "--score", "0.3"],
    ):
        shown = CliRunner().invoke(main, command)
        assert shown.exit_code == 0, f"{command}\n{shown.output}"
    loaded = load_detector(checkpoint)
    assert loaded.meta["spec"]["offset"] > 0 and loaded.bound is not None
    losses = [float(line.split(",")[2]) for line in (tmp_path / "model/log.csv").read_text().splitlines()[1:]]
    assert losses[-1] < losses[0]
    known = facts(description_of(checkpoint))
    assert known["lipschitz_constant"] == pytest.approx(1, abs=1e-4) and known["gmac_per_megapixel"] > 0


def picture(pitch_deg: float, roll_deg: float) -> Picture:
    info = {
        "camera": {"fx_px": 900.0, "fy_px": 900.0, "cx_px": 512.0, "cy_px": 512.0},
        "pose": {"yaw_deg": 33.0, "pitch_deg": pitch_deg, "roll_deg": roll_deg},
    }
    return Picture(1, Path(), 1024, 1024, np.empty((0, 4)), (), np.empty(0, bool), info)


def test_the_horizon_of_a_pose() -> None:
    assert horizon_y_px(picture(0, 0), 100) == pytest.approx(512)
    assert horizon_y_px(picture(-5, 0), 800) == pytest.approx(512 - 900 * np.tan(np.radians(5))), "nose down"
    right, left = (horizon_y_px(picture(0, 20), x) for x in (812, 212))
    assert left - right == pytest.approx(600 * np.tan(np.radians(20))), (
        "right wing down: it rises on the right"
    )


def test_crops_on_the_horizon(toy: Path) -> None:
    spec = TrainSpec(centred_share=0.0, near_share=0.0, horizon_share=1.0, crop_px=192)
    rng = np.random.default_rng(0)
    corners = np.array([square(picture(-5, 0), np.arange(0), rng, spec)[:2] for _ in range(300)])
    assert (corners >= 0).all() and (corners <= 1024 - 192).all()
    level = 512 - 900 * np.tan(np.radians(5))
    inside = (corners[:, 1] <= level) & (level <= corners[:, 1] + 192)
    assert inside.all() and corners[:, 0].std() > 150, "always in the crop, all along it"
    without = read_pictures(toy, "train")[0]
    assert 0 < horizon_y_px(without, 5.0) < SIZE_PX, "no pose: in the row of the runways"
    with pytest.raises(SpecError, match="must be at most 1"):
        parse_params(
            {"train": {"centred_share": 0.6, "near_share": 0.3, "horizon_share": 0.2}}, "params.yaml"
        )
