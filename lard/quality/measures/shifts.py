"""What the found edges of many pictures say together: a common shift, another scale, a turn, a bend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MIN_EDGES, MIN_WARP, PER_WARP = 12, 16, 8
FLOOR_PX = 0.03  # no edge is known better
BELIEVED = 3.0  # standard errors of a warp: one that is not there only blurs the shift
LARGER, TALLER, TURNED, BENT = "larger", "taller", "turned", "bent"


@dataclass(frozen=True, slots=True)
class Common:
    """Shift (right, down) of the pictures against their labels, with errors, and the warps that were found.

    Warps are shares of the distance from the middle: larger; taller at the same width; turned clockwise, in
    radians; bent outwards, at the farthest edge. Each with its standard error.
    """

    shift_px: tuple[float, float]
    error_px: tuple[float, float]  # one standard deviation of each
    edges: int
    warps: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def distance_px(self) -> float:
        """Length of the shift."""
        return float(np.hypot(*self.shift_px))

    @property
    def sigmas(self) -> float:
        """How many standard deviations the shift is away from none."""
        return float(np.hypot(self.shift_px[0] / self.error_px[0], self.shift_px[1] / self.error_px[1]))


def common_shift(normals: Array, places: Array, offsets: Array, px_per_m: Array) -> Common | None:
    """The shift and warps that edges share: normals, places from the middle (n, 2), offsets along them (n,).

    Stripes may all lie further out than the standard says: that is estimated along with it, in metres. Few
    stray edges, such as a taxiway's, count little. Warps are added one by one, the one that explains most
    first, as long as they are beyond chance. None for too few edges.
    """
    count = len(offsets)
    if count < MIN_EDGES:
        return None
    columns: Array = np.column_stack([normals, px_per_m])
    found, error, scale = _robust(columns, offsets)
    reach = float(np.abs(places).max())
    open_ = _warps(normals, places / reach) if reach > 0 else {}
    names: list[str] = []
    while open_ and count >= MIN_WARP + PER_WARP * len(names):
        tried = {}
        for name, column in open_.items():
            more = np.column_stack([columns, column])
            fit = _robust(more, offsets)
            if abs(fit[0][-1]) > BELIEVED * fit[1][-1]:
                tried[name] = (_misfit(more, offsets, fit[0], scale), more, fit)
        if not tried:
            break
        best = min(tried, key=lambda name: tried[name][0])
        _, columns, (found, error, scale) = tried[best]
        names.append(best)
        del open_[best]
    warps = {name: (float(found[3 + k]) / reach, float(error[3 + k]) / reach) for k, name in enumerate(names)}
    return Common((float(found[0]), float(found[1])), (float(error[0]), float(error[1])), count, warps)


def _warps(normals: Array, places: Array) -> dict[str, Array]:
    """How far each edge moves along its normal (n,) by each warp, at places (n, 2) over the farthest."""
    x, y = places.T
    moves = {
        LARGER: places,
        TALLER: np.column_stack([0 * y, y]),
        TURNED: np.column_stack([-y, x]),
        BENT: places * np.sum(places**2, axis=1, keepdims=True),
    }
    return {name: np.asarray(np.sum(normals * move, axis=1)) for name, move in moves.items()}


def _misfit(columns: Array, offsets: Array, found: Array, scale: float) -> float:
    """Cost of what is left, by Cauchy's law of a scale."""
    rest = offsets - columns @ found
    return float(np.sum(np.log1p((rest / (2.0 * scale)) ** 2)))


def _robust(columns: Array, offsets: Array) -> tuple[Array, Array, float]:
    """Least squares (k,) with the weights of Cauchy's law, standard errors (k,), the scale of the rest."""
    weights: Array = np.ones(len(offsets))
    found: Array = np.zeros(columns.shape[1])
    scale = 1.0
    ridge = 1e-6 * np.eye(columns.shape[1])
    for _ in range(25):
        weighted = columns * weights[:, None]
        found = np.asarray(np.linalg.solve(weighted.T @ columns + ridge, weighted.T @ offsets), np.float64)
        rest = np.abs(offsets - columns @ found)
        scale = 1.48 * float(np.median(rest)) + FLOOR_PX
        weights = 1.0 / (1.0 + (rest / (2.0 * scale)) ** 2)
    covariance = np.linalg.inv((columns * weights[:, None]).T @ columns + ridge) * scale**2
    # the two stripes of one runway are not independent
    return found, np.sqrt(2.0 * np.diag(covariance)), scale
