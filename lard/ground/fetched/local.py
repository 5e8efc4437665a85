"""Local rasters (GeoTIFF, COG, VRT in any CRS) as a source of ground folders."""

import glob
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lard.airports.model import Airport
from lard.errors import SourceError, naming
from lard.ground.compose import Plan, compose_levels, up_to_date
from lard.ground.continued import Beyond, continuation
from lard.ground.cover import Cover
from lard.ground.fetched.grid import local_crs
from lard.ground.fetched.judged import judge_flat
from lard.ground.fetched.plan import BEYOND_PAINTED, COARSEST_M, GroundRequest, request_grids
from lard.ground.fetched.providers import split_spec
from lard.ground.fetched.rasters import RasterSampler
from lard.ground.fetched.reach import settle
from lard.ground.fetched.source import UNSTATED_ATTRIBUTION, UNSTATED_LICENCE
from lard.ground.holes import RunwayZone, runway_zones
from lard.ground.tiles import LevelGrid
from lard.tables import folder_lock

FINER = 1.05
_VERSION = "2"


def raster_paths(spec: str) -> list[Path]:
    """The files a raster source names; * and ? are filled in."""
    _, address, options = split_spec(spec)
    unknown = sorted(set(options) - {"licence", "attribution", "repeated"})
    if unknown or options.get("repeated", "keep") != "keep":
        raise SourceError(
            f"raster:{address}: unknown option {', '.join(unknown or ['repeated'])}; expected licence, "
            "attribution, repeated=keep"
        )
    found = sorted(Path(name) for name in glob.glob(address, recursive=True))  # noqa: PTH207 - absolute patterns too
    if not found:
        raise SourceError(f"raster:{address}: no such file; expected rasters such as ortho/*.tif")
    return found


@dataclass(frozen=True, slots=True)
class RasterGround:
    """Rasters that were checked for an airport: what is asked of them and where they are imagery."""

    airport: Airport
    sampler: RasterSampler
    zones: list[RunwayZone]
    request: GroundRequest
    cover: Cover

    @property
    def grids(self) -> list[LevelGrid]:
        """Levels, finest first."""
        return request_grids(self.zones, self.request)

    @property
    def whole(self) -> bool:
        """Whether all of the widest level is imagery."""
        return self.cover.holds(self.grids[-1])


def open_rasters(airport: Airport, spec: str, request: GroundRequest, free: bool = False) -> RasterGround:
    """Check rasters and settle how far the ground goes, before any pixel is made."""
    lat, lon, icao = airport.lat_deg, airport.lon_deg, airport.icao
    paths = raster_paths(spec)
    with naming(split_spec(spec)[1], *paths):
        sampler = RasterSampler.of(paths, icao, lat, lon)
        found_m, gsd_m = sampler.gsd_m(), request.gsd_m
        if found_m > gsd_m * FINER:
            else_ask = f" or ask for --gsd {found_m:.3g}" if found_m <= COARSEST_M else ""
            raise SourceError(
                f"{icao}: the rasters have {found_m:.3g} m per pixel; {gsd_m:g} m is wanted: "
                f"use finer ones{else_ask}"
            )
        zones = runway_zones(airport, lat, lon)
        request, cover = settle(airport, sampler.name, request, zones, sampler.cover, free)
        if "repeated" not in split_spec(spec)[2]:
            judge_flat(airport, sampler, zones)
    return RasterGround(airport, sampler, zones, request, cover)


def ground_of_rasters(
    airport: Airport,
    spec: str,
    out: str | Path,
    request: GroundRequest,
    *,
    free: bool = False,
    beyond: Beyond | None = None,
) -> tuple[dict[str, Any], bool]:
    """Write out/<ICAO>/ from local rasters; its manifest, and whether it was there already.

    With `free` the request's reach and levels follow the imagery. `beyond` is what is painted where the
    request says that painted ground goes on.
    """
    lat, lon, icao = airport.lat_deg, airport.lon_deg, airport.icao
    opened = open_rasters(airport, spec, request, free)
    request, options = opened.request, split_spec(spec)[2]
    licence = options.get("licence", UNSTATED_LICENCE)
    attribution = options.get("attribution", UNSTATED_ATTRIBUTION)
    source = {
        "kind": "raster", "files": opened.sampler.digests(),
        "source_gsd_m": round(opened.sampler.gsd_m(), 6),
    }  # fmt: skip
    provenance: dict[str, Any] = {"generator": "rasters", "source": source, "request": request.described}
    paints = beyond if request.beyond == BEYOND_PAINTED and not opened.whole else None
    if paints is not None:
        provenance["beyond"] = paints.described(airport)
        licence, attribution = paints.credited(airport, licence, attribution)
    provenance |= {"licence": licence, "attribution": attribution}
    polygons = [[zone.name, zone.polygon.round(3).tolist()] for zone in opened.zones]
    inputs = json.dumps([_VERSION, icao, lat, lon, provenance, polygons], sort_keys=True)
    provenance["key"] = hashlib.sha256(inputs.encode()).hexdigest()
    folder = Path(out) / icao
    with folder_lock(folder):
        kept = up_to_date(folder, provenance["key"])
        if kept is not None:
            return kept, True
        goes_on = None
        if paints is not None:
            goes_on = continuation(airport, paints, opened.cover, opened.zones, opened.sampler)
        manifest = compose_levels(
            folder, icao, (lat, lon), local_crs(lat, lon),
            [Plan(grid, (opened.sampler,), request.coarse == "average") for grid in opened.grids],
            opened.zones, provenance, allow_holes=request.fills, jpeg_quality=request.jpeg_quality,
            cover=None if opened.whole else opened.cover, beyond=goes_on,
        )  # fmt: skip
    return manifest, False
