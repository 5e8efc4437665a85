"""Ground imagery folders from pixels in memory or from rasters: the tiles of all levels and the manifest."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lard.airports.model import Airport
from lard.errors import SourceError
from lard.ground.compose import Plan, compose_levels, write_geotiff
from lard.ground.fetched.grid import local_crs
from lard.ground.fetched.rasters import RasterSampler
from lard.ground.holes import RunwayZone, runway_zones
from lard.ground.tiles import TILE_PX, LevelGrid
from lard.tables import sha256_file, write_json


@dataclass(frozen=True, slots=True)
class LevelImage:
    """One resolution of ground imagery held in memory: pixels (height, width, 3) and where they lie."""

    gsd_m: float
    x_min_m: float
    y_max_m: float
    pixels: NDArray[np.uint8]


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
                grid = LevelGrid(level.gsd_m, x, y, pixels.shape[1], pixels.shape[0])
                write_geotiff(path, pixels, crs, grid, jpeg_quality)
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
    airport: str | Airport,
    lat0_deg: float,
    lon0_deg: float,
    reaches: Iterable[tuple[float, float]] = ((0.5, 3000.0), (1.0, 4000.0), (2.0, 6000.0), (4.0, 10000.0)),
    *,
    licence: str,
    attribution: str,
    allow_holes: bool = False,
    jpeg_quality: int | None = 93,
) -> Path:
    """Write ground imagery from georeferenced RGB rasters (GeoTIFF, COG, VRT) of any CRS.

    reaches: ground sampling distance and half side (m) of each level, finest first, each twice as coarse.
    Later rasters fill what earlier ones leave. A hole in the finest level is an error unless allow_holes, and
    near a runway (where an Airport is given) always; coarser levels are filled, which the manifest records.
    """
    sampler = RasterSampler.of(
        paths, airport if isinstance(airport, str) else airport.icao, lat0_deg, lon0_deg
    )
    icao = airport if isinstance(airport, str) else airport.icao
    zones: Sequence[RunwayZone] = ()
    if isinstance(airport, Airport):
        zones = runway_zones(airport, lat0_deg, lon0_deg)
    plans = []
    for gsd_m, reach_m in reaches:
        half = round(reach_m / gsd_m / 2) * 2
        plans.append(Plan(LevelGrid(gsd_m, -half * gsd_m, half * gsd_m, 2 * half, 2 * half), (sampler,)))
    compose_levels(
        folder, icao, (lat0_deg, lon0_deg), local_crs(lat0_deg, lon0_deg), plans, zones,
        {
            "generator": "rasters", "licence": licence, "attribution": attribution,
            "source": {"kind": "raster", "files": sampler.digests()},
        },
        allow_holes=[allow_holes, *[True] * (len(plans) - 1)], jpeg_quality=jpeg_quality,
    )  # fmt: skip
    return Path(folder)
