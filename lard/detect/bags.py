"""A loss of margins that can be met: each runway's locations together, against the hardest of the background.

A certificate of firing is worth the norm of the logits that a runway's locations have above the threshold,
divided by the network's constant, and never more than the runway's erasure energy E: the norm of the change
that paints it over. So the norm is what is trained, not each logit, and up to a share of E only: a margin
beyond what the pixels allow pulls for ever, and draws all logits down with it. The background is held below
zero by the log-sum-exp of each picture (an upper bound of its largest logit, as in the LseHKR loss of
deel-torchlip), so that the threshold is zero by construction: raising all logits alike gains a runway of k
locations sqrt(k), which a picture's background must outweigh; margins `over: background` are counted from the
hardest background of the batch instead, and do not see what raises all. `shape: emma` (Hu et al., "A recipe
for improved certifiable robustness", ICLR 2024) asks for what can be reached already: logits are lowered by
the radius that the runway has, up to its margin, and a logistic loss is taken there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from lard.detect.config import BagSpec

FIRST_SHARE = 0.1
"""Of the margins that the first step asks for."""
LEAST_SHIFT = 0.01
"""Of its margin, that `emma` lowers a runway's logits by at least."""
RING_PX = 3


@dataclass(frozen=True, slots=True)
class Bags:
    """Which locations belong together: owners (b, n), the runway of its picture or -1; energies (b, k).

    Runways of one picture come first; places that hold none have energy 0.
    """

    owners: Tensor
    energies: Tensor


def bag_loss(logits: Tensor, objectness: Tensor, bags: Bags, spec: BagSpec, progress: float = 1.0) -> Tensor:
    """Sum over runways of what they lack of their margin, and over pictures of what the background exceeds.

    logits, objectness (b, n) as in Targets; progress in [0, 1]: the share of the steps that are done.
    """
    rising = 1.0 if not spec.ramp else min(1.0, FIRST_SHARE + (1 - FIRST_SHARE) * progress / spec.ramp)
    above = worst_background(logits, objectness == 0, spec.background)
    some = torch.isfinite(above)
    level = above[some].amax() if spec.over == "background" and bool(some.any()) else 0.0
    norms, held = bag_norms(logits - level, bags)
    margins = torch.clamp(spec.share * bags.energies, max=spec.margin * rising).to(logits.dtype)
    if spec.shape == "emma":
        shift = torch.minimum(norms.detach().clamp(min=0), margins)
        shift = torch.maximum(shift, LEAST_SHIFT * margins)
        short = F.softplus(spec.sharpness * (shift - norms)) / spec.sharpness
        room = torch.clamp(-above.detach(), LEAST_SHIFT * spec.background, spec.background)
        loud = F.softplus(spec.sharpness * (above + room)) / spec.sharpness
    else:
        short = F.relu(margins - norms)
        loud = F.relu(above + spec.background / 2)
    quiet = spec.background_weight * loud[some].sum()
    return spec.weight * (short[held].sum() + quiet)


def bag_norms(logits: Tensor, bags: Bags) -> tuple[Tensor, Tensor]:
    """How far each runway is from silence (b, k), and which places hold a runway (b, k).

    The norm of a runway's logits above zero or, where none is, the largest of them, which is negative: the
    norm alone would be flat there. Places without locations hold none.
    """
    b, k = bags.energies.shape
    own = bags.owners >= 0
    place = (bags.owners + k * torch.arange(b, device=logits.device)[:, None])[own]
    values = logits[own]
    squares = values.new_zeros(b * k).index_add(0, place, F.relu(values).square())
    highest = values.new_full((b * k,), -math.inf).scatter_reduce(0, place, values, "amax")
    held = highest > -math.inf
    fires = highest > 0
    norms = torch.where(fires, torch.where(fires, squares, 1.0).sqrt(), torch.where(held, highest, 0.0))
    return norms.view(b, k), held.view(b, k)


def worst_background(logits: Tensor, background: Tensor, margin: float) -> Tensor:
    """An upper bound (b,) of each picture's largest background logit, by margin / 2 at most; -inf if none.

    (1 / t) log sum exp(t z) with t = log(n) / (margin / 2) over the n locations of the background.
    """
    count = background.sum(dim=1).clamp(min=2)
    sharp = (count.to(logits.dtype).log() * 2 / margin)[:, None]
    masked = torch.where(background, logits, -math.inf)
    some = background.any(dim=1)
    bound = torch.logsumexp(torch.where(some[:, None], masked, 0.0) * sharp, dim=1) / sharp[:, 0]
    return torch.where(some, bound, -math.inf)


def ring_energy(pixels: NDArray[np.uint8], polygon: NDArray[np.float64]) -> float:
    """Erasure energy of a runway in a crop (h, w, 3): norm of filling it with its rim's mean.

    Of pixels in [0, 1]; the polygon (n, 2) is dilated by a pixel, the rim 3 px wide. 0 outside of the crop,
    infinite without a rim.
    """
    height, width = pixels.shape[:2]
    low = np.clip(np.floor(polygon.min(axis=0)).astype(int) - 2 * RING_PX, 0, (width, height))
    high = np.clip(np.ceil(polygon.max(axis=0)).astype(int) + 2 * RING_PX, 0, (width, height))
    part = pixels[low[1] : high[1], low[0] : high[0]]
    if not part.size:
        return 0.0
    mask = np.zeros(part.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(polygon - low - 0.5).astype(np.int32)], 1)  # pixel centres lie at halves
    mask = cv2.dilate(mask, np.ones((3, 3), np.uint8)).astype(np.uint8)
    side = 2 * RING_PX + 1
    inside, rim = mask > 0, (cv2.dilate(mask, np.ones((side, side), np.uint8)) > 0) & (mask == 0)
    if not inside.any():
        return 0.0
    if not rim.any():
        return math.inf
    values = part.astype(np.float32) / 255
    return float(np.linalg.norm(values[inside] - values[rim].mean(axis=0)))


def padded(energies: list[NDArray[np.float64]]) -> NDArray[np.float32]:
    """Energies of the runways of several crops as one array (b, k), zero where a crop has fewer."""
    most = max((len(one) for one in energies), default=0)
    table = np.zeros((len(energies), max(most, 1)), np.float32)
    for row, one in zip(table, energies, strict=True):
        row[: len(one)] = one
    return table
