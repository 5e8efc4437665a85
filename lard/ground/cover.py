"""Where a ground folder shows imagery, where painted ground goes on from it, and where there is nothing."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lard.errors import SourceError
from lard.ground.tiles import LevelGrid
from lard.tables import atomic_path, inside, sha256_file

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

COVER_FILE = "imagery.png"
COVER_PX = 1024
"""Most cells of a cover each way."""
NOTHING, IMAGERY, CONTINUED = 0, 1, 2
"""What is shown at a place of the map."""
_KEYS = ("file", "sha256", "gsd_m", "x_min_m", "y_max_m", "width_px", "height_px")
_MEAN_COLOUR = "mean colour"


@dataclass(frozen=True, slots=True, eq=False)
class Cover:
    """Cells of the map that are imagery; nothing beyond the rim of the grid is."""

    grid: LevelGrid
    mask: Mask  # (rows, columns), rows north to south

    def at(self, x_m: Array, y_m: Array) -> Mask:
        """Whether places of the map are imagery."""
        finite = np.isfinite(x_m) & np.isfinite(y_m)
        with np.errstate(invalid="ignore"):
            column = np.floor((np.where(finite, x_m, np.inf) - self.grid.x_min_m) / self.grid.gsd_m)
            row = np.floor((self.grid.y_max_m - np.where(finite, y_m, -np.inf)) / self.grid.gsd_m)
        rows, columns = self.mask.shape
        inner = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
        place = np.where(inner, row, 0).astype(np.intp), np.where(inner, column, 0).astype(np.intp)
        return np.asarray(inner & self.mask[place])

    def holds(self, grid: LevelGrid) -> bool:
        """Whether all of a level is imagery."""
        x0, x1 = grid.x_min_m, grid.x_max_m
        y0, y1 = grid.y_min_m, grid.y_max_m
        count = max(2, int(np.ceil(max(x1 - x0, y1 - y0) / self.grid.gsd_m)) + 1)
        inner = 1e-6 * self.grid.gsd_m
        x, y = np.linspace(x0 + inner, x1 - inner, count), np.linspace(y0 + inner, y1 - inner, count)
        return bool(self.at(*np.meshgrid(x, y)).all())

    @property
    def reach_m(self) -> float:
        """Half side of the largest square around the map's origin that is all imagery."""
        rows, columns = np.nonzero(~np.pad(self.mask, 1))
        x = self.grid.x_min_m + (columns - 0.5) * self.grid.gsd_m
        y = self.grid.y_max_m - (rows - 0.5) * self.grid.gsd_m
        nearest = float(np.maximum(np.abs(x), np.abs(y)).min())
        return max(0.0, nearest - self.grid.gsd_m / 2)

    @property
    def bounds(self) -> tuple[float, float, float, float] | None:
        """x_min, y_min, x_max, y_max in metres of all imagery; None where there is none."""
        rows, columns = np.flatnonzero(self.mask.any(axis=1)), np.flatnonzero(self.mask.any(axis=0))
        if not len(rows):
            return None
        gsd = self.grid.gsd_m
        x0, x1 = self.grid.x_min_m + gsd * columns[0], self.grid.x_min_m + gsd * (columns[-1] + 1)
        y0, y1 = self.grid.y_max_m - gsd * (rows[-1] + 1), self.grid.y_max_m - gsd * rows[0]
        return float(x0), float(y0), float(x1), float(y1)

    def share_of(self, grid: LevelGrid) -> float:
        """Share of a level's area that is imagery."""
        return float(self.at(*cell_centres(probe(grid))).mean())


def probe(grid: LevelGrid, most_px: int = COVER_PX) -> LevelGrid:
    """The same rectangle in at most so many cells each way, and no finer than the level."""
    width_m, height_m = grid.width_px * grid.gsd_m, grid.height_px * grid.gsd_m
    gsd_m = max(grid.gsd_m, max(width_m, height_m) / most_px)
    columns, rows = int(np.ceil(width_m / gsd_m)), int(np.ceil(height_m / gsd_m))
    return LevelGrid(gsd_m, grid.x_min_m, grid.y_max_m, columns, rows)


def cell_centres(grid: LevelGrid) -> tuple[Array, Array]:
    """x and y (rows, columns) in metres of the middles of a grid's cells."""
    x = grid.x_min_m + (np.arange(grid.width_px) + 0.5) * grid.gsd_m
    y = grid.y_max_m - (np.arange(grid.height_px) + 0.5) * grid.gsd_m
    columns, rows = np.meshgrid(x, y)
    return columns, rows


def without_specks(mask: Mask) -> Mask:
    """A mask whose lone cells take the value of those around: a black pixel may equal nodata by chance."""
    return np.asarray(cv2.medianBlur(mask.astype(np.uint8), 3) > 0)


def write_cover(cover: Cover, folder: Path) -> dict[str, Any]:
    """Write the cover beside the levels of a ground folder; its entry in the manifest."""
    path, buffer = folder / COVER_FILE, io.BytesIO()
    Image.fromarray(cover.mask).save(buffer, "PNG")
    try:
        with atomic_path(path) as temporary:
            temporary.write_bytes(buffer.getvalue())
    except OSError as error:
        raise SourceError(f"{path}: cannot be written ({error.strerror}); make room and run again") from error
    grid = cover.grid
    return {
        "file": COVER_FILE, "sha256": sha256_file(path), "size_bytes": path.stat().st_size,
        "gsd_m": grid.gsd_m, "x_min_m": grid.x_min_m, "y_max_m": grid.y_max_m,
        "width_px": grid.width_px, "height_px": grid.height_px,
    }  # fmt: skip


def shown_at(folder: Path, manifest: Mapping[str, Any], x_m: Array, y_m: Array) -> NDArray[np.uint8]:
    """What a ground folder shows at places of its map: NOTHING, IMAGERY or CONTINUED.

    Without a cover, all of the coarsest level is imagery but the holes that took the mean colour.
    """
    last = manifest["levels"][-1]
    rim = LevelGrid(last["gsd_m"], last["x_min_m"], last["y_max_m"], last["width_px"], last["height_px"])
    inside_rim = (x_m >= rim.x_min_m) & (x_m < rim.x_max_m) & (y_m > rim.y_min_m) & (y_m <= rim.y_max_m)
    if "imagery" in manifest:
        imagery = _read_cover(folder, manifest["imagery"]).at(x_m, y_m) & inside_rim
    else:
        imagery = inside_rim.copy()
        for hole in manifest.get("holes", ()):
            if hole["filled_from"] == _MEAN_COLOUR:
                imagery &= ~(
                    (x_m >= hole["x_min_m"]) & (x_m < hole["x_max_m"])
                    & (y_m > hole["y_min_m"]) & (y_m <= hole["y_max_m"])
                )  # fmt: skip
    rest = np.where(inside_rim & ("beyond" in manifest), CONTINUED, NOTHING)
    return np.where(imagery, IMAGERY, rest).astype(np.uint8)


def _read_cover(folder: Path, entry: Any) -> Cover:
    """The cover that a manifest lists."""
    where = f"{folder / 'manifest.json'}: imagery"
    missing = [key for key in _KEYS if not isinstance(entry, Mapping) or key not in entry]
    if missing:
        raise SourceError(f"{where}: lacks {', '.join(missing)}; make the ground imagery again")
    path = folder / inside(str(entry["file"]), where, SourceError)
    if not path.is_file() or sha256_file(path) != entry["sha256"]:
        state = "damaged" if path.is_file() else "missing"
        raise SourceError(f"{path}: {state}, its SHA-256 is not the manifest's; make the ground again")
    with Image.open(path, formats=["PNG"]) as image:
        mask = np.asarray(image.convert("1"), bool)
    if mask.shape != (entry["height_px"], entry["width_px"]):
        raise SourceError(f"{path}: {mask.shape[1]} x {mask.shape[0]} cells, not those of the manifest")
    grid = LevelGrid(entry["gsd_m"], entry["x_min_m"], entry["y_max_m"], mask.shape[1], mask.shape[0])
    return Cover(grid, mask)
