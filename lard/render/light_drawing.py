"""Draws point lights as Gaussians of exact sub-pixel position and adds them to a picture in linear light.

A lamp of intensity I at distance d gives the camera E = I T / d^2 lux through air of transmittance T
(Allard's law). A pixel of solid angle w shows that as a luminance of E / w, spread by the lens, against the
luminance the exposure shows as white. What haze and fog scatter forward forms a wide aureole, wet pavement
draws a smear.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.camera import Camera, Poses, cam_from_ecef, project
from lard.compiled import compiled
from lard.render.atmosphere import BETA, LAYER_BETA, layer_shares
from lard.render.conditions import DISPLAY_GAMMA, Conditions
from lard.render.daylight import white_cd_m2
from lard.render.lights import FLASHERS, KINDS, LightField

Array = NDArray[np.float64]

_LENS_SIGMA_PX = 0.55
_LAMP_SIZE_M = 0.22
_GLARE = (0.02, 5.0)  # share of the light and its spread, px of a 1024 px picture
_AUREOLE_RAD = 0.012
_SMEAR_RAD = 0.02
_RED = np.array([1.0, 0.035, 0.015])
_FAINTEST = 2e-5  # of white, linear
_NEAREST_M = 5.0
_DEEPEST = 60.0  # optical depth beyond which nothing shows
_ON_PAVEMENT = [KINDS.index(kind) for kind in ("edge", "threshold", "end", "centreline", "touchdown")]


def light_picture(
    field: LightField, pose: Poses, camera: Camera, air: Array, conditions: Conditions
) -> tuple[NDArray[np.float32], tuple[slice, slice]] | None:
    """Linear light (height, width, 3), 1 = white, of the lights switched on, and the window that holds it."""
    splats = light_splats(field, pose, camera, air, conditions)
    if len(splats) == 0:
        return None
    picture = np.zeros((camera.height_px, camera.width_px, 3), np.float32)
    left, top, right, bottom = _draw(picture, splats, _FAINTEST)
    return (picture, (slice(top, bottom), slice(left, right))) if right > left else None


def switched_on(field: LightField, conditions: Conditions) -> Array:
    """Stage (n,) of every light: PAPI always on, one of the flashing lights, the others as conditions say."""
    stage = np.full(len(field), conditions.lights)
    stage[field.kind == KINDS.index("papi")] = max(conditions.lights, 0.3 if conditions.dark > 0.5 else 1.0)
    if conditions.lights > 0:
        now = int(conditions.rng("flash").random() * FLASHERS)
        stage = np.where(field.flash >= 0, (field.flash == now) * max(conditions.lights, 0.3), stage)
    return stage


def papi_white(field: LightField, camera_ecef: Array) -> Array:
    """How white (n,) each PAPI unit shows to a camera: 1 above its angle, 0 below, over 3 minutes of arc."""
    sight = camera_ecef - field.position
    sine = np.sum(sight * field.up, axis=1) / np.linalg.norm(sight, axis=1)
    return np.clip((np.degrees(np.arcsin(sine)) - field.papi_deg) / 0.05 + 0.5, 0, 1)


def light_splats(field: LightField, pose: Poses, camera: Camera, air: Array, conditions: Conditions) -> Array:
    """Gaussians (n, 8): centre x, y; inverse covariance xx, xy, yy; linear peak R, G, B."""
    rotation, origin = cam_from_ecef(pose)
    stage = switched_on(field, conditions)
    offset = field.position - origin[0]
    distance = np.maximum(np.linalg.norm(offset, axis=1), _NEAREST_M)
    toward = np.sum(-offset * field.axis, axis=1) / distance
    points = offset @ rotation[0].T
    seen = (stage > 0) & (toward > 0) & (points[:, 2] > _NEAREST_M)
    field, distance, points, offset = field[seen], distance[seen], points[seen], offset[seen]
    stage, toward = stage[seen], toward[seen]
    pixel = project(points, camera)
    margin = 80.0
    inside = np.all(
        (pixel > -margin) & (pixel < (camera.width_px + margin, camera.height_px + margin)), axis=1
    )
    field, distance, points, offset, pixel = (
        field[inside], distance[inside], points[inside], offset[inside], pixel[inside],
    )  # fmt: skip
    stage, toward = stage[inside], toward[inside]
    if len(field) == 0:
        return np.zeros((0, 8))
    angle = np.degrees(np.arccos(np.clip(toward, -1, 1)))
    beam = 0.03 + 0.97 * np.exp(-((angle / field.beam_deg) ** 2))
    depth = air[BETA] * distance
    depth += air[LAYER_BETA] * distance * layer_shares(field.height_m, air)[1]
    depth = np.minimum(depth, _DEEPEST)
    lux = field.intensity_cd * stage * beam / distance**2
    white = papi_white(field, origin[0])
    colour = np.where(np.isnan(white)[:, None], field.colour, _RED + (field.colour - _RED) * white[:, None])
    solid = (points[:, 2] / distance) ** 3 / (camera.fx_px * camera.fy_px)
    light = (lux * np.exp(-depth) / solid / white_cd_m2(conditions))[:, None] * colour
    scale = camera.width_px / 1024
    focal = math.sqrt(camera.fx_px * camera.fy_px)
    size = _LAMP_SIZE_M * focal / distance / 2
    sigma = np.sqrt(_LENS_SIGMA_PX**2 + size**2 + conditions.defocus_px**2)
    parts = [
        _round(pixel, sigma, light * (1 - _GLARE[0])),
        _round(pixel, np.hypot(sigma, _GLARE[1] * scale), light * _GLARE[0]),
    ]
    scattered = 0.2 * np.exp(-0.5 * depth) * -np.expm1(-0.5 * depth) / np.exp(-depth)
    parts.append(_round(pixel, np.hypot(sigma, _AUREOLE_RAD * focal), light * scattered[:, None]))
    wet = np.isin(field.kind, _ON_PAVEMENT)
    if conditions.wetness > 0 and wet.any():
        foot = project((offset[wet] - field.up[wet]) @ rotation[0].T, camera) - pixel[wet]
        parts.append(_smears(pixel[wet], foot, sigma[wet], focal, light[wet] * 0.3 * conditions.wetness))
    splats = np.concatenate(parts)
    return splats[splats[:, 5:].max(axis=1) > _FAINTEST]


def _round(pixel: Array, sigma: Array, light: Array) -> Array:
    """Splats (n, 8) of one spread in all directions that hold the light (n, 3)."""
    inverse = 1 / sigma**2
    peak = light * (inverse / (2 * np.pi))[:, None]
    return np.column_stack([pixel, inverse, np.zeros_like(inverse), inverse, peak])


def _smears(pixel: Array, down: Array, sigma: Array, focal: float, light: Array) -> Array:
    """Splats (n, 8) drawn out downwards from each light: mirror images in wet, rough pavement."""
    down = down / np.maximum(np.linalg.norm(down, axis=1, keepdims=True), 1e-9)
    length = _SMEAR_RAD * focal
    long, narrow = 1 / length**2, 1 / (1.6 * sigma) ** 2
    xx = long * down[:, 0] ** 2 + narrow * down[:, 1] ** 2
    yy = long * down[:, 1] ** 2 + narrow * down[:, 0] ** 2
    xy = (long - narrow) * down[:, 0] * down[:, 1]
    peak = light / (2 * np.pi * length * 1.6 * sigma)[:, None]
    return np.column_stack([pixel + 1.1 * length * down, xx, xy, yy, peak])


@compiled(nogil=True)
def _draw(picture: Any, splats: Any, faintest: float) -> tuple[int, int, int, int]:
    """Add every Gaussian where it exceeds the faintest light; return the window left, top, right, bottom."""
    rows, columns, _ = picture.shape
    left, top, right, bottom = columns, rows, 0, 0
    for k in range(splats.shape[0]):
        x, y, xx, xy, yy = splats[k, 0], splats[k, 1], splats[k, 2], splats[k, 3], splats[k, 4]
        red, green, blue = splats[k, 5], splats[k, 6], splats[k, 7]
        limit = 2.0 * math.log(max(red, green, blue) / faintest)
        if limit <= 0.0:
            continue
        determinant = xx * yy - xy * xy
        reach_x, reach_y = math.sqrt(limit * yy / determinant), math.sqrt(limit * xx / determinant)
        first_i, last_i = max(int(x - reach_x), 0), min(int(x + reach_x) + 1, columns)
        first_j, last_j = max(int(y - reach_y), 0), min(int(y + reach_y) + 1, rows)
        if first_i >= last_i or first_j >= last_j:
            continue
        left, right = min(left, first_i), max(right, last_i)
        top, bottom = min(top, first_j), max(bottom, last_j)
        for j in range(first_j, last_j):
            dy = j + 0.5 - y
            for i in range(first_i, last_i):
                dx = i + 0.5 - x
                power = xx * dx * dx + 2.0 * xy * dx * dy + yy * dy * dy
                if power < limit:
                    share = math.exp(-0.5 * power)
                    picture[j, i, 0] += red * share
                    picture[j, i, 1] += green * share
                    picture[j, i, 2] += blue * share
    return left, top, right, bottom


@compiled(nogil=True)
def add_light(colours: Any, light: Any) -> None:
    """Add linear light to a picture in grey levels; glaring light is compressed and keeps its hue."""
    rows, columns, _ = colours.shape
    for j in range(rows):
        for i in range(columns):
            peak = max(light[j, i, 0], light[j, i, 1], light[j, i, 2])
            if peak < 1e-4:
                continue
            scale = (1.0 + 0.4 * math.log(peak)) / peak if peak > 1.0 else 1.0
            for c in range(3):
                own = (max(colours[j, i, c], 0.0) / 255.0) ** DISPLAY_GAMMA
                colours[j, i, c] = 255.0 * (own + light[j, i, c] * scale) ** (1.0 / DISPLAY_GAMMA)
