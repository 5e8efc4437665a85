"""Heights of terrain tiles at given places, for comparison with runway elevations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lard.errors import DataError

Array = NDArray[np.float64]

_SCALE, _TIEPOINT, _NODATA, _KEYS = 33550, 33922, 42113, 34735
_GEOGRAPHIC, _POINT = 2, 2  # GTModelType: latitude and longitude; GTRasterType: posts, not cells


def terrain_heights(tiles: Sequence[Path], lat_deg: Array, lon_deg: Array) -> Array:
    """Heights (n,) in metres, bilinear between posts; NaN where no tile has data.

    Tiles are GeoTIFF in latitude and longitude, as SRTM is distributed.
    """
    heights = np.full(len(lat_deg), np.nan)
    for path in tiles:
        west, north, step_x, step_y, grid = read_tile(path)
        column, row = (np.asarray(lon_deg) - west) / step_x, (north - np.asarray(lat_deg)) / step_y
        rows, columns = grid.shape
        inside = (column >= 0) & (column <= columns - 1) & (row >= 0) & (row <= rows - 1) & np.isnan(heights)
        if inside.any():
            heights[inside] = _bilinear(grid, row[inside], column[inside])
    return heights


def _bilinear(grid: Array, row: Array, column: Array) -> Array:
    r0 = np.clip(np.floor(row).astype(int), 0, grid.shape[0] - 2)
    c0 = np.clip(np.floor(column).astype(int), 0, grid.shape[1] - 2)
    fr, fc = row - r0, column - c0
    upper = grid[r0, c0] * (1 - fc) + grid[r0, c0 + 1] * fc
    lower = grid[r0 + 1, c0] * (1 - fc) + grid[r0 + 1, c0 + 1] * fc
    return np.asarray(upper * (1 - fr) + lower * fr, np.float64)


def read_tile(path: Path) -> tuple[float, float, float, float, Array]:
    """Longitude and latitude of the first post, post spacing in degrees (x, y), heights (rows, columns)."""
    try:
        with Image.open(path) as image:
            tags = {tag: image.tag_v2.get(tag) for tag in (_SCALE, _TIEPOINT, _NODATA, _KEYS)}  # type: ignore[attr-defined]
            grid = np.array(image, np.float64)
    except (OSError, AttributeError) as error:
        raise DataError(f"{path}: not a readable GeoTIFF terrain tile ({error})") from error
    keys = _geo_keys(tags[_KEYS])
    if tags[_SCALE] is None or tags[_TIEPOINT] is None or keys.get(1024) != _GEOGRAPHIC or grid.ndim != 2:
        raise DataError(f"{path}: expected a one-band GeoTIFF in latitude and longitude, north up")
    step_x, step_y = float(tags[_SCALE][0]), float(tags[_SCALE][1])
    column, row, _, lon, lat = (float(v) for v in tags[_TIEPOINT][:5])
    half = 0.0 if keys.get(1025) == _POINT else 0.5  # cells are known at their centres
    west, north = lon + (half - column) * step_x, lat - (half - row) * step_y
    if tags[_NODATA]:
        grid[grid == float(str(tags[_NODATA]).strip("\x00 "))] = np.nan
    return west, north, step_x, step_y, grid


def _geo_keys(directory: tuple[int, ...] | None) -> dict[int, int]:
    """Keys of a GeoTIFF directory whose value stands in the directory itself."""
    values = directory or ()
    entries = [values[k : k + 4] for k in range(4, len(values) - 3, 4)]
    return {entry[0]: entry[3] for entry in entries if entry[1] == 0}
