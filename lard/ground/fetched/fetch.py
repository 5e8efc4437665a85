"""From tiles to a ground folder: what is fetched, what holes mean, what the manifest says of it."""

import hashlib
import json
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from shapely.geometry import Polygon, box

from lard.airports.model import Airport
from lard.errors import SourceError
from lard.ground.compose import Plan, compose_levels, up_to_date
from lard.ground.fetched.cache import TileCache
from lard.ground.fetched.download import OFFLINE_MISS, FetchReport, TileReader, fetch_tiles
from lard.ground.fetched.grid import MapBox, Tile, local_crs, tile_on_map, transformer
from lard.ground.fetched.http import Http
from lard.ground.fetched.plan import (
    GroundRequest,
    LevelPlan,
    box_of,
    coarser_matrices,
    plan_levels,
    tiles_for_hole,
)
from lard.ground.fetched.sample import TileSampler
from lard.ground.fetched.source import TileSource
from lard.ground.holes import RunwayZone, runway_zones
from lard.tables import folder_lock

_VERSION = "1"
_NAMED_HOLES = 6


@dataclass(slots=True)
class GroundResult:
    """What was made, from how much, and whether it was there already."""

    folder: Path
    manifest: dict[str, Any]
    report: FetchReport
    kept: bool


def fetch_ground(
    airport: Airport,
    source: TileSource,
    cache: TileCache,
    http: Http,
    out: str | Path,
    request: GroundRequest | None = None,
) -> GroundResult:
    """Fetch what is missing and write out/<ICAO>/; an up-to-date undamaged folder is kept."""
    request = request or GroundRequest()
    crs = local_crs(airport.lat_deg, airport.lon_deg)
    zones = runway_zones(airport, airport.lat_deg, airport.lon_deg)
    plans = plan_levels(source, airport, request)
    report, samplers = FetchReport(), []
    reader = TileReader(source, cache)
    with folder_lock(cache.folder) if source.url_of is not None else nullcontext():
        if source.url_of is not None:
            cache.remove_leftovers()
            cache.describe(description_of(source))
        for number, plan in enumerate(plans):
            label = f"{airport.icao}: level {number}, zoom {plan.matrix.zoom}"
            matrices = [plan.matrix]
            found = _get(source, plan.tiles, cache, http, label, request, report)
            report.add(found)
            holes = found.holes | found.failed
            averaged = number > 0 and request.coarse == "average"
            _judge(airport, source, plan, holes, found.failed, zones if not averaged else [], crs, request)
            for matrix in coarser_matrices(source, plan.matrix, airport):
                if not holes:
                    break
                tiles = sorted({tile for hole in holes for tile in tiles_for_hole(source, hole, matrix, crs)})
                found = _get(
                    source, tiles, cache, http, f"{label}, holes from zoom {matrix.zoom}", request, report
                )
                report.add(found)
                matrices.append(matrix)
                holes = found.holes | found.failed
            samplers.append(
                tuple(TileSampler(f"zoom {matrix.zoom}", reader, matrix, crs) for matrix in matrices)
            )
    folder = Path(out) / airport.icao
    provenance = _provenance(airport, source, plans, report, request, zones)
    averaged = request.coarse == "average"
    with folder_lock(folder):
        kept = up_to_date(folder, provenance["key"])
        if kept is not None:
            return GroundResult(folder, kept, report, True)
        manifest = compose_levels(
            folder, airport.icao, (airport.lat_deg, airport.lon_deg), crs,
            [Plan(plan.grid, use, averaged) for plan, use in zip(plans, samplers, strict=True)],
            zones, provenance, allow_holes=request.allow_holes, jpeg_quality=request.jpeg_quality,
        )  # fmt: skip
    return GroundResult(folder, manifest, report, False)


def description_of(source: TileSource) -> dict[str, object]:
    """What the cache remembers of a source, without secrets."""
    return {
        "kind": source.kind, "identity": source.identity, "licence": source.licence, "note": source.note,
        "attributions": sorted({credit.text for credit in source.credits}),
        "zooms": [
            {
                "zoom": m.zoom, "name": m.name, "crs": m.crs, "x_min": m.x_min, "y_max": m.y_max,
                "pixel_x": m.pixel_x, "pixel_y": m.pixel_y,
                "tile_width_px": m.tile_width_px, "tile_height_px": m.tile_height_px,
            }
            for m in source.matrices
        ],
    }  # fmt: skip


def _get(
    source: TileSource,
    tiles: Any,
    cache: TileCache,
    http: Http,
    label: str,
    request: GroundRequest,
    before: FetchReport,
) -> FetchReport:
    """Fetch remote tiles, look local ones up."""
    if source.read is None:
        held = before.held_bytes + before.fetched_bytes
        return fetch_tiles(
            source, tiles, cache, http, label, held_bytes=held, retry_holes=request.retry_holes
        )
    report = FetchReport()
    reader = TileReader(source, cache)
    for tile in tiles:
        report.wanted += 1
        body = reader.body(tile)
        if body is None:
            report.holes[tile] = "not there"
        else:
            report.kept += 1
            report.digests[tile] = hashlib.sha256(body).hexdigest()
    return report


def _judge(
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
    if not request.allow_holes:
        named = [
            _hole_text(tile, holes[tile], tile_on_map(plan.matrix, tile[1], tile[2], crs))
            for tile in sorted(holes)[:_NAMED_HOLES]
        ]
        more = f"\n  and {len(holes) - len(named)} more" if len(holes) > len(named) else ""
        listed = "\n  ".join(named)
        raise SourceError(
            f"{airport.icao}: {source.identity} has {len(holes)} holes among {len(plan.tiles)} tiles of zoom "
            f"{plan.matrix.zoom}, none near a runway:\n  {listed}{more}\n"
            f"fill them from coarser zooms with --allow-holes{again}"
        )


def _hole_text(tile: Tile, reason: str, area: MapBox) -> str:
    return (
        f"tile {tile[0]}/{tile[1]}/{tile[2]}, {reason}, x {area.x_min_m:.0f} to {area.x_max_m:.0f} m, "
        f"y {area.y_min_m:.0f} to {area.y_max_m:.0f} m"
    )


def _provenance(
    airport: Airport, source: TileSource, plans: list[LevelPlan], report: FetchReport, request: GroundRequest,
    zones: list[RunwayZone],
) -> dict[str, Any]:  # fmt: skip
    """Licence, attribution, source and the key of everything the folder depends on."""
    x, y = box_of(plans[-1].grid).outline()
    lon, lat = transformer(local_crs(airport.lat_deg, airport.lon_deg), "EPSG:4326").transform(x, y)
    zooms = {tile[0] for tile in report.digests}
    by_zoom: dict[str, dict[str, Any]] = {}
    for zoom in sorted(zooms):
        lines = [f"{t[1]} {t[2]} {digest}" for t, digest in sorted(report.digests.items()) if t[0] == zoom]
        digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        by_zoom[str(zoom)] = {"tiles": len(lines), "sha256": digest}
    missing = report.holes | report.failed
    described = {
        "kind": source.kind, "identity": source.identity, "note": source.note, "zooms": by_zoom,
        "tiles": len(report.digests),
        "levels": [{"zoom": p.matrix.zoom, "source_gsd_m": round(p.source_gsd_m, 6)} for p in plans],
        "missing_tiles": [{"tile": list(tile), "reason": missing[tile]} for tile in sorted(missing)],
    }  # fmt: skip
    wanted = {
        "gsd_m": request.gsd_m, "reach_m": request.reach_m, "levels": request.levels,
        "coarse": request.coarse, "allow_holes": request.allow_holes, "jpeg_quality": request.jpeg_quality,
    }  # fmt: skip
    attribution = source.attribution(
        float(np.min(lat)), float(np.min(lon)), float(np.max(lat)), float(np.max(lon)), zooms
    )
    inputs = [
        _VERSION, airport.icao, airport.lat_deg, airport.lon_deg, described, wanted, source.licence,
        attribution,
        [[zone.name, zone.polygon.round(3).tolist()] for zone in zones],
    ]  # fmt: skip
    return {
        "generator": f"tiles of {source.identity}", "licence": source.licence, "attribution": attribution,
        "source": described, "request": wanted,
        "key": hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest(),
    }  # fmt: skip
