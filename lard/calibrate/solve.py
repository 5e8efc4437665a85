"""Robust least squares with priors over calibration parameters, and what the data cannot tell apart.

Pictures are taken far to near: an error of a few metres or of a degree's tenth moves a far runway by a pixel
or two, so its lines are found, and what they say puts nearer runways within reach.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lard.calibrate.measure import KINDS, Measured, measure
from lard.calibrate.scene import Scene, project_points
from lard.errors import DataError
from lard.quality.measures.paint import PAINTS, Paint

Array = NDArray[np.float64]

STAGES_M = (3000.0, 1500.0, 800.0, 400.0, 0.0)
REACH_PX = 8.0
HUBER, TUKEY = 1.5, 4.685  # in robust standard deviations: 95 % efficient on normal errors
STEPS = {"deg": 1e-3, "m": 1e-2}
MOST_AFTER_PX = 0.5
"""Median residual above which lines are not where the paint has them."""
PLACED_M = {"stripe": 0.1, "edge": 0.3, "bars": 0.3}
"""Standard deviation of where a runway's lines lie against the standard's place, one error for a whole line.

FAA AC 150/5370-10 (item P-620) tolerates 0.08 m of painted lengths over 18 m; pavement is laid less exactly.
"""
LEANS_PX = 0.05
"""Standard deviation of what all readings of one line may have in common: neighbours, blur, filtering."""
_UNRESOLVED = 0.5  # share of a prior variance that the data leave
_SHARE = 0.2  # of a direction in units of the priors, from which a cause takes part in it


@dataclass(frozen=True, slots=True)
class Calibration:
    """Estimates (p,), standard deviations (p,), and residuals (n,) before and after, in pixels."""

    parameters: tuple[str, ...]
    theta: Array
    sd: Array
    prior_sd: Array
    measured: Measured
    before_px: Array
    after_px: Array
    ambiguous: tuple[tuple[str, ...], ...]  # sets of causes that these pictures cannot tell apart
    frames_used: int

    @property
    def fits(self) -> bool:
        """Whether runways and paint explain the pictures: else nothing found here is to be believed."""
        return bool(np.median(np.abs(self.after_px)) <= MOST_AFTER_PX)

    @property
    def resolved(self) -> NDArray[np.bool_]:
        """Whether (p,) the data, not the prior, decide each parameter."""
        return np.asarray((self.sd / self.prior_sd) ** 2 < _UNRESOLVED)


def calibrate(
    scene: Scene,
    image_of: Callable[[str], Path],
    workers: int,
    reach_px: float = REACH_PX,
    min_measured: int = 30,
    paint: Paint = PAINTS["standard"],
) -> Calibration:
    """Estimate the scene's parameters from its pictures; DataError when too few lines are found."""
    theta = np.zeros(len(scene.parameters))
    found = None
    for stage in STAGES_M:
        views = np.flatnonzero(scene.slant_m >= stage)
        if len(views) == 0:
            continue
        for _ in range(2):
            found = measure(scene, theta, views, image_of, reach_px, workers, paint, with_bars=False)
            if len(found) < min_measured:
                break  # nearer pictures will add some
            theta = _solve(scene, theta, found)
    if found is None or len(found) < min_measured:
        raise DataError(
            f"{0 if found is None else len(found)} runway lines found in {len(scene.frame_ids)} pictures, "
            f"{min_measured} are needed; check that pictures and frames belong "
            "together, add pictures from nearer by, or raise --reach-px"
        )
    for _ in range(2):  # bars only now: from afar one marking is soon taken for another
        found = measure(scene, theta, np.arange(len(scene.frame)), image_of, reach_px, workers, paint)
        at = theta
        theta = _solve(scene, _solve(scene, at, found), found, at, tukey=True)
    seen = _observed(scene, at, found)
    before = seen - _along_normal(scene, np.zeros_like(theta), found)
    after = seen - _along_normal(scene, theta, found)
    sd, ambiguous = _uncertainty(scene, theta, found, after)
    used = len(np.unique(scene.frame[found.view]))
    return Calibration(scene.parameters, theta, sd, scene.prior_sd, found, before, after, ambiguous, used)


def _along_normal(scene: Scene, theta: Array, found: Measured) -> Array:
    """Projection (n,) of the measured points on their normals."""
    pixels = project_points(scene, theta, found.view, found.across, found.along)
    return np.einsum("nk,nk->n", pixels, found.normal)


def _observed(scene: Scene, theta: Array, found: Measured) -> Array:
    return _along_normal(scene, theta, found) + found.offset_px


def _jacobian(scene: Scene, theta: Array, found: Measured) -> Array:
    """Derivatives (n, p) of the projections along the normals, by central differences."""
    columns = []
    for i, name in enumerate(scene.parameters):
        h = np.zeros_like(theta)
        h[i] = STEPS[name.rsplit("_", 1)[-1]]
        columns.append(
            (_along_normal(scene, theta + h, found) - _along_normal(scene, theta - h, found)) / (2 * h[i])
        )
    return np.stack(columns, axis=-1)


def _spread(residual: Array) -> float:
    return max(1.4826 * float(np.median(np.abs(residual))), 0.05)


def _weights(residual: Array, tukey: bool) -> Array:
    """Huber's weights over the variance (n,), or Tukey's, which leave lines of something else out."""
    sigma = _spread(residual)
    size = np.abs(residual) / sigma
    if tukey:
        return np.maximum(1 - (size / TUKEY) ** 2, 0.0) ** 2 / sigma**2
    return np.where(size > HUBER, HUBER / np.maximum(size, 1e-12), 1.0) / sigma**2


def _solve(
    scene: Scene, theta: Array, found: Measured, at: Array | None = None, tukey: bool = False
) -> Array:
    """Gauss-Newton from theta with the offsets measured at `at`, or there; the prior is centred on 0.

    Tukey's weights need a start that is nearly right.
    """
    observed = _observed(scene, theta if at is None else at, found)
    prior = np.diag(1 / scene.prior_sd**2)
    for _ in range(6):
        residual = observed - _along_normal(scene, theta, found)
        weight, matrix = _weights(residual, tukey), _jacobian(scene, theta, found)
        if tukey:  # at last only: on the way far lines bring nearer ones within reach
            weight = weight * found.trust
        normal = matrix.T @ (weight[:, None] * matrix) + prior
        step = np.linalg.solve(normal, matrix.T @ (weight * residual) - prior @ theta)
        theta = theta + step
        if np.all(np.abs(step) < 1e-4 * scene.prior_sd):
            break
    return theta


def _uncertainty(
    scene: Scene, theta: Array, found: Measured, residual: Array
) -> tuple[Array, tuple[tuple[str, ...], ...]]:
    """Standard deviations (p,) and the ambiguous sets of causes.

    Errors of one frame are taken as dependent, and so is what a line's place in the world adds to all frames.
    """
    weight, matrix = found.trust * _weights(residual, True), _jacobian(scene, theta, found)
    information = matrix.T @ (weight[:, None] * matrix)
    prior = np.diag(1 / scene.prior_sd**2)
    inverse = np.linalg.inv(information + prior)
    scores = np.zeros((len(scene.frame_ids), len(theta)))
    np.add.at(scores, scene.frame[found.view], matrix * (weight * residual)[:, None])
    clustered = inverse @ (scores.T @ scores + prior) @ inverse
    shifts = _line_shifts(scene, theta, found).T @ (weight[:, None] * matrix) @ inverse
    sd = np.sqrt(np.maximum(np.diag(inverse), np.diag(clustered)) + (shifts**2).sum(axis=0))
    scaled = scene.prior_sd[:, None] * information * scene.prior_sd
    values, vectors = np.linalg.eigh(scaled)
    sets = []
    for value, vector in zip(values, vectors.T, strict=True):
        if 1 / (1 + max(value, 0.0)) > _UNRESOLVED:
            order = np.argsort(-np.abs(vector))
            sets.append(tuple(scene.parameters[i] for i in order if abs(vector[i]) > _SHARE))
    return sd, tuple(sets)


def _line_shifts(scene: Scene, theta: Array, found: Measured) -> Array:
    """By how many pixels along their normals the points (n, 2 k) move when each of k lines moves.

    First by PLACED_M in the world, then by LEANS_PX in every picture. A line is a side or the bars of one
    runway; both landing directions see the same sides.
    """
    sd_m = np.array([PLACED_M[kind] for kind in KINDS])[found.kind]
    is_bars = found.kind == KINDS.index("bars")
    width, length = scene.width_m[found.view], scene.length_m[found.view]
    across = found.across + np.where(is_bars, 0.0, sd_m / (width / 2))
    along = found.along + np.where(is_bars, sd_m / length, 0.0)
    moved = project_points(scene, theta, found.view, across, along)
    shift = np.einsum("nk,nk->n", moved, found.normal) - _along_normal(scene, theta, found)
    ends = scene.corners[found.view].reshape(-1, 2, 2, 3).mean(axis=2)  # (n, 2, 3) far, near
    turned = ends[:, 0, 0] < ends[:, 1, 0]
    side = np.where(is_bars, turned, np.where(turned, -1, 1) * np.sign(found.across))
    named = np.column_stack([np.round(ends.mean(axis=1)), found.kind, side])
    _, line = np.unique(named, axis=0, return_inverse=True)
    lines = np.zeros((2, len(shift), int(line.max()) + 1))
    # seen from the other direction a move to the right is one to the left
    shift = np.where(turned & ~is_bars, -shift, shift)
    lines[:, np.arange(len(shift)), line.reshape(-1)] = shift, LEANS_PX * np.sign(shift)
    return np.concatenate(list(lines), axis=1)
