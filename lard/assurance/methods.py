"""Maps of what a runway's score rests on: by gradients, by covering parts, by random masks.

Each explains the same difference, score(x) - score(x with the field in its mean colour), and answers with a
map over the field. The score is the runway's (lard.assurance.view); any torch detector has one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.stats import qmc
from torch import Tensor

from lard.assurance.view import View
from lard.errors import ModelError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MapPlan:
    """How much work each method may do."""

    noisy: int = 6  # gradients that SmoothGrad averages
    deviation: float = 0.03  # of their noise, pixels in [0, 1]
    steps: int = 8  # gradients of the integral
    grid: int = 6  # covers and masks have grid x grid parts
    masks: int = 48  # of HSIC
    designs: int = 4  # of Sobol indices: pairs of points, (parts + 1) pictures each
    batch: int = 8  # pictures in one pass


@dataclass(frozen=True, slots=True, eq=False)
class Heat:
    """A map (rows, columns) of the field, 0 and more; `slope` (3, rows, columns) where it is of gradients."""

    values: Floats
    slope: Floats | None = None
    peak_px: tuple[float, float] | None = None  # x and y in the field; None: the largest value's pixel
    within: float | None = None  # share of the whole window's squared gradient that the field holds
    gap: float | None = None  # of completeness, of the difference explained


Method = Callable[[View, Tensor, MapPlan, np.random.Generator], Heat]
"""(view, pixels (1, 3, h, w), plan, generator) -> map."""


def gradient(view: View, pixels: Tensor, plan: MapPlan, rng: np.random.Generator) -> Heat:
    """Norm over the channels of the score's gradient (Simonyan et al., 2014)."""
    return _of_slope(view, slopes(view.score, pixels)[0])


def radius(view: View, pixels: Tensor, plan: MapPlan, rng: np.random.Generator) -> Heat:
    """The same of the firing radius, the certificate itself (after Serrurier et al., 2023).

    A runway that does not fire has none; there it is the gradient of the score.
    """
    if view.reach is None:
        raise ModelError("method radius: the model has no Lipschitz constant; use a lip-fcos model")
    with torch.no_grad():
        fires = bool(view.distance(pixels)[0] > 0)
    return _of_slope(view, slopes(view.distance if fires else view.score, pixels)[0])


def smoothgrad(view: View, pixels: Tensor, plan: MapPlan, rng: np.random.Generator) -> Heat:
    """Norm of the mean gradient over noisy copies (Smilkov et al., 2017)."""
    total = torch.zeros_like(pixels[0], dtype=torch.float64)
    for count in _batches(plan.noisy, plan.batch):
        drawn = rng.standard_normal((count, *pixels.shape[1:]), dtype=np.float32)
        noise = torch.from_numpy(drawn).to(pixels.device) * plan.deviation
        total += slopes(view.score, pixels + noise).double().sum(dim=0)
    return _of_slope(view, (total / plan.noisy).float())


def integrated(view: View, pixels: Tensor, plan: MapPlan, rng: np.random.Generator) -> Heat:
    """(x - b) times the mean gradient from b to x, b the flat field (Sundararajan et al., 2017).

    By the midpoint rule; `gap` is what the sum of the attributions lacks of the difference, as a share of it.
    """
    base = _flat(view, pixels)
    places = (torch.arange(plan.steps, device=pixels.device) + 0.5) / plan.steps
    total = torch.zeros_like(pixels[0], dtype=torch.float64)
    for part in places.split(plan.batch):
        between = base + part[:, None, None, None] * (pixels - base)
        total += slopes(view.score, between).double().sum(dim=0)
    shares = view.field.cut((pixels - base)[0].double() * total / plan.steps)
    with torch.no_grad():
        difference = float(view.score(pixels)[0] - view.score(base)[0])
    gap = abs(float(shares.sum()) - difference) / max(abs(difference), 1e-9)
    slope = shares.cpu().numpy()
    return Heat(np.abs(slope.sum(axis=0)), slope, gap=gap)


def occlusion(view: View, pixels: Tensor, plan: MapPlan, rng: np.random.Generator) -> Heat:
    """How much the score falls when a part of a grid is covered by the mean colour (Zeiler et al., 2014)."""
    count = plan.grid**2
    masks = (1 - np.eye(count, dtype=np.float32)).reshape(count, plan.grid, plan.grid)
    with torch.no_grad():
        whole = float(view.score(pixels)[0])
    drop = whole - _masked_scores(view, pixels, masks, plan.batch)
    return _of_grid(view, np.maximum(drop, 0).reshape(plan.grid, plan.grid))


def hsic(view: View, pixels: Tensor, plan: MapPlan, rng: np.random.Generator) -> Heat:
    """Dependence of the score on each part of a grid under random masks, by HSIC (Novello et al., 2022).

    Half of the parts are covered in each mask; the kernel of a part is whether two masks agree in it, that of
    scores Gaussian with the median distance as its width. V-statistic, cut at 0.
    """
    masks = (rng.random((plan.masks, plan.grid, plan.grid)) < 0.5).astype(np.float32)
    scores = _masked_scores(view, pixels, masks, plan.batch)
    return _of_grid(view, hsic_of(masks.reshape(plan.masks, -1), scores).reshape(plan.grid, plan.grid))


def hsic_of(masks: Floats | NDArray[np.float32], scores: Floats) -> Floats:
    """HSIC of each column of masks (p, n), 0 or 1, with scores (p,): (n,)."""
    count = len(scores)
    apart = np.abs(scores[:, None] - scores[None])
    width = float(np.median(apart[apart > 0])) if (apart > 0).any() else 1.0
    kernel = np.exp(-0.5 * (apart / width) ** 2)
    centred = kernel - kernel.mean(axis=0) - kernel.mean(axis=1)[:, None] + kernel.mean()
    signs = 2.0 * masks - 1.0  # masks agree: (1 + s s') / 2, of which the constant is centred away
    return np.asarray(np.maximum(0.5 * ((centred @ signs) * signs).sum(axis=0) / (count - 1) ** 2, 0))


def sobol(view: View, pixels: Tensor, plan: MapPlan, rng: np.random.Generator) -> Heat:
    """Total Sobol index of each part of a grid: its share of the score's variance (Fel et al., 2021).

    A part's input is how much of it is kept, uniform in [0, 1], the rest its cover. Designs are points of a
    scrambled Sobol sequence in twice as many dimensions as there are parts.
    """
    parts = plan.grid**2
    draw = qmc.Sobol(2 * parts, scramble=True, seed=rng).random_base2(int(np.ceil(np.log2(plan.designs))))
    first, second = np.split(draw[: plan.designs].astype(np.float32), 2, axis=1)  # (designs, parts) each
    mixed = np.repeat(first[:, None], parts, axis=1)
    mixed[:, range(parts), range(parts)] = second
    masks = np.concatenate((first, mixed.reshape(-1, parts))).reshape(-1, plan.grid, plan.grid)
    scores = _masked_scores(view, pixels, masks, plan.batch)
    found = total_indices(scores[: plan.designs], scores[plan.designs :].reshape(plan.designs, parts))
    return _of_grid(view, found.reshape(plan.grid, plan.grid))


def total_indices(scores: Floats, mixed: Floats) -> Floats:
    """Total-order Sobol indices (n,) by Jansen's estimator (1999).

    `scores` (d,) are those of the points A; `mixed` (d, n) those of A with one coordinate of B each. Half the
    mean squared change, over the variance of all scores; 0 where nothing varies.
    """
    varied = float(np.concatenate((scores, mixed.ravel())).var())
    changes = ((scores[:, None] - mixed) ** 2).mean(axis=0) / 2
    return np.asarray(changes / varied if varied > 0 else np.zeros_like(changes))


def noise_map(view: View, pixels: Tensor, plan: MapPlan, rng: np.random.Generator) -> Heat:
    """A map that knows nothing: what every number of a method is to be held against."""
    return Heat(rng.random(view.field.shape))


METHODS: dict[str, Method] = {
    "gradient": gradient,
    "smoothgrad": smoothgrad,
    "integrated": integrated,
    "occlusion": occlusion,
    "hsic": hsic,
    "sobol": sobol,
    "radius": radius,
}
USUAL = tuple(name for name in METHODS if name != "sobol")  # which costs more than all others together
CONTROL = "random"
BY_GRADIENT = ("gradient", "smoothgrad", "integrated", "radius")


def slopes(function: Callable[[Tensor], Tensor], pixels: Tensor) -> Tensor:
    """Gradient of a function's value of each of several pictures (b, 3, h, w)."""
    pixels = pixels.detach().requires_grad_(True)
    (found,) = torch.autograd.grad(function(pixels).sum(), pixels)
    return found


def _of_slope(view: View, slope: Tensor) -> Heat:
    """The map of a gradient (3, h, w) of the window."""
    squares = slope.double().square().sum(dim=0)
    field, total = view.field.cut(squares), float(squares.sum())
    within = float(field.sum()) / total if total > 0 else None
    part = view.field.cut(slope).double().cpu().numpy()
    return Heat(field.sqrt().cpu().numpy(), part, within=within)


def _of_grid(view: View, grid: Floats) -> Heat:
    """The map of a grid, each part's value on its pixels; its peak is the middle of the best part."""
    rows, columns = view.field.shape
    spread = F.interpolate(torch.from_numpy(grid)[None, None], size=(rows, columns), mode="nearest")
    row, column = np.unravel_index(int(grid.argmax()), grid.shape)
    peak = (float(column) + 0.5) * columns / grid.shape[1], (float(row) + 0.5) * rows / grid.shape[0]
    return Heat(spread[0, 0].numpy(), peak_px=peak)


def _masked_scores(view: View, pixels: Tensor, masks: NDArray[np.float32], batch: int) -> Floats:
    """Scores (p,) of the picture where masks (p, g, g) in [0, 1] say how much of each part is kept."""
    part, fill = view.field.cut(pixels), view.field.fill(pixels)
    found = []
    with torch.no_grad():
        for some in torch.from_numpy(masks).to(pixels.device).split(batch):
            kept = F.interpolate(some[:, None], size=view.field.shape, mode="nearest")
            found.append(view.score(view.field.put(fill + kept * (part - fill), pixels)).double().cpu())
    return torch.cat(found).numpy()


def _flat(view: View, pixels: Tensor) -> Tensor:
    """The picture with the field in its mean colour."""
    return view.field.put(view.field.fill(pixels).expand_as(view.field.cut(pixels)), pixels)


def _batches(count: int, most: int) -> list[int]:
    """Sizes of batches that make up a count."""
    return [min(most, count - first) for first in range(0, count, most)]
