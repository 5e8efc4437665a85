"""Light and dark sides of hills: how much sunlight slopes get, beside level ground, for the kernel's shade.

Lambert's law: sunlight on a slope is n . s, on level ground the sine of the sun's elevation; relief is their
ratio, LEVEL on level ground. Runways, a percent or two steep, stay as they are. Hills cast no shadows.
"""

import numpy as np
from numpy.typing import NDArray

from lard.ground.terrain.surface import Surface
from lard.render.atmosphere import Raster

Array = NDArray[np.float64]

LEVEL = 128
"""Grey of level ground in a relief raster: half of what it can show."""
STEP_M = 40.0
REACH_M = 24000.0
_RIM_M = 4000.0
_LOWEST_SINE = np.sin(np.radians(8.0))  # a lower sun is treated as this high: slopes are rougher than rasters

_slopes: dict[int, tuple[Surface, NDArray[np.float32], NDArray[np.float32]]] = {}


def relief_raster(surface: Surface, sun_enu: Array) -> Raster | None:
    """Relief of a terrain surface; None without a terrain model."""
    if surface.far_height_m.size == 0:
        return None
    relief = relief_of(surface, sun_enu)
    reach_m = relief.shape[1] / 2 * STEP_M
    return Raster(relief, np.array([-reach_m, reach_m, STEP_M]))


def relief_of(surface: Surface, sun_enu: Array) -> NDArray[np.uint8]:
    """Relief raster (n, n), rows from north to south, of cells of STEP_M around the surface's origin."""
    east, north = _slopes_of(surface)
    sine = max(float(sun_enu[2]), _LOWEST_SINE)
    across = float(np.hypot(sun_enu[0], sun_enu[1]))
    scale = np.sqrt(max(1 - sine * sine, 0.0)) / max(across, 1e-9)
    towards = np.float32(sun_enu[0] * scale) * east + np.float32(sun_enu[1] * scale) * north
    light = (np.float32(sine) - towards) / (np.float32(sine) * np.sqrt(1 + east * east + north * north))
    return np.clip(np.rint(LEVEL * light), 0, 255).astype(np.uint8)


def _slopes_of(surface: Surface) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Slopes eastwards and northwards at the cells, level at the rim; kept for the last two surfaces."""
    key = id(surface.height_m)
    if key not in _slopes:
        while len(_slopes) >= 2:
            del _slopes[next(iter(_slopes))]
        count = round(REACH_M / STEP_M)
        axis = (np.arange(-count, count) + 0.5) * STEP_M
        x, y = np.meshgrid(axis, axis[::-1])
        half = STEP_M / 2
        rim = np.clip((REACH_M - np.maximum(np.abs(x), np.abs(y))) / _RIM_M, 0, 1)
        east = (surface.heights(x + half, y) - surface.heights(x - half, y)) / STEP_M * rim
        north = (surface.heights(x, y + half) - surface.heights(x, y - half)) / STEP_M * rim
        _slopes[key] = (surface, east.astype(np.float32), north.astype(np.float32))
    return _slopes[key][1:]
