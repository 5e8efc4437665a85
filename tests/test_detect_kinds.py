"""Training of one kind of model keeps the checkpoint of another."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from corners_support import write_cornered, write_random_corners
from detect_support import write_random_model, write_toy

from lard.cli import main
from lard.detect.checkpoint import exported, save_detector
from lard.detect.config import ModelSpec
from lard.detect.corner_spec import CORNER_PRESETS, CornerSpec
from lard.detect.kinds import keep_other_kinds, kind_of
from lard.detect.presets import PRESETS
from lard.detect.segmenter import network_of
from lard.errors import ModelError

SPECS: dict[str, ModelSpec | CornerSpec] = {
    "detector": ModelSpec.model_validate(PRESETS["fcos-s"]),
    "segmenter": ModelSpec.model_validate(PRESETS["seg-s"]),
    "corner model": CornerSpec.model_validate(CORNER_PRESETS["corners-s"]),
}


def written(kind: str, path: Path) -> Path:
    """The checkpoint of an untrained model of a kind."""
    if kind == "detector":
        return write_random_model(path)
    if kind == "corner model":
        return write_random_corners(path)
    torch.manual_seed(3)
    spec = SPECS["segmenter"]
    assert isinstance(spec, ModelSpec)
    save_detector(exported(network_of(spec), spec), "seg", spec, {}, path)
    return path


@pytest.mark.parametrize("there", SPECS)
def test_only_the_same_kind_may_be_replaced(there: str, tmp_path: Path) -> None:
    checkpoint = written(there, tmp_path / "checkpoint.pt")
    for kind, spec in SPECS.items():
        assert kind_of(spec) == kind
        if kind == there:
            keep_other_kinds(checkpoint, spec)
            continue
        with pytest.raises(ModelError, match=f"holds a {there}, which a {kind} would replace"):
            keep_other_kinds(checkpoint, spec)
    keep_other_kinds(tmp_path / "none.pt", SPECS["detector"])


def test_a_file_that_is_no_checkpoint_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"thesis")
    with pytest.raises(ModelError, match="not a checkpoint"):
        keep_other_kinds(tmp_path / "checkpoint.pt", SPECS["detector"])


@pytest.mark.parametrize("model", ["fcos-s", "seg-s", "corners-s"])
def test_the_command_refuses_before_it_trains(model: str, tmp_path: Path) -> None:
    there = "corner model" if model != "corners-s" else "detector"
    data = (write_cornered if model == "corners-s" else write_toy)(tmp_path / "data")
    checkpoint = written(there, tmp_path / "out" / "checkpoint.pt")
    before = checkpoint.read_bytes()
    done = CliRunner().invoke(main, ["train", model, "--data", str(data), "--out", str(tmp_path / "out")])
    assert done.exit_code == 2, done.output
    assert f"{checkpoint}: holds a {there}" in done.stderr and "--out" in done.stderr
    assert checkpoint.read_bytes() == before
    assert [path.name for path in checkpoint.parent.iterdir()] == [checkpoint.name]
