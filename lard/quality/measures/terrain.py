"""Runway altitudes beside a terrain model: at the ends and along the centreline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.airports.model import Airport, Runway
from lard.errors import DataError
from lard.geodesy import geodetic_from_ecef
from lard.ground.terrain.model import TerrainModel
from lard.ground.terrain.shipped import SHIPPED

Array = NDArray[np.float64]

LIMIT_M = 10.0
"""A runway further from the terrain than this is doubted: SRTM errs by up to 16 m at 90 % of all places,
by 3 to 6 m on open, level ground."""


STATIONS = (
    "airport", "runway", "along_m", "lat_deg", "lon_deg", "runway_m", "terrain_m", "terrain_minus_runway_m",
)  # fmt: skip
"""Columns of the stations along a centreline."""


def refuse_shipped(tiles: Sequence[Path]) -> None:
    """DataError for the shipped relief: at runways it is their own height, so it tells nothing of them."""
    if any(str(tile) == SHIPPED for tile in tiles):
        raise DataError(
            f"--terrain {SHIPPED}: the shipped relief takes its height at runways from them; name a raster "
            f"or a folder of tiles (`lard terrain report --dem {SHIPPED}` compares runways with its posts)"
        )


@dataclass(frozen=True, slots=True)
class TerrainFit:
    """How a runway strip lies on the terrain; differences are terrain minus runway, in metres."""

    airport: str
    runway: str  # both idents, as "10/28"
    first_m: float  # at the landing threshold of the first ident
    last_m: float  # at that of the second
    mean_m: float
    rms_m: float
    worst_m: float
    runway_slope_percent: float  # rising in the first ident's direction
    terrain_slope_percent: float  # of the straight line that fits the terrain along the centreline
    covered: float  # share of the centreline with terrain

    def faults(self, limit_m: float = LIMIT_M) -> list[str]:
        """What is beyond the limit, in words."""
        found = []
        if self.covered < 1:
            found.append(f"no terrain on {1 - self.covered:.0%} of its length")
        ends = [f"{d:+.1f} m" for d in (self.first_m, self.last_m) if abs(d) > limit_m]
        if ends:
            found.append(f"terrain {' and '.join(ends)} from its ends, more than {limit_m:g} m")
        elif abs(self.worst_m) > limit_m:
            found.append(f"terrain {self.worst_m:+.1f} m from its centreline, more than {limit_m:g} m")
        return found


def centreline(runway: Runway, dem: TerrainModel, step_m: float = 50.0) -> pl.DataFrame:
    """Stations along a runway: along_m, lat_deg, lon_deg, runway_m, terrain_m, terrain_minus_runway_m."""
    tl, tr, br, bl = runway.corners_ecef()
    start, end = (bl + br) / 2, (tl + tr) / 2
    share = np.linspace(0.0, 1.0, max(int(np.ceil(runway.length_m / step_m)), 1) + 1)
    lat, lon, _ = geodetic_from_ecef(start + share[:, None] * (end - start), runway.earth)
    altitude = runway.ltp[2] + share * (runway.fpap[2] - runway.ltp[2])
    terrain = dem.told(lat, lon)
    return pl.DataFrame(
        {
            "airport": [runway.airport] * len(share), "runway": [runway.ident] * len(share),
            "along_m": share * runway.length_m, "lat_deg": lat, "lon_deg": lon,
            "runway_m": altitude, "terrain_m": terrain, "terrain_minus_runway_m": terrain - altitude,
        }
    ).with_columns(pl.col("terrain_m", "terrain_minus_runway_m").fill_nan(None))  # fmt: skip


def terrain_fit(runway: Runway, dem: TerrainModel, step_m: float = 50.0) -> TerrainFit:
    """Compare a strip with a terrain model along its centreline."""
    stations = centreline(runway, dem, step_m)
    along = stations["along_m"].to_numpy()
    terrain = stations["terrain_m"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    gap = terrain - stations["runway_m"].to_numpy()
    known = np.isfinite(gap)
    nan = float("nan")
    slope = float(np.polyfit(along[known], terrain[known], 1)[0]) if known.sum() > 1 else nan
    there = gap[known]
    return TerrainFit(
        runway.airport, f"{runway.ident}/{runway.reciprocal}", float(gap[0]), float(gap[-1]),
        float(there.mean()) if there.size else nan,
        float(np.sqrt(np.mean(there**2))) if there.size else nan,
        float(there[np.argmax(np.abs(there))]) if there.size else nan,
        100 * (runway.fpap[2] - runway.ltp[2]) / runway.length_m, 100 * slope, float(known.mean()),
    )  # fmt: skip


def terrain_report(airports: Iterable[Airport], dem: TerrainModel, step_m: float = 50.0) -> list[TerrainFit]:
    """One fit per strip of every airport, in order."""
    return [
        terrain_fit(strip, dem, step_m)
        for airport in airports
        for strip in (airport.strips or airport.runways)
    ]
