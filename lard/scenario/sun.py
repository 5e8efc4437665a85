"""Where the sun stands: elevation from day, mean solar time and latitude, and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

YEAR = 2024
"""Every frame lies in this (leap) year."""

LIGHT_LIMITS_DEG = {"day": (0.0, 90.0), "dusk": (-6.0, 0.0), "night": (-90.0, -6.0)}
"""Sun elevations of each light; dusk is civil twilight, of the morning as well."""

SEASONS = ("winter", "spring", "summer", "autumn")
_SEASON_START = np.array([336, 61, 153, 245])
_SEASON_DAYS = np.array([91, 92, 92, 91])


def declination_deg(day_of_year: Array) -> Array:
    """Declination of the sun (Spencer 1971, within 0.04 degrees)."""
    g = 2 * np.pi * (day_of_year - 1) / 365.25
    return np.degrees(
        0.006918 - 0.399912 * np.cos(g) + 0.070257 * np.sin(g) - 0.006758 * np.cos(2 * g)
        + 0.000907 * np.sin(2 * g) - 0.002697 * np.cos(3 * g) + 0.00148 * np.sin(3 * g)
    )  # fmt: skip


def equation_of_time_h(day_of_year: Array) -> Array:
    """Apparent minus mean solar time in hours (Spencer 1971, within half a minute)."""
    g = 2 * np.pi * (day_of_year - 1) / 365.25
    return (24 / (2 * np.pi)) * (
        0.000075 + 0.001868 * np.cos(g) - 0.032077 * np.sin(g)
        - 0.014615 * np.cos(2 * g) - 0.040849 * np.sin(2 * g)
    )  # fmt: skip


def elevation_deg(day_of_year: Array, local_time_h: Array, lat_deg: Array) -> Array:
    """Sun elevation at mean solar times in hours."""
    hour_angle = np.radians((local_time_h + equation_of_time_h(day_of_year) - 12) * 15)
    lat, dec = np.radians(lat_deg), np.radians(declination_deg(day_of_year))
    sine = np.sin(lat) * np.sin(dec) + np.cos(lat) * np.cos(dec) * np.cos(hour_angle)
    return np.degrees(np.arcsin(np.clip(sine, -1, 1)))


def azimuth_deg(day_of_year: Array, local_time_h: Array, lat_deg: Array) -> Array:
    """Sun azimuth, clockwise from true north in [0, 360), at mean solar times in hours."""
    hour_angle = np.radians((local_time_h + equation_of_time_h(day_of_year) - 12) * 15)
    lat, dec = np.radians(lat_deg), np.radians(declination_deg(day_of_year))
    east = -np.cos(dec) * np.sin(hour_angle)
    north = np.cos(lat) * np.sin(dec) - np.sin(lat) * np.cos(dec) * np.cos(hour_angle)
    return np.degrees(np.arctan2(east, north)) % 360.0


def hour_angle_deg(day_of_year: Array, sun_deg: Array, lat_deg: Array) -> Array:
    """Hour angle in [0, 180] at which the sun stands at an elevation; NaN where it never does that day."""
    lat, dec = np.radians(lat_deg), np.radians(declination_deg(day_of_year))
    cosine = (np.sin(np.radians(sun_deg)) - np.sin(lat) * np.sin(dec)) / (np.cos(lat) * np.cos(dec))
    return np.degrees(np.arccos(np.where(np.abs(cosine) <= 1, cosine, np.nan)))


def time_at(day_of_year: Array, hour_angle: Array, afternoon: NDArray[np.bool_]) -> Array:
    """Mean solar time in [0, 24) hours of an hour angle in degrees before or after apparent noon."""
    apparent = 12 + np.where(afternoon, 1, -1) * hour_angle / 15
    return (apparent - equation_of_time_h(day_of_year)) % 24


def time_in_light(
    day_of_year: Array, light: NDArray[np.str_], lat_deg: Array, u: Array, afternoon: NDArray[np.bool_]
) -> Array:
    """Mean solar time spread evenly (u in [0, 1]) over the hours that have a light; NaN where none has."""
    limits = np.array([LIGHT_LIMITS_DEG[name] for name in light]).reshape(-1, 2)
    noon = elevation_deg(day_of_year, 12 - equation_of_time_h(day_of_year), lat_deg)
    midnight = elevation_deg(day_of_year, 0 - equation_of_time_h(day_of_year), lat_deg)
    first = np.where(limits[:, 1] >= noon, 0.0, hour_angle_deg(day_of_year, limits[:, 1], lat_deg))
    last = np.where(limits[:, 0] <= midnight, 180.0, hour_angle_deg(day_of_year, limits[:, 0], lat_deg))
    return time_at(day_of_year, first + u * (last - first), afternoon)


def light_of(sun_deg: Array) -> NDArray[np.str_]:
    """day, dusk or night (n,) of sun elevations."""
    return np.where(sun_deg >= 0, "day", np.where(sun_deg >= -6, "dusk", "night"))


def season_of(day_of_year: Array, lat_deg: Array) -> NDArray[np.str_]:
    """Meteorological season (n,) in the hemisphere of each latitude."""
    days = np.floor(day_of_year)
    index = np.select([days < 61, days < 153, days < 245, days < 336], [0, 1, 2, 3], 0)
    return np.array(SEASONS)[(index + np.where(lat_deg < 0, 2, 0)) % 4]


def day_in_season(season: NDArray[np.str_], lat_deg: Array, u: Array) -> Array:
    """Day of the year spread evenly (u in [0, 1)) over a season of the hemisphere."""
    order = {name: k for k, name in enumerate(SEASONS)}
    index = (np.array([order[str(name)] for name in season], int) + np.where(lat_deg < 0, 2, 0)) % 4
    return (_SEASON_START[index] - 1 + u * _SEASON_DAYS[index]) % 366 + 1


def time_utc(day_of_year: Array, local_time_h: Array, lon_deg: Array) -> list[str]:
    """ISO times in UTC, whole seconds, of mean solar times at longitudes."""
    seconds = (np.floor(day_of_year) - 1) * 86400 + np.round((local_time_h - lon_deg / 15) * 3600)
    stamps = np.datetime64(f"{YEAR}-01-01T00:00:00", "s") + seconds.astype("timedelta64[s]")
    return [f"{stamp}Z" for stamp in np.datetime_as_string(stamps, unit="s")]
