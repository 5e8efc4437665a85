"""Metadata mean what they say: times are UTC, light is that of the place, units are as named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.odd.laws import Law
from lard.odd.parameters import PARAMETERS as KNOWN
from lard.quality.checks.altitudes import altitude_stories
from lard.quality.clock import clock, large_groups, local_for_utc, stated_numbers, times
from lard.quality.dataset import Dataset
from lard.quality.measures.sun import sun_elevation_deg
from lard.quality.measures.units import misfit_unit
from lard.quality.model import Offence, Outcome
from lard.quality.registry import check

Array = NDArray[np.float64]
FAR = 20.0  # times a declared range: further off than weather strays
MIXED = 0.01  # of the headings, that are counted in another way than the rest


@check(
    "DQR-A08",
    "Times, light, units and datums mean what they say",
    severity="error",
    rationale="Local time read as UTC, kilometres as metres or night as day spoil every slice and law.",
    objective="accuracy",
    thresholds={
        "max_time_h": 0.02,
        "max_sun_deg": 1.5,
        "min_day_mean": 20.0,
        "max_night_mean": 100.0,
        "max_away_km": 100.0,
    },
    needs=("frames",),
)
def meanings(data: Dataset, limits: Mapping[str, Any]) -> Outcome:
    """Sun and clock anew from time and place, units by ranges, datum by the database, brightness."""
    assert data.frames is not None
    frames = data.once
    offences, judged = [], []
    if "time" in data.parts:
        judged.append("times")
        offences += times(frames)
        if "pose" in data.parts:
            offences += clock(frames, limits, large_groups(data, frames)) + local_for_utc(data, frames)
    units, looked_at = _units(data, frames)
    offences += units
    judged += [f"ranges of {looked_at} values"] if looked_at else []
    if "pose" in data.parts:
        offences += _angles(data, frames)
    if "runways" in data.parts:
        told = {"datum": frames["altitude_datum"].count() > 0, "place": "pose" in data.parts}
        judged += [name for name, stated in told.items() if stated]
        offences += _datum(data, frames) + _place(data, frames, float(limits["max_away_km"]))
        offences += altitude_stories(data, frames)
    if "images" in data.parts:
        more, pictures = _brightness(data, frames, limits)
        offences += more
        judged += [f"brightness of {pictures} pictures"] if pictures else []
    if not judged:
        return Outcome(None, "frames state no time, environment, place or datum")
    bad = len({offence.subject for offence in offences})
    message = f"{bad} subjects contradict themselves or their place; judged: {', '.join(judged)}"
    return Outcome(not offences, message, float(bad), 0.0, tuple(offences), len(frames))


def _units(data: Dataset, frames: pl.DataFrame) -> tuple[list[Offence], int]:
    """Values that are impossible, and groups that suit their declared range in another unit only."""
    declared = data.odd.environment if data.odd is not None else {}
    offences, count, together = [], 0, large_groups(data, frames)
    for name in frames.columns:
        known = KNOWN.get(name)
        if known is None or known.group != "environment" or known.categories:
            continue
        values = stated_numbers(frames, name)
        if values is None:
            continue
        count += int(np.isfinite(values).sum())
        law = declared.get(name)
        low, high = (law.lo, law.hi) if isinstance(law, Law) else (known.lo, known.hi)
        room = 1e-6 * max(1.0, abs(high))

        def fits(v: Array, low: float = low, high: float = high, room: float = room) -> NDArray[np.bool_]:
            return (v >= low - room) & (v <= high + room)

        impossible = np.isfinite(values) & ~((values >= known.lo) & (values <= known.hi))
        for k in np.flatnonzero(impossible).tolist():
            text = f"{name} is {values[k]:g}, possible are {known.lo:g} to {known.hi:g} {known.unit}".rstrip()
            offences.append(Offence(str(frames["frame_id"][k]), float(values[k]), text))
        if low > 0:  # single values far from the range, by so much as another unit would bring them there
            for k in np.flatnonzero((values < low / FAR) | (values > high * FAR)).tolist():
                unit = misfit_unit(name, values[k : k + 1], fits)
                if unit:
                    text = f"{name} is {values[k]:.4g}: looks like {unit}"
                    offences.append(Offence(str(frames["frame_id"][k]), float(values[k]), text))
        for group, rows in together:
            unit = misfit_unit(name, values[rows], fits)
            if unit:
                least, most = np.nanmin(values[rows]), np.nanmax(values[rows])
                text = f"{name} is {least:.4g} to {most:.4g}: looks like {unit}"
                offences.append(Offence(group, float(np.nanmedian(values[rows])), text))
    return offences, count


def _angles(data: Dataset, frames: pl.DataFrame) -> list[Offence]:
    """Angles beyond their circle, and headings of which some are counted to 180, others to 360 degrees."""
    offences = []
    for name, least, most in (
        ("lat_deg", -90.0, 90.0),
        ("lon_deg", -180.0, 180.0),
        ("yaw_deg", -180.0, 360.0),
    ):
        for frame_id, value in (
            frames.filter(~pl.col(name).is_between(least, most)).select("frame_id", name).rows()
        ):
            text = f"{name} is {value:.4f}, expected {least:g} to {most:g}"
            offences.append(Offence(str(frame_id), float(value), text))
    yaw = frames["yaw_deg"].drop_nulls()
    below, beyond = int((yaw < 0).sum()), int((yaw > 180).sum())
    if data.kind == "lard" and min(below, beyond) > MIXED * len(yaw):
        text = f"{below} headings are below 0, {beyond} above 180 degrees: two ways of counting in one table"
        offences.append(Offence("frames.yaw_deg", float(min(below, beyond)), text))
    return offences


def _datum(data: Dataset, frames: pl.DataFrame) -> list[Offence]:
    """Altitudes of frames in another datum than the runways'."""
    assert data.database is not None
    datum = data.database.altitude_datum
    other = frames.filter(pl.col("altitude_datum").is_not_null() & (pl.col("altitude_datum") != datum))
    return [
        Offence(
            str(name), None, f"altitudes are stated as {stated}, those of the runway database are {datum}"
        )
        for name, stated in other.select("frame_id", "altitude_datum").iter_rows()
    ]


def _place(data: Dataset, frames: pl.DataFrame, most_km: float) -> list[Offence]:
    """Cameras that are nowhere near the airport they approach."""
    assert data.database is not None
    if "pose" not in data.parts:
        return []
    known = {code: (a.lat_deg, a.lon_deg) for code, a in data.database.airports.items()}
    offences = []
    rows = frames.select("frame_id", "airport", "lat_deg", "lon_deg").drop_nulls()
    for name, airport, lat, lon in rows.iter_rows():
        at = known.get(str(airport).strip().upper())
        if at is None or not np.isfinite([lat, lon]).all():
            continue  # DQR-A05 and DQR-T02 report these
        north, east = (
            (lat - at[0]) * 111.2,
            ((lon - at[1] + 180) % 360 - 180) * 111.2 * np.cos(np.radians(at[0])),
        )
        away = float(np.hypot(north, east))
        if away > most_km:
            story = _place_story(lat, lon, *at)
            text = f"the camera is {away:.0f} km from {airport}{story}"
            offences.append(Offence(str(name), away, text))
    return offences


def _place_story(lat: float, lon: float, to_lat: float, to_lon: float) -> str:
    stories = {
        "latitude and longitude are exchanged": (lon, lat),
        "looks like radians": (np.degrees(lat), np.degrees(lon)),
        "the sign of the longitude is reversed": (lat, -lon),
        "the sign of the latitude is reversed": (-lat, lon),
        "both signs are reversed": (-lat, -lon),
    }
    for story, (a, b) in stories.items():
        if abs(a - to_lat) < 0.5 and abs(b - to_lon) < 0.5:
            return f" ({story})"
    return ""


def _brightness(data: Dataset, frames: pl.DataFrame, limits: Mapping[str, Any]) -> tuple[list[Offence], int]:
    """Bright pictures of stated nights and dark ones of stated days."""
    wanted = frames.select(
        "frame_id", *(n for n in ("light", "lat_deg", "lon_deg", "time_utc") if n in frames.columns)
    )
    if "light" in frames.columns and frames["light"].null_count() < len(frames):
        light = [str(value) for value in frames["light"].to_list()]
    elif {"time", "pose"} <= data.parts:
        sun = sun_elevation_deg(
            wanted["time_utc"].to_list(), wanted["lat_deg"].to_numpy(), wanted["lon_deg"].to_numpy()
        )
        light = np.where(sun > 5, "day", np.where(sun < -8, "night", "")).tolist()
    else:
        return [], 0
    mean = dict(data.pictures.select("image", "mean").drop_nulls().iter_rows())
    offences, count = [], 0
    for name, stated in zip(wanted["frame_id"].to_list(), light, strict=True):
        grey = mean.get(data.image_of.get(str(name), ""))
        if grey is None or stated not in ("day", "night"):
            continue
        count += 1
        if stated == "night" and grey > float(limits["max_night_mean"]):
            offences.append(
                Offence(str(name), grey, f"stated to be by night, the mean grey level is {grey:.0f}")
            )
        if stated == "day" and grey < float(limits["min_day_mean"]):
            offences.append(
                Offence(str(name), grey, f"stated to be by day, the mean grey level is {grey:.0f}")
            )
    return offences, count
