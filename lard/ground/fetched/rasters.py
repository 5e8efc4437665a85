"""Rasters of any CRS that GDAL reads as a source of the local map, warped block by block."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.transform import Affine
from rasterio.vrt import WarpedVRT

from lard.errors import SourceError
from lard.ground.cover import Cover, cell_centres
from lard.ground.fetched.grid import local_crs
from lard.ground.fetched.raster_files import Raster, checked_raster, covers, opened, placed_by
from lard.ground.tiles import LevelGrid
from lard.tables import sha256_file

WARP_TOLERANCE_PX = 0.01
_FALSE_ORIGIN_M = 10_000_000
_WARP_MEMORY_MB = 128


@dataclass(frozen=True, slots=True)
class RasterSampler:
    """Local rasters as a source of the map: windows are warped when asked for."""

    name: str
    rasters: tuple[Raster, ...]
    crs: str

    @classmethod
    def of(
        cls, paths: Iterable[str | Path], airport: str, lat0_deg: float, lon0_deg: float
    ) -> "RasterSampler":
        """Check that every raster can be used; SourceError says what is wrong and how to mend it."""
        files = [Path(path) for path in paths]
        if not files:
            raise SourceError(f"ground imagery of {airport}: no raster given; name at least one")
        crs = local_crs(lat0_deg, lon0_deg)
        name = files[0].name if len(files) == 1 else f"{files[0].name} and {len(files) - 1} more"
        return cls(name, tuple(checked_raster(path, crs) for path in files), crs)

    def digests(self) -> list[dict[str, Any]]:
        """Name and SHA-256 of every file read, those behind a VRT included."""
        files = set()
        for raster in self.rasters:
            with opened(raster.path) as source:
                files |= {Path(name) for name in source.files}
        return [{"file": file.name, "sha256": sha256_file(file)} for file in sorted(files) if file.is_file()]

    def gsd_m(self) -> float:
        """Size on the ground of the finest raster's pixels."""
        return min(raster.pixel_m for raster in self.rasters)

    def cover(self, grid: LevelGrid) -> Cover:
        """Which cells of a grid are imagery, without warping a pixel."""
        x, y = (values.ravel() for values in cell_centres(grid))
        mask = np.zeros(len(x), bool)
        for raster in self.rasters:
            if raster.touches(grid):
                mask[~mask] = covers(raster, self.crs, x[~mask], y[~mask])
        return Cover(grid, mask.reshape(grid.height_px, grid.width_px))

    def __call__(self, grid: LevelGrid) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Pixels of a window of the map, and where some raster covers it."""
        shape = (grid.height_px, grid.width_px)
        pixels, filled = np.zeros((*shape, 3), np.uint8), np.zeros(shape, bool)
        crs, affine = warp_target(grid, self.crs)
        for raster in self.rasters:
            if filled.all():
                break
            if not raster.touches(grid):
                continue
            with (
                opened(raster.path, raster.overview(grid.gsd_m)) as source,
                WarpedVRT(
                    source, **placed_by(source, raster.meridian_deg), crs=crs, transform=affine,
                    width=grid.width_px, height=grid.height_px,
                    resampling=Resampling.average if raster.finer_than(grid) else Resampling.bilinear,
                    add_alpha=not raster.masked, tolerance=WARP_TOLERANCE_PX,
                    warp_mem_limit=_WARP_MEMORY_MB,
                ) as warped,
            ):  # fmt: skip
                covers = (warped.dataset_mask() > 0) & ~filled
                if covers.any():
                    pixels[covers] = np.moveaxis(warped.read(raster.bands), 0, -1)[covers]
                    filled |= covers
        return pixels, filled


def warp_target(grid: LevelGrid, crs: str) -> tuple[str, Affine]:
    """CRS and transform to warp a window to: the local map from a far false origin.

    GDAL takes an origin of exactly 0, 0 with pixels of 1 for no georeferencing, and turns the rows round.
    """
    x, y = grid.x_min_m + _FALSE_ORIGIN_M, grid.y_max_m + _FALSE_ORIGIN_M
    shifted = f"{crs} +x_0={_FALSE_ORIGIN_M} +y_0={_FALSE_ORIGIN_M}"
    return shifted, Affine(grid.gsd_m, 0, x, 0, -grid.gsd_m, y)
