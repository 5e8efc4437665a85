"""Georeferenced tiles on disk: writing Cloud Optimised GeoTIFFs and the manifest of a ground folder."""

import hashlib
import math
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.io import MemoryFile
from rasterio.transform import Affine

from lard.errors import SourceError
from lard.ground.gdal import GDAL_FAULTS
from lard.tables import atomic_path, read_json, sha256_file

TILE_PX = 2048
BLOCK_PX = 256
JPEG_QUALITY = 93
_OURS = ("level*_*_*.tif", "l*_r*_c*.tif", "objects.tif", "imagery.png", ".*.tmp.tif")
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
        """Row, column, height and width in pixels of the tiles, north to south and west to east.

        A sparse level's are runs of whole blocks, joined over rows that cover the same columns.
        """
        side = TILE_PX // BLOCK_PX
        down, across = -(-self.height_px // BLOCK_PX), -(-self.width_px // BLOCK_PX)
        cover = np.ones((down, across), bool) if self.cover is None else self.cover
        blocks: list[tuple[int, int, int, int]] = []
        for top in range(0, down, side):
            open_runs: dict[tuple[int, int], int] = {}
            for row in range(top, min(top + side, down) + 1):
                runs = set(_runs(cover[row], side)) if row < min(top + side, down) else set()
                for run in [run for run in open_runs if run not in runs]:
                    first = open_runs.pop(run)
                    blocks.append((first, run[0], row - first, run[1] - run[0]))
                for run in runs:
                    open_runs.setdefault(run, row)
        return [
            (
                row * BLOCK_PX,
                column * BLOCK_PX,
                min(height * BLOCK_PX, self.height_px - row * BLOCK_PX),
                min(width * BLOCK_PX, self.width_px - column * BLOCK_PX),
            )
            for row, column, height, width in sorted(blocks)
        ]


def _runs(covered: NDArray[np.bool_], longest: int) -> list[tuple[int, int]]:
    """Return (start, end) of runs of True, cut at multiples of the longest."""
    edges = np.flatnonzero(np.diff(np.r_[False, covered, False].astype(np.int8)))
    out = []
    for start, end in edges.reshape(-1, 2).tolist():
        cuts = [start, *range((start // longest + 1) * longest, end, longest), end]
        out += list(pairwise(cuts))
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


@cache
def _parsed(crs: str) -> rasterio.crs.CRS:
    """Return the CRS of a PROJ string, parsed once."""
    return rasterio.crs.CRS.from_string(crs)


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
        # by way of memory: GDAL does not tell of every write that a full disk cuts short
        with MemoryFile(ext=".tif") as memory:
            with memory.open(
                driver="COG",
                width=width,
                height=height,
                count=bands,
                dtype="uint8",
                crs=_parsed(crs),
                transform=Affine(gsd_m, 0.0, x_min_m, 0.0, -gsd_m, y_max_m),
                blocksize=BLOCK_PX,
                overviews="NONE",
                num_threads=1,
                **options,
            ) as target:
                target.write(np.moveaxis(image, -1, 0))
            encoded = memory.read()
    except GDAL_FAULTS as error:
        raise SourceError(f"{path.name}: the tile could not be made ({error})") from error
    with atomic_path(path) as temporary:
        temporary.write_bytes(encoded)
    return hashlib.sha256(encoded).hexdigest()


def forget_others(folder: Path, wanted: set[str]) -> None:
    """Remove files of former grounds that are not wanted any more; what is not named as ours is stays."""
    for pattern in _OURS:
        for path in folder.glob(pattern):
            if path.name not in wanted and path.is_file():
                path.unlink()


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
