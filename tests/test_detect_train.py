"""Training, checkpoints and prediction on a toy dataset: same bytes, resumed or not, and clear refusals."""

from __future__ import annotations

import csv
import json
import pickle
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from detect_support import SIZE_PX, write_toy

import lard.detect.train as training
from lard.detect.batches import Batch, Share, batches
from lard.detect.checkpoint import load_detector, read_tensors, write_tensors
from lard.detect.config import ModelSpec, PredictSpec, TrainSpec, parse_params, read_params
from lard.detect.crops import clip_to_square, crops_of, discernible, pictures_of_step, polygon_area
from lard.detect.data import Picture, load_image, read_pictures
from lard.detect.decode import detect
from lard.detect.fcos import build
from lard.detect.learner import schedule
from lard.detect.predict import predict
from lard.detect.train import train
from lard.detect.validate import validation
from lard.errors import DataError, ModelError, SpecError
from lard.report.training import write_curves

LIP = ModelSpec(
    family="lip-fcos", widths=(8, 16, 16), depths=(1, 1, 1), pyramid=8, towers=1, side_limits_px=(32,)
)
PLAIN = ModelSpec(
    family="fcos", widths=(8, 16, 16), depths=(1, 1, 1), pyramid=8, towers=1, side_limits_px=(32,)
)
PLAN = TrainSpec(steps=6, batch=4, crops_per_image=2, crop_px=64, processes=1, save_every=2)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy") / "data")


@pytest.fixture(scope="module")
def trained(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "lip"
    return train("lip", LIP, PLAN, toy, folder, folder.parent / "resume")


def test_a_model_may_learn_longer_than_the_plan_says(toy: Path, tmp_path: Path) -> None:
    longer = PLAIN.model_copy(update={"steps": PLAN.steps + 1})
    train("m", longer, PLAN, toy, tmp_path / "m", tmp_path / "work")
    last = (tmp_path / "m" / "log.csv").read_text().strip().splitlines()[-1]
    assert last.startswith(f"{PLAN.steps},")


@pytest.mark.parametrize("spec", [LIP, PLAIN], ids=["lip", "plain"])
def test_an_interrupted_run_ends_with_the_same_bytes(
    spec: ModelSpec, toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train("m", spec, PLAN, toy, tmp_path / "whole", tmp_path / "work-a").read_bytes()
    cut = Share.cut

    def killed(share: Share, step: int) -> tuple[torch.Tensor, ...]:
        if step == 5:
            raise KeyboardInterrupt
        return cut(share, step)

    monkeypatch.setattr(Share, "cut", killed)
    with pytest.raises(KeyboardInterrupt):
        train("m", spec, PLAN, toy, tmp_path / "cut", tmp_path / "work-b")
    assert not (tmp_path / "cut" / "checkpoint.pt").exists()
    assert (tmp_path / "work-b" / "m.resume.pt").is_file()
    seen = []

    def counted(share: Share, step: int) -> tuple[torch.Tensor, ...]:
        seen.append(step)
        return cut(share, step)

    monkeypatch.setattr(Share, "cut", counted)
    again = train("m", spec, PLAN, toy, tmp_path / "cut", tmp_path / "work-b")
    assert seen == [4, 5], "goes on from the last saved step"
    assert again.read_bytes() == whole
    assert (tmp_path / "cut" / "log.csv").read_bytes() == (tmp_path / "whole" / "log.csv").read_bytes()
    assert not (tmp_path / "work-b" / "m.resume.pt").exists()


def test_two_processes_share_one_step(toy: Path, tmp_path: Path) -> None:
    """The Lipschitz objectness knows no batch statistics, so that both ways see the same loss."""
    plan = PLAN.model_copy(update={"steps": 1})
    train("m", LIP, plan, toy, tmp_path / "one", tmp_path / "work")
    train("m", LIP, plan.model_copy(update={"processes": 2}), toy, tmp_path / "two", tmp_path / "work")
    one, two = (
        (tmp_path / name / "log.csv").read_text().splitlines()[1].split(",") for name in ("one", "two")
    )
    assert float(two[2]) == pytest.approx(float(one[2]), rel=1e-4)


def test_a_loss_that_is_not_finite_names_the_batch(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def poisoned(share: Share, device: torch.device, loaders: int) -> Iterator[Batch]:
        for step, batch in enumerate(batches(share, device, loaders)):
            yield replace(batch, images=batch.images * float("nan")) if step == 3 else batch

    monkeypatch.setattr(training, "batches", poisoned)
    with pytest.raises(ModelError, match=r"not finite at step 3 .*train_\d\.jpg"):
        train("m", PLAIN, PLAN, toy, tmp_path / "out", tmp_path / "work")
    _, meta = read_tensors(tmp_path / "work" / "m.resume.pt")
    assert meta["step"] == 2
    assert not (tmp_path / "out" / "checkpoint.pt").exists()


def test_lack_of_memory_names_a_batch_to_try(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def greedy(share: Share, step: int) -> tuple[torch.Tensor, ...]:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(Share, "cut", greedy)
    with pytest.raises(ModelError, match=r"batch 4 of 64 px; set train\.batch to 2"):
        train("m", PLAIN, PLAN, toy, tmp_path / "out", tmp_path / "work")


def test_checkpoint_states_its_constant_and_loading_measures_it(trained: Path, tmp_path: Path) -> None:
    loaded = load_detector(trained, "lip")
    assert loaded.bound is not None and loaded.bound.constant == pytest.approx(1, abs=1e-4)
    assert loaded.meta["lipschitz"]["L"] == pytest.approx(loaded.bound.constant, rel=1e-6)
    tensors, meta = read_tensors(trained)
    tensors["stem.1.weight"] = tensors["stem.1.weight"] * 1.0005
    write_tensors(tensors, meta, tmp_path / "grown.pt")
    with pytest.raises(ModelError, match="claims Lipschitz constant"):
        load_detector(tmp_path / "grown.pt")


class _Code:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("this must never run",)


def test_bad_checkpoints_are_refused(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such checkpoint"):
        load_detector(tmp_path / "none.pt")
    with pytest.raises(ModelError, match="holds model 'lip', expected 'fcos-s'"):
        load_detector(trained, "fcos-s")
    torch.save({"meta": _Code(), "tensors": {}}, tmp_path / "code.pt")
    with pytest.raises(ModelError, match="refused"):
        load_detector(tmp_path / "code.pt")
    (tmp_path / "code.pkl").write_bytes(pickle.dumps(_Code(), protocol=2))
    with pytest.raises(ModelError, match="refused"):
        load_detector(tmp_path / "code.pkl")
    (tmp_path / "cut.pt").write_bytes(trained.read_bytes()[:5000])
    with pytest.raises(ModelError, match="refused"):
        load_detector(tmp_path / "cut.pt")
    tensors, meta = read_tensors(trained)
    raw = bytearray(trained.read_bytes())
    raw[raw.index(tensors["stem.1.weight"].numpy().tobytes())] ^= 1  # a weight a little off, and no NaN
    (tmp_path / "worn.pt").write_bytes(raw)
    with pytest.raises(ModelError, match=r"worn.pt: .*data/\d+ does not have the bytes that were written"):
        load_detector(tmp_path / "worn.pt")
    tensors.pop("stem.1.weight")
    write_tensors(tensors, meta, tmp_path / "short.pt")
    with pytest.raises(ModelError, match="do not fit"):
        load_detector(tmp_path / "short.pt")


def test_predictions_do_not_depend_on_the_processes(trained: Path, toy: Path, tmp_path: Path) -> None:
    plan = PredictSpec(split="test", score_floor=0.0, max_boxes=7)
    predict(trained, toy, tmp_path / "one.json", plan, processes=1)
    predict(trained, toy, tmp_path / "two.json", plan, processes=2)
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    rows = json.loads((tmp_path / "one.json").read_text())
    assert rows and max(sum(row["image_id"] == image for row in rows) for image in range(1, 5)) <= 7
    assert all(row["bbox"][0] >= 0 and row["bbox"][0] + row["bbox"][2] <= SIZE_PX + 0.01 for row in rows)
    keys = [(row["image_id"], -row["score"]) for row in rows]
    assert keys == sorted(keys)


def test_missing_and_broken_images_are_named(toy: Path, trained: Path, tmp_path: Path) -> None:
    copy = write_toy(tmp_path / "data")
    (copy / "images" / "test_1.jpg").unlink()
    with pytest.raises(DataError, match=r"1 of 4 images are missing .*test_1\.jpg"):
        read_pictures(copy, "test")
    (copy / "images" / "test_1.jpg").write_bytes(b"not a jpeg")
    with pytest.raises(DataError, match="not a picture that can be read"):
        predict(trained, copy, tmp_path / "out.json", PredictSpec())
    assert not (tmp_path / "out.json").exists()
    (copy / "coco" / "test.json").write_text('{"images": [{"id": 1}], "annotations": []}')
    with pytest.raises(DataError, match="not a COCO detection file"):
        read_pictures(copy, "test")


def test_crops_keep_labels_exact(toy: Path) -> None:
    """Inside every kept box the quad is bright, whatever the crop, flip and photometric change."""
    plan = PLAN.model_copy(
        update={"crops_per_image": 6, "centred_share": 1.0, "near_share": 0.0, "zoom": 1.3}
    )
    checked = 0
    for serial, picture in enumerate(read_pictures(toy, "train")):
        for crop in crops_of(picture, serial, plan):
            assert crop.pixels.shape == (64, 64, 3)
            for x0, y0, x1, y1 in crop.boxes:
                assert 0 <= x0 < x1 <= 64 and 0 <= y0 < y1 <= 64
                centre = crop.pixels[round((y0 + y1) / 2 - 0.5), round((x0 + x1) / 2 - 0.5)]
                assert centre.mean() > crop.pixels.mean()
                checked += 1
    assert checked > 10


@pytest.mark.parametrize(("apart_grey", "seen"), [(0, False), (2, False), (5, True), (90, True)])
@pytest.mark.parametrize("side_px", [4, 20, 300])
def test_runways_that_no_one_can_see_are_not_taught(apart_grey: int, seen: bool, side_px: int) -> None:
    """A square in grain of one grey level, brighter than its surroundings by so much, of any size."""
    image = np.random.default_rng(side_px).normal(100, 1, (512, 512, 3))
    image[100 : 100 + side_px, 100 : 100 + side_px] += apart_grey
    low, high = 100.0, 100.0 + side_px
    corners = np.array([[low, low], [high, low], [high, high], [low, high]])
    picture = Picture(
        1, Path("x.jpg"), 512, 512, np.array([[low, low, high, high]]), (corners,), np.array([False])
    )
    assert discernible(picture, np.clip(np.round(image), 0, 255).astype(np.uint8)).tolist() == [seen]


def test_sampling_is_a_function_of_the_step() -> None:
    visits = [index for step in range(5) for _, index in pictures_of_step(step, 3, 15, seed=4)]
    assert sorted(visits) == list(range(15)), "one pass shows every picture once"
    assert pictures_of_step(7, 3, 15, 4) == pictures_of_step(7, 3, 15, 4) != pictures_of_step(7, 3, 15, 5)


def test_clipping_a_polygon_to_a_crop() -> None:
    square = np.array([[-5.0, -5.0], [5.0, -5.0], [5.0, 5.0], [-5.0, 5.0]])
    assert polygon_area(clip_to_square(square, 10)) == pytest.approx(25)
    assert len(clip_to_square(square - 20, 10)) == 0
    assert polygon_area(clip_to_square(square[::-1] + 5, 10)) == pytest.approx(100)


def test_schedule_rises_then_falls() -> None:
    rates = [schedule(step, 100, 0.1) for step in range(100)]
    assert rates[0] == pytest.approx(0.1) and max(rates) == 1 and rates[-1] < 0.03
    assert schedule(0, 1, 0.0) > 0


def test_parameters_report_every_fault(tmp_path: Path) -> None:
    document = {
        "models": {"a": {"family": "yolo"}, "b": {"family": "lip-fcos", "widths": [10, 16, 16, 16]}},
        "train": {"batch": 3, "stepz": 4},
    }
    with pytest.raises(SpecError) as caught:
        parse_params(document, "params.yaml")
    text = str(caught.value)
    assert "models.a.family" in text and "models.b" in text and "train.stepz" in text
    with pytest.raises(SpecError, match="must be a multiple"):
        parse_params({"models": {}, "train": {"batch": 6}}, "params.yaml")
    with pytest.raises(SpecError, match="no such model"):
        parse_params({"models": {"a": {"family": "fcos"}}}, "params.yaml").model("b")
    with pytest.raises(SpecError, match="no such file; give a parameter file"):
        read_params(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("models: {a: 1\ntrain: [")
    with pytest.raises(SpecError, match=r"bad\.yaml:\d+: not valid YAML"):
        read_params(tmp_path / "bad.yaml")


@pytest.mark.parametrize("spec", [LIP, PLAIN], ids=["lip", "plain"])
def test_half_precision_finds_the_same_to_three_digits(spec: ModelSpec, toy: Path) -> None:
    torch.manual_seed(0)
    net = build(spec).eval()
    pixels = load_image(read_pictures(toy, "test")[0])
    plan = PredictSpec(score_floor=0.0, nms_iou=1.0)
    _, whole = detect(net, pixels, plan)
    _, half = detect(net, pixels, plan.model_copy(update={"precision": "bfloat16"}))
    assert len(whole) == len(half) > 0
    np.testing.assert_allclose(half, whole, rtol=0.05, atol=2e-3)


def test_validation_stands_in_the_log_and_changes_no_weight(toy: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(toy, data)
    shutil.copy(data / "coco/test.json", data / "coco/val.json")
    watched = PLAN.model_copy(update={"validate_every": 4, "validate_frames": 3})
    blind = PLAN.model_copy(update={"validate_every": 0})
    one = train("m", PLAIN, watched, data, tmp_path / "one", tmp_path / "work-1")
    two = train("m", PLAIN, blind, data, tmp_path / "two", tmp_path / "work-2")
    before, after = read_tensors(one)[0], read_tensors(two)[0]
    assert all(torch.equal(before[key], after[key]) for key in before)
    with (tmp_path / "one/log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows if row["val_ap50"]] == ["3", "5"], "every fourth step and the last"
    assert all(0 <= float(row["val_ap"]) <= float(row["val_ap50"]) <= 1 for row in rows if row["val_ap50"])
    with (tmp_path / "two/log.csv").open(newline="") as file:
        assert not any(row["val_ap50"] for row in csv.DictReader(file))
    picture = write_curves(tmp_path / "one", "m").read_text()
    assert picture.startswith("<svg") and "validation airports" in picture
    assert "validation airports" not in write_curves(tmp_path / "two", "m").read_text()  # no empty plot


def test_validation_is_on_the_datasets_that_have_some(toy: Path, tmp_path: Path) -> None:
    """Of several, all of whose airports train in one."""
    data = [tmp_path / name for name in ("trains", "validates")]
    for folder, split in zip(data, ("train", "test"), strict=True):
        shutil.copytree(toy, folder)
        shutil.copy(folder / f"coco/{split}.json", folder / "coco/val.json")
    document = json.loads((data[0] / "coco/val.json").read_text())
    (data[0] / "coco/val.json").write_text(json.dumps({**document, "images": [], "annotations": []}))
    watched = validation(data, 99)
    assert watched is not None
    assert {picture.path.parts[-3] for picture in watched.pictures} == {"validates"}
    assert validation(data[:1], 99) is None
