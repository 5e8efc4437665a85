"""Composes the levels of a ground folder block by block from whatever can sample the local map.

Memory follows one block, not the airport. Nothing is invented in silence: what the first sampler of a level
does not cover is a hole; holes over or near a runway are an error, others are filled only when allowed, and
recorded.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.io import MemoryFile
from rasterio.transform import Affine
from rasterio.windows import Window

from lard.errors import DataError, SourceError
from lard.ground.cover import COVER_FILE, Cover, write_cover
from lard.ground.gdal import GDAL_FAULTS
from lard.ground.holes import RunwayZone, extents, hole_error, refuse_near_runways
from lard.ground.tiles import TILE_PX, LevelGrid, forget_others
from lard.progress import Meter
from lard.tables import atomic_path, read_json, sha256_file, staged, write_json

if TYPE_CHECKING:
    from lard.ground.continued import Continuation

_COMPOSER = "1"
MANIFEST_FILE = "manifest.json"


class Sampler(Protocol):
    """Something that knows the colours of a part of the map."""

    @property
    def name(self) -> str:
        """What to call it in messages and manifests."""

    def __call__(self, grid: LevelGrid) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Pixels (height, width, 3) of a window, and where (height, width) they are imagery."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One level: its grid, what samples it in order of preference, and whether it averages the finer one."""

    grid: LevelGrid
    samplers: tuple[Sampler, ...]
    average: bool = False


@dataclass(slots=True)
class _Means:
    """Running mean colour of the imagery seen, for holes that nothing fills."""

    total: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))
    count: int = 0

    def add(self, pixels: NDArray[np.uint8], valid: NDArray[np.bool_]) -> None:
        self.total += pixels[valid].sum(axis=0, dtype=np.float64)
        self.count += int(valid.sum())


def compose_levels(
    folder: str | Path,
    airport: str,
    origin: tuple[float, float],
    crs: str,
    plans: Sequence[Plan],
    zones: Sequence[RunwayZone],
    provenance: dict[str, Any],
    *,
    allow_holes: bool | Sequence[bool] = False,
    jpeg_quality: int | None = 93,
    cover: Cover | None = None,
    beyond: "Continuation | None" = None,
) -> dict[str, Any]:
    """Write all levels, finest first, and the manifest, which is returned: all files or none.

    allow_holes: whether what the samplers leave empty away from runways may be filled, for all or each.
    cover, kept beside the levels, says where they are imagery; `beyond` continues it there.
    """
    folder = Path(folder)
    with staged(folder) as made:
        manifest = _composed(
            made, airport, origin, crs, plans, zones, provenance, allow_holes, jpeg_quality, cover, beyond
        )
        (folder / MANIFEST_FILE).unlink(missing_ok=True)
    listed = {tile["file"] for level in manifest["levels"] for tile in level["tiles"]}
    forget_others(folder, listed if cover is None else {*listed, COVER_FILE})
    return manifest


def _composed(
    folder: Path, airport: str, origin: tuple[float, float], crs: str, plans: Sequence[Plan],
    zones: Sequence[RunwayZone], provenance: dict[str, Any], allow_holes: bool | Sequence[bool],
    jpeg_quality: int | None, cover: Cover | None, beyond: "Continuation | None",
) -> dict[str, Any]:  # fmt: skip
    """Write levels, cover and manifest into an empty folder."""
    allowed = [allow_holes] * len(plans) if isinstance(allow_holes, bool) else list(allow_holes)
    entries: list[dict[str, Any]] = []
    holes: list[dict[str, Any]] = []
    means = _Means()
    blocks = sum(-(-p.grid.width_px // TILE_PX) * -(-p.grid.height_px // TILE_PX) for p in plans)
    with Meter(f"{airport}: ground", blocks, "blocks") as meter:
        for number, plan in enumerate(plans):
            finer = _Finer(folder, plans[number - 1].grid, entries[-1]) if number and plan.average else None
            tiles = []
            for grid, column, row in _blocks(plan.grid):
                pixels, found = _block(
                    airport, number, plan, grid, finer, zones, means, allowed[number], beyond
                )
                holes += found
                path = folder / f"level{number}_{row // TILE_PX:03d}_{column // TILE_PX:03d}.tif"
                write_geotiff(path, pixels, crs, grid, jpeg_quality)
                tiles.append(
                    {
                        "file": path.name, "col_px": column, "row_px": row, "width_px": grid.width_px,
                        "height_px": grid.height_px, "sha256": sha256_file(path),
                        "size_bytes": path.stat().st_size,
                    }
                )  # fmt: skip
                meter.advance(1, f"level {number}")
            entries.append(
                {
                    "gsd_m": plan.grid.gsd_m, "x_min_m": plan.grid.x_min_m, "y_max_m": plan.grid.y_max_m,
                    "width_px": plan.grid.width_px, "height_px": plan.grid.height_px, "tiles": tiles,
                    "made_from": [sampler.name for sampler in plan.samplers], "averaged": finer is not None,
                }
            )  # fmt: skip
    manifest = {
        "airport": airport, "lat0_deg": origin[0], "lon0_deg": origin[1], "crs": crs, "levels": entries,
        "holes": holes, "seed": 0, "composer": _COMPOSER, **provenance,
    }  # fmt: skip
    if cover is not None:
        manifest["imagery"] = write_cover(cover, folder)
    write_json(manifest, folder / MANIFEST_FILE)
    return manifest


def up_to_date(folder: Path, key: str) -> dict[str, Any] | None:
    """The folder's manifest when it was composed from the same inputs and every file is there unharmed."""
    if not (folder / "manifest.json").is_file():
        return None
    try:
        manifest: dict[str, Any] = read_json(folder / "manifest.json")
        tiles = [tile for level in manifest["levels"] for tile in level["tiles"]]
        tiles += [manifest["imagery"]] if "imagery" in manifest else []
        whole = manifest["key"] == key and all(
            (folder / tile["file"]).is_file() and sha256_file(folder / tile["file"]) == tile["sha256"]
            for tile in tiles
        )
    except (KeyError, TypeError, DataError):
        return None  # another tool's folder, or a damaged one: made anew
    return manifest if whole else None


def _blocks(grid: LevelGrid) -> list[tuple[LevelGrid, int, int]]:
    """The blocks of a level with their first column and row."""
    found = []
    for row in range(0, grid.height_px, TILE_PX):
        for column in range(0, grid.width_px, TILE_PX):
            width, height = min(TILE_PX, grid.width_px - column), min(TILE_PX, grid.height_px - row)
            x, y = grid.x_min_m + column * grid.gsd_m, grid.y_max_m - row * grid.gsd_m
            found.append((LevelGrid(grid.gsd_m, x, y, width, height), column, row))
    return found


def _block(
    airport: str, number: int, plan: Plan, grid: LevelGrid, finer: "_Finer | None",
    zones: Sequence[RunwayZone], means: _Means, allowed: bool, beyond: "Continuation | None",
) -> tuple[NDArray[np.uint8], list[dict[str, Any]]]:  # fmt: skip
    """Pixels of a block, and what was filled in it."""
    shape = (grid.height_px, grid.width_px)
    pixels, valid = np.zeros((*shape, 3), np.uint8), np.zeros(shape, bool)
    if finer is not None:
        finer.put(grid, pixels, valid)
    fresh_part = ~valid
    holes: list[dict[str, Any]] = []
    for order, sampler in enumerate(plan.samplers):
        if valid.all():
            break
        fresh, covers = sampler(grid)
        covers &= ~valid
        if order > 0:
            refuse_near_runways(airport, number, grid, ~valid, zones, plan.samplers[0].name)
            if covers.any() and not allowed:
                raise hole_error(airport, number, grid, ~valid, plan.samplers[0].name)
            holes += extents(number, grid, covers, sampler.name)
        pixels[covers] = fresh[covers]
        valid |= covers
    means.add(pixels, valid)
    if beyond is not None:
        refuse_near_runways(airport, number, grid, ~valid, zones, plan.samplers[0].name)
        beyond.put(grid, pixels, valid, fresh_part)
    elif not valid.all():
        refuse_near_runways(airport, number, grid, ~valid, zones, plan.samplers[0].name)
        if not allowed or means.count == 0:
            raise hole_error(airport, number, grid, ~valid, plan.samplers[0].name)
        pixels[~valid] = np.rint(means.total / means.count)
        holes += extents(number, grid, ~valid, "mean colour")
    return pixels, holes


@dataclass(frozen=True, slots=True)
class _Finer:
    """The finer level as written, averaged two by two into the next."""

    folder: Path
    grid: LevelGrid
    entry: dict[str, Any]

    def put(self, grid: LevelGrid, pixels: NDArray[np.uint8], valid: NDArray[np.bool_]) -> None:
        """Write the means of 2 x 2 finer pixels into a block where the finer level covers it."""
        left = round((grid.x_min_m - self.grid.x_min_m) / self.grid.gsd_m)
        top = round((self.grid.y_max_m - grid.y_max_m) / self.grid.gsd_m)
        for tile in self.entry["tiles"]:
            # in pixels of the finer level; level edges and tile edges lie on even ones
            x0, x1 = (
                max(tile["col_px"], left),
                min(tile["col_px"] + tile["width_px"], left + 2 * grid.width_px),
            )
            y0, y1 = (
                max(tile["row_px"], top),
                min(tile["row_px"] + tile["height_px"], top + 2 * grid.height_px),
            )
            if x0 >= x1 or y0 >= y1:
                continue
            with rasterio.open(self.folder / tile["file"]) as source:
                window = Window(x0 - tile["col_px"], y0 - tile["row_px"], x1 - x0, y1 - y0)
                fine = np.moveaxis(source.read((1, 2, 3), window=window), 0, -1)
            mean = fine.reshape((y1 - y0) // 2, 2, (x1 - x0) // 2, 2, 3).sum(axis=(1, 3), dtype=np.uint16)
            rows, columns = slice((y0 - top) // 2, (y1 - top) // 2), slice((x0 - left) // 2, (x1 - left) // 2)
            pixels[rows, columns] = (mean + 2) // 4
            valid[rows, columns] = True


def write_geotiff(
    path: Path, pixels: NDArray[np.uint8], crs: str, grid: LevelGrid, jpeg_quality: int | None
) -> None:
    """Write a block as a tiled GeoTIFF, JPEG or (jpeg_quality None) lossless, atomically."""
    options: dict[str, Any] = {"compress": "deflate"}
    if jpeg_quality is not None:
        options = {"compress": "jpeg", "photometric": "YCBCR", "jpeg_quality": jpeg_quality}
    try:
        # by way of memory: GDAL does not tell of every write that a full disk cuts short
        with MemoryFile() as memory:
            with memory.open(
                driver="GTiff", width=pixels.shape[1], height=pixels.shape[0], count=3,
                dtype="uint8", crs=crs, tiled=True,
                transform=Affine(grid.gsd_m, 0, grid.x_min_m, 0, -grid.gsd_m, grid.y_max_m),
                blockxsize=256, blockysize=256, **options,
            ) as target:  # fmt: skip
                target.write(np.moveaxis(pixels, -1, 0))
            encoded = memory.read()
    except GDAL_FAULTS as error:
        raise SourceError(f"{path.name}: the tile could not be made ({error})") from error
    with atomic_path(path) as temporary:
        temporary.write_bytes(encoded)
