"""What the found edges of many pictures say together: a common shift, another scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MIN_EDGES, MIN_SCALE = 12, 16
FLOOR_PX = 0.03  # no edge is known better


@dataclass(frozen=True, slots=True)
class Common:
    """Shift (right, down) of the pictures against their labels and how much larger they are, with errors."""

    shift_px: tuple[float, float]
    error_px: tuple[float, float]  # one standard deviation of each
    larger: float  # share of the scale
    larger_error: float
    edges: int

    @property
    def distance_px(self) -> float:
        """Length of the shift."""
        return float(np.hypot(*self.shift_px))

    @property
    def sigmas(self) -> float:
        """How many standard deviations the shift is away from none."""
        return float(np.hypot(self.shift_px[0] / self.error_px[0], self.shift_px[1] / self.error_px[1]))


def common_shift(normals: Array, places: Array, offsets: Array, px_per_m: Array) -> Common | None:
    """The shift and scale that edges share: normals, places from the middle (n, 2), offsets along them (n,).

    Stripes may all lie further out than the standard says: that is estimated along with it, in metres. Few
    stray edges, such as a taxiway's, count little. None for too few edges.
    """
    if len(offsets) < MIN_EDGES:
        return None
    shift: Array = np.column_stack([normals, px_per_m])
    columns: Array = shift
    reach = float(np.abs(places).max())
    if len(offsets) >= MIN_SCALE and reach > 0:
        # scaled, so that the ridge below is small beside every column
        columns = np.column_stack([shift, np.sum(normals * places, axis=1) / reach])
    found, error = _robust(columns, offsets)
    larger, larger_error = (float(found[3]), float(error[3])) if len(found) > 3 else (0.0, float("inf"))
    if abs(larger) < 3 * larger_error and len(found) > 3:  # a scale that is not there only blurs the shift
        found, error = _robust(shift, offsets)
    return Common(
        (float(found[0]), float(found[1])),
        (float(error[0]), float(error[1])),
        float(larger / reach) if reach else 0.0,
        float(larger_error / reach) if reach else np.inf,
        len(offsets),
    )


def _robust(columns: Array, offsets: Array) -> tuple[Array, Array]:
    """Least squares (k,) with the weights of Cauchy's law, and standard errors (k,)."""
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
    return found, np.sqrt(2.0 * np.diag(covariance))
