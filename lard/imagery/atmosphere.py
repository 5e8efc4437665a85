"""Sky and haze colours by visibility.

Haze follows Koschmieder: an object at distance d keeps exp(-3.912 d / visibility) of its contrast against the
colour of the sky at the horizon, and the sky starts from that same colour, so there is no seam between them.
"""

import math

import numpy as np
from numpy.typing import NDArray

_HORIZON_CLEAR = np.array([204.0, 214.0, 224.0])
_HORIZON_THICK = np.array([196.0, 199.0, 202.0])
_ZENITH_CLEAR = np.array([82.0, 128.0, 186.0])
_ZENITH_THICK = np.array([176.0, 184.0, 192.0])


def sky_palette(visibility_m: float) -> NDArray[np.float64]:
    """Horizon colour, zenith colour and (scale height of the gradient in rad, 0, 0), as one (3, 3) array."""
    clear = 1 - math.exp(-visibility_m / 12000.0)
    horizon = _HORIZON_THICK + (_HORIZON_CLEAR - _HORIZON_THICK) * clear
    zenith = _ZENITH_THICK + (_ZENITH_CLEAR - _ZENITH_THICK) * clear
    return np.stack([horizon, zenith, np.array([0.16 + 0.25 * (1 - clear), 0.0, 0.0])])
