"""What labels take of the terrain model, and what dataset.json says of it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lard.airports import RunwayDatabase
from lard.ground.terrain.land import land_of, stated_land
from lard.labels.occlusion import Terrain, TerrainByAirport
from pipelines.terrain import terrain_model


def terrain_of_labels(
    db: RunwayDatabase, codes: Iterable[str]
) -> tuple[Terrain | TerrainByAirport | None, dict[str, Any]]:
    """The land that hides runways of airports by code, None without a terrain model, and its statement."""
    dem, airports = terrain_model(), sorted(set(codes))
    if dem is None:
        return None, {}
    tiles = (Path(dem),)
    return land_of(tiles, db, airports), {"terrain": stated_land(tiles, db, airports)}
