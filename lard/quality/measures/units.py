"""Which unit numbers look like, when they are not in the one they should be in."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FACTORS = {
    "m": {"km": 1000.0, "NM": 1852.0, "statute miles": 1609.344, "ft": 0.3048, "hundreds of feet": 30.48},
    "deg": {"radians": 180.0 / np.pi, "milliradians": 0.18 / np.pi, "gon": 0.9, "turns": 360.0},
    "fraction": {"per cent": 0.01, "oktas": 0.125},
    "h": {"minutes": 1 / 60, "seconds": 1 / 3600, "fractions of a day": 24.0},
    "mm_h": {"inches per hour": 25.4, "m/s": 3.6e6},
    "ms": {"seconds": 1000.0, "microseconds": 0.001},
    "deg_s": {"radians per second": 180.0 / np.pi},
}
"""By the unit of a name, the units that numbers may be in instead, and their size in it."""
REVERSE = {"deg": {"degrees twice converted to radians": np.pi / 180.0}}
NEAR = 0.01  # relative: how alike ratios must be to tell one story
MOST = 0.9


def unit_of(name: str) -> str:
    """The unit at the end of a column's name, "" for none."""
    return next((unit for unit in sorted(FACTORS, key=len, reverse=True) if name.endswith(f"_{unit}")), "")


def looks_like(name: str, stated: Array, true: Array) -> str:
    """What most pairs of a stated and a true value (n,) tell, such as ` (looks like NM)`; else ""."""
    usable = np.isfinite(stated) & np.isfinite(true) & (np.abs(stated) > 1e-9) & (np.abs(true) > 1e-9)
    if usable.sum() < 1:
        return ""
    ratio = true[usable] / stated[usable]
    stories = {**FACTORS.get(unit_of(name), {}), "the other sign": -1.0}
    for word, factor in stories.items():
        if np.mean(np.abs(ratio / factor - 1.0) < NEAR) >= MOST:
            return f" (looks like {word})"
    for word, factor in FACTORS.get(unit_of(name), {}).items():
        if np.mean(np.abs(ratio * factor - 1.0) < NEAR) >= MOST:
            return f" (converted from {word} once too often)"
    offset = (true - stated)[usable]
    size = float(np.median(offset))
    if len(offset) >= 5 and np.mean(np.abs(offset - size) <= max(0.02 * abs(size), 1e-6)) >= MOST:
        return f" (off by {-size:+.4g} throughout)"
    return ""


def misfit_unit(name: str, values: Array, fits: Callable[[Array], NDArray[np.bool_]]) -> str:
    """The unit in which nearly all values (n,) fit, where in their own unit few do; else ""."""
    values = values[np.isfinite(values)]
    if not len(values) or np.mean(fits(values)) > 1 - MOST:
        return ""
    for word, factor in FACTORS.get(unit_of(name), {}).items():
        for times, story in ((factor, word), (1.0 / factor, f"{word} converted the wrong way round")):
            if np.mean(fits(values * times)) >= MOST:
                return story
    return ""
