"""Balls of changes about a picture, in L2 or Linf over all of its values, cut to pixels in [0, 1]."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

Norm = Literal["l2", "linf"]
NAMES: dict[Norm, str] = {
    "l2": "L2 over all pixels and channels of the whole picture",
    "linf": "Linf: the largest change of any value of the picture",
}
_INSIDE = 1 - 1e-6  # of a radius
_CORRECTIONS = 4  # of what rounding to float32 pixels adds to a change


def size(change: Tensor, norm: Norm) -> Tensor:
    """Norms (b,) of changes (b, 3, h, w), summed in float64."""
    flat = change.detach().flatten(1).double()
    return flat.norm(dim=1) if norm == "l2" else flat.abs().amax(dim=1)


def within(change: Tensor, clean: Tensor, norm: Norm, eps: float) -> Tensor:
    """Changes pulled into the ball of radius eps and the pictures into [0, 1]; that only shortens them."""
    if norm == "l2":
        change = change * per_item((eps * _INSIDE / size(change, norm).clamp(min=1e-30)).clamp(max=1.0))
    else:
        change = change.clamp(-eps * _INSIDE, eps * _INSIDE)
    kept = (clean + change).clamp(0, 1) - clean
    for _ in range(_CORRECTIONS):
        over = size(kept, norm) / eps
        if float(over.max()) <= 1:
            break
        change = change * per_item(_INSIDE / over.clamp(min=1.0))
        kept = (clean + change).clamp(0, 1) - clean
    return kept


def on_sphere(change: Tensor, clean: Tensor, norm: Norm, eps: float) -> Tensor:
    """Changes of L2 norm eps along their own direction, of Linf norm eps at most; pictures in [0, 1]."""
    if norm == "l2":
        change = change * per_item(eps / size(change, norm).clamp(min=1e-30))
    return within(change, clean, norm, eps)


def steepest(gradient: Tensor, norm: Norm) -> Tensor:
    """The changes of norm one along which a loss rises fastest: (b, 3, h, w)."""
    if norm == "linf":
        return gradient.sign()
    return gradient * per_item(1 / size(gradient, norm).clamp(min=1e-30))


def noise(clean: Tensor, norm: Norm, eps: float, rng: np.random.Generator) -> Tensor:
    """A random change of one picture (1, 3, h, w): on the sphere in L2, uniform in the cube in Linf."""
    shape = tuple(clean.shape)
    if norm == "linf":
        drawn = rng.uniform(-eps, eps, shape).astype(np.float32)
    else:
        drawn = rng.standard_normal(shape, dtype=np.float32)
    return on_sphere(torch.from_numpy(drawn).to(clean.device), clean, norm, eps)


def per_item(factors: Tensor) -> Tensor:
    """Factors (b,) as float32 (b, 1, 1, 1)."""
    return factors.float()[:, None, None, None]
