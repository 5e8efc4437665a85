"""The renderer's version is tied to its pixels: small pictures of the version are kept beside this test.

They are compared within a tolerance because other processors and releases of libraries round the last bit
elsewhere, which turns one value in many thousands to its neighbour: those of the compiled loops hardly ever,
those that pass through OpenCV's filters now and then. After a change of pixels raise RENDERER_VERSION in
lard/render/renderer.py and run `python tests/test_render_version.py` to keep the new version's pictures.
"""

import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import pytest
from render_scene import make_airport, make_scene
from terrain_land import dem_of, hills

from lard.approach import Approaches, pose_of
from lard.camera import Camera, Poses
from lard.ground.objects import Objects
from lard.ground.terrain.surface import Surface, surface_of
from lard.render.conditions import Conditions
from lard.render.renderer import RENDERER_VERSION
from lard.render.view import Scene, render_view, scene_of

FOLDER = Path(__file__).parent / "renderer_pixels"
CAMERA = Camera.from_fov(96, 64, 50.0)
BENT = replace(CAMERA, k1=-0.2, k2=0.05)
NIGHT = Conditions(
    sun_elevation_deg=-20.0, rain_mm_h=4.0, cloud_fraction=0.9, cloud_base_m=400.0, shutter_ms=8.0,
    yaw_rate_deg_s=3.0, defocus_px=0.6, vignette_fraction=0.2,
)  # fmt: skip
EVENING = Conditions(sun_elevation_deg=12.0, sun_azimuth_deg=150.0, watermark_px=8, exposure_ev=0.3)
DUSK = Conditions(sun_elevation_deg=-5.0, noise_sigma=2.0, noise_seed=5, lights_fraction=1.0)
COMPILED, FILTERED = 2e-4, 1e-2
"""Share of the values that may differ by one grey level: pictures of the kernels alone, and of all else."""


def fields(x_m: np.ndarray, y_m: np.ndarray) -> np.ndarray:
    value = 100 + 30 * np.sin(x_m / 19.0) * np.sin(y_m / 23.0) + 14 * (np.floor(x_m / 3.0) % 2)
    return np.stack([value, value * 1.1, value * 0.8], -1)


def hedges(surface: Surface) -> Objects:
    """Rows of 10 m across the approach and along the first half kilometre of the runway."""
    x, y, ahead_x, ahead_y, half, _ = surface.strips[0]
    size, gsd_m = 500, 2.0
    frame = np.array([x - ahead_x * half - size * gsd_m / 2, y - ahead_y * half + size * gsd_m / 2, gsd_m])
    height = np.zeros((size, size), np.uint8)
    height[:, 20::40] = 40
    return Objects(height, 0.25, frame)


def pictures(folder: Path) -> dict[str, tuple[np.ndarray, float]]:
    """Picture (64, 96, 3) and share of values that may differ, by what is in it."""
    airport = make_airport(elevation_m=430.0, rise_m=10.0)
    ground, surface = make_scene(folder / "ground", airport, texture=fields)
    plain = scene_of(airport, ground, surface)
    land = scene_of(airport, ground, surface_of(airport, dem=dem_of(folder / "hills.tif", hills)))

    def view(scene: Scene, along_m: float, vertical_deg: float, camera: Camera, **given: float) -> np.ndarray:
        pose: Poses = pose_of(airport.runway("07"), Approaches(along_m, 1.0, vertical_deg, 1.0, -3.0, 6.0))
        return render_view(scene, pose, camera, Conditions(**given))  # type: ignore[arg-type]

    pose = pose_of(airport.runway("07"), Approaches(900.0, 1.0, 3.0, 1.0, -3.0, 6.0))
    hedged = replace(plain, objects=hedges(surface))
    return {
        "runway": (view(plain, 900.0, 3.0, CAMERA, noise_sigma=1.5), COMPILED),
        "bent": (view(plain, 300.0, 4.0, BENT), COMPILED),
        "hills": (view(land, 2500.0, 6.0, BENT, sun_elevation_deg=25.0, sun_azimuth_deg=120.0), COMPILED),
        "fog": (view(plain, 900.0, 3.0, CAMERA, fog_top_m=40.0, fog_visibility_m=900.0), COMPILED),
        "night": (render_view(plain, pose, CAMERA, NIGHT), FILTERED),
        "evening": (render_view(hedged, pose, CAMERA, EVENING), FILTERED),
        "dusk": (render_view(plain, pose, CAMERA, DUSK), FILTERED),
    }


def kept(version: str) -> Path:
    """Where the pictures of a version are: one below the other."""
    return FOLDER / f"{version}.png"


def test_pixels_are_those_of_the_version(tmp_path: Path) -> None:
    if not kept(RENDERER_VERSION).is_file():
        pytest.fail(
            f"no pictures of renderer version {RENDERER_VERSION}; run `python tests/test_render_version.py`"
        )
    strip = cv2.cvtColor(cv2.imread(str(kept(RENDERER_VERSION))), cv2.COLOR_BGR2RGB)
    found = pictures(tmp_path)
    expected = np.split(strip, len(found))
    for (name, (picture, share)), before in zip(found.items(), expected, strict=True):
        apart = np.abs(picture.astype(int) - before)
        changed = f"{name}: {(apart > 0).mean():.2%} of the values changed, by up to {apart.max()}"
        assert apart.max() <= 1 and (apart > 0).mean() <= share, (
            f"{changed}, since renderer version {RENDERER_VERSION}. If that is meant, raise RENDERER_VERSION "
            "in lard/render/renderer.py and run `python tests/test_render_version.py`"
        )


def main() -> None:
    """Keep the pictures of a new version and drop those of the last; those of a version never change."""
    if kept(RENDERER_VERSION).is_file():
        sys.exit(f"version {RENDERER_VERSION} has its pictures; raise RENDERER_VERSION in renderer.py first")
    FOLDER.mkdir(exist_ok=True)
    with TemporaryDirectory() as folder:
        strip = np.concatenate([picture for picture, _ in pictures(Path(folder)).values()])
    for old in FOLDER.glob("*.png"):
        old.unlink()
    cv2.imwrite(str(kept(RENDERER_VERSION)), cv2.cvtColor(strip, cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main()
