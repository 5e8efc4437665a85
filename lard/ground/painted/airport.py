"""The embedded default imagery: a procedural ortho-photo of an airport as a pyramid of GeoTIFF tiles."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import astuple, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from lard.airports import Airport, Runway, load_shipped
from lard.airports.coastline import FILE as COASTLINE
from lard.airports.coastline import NEAR_FILE
from lard.errors import AirportError
from lard.geodesy import ecef_from_geodetic, to_enu
from lard.ground import gdal, tiles
from lard.ground.painted.landcover import LandSetting, in_water, outline_of, place_water
from lard.ground.painted.levels import (
    REACHES,
    Ground,
    Reach,
    plan_levels,
    reaches_for,
    write_levels,
)
from lard.ground.painted.markings import RunwayEnd, marked_like_faa
from lard.ground.painted.paint import Quad, pack
from lard.ground.painted.regions import palette_for
from lard.ground.painted.runways import runway_quads
from lard.ground.painted.scene import Scene, build_scene
from lard.ground.painted.sea import clearing_of, shore_of
from lard.ground.painted.seasons import SEASONS, in_season
from lard.ground.painted.strip import PAVED, Strip
from lard.ground.tiles import forget_others, manifest_holds, ortho_crs
from lard.tables import folder_lock, frame_rng, stable_hash, staged, write_json

Array = NDArray[np.float64]
GENERATOR = "lard-procedural-4"
"""Name of the generator in manifests; the folder's key also holds a digest of its source."""
AT_THE_WATER = 0.8
"""Share of low airports near the coast that stand right at it."""
GRAIN = 0.11
"""Strength of the detail that pictures from low down show below the ground's texels."""
LICENCE = "CC0-1.0"
ATTRIBUTION = "Procedural ground imagery by lard; runway positions: "
Neighbours = Sequence[tuple[Airport, Runway]]
"""Strips of other airports that lie on an airport's ground, each with its airport."""


def plane_corners(runway: Runway, lat0_deg: float, lon0_deg: float) -> Array:
    """Corners (4, 2) TL, TR, BR, BL in the orthographic plane: east, north of the points at height 0."""
    lat, lon, _ = np.array(runway.corners).T
    flat = ecef_from_geodetic(lat, lon, np.zeros(4))
    return np.asarray(to_enu(flat, lat0_deg, lon0_deg, 0.0)[:, :2])


def plane_strip(
    runway: Runway, far: Runway | None, lat0_deg: float, lon0_deg: float, faa: bool, seed: int
) -> Strip:
    """Return a runway as a strip in the plane, with blast pads drawn by chance on wide runways."""
    corners = plane_corners(runway, lat0_deg, lon0_deg)
    tl, tr, br, bl = corners
    length = float(np.hypot(*((tl + tr) / 2 - (bl + br) / 2)))
    width = float((np.hypot(*(tr - tl)) + np.hypot(*(br - bl))) / 2)
    rng = frame_rng(seed, f"{runway.airport}/{runway.ident}")
    pads = rng.uniform(60, 125, 2) if width >= 40 and rng.random() < 0.8 else np.zeros(2)
    paved = runway.surface.lower().startswith(PAVED)

    def end(drawn: Runway, pad_m: float) -> RunwayEnd:
        marking = drawn.marking if paved else "none"
        return RunwayEnd(
            drawn.ident, length, width, marking, faa, drawn.displaced_m, float(pad_m), drawn.approach_lights
        )

    # the far end of a direction without reciprocal is taken to be like the near one
    other = far or replace(runway, ident=runway.reciprocal, displaced_m=0.0)
    return Strip(corners, end(runway, pads[0]), end(other, pads[1]), runway.surface)


def neighbour_quads(neighbours: Neighbours, lat0_deg: float, lon0_deg: float, seed: int) -> list[Quad]:
    """Runways of other airports with their markings, each from draws of its own."""
    quads = []
    for airport, strip in neighbours:
        far, faa = airport.runway(strip.reciprocal), marked_like_faa(airport)
        painted = plane_strip(strip, far, lat0_deg, lon0_deg, faa, seed)
        quads += runway_quads([painted], frame_rng(seed, f"neighbour/{airport.icao}/{strip.ident}"))
    return quads


def attribution(airport: Airport, neighbours: Neighbours) -> str:
    """Whom the positions of the painted runways are from, as their database says."""
    runways = [*airport.runways, *(strip for _, strip in neighbours)]
    sources = {f"{runway.source or 'source unstated'} {runway.date}".strip() for runway in runways}
    return ATTRIBUTION + "; ".join(sorted(sources))


def prepare(
    airport: Airport,
    seed: int,
    gsd_m: float,
    reaches: tuple[Reach, ...] = REACHES,
    season: str = SEASONS[0],
    neighbours: Neighbours = (),
    runways: bool = True,
) -> Ground:
    """Return everything that is decided before a pixel is painted; raise AirportError without runways.

    Neighbours' runways are painted as finely as the ground where they lie is, and keep water and trees away.
    Where `runways` are not to be painted, neither these nor the airport's are; all else stays as it is.
    """
    if season not in SEASONS:
        raise AirportError(f"ground season is {season!r}; expected one of {', '.join(SEASONS)}")
    if not airport.runways:
        raise AirportError(
            f"airport {airport.icao} has no runways in the table; add them or choose another airport"
        )
    by_ident = {runway.ident: runway for runway in airport.runways}
    lat0, lon0 = round(airport.lat_deg, 9), round(airport.lon_deg, 9)
    faa = marked_like_faa(airport)
    strips = [
        plane_strip(runway, by_ident.get(runway.reciprocal), lat0, lon0, faa, seed)
        for runway in airport.strips
    ]
    rng = frame_rng(seed, f"ground/{airport.icao}")
    palette = palette_for(lat0, lon0, rng)
    # Other draws than the season's, so that only colours change with it.
    leaves = frame_rng(seed, f"season/{airport.icao}")
    palette = in_season(palette, season, lat0, airport.elevation_m, leaves)
    scene = build_scene(strips, palette, rng)
    longest = max(strips, key=lambda strip: strip.near.length_m)
    ground_seed = int((stable_hash(airport.icao) ^ (seed * 2654435761)) % 1_000_003)
    others = [plane_corners(strip, lat0, lon0) for _, strip in neighbours]
    near, gap = rng.random() <= AT_THE_WATER, rng.uniform(500, 2500)
    shore = shore_of(scene.area, others, airport.elevation_m, lat0, lon0, gap, near, ground_seed)
    setting = LandSetting(
        ground_seed,
        palette,
        outline_of(scene.area),
        math.atan2(longest.frame[2], longest.frame[3]),
        shore,
        clearing_of(others),
        0,
        True,
    )
    setting = place_water(setting)
    wet = in_water(setting, np.array([quad.corners.mean(axis=0) for quad in scene.roads]).reshape(-1, 2))
    roads = [quad for quad, drowned in zip(scene.roads, wet, strict=True) if not drowned]
    lanes, piers = carriers(scene, setting)
    around = neighbour_quads(neighbours, lat0, lon0, seed) if runways else []
    return Ground(
        ortho_crs(lat0, lon0),
        lat0,
        lon0,
        plan_levels(strips, gsd_m, reaches),
        setting,
        pack(lanes + roads + around + piers + scene.quads + (scene.runways if runways else [])),
        ground_seed,
        [strip.smooth for strip in strips] if runways else [],
    )


def carriers(scene: Scene, setting: LandSetting) -> tuple[list[Quad], list[Quad]]:
    """What approach lights stand on: lanes outside the fence, piers in water."""
    middles = np.array([way.middle for way in scene.ways]).reshape(-1, 2)
    wet = in_water(setting, middles, rivers=True)
    fenced = shapely.intersects_xy(scene.area, *middles.T)
    lanes, piers = [], []
    for way, in_it, inside in zip(scene.ways, wet, fenced, strict=True):
        if in_it:
            piers += way.pier
        elif not inside:
            lanes += way.land
    return lanes, piers


def painter_files() -> list[Path]:
    """The modules that decide pixels: this folder's without build.py (it only spreads work), and of tiles."""
    here = Path(__file__).parent
    beside = {here / "__init__.py", here / "build.py"}
    return [*sorted(set(here.rglob("*.py")) - beside), Path(gdal.__file__), Path(tiles.__file__)]


@cache
def _source_digest() -> str:
    """Digest of the painter's source, so that tiles of older code are never kept."""
    return sha256(
        b"\0".join(path.read_bytes() for path in [*painter_files(), COASTLINE, NEAR_FILE])
    ).hexdigest()


def input_key(
    airport: Airport,
    seed: int,
    gsd_m: float,
    reaches: tuple[Reach, ...],
    season: str,
    neighbours: Neighbours = (),
    painted: bool = True,
) -> str:
    """Return a hash of everything the pixels depend on; `painted`: the runways themselves are."""

    def facts(r: Runway) -> list[Any]:
        return [r.ident, r.reciprocal, r.corners, r.displaced_m, r.surface, r.marking, r.approach_lights]

    runways = [facts(runway) for runway in airport.runways]
    inputs = [
        GENERATOR,
        _source_digest(),
        airport.icao,
        airport.country,
        airport.lat_deg,
        airport.lon_deg,
        airport.elevation_m,
        runways,
        seed,
        gsd_m,
        [astuple(reach) for reach in reaches],
        season,
        [
            [other.icao, other.country, *facts(strip), *facts(other.runway(strip.reciprocal))]
            for other, strip in neighbours
        ],
        *([] if painted else ["without runways"]),
    ]
    return sha256(json.dumps(inputs).encode()).hexdigest()


def build_ground(
    airport: Airport | str,
    out_dir: str | Path,
    seed: int = 0,
    gsd_m: float = 0.25,
    season: str = SEASONS[0],
    reaches: tuple[Reach, ...] | None = None,
    progress: Callable[[int], None] | None = None,
    neighbours: Neighbours = (),
    runways: bool = True,
) -> dict[str, Any]:
    """Write an airport's ground folder out_dir/<ICAO> and return its manifest; a fitting folder is kept.

    All its files appear at once; other files there stay. `runways`: see prepare.
    """
    if isinstance(airport, str):
        airport = load_shipped().airport(airport)
    if not 0.05 <= gsd_m <= 8.0:
        raise AirportError(f"ground.gsd_m is {gsd_m}, expected 0.05 to 8 metres; set it in params.yaml")
    reaches = reaches_for(gsd_m) if reaches is None else reaches
    folder = Path(out_dir) / airport.icao
    key = input_key(airport, seed, gsd_m, reaches, season, neighbours, runways)
    with folder_lock(folder):
        manifest = manifest_holds(folder, key)
        if manifest is not None:
            return manifest
        with staged(folder) as made:
            ground = prepare(airport, seed, gsd_m, reaches, season, neighbours, runways)
            levels, objects = write_levels(ground, made, progress)
            manifest = {
                "airport": airport.icao,
                "lat0_deg": ground.lat0_deg,
                "lon0_deg": ground.lon0_deg,
                "crs": ground.crs,
                "levels": levels,
                "objects": objects,
                "grain": GRAIN,
                "smooth": ground.smooth,
                "season": season,
                "seed": seed,
                "generator": GENERATOR,
                "licence": LICENCE,
                "attribution": attribution(airport, neighbours),
                "key": key,
            } | ({} if runways else {"without_runways": True})
            write_json(manifest, made / "manifest.json")
            (folder / "manifest.json").unlink(missing_ok=True)
        wanted = {tile["file"] for level in levels for tile in level["tiles"]}
        forget_others(folder, {*wanted, objects["file"]})
    return manifest
