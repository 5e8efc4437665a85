"""Whether a map points at the runway: its peak, its share inside, and how alike two maps are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.stats import rankdata

from lard.assurance.field import Field
from lard.assurance.methods import Heat

Floats = NDArray[np.float64]
POOLED = 24
"""Side of the grid on which maps are compared with one another."""


@dataclass(frozen=True, slots=True)
class Pointed:
    """The numbers of one map; shares in [0, 1]."""

    hit: bool  # pointing game: its peak lies in the runway
    inside: float | None  # share of its energy, the sum of its values, in the runway; None of an empty map
    area: float  # share of the field that is the runway's: `inside` of a map that knows nothing

    @property
    def lift(self) -> float | None:
        """How much denser the map is in the runway than over the field."""
        return None if self.inside is None or self.area == 0 else self.inside / self.area


def pointed(heat: Heat, field: Field) -> Pointed:
    """Pointing game (Zhang et al., 2018) and energy-based pointing game (Wang et al., 2020) of one map."""
    values, total = heat.values, float(heat.values.sum())
    row, column = (int(place) for place in np.unravel_index(int(values.argmax()), values.shape))
    if heat.peak_px is not None:
        column, row = (int(place) for place in heat.peak_px)
    hit = bool(field.runway[row, column]) and total > 0
    return Pointed(hit, float(values[field.runway].sum()) / total if total > 0 else None, field.area)


def pooled(values: Floats) -> Floats:
    """Means of a map (rows, columns) over a grid of POOLED x POOLED parts."""
    return F.adaptive_avg_pool2d(torch.from_numpy(values)[None], POOLED)[0].numpy()


def likeness(first: Floats, second: Floats) -> float | None:
    """Spearman's rank correlation of two pooled maps; None where one of them is flat."""
    a, b = (rankdata(one.ravel()) for one in (first, second))
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 0 else None


def alignment(first: Floats, second: Floats) -> float | None:
    """Cosine of two directions of pixels of one shape; None where one of them is 0."""
    a, b = first.ravel(), second.ravel()
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / size if size > 0 else None


def relative_consistency(alike: Floats, unlike: Floats) -> float | None:
    """ReCo (Fel et al., 2022): how well a threshold on likeness (n,) (m,) tells agreement from disagreement.

    The largest of true positive rate + true negative rate - 1 over all thresholds, in [0, 1]; None where
    either is empty.
    """
    if not len(alike) or not len(unlike):
        return None
    levels = np.concatenate((alike, unlike))
    rates = (alike[None] >= levels[:, None]).mean(axis=1) - (unlike[None] >= levels[:, None]).mean(axis=1)
    return float(max(rates.max(), 0.0))
