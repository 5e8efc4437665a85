"""Rows at which a picture jumps across its whole width: where a frame is torn, and level edges that look so.

A torn frame shows one moment above a row and another below it, so that nearly all columns jump there and
nowhere near it. A level horizon and the edge of a band do the same; they are told apart by where they are.
Columns are rows of the picture turned. Where the scene goes on further up or down behind a column, the jump
may be faint and is one all the same.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MOST = 4  # rows kept of a picture
FIELDS = ("row", "ratio", "share", "sign", "above", "lag", "misfit", "blur")
COLUMN_PX = 8  # columns are averaged over so many pixels: noise goes, what differs between frames stays
MIN_JUMP = 3.0  # grey levels
LEAST_LAG_PX = 8  # a scene that goes on nearer than this may be an oblique edge
FINE_PX, COARSE_PX, FINE_LEVELS = 5, 61, 2.5  # extent and spread of the fine structure of rows
PARTS, AGREEING, GAIN = 6, 4, 0.3  # parts of a row, those that have to agree aside, and by how much better
BAND = 16  # of the height: a part, within which a road or canal has both its edges


def row_jumps(grey: NDArray[np.uint8], columns: bool = False) -> list[float]:
    """The rows of a picture (h, w) with the largest jumps, FIELDS of each one after the other.

    row: first row below the jump. ratio: mean jump over that of the rows near it. share: columns that jump
    much more there than near it and stay apart. sign: +1 where all those get brighter downwards, -1 where
    all get darker. above: mean jump of the rows above it, small in a plain sky. lag: pixels by which the rows
    after it fit those before it best; misfit: what is left of the jump then, as a share: of rows in their
    fine structure; of columns, which no horizon runs along, of all. blur: see `_blur`.
    """
    height, width = grey.shape
    if height < 16 or width < 2 * COLUMN_PX:
        return []
    wide = cv2.resize(grey, (width // COLUMN_PX, height), interpolation=cv2.INTER_AREA)
    down = cv2.subtract(wide[1:], wide[:-1], dtype=cv2.CV_16S)
    size = cv2.absdiff(wide[1:], wide[:-1])
    mean = np.asarray(cv2.reduce(size, 1, cv2.REDUCE_AVG, dtype=cv2.CV_32F), np.float64).ravel()
    above, below = _near(mean)
    ratio = mean / (np.maximum(above, below) + 0.5)
    found: list[float] = []
    candidates = np.flatnonzero((ratio > 2.0) & (mean > MIN_JUMP))
    for k in candidates[np.argsort(-ratio[candidates], kind="stable")][:MOST].tolist():
        near = [j for j in (k - 3, k - 2, k + 2, k + 3) if 0 <= j < len(size)]
        usual = size[near].mean(axis=0)
        jumping = size[k] > 2.0 * usual + MIN_JUMP - 1.0
        # a tear parts two scenes for good; behind a canal or road that lies across, the scene goes on
        for top, bottom in ((k, k), _band(down, k)):
            apart = cv2.absdiff(wide[max(top - 3, 0)], wide[min(bottom + 4, height - 1)]).ravel()
            jumping &= apart > 0.3 * size[k]
        sign = float(np.sign(down[k][jumping]).mean()) if jumping.any() else 0.0
        lag, misfit = _goes_on(grey, k) if columns else _goes_aside(grey, k)
        blur = _blur(down, k, jumping)
        found += [k + 1.0, float(ratio[k]), float(jumping.mean()), sign, float(above[k]), lag, misfit, blur]
    return found


def _goes_on(grey: NDArray[np.uint8], k: int) -> tuple[float, float]:
    """How far aside row k + 1 goes on where row k ends, at least LEAST_LAG_PX, and the misfit there over that
    without a lag: squares of grey levels."""
    before, after = grey[k : k + 1].astype(np.float32), grey[k + 1 : k + 2].astype(np.float32)
    reach = grey.shape[1] // 4
    if reach <= LEAST_LAG_PX:
        return 0.0, 1.0
    middle = after[:, reach:-reach]
    fit = cv2.matchTemplate(before, middle, cv2.TM_SQDIFF).ravel() / middle.size
    here = float(fit[reach])
    fit[reach - LEAST_LAG_PX + 1 : reach + LEAST_LAG_PX] = np.inf
    best = int(np.argmin(fit))
    # near the end of the search it is a slope of brightness that fits ever better, not the scene
    if not LEAST_LAG_PX < best < len(fit) - 1 - LEAST_LAG_PX:
        return float(best - reach), 1.0
    return float(best - reach), float((fit[best] + 1.0) / (here + 1.0))


def _goes_aside(grey: NDArray[np.uint8], k: int) -> tuple[float, float]:
    """The same of rows: what fine structure lacks of agreeing in four of six parts of the row. A slanting
    horizon drawn in steps goes on aside from each row to the next as well, but in one part alone, or, with
    the far ground below it, from each row to the next."""
    before, after = _fine(grey, k), _fine(grey, k + 1)
    reach = grey.shape[1] // 8
    if reach <= LEAST_LAG_PX:
        return 0.0, 1.0
    middle = after[:, reach:-reach]
    fit = cv2.matchTemplate(before, middle, cv2.TM_SQDIFF).ravel()
    fit[reach - LEAST_LAG_PX + 1 : reach + LEAST_LAG_PX] = np.inf
    best = int(np.argmin(fit))
    agrees, gain = _aside(before, after, reach, best)
    if len(agrees) < AGREEING or gain < GAIN:
        return float(best - reach), 1.0
    for j in (k - 1, k + 1):
        if 0 <= j < len(grey) - 1 and _aside(_fine(grey, j), _fine(grey, j + 1), reach, best)[1] > GAIN / 2:
            return float(best - reach), 1.0  # all slants so
    return float(best - reach), 1.0 - sorted(agrees)[-AGREEING]


def _fine(grey: NDArray[np.uint8], k: int) -> NDArray[np.float32]:
    """The fine structure (1, w) of a row."""
    row = grey[k : k + 1].astype(np.float32)
    return np.asarray(cv2.blur(row, (FINE_PX, 1)) - cv2.blur(row, (COARSE_PX, 1)), np.float32)


def _aside(before: NDArray[Any], after: NDArray[Any], reach: int, best: int) -> tuple[list[float], float]:
    """Correlations of the parts of a row with what lies `best` - `reach` aside in the row before, and by how
    much they are better than straight above, in the median."""
    middle = after[:, reach:-reach]
    agrees, gains = [], []
    for part in np.array_split(np.arange(middle.shape[1]), PARTS):
        one, there, here = middle[0, part], before[0, part + best], before[0, part + reach]
        if min(one.std(), there.std()) > FINE_LEVELS:
            agrees.append(_correlation(one, there))
            gains.append(agrees[-1] - _correlation(one, here))
    return agrees, float(np.median(gains)) if gains else 0.0


def _correlation(first: NDArray[Any], second: NDArray[Any]) -> float:
    one, other = first - first.mean(), second - second.mean()
    return float(np.mean(one * other) / (one.std() * other.std() + 1e-6))


def _blur(down: NDArray[Any], k: int, jumping: NDArray[np.bool_]) -> float:
    """How much of a jump the rows before and after it share, in its direction, of those columns that jump.

    A lens or renderer spreads every edge of the world over neighbouring rows, and hardly one is level to the
    pixel; a tear is made after that, from one row to the next.
    """
    if not jumping.any() or not 0 < k < len(down) - 1:
        return 0.0
    step, beside = (part.ravel()[jumping].astype(np.float64) for part in (down[k], down[k - 1] + down[k + 1]))
    return float((np.sign(step) * beside).sum() / np.abs(step).sum())


def _band(down: NDArray[Any], k: int) -> tuple[int, int]:
    """First and last jump of the band whose edge is the jump k: as much brighter there as darker here."""
    step = down.reshape(len(down), -1).mean(axis=1)
    reach = len(down) // BAND
    first = max(k - reach, 0)
    back = -step[first : k + reach + 1] * np.sign(step[k])
    other = first + int(np.argmax(back))
    if back.max() < 0.5 * abs(step[k]):
        return k, k
    return min(k, other), max(k, other)


def _near(mean: Array, gap: int = 2, count: int = 5) -> tuple[Array, Array]:
    """Mean (n,) of the `count` values before and after each, `gap` away; ends stand for what lies beyond."""
    padded = np.pad(mean, gap + count, mode="edge")
    sums = np.concatenate([[0.0], np.cumsum(padded)])
    window = (sums[count:] - sums[:-count]) / count  # window[i] = mean of padded[i : i + count]
    n = len(mean)
    return window[1 : n + 1], window[2 * gap + count : 2 * gap + count + n]


def unpacked(jumps: list[float] | None) -> list[dict[str, float]]:
    """The rows of `row_jumps` as mappings of FIELDS."""
    values = jumps or []
    step = len(FIELDS)
    return [dict(zip(FIELDS, values[k : k + step], strict=True)) for k in range(0, len(values), step)]
