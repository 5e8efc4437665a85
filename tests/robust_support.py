"""Tiny Lipschitz networks, nearly tight ones among them, and attacks on many pictures at once."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lard.detect.checkpoint import exported
from lard.detect.config import ModelSpec
from lard.detect.fcos import LipschitzFcos, LipschitzTrunk, build
from lard.detect.loss import flatten
from lard.detect.ortho import MaxMin

SPEC = ModelSpec(
    family="lip-fcos", widths=(8, 16, 16), depths=(1, 1, 1), pyramid=8, towers=1, side_limits_px=(32,),
    temperature=4,
)  # fmt: skip
SIDE_PX = 40
STEPS = 12
INNER = [row * 10 + column for row in range(3, 7) for column in range(3, 7)]
"""Cells of the finest level, 10 x 10, whose logits see no border."""


def random_net(seed: int) -> LipschitzFcos:
    """An untrained network, as export makes it."""
    torch.manual_seed(seed)
    net = exported(build(SPEC), SPEC)
    assert isinstance(net, LipschitzFcos)
    return net


@torch.no_grad()
def tight_net(seed: int) -> LipschitzFcos:
    """A network whose finest logits are an orthogonal projection of the pixels, away from the borders.

    Its convolutions never have more outputs than inputs, the finest level sees its lateral only, and biases
    keep every pair of MaxMin apart, so that it never sorts: no bound of these logits can be smaller.
    """
    net = random_net(seed)
    tighten(net)
    return net


@torch.no_grad()
def tighten(net: LipschitzTrunk) -> None:
    """Let the finest level see its lateral only, and biases keep every pair of MaxMin apart about a grey
    picture, so that it never sorts."""
    merge = net.get_submodule("merges.0.0")
    assert isinstance(merge, nn.Conv2d)
    merge.weight.zero_()
    middle = merge.weight.shape[2] // 2
    for channel in range(merge.weight.shape[0]):
        merge.weight[channel, channel, middle, middle] = 1.0
    before_sorting = {
        id(first)
        for part in net.modules()
        if isinstance(part, nn.Sequential)
        for first, second in zip(part, list(part)[1:], strict=False)
        if isinstance(second, MaxMin)
    }

    def hook(conv: nn.Conv2d, _: object, answer: Tensor) -> Tensor:
        count = answer.shape[1]
        wanted = torch.zeros(count)
        if id(conv) in before_sorting:
            wanted = torch.tensor([5.0, -5.0, 5.0, -5.0]).repeat_interleave(count // 4)
        handles.pop(conv).remove()  # the finest level comes first, the others share its tower
        change = wanted - answer[0, :, answer.shape[2] // 2, answer.shape[3] // 2]
        assert conv.bias is not None
        conv.bias += change
        return answer + change[None, :, None, None]

    parts = (net.get_submodule(name) for name in ("stem", "stages", "merges", "tower"))
    convs = [layer for part in parts for layer in part.modules() if isinstance(layer, nn.Conv2d)]
    handles = {conv: conv.register_forward_hook(hook) for conv in convs}
    net(torch.full((1, 3, SIDE_PX, SIDE_PX), 0.5))


def pictures(count: int, seed: int, side: int = SIDE_PX) -> Tensor:
    """Grey noise (count, 3, s, s) that leaves room on both sides."""
    draw = torch.Generator().manual_seed(seed)
    return 0.5 + 0.05 * torch.randn((count, 3, side, side), generator=draw).clamp(-3, 3)


def logits_of(net: LipschitzFcos, pixels: Tensor) -> Tensor:
    """All logits of each picture: (b, n)."""
    return flatten(net(pixels))[0]


def descend(
    net: LipschitzFcos, clean: Tensor, targets: Tensor, thresholds: Tensor, eps: Tensor, up: bool
) -> Tensor:
    """Pictures within norm eps (b,) of clean ones that push the targets (b, n) below a threshold, or above.

    Each step follows the gradient of the squared displacement that is left, in the full length of the ball
    first and in smaller ones after; the best of all steps is kept.
    """
    sign = 1.0 if up else -1.0
    change, best, least = torch.zeros_like(clean), clean.clone(), torch.full((len(clean),), torch.inf)
    for step in range(STEPS):
        change = change.detach().requires_grad_()
        left = (sign * (thresholds[:, None] - logits_of(net, clean + change)) * targets).relu()
        loss = left.square().sum(dim=1)
        (gradient,) = torch.autograd.grad(loss.sum(), change)
        with torch.no_grad():
            better = loss < least
            best[better], least[better] = (clean + change)[better], loss[better]
            pace = eps / (1 + step // 3)
            moved = change - gradient / _norms(gradient).clamp(min=1e-12) * pace[:, None, None, None]
            moved = moved * (eps[:, None, None, None] / _norms(moved).clamp(min=1e-12)).clamp(max=1.0)
            change = (clean + moved).clamp(0, 1) - clean
    return best


def _norms(change: Tensor) -> Tensor:
    return change.flatten(1).norm(dim=1)[:, None, None, None]
