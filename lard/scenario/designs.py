"""Point sets in the unit cube: scrambled Sobol', Latin hypercube and plain Monte Carlo."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from lard.errors import SpecError
from lard.tables import stable_hash

Array = NDArray[np.float64]

DESIGNS = ("sobol", "lhs", "mc")
_MAX_POINTS = 2**24
_BLOCK = 64


def unit_points(design: str, n: int, dimensions: int, seed: int, key: str) -> Array:
    """The first n points (n, dimensions) in [0, 1) of a design seeded by (seed, key).

    Sobol' and Monte Carlo points do not change when n grows; a Latin hypercube exists for one n only.
    """
    if n > _MAX_POINTS:
        raise SpecError(f"{n:,} points were asked for; at most {_MAX_POINTS:,}")
    rng = np.random.default_rng([seed, stable_hash(f"{design}/{key}")])
    if design == "sobol":
        # a power of two is generated and cut: the balance of a Sobol' sequence is that of its blocks
        power = max(int(np.ceil(np.log2(max(n, 1)))), 0)
        return qmc.Sobol(dimensions, scramble=True, rng=rng).random_base2(power)[:n]
    if design == "lhs":
        return qmc.LatinHypercube(dimensions, rng=rng).random(n)
    if design == "mc":
        return rng.random((n, dimensions))
    raise SpecError(f"unknown design {design!r}; expected one of {', '.join(DESIGNS)}")


def dealt(n: int, seed: int, key: str) -> NDArray[np.intp]:
    """A seeded order (n,) of points that mixes blocks of 64 within themselves.

    So what is dealt stays as even along the points as it was; whole blocks do not change when n grows.
    """
    rng = np.random.default_rng([seed, stable_hash(f"deal/{key}")])
    blocks = [start + rng.permutation(min(_BLOCK, n - start)) for start in range(0, n, _BLOCK)]
    return np.concatenate(blocks)
