"""Exported files answer as the checkpoint does, and say how to be used."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from detect_support import write_toy

from lard.cli import main
from lard.detect.checkpoint import exported, load_detector, read_tensors, save_detector, write_tensors
from lard.detect.config import ModelSpec, PredictSpec
from lard.detect.data import load_image, read_pictures
from lard.detect.decode import Decoder, select, to_input
from lard.detect.deploy import FORMAT, KEY, export_model, open_onnx
from lard.detect.fcos import build
from lard.detect.predict import predict
from lard.errors import DataError, ModelError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

SMALL = {"widths": (8, 16, 16), "depths": (1, 1, 1), "pyramid": 8, "towers": 1, "side_limits_px": (32,)}
SPECS = {
    "plain": ModelSpec(family="fcos", **SMALL),
    "lip": ModelSpec(family="lip-fcos", temperature=6.0, **SMALL),
}
PLAN = PredictSpec(score_floor=0.0, per_level=60, max_boxes=20)
SIZE_PX = (160, 160)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy") / "data", train=1)


@pytest.fixture(scope="module", params=list(SPECS))
def files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A checkpoint with logits spread enough for detections to have an order, and its ONNX file."""
    torch.manual_seed(1)
    torch.set_num_threads(1)
    spec = SPECS[request.param]
    net = exported(build(spec), spec)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name in ("objectness.weight", "regression.centre.weight"):
                parameter.normal_(std=0.5)
    folder = tmp_path_factory.mktemp(request.param)
    save_detector(net, request.param, spec, {}, folder / "checkpoint.pt")
    export_model(folder / "checkpoint.pt", folder / "model.onnx", "onnx", SIZE_PX, PLAN)
    return folder / "checkpoint.pt", folder / "model.onnx"


def test_onnx_runtime_finds_the_same(files: tuple[Path, Path], toy: Path) -> None:
    """Frames as large as the file's input, and smaller ones that are filled up."""
    checkpoint, path = files
    decoder, run = Decoder(load_detector(checkpoint).net), open_onnx(path, PLAN)
    for picture, rows in zip(read_pictures(toy, "test"), (160, 160, 152, 133), strict=True):
        image = load_image(picture)[:rows]
        pixels = np.full((160, 160, 3), 127.5, np.float32)
        pixels[:rows] = image
        with torch.inference_mode():
            boxes, scores = decoder(torch.from_numpy(pixels.transpose(2, 0, 1)[None] / 255))
        own = select(boxes[0].numpy(), scores[0].numpy(), (1600, 400), (160, rows), PLAN)
        found = run(image)
        assert len(own[0]) == len(found[0]) > 5
        assert np.abs(own[0] - found[0]).max() < 1e-4 * 160 and np.abs(own[1] - found[1]).max() < 1e-4


def test_predictions_from_both_files_agree(files: tuple[Path, Path], toy: Path, tmp_path: Path) -> None:
    """What lard predict writes for the checkpoint and for its ONNX file."""
    for name, path in zip(("own", "runtime"), files, strict=True):
        predict(path, toy, tmp_path / f"{name}.json", PLAN)
    own, runtime = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("own", "runtime"))
    assert len(own) == len(runtime) > 20
    for first, second in zip(own, runtime, strict=True):
        assert first["image_id"] == second["image_id"]
        assert first["score"] == pytest.approx(second["score"], abs=1e-4)
        assert first["bbox"] == pytest.approx(second["bbox"], abs=0.011), "two decimals are written"


def test_the_file_describes_itself(files: tuple[Path, Path]) -> None:
    checkpoint, path = files
    about = json.loads(next(p.value for p in onnx.load(path).metadata_props if p.key == KEY))
    assert about["format"] == FORMAT
    assert about["input"]["shape"] == ["batch", 3, 160, 160]
    assert [level["stride_px"] for level in about["levels"]] == [4, 8]
    assert about["output"]["scores"]["shape"][1] == sum(level["locations"] for level in about["levels"])
    assert about["choice"]["nms_iou"] == PLAN.nms_iou and about["choice"]["per_level"] == 60
    if "lip" in str(checkpoint):
        bound = load_detector(checkpoint).bound
        assert bound is not None
        assert about["lipschitz"]["L"] == pytest.approx(bound.constant) and about["lipschitz"]["layers"]
        assert about["score"] == "sigmoid(6 * logit)"
    else:
        assert "lipschitz" not in about and "centerness" in about["score"]


def test_the_same_bytes_without_names_of_this_machine(files: tuple[Path, Path], tmp_path: Path) -> None:
    checkpoint, path = files
    if "lip" not in str(checkpoint):
        pytest.skip("once is enough")
    export_model(checkpoint, tmp_path / "again.onnx", "onnx", SIZE_PX, PLAN)
    content = (tmp_path / "again.onnx").read_bytes()
    assert content == path.read_bytes()
    here = str(Path(__file__).parent.parent).encode()
    assert here not in content and b"site-packages" not in content


def test_any_batch_and_torch_export(files: tuple[Path, Path], tmp_path: Path) -> None:
    checkpoint, path = files
    about = export_model(checkpoint, tmp_path / "model.pt2", "torch", SIZE_PX, PLAN)
    extra = {f"{KEY}.json": ""}
    program = torch.export.load(str(tmp_path / "model.pt2"), extra_files=extra)
    assert json.loads(extra[f"{KEY}.json"]) == json.loads(json.dumps(about))
    session = pytest.importorskip("onnxruntime").InferenceSession(str(path))
    net = Decoder(load_detector(checkpoint).net)
    for batch in (1, 3):
        images = torch.rand(batch, 3, SIZE_PX[1], SIZE_PX[0])
        with torch.inference_mode():
            boxes, scores = net(images)
            other_boxes, other_scores = program.module()(images)
        assert torch.allclose(scores, other_scores, atol=1e-5) and boxes.shape[0] == batch
        assert torch.allclose(boxes, other_boxes, rtol=1e-4, atol=1e-4)
        assert np.abs(session.run(["scores"], {"images": images.numpy()})[0] - scores.numpy()).max() < 1e-4


def test_what_does_not_fit_is_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    checkpoint, path = files
    with pytest.raises(ModelError, match="multiples of the coarsest stride, 8 px"):
        export_model(checkpoint, tmp_path / "x.onnx", "onnx", (100, 160), PLAN)
    with pytest.raises(DataError, match="export it with --size 200x160"):
        open_onnx(path, PLAN)(np.zeros((160, 200, 3), np.uint8))
    with pytest.raises(ModelError, match="no such file"):
        open_onnx(tmp_path / "none.onnx", PLAN)
    (tmp_path / "broken.onnx").write_bytes(b"not a model")
    with pytest.raises(ModelError, match="not a readable ONNX file"):
        open_onnx(tmp_path / "broken.onnx", PLAN)
    (tmp_path / "texts.onnx").write_bytes(path.read_bytes().replace(KEY.encode(), b"\xff" * len(KEY)))
    with pytest.raises(ModelError, match="its texts are no UTF-8"):
        open_onnx(tmp_path / "texts.onnx", PLAN)
    model = onnx.load(path)
    del model.metadata_props[:]
    buffer = io.BytesIO()
    onnx.save(model, buffer)
    (tmp_path / "foreign.onnx").write_bytes(buffer.getvalue())
    with pytest.raises(ModelError, match="not an ONNX file that lard export-model wrote"):
        open_onnx(tmp_path / "foreign.onnx", PLAN)


def test_missing_packages_are_named(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ModelError, match=r"pip install 'lard\[onnx\]'"):
        export_model(files[0], tmp_path / "x.onnx", "onnx", SIZE_PX, PLAN)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelError, match=r"pip install 'lard\[onnx\]'"):
        open_onnx(files[1], PLAN)


def test_input_is_filled_up_with_grey() -> None:
    pixels = to_input(np.zeros((10, 13, 3), np.uint8), 8)
    assert pixels.shape == (1, 3, 16, 16) and float(pixels[0, 0, 15, 15]) == 0.5


def test_command(files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint, _ = files
    out = tmp_path / "m.pt2"
    options = ["--format", "torch", "--size", "64x32", "--out", str(out)]
    monkeypatch.chdir(tmp_path)  # without a params.yaml: the defaults
    shown = CliRunner().invoke(main, ["export-model", str(checkpoint), *options])
    assert shown.exit_code == 0 and "parameters" in shown.output and out.is_file(), shown.output
    wrong = CliRunner().invoke(main, ["export-model", str(checkpoint), "--size", "big", "--out", str(out)])
    assert wrong.exit_code == 2 and "expected WIDTHxHEIGHT" in wrong.output
    missing = CliRunner().invoke(main, ["export-model", "none.pt", *options])
    assert missing.exit_code == 2 and "no such checkpoint" in missing.output


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"input": {"shape": ["batch", 3, "x", 160]}}, r"input\.shape\.2: expected a valid integer"),
        ({"levels": True}, "levels: expected a valid list"),
        ({"levels": []}, "levels: "),
        ({"levels": [{"locations": 7}]}, "its description says"),
        ({"format": "other"}, "format: expected 'lard-deploy-1'"),
    ],
)  # fmt: skip
def test_descriptions_of_onnx_files_are_checked(
    files: tuple[Path, Path], tmp_path: Path, change: dict[str, object], message: str
) -> None:
    model = onnx.load(files[1])
    about = json.loads(model.metadata_props[0].value) | change
    model.metadata_props[0].value = json.dumps(about)
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(ModelError, match=message):
        open_onnx(tmp_path / "m.onnx", PLAN)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spec": 3}, "spec: "),
        ({"spec": {"family": "fcos", "widths": [10**9] * 4}}, r"spec\.widths\.0: expected"),
        ({"name": None}, "name: expected a valid string"),
        ({"lipschitz": []}, "lipschitz: expected an object"),
        ({"format": None}, "format None, expected 'lard-detector-1'"),
    ],
)  # fmt: skip
def test_descriptions_of_checkpoints_are_checked(
    files: tuple[Path, Path], tmp_path: Path, change: dict[str, object], message: str
) -> None:
    tensors, meta = read_tensors(files[0])
    write_tensors(tensors, meta | change, tmp_path / "m.pt")
    with pytest.raises(ModelError, match=message):
        load_detector(tmp_path / "m.pt")


def test_tensors_are_compared_with_the_description_before_memory_is_taken(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    tensors, meta = read_tensors(files[0])
    name = sorted(tensors)[0]
    for changed, message in (
        ({**tensors, name: tensors[name].flatten()[:0]}, "tensors do not fit"),
        ({key: value for key, value in tensors.items() if key != name}, "tensors do not fit"),
        ({**tensors, name: tensors[name] * float("nan")}, f"tensor {name} holds no finite numbers"),
        ({**tensors, name: tensors[name].double() + 1e200}, f"tensor {name} holds no finite numbers"),
    ):
        write_tensors(changed, meta, tmp_path / "m.pt")
        with pytest.raises(ModelError, match=message):
            load_detector(tmp_path / "m.pt")
    odd = tensors[name].to(torch.complex64), tensors[name].to_sparse(), tensors[name].to("meta")
    for value in (*odd, torch.quantize_per_tensor(tensors[name].float(), 0.1, 0, torch.qint8)):
        torch.save({"meta": json.dumps(meta), "tensors": {**tensors, name: value}}, tmp_path / "m.pt")
        with pytest.raises(ModelError, match="not a checkpoint of this project"):
            load_detector(tmp_path / "m.pt")
    write_tensors({**tensors, name: tensors[name] > 0}, meta, tmp_path / "m.pt")
    with pytest.raises(ModelError, match="tensors do not fit"):
        load_detector(tmp_path / "m.pt")
    for text in ("[]", "{", '{"a": ' * 500):
        torch.save({"meta": text, "tensors": tensors}, tmp_path / "m.pt")
        with pytest.raises(ModelError, match="its description"):
            load_detector(tmp_path / "m.pt")
    torch.save({"meta": 3, "tensors": tensors}, tmp_path / "m.pt")
    with pytest.raises(ModelError, match="not a checkpoint of this project"):
        load_detector(tmp_path / "m.pt")


@pytest.mark.parametrize("size", [1e30, 3e38])
def test_answers_that_are_no_numbers_never_reach_a_file(
    files: tuple[Path, Path], toy: Path, tmp_path: Path, size: float
) -> None:
    """Tensors of finite numbers whose sums are not: told of the model, and nothing is written."""
    tensors, meta = read_tensors(files[0])
    grown = {name: torch.where(value == 0, value, value.sign() * size) for name, value in tensors.items()}
    write_tensors(grown, meta, tmp_path / "m.pt")
    for arguments in (["--data", str(toy), "--split", "test"], [str(toy / "images")]):
        out = tmp_path / "out" / "found.json"
        ran = CliRunner().invoke(
            main, ["predict", str(tmp_path / "m.pt"), *arguments, "--score", "0", "--out", str(out)]
        )
        assert ran.exit_code == 2 and not out.parent.exists(), ran.output
        assert str(tmp_path / "m.pt") in ran.output and "Traceback" not in ran.output
    with pytest.raises(ModelError, match=r"m\.pt: answers with numbers that are not finite|m\.pt: "):
        export_model(tmp_path / "m.pt", tmp_path / "m.pt2", "torch", SIZE_PX, PLAN)
