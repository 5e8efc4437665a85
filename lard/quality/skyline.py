"""Frames drawn on the shipped relief whose hills stand above the horizon of level land."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.airports import RunwayDatabase
from lard.ground.terrain.dem import load_dem
from lard.ground.terrain.shipped import SHIPPED, in_use
from lard.quality.dataset import Dataset
from lard.quality.frames import above_ground

Array = NDArray[np.float64]

EARTH_M = 6.371e6
HIGH = 0.005
"""Of a picture's height: land further above the horizon is not taken for it."""
_AWAY_M = np.geomspace(2000.0, 80_000.0, 60)
_WAYS = np.linspace(-0.5, 0.5, 9)  # of the field of view


def behind_hills(data: Dataset, frames: pl.DataFrame) -> NDArray[np.bool_]:
    """Frames (n,) with land more than HIGH of the picture's height above the horizon of level land.

    Only those count whose manifest says that they were drawn on the shipped relief.
    """
    hilly = np.zeros(len(frames), bool)
    if data.manifest is None or "source_version" not in data.manifest.columns:
        return hilly
    drawn = data.manifest.filter(
        pl.col("source_version").str.contains(f"; terrain {SHIPPED} (", literal=True)
    )
    rows = np.flatnonzero(
        frames["frame_id"].cast(pl.String).is_in(drawn["frame_id"].cast(pl.String).to_list())
    )
    if len(rows):
        seen = frames[rows]
        camera = {name: seen[name].to_numpy().astype(np.float64) for name in ("height_px", "fy_px")}
        most = np.degrees(HIGH * camera["height_px"] / camera["fy_px"])
        hilly[rows] = hill_deg(seen, above_ground(data, seen), data.database) > most
    return hilly


def hill_deg(frames: pl.DataFrame, above_m: Array, db: RunwayDatabase | None) -> Array:
    """How high (n,) the shipped relief stands above level land's horizon in view, degrees, at least 0.

    It is brought to the runways of the database that frames were drawn with.
    """
    names = ("lat_deg", "lon_deg", "alt_m", "yaw_deg", "width_px", "fx_px")
    lat, lon, alt, yaw, width, focal = (frames[name].to_numpy().astype(np.float64) for name in names)
    fov = 2 * np.degrees(np.arctan(width / 2 / focal))
    way = np.radians(yaw[:, None] + fov[:, None] * _WAYS)[..., None]  # (n, ways, 1)
    # on the plane at the camera: what bends off it over 80 km is far less than the posts' spacing
    north, east = _AWAY_M * np.cos(way), _AWAY_M * np.sin(way)
    there_lat = lat[:, None, None] + np.degrees(north / EARTH_M)
    there_lon = lon[:, None, None] + np.degrees(east / EARTH_M) / np.cos(np.radians(lat))[:, None, None]
    land = np.empty(there_lat.shape)
    codes = frames["airport"].cast(pl.String)
    for code in codes.unique():
        rows, airport = np.flatnonzero(codes == code), db.airports.get(code) if db else None
        model = load_dem(SHIPPED).levelled_by(in_use(airport, db) if db and airport else ())
        land[rows] = model.heights(there_lat[rows], there_lon[rows])
    rise = np.where(np.isnan(land), -np.inf, land) - alt[:, None, None] - _AWAY_M**2 / (2 * EARTH_M)
    highest = np.degrees(np.arctan2(rise, _AWAY_M)).max(axis=(1, 2))
    level = -np.degrees(np.sqrt(2 * np.maximum(above_m, 0.0) / EARTH_M))
    return np.maximum(highest - level, 0.0)
