"""A terrain model of a formula, for the tests of terrain surfaces and of rays on them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin

from lard.ground.terrain.dem import load_dem
from lard.ground.terrain.model import TerrainModel

Land = Callable[[np.ndarray, np.ndarray], np.ndarray]


def hills(east_m: np.ndarray, north_m: np.ndarray) -> np.ndarray:
    """Ridges of 150 m every 3 km on a gentle slope, lower and shorter ones across."""
    return (
        420 + 0.004 * north_m + 75 * np.sin(north_m / 480) + 40 * np.sin(east_m / 350 + 1)
        + 12 * np.sin(east_m / 90) * np.sin(north_m / 110)
    )  # fmt: skip


def write_land(
    path: Path,
    land: Land,
    lat_deg: float,
    lon_deg: float,
    reach_deg: float = 0.12,
    step_deg: float = 1 / 3600,
) -> Path:
    """GeoTIFF in latitude and longitude of a land given in metres east and north of a place."""
    side = 2 * round(reach_deg / step_deg)
    left, top = lon_deg - side / 2 * step_deg, lat_deg + side / 2 * step_deg
    place = (np.arange(side) + 0.5) * step_deg
    east = (left + place - lon_deg) * 111_320 * np.cos(np.radians(lat_deg))
    north = (top - place[:, None] - lat_deg) * 111_132
    with rasterio.open(
        path, "w", driver="GTiff", width=side, height=side, count=1, dtype="float32", crs="EPSG:4326",
        nodata=-9999.0, transform=from_origin(left, top, step_deg, step_deg),
    ) as target:  # fmt: skip
        target.write(np.broadcast_to(land(east, north), (side, side)).astype(np.float32), 1)
    return path


def dem_of(
    path: Path, land: Land, lat_deg: float = 47.0, lon_deg: float = 8.0, reach_deg: float = 0.12
) -> TerrainModel:
    """The terrain model of a land."""
    return load_dem(write_land(path, land, lat_deg, lon_deg, reach_deg))
