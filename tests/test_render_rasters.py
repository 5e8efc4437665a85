"""Ground imagery from rasters of another CRS: lands where the map says, holes and bad files are named."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine, from_bounds

from lard.errors import SourceError
from lard.ground.fetched.folder import ground_from_rasters
from lard.ground.pyramid import load_ground
from lard.ground.terrain.surface import map_from_geodetic

LAT, LON = 46.0, 7.0
REACHES = ((4.0, 256.0), (8.0, 512.0))


def raster(path: Path, **options: object) -> Path:
    """A geographic raster of 0.02 degrees with a bright north-east quarter."""
    pixels = np.full((3, 800, 800), 50, np.uint8)
    pixels[:, :400, 400:] = 200
    bounds = from_bounds(LON - 0.01, LAT - 0.01, LON + 0.01, LAT + 0.01, 800, 800)
    settings = {"crs": "EPSG:4326", "transform": bounds, **options}
    with rasterio.open(
        path, "w", driver="GTiff", width=800, height=800, count=3, dtype="uint8", **settings
    ) as file:
        file.write(pixels)
    return path


def test_rasters_land_on_the_map(tmp_path: Path) -> None:
    source = raster(tmp_path / "a.tif")
    folder = ground_from_rasters(
        [source], tmp_path / "XTST", "XTST", LAT, LON, REACHES, licence="CC0-1.0", attribution="test"
    )
    ground = load_ground(folder).read_all()
    for level in range(2):
        image, entry = ground.level_array(level), ground.levels[level]
        for lat, lon, value in (
            (LAT + 1e-3, LON + 1e-3, 200),
            (LAT - 1e-3, LON + 1e-3, 50),
            (LAT, LON - 2e-3, 50),
        ):
            x, y = map_from_geodetic(np.array(lat), np.array(lon), LAT, LON)
            column, row = int((x - entry.x_min_m) / entry.gsd_m), int((entry.y_max_m - y) / entry.gsd_m)
            assert abs(int(image[row, column, 0]) - value) <= 3


def test_bad_rasters_are_named(tmp_path: Path) -> None:
    def build(*paths: Path, reaches: tuple[tuple[float, float], ...] = REACHES) -> None:
        ground_from_rasters(paths, tmp_path / "G", "XTST", LAT, LON, reaches, licence="", attribution="")

    with pytest.raises(SourceError, match="no raster given"):
        build()
    with pytest.raises(SourceError, match=r"leaves .* empty"):
        build(raster(tmp_path / "a.tif"), reaches=((16.0, 4096.0),))
    with pytest.raises(SourceError, match=r"b.tif: no CRS or no transform"):
        build(raster(tmp_path / "b.tif", crs=None, transform=Affine.identity()))
    (tmp_path / "c.tif").write_bytes(b"not a raster")
    with pytest.raises(SourceError, match=r"c.tif: cannot be read"):
        build(tmp_path / "c.tif")
    assert not (tmp_path / "G" / "manifest.json").exists()
