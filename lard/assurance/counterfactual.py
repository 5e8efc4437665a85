"""The nearest picture found where the detector decides otherwise, and what a certificate says it must cost.

For a runway that fires, one where none of its locations does; for one that is missed, one where its best
location fires. Newton steps along the gradient lead to the boundary, as x - f(x) grad f / |grad f|^2 does for
a 1-Lipschitz f (Serrurier et al., 2023); once it was crossed, steps also project the clean picture onto the
boundary as it looks from there (FAB, Croce and Hein, 2020), and the best change is shortened along itself. No
change below the certificate can reach the boundary, so norm / certificate is never below 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lard.assurance.methods import Floats
from lard.assurance.view import View

STEPS = 14
CROSSINGS = 2  # after which little is gained
BISECTIONS = 8
OVERSHOOT = 1.02
BACK = 0.95
LEAST_ENERGY = 1e-20  # of a gradient that leads anywhere
BEYOND = 1e-4  # of logits: how far behind the boundary a change must lead, so that rounding cannot undo it
AIM = 3e-4  # and how far steps aim, which come near but never quite there


@dataclass(frozen=True, slots=True, eq=False)
class Counterfactual:
    """A change (1, 3, h, w) of the window; None where no step reached the other side."""

    fired: bool  # what it turns: silence where the runway fired, firing where it was missed
    change: Tensor | None
    norm: float | None  # L2, pixels in [0, 1]
    certificate: float | None  # of a Lipschitz detector: no smaller change can do it

    @property
    def ratio(self) -> float | None:
        """How much farther it is than what is certified."""
        if self.norm is None or not self.certificate:
            return None
        return self.norm / self.certificate


def counterfactual(view: View, steps: int = STEPS) -> Counterfactual:
    """Follow the gradient to the boundary, pixels kept in [0, 1]; the best of all steps."""
    with torch.no_grad():
        above = view.above(view.pixels)[0].double().cpu().numpy()
    fired = bool(above.max() > 0)
    best = _search(view, fired, steps)
    if best is not None:
        best = _shortened(view, best, fired)
    norm = None if best is None else float(best.double().norm())
    return Counterfactual(fired, best, norm, _certificate(view, above, fired))


def _search(view: View, fired: bool, steps: int) -> Tensor | None:
    clean = view.pixels
    change, best, least, crossings = torch.zeros_like(clean), None, np.inf, 0
    for _ in range(steps):
        now = (clean + change).detach().requires_grad_(True)
        value = _left(view, now, fired, AIM)
        (slope,) = torch.autograd.grad(value.sum(), now)
        left, size = float(value.detach()), float(change.double().norm())
        if _crossed(view, change, fired):
            if size < least:
                best, least = change, size
            crossings += 1
            if crossings == CROSSINGS:
                break
            change = change * BACK  # over the boundary again, to meet it elsewhere
            continue
        energy = float(slope.double().square().sum())
        if energy < LEAST_ENERGY:
            break
        moved = change - slope * (left / energy)
        if best is not None:
            # the point of the boundary, were it flat, that is nearest to the clean picture
            nearest = slope * ((float((slope.double() * change.double()).sum()) - left) / energy)
            moved = (moved + nearest) / 2
        change = (clean + change + OVERSHOOT * (moved - change)).clamp(0, 1) - clean
    size = float(change.double().norm())
    return change if size < least and _crossed(view, change, fired) else best


def _shortened(view: View, change: Tensor, fired: bool) -> Tensor:
    """The shortest change along one that still leads across, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2 if low else 0.9 * high
        if _crossed(view, middle * change, fired):
            high = middle
        else:
            low = middle
    return change * high


def _left(view: View, pixels: Tensor, fired: bool, beyond: float) -> Tensor:
    """What is still to go (b,): norm of what fires, or how far the best location stays below; 0: across."""
    above = view.above(pixels)
    if fired:
        return torch.linalg.vector_norm((above + beyond).clamp(min=0), dim=1)
    return (beyond - above.amax(dim=1)).clamp(min=0)


@torch.no_grad()
def _crossed(view: View, change: Tensor, fired: bool) -> bool:
    return float(_left(view, view.pixels + change, fired, BEYOND)) <= 0


def _certificate(view: View, above: Floats, fired: bool) -> float | None:
    if view.reach is None:
        return None
    cost = float((np.maximum(above, 0) ** 2).sum()) if fired else min(float(above.max()), 0.0) ** 2
    return float(view.reach.radii(np.array([cost], np.float64))[0])
