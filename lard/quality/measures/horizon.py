"""Where the sky ends in a picture, and where the horizons of many pictures lie together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lard.quality.measures.coarse import REACH, Lines, agreement, directions

Array = NDArray[np.float64]
Grey = NDArray[Any]

GRID: Array = np.linspace(-REACH, REACH, 81)  # displacements downwards, over the picture's height
RESOLVED = 0.004  # of the height: what pictures of some 256 px tell apart


@dataclass(frozen=True, slots=True)
class Level:
    """Where a stack of pictures shows its horizons: downwards over the height, and how plainly, in standard
    deviations; the same of the best place that is near enough."""

    down: float
    sigmas: float
    here: float


def level_profile(grey: Grey, horizon: Lines) -> Array | None:
    """How well a small picture agrees with a horizon moved downwards by GRID (81,), in standard deviations.

    Edges count by their direction, so that clouds above a horizon blur nothing. None for too short a horizon.
    """
    field = directions(grey)
    height, width = field.shape[1:]
    reach = round(REACH * width)
    found = agreement(field, horizon, reach)
    if found is None:
        return None
    return np.asarray(np.interp(GRID, np.arange(-reach, reach + 1) / height, found[:, reach]), np.float64)


def stacked_level(profiles: Sequence[Array], near: float) -> Level:
    """The place of the horizons of pictures by their `level_profile`s; within `near` of it they are there."""
    stack = np.sum(profiles, axis=0) / np.sqrt(len(profiles))
    best = int(np.argmax(stack))
    here = float(stack[np.abs(GRID) <= near + RESOLVED].max())
    return Level(float(GRID[best]), float(stack[best]), here)


def horizon_offset(grey: Grey, line_px: Array) -> float | None:
    """Distance in pixels, downwards positive, from an expected horizon (k, 2) to the lower edge of the sky.

    The sky's brightness changes evenly towards the horizon; its edge is where the median profile across the
    expected line first leaves the straight line through what lies above. None when the horizon is hardly in
    the picture or nothing breaks the profile.
    """
    height, width = grey.shape
    reach = 0.12 * height
    line = line_px[np.isfinite(line_px).all(axis=1)]
    margin = reach + 2
    ok = (line[:, 0] > 2) & (line[:, 0] < width - 2) & (line[:, 1] > margin) & (line[:, 1] < height - margin)
    line = line[ok]
    if len(line) < 8:
        return None
    direction = (line[-1] - line[0]) / np.linalg.norm(line[-1] - line[0])
    down = np.array([-direction[1], direction[0]])
    down = down if down[1] > 0 else -down
    steps = np.arange(-reach, reach + 1.0, max(height / 1024, 0.5))
    where = line[:, None, :] + steps[None, :, None] * down - 0.5
    samples = cv2.remap(
        grey, where[..., 0].astype(np.float32), where[..., 1].astype(np.float32), cv2.INTER_LINEAR
    )
    place = _first_break(np.median(samples, axis=0).astype(np.float64))
    return None if place is None else float(steps[place])


def horizon_tilt(grey: Grey, line_px: Array) -> float | None:
    """Turn of the sky's lower edge against an expected horizon (k, 2), degrees clockwise; None where not both
    halves are found."""
    inside = line_px[np.isfinite(line_px).all(axis=1)]
    inside = inside[(inside[:, 0] > 2) & (inside[:, 0] < grey.shape[1] - 2)]
    left, right = inside[: len(inside) // 2], inside[len(inside) // 2 :]
    down = [horizon_offset(grey, half) for half in (left, right)]
    if down[0] is None or down[1] is None:
        return None
    apart = float(np.linalg.norm(right.mean(axis=0) - left.mean(axis=0)))
    return float(np.degrees(np.arctan2(down[1] - down[0], apart)))


def _first_break(profile: Array, window: int = 24, gap: int = 3, run: int = 4) -> int | None:
    """First place from which a profile leaves the straight line through the window above it for good."""
    x = np.arange(window, dtype=np.float64)
    x -= x.mean()
    for j in range(window + gap, len(profile) - run):
        before = profile[j - gap - window : j - gap]
        slope = float(x @ before / (x @ x))
        noise = float(np.std(before - before.mean() - slope * x))
        ahead = np.arange(run) + gap + (window + 1) / 2
        misfit = np.abs(profile[j : j + run] - before.mean() - slope * ahead)
        if (misfit > max(2.5, 5.0 * noise)).all():
            return j
    return None
