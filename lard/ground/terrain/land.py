"""Terrain models as labels take them: heights in the runways' datum, and what dataset.json says of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.airports.model import Airport, RunwayDatabase
from lard.ground.terrain.dem import load_dem
from lard.ground.terrain.shipped import SHIPPED, in_use
from lard.labels.occlusion import Terrain, TerrainByAirport

Array = NDArray[np.float64]

LAND_M = 60_000.0
"""Around an airport: how far a line of sight reaches."""


def land_of(
    tiles: Sequence[Path], db: RunwayDatabase, codes: Iterable[str]
) -> Terrain | TerrainByAirport | None:
    """Heights of terrain models in the datum of the runways of airports by code; None without a model.

    DataError for a model that cannot be read, of another datum or, the shipped one, of other airports.
    """
    datum = db.altitude_datum
    for tile in tiles:
        load_dem(tile, datum)  # a bad tile, or one of another datum, is named before the work begins
    if tuple(tiles) == (Path(SHIPPED),):
        for airport in map(db.airport, sorted(set(codes))):
            load_dem(tiles[0], datum).check_covers(airport.icao, airport.lat_deg, airport.lon_deg)
    if Path(SHIPPED) in tiles:
        return TerrainByAirport(partial(terrain_about, tiles, db))
    return partial(terrain_heights, tiles, datum=datum) if tiles else None


def stated_land(tiles: Sequence[Path], db: RunwayDatabase, codes: Iterable[str]) -> list[dict[str, Any]]:
    """What dataset.json says of the terrain models of labels: names, datums, files by SHA-256."""
    airports = [db.airport(code) for code in sorted(set(codes))]
    places = [(airport.lat_deg, airport.lon_deg) for airport in airports]
    return [load_dem(tile, db.altitude_datum).stated(places, LAND_M) for tile in tiles]


def terrain_heights(
    tiles: Sequence[Path],
    lat_deg: Array,
    lon_deg: Array,
    datum: str,
    levelled: tuple[Airport, ...] = (),
) -> Array:
    """Heights (n,) in metres above a datum, msl or ellipsoidal; bilinear, NaN where no tile has data.

    Tiles are whatever load_dem opens; an earlier one goes before a later one. One in another datum is
    converted by the geoid it names, or refused. levelled: airports whose runways the shipped relief is
    brought to in place of the shipped ones.
    """
    heights = np.full(len(lat_deg), np.nan)
    for path in tiles:
        left = np.isnan(heights)
        if left.any():
            heights[left] = (
                load_dem(path, datum)
                .levelled_by(levelled)
                .heights(np.asarray(lat_deg)[left], np.asarray(lon_deg)[left])
            )
    return heights


def terrain_about(tiles: Sequence[Path], db: RunwayDatabase, airport: Airport) -> Terrain:
    """The land of terrain_heights as pictures of an airport of a database have it."""
    levelled = in_use(airport, db) if any(str(tile) == SHIPPED for tile in tiles) else ()
    return partial(terrain_heights, tiles, datum=db.altitude_datum, levelled=levelled)
