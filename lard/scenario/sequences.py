"""Approaches as sequences of frames: stabilised to the flare, gone around, or offset from the runway.

Kinematic, not a flight simulator: the path is given by guidance with smooth errors, and the attitude follows
from path, wind and gusts. What it is for: frames with believable motion to evaluate trackers on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import signal

from lard.airports.model import Runway, RunwayDatabase
from lard.approach import approach_of
from lard.camera import Poses
from lard.errors import SpecError
from lard.geodesy import from_enu, geodetic_from_ecef
from lard.odd.membership import zone_of
from lard.odd.spec import OUTSIDE, OddSpec
from lard.scenario.environment import DEFAULTS
from lard.scenario.sampler import assemble
from lard.scenario.sun import azimuth_deg, elevation_deg, light_of, season_of, time_utc
from lard.scenario.turbulence import dryden_gusts, smooth_error
from lard.tables import frame_rng

Array = NDArray[np.float64]

KINDS = ("landing", "go-around", "offset")
STEP_S = 0.02
"""The motion is computed at this step whatever the frame rate, so that frame rates show the same flight."""

_GRAVITY_M_S2 = 9.80665
_TOUCHDOWN_SINK_M_S = 0.6
_FLARE_PITCH_DEG = 3.0
_PITCH_UP_S = 5.0


@dataclass(frozen=True, slots=True)
class Flight:
    """How an approach is flown. Wind blows from ahead (headwind) and from the right (crosswind)."""

    kind: str = "landing"
    start_m: float = 6000.0  # along track, before the landing threshold
    airspeed_m_s: float = 70.0
    frame_rate_hz: float = 5.0
    glide_deg: float = 3.0
    pitch_deg: float = -3.0  # of the camera in steady flight: along the glide path by default
    headwind_m_s: float = 5.0
    crosswind_m_s: float = 4.0
    turbulence: bool = True  # Dryden, of the wind's strength
    localizer_deg: float = 0.12  # standard deviation, seen from 300 m beyond the far threshold
    glideslope_deg: float = 0.08  # standard deviation, seen from the vertical reference point
    guidance_time_s: float = 25.0
    eye_m: float = 5.0  # camera above the wheels
    flare_m: float = 15.0  # wheels above the threshold's plane where the flare begins
    decision_m: float = 60.0  # camera above the threshold where a go-around begins
    climb_deg: float = 6.0
    after_s: float = 20.0  # flown on after the decision of a go-around
    offset_deg: float = 4.0  # of an offset approach: course against the runway's
    offset_m: float = 150.0  # and distance to the right of the threshold
    local_time_h: float = DEFAULTS["local_time_h"]
    day_of_year: int = int(DEFAULTS["day_of_year"])
    visibility_m: float = DEFAULTS["visibility_m"]

    def check(self) -> None:
        """Raise SpecError for what cannot be flown."""
        faults = []
        if self.kind not in KINDS:
            faults.append(f"kind {self.kind!r} is unknown; expected one of {', '.join(KINDS)}")
        for name in (
            "airspeed_m_s",
            "frame_rate_hz",
            "glide_deg",
            "guidance_time_s",
            "flare_m",
            "visibility_m",
            "decision_m",
            "climb_deg",
            "after_s",
        ):
            if not getattr(self, name) > 0:
                faults.append(f"{name} is {getattr(self, name)}; expected a positive number")
        if self.frame_rate_hz > 1 / STEP_S:
            faults.append(f"frame_rate_hz is {self.frame_rate_hz:g}; at most {1 / STEP_S:g}")
        if min(self.localizer_deg, self.glideslope_deg, self.eye_m) < 0:
            faults.append("localizer_deg, glideslope_deg and eye_m must not be negative")
        if self.airspeed_m_s - self.headwind_m_s < 5 or abs(self.crosswind_m_s) >= 0.7 * self.airspeed_m_s:
            faults.append(
                f"an airspeed of {self.airspeed_m_s:g} m/s makes no headway against a headwind of "
                f"{self.headwind_m_s:g} and a crosswind of {self.crosswind_m_s:g} m/s"
            )
        if not 500 <= self.start_m <= 100_000:
            faults.append(f"start_m is {self.start_m:g}; expected 500 to 100000")
        if faults:
            raise SpecError("\n".join(f"sequence: {fault}" for fault in faults))


@dataclass(frozen=True, slots=True)
class Track:
    """Motion relative to the landing threshold, arrays (n,): position in metres, attitude in degrees."""

    time_s: Array
    along_m: Array  # before the threshold
    cross_m: Array  # right of the centreline
    up_m: Array
    yaw_offset_deg: Array
    pitch_deg: Array
    roll_deg: Array
    phase: NDArray[np.str_]


def sequence(
    spec: OddSpec,
    db: RunwayDatabase,
    airport: str,
    ident: str,
    flight: Flight | None = None,
    seed: int = 0,
    split: str = "test",
) -> pl.DataFrame:
    """Frames of one flight, in order of time, with columns sequence, time_s and phase after the usual ones.

    zone names the zone a frame lies in, "outside" where none holds it.
    """
    flight = flight or Flight()
    flight.check()
    runway = db.airport(airport).runway(ident)
    track = fly(runway, flight, spec.vertical_apex_m, seed)
    poses = poses_of(runway, track)
    approaches = approach_of(runway, poses, spec.lateral_apex_m, spec.vertical_apex_m)
    zone = zone_of(spec, approaches)
    n = len(track.time_s)
    name = f"{runway.airport}_{runway.ident}_{flight.kind}{seed}"
    days, local = np.divmod(flight.local_time_h + track.time_s / 3600, 24)  # a flight may pass midnight
    day = (flight.day_of_year - 1 + days) % 366 + 1
    sun = elevation_deg(day, local, poses.lat_deg)
    started = time_utc(day[:1], np.array([flight.local_time_h]), np.array([runway.ltp[1]]))[0]
    stamps = np.datetime64(started.removesuffix("Z"), "ms") + np.round(track.time_s * 1000).astype(
        "timedelta64[ms]"
    )
    environment = {
        "visibility_m": np.full(n, flight.visibility_m),
        "time_utc": np.array([f"{text}Z" for text in np.datetime_as_string(stamps, unit="s")]),
        "local_time_h": local,
        "day_of_year": day,
        "sun_elevation_deg": sun,
        "sun_azimuth_deg": azimuth_deg(day, local, poses.lat_deg),
        "light": light_of(sun),
        "season": season_of(day, poses.lat_deg),
        "cloud_fraction": np.full(n, DEFAULTS["cloud_fraction"]),
        "rain_mm_h": np.full(n, DEFAULTS["rain_mm_h"]),
        "sequence": np.full(n, name),
        "time_s": track.time_s,
        "phase": track.phase,
    }
    identity = {
        "frame_id": [f"{name}_{k:05d}" for k in range(n)],
        "airport": [runway.airport] * n,
        "runway": [runway.ident] * n,
        "zone": np.where(zone == "", OUTSIDE, zone).tolist(),
        "split": [split] * n,
    }
    columns = (poses.lat_deg, poses.lon_deg, poses.alt_m, poses.yaw_deg, poses.pitch_deg, poses.roll_deg)
    return assemble(spec, db, identity, np.column_stack(columns), approaches, environment, seed)


def fly(runway: Runway, flight: Flight, vertical_apex_m: float, seed: int) -> Track:
    """The motion of a flight at its frame rate."""
    crab = np.arcsin(flight.crosswind_m_s / flight.airspeed_m_s)
    speed = flight.airspeed_m_s * np.cos(crab) - flight.headwind_m_s
    n = int((flight.start_m + runway.length_m) / speed / STEP_S) + int((flight.after_s + 60) / STEP_S)
    time = np.arange(n, dtype=np.float64) * STEP_S
    along = flight.start_m - speed * time
    key = f"sequence/{runway.airport}/{runway.ident}"
    rng = frame_rng(seed, key)
    localizer, glideslope = (
        np.radians(sd) * smooth_error(n, STEP_S, flight.guidance_time_s, rng)
        for sd in (flight.localizer_deg, flight.glideslope_deg)
    )
    slope = np.tan(np.radians(flight.glide_deg) + glideslope)
    up = np.maximum(along + vertical_apex_m, 0) * slope
    # the beam narrows up to the threshold and not beyond it; softly, for a kink would be a jerk in bank
    reach = np.logaddexp(along / 300, 0) * 300 + runway.length_m + 300
    cross = reach * np.tan(localizer)
    if flight.kind == "offset":
        cross = cross + flight.offset_m + along * np.tan(np.radians(flight.offset_deg))
    up, pitch, phase, end = _vertical(flight, time, up, speed)
    landing = np.clip((up - flight.eye_m) / flight.flare_m, 0, 1) if flight.kind == "landing" else np.ones(n)
    course = np.arctan2(np.gradient(cross, STEP_S), speed)
    bank = np.arctan(np.gradient(np.gradient(cross, STEP_S), STEP_S) / _GRAVITY_M_S2)
    yaw = np.degrees(course + crab * landing)
    pitch, roll = pitch + flight.pitch_deg, np.degrees(bank)
    if flight.turbulence:
        wind = float(np.hypot(flight.headwind_m_s, flight.crosswind_m_s))
        _, across, upward = dryden_gusts(up, flight.airspeed_m_s, wind, STEP_S, rng)
        roll_gust = smooth_error(n, STEP_S, 0.7, rng) * np.abs(_lag(np.abs(across), 2.0))
        yaw = yaw + 0.5 * np.degrees(_lag(across, 0.6) / flight.airspeed_m_s)
        pitch = pitch + 0.5 * np.degrees(_lag(upward, 0.6) / flight.airspeed_m_s)
        roll = roll + 1.5 * np.degrees(roll_gust / flight.airspeed_m_s)
    shown = np.arange(int(end * STEP_S * flight.frame_rate_hz) + 1) / flight.frame_rate_hz
    along, cross, up, yaw, pitch, roll = (
        np.interp(shown, time, x) for x in (along, cross, up, yaw, pitch, roll)
    )
    index = np.minimum(np.round(shown / STEP_S).astype(int), n - 1)
    return Track(shown, along, cross, up, yaw, pitch, roll, phase[index])


def _vertical(
    flight: Flight, time: Array, guided_m: Any, speed: float
) -> tuple[Array, Array, NDArray[np.str_], int]:
    """Height (n,) with flare or go-around, pitch beyond steady flight, phase, and the last step."""
    n = len(time)
    pitch, phase = np.zeros(n), np.full(n, "approach", dtype="U9")
    if flight.kind == "offset":
        low = guided_m <= flight.decision_m
        return guided_m, pitch, phase, int(low.argmax()) if low.any() else n - 1
    turn_m = flight.decision_m if flight.kind == "go-around" else flight.flare_m + flight.eye_m
    start = int((guided_m <= turn_m).argmax())
    up, after = guided_m.copy(), time[start:] - time[start]
    sink = (guided_m[start - 1] - guided_m[start]) / STEP_S
    if flight.kind == "go-around":
        blend = _smooth_step(after / _PITCH_UP_S)
        rate = -sink + (speed * np.tan(np.radians(flight.climb_deg)) + sink) * blend
        up[start:] = guided_m[start] + np.concatenate([[0.0], np.cumsum(rate[:-1]) * STEP_S])
        pitch[start:] = (flight.climb_deg + flight.glide_deg) * blend
        phase[start:] = "go-around"
        return up, pitch, phase, min(start + int(flight.after_s / STEP_S), n - 1)
    # the sink rate decays with the height above ground to that of touchdown
    wheels_m = guided_m[start] - flight.eye_m
    decay_s = wheels_m / max(sink - _TOUCHDOWN_SINK_M_S, 0.1)
    below = _TOUCHDOWN_SINK_M_S * decay_s
    wheels = (wheels_m + below) * np.exp(-after / decay_s) - below
    up[start:] = np.maximum(wheels, 0.0) + flight.eye_m
    pitch[start:] = _FLARE_PITCH_DEG * _smooth_step(after / (2 * decay_s))
    phase[start:] = "flare"
    landed = np.flatnonzero(wheels <= 0)
    return up, pitch, phase, min(start + int(landed[0]), n - 1) if len(landed) else n - 1


def _smooth_step(x: Array) -> Array:
    """From 0 to 1 over [0, 1] with no jump in rate or acceleration."""
    x = np.clip(x, 0.0, 1.0)
    return x**3 * (10 - 15 * x + 6 * x**2)


def _lag(values: Array, time_constant_s: float) -> Array:
    """First-order response (n,) to values: an aircraft does not follow the quickest gusts."""
    decay = np.exp(-STEP_S / time_constant_s)
    return signal.lfilter([1 - decay], [1, -decay], values, zi=[decay * values[0]])[0]


def poses_of(runway: Runway, track: Track) -> Poses:
    """Camera poses of a motion relative to a runway, also beyond its threshold."""
    forward = runway.axis_enu[:2] / np.hypot(*runway.axis_enu[:2])
    right = np.array([forward[1], -forward[0]])
    flat = -track.along_m[:, None] * forward + track.cross_m[:, None] * right
    lat, lon, alt = geodetic_from_ecef(
        from_enu(np.column_stack([flat, track.up_m]), *runway.ltp, runway.earth), runway.earth
    )
    yaw = (runway.heading_deg + track.yaw_offset_deg) % 360.0
    return Poses(lat, lon, alt, yaw, track.pitch_deg, track.roll_deg, earth=runway.earth)
