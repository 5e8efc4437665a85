"""Rain: wet runways that mirror the sky, streaks in the air, drops on the lens."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from lard.airports.model import Airport, Runway
from lard.camera import Camera, Poses, cam_from_ecef, project, ray_directions
from lard.geodesy import enu_from_ecef
from lard.ground.terrain.surface import Surface
from lard.render.atmosphere import BETA, LAYER_BETA, Atmosphere, horizon_colours, layer_shares, sky_colours
from lard.render.conditions import Conditions
from lard.render.daylight import cloud_grey

Array = NDArray[np.float64]
Picture = NDArray[np.float32]

_NEAREST_M = 2.0
_EDGE_POINTS = 24
_SUBPIXEL_BITS = 4
_FINE = 4  # samples a side of a pixel for the share of it that is covered
_WATER_F0 = 0.02  # reflectance of water at normal incidence
_SMOOTH = 0.62  # share of the water that lies still enough to mirror
_DARKENING = 0.38
_PUDDLE_M = (9.0, 2.5)  # size of puddles along and across
_PUDDLES_SEEN_M = 350.0
_AIRSPEED_M_S, _FALL_M_S, _SHUTTER_S = 70.0, 7.0, 0.008


def wet_runways(
    colours: Picture,
    airport: Airport,
    surface: Surface,
    pose: Poses,
    camera: Camera,
    atmosphere: Atmosphere,
    conditions: Conditions,
) -> None:
    """Darken the runways of a picture (height, width, 3) and add the sky they mirror, in place.

    Water reflects after Schlick's approximation, in puddles more than on the rest; T. C. Schlick, 1994.
    """
    rotation, origin = cam_from_ecef(pose)
    for strip in airport.strips or airport.runways:
        corners = (_pavement(strip, surface.earth, airport) - origin[0]) @ rotation[0].T
        covered = _coverage(corners, camera)
        if covered is None:
            continue
        mask, window = covered
        rows, columns = np.mgrid[window]
        rays = ray_directions(camera, np.stack([columns + 0.5, rows + 0.5], -1)).astype(np.float32)
        normal = np.cross(corners[1] - corners[0], corners[3] - corners[0])
        normal = normal / np.linalg.norm(normal)
        fall = rays @ normal.astype(np.float32)
        cosine = np.maximum(np.abs(fall), 1e-4)
        distance = np.abs(normal @ corners[0]) / cosine
        height = np.full(1, np.mean([corner[2] for corner in strip.corners]))
        layer = float(layer_shares(height, atmosphere.air)[1][0])
        clear = np.exp(-(atmosphere.air[BETA] + atmosphere.air[LAYER_BETA] * layer) * distance)
        puddles = _puddles(rays * distance[..., None], corners, conditions)
        # beyond a few hundred metres a pixel sees many puddles
        puddles = 0.5 + (puddles - 0.5) * np.exp(-((distance / _PUDDLES_SEEN_M) ** 2))
        wet = conditions.wetness * (0.4 + 0.6 * puddles)
        mirror = _SMOOTH * (_WATER_F0 + (1 - _WATER_F0) * (1 - cosine) ** 5) * wet
        part = colours[window]
        haze = _haze(pose, surface, rotation[0], atmosphere)
        own = part - haze * (1 - clear)[..., None]
        sky = _mirrored(cosine, haze, atmosphere)
        changed = own * ((1 - _DARKENING * conditions.wetness) * (1 - mirror))[..., None]
        changed += sky * (mirror * clear)[..., None]
        part += (changed - own).astype(np.float32) * mask[..., None]


def _pavement(strip: Runway, earth: str, airport: Airport) -> Array:
    """Corners (4, 3) in ECEF of a strip with its displaced parts."""
    tl, tr, br, bl = strip.corners_ecef(earth)
    far = next((r.displaced_m for r in airport.runways if r.ident == strip.reciprocal), 0.0)
    u0, u1 = -strip.displaced_m / strip.length_m, 1 + far / strip.length_m
    return np.stack([bl + (tl - bl) * u1, br + (tr - br) * u1, br + (tr - br) * u0, bl + (tl - bl) * u0])


def _coverage(corners: Array, camera: Camera) -> tuple[Picture, tuple[slice, slice]] | None:
    """Share (rows, columns) of each pixel of a window that a quadrilateral in camera axes covers."""
    clipped = []
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        ends = np.array([a[2], b[2]]) > _NEAREST_M
        if not ends.any():
            continue
        cut = (_NEAREST_M - a[2]) / (b[2] - a[2]) if ends[0] != ends[1] else 0.0
        first, last = (0.0 if ends[0] else cut), (1.0 if ends[1] else cut)
        share = np.linspace(first, last, _EDGE_POINTS)[:, None]
        clipped.append(a + (b - a) * share)
    if not clipped:
        return None
    outline = project(np.concatenate(clipped), camera)
    # far outside, a point only has to lie on the right side
    outline = np.clip(outline, -4.0 * camera.width_px, 5.0 * camera.width_px)
    low = np.maximum(np.floor(outline.min(axis=0)), 0).astype(int)
    high = np.minimum(np.ceil(outline.max(axis=0)) + 1, (camera.width_px, camera.height_px)).astype(int)
    if (high <= low).any():
        return None
    size = (int(high[0] - low[0]), int(high[1] - low[1]))
    fine = np.zeros((size[1] * _FINE, size[0] * _FINE), np.uint8)
    # OpenCV's pixel centres are whole numbers
    points = np.rint(((outline - low) * _FINE - 0.5) * (1 << _SUBPIXEL_BITS)).astype(np.int32)
    cv2.fillPoly(fine, [points], 255, cv2.LINE_8, _SUBPIXEL_BITS)
    mask = np.asarray(cv2.resize(fine, size, interpolation=cv2.INTER_AREA), np.float32)
    window = slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))
    return mask / np.float32(255), window


def _puddles(points: Array, corners: Array, conditions: Conditions) -> Array:
    """How much water stands at points (..., 3) of a strip in camera axes: smooth noise, 0 to 1."""
    origin = corners[3]
    along, across = corners[0] - corners[3], corners[2] - corners[3]
    s = (points - origin) @ (along / np.linalg.norm(along)) / _PUDDLE_M[0]
    t = (points - origin) @ (across / np.linalg.norm(across)) / _PUDDLE_M[1]
    size = 256
    noise = conditions.rng("puddles").random((size, size)).astype(np.float32)
    noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), 0.8, borderType=cv2.BORDER_REPLICATE), np.float32)
    noise = np.clip((noise - noise.mean()) / (3 * noise.std()) + 0.5, 0, 1)
    x, y = (np.mod(v, size - 1).astype(np.float32) for v in (s, t))
    return np.asarray(cv2.remap(noise, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP), np.float32)


def _haze(pose: Poses, surface: Surface, rotation: Array, atmosphere: Atmosphere) -> Array:
    """Colour (3,) of the horizon ahead of the camera."""
    forward = enu_from_ecef(surface.lat0_deg, surface.lon0_deg) @ rotation[2]
    return horizon_colours(forward[None], atmosphere.sky)[0]


def _mirrored(cosine: Array, haze: Array, atmosphere: Atmosphere) -> Picture:
    """Sky colours (..., 3) that level water mirrors; cosine is that of the angle of incidence."""
    steps = np.linspace(0.0, 1.0, 257)
    table = sky_colours(np.arcsin(steps), atmosphere.sky)
    table += (haze - table[0]) * np.exp(-np.arcsin(steps) / 0.15)[:, None]
    return table.astype(np.float32)[np.minimum((cosine * 256).astype(np.int64), 256)]


def add_streaks(colours: Picture, camera: Camera, conditions: Conditions) -> None:
    """Streaks of the rain the camera flies through: drops near it, drawn out by the shutter, in place."""
    rng = conditions.rng("streaks")
    count = min(round(160 * conditions.rain_mm_h**0.55), 2000)
    depth = 2.0 + 16.0 * rng.random(count) ** 0.6
    place = rng.random((count, 2)) * (camera.width_px, camera.height_px)
    middle = ray_directions(camera, place)
    middle = middle / middle[:, 2:] * depth[:, None]
    seconds = conditions.shutter_ms / 1000.0 or _SHUTTER_S
    half = np.array([0.0, _FALL_M_S, -_AIRSPEED_M_S]) * seconds / 2
    half[2] = max(half[2], -0.9)
    ends = np.stack([project(middle - half, camera), project(middle + half, camera)], axis=1)
    strength = np.rint(255 * np.clip(rng.random(count) * 2.2 / depth**0.5, 0.08, 1.0)).astype(int)
    mask = np.zeros(colours.shape[:2], np.uint8)
    width = max(round(camera.width_px / 1600), 1)
    for pair, value in zip(ends, strength.tolist(), strict=True):
        if np.isfinite(pair).all() and np.abs(pair).max() < 30000:
            first, last = (np.rint(pair * 16).astype(int)).tolist()
            cv2.line(mask, first, last, value, width, cv2.LINE_AA, 4)
    soft = cv2.GaussianBlur(mask, (0, 0), 0.9 * width)
    share = (np.asarray(soft, np.float32) * np.float32(0.55 / 255))[..., None]
    bright = (cloud_grey(conditions) * 1.12 + 6).astype(np.float32)
    colours += (np.maximum(bright, colours) - colours) * share


def add_drops(colours: Picture, conditions: Conditions) -> None:
    """Drops on the lens, in place: each shows the scene small and upside down, blurred, with a dark rim."""
    rows, columns = colours.shape[:2]
    rng = conditions.rng("drops")
    factor = max(columns // 128, 1)
    small = cv2.resize(
        colours, (max(columns // factor, 2), max(rows // factor, 2)), interpolation=cv2.INTER_AREA
    )
    small = cv2.GaussianBlur(small, (0, 0), 1.2)
    for _ in range(conditions.drops):
        x, y = rng.random(2) * (columns, rows)
        radius = float(np.clip(rng.lognormal(math.log(9.0), 0.55), 4.0, 34.0)) * columns / 1024
        squash, tilt = float(rng.uniform(0.75, 1.0)), float(rng.uniform(-0.4, 0.4))
        left, right = max(int(x - radius), 0), min(int(x + radius) + 2, columns)
        top, bottom = max(int(y - radius), 0), min(int(y + radius) + 2, rows)
        if right <= left or bottom <= top:
            continue
        v, u = np.mgrid[top:bottom, left:right].astype(np.float32)
        u, v = (u + 0.5 - x) / radius, (v + 0.5 - y) / radius
        u = u / squash + tilt * v * v
        far = np.sqrt(u * u + v * v)
        bend = 0.38 * (1 + far * far)
        at_x = (x - u * bend * columns) / factor - 0.5
        at_y = (y - v * bend * rows) / factor - 0.5
        seen = cv2.remap(
            small, at_x.astype(np.float32), at_y.astype(np.float32), cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT_101,
        )  # fmt: skip
        rim = np.clip((far - 0.55) / 0.4, 0, 1)
        seen = seen * (1 - 0.42 * rim * rim * (1 - 0.6 * v))[..., None]
        cover = np.clip((1.0 - far) / 0.22, 0, 1)
        cover = (0.92 * cover * cover * (3 - 2 * cover))[..., None]
        part = colours[top:bottom, left:right]
        part += (seen - part) * cover.astype(np.float32)
