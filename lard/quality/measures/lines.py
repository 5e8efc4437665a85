"""Thin lines across a whole picture that are none of its scene: dead rows, stuck columns."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

STEP = 4  # every fourth pixel along a line is looked at
THICK = 3  # pixels of the thickest line
APART, TIMES = 16.0, 2.5  # grey levels off its neighbours, and times as much as lines near by are
GOES_ON = 0.5  # of that: how much the scene may differ from one side of the line to the other
EDGE = 3  # lines at the border belong to bars
MOST = 8
SHARE = 0.7  # of the pixels of a line that stand off both its neighbours the same way, or level throughout
LEVEL = 6.0


def odd_lines(grey: NDArray[np.uint8], turned: NDArray[np.uint8]) -> list[int]:
    """Place and thickness of rows, as they are, and of columns, as -1 - place; two numbers each.

    grey (h, w); turned: the same transposed. What lies on both sides of such a line belongs together; a
    road, a horizon or a runway's edge does not run along a single row from end to end.
    """
    return [*_lines(grey, rows=True), *_lines(turned, rows=False)]


def _lines(picture: NDArray[np.uint8], rows: bool) -> list[int]:
    part = np.ascontiguousarray(picture[:, ::STEP])
    if len(part) < 32 or part.shape[1] < 16:
        return []
    change = cv2.reduce(cv2.absdiff(part[1:], part[:-1]), 1, cv2.REDUCE_AVG, dtype=cv2.CV_32F).ravel()
    near = cv2.blur(change.reshape(-1, 1), (1, 25)).ravel()
    sharp = np.flatnonzero((change > APART) & (change > 1.5 * near))
    found: list[int] = []
    for before, after in zip(sharp[:-1].tolist(), sharp[1:].tolist(), strict=True):
        thick = after - before
        if not 0 < thick <= THICK or before < EDGE or after > len(part) - 2 - EDGE:
            continue
        around = np.median(np.delete(change[max(before - 12, 0) : after + 13], slice(10, 16)))
        off = min(float(change[before]), float(change[after]))
        across = float(cv2.absdiff(part[before], part[after + 1]).mean())
        if off < TIMES * (around + 1.0) or across > GOES_ON * off:
            continue
        line = part[before + 1 : after + 1].astype(np.int16)
        apart = line.mean(axis=0) - (part[before].astype(np.int16) + part[after + 1]) / 2
        level = np.mean(np.abs(line - np.median(line)) <= LEVEL)
        if max(np.mean(apart > APART / 2), np.mean(apart < -APART / 2), level) >= SHARE:
            found += [before + 1 if rows else -2 - before, thick]
    return found[: 2 * MOST]
