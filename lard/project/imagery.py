"""Photographs and tile servers as the ground of a project: what params.yaml says of them, made."""

from __future__ import annotations

import glob
import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, ValidationError

from lard.airports.model import Airport, RunwayDatabase
from lard.errors import SourceError, SpecError
from lard.ground.continued import Beyond
from lard.ground.fetched.fetch import fetch_ground
from lard.ground.fetched.http import Http, HttpSettings
from lard.ground.fetched.local import FINER, ground_of_rasters, open_rasters, raster_paths
from lard.ground.fetched.plan import BEYOND_NOTHING, COARSEST_M, REACH_FACTORS, GroundRequest
from lard.ground.fetched.providers import RASTER, open_source, split_spec
from lard.ground.fetched.rasters import RasterSampler
from lard.ground.painted.seasons import SEASONS

CACHE = Path("data/tile_cache")
_OFFLINE = ("xyz", "tms", "mbtiles")  # the others describe themselves when asked


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
    beyond: str = BEYOND_NOTHING
    season: str = SEASONS[0]
    seed: int = 1
    allow_hosts: list[str] = []
    dem: str | None = None
    """The terrain model of pictures and labels (pipelines.terrain)."""

    @property
    def request(self) -> GroundRequest:
        """What is wanted around each airport."""
        return GroundRequest(
            self.gsd_m, self.reach_m, self.levels, allow_holes=self.allow_holes, beyond=self.beyond
        )

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


def make_grounds(airports: Sequence[Airport], imagery: Imagery, folder: Path, db: RunwayDatabase) -> None:
    """Write folder/<ICAO>/ for every airport from rasters or a tile source; what is there is kept."""

    def beyond(airport: Airport) -> Beyond:
        return Beyond.of(airport, db, imagery.season, imagery.seed)

    if split_spec(imagery.source)[0] == RASTER:
        for airport in airports:
            ground_of_rasters(airport, imagery.spec, folder, imagery.request, beyond=beyond(airport))
        return
    http = Http(HttpSettings(allow_hosts=tuple(imagery.allow_hosts)))
    source, cache = open_source(imagery.spec, http, CACHE)
    for airport in airports:
        fetch_ground(airport, source, cache, http, folder, imagery.request, beyond=beyond(airport))


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


def fit_rasters(
    source: str, airports: Sequence[Airport], gsd_m: float | None, beyond: str = BEYOND_NOTHING
) -> GroundRequest:
    """The ground that rasters allow around every airport; SourceError where they miss a runway."""
    paths = raster_paths(source)
    samplers = [RasterSampler.of(paths, a.icao, a.lat_deg, a.lon_deg) for a in airports]
    finest_m = max(sampler.gsd_m() for sampler in samplers)
    if not (math.isfinite(finest_m) and finest_m > 0):
        raise SourceError(
            f"--ground {source}: its place on earth gives {finest_m} m per pixel; mend the raster's "
            "transform or coordinate system"
        )
    if gsd_m is None:
        gsd_m = max(0.05, math.ceil(finest_m * 1000) / 1000)
    if gsd_m > COARSEST_M or finest_m > gsd_m * FINER:
        raise SourceError(
            f"--ground {source}: has {finest_m:.3g} m per pixel; finer than "
            f"{min(gsd_m, COARSEST_M):g} m is wanted: use a finer raster or a larger --gsd"
        )
    try:
        found = [open_rasters(a, source, GroundRequest(gsd_m, beyond=beyond), free=True) for a in airports]
        nearest = min((opened.request for opened in found), key=lambda request: request.reach_m)
        request = replace(nearest, levels=max(opened.request.levels for opened in found))
        if beyond == BEYOND_NOTHING:
            request = min((opened.request for opened in found), key=_widest_m)
            for airport in airports:
                open_rasters(airport, source, request)
    except SourceError as error:
        raise SourceError(f"--ground: {error}") from error
    return request


def _widest_m(request: GroundRequest) -> float:
    """Half side in metres of the coarsest level."""
    return request.reach_m * REACH_FACTORS[request.levels - 1]
