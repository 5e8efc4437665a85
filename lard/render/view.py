"""One frame under its conditions: ground and sky, then lights, rain, the lens and the sensor."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lard.airports.model import Airport
from lard.camera import Camera, Poses
from lard.ground.objects import Objects, load_objects
from lard.ground.pyramid import GroundPyramid, load_ground
from lard.ground.terrain.model import TerrainModel
from lard.ground.terrain.surface import Surface, map_from_geodetic, surface_of
from lard.odd.parameters import PARAMETERS
from lard.render.atmosphere import SHADOW_DEPTH, Atmosphere, shade_map
from lard.render.clouds import paint_sky, paints_sky
from lard.render.conditions import DISPLAY_GAMMA, Conditions
from lard.render.daylight import atmosphere_of, cloud_base_m, sun_vector
from lard.render.lens import blurred_by_motion, defocused, vignetted, watermarked
from lard.render.light_drawing import add_light, light_picture
from lard.render.lights import LightField, lights_of
from lard.render.rain import add_drops, add_streaks, wet_runways
from lard.render.relief import relief_raster
from lard.render.renderer import Quality, develop, render_colours, render_frame
from lard.render.shadows import shade_near

_NOISE_AT_NIGHT = 3.0
_NEAR_M = 2500.0  # farther, shadows are drawn from coarser cells
_NOISIEST = PARAMETERS["noise_grey"].hi


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """Everything of an airport that its frames share."""

    airport: Airport
    ground: GroundPyramid
    surface: Surface
    lights: LightField
    objects: Objects | None
    pooled: Objects | None = None

    @property
    def elevation_m(self) -> float:
        """Height that fog and clouds are counted from, in the surface's datum: the mean of the thresholds."""
        strips = self.airport.strips or self.airport.runways
        altitudes = [corner[2] for strip in strips for corner in strip.corners]
        return float(np.mean(altitudes or [self.airport.elevation_m]))


def load_scene(
    folder: str | Path, airport: Airport, earth: str | None = None, dem: TerrainModel | None = None
) -> Scene:
    """The scene of an airport from its ground folder, on an earth model and, if given, a terrain model."""
    ground = load_ground(Path(folder))
    return scene_of(airport, ground, surface_of(airport, ground.lat0_deg, ground.lon0_deg, earth, dem=dem))


def scene_of(airport: Airport, ground: GroundPyramid, surface: Surface) -> Scene:
    """The scene of an airport on a ground and a surface."""
    objects = load_objects(ground.folder, ground.manifest)
    pooled = objects.pooled() if objects else None
    return Scene(airport, ground, surface, lights_of(airport, surface), objects, pooled)


def render_view(
    scene: Scene, pose: Poses, camera: Camera, conditions: Conditions, quality: Quality | None = None
) -> NDArray[np.uint8]:
    """Picture (height, width, 3) RGB of one pose under conditions; labels know nothing of them."""
    quality = quality or Quality()
    atmosphere = scene_atmosphere(scene, pose, camera, conditions)
    lights = light_picture(scene.lights, pose, camera, atmosphere.air, conditions)
    sigma = min(conditions.noise_sigma * (1 + _NOISE_AT_NIGHT * conditions.dark), _NOISIEST)
    exposed = replace(conditions, gain=conditions.exposure, exposure_ev=0.0, noise_sigma=sigma)
    base_m = cloud_base_m(conditions, scene.elevation_m)
    sky = paints_sky(pose, camera, conditions, atmosphere, base_m)
    if not sky and not _changes_pixels(conditions):
        image = render_frame(scene.ground, scene.surface, pose, camera, exposed, quality, atmosphere)
        if lights is not None:
            _light_up(image, *lights, conditions)
    else:
        colours = render_colours(scene.ground, scene.surface, pose, camera, atmosphere, quality)
        if sky:
            paint_sky(colours, pose, camera, conditions, atmosphere, base_m)
        if conditions.wetness > 0:
            wet_runways(colours, scene.airport, scene.surface, pose, camera, atmosphere, conditions)
        if _moves(conditions):
            colours = blurred_by_motion(colours, camera, conditions)
        if lights is not None:
            light, window = lights
            if _moves(conditions):
                light, window = blurred_by_motion(light, camera, conditions), (slice(None), slice(None))
            add_light(colours[window], light[window])
        if conditions.rain_mm_h > 0:
            add_streaks(colours, camera, conditions)
        if conditions.drops > 0:
            add_drops(colours, conditions)
        colours = vignetted(defocused(colours, conditions.defocus_px), camera, conditions.vignette_fraction)
        image = develop(colours, exposed)
    return watermarked(image, conditions.watermark_px, scene.ground.manifest)


def scene_atmosphere(scene: Scene, pose: Poses, camera: Camera, conditions: Conditions) -> Atmosphere:
    """Air, sky, shadows and relief of a frame."""
    surface = scene.surface
    atmosphere = atmosphere_of(conditions, scene.elevation_m, float(pose.alt_m[0]), surface.lat0_deg)
    if atmosphere.air[SHADOW_DEPTH] < 0.02:
        return atmosphere
    sun, near, coarse = sun_vector(conditions, surface.lat0_deg), None, None
    if scene.objects is not None:
        pooled = scene.pooled or scene.objects.pooled()
        near, coarse = shade_near(
            scene.objects, pooled, sun, conditions.cover, _near_box(scene, pose, camera)
        )
    return Atmosphere(atmosphere.air, atmosphere.sky, *shade_map(near, coarse, relief_raster(surface, sun)))


def _near_box(scene: Scene, pose: Poses, camera: Camera) -> tuple[float, float, float, float]:
    """Map box x_min, x_max, y_min, y_max of what the camera may see up to _NEAR_M away."""
    x, y = map_from_geodetic(pose.lat_deg, pose.lon_deg, scene.surface.lat0_deg, scene.surface.lon0_deg)
    half = np.hypot(*camera.fov_deg) / 2
    ways = np.radians(pose.yaw_deg[0] + np.linspace(-half, half, 9))
    east = np.append(float(x[0]) + _NEAR_M * np.sin(ways), float(x[0]))
    north = np.append(float(y[0]) + _NEAR_M * np.cos(ways), float(y[0]))
    return float(east.min()), float(east.max()), float(north.min()), float(north.max())


def _light_up(
    image: NDArray[np.uint8],
    light: NDArray[np.float32],
    window: tuple[slice, slice],
    conditions: Conditions,
) -> None:
    """Add light to a developed picture, in place: on a clear day only the PAPI shines."""
    part = image[window].astype(np.float32)
    add_light(part, light[window] * np.float32(conditions.exposure**DISPLAY_GAMMA))
    image[window] = np.clip(part + 0.5, 0, 255).astype(np.uint8)


def _moves(conditions: Conditions) -> bool:
    rates = (conditions.yaw_rate_deg_s, conditions.pitch_rate_deg_s, conditions.roll_rate_deg_s)
    return conditions.shutter_ms > 0 and any(rates)


def _changes_pixels(conditions: Conditions) -> bool:
    """Whether anything stands between the ground's colours and their development."""
    return (
        conditions.wetness > 0
        or conditions.rain_mm_h > 0
        or conditions.drops > 0
        or conditions.defocus_px > 0
        or conditions.vignette_fraction > 0
        or _moves(conditions)
    )
