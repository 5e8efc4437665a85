"""Ground imagery of one airport as levels of halving resolution, read block by block when a frame needs it.

A level is a rectangle of texels; a sparse one has imagery only in some of its blocks, and the next coarser
level shows in the others. A texel is a 32-bit word (red, green, blue, 0), as the kernels blend it.

The levels lie in one anonymous mapping whose pages exist only once a block has been read into them, so memory
follows what frames have looked at; when that exceeds the budget, all pages are given back and read again.
"""

import hashlib
import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window

from lard.documents import checked, parse_json
from lard.errors import SourceError
from lard.ground.gdal import GDAL_FAULTS
from lard.ground.manifest import GroundManifest
from lard.tables import sha256_file, stable_hash

BLOCK_PX = 256
UNREAD, READ, WANTED, ABSENT = 0, 1, 2, 3
"""States of a block; the renderer turns UNREAD into WANTED."""
TEXEL_BYTES = 4
_LINE_TEXELS = 16  # of a cache line of 64 bytes
DEFAULT_BUDGET_BYTES = 1 << 30
_LEVEL_KEYS = ("gsd_m", "x_min_m", "y_max_m", "width_px", "height_px", "tiles")
_TILE_KEYS = ("file", "col_px", "row_px", "width_px", "height_px")


@dataclass(frozen=True, slots=True)
class Level:
    """One resolution: a rectangle of the map with its files."""

    gsd_m: float
    x_min_m: float
    y_max_m: float
    width_px: int
    height_px: int
    tiles: tuple[dict[str, Any], ...]
    offset: int  # of the level's first texel in the mapping
    first_block: int  # of the level in the block table
    sparse: bool = False  # tiles lie in some blocks only

    @property
    def pitch(self) -> int:
        """Texels from one row to the next: an odd number of cache lines, so that a column of texels does not
        compete for the few places that addresses a power of two apart share."""
        return (-(-self.width_px // _LINE_TEXELS) | 1) * _LINE_TEXELS

    @property
    def blocks_across(self) -> int:
        """Blocks in a row of blocks."""
        return -(-self.width_px // BLOCK_PX)

    @property
    def blocks_down(self) -> int:
        """Rows of blocks."""
        return -(-self.height_px // BLOCK_PX)

    @property
    def covered(self) -> NDArray[np.bool_]:
        """Which blocks (down, across) hold imagery."""
        grid = np.full((self.blocks_down, self.blocks_across), not self.sparse)
        for tile in self.tiles if self.sparse else ():
            left, top = tile["col_px"] // BLOCK_PX, tile["row_px"] // BLOCK_PX
            right = -(-(tile["col_px"] + tile["width_px"]) // BLOCK_PX)
            grid[top : -(-(tile["row_px"] + tile["height_px"]) // BLOCK_PX), left:right] = True
        return grid


class GroundPyramid:
    """Levels of ground imagery, finest first, with the blocks read so far.

    `texels` is the flat uint32 mapping (rows north to south), `blocks` the state of every block, `table` the
    levels as floats for the kernels.
    """

    def __init__(
        self, folder: Path, manifest: dict[str, Any], digest: str, budget_bytes: int = DEFAULT_BUDGET_BYTES
    ) -> None:
        self.folder, self.manifest, self.digest, self.budget_bytes = folder, manifest, digest, budget_bytes
        self.airport: str = str(manifest["airport"])
        self.lat0_deg, self.lon0_deg = float(manifest["lat0_deg"]), float(manifest["lon0_deg"])
        self.grain = float(manifest.get("grain", 0.0))
        self.smooth = np.array(manifest.get("smooth", []), np.float64).reshape(-1, 6)
        self.grain_seed = stable_hash(f"grain/{self.airport}/{manifest.get('seed')}") % (1 << 31)
        self.levels = _levels_of(manifest)
        size = sum(level.pitch * level.height_px for level in self.levels) * TEXEL_BYTES
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0)
        self._mapping = mmap.mmap(-1, max(size, 1), flags=flags)
        self.texels = np.frombuffer(self._mapping, np.dtype("<u4"))
        covered = np.concatenate([level.covered.ravel() for level in self.levels])
        self._unread = np.where(covered, UNREAD, ABSENT).astype(np.uint8)
        self.blocks = self._unread.copy()
        self.table = np.array(
            [
                (
                    lv.gsd_m, lv.x_min_m, lv.y_max_m, lv.width_px, lv.height_px,
                    lv.offset, lv.first_block, lv.pitch,
                )
                for lv in self.levels
            ]
        )  # (levels, 8)  # fmt: skip
        self.loaded_bytes = 0
        self._verified: set[Path] = set()
        self._far_colour: NDArray[np.float64] | None = None

    @property
    def far_colour(self) -> NDArray[np.float64]:
        """Mean colour (3,) of the coarsest level, shown beyond its rim."""
        if self._far_colour is None:
            last = len(self.levels) - 1
            self.read_blocks(np.arange(self.levels[last].first_block, len(self.blocks)))
            self._far_colour = self.level_array(last).reshape(-1, 3).mean(axis=0)
        return self._far_colour

    def level_array(self, index: int) -> NDArray[np.uint8]:
        """View (height, width, 3) of a level; blocks not yet read, or absent, are black."""
        level = self.levels[index]
        texels = self.texels[level.offset : level.offset + level.pitch * level.height_px]
        lanes = texels.view(np.uint8).reshape(level.height_px, level.pitch, TEXEL_BYTES)
        return lanes[:, : level.width_px, :3]

    def read_all(self) -> "GroundPyramid":
        """Read every block and return the pyramid."""
        self.read_blocks(np.flatnonzero((self.blocks != READ) & (self.blocks != ABSENT)))
        return self

    def trim(self) -> None:
        """Give all pages back when they exceed the budget; only between frames: a frame keeps its own."""
        if self.loaded_bytes > self.budget_bytes:
            self._mapping.madvise(mmap.MADV_DONTNEED)
            self.blocks[:] = self._unread
            self.loaded_bytes = 0

    def read_wanted(self) -> None:
        """Read the blocks the renderer marked as wanted."""
        self.read_blocks(np.flatnonzero(self.blocks == WANTED))

    def read_blocks(self, indices: NDArray[np.int64]) -> None:
        """Read blocks by their place in the block table, each file opened once."""
        for index, level in enumerate(self.levels):
            count = level.blocks_across * level.blocks_down
            mine = indices[(indices >= level.first_block) & (indices < level.first_block + count)]
            if len(mine):
                rows, columns = np.divmod(mine - level.first_block, level.blocks_across)
                self._read_level(index, {(int(r), int(c)) for r, c in zip(rows, columns, strict=True)})
        self.blocks[indices] = READ
        self.loaded_bytes += len(indices) * BLOCK_PX * BLOCK_PX * TEXEL_BYTES

    def _read_level(self, index: int, wanted: set[tuple[int, int]]) -> None:
        level, image = self.levels[index], self.level_array(index)
        for tile in level.tiles:
            left, top = int(tile["col_px"]), int(tile["row_px"])
            right, bottom = left + int(tile["width_px"]), top + int(tile["height_px"])
            mine = [
                (r, c)
                for r in range(top // BLOCK_PX, -(-bottom // BLOCK_PX))
                for c in range(left // BLOCK_PX, -(-right // BLOCK_PX))
                if (r, c) in wanted
            ]
            if not mine:
                continue
            path = self.folder / str(tile["file"])
            self._verify(path, tile.get("sha256"))
            try:
                with rasterio.open(path, driver="GTiff") as source:
                    if source.count < 3 or source.dtypes[0] != "uint8":
                        raise SourceError(
                            f"{path}: {source.count} bands of {source.dtypes[0]}; expected three of uint8"
                        )
                    if (source.width, source.height) != (right - left, bottom - top):
                        raise SourceError(
                            f"{path}: {source.width} x {source.height} px, but manifest.json says "
                            f"{right - left} x {bottom - top}; write the ground imagery again"
                        )
                    for run in _runs(mine):
                        x0, x1 = max(run[1] * BLOCK_PX, left), min(run[2] * BLOCK_PX, right)
                        y0, y1 = max(run[0] * BLOCK_PX, top), min((run[0] + 1) * BLOCK_PX, bottom)
                        window = Window(x0 - left, y0 - top, x1 - x0, y1 - y0)
                        for channel, band in enumerate(source.read((1, 2, 3), window=window)):
                            image[y0:y1, x0:x1, channel] = band  # whole rows at once, not texel by texel
            except GDAL_FAULTS as error:
                raise SourceError(
                    f"{path}: cannot be read ({error}); delete the folder {self.folder} and make it again"
                ) from error

    def _verify(self, path: Path, sha256: str | None) -> None:
        """Compare a file with its checksum at first use: GDAL reads some damaged files in silence."""
        if path in self._verified:
            return
        if not path.is_file():
            raise SourceError(f"{path}: no such file; make the ground imagery of {self.airport} again")
        if sha256 is not None and sha256_file(path) != sha256:
            raise SourceError(
                f"{path}: damaged, its SHA-256 is not the manifest's; delete {self.folder} and make it again"
            )
        self._verified.add(path)


def _runs(blocks: list[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """Row, first column and end column of runs of neighbouring blocks."""
    runs: list[tuple[int, int, int]] = []
    for row, column in sorted(blocks):
        if runs and runs[-1][0] == row and runs[-1][2] == column:
            runs[-1] = (row, runs[-1][1], column + 1)
        else:
            runs.append((row, column, column + 1))
    return runs


def load_ground(folder: str | Path, budget_bytes: int = DEFAULT_BUDGET_BYTES) -> GroundPyramid:
    """Open the ground imagery of an airport; SourceError when it is missing or its manifest is malformed."""
    folder = Path(folder)
    path = folder / "manifest.json"
    try:
        text = path.read_bytes()
    except OSError as error:
        raise SourceError(
            f"{path}: no ground imagery here; make it with the ground stage or `lard ground`"
        ) from error
    manifest = parse_json(text, path, error=SourceError)
    if not isinstance(manifest, dict):
        raise SourceError(f"{path}: no object with levels; make the ground imagery again")
    missing = [key for key in ("airport", "lat0_deg", "lon0_deg", "levels") if key not in manifest]
    if missing or not manifest["levels"]:
        raise SourceError(f"{path}: lacks {', '.join(missing) or 'levels'}; make the ground imagery again")
    checked(GroundManifest, manifest, path, error=SourceError, remedy="make the ground imagery again")
    return GroundPyramid(folder, manifest, hashlib.sha256(text).hexdigest(), budget_bytes)


def _levels_of(manifest: dict[str, Any]) -> tuple[Level, ...]:
    levels: list[Level] = []
    offset = first = 0
    for number, entry in enumerate(manifest["levels"]):
        where = f"ground manifest of {manifest['airport']}, level {number}"
        missing = [key for key in _LEVEL_KEYS if key not in entry]
        tiles = entry.get("tiles", ())
        missing += [f"tiles: {key}" for tile in tiles for key in _TILE_KEYS if key not in tile]
        if missing:
            raise SourceError(f"{where}: lacks {', '.join(sorted(set(missing)))}")
        if levels and not np.isclose(entry["gsd_m"], 2 * levels[-1].gsd_m):
            raise SourceError(f"{where}: gsd_m is {entry['gsd_m']}, expected twice {levels[-1].gsd_m}")
        sparse = bool(entry.get("sparse", False))
        covered = sum(tile["width_px"] * tile["height_px"] for tile in entry["tiles"])
        if sparse:
            _check_sparse(entry, where, last=number == len(manifest["levels"]) - 1)
        elif covered != entry["width_px"] * entry["height_px"]:
            raise SourceError(
                f"{where}: its tiles cover {covered} of {entry['width_px'] * entry['height_px']} pixels; "
                "expected a dense rectangle without overlap"
            )
        gsd_m, x_min_m, y_max_m, width_px, height_px = (entry[key] for key in _LEVEL_KEYS[:5])
        tiles = tuple(entry["tiles"])
        level = Level(gsd_m, x_min_m, y_max_m, width_px, height_px, tiles, offset, first, sparse)
        offset += level.pitch * level.height_px
        first += level.blocks_across * level.blocks_down
        levels.append(level)
    return tuple(levels)


def _check_sparse(entry: dict[str, Any], where: str, last: bool) -> None:
    """SourceError unless the tiles of a sparse level fill whole blocks, and a dense level lies below it."""
    if last:
        raise SourceError(f"{where}: sparse, but the coarsest level must cover its whole rectangle")
    for tile in entry["tiles"]:
        right, bottom = tile["col_px"] + tile["width_px"], tile["row_px"] + tile["height_px"]
        starts = tile["col_px"] % BLOCK_PX == 0 and tile["row_px"] % BLOCK_PX == 0
        ends = (right % BLOCK_PX == 0 or right == entry["width_px"]) and (
            bottom % BLOCK_PX == 0 or bottom == entry["height_px"]
        )
        if not (starts and ends):
            raise SourceError(
                f"{where}: {tile['file']} covers columns {tile['col_px']} to {right}, rows "
                f"{tile['row_px']} to {bottom}; expected whole blocks of {BLOCK_PX} px in a sparse level"
            )
