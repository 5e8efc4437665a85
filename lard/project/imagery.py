"""Photographs and tile servers as the ground of a project: what params.yaml says of them, made."""

from __future__ import annotations

import glob
import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from lard.airports.model import Airport
from lard.errors import SourceError, SpecError
from lard.ground.fetched.fetch import fetch_ground
from lard.ground.fetched.http import Http, HttpSettings
from lard.ground.fetched.local import ground_of_rasters, raster_paths
from lard.ground.fetched.plan import COARSEST_M, REACH_FACTORS, GroundRequest, request_grids
from lard.ground.fetched.providers import RASTER, open_source, split_spec
from lard.ground.fetched.rasters import RasterSampler
from lard.ground.holes import RUNWAY_MARGIN_M, RunwayZone, refuse_near_runways, runway_zones
from lard.ground.tiles import LevelGrid

CACHE = Path("data/tile_cache")
_LEVELS_OF_A_RASTER = 3
_OFFLINE = ("xyz", "tms", "mbtiles")  # the others describe themselves when asked
_PROBE_PX = 1024
_SEARCHED_M = 8000.0  # half side of the square in which the reach of a raster is looked for


class Imagery(BaseModel):
    """Section `ground` of a project's params.yaml where the ground is not painted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    source: str
    gsd_m: float
    reach_m: float
    levels: int
    licence: str = ""
    attribution: str = ""
    allow_holes: bool = False
    allow_hosts: list[str] = []

    @property
    def request(self) -> GroundRequest:
        """What is wanted around each airport."""
        return GroundRequest(self.gsd_m, self.reach_m, self.levels, allow_holes=self.allow_holes)

    @property
    def spec(self) -> str:
        """The source with licence and attribution among its options."""
        named = {k: v for k, v in (("licence", self.licence), ("attribution", self.attribution)) if v}
        joint = "&" if "#" in self.source else "#"
        return f"{self.source}{joint}{urlencode(named)}" if named else self.source


def parse_imagery(section: Any, where: str) -> Imagery:
    """Check the section `ground` of a parameter file; SpecError with one line per fault."""
    if not isinstance(section, Mapping):
        raise SpecError(f"{where}: ground: expected source, gsd_m, reach_m and levels, found {section!r}")
    try:
        return Imagery.model_validate(dict(section))
    except ValidationError as error:
        lines = [
            f"{where}: ground.{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
            for fault in error.errors()
        ]
        raise SpecError("\n".join(lines)) from error


def make_grounds(airports: Sequence[Airport], imagery: Imagery, folder: Path) -> None:
    """Write folder/<ICAO>/ for every airport from rasters or a tile source; what is there is kept."""
    if split_spec(imagery.source)[0] == RASTER:
        for airport in airports:
            ground_of_rasters(airport, imagery.spec, folder, imagery.request)
        return
    http = Http(HttpSettings(allow_hosts=tuple(imagery.allow_hosts)))
    source, cache = open_source(imagery.spec, http, CACHE)
    for airport in airports:
        fetch_ground(airport, source, cache, http, folder, imagery.request)


def check_template(source: str) -> None:
    """SourceError where the address of a tile source is malformed; nothing is asked of a server."""
    if split_spec(source)[0] in _OFFLINE:
        with tempfile.TemporaryDirectory() as cache:
            open_source(source, Http(HttpSettings(offline=True)), cache)


def raster_source(given: str) -> str:
    """The source of a raster file, or of a pattern; SourceError where its path cannot be stated."""
    address = given.removeprefix(f"{RASTER}:")
    if "#" in address:
        raise SourceError(f"--ground {given}: '#' begins options in a source; rename the file")
    return f"{RASTER}:{glob.escape(address) if Path(address).is_file() else address}"


def relative_source(source: str, folder: Path) -> str:
    """A source as seen from a project's folder; files are stated relative to it."""
    kind, address, _ = split_spec(source)
    if kind in (RASTER, "mbtiles") or (address and "://" not in address and kind != "bing"):
        seen = os.path.relpath(os.path.realpath(address), folder.resolve())
        head, _, rest = source.partition(":")
        return f"{head}:{rest.replace(address, seen, 1)}"
    return source


def fit_rasters(source: str, airports: Sequence[Airport], gsd_m: float | None) -> tuple[float, float, int]:
    """Resolution (m), reach (m) and levels that rasters allow; SourceError where they miss a runway."""
    paths, reach_m, finest_m = raster_paths(source), math.inf, 0.0
    for airport in airports:
        sampler = RasterSampler.of(paths, airport.icao, airport.lat_deg, airport.lon_deg)
        finest_m = max(finest_m, sampler.gsd_m())
        _refuse_uncovered(airport, sampler)
        reach_m = min(reach_m, _reach(sampler))
    if gsd_m is None:
        gsd_m = max(0.05, math.ceil(finest_m * 1000) / 1000)
    if gsd_m > COARSEST_M or finest_m > gsd_m * 1.05:
        raise SourceError(
            f"--ground {source}: has {finest_m:.3g} m per pixel; finer than "
            f"{min(gsd_m, COARSEST_M):g} m is wanted: use a finer raster or a larger --gsd"
        )
    # the coarsest level goes to the edge of the imagery, less the pixels that its blocks are rounded up by
    widest = REACH_FACTORS[_LEVELS_OF_A_RASTER - 1]
    inner_m = math.floor((reach_m - gsd_m * 2 ** (_LEVELS_OF_A_RASTER + 1)) / widest)
    if inner_m < 100:
        raise SourceError(
            f"--ground {source}: reaches {reach_m:.0f} m from the airport's reference point on its nearest "
            "side; at least 300 m are needed: use larger rasters"
        )
    request = GroundRequest(gsd_m, float(inner_m), _LEVELS_OF_A_RASTER)
    for airport in airports:
        sampler = RasterSampler.of(paths, airport.icao, airport.lat_deg, airport.lon_deg)
        _refuse_gaps(airport, sampler, request_grids(_zones(airport), request)[-1])
    return gsd_m, request.reach_m, request.levels


def _zones(airport: Airport) -> list[RunwayZone]:
    """The runways of an airport with what lies near them, on the map around its reference point."""
    return runway_zones(airport, airport.lat_deg, airport.lon_deg)


def _probe(x_min_m: float, y_max_m: float, width_m: float, height_m: float) -> LevelGrid:
    """A grid of at most _PROBE_PX pixels a side over a rectangle of the map."""
    gsd_m = max(width_m, height_m) / _PROBE_PX
    return LevelGrid(gsd_m, x_min_m, y_max_m, math.ceil(width_m / gsd_m), math.ceil(height_m / gsd_m))


def _refuse_gaps(airport: Airport, sampler: RasterSampler, widest: LevelGrid) -> None:
    """SourceError where the widest level, grown to hold every runway, is not all imagery."""
    size_m = widest.width_px * widest.gsd_m, widest.height_px * widest.gsd_m
    if not sampler(_probe(widest.x_min_m, widest.y_max_m, *size_m))[1].all():
        raise SourceError(
            f"--ground: {sampler.name} leaves gaps in the {size_m[0]:.0f} x {size_m[1]:.0f} m that hold "
            f"every runway of {airport.icao}; give larger rasters"
        )


def _refuse_uncovered(airport: Airport, sampler: RasterSampler) -> None:
    """SourceError where a runway, with what lies near it, is not in the imagery."""
    for zone in _zones(airport):
        x0, y0, x1, y1 = zone.box
        grid = _probe(x0, y1, x1 - x0, y1 - y0)
        try:
            refuse_near_runways(airport.icao, 0, grid, ~sampler(grid)[1], [zone], sampler.name)
        except SourceError as error:
            raise SourceError(
                f"--ground: {sampler.name} does not cover runway {zone.name} of {airport.icao} with "
                f"{RUNWAY_MARGIN_M:g} m around it; give rasters that hold every runway of the airport"
            ) from error


def _reach(sampler: RasterSampler) -> float:
    """Half side in metres of the largest square around the reference point that is all imagery."""
    gsd_m = 2 * _SEARCHED_M / _PROBE_PX
    grid = LevelGrid(gsd_m, -_SEARCHED_M, _SEARCHED_M, _PROBE_PX, _PROBE_PX)
    rows, columns = np.nonzero(~sampler(grid)[1])
    if len(rows) == 0:
        return _SEARCHED_M
    away = np.maximum(np.abs(rows + 0.5 - _PROBE_PX / 2), np.abs(columns + 0.5 - _PROBE_PX / 2))
    return max(0.0, float(away.min() - 1.5) * gsd_m)
