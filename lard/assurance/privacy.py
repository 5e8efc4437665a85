"""Differentially private training of a detector's last layer: gradients bounded without clipping.

The unit is what may be added to the data or taken away without the trained layer telling: a frame, or all
frames of an airport. Each unit is some locations c with features f_c of norm at most 1, answers y_c in {0, 1}
and weights a_c >= 0 of sum at most 1; its loss at a layer w is
l(w) = sum_c a_c (log(1 + exp(w.f_c)) - y_c w.f_c).

Bound. grad l(w) = sum_c a_c (s(w.f_c) - y_c) f_c with the logistic function s. The logistic loss is
1-Lipschitz in its logit, |s - y_c| <= 1, hence |grad l(w)| <= sum_c a_c |s - y_c| |f_c| <= 1, whatever w and
the unit are. Nothing is clipped and nothing is biased. This is what Lipschitz networks give layer by layer
(Béthune et al., "DP-SGD Without Clipping: The Lipschitz Neural Network Way", ICLR 2024), for the one layer
where it costs nothing. It holds because no unit's loss depends on another unit: features are frozen, batch
normalisation is in its running state, and the sum is divided by the expected number of units, a constant.

Mechanism. Each step takes each unit with probability q (Poisson sampling), adds N(0, (sigma BOUND)^2) to
each coordinate of the summed gradient and moves along it; adding or removing a unit moves the sum by BOUND at
most.
Averaging the layers of the last half of the steps is post-processing and costs nothing.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from lard.assurance.head import Cells
from lard.errors import DataError, LardError

Floats = NDArray[np.float64]

BOUND = 1.0
"""Lipschitz constant of the logistic loss in its logit times the largest norm of a feature."""
_SLACK = 1e-6
_ROUNDING = 1e-3  # of the accountant's epsilon beyond the one asked for


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a private layer is trained: fixed before the data is seen, for looking at results costs privacy.

    rate: learning rate for the mean gradient; sample_rate: probability of a unit to take part in a step.
    """

    delta: float = 1e-5
    steps: int = 100
    sample_rate: float = 0.25
    rate: float = 10.0


@dataclass(frozen=True, slots=True)
class Private:
    """Frames (n, m, d) with answers and weights (n, m), and the unit (n,) that each frame belongs to."""

    features: NDArray[np.float32]
    wanted: NDArray[np.float32]
    weights: NDArray[np.float32]
    unit: NDArray[np.int64]
    units: int


def private_of(cells: Sequence[Cells], names: Sequence[str]) -> Private:
    """Frames with the name of each one's unit; the weights of a unit's frames are shared out evenly.

    Raises DataError where the bound would not hold: features longer than 1, weights below 0 or of a sum
    above 1.
    """
    if not cells:
        raise DataError("no frame to learn from; give a split that has some")
    most, width = max(len(one.wanted) for one in cells), cells[0].features.shape[1]
    features = np.zeros((len(cells), most, width), np.float32)
    wanted, weights = np.zeros((2, len(cells), most), np.float32)
    for place, one in enumerate(cells):
        count = len(one.wanted)
        features[place, :count], wanted[place, :count] = one.features, one.wanted
        weights[place, :count] = one.weights
    longest = float(np.linalg.norm(features.astype(np.float64), axis=2).max(initial=0))
    if not longest <= 1 or weights.min(initial=0) < 0 or not weights.sum(axis=1).max() <= 1 + _SLACK:
        raise DataError(
            f"features of norm up to {longest:.6f} and weights of sum up to"
            f" {weights.sum(axis=1).max():.6f}: expected at most 1 each, or no gradient is bounded"
        )
    kinds, unit, frames = np.unique(np.array(names), return_inverse=True, return_counts=True)
    # a hair below one, for the sums of 32-bit weights
    weights *= (1 - 2 * _SLACK) / frames[unit][:, None].astype(np.float32)
    return Private(features, wanted, weights, unit.astype(np.int64), len(kinds))


def unit_gradients(data: Private, layer: Floats) -> Floats:
    """Gradient (units, d) of each unit's loss at a layer (d,); none is longer than BOUND."""
    frames = np.einsum("nm,nmd->nd", _pull(data, layer), data.features.astype(np.float64))
    summed = np.zeros((data.units, frames.shape[1]))
    np.add.at(summed, data.unit, frames)
    return summed


def _pull(data: Private, layer: Floats) -> Floats:
    """Weight times error of each location (n, m)."""
    pull: Floats = data.weights * (expit(data.features @ layer.astype(np.float32)) - data.wanted)
    return pull


def train_layer(data: Private, recipe: Recipe, noise: float, seed: int) -> Floats:
    """A layer (d,) trained with noise of so many times BOUND; 0 is ordinary training by sampled gradients.

    The seed makes a study repeatable; where the guarantee is to hold it must be secret.
    """
    rng = np.random.default_rng(seed)
    layer = np.zeros(data.features.shape[2])
    average, late = np.zeros_like(layer), recipe.steps // 2
    expected = recipe.sample_rate * data.units
    for step in range(recipe.steps):
        taken = (rng.random(data.units) < recipe.sample_rate)[data.unit]
        part = Private(
            data.features[taken], data.wanted[taken], data.weights[taken], data.unit[taken], data.units
        )
        width = part.features.shape[2]
        gradient = _pull(part, layer).ravel() @ part.features.reshape(-1, width)
        gradient = gradient + rng.normal(0.0, 1.0, width) * (noise * BOUND)
        layer = layer - recipe.rate * gradient / expected
        if step >= late:
            average += layer / (recipe.steps - late)
    return average


def noise_for(epsilon: float, recipe: Recipe) -> float:
    """The least noise, in units of BOUND, at which all steps together are (epsilon, delta)-private.

    By the privacy loss distributions of Opacus' PRV accountant (Gopi et al., NeurIPS 2021), for adding or
    removing one unit, with its upper error bound on epsilon; infinity needs no noise.
    """
    if math.isinf(epsilon):
        return 0.0
    low, high = 0.0, 1.0
    while spent(high, recipe) > epsilon:
        low, high = high, 2 * high
        if high > 1e6:
            raise LardError(f"--epsilon {epsilon}: no noise below 1e6 attains it; ask for a larger one")
    while high - low > _ROUNDING * high:
        middle = (low + high) / 2
        low, high = (low, middle) if spent(middle, recipe) <= epsilon else (middle, high)
    return high


def spent(noise: float, recipe: Recipe) -> float:
    """Epsilon, from above, of all steps at the recipe's delta with noise of so many times BOUND."""
    try:
        from opacus.accountants import PRVAccountant
    except ImportError as error:
        raise LardError(f"accounting needs opacus ({error}); pip install 'lard[privacy]'") from error
    accountant = PRVAccountant()
    accountant.history = [(noise, recipe.sample_rate, recipe.steps)]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # of logarithms of zero where a sample rate is 1, which it handles
        try:
            found = accountant.get_epsilon(recipe.delta, eps_error=0.01)
        except (ValueError, RuntimeError, MemoryError):  # losses too large for its grid: far from private
            return math.inf
    return float(found)
