"""A picture under attack: what the detector answers to a change of its pixels, seen as prediction sees it.

The change is of the picture's own values, floats in [0, 1] that no file has rounded; the grey rim that fills
a picture up to whole strides is out of the attacker's reach. Padding, normaliser, scores, choice among the
locations and non-maximum suppression are those of `lard predict` at scale 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from lard.detect.config import PredictSpec
from lard.detect.data import Picture, load_image
from lard.detect.decode import Detections, boxes_of, cells_of, select
from lard.detect.fcos import Detector, Level

GREY = 0.5
SCORE_DECIMALS = 5  # of `lard predict`


@dataclass(frozen=True, slots=True)
class Answers:
    """Of every location of b pictures: scores (b, n), their logits (b, n), boxes (b, n, 4) in px."""

    scores: Tensor
    logits: Tensor
    boxes: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A picture (1, 3, h, w) in [0, 1], its runways as corner pairs, and the score from which they count."""

    net: Detector
    pixels: Tensor
    wanted: NDArray[np.float64]  # (k, 4) required runways
    ignored: NDArray[np.float64]  # (m, 4) those that need not be found
    score: float
    plan: PredictSpec

    @property
    def frame_px(self) -> tuple[int, int]:
        """Width and height."""
        return self.pixels.shape[3], self.pixels.shape[2]

    @property
    def filled_px(self) -> tuple[int, int]:
        """Width and height filled up to whole strides."""
        multiple = self.net.spec.strides_px[-1]
        width, height = self.frame_px
        return width + -width % multiple, height + -height % multiple

    def answers(self, change: Tensor) -> Answers:
        """Answers to the picture under changes (b, 3, h, w), differentiable in them."""
        (width, height), (full_width, full_height) = self.frame_px, self.filled_px
        seen = F.pad(self.pixels + change, (0, full_width - width, 0, full_height - height), value=GREY)
        levels = self.net(seen.contiguous(memory_format=torch.channels_last))
        scores = torch.cat([self.net.scores(level).flatten(1) for level in levels], dim=1)
        logits = torch.cat([self._logits(level).flatten(1) for level in levels], dim=1)
        return Answers(scores, logits, boxes_of(levels, self.net.spec.strides_px))

    def _logits(self, level: Level) -> Tensor:
        """log(s / (1 - s)) of the scores: unlike them it has a slope wherever the network has one."""
        logits = level.logits * self.net.spec.temperature
        if level.centerness is None:
            return logits
        score = (F.logsigmoid(logits) + F.logsigmoid(level.centerness)) / 2
        return score - torch.log(-torch.expm1(score.clamp(max=-1e-7)))

    def detections(self, answers: Answers, item: int = 0) -> Detections:
        """What prediction would answer for one of the pictures, best first."""
        cells = cells_of(self.net.spec.strides_px, *self.filled_px[::-1])
        boxes = answers.boxes[item].detach().float().cpu().numpy()
        scores = answers.scores[item].detach().float().cpu().numpy()
        return select(boxes, scores, cells, self.frame_px, self.plan)

    def at_point(self, found: Detections) -> Detections:
        """Those detections whose score, as a file of results states it, reaches the operating point."""
        above = found[1].round(SCORE_DECIMALS) >= self.score
        return found[0][above], found[1][above]


def scene_of(net: Detector, picture: Picture, score: float, plan: PredictSpec) -> Scene:
    """The scene of a picture of a dataset."""
    image = torch.from_numpy(load_image(picture)).permute(2, 0, 1)[None].float() / 255
    device = next(net.parameters()).device
    required, others = picture.boxes[~picture.ignored], picture.boxes[picture.ignored]
    return Scene(net, image.contiguous().to(device), required, others, score, plan)


def rows_of(found: Detections, image_id: int, category: int) -> list[dict[str, Any]]:
    """Detections as rows of a COCO results file, rounded as `lard predict` rounds them."""
    return [
        {
            "image_id": image_id,
            "category_id": category,
            "bbox": [round(float(value), 2) for value in (x0, y0, x1 - x0, y1 - y0)],
            "score": round(float(score), SCORE_DECIMALS),
        }
        for (x0, y0, x1, y1), score in zip(*found, strict=True)
    ]


def found_in(rows: list[Mapping[str, Any]]) -> Detections:
    """Rows of one picture as boxes (n, 4), corner pairs, and scores (n,)."""
    xywh = np.array([row["bbox"] for row in rows], np.float64).reshape(-1, 4)
    boxes = np.concatenate((xywh[:, :2], xywh[:, :2] + xywh[:, 2:]), axis=1)
    return boxes, np.array([row["score"] for row in rows], np.float64)
