"""What ground imagery is wanted around an airport, and which zooms and tiles that takes."""

from dataclasses import dataclass
from itertools import islice

import numpy as np

from lard.airports.model import Airport
from lard.errors import SourceError
from lard.ground.fetched.grid import (
    MapBox,
    Tile,
    TileMatrix,
    across_180,
    box_in_crs,
    crosses_180,
    local_crs,
    tile_on_map,
    tiles_of,
    zoom_for,
)
from lard.ground.fetched.source import TileSource
from lard.ground.holes import RunwayZone, runway_zones
from lard.ground.tiles import LevelGrid

REACH_FACTORS = (1.0, 4 / 3, 2.0, 10 / 3, 20 / 3, 40 / 3, 80 / 3, 160 / 3)
FILL_ZOOMS = 6
COARSE = ("average", "zooms")
COARSEST_M = 8.0
BEYOND_NOTHING, BEYOND_PAINTED = "nothing", "painted"
BEYONDS = (BEYOND_NOTHING, BEYOND_PAINTED)
"""What may go on where the imagery ends."""
_ZOOM_SLACK = 1.05


@dataclass(frozen=True, slots=True)
class GroundRequest:
    """What ground imagery is wanted around an airport."""

    gsd_m: float = 0.5
    reach_m: float = 3000.0
    levels: int = 5
    coarse: str = "average"
    allow_holes: bool = False
    retry_holes: bool = False
    max_tiles: int = 100_000
    jpeg_quality: int | None = 93
    beyond: str = BEYOND_NOTHING

    def __post_init__(self) -> None:
        if not 0.05 <= self.gsd_m <= COARSEST_M:
            raise SourceError(f"--gsd {self.gsd_m:g}: expected 0.05 to 8 metres")
        if not 100 <= self.reach_m <= 50_000:
            raise SourceError(f"--reach {self.reach_m:g}: expected 100 to 50,000 metres")
        if not 1 <= self.levels <= len(REACH_FACTORS):
            raise SourceError(f"--levels {self.levels}: expected 1 to {len(REACH_FACTORS)}")
        if self.coarse not in COARSE:
            raise SourceError(f"--coarse {self.coarse!r}: expected one of {', '.join(COARSE)}")
        if self.jpeg_quality is not None and not 1 <= self.jpeg_quality <= 100:
            raise SourceError(f"--jpeg-quality {self.jpeg_quality}: expected 1 to 100")
        if self.beyond not in BEYONDS:
            raise SourceError(f"--beyond {self.beyond!r}: expected one of {', '.join(BEYONDS)}")

    @property
    def described(self) -> dict[str, object]:
        """What of it decides the pixels, for manifests."""
        named = ("gsd_m", "reach_m", "levels", "coarse", "allow_holes", "jpeg_quality", "beyond")
        return {name: getattr(self, name) for name in named}

    @property
    def fills(self) -> bool:
        """Whether something is put where the imagery has holes away from runways."""
        return self.allow_holes or self.beyond != BEYOND_NOTHING


@dataclass(frozen=True, slots=True)
class LevelPlan:
    """A level of the ground, the zoom it comes from and the tiles that takes."""

    grid: LevelGrid
    matrix: TileMatrix
    source_gsd_m: float
    tiles: tuple[Tile, ...]


def request_grids(zones: list[RunwayZone], request: GroundRequest) -> list[LevelGrid]:
    """Grids of the levels, finest first: squares around the reference point that enclose every runway."""
    x0, y0, x1, y1 = (
        np.array([zone.box for zone in zones]).reshape(-1, 4).T if zones else np.zeros((4, 1))
    )  # fmt: skip
    grids = []
    for k in range(request.levels):
        gsd, half = request.gsd_m * 2**k, request.reach_m * REACH_FACTORS[k]
        block = 2 * gsd  # whole pixels of the next level
        left, bottom = (int(np.floor(min(-half, float(v.min())) / block)) for v in (x0, y0))
        right, top = (int(np.ceil(max(half, float(v.max())) / block)) for v in (x1, y1))
        grids.append(LevelGrid(gsd, left * block, top * block, 2 * (right - left), 2 * (top - bottom)))
    return grids


def plan_levels(source: TileSource, airport: Airport, request: GroundRequest) -> list[LevelPlan]:
    """Zoom and tiles of every level; SourceError when the source is too coarse or asks for too much."""
    lat, lon = airport.lat_deg, airport.lon_deg
    crs = local_crs(lat, lon)
    plans: list[LevelPlan] = []
    grids = request_grids(runway_zones(airport, lat, lon), request)
    matrices = matrices_over(source, grids[-1], crs)
    left = request.max_tiles
    for grid in grids:
        matrix = zoom_for(matrices, grid.gsd_m, lat, lon, _ZOOM_SLACK)
        found_m = matrix.gsd_m(lat, lon)
        if found_m > grid.gsd_m * _ZOOM_SLACK and not plans:
            raise SourceError(
                f"{source.identity}: its finest zoom {matrix.zoom} has {found_m:.3g} m per pixel at "
                f"{airport.icao}; {grid.gsd_m:g} m is wanted: use a finer source or ask for "
                f"--gsd {np.ceil(found_m * 100) / 100:g}"
            )
        inside = box_of(plans[-1].grid) if plans and request.coarse == "average" else None
        listed = tiles_of(matrix, box_of(grid), crs, inside)
        # no further than the limit: the list of all of them may not fit into memory
        tiles = tuple((matrix.zoom, col, row) for col, row in islice(listed, left + 1))
        if len(tiles) > left:
            first, top, last, bottom = matrix.tiles_over(box_in_crs(box_of(grid), crs, matrix))
            across = (last - first + 1) * (bottom - top + 1)
            raise SourceError(
                f"{airport.icao}: levels down to {grid.gsd_m:g} m take up to "
                f"{request.max_tiles - left + across:,} tiles, more than {request.max_tiles}; ask for less "
                "(--reach, --gsd, --levels) or allow more (--max-tiles)"
            )
        left -= len(tiles)
        plans.append(LevelPlan(grid, matrix, found_m, tiles))
    return plans


def matrices_over(source: TileSource, grid: LevelGrid, crs: str) -> tuple[TileMatrix, ...]:
    """The source's matrices, continuous over 180 degrees where the coarsest level lies on both sides."""
    if not crosses_180(box_of(grid), crs):
        return source.matrices
    return tuple(across_180(matrix) for matrix in source.matrices)


def coarser_matrices(
    matrices: tuple[TileMatrix, ...], matrix: TileMatrix, airport: Airport
) -> list[TileMatrix]:
    """The next coarser matrices, finest first."""
    size = matrix.gsd_m(airport.lat_deg, airport.lon_deg)
    sized = [(m.gsd_m(airport.lat_deg, airport.lon_deg), m) for m in matrices]
    return [m for found, m in sorted(sized, key=lambda pair: pair[0]) if found > size * 1.01][:FILL_ZOOMS]


def tiles_for_hole(source: TileSource, hole: Tile, matrix: TileMatrix, crs: str) -> list[Tile]:
    """The coarser zoom's tiles that cover a missing one."""
    area = tile_on_map(source.matrix(hole[0]), hole[1], hole[2], crs)
    return [(matrix.zoom, col, row) for col, row in tiles_of(matrix, area, crs)]


def box_of(grid: LevelGrid) -> MapBox:
    """What a level covers of the map."""
    return MapBox(grid.x_min_m, grid.y_min_m, grid.x_max_m, grid.y_max_m)
