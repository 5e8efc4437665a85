"""The attack that tests put against a certificate: given locations are pushed below a logit threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from lard.detect.fcos import Detector
from lard.detect.loss import flatten
from lard.robust.balls import steepest, within


@dataclass(frozen=True, slots=True)
class Attacked:
    """An attacked input (1, 3, h, w) in [0, 1] and the logits (n,) the detector gives it."""

    pixels: Tensor
    logits: NDArray[np.float64]


def vanish(
    net: Detector, pixels: Tensor, targets: Tensor, threshold: float, eps: float, steps: int = 20
) -> Attacked:
    """Projected gradient descent of norm eps that pushes the target locations below a logit threshold.

    pixels (1, 3, h, w) in [0, 1]; targets (n,) bool over all locations. The start is the clean picture.
    """
    clean = pixels.detach()
    change = torch.zeros_like(clean)
    pace = 2.5 * eps / steps
    for _ in range(steps):
        change.requires_grad_(True)
        logits = flatten(net(clean + change))[0][0]
        loss = F.softplus(net.spec.temperature * (logits[targets] - threshold)).sum()
        (gradient,) = torch.autograd.grad(loss, change)
        change = project(change.detach() - pace * steepest(gradient, "l2"), clean, eps)
    with torch.inference_mode():
        reached = flatten(net(clean + change))[0][0].double().numpy()
    return Attacked(clean + change, reached)


def project(change: Tensor, clean: Tensor, eps: float) -> Tensor:
    """The change (1, 3, h, w) pulled into the L2 ball of radius eps and the picture into [0, 1]."""
    return within(change, clean, "l2", eps)
