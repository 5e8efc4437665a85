"""Mahalanobis distance of pooled features from those of the domain, with a covariance that few allow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lard.errors import DataError

Floats = NDArray[np.float64]

LEAST_ROWS = 20


@dataclass(frozen=True, slots=True)
class Gaussian:
    """A normal distribution as its mean (d,) and a whitening matrix (d, d): W' W is its precision."""

    mean: Floats
    whitening: Floats
    shrinkage: float

    def distances(self, rows: Floats) -> Floats:
        """Mahalanobis distance of each row: (n, d) -> (n,)."""
        return np.asarray(np.linalg.norm((rows - self.mean) @ self.whitening.T, axis=1), np.float64)

    def constant(self, columns: Floats) -> float:
        """Lipschitz constant of the distance when entry j of a row is columns[j]-Lipschitz by itself (d,).

        Entries that depend on the same numbers must have orthogonal gradients, as a mean and a deviation do.
        """
        return float(np.linalg.norm(self.whitening * columns[None, :], 2))


def fit_gaussian(rows: Floats) -> Gaussian:
    """Mean and shrunk covariance of rows (n, d), in units of each column's deviation.

    The covariance of the standardised columns is drawn towards the identity by the share that Ledoit and Wolf
    (2004) derive from the data, so that fewer rows than columns will do. DataError for too few rows or for
    numbers that are not finite.
    """
    count, size = rows.shape
    if count < LEAST_ROWS:
        raise DataError(f"{count} pictures to fit a covariance to; give at least {LEAST_ROWS}")
    if not np.isfinite(rows).all():
        raise DataError("features of the pictures are not finite; use a model whose answers are")
    mean = rows.mean(axis=0)
    deviation = rows.std(axis=0)
    deviation = np.where(deviation > 1e-12 * (1 + np.abs(mean)), deviation, 1.0)  # of a dead channel
    scaled = (rows - mean) / deviation
    covariance = scaled.T @ scaled / count
    share = _shrinkage(scaled, covariance)
    level = np.trace(covariance) / size
    shrunk = (1 - share) * covariance + share * level * np.eye(size)
    values, vectors = np.linalg.eigh(shrunk)
    roots = 1 / np.sqrt(np.maximum(values, 1e-9 * max(float(values[-1]), 1e-300)))
    return Gaussian(mean, (vectors * roots) @ vectors.T / deviation[None, :], share)


def _shrinkage(scaled: Floats, covariance: Floats) -> float:
    """Share of the identity in a covariance: Ledoit and Wolf (2004), lemma 3.2 to 3.5, in squared norms."""
    count, size = scaled.shape
    level = np.trace(covariance) / size
    apart = float(((covariance - level * np.eye(size)) ** 2).sum())
    if apart <= 0:
        return 1.0
    squares = float(((scaled**2).sum(axis=1) ** 2).sum()) / count  # mean squared norm of x x'
    error = (squares - float((covariance**2).sum())) / count
    return float(np.clip(error / apart, 0.0, 1.0))
