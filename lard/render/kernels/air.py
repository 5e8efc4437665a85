"""Colours of the air: haze, one layer of fog or cloud, the sky."""

import math

from lard.render.atmosphere import (
    BETA,
    CAMERA_HEIGHT_M,
    GLOW,
    HORIZON,
    LAYER_BETA,
    LAYER_BOTTOM_M,
    LAYER_COLOUR,
    LAYER_TOP_M,
    LONGEST_PATH_M,
    SCALES,
    SUN,
    ZENITH,
)
from lard.render.kernels.layout import ADD, CLEAR, KIND, Array, View, W, X, Y, inlined, jit


@inlined
def haze_colour(dx: float, dy: float, sky: Array) -> tuple[float, float, float]:
    """Colour of the sky at the horizon, and of haze, in a direction."""
    glow = 0.0
    if sky[GLOW, 0] != 0.0 or sky[GLOW, 1] != 0.0 or sky[GLOW, 2] != 0.0:
        across = math.sqrt(dx * dx + dy * dy) * math.sqrt(sky[SUN, 0] ** 2 + sky[SUN, 1] ** 2)
        cosine = (dx * sky[SUN, 0] + dy * sky[SUN, 1]) / max(across, 1e-12)
        glow = math.exp(sky[SCALES, 2] * (cosine - 1.0))
    h, g = HORIZON, GLOW
    return sky[h, 0] + sky[g, 0] * glow, sky[h, 1] + sky[g, 1] * glow, sky[h, 2] + sky[g, 2] * glow


@jit
def sky_point(
    dx: float, dy: float, dz: float, norm: float, view: View, sky: Array, air: Array, out: Array
) -> None:
    """Colour of the sky along a ray, into ADD of a lattice point."""
    sine = (dx * view.up[0] + dy * view.up[1] + dz * view.up[2]) / norm
    up = max(math.asin(min(max(sine, -1.0), 1.0)) - view.horizon_rad, 0.0)
    mix = 1.0 - math.exp(-up / sky[SCALES, 0])
    glow = math.exp(-up / sky[SCALES, 1])
    haze = haze_colour(dx / norm, dy / norm, sky)
    cover = 0.0
    if air[LAYER_BETA] > 0.0 and air[CAMERA_HEIGHT_M] < air[LAYER_TOP_M]:
        rise = max(math.sin(up), 1e-9)
        before = math.exp(-air[BETA] * max(air[LAYER_BOTTOM_M] - air[CAMERA_HEIGHT_M], 0.0) / rise)
        thickness = air[LAYER_TOP_M] - max(air[LAYER_BOTTOM_M], air[CAMERA_HEIGHT_M])
        within = min(thickness / rise, LONGEST_PATH_M)
        cover = before * -math.expm1(-air[LAYER_BETA] * within)
    for c in range(3):
        colour = sky[HORIZON, c] + (sky[ZENITH, c] - sky[HORIZON, c]) * mix
        colour += (haze[c] - sky[HORIZON, c]) * glow
        out[ADD + c] = colour + (air[LAYER_COLOUR + c] - colour) * cover
    out[W] = out[X] = out[Y] = out[CLEAR] = out[KIND] = 0.0


@jit
def through_air(
    distance: float, height: float, dx: float, dy: float, view: View, sky: Array, air: Array, out: Array
) -> None:
    """Share of the ground's colour that arrives, and what the air adds, into a lattice point.

    The last half of the way to the horizon also fades, in whatever visibility, because its pixels are rows
    of kilometres and the sky begins one pixel further.
    """
    fade = min(max(2.0 * distance / view.horizon_m - 1.0, 0.0), 1.0)
    fade = fade * fade * (3.0 - 2.0 * fade)
    haze = haze_colour(dx, dy, sky)
    extra = air[LAYER_BETA]
    if extra <= 0.0:
        clear = math.exp(-air[BETA] * distance) * (1.0 - fade)
        out[CLEAR] = clear
        for c in range(3):
            out[ADD + c] = haze[c] * (1.0 - clear)
        return
    top, bottom, camera = air[LAYER_TOP_M], air[LAYER_BOTTOM_M], air[CAMERA_HEIGHT_M]
    drop = max(camera - height, 1e-3)
    high = min(max((camera - top) / drop, 0.0), 1.0)
    low = min(max((bottom - height) / drop, 0.0), 1.0)
    inside = bottom < camera < top
    over = math.exp(-air[BETA] * distance * high)
    within = math.exp(-(air[BETA] + extra) * distance * max(1.0 - high - low, 0.0))
    under = math.exp(-air[BETA] * distance * low)
    out[CLEAR] = over * within * under * (1.0 - fade)
    for c in range(3):
        layer = air[LAYER_COLOUR + c]
        mixed = (air[BETA] * haze[c] + extra * layer) / (air[BETA] + extra)
        seen = (1.0 - over) * haze[c] + over * ((1.0 - within) * mixed + within * (1.0 - under) * haze[c])
        out[ADD + c] = seen * (1.0 - fade) + (layer if inside else haze[c]) * fade
