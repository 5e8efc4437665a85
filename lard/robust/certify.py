"""Certificates of a Lipschitz detector: how large a perturbation must be before a runway can vanish.

A runway fires while one of its locations has a logit z above the threshold. All logits together are
L-Lipschitz in the pixels (L2, pixels in [0, 1]), so silencing a set of locations costs a perturbation of at
least the norm of their logits above the threshold, divided by L. Boxes are not certified, firing is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lard.detect.checkpoint import Checkpoint
from lard.detect.data import Picture, load_image
from lard.detect.decode import boxes_of, to_input
from lard.detect.fcos import LEAST_DEVIATION, frame_statistics
from lard.detect.loss import flatten
from lard.errors import ModelError
from lard.score.boxes import extents, iou

SLACK = 1e-4
"""Share of a radius given up for float32 arithmetic."""


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

    def radius(self, moved: NDArray[np.float64]) -> NDArray[np.float64]:
        """The largest eps whose eps * gain(eps) stays below what the normalised picture must be moved by."""
        return np.maximum(
            moved * LEAST_DEVIATION, moved * self.deviation / (1 + moved / math.sqrt(self.values))
        )


@dataclass(frozen=True, slots=True)
class Firing:
    """One picture's required runways: squared logit displacement that silences each, 0 if missed."""

    costs: NDArray[np.float64]  # (runways,)
    all_fired: float  # squared displacement that silences the whole picture
    owners: NDArray[np.int64]  # (locations,) runway whose clean box a fired location gives, -1 for none
    contrast: Contrast | None = None  # of a model that normalises

    def moved(self, eps: float) -> float:
        """How far a perturbation of norm eps can move what the first layer sees."""
        return eps if self.contrast is None else eps * self.contrast.gain(eps)

    def radii(self, costs: NDArray[np.float64], constant: float) -> NDArray[np.float64]:
        """Norms of pixels (n,) below which squared logit displacements cannot be had."""
        moved = np.sqrt(costs) / constant
        return moved if self.contrast is None else self.contrast.radius(moved)


def logit_threshold(score: float, temperature: float) -> float:
    """The logit at which a detection has this score."""
    if not 0 < score < 1:
        raise ModelError(f"score threshold {score}: expected a number between 0 and 1")
    return math.log(score / (1 - score)) / temperature


@torch.inference_mode()
def firing(checkpoint: Checkpoint, picture: Picture, score: float, least_iou: float = 0.5) -> Firing:
    """What fires on a clean picture at a score threshold; a location serves its best runway only."""
    net = checkpoint.net
    pixels = to_input(load_image(picture), net.spec.strides_px[-1])
    levels = net(pixels)
    above = flatten(levels)[0][0].double().numpy() - logit_threshold(score, net.spec.temperature)
    fired = np.flatnonzero(above > 0)
    boxes = boxes_of(levels, net.spec.strides_px)[0].double().numpy()[fired]
    wanted = picture.boxes[~picture.ignored]
    owners = np.full(len(above), -1)
    if len(wanted) and len(fired):
        overlap = iou(extents(boxes), extents(wanted))
        good = overlap.max(axis=1) >= least_iou
        owners[fired[good]] = overlap.argmax(axis=1)[good]
    costs = np.array([float((above[owners == runway] ** 2).sum()) for runway in range(len(wanted))])
    contrast = None
    if net.spec.normalise:
        contrast = Contrast(float(frame_statistics(pixels.double())[0, 3]), pixels.numel())
    return Firing(costs, float((above[fired] ** 2).sum()), owners, contrast)


def certified_recall(firings: Sequence[Firing], constant: float, eps: float) -> float:
    """Share of required runways that fire under any perturbation of norm eps per picture.

    `constant` is that of the layers. The attacker of a picture spends (L eps)² of squared logit displacement
    on the cheapest runways first.
    """
    total = sum(len(item.costs) for item in firings)
    kept = 0
    for item in firings:
        budget = (constant * item.moved(eps) * (1 + SLACK)) ** 2
        costs = np.sort(item.costs)
        affordable = (np.cumsum(costs) <= budget) | (costs == 0)
        kept += len(costs) - int(affordable.sum())
    return kept / total if total else math.nan


def certificates(
    checkpoint: Checkpoint, pictures: Iterable[Picture], score: float, radii: Sequence[float]
) -> dict[str, Any]:
    """Certified recall and share of pictures that cannot fall silent at each radius, and the median."""
    if checkpoint.bound is None:
        raise ModelError(
            f"{checkpoint.name}: has no Lipschitz constant to certify with; use a lip-fcos model"
        )
    constant = checkpoint.bound.network
    firings = [firing(checkpoint, picture, score) for picture in pictures]
    silent = np.array(
        [float(item.radii(np.array([item.all_fired]), constant)[0]) for item in firings if len(item.costs)]
    )
    single = np.concatenate([item.radii(item.costs, constant) for item in firings] or [np.empty(0)])
    return {
        "L": checkpoint.bound.constant,
        "score_threshold": score,
        "norm": "L2 over the whole picture, pixels in [0, 1]",
        "runways": len(single),
        "median_radius": round(float(np.median(single)), 4) if len(single) else None,
        "recall": round(certified_recall(firings, constant, 0.0), 6) if len(single) else None,
        "certified_recall": {f"{eps:g}": round(certified_recall(firings, constant, eps), 6) for eps in radii}
        if len(single)
        else {},
        "never_silent": {f"{eps:g}": round(float((silent >= eps * (1 + SLACK)).mean()), 6) for eps in radii}
        if len(silent)
        else {},
    }
