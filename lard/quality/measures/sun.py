"""Elevation of the sun, to a tenth of a degree."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def sun_elevation_deg(times_utc: Sequence[str | None], lat_deg: Array, lon_deg: Array) -> Array:
    """Elevation (n,) of the sun in degrees at ISO times; NaN where a time cannot be read.

    Mean longitude and anomaly of the sun with its two largest perturbing terms, without refraction.
    """
    return sun_direction_deg(times_utc, lat_deg, lon_deg)[0]


def sun_direction_deg(times_utc: Sequence[str | None], lat_deg: Array, lon_deg: Array) -> tuple[Array, Array]:
    """Elevation and azimuth from north (n,) of the sun in degrees; NaN where a time is unreadable."""
    days = np.array([_days_since_2000(text) for text in times_utc])
    mean_longitude = 280.460 + 0.9856474 * days
    anomaly = np.radians(357.528 + 0.9856003 * days)
    longitude = np.radians(mean_longitude + 1.915 * np.sin(anomaly) + 0.020 * np.sin(2 * anomaly))
    obliquity = np.radians(23.439 - 4e-7 * days)
    ascension = np.arctan2(np.cos(obliquity) * np.sin(longitude), np.cos(longitude))
    declination = np.arcsin(np.sin(obliquity) * np.sin(longitude))
    sidereal_deg = 280.46062 + 360.98564737 * days
    hour_angle = np.radians(sidereal_deg + np.asarray(lon_deg)) - ascension
    lat = np.radians(lat_deg)
    sine = np.sin(lat) * np.sin(declination) + np.cos(lat) * np.cos(declination) * np.cos(hour_angle)
    east = -np.cos(declination) * np.sin(hour_angle)
    north = np.cos(lat) * np.sin(declination) - np.sin(lat) * np.cos(declination) * np.cos(hour_angle)
    return np.degrees(np.arcsin(np.clip(sine, -1.0, 1.0))), np.degrees(np.arctan2(east, north)) % 360.0


def readable(text: str) -> str:
    """Why a text is no UTC time; "" when it is one."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return "expected a time such as 2024-06-01T12:00:00Z"
    if time.tzinfo is not None and time.utcoffset():
        return "names another zone than UTC"
    return ""


def _days_since_2000(text: str | None) -> float:
    try:
        time = datetime.fromisoformat(text or "")
    except ValueError:
        return float("nan")
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    return (time - datetime(2000, 1, 1, 12, tzinfo=UTC)).total_seconds() / 86400.0


def solar_clock(times_utc: Sequence[str | None], lon_deg: Array) -> tuple[Array, Array]:
    """Mean solar time in hours (n,) and the day of the year (n,) at that clock; NaN where unreadable."""
    days = np.array([_days_since_2000(text) for text in times_utc])
    local = days + 0.5 + np.asarray(lon_deg, np.float64) / 360.0  # days since 2000-01-01T00 local
    hours = (local % 1.0) * 24.0
    whole = np.floor(local)
    start = datetime(2000, 1, 1, tzinfo=UTC).date().toordinal()
    day = [
        float(date.fromordinal(start + int(d)).timetuple().tm_yday) if np.isfinite(d) else float("nan")
        for d in whole
    ]
    return hours, np.array(day)
