"""The last layer of a detector apart from the rest: what it sees, and detections with others in its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from lard.detect.config import PredictSpec
from lard.detect.data import Picture
from lard.detect.decode import Detections, boxes_of, cells_of, select, to_input
from lard.detect.fcos import Detector, Level, LipschitzFcos, PlainFcos
from lard.detect.loss import assign
from lard.detect.precision import computed_in
from lard.errors import ModelError
from lard.files import frame_rng

MOST_POSITIVES = 32
"""Runway locations of a frame that take part, drawn at random where there are more."""
SHRUNK = 1 - 1e-6
"""Of unit features, so that rounding to 32 bits leaves none longer than one."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A detector's answers on one picture, and the inputs (c, h, w) of its last layer, finest level first."""

    levels: list[Level]
    inputs: list[Tensor]
    frame_px: tuple[int, int]  # width, height


@dataclass(frozen=True, slots=True)
class Cells:
    """Locations of one frame: unit features (m, d), wanted answers (m,) 0 or 1, weights (m,) of sum 1."""

    features: NDArray[np.float32]
    wanted: NDArray[np.float32]
    weights: NDArray[np.float32]


def last_layer(net: Detector) -> nn.Conv2d:
    """The convolution that makes the logits of every level."""
    if isinstance(net, LipschitzFcos):
        layer: Any = net.tower[-1]
    elif isinstance(net, PlainFcos):
        layer = net.objectness
    else:
        raise ModelError(f"{type(net).__name__}: its last layer is not known; use an fcos or lip-fcos model")
    assert isinstance(layer, nn.Conv2d)
    return layer


def width_of(net: Detector) -> int:
    """Length d of the features: inputs times taps of the last layer, and one place for each level."""
    return last_layer(net).weight[0].numel() + net.spec.levels


@torch.inference_mode()
def see(net: Detector, image: NDArray[np.uint8], plan: PredictSpec) -> Seen:
    """Answers of a network on one RGB picture (h, w, 3) together with what its last layer saw."""
    inputs: list[Tensor] = []
    hook = last_layer(net).register_forward_pre_hook(lambda _, given: inputs.append(given[0][0].float()))
    try:
        pixels = to_input(image, net.spec.strides_px[-1]).to(memory_format=torch.channels_last)
        with computed_in(plan.precision, "cpu"):
            levels = net(pixels)
    finally:
        hook.remove()
    plain = [Level(a.float(), b.float(), None if c is None else c.float()) for a, b, c in levels]
    return Seen(plain, inputs, (image.shape[1], image.shape[0]))


def unit_patches(net: Detector, inputs: Tensor) -> Tensor:
    """Patches under the last layer's kernel, each of norm 1, row by row: (c, h, w) -> (h w, c k k)."""
    kernel = last_layer(net).kernel_size
    assert isinstance(kernel[0], int)
    patches = F.unfold(inputs[None], kernel[0], padding=(kernel[0] - 1) // 2)[0].T
    return F.normalize(patches, dim=1)


def cells_of_frame(net: Detector, seen: Seen, picture: Picture, negatives: int, seed: int) -> Cells:
    """The locations of one frame that a private head learns from, a function of this frame alone.

    Up to MOST_POSITIVES runway locations and `negatives` of the background: half of them those that the
    detector scores highest, half drawn at random. Runways and background weigh one half each, or the
    background all where there is no runway, so that weights sum to 1. A feature is a unit patch and the mark
    of its level, (patch, mark) / sqrt(2), of norm 1.
    """
    width, height = seen.frame_px
    stride = net.spec.strides_px[-1]
    boxes, ignored = picture.boxes[~picture.ignored], picture.boxes[picture.ignored]
    wanted, _ = assign(boxes, ignored, height + -height % stride, width + -width % stride, net.spec)
    rng = frame_rng(seed, picture.path.name)
    logits = torch.cat([level.logits.flatten() for level in seen.levels]).numpy()
    positive = np.flatnonzero(wanted == 1)
    if len(positive) > MOST_POSITIVES:
        positive = np.sort(rng.choice(positive, MOST_POSITIVES, replace=False))
    background = np.flatnonzero(wanted == 0)
    hard = background[np.argsort(-logits[background], kind="stable")[: negatives // 2]]
    rest = np.setdiff1d(background, hard)
    drawn = rng.choice(rest, min(negatives - len(hard), len(rest)), replace=False)
    chosen = np.concatenate((positive, hard, np.sort(drawn)))
    answer = (np.arange(len(chosen)) < len(positive)).astype(np.float32)
    runways, others = len(positive), len(chosen) - len(positive)
    share = 0.5 if runways and others else 1.0
    weights = np.where(answer == 1, share / max(runways, 1), share / max(others, 1))
    return Cells(_features(net, seen, chosen), answer, weights.astype(np.float32))


def _features(net: Detector, seen: Seen, chosen: NDArray[np.int64]) -> NDArray[np.float32]:
    """Features (m, d) of locations by their place among those of all levels."""
    patches = len(last_layer(net).weight[0].flatten())
    found = np.zeros((len(chosen), patches + net.spec.levels), np.float32)
    first = 0
    for level, inputs in enumerate(seen.inputs):
        count = inputs.shape[1] * inputs.shape[2]
        here = np.flatnonzero((chosen >= first) & (chosen < first + count))
        places = torch.from_numpy(chosen[here] - first)
        found[here, :patches] = unit_patches(net, inputs)[places].numpy()
        found[here, patches + level] = 1
        first += count
    return found * np.float32(SHRUNK / np.sqrt(2))


@torch.inference_mode()
def detections_with(
    net: Detector, seen: Seen, heads: NDArray[np.float64], plan: PredictSpec
) -> list[Detections]:
    """Detections of one picture with each of several linear heads (k, d) in place of the last layer.

    Boxes and centerness are those of the detector; the logit is head . feature.
    """
    layer = last_layer(net)
    patches = layer.weight[0].numel()
    weights = torch.from_numpy(heads[:, :patches] * (SHRUNK / np.sqrt(2))).float()
    offsets = torch.from_numpy(heads[:, patches:] * (SHRUNK / np.sqrt(2))).float()
    kernels = weights.view(len(heads), *layer.weight.shape[1:])
    ones = torch.ones(1, *layer.weight.shape[1:])
    scores = []
    for level, (answer, inputs) in enumerate(zip(seen.levels, seen.inputs, strict=True)):
        norm = F.conv2d(inputs[None].square(), ones, padding=layer.padding).sqrt().clamp(min=1e-12)
        logits = F.conv2d(inputs[None], kernels, padding=layer.padding) / norm
        logits = (logits + offsets[:, level, None, None]) / net.spec.temperature  # scores() multiplies by it
        each = Level(logits.transpose(0, 1), answer.distances_px, answer.centerness)
        scores.append(net.scores(each).flatten(1))
    together = torch.cat(scores, dim=1).numpy()
    return _selected(net, seen, list(together), plan)


@torch.inference_mode()
def detections_as_they_are(net: Detector, seen: Seen, plan: PredictSpec) -> Detections:
    """Detections of one picture with the detector's own last layer."""
    scores = torch.cat([net.scores(level).flatten() for level in seen.levels]).numpy()
    return _selected(net, seen, [scores], plan)[0]


def _selected(
    net: Detector, seen: Seen, scores: Sequence[NDArray[np.float32]], plan: PredictSpec
) -> list[Detections]:
    """The choice among all locations for each of several arrays of their scores (n,)."""
    strides = net.spec.strides_px
    boxes = boxes_of(seen.levels, strides)[0].numpy()
    rows, columns = (side * strides[0] for side in seen.inputs[0].shape[1:])
    cells = cells_of(strides, rows, columns)
    return [select(boxes, score, cells, seen.frame_px, plan) for score in scores]
