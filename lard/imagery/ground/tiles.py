"""Georeferenced tiles on disk: writing GeoTIFFs and the manifest of a ground folder."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.transform import Affine

from lard.errors import SourceError
from lard.tables import atomic_path, read_json, sha256_file

TILE_PX = 2048
JPEG_QUALITY = 93


@dataclass(frozen=True, slots=True)
class LevelGrid:
    """The pixel grid of one level: ground sample distance, top-left corner in metres, size in pixels."""

    gsd_m: float
    x_min_m: float
    y_max_m: float
    width_px: int
    height_px: int

    @property
    def x_max_m(self) -> float:
        return self.x_min_m + self.width_px * self.gsd_m

    @property
    def y_min_m(self) -> float:
        return self.y_max_m - self.height_px * self.gsd_m


def level_grids(
    box: tuple[float, float, float, float], gsd_m: float, margins_m: tuple[float, ...]
) -> list[LevelGrid]:
    """One grid per margin, finest first, each twice as coarse; a level's edges lie on edges of the next.

    box = x_min, y_min, x_max, y_max of what the finest level must show, in metres.
    """
    grids = []
    for k, margin in enumerate(margins_m):
        gsd = gsd_m * 2**k
        # A multiple of two pixels keeps the blocks of the next level whole.
        block = 2 * gsd
        x0, y0 = math.floor((box[0] - margin) / block), math.floor((box[1] - margin) / block)
        x1, y1 = math.ceil((box[2] + margin) / block), math.ceil((box[3] + margin) / block)
        grids.append(LevelGrid(gsd, x0 * block, y1 * block, 2 * (x1 - x0), 2 * (y1 - y0)))
    return grids


def ortho_crs(lat0_deg: float, lon0_deg: float) -> str:
    """Return the PROJ string of the orthographic plane tangent to WGS 84 at a point: the east-north plane."""
    return f"+proj=ortho +lat_0={lat0_deg:.9f} +lon_0={lon0_deg:.9f} +ellps=WGS84 +units=m +no_defs"


def write_tile(
    path: Path, image: NDArray[np.uint8], x_min_m: float, y_max_m: float, gsd_m: float, crs: str
) -> str:
    """Write an image (h, w, 3) as a tiled JPEG GeoTIFF, atomically, and return its SHA-256."""
    height, width = image.shape[:2]
    try:
        with atomic_path(path) as temporary:
            with rasterio.open(
                temporary,
                "w",
                driver="GTiff",
                width=width,
                height=height,
                count=3,
                dtype="uint8",
                crs=crs,
                transform=Affine(gsd_m, 0.0, x_min_m, 0.0, -gsd_m, y_max_m),
                compress="JPEG",
                photometric="YCBCR",
                jpeg_quality=JPEG_QUALITY,
                tiled=True,
                blockxsize=256,
                blockysize=256,
            ) as target:
                target.write(np.moveaxis(image, -1, 0))
            return sha256_file(temporary)
    except (OSError, rasterio.errors.RasterioError) as error:
        raise SourceError(
            f"{path}: the tile could not be written ({error}); free space or mend the folder"
        ) from error


def manifest_holds(folder: Path, key: str) -> dict[str, Any] | None:
    """Return the folder's manifest if it was made from the same inputs and every tile is there unharmed."""
    path = folder / "manifest.json"
    if not path.is_file():
        return None
    try:
        manifest = read_json(path)
        tiles = [tile for level in manifest["levels"] for tile in level["tiles"]]
        if manifest["key"] != key:
            return None
        for tile in tiles:
            file = folder / tile["file"]
            if (
                not file.is_file()
                or file.stat().st_size != tile["size_bytes"]
                or sha256_file(file) != tile["sha256"]
            ):
                return None
    except (KeyError, TypeError, ValueError, SourceError, OSError):
        return None
    return dict(manifest)
