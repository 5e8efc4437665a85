"""Writes ground imagery folders: GeoTIFF tiles of levels of halving resolution with a manifest.

Also from rasters of any CRS that GDAL reads, warped into the local map.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.transform import Affine
from rasterio.vrt import WarpedVRT

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


def ground_from_rasters(
    paths: Iterable[str | Path],
    folder: str | Path,
    airport: str,
    lat0_deg: float,
    lon0_deg: float,
    reaches: Iterable[tuple[float, float]] = ((0.5, 3000.0), (1.0, 4000.0), (2.0, 6000.0), (4.0, 10000.0)),
    *,
    licence: str,
    attribution: str,
) -> Path:
    """Write ground imagery from georeferenced RGB rasters (GeoTIFF, COG, VRT) of any CRS.

    reaches: ground sampling distance and half side (m) of each level, finest first, each twice as coarse.
    Later rasters fill what earlier ones leave; a hole in the finest level is an error.
    """
    files = [Path(path) for path in paths]
    if not files:
        raise SourceError(f"ground imagery of {airport}: no raster given; name at least one")
    levels: list[LevelImage] = []
    for gsd_m, reach_m in reaches:
        side = 2 * round(reach_m / gsd_m)
        top_left = (-side / 2 * gsd_m, side / 2 * gsd_m)
        pixels, filled = _warped(files, local_crs(lat0_deg, lon0_deg), gsd_m, top_left, side)
        if not filled.all():
            if not levels:
                raise SourceError(
                    f"ground imagery of {airport}: the rasters leave {1 - filled.mean():.1%} of the square "
                    f"of {reach_m:g} m around {lat0_deg}, {lon0_deg} empty; add rasters or ask for less"
                )
            pixels[~filled] = pixels[filled].mean(axis=0) if filled.any() else 0
        levels.append(LevelImage(gsd_m, *top_left, pixels))
    return write_ground(
        folder, airport, lat0_deg, lon0_deg, levels,
        generator="rasters", licence=licence, attribution=attribution,
    )  # fmt: skip


def _warped(
    paths: list[Path], crs: str, gsd_m: float, top_left: tuple[float, float], side: int
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Pixels (side, side, 3) of a square of the map, and where (side, side) some raster covers it."""
    pixels, filled = np.zeros((side, side, 3), np.uint8), np.zeros((side, side), bool)
    transform = Affine(gsd_m, 0, top_left[0], 0, -gsd_m, top_left[1])
    for path in paths:
        try:
            with rasterio.open(path) as source:
                if source.crs is None or source.transform.is_identity:
                    raise SourceError(
                        f"{path}: no CRS or no transform; georeference it first (gdal_translate)"
                    )
                if source.count < 3 or source.dtypes[0] != "uint8":
                    raise SourceError(
                        f"{path}: {source.count} bands of {source.dtypes[0]}; expected three of uint8"
                    )
                with WarpedVRT(
                    source, crs=crs, transform=transform, width=side, height=side,
                    resampling=Resampling.average, add_alpha=source.nodata is None and source.count == 3,
                ) as warped:  # fmt: skip
                    covers = (warped.dataset_mask() > 0) & ~filled
                    pixels[covers] = np.moveaxis(warped.read((1, 2, 3)), 0, -1)[covers]
                    filled |= covers
        except RasterioError as error:
            raise SourceError(f"{path}: cannot be read ({error}); expected a georeferenced raster") from error
    return pixels, filled


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
