"""How FlightGear draws, which frames it can show, and the properties that make it show one."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from lard.airports.model import RunwayDatabase
from lard.errors import DataError
from lard.scenario.formats_model import parse_utc
from lard.simulators.core import Frame
from lard.simulators.flightgear.properties import Value

DRIVER_VERSION = 1  # raised whenever the same frame would come out otherwise
M_PER_FT = 0.3048
_OKTAS = ((2, "few"), (4, "scattered"), (7, "broken"), (8, "overcast"))


@dataclass(frozen=True, slots=True)
class FlightGearSettings:
    """How FlightGear draws; all but the port and the timeouts are part of every frame's key."""

    supersample: int = 2
    """The window is this many times the picture, and shrunk by area: markings come out much crisper."""
    jpeg_quality: int = 92
    vegetation: bool = True
    objects: bool = True
    cloud_base_m: float = 1500.0
    answer_timeout_s: float = 90.0
    start_timeout_s: float = 300.0
    port: int = 0
    """HTTP port of the first instance; 0 takes any free one."""

    def __post_init__(self) -> None:
        limits = {
            "supersample": (1, 4), "jpeg_quality": (1, 100), "cloud_base_m": (50, 12_000),
            "answer_timeout_s": (0.1, 3600), "start_timeout_s": (0.1, 3600), "port": (0, 65_000),
        }  # fmt: skip
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                raise DataError(f"flightgear.{name} is {getattr(self, name)}; expected from {low} to {high}")

    @classmethod
    def of_params(cls, params: Mapping[str, Any]) -> "FlightGearSettings":
        """Settings of a section of params.yaml; unknown keys are refused."""
        unknown = set(params) - set(cls.__dataclass_fields__)
        if unknown:
            known = ", ".join(cls.__dataclass_fields__)
            raise DataError(
                f"flightgear.{', flightgear.'.join(sorted(unknown))}: unknown; expected some of {known}"
            )
        return cls(**params)

    def of_key(self) -> dict[str, Any]:
        """What the bytes of a picture depend on."""
        values = asdict(self)
        for name in ("answer_timeout_s", "start_timeout_s", "port", "jpeg_quality"):
            del values[name]
        return {"driver": DRIVER_VERSION, **values}


def check_frames(frames: pl.DataFrame, db: RunwayDatabase) -> None:
    """DataError for frames that FlightGear cannot show as they are asked for."""
    faults = []
    if db.altitude_datum != "msl":
        faults.append(f"runways {db.name}: altitudes are {db.altitude_datum!r}, expected 'msl'")
    for row in frames.iter_rows(named=True):
        where = f"frames: {row['frame_id']}:"
        if row["earth_model"] != "wgs84":
            faults.append(f"{where} earth_model is {row['earth_model']!r}, expected 'wgs84'")
        if row["altitude_datum"] != "msl":
            faults.append(f"{where} altitude_datum is {row['altitude_datum']!r}, expected 'msl'")
        centred = math.isclose(row["cx_px"], row["width_px"] / 2) and math.isclose(
            row["cy_px"], row["height_px"] / 2
        )
        if not (centred and math.isclose(row["fx_px"], row["fy_px"], rel_tol=1e-6)):
            faults.append(
                f"{where} principal point {row['cx_px']:g}, {row['cy_px']:g} and focal lengths "
                f"{row['fx_px']:g}, {row['fy_px']:g}; expected the picture's centre and square pixels"
            )
        if any(row.get(name) for name in ("k1", "k2", "k3")):
            faults.append(f"{where} the camera bends lines (k1, k2, k3); FlightGear draws them straight")
        if row["visibility_m"] < 50.0:
            faults.append(f"{where} visibility_m is {row['visibility_m']:g}, expected at least 50")
        if len(faults) >= 8:
            faults.append("...")
            break
    if faults:
        raise DataError("\n".join(faults))


def field_of_view_deg(frame: Frame) -> float:
    """FlightGear's field of view: the full angle along the longer side of the window, degrees."""
    half_px = max(frame["width_px"], frame["height_px"]) / 2
    return math.degrees(2 * math.atan(half_px / frame["fx_px"]))


def properties_of(frame: Frame, settings: FlightGearSettings) -> dict[str, Value]:
    """What is set for a frame."""
    visibility = float(frame["visibility_m"])
    cloud = float(frame.get("cloud_fraction") or 0.0)
    coverage = next((name for oktas, name in _OKTAS if 8 * cloud <= oktas), "overcast")
    return {
        "/position/latitude-deg": float(frame["lat_deg"]),
        "/position/longitude-deg": float(frame["lon_deg"]),
        "/position/altitude-ft": float(frame["alt_m"]) / M_PER_FT,
        "/orientation/heading-deg": float(frame["yaw_deg"]) % 360.0,
        "/orientation/pitch-deg": float(frame["pitch_deg"]),
        "/orientation/roll-deg": float(frame["roll_deg"]),
        "/sim/current-view/field-of-view": field_of_view_deg(frame),
        "/environment/visibility-m": visibility,
        "/environment/config/boundary/entry[0]/visibility-m": visibility,
        "/environment/config/boundary/entry[1]/visibility-m": visibility,
        "/environment/clouds/status": cloud > 0.0,
        "/environment/clouds/layer[0]/coverage": coverage if cloud > 0.0 else "clear",
        "/environment/clouds/layer[0]/elevation-ft": settings.cloud_base_m / M_PER_FT,
        "/environment/clouds/layer[1]/coverage": "clear",
        "/sim/time/warp-easing": False,
        "/sim/time/warp": 0,
        "/sim/time/cur-time-override": int(parse_utc(frame["time_utc"]).timestamp()),
        "/sim/freeze/clock": True,
    }
