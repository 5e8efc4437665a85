"""What GDAL raises about a file, whichever of rasterio's layers it comes from."""

from rasterio._err import CPLE_BaseError
from rasterio.errors import CRSError, RasterioError

GDAL_FAULTS: tuple[type[Exception], ...] = (RasterioError, CRSError, CPLE_BaseError, OSError)
"""CPLE_BaseError gets through where rasterio opens a warped view of a damaged file."""
