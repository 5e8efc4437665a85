"""Rasters of any CRS that GDAL reads as a source of the local map, checked, and warped block by block."""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, Resampling
from rasterio.errors import RasterioError
from rasterio.transform import Affine
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform, transform_bounds

from lard.errors import SourceError
from lard.ground.fetched.grid import local_crs
from lard.ground.tiles import LevelGrid
from lard.tables import sha256_file

_DISTANT = (
    "/vsicurl",
    "/vsis3",
    "/vsigs",
    "/vsiaz",
    "/vsiadls",
    "/vsioss",
    "/vsiswift",
    "/vsihdfs",
    "/vsiwebhdfs",
)
WARP_TOLERANCE_PX = 0.01
_FALSE_ORIGIN_M = 10_000_000
_WARP_MEMORY_MB = 128
_GDAL_CACHE_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class _Raster:
    """A usable raster: where it lies on the map and what it is made of."""

    path: Path
    box: tuple[float, float, float, float]  # x_min, y_min, x_max, y_max on the map, m
    pixel_m: float
    overviews: tuple[int, ...]  # factors, finest first
    bands: tuple[int, int, int]
    masked: bool  # whether nodata or alpha say what is imagery

    def touches(self, grid: LevelGrid) -> bool:
        """Whether a window and the raster overlap."""
        x0, y0, x1, y1 = self.box
        return x0 < grid.x_max_m and x1 > grid.x_min_m and y0 < grid.y_max_m and y1 > grid.y_min_m

    def finer_than(self, grid: LevelGrid) -> bool:
        """Whether a window's pixels hold several of the raster's."""
        return self.pixel_m < grid.gsd_m / 1.5

    def overview(self, gsd_m: float) -> int | None:
        """The coarsest overview that is still as fine as a window."""
        fitting = [i for i, factor in enumerate(self.overviews) if factor * self.pixel_m <= gsd_m * 1.01]
        return fitting[-1] if fitting else None


@dataclass(frozen=True, slots=True)
class RasterSampler:
    """Local rasters as a source of the map: windows are warped when asked for."""

    name: str
    rasters: tuple[_Raster, ...]
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
        return cls(name, tuple(_raster(path, crs) for path in files), crs)

    def digests(self) -> list[dict[str, Any]]:
        """Name and SHA-256 of every file read, those behind a VRT included."""
        files = set()
        for raster in self.rasters:
            with _opened(raster.path) as source:
                files |= {Path(name) for name in source.files}
        return [{"file": file.name, "sha256": sha256_file(file)} for file in sorted(files) if file.is_file()]

    def gsd_m(self) -> float:
        """Size on the ground of the finest raster's pixels."""
        return min(raster.pixel_m for raster in self.rasters)

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
                _opened(raster.path, raster.overview(grid.gsd_m)) as source,
                WarpedVRT(
                    source, crs=crs, transform=affine, width=grid.width_px, height=grid.height_px,
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


def describe_raster(path: Path) -> str:
    """CRS, size, pixel, overviews and bands of a raster, in a line."""
    with _opened(path) as source:
        crs = source.crs.to_string() if source.crs else "no CRS"
        return (
            f"{path.name}: {crs}, {source.width} x {source.height} px of {source.res[0]:g} units, "
            f"{source.count} bands of {source.dtypes[0]}, overviews {list(source.overviews(1)) or 'none'}, "
            f"nodata {source.nodata}"
        )


def _raster(path: Path, crs: str) -> _Raster:
    """A checked raster."""
    with _opened(path) as source:
        _check(path, source)
        bands, alpha = _bands(path, source)
        box = transform_bounds(source.crs, crs, *source.bounds)
        overviews = tuple(source.overviews(1))
        return _Raster(path, box, _pixel_m(source, crs), overviews, bands, alpha or source.nodata is not None)


@contextlib.contextmanager
def _opened(path: Path, overview: int | None = None) -> Iterator[Any]:
    """A raster, or one of its overviews; everything GDAL says becomes a SourceError with the file's name."""
    if not path.is_file():
        raise SourceError(f"{path}: no such file; expected a georeferenced raster (GeoTIFF, COG, VRT)")
    options = {} if overview is None else {"overview_level": overview}
    try:
        with rasterio.Env(GDAL_CACHEMAX=_GDAL_CACHE_BYTES), rasterio.open(path, **options) as source:
            yield source
    except RasterioError as error:
        raise SourceError(
            f"{path}: cannot be read ({error.__cause__ or error}); expected a whole georeferenced raster, "
            "copy or make it again"
        ) from error


def _check(path: Path, source: Any) -> None:
    if source.crs is None and source.gcps[0]:
        raise SourceError(
            f"{path}: placed by control points only; warp it first: gdalwarp {path.name} out.tif"
        )
    if source.crs is None:
        raise SourceError(
            f"{path}: no CRS or no transform; georeference it first: "
            "gdal_translate -a_srs EPSG:... -a_ullr ..."
        )
    if source.transform.is_identity:
        raise SourceError(
            f"{path}: has the CRS {source.crs.to_string()} but no transform; georeference it first: "
            "gdal_translate -a_ullr ..."
        )
    distant = [name for name in source.files if name.startswith(_DISTANT)]
    if distant:
        raise SourceError(f"{path}: reads {distant[0]} over the network; copy the raster here first")
    _bands(path, source)


def _bands(path: Path, source: Any) -> tuple[tuple[int, int, int], bool]:
    """Numbers of the red, green and blue bands, and whether there is an alpha band."""
    kinds, wrong = list(source.colorinterp), {dtype for dtype in source.dtypes[:3] if dtype != "uint8"}
    found = f"{source.count} band{'s' if source.count > 1 else ''} of {source.dtypes[0]}"
    if ColorInterp.palette in kinds:
        raise SourceError(f"{path}: {found} with a palette; expand it first: gdal_translate -expand rgb")
    if wrong:
        raise SourceError(
            f"{path}: {found}; expected three of uint8 (red, green, blue): stretch it first, for example "
            "gdal_translate -ot Byte -scale LOW HIGH 1 255"
        )
    if source.count < 3:
        raise SourceError(
            f"{path}: {found}; expected three of uint8 (red, green, blue); for grey imagery: "
            "gdal_translate -b 1 -b 1 -b 1"
        )
    colours = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
    numbers = (
        tuple(kinds.index(colour) + 1 for colour in colours)
        if all(c in kinds for c in colours)
        else (1, 2, 3)
    )
    return (numbers[0], numbers[1], numbers[2]), ColorInterp.alpha in kinds


def _pixel_m(source: Any, crs: str) -> float:
    """Metres on the map of the longer side of a raster's middle pixel."""
    columns = np.array([0.0, 1.0, 0.0]) + source.width / 2
    rows = np.array([0.0, 0.0, 1.0]) + source.height / 2
    a = source.transform
    x, y = transform(source.crs, crs, a.a * columns + a.b * rows + a.c, a.d * columns + a.e * rows + a.f)
    return float(max(np.hypot(x[1] - x[0], y[1] - y[0]), np.hypot(x[2] - x[0], y[2] - y[0])))
