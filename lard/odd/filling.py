"""What it costs to fill the holes of a coverage: a greedy covering array over the bins of one zone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lard.odd.coverage import ZoneCoverage


@dataclass(frozen=True, slots=True)
class Plan:
    """Bins (m, axes) of m samples; `held` marks the axes of the hole each was planned for."""

    bins: NDArray[np.intp]
    held: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.bins)


def fill_plan(zone: ZoneCoverage, t: int, target: float = 1.0, at_least: int = 1, seed: int = 0) -> Plan:
    """Samples after which the share `target` of the t-way cells holds `at_least` each.

    Each sample starts in the first hole of the emptiest combination and takes, axis by axis, the feasible bin
    that fills most other holes; how many there are is what filling costs.
    """
    ways = zone.ways[t]
    missing = [
        np.where(mask, np.maximum(at_least - counts, 0), 0)
        for counts, mask in zip(ways.counts, ways.feasible, strict=True)
    ]
    holes = np.array([int((lack > 0).sum()) for lack in missing])
    allowed = ways.total - int(np.ceil(target * ways.total - 1e-9))
    rng = np.random.default_rng([seed, t])
    by_axis = [[k for k, combo in enumerate(ways.combos) if axis in combo] for axis in range(len(zone.axes))]
    rows, held = [], []
    while holes.sum() > allowed:
        start = int(holes.argmax())
        hole = np.unravel_index(int(missing[start].argmax()), missing[start].shape)
        row = np.full(len(zone.axes), -1)
        row[list(ways.combos[start])] = hole
        held.append(row >= 0)
        for axis in rng.permutation(np.flatnonzero(row < 0)):
            gain = np.zeros(zone.axes[axis].size)
            for k in by_axis[axis]:
                combo = ways.combos[k]
                others = [row[other] for other in combo if other != axis]
                if min(others, default=0) >= 0:
                    index = tuple(slice(None) if other == axis else row[other] for other in combo)
                    gain += missing[k][index] > 0
                    gain[~ways.feasible[k][index]] = -np.inf
            best = np.flatnonzero(gain == gain.max())
            row[axis] = best[rng.integers(len(best))]
        for k, combo in enumerate(ways.combos):
            index = tuple(row[list(combo)])
            if missing[k][index] > 0:
                missing[k][index] -= 1
                holes[k] -= missing[k][index] == 0
        rows.append(row)
    shape = (-1, len(zone.axes))
    return Plan(np.array(rows, np.intp).reshape(shape), np.array(held, bool).reshape(shape))
