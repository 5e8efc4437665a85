"""Verdicts of labels by the whole domain: the approach, the frame's environment and the runway itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.airports import Runway, RunwayDatabase
from lard.approach import Approaches
from lard.errors import DataError
from lard.odd import OUT_OF_ODD, OddSpec, verdicts
from lard.odd.context import is_null, needed_parameters, unknown_word
from lard.odd.parameters import PARAMETERS
from lard.scenario.selection import runway_attributes
from lard.scenario.sun import elevation_deg, light_of, season_of

CLOCK = ("local_time_h", "day_of_year", "sun_elevation_deg", "light", "season")
"""What follows from time and place where a table has no column of it."""

_TIME = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d+)?$"


def label_verdicts(
    frames: pl.DataFrame, end: Runway, approaches: Approaches, db: RunwayDatabase, spec: OddSpec
) -> pl.Series:
    """Verdict of each frame's approach (n,) to a runway end.

    What the approach alone leaves out needs no look at the runway: of neighbours less may be known.
    """
    found = verdicts(spec, approaches)
    near = np.flatnonzero(found != OUT_OF_ODD)
    if len(near):
        part = frames if len(near) == len(frames) else frames[near]
        context = context_of(part, end, db, spec)
        found[near] = verdicts(spec, approaches[near], context)
    return pl.Series(found, dtype=pl.String)


def context_of(
    frames: pl.DataFrame, end: Runway, db: RunwayDatabase, spec: OddSpec
) -> dict[str, NDArray[Any]]:
    """What a domain asks about besides the approach (n,), by parameter: of the frames and the runway."""
    needed = needed_parameters(spec)
    # the runway as the database has it: the frames' earth may be another
    airport = db.airport(end.airport)
    runway = airport.runway(end.ident)
    context = {name: frames[name].to_numpy() for name in needed if name in frames.columns}
    absent = [name for name in CLOCK if name in needed and name not in context]
    if absent:
        clock = clock_values(frames, runway.ltp[0])
        context |= {name: clock[name] for name in absent}
    own = [name for name in needed if PARAMETERS[name].group == "runway"]
    attributes = runway_attributes(spec, [(airport, runway)], own)
    for name, value in attributes.items():
        if is_null(value)[0]:
            raise DataError(
                f"{db.name} {db.version} tells no {name} of {end.airport} {end.ident}, so that "
                f"{needed[name]} of ODD {spec.name} {spec.version} cannot be judged; complete the database"
            )
        if PARAMETERS[name].categories and (fault := unknown_word(name, value)):
            raise DataError(
                f"{db.name} {db.version}: {name} of {end.airport} {end.ident}: {fault}; correct the database"
            )
    return context | {name: np.full(len(frames), value[0]) for name, value in attributes.items()}


def clock_values(frames: pl.DataFrame, lat_deg: float | NDArray[np.float64]) -> dict[str, NDArray[Any]]:
    """The parameters of CLOCK (n,) by time_utc and longitude, as at latitudes; mean solar time.

    Days are those of 2024, a leap year: the first of March is the 61st of any year.
    """
    since_1970_h = _stamps(frames).astype(np.float64) / 3600 + frames["lon_deg"].to_numpy() / 15
    time = since_1970_h % 24
    date = np.floor(since_1970_h / 24).astype("datetime64[D]")
    year, month = date.astype("datetime64[Y]"), date.astype("datetime64[M]")
    leap = (year + 1).astype("datetime64[D]") - year.astype("datetime64[D]") == np.timedelta64(366, "D")
    from_march = (month - year.astype("datetime64[M]")).astype(int) >= 2
    day = (date - year.astype("datetime64[D]")).astype(np.float64) + 1 + (from_march & ~leap)
    latitude = np.broadcast_to(np.asarray(lat_deg, np.float64), len(frames))
    sun_deg = elevation_deg(day, time, latitude)
    return {
        "local_time_h": time,
        "day_of_year": day,
        "sun_elevation_deg": sun_deg,
        "light": light_of(sun_deg),
        "season": season_of(day, latitude),
    }


def _stamps(frames: pl.DataFrame) -> NDArray[np.datetime64]:
    """Seconds (n,) of time_utc; DataError names the first frame whose time is none in UTC."""
    if faults := stamp_faults(frames):
        raise DataError("\n".join(faults))
    return _read_stamps(frames).to_numpy().astype("datetime64[s]")


def stamp_faults(frames: pl.DataFrame) -> list[str]:
    """A line that names the first frame whose time_utc is none in UTC, if there is one."""
    texts = frames["time_utc"].str.strip_suffix("Z")
    odd = ~texts.str.contains(_TIME).fill_null(False) | _read_stamps(frames).is_null()
    if not odd.any():
        return []
    name, text = frames.filter(odd).select("frame_id", "time_utc").row(0)
    return [
        f"column time_utc: {text!r:.60} of frame {name} is no time in UTC such as 2024-06-01T12:00:00Z"
        f" ({int(odd.sum())} such frames)"
    ]


def _read_stamps(frames: pl.DataFrame) -> pl.Series:
    texts = frames["time_utc"].str.strip_suffix("Z").str.replace(" ", "T")
    return texts.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", strict=False)


def verdict_faults(frames: pl.DataFrame, spec: OddSpec) -> list[str]:
    """One line per environment column without which the spec cannot judge some frame."""
    faults = []
    for name, asker in needed_parameters(spec).items():
        if PARAMETERS[name].group != "environment":
            continue
        source = "time_utc" if name in CLOCK and name not in frames.columns else name
        if source not in frames.columns:
            what = "is missing"
        else:
            column = frames[source]
            empty = _unknown(column)
            strange = source == name and PARAMETERS[name].categories and unknown_word(name, column.to_numpy())
            if not empty.any() and strange:
                faults.append(f"column {name}: {strange}")
            if not empty.any():
                continue
            first = frames["frame_id"][int(empty.arg_max() or 0)]
            what = f"is null in {int(empty.sum())} of {len(frames)} frames (first: {first})"
        faults.append(
            f"column {source} {what}, so that {asker} of ODD {spec.name} {spec.version} cannot be judged; "
            f"fill it, state one value for all with --assume {name}=VALUE, or judge by a spec without it"
        )
    return list(dict.fromkeys(faults))


def assume(frames: pl.DataFrame, values: Mapping[str, str]) -> pl.DataFrame:
    """Frames with environment values stated for all rows in which the table does not tell them."""
    columns = []
    dated = "time_utc" in frames.columns and frames["time_utc"].null_count() < len(frames)
    for name, text in values.items():
        parameter = PARAMETERS.get(name)
        if parameter is None or parameter.group != "environment":
            known = ", ".join(p.name for p in PARAMETERS.values() if p.group == "environment")
            raise DataError(
                f"--assume {name}={text}: no parameter of the environment; expected one of {known}"
            )
        if name in CLOCK and name not in frames.columns and dated:
            raise DataError(
                f"--assume {name}={text}: the frames' time_utc tells it; empty that column, or add {name} to "
                "the table where it is known better"
            )
        given = _value(name, text)
        told = pl.col(name) if name in frames.columns else pl.lit(None)
        if name in frames.columns and frames[name].dtype.is_float():
            told = told.fill_nan(None)
        columns.append(told.fill_null(given).alias(name))
    return frames.with_columns(columns)


def check_needed(frames: pl.DataFrame, values: Mapping[str, str]) -> None:
    """DataError when some frame lacks none of the values: labels would be said to rest on it."""
    for name, text in values.items():
        if name in frames.columns and not _unknown(frames[name]).any():
            raise DataError(f"--assume {name}={text}: every frame states its own {name}; leave it out")


def _unknown(column: pl.Series) -> pl.Series:
    return column.is_null() | column.is_nan() if column.dtype.is_float() else column.is_null()


def _value(name: str, text: str) -> float | str:
    parameter = PARAMETERS[name]
    if parameter.categories:
        if text not in parameter.categories:
            raise DataError(f"--assume {name}={text}: expected one of {', '.join(parameter.categories)}")
        return text
    try:
        number = float(text)
    except ValueError as error:
        raise DataError(f"--assume {name}={text}: expected a number of {parameter.unit or name}") from error
    if parameter.whole and number != round(number):
        raise DataError(f"--assume {name}={text}: expected a whole number")
    if not parameter.lo <= number <= parameter.hi:
        limits = f"[{parameter.lo:g}, {parameter.hi:g}] {parameter.unit}".rstrip()
        raise DataError(f"--assume {name}={text}: outside the possible {limits}")
    return number
