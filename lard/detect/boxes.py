"""Box arithmetic on (..., 4) arrays of x_min, y_min, x_max, y_max in pixels."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def iou_matrix(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of every pair: (n, 4), (m, 4) -> (n, m); 0 where both are empty."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    inter = np.clip(high - low, 0.0, None).prod(axis=2)
    area_first = (first[:, 2:] - first[:, :2]).prod(axis=1)
    area_second = (second[:, 2:] - second[:, :2]).prod(axis=1)
    union = area_first[:, None] + area_second[None, :] - inter
    return np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)


def nms(boxes: NDArray[np.float64], scores: NDArray[np.float64], iou: float, limit: int) -> NDArray[np.int64]:
    """Greedy non-maximum suppression: at most `limit` indices, best first; ties keep the input order."""
    order = np.argsort(-scores, kind="stable")
    overlapping = iou_matrix(boxes[order], boxes[order]) > iou
    alive = np.ones(len(order), dtype=bool)
    kept: list[int] = []
    for rank in range(len(order)):
        if not alive[rank]:
            continue
        kept.append(rank)
        if len(kept) == limit:
            break
        alive &= ~overlapping[rank]
    return order[np.array(kept, dtype=np.int64)]


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
