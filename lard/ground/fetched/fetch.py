"""From tiles to a ground folder: what is fetched, what holes mean, what the manifest says of it."""

import hashlib
import json
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.airports.model import Airport
from lard.ground.compose import Plan, compose_levels, up_to_date
from lard.ground.continued import Beyond, continuation
from lard.ground.cover import Cover
from lard.ground.fetched.cache import TileCache
from lard.ground.fetched.download import FetchReport, fetch_tiles
from lard.ground.fetched.grid import Tile, TileMatrix, local_crs, transformer
from lard.ground.fetched.http import Http
from lard.ground.fetched.judged import judge_holes, judge_repeated
from lard.ground.fetched.pictures import TileReader
from lard.ground.fetched.plan import (
    BEYOND_NOTHING,
    BEYOND_PAINTED,
    GroundRequest,
    LevelPlan,
    box_of,
    coarser_matrices,
    matrices_over,
    plan_levels,
    tiles_for_hole,
)
from lard.ground.fetched.reach import continued, outline_tiles, too_far, widest_that_holds
from lard.ground.fetched.sample import TileSampler, tile_cover
from lard.ground.fetched.source import TileSource
from lard.ground.holes import RunwayZone, runway_zones
from lard.ground.tiles import LevelGrid
from lard.tables import folder_lock

_VERSION = "2"


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
    *,
    free: bool = False,
    beyond: Beyond | None = None,
) -> GroundResult:
    """Fetch what is missing and write out/<ICAO>/; an up-to-date undamaged folder is kept.

    With `free` the request's reach and levels follow the imagery. `beyond` is what is painted where the
    request says that painted ground goes on.
    """
    request = request or GroundRequest()
    crs = local_crs(airport.lat_deg, airport.lon_deg)
    zones = runway_zones(airport, airport.lat_deg, airport.lon_deg)
    fetched = _Fetched(airport, source, cache, http, crs)
    with folder_lock(cache.folder) if source.url_of is not None else nullcontext():
        if source.url_of is not None:
            cache.remove_leftovers()
            cache.describe(description_of(source))
        request = fetched.settled(request, free)
        plans = plan_levels(source, airport, request)
        there = matrices_over(source, plans[-1].grid, crs)
        for number, plan in enumerate(plans):
            fetched.level(number, plan, zones, there, request)
    grids = [plan.grid for plan in plans]
    cover = fetched.cover(grids[-1]) if request.fills else None
    whole = cover is None or cover.holds(grids[-1])
    paints = beyond if request.beyond == BEYOND_PAINTED and not whole else None
    folder = Path(out) / airport.icao
    provenance = _provenance(airport, source, plans, fetched.report, request, zones, paints)
    averaged = request.coarse == "average"
    with folder_lock(folder):
        kept = up_to_date(folder, provenance["key"])
        if kept is not None:
            return GroundResult(folder, kept, fetched.report, True)
        goes_on = None
        if paints is not None and cover is not None:
            goes_on = continuation(airport, paints, cover, zones, fetched.seen)
        manifest = compose_levels(
            folder, airport.icao, (airport.lat_deg, airport.lon_deg), crs,
            [Plan(grid, use, averaged) for grid, use in zip(grids, fetched.samplers, strict=True)],
            zones, provenance, allow_holes=request.fills, jpeg_quality=request.jpeg_quality,
            cover=None if whole else cover, beyond=goes_on,
        )  # fmt: skip
    return GroundResult(folder, manifest, fetched.report, False)


class _Fetched:
    """The tiles of one airport that were got so far, and what became of them."""

    def __init__(self, airport: Airport, source: TileSource, cache: TileCache, http: Http, crs: str) -> None:
        self.airport, self.source, self.cache, self.http, self.crs = airport, source, cache, http, crs
        self.reader, self.report = TileReader(source, cache), FetchReport()
        self.samplers: list[tuple[TileSampler, ...]] = []
        self.early: set[Tile] = set()  # got before the levels were settled

    def settled(self, request: GroundRequest, free: bool) -> GroundRequest:
        """The request, or with `free` the widest whose rims the source has; SourceError where it has not.

        Asks for the tiles at the rims of the levels before it asks for thousands inside.
        """
        if free and request.beyond != BEYOND_NOTHING:
            return continued(request, request.reach_m)
        if request.fills or self.http.settings.offline or self._has_rims(request):
            return request
        fitting = widest_that_holds(request, self._has_rims)
        if free and fitting is not None:
            return fitting
        grid = plan_levels(self.source, self.airport, request)[-1].grid
        raise too_far(self.airport.icao, self.source.identity, request, grid, None, fitting)

    def _has_rims(self, request: GroundRequest) -> bool:
        """Whether the source has the tiles at the corners and mid-sides of every level."""
        plans = plan_levels(self.source, self.airport, request)
        there = {matrix.zoom: matrix for matrix in matrices_over(self.source, plans[-1].grid, self.crs)}
        for number, plan in enumerate(plans):
            tiles = set(outline_tiles(plan, there[plan.matrix.zoom], self.crs))
            if None in tiles:
                return False
            wanted = sorted(tile for tile in tiles if tile is not None)
            found = self._get(wanted, f"{self.airport.icao}: rim of level {number}", request)
            self.early |= found.new
            for name in ("fetched", "fetched_bytes", "retries"):
                setattr(self.report, name, getattr(self.report, name) + getattr(found, name))
            if found.holes:
                return False
        return True

    def level(
        self, number: int, plan: LevelPlan, zones: list[RunwayZone], there: tuple[TileMatrix, ...],
        request: GroundRequest,
    ) -> None:  # fmt: skip
        """Get a level's tiles, and coarser ones where it has holes that may be filled."""
        icao = self.airport.icao
        label = f"{icao}: level {number}, zoom {plan.matrix.zoom}"
        found = self._get(plan.tiles, label, request)
        found.kept -= len(self.early.intersection(plan.tiles))
        self.report.add(found)
        holes, matrices = found.holes | found.failed, [plan.matrix]
        mine = [] if number > 0 and request.coarse == "average" else zones
        judge_holes(self.airport, self.source, plan, holes, found.failed, mine, self.crs, request)
        judge_repeated(self.airport, self.reader, plan, found.digests, mine, self.crs)
        for matrix in coarser_matrices(there, plan.matrix, self.airport):
            if not holes:
                break
            tiles = sorted({t for hole in holes for t in tiles_for_hole(self.source, hole, matrix, self.crs)})
            found = self._get(tiles, f"{label}, holes from zoom {matrix.zoom}", request)
            self.report.add(found)
            matrices.append(matrix)
            holes = found.holes | found.failed
        self.samplers.append(tuple(TileSampler(f"zoom {m.zoom}", self.reader, m, self.crs) for m in matrices))

    def cover(self, grid: LevelGrid) -> Cover:
        """Which cells of a level are imagery of any zoom."""
        return tile_cover(self.reader, {s.matrix for use in self.samplers for s in use}, grid, self.crs)

    def seen(self, grid: LevelGrid) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Colours of a window from whatever zoom covers it, finest first."""
        pixels = np.zeros((grid.height_px, grid.width_px, 3), np.uint8)
        valid = np.zeros(pixels.shape[:2], bool)
        for sampler in (sampler for use in reversed(self.samplers) for sampler in use):
            if not valid.all():
                fresh, covers = sampler(grid)
                covers &= ~valid
                pixels[covers], valid = fresh[covers], valid | covers
        return pixels, valid

    def _get(self, tiles: Iterable[Tile], label: str, request: GroundRequest) -> FetchReport:
        """Fetch remote tiles, look local ones up."""
        if self.source.read is None:
            held = self.report.held_bytes + self.report.fetched_bytes
            return fetch_tiles(
                self.source, tiles, self.cache, self.http, label,
                held_bytes=held, retry_holes=request.retry_holes,
            )  # fmt: skip
        report = FetchReport()
        for tile in tiles:
            report.wanted += 1
            body = self.reader.body(tile)
            if body is None:
                report.holes[tile] = "not there"
            else:
                report.kept += 1
                report.digests[tile] = hashlib.sha256(body).hexdigest()
        return report


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


def _provenance(
    airport: Airport, source: TileSource, plans: list[LevelPlan], report: FetchReport, request: GroundRequest,
    zones: list[RunwayZone], paints: Beyond | None,
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
    wanted, licence = request.described, source.licence
    attribution = source.attribution(
        float(np.min(lat)), float(np.min(lon)), float(np.max(lat)), float(np.max(lon)), zooms
    )
    goes_on = {} if paints is None else {"beyond": paints.described(airport)}
    if paints is not None:
        licence, attribution = paints.credited(airport, licence, attribution)
    inputs = [
        _VERSION, airport.icao, airport.lat_deg, airport.lon_deg, described, wanted, licence, attribution,
        goes_on,
        [[zone.name, zone.polygon.round(3).tolist()] for zone in zones],
    ]  # fmt: skip
    return {
        "generator": f"tiles of {source.identity}", "licence": licence, "attribution": attribution,
        "source": described, "request": wanted, **goes_on,
        "key": hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest(),
    }  # fmt: skip
