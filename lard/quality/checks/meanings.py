"""Metadata mean what they say: times are UTC, light is that of the place, units are as named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.odd.laws import Law
from lard.odd.parameters import PARAMETERS as KNOWN
from lard.quality.dataset import Dataset
from lard.quality.frame_groups import groups
from lard.quality.measures.sun import readable, solar_clock, sun_direction_deg, sun_elevation_deg
from lard.quality.measures.units import looks_like, misfit_unit
from lard.quality.model import Offence, Outcome
from lard.quality.registry import check

Array = NDArray[np.float64]
Found = dict[str, list[Offence]]

LIGHTS = {"day": (0.0, 90.0), "dusk": (-6.0, 0.0), "night": (-90.0, -6.0)}
SEASONS = ("winter", "spring", "summer", "autumn")
STARTS = (61, 153, 245, 336)  # of spring, summer, autumn and winter, north of the equator
STATED_BY_TIME = ("local_time_h", "day_of_year", "sun_elevation_deg", "sun_azimuth_deg", "light", "season")


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
    frames = data.frames.unique("frame_id", keep="first", maintain_order=True)
    offences, judged = [], []
    if "time" in data.parts:
        judged.append("times")
        offences += _times(frames)
        if "pose" in data.parts:
            offences += _clock(data, frames, limits) + _local_for_utc(data, frames)
    units, looked_at = _units(data, frames)
    offences += units
    judged += [f"ranges of {looked_at} values"] if looked_at else []
    if "runways" in data.parts:
        judged.append("datum and place")
        offences += _datum(data, frames) + _place(data, frames, float(limits["max_away_km"]))
    if "images" in data.parts:
        more, pictures = _brightness(data, frames, limits)
        offences += more
        judged += [f"brightness of {pictures} pictures"] if pictures else []
    if not judged:
        return Outcome(None, "frames state no time, environment, place or datum")
    bad = len({offence.subject for offence in offences})
    message = f"{bad} subjects contradict themselves or their place; judged: {', '.join(judged)}"
    return Outcome(not offences, message, float(bad), 0.0, tuple(offences), len(frames))


def _times(frames: pl.DataFrame) -> list[Offence]:
    """Times that cannot be read, or that name another zone than UTC."""
    offences = []
    for frame_id, text in frames.select("frame_id", "time_utc").drop_nulls().iter_rows():
        fault = readable(text)
        if fault:
            offences.append(Offence(str(frame_id), None, f"time_utc is {text!r}: {fault}"))
    return offences


def _stated(frames: pl.DataFrame, name: str) -> Array | None:
    if name not in frames.columns or not frames[name].dtype.is_numeric():
        return None
    values = frames[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
    return values if np.isfinite(values).any() else None


def _clock(data: Dataset, frames: pl.DataFrame, limits: Mapping[str, Any]) -> list[Offence]:
    """What follows from time and place against what the columns say."""
    times = frames["time_utc"].to_list()
    lat, lon = (frames[name].fill_null(np.nan).to_numpy() for name in ("lat_deg", "lon_deg"))
    hours, days = solar_clock(times, lon)
    sun, azimuth = sun_direction_deg(times, lat, lon)
    offences = []
    for name, true, gap_of, limit in (
        ("local_time_h", hours, lambda a, b: np.abs((a - b + 12) % 24 - 12), float(limits["max_time_h"])),
        ("day_of_year", days, lambda a, b: np.minimum(np.abs(a - b), 366 - np.abs(a - b)), 1.0),
        ("sun_elevation_deg", sun, lambda a, b: np.abs(a - b), float(limits["max_sun_deg"])),
    ):
        stated = _stated(frames, name)
        if stated is not None:
            offences += _differing(data, frames, name, stated, true, gap_of(stated, true), limit)
    stated, height = _stated(frames, "sun_azimuth_deg"), sun
    if stated is not None:
        # azimuths mean less the nearer the sun is to the zenith
        gap = np.abs((stated - azimuth + 180) % 360 - 180) * np.cos(np.radians(height))
        limit = 2 * float(limits["max_sun_deg"])
        offences += _differing(data, frames, "sun_azimuth_deg", stated, azimuth, gap, limit)
    return offences + _words(data, frames, sun, days, lat, float(limits["max_sun_deg"]))


def _differing(
    data: Dataset, frames: pl.DataFrame, name: str, stated: Array, true: Array, gap: Array, limit: float
) -> list[Offence]:
    """An offence for each frame whose value is off, with the story that its group tells."""
    known = np.isfinite(stated) & np.isfinite(true)
    bad = known & ~(gap <= limit)
    if not bad.any():
        return []
    story = looks_like(name, stated[bad], true[bad])
    if name == "local_time_h" and not story:
        story = _zone_story(stated[bad] - true[bad], frames["lon_deg"].to_numpy()[bad])
    return [
        Offence(
            str(frames["frame_id"][int(k)]), float(gap[k]),
            f"{name} is stated as {stated[k]:.2f}, time and place say {true[k]:.2f}{story}",
        )
        for k in np.flatnonzero(bad)
    ]  # fmt: skip


def _zone_story(gap_h: Array, lon_deg: Array) -> str:
    """What shifted clocks tell of the zone their times are in."""
    gap_h, zone = (gap_h + 12) % 24 - 12, -lon_deg / 15
    if np.mean(np.abs((gap_h - zone + 12) % 24 - 12) < 0.05) > 0.9:
        return " (the times look like local solar time, not UTC)"
    if np.mean(np.abs((gap_h - zone + 12) % 24 - 12) < 2.1) > 0.9:
        return " (the times look like local time, not UTC)"
    return ""


def _words(
    data: Dataset, frames: pl.DataFrame, sun: Array, days: Array, lat: Array, room: float
) -> list[Offence]:
    """Light and season in words against the sun and the day."""
    offences = []
    ids = frames["frame_id"].to_list()
    if "light" in frames.columns:
        for k, light in enumerate(frames["light"].to_list()):
            if light is None or not np.isfinite(sun[k]):
                continue
            low, high = LIGHTS.get(str(light), (np.inf, -np.inf))
            if not low - room <= sun[k] <= high + room:
                text = f"light is stated as {light}, the sun stands at {sun[k]:.1f} deg"
                offences.append(Offence(str(ids[k]), float(sun[k]), text))
    if "season" in frames.columns:
        for k, season in enumerate(frames["season"].to_list()):
            if season is None or not np.isfinite(days[k]):
                continue
            allowed = {_season(days[k] + step, lat[k]) for step in (-1, 0, 1)}
            if season not in allowed:
                true = _season(days[k], lat[k])
                text = (
                    f"season is stated as {season}, day {days[k]:.0f} at latitude {lat[k]:.0f} is in {true}"
                )
                offences.append(Offence(str(ids[k]), None, text))
    return offences


def _season(day: float, lat_deg: float) -> str:
    number = int(np.searchsorted(STARTS, (day - 1) % 366 + 1, side="right")) % 4
    return SEASONS[(number + (2 if lat_deg < 0 else 0)) % 4]


def _local_for_utc(data: Dataset, frames: pl.DataFrame) -> list[Offence]:
    """Groups whose times suit the declared hours only when they are read as local times."""
    law = data.odd.environment.get("local_time_h") if data.odd is not None else None
    if not isinstance(law, Law) or law.hi - law.lo > 18:
        return []
    lon = frames["lon_deg"].fill_null(np.nan).to_numpy()
    hours = solar_clock(frames["time_utc"].to_list(), lon)[0]
    as_written = (hours - lon / 15) % 24

    def outside(h: Array) -> NDArray[np.bool_]:
        return np.isfinite(h) & ~((h >= law.lo - 0.02) & (h <= law.hi + 0.02))

    offences = []
    for name, rows in groups(data, frames, ("airport", "split", "source")):
        if (
            outside(hours[rows]).mean() > 0.02
            and outside(as_written[rows]).mean() < 0.2 * outside(hours[rows]).mean()
        ):
            share = float(outside(hours[rows]).mean())
            text = (
                f"time_utc puts {share:.0%} of its frames outside the declared local hours {law.lo:g} to "
                f"{law.hi:g}; read as local time it suits them (looks like local time for UTC)"
            )
            offences.append(Offence(name, share, text))
    return offences


def _units(data: Dataset, frames: pl.DataFrame) -> tuple[list[Offence], int]:
    """Values that are impossible, and groups that suit their declared range in another unit only."""
    declared = data.odd.environment if data.odd is not None else {}
    offences, count = [], 0
    for name in frames.columns:
        known = KNOWN.get(name)
        if known is None or known.group != "environment" or known.categories:
            continue
        values = _stated(frames, name)
        if values is None:
            continue
        count += int(np.isfinite(values).sum())
        law = declared.get(name)
        low, high = (law.lo, law.hi) if isinstance(law, Law) else (known.lo, known.hi)
        room = 1e-6 * max(1.0, abs(high))

        def fits(v: Array, low: float = low, high: float = high, room: float = room) -> NDArray[np.bool_]:
            return (v >= low - room) & (v <= high + room)

        impossible = np.isfinite(values) & ~((values >= known.lo) & (values <= known.hi))
        for k in np.flatnonzero(impossible):
            text = f"{name} is {values[k]:g}, possible are {known.lo:g} to {known.hi:g} {known.unit}".rstrip()
            offences.append(Offence(str(frames["frame_id"][int(k)]), float(values[k]), text))
        for group, rows in groups(data, frames):
            unit = misfit_unit(name, values[rows], fits)
            if unit:
                least, most = np.nanmin(values[rows]), np.nanmax(values[rows])
                text = f"{name} is {least:.4g} to {most:.4g}: looks like {unit}"
                offences.append(Offence(group, float(np.nanmedian(values[rows])), text))
    return offences, count


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
