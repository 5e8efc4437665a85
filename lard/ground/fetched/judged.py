"""What holes among fetched tiles mean: none over a runway, none that was not allowed, and no placeholders."""

from collections import Counter

from shapely.geometry import Polygon, box

from lard.airports.model import Airport
from lard.errors import SourceError
from lard.ground.fetched.download import OFFLINE_MISS
from lard.ground.fetched.grid import MapBox, Tile, tile_on_map
from lard.ground.fetched.plan import GroundRequest, LevelPlan
from lard.ground.fetched.source import TileSource
from lard.ground.holes import RunwayZone

_NAMED_HOLES = 6
REPEATS = 3


def judge_holes(
    airport: Airport, source: TileSource, plan: LevelPlan, holes: dict[Tile, str], failed: dict[Tile, str],
    zones: list[RunwayZone], crs: str, request: GroundRequest,
) -> None:  # fmt: skip
    """SourceError for holes over or near a runway, and for any hole that is not allowed."""
    if not holes:
        return
    again = "; run again to try the failed ones once more" if failed else ""
    for tile in sorted(holes):
        area = tile_on_map(plan.matrix, tile[1], tile[2], crs)
        shape = box(area.x_min_m, area.y_min_m, area.x_max_m, area.y_max_m)
        for zone in zones:
            if shape.intersects(Polygon(zone.polygon)):
                remedy = (
                    "fetch it once without --offline"
                    if holes[tile] == OFFLINE_MISS
                    else f"use another source or --gsd, or ask the server anew with --retry-holes{again}"
                )
                raise SourceError(
                    f"{airport.icao}: {source.identity} has a hole over or near runway {zone.name}: "
                    f"{_hole_text(tile, holes[tile], area)}. A runway is never made up: {remedy}"
                )
    if not request.fills:
        named = [
            _hole_text(tile, holes[tile], tile_on_map(plan.matrix, tile[1], tile[2], crs))
            for tile in sorted(holes)[:_NAMED_HOLES]
        ]
        more = f"\n  and {len(holes) - len(named)} more" if len(holes) > len(named) else ""
        listed = "\n  ".join(named)
        raise SourceError(
            f"{airport.icao}: {source.identity} has {len(holes)} holes among {len(plan.tiles)} tiles of zoom "
            f"{plan.matrix.zoom}, none near a runway:\n  {listed}{more}\n"
            f"fill them from coarser zooms with --allow-holes, or where none has anything too with --beyond "
            f"painted{again}"
        )


def judge_repeated(
    airport: Airport, source: TileSource, plan: LevelPlan, digests: dict[Tile, str], zones: list[RunwayZone],
    crs: str,
) -> None:  # fmt: skip
    """SourceError when a runway's ground would be one picture that the source repeats: no photo does that."""
    counts = Counter(digests.values())
    if source.keep_repeated or not counts or counts.most_common(1)[0][1] < REPEATS:
        return
    for tile, digest in sorted(digests.items()):
        if counts[digest] < REPEATS:
            continue
        area = tile_on_map(plan.matrix, tile[1], tile[2], crs)
        shape = box(area.x_min_m, area.y_min_m, area.x_max_m, area.y_max_m)
        for zone in zones:
            if shape.intersects(Polygon(zone.polygon)):
                raise SourceError(
                    f"{airport.icao}: {source.identity} has the same picture {counts[digest]} times, over or "
                    f"near runway {zone.name} too (tile {tile[0]}/{tile[1]}/{tile[2]}): a placeholder for "
                    f"missing imagery? Look at it and say #placeholder={digest}, or #repeated=keep if it is "
                    "the ground"
                )


def _hole_text(tile: Tile, reason: str, area: MapBox) -> str:
    return (
        f"tile {tile[0]}/{tile[1]}/{tile[2]}, {reason}, x {area.x_min_m:.0f} to {area.x_max_m:.0f} m, "
        f"y {area.y_min_m:.0f} to {area.y_max_m:.0f} m"
    )
