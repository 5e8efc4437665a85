"""A LARD scenario in memory, whatever file it came from: image, poses in LARD's units, the rest as stated."""

from __future__ import annotations

import math
import re
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from lard.errors import DataError
from lard.tables import Schema

POSES: Schema = {
    "pose_id": pl.String,
    "airport": pl.String,
    "runway": pl.String,
    "lon_deg": pl.Float64,
    "lat_deg": pl.Float64,
    "alt_m": pl.Float64,
    "yaw_deg": pl.Float64,
    "tilt_deg": pl.Float64,
    "roll_deg": pl.Float64,
    "year": pl.Int32,
    "month": pl.Int32,
    "day": pl.Int32,
    "hour": pl.Int32,
    "minute": pl.Int32,
    "second": pl.Int32,
}
"""One row per pose in file order; tilt_deg is LARD's pitch: 0 straight down, 90 level. Times are local."""

CLOCK = ("year", "month", "day", "hour", "minute", "second")
POSE_NUMBERS = ("lon_deg", "lat_deg", "alt_m", "yaw_deg", "tilt_deg", "roll_deg")

SAME_ANGLE_DEG = 1e-6
"""Fields of view that differ by less are one: pixels are square, a project says what was written."""


@dataclass(frozen=True, slots=True)
class ScenarioImage:
    """Size without watermark bands, and full fields of view of that size."""

    width_px: int
    height_px: int
    fov_x_deg: float
    fov_y_deg: float
    watermark_px: int = 0  # height of each of two bands, above and below
    watermark_stated: bool = True
    fov_y_stated: bool = True

    @property
    def rendered_height_px(self) -> int:
        """Height with both watermark bands."""
        return self.height_px + 2 * self.watermark_px

    @property
    def rendered_fov_y_deg(self) -> float:
        """Vertical field of view with both watermark bands."""
        half = math.tan(math.radians(self.fov_y_deg) / 2) * self.rendered_height_px / self.height_px
        return math.degrees(2 * math.atan(half))


@dataclass(frozen=True, slots=True)
class Scenario:
    """Poses and their image, with the blocks of the file that only its own generator uses."""

    name: str
    layout: str  # v1, v1-older, v2, esp or ges
    image: ScenarioImage
    poses: pl.DataFrame  # POSES
    trajectory: Mapping[str, Any] = field(default_factory=dict)
    time_window: Mapping[str, Any] = field(default_factory=dict)
    runways_database: str = ""
    airports_runways: Mapping[str, list[str]] = field(default_factory=dict)

    @property
    def frame_ids(self) -> list[str]:
        """Names of the poses' pictures: the scenario and a number padded to the width of the last one."""
        digits = len(str(max(len(self.poses) - 1, 0)))
        return [f"{self.name}_{k:0{digits}d}" for k in range(len(self.poses))]


def other_fov_deg(fov_deg: float, size_px: int, other_px: int) -> float:
    """Field of view along the other side of a picture with square pixels."""
    return math.degrees(2 * math.atan(math.tan(math.radians(fov_deg) / 2) * other_px / size_px))


def check_poses(poses: list[dict[str, Any]]) -> list[tuple[int, str, str]]:
    """Faults of poses as (index, field, message): numbers, ranges and dates."""
    limits = {"lon_deg": (-360, 360), "lat_deg": (-90, 90), "alt_m": (-1000, 1e8), "tilt_deg": (0, 180)}
    faults = []
    for k, pose in enumerate(poses):
        for name in POSE_NUMBERS:
            value = pose[name]
            low, high = limits.get(name, (-math.inf, math.inf))
            if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
                faults.append((k, name, f"found {value!r}, expected a finite number"))
            elif not low <= value <= high:
                faults.append((k, name, f"found {value}, expected {low:g} to {high:g}"))
        clock = [pose[name] for name in CLOCK]
        try:
            datetime(*clock).replace(tzinfo=UTC)
        except (TypeError, ValueError, OverflowError) as error:
            shown = dict(zip(CLOCK, clock, strict=True))
            faults.append((k, "time", f"found {shown}, expected a date and time ({error})"))
    return faults


def zone_offset(zone: str, lon_deg: float, local: datetime) -> timedelta:
    """Local time minus UTC: of an IANA zone such as Europe/Paris, of UTC, or solar (longitude / 15 hours)."""
    if zone == "solar":
        return timedelta(seconds=round(((lon_deg + 180) % 360 - 180) * 240))
    if zone == "UTC":
        return timedelta(0)
    try:
        offset = local.replace(tzinfo=zoneinfo.ZoneInfo(zone)).utcoffset()
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise DataError(
            f"time zone {zone!r:.60} is unknown here; expected solar, UTC or an IANA name (Europe/Paris)"
        ) from error
    assert offset is not None
    return offset


def utc_of(clock: tuple[int, ...], lon_deg: float, zone: str) -> datetime:
    """UTC of a local year, month, day, hour, minute, second at a longitude in a time zone."""
    local = datetime(*clock)  # type: ignore[arg-type, misc]
    return (local - zone_offset(zone, lon_deg, local)).replace(tzinfo=UTC)


def local_of(utc: datetime, lon_deg: float, zone: str) -> tuple[int, ...]:
    """Local year, month, day, hour, minute, second of a UTC time: the inverse of utc_of."""
    if zone in ("solar", "UTC"):
        local = utc + zone_offset(zone, lon_deg, utc.replace(tzinfo=None))
    else:
        zone_offset(zone, lon_deg, utc.replace(tzinfo=None))  # names the fault of an unknown zone
        local = utc.astimezone(zoneinfo.ZoneInfo(zone))
    return local.year, local.month, local.day, local.hour, local.minute, local.second


def parse_utc(text: str) -> datetime:
    """A UTC time such as 2024-06-01T12:00:00Z."""
    try:
        return datetime.fromisoformat(re.sub("Z$", "+00:00", text)).astimezone(UTC)
    except ValueError as error:
        raise DataError(f"time_utc {text!r} is not a time such as 2024-06-01T12:00:00Z") from error


def poses_table(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Poses as a table with the declared schema."""
    numbers = dict.fromkeys(POSE_NUMBERS, float)
    cast = [{k: numbers[k](v) if k in numbers else v for k, v in row.items()} for row in rows]
    return pl.DataFrame(cast, schema=dict(POSES), orient="row")
