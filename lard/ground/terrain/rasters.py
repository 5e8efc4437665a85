"""Files of terrain models: georeferenced rasters of heights in any CRS and unit, and terrarium images."""

import math
import warnings
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyproj
import rasterio
from numpy.typing import NDArray
from PIL import Image
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile
from rasterio.transform import Affine
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from lard.errors import DataError
from lard.ground.gdal import GDAL_FAULTS
from lard.ground.raster_door import opened_raster

Array = NDArray[np.float64]
Grid = NDArray[np.float32]

SUFFIXES = (".tif", ".tiff", ".vrt", ".hgt", ".hgt.zip", ".dt2", ".dt1")
LOWEST_M, HIGHEST_M = -12000.0, 9000.0
_FOOT_UNITS = {"ft": 0.3048, "foot": 0.3048, "feet": 0.3048, "us survey foot": 1200 / 3937}
_METRE_UNITS = ("", "m", "metre", "meter", "metres", "meters")


@dataclass(frozen=True, slots=True)
class Raster:
    """One georeferenced raster: how to open it, its posts (x0 + i dx, y0 + j dy) and metres per unit."""

    file: Path
    name: str  # what GDAL opens
    crs_wkt: str
    x0: float
    y0: float
    dx: float
    dy: float
    columns: int
    rows: int
    unit_m: float
    vertical: str


def open_raster(path: Path, unit_m: float | None = None) -> Raster:
    """Describe a raster of heights; DataError when it is corrupt, has no CRS or is no height model."""
    name = _gdal_name(path)
    try:
        with (
            warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning),
            rasterio.Env(GTIFF_REPORT_COMPD_CS="YES"),
            opened_raster(path, DataError, name) as source,
        ):
            if source.crs is None or source.transform.is_identity:
                raise DataError(f"{path}: no CRS or no transform; georeference it first (gdal_translate)")
            if source.count != 1 or np.dtype(source.dtypes[0]).kind not in "iuf":
                raise DataError(
                    f"{path}: {source.count} bands of {source.dtypes[0]}; expected one band of heights"
                )
            if not abs(source.transform.determinant) > 0:
                raise DataError(f"{path}: its pixels have no size; georeference it: gdal_edit -a_ullr ...")
            if unit_m is None:
                unit_m = _unit(path, source.units[0] or "")
            crs, vertical = _split(source.crs.to_wkt())
            with _upright(source) as grid:
                t = grid.transform
                if not (math.isfinite(t.c + t.f) and 0 < t.a < math.inf and 0 > t.e > -math.inf):
                    raise DataError(
                        f"{path}: lies nowhere on the earth; georeference it: gdal_edit -a_ullr ..."
                    )
                return Raster(
                    path, name, crs, t.c + t.a / 2, t.f + t.e / 2, t.a, t.e,
                    grid.width, grid.height, unit_m, vertical,
                )  # fmt: skip
    except GDAL_FAULTS as error:
        hint = "; SRTM files are named after their south-west corner, as N35W121.hgt" if "hgt" in name else ""
        raise DataError(f"{path}: not a readable terrain raster ({error}){hint}") from error


def _gdal_name(path: Path) -> str:
    if path.suffix.lower() != ".zip":
        return str(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = [name for name in archive.namelist() if name.lower().endswith(".hgt")]
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"{path}: not a readable zip archive ({error})") from error
    if len(members) != 1:
        raise DataError(f"{path}: {len(members)} .hgt files inside; expected one")
    return f"/vsizip/{path}/{members[0]}"


@lru_cache(maxsize=8)
def _in_memory(archive: str, member: str) -> MemoryFile:
    with zipfile.ZipFile(archive) as opened:
        return MemoryFile(opened.read(member), filename=member.rsplit("/", 1)[-1])


def _readable(name: str) -> str:
    """What to open for repeated reading: parts of a zipped file would be unpacked again and again."""
    if not name.startswith("/vsizip/"):
        return name
    archive, _, member = name.removeprefix("/vsizip/").partition(".zip/")
    return str(_in_memory(f"{archive}.zip", member).name)


def _unit(path: Path, unit: str) -> float:
    if unit.lower() in _METRE_UNITS:
        return 1.0
    if unit.lower() in _FOOT_UNITS:
        return _FOOT_UNITS[unit.lower()]
    raise DataError(
        f"{path}: heights in {unit!r}; expected metres or feet, else state the unit in terrain.json"
    )


def _split(wkt: str) -> tuple[str, str]:
    """Horizontal CRS and the name of the vertical one ("" when none is stated)."""
    crs = pyproj.CRS.from_wkt(wkt)
    if crs.is_compound:
        return crs.sub_crs_list[0].to_wkt(), crs.sub_crs_list[1].name
    if len(crs.axis_info) == 3:
        return crs.to_2d().to_wkt(), f"ellipsoid of {crs.name}"
    return crs.to_wkt(), ""


def _upright(source: rasterio.DatasetReader) -> rasterio.DatasetReader | WarpedVRT:
    """The raster itself, or an unrotated view of one that does not lie north up."""
    t = source.transform
    return source if t.b == t.d == 0 and t.a > 0 > t.e else WarpedVRT(source, resampling=Resampling.bilinear)


def read_terrarium(path: Path, side_px: int) -> Grid:
    """Heights (side, side) in metres of a terrarium image: red * 256 + green + blue / 256 - 32768."""
    try:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"), np.float64)
    except (OSError, SyntaxError) as error:
        raise DataError(f"{path}: not a readable terrarium tile ({error})") from error
    if pixels.shape[:2] != (side_px, side_px):
        raise DataError(f"{path}: {pixels.shape[1]} x {pixels.shape[0]} px; expected {side_px} x {side_px}")
    height = pixels @ np.array([256.0, 1.0, 1 / 256]) - 32768.0
    height[height <= -32768.0] = np.nan
    return _checked(height, path)


def image_side(path: Path) -> int:
    try:
        with Image.open(path) as image:
            return image.width
    except OSError as error:
        raise DataError(f"{path}: not a readable terrarium tile ({error})") from error


def read_block(
    raster: Raster, place: NDArray[np.int64], left: int, top: int, side: int, shrink: int, corner: Affine
) -> Grid:
    """Block (side, side) of metres from one raster, NaN where it has no data.

    left, top: its first post among the layer's, where the raster lies at `place`; shrink x shrink posts are
    averaged, on cells that begin at `corner`.
    """
    block = np.full((side, side), np.nan)
    try:
        with (
            opened_raster(raster.file, DataError, _readable(raster.name)) as source,
            _upright(source) as grid,
        ):
            if shrink == 1:
                i0, i1 = max(place[0], left), min(place[1], left + side)
                j0, j1 = max(place[2], top), min(place[3], top + side)
                window = Window(i0 - place[0], j0 - place[2], i1 - i0, j1 - j0)
                part = grid.read(1, window=window, masked=True)
                rows, columns = slice(j0 - top, j1 - top), slice(i0 - left, i1 - left)
            else:
                with WarpedVRT(
                    source, crs=raster.crs_wkt, transform=corner, width=side, height=side,
                    resampling=Resampling.average, add_alpha=source.nodata is None,
                ) as warped:  # fmt: skip
                    part = np.ma.array(warped.read(1), mask=warped.dataset_mask() == 0)
                rows = columns = slice(None)
            scale, offset = source.scales[0], source.offsets[0]
    except GDAL_FAULTS as error:
        raise DataError(f"{raster.file}: damaged terrain raster ({error}); fetch it again") from error
    expected = (len(range(*rows.indices(side))), len(range(*columns.indices(side))))
    if part.shape != expected or not np.issubdtype(part.dtype, np.number) or np.iscomplexobj(part):
        raise DataError(
            f"{raster.file}: {part.shape} posts of {part.dtype} where {expected} heights were expected; "
            "warp it upright: gdalwarp"
        )
    void = np.ma.getmaskarray(part)
    if part.dtype == np.int16:
        void = void | (part.data == -32768)
    heights = (part.data.astype(np.float64) * scale + offset) * raster.unit_m
    block[rows, columns] = np.where(void, np.nan, heights)
    return _checked(block, raster.file)


def _checked(heights: Array, path: Path) -> Grid:
    """The heights, if they can be heights on earth in metres."""
    if np.isfinite(heights).any():
        low, high = float(np.nanmin(heights)), float(np.nanmax(heights))
        if low < LOWEST_M or high > HIGHEST_M:
            raise DataError(
                f"{path}: heights from {low:g} to {high:g} m; expected {LOWEST_M:g} to {HIGHEST_M:g}. "
                "Declare its nodata value (gdal_edit -a_nodata), or its unit in terrain.json"
            )
    return np.where(np.isfinite(heights), heights, np.nan).astype(np.float32)
