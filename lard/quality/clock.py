"""Clocks, sun, light and season of frames, made anew from UTC and place, against what the frames state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.odd.laws import Law
from lard.quality.dataset import Dataset
from lard.quality.groups import grouped
from lard.quality.measures.sun import readable, solar_clock, sun_direction_deg
from lard.quality.measures.units import looks_like
from lard.quality.model import Offence

Array = NDArray[np.float64]

LIGHTS = {"day": (0.0, 90.0), "dusk": (-6.0, 0.0), "night": (-90.0, -6.0)}
SEASONS = ("winter", "spring", "summer", "autumn")
STARTS = (61, 153, 245, 336)  # of spring, summer, autumn and winter, north of the equator
LEAST = 5  # frames of which a group's unit or clock can be told


COMMON = 0.5  # of what a single value may be off: medians of sound ones are off by nothing


def stated_numbers(frames: pl.DataFrame, name: str) -> Array | None:
    """A column's numbers (n,), NaN where it has none; None where it has no number at all."""
    if name not in frames.columns or not frames[name].dtype.is_numeric():
        return None
    values = frames[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
    return values if np.isfinite(values).any() else None


def large_groups(data: Dataset, frames: pl.DataFrame) -> list[tuple[str, NDArray[np.bool_]]]:
    """Names and rows (n,) of the dataset and of every group of frames that is not too small for a story."""
    found = grouped(data, frames["frame_id"]).masks()
    return [(name, rows) for name, rows in found if rows.sum() >= LEAST]


def times(frames: pl.DataFrame) -> list[Offence]:
    """Times that cannot be read, or that name another zone than UTC."""
    offences = []
    for frame_id, text in frames.select("frame_id", "time_utc").drop_nulls().iter_rows():
        fault = readable(text)
        if fault:
            offences.append(Offence(str(frame_id), None, f"time_utc is {text!r}: {fault}"))
    return offences


def clock(
    frames: pl.DataFrame, limits: Mapping[str, Any], groups: list[tuple[str, NDArray[np.bool_]]]
) -> list[Offence]:
    """What follows from time and place against what the columns say, frame by frame and in each group."""
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
        stated = stated_numbers(frames, name)
        if stated is not None:
            found = _differing(frames, name, stated, true, gap_of(stated, true), limit)
            offences += found or _in_common(groups, name, stated - true, limit)
    stated, height = stated_numbers(frames, "sun_azimuth_deg"), sun
    if stated is not None:
        # azimuths mean less the nearer the sun is to the zenith
        gap = np.abs((stated - azimuth + 180) % 360 - 180) * np.cos(np.radians(height))
        limit = 2 * float(limits["max_sun_deg"])
        offences += _differing(frames, "sun_azimuth_deg", stated, azimuth, gap, limit)
    return offences + _words(frames, sun, days, lat, float(limits["max_sun_deg"]))


def _differing(
    frames: pl.DataFrame, name: str, stated: Array, true: Array, gap: Array, limit: float
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


def _in_common(
    groups: list[tuple[str, NDArray[np.bool_]]], name: str, gap: Array, limit: float
) -> list[Offence]:
    """Groups whose values are all off by less than single ones may be: by a day, a summer time's sun."""
    offences = []
    for group, rows in groups:
        known = gap[rows & np.isfinite(gap)]
        middle = float(np.median(known)) if len(known) else 0.0
        if abs(middle) > COMMON * limit:
            text = f"{name} is stated {middle:+.2f} beside what time and place say, in the median"
            offences.append(Offence(group, abs(middle), f"{text} ({len(known)} frames)"))
    return offences


def _zone_story(gap_h: Array, lon_deg: Array) -> str:
    """What shifted clocks tell of the zone their times are in."""
    gap_h, zone = (gap_h + 12) % 24 - 12, -lon_deg / 15
    if np.mean(np.abs((gap_h - zone + 12) % 24 - 12) < 0.05) > 0.9:
        return " (the times look like local solar time, not UTC)"
    if np.mean(np.abs((gap_h - zone + 12) % 24 - 12) < 2.1) > 0.9:
        return " (the times look like local time, not UTC)"
    return ""


def _words(frames: pl.DataFrame, sun: Array, days: Array, lat: Array, room: float) -> list[Offence]:
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


def local_for_utc(data: Dataset, frames: pl.DataFrame) -> list[Offence]:
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
    for name, rows in large_groups(data, frames):
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
