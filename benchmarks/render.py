"""Speed, accuracy and memory of the renderer beside a bare OpenCV remap: python benchmarks/render.py.

Speed: one thread, 1024 x 1024, 60 degrees, CPU time; the remap is bilinear from the finest level, of the same
view; its time is given bare, with the maps made in advance, and with making them in NumPy.
Accuracy: PSNR on the runway's pixels against the brute-force oracle.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from render_scene import make_airport, make_scene

from lard.approach import Approaches, pose_of
from lard.camera import Camera, Poses, project, to_camera
from lard.imagery import renderer_kernel as kernel
from lard.imagery.ground.pyramid import GroundPyramid
from lard.imagery.ground.terrain import Surface
from lard.imagery.renderer import Conditions, Quality, render_frame, view_vector
from lard.imagery.renderer_reference import reference_pixels

CLEAR_M = 1e6


def markings(x_m: np.ndarray, y_m: np.ndarray) -> np.ndarray:
    """A busy ground: fields of 60 m with plough lines, and noise."""
    rng = np.random.default_rng(7)
    fields = 30.0 * np.sin(x_m / 19.0) * np.sin(y_m / 23.0) + 14.0 * (np.floor(x_m / 3.0) % 2)
    value = 90 + fields + rng.normal(0, 6, x_m.shape)
    return np.clip(np.stack([value, value * 1.1, value * 0.8], -1), 0, 255)


def cpu_s(function: Callable[[], Any], repeats: int) -> float:
    """Least CPU seconds of a call, after one warm-up."""
    function()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times)


def stripe_runway(pixels: np.ndarray, level: Any, strip: np.ndarray) -> None:
    """Paint threshold stripes, centreline and aiming points on a level's runway, in place."""
    height, width, _ = pixels.shape
    x = level.x_min_m + (np.arange(width) + 0.5) * level.gsd_m
    y = level.y_max_m - (np.arange(height) + 0.5) * level.gsd_m
    x, y = np.meshgrid(x - strip[0], y - strip[1])
    along, across = x * strip[2] + y * strip[3], y * strip[2] - x * strip[3]
    on = (np.abs(along) < strip[4]) & (np.abs(across) < strip[5])
    from_end = strip[4] - np.abs(along)
    white = (np.abs(across) < 0.45) & (along % 50 < 30)
    white |= (from_end > 6) & (from_end < 36) & (np.abs(across) > 2) & (np.abs(across) % 3.6 < 1.8)
    white |= (from_end > 400) & (from_end < 445) & (np.abs(np.abs(across) - 12) < 3)
    white |= strip[5] - np.abs(across) < 0.9
    pixels[on] = 70
    pixels[on & white] = 225


def plane_maps(
    ground: GroundPyramid, surface: Surface, pose: Poses, camera: Camera
) -> tuple[np.ndarray, np.ndarray]:
    """Texture coordinates of every pixel by a flat plane at the runway's height, as cv2.remap wants them."""
    view = view_vector(surface, pose, camera, Quality())
    rotation = view[kernel.ROTATION : kernel.ROTATION + 9].reshape(3, 3).astype(np.float32)
    east, north, up = view[kernel.CAMERA : kernel.CAMERA + 3]
    u = (np.arange(camera.width_px, dtype=np.float32) + 0.5 - camera.cx_px) / camera.fx_px
    v = ((np.arange(camera.height_px, dtype=np.float32) + 0.5 - camera.cy_px) / camera.fy_px)[:, None]
    x, y, z = (rotation[0, k] * u + rotation[1, k] * v + rotation[2, k] for k in range(3))
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(z < 0, (surface.z_far_m - up) / z, np.nan)
    level = ground.levels[0]
    map_x = (east + t * x - level.x_min_m) / level.gsd_m - 0.5
    map_y = (level.y_max_m - north - t * y) / level.gsd_m - 0.5
    return (
        np.nan_to_num(map_x, nan=-1, posinf=-1, neginf=-1).clip(-1, 32000).astype(np.float32),
        np.nan_to_num(map_y, nan=-1, posinf=-1, neginf=-1).clip(-1, 32000).astype(np.float32),
    )


def main() -> None:
    """Print one line per view."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--supersample", type=int, default=Quality().supersample)
    parser.add_argument("--bias", type=float, default=Quality().lod_bias)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    airport = make_airport(length_m=2500)
    quality = Quality(supersample=arguments.supersample, lod_bias=arguments.bias)
    with tempfile.TemporaryDirectory() as folder:
        paint_scene = make_scene(
            Path(folder),
            airport,
            size=(5120, 8192),
            gsd_m=0.5,
            levels=7,
            texture=markings,
            retouch=stripe_runway,
        )
        ground, surface = paint_scene
        camera = Camera.from_fov(1024, 1024, 60.0)
        texture = np.ascontiguousarray(ground.read_all().level_array(0))
        rng = np.random.default_rng(0)
        for along_m in (200.0, 500.0, 1500.0, 4000.0):
            runway = airport.runway("07")
            pose = pose_of(runway, Approaches(along_m, 0.5, 3.0, 1.0, -3.0, 3.0))
            picture = render_frame(ground, surface, pose, camera, Conditions(CLEAR_M), quality)
            seconds = cpu_s(
                lambda p=pose: render_frame(ground, surface, p, camera, Conditions(CLEAR_M), quality),
                arguments.repeats,
            )
            maps = plane_maps(ground, surface, pose, camera)
            bare_s = cpu_s(lambda m=maps: cv2.remap(texture, *m, cv2.INTER_LINEAR), arguments.repeats)
            made_s = cpu_s(lambda p=pose: plane_maps(ground, surface, p, camera), arguments.repeats)
            corners = project(to_camera(runway.corners_ecef(), pose)[0], camera)
            mask = cv2.fillConvexPoly(np.zeros((1024, 1024), np.uint8), np.rint(corners).astype(np.int32), 1)
            inside = np.stack(np.nonzero(mask)[::-1], -1)
            inside = inside[rng.permutation(len(inside))[:3000]]
            expected = reference_pixels(ground, surface, pose, camera, inside, CLEAR_M, (6, 48))
            error = picture[inside[:, 1], inside[:, 0]] - expected
            psnr = 10 * np.log10(255**2 / np.mean(error**2))
            print(
                f"{along_m:6.0f} m: render {seconds * 1e3:4.0f} ms, cv2.remap {bare_s * 1e3:4.0f} ms "
                f"({seconds / bare_s:.1f}x), with its maps {(bare_s + made_s) * 1e3:4.0f} ms "
                f"({seconds / (bare_s + made_s):.1f}x); runway PSNR {psnr:.1f} dB over {len(inside)} px"
            )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak resident {peak:.0f} MB (the oracle included)")


if __name__ == "__main__":
    main()
