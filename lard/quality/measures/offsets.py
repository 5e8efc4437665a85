"""How far pictures of one place are displaced against each other, by pairs, and what groups share of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from lard.quality.measures.ground import Views, laid_over

Array = NDArray[np.float64]
Single = NDArray[np.float32]

PAIRS = 3  # of each picture, with others that it could not hide beside
TELLING = 0.4  # of a displacement: what a pair leaves of one that both share, at least
LEAST_OVERLAP, LEAST_SEEN = 0.05, 0.05
REACH_PX = 6
SEEN = 0.15  # correlation of a pair that tells a displacement
FEWEST = 8  # pairs
POINTS, DRAWN_OUT = 40, 0.2  # places of a pair, and by how much those that are not drawn out count more
STEPS = 20  # of reweighting
LEAST_SPREAD_PX = 0.02


@dataclass(frozen=True, slots=True)
class Offset:
    """Where one picture of a pair lies against what the other shows, in small pixels.

    A displacement a of the one and b of the other give a - turn @ b; ground that is level, where it was taken
    to lean as the runways do, gives `level` besides.
    """

    one: str  # group of either picture
    other: str
    px: Array  # (2,) right, down
    turn: Array  # (2, 2)
    level: Array = field(default_factory=lambda: np.zeros(2))


@dataclass(frozen=True, slots=True)
class Shared:
    """What the pictures of a group are displaced by, and its error: (2,) right, down, small pixels."""

    px: Array
    error: Array
    pairs: int
    level_px: float = 0.0  # how much of it level ground may pretend


def offsets(all_: Views, groups: Sequence[str]) -> tuple[Offset, ...]:
    """Displacements of pairs (n pictures of n groups) that turn or scale each other, or of two groups: in
    others a shift that both share cannot be seen."""
    count, height, width = all_.structure.shape
    size = tuple(scipy.fft.next_fast_len(side + REACH_PX, real=True) for side in (height, width))
    fields = [scipy.fft.rfft2(one, size) for one in all_.structure]
    found = []
    for i in range(count):
        pairs = 0
        for j in np.argsort(-all_.overlap[i], kind="stable").tolist():
            if pairs == PAIRS or all_.overlap[i, j] < LEAST_OVERLAP:
                break
            warp = all_.from_plane[i] @ np.linalg.inv(all_.from_plane[j])
            if groups[i] == groups[j] and _alike(warp, all_.ground[i]):
                continue
            warped, seen = laid_over(all_, i, j)
            if float(seen.mean()) < LEAST_SEEN:
                continue
            pairs += 1
            place = _peak(fields[i], warped, float(seen.sum()), size)
            if place is not None:
                level = all_.from_level[i] @ np.linalg.inv(all_.from_level[j])
                found.append(
                    Offset(groups[i], groups[j], place, _turn(warp, seen), _moved(warp, level, seen))
                )
    return tuple(found)


def _alike(warp: Array, ground: Single) -> bool:
    return float(np.linalg.norm(np.eye(2) - _turn(warp, ground))) < TELLING


def _turn(warp: Array, seen: Single) -> Array:
    """How a small displacement before a homography is displaced after it (2, 2), averaged over what is seen.

    Where it is drawn out most it agrees least, and counts less.
    """
    if not seen.any():
        return np.eye(2)
    _, each, weight = _spread(warp, seen)
    return np.asarray((each * weight[:, None, None]).sum(axis=0) / weight.sum())


def _moved(warp: Array, other: Array, seen: Single) -> Array:
    """How far another homography puts what is seen (2,), averaged as _turn does."""
    before, _, weight = _spread(warp, seen)
    after, there = warp @ before, other @ before
    return np.asarray((there[:2] / there[2] - after[:2] / after[2]) @ weight / weight.sum())


def _spread(warp: Array, seen: Single) -> tuple[Array, Array, Array]:
    """Places (3, m), before a homography, of what is seen; how they are drawn out (m, 2, 2); weights (m,)."""
    places = np.flatnonzero(seen)
    row, column = np.divmod(places[:: max(1, len(places) // POINTS)], seen.shape[1])
    before = np.linalg.inv(warp) @ np.stack([column, row, np.ones(len(row))])
    before = before / before[2]
    after = warp @ before
    place = (after[:2] / after[2]).T
    each = (warp[:2, :2] - place[:, :, None] * warp[2, :2]) / after[2][:, None, None]  # (m, 2, 2)
    return before, each, 1 / (DRAWN_OUT + (each**2).sum(axis=(1, 2)))


def _peak(field: NDArray[np.complex64], warped: Single, seen: float, size: tuple[int, ...]) -> Array | None:
    """Where a picture agrees best with another laid over it (2,), sub-pixel; None where nowhere."""
    both = scipy.fft.irfft2(field * np.conj(scipy.fft.rfft2(warped, size)), size)
    places = np.arange(-REACH_PX, REACH_PX + 1)
    near = both[np.ix_(places, places)] / np.sqrt(float((warped * warped).sum()) * seen + 1e-3)
    row, column = np.unravel_index(int(np.argmax(near)), near.shape)
    if near[row, column] < SEEN or not (0 < row < 2 * REACH_PX and 0 < column < 2 * REACH_PX):
        return None
    right = column + _vertex(near[row, column - 1 : column + 2])
    down = row + _vertex(near[row - 1 : row + 2, column])
    return np.array([right, down]) - REACH_PX


def _vertex(three: Single) -> float:
    """Where the parabola through three values, the largest in the middle, is highest, from the middle."""
    before, middle, after = (float(value) for value in three)
    bend = before - 2 * middle + after
    return 0.0 if bend >= 0 else (before - after) / (2 * bend)


def shared(found: Sequence[Offset]) -> dict[str, Shared]:
    """The displacement of each group that explains the pairs best: least squares, outliers weighted down."""
    if len(found) < FEWEST:
        return {}
    names = sorted({name for one in found for name in (one.one, one.other)})
    index = {name: 2 * k for k, name in enumerate(names)}
    design, values = np.zeros((2 * len(found), 2 * len(names))), np.concatenate([one.px for one in found])
    for k, one in enumerate(found):
        design[2 * k : 2 * k + 2, index[one.one] : index[one.one] + 2] += np.eye(2)
        design[2 * k : 2 * k + 2, index[one.other] : index[one.other] + 2] -= one.turn
    weights = np.ones(len(values))
    for step in range(STEPS):
        normal = (design * weights[:, None]).T
        inverse = np.linalg.pinv(normal @ design, rcond=1e-9)
        best = inverse @ (normal @ values)
        misfit = np.abs(values - design @ best)
        spread = 1.48 * float(np.median(misfit)) + LEAST_SPREAD_PX
        # Huber's weights until the start is sure, then those of Cauchy
        far = misfit / (1.5 * spread)
        weights = 1 / np.maximum(far, 1.0) if step < STEPS // 2 else 1 / (1 + far**2)
    level = inverse @ (normal @ np.concatenate([one.level for one in found]))
    error = np.sqrt(np.diag(inverse)) * spread
    count = {name: sum(name in (one.one, one.other) for one in found) for name in names}
    return {
        name: Shared(best[k : k + 2], error[k : k + 2], count[name], float(np.hypot(*level[k : k + 2])))
        for name, k in index.items()
    }
