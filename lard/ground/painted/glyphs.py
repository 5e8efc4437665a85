"""Shapes of the characters of runway designators.

Convex quads in a unit box, x to the right and y up. Strokes are a quarter of the width and about a seventh of
the
height, the proportions of ICAO Annex 14 figure 5-3 and FAA AC 150/5340-1M figure 2-4.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_L, _R, _LOW, _MID0, _MID1, _TOP = 0.25, 0.75, 0.14, 0.44, 0.58, 0.86


def _box(x0: float, x1: float, y0: float, y1: float) -> Array:
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])


_LEFT, _RIGHT = _box(0, _L, 0.06, 0.94), _box(_R, 1, 0.06, 0.94)
_BOTTOM, _CENTRE, _UPPER = (
    _box(0.06, 0.94, 0, _LOW),
    _box(0.06, 0.94, _MID0, _MID1),
    _box(0.06, 0.94, _TOP, 1),
)
GLYPHS: dict[str, list[Array]] = {
    "0": [_LEFT, _RIGHT, _BOTTOM, _UPPER],
    "1": [_box(0.42, 0.70, 0, 1), np.array([[0.12, 0.74], [0.50, 0.88], [0.50, 1.0], [0.12, 0.84]])],
    "2": [
        _box(0.06, 0.94, _TOP, 1),
        _box(0, _L, 0.72, 0.94),
        _box(_R, 1, 0.58, 0.94),
        _box(0, 1, 0, _LOW),
        np.array([[0.0, _LOW - 0.01], [0.30, _LOW - 0.01], [1.0, 0.60], [_R, 0.66]]),
    ],
    "3": [
        _box(0, 0.94, _TOP, 1),
        _box(0.3, 0.94, _MID0, _MID1),
        _box(0, 0.94, 0, _LOW),
        _RIGHT,
        _box(0, _L, 0.05, 0.24),
        _box(0, _L, 0.76, 0.95),
    ],
    "4": [
        _box(0.56, 0.82, 0, 1),
        _box(0, 1, 0.22, 0.35),
        np.array([[0.0, 0.30], [0.26, 0.30], [0.70, 0.98], [0.58, 1.0]]),
    ],
    "5": [
        _box(0, 1, _TOP, 1),
        _box(0, _L, 0.50, 1),
        _box(0, 0.94, 0.50, 0.63),
        _box(_R, 1, 0.06, 0.58),
        _box(0.06, 0.94, 0, _LOW),
        _box(0, _L, 0.05, 0.22),
    ],
    "6": [
        _LEFT,
        _BOTTOM,
        _UPPER,
        _box(0.06, 0.94, 0.46, 0.60),
        _box(_R, 1, 0.06, 0.54),
        _box(_R, 1, 0.78, 0.95),
    ],
    "7": [_box(0, 1, _TOP, 1), np.array([[0.22, 0.0], [0.50, 0.0], [1.0, 0.88], [0.72, 0.88]])],
    "8": [_LEFT, _RIGHT, _BOTTOM, _CENTRE, _UPPER],
    "9": [
        _RIGHT,
        _BOTTOM,
        _UPPER,
        _box(0.06, 0.94, 0.40, 0.54),
        _box(0, _L, 0.46, 0.94),
        _box(0, _L, 0.05, 0.22),
    ],
    "L": [_box(0, _L, 0, 1), _box(0, 1, 0, _LOW)],
    "C": [_LEFT, _BOTTOM, _UPPER, _box(_R, 1, 0.05, 0.26), _box(_R, 1, 0.74, 0.95)],
    "R": [
        _box(0, _L, 0, 1),
        _UPPER,
        _CENTRE,
        _box(_R, 1, 0.50, 0.94),
        np.array([[0.42, 0.46], [0.70, 0.46], [1.0, 0.0], [0.72, 0.0]]),
    ],
    "T": [_box(0, 1, _TOP, 1), _box(0.375, 0.625, 0, 1)],
    "W": [_box(0, _L, 0, 1), _box(_R, 1, 0, 1), _box(0.06, 0.94, 0, _LOW), _box(0.375, 0.625, 0, 0.6)],
    "G": [_LEFT, _BOTTOM, _UPPER, _box(_R, 1, 0.06, 0.45), _box(0.5, 1, 0.35, 0.47)],
}
