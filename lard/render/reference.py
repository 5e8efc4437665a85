"""Brute-force rendering in plain NumPy: the oracle of the compiled renderer.

It shares neither its geometry (rays meet the surface through geodetic coordinates) nor its filter (many
bilinear samples of the finest imagery per pixel) with the kernels; only the surface and the imagery.
"""

import numpy as np
from numpy.typing import NDArray

from lard.camera import Camera, Poses, cam_from_ecef, ray_directions
from lard.geodesy import ellipsoid, enu_from_ecef, geodetic_from_ecef
from lard.ground.pyramid import BLOCK_PX, GroundPyramid
from lard.ground.terrain.surface import Surface, map_from_geodetic
from lard.render.atmosphere import sky_colours, sky_palette, transmittances

Array = NDArray[np.float64]


def reference_pixels(
    ground: GroundPyramid,
    surface: Surface,
    pose: Poses,
    camera: Camera,
    pixels: NDArray[np.int64],
    visibility_m: float,
    samples: tuple[int, int] = (4, 16),
) -> Array:
    """Colours (n, 3) of pixels (n, 2: column, row): means of samples across and down, before exposure."""
    ground.read_all()
    total = np.zeros((len(pixels), 3))
    for a in (np.arange(samples[0]) + 0.5) / samples[0]:
        for b in (np.arange(samples[1]) + 0.5) / samples[1]:
            total += _colours(ground, surface, pose, camera, pixels + np.array([a, b]), visibility_m)
    return total / (samples[0] * samples[1])


def _colours(
    ground: GroundPyramid, surface: Surface, pose: Poses, camera: Camera, points: Array, visibility_m: float
) -> Array:
    """Colours (n, 3) of image points (n, 2) without area."""
    rotation, origin = cam_from_ecef(pose)
    direction = ray_directions(camera, points) @ rotation[0]
    distance = distances(surface, origin[0], direction)
    hit = np.isfinite(distance)
    up = enu_from_ecef(pose.lat_deg[0], pose.lon_deg[0])[2]
    above_m = float(pose.alt_m[0]) - surface.z_far_m
    radius = float(np.mean(surface.radii_m)) + surface.z_far_m
    dip = np.arccos(radius / (radius + above_m))
    colours = sky_colours(np.arcsin(np.clip(direction @ up, -1, 1)) + dip, sky_palette(visibility_m))
    lat, lon, _ = geodetic_from_ecef(origin[0] + distance[hit, None] * direction[hit], surface.earth)
    map_x, map_y = map_from_geodetic(lat, lon, ground.lat0_deg, ground.lon0_deg)
    horizon_m = np.sqrt(2 * radius * above_m + above_m**2)
    clear = transmittances(distance[hit], visibility_m, horizon_m)[:, None]
    haze = sky_palette(visibility_m)[0]
    colours[hit] = haze + (texture(ground, map_x, map_y) - haze) * clear
    return colours


def distances(surface: Surface, origin_ecef: Array, direction: Array, steps: int = 30) -> Array:
    """Distances (n,) along unit rays (n, 3) to the surface, infinite where they pass over the horizon."""
    a, f = ellipsoid(surface.earth)
    axes = np.array([a, a, a * (1 - f)]) + surface.z_far_m
    p, d = origin_ecef / axes, direction / axes
    half, square = np.sum(p * d, -1), np.sum(d * d, -1)
    root = half**2 - square * (p @ p - 1)
    missed = (root < 0) | (half >= 0)
    t = np.where(missed, np.inf, (-half - np.sqrt(np.where(missed, 0, root))) / square)
    seen = np.flatnonzero(~missed)
    for _ in range(steps):
        lat, lon, height = geodetic_from_ecef(origin_ecef + t[seen, None] * direction[seen], surface.earth)
        gap = height - surface.heights(*map_from_geodetic(lat, lon, surface.lat0_deg, surface.lon0_deg))
        up = enu_from_ecef(lat, lon)[..., 2, :]
        step = gap / np.maximum(-np.sum(direction[seen] * up, -1), 1e-4)
        t[seen] += step
        if np.abs(gap).max(initial=0) < 1e-6:
            break
    return t


def texture(ground: GroundPyramid, x_m: Array, y_m: Array) -> Array:
    """Colours (n, 3) at map points: bilinear on the finest level that holds them, the far colour beyond."""
    colours = np.tile(ground.far_colour, (len(x_m), 1))
    for index in reversed(range(len(ground.levels))):
        level, image = ground.levels[index], ground.level_array(index)
        px = (x_m - level.x_min_m) / level.gsd_m - 0.5
        py = (level.y_max_m - y_m) / level.gsd_m - 0.5
        inside = (px >= 0) & (py >= 0) & (px < level.width_px - 1) & (py < level.height_px - 1)
        if level.sparse:
            covered = level.covered
            rows, columns = py[inside].astype(np.int64), px[inside].astype(np.int64)
            corners = [(rows + b, columns + a) for a in (0, 1) for b in (0, 1)]
            inside[inside] = np.all([covered[r // BLOCK_PX, c // BLOCK_PX] for r, c in corners], axis=0)
        i, j = px[inside].astype(np.int64), py[inside].astype(np.int64)
        fx, fy = (px[inside] - i)[:, None], (py[inside] - j)[:, None]
        top = image[j, i] * (1 - fx) + image[j, i + 1] * fx
        bottom = image[j + 1, i] * (1 - fx) + image[j + 1, i + 1] * fx
        colours[inside] = top * (1 - fy) + bottom * fy
    return colours
