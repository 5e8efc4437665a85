"""Georeferenced tiles on disk: writing Cloud Optimised GeoTIFFs and the manifest of a ground folder."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.transform import Affine

from lard.errors import SourceError
from lard.tables import atomic_path, read_json, sha256_file

TILE_PX = 2048
BLOCK_PX = 256
JPEG_QUALITY = 93
HEIGHT_UNIT_M = 0.5
"""Metres per count of the heights raster (objects.tif)."""


@dataclass(frozen=True, slots=True)
class LevelGrid:
    """The pixel grid of one level: ground sample distance, top-left corner in metres, size in pixels."""

    gsd_m: float
    x_min_m: float
    y_max_m: float
    width_px: int
    height_px: int
    cover: NDArray[np.bool_] | None = field(default=None, compare=False)
    """Which blocks (rows, columns) of 256 px have pixels; None = all."""

    @property
    def x_max_m(self) -> float:
        return self.x_min_m + self.width_px * self.gsd_m

    @property
    def y_min_m(self) -> float:
        return self.y_max_m - self.height_px * self.gsd_m

    def windows(self) -> list[tuple[int, int, int, int]]:
        """Row, column, height and width in pixels of the tiles: whole blocks, north to south, west to east.

        A sparse level has smaller tiles, each cut to the blocks it must hold.
        """
        side = TILE_PX if self.cover is None else TILE_PX // 2
        out = []
        for row in range(0, self.height_px, side):
            for column in range(0, self.width_px, side):
                height, width = min(side, self.height_px - row), min(side, self.width_px - column)
                if self.cover is None:
                    out.append((row, column, height, width))
                    continue
                i, j, n = row // BLOCK_PX, column // BLOCK_PX, side // BLOCK_PX
                rows, columns = np.nonzero(self.cover[i : i + n, j : j + n])
                if len(rows):
                    r0, r1 = rows.min() * BLOCK_PX, min((rows.max() + 1) * BLOCK_PX, height)
                    c0, c1 = columns.min() * BLOCK_PX, min((columns.max() + 1) * BLOCK_PX, width)
                    out.append((row + int(r0), column + int(c0), int(r1 - r0), int(c1 - c0)))
        return out


def level_grid(box: tuple[float, float, float, float], gsd_m: float, multiple_px: int = 2) -> LevelGrid:
    """Return the grid that holds box = x_min, y_min, x_max, y_max (m); its edges lie on edges of the next.

    Its size is a multiple of multiple_px pixels.
    """
    # An even number of pixels keeps the blocks of the next level whole.
    block = 2 * gsd_m
    x0, y1 = math.floor(box[0] / block + 1e-9), math.ceil(box[3] / block - 1e-9)
    width, height = 2 * (math.ceil(box[2] / block) - x0), 2 * (y1 - math.floor(box[1] / block))
    width, height = (math.ceil(side / multiple_px) * multiple_px for side in (width, height))
    return LevelGrid(gsd_m, x0 * block, y1 * block, width, height)


def ortho_crs(lat0_deg: float, lon0_deg: float) -> str:
    """Return the PROJ string of the orthographic plane tangent to WGS 84 at a point: the east-north plane."""
    return f"+proj=ortho +lat_0={lat0_deg:.9f} +lon_0={lon0_deg:.9f} +ellps=WGS84 +units=m +no_defs"


def write_tile(
    path: Path, image: NDArray[np.uint8], x_min_m: float, y_max_m: float, gsd_m: float, crs: str
) -> str:
    """Write an image (h, w, 3) as a JPEG COG, or (h, w, 1) as a lossless one; return its SHA-256.

    Files hold no overviews of their own: the next levels of the manifest are their overviews.
    """
    height, width, bands = image.shape
    options: dict[str, Any] = {"compress": "DEFLATE", "level": 1}
    if bands == 3:
        options = {"compress": "JPEG", "quality": JPEG_QUALITY}
    try:
        with atomic_path(path) as temporary:
            with rasterio.open(
                temporary,
                "w",
                driver="COG",
                width=width,
                height=height,
                count=bands,
                dtype="uint8",
                crs=crs,
                transform=Affine(gsd_m, 0.0, x_min_m, 0.0, -gsd_m, y_max_m),
                blocksize=BLOCK_PX,
                overviews="NONE",
                num_threads=1,
                **options,
            ) as target:
                target.write(np.moveaxis(image, -1, 0))
            return sha256_file(temporary)
    except (OSError, rasterio.errors.RasterioError) as error:
        raise SourceError(
            f"{path}: the tile could not be written ({error}); free space or mend the folder"
        ) from error


def manifest_holds(folder: Path, key: str) -> dict[str, Any] | None:
    """Return the folder's manifest if it was made from the same inputs and every file is there unharmed."""
    path = folder / "manifest.json"
    if not path.is_file():
        return None
    try:
        manifest = read_json(path)
        files = [tile for level in manifest["levels"] for tile in level["tiles"]] + [manifest["objects"]]
        if manifest["key"] != key:
            return None
        for entry in files:
            file = folder / entry["file"]
            if (
                not file.is_file()
                or file.stat().st_size != entry["size_bytes"]
                or sha256_file(file) != entry["sha256"]
            ):
                return None
    except (KeyError, TypeError, ValueError, SourceError, OSError):
        return None
    return dict(manifest)
