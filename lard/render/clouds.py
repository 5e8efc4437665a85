"""What a camera below the clouds sees above the horizon: the clouds' underside, and the sun's disc.

Clouds are a level sheet at their base, cut out of smooth noise so that their cover is the sky's; haze takes
them towards the horizon. They are a texture, not a volume, and cast no shadows of their own on the ground.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from lard.camera import Camera, Poses, cam_from_ned, ray_directions
from lard.render.atmosphere import BETA, SUN, Atmosphere, horizon_colours
from lard.render.conditions import Conditions
from lard.render.daylight import cloud_grey

Array = NDArray[np.float64]
Picture = NDArray[np.float32]

FEWEST = 0.05
_STEP_PX = 3  # the clouds' own pixels: they have no finer detail
_NOISE_CELLS = 256
_PIXEL_RAD = 0.0035  # of the clouds' own pixels, about
_CELL_M = 420.0
_OCTAVES = 4
_FADE_RAD = (math.radians(0.8), math.radians(5.0))
_SUN_RADIUS_DEG = 0.27
_AUREOLE = ((0.75, 1.1), (0.42, 5.0))  # shares of white and their angles, degrees


def paints_sky(
    pose: Poses, camera: Camera, conditions: Conditions, atmosphere: Atmosphere, base_m: float
) -> bool:
    """Whether clouds (seen from below) or the sun's disc are in the picture."""
    below = float(pose.alt_m[0]) < base_m and conditions.cover > FEWEST
    return below or _sun_shows(pose, camera, conditions, atmosphere)


def paint_sky(
    colours: Picture,
    pose: Poses,
    camera: Camera,
    conditions: Conditions,
    atmosphere: Atmosphere,
    base_m: float,
) -> None:
    """Draw clouds at a height (surface's datum) and the sun into a picture (height, width, 3), in place."""
    size = -(-camera.width_px // _STEP_PX), -(-camera.height_px // _STEP_PX)
    x, y = np.meshgrid((np.arange(size[0]) + 0.5) * _STEP_PX, (np.arange(size[1]) + 0.5) * _STEP_PX)
    direction = _enu(ray_directions(camera, np.stack([x, y], -1)), pose)
    seen = np.flatnonzero((direction[..., 2] > 0.5 * _FADE_RAD[0]).any(axis=1))
    if len(seen) == 0:
        return
    band = slice(int(seen[0]), int(seen[-1]) + 1)
    direction = direction[band]
    shade, cover = np.zeros((*direction.shape[:2], 3)), np.zeros(direction.shape[:2])
    if float(pose.alt_m[0]) < base_m and conditions.cover > FEWEST:
        shade, cover = _clouds(direction, base_m - float(pose.alt_m[0]), pose, conditions, atmosphere)
    glare = None
    if _sun_shows(pose, camera, conditions, atmosphere):
        glare = _glare(direction, conditions, atmosphere) * (1 - cover[..., None] * 0.92)
    rows = slice(band.start * _STEP_PX, min(band.stop * _STEP_PX, camera.height_px))
    full = (size[0] * _STEP_PX, (band.stop - band.start) * _STEP_PX)

    def enlarged(layer: Array) -> Picture:
        large = cv2.resize(layer.astype(np.float32), full, interpolation=cv2.INTER_LINEAR)
        return np.asarray(large, np.float32)[: rows.stop - rows.start, : camera.width_px]

    part, closed = colours[rows], enlarged(cover)
    part += (enlarged(shade) - part) * closed[..., None]
    if glare is not None:
        part += np.maximum(np.float32(255.0) - part, 0) * enlarged(glare)
        _disc(part, rows, pose, camera, atmosphere, 1 - closed)


def _enu(rays: Array, pose: Poses) -> Array:
    """Unit directions in camera axes (..., 3) as east, north, up at the camera."""
    ned = rays @ cam_from_ned(pose.yaw_deg, pose.pitch_deg, pose.roll_deg)[0]
    return np.stack([ned[..., 1], ned[..., 0], -ned[..., 2]], axis=-1)


def _clouds(
    direction: Array, above_m: float, pose: Poses, conditions: Conditions, atmosphere: Atmosphere
) -> tuple[Array, Array]:
    """Colours (..., 3) and cover (...) of the clouds along directions."""
    up = np.maximum(direction[..., 2], 1e-3)
    distance = above_m / up
    rng = conditions.rng("clouds")
    start = rng.random(2) * _NOISE_CELLS
    east, north = (direction[..., k] * distance / _CELL_M + start[k] for k in range(2))
    noise = rng.random((_NOISE_CELLS, _NOISE_CELLS)).astype(np.float32)
    footprint = distance / up * _PIXEL_RAD
    total, weight = np.zeros(up.shape), 0.0
    for octave in range(_OCTAVES):
        scale, share = 2.0**octave, 0.55**octave
        x, y = (np.mod(v * scale / 4, _NOISE_CELLS - 1).astype(np.float32) for v in (east, north))
        sample = cv2.remap(noise, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_WRAP)
        # cells smaller than a pixel are grey
        seen = np.exp(-((2 * footprint * scale / (4 * _CELL_M)) ** 2))
        total += share * ((sample - 0.5) * seen + 0.5)
        weight += share
    density = total / weight
    # the threshold that leaves the wanted share above it, for noise of about this mean and spread
    wanted = min(conditions.cover, 1.0)
    threshold = 0.5 + 0.30 * (0.5 - wanted) * 1.25
    thick = np.clip((density - threshold + 0.06) / 0.12, 0, 1)
    cover = thick * thick * (3 - 2 * thick)
    if wanted > 0.9:
        cover = np.maximum(cover, (wanted - 0.9) / 0.1)
    grey = cloud_grey(conditions)
    light = 1.22 - 0.42 * np.clip((density - threshold) / 0.35, 0, 1) * (0.4 + 0.6 * wanted)
    light = light * (1 - 0.10 * wanted) + 0.16 * (density - 0.5) * wanted
    haze = horizon_colours(direction.reshape(-1, 3), atmosphere.sky).reshape(direction.shape)
    warm = np.maximum(haze - atmosphere.sky[0], -60) * np.exp(-up / 0.35)[..., None] * 0.8
    colours = np.clip(grey * light[..., None] + warm, 0, 250)
    clear = np.exp(-atmosphere.air[BETA] * distance * 0.35)
    fade = np.clip((direction[..., 2] - _FADE_RAD[0]) / (_FADE_RAD[1] - _FADE_RAD[0]), 0, 1)
    return colours, cover * clear * fade


def _sun_shows(pose: Poses, camera: Camera, conditions: Conditions, atmosphere: Atmosphere) -> bool:
    """Whether the sun stands in or near the picture, above the horizon and not behind closed clouds."""
    if conditions.sun_elevation_deg < -0.6 or conditions.cover > 0.9:
        return False
    middle = _enu(ray_directions(camera, np.array([[camera.width_px / 2, camera.height_px / 2]])), pose)[0]
    reach = math.radians(math.hypot(*camera.fov_deg) / 2 + 12.0)
    return float(middle @ atmosphere.sky[SUN]) > math.cos(min(reach, math.pi))


def _glare(direction: Array, conditions: Conditions, atmosphere: Atmosphere) -> Array:
    """How far (..., 3) the sky goes towards white around the sun."""
    angle = np.degrees(np.arccos(np.clip(direction @ atmosphere.sky[SUN], -1, 1)))
    glare = sum(
        share * np.exp(-((angle / width) ** 2 if width < 2 else angle / width)) for share, width in _AUREOLE
    )
    low = math.exp(-max(conditions.sun_elevation_deg, 0.0) / 6.0)
    colour = np.array([1.0, 0.94 - 0.22 * low, 0.84 - 0.55 * low])
    above = np.clip(direction[..., 2] / 0.004 + 0.5, 0, 1)
    return np.asarray(glare)[..., None] * colour * above[..., None]


def _disc(
    part: Picture, rows: slice, pose: Poses, camera: Camera, atmosphere: Atmosphere, open_sky: Picture
) -> None:
    """The disc itself, at full resolution, in the rows of a picture."""
    y, x = np.mgrid[rows.start : rows.stop, 0 : camera.width_px] + 0.5
    rough = _enu(ray_directions(camera, np.stack([x[::8, ::8], y[::8, ::8]], -1)), pose) @ atmosphere.sky[SUN]
    near = np.argwhere(rough > math.cos(math.radians(2.0)))
    if len(near) == 0:
        return
    (top, left), (bottom, right) = np.maximum(near.min(axis=0) * 8 - 8, 0), near.max(axis=0) * 8 + 16
    window = slice(int(top), int(bottom)), slice(int(left), int(right))
    direction = _enu(ray_directions(camera, np.stack([x[window], y[window]], -1)), pose)
    angle = np.degrees(np.arccos(np.clip(direction @ atmosphere.sky[SUN], -1, 1)))
    share = np.clip((_SUN_RADIUS_DEG - angle) / 0.04 + 0.5, 0, 1) * np.clip(
        direction[..., 2] / 0.002 + 0.5, 0, 1
    )
    share = (share * np.clip(2 * open_sky[window] - 0.6, 0, 1))[..., None].astype(np.float32)
    part[window] += (np.float32(262.0) - part[window]) * share
