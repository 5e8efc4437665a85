"""Whether colour lies where brightness does: planes that were displaced in transport or by a bad codec."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Pixels = NDArray[Any]

REACH = 4  # places of the halved picture
LAGS = 2 * REACH + 1
WAYS = ("red to the right", "blue to the right", "red downwards", "blue downwards")
LEAST_STEP = 2  # grey levels: smaller steps are rounding, which ties colour to brightness


def colour_lags(pixels: Pixels) -> list[float]:
    """How well steps of each colour plane agree with steps of brightness when moved, -REACH to REACH places
    of the halved picture: red's and blue's to the right, then downwards (4 LAGS,); below the middle.

    pixels: (h, w, 3), blue-green-red. Zeros where a picture is too small.
    """
    height, width = pixels.shape[:2]
    part = pixels[height // 2 : height * 7 // 8, width // 4 : width - width // 4]
    size = (part.shape[1] // 2, part.shape[0] // 2)
    if min(size) < 4 * REACH:
        return [0.0] * (4 * LAGS)
    half = cv2.cvtColor(cv2.resize(part, size, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2YCrCb)
    found = []
    for grid in (half, np.ascontiguousarray(half.transpose(1, 0, 2))):
        rises = cv2.absdiff(grid[:, 1:], grid[:, :-1])
        steps = cv2.subtract(rises, np.full_like(rises, LEAST_STEP))
        light, red, blue = (plane.astype(np.float32) for plane in cv2.split(steps))
        # without its margins, so that rows may be laid end to end and moved without a copy
        light[:, :REACH] = light[:, -REACH:] = 0.0
        size_ = float(np.linalg.norm(light))
        still = light.ravel()[REACH:-REACH]
        for tint in (red, blue):
            length = size_ * float(np.linalg.norm(tint)) + 1e-9
            moved = (tint.ravel()[lag : lag + len(still)] for lag in range(LAGS))
            found += [float(np.dot(still, part_)) / length for part_ in moved]
    return found


def displaced(lags: Array) -> list[tuple[str, float, float]]:
    """Planes of pictures that lie displaced: which way, pixels, and standard errors beyond no displacement.

    lags: (n, 4 LAGS) of n pictures.
    """
    found = []
    table = np.asarray(lags, np.float64).reshape(len(lags), 4, LAGS)
    for k, name in enumerate(WAYS):
        stack = table[:, k].mean(axis=0)
        best = int(np.argmax(stack))
        if not 0 < best < LAGS - 1:
            continue
        before, here, after = stack[best - 1 : best + 2]
        bend = before - 2 * here + after
        px = 2.0 * (best + (0.5 * (before - after) / bend if bend < 0 else 0.0) - REACH)
        better = table[:, k, best] - table[:, k, REACH]
        error = float(better.std()) / np.sqrt(len(better)) + 1e-6
        found.append((name, float(px), float(better.mean() / error)))
    return found
