"""How far imagery reaches around an airport, and the levels that fit into it."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from lard.airports.model import Airport
from lard.errors import SourceError
from lard.ground.cover import Cover, probe
from lard.ground.fetched.grid import MapBox, Tile, TileMatrix, box_in_crs
from lard.ground.fetched.plan import (
    BEYOND_NOTHING,
    REACH_FACTORS,
    GroundRequest,
    LevelPlan,
    box_of,
    request_grids,
)
from lard.ground.holes import RunwayZone, refuse_near_runways
from lard.ground.tiles import LevelGrid

FAR_M = 40_000.0
"""How far painted ground that continues imagery goes at least: farther, haze is all that is seen."""
NEAREST_M = 100.0
USUAL_REACH_M = 3000.0
_USUAL_LEVELS, _MOST_LEVELS = 3, 5
_EDGES_M = (
    20000.0, 16000.0, 13000.0, 10000.0, 8000.0, 6500.0, 5200.0, 4200.0, 3400.0, 2700.0, 2200.0, 1800.0,
    1400.0, 1100.0, 900.0, 700.0, 500.0, 350.0,
)  # fmt: skip
"""Half sides tried where a source says of single tiles only whether they are there."""


def within(request: GroundRequest, edge_m: float) -> GroundRequest | None:
    """The request with levels of which the widest ends at most edge_m away; None where that is too near."""
    reach_m = 0
    for levels in range(_USUAL_LEVELS, _MOST_LEVELS + 1):
        # blocks of the widest level may be rounded up by so much
        room_m = edge_m - request.gsd_m * 2 ** (levels + 1)
        reach_m = math.floor(room_m / REACH_FACTORS[levels - 1])
        if reach_m <= USUAL_REACH_M:
            break
    reach_m = min(reach_m, int(USUAL_REACH_M))
    return replace(request, reach_m=float(reach_m), levels=levels) if reach_m >= NEAREST_M else None


def fitting_cover(request: GroundRequest, cover: Cover, zones: list[RunwayZone]) -> GroundRequest | None:
    """The request whose levels imagery fills; None where it ends too near, or a runway leads out of it."""
    found = within(request, cover.reach_m)
    return found if found is not None and cover.holds(request_grids(zones, found)[-1]) else None


def continued(request: GroundRequest, edge_m: float) -> GroundRequest:
    """The request with levels as wide as painted ground is wanted, the finest where the imagery is."""
    reach_m = float(min(USUAL_REACH_M, max(edge_m, NEAREST_M)))
    far = [k for k, factor in enumerate(REACH_FACTORS) if reach_m * factor >= FAR_M]
    return replace(request, reach_m=reach_m, levels=(far[0] if far else len(REACH_FACTORS) - 1) + 1)


def settle(
    airport: Airport,
    name: str,
    request: GroundRequest,
    zones: list[RunwayZone],
    cover_of: Callable[[LevelGrid], Cover],
    free: bool,
) -> tuple[GroundRequest, Cover]:
    """The request that imagery of a known extent allows, and where its widest level is imagery.

    With `free` its reach and levels follow the imagery. SourceError, before any pixel is made, where a runway
    is not covered, or a stated reach is not.
    """
    refuse_uncovered(airport.icao, name, zones, cover_of)
    widest = request_grids(zones, replace(request, reach_m=USUAL_REACH_M, levels=_MOST_LEVELS))[-1]
    cover = _refined(cover_of(probe(widest)), request.gsd_m, cover_of)
    fitting = fitting_cover(request, cover, zones)
    if free and request.beyond != BEYOND_NOTHING:
        x0, y0, x1, y1 = cover.bounds or (0.0, 0.0, 0.0, 0.0)
        request = continued(request, max(-x0, -y0, x1, y1))
    elif free and not request.fills and fitting is not None:
        request = fitting
    grid = request_grids(zones, request)[-1]
    if not request.fills and not cover.holds(grid):
        raise too_far(airport.icao, name, request, grid, cover.share_of(grid), fitting)
    return request, cover


def _refined(rough: Cover, gsd_m: float, cover_of: Callable[[LevelGrid], Cover]) -> Cover:
    """The cover of the rectangle that holds all imagery of a rougher one."""
    if rough.bounds is None:
        return rough
    x0, y0, x1, y1 = rough.bounds
    step_m = rough.grid.gsd_m
    columns, rows = (math.ceil((side + 2 * step_m) / gsd_m) for side in (x1 - x0, y1 - y0))
    return cover_of(probe(LevelGrid(gsd_m, x0 - step_m, y1 + step_m, columns, rows)))


def too_far(
    icao: str,
    name: str,
    request: GroundRequest,
    grid: LevelGrid,
    share: float | None,
    fitting: GroundRequest | None,
) -> SourceError:
    """What to say of imagery that ends before the levels asked for."""
    width_km, height_km = grid.width_px * grid.gsd_m / 1000, grid.height_px * grid.gsd_m / 1000
    much = "not all" if share is None else f"{min(share, 0.999):.1%}"
    fit = (
        f"--reach {fitting.reach_m:g} --levels {fitting.levels} fits, as without the two; "
        if fitting
        else "no square around the airport that holds every runway fits; "
    )
    return SourceError(
        f"{icao}: {name} holds {much} of the {width_km:.1f} x {height_km:.1f} km that --reach "
        f"{request.reach_m:g} --levels {request.levels} take: {fit}or let painted ground go on beyond it "
        "with --beyond painted, or fill holes away from runways with --allow-holes"
    )


def refuse_uncovered(
    icao: str, name: str, zones: Iterable[RunwayZone], cover_of: Callable[[LevelGrid], Cover]
) -> None:
    """SourceError where a runway, with what lies near it, is not all imagery."""
    for zone in zones:
        x0, y0, x1, y1 = zone.box
        grid = probe(LevelGrid(1.0, x0, y1, math.ceil(x1 - x0), math.ceil(y1 - y0)))
        refuse_near_runways(icao, 0, grid, ~cover_of(grid).mask, [zone], name)


def outline_tiles(plan: LevelPlan, matrix: TileMatrix, crs: str) -> Iterator[Tile | None]:
    """The tiles at corners and mid-sides of a level; None where the source's grid has none."""
    box, inner_m = box_of(plan.grid), plan.grid.gsd_m
    box = MapBox(box.x_min_m + inner_m, box.y_min_m + inner_m, box.x_max_m - inner_m, box.y_max_m - inner_m)
    xs, ys = box.outline(3)
    for x, y in sorted(set(zip(xs.tolist(), ys.tolist(), strict=True))):
        first, top, last, bottom = matrix.tiles_over(box_in_crs(MapBox(x, y, x, y), crs, matrix, 0.0))
        yield matrix.tile(first, top) if first <= last and top <= bottom else None


def widest_that_holds(request: GroundRequest, holds: Callable[[GroundRequest], bool]) -> GroundRequest | None:
    """The widest request of those tried of which a source holds the rims; None where it holds none."""
    tried = [found for edge_m in _EDGES_M if (found := within(request, edge_m)) is not None]
    low, high = 0, len(tried)  # all before `low` fail, `high` and those after it hold
    while low < high:
        middle = (low + high) // 2
        if holds(tried[middle]):
            high = middle
        else:
            low = middle + 1
    return tried[high] if high < len(tried) else None
