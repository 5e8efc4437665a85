"""The inverse of radial distortion, compiled: the one that labels, pictures and rays on terrain share."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.compiled import compiled

Array = NDArray[np.float64]

_FARTHEST = 1e3
"""Radius at depth 1 beyond which no lens sees: less than a tenth of a degree from the image plane."""


@compiled(nogil=True, error_model="numpy", forceinline=True)
def true_radius(drawn: float, k1: float, k2: float, k3: float, fold: float) -> float:
    """Radius at depth 1 of a drawn one: of drawn = r (1 + k1 r^2 + k2 r^4 + k3 r^6) the root up to `fold`.

    fold: where the distortion stops growing, or infinite; further out its magnification goes on. Newton's
    method, each step of which must stay within the bracket that the signs of the gap leave.
    """
    if math.isnan(drawn):
        return drawn
    low, high = 0.0, _FARTHEST
    if fold < math.inf:
        q = fold * fold
        most = fold * (1.0 + q * (k1 + q * (k2 + q * k3)))
        if drawn >= most:
            return drawn * (fold / most)
        high = fold
    r = min(drawn, high)
    for _ in range(100):
        q = r * r
        gap = r * (1.0 + q * (k1 + q * (k2 + q * k3))) - drawn
        slope = 1.0 + q * (3.0 * k1 + q * (5.0 * k2 + q * 7.0 * k3))
        if gap > 0.0:
            high = r
        else:
            low = r
        move = gap / slope if slope > 0.0 else math.inf
        if abs(move) < 1e-13:
            return r - move
        r -= move
        if not low <= r <= high:
            r = 0.5 * (low + high)
    return r


@compiled(nogil=True, error_model="numpy")
def true_radii(drawn: Array, k1: float, k2: float, k3: float, fold: float) -> Any:
    """As true_radius, of radii (n,)."""
    radii = np.empty(drawn.shape[0])
    for i in range(drawn.shape[0]):
        radii[i] = true_radius(drawn[i], k1, k2, k3, fold)
    return radii
