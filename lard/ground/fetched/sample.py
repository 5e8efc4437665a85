"""Samples the local map from tiles: an exact warp of the tiles under a window, memory bounded."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.transform import Affine
from rasterio.warp import reproject

from lard.errors import SourceError
from lard.ground.cover import Cover, cell_centres, probe
from lard.ground.fetched.grid import MapBox, TileMatrix, box_in_crs, transformer
from lard.ground.fetched.pictures import TileReader
from lard.ground.fetched.rasters import WARP_TOLERANCE_PX, warp_target
from lard.ground.gdal import GDAL_FAULTS
from lard.ground.tiles import LevelGrid

MOSAIC_LIMIT_PX = 40_000_000
_OPAQUE = 128
_PARTS = 8  # of a tile, each way, that are told apart where it is partly transparent


@dataclass(frozen=True, slots=True)
class TileSampler:
    """One zoom of a source as colours of the map."""

    name: str
    reader: TileReader
    matrix: TileMatrix
    crs: str
    limit_px: int = MOSAIC_LIMIT_PX

    def __call__(self, grid: LevelGrid) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Pixels (height, width, 3) of a window of the map, and where a tile covers it."""
        matrix = self.matrix
        box = MapBox(grid.x_min_m, grid.y_min_m, grid.x_max_m, grid.y_max_m)
        first, top, last, bottom = matrix.tiles_over(box_in_crs(box, self.crs, matrix, 4.0))
        if matrix.transform(first, top) == Affine(1, 0, 0, 0, -1, 0):
            first -= 1  # GDAL takes this for no georeferencing, see warp_target
        columns, rows = last - first + 1, bottom - top + 1
        shape = (grid.height_px, grid.width_px)
        if columns <= 0 or rows <= 0:
            return np.zeros((*shape, 3), np.uint8), np.zeros(shape, bool)
        width, height = matrix.tile_width_px, matrix.tile_height_px
        if columns * width * rows * height > self.limit_px and min(shape) > 64:
            return self._in_quarters(grid)
        mosaic = np.zeros((4, rows * height, columns * width), np.uint8)
        for row in range(rows):
            for column in range(columns):
                tile = self.reader.pixels(matrix.tile(first + column, top + row))
                if tile is not None:
                    part = mosaic[:, row * height : (row + 1) * height, column * width : (column + 1) * width]
                    part[:] = np.moveaxis(tile, -1, 0)
        out = np.zeros((4, *shape), np.uint8)
        if mosaic[3].any():
            # the map's pixels are coarser than the tiles': take all they cover, else interpolate
            ratio = grid.gsd_m * columns * width / max(_span_m(matrix, grid, self.crs, columns * width), 1e-9)
            crs, affine = warp_target(grid, self.crs)
            try:
                reproject(
                    mosaic, out, src_transform=matrix.transform(first, top), src_crs=matrix.crs,
                    dst_transform=affine, dst_crs=crs, src_alpha=4, dst_alpha=4, tolerance=WARP_TOLERANCE_PX,
                    resampling=Resampling.average if ratio > 2.5 else Resampling.bilinear,
                )  # fmt: skip
            except GDAL_FAULTS as error:
                raise SourceError(f"{self.name}: cannot be warped to the map ({error})") from error
        return np.ascontiguousarray(np.moveaxis(out[:3], 0, -1)), out[3] >= _OPAQUE

    def _in_quarters(self, grid: LevelGrid) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """The same window from four smaller ones, where its tiles would take too much memory."""
        shape = (grid.height_px, grid.width_px)
        pixels, valid = np.zeros((*shape, 3), np.uint8), np.zeros(shape, bool)
        for y0, y1 in ((0, shape[0] // 2), (shape[0] // 2, shape[0])):
            for x0, x1 in ((0, shape[1] // 2), (shape[1] // 2, shape[1])):
                part = LevelGrid(
                    grid.gsd_m,
                    grid.x_min_m + x0 * grid.gsd_m,
                    grid.y_max_m - y0 * grid.gsd_m,
                    x1 - x0,
                    y1 - y0,
                )
                pixels[y0:y1, x0:x1], valid[y0:y1, x0:x1] = self(part)
        return pixels, valid


def _span_m(matrix: TileMatrix, grid: LevelGrid, crs: str, pixels: int) -> float:
    """Metres on the map of a number of source pixels at the window's middle."""
    x, y = (grid.x_min_m + grid.x_max_m) / 2, (grid.y_min_m + grid.y_max_m) / 2
    px, py = transformer(crs, matrix.crs).transform([x, x + grid.gsd_m], [y, y])
    step = float(np.hypot(px[1] - px[0], py[1] - py[0])) / grid.gsd_m  # CRS units per metre
    return pixels * matrix.pixel_x / step


def tile_cover(reader: TileReader, matrices: Iterable[TileMatrix], grid: LevelGrid, crs: str) -> Cover:
    """Which cells of a level are imagery: tiles that are there, where they are not transparent."""
    cells = probe(grid)
    x, y = (values.ravel() for values in cell_centres(cells))
    mask = np.zeros(len(x), bool)
    opaque: dict[tuple[int, int, int], NDArray[np.bool_] | None] = {}
    for matrix in sorted(matrices, key=lambda found: found.zoom):
        left = np.flatnonzero(~mask)
        across, down = transformer(crs, matrix.crs).transform(x[left], y[left])
        with np.errstate(invalid="ignore"):
            column = (np.asarray(across) - matrix.x_min) / (matrix.pixel_x * matrix.tile_width_px)
            row = (matrix.y_max - np.asarray(down)) / (matrix.pixel_y * matrix.tile_height_px)
            inner = (column >= matrix.col_min) & (column < matrix.col_max + 1)
            inner &= (row >= matrix.row_min) & (row < matrix.row_max + 1)
        left, column, row = left[inner], column[inner], row[inner]
        places = np.column_stack([np.floor(column), np.floor(row)]).astype(np.int64)
        tiles, of_cell = np.unique(places, axis=0, return_inverse=True)
        part = np.column_stack([row - places[:, 1], column - places[:, 0]]) * _PARTS
        parts = np.clip(part.astype(np.intp), 0, _PARTS - 1)
        shown = np.zeros((len(tiles), _PARTS, _PARTS), bool)
        for k, (col, rw) in enumerate(tiles.tolist()):
            tile = matrix.tile(col, rw)
            if tile not in opaque:
                opaque[tile] = reader.opaque(tile, _PARTS)
            found = opaque[tile]
            if found is not None:
                shown[k] = found
        mask[left] = shown[of_cell.ravel(), parts[:, 0], parts[:, 1]]
    return Cover(cells, mask.reshape(cells.height_px, cells.width_px))
