"""Certificates of a Lipschitz detector: how far a picture must be changed before what fires can change.

A runway fires while one of its locations has a logit z above the threshold. All logits together are
L-Lipschitz in the pixels (L2, pixels in [0, 1]), so silencing a set of locations costs a perturbation of at
least the norm of their logits above the threshold, divided by L. Boxes are not certified, firing is.
"""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lard.detect.audit import LipschitzBound
from lard.detect.checkpoint import Checkpoint
from lard.detect.data import Picture, load_image
from lard.detect.decode import boxes_of, to_input
from lard.detect.fcos import LEAST_DEVIATION, Detector, Level, frame_statistics
from lard.detect.loss import flatten
from lard.errors import ModelError
from lard.score.boxes import extents, iou

Floats = NDArray[np.float64]

SLACK = 1e-4
"""Share of a budget added for the constants' own rounding."""
UNIT_ROUNDOFF = {"float32": 2.0**-24, "bfloat16": 2.0**-8}
"""Largest relative error of one rounding."""
LEAST_IOU = 0.5
"""Of the box that a location gives on the clean picture, for the location to belong to a runway."""


@dataclass(frozen=True, slots=True)
class Contrast:
    """What a normaliser of frames sees of a picture: the deviation of its values, and how many they are.

    It divides by s = max(s0, deviation), and a perturbation of norm eps lowers the deviation by at most
    eps / sqrt(values): on all of the way its gain is at most 1 / max(s0, deviation - eps / sqrt(values)).
    """

    deviation: float
    values: int

    def gain(self, eps: float) -> float:
        """The largest gain within a ball of norm eps about the picture."""
        return 1 / max(LEAST_DEVIATION, self.deviation - eps / math.sqrt(self.values))

    def radius(self, moved: Floats) -> Floats:
        """The largest eps whose eps * gain(eps) stays below what the normalised picture must be moved by."""
        return np.maximum(
            moved * LEAST_DEVIATION, moved * self.deviation / (1 + moved / math.sqrt(self.values))
        )


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a perturbation of a picture can move its logits, all of them together.

    `constant` is that of the layers; `rounding` a norm of logits that two evaluations may differ by.
    """

    constant: float
    contrast: Contrast | None = None  # of a model that normalises
    rounding: float = 0.0

    def budget(self, eps: float) -> float:
        """Squared displacement of the logits that a perturbation of norm eps can have."""
        moved = eps if self.contrast is None else eps * self.contrast.gain(eps)
        return (self.constant * moved * (1 + SLACK) + self.rounding) ** 2

    def radii(self, costs: Floats) -> Floats:
        """Norms of pixels (n,) below which squared displacements of logits cannot be had."""
        moved = np.maximum(np.sqrt(costs) - self.rounding, 0) / (self.constant * (1 + SLACK))
        return moved if self.contrast is None else self.contrast.radius(moved)


@dataclass(frozen=True, slots=True)
class Firing:
    """One picture's required runways: squared logit displacement that silences each, 0 if missed."""

    costs: Floats  # (runways,)
    owners: NDArray[np.int64]  # (locations,) runway whose clean box a fired location gives, -1 for none
    reach: Reach

    def radii(self) -> Floats:
        """L2 norms of pixels below which no perturbation silences each runway: (runways,)."""
        return self.reach.radii(self.costs)


def logit_threshold(score: float, temperature: float) -> float:
    """The logit at which a detection has this score."""
    if not 0 < score < 1:
        raise ModelError(f"score threshold {score}: expected a number between 0 and 1")
    return math.log(score / (1 - score)) / temperature


def bound_of_model(checkpoint: Checkpoint) -> LipschitzBound:
    """The audited constant of a model; ModelError for one that has none."""
    if checkpoint.bound is None:
        raise ModelError(
            f"{checkpoint.name}: has no Lipschitz constant to certify with; use a lip-fcos model"
        )
    return checkpoint.bound


def answered(net: Detector, pixels: Tensor, bound: LipschitzBound) -> tuple[list[Level], Reach]:
    """An audited network's answers to an input (1, 3, h, w), and what perturbations can do to its logits."""
    sizes = [float(net.centred(pixels, None).norm())]

    def note(_: nn.Module, __: Any, answer: Tensor) -> None:
        sizes.append(float(answer.norm()))

    with ExitStack() as hooks:
        for name, kind, _ in bound.layers:
            if kind == "Conv2d":
                hooks.callback(net.get_submodule(name).register_forward_hook(note).remove)
        levels = net(pixels)
    contrast = None
    if net.spec.normalise:
        contrast = Contrast(float(frame_statistics(pixels.double())[0, 3]), pixels.numel())
    return levels, Reach(bound.network, contrast, 2 * rounding_norm(max(sizes), len(bound.layers)))


def rounding_norm(size: float, layers: int, unit: float = UNIT_ROUNDOFF["float32"]) -> float:
    """Norm of the error of all logits of one evaluation; `size`: the largest norm of a layer's answer.

    A layer of norm at most 1 hands on errors without enlarging them and adds its own, of unit * size at most
    when roundings are independent of one another and of what they round; n such errors add up to
    sqrt(n) * unit * size. A model of rounding, no worst case: that one (roundings that all conspire) grows
    with the terms of every sum and exceeds any margin.
    """
    return math.sqrt(layers) * unit * size


def owners_of(boxes: Floats, wanted: Floats, least_iou: float = LEAST_IOU) -> NDArray[np.int64]:
    """The runway (n,) that each clean box (n, 4) serves, the best it overlaps enough, -1 for none."""
    owners = np.full(len(boxes), -1, np.int64)
    if len(wanted) and len(boxes):
        overlap = iou(extents(boxes), extents(wanted))
        good = overlap.max(axis=1) >= least_iou
        owners[good] = overlap.argmax(axis=1)[good]
    return owners


@torch.inference_mode()
def firing(checkpoint: Checkpoint, picture: Picture, score: float, least_iou: float = LEAST_IOU) -> Firing:
    """What fires on a clean picture at a score threshold; a location serves its best runway only."""
    net = checkpoint.net
    pixels = to_input(load_image(picture), net.spec.strides_px[-1])
    levels, reach = answered(net, pixels, bound_of_model(checkpoint))
    above = flatten(levels)[0][0].double().numpy() - logit_threshold(score, net.spec.temperature)
    fired = np.flatnonzero(above > 0)
    boxes = boxes_of(levels, net.spec.strides_px)[0].double().numpy()[fired]
    wanted = picture.boxes[~picture.ignored]
    owners = np.full(len(above), -1, np.int64)
    owners[fired] = owners_of(boxes, wanted, least_iou)
    costs = np.array([float((above[owners == runway] ** 2).sum()) for runway in range(len(wanted))])
    return Firing(costs, owners, reach)
