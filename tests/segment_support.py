"""Tiny segmenters, one of them as tight as its bound, and what they see."""

from __future__ import annotations

from pathlib import Path

import torch
from robust_support import tighten
from torch import Tensor, nn

from lard.detect.checkpoint import exported, save_detector
from lard.detect.config import ModelSpec
from lard.detect.segmenter import LipschitzSegmenter, network_of

LIP = ModelSpec(
    family="lip-seg", widths=(8, 32, 16), depths=(1, 1, 1), pyramid=16, towers=1, side_limits_px=(32,),
    temperature=20, offset=0.02,
)  # fmt: skip
PLAIN = ModelSpec(
    family="seg", widths=(8, 16, 16), depths=(1, 1, 1), pyramid=8, towers=1, side_limits_px=(32,)
)
SIDE_PX = 48
INNER = slice(16, 32)
"""Rows and columns of pixels whose logits see no border, nor does what moves them."""


def random_segmenter(seed: int, spec: ModelSpec = LIP) -> LipschitzSegmenter:
    """An untrained network, as export makes it, whose logits spread around zero."""
    torch.manual_seed(seed)
    net = exported(network_of(spec), spec)
    assert isinstance(net, LipschitzSegmenter)
    return net


@torch.no_grad()
def tight_segmenter(seed: int) -> LipschitzSegmenter:
    """A network whose logits are, away from the borders, an orthogonal projection of the pixels.

    The finest level sees its lateral only, no convolution on that way has more outputs than inputs, and
    MaxMin never sorts: every displacement of logits has a change of pixels of the same norm.
    """
    net = random_segmenter(seed)
    tighten(net)
    return net


def logits_of(net: nn.Module, pixels: Tensor) -> Tensor:
    """Logits (b, h, w)."""
    answer: Tensor = net(pixels)[0].logits[:, 0]
    return answer


def moving(net: nn.Module, clean: Tensor, wanted: Tensor) -> Tensor:
    """The change (1, 3, h, w) of pixels that moves a tight network's logits (h, w) as wanted."""
    clean = clean.clone().requires_grad_()
    (change,) = torch.autograd.grad((logits_of(net, clean)[0] * wanted).sum(), clean)
    return change


def write_segmenter(path: Path, spec: ModelSpec = LIP, seed: int = 0) -> Path:
    """Write the checkpoint of an untrained network whose mask covers about half of a picture."""
    torch.manual_seed(seed)
    net = exported(network_of(spec), spec)
    bias = (net.tower[-2] if spec.lipschitz else net.pixels[0]).bias  # type: ignore[index, union-attr]
    with torch.no_grad():
        assert isinstance(bias, Tensor)
        bias.zero_()
    save_detector(net, f"tiny-{spec.family}", spec, {}, path)
    return path
