"""The pyramid of an airport: how far each level reaches, and painting and writing its tiles."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from lard.ground.painted.landcover import LandSetting, paint_land
from lard.ground.painted.paint import paint
from lard.ground.painted.strip import Strip, polygon
from lard.ground.tiles import BLOCK_PX, HEIGHT_UNIT_M, LevelGrid, level_grid, write_tile

Array = NDArray[np.float64]
OBJECTS_GSD_M = 2.0
"""Cells of the heights raster: the first level at least as coarse as this gives it."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a level goes beyond the runways' pavement, and along the approaches to them, in metres."""

    margin_m: float
    sparse: bool = False
    corridor_m: float = 0.0  # length before either end of a runway
    half_m: float = 0.0  # half width of the corridor at its runway end
    spread: float = 0.0  # growth of the half width per metre


REACHES = (
    Reach(55.0, True),
    Reach(150.0, True, 2000.0, 90.0, 0.06),
    Reach(380.0, True, 4200.0, 170.0, 0.07),
    Reach(2000.0, True, 6500.0, 450.0, 0.10),
    Reach(6500.0),
    Reach(12000.0),
    Reach(22000.0),
    Reach(42000.0),
    Reach(70000.0),
)
"""Reaches of levels of 0.25, 0.5 .. 64 m per pixel."""


def reaches_for(gsd_m: float) -> tuple[Reach, ...]:
    """Return the reaches of the levels from a finest ground sample distance on."""
    first = round(math.log2(gsd_m / 0.25))
    return tuple(REACHES[max(k, 0)] for k in range(first, len(REACHES)))


def plan_levels(strips: list[Strip], gsd_m: float, reaches: tuple[Reach, ...]) -> list[LevelGrid]:
    """Return the levels' grids, finest first, each twice as coarse and around the last."""
    pavements = [polygon(strip.pavement()) for strip in strips]
    grids: list[LevelGrid] = []
    box = shapely.union_all(pavements).bounds
    for k, reach in enumerate(reaches):
        gsd = gsd_m * 2**k
        x0, y0, x1, y1 = shapely.union_all(pavements).bounds
        m = reach.margin_m
        shape: BaseGeometry = shapely.box(x0 - m, y0 - m, x1 + m, y1 + m)
        if reach.sparse:
            corridors = [_corridor(strip, reach, near) for strip in strips for near in (True, False)]
            shape = shapely.union_all([p.buffer(m) for p in pavements] + corridors)
        low, high = np.minimum(box[:2], shape.bounds[:2]), np.maximum(box[2:], shape.bounds[2:])
        grid = level_grid((*low, *high), gsd, BLOCK_PX if reach.sparse else 2)
        box = (grid.x_min_m, grid.y_min_m, grid.x_max_m, grid.y_max_m)
        grids.append(_cut(grid, shape) if reach.sparse else grid)
    return grids


def _corridor(strip: Strip, reach: Reach, near: bool) -> BaseGeometry:
    """The ground seen in front of the runway on approaches to one end, a trapezoid before it."""
    length, half, wide = reach.corridor_m, reach.half_m, reach.half_m + reach.spread * reach.corridor_m
    if length == 0.0:
        return shapely.Polygon()
    st = np.array([[0.0, -half], [0.0, half], [-length, wide], [-length, -wide]])
    return polygon(strip.at(st if near else np.array([strip.near.length_m, 0.0]) - st))


def _cut(grid: LevelGrid, shape: BaseGeometry) -> LevelGrid:
    """The grid with only the blocks that touch a shape."""
    side = BLOCK_PX * grid.gsd_m
    x = grid.x_min_m + side * np.arange(grid.width_px // BLOCK_PX)
    y = grid.y_max_m - side * np.arange(grid.height_px // BLOCK_PX)[:, None]
    shapely.prepare(shape)
    cover = shapely.intersects(shape, shapely.box(x, y - side, x + side, y))
    return LevelGrid(grid.gsd_m, grid.x_min_m, grid.y_max_m, grid.width_px, grid.height_px, cover)


@dataclass(frozen=True, slots=True)
class Ground:
    """One airport ready to be painted."""

    crs: str
    lat0_deg: float
    lon0_deg: float
    grids: list[LevelGrid]
    setting: LandSetting
    rows: Array  # packed quads in drawing order
    seed: int
    smooth: list[list[float]] = field(default_factory=list)  # rectangles of pavement without grain


@dataclass(frozen=True, slots=True)
class Averages:
    """What a level hands to the next: its tiles at half resolution with their row and column there."""

    grid: LevelGrid
    pieces: list[tuple[int, int, NDArray[np.uint8]]]


def halve(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the average of each block of two by two pixels."""
    height, width = image.shape[:2]
    return np.asarray(cv2.resize(image, (width // 2, height // 2), interpolation=cv2.INTER_AREA))


def paint_window(
    ground: Ground,
    grid: LevelGrid,
    window: tuple[int, int, int, int],
    finer: Averages | None = None,
) -> NDArray[np.uint8]:
    """One window (row, column, height, width) of a level: red, green, blue and height in half metres.

    Where the finer level has pixels it is their average, else it is painted.
    """
    row, column, height, width = window
    image = np.zeros((height, width, 4), np.uint8)
    done = np.zeros((height, width), np.uint8)
    x0, y0 = grid.x_min_m + column * grid.gsd_m, grid.y_max_m - row * grid.gsd_m
    if finer is not None:
        top = round((y0 - finer.grid.y_max_m) / grid.gsd_m)
        left = round((finer.grid.x_min_m - x0) / grid.gsd_m)
        for r, c, piece in finer.pieces:
            r0, r1 = max(top + r, 0), min(top + r + piece.shape[0], height)
            c0, c1 = max(left + c, 0), min(left + c + piece.shape[1], width)
            if r0 < r1 and c0 < c1:
                image[r0:r1, c0:c1] = piece[r0 - top - r : r1 - top - r, c0 - left - c : c1 - left - c]
                done[r0:r1, c0:c1] = 1
    if not done.all():
        paint_land(image, done, x0, y0, grid.gsd_m, ground.setting)
        paint(image, done, x0, y0, grid.gsd_m, ground.rows, ground.seed)
    return image


def write_levels(
    ground: Ground, folder: Path, progress: Callable[[int], None] | None
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Paint and write all levels from the finest, and the heights; return the manifest's entries of both."""
    levels: list[dict[str, Any]] = []
    objects: dict[str, Any] | None = None
    finer: Averages | None = None
    tall = next((k for k, grid in enumerate(ground.grids) if grid.gsd_m >= 0.9 * OBJECTS_GSD_M), -1)
    for number, grid in enumerate(ground.grids):
        tiles, pieces = [], []
        heights = None
        if number == tall % len(ground.grids):
            heights = np.zeros((grid.height_px, grid.width_px, 1), np.uint8)
        for row, column, height, width in grid.windows():
            image = paint_window(ground, grid, (row, column, height, width), finer)
            name = f"l{number}_r{row // BLOCK_PX:03d}_c{column // BLOCK_PX:03d}.tif"
            corner = (grid.x_min_m + column * grid.gsd_m, grid.y_max_m - row * grid.gsd_m)
            tile = {"col_px": column, "row_px": row, "width_px": width, "height_px": height}
            tiles.append(tile | _write(folder / name, image[..., :3], corner, grid.gsd_m, ground.crs))
            pieces.append((row // 2, column // 2, halve(image)))
            if heights is not None:
                heights[row : row + height, column : column + width, 0] = image[..., 3]
            if progress is not None:
                progress(height * width)
        place = {
            "gsd_m": grid.gsd_m,
            "x_min_m": grid.x_min_m,
            "y_max_m": grid.y_max_m,
            "width_px": grid.width_px,
            "height_px": grid.height_px,
        }
        levels.append(place | {"tiles": tiles} | ({} if grid.cover is None else {"sparse": True}))
        if heights is not None:
            corner = (grid.x_min_m, grid.y_max_m)
            objects = place | _write(folder / "objects.tif", heights, corner, grid.gsd_m, ground.crs)
        finer = Averages(grid, pieces)
    assert objects is not None
    return levels, objects | {"unit_m": HEIGHT_UNIT_M}


def _write(
    path: Path, image: NDArray[np.uint8], corner: tuple[float, float], gsd_m: float, crs: str
) -> dict[str, Any]:
    """Write one file and return its name, checksum and size for the manifest."""
    digest = write_tile(path, image, *corner, gsd_m, crs)
    return {"file": path.name, "sha256": digest, "size_bytes": path.stat().st_size}
