"""Layers of a terrain model: tiles of one raster of posts read as one seamless grid, block by block."""

import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyproj
from numpy.typing import NDArray
from pyproj.exceptions import ProjError
from rasterio.transform import Affine

from lard.errors import DataError
from lard.ground.terrain.rasters import Grid, Raster, image_side, read_block, read_terrarium

Array = NDArray[np.float64]

BLOCK = 256
_CACHED_BLOCKS = 512  # of a quarter megabyte each
_METRES_PER_DEGREE = 111320.0
_MERCATOR_HALF_M = 20037508.342789244


@dataclass(frozen=True, slots=True)
class Layer:
    """Posts (x0 + i dx, y0 + j dy) of one CRS; tiles of them on disk, given as rasters or as z/x/y images."""

    crs_wkt: str
    x0: float
    y0: float
    dx: float
    dy: float
    rasters: tuple[Raster, ...] = ()
    places: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 4), np.int64))
    """(n, 4): first and last + 1 column and row of each raster among the layer's posts."""
    template: str = ""
    zoom: int = 0
    tile_px: int = 0
    _blocks: dict[tuple[int, int, int], Grid] = field(default_factory=dict, compare=False, repr=False)

    @property
    def spacing_m(self) -> float:
        """Distance of posts northwards, in metres (on the map, for projected ones)."""
        crs = pyproj.CRS.from_wkt(self.crs_wkt)
        unit = _METRES_PER_DEGREE if crs.is_geographic else crs.axis_info[0].unit_conversion_factor
        return abs(self.dy) * unit

    def rank(self, step_m: float) -> tuple[float, float]:
        """Order of asking: the finest first; of the zooms of a tile pyramid, the coarsest that suffices."""
        spacing = self.spacing_m
        if not self.template or step_m <= 0:
            return (0.0 if not self.template else 1.0, spacing)
        return (1.0, step_m / spacing) if spacing <= step_m else (2.0, spacing)

    def summary(self) -> str:
        """Kind, number of tiles and spacing."""
        if self.template:
            return f"terrarium zoom {self.zoom} ({self.spacing_m:.3g} m at the equator)"
        return f"{len(self.rasters)} raster{'s' * (len(self.rasters) > 1)} at {self.spacing_m:.3g} m"

    def heights(self, lat_deg: Array, lon_deg: Array, step_m: float) -> Array:
        """Heights (n,) in metres, NaN where the layer has none."""
        x, y = _from_geodetic(self.crs_wkt).transform(lon_deg, lat_deg)
        shrink = 2 ** max(int(np.log2(max(step_m, 1e-9) / self.spacing_m)), 0)
        column = ((x - self.x0) / self.dx - (shrink - 1) / 2) / shrink
        row = ((y - self.y0) / self.dy - (shrink - 1) / 2) / shrink
        height = np.full(column.shape, np.nan)
        known = np.flatnonzero(np.isfinite(column) & np.isfinite(row))
        block_i, block_j = (np.floor(v[known] / BLOCK).astype(np.int64) for v in (column, row))
        order = np.lexsort((block_i, block_j))
        keys = np.stack([block_j[order], block_i[order]], -1)
        starts = np.flatnonzero(np.any(np.diff(keys, axis=0, prepend=keys[:1] - 1) != 0, axis=1))
        for start, stop in zip(starts, np.append(starts[1:], len(keys)), strict=True):
            j, i = (int(v) for v in keys[start])
            chosen = known[order[start:stop]]
            grid = self._block(shrink, i, j)
            if grid.size:
                height[chosen] = _bilinear(grid, column[chosen] - i * BLOCK, row[chosen] - j * BLOCK)
        return height

    def files(self, south: float, north: float, west: float, east: float) -> list[Path]:
        """Files of tiles that touch a rectangle in degrees."""
        edge = np.linspace(0, 1, 9)
        lon, lat = west + edge * (east - west), south + edge * (north - south)
        ring_lon = np.concatenate([lon, lon, np.full(9, west), np.full(9, east)])
        ring_lat = np.concatenate([np.full(9, south), np.full(9, north), lat, lat])
        x, y = _from_geodetic(self.crs_wkt).transform(ring_lon, np.clip(ring_lat, -90, 90))
        if not (np.isfinite(x).any() and np.isfinite(y).any()):
            return []
        x, y = x[np.isfinite(x)], y[np.isfinite(y)]
        i, j = (
            np.sort([(x.min() - self.x0) / self.dx, (x.max() - self.x0) / self.dx]),
            np.sort([(y.min() - self.y0) / self.dy, (y.max() - self.y0) / self.dy]),
        )
        if self.template:
            return [
                path
                for tile_j in range(int(j[0] // self.tile_px), int(j[1] // self.tile_px) + 1)
                for tile_i in range(int(i[0] // self.tile_px), int(i[1] // self.tile_px) + 1)
                if (path := self._tile(tile_i, tile_j)).is_file()
            ]
        p = self.places
        touched = (p[:, 0] <= i[1] + 1) & (p[:, 1] >= i[0]) & (p[:, 2] <= j[1] + 1) & (p[:, 3] >= j[0])
        return [self.rasters[k].file for k in np.flatnonzero(touched)]

    def _block(self, shrink: int, i: int, j: int) -> Grid:
        """Posts (BLOCK + 1, BLOCK + 1) of a block, averaged over shrink x shrink; empty where no tile is."""
        key = (shrink, i, j)
        if key not in self._blocks:
            while len(self._blocks) >= _CACHED_BLOCKS:
                del self._blocks[next(iter(self._blocks))]
            read = self._images if self.template else self._windows
            self._blocks[key] = read(shrink, i * BLOCK, j * BLOCK)
        return self._blocks[key]

    def _windows(self, shrink: int, column: int, row: int) -> Grid:
        left, top, side = column * shrink, row * shrink, (BLOCK + 1) * shrink
        p = self.places
        touched = (p[:, 0] < left + side) & (p[:, 1] > left) & (p[:, 2] < top + side) & (p[:, 3] > top)
        if not touched.any():
            return np.empty((0, 0), np.float32)
        block = np.full((BLOCK + 1, BLOCK + 1), np.nan, np.float32)
        corner = Affine(
            self.dx * shrink, 0, self.x0 + (left - 0.5) * self.dx,
            0, self.dy * shrink, self.y0 + (top - 0.5) * self.dy,
        )  # fmt: skip
        for k in np.flatnonzero(touched):
            part = read_block(self.rasters[k], p[k], left, top, BLOCK + 1, shrink, corner)
            np.copyto(block, part, where=np.isnan(block))
        return block

    def _tile(self, i: int, j: int) -> Path:
        flipped = 2**self.zoom - 1 - j
        text = self.template.replace("{z}", str(self.zoom)).replace("{x}", str(i))
        return Path(text.replace("{y}", str(j)).replace("{-y}", str(flipped)))

    def _images(self, shrink: int, column: int, row: int) -> Grid:
        side, px = (BLOCK + 1) * shrink, self.tile_px
        left, top = column * shrink, row * shrink
        block, found = np.full((side, side), np.nan, np.float32), False
        for tile_j in range(top // px, (top + side - 1) // px + 1):
            for tile_i in range(left // px, (left + side - 1) // px + 1):
                path = self._tile(tile_i, tile_j)
                if not path.is_file():
                    continue
                found = True
                x, y = tile_i * px - left, tile_j * px - top
                x0, x1, y0, y1 = max(x, 0), min(x + px, side), max(y, 0), min(y + px, side)
                block[y0:y1, x0:x1] = read_terrarium(path, px)[y0 - y : y1 - y, x0 - x : x1 - x]
        if not found:
            return np.empty((0, 0), np.float32)
        if shrink == 1:
            return block
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # means of nothing are voids
            return np.nanmean(block.reshape(BLOCK + 1, shrink, BLOCK + 1, shrink), axis=(1, 3))


def layers_of(rasters: Iterable[Raster]) -> tuple[Layer, ...]:
    """Layers of rasters that share CRS, resolution and raster of posts; finest first."""
    groups: dict[tuple[str, float, float], list[list[Raster]]] = {}
    for raster in rasters:
        same = groups.setdefault((raster.crs_wkt, round(raster.dx, 12), round(raster.dy, 12)), [])
        for group in same:
            if all(abs(offset - round(offset)) < 0.01 for offset in _offset(raster, group[0])):
                group.append(raster)
                break
        else:
            same.append([raster])
    layers = []
    for group in (group for same in groups.values() for group in same):
        first, offsets = group[0], [_offset(raster, group[0]) for raster in group]
        places = [
            (round(i), round(i) + raster.columns, round(j), round(j) + raster.rows)
            for raster, (i, j) in zip(group, offsets, strict=True)
        ]
        layers.append(
            Layer(
                first.crs_wkt,
                first.x0,
                first.y0,
                first.dx,
                first.dy,
                tuple(group),
                np.array(places, np.int64),
            )
        )
    return tuple(sorted(layers, key=lambda layer: layer.spacing_m))


def terrarium_layers(template: str) -> tuple[Layer, ...]:
    """Layers of the zooms found under a template with {z}, {x} and {y} (or {-y}, counted from the south)."""
    for name in ("{z}", "{x}"):
        if template.count(name) != 1 or not re.search(r"\{-?y\}", template):
            raise DataError(f"{template}: expected a path with {{z}}, {{x}} and {{y}} once each")
    root, layers = Path(template.split("{z}", 1)[0]), []
    tail = re.sub(r"\{-?[xy]\}", "*", template.split("{z}", 1)[1]).lstrip("/")
    for folder in sorted(root.iterdir() if root.is_dir() else (), key=lambda path: path.name):
        first = next(folder.glob(tail), None) if folder.name.isdecimal() else None
        if first is None:
            continue
        zoom, side = int(folder.name), image_side(first)
        step = 2 * _MERCATOR_HALF_M / (side * 2**zoom)
        layers.append(
            Layer(
                pyproj.CRS.from_epsg(3857).to_wkt(),
                -_MERCATOR_HALF_M + step / 2,
                _MERCATOR_HALF_M - step / 2,
                step,
                -step,
                template=template,
                zoom=zoom,
                tile_px=side,
            )
        )
    if not layers:
        raise DataError(f"{template}: no tiles found; expected files such as 12/2096/1497.png")
    return tuple(sorted(layers, key=lambda layer: layer.spacing_m))


def _offset(raster: Raster, origin: Raster) -> tuple[float, float]:
    return (raster.x0 - origin.x0) / raster.dx, (raster.y0 - origin.y0) / raster.dy


_transformers: dict[str, pyproj.Transformer] = {}


def _from_geodetic(crs_wkt: str) -> pyproj.Transformer:
    if crs_wkt not in _transformers:
        try:
            _transformers[crs_wkt] = pyproj.Transformer.from_crs("EPSG:4326", crs_wkt, always_xy=True)
        except ProjError as error:
            raise DataError(
                f"terrain: coordinates of a site or of no map of the earth ({crs_wkt[:60]}); name their CRS: "
                "gdal_translate -a_srs EPSG:..."
            ) from error
    return _transformers[crs_wkt]


def _bilinear(grid: Grid, column: Array, row: Array) -> Array:
    """Mean of the four posts around, weighted bilinearly; voids are left out unless they weigh half."""
    i = np.clip(column.astype(np.int64), 0, grid.shape[1] - 2)
    j = np.clip(row.astype(np.int64), 0, grid.shape[0] - 2)
    fx, fy = column - i, row - j
    total, weight = np.zeros(column.shape), np.zeros(column.shape)
    for dj, wy in ((0, 1 - fy), (1, fy)):
        for di, wx in ((0, 1 - fx), (1, fx)):
            value = grid[j + dj, i + di]
            share = np.where(np.isnan(value), 0.0, wx * wy)
            total += share * np.nan_to_num(value)
            weight += share
    return np.where(weight >= 0.5 - 1e-9, total / np.maximum(weight, 1e-9), np.nan)
