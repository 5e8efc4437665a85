"""Make the relief around the shipped airports: `python benchmarks/relief.py etopo5.cdf`.

etopo5.cdf is a file of Debian's package ferret-datasets 7.6.0-5 (`apt-get download ferret-datasets`, then
`dpkg -x`): ETOPO5 of the National Geophysical Data Center, heights in metres every 5 arc-minutes. The posts
within WITHIN_M of the airports of the shipped table are kept and written to lard/ground/terrain/relief.tif;
those that the shipped coasts say are sea are 0 there. Run it again when the table gets airports that lie
elsewhere.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.transform import from_origin
from scipy import ndimage
from scipy.io import netcdf_file

from lard.airports import load_shipped
from lard.airports.coastline import coast_rings, rings_near
from lard.files import atomic_path
from lard.ground.terrain.patch import FILE, NO_POST, POSTS_PER_DEG

Array = NDArray[np.float64]

WITHIN_M = 105_000.0
"""Half the side of the square that is kept around an airport: what is drawn, and two posts for slopes."""
COAST_M = 94_000.0
"""How far the shipped coasts tell sea from land; beyond, those of the whole world do."""
M_PER_DEG = 111_195.0
TAGS = {
    "TIFFTAG_IMAGEDESCRIPTION": "ETOPO5, heights above mean sea level in metres, every 5 arc-minutes, around "
    "the shipped airports; posts at sea are 0; made by benchmarks/relief.py",
    "TIFFTAG_COPYRIGHT": "public domain: National Geophysical Data Center, NOAA, by way of ferret-datasets "
    "7.6.0-5",
}  # fmt: skip


def windows() -> list[tuple[float, float, int, int, int, int]]:
    """Place (latitude, longitude), first and last row from the north and column of the posts kept of it."""
    found = []
    for airport in load_shipped().airports.values():
        tall = WITHIN_M / M_PER_DEG
        wide = tall / math.cos(math.radians(abs(airport.lat_deg) + tall))
        rows = [(90.0 - airport.lat_deg + side * tall) * POSTS_PER_DEG for side in (-1, 1)]
        columns = [(airport.lon_deg + 180.0 + side * wide) * POSTS_PER_DEG for side in (-1, 1)]
        edges = (math.floor(rows[0]), math.ceil(rows[1]), math.floor(columns[0]), math.ceil(columns[1]))
        found.append((airport.lat_deg, airport.lon_deg, *edges))
    return found


def on_land(lat_deg: Array, lon_deg: Array, at: tuple[float, float]) -> NDArray[np.bool_]:
    """Which posts (n,) around a place are land by the shipped coasts."""
    tall = COAST_M / M_PER_DEG
    wide = tall / math.cos(math.radians(abs(at[0]) + tall))
    near = (np.abs(lat_deg - at[0]) <= tall) & (np.abs(lon_deg - at[1]) <= wide)
    inside = np.zeros(lat_deg.shape, bool)
    rings = rings_near(*at, np.array([wide, tall]))
    assert rings is not None, f"no coasts around {at}; run benchmarks/coastline.py first"
    points = shapely.points(lon_deg, lat_deg)
    for ring in rings:  # even-odd
        inside ^= shapely.intersects(shapely.make_valid(shapely.Polygon(ring)), points)
    world = np.zeros(lat_deg.shape, bool)
    for ring in coast_rings():
        for turn in (-360.0, 0.0, 360.0):
            world |= shapely.intersects(
                shapely.make_valid(shapely.Polygon(ring + np.array([turn, 0.0]))), points
            )
    return np.where(near, inside, world)


def main() -> None:
    with netcdf_file(sys.argv[1], mmap=False) as source:
        posts = np.asarray(source.variables["ROSE"].data, np.float64)[::-1]  # from the north
    posts = np.roll(posts, posts.shape[1] // 2, axis=1)  # from 180 degrees west
    kept = np.full(posts.shape, NO_POST, np.int16)
    for lat, lon, top, bottom, left, right in windows():
        rows, columns = np.arange(top, bottom + 1), np.arange(left, right + 1)
        row, column = np.meshgrid(rows, columns, indexing="ij")
        around = posts[rows][:, columns % posts.shape[1]]
        land = on_land(90.0 - row / POSTS_PER_DEG, column / POSTS_PER_DEG - 180.0, (lat, lon))
        # land below the sea is only believed away from the coast: near it, it is sea bed
        inland = ndimage.binary_erosion(land, np.ones((3, 3)), iterations=2, border_value=1)
        told = np.where(land, np.where(inland, around, np.maximum(around, 0.0)), 0.0)
        kept[np.ix_(rows, columns % posts.shape[1])] = np.rint(told)
    corner = -180.0 - 0.5 / POSTS_PER_DEG, 90.0 + 0.5 / POSTS_PER_DEG
    with (
        atomic_path(FILE) as path,
        rasterio.open(
            path, "w", driver="GTiff", width=kept.shape[1], height=kept.shape[0], count=1, dtype="int16",
            crs="EPSG:4326", transform=from_origin(*corner, 1 / POSTS_PER_DEG, 1 / POSTS_PER_DEG),
            nodata=NO_POST, compress="DEFLATE", predictor=2, zlevel=9, tiled=True, blockxsize=256,
            blockysize=256, sparse_ok=True,
        ) as target,
    ):  # fmt: skip
        target.write(kept, 1)
        target.update_tags(**TAGS)
    print(f"{FILE}: {np.count_nonzero(kept != NO_POST)} posts, {Path(FILE).stat().st_size / 1024:.0f} kB")


if __name__ == "__main__":
    main()
