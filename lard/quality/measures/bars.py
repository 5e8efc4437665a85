"""Plain bars along the edges of a picture: letter boxes, pillar boxes and lines that a scaler left over."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIDES = ("upper", "lower", "left", "right")
DEPTH = 8  # bars are looked for in the outer eighth
PLAIN = 12  # grey levels that compression leaves in a plain bar
PLAIN_SHARE = 0.97  # of the pixels of a line
STEP = 20  # grey levels from the bar to what it frames
STEP_SHARE = 0.6  # of the line behind it
LEVEL, CLEAR, CLEAR_SHARE = 5, 35, 0.9  # the same of a bar that no scene has at its edge, be it one picture's


def clear_bars(grey: NDArray[np.uint8], found: list[int]) -> list[int]:
    """Thickness of those of the bars that one picture alone is proof of: of one level throughout, far from
    what they frame all along. Above, where a scene has a plain bright sky, only dark ones are."""
    clear = []
    for side, px in enumerate(found):
        if px:
            turned = (grey, grey[::-1], grey.T, grey[:, ::-1].T)[side]
            strip = turned[: px + 2].astype(np.int16)
            # the lines next to what is framed hold its compression
            inner = strip[: max(px - 1, 1)]
            level = int(np.median(inner))
            flat = np.mean(np.abs(inner - level) <= LEVEL) >= CLEAR_SHARE
            off = level - strip[px + 1] if side else strip[px + 1] - level
            off = np.abs(off) if side else off
            px = px if flat and np.mean(off > CLEAR) >= CLEAR_SHARE else 0
        clear.append(px)
    return clear


def bars(grey: NDArray[np.uint8]) -> list[int]:
    """Thickness in pixels of the plain bar at each of SIDES of a picture (h, w), 0 where there is none."""
    rows, columns = (max(side // DEPTH, 3) for side in grey.shape)
    strips = (grey[:rows], grey[::-1][:rows], grey[:, :columns].T, grey[:, ::-1][:, :columns].T)
    return [_thickness(strip) for strip in strips]


def _thickness(lines: NDArray[np.uint8]) -> int:
    """Number of leading lines (n, m) of one level that stand off the line behind them."""
    first = lines[0].astype(np.int16)
    level = int(np.median(first))
    if np.mean(np.abs(first - level) <= PLAIN) < PLAIN_SHARE:
        return 0  # the answer for nearly all pictures
    off = np.abs(lines.astype(np.int16) - level)
    count = int(np.argmin(np.mean(off <= PLAIN, axis=1) >= PLAIN_SHARE))  # 0 where all are plain: no bar
    behind = off[min(count + 1, len(off) - 1)]
    return count if count and np.mean(behind > STEP) >= STEP_SHARE else 0
