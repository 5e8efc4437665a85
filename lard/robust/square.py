"""An attack without gradients: random squares of pixels are changed, and kept where the loss falls.

What it finds beyond the gradient attack of the same size shows that gradients hide something.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lard.robust.balls import Norm, on_sphere, within
from lard.robust.descent import Outcome, judged
from lard.robust.goals import Goal
from lard.robust.scene import Scene

LARGEST, SMALLEST_PX = 0.8, 2  # side of a square: share of its region's shorter side at first; px at last
AROUND = 0.5  # of a region's sides, by which it is widened
GENTLEST = 0.1  # share of eps that a square of an L2 change may have at least


def square_attack(
    scene: Scene, goal: Goal, norm: Norm, eps: float, queries: int, rng: np.random.Generator
) -> Outcome:
    """The best change within eps after a number of queries of the detector's answers."""
    (best,) = judged(scene, goal, torch.zeros_like(scene.pixels), norm)
    losses = [best.loss]
    for query in range(1, queries):
        if goal.ends and best.reached:
            break
        change = best.change + _square(scene, goal, norm, eps, query / queries, best.change, rng)
        change = within(change, scene.pixels, norm, eps)
        if norm == "l2":
            change = on_sphere(change, scene.pixels, norm, eps)
        (now,) = judged(scene, goal, change, norm)
        best = min((best, now), key=lambda outcome: outcome.rank)
        losses.append(best.loss)
    return Outcome(best.change, best.size, best.loss, best.reached, best.found, tuple(losses))


def _square(
    scene: Scene, goal: Goal, norm: Norm, eps: float, done: float, now: Tensor, rng: np.random.Generator
) -> Tensor:
    """What one query adds: a square of random signs, which replaces the change there in Linf."""
    x0, y0, x1, y1 = _region(scene, goal.regions, rng)
    side = max(SMALLEST_PX, round(LARGEST * (1 - done) ** 2 * min(x1 - x0, y1 - y0)))
    side = min(side, x1 - x0, y1 - y0)
    x, y = int(rng.integers(x0, x1 - side + 1)), int(rng.integers(y0, y1 - side + 1))
    signs = torch.from_numpy(rng.choice([-1.0, 1.0], 3).astype(np.float32)).to(now.device)
    added = torch.zeros_like(now)
    place = added[:, :, y : y + side, x : x + side]
    if norm == "linf":
        place += eps * signs[None, :, None, None] - now[:, :, y : y + side, x : x + side]
    else:
        strength = eps * rng.uniform(GENTLEST, 1.0) / (side * np.sqrt(3))
        place += float(strength) * signs[None, :, None, None]
    return added


def _region(
    scene: Scene, regions: NDArray[np.float64], rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """One of the regions, widened and cut to the picture: x0, y0, x1, y1 in px."""
    box = regions[int(rng.integers(len(regions)))]
    wide = AROUND * (box[2:] - box[:2])
    width, height = scene.frame_px
    low = np.floor(box[:2] - wide).clip(0, (width - SMALLEST_PX, height - SMALLEST_PX)).astype(int)
    high = np.ceil(box[2:] + wide).clip(low + SMALLEST_PX, (width, height)).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])
