"""Checkpoints of corner models, read and written as those of detectors are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lard.detect.audit import LipschitzBound, audit
from lard.detect.cards import corner_weights_of, shipped_corners
from lard.detect.checkpoint import (
    CORNER_FORMAT,
    FORMAT,
    About,
    bound_as_claimed,
    filled,
    in_plain_layers,
    read_tensors,
    write_tensors,
)
from lard.detect.corner_net import CornerNet, LipschitzCorners, build_corners
from lard.detect.corner_spec import CornerSpec
from lard.documents import checked
from lard.errors import ModelError

_REMEDY = "use a corner model that lard train wrote, `lard train corners-s` say"


class CornerDescription(About):
    """What a checkpoint says of its corner model."""

    spec: CornerSpec


@dataclass(frozen=True, slots=True)
class CornerCheckpoint:
    """A corner model ready to use, its description and, for a Lipschitz one, its certified constant."""

    net: CornerNet
    name: str
    meta: dict[str, Any]
    bound: LipschitzBound | None


def save_corners(
    net: CornerNet, name: str, extra: dict[str, Any], path: str | Path, half: bool = False
) -> None:
    """Write a corner model; a Lipschitz one is audited first and carries its constant.

    `half` rounds a plain model to float16; the constant of a Lipschitz one rests on all of its weights.
    """
    plain = in_plain_layers(net, build_corners(net.spec, exported=True)).eval()
    meta = {"format": CORNER_FORMAT, "name": name, "spec": net.spec.model_dump(mode="json"), **extra}
    meta["parameters"] = sum(parameter.numel() for parameter in plain.parameters())
    state = plain.state_dict()
    if isinstance(plain, LipschitzCorners):
        norm = "L2, pixels of the window in [0, 1] to its four heat maps together"
        meta["lipschitz"] = {**audit(plain).to_json(), "norm": norm}
    elif half:
        state = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
    write_tensors(state, meta, path)


def load_corner_checkpoint(path: str | Path) -> CornerCheckpoint:
    """Load a corner model; a Lipschitz one is measured again and must match what it claims."""
    tensors, meta = read_tensors(path)
    if meta.get("format") == FORMAT:
        raise ModelError(f"{path}: a detector, no corner model; {_REMEDY}")
    if meta.get("format") != CORNER_FORMAT:
        raise ModelError(f"{path}: format {meta.get('format')!r}, expected {CORNER_FORMAT!r}; {_REMEDY}")
    about = checked(CornerDescription, meta, path, error=ModelError, remedy=_REMEDY)
    net = filled(lambda: build_corners(about.spec, exported=True), tensors, path)
    bound = None
    if isinstance(net, LipschitzCorners):
        bound = bound_as_claimed(net, about.lipschitz, path)
    return CornerCheckpoint(net, about.name, meta, bound)


def resolve_corners(model: str | Path) -> Path:
    """The file of a shipped corner model's name, or of an own checkpoint."""
    names = shipped_corners()
    if str(model) in names:
        return corner_weights_of(str(model))
    path = Path(model)
    if path.suffix == ".onnx":
        raise ModelError(f"{path}: corner models are checkpoints, not ONNX files; {_REMEDY}")
    if path.is_file():
        return path
    known = f"shipped corner models: {', '.join(names)}" if names else "no corner models ship yet"
    raise ModelError(f"{model}: neither a file nor the name of a shipped corner model ({known}); {_REMEDY}")
