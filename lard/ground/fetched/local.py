"""Local rasters (GeoTIFF, COG, VRT in any CRS) as a source of ground folders."""

import glob
import hashlib
import json
from pathlib import Path
from typing import Any

from lard.airports.model import Airport
from lard.errors import SourceError
from lard.ground.compose import Plan, compose_levels, up_to_date
from lard.ground.fetched.grid import local_crs
from lard.ground.fetched.plan import COARSEST_M, GroundRequest, request_grids
from lard.ground.fetched.providers import split_spec
from lard.ground.fetched.rasters import RasterSampler
from lard.ground.fetched.source import UNSTATED_ATTRIBUTION, UNSTATED_LICENCE
from lard.ground.holes import runway_zones
from lard.tables import folder_lock

_FINER = 1.05


def raster_paths(spec: str) -> list[Path]:
    """The files a raster source names; * and ? are filled in."""
    _, address, options = split_spec(spec)
    unknown = sorted(set(options) - {"licence", "attribution"})
    if unknown:
        raise SourceError(
            f"raster:{address}: unknown option {', '.join(unknown)}; expected licence, attribution"
        )
    found = sorted(Path(name) for name in glob.glob(address, recursive=True))  # noqa: PTH207 - absolute patterns too
    if not found:
        raise SourceError(f"raster:{address}: no such file; expected rasters such as ortho/*.tif")
    return found


def ground_of_rasters(
    airport: Airport, spec: str, out: str | Path, request: GroundRequest
) -> tuple[dict[str, Any], bool]:
    """Write out/<ICAO>/ from local rasters; its manifest, and whether it was there already."""
    lat, lon, icao = airport.lat_deg, airport.lon_deg, airport.icao
    options = split_spec(spec)[2]
    sampler = RasterSampler.of(raster_paths(spec), icao, lat, lon)
    found_m = sampler.gsd_m()
    if found_m > request.gsd_m * _FINER:
        else_ask = f" or ask for --gsd {found_m:.3g}" if found_m <= COARSEST_M else ""
        raise SourceError(
            f"{icao}: the rasters have {found_m:.3g} m per pixel; {request.gsd_m:g} m is wanted: "
            f"use finer ones{else_ask}"
        )
    zones = runway_zones(airport, lat, lon)
    wanted = {
        "gsd_m": request.gsd_m, "reach_m": request.reach_m, "levels": request.levels,
        "coarse": request.coarse, "allow_holes": request.allow_holes, "jpeg_quality": request.jpeg_quality,
    }  # fmt: skip
    source = {"kind": "raster", "files": sampler.digests(), "source_gsd_m": round(found_m, 6)}
    licence = options.get("licence", UNSTATED_LICENCE)
    attribution = options.get("attribution", UNSTATED_ATTRIBUTION)
    polygons = [[zone.name, zone.polygon.round(3).tolist()] for zone in zones]
    inputs = json.dumps([icao, lat, lon, wanted, source, licence, attribution, polygons], sort_keys=True)
    provenance: dict[str, Any] = {
        "generator": "rasters", "licence": licence, "attribution": attribution, "source": source,
        "request": wanted, "key": hashlib.sha256(inputs.encode()).hexdigest(),
    }  # fmt: skip
    folder = Path(out) / icao
    plans = [Plan(grid, (sampler,), request.coarse == "average") for grid in request_grids(zones, request)]
    with folder_lock(folder):
        kept = up_to_date(folder, provenance["key"])
        if kept is not None:
            return kept, True
        manifest = compose_levels(
            folder, icao, (lat, lon), local_crs(lat, lon), plans, zones, provenance,
            allow_holes=request.allow_holes, jpeg_quality=request.jpeg_quality,
        )  # fmt: skip
    return manifest, False
