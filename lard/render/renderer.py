"""Perspective views of ground imagery draped over an airport's surface: any pose, any pinhole camera."""

from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.camera import Camera, Poses, cam_from_ecef
from lard.errors import DataError, SourceError
from lard.geodesy import curvature_radii, enu_from_ecef, geodetic_from_ecef, to_enu
from lard.ground.pyramid import GroundPyramid
from lard.ground.terrain.surface import Surface, map_polynomial, quadric
from lard.render.atmosphere import Atmosphere, air_vector, sky_palette
from lard.render.conditions import Conditions
from lard.render.kernels import drawing, film
from lard.render.kernels.layout import TILE, VIEW, View
from lard.render.terrain_march import start_depths
from lard.tables import frame_rng

Array = NDArray[np.float64]

RENDERER_VERSION = "3"
"""Raised whenever the same inputs give other pixels, so that kept images are rendered again.

tests/test_render_version.py holds small pictures of this version and tells when it must be raised.
"""
_NONE = np.zeros((0, 0))


@dataclass(frozen=True, slots=True)
class Quality:
    """Filter settings: samples per side of a fine pixel, most taps along a footprint, level bias."""

    supersample: int = 2
    max_taps: int = 40
    lod_bias: float = 0.0
    zone_margin_m: float = 12.0


def view_record(surface: Surface, pose: Poses, camera: Camera, quality: Quality) -> View:
    """Everything the kernels need to know about one view: a record of VIEW."""
    if len(pose) != 1:
        raise DataError(f"a view needs one pose, got {len(pose)}")
    if pose.earth != surface.earth:
        raise DataError(f"pose on earth model {pose.earth}, surface on {surface.earth}; build both on one")
    view = np.zeros((), VIEW)[()]
    for field in fields(camera):
        view[field.name] = getattr(camera, field.name)
    view["fold_radius"] = camera.fold_radius
    view["zone_margin_m"] = quality.zone_margin_m
    view["lod_bias"], view["max_taps"] = quality.lod_bias, quality.max_taps
    _put_surface(view, surface)
    _put_pose(view, surface, pose)
    return view


def _put_surface(view: View, surface: Surface) -> None:
    """The earth around the surface's origin, and its grids of heights."""
    around = _earth_around(surface.lat0_deg, surface.lon0_deg, surface.earth)
    view["drop"], (view["prime_m"], view["meridian_m"]), view["polynomial"] = around
    view["z_far_m"] = surface.z_far_m
    view["near_x_m"], view["near_y_m"], view["near_step_m"] = surface.x_min_m, surface.y_min_m, surface.step_m
    view["far_x_m"], view["far_y_m"] = surface.far_x_min_m, surface.far_y_min_m
    view["far_step_m"] = surface.far_step_m


@lru_cache(maxsize=8)
def _earth_around(lat0_deg: float, lon0_deg: float, earth: str) -> tuple[Any, Any, Any]:
    """The ellipsoid of height 0 around a place, its two radii and the polynomial from ENU to the map."""
    zero, half, _ = quadric(lat0_deg, lon0_deg, 0.0, earth)
    prime, meridian = curvature_radii(lat0_deg, earth)
    drop = zero[0, 0], zero[1, 1], zero[2, 2], half[2], zero[1, 2]
    return drop, (float(prime), float(meridian)), map_polynomial(lat0_deg, lon0_deg, earth)


_shell = lru_cache(maxsize=8)(quadric)


def _put_pose(view: View, surface: Surface, pose: Poses) -> None:
    """The camera's place and attitude, the shell at z_far and the horizon as seen from there."""
    rotation, origin = cam_from_ecef(pose)
    lat0, lon0, earth = surface.lat0_deg, surface.lon0_deg, surface.earth
    position = to_enu(origin, lat0, lon0, 0.0, earth)[0]
    local = enu_from_ecef(lat0, lon0)
    matrix, b, c = _shell(lat0, lon0, surface.z_far_m, earth)
    level = float(position @ matrix @ position + 2 * b @ position + c)
    above_m = float(pose.alt_m[0]) - surface.z_far_m
    if level <= 0:
        raise DataError(f"the camera lies {-above_m:.1f} m below the ground at {surface.z_far_m:.1f} m")
    view["camera_m"], view["rotation"] = position, rotation[0] @ local.T
    view["shell_matrix"], view["shell"], view["shell_level"] = matrix, matrix @ position + b, level
    radius = float(np.mean(curvature_radii(lat0, earth))) + surface.z_far_m
    view["horizon_m"] = np.sqrt(2 * radius * above_m + above_m**2)
    view["horizon_rad"] = -np.arccos(radius / (radius + above_m))
    lat, lon, _ = geodetic_from_ecef(origin[0], earth)
    view["up"] = local @ enu_from_ecef(lat, lon)[2]


def render_frame(
    ground: GroundPyramid,
    surface: Surface,
    pose: Poses,
    camera: Camera,
    conditions: Conditions | None = None,
    quality: Quality | None = None,
    atmosphere: Atmosphere | None = None,
) -> NDArray[np.uint8]:
    """Picture (height, width, 3) RGB of one pose; reads the blocks of ground it needs."""
    conditions = conditions or Conditions()
    image = np.empty((camera.height_px, camera.width_px, 3), np.uint8)
    atmosphere = atmosphere or clear_day(conditions.visibility_m, pose)
    _draw(ground, surface, pose, camera, quality or Quality(), atmosphere, conditions, image, _NO_COLOURS)
    return image


def render_colours(
    ground: GroundPyramid,
    surface: Surface,
    pose: Poses,
    camera: Camera,
    atmosphere: Atmosphere,
    quality: Quality | None = None,
) -> NDArray[np.float32]:
    """Picture (height, width, 3) in grey levels before exposure: what `develop` turns into render_frame's."""
    colours = np.empty((camera.height_px, camera.width_px, 3), np.float32)
    _draw(ground, surface, pose, camera, quality or Quality(), atmosphere, Conditions(), _NO_IMAGE, colours)
    return colours


def develop(colours: NDArray[np.float32], conditions: Conditions) -> NDArray[np.uint8]:
    """Exposed, noisy 8-bit picture of a (height, width, 3) picture in grey levels."""
    image = np.empty(colours.shape, np.uint8)
    film.develop(
        np.ascontiguousarray(colours, np.float32), 0, conditions.gain, conditions.noise_sigma,
        _noise_words(conditions), image,
    )  # fmt: skip
    return image


def clear_day(visibility_m: float, pose: Poses) -> Atmosphere:
    """Haze of a visibility under a noon sky."""
    if not visibility_m > 0:
        raise DataError(f"visibility_m is {visibility_m}; expected more than 0")
    return Atmosphere(air_vector(visibility_m, float(pose.alt_m[0])), sky_palette(visibility_m))


_NO_COLOURS = np.zeros((0, 0, 3), np.float32)
_NO_IMAGE = np.zeros((0, 0, 3), np.uint8)


def _noise_words(conditions: Conditions) -> NDArray[np.uint32]:
    if conditions.noise_sigma == 0:
        return np.zeros(2, np.uint32)
    rng = frame_rng(conditions.noise_seed, conditions.noise_key)
    return rng.integers(0, 1 << 32, 2, np.uint32)


def _draw(
    ground: GroundPyramid,
    surface: Surface,
    pose: Poses,
    camera: Camera,
    quality: Quality,
    atmosphere: Atmosphere,
    conditions: Conditions,
    image: NDArray[np.uint8],
    colours: NDArray[np.float32],
) -> None:
    """Fill `image`, or `colours` when that has a size."""
    if (ground.lat0_deg, ground.lon0_deg) != (surface.lat0_deg, surface.lon0_deg):
        raise SourceError(
            f"{ground.folder}: its origin {ground.lat0_deg}, {ground.lon0_deg} is not the surface's "
            f"{surface.lat0_deg}, {surface.lon0_deg}; build the surface at the ground's origin"
        )
    view = view_record(surface, pose, camera, quality)
    smooth = np.concatenate([surface.strips, ground.smooth])[: len(view["smooth"])]
    view["grain"], view["grain_seed"], view["smooth_count"] = ground.grain, ground.grain_seed, len(smooth)
    view["smooth"][: len(smooth)] = smooth
    ground.trim()
    start = start_depths(view, surface, quality.supersample) if surface.far_height_m.size else _NONE
    band, bands = 0, -(-camera.height_px // TILE)
    while True:
        band = drawing.draw(
            band, image, colours, conditions.gain, conditions.noise_sigma, _noise_words(conditions),
            quality.supersample, view, surface.height_m, surface.far_height_m, start, surface.strips,
            ground.texels, ground.blocks, ground.table, ground.far_colour, atmosphere.sky, atmosphere.air,
            atmosphere.shade, atmosphere.shade_frame,
        )  # fmt: skip
        if band == bands:
            return
        ground.read_wanted()
