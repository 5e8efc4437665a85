"""How much a whole network amplifies: what the bounds of its layers alone cannot tell.

The product of the layers' bounds holds for a map that uses every feature once. A lateral that is fed onwards
twice, or a sum, leaves each layer as it is and raises the gain of the whole.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from lard.detect.corner_net import LipschitzCorners
from lard.detect.fcos import LEAST_DEVIATION, LipschitzTrunk, frame_statistics
from lard.detect.ortho import OrthoConv2d
from lard.errors import ModelError

Certified = LipschitzTrunk | LipschitzCorners
"""Networks whose `joint` answers have a constant."""

PROBES = 64
STEPS = 10
TOLERANCE = 1e-3
"""Of a measured gain, for float32 arithmetic."""
SEED = 1


def check_wiring(net: Certified, layers: Sequence[str], constant: float) -> None:
    """ModelError when the whole network amplifies by more than the constant of its layers, given by name."""
    with torch.inference_mode(False):
        probed = copy.deepcopy(net).eval()  # probes teach batch normalisation nothing, whoever calls
        wired = wiring_gain(probed, [probed.get_submodule(name) for name in layers])
        local = power_gain(probed)
    for gain, how in ((wired, "along one path"), (local, "by power iteration")):
        if not gain <= constant * (1 + TOLERANCE):
            raise ModelError(
                f"the network as a whole amplifies by {gain:.4f} {how}, its layers by {constant:.6f} at most;"
                " a feature is used more than once: split it, or scale its uses"
            )


def power_gain(net: Certified) -> float:
    """The largest gain at a picture of noise, from centred pixels to all logits, as power iteration finds it.

    A lower bound of the Lipschitz constant of the layers.
    """
    picture = _noise(net, 1).uniform_(generator=torch.Generator().manual_seed(SEED))
    frames = frame_statistics(picture)
    scale = float(frames[0, 3].clamp(min=LEAST_DEVIATION)) if net.spec.normalise else 1.0
    of = next(net.parameters())  # its type and device
    picture, frames = picture.to(of), frames.to(of)
    gain, direction = 0.0, torch.randn(picture.shape, generator=torch.Generator().manual_seed(SEED + 1))
    direction = direction.to(of)
    with torch.enable_grad():
        logits = _logits(net, picture.requires_grad_(), frames)
        weights = torch.zeros_like(logits, requires_grad=True)
        (pulled,) = torch.autograd.grad(logits, picture, weights, create_graph=True)  # linear in the weights
        for _ in range(STEPS):
            direction = direction / direction.norm().clamp(min=1e-12)
            (pushed,) = torch.autograd.grad(pulled, weights, direction, retain_graph=True)
            gain = max(gain, float(pushed.norm()) * scale)
            (direction,) = torch.autograd.grad(logits, picture, pushed, retain_graph=True)
    return gain


@torch.no_grad()
def wiring_gain(net: Certified, layers: Sequence[nn.Module]) -> float:
    """The gain of the wiring alone: convolutions hand on the norm of what they get, in one channel each.

    Each of many probes goes through channels of its own, so that nothing is lost on the way and whatever is
    used twice counts twice. Exactly 1 where every feature goes one way.
    """
    zero = 0.0 if net.spec.normalise else 0.5
    images = _noise(net, PROBES)
    draw = torch.Generator().manual_seed(SEED)
    images.normal_(generator=draw)
    images /= images.flatten(1).norm(dim=1)[:, None, None, None]
    images = images.to(next(net.parameters()))
    frames = images.new_tensor([[0.0, 0.0, 0.0, 1.0]]).expand(PROBES, 4)
    with ExitStack() as hooks:
        for layer in layers:
            if isinstance(layer, nn.Conv2d | OrthoConv2d):
                hooks.callback(layer.register_forward_hook(_hands_on(draw)).remove)
        here = _logits(net, images + zero, frames)
        nowhere = _logits(net, torch.full_like(images, zero), frames)
    return float((here - nowhere).norm(dim=1).max())


def _hands_on(draw: torch.Generator) -> Callable[[nn.Module, Any, Tensor], Tensor]:
    """A hook that answers with the norm of a layer's input, at the first cell of a random channel."""

    def hook(_: nn.Module, given: Any, answer: Tensor) -> Tensor:
        count, channels = answer.shape[:2]
        norms = given[0].flatten(1).norm(dim=1)
        instead = torch.zeros_like(answer)
        chosen = torch.randint(channels, (count,), generator=draw).to(answer.device)
        instead[torch.arange(count, device=answer.device), chosen, 0, 0] = norms
        return instead

    return hook


def _logits(net: Certified, images: Tensor, frames: Tensor) -> Tensor:
    """All logits, and box units where these are certified, of each picture: (b, n)."""
    return torch.cat([answer.flatten(1) for answer in net.joint(images, frames)], dim=1)


def _noise(net: Certified, count: int) -> Tensor:
    """Room for square pictures of two cells a side at the coarsest level: (count, 3, s, s)."""
    side = 2 * net.spec.strides_px[-1]
    return torch.empty(count, 3, side, side)
