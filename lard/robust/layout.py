"""Where the locations of a scene lie, which of them serve its runways, and how boxes overlap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lard.detect.decode import Detections
from lard.detect.loss import locations_px
from lard.robust.scene import Answers, Scene
from lard.score.boxes import extents, iou, share_inside

TOUCH, RIGHT = 0.1, 0.5
"""IoU from which a detection touches a runway, and from which it is right."""
BEST = 64  # locations that a soft maximum looks at
SHARP = 4.0  # of soft maxima and soft thresholds, per score logit
PLACE_PX = 24.0  # half side of the square about a random place


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """What the goals know of a scene: where its locations and runways are, and what was found when clean."""

    scene: Scene
    centres: Tensor  # (n, 2) px
    wanted: Tensor  # (k, 4) required runways, corner pairs
    runways: Tensor  # (k + m, 4) all of them
    near: Tensor  # (n,) locations whose clean box touches a required runway, or that lie in one
    found: NDArray[np.bool_]  # (k,) required runways detected at the operating point

    @property
    def limit(self) -> float:
        """The score logit of the operating point."""
        return float(np.log(self.scene.score / (1 - self.scene.score)))

    def touching(self, answers: Answers) -> Tensor:
        """Locations (b, n) that serve a required runway, by their place, when clean or now."""
        now = overlaps(answers.boxes.detach(), self.wanted).amax(dim=-1) >= TOUCH
        return now | self.near

    def free(self, answers: Answers) -> Tensor:
        """Locations (b, n) whose place and box lie outside all runways."""
        return ~(meet(answers.boxes.detach(), self.runways) | holding(self.runways, self.centres))

    def clear(self, boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which detected boxes (d, 4) have no point in common with any runway."""
        runways = np.concatenate((self.scene.wanted, self.scene.ignored))
        if not len(runways):
            return np.ones(len(boxes), dtype=bool)
        return np.asarray(share_inside(extents(boxes), extents(runways)).max(axis=1, initial=0) <= 0)


def layout_of(scene: Scene, clean: Answers) -> Layout:
    """The layout of a scene whose clean picture gets these answers."""
    strides = scene.net.spec.strides_px
    width, height = scene.filled_px
    centres = torch.from_numpy(np.concatenate([locations_px(height, width, one) for one in strides]))
    device = clean.boxes.device
    wanted = torch.from_numpy(scene.wanted).float().to(device)
    ignored = torch.from_numpy(scene.ignored).float().to(device)
    centres = centres.to(device)
    near = (overlaps(clean.boxes[0], wanted).amax(dim=-1) >= TOUCH) | holding(wanted, centres)
    boxes, _ = scene.at_point(scene.detections(clean))
    found = overlap(boxes, scene.wanted).max(axis=0, initial=0) >= RIGHT
    return Layout(scene, centres, wanted, torch.cat((wanted, ignored)), near, found)


def touched(scene: Scene, found: Detections) -> NDArray[np.bool_]:
    """Required runways (k,) that a detection of the operating point touches."""
    boxes, _ = scene.at_point(found)
    return np.asarray(overlap(boxes, scene.wanted).max(axis=0, initial=0) >= TOUCH)


def free_place(layout: Layout, rng: np.random.Generator) -> tuple[float, float]:
    """A random place whose square lies in the picture and outside all runways; where none is, any place."""
    width, height = layout.scene.frame_px
    runways = np.concatenate((layout.scene.wanted, layout.scene.ignored))
    low, high = np.full(2, PLACE_PX), np.maximum(PLACE_PX, np.array([width, height]) - PLACE_PX)
    for _ in range(100):
        x, y = (float(value) for value in rng.uniform(low, high))
        square = np.array([[x - PLACE_PX, y - PLACE_PX, x + PLACE_PX, y + PLACE_PX]])
        if not (overlap(square, runways) > 0).any():
            break
    return x, y


def overlap(boxes: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """IoU (d, k) of boxes as corner pairs."""
    return iou(extents(boxes), extents(others))


def highest(logits: Tensor, among: Tensor) -> Tensor:
    """Soft maximum (b,) of logits (b, n) over some locations; very low where there is none."""
    chosen = logits.masked_fill(~among, -1e4)
    return torch.logsumexp(SHARP * chosen.topk(min(BEST, chosen.shape[1]), dim=1).values, dim=1) / SHARP


def overlaps(boxes: Tensor, others: Tensor) -> Tensor:
    """IoU of boxes (..., n, 4) and others (k, 4), corner pairs: (..., n, k); one column of 0 for k = 0."""
    if not len(others):
        return boxes.new_zeros((*boxes.shape[:-1], 1))
    low = torch.maximum(boxes[..., None, :2], others[:, :2])
    high = torch.minimum(boxes[..., None, 2:], others[:, 2:])
    common = (high - low).clamp(min=0).prod(dim=-1)
    area = (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(dim=-1)[..., None]
    return common / (area + (others[:, 2:] - others[:, :2]).prod(dim=-1) - common).clamp(min=1e-6)


def meet(boxes: Tensor, others: Tensor) -> Tensor:
    """Whether boxes (..., n, 4) have a point in common with any of the others (k, 4): (..., n)."""
    apart = (boxes[..., None, :2] >= others[:, 2:]) | (boxes[..., None, 2:] <= others[:, :2])
    return (~apart.any(dim=-1)).any(dim=-1)


def holding(boxes: Tensor, points: Tensor) -> Tensor:
    """Whether points (n, 2) lie in any of the boxes (k, 4): (n,)."""
    inside = (points[:, None] >= boxes[:, :2]) & (points[:, None] <= boxes[:, 2:])
    return inside.all(dim=-1).any(dim=-1)
