"""Tile grids: which tiles of which zoom lie over a place, in any coordinate system a server tiles.

Rows count from the north here, whatever the server does; a provider turns them round in its own addresses.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from rasterio.transform import Affine

from lard.geodesy import geodesic_inverse

Array = NDArray[np.float64]
Tile = tuple[int, int, int]
"""Zoom, column, row from the north."""

MERCATOR_HALF_M = math.pi * 6378137.0
"""Half side of the square of EPSG:3857."""
METRES_PER_DEGREE = math.pi * 6378137.0 / 180
"""What WMTS 1.0.0 (OGC 07-057r7, 6.1) takes for a degree in scale denominators."""


@dataclass(frozen=True, slots=True)
class TileMatrix:
    """One zoom of a tiled map: origin and pixel size in units of its CRS, and the tiles there are."""

    zoom: int
    name: str  # what the server calls it
    crs: str
    x_min: float
    y_max: float
    pixel_x: float
    pixel_y: float
    tile_width_px: int
    tile_height_px: int
    col_min: int
    col_max: int
    row_min: int
    row_max: int
    rows: int = 0  # of the full matrix, for schemes that count from the south

    def bounds(self, col: int, row: int) -> tuple[float, float, float, float]:
        """x_min, y_min, x_max, y_max of a tile in its CRS."""
        width, height = self.pixel_x * self.tile_width_px, self.pixel_y * self.tile_height_px
        left, top = self.x_min + col * width, self.y_max - row * height
        return left, top - height, left + width, top

    def transform(self, col: int, row: int) -> Affine:
        """Affine of the pixels counted from a tile's top-left corner."""
        left, _, _, top = self.bounds(col, row)
        return Affine(self.pixel_x, 0, left, 0, -self.pixel_y, top)

    def tiles_over(self, box: tuple[float, float, float, float]) -> tuple[int, int, int, int]:
        """First column and row, last column and row of the tiles a box touches; empty: last < first."""
        width, height = self.pixel_x * self.tile_width_px, self.pixel_y * self.tile_height_px
        first = max(math.floor((box[0] - self.x_min) / width), self.col_min)
        last = min(math.ceil((box[2] - self.x_min) / width) - 1, self.col_max)
        top = max(math.floor((self.y_max - box[3]) / height), self.row_min)
        bottom = min(math.ceil((self.y_max - box[1]) / height) - 1, self.row_max)
        return first, top, last, bottom

    def gsd_m(self, lat_deg: float, lon_deg: float) -> float:
        """Metres on the ground of a pixel's longer side at a place; infinite where the CRS does not reach."""
        x, y = transformer("EPSG:4326", self.crs).transform(lon_deg, lat_deg)
        if not (math.isfinite(x) and math.isfinite(y)):
            return math.inf
        step = np.array([[-self.pixel_x, 0], [self.pixel_x, 0], [0, -self.pixel_y], [0, self.pixel_y]]) * 8
        lon, lat = transformer(self.crs, "EPSG:4326").transform(x + step[:, 0], y + step[:, 1])
        _, _, metres = geodesic_inverse(lat[::2], lon[::2], lat[1::2], lon[1::2])
        return float(np.max(metres)) / 16


@dataclass(frozen=True, slots=True)
class MapBox:
    """A rectangle of the local map in metres."""

    x_min_m: float
    y_min_m: float
    x_max_m: float
    y_max_m: float

    def outline(self, points: int = 17) -> tuple[Array, Array]:
        """Points along the four sides, x and y."""
        along = np.linspace(0, 1, points)
        x = self.x_min_m + (self.x_max_m - self.x_min_m) * along
        y = self.y_min_m + (self.y_max_m - self.y_min_m) * along
        low, high = np.full(points, self.y_min_m), np.full(points, self.y_max_m)
        left, right = np.full(points, self.x_min_m), np.full(points, self.x_max_m)
        return np.concatenate([x, x, left, right]), np.concatenate([low, high, y, y])


def local_crs(lat0_deg: float, lon0_deg: float) -> str:
    """PROJ string of the map coordinates at an origin."""
    return f"+proj=ortho +lat_0={lat0_deg!r} +lon_0={lon0_deg!r} +ellps=WGS84 +units=m +no_defs"


@cache
def transformer(source: str, target: str) -> Transformer:
    """Exact transformer between two CRSs, x (longitude, east) first."""
    return Transformer.from_crs(CRS.from_user_input(source), CRS.from_user_input(target), always_xy=True)


def box_in_crs(
    box: MapBox, local: str, matrix: TileMatrix, pad_px: float = 2.0
) -> tuple[float, float, float, float]:
    """Bounds, in the matrix's CRS, of a box of the local map, grown by a few source pixels."""
    x, y = transformer(local, matrix.crs).transform(*box.outline())
    keep = np.isfinite(x) & np.isfinite(y)
    if not keep.any():
        return math.inf, math.inf, -math.inf, -math.inf
    px, py = pad_px * matrix.pixel_x, pad_px * matrix.pixel_y
    x, y = x[keep], y[keep]
    return float(x.min() - px), float(y.min() - py), float(x.max() + px), float(y.max() + py)


def tile_on_map(matrix: TileMatrix, col: int, row: int, local: str) -> MapBox:
    """Bounding box of a tile on the local map."""
    x, y = transformer(matrix.crs, local).transform(*MapBox(*matrix.bounds(col, row)).outline(5))
    return MapBox(float(np.min(x)), float(np.min(y)), float(np.max(x)), float(np.max(y)))


def tiles_of(
    matrix: TileMatrix, box: MapBox, local: str, inside: MapBox | None = None
) -> Iterator[tuple[int, int]]:
    """Columns and rows of the tiles over a box of the map, without those that lie wholly in `inside`."""
    bounds = box_in_crs(box, local, matrix)
    if not bounds[0] <= bounds[2]:
        return
    first, top, last, bottom = matrix.tiles_over(bounds)
    for row in range(top, bottom + 1):
        for col in range(first, last + 1):
            if inside is not None:
                tile = tile_on_map(matrix, col, row, local)
                if (
                    tile.x_min_m >= inside.x_min_m
                    and tile.x_max_m <= inside.x_max_m
                    and tile.y_min_m >= inside.y_min_m
                    and tile.y_max_m <= inside.y_max_m
                ):
                    continue
            yield col, row


def web_mercator(zoom_min: int, zoom_max: int, tile_px: int = 256) -> tuple[TileMatrix, ...]:
    """The square quad-tree of EPSG:3857 with tiles of tile_px pixels."""
    matrices = []
    for zoom in range(zoom_min, zoom_max + 1):
        pixel = 2 * MERCATOR_HALF_M / (tile_px << zoom)
        last = (1 << zoom) - 1
        half, square = MERCATOR_HALF_M, (0, last, 0, last)
        matrix = TileMatrix(
            zoom, str(zoom), "EPSG:3857", -half, half, pixel, pixel, tile_px, tile_px, *square, last + 1
        )
        matrices.append(matrix)
    return tuple(matrices)


def quadkey(zoom: int, col: int, row: int) -> str:
    """Bing's name of a tile: one base-4 digit per level, the row's bit counting two."""
    return "".join(str(((col >> bit) & 1) + 2 * ((row >> bit) & 1)) for bit in range(zoom - 1, -1, -1))


def zoom_for(
    matrices: tuple[TileMatrix, ...], gsd_m: float, lat_deg: float, lon_deg: float, slack: float = 1.05
) -> TileMatrix:
    """The coarsest matrix that is still as fine as wanted at a place, else the finest there is."""
    by_size = sorted(matrices, key=lambda matrix: -matrix.gsd_m(lat_deg, lon_deg))
    fine = [matrix for matrix in by_size if matrix.gsd_m(lat_deg, lon_deg) <= gsd_m * slack]
    return fine[0] if fine else by_size[-1]
