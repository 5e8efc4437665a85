"""FlightGear 2020.3 as a source: headless, on a screen of its own, driven over its loopback HTTP interface.

FlightGear's scenery heights are numbers above mean sea level that it uses as heights above the WGS84
ellipsoid, so poses and labels use MSL altitudes with no geoid between them.
"""

import sys
from pathlib import Path

import numpy as np
import polars as pl

from lard.airports.model import RunwayDatabase
from lard.simulators.core import Source
from lard.simulators.driver import render_source
from lard.simulators.flightgear.install import Installation, demand_scenery, find_installation
from lard.simulators.flightgear.runways import largest_gap_m
from lard.simulators.flightgear.settings import DRIVER_VERSION, FlightGearSettings, check_frames
from lard.simulators.flightgear.simulator import FlightGear

_MATCH_M = 0.1
LICENCE = "GPL-2.0-or-later"
ATTRIBUTION = "FlightGear contributors (scenery and textures of the FlightGear base package)"


def render_flightgear(
    frames: pl.DataFrame,
    out_dir: str | Path,
    workers: str | int,
    db: RunwayDatabase,
    settings: FlightGearSettings | None = None,
    resume: bool = True,
    shard: tuple[int, int] = (0, 1),
) -> pl.DataFrame:
    """Make the pictures of a frames table with so many FlightGears at once; the manifest."""
    settings, installation = settings or FlightGearSettings(), find_installation()
    check_frames(frames, db)
    demand_scenery(installation, frames["airport"].unique())
    _remark_gaps(db, installation, sorted(frames["airport"].unique()))
    source = flightgear_source(installation, settings, db)
    return render_source(
        frames, out_dir, workers, db, source, resume=resume, shard=shard, jpeg_quality=settings.jpeg_quality
    )


def flightgear_source(installation: Installation, settings: FlightGearSettings, db: RunwayDatabase) -> Source:
    """FlightGear for the shared driver."""
    points = {icao: threshold_points(db, icao) for icao in db.airports}
    return Source(
        "flightgear", f"FlightGear {installation.version}; driver {DRIVER_VERSION}", LICENCE, ATTRIBUTION,
        settings.of_key(),
        lambda number, size: FlightGear(installation, settings, points, number, size),
    )  # fmt: skip


def _remark_gaps(db: RunwayDatabase, installation: Installation, airports: list[str]) -> None:
    """Say where labels of this database would lie beside the runways that FlightGear draws."""
    gaps = {icao: largest_gap_m(db, installation, icao) for icao in airports}
    apart = {icao: gap for icao, gap in gaps.items() if gap > _MATCH_M}
    if apart:
        found = ", ".join(
            f"{icao} {gap:.1f} m" if gap < np.inf else f"{icao} has others" for icao, gap in apart.items()
        )
        print(
            f"runways {db.name} are not where FlightGear draws them ({found}); for labels that fit: "
            "lard sources runways flightgear",
            file=sys.stderr,
        )


def threshold_points(db: RunwayDatabase, icao: str) -> list[tuple[float, float]]:
    """Latitudes and longitudes of an airport's thresholds."""
    return [runway.ltp[:2] for runway in db.airports[icao].runways]
