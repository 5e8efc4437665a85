"""Perspective views of ground imagery draped over an airport's surface: any pose, any pinhole camera."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lard.camera import Camera, Poses, cam_from_ecef
from lard.errors import DataError, SourceError
from lard.geodesy import curvature_radii, enu_from_ecef, geodetic_from_ecef, to_enu
from lard.ground.pyramid import GroundPyramid
from lard.ground.terrain.surface import Surface, map_polynomial, quadric
from lard.render import kernels as kernel
from lard.render.atmosphere import Atmosphere, air_vector, sky_palette
from lard.render.conditions import Conditions
from lard.render.terrain_march import start_depths
from lard.tables import frame_rng

Array = NDArray[np.float64]

RENDERER_VERSION = "3"
"""Changes whenever the same inputs give other pixels, so that kept images are rendered again."""
_NONE = np.zeros((0, 0))


@dataclass(frozen=True, slots=True)
class Quality:
    """Filter settings: samples per side of a fine pixel, most taps along a footprint, level bias."""

    supersample: int = 2
    max_taps: int = 40
    lod_bias: float = 0.0
    zone_margin_m: float = 12.0


def view_vector(surface: Surface, pose: Poses, camera: Camera, quality: Quality) -> Array:
    """Everything the kernels need to know about one view, in their layout."""
    if len(pose) != 1:
        raise DataError(f"a view needs one pose, got {len(pose)}")
    if pose.earth != surface.earth:
        raise DataError(f"pose on earth model {pose.earth}, surface on {surface.earth}; build both on one")
    rotation, origin = cam_from_ecef(pose)
    lat0, lon0, earth = surface.lat0_deg, surface.lon0_deg, surface.earth
    position = to_enu(origin, lat0, lon0, 0.0, earth)[0]
    local = enu_from_ecef(lat0, lon0)
    matrix, b, c = quadric(lat0, lon0, surface.z_far_m, earth)
    shell = matrix @ position + b
    level = float(position @ matrix @ position + 2 * b @ position + c)
    above_m = float(pose.alt_m[0]) - surface.z_far_m
    if level <= 0:
        raise DataError(f"the camera lies {-above_m:.1f} m below the ground at {surface.z_far_m:.1f} m")
    zero, half, _ = quadric(lat0, lon0, 0.0, earth)
    radius = float(np.mean(curvature_radii(lat0, earth))) + surface.z_far_m
    view = np.zeros(kernel.VIEW_SIZE)
    view[kernel.FX : kernel.CY + 1] = camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px
    view[kernel.K1 : kernel.K3 + 1] = camera.k1, camera.k2, camera.k3
    view[kernel.CAMERA : kernel.CAMERA + 3] = position
    view[kernel.ROTATION : kernel.ROTATION + 9] = (rotation[0] @ local.T).ravel()
    view[kernel.SHELL : kernel.SHELL + 4] = *shell, level
    view[kernel.SHELL_MATRIX : kernel.SHELL_MATRIX + 6] = matrix[np.triu_indices(3)]
    view[kernel.DROP : kernel.DROP + 5] = zero[0, 0], zero[1, 1], zero[2, 2], half[2], zero[1, 2]
    view[kernel.PRIME], view[kernel.MERIDIAN] = surface.radii_m
    view[kernel.POLYNOMIAL : kernel.POLYNOMIAL + 7] = map_polynomial(lat0, lon0, earth)
    view[kernel.Z_FAR : kernel.GRID_STEP + 1] = (
        surface.z_far_m, surface.x_min_m, surface.y_min_m, surface.step_m,
    )  # fmt: skip
    view[kernel.FAR_X : kernel.FAR_STEP + 1] = surface.far_x_min_m, surface.far_y_min_m, surface.far_step_m
    view[kernel.HORIZON_M] = np.sqrt(2 * radius * above_m + above_m**2)
    view[kernel.HORIZON_RAD] = -np.arccos(radius / (radius + above_m))
    lat, lon, _ = geodetic_from_ecef(origin[0], earth)
    view[kernel.UP : kernel.UP + 3] = local @ enu_from_ecef(lat, lon)[2]
    view[kernel.ZONE_MARGIN_M] = quality.zone_margin_m
    view[kernel.WIDTH_PX], view[kernel.HEIGHT_PX] = camera.width_px, camera.height_px
    view[kernel.LOD_BIAS], view[kernel.MAX_TAPS] = quality.lod_bias, quality.max_taps
    return view


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
    kernel.develop(
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
    view = view_vector(surface, pose, camera, quality)
    ground.trim()
    start = start_depths(view, surface, quality.supersample) if surface.far_height_m.size else _NONE
    band, bands = 0, -(-camera.height_px // kernel.TILE)
    while True:
        band = kernel.draw(
            band, image, colours, conditions.gain, conditions.noise_sigma, _noise_words(conditions),
            quality.supersample, view, surface.height_m, surface.far_height_m, start, surface.strips,
            ground.texels, ground.blocks, ground.table, ground.far_colour, atmosphere.sky, atmosphere.air,
            atmosphere.shade, atmosphere.shade_frame,
        )  # fmt: skip
        if band == bands:
            return
        ground.read_wanted()
