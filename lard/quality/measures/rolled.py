"""Rows of a picture that lie aside of what its neighbours show there, while the rest lies where it should."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.compiled import compiled
from lard.quality.measures.ground import Reference

Single = NDArray[np.float32]
Gains = NDArray[Any]

LEAST_ROWS = 6
LEAST_ASIDE_PX = 4
FEWEST_SEEN = 0.5  # of a row
AROUND = 1  # a lag as far from none is none


@dataclass(frozen=True, slots=True)
class Rolled:
    """Rows from `first` to before `last` that agree with their reference when moved by `right_px` only."""

    first: int
    last: int
    right_px: int
    here: float  # correlation of those rows where they are
    aside: float  # and moved


def rolled(values: Single, expected: Reference) -> Rolled | None:
    """The run of rows of a picture's structure (h, w) that gains most by a move along the rows, cyclic.

    None where no run of LEAST_ROWS gains, or too few rows have a reference.
    """
    width = values.shape[1]
    known = expected.seen.mean(axis=1) >= FEWEST_SEEN
    if known.sum() < 2 * LEAST_ROWS:
        return None
    wanted = expected.structure * expected.seen
    both = np.fft.irfft(
        np.fft.rfft(values, axis=1) * np.conj(np.fft.rfft(wanted, axis=1)), width, axis=1
    )  # (h, lag)
    both[~known] = 0.0
    near = np.arange(-AROUND, AROUND + 1)
    here = both[:, near].max(axis=1)
    gain = both - np.maximum(here, 0.0)[:, None]
    # a row that gains nothing costs something: runs end where agreement does
    lags = (np.arange(width) + width // 2) % width - width // 2
    first, last, lag = _best_run(gain, np.abs(lags) >= LEAST_ASIDE_PX, LEAST_ROWS)
    rows = slice(first, last)
    if last - first < LEAST_ROWS or known[rows].mean() < FEWEST_SEEN:
        return None
    size = float(np.sqrt((values[rows][known[rows]] ** 2).sum() * (wanted[rows] ** 2).sum())) + 1e-3
    aside = float(both[rows, lag].sum()) / size
    still = float(both[rows][:, near].sum(axis=0).max()) / size
    return Rolled(first, last, int(lags[lag]), still, aside)


@compiled(nogil=True, error_model="numpy")
def _best_run(gain: Gains, allowed: NDArray[np.bool_], least: int) -> tuple[int, int, int]:
    """First row, end and column of the run of at least so many rows of gain (h, w) with the greatest sum.

    A run of a column begins anew where its sum falls to 0; only allowed columns (w,) count. All 0: none.
    """
    height, width = gain.shape
    best, start = np.zeros(width), np.zeros(width, np.int64)
    greatest, first, last, column = 0.0, 0, 0, 0
    for row in range(height):
        for lag in range(width):
            if best[lag] <= 0.0:
                start[lag], best[lag] = row, 0.0
            best[lag] += gain[row, lag]
            if allowed[lag] and row + 1 - start[lag] >= least and best[lag] > greatest:
                greatest, first, last, column = best[lag], start[lag], row + 1, lag
    return int(first), int(last), int(column)
