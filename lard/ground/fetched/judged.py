"""What holes in imagery mean: none over a runway, none that was not allowed, and no placeholders."""

import hashlib
from collections import Counter

import cv2
import numpy as np
from shapely.geometry import Polygon, box

from lard.airports.model import Airport
from lard.errors import SourceError
from lard.ground.fetched.download import OFFLINE_MISS
from lard.ground.fetched.grid import MapBox, Tile, tile_on_map
from lard.ground.fetched.pictures import TileReader
from lard.ground.fetched.plan import GroundRequest, LevelPlan
from lard.ground.fetched.rasters import RasterSampler
from lard.ground.fetched.source import TileSource
from lard.ground.holes import RunwayZone
from lard.ground.tiles import LevelGrid

_NAMED_HOLES = 6
REPEATS = 3
FLAT_LEVELS = 4  # of 255: what JPEG makes of one colour
_LOOK_PX, _BLOCK_PX = 512, 32


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
    airport: Airport, reader: TileReader, plan: LevelPlan, digests: dict[Tile, str], zones: list[RunwayZone],
    crs: str,
) -> None:  # fmt: skip
    """SourceError when a runway's ground would be a picture that the source repeats, or of one colour.

    No photo does that. Pictures are compared by their files, and over a runway by their pixels too.
    """
    source, counts = reader.source, Counter(digests.values())
    if source.keep_repeated:
        return
    for zone in zones:
        near = [tile for tile in sorted(digests) if _over(zone, plan, tile, crs)]
        for tile in near:
            if counts[digests[tile]] >= REPEATS:
                raise SourceError(
                    f"{airport.icao}: {source.identity} has the same picture {counts[digests[tile]]} times, "
                    f"over or near runway {zone.name} too (tile {tile[0]}/{tile[1]}/{tile[2]}): a "
                    f"placeholder for missing imagery? Look at it and say #placeholder={digests[tile]}, or "
                    "#repeated=keep if it is the ground"
                )
        found = _seen_over(reader, near)
        if found:
            tile, what = found
            raise SourceError(
                f"{airport.icao}: {source.identity} has {what} over or near runway {zone.name} (tile "
                f"{tile[0]}/{tile[1]}/{tile[2]}): a placeholder for missing imagery? Look at it and use "
                "another source, or say #repeated=keep if it is the ground"
            )


def judge_flat(airport: Airport, sampler: RasterSampler, zones: list[RunwayZone]) -> None:
    """SourceError when a runway's ground would be of one colour, or hold whole blocks of one."""
    for zone in zones:
        what = _flat_over(zone, sampler)
        if what:
            raise SourceError(
                f"{airport.icao}: {sampler.name} has {what} over or near runway {zone.name}: a placeholder "
                "for missing imagery? Look at it and use another source, or say #repeated=keep if it is the "
                "ground"
            )


def _flat_over(zone: RunwayZone, sampler: RasterSampler) -> str:
    """What is flat of rasters over a runway, seen as some hundred pixels; empty where nothing is."""
    x0, y0, x1, y1 = zone.box
    gsd_m = max(sampler.gsd_m(), max(x1 - x0, y1 - y0) / _LOOK_PX)
    width, height = max(1, round((x1 - x0) / gsd_m)), max(1, round((y1 - y0) / gsd_m))
    pixels, valid = sampler(LevelGrid(gsd_m, x0, y1, width, height))
    corners = np.rint((zone.polygon - [x0, y1]) * [1, -1] / gsd_m).astype(np.int32)
    near = np.zeros((height, width), np.uint8)
    cv2.fillPoly(near, [corners], (1,))
    seen = pixels[valid & (near > 0)]
    if len(seen) and int(np.ptp(seen, axis=0).max()) <= FLAT_LEVELS:
        return "one colour only"
    blocks: Counter[bytes] = Counter()
    for row in range(0, height - _BLOCK_PX + 1, _BLOCK_PX):
        for column in range(0, width - _BLOCK_PX + 1, _BLOCK_PX):
            part = np.s_[row : row + _BLOCK_PX, column : column + _BLOCK_PX]
            block = pixels[part]
            if valid[part].all() and near[part].any() and (block == block[0, 0]).all():
                blocks[block[0, 0].tobytes()] += 1
    most = max(blocks.values(), default=0)
    return f"the same colour in {most} whole blocks" if most >= REPEATS else ""


def _over(zone: RunwayZone, plan: LevelPlan, tile: Tile, crs: str) -> bool:
    area = tile_on_map(plan.matrix, tile[1], tile[2], crs)
    shape = box(area.x_min_m, area.y_min_m, area.x_max_m, area.y_max_m)
    return bool(shape.intersects(Polygon(zone.polygon)))


def _seen_over(reader: TileReader, near: list[Tile]) -> tuple[Tile, str] | None:
    """The first tile over a runway that looks like REPEATS others, or of one colour as all there are."""
    looks: dict[Tile, str] = {}
    flat = True
    for tile in near:
        pixels = reader.pixels(tile)
        if pixels is None:
            continue
        looks[tile] = hashlib.sha256(pixels.tobytes()).hexdigest()
        flat = flat and int(np.ptp(pixels[..., :3], axis=(0, 1)).max()) <= FLAT_LEVELS
    if looks and flat:
        return next(iter(looks)), "one colour only"
    counts = Counter(looks.values())
    again = [tile for tile, look in looks.items() if counts[look] >= REPEATS]
    return (again[0], f"the same picture {counts[looks[again[0]]]} times") if again else None


def _hole_text(tile: Tile, reason: str, area: MapBox) -> str:
    return (
        f"tile {tile[0]}/{tile[1]}/{tile[2]}, {reason}, x {area.x_min_m:.0f} to {area.x_max_m:.0f} m, "
        f"y {area.y_min_m:.0f} to {area.y_max_m:.0f} m"
    )
