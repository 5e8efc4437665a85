"""Sky and haze colours by visibility.

Haze follows Koschmieder: an object at distance d keeps exp(-3.912 d / visibility) of its contrast against the
colour of the sky at the horizon, and the sky starts from that same colour, so there is no seam between them.
"""

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

KOSCHMIEDER = 3.912  # -ln(0.02): contrast threshold of the meteorological visibility

_HORIZON_CLEAR = np.array([204.0, 214.0, 224.0])
_HORIZON_THICK = np.array([196.0, 199.0, 202.0])
_ZENITH_CLEAR = np.array([82.0, 128.0, 186.0])
_ZENITH_THICK = np.array([176.0, 184.0, 192.0])


def sky_palette(visibility_m: float) -> Array:
    """Horizon colour, zenith colour and (scale height of the gradient in rad, 0, 0), as one (3, 3) array."""
    clear = 1 - math.exp(-visibility_m / 12000.0)
    horizon = _HORIZON_THICK + (_HORIZON_CLEAR - _HORIZON_THICK) * clear
    zenith = _ZENITH_THICK + (_ZENITH_CLEAR - _ZENITH_THICK) * clear
    return np.stack([horizon, zenith, np.array([0.16 + 0.25 * (1 - clear), 0.0, 0.0])])


def sky_colours(elevation_rad: Array, palette: Array) -> Array:
    """Sky colours (n, 3) at elevations (n,) above the visible horizon."""
    mix = 1 - np.exp(-np.maximum(elevation_rad, 0) / palette[2, 0])
    return palette[0] + (palette[1] - palette[0]) * mix[:, None]


def transmittances(distance_m: Array, visibility_m: float, horizon_m: float) -> Array:
    """Shares (n,) of the ground's own colour left at distances (n,), faded towards the horizon."""
    fade = np.clip(2 * distance_m / horizon_m - 1, 0, 1)
    return np.exp(-KOSCHMIEDER * distance_m / visibility_m) * (1 - fade * fade * (3 - 2 * fade))
