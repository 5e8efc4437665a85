"""What each location should answer, and how far the network is from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from lard.detect.bags import Bags, bag_loss
from lard.detect.config import BagSpec, ModelSpec, RankSpec
from lard.detect.fcos import Level
from lard.detect.rank import rank_loss

ALPHA, GAMMA = 0.25, 2.0
TERMS = ("objectness", "box", "centre")
"""Parts of the loss; only the plain family has the last."""


@dataclass(frozen=True, slots=True)
class Targets:
    """Wanted answers at every location of a batch, levels concatenated finest first.

    objectness (b, n): 1 runway, 0 background, -1 ignored; distances_px (b, n, 4), valid at runways; the
    locations of each runway for a loss that takes them together. Of models that segment the locations are
    pixels, row by row, without distances: (b, 0, 4).
    """

    objectness: Tensor
    distances_px: Tensor
    bags: Bags | None = None


def locations_px(height_px: int, width_px: int, stride_px: int) -> NDArray[np.float32]:
    """Centres x, y of the cells of one level in row-major order: (n, 2)."""
    y, x = np.mgrid[0 : height_px // stride_px, 0 : width_px // stride_px]
    return (np.stack((x.ravel(), y.ravel()), axis=1).astype(np.float32) + 0.5) * stride_px


def assign(
    boxes: NDArray[np.float64], ignored: NDArray[np.float64], height_px: int, width_px: int, spec: ModelSpec
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Objectness (n,) and distances (n, 4) wanted in one image, as assign_owned tells."""
    return assign_owned(boxes, ignored, height_px, width_px, spec)[:2]


def assign_owned(
    boxes: NDArray[np.float64], ignored: NDArray[np.float64], height_px: int, width_px: int, spec: ModelSpec
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    """Objectness (n,), distances (n, 4), owners (n,) in one image; boxes (k, 4), ignored (m, 4) corner pairs.

    A box belongs to the level of its longer side and to the cells within `centre_radius` strides of its
    centre; where boxes compete the smaller one wins, and a box that covers no cell centre gets the nearest
    cell. owners: the box of each runway cell, -1 elsewhere. For a loss of bags the other cells of that
    level whose centre lies in the box or within a stride of it are ignored: certificates count them neither
    for the runway nor as false alarms.
    """
    limits = (0.0, *spec.side_limits_px, np.inf)
    objectness, distances, owners = [], [], []
    for level, stride in enumerate(spec.strides_px):
        points = locations_px(height_px, width_px, stride)
        wanted = np.zeros(len(points), dtype=np.float32)
        sides = np.zeros((len(points), 4), dtype=np.float32)
        owned = np.full(len(points), -1, dtype=np.int64)
        if len(ignored):
            wanted[_inside(points, ignored).any(axis=1)] = -1.0
        longest = (boxes[:, 2:] - boxes[:, :2]).max(axis=1) if len(boxes) else np.empty(0)
        serials = np.flatnonzero((longest >= limits[level]) & (longest < limits[level + 1]))
        here = boxes[serials]
        if len(here):
            smallest = np.argsort((here[:, 2:] - here[:, :2]).prod(axis=1), kind="stable")
            serials, here = serials[smallest], here[smallest]
            centres = (here[:, :2] + here[:, 2:]) / 2
            offset = np.abs(points[:, None, :] - centres[None, :, :]).max(axis=2)
            match = _inside(points, here) & (offset <= spec.centre_radius * stride)
            nearest = offset.argmin(axis=0)
            alone = ~match.any(axis=0)
            match[nearest[alone], np.flatnonzero(alone)] = True
            owner = match.argmax(axis=1)
            positive = match.any(axis=1)
            box = here[owner[positive]]
            if spec.loss == "bag":
                wanted[_inside(points, here + stride * np.array([-1, -1, 1, 1])).any(axis=1)] = -1.0
            wanted[positive] = 1.0
            owned[positive] = serials[owner[positive]]
            sides[positive] = np.concatenate(
                (points[positive] - box[:, :2], box[:, 2:] - points[positive]), axis=1
            ).clip(min=0.1)
        objectness.append(wanted)
        distances.append(sides)
        owners.append(owned)
    return np.concatenate(objectness), np.concatenate(distances), np.concatenate(owners)


def _inside(points: NDArray[np.float32], boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether each point lies strictly in each box: (n, 2), (k, 4) -> (n, k)."""
    above, below = points[:, None, :] > boxes[None, :, :2], points[:, None, :] < boxes[None, :, 2:]
    return above[..., 0] & above[..., 1] & below[..., 0] & below[..., 1]


def flatten(levels: list[Level]) -> tuple[Tensor, Tensor, Tensor | None]:
    """Logits (b, n), distances (b, n, 4) and centerness (b, n) of all levels, in the order of Targets."""
    logits = torch.cat([level.logits.flatten(1) for level in levels], dim=1)
    distances = torch.cat([level.distances_px.flatten(2).transpose(1, 2) for level in levels], dim=1)
    if levels[0].centerness is None:
        return logits, distances, None
    return logits, distances, torch.cat([_some(level.centerness).flatten(1) for level in levels], dim=1)


def detection_loss(
    levels: list[Level],
    targets: Targets,
    spec: ModelSpec,
    positives: float,
    runways: float = 0.0,
    progress: float = 1.0,
) -> dict[str, Tensor]:
    """Loss terms summed over the batch and divided by `positives`, the runway locations of the whole step.

    A loss of bags is divided by `runways`, those of the whole step; `progress`: the share of steps done.
    """
    logits = flatten(levels)[0]
    objectness = objectness_loss(logits, targets, spec, positives, runways, progress)
    return {"objectness": objectness, **box_loss(levels, targets, positives)}


def compares_pictures(spec: ModelSpec) -> bool:
    """Whether the loss of objectness is no sum over pictures, but needs all logits of a batch at once."""
    over = (spec.bag or BagSpec()).over
    return spec.loss in ("hinge", "ap") or (spec.loss == "bag" and over == "background")


def objectness_loss(
    logits: Tensor,
    targets: Targets,
    spec: ModelSpec,
    positives: float,
    runways: float = 0.0,
    progress: float = 1.0,
) -> Tensor:
    """The first term of detection_loss, from logits (b, n)."""
    norm = max(positives, 1.0)
    if spec.loss == "hinge":
        return hinge_kr(logits, targets.objectness, spec.margin) / norm
    if spec.loss == "ap":
        scores = torch.sigmoid(logits * spec.temperature)
        return rank_loss(scores, targets.objectness, spec.rank or RankSpec()) / norm
    if spec.loss == "bag":
        if targets.bags is None:
            raise ValueError("loss: bag needs the bags of the targets")
        bagged = bag_loss(logits, targets.objectness, targets.bags, spec.bag or BagSpec(), progress)
        return bagged / max(runways, 1.0)
    known = targets.objectness >= 0
    wanted_logits = (targets.objectness == 1).to(logits.dtype)
    beyond = logits - spec.offset * (2 * wanted_logits - 1)
    return focal(beyond * spec.temperature, wanted_logits, known) / norm


def box_loss(levels: list[Level], targets: Targets, positives: float) -> dict[str, Tensor]:
    """The terms of detection_loss about boxes."""
    _, distances, centerness = flatten(levels)
    positive = targets.objectness == 1
    norm = max(positives, 1.0)
    wanted = targets.distances_px[positive]
    terms = {"box": giou_loss(distances[positive], wanted).sum() / norm}
    if centerness is not None:
        quality = centerness_of(wanted)
        terms["centre"] = (
            F.binary_cross_entropy_with_logits(centerness[positive], quality, reduction="sum") / norm
        )
    return terms


def mask_loss(levels: list[Level], targets: Targets, spec: ModelSpec, known: float) -> dict[str, Tensor]:
    """Cross-entropy of all known pixels, asked for beyond an offset, over `known`, those of the whole step.

    Unweighted, so that zero is the logit of a pixel that is as likely runway as not.
    """
    logits, wanted = levels[0].logits.flatten(1), targets.objectness
    beyond = (logits - spec.offset * (2 * wanted - 1)) * spec.temperature
    entropy = F.binary_cross_entropy_with_logits(beyond, wanted.clamp(min=0), reduction="none")
    return {"objectness": (entropy * (wanted >= 0)).sum() / max(known, 1.0)}


def giou_loss(predicted: Tensor, wanted: Tensor) -> Tensor:
    """1 - generalised IoU of distances (l, t, r, b) measured from the same points: (n, 4), (n, 4) -> (n,)."""
    area_predicted = (predicted[:, 0] + predicted[:, 2]) * (predicted[:, 1] + predicted[:, 3])
    area_wanted = (wanted[:, 0] + wanted[:, 2]) * (wanted[:, 1] + wanted[:, 3])
    inner = torch.minimum(predicted, wanted)
    outer = torch.maximum(predicted, wanted)
    inter = (inner[:, 0] + inner[:, 2]).clamp(min=0) * (inner[:, 1] + inner[:, 3]).clamp(min=0)
    hull = (outer[:, 0] + outer[:, 2]) * (outer[:, 1] + outer[:, 3])
    union = area_predicted + area_wanted - inter
    return 1 - inter / union.clamp(min=1e-6) + (hull - union) / hull.clamp(min=1e-6)


def focal(logits: Tensor, wanted: Tensor, known: Tensor) -> Tensor:
    """Focal loss summed over the known locations."""
    chance = torch.sigmoid(logits)
    entropy = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    missed = chance + wanted - 2 * chance * wanted
    weight = ALPHA * wanted + (1 - ALPHA) * (1 - wanted)
    return (weight * missed.pow(GAMMA) * entropy * known).sum()


def hinge_kr(logits: Tensor, objectness: Tensor, margin: float, share: float = 0.05) -> Tensor:
    """Hinge at `margin` plus a small Kantorovich-Rubinstein term, which pushes both classes further apart."""
    positive, negative = objectness == 1, objectness == 0
    hinge = F.relu(margin - logits[positive]).sum() + F.relu(margin + logits[negative]).sum()
    count = max(int(positive.sum()), 1)
    spread = logits[positive].sum() / count - logits[negative].mean()
    return hinge - share * count * spread


def centerness_of(distances_px: Tensor) -> Tensor:
    """FCOS centerness of distances (n, 4): 1 at the centre of the box, 0 at its sides."""
    left, top, right, bottom = distances_px.unbind(dim=1)
    ratio_x = torch.minimum(left, right) / torch.maximum(left, right).clamp(min=1e-6)
    ratio_y = torch.minimum(top, bottom) / torch.maximum(top, bottom).clamp(min=1e-6)
    return torch.sqrt(ratio_x * ratio_y)


def _some(value: Tensor | None) -> Tensor:
    assert value is not None
    return value
