"""Heights of what stands on the ground: the raster that a ground folder may hold beside its tiles."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray

from lard.errors import SourceError
from lard.ground.gdal import GDAL_FAULTS
from lard.tables import sha256_file

Array = NDArray[np.float64]

COARSE = 4
"""Cells of the map in one of the coarser shade, each way."""
_KEYS = ("file", "gsd_m", "x_min_m", "y_max_m", "width_px", "height_px", "sha256", "unit_m")


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    """Heights of objects, rows north to south, in units of unit_m; frame is (x_min_m, y_max_m, gsd_m)."""

    height: NDArray[np.uint8]
    unit_m: float
    frame: Array

    def pooled(self) -> Objects:
        """The highest of each COARSE x COARSE cells, as objects of larger cells."""
        rows, columns = self.height.shape
        down, across = -(-rows // COARSE), -(-columns // COARSE)
        padded = np.zeros((down * COARSE, across * COARSE), np.uint8)
        padded[:rows, :columns] = self.height
        highest = padded.reshape(down, COARSE, across, COARSE).max(axis=(1, 3))
        return Objects(highest, self.unit_m, self.frame * (1.0, 1.0, float(COARSE)))


def load_objects(folder: Path, manifest: dict[str, Any]) -> Objects | None:
    """The objects of a ground folder; None where its manifest lists none."""
    entry = manifest.get("objects")
    if entry is None:
        return None
    where = f"{folder / 'manifest.json'}: objects"
    missing = [key for key in _KEYS if key not in entry]
    if missing:
        raise SourceError(f"{where}: lacks {', '.join(missing)}; make the ground again")
    path = folder / str(entry["file"])
    if not path.is_file() or sha256_file(path) != entry["sha256"]:
        state = "damaged" if path.is_file() else "missing"
        raise SourceError(f"{path}: {state}, its SHA-256 is not the manifest's; make the ground again")
    try:
        with rasterio.open(path, driver="GTiff") as source:
            height = source.read(1)
    except GDAL_FAULTS as error:
        raise SourceError(f"{path}: cannot be read ({error}); make the ground again") from error
    if height.shape != (entry["height_px"], entry["width_px"]) or height.dtype != np.uint8:
        raise SourceError(
            f"{path}: {height.dtype} of {height.shape[1]} x {height.shape[0]} cells; expected uint8 of "
            f"{entry['width_px']} x {entry['height_px']}; make the ground again"
        )
    frame = np.array([entry["x_min_m"], entry["y_max_m"], entry["gsd_m"]], np.float64)
    return Objects(height, float(entry["unit_m"]), frame)
