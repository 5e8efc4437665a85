"""Light, weather and sensor of one frame, read from the columns of its frames row and checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from lard.errors import DataError
from lard.odd.checks import RAIN_CLOUD_FRACTION
from lard.odd.parameters import CONDITIONS, PARAMETERS
from lard.scenario import sun
from lard.tables import frame_rng

DISPLAY_GAMMA = 2.2
"""Grey levels are light to the power 1 / 2.2 (close to sRGB)."""

WEATHER = ("sun_elevation_deg", "sun_azimuth_deg", "cloud_fraction", "rain_mm_h")
COLUMNS = ("visibility_m", *WEATHER, *CONDITIONS)
"""Optional columns of a frames table that change its pictures; also day_of_year, local_time_h and light."""

_BY_LIGHT = {"day": (0.0, 90.0), "dusk": (-6.0, 0.0), "night": (-90.0, -6.0)}
_TWILIGHT_DEG = 0.5  # between a runway's place and its camera's, and of rounding
_LOW_VISIBILITY_M = 5000.0


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a picture depends on besides geometry; the defaults are a clear noon seen by a perfect camera.

    gain multiplies grey levels, noise_sigma is in grey levels at noon, heights are above the airport's
    elevation, NaN stands for what follows from the rest: azimuth (south), wetness (rain), lights (darkness).
    """

    visibility_m: float = 20000.0
    gain: float = 1.0
    noise_sigma: float = 0.0
    noise_seed: int = 0
    noise_key: str = ""
    sun_elevation_deg: float = 60.0
    sun_azimuth_deg: float = math.nan
    cloud_fraction: float = 0.0
    cloud_base_m: float = 1000.0
    rain_mm_h: float = 0.0
    fog_base_m: float = 0.0
    fog_top_m: float = 0.0
    fog_visibility_m: float = 200.0
    wetness_fraction: float = math.nan
    lights_fraction: float = math.nan
    lens_drops: int = -1  # -1: from the rain
    exposure_ev: float = 0.0
    shutter_ms: float = 0.0
    yaw_rate_deg_s: float = 0.0
    pitch_rate_deg_s: float = 0.0
    roll_rate_deg_s: float = 0.0
    defocus_px: float = 0.0
    vignette_fraction: float = 0.0
    watermark_px: int = 0
    jpeg_quality: int = 0  # 0: the run's

    def __post_init__(self) -> None:
        for name in COLUMNS:
            value = getattr(self, _FIELD.get(name, name))
            parameter = PARAMETERS.get(name)
            if parameter is None or value in (0, -1) or value != value:
                continue
            if not parameter.lo <= value <= parameter.hi:
                limits = f"from {parameter.lo:g} to {parameter.hi:g} {parameter.unit}".rstrip()
                raise DataError(f"{name} is {value}; expected {limits}")
        if not self.visibility_m > 0:
            raise DataError(f"visibility_m is {self.visibility_m}; expected more than 0")
        if 0 < self.fog_top_m <= self.fog_base_m:
            raise DataError(
                f"fog_top_m is {self.fog_top_m:g}, not above fog_base_m, {self.fog_base_m:g}; raise the top "
                "or set it to 0 for no fog"
            )

    @classmethod
    def of_frame(cls, frame: Mapping[str, Any]) -> Conditions:
        """Conditions of a frames row; its own generator draws exposure and noise if columns lack them."""
        given = {name: frame[name] for name in COLUMNS if frame.get(name) is not None}
        rng = frame_rng(int(frame["seed"]), f"{frame['frame_id']}/exposure")
        gain = float(np.clip(rng.normal(1.0, 0.06), 0.8, 1.2))
        sigma = float(rng.uniform(0.6, 2.2))
        if "exposure_ev" in given:
            gain = 1.0
        sigma = float(given.pop("noise_grey", sigma))
        values: dict[str, Any] = {
            name: int(value) if name in _WHOLE else float(value) for name, value in given.items()
        }
        if "sun_elevation_deg" in values and "sun_azimuth_deg" not in values:
            values["sun_azimuth_deg"] = _azimuth(frame)
        _check_light(frame)
        key = f"{frame['frame_id']}/noise"
        return cls(gain=gain, noise_sigma=sigma, noise_seed=int(frame["seed"]), noise_key=key, **values)

    @property
    def exposure(self) -> float:
        """Factor on grey levels."""
        return self.gain * 2.0 ** (self.exposure_ev / DISPLAY_GAMMA)

    @property
    def cover(self) -> float:
        """Cloud cover that light and sky are drawn with: rain has clouds whatever the column says."""
        return max(self.cloud_fraction, min(0.75 + 0.05 * self.rain_mm_h, 1.0) if self.rain_mm_h > 0 else 0.0)

    @property
    def wetness(self) -> float:
        """How wet pavement is, 0 to 1; a millimetre an hour wets all of it."""
        if math.isnan(self.wetness_fraction):
            return min(self.rain_mm_h, 1.0)
        return self.wetness_fraction

    @property
    def drops(self) -> int:
        """Drops on the lens."""
        return self.lens_drops if self.lens_drops >= 0 else min(round(7 * self.rain_mm_h**0.6), 90)

    @property
    def lights(self) -> float:
        """Stage of the airfield lights, 0 (off) to 1: by night 10 %, at dusk 30 %, all in low visibility."""
        if not math.isnan(self.lights_fraction):
            return self.lights_fraction
        visibility = min(self.visibility_m, self.fog_visibility_m if self.fog_top_m > 0 else math.inf)
        if visibility < _LOW_VISIBILITY_M:
            return 1.0
        return 0.1 if self.sun_elevation_deg < -6 else 0.3 if self.sun_elevation_deg < 1 else 0.0

    @property
    def dark(self) -> float:
        """How far automatic exposure has raised the sensor's gain: 0 by day, 1 by night."""
        return float(np.clip((1.0 - self.sun_elevation_deg) / 7.0, 0, 1))

    def rng(self, what: str) -> np.random.Generator:
        """The frame's own generator of one thing: drops, streaks, the phase of the flashing lights."""
        return frame_rng(self.noise_seed, f"{self.noise_key}/{what}")


_FIELD = {"noise_grey": "noise_sigma"}
_WHOLE = {name for name in CONDITIONS if PARAMETERS[name].whole}


def _azimuth(frame: Mapping[str, Any]) -> float:
    """Azimuth of the sun of a frames row that tells day and time; NaN without them."""
    day, time = frame.get("day_of_year"), frame.get("local_time_h")
    if day is None or time is None:
        return math.nan
    arrays = (np.array([float(v)]) for v in (day, time, frame["lat_deg"]))
    return float(sun.azimuth_deg(*arrays)[0])


def _check_light(frame: Mapping[str, Any]) -> None:
    """Refuse a frames row whose light contradicts its sun."""
    light, elevation = frame.get("light"), frame.get("sun_elevation_deg")
    if light is None or elevation is None:
        return
    if light not in _BY_LIGHT:
        raise DataError(f"light is {light!r}; expected one of {', '.join(_BY_LIGHT)}")
    lo, hi = _BY_LIGHT[light]
    if not lo - _TWILIGHT_DEG <= elevation <= hi + _TWILIGHT_DEG:
        raise DataError(
            f"light is {light!r}, but sun_elevation_deg is {elevation:.1f}; expected from {lo:g} to {hi:g}, "
            "or leave one of them out"
        )


def check_conditions(frames: pl.DataFrame) -> list[str]:
    """Faults of the condition columns of a frames table: what is no number, out of range or contradictory."""
    faults = []

    def note(bad: pl.Expr, name: str, expected: str) -> None:
        rows = frames.filter(bad.fill_null(False))
        for frame_id, value in rows.select("frame_id", name).head(3).rows():
            faults.append(f"frames: {name} of frame {frame_id} is {value}; expected {expected}")

    for name in (name for name in COLUMNS if name in frames.columns and name != "visibility_m"):
        parameter, column = PARAMETERS.get(name), pl.col(name)
        if not frames[name].dtype.is_numeric():
            faults.append(f"frames: {name} is {frames[name].dtype}; expected numbers")
            continue
        lo, hi = (parameter.lo, parameter.hi) if parameter else (-360.0, 360.0)
        note(~column.is_between(lo, hi), name, f"from {lo:g} to {hi:g}")
    if faults:
        return faults
    if {"light", "sun_elevation_deg"} <= set(frames.columns):
        note(~pl.col("light").is_in(list(_BY_LIGHT)), "light", f"one of {', '.join(_BY_LIGHT)}")
        for light, (lo, hi) in _BY_LIGHT.items():
            outside = ~pl.col("sun_elevation_deg").is_between(lo - _TWILIGHT_DEG, hi + _TWILIGHT_DEG)
            wanted = f"from {lo:g} to {hi:g}, as its light is {light!r}"
            note((pl.col("light") == light) & outside, "sun_elevation_deg", wanted)
    if {"fog_base_m", "fog_top_m"} <= set(frames.columns):
        low = (pl.col("fog_top_m") > 0) & (pl.col("fog_top_m") <= pl.col("fog_base_m"))
        note(low, "fog_top_m", "0 (no fog) or more than fog_base_m")
    return faults


def remarks(frames: pl.DataFrame) -> list[str]:
    """What is odd about the conditions of a frames table, yet can be drawn."""
    if not {"rain_mm_h", "cloud_fraction"} <= set(frames.columns):
        return []
    dry = (pl.col("rain_mm_h") > 0) & (pl.col("cloud_fraction") < RAIN_CLOUD_FRACTION)
    count = frames.filter(dry.fill_null(False)).height
    if count == 0:
        return []
    return [
        f"{count} frames have rain from a sky less than {RAIN_CLOUD_FRACTION:g} clouded; they are drawn "
        "under clouds, a rule of the ODD spec (rain means clouds) avoids them"
    ]
