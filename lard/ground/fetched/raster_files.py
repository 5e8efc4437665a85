"""Raster files of any CRS that GDAL reads: opened, checked, and where they lie on the map."""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.transform import Affine, array_bounds
from rasterio.warp import transform, transform_bounds
from rasterio.windows import Window

from lard.errors import SourceError
from lard.ground.cover import Mask, without_specks
from lard.ground.gdal import GDAL_FAULTS
from lard.ground.raster_door import opened_raster
from lard.ground.tiles import LevelGrid

Array = NDArray[np.float64]
_LOOK_PX = 256
_PROBES = 5
_SOFT_SHARE = 0.25  # of a mask with soft edges, generously
_GDAL_CACHE_BYTES = 256 << 20
_MASK_PX = 2048


@dataclass(frozen=True, slots=True)
class Raster:
    """A usable raster: where it lies on the map and what it is made of."""

    path: Path
    box: tuple[float, float, float, float]  # x_min, y_min, x_max, y_max on the map, m
    pixel_m: float
    overviews: tuple[int, ...]  # factors, finest first
    bands: tuple[int, int, int]
    masked: bool  # whether nodata or alpha say what is imagery
    meridian_deg: int = 0  # whence its longitudes are counted: other than Greenwich where they pass 180

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


def describe_raster(path: Path) -> str:
    """CRS, size, pixel, overviews and bands of a raster, in a line."""
    with opened(path) as source:
        crs = source.crs.to_string() if source.crs else "no CRS"
        return (
            f"{path.name}: {crs}, {source.width} x {source.height} px of {source.res[0]:g} units, "
            f"{source.count} bands of {source.dtypes[0]}, overviews {list(source.overviews(1)) or 'none'}, "
            f"nodata {source.nodata}"
        )


def checked_raster(path: Path, crs: str) -> Raster:
    """A checked raster."""
    with opened(path) as source:
        _check(path, source)
        _probe(source)
        bands, alpha = _bands(path, source)
        meridian = _meridian_deg(source)
        placed = placed_by(source, meridian)
        own, affine = placed.get("src_crs", source.crs), placed.get("src_transform", source.transform)
        west, south, east, north = array_bounds(source.height, source.width, affine)
        # rows may run northwards and columns westwards
        box = transform_bounds(
            own, crs, min(west, east), min(south, north), max(west, east), max(south, north)
        )
        if not np.isfinite(box).all():
            raise SourceError(
                f"{path}: lies where the map around the airport does not reach; name another one"
            )
        masked = alpha or source.nodata is not None
        pixel_m = _pixel_m(source, own, affine, crs)
        return Raster(path, box, pixel_m, tuple(source.overviews(1)), bands, masked, meridian)


def covers(raster: Raster, crs: str, x_m: Array, y_m: Array) -> Mask:
    """Whether places (n,) of the map lie on a raster's imagery; masks are read at reduced size."""
    x0, y0, x1, y1 = raster.box
    near = np.flatnonzero((x_m >= x0) & (x_m <= x1) & (y_m >= y0) & (y_m <= y1))
    found = np.zeros(len(x_m), bool)
    if not len(near):
        return found
    with opened(raster.path) as source:
        placed = placed_by(source, raster.meridian_deg)
        own, affine = placed.get("src_crs", source.crs), placed.get("src_transform", source.transform)
        x, y = (np.array(values) for values in transform(crs, own, x_m[near], y_m[near]))
        inverse = ~affine
        column, row = inverse.a * x + inverse.b * y + inverse.c, inverse.d * x + inverse.e * y + inverse.f
        with np.errstate(invalid="ignore"):
            inner = (column >= 0) & (column < source.width) & (row >= 0) & (row < source.height)
        if raster.masked:
            rows, columns = min(source.height, _MASK_PX), min(source.width, _MASK_PX)
            mask = without_specks(source.dataset_mask(out_shape=(rows, columns)) > 0)
            row, column = np.where(inner, row, 0) / source.height, np.where(inner, column, 0) / source.width
            inner &= mask[(row * rows).astype(np.intp), (column * columns).astype(np.intp)]
    found[near] = inner
    return found


def _meridian_deg(source: Any) -> int:
    """Meridian in the middle of a raster whose longitudes pass 180 degrees (0 to 360, say); else 0."""
    left, right = sorted((source.bounds.left, source.bounds.right))
    if not source.crs.is_geographic or (left >= -180.0 and right <= 180.0):
        return 0
    return round((left + right) / 2)


def placed_by(source: Any, meridian_deg: int) -> dict[str, Any]:
    """Options of a warp that count a raster's longitudes from its own meridian: PROJ's end at 180."""
    if meridian_deg == 0:
        return {}
    turned = (meridian_deg + 180) % 360 - 180
    wkt = re.sub(r'PRIMEM\["Greenwich",\s*0', f'PRIMEM["turned",{turned}', source.crs.to_wkt())
    affine = Affine.translation(-meridian_deg, 0) * source.transform
    return {"src_crs": CRS.from_wkt(wkt), "src_transform": affine}


@contextlib.contextmanager
def opened(path: Path, overview: int | None = None) -> Iterator[Any]:
    """A raster, or one of its overviews; everything GDAL says becomes a SourceError with the file's name."""
    if not path.is_file():
        raise SourceError(f"{path}: no such file; expected a georeferenced raster (GeoTIFF, COG, VRT)")
    options: dict[str, Any] = {} if overview is None else {"overview_level": overview}
    try:
        with (
            rasterio.Env(GDAL_CACHEMAX=_GDAL_CACHE_BYTES),
            opened_raster(path, SourceError, **options) as source,
        ):
            yield source
    except GDAL_FAULTS as error:
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
    if not (source.crs.is_geographic or source.crs.is_projected):
        raise SourceError(
            f"{path}: its coordinates are those of a site or of no map of the earth; name their CRS: "
            "gdal_translate -a_srs EPSG:..., or warp it first: gdalwarp -t_srs EPSG:..."
        )
    if not np.isfinite(source.transform).all():
        raise SourceError(
            f"{path}: its transform is {', '.join(f'{term:g}' for term in source.transform.to_gdal())}, not "
            "finite numbers; georeference it: gdal_edit -a_ullr WEST NORTH EAST SOUTH"
        )
    if source.transform.is_identity or not abs(source.transform.determinant) > 0:
        what = "no transform" if source.transform.is_identity else "pixels of no size"
        raise SourceError(
            f"{path}: has the CRS {source.crs.to_string()} but {what}; georeference it first: "
            "gdal_translate -a_ullr ..."
        )
    _bands(path, source)


def _probe(source: Any) -> None:
    """Read a pixel here and there, the corners among them: a file that breaks off is told before the work."""
    for row in np.linspace(0, source.height - 1, _PROBES).astype(int).tolist():
        for column in np.linspace(0, source.width - 1, _PROBES).astype(int).tolist():
            source.read(1, window=Window(column, row, 1, 1))


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
    alpha = ColorInterp.alpha in kinds
    if alpha:
        _check_alpha(path, source, kinds.index(ColorInterp.alpha) + 1)
    return (numbers[0], numbers[1], numbers[2]), alpha


def _check_alpha(path: Path, source: Any, band: int) -> None:
    """SourceError for a band called alpha that holds a picture: near-infrared, by most writers' default."""
    rows, columns = min(source.height, _LOOK_PX), min(source.width, _LOOK_PX)
    found = source.read(band, out_shape=(rows, columns))
    between = float(np.mean((found > 0) & (found < np.iinfo(found.dtype).max)))
    if between > _SOFT_SHARE:
        raise SourceError(
            f"{path}: band {band} is called alpha, but {between:.0%} of it is neither clear nor opaque: "
            "near-infrared? Keep the colours only: gdal_translate -b 1 -b 2 -b 3"
        )


def _pixel_m(source: Any, own: Any, a: Affine, crs: str) -> float:
    """Metres on the map of the longer side of a raster's middle pixel."""
    columns = np.array([0.0, 1.0, 0.0]) + source.width / 2
    rows = np.array([0.0, 0.0, 1.0]) + source.height / 2
    x, y = transform(own, crs, a.a * columns + a.b * rows + a.c, a.d * columns + a.e * rows + a.f)
    return float(max(np.hypot(x[1] - x[0], y[1] - y[0]), np.hypot(x[2] - x[0], y[2] - y[0])))
