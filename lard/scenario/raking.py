"""Weights of cells whose marginals are as declared: iterative proportional fitting over what rules allow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import linprog

Array = NDArray[np.float64]
Index = NDArray[np.intp]

_SWEEPS = 400
_EXACT, _GOOD = 1e-9, 2e-3
_STUCK = 1e-4  # an error that shrinks less than this in a sweep stays
_LOST = 0.02  # an error of a sum that tells that a law could not be held
_LEAST = 0.1  # of what independence gives it: the weight that a cell keeps where some law yields
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
    close as leaves every cell a tenth of its start: `held` says how close, per axis (0: not at all, 1: at any
    price).
    """
    held = held or [YIELD] * len(targets)
    wanted = []
    for axis, target in enumerate(targets):
        reachable = np.bincount(cells[:, axis], start, minlength=len(target)) > 0
        kept = np.where(reachable, target, 0.0)
        wanted.append(kept / kept.sum())
    yielding: frozenset[int] = frozenset()
    weights, error = _fit(cells, start, wanted, yielding, held)
    if error > _GOOD:
        exact = _balanced(cells, start, wanted)  # sweeps may be slow where only little room is left
        if exact is not None:
            return exact
    while error > _GOOD and len(yielding) < len(wanted):
        rest = [axis for axis in range(len(wanted)) if axis not in yielding]
        tried = [axis for axis in rest if not firm[axis]] or rest
        fits = [(_fit(cells, start, wanted, yielding | {axis}, held), axis) for axis in tried]
        (weights, error), axis = min(fits, key=lambda fit: fit[0][1])
        yielding |= {axis}
    if _error(cells, weights, wanted, yielding) > _LOST:
        # what is allowed stays possible in samples too, at the price of a little more of the gap
        floored = np.maximum(weights, _LEAST * start / start.sum())
        weights, _ = _fit(cells, floored, wanted, yielding, [0.0] * len(wanted))
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
        error = _error(cells, weights, wanted, frozenset(range(len(wanted))) - yielding)
        settled = np.abs(weights - before).max() < _EXACT * weights.max()
        if settled or (error < _EXACT and not yielding) or (error > _GOOD and last - error < _STUCK * error):
            break
    return weights, error


def _error(cells: Index, weights: Array, wanted: Sequence[Array], axes: frozenset[int]) -> float:
    """The largest error of a sum over some axes; 0 over none."""
    return max(
        (
            float(np.abs(np.bincount(cells[:, k], weights, minlength=len(wanted[k])) - wanted[k]).max())
            for k in sorted(axes)
        ),
        default=0.0,
    )


def _balanced(cells: Index, start: Array, wanted: Sequence[Array]) -> Array | None:
    """Weights (c,) with all the sums asked for whose least share of `start` is as large as it can be.

    None where there are none, or none that leave every cell some weight.
    """
    share = start / start.sum()
    offsets = np.concatenate([[0], np.cumsum([len(target) for target in wanted])])
    rows = (cells + offsets[:-1]).T.ravel()
    columns = np.tile(np.arange(len(cells)), len(wanted))
    # unknown: what each cell has above t of its share, and t
    sums = sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=(offsets[-1], len(cells)))
    equal = sparse.hstack([sums, sums @ share[:, None]]).tocsr()
    aim = np.zeros(len(cells) + 1)
    aim[-1] = -1.0
    found = linprog(aim, A_eq=equal, b_eq=np.concatenate(wanted), bounds=(0, None), method="highs")
    if not found.success or found.x[-1] < _EXACT:
        return None
    return np.asarray(found.x[:-1] + found.x[-1] * share)
