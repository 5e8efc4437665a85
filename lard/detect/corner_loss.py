"""How far a corner model is from the corners it should find."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lard.detect.corner_net import Reading

TERMS = ("position", "heat", "presence")
_WEIGHTS = {"position": 1.0, "heat": 0.25, "presence": 0.5}
_SPREAD_CELLS = 1.0
_TURN_CELLS = 0.25
"""Position errors below this count by their square, above it by their size."""


class CornerTargets(NamedTuple):
    """Corners (b, 4, 2) in px of their windows, and which are in them (b, 4): 1 or 0."""

    corners_px: Tensor
    present: Tensor


def corner_loss(
    found: Reading, wanted: CornerTargets, stride_px: int, present: float, corners: float
) -> Tensor:
    """TERMS of the loss, weighted: (3,), of what is read from square heat maps.

    Of corners in the window: a Huber loss of their place in cells, and the cross entropy of the map with a
    normal distribution about it; of all corners the cross entropy of their presence. Sums over this batch
    are divided by the numbers of corners in windows and of all corners that processes share.
    """
    weight = wanted.present / max(present, 1.0)
    off = (found.corners_px - wanted.corners_px) / stride_px
    place = F.huber_loss(off, torch.zeros_like(off), reduction="none", delta=_TURN_CELLS).sum(2) / _TURN_CELLS
    side = math.isqrt(found.log_shares.shape[2])
    goal = normal_maps(wanted.corners_px / stride_px, side, side)
    heat = -(goal * found.log_shares).sum(2)
    presence = F.binary_cross_entropy_with_logits(found.presence, wanted.present, reduction="sum")
    terms = {
        "position": (place * weight).sum(),
        "heat": (heat * weight).sum(),
        "presence": presence / corners,
    }
    return torch.stack([terms[name] * _WEIGHTS[name] for name in TERMS])


def normal_maps(centres: Tensor, rows: int, columns: int) -> Tensor:
    """Normal distributions (b, 4, rows * columns) about places (b, 4, 2) in cells, each of sum 1."""
    y = torch.arange(rows, device=centres.device) + 0.5
    x = torch.arange(columns, device=centres.device) + 0.5
    across = torch.softmax(-0.5 * ((x - centres[..., :1]) / _SPREAD_CELLS) ** 2, dim=2)
    down = torch.softmax(-0.5 * ((y - centres[..., 1:]) / _SPREAD_CELLS) ** 2, dim=2)
    return (down[..., :, None] * across[..., None, :]).flatten(2)
