"""The weights of an earlier model that a training run begins with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from lard.detect.checkpoint import load_detector, load_segmenter
from lard.detect.config import ModelSpec
from lard.detect.fcos import Detector
from lard.detect.learner import Learner
from lard.detect.ortho import OrthoConv2d, factors
from lard.detect.segmenter import network_of
from lard.errors import ModelError
from lard.tables import sha256_file

LAYERS = ("family", "widths", "depths", "pyramid", "towers", "side_limits_px", "normalise", "certified_boxes")
"""What two models must share for the weights of one to mean the same in the other."""

SAME_KERNEL = 1e-5
"""Largest difference of a kernel's weights to those that its recovered factors compose."""


@dataclass(frozen=True, slots=True)
class Start:
    """Weights to begin with, of which file, and the airports it learnt from: None where it does not say."""

    name: str
    sha256: str
    weights: dict[str, Tensor]
    airports: dict[str, list[str]] | None


def read_start(path: str | Path, spec: ModelSpec) -> Start:
    """Read a checkpoint with the layers of `spec`; ModelError says what does not fit.

    A Lipschitz checkpoint holds finished kernels; the orthogonal factors that are trained are found again.
    """
    loaded = load_segmenter(path) if spec.segments else load_detector(path)
    odd = [name for name in LAYERS if getattr(loaded.net.spec, name) != getattr(spec, name)]
    if odd:
        found, wanted = getattr(loaded.net.spec, odd[0]), getattr(spec, odd[0])
        raise ModelError(
            f"{path}: --start: {odd[0]} is {found}, the model to train has {wanted};"
            " start from a checkpoint of the same layers"
        )
    said: dict[str, Any] = loaded.meta.get("airports") or {}
    airports = {part: list(said.get(part, ())) for part in ("train", "validation")}
    known = airports if airports["train"] else None
    return Start(loaded.name, sha256_file(path), _trainable(loaded.net, path), known)


def _trainable(finished: Detector, path: str | Path) -> dict[str, Tensor]:
    """The weights of a checkpoint's network as training holds them."""
    state = finished.state_dict()
    raw = network_of(finished.spec)
    for name, layer in raw.named_modules():
        if not isinstance(layer, OrthoConv2d):
            continue
        kernel = state.pop(f"{name}.weight")
        mix, planes = factors(layer, kernel)
        state |= {f"{name}.mix": mix.float(), f"{name}.planes": planes.float()}
        layer.load_state_dict({"mix": mix, "planes": planes, "bias": state[f"{name}.bias"]})
        error = float((layer.weight().detach() - kernel).abs().max())
        if not error <= SAME_KERNEL:
            raise ModelError(
                f"{path}: --start: {name} is no composition of the orthogonal factors that are trained"
                f" (its kernel differs by {error:.2g}); start from a checkpoint that lard train wrote"
            )
    return state


def set_off(learner: Learner, start: Start) -> None:
    """Put the weights into a new learner's network and into its running average."""
    learner.net.load_state_dict(start.weights)
    learner.average.load_state_dict(start.weights)


def learnt_before(airports: dict[str, list[str]], start: Start | None) -> dict[str, list[str]]:
    """Airports of a run's data and of the model it started from; nothing is said where that one is silent."""
    if start is None:
        return airports
    if start.airports is None:
        return {part: [] for part in airports}
    before = start.airports
    return {part: sorted({*codes, *before[part]}) for part, codes in airports.items()}
