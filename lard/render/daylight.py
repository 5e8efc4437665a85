"""Light by the sun's elevation and the clouds: the ground's illuminant, the sky, the layer, the exposure.

Everything is in display grey levels after automatic exposure, as pictures are; the tables are this project's
own and were chosen by looking at pictures, not measured. Lamps need absolute units: `white_cd_m2` is the
luminance that the exposure of a time of day shows as white.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lard.render.atmosphere import (
    GLOW,
    HORIZON,
    KOSCHMIEDER,
    SCALES,
    SUN,
    ZENITH,
    Atmosphere,
    Layer,
    air_vector,
    sky_palette,
)
from lard.render.conditions import Conditions

Array = NDArray[np.float64]

CLOUD_DEPTH_M = 600.0
CLOUD_VISIBILITY_M = 90.0
CEILING_FRACTION = 0.5
"""Five oktas and more make a ceiling: a layer of cloud that a camera can be in."""

# sun elevation (deg); illuminant RGB; horizon, zenith RGB as shares of the noon sky's; glow RGB (grey levels)
_TABLE = np.array(
    [
        [-18, .070, .076, .098, .075, .080, .104, .050, .056, .092, 0, 0, 0],
        [-12, .078, .086, .112, .095, .100, .135, .066, .076, .125, 8, 3, 0],
        [-9, .105, .112, .150, .170, .170, .215, .11, .13, .20, 26, 10, -4],
        [-6, .170, .180, .240, .330, .320, .370, .20, .24, .36, 62, 20, -22],
        [-3, .360, .360, .420, .620, .560, .580, .40, .46, .60, 92, 28, -40],
        [0, .640, .580, .560, .860, .770, .710, .60, .66, .79, 78, 26, -46],
        [2, .830, .710, .600, .960, .880, .800, .76, .81, .91, 58, 24, -38],
        [6, .960, .870, .760, 1.00, .965, .920, .91, .94, 1.0, 34, 18, -14],
        [12, 1.00, .960, .910, 1.00, .990, .980, .98, .99, 1.0, 16, 11, 2],
        [25, 1.00, 1.00, 1.00, 1.00, 1.00, 1.00, 1.0, 1.0, 1.0, 0, 0, 0],
    ]
)  # fmt: skip
_WHITE = np.array(
    [[-12, 25.0], [-6, 40.0], [-3, 90.0], [0, 400.0], [6, 4000.0], [15, 12000.0], [50, 25000.0]]
)
_CLOUD_GREY = np.array([186.0, 190.0, 196.0])


def _row(elevation_deg: float) -> Array:
    return np.array([np.interp(elevation_deg, _TABLE[:, 0], column) for column in _TABLE[:, 1:].T])


def direct_share(conditions: Conditions) -> float:
    """Share of direct sunlight, 0 to 1: none from below the horizon or through closed clouds."""
    risen = np.clip(conditions.sun_elevation_deg / 3.0, 0, 1)
    haze = math.exp(-1500.0 / conditions.visibility_m)
    return float(risen * haze * np.clip(1.25 * (1 - conditions.cover), 0, 1))


def white_cd_m2(conditions: Conditions) -> float:
    """Luminance that automatic exposure shows as white."""
    level = np.exp(np.interp(conditions.sun_elevation_deg, _WHITE[:, 0], np.log(_WHITE[:, 1])))
    dimmed = 1 - 0.7 * conditions.cover * (1 - conditions.dark)
    return float(level * dimmed)


def illuminant(conditions: Conditions) -> tuple[float, float, float]:
    """Factor (RGB) on the ground's own colour; clouds take the colour and a part of the light."""
    clear = _row(conditions.sun_elevation_deg)[:3]
    flat = np.mean(clear) * np.array([0.80, 0.81, 0.83])
    red, green, blue = clear + (flat - clear) * min(conditions.cover, 1.0) ** 1.5
    return float(red), float(green), float(blue)


def sky_of(conditions: Conditions, sun_enu: Array) -> Array:
    """Sky palette under a sun (unit vector (3,), ENU at the surface's origin)."""
    palette, row = sky_palette(conditions.visibility_m), _row(conditions.sun_elevation_deg)
    grey = cloud_grey(conditions)
    closed = float(np.clip((conditions.cover - 0.55) / 0.4, 0, 1))
    palette[HORIZON] *= row[3:6]
    palette[ZENITH] *= row[6:9]
    palette[HORIZON] += (grey * 1.04 - palette[HORIZON]) * closed
    palette[ZENITH] += (grey * 0.86 - palette[ZENITH]) * closed
    veil = 1 - math.exp(-conditions.visibility_m / 3000.0)
    palette[GLOW] = row[9:12] * (1 - closed) * veil
    palette[SCALES] = palette[SCALES, 0], 0.13, 2.4
    palette[SUN] = sun_enu
    return palette


def cloud_grey(conditions: Conditions) -> Array:
    """Grey levels (3,) of cloud and fog in the light of the hour."""
    row = _row(conditions.sun_elevation_deg)
    thick = 1 - 0.12 * min(conditions.rain_mm_h / 10.0, 1.0)
    return _CLOUD_GREY * (0.9 * np.mean(row[3:6]) + 0.1 * row[3:6]) * thick


def layer_of(conditions: Conditions, elevation_m: float, camera_height_m: float) -> Layer | None:
    """The fog, else the clouds that a camera is in or above; those above it are painted on the sky."""
    grey = cloud_grey(conditions)
    if conditions.fog_top_m > 0:
        red, green, blue = (float(v) for v in grey * 1.06)
        beta = KOSCHMIEDER / conditions.fog_visibility_m
        return Layer(
            elevation_m + conditions.fog_base_m, elevation_m + conditions.fog_top_m, beta, (red, green, blue)
        )
    base = cloud_base_m(conditions, elevation_m)
    if conditions.cover >= CEILING_FRACTION and camera_height_m > base:
        beta = KOSCHMIEDER / CLOUD_VISIBILITY_M * min(conditions.cover, 1.0) ** 4
        red, green, blue = (float(v) for v in grey)
        return Layer(base, base + CLOUD_DEPTH_M, beta, (red, green, blue))
    return None


def cloud_base_m(conditions: Conditions, elevation_m: float) -> float:
    """Height of the clouds' base in the surface's datum."""
    return elevation_m + conditions.cloud_base_m


def sun_vector(conditions: Conditions, lat_deg: float) -> Array:
    """Unit vector (3,) to the sun, ENU; a sun without azimuth stands over the equator."""
    azimuth = conditions.sun_azimuth_deg
    if math.isnan(azimuth):
        azimuth = 180.0 if lat_deg >= 0 else 0.0
    up, around = math.radians(conditions.sun_elevation_deg), math.radians(azimuth)
    return np.array([math.sin(around) * math.cos(up), math.cos(around) * math.cos(up), math.sin(up)])


def atmosphere_of(
    conditions: Conditions, elevation_m: float, camera_height_m: float, lat_deg: float
) -> Atmosphere:
    """Air and sky of one frame over an airport; heights in the surface's datum."""
    layer = layer_of(conditions, elevation_m, camera_height_m)
    air = air_vector(
        conditions.visibility_m,
        camera_height_m,
        layer,
        illuminant(conditions),
        0.55 * direct_share(conditions),
    )
    return Atmosphere(air, sky_of(conditions, sun_vector(conditions, lat_deg)))
