"""Detectors whose decision rests on pixels that are known, and a picture with a runway before them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lard.assurance.reach import receptive_margins
from lard.assurance.view import Sight, View, view_of
from lard.detect.audit import LipschitzBound
from lard.detect.config import ModelSpec
from lard.detect.data import Picture
from lard.detect.fcos import Detector, Level

SPEC = ModelSpec(family="fcos", widths=(8, 8, 8), depths=(0, 0, 0), pyramid=8, side_limits_px=(32,))
SIDE_PX, BLOCK_PX = 128, 4
RUNWAY = (62.0, 66.0)
"""The runway is a square of 8 px about this place: the middle of one location, which alone serves it."""


class Looking(Detector):
    """Logits that are a linear function of one block of 4 x 4 px, some px away from each location."""

    def __init__(self, offset_px: tuple[int, int], weights: Tensor, bias: float = 0.0) -> None:
        super().__init__()
        self.spec = SPEC
        self.offset_px = offset_px
        self.look = nn.Conv2d(3, 1, BLOCK_PX, BLOCK_PX)
        self.coarse = nn.Conv2d(3, 1, 8, 8)
        with torch.no_grad():
            self.look.weight.copy_(weights[None])
            nn.init.constant_(self.look.bias, bias)  # type: ignore[arg-type]
            self.coarse.weight.zero_()
            nn.init.constant_(self.coarse.bias, -10)  # type: ignore[arg-type]

    def forward(self, images: Tensor, frames: Tensor | None = None) -> list[Level]:
        """See Detector; every location of the first level has a box of 8 x 8 px, of the second of 1 x 1."""
        x, y = self.offset_px
        fine, coarse = self.look(F.pad(images - 0.5, (-x, x, -y, y))), self.coarse(images - 0.5)
        return [
            Level(one, torch.full_like(one, half).expand(-1, 4, -1, -1), None)
            for one, half in ((fine, 4.0), (coarse, 0.5))
        ]


def linear(offset_px: tuple[int, int] = (0, 0), bias: float = 0.2, seed: int = 0) -> Looking:
    """A detector of random weights."""
    draw = torch.Generator().manual_seed(seed)
    return Looking(offset_px, torch.randn((3, BLOCK_PX, BLOCK_PX), generator=draw), bias).eval()


def constant_of(net: Looking) -> float:
    """Its exact Lipschitz constant: blocks do not overlap, so one filter's norm is that of all logits."""
    return float(net.look.weight.detach().double().norm())


def bounded(net: Looking) -> LipschitzBound:
    """That constant as an audit would state it."""
    constant = constant_of(net)
    return LipschitzBound(constant, (("look", "Conv2d", constant),), constant)


def picture_at(folder: Path, name: str = "one.png", seed: int = 0, box_px: float = 8.0) -> Picture:
    """A grey, noisy picture with one runway."""
    rng = np.random.default_rng(seed)
    pixels = rng.normal(120, 20, (SIDE_PX, SIDE_PX, 3)).clip(30, 220).astype(np.uint8)
    cv2.imwrite(str(folder / name), pixels)
    x, y = RUNWAY
    box = np.array([[x - box_px / 2, y - box_px / 2, x + box_px / 2, y + box_px / 2]])
    x0, y0, x1, y1 = box[0]
    ring = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    info = {"airport": "LFPO", "zone": "far"}
    return Picture(1, folder / name, SIDE_PX, SIDE_PX, box, (ring,), np.array([False]), info)


def view_at(net: Detector, picture: Picture, bound: LipschitzBound | None = None, score: float = 0.5) -> View:
    """The view of its only runway, the field put about the middle."""
    sight = Sight(net, bound, score, receptive_margins(net))
    return view_of(sight, picture, 0, np.zeros(2))
