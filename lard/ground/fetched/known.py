"""What is known of a source's tiles without asking a server: its grid, files that are here, and the cache."""

from lard.airports.model import Airport
from lard.ground.fetched.cache import TileCache
from lard.ground.fetched.grid import Tile, local_crs
from lard.ground.fetched.pictures import TileReader
from lard.ground.fetched.plan import GroundRequest, LevelPlan, matrices_over, plan_levels
from lard.ground.fetched.reach import outline_tiles, widest_that_holds
from lard.ground.fetched.source import TileSource


def known_tiles(source: TileSource, cache: TileCache, plan: LevelPlan) -> tuple[int, int]:
    """How many tiles of a level are known to be there, and how many not to be."""
    found = [_known(source, cache, tile) for tile in plan.tiles]
    return found.count(True), found.count(False)


def known_fit(
    source: TileSource, cache: TileCache, airport: Airport, request: GroundRequest
) -> GroundRequest | None:
    """The request, else the widest, of which no tile at the rims is known to be missing."""
    crs = local_crs(airport.lat_deg, airport.lon_deg)

    def holds(wanted: GroundRequest) -> bool:
        plans = plan_levels(source, airport, wanted)
        there = {matrix.zoom: matrix for matrix in matrices_over(source, plans[-1].grid, crs)}
        tiles = [tile for plan in plans for tile in outline_tiles(plan, there[plan.matrix.zoom], crs)]
        return all(tile is not None and _known(source, cache, tile) is not False for tile in tiles)

    return request if holds(request) else widest_that_holds(request, holds)


def _known(source: TileSource, cache: TileCache, tile: Tile) -> bool | None:
    """Whether a tile is there; None where only the server knows."""
    if source.read is not None:
        return TileReader(source, cache).body(tile) is not None
    entry = cache.read(tile)
    return None if entry is None else not entry.hole
