"""What a frames table must be before it is labelled, and labels of which each stands once."""

from __future__ import annotations

import numpy as np
import polars as pl

from lard.airports import RunwayDatabase
from lard.errors import AirportError, DataError
from lard.labels.conditions import condition_faults
from lard.labels.verdict import verdict_faults
from lard.odd import OddSpec
from lard.tables import FRAMES

NAMELESS = "?"
"""The runway's name in labels of pictures where nobody told it."""
UNNAMED = ("", NAMELESS)
"""What stands for the runway's name where nobody told it; a picture may show several such runways."""

UNKNOWN = "unknown"
"""The earth model and altitude datum of pictures where nobody told them."""
UNSTATED = "unstated"
"""Of the dataset.json of an imported set: how many frames state nothing in a column, by its name."""

_NUMBERS = ("lat_deg", "lon_deg", "alt_m", "yaw_deg", "pitch_deg", "roll_deg")


def check_frames(frames: pl.DataFrame, db: RunwayDatabase, spec: OddSpec) -> None:
    """Raise DataError with one line per frame that cannot be labelled: every fault of the table at once."""
    faults = list(dict.fromkeys([*verdict_faults(frames, spec), *condition_faults(frames)]))
    idents = frames["frame_id"]
    for frame_id in idents.filter(idents.is_duplicated()).unique(maintain_order=True):
        faults.append(f"frame {frame_id}: appears more than once; frame_id must be unique")
    for name in _NUMBERS:
        values = frames[name].to_numpy()
        for row in np.flatnonzero(~np.isfinite(values)):
            faults.append(
                f"row {row + 1}, frame {idents[int(row)]}: {name} is {values[row]}; expected a number"
            )
    finite = pl.col("lat_deg").is_finite() & pl.col("lon_deg").is_finite()
    poor = frames.filter(finite & ((pl.col("lat_deg").abs() > 90) | (pl.col("lon_deg").abs() > 360)))
    for name, lat, lon in poor.select("frame_id", "lat_deg", "lon_deg").iter_rows():
        faults.append(f"frame {name}: position {lat}, {lon} is not a latitude and longitude in degrees")
    if db.altitude_datum:
        for datum in frames["altitude_datum"].unique(maintain_order=True):
            if datum != db.altitude_datum:
                faults.append(
                    f"altitude datum of the frames is {datum!r}, of the runway database {db.name} "
                    f"{db.altitude_datum!r}; convert one of them, heights are never mixed"
                )
    for icao in frames["airport"].unique(maintain_order=True):
        rows = frames.filter(pl.col("airport") == icao)
        try:
            airport = db.airport(icao)
            for ident in rows["runway"].unique(maintain_order=True):
                airport.runway(ident)
        except AirportError as error:
            faults.append(f"frame {rows['frame_id'][0]} and {len(rows) - 1} more: {error}")
            continue
        if not airport.runways:
            faults.append(f"frame {rows['frame_id'][0]}: airport {icao} has no runways in {db.name}")
            continue
        floor_m = min(corner[2] for runway in airport.runways for corner in runway.corners)
        for name, alt in rows.filter(pl.col("alt_m") < floor_m).select("frame_id", "alt_m").iter_rows():
            faults.append(
                f"frame {name}: altitude {alt:.1f} m is under ground, the lowest runway corner of {icao} is "
                f"at {floor_m:.1f} m; check the unit and the altitude datum"
            )
    if faults:
        raise DataError("\n".join(faults))


def is_unstated(column: str) -> pl.Expr:
    """Whether frames state nothing in a column of FRAMES."""
    empty = pl.col(column).is_null()
    return empty | pl.col(column).is_in([*UNNAMED, UNKNOWN]) if FRAMES[column] == pl.String else empty


def unstated(frames: pl.DataFrame) -> dict[str, int]:
    """How many frames state nothing, of each column of FRAMES in which some do not."""
    count = frames.select(is_unstated(name).sum().alias(name) for name in FRAMES).row(0, named=True)
    return {name: int(n) for name, n in count.items() if n}


def labelled_twice(labels: pl.DataFrame) -> pl.DataFrame:
    """frame_id, airport, runway of named runways that stand more than once in a frame, each once, in order.

    Hashes are compared first, which take less memory than names.
    """
    key = ["frame_id", "airport", "runway"]
    alike = labels.select(pl.struct(key).hash()).to_series().is_duplicated()
    some = labels.filter(alike).select(key).filter(~pl.col("runway").is_in(UNNAMED))
    return some.filter(some.is_duplicated()).unique(maintain_order=True)
