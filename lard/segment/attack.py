"""Attacks on masks: projected descent in an L2 ball that lowers the IoU of a picture's runways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lard.detect.data import Picture, load_image
from lard.detect.fcos import Detector
from lard.detect.masks import ELSE, RUNWAY
from lard.robust.balls import noise, size, steepest, within
from lard.robust.descent import pace
from lard.robust.scene import GREY
from lard.segment.reading import truth_of

Loss = Literal["overlap", "right"]
LOSSES: tuple[Loss, ...] = ("overlap", "right")
"""overlap: soft IoU, whose slope is largest at the threshold; right: cross-entropy of pixels still right."""


@dataclass(frozen=True, slots=True, eq=False)
class MaskScene:
    """A picture (1, 3, h, w) in [0, 1] before a segmenter, and its truth (h, w)."""

    net: Detector
    pixels: Tensor
    truth: Tensor
    threshold: float

    def logits(self, change: Tensor) -> Tensor:
        """Logits (b, h, w) above the threshold under changes (b, 3, h, w), differentiable in them."""
        height, width = self.pixels.shape[2:]
        multiple = self.net.spec.strides_px[-1]
        seen = F.pad(self.pixels + change, (0, -width % multiple, 0, -height % multiple), value=GREY)
        (level,) = self.net(seen.contiguous(memory_format=torch.channels_last))
        return level.logits[:, 0, :height, :width].float() - self.threshold


@dataclass(frozen=True, slots=True)
class Counts:
    """Pixels of one picture's mask, those that are ignored left out."""

    found: int
    missed: int
    alarms: int
    known: int

    @property
    def iou(self) -> float:
        """Of the runways; of no pixel at all 1."""
        union = self.found + self.missed + self.alarms
        return self.found / union if union else 1.0

    @property
    def rank(self) -> tuple[float, int]:
        """Lower is better for the attacker: the IoU, and where that says nothing the pixels made up."""
        return self.iou, -self.alarms


@dataclass(frozen=True, slots=True, eq=False)
class Broken:
    """The best change (1, 3, h, w) of an attack, its L2 norm, and the mask that it leaves."""

    change: Tensor
    size: float
    counts: Counts


def mask_scene(net: Detector, picture: Picture, threshold: float) -> MaskScene:
    """The scene of a picture of a dataset."""
    device = next(net.parameters()).device
    image = torch.from_numpy(load_image(picture)).permute(2, 0, 1)[None].float() / 255
    truth = torch.from_numpy(truth_of(picture))
    return MaskScene(net, image.contiguous().to(device), truth.to(device), threshold)


def counts_of(above: Tensor, truth: Tensor) -> Counts:
    """Counts of a mask, logits (h, w) above the threshold, against the truth (h, w)."""
    seen, runway, other = above > 0, truth == RUNWAY, truth == ELSE
    found, alarms = int((seen & runway).sum()), int((seen & other).sum())
    return Counts(found, int(runway.sum()) - found, alarms, int(runway.sum() + other.sum()))


def loss_of(above: Tensor, truth: Tensor, temperature: float, kind: Loss) -> Tensor:
    """What an attacker wants low, of logits (h, w) above the threshold."""
    scaled = above * temperature
    runway, other = truth == RUNWAY, truth == ELSE
    if kind == "overlap" and bool(runway.any()):
        chance = torch.sigmoid(scaled)
        inter = chance[runway].sum()
        return inter / (runway.sum() + chance[other].sum())
    signed = torch.where(runway, scaled, -scaled)
    right = (signed > 0) & (runway | other)
    return F.logsigmoid(signed)[right].sum()


def attack_mask(
    scene: MaskScene,
    eps: float,
    steps: int,
    rng: np.random.Generator,
    before: Broken | None = None,
    restarts: int = 1,
    losses: Sequence[Loss] = LOSSES,
) -> Broken:
    """The change within eps that leaves the lowest IoU, of descents of each loss from each start.

    The first start is what a smaller radius reached, which is kept, so that a larger one never does worse;
    all others are random.
    """
    zero = torch.zeros_like(scene.pixels)
    best = before or Broken(zero, 0.0, _judged(scene, zero))
    starts = [zero if before is None else before.change]
    starts += [noise(scene.pixels, "l2", eps, rng) for _ in range(restarts - 1)]
    for start in starts:
        for kind in losses:
            best = min(best, _descended(scene, eps, steps, start, kind), key=lambda one: one.counts.rank)
    return best


def _descended(scene: MaskScene, eps: float, steps: int, start: Tensor, kind: Loss) -> Broken:
    """The best of one projected descent."""
    change, best = within(start, scene.pixels, "l2", eps), None
    for step in range(steps + 1):
        change = change.detach().requires_grad_(step < steps)
        above = scene.logits(change)[0]
        counts = counts_of(above.detach(), scene.truth)
        if best is None or counts.rank < best.counts.rank:
            best = Broken(change.detach(), float(size(change, "l2")[0]), counts)
        if step == steps:
            break
        (gradient,) = torch.autograd.grad(
            loss_of(above, scene.truth, scene.net.spec.temperature, kind), change
        )
        moved = change.detach() - eps * pace(step, steps) * steepest(gradient, "l2")
        change = within(moved, scene.pixels, "l2", eps)
    assert best is not None
    return best


@torch.no_grad()
def _judged(scene: MaskScene, change: Tensor) -> Counts:
    return counts_of(scene.logits(change)[0], scene.truth)
