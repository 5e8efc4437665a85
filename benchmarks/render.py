"""Speed, accuracy and memory of the renderer beside a bare OpenCV remap: python benchmarks/render.py.

Speed: one thread, 1024 x 1024, 60 degrees, CPU time, bare (no noise, no shadows) and with sensor noise; the
remap is bilinear from the finest level, of the same view, in turn with the renderer in the same run; its time
is given bare, with the maps made in advance, and with making them in NumPy. Accuracy: PSNR on the runway's
pixels against the brute-force oracle, runway edges against projected labels. What each effect adds: the same
views by steps, from bare ground over sensor noise, shadows and weather to a JPEG file and to reading the
ground, in frames a second of one core. Frames per second with 1 and 2 processes, resident memory over frames.
"""

import argparse
import io
import json
import multiprocessing
import os
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rasterio
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from render_scene import GRASS, RUNWAY, make_airport, make_scene
from test_render_geometry import SCENES, VIEWS, edge_error_px, pose_at

from lard.airports.model import Airport
from lard.approach import Approaches, pose_of
from lard.camera import Camera, Poses, project, to_camera
from lard.ground.pyramid import GroundPyramid, load_ground
from lard.ground.terrain.surface import Surface, surface_of
from lard.render.atmosphere import Atmosphere
from lard.render.conditions import Conditions
from lard.render.reference import reference_pixels
from lard.render.renderer import Quality, clear_day, render_frame, view_record
from lard.render.view import load_scene, render_view
from lard.tables import sha256_file

ALONG_M = (200.0, 500.0, 1500.0, 4000.0)
LENGTH_M = 2500.0
CAMERA = Camera.from_fov(1024, 1024, 60.0)
BUDGET_BYTES = 64 << 20
CLEAR_M = 1e12
OBJECTS_GSD_M = 2.0


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
    view = view_record(surface, pose, camera, Quality())
    rotation = view["rotation"].astype(np.float32)
    east, north, up = view["camera_m"]
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


def wall_s(function: Callable[[], Any], repeats: int) -> float:
    """Least wall seconds of a call, after one warm-up."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def busy_scene(folder: Path) -> tuple[Airport, GroundPyramid, Surface]:
    """A runway with markings in busy fields, 0.5 m texels."""
    airport = make_airport(length_m=LENGTH_M)
    if not (folder / "manifest.json").exists():
        make_scene(folder, airport, (5120, 8192), 0.5, 7, markings, stripe_runway)
    return airport, load_ground(folder), surface_of(airport)


def views(airport: Airport) -> dict[float, Poses]:
    """One pose per distance before the threshold, metres."""
    runway = airport.runway("07")
    return {d: pose_of(runway, Approaches(d, 0.5, 3.0, 1.0, -3.0, 3.0)) for d in ALONG_M}


def speed_and_accuracy(folder: Path, quality: Quality, repeats: int) -> None:
    """Print a line per view: times, ratios, PSNR."""
    airport, ground, surface = busy_scene(folder)
    texture = np.ascontiguousarray(ground.read_all().level_array(0))
    rng = np.random.default_rng(0)
    runway = airport.runway("07")
    for along_m, pose in views(airport).items():
        noisy, air = Conditions(noise_sigma=1.5, noise_key="benchmark"), clear_day(CLEAR_M, pose)
        maps = plane_maps(ground, surface, pose, CAMERA)

        def render(pose: Poses = pose, air: Atmosphere = air, noisy: Conditions = noisy) -> Any:
            return render_frame(ground, surface, pose, CAMERA, noisy, quality, air)

        def remap(maps: tuple[np.ndarray, np.ndarray] = maps) -> Any:
            return cv2.remap(texture, *maps, cv2.INTER_LINEAR)

        cv2.setNumThreads(1)

        def clean(pose: Poses = pose, air: Atmosphere = air) -> Any:
            return render_frame(ground, surface, pose, CAMERA, None, quality, air)

        turns = [(cpu_s(clean, 2), cpu_s(render, 2), cpu_s(remap, 2)) for _ in range(repeats)]
        clean_s, seconds, bare_s = (min(turn[k] for turn in turns) for k in range(3))
        made_s = cpu_s(lambda p=pose: plane_maps(ground, surface, p, CAMERA), 1)
        cv2.setNumThreads(2)
        both_s = wall_s(remap, repeats)
        picture = render_frame(ground, surface, pose, CAMERA, None, quality, air)
        corners = project(to_camera(runway.corners_ecef(), pose)[0], CAMERA)
        mask = cv2.fillConvexPoly(np.zeros((1024, 1024), np.uint8), np.rint(corners).astype(np.int32), 1)
        inside = np.stack(np.nonzero(mask)[::-1], -1)
        inside = inside[rng.permutation(len(inside))[:3000]]
        expected = reference_pixels(ground, surface, pose, CAMERA, inside, CLEAR_M, (6, 48))
        error = picture[inside[:, 1], inside[:, 0]] - expected
        psnr = 10 * np.log10(255**2 / np.mean(error**2))
        whole_s = bare_s + made_s
        print(
            f"{along_m:6.0f} m: render {clean_s * 1e3:4.1f} ms, with noise {seconds * 1e3:4.1f} ms; remap "
            f"{bare_s * 1e3:4.1f} ms ({clean_s / bare_s:.2f}x, {seconds / bare_s:.2f}x), with its maps "
            f"{whole_s * 1e3:4.1f} ms ({seconds / whole_s:.1f}x), on 2 threads {both_s * 1e3:4.1f} ms wall "
            f"({seconds / 2 / both_s:.1f}x for two pictures at once); "
            f"runway PSNR {psnr:.1f} dB over {len(inside)} px"
        )


def standing(folder: Path) -> None:
    """Give a ground folder things that stand: rows of houses and trees in a third of its cells of 16 x 16."""
    manifest = json.loads((folder / "manifest.json").read_text())
    if "objects" in manifest:
        return
    rng, size = np.random.default_rng(3), 2048
    height = np.where(rng.random((size // 16, size // 16)) < 0.33, 1, 0).astype(np.uint8)
    height = np.kron(height, np.ones((16, 16), np.uint8))
    height *= (rng.random((size, size)) < 0.2).astype(np.uint8) * rng.integers(5, 60, (size, size), np.uint8)
    y, x = np.mgrid[:size, :size] * OBJECTS_GSD_M - size * OBJECTS_GSD_M / 2
    height[(np.abs(y) < 150) | (np.abs(x) < 150)] = 0  # about the runway's middle, along and across
    profile = {"driver": "GTiff", "width": size, "height": size, "count": 1, "dtype": "uint8"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(folder / "objects.tif", "w", **profile, compress="deflate") as out:
            out.write(height, 1)
    manifest["objects"] = {
        "file": "objects.tif", "gsd_m": OBJECTS_GSD_M, "x_min_m": -size * OBJECTS_GSD_M / 2,
        "y_max_m": size * OBJECTS_GSD_M / 2, "width_px": size, "height_px": size, "unit_m": 0.25,
        "sha256": sha256_file(folder / "objects.tif"),
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest))


def effects(folder: Path, repeats: int) -> None:
    """Print CPU time and frames a second of one core, effect by effect, means of the views."""
    airport, ground, surface = busy_scene(folder)
    standing(folder)
    scene = load_scene(folder, airport)
    scene.ground.read_all()
    noisy = Conditions(visibility_m=20000.0, noise_sigma=1.5, noise_key="benchmark")
    weather = replace(noisy, rain_mm_h=2.0, visibility_m=8000.0, vignette_fraction=0.2)
    flat = replace(scene, objects=None, pooled=None)
    poses = list(views(airport).values())
    quality = Quality()

    def jpeg(pixels: np.ndarray) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=92, subsampling=0)
        return buffer.getvalue()

    def read(pose: Poses) -> bytes:
        return jpeg(render_view(load_scene(folder, airport), pose, CAMERA, noisy, quality))

    texture = np.ascontiguousarray(ground.read_all().level_array(0))
    maps = [plane_maps(ground, surface, pose, CAMERA) for pose in poses]
    steps: dict[str, Callable[[int], Any]] = {
        "cv2.remap": lambda k: cv2.remap(texture, *maps[k], cv2.INTER_LINEAR),
        "bare": lambda k: render_view(flat, poses[k], CAMERA, replace(noisy, noise_sigma=0.0), quality),
        "sensor noise": lambda k: render_view(flat, poses[k], CAMERA, noisy, quality),
        "noise, shadows": lambda k: render_view(scene, poses[k], CAMERA, noisy, quality),
        "noise, shadows, rain": lambda k: render_view(scene, poses[k], CAMERA, weather, quality),
        "noise, shadows, JPEG": lambda k: jpeg(render_view(scene, poses[k], CAMERA, noisy, quality)),
        "the same, ground read for each": lambda k: read(poses[k]),
    }
    cv2.setNumThreads(1)
    found: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(max(repeats // 2, 1)):
        for name, step in steps.items():
            found[name].append(sum(cpu_s(lambda k=k, step=step: step(k), 1) for k in range(len(poses))))
    base = min(found["cv2.remap"])
    for name, times in found.items():
        mean_s = min(times) / len(poses)
        print(f"{name:32s} {mean_s * 1e3:6.1f} ms, {1 / mean_s:5.1f} frames/s, {min(times) / base:5.2f}x")


def edges(folder: Path) -> None:
    """Print the greatest distance of rendered runway edges from their projected labels."""
    airport = SCENES["high_sloped_far"]
    ground, surface = make_scene(folder, airport, (1664, 2944), 0.5)
    runway, worst = airport.runway("07"), {}
    for name, (values, width, fov_deg) in VIEWS.items():
        camera = Camera.from_fov(width, width, fov_deg)
        pose = pose_at(runway, surface, *values)
        image = render_frame(ground, surface, pose, camera, atmosphere=clear_day(CLEAR_M, pose))
        cover = (image[..., 0].astype(float) - GRASS[0]) / (RUNWAY[0] - GRASS[0])
        tl, tr, br, bl = project(to_camera(runway.corners_ecef(), pose)[0], camera)
        reach = float(np.clip(0.35 * min(np.hypot(*(tr - tl)), np.hypot(*(tl - bl))), 2.0, 4.0))
        errors = [edge_error_px(cover, a, b, reach) for a, b in ((bl, br), (br, tr), (bl, tl))]
        worst[name] = float(np.nanmax(errors))
    print("edges, px off the labels: " + ", ".join(f"{name} {value:.3f}" for name, value in worst.items()))


_held: list[Any] = []


def many(task: tuple[str, int]) -> tuple[int, float]:
    """Render frames in a worker process, its scene kept from task to task; their number and CPU seconds."""
    folder, count = task
    if not _held:
        _held.append(busy_scene(Path(folder)))
    airport, ground, surface = _held[0]
    poses = list(views(airport).values())
    start = time.process_time()
    for i in range(count):
        render_frame(ground, surface, poses[i % len(poses)], CAMERA, Conditions(noise_sigma=1.5))
    return count, time.process_time() - start


def throughput(folder: Path, frames: int) -> None:
    """Print frames per second with 1 and 2 worker processes, warm."""
    rates, costs = [], []
    for workers in (1, 2):
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as executor:
            list(executor.map(many, [(str(folder), 4)] * 4 * workers))
            start = time.perf_counter()
            results = list(executor.map(many, [(str(folder), 8)] * (frames * workers // 8)))
            done, cpu = (sum(part) for part in zip(*results, strict=True))
            rates.append(done / (time.perf_counter() - start))
            costs.append(cpu / done)
    print(
        f"frames/s: 1 worker {rates[0]:.1f}, 2 workers {rates[1]:.1f} ({rates[1] / rates[0]:.2f}x) "
        f"by the clock; {costs[0] * 1e3:.0f} and {costs[1] * 1e3:.0f} ms of CPU per frame, "
        f"on {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )


def memory(folder: Path, frames: int) -> None:
    """Print resident memory while a camera flies on, with a small tile cache."""
    airport = make_airport(length_m=LENGTH_M)
    ground, surface = load_ground(folder, BUDGET_BYTES), surface_of(airport)
    runway, sizes = airport.runway("07"), []
    for along_m in np.linspace(-2500, 4000, frames):
        pose = pose_of(runway, Approaches(along_m, 1.0, 3.0, 0.0, -3.0, 0.0))
        render_frame(ground, surface, pose, CAMERA)
        sizes.append(int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20)
    print(
        f"resident with a cache of {BUDGET_BYTES >> 20} MB: {sizes[1]:.0f} MB after 2 frames, at most "
        f"{max(sizes[: frames // 2]):.0f} MB in the first {frames // 2}, {max(sizes):.0f} MB in {frames}"
    )


def main() -> None:
    """Print each section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--frames", type=int, default=96, help="frames of the throughput and memory sections")
    parser.add_argument("--supersample", type=int, default=Quality().supersample)
    parser.add_argument("--bias", type=float, default=Quality().lod_bias)
    parser.add_argument("--taps", type=int, default=Quality().max_taps)
    arguments = parser.parse_args()
    quality = Quality(arguments.supersample, arguments.taps, arguments.bias)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        busy_scene(folder / "busy")
        memory(folder / "busy", arguments.frames)
        throughput(folder / "busy", arguments.frames)
        edges(folder / "edges")
        speed_and_accuracy(folder / "busy", quality, arguments.repeats)
        effects(folder / "busy", arguments.repeats)


if __name__ == "__main__":
    main()
