"""Writes ground imagery folders: GeoTIFF tiles of levels of halving resolution with a manifest."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.transform import Affine

from lard.errors import SourceError
from lard.tables import atomic_path, sha256_file, write_json

TILE_PX = 2048


@dataclass(frozen=True, slots=True)
class LevelImage:
    """One resolution of ground imagery held in memory: pixels (height, width, 3) and where they lie."""

    gsd_m: float
    x_min_m: float
    y_max_m: float
    pixels: NDArray[np.uint8]


def local_crs(lat0_deg: float, lon0_deg: float) -> str:
    """PROJ string of the map coordinates at an origin."""
    return f"+proj=ortho +lat_0={lat0_deg!r} +lon_0={lon0_deg!r} +ellps=WGS84 +units=m +no_defs"


def write_ground(
    folder: str | Path,
    airport: str,
    lat0_deg: float,
    lon0_deg: float,
    levels: Iterable[LevelImage],
    *,
    generator: str,
    licence: str,
    attribution: str,
    seed: int = 0,
    jpeg_quality: int | None = 90,
) -> Path:
    """Write levels, finest first, as tiles (JPEG, or lossless when jpeg_quality is None) and the manifest."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    crs = local_crs(lat0_deg, lon0_deg)
    entries = []
    for number, level in enumerate(levels):
        if level.pixels.ndim != 3 or level.pixels.shape[2] != 3 or level.pixels.dtype != np.uint8:
            raise SourceError(
                f"level {number} of {airport} is {level.pixels.dtype} of shape {level.pixels.shape}; "
                "expected uint8 of shape (height, width, 3)"
            )
        height, width, _ = level.pixels.shape
        tiles = []
        for row in range(0, height, TILE_PX):
            for column in range(0, width, TILE_PX):
                pixels = level.pixels[row : row + TILE_PX, column : column + TILE_PX]
                path = folder / f"level{number}_{row // TILE_PX:03d}_{column // TILE_PX:03d}.tif"
                x, y = level.x_min_m + column * level.gsd_m, level.y_max_m - row * level.gsd_m
                _write_tile(path, pixels, crs, Affine(level.gsd_m, 0, x, 0, -level.gsd_m, y), jpeg_quality)
                tiles.append(
                    {
                        "file": path.name, "col_px": column, "row_px": row,
                        "width_px": pixels.shape[1], "height_px": pixels.shape[0],
                        "sha256": sha256_file(path),
                    }
                )  # fmt: skip
        entries.append(
            {
                "gsd_m": level.gsd_m, "x_min_m": level.x_min_m, "y_max_m": level.y_max_m,
                "width_px": width, "height_px": height, "tiles": tiles,
            }
        )  # fmt: skip
    manifest = {
        "airport": airport, "lat0_deg": lat0_deg, "lon0_deg": lon0_deg, "crs": crs, "levels": entries,
        "seed": seed, "generator": generator, "licence": licence, "attribution": attribution,
    }  # fmt: skip
    write_json(manifest, folder / "manifest.json")
    return folder


def _write_tile(
    path: Path, pixels: NDArray[np.uint8], crs: str, transform: Any, jpeg_quality: int | None
) -> None:
    options: dict[str, Any] = {"compress": "deflate"}
    if jpeg_quality is not None:
        options = {"compress": "jpeg", "photometric": "YCBCR", "jpeg_quality": jpeg_quality}
    with (
        atomic_path(path) as temporary,
        rasterio.open(
            temporary, "w", driver="GTiff", width=pixels.shape[1], height=pixels.shape[0], count=3,
            dtype="uint8", crs=crs, transform=transform, tiled=True, blockxsize=256, blockysize=256,
            **options,
        ) as target,
    ):  # fmt: skip
        target.write(np.moveaxis(pixels, -1, 0))
