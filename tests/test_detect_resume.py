"""A run that begins anew although a state is there says why, and only what decides the result makes it so."""

from __future__ import annotations

from pathlib import Path

import pytest
from detect_support import cut_off, write_toy
from imports_support import ROOT, imported_files

from lard.detect.checkpoint import read_tensors, write_tensors
from lard.detect.config import ModelSpec, TrainSpec
from lard.detect.state import DECIDING, SHOWN, differences, fingerprint, why_anew
from lard.detect.train import train

SPEC = ModelSpec(
    family="fcos", widths=(8, 16, 16), depths=(1, 1, 1), pyramid=8, towers=1, side_limits_px=(32,)
)
PLAN = TrainSpec(steps=3, batch=4, crops_per_image=2, crop_px=64, processes=1, save_every=2)

WITHOUT_EFFECT = {
    "detect/checkpoint.py", "detect/audit.py",  # after the last step
    "detect/state.py", "detect/memory.py", "detect/events.py",  # about a run, not in it
    "detect/presets.py", "detect/corner_spec.py", "score/protocols.py",  # resolved before a run begins
    "detect/kinds.py",  # refuses before the first step
    "errors.py", "progress.py", "tables.py", "__init__.py", "detect/__init__.py", "score/__init__.py",
    "intake/coco_model.py",  # refuses, decides nothing
    "intake/__init__.py", "compiled.py", "files.py", "parts.py",
    "documents/__init__.py", "documents/json.py", "documents/model.py", "documents/text.py",
    "documents/composed.py", "documents/yaml.py",
    "geodesy.py", "distortion.py",  # the camera's, for other callers
}  # fmt: skip
"""What training imports and a saved state does not depend on."""


def test_every_module_of_a_step_is_in_the_fingerprint() -> None:
    used = {
        name.removeprefix("lard/") for name in imported_files(ROOT / "lard/detect/train.py", WITHOUT_EFFECT)
    }
    assert used | {"detect/train.py"} == set(DECIDING)
    assert not WITHOUT_EFFECT & set(DECIDING)


@pytest.fixture
def cut(tmp_path: Path) -> tuple[Path, Path]:
    """A toy dataset and the state that a run interrupted in its last step leaves."""
    toy, work = write_toy(tmp_path / "data"), tmp_path / "work"
    with cut_off(at=2):
        train("m", SPEC, PLAN, toy, tmp_path / "out", work)
    return toy, work / "m.resume.pt"


def begun(plan: TrainSpec, toy: Path, state: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What a run says on stderr apart from its progress."""
    capsys.readouterr()
    train("m", SPEC, plan, toy, state.parent.parent / "out", state.parent)
    lines = capsys.readouterr().err.splitlines()
    return "\n".join(line for line in lines if not line.startswith("train m"))


def test_a_run_that_goes_on_says_nothing(cut: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert begun(PLAN, *cut, capsys) == ""


@pytest.mark.parametrize(
    "fault", ["parameters", "data", "code", "torch", "older", "broken", "tensors", "moments", "step", "rows"]
)
def test_a_run_that_begins_anew_says_why(
    fault: str, cut: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    toy, state = cut
    tensors, meta = read_tensors(state)
    own, plan = meta["fingerprint"], PLAN
    if fault == "parameters":
        plan, told = PLAN.model_copy(update={"seed": 7}), "train.seed is 7, was 0"
    elif fault == "data":
        own["data"]["coco/train.json of dataset 1"] = "0"
        told = "coco/train.json of dataset 1 has changed"
    elif fault == "code":
        own["code"]["lard/detect/loss.py"], told = "0", "lard/detect/loss.py has changed"
    elif fault == "torch":
        own["versions"]["torch"], told = "1.0", "torch is "
    elif fault in ("tensors", "moments", "step", "rows"):
        told = "it is damaged"
        if fault == "tensors":
            del tensors[next(key for key in tensors if key.startswith("average."))]
        elif fault == "moments":
            tensors["optimiser.x.exp_avg"] = tensors["net.objectness.bias"]
        else:
            meta[fault] = {"step": "1e400", "rows": [["loss"]]}[fault]
    else:
        meta["fingerprint"], told = "0123", "another version of lard wrote it"
    write_tensors(tensors, meta, state)
    if fault == "broken":
        state.write_bytes(state.read_bytes()[:1000])
        told = "refused: not a checkpoint"
    text = begun(plan, toy, state, capsys)
    assert text.startswith(f"m: begins at step 0 and will replace {state}") and told in text
    assert text.count("\n") == 0
    assert len((state.parent.parent / "out" / "log.csv").read_text().splitlines()) == 3, "steps 0 and 2"


def test_many_differences_are_counted(tmp_path: Path) -> None:
    own = fingerprint(SPEC, PLAN, [write_toy(tmp_path / "data")])
    assert differences(own, own) == []
    other = {part: dict.fromkeys(values, "other") for part, values in own.items()}
    found = differences(other, own)
    assert len(found) == sum(map(len, own.values()))
    assert why_anew("m", tmp_path, found).endswith(f"; and {len(found) - SHOWN} more differences")
    assert differences({**own, "data": {}}, own) == ["coco/train.json of dataset 1 has changed"]
