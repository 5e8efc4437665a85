"""The air between camera and ground: haze, one layer of fog or cloud, the sky behind both.

Haze follows Koschmieder: an object at distance d keeps exp(-3.912 d / visibility) of its contrast against the
colour of the sky at the horizon, and the sky starts from that same colour, so there is no seam between them.
A layer adds extinction between two heights. Both reach the compiled renderer as the vectors laid out here;
the functions on arrays are its differential reference.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

KOSCHMIEDER = 3.912  # -ln(0.02): contrast threshold of the meteorological visibility

# places in the `air` vector; heights in the surface's datum
BETA, LAYER_BOTTOM_M, LAYER_TOP_M, LAYER_BETA = 0, 1, 2, 3
ILLUMINANT = 4  # 3: multiplies the ground's own colour
LAYER_COLOUR = 7  # 3: grey levels
CAMERA_HEIGHT_M = 10
SHADOW_DEPTH = 11  # share of the illuminant that a full shadow takes away
AIR_SIZE = 12

# rows of the `sky` palette, grey levels
HORIZON, ZENITH = 0, 1
SCALES = 2  # scale height of the gradient (rad), scale height of the glow (rad), sharpness of the glow
GLOW = 3  # colour added to the horizon towards the sun; (0, 0, 0) = none
SUN = 4  # unit vector to the sun, ENU at the surface's origin
SKY_ROWS = 5

LONGEST_PATH_M = 1e5
"""A ray leaves a layer at the latest after this way: level rays, and layers upon a round earth."""

SHADE_SIZE = 6
"""Of one raster of shade: x_min_m, y_max_m, gsd_m, first row, rows, columns."""

_HORIZON_CLEAR = np.array([204.0, 214.0, 224.0])
_HORIZON_THICK = np.array([196.0, 199.0, 202.0])
_ZENITH_CLEAR = np.array([82.0, 128.0, 186.0])
_ZENITH_THICK = np.array([176.0, 184.0, 192.0])


@dataclass(frozen=True, slots=True, eq=False)
class Atmosphere:
    """What the renderer needs besides geometry: air (AIR_SIZE,), sky (SKY_ROWS, 3), shade of the ground.

    shade, shade_frame: rasters of sunlight as `shade_map` puts them together; shape (0, 0) = no shadows.
    """

    air: Array
    sky: Array
    shade: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, 0), np.uint8))
    shade_frame: Array = field(default_factory=lambda: np.zeros((3, SHADE_SIZE)))


@dataclass(frozen=True, slots=True, eq=False)
class Raster:
    """Grey cells (rows, columns), rows from north to south, and their frame (x_min_m, y_max_m, gsd_m)."""

    grey: NDArray[np.uint8]
    frame: Array


def shade_map(near: Raster | None, coarse: Raster | None, relief: Raster | None) -> tuple[Any, Array]:
    """Sunlight for the kernel: rasters below one another, and where each lies (3, SHADE_SIZE).

    near and coarse: shadows, 255 = sunlit; coarse holds where near, of finer cells, ends. relief: light on
    slopes beside level ground, 128 = level; the two are multiplied.
    """
    parts = [part for part in (near, coarse, relief) if part is not None and part.grey.size]
    frame, row = np.zeros((3, SHADE_SIZE)), 0
    columns = max((part.grey.shape[1] for part in parts), default=0)
    shade = np.zeros((sum(len(part.grey) for part in parts), columns), np.uint8)
    for i, part in enumerate((near, coarse, relief)):
        if part is not None and part.grey.size:
            rows, columns = part.grey.shape
            shade[row : row + rows, :columns] = part.grey
            frame[i] = *part.frame, row, rows, columns
            row += rows
    return shade, frame


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of fog or cloud: heights in the surface's datum, extinction 1/m, colour in grey levels."""

    bottom_m: float
    top_m: float
    extinction_1_m: float
    colour: tuple[float, float, float]


def air_vector(
    visibility_m: float,
    camera_height_m: float,
    layer: Layer | None = None,
    illuminant: tuple[float, float, float] = (1.0, 1.0, 1.0),
    shadow_depth: float = 0.0,
) -> Array:
    """The air of one frame (AIR_SIZE,): extinctions, layer, light on the ground."""
    air = np.zeros(AIR_SIZE)
    air[BETA] = KOSCHMIEDER / visibility_m
    if layer is not None:
        air[LAYER_BOTTOM_M : LAYER_BETA + 1] = layer.bottom_m, layer.top_m, layer.extinction_1_m
        air[LAYER_COLOUR : LAYER_COLOUR + 3] = layer.colour
    air[ILLUMINANT : ILLUMINANT + 3] = illuminant
    air[CAMERA_HEIGHT_M], air[SHADOW_DEPTH] = camera_height_m, shadow_depth
    return air


def sky_palette(visibility_m: float) -> Array:
    """Sky (SKY_ROWS, 3) of a clear noon in a visibility, without a glow."""
    clear = 1 - math.exp(-visibility_m / 12000.0)
    palette = np.zeros((SKY_ROWS, 3))
    palette[HORIZON] = _HORIZON_THICK + (_HORIZON_CLEAR - _HORIZON_THICK) * clear
    palette[ZENITH] = _ZENITH_THICK + (_ZENITH_CLEAR - _ZENITH_THICK) * clear
    palette[SCALES] = 0.16 + 0.25 * (1 - clear), 0.2, 2.0
    palette[SUN] = 0.0, 0.0, 1.0
    return palette


def horizon_colours(direction: Array, palette: Array) -> Array:
    """Colours (n, 3) of the sky at the horizon, and of haze, below or above ENU directions (n, 3)."""
    sun = palette[SUN]
    across = np.hypot(direction[:, 0], direction[:, 1]) * math.hypot(sun[0], sun[1])
    cosine = (direction[:, 0] * sun[0] + direction[:, 1] * sun[1]) / np.maximum(across, 1e-12)
    return palette[HORIZON] + palette[GLOW] * np.exp(palette[SCALES, 2] * (cosine - 1))[:, None]


def sky_colours(elevation_rad: Array, palette: Array, direction: Array | None = None) -> Array:
    """Sky colours (n, 3) at elevations (n,) above the visible horizon, seen along ENU directions (n, 3)."""
    up = np.maximum(elevation_rad, 0)
    mix = 1 - np.exp(-up / palette[SCALES, 0])
    colours = palette[HORIZON] + (palette[ZENITH] - palette[HORIZON]) * mix[:, None]
    if direction is not None and palette[GLOW].any():
        glow = horizon_colours(direction, palette) - palette[HORIZON]
        colours += glow * np.exp(-up / palette[SCALES, 1])[:, None]
    return colours


def sky_through_layer(colours: Array, elevation_rad: Array, air: Array) -> Array:
    """Sky colours (n, 3) behind the layer; haze hides a layer above the camera towards the horizon."""
    height, bottom, top = air[CAMERA_HEIGHT_M], air[LAYER_BOTTOM_M], air[LAYER_TOP_M]
    if air[LAYER_BETA] <= 0 or height >= top:
        return colours
    sine = np.maximum(np.sin(elevation_rad), 1e-9)
    before = np.exp(-air[BETA] * max(bottom - height, 0.0) / sine)
    within = np.minimum((top - max(bottom, height)) / sine, LONGEST_PATH_M)
    share = (before * -np.expm1(-air[LAYER_BETA] * within))[:, None]
    return colours + (air[LAYER_COLOUR : LAYER_COLOUR + 3] - colours) * share


def ground_through_air(
    colours: Array, distance_m: Array, height_m: Array, haze: Array, air: Array, horizon_m: float
) -> Array:
    """Lit ground colours (n, 3) of heights (n,) seen over distances (n,) against haze colours (n, 3).

    A straight ray crosses up to three parts, the layer's and those above and below; each adds its own light
    and dims what lies behind. The last half of the way to the horizon fades into the sky there.
    """
    fade = np.clip(2 * distance_m / horizon_m - 1, 0, 1)
    fade = (fade * fade * (3 - 2 * fade))[:, None]
    layer = air[LAYER_COLOUR : LAYER_COLOUR + 3]
    inside = air[LAYER_BOTTOM_M] < air[CAMERA_HEIGHT_M] < air[LAYER_TOP_M] and air[LAYER_BETA] > 0
    beyond = layer if inside else haze
    left, seen = np.ones((len(colours), 1)), np.zeros_like(colours)
    shares = layer_shares(height_m, air)
    mixed = (air[BETA] * haze + air[LAYER_BETA] * layer) / (air[BETA] + air[LAYER_BETA])
    for share, extra, colour in zip(shares, (0.0, air[LAYER_BETA], 0.0), (haze, mixed, haze), strict=True):
        passed = np.exp(-(air[BETA] + extra) * distance_m * share)[:, None]
        seen += left * (1 - passed) * colour
        left = left * passed
    seen += left * colours
    return seen + (beyond - seen) * fade


def layer_shares(height_m: Array, air: Array) -> tuple[Array, Array, Array]:
    """Shares (n,) of the rays to ground at heights (n,) above, within and below the layer."""
    top, bottom, camera = air[LAYER_TOP_M], air[LAYER_BOTTOM_M], air[CAMERA_HEIGHT_M]
    if air[LAYER_BETA] <= 0:
        return np.ones_like(height_m), np.zeros_like(height_m), np.zeros_like(height_m)
    drop = np.maximum(camera - height_m, 1e-3)
    high = np.clip((camera - top) / drop, 0, 1)
    low = np.clip((bottom - height_m) / drop, 0, 1)
    return high, np.maximum(1 - high - low, 0), low


def transmittances(distance_m: Array, visibility_m: float, horizon_m: float) -> Array:
    """Shares (n,) of the ground's own colour left at distances (n,), faded towards the horizon."""
    fade = np.clip(2 * distance_m / horizon_m - 1, 0, 1)
    return np.exp(-KOSCHMIEDER * distance_m / visibility_m) * (1 - fade * fade * (3 - 2 * fade))
