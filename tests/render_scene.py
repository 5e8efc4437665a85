"""A small painted airport for the renderer's tests: an id texture with runways drawn by exact coverage."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from lard.airports.model import Airport, Runway
from lard.geodesy import geodesic_direct
from lard.ground.fetched.folder import LevelImage, write_ground
from lard.ground.pyramid import GroundPyramid, load_ground
from lard.ground.terrain.surface import Surface, surface_of

GRASS, RUNWAY = np.array([40.0, 40.0, 40.0]), np.array([220.0, 220.0, 220.0])


def make_airport(
    lat_deg: float = 47.0,
    lon_deg: float = 8.0,
    elevation_m: float = 0.0,
    rise_m: float = 0.0,
    offset_m: float = 0.0,
    length_m: float = 2000.0,
    heading_deg: float = 70.0,
    extra: tuple[Runway, ...] = (),
) -> Airport:
    """An airport of one strip starting offset_m north of its reference point, rising by rise_m."""
    lat, lon, _ = geodesic_direct(lat_deg, lon_deg, 0.0, offset_m)
    far_lat, far_lon, _ = geodesic_direct(lat, lon, heading_deg, length_m)
    ltp = (float(lat), float(lon), elevation_m)
    fpap = (float(far_lat), float(far_lon), elevation_m + rise_m)
    strips = (
        Runway.from_thresholds("XTST", "07", "25", ltp, fpap, 45.0),
        Runway.from_thresholds("XTST", "25", "07", fpap, ltp, 45.0),
        *extra,
    )
    return Airport("XTST", "Test", "CH", lat_deg, lon_deg, elevation_m, strips)


def paint(
    surface: Surface, gsd_m: float, centre_m: tuple[float, float], size: tuple[int, int],
    texture: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
) -> LevelImage:  # fmt: skip
    """Runway rectangles with 8 x 8 coverage samples per texel, on grass or on texture(x, y)."""
    height, width = size
    snap = gsd_m * 64
    x_min = np.floor((centre_m[0] - width * gsd_m / 2) / snap) * snap
    y_max = np.ceil((centre_m[1] + height * gsd_m / 2) / snap) * snap
    x = x_min + (np.arange(width) + 0.5) * gsd_m
    y = y_max - (np.arange(height) + 0.5) * gsd_m
    x, y = np.meshgrid(x, y)
    cover = np.zeros(x.shape)
    for cx, cy, ux, uy, half_length, half_width in surface.strips:
        inside = np.zeros(x.shape)
        near = np.abs((y - cy) * ux - (x - cx) * uy) < half_width + 2 * gsd_m
        px, py = x[near], y[near]
        total = np.zeros(px.shape)
        for a in (np.arange(8) + 0.5) / 8 - 0.5:
            for b in (np.arange(8) + 0.5) / 8 - 0.5:
                qx, qy = px + a * gsd_m - cx, py + b * gsd_m - cy
                total += (np.abs(qx * ux + qy * uy) < half_length) & (np.abs(qy * ux - qx * uy) < half_width)
        inside[near] = total / 64
        cover = np.maximum(cover, inside)
    ground = GRASS if texture is None else texture(x, y)
    pixels = ground + (RUNWAY - ground) * cover[..., None]
    return LevelImage(gsd_m, float(x_min), float(y_max), np.rint(pixels).astype(np.uint8))


def halve(level: LevelImage) -> LevelImage:
    """The next coarser level over the same rectangle: means of 2 x 2 pixels."""
    p = level.pixels.astype(np.float64)
    mean = (p[::2, ::2] + p[1::2, ::2] + p[::2, 1::2] + p[1::2, 1::2]) / 4
    return LevelImage(level.gsd_m * 2, level.x_min_m, level.y_max_m, np.rint(mean).astype(np.uint8))


def make_scene(
    folder: Path, airport: Airport, size: tuple[int, int] = (1536, 2560), gsd_m: float = 1.0, levels: int = 6,
    texture: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
    retouch: Callable[[np.ndarray, LevelImage, np.ndarray], None] | None = None,
) -> tuple[GroundPyramid, Surface]:  # fmt: skip
    """A pyramid around the airport's first strip, and its surface."""
    surface = surface_of(airport)
    image = paint(surface, gsd_m, (surface.strips[0, 0], surface.strips[0, 1]), size, texture)
    if retouch is not None:
        retouch(image.pixels, image, surface.strips[0])
    images = [image]
    while len(images) < levels:
        images.append(halve(images[-1]))
    write_ground(
        folder, airport.icao, surface.lat0_deg, surface.lon0_deg, images,
        generator="test", licence="none", attribution="none", jpeg_quality=None,
    )  # fmt: skip
    return load_ground(folder), surface
