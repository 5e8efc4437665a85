"""Weights of cells whose marginals are as declared: iterative proportional fitting over what rules allow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.intp]

_SWEEPS = 400
_EXACT, _GOOD = 1e-9, 2e-3
_STUCK = 1e-4  # an error that shrinks less than this in a sweep stays
YIELD = 0.9
"""Of a law that cannot be held: how much of its distortion each sweep takes back."""


def rake(
    cells: Index,
    start: Array,
    targets: Sequence[Array],
    firm: Sequence[bool],
    held: Sequence[float] | None = None,
) -> Array:
    """Weights (c,) of cells (c, axes) nearest to `start` whose sums over each axis are its targets (atoms,).

    Where no weights have all the sums asked for, as few axes as need be yield, firm ones last; they come as
    close as leaves every cell some weight: `held` says how close, per axis (0: not at all, 1: at any price).
    """
    held = held or [YIELD] * len(targets)
    wanted = []
    for axis, target in enumerate(targets):
        reachable = np.bincount(cells[:, axis], start, minlength=len(target)) > 0
        kept = np.where(reachable, target, 0.0)
        wanted.append(kept / kept.sum())
    yielding: frozenset[int] = frozenset()
    weights, error = _fit(cells, start, wanted, yielding, held)
    while error > _GOOD and len(yielding) < len(wanted):
        rest = [axis for axis in range(len(wanted)) if axis not in yielding]
        tried = [axis for axis in rest if not firm[axis]] or rest
        fits = [(_fit(cells, start, wanted, yielding | {axis}, held), axis) for axis in tried]
        (weights, error), axis = min(fits, key=lambda fit: fit[0][1])
        yielding |= {axis}
    return weights


def _fit(
    cells: Index,
    start: Array,
    wanted: Sequence[Array],
    yielding: frozenset[int],
    held: Sequence[float],
) -> tuple[Array, float]:
    """Weights after the sweeps, and the largest error of a sum that does not yield."""
    weights = start / start.sum()
    factors = [np.ones(len(target)) for target in wanted]
    # those that do not yield come last: what is set last is exact
    order = sorted(range(len(wanted)), key=lambda axis: axis not in yielding)
    error = np.inf
    for _ in range(_SWEEPS):
        before = weights
        for axis in order:
            sums = np.bincount(cells[:, axis], weights, minlength=len(wanted[axis]))
            bare = sums / factors[axis]
            ratio = np.divide(wanted[axis], bare, out=np.zeros_like(bare), where=bare > 0)
            factor = ratio ** held[axis] if axis in yielding else ratio
            change = np.divide(factor, factors[axis], out=np.zeros_like(factor), where=factors[axis] > 0)
            weights = weights * change[cells[:, axis]]
            factors[axis] = np.where(factor > 0, factor, 1.0)
        weights, last = weights / weights.sum(), error
        error = max(
            (
                float(np.abs(np.bincount(cells[:, k], weights, minlength=len(target)) - target).max())
                for k, target in enumerate(wanted)
                if k not in yielding
            ),
            default=0.0,
        )
        settled = np.abs(weights - before).max() < _EXACT * weights.max()
        if settled or (error < _EXACT and not yielding) or (error > _GOOD and last - error < _STUCK * error):
            break
    return weights, error
