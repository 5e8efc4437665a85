"""A Cesium globe behind the public LARD Cesium HTTP interface (POST /set_and_get) as a source.

The globe counts altitudes from the WGS84 ellipsoid, frames from mean sea level; a geoid joins them: a
grid file, or the undulation at an airport. The interface takes two fields of view in degrees, uses their
ratio as the picture's aspect and the horizontal one along the longer side; what is sent makes that exact.
"""

import base64
import binascii
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
import requests

from lard.airports.model import RunwayDatabase
from lard.errors import DataError, SourceError
from lard.ground.terrain.dem import undulation_m
from lard.render.journal import Picture
from lard.scenario.formats_model import local_of, parse_utc
from lard.simulators.core import Frame, SimulatorFault, Source
from lard.simulators.driver import render_source

DRIVER_VERSION = 1
SESSION = "lard"


@dataclass(frozen=True, slots=True)
class CesiumSettings:
    """Where the server listens, what its page shows, and how MSL altitudes become ellipsoidal ones."""

    url: str = "http://127.0.0.1:8082"
    layer: str = "default"
    geoid: str = ""  # grid file of undulations
    undulation_m: Mapping[str, float] = field(default_factory=dict)  # by airport, instead of a grid
    licence: str = ""
    attribution: str = ""
    timeout_s: float = 60.0


def render_cesium(
    frames: pl.DataFrame, out_dir: str | Path, db: RunwayDatabase, settings: CesiumSettings,
    *, resume: bool = True, shard: tuple[int, int] = (0, 1), jpeg_quality: int = 92,
) -> pl.DataFrame:  # fmt: skip
    """Render frames with the page that is connected to a LARD Cesium server; return the manifest."""
    faults = [
        f"frame {row['frame_id']}: {text}"
        for row in frames.iter_rows(named=True)
        if (text := _cannot(row, settings)) is not None
    ]
    if faults:
        more = f"\n... and {len(faults) - 10} more" if len(faults) > 10 else ""
        raise DataError("\n".join(faults[:10]) + more)
    if not settings.licence or not settings.attribution:
        raise SourceError(
            "cesium: licence and attribution of the globe's imagery are not stated; the interface does not "
            "tell them, and no picture is kept without"
        )
    what = {
        "layer": settings.layer,
        "geoid": Path(settings.geoid).name,
        "undulation": dict(settings.undulation_m),
    }
    source = Source(
        "cesium", f"LARD Cesium interface, layer {settings.layer}; driver {DRIVER_VERSION}",
        settings.licence, settings.attribution, what, lambda _number, size: Cesium(settings, size),
    )  # fmt: skip
    return render_source(
        frames, out_dir, 1, db, source, resume=resume, shard=shard, jpeg_quality=jpeg_quality
    )


def _cannot(frame: Frame, settings: CesiumSettings) -> str | None:
    """What about a frame the globe cannot show, or None."""
    if frame["earth_model"] != "wgs84":
        return f"earth model is {frame['earth_model']!r}; the globe is WGS84"
    if frame["altitude_datum"] == "msl":
        if not settings.geoid and frame["airport"] not in settings.undulation_m:
            return (
                f"altitudes are above mean sea level and nothing gives the geoid at {frame['airport']}; "
                "name a grid file, or the undulation there"
            )
    elif frame["altitude_datum"] not in ("wgs84", "ellipsoid", "ellipsoidal", "hae"):
        return f"altitude datum {frame['altitude_datum']!r} is unknown; expected msl or wgs84"
    if any(frame.get(name) for name in ("k1", "k2", "k3")):
        return "the camera bends lines (k1, k2, k3); the globe draws them straight"
    if abs(frame["fx_px"] / frame["fy_px"] - 1) > 1e-6:
        return f"focal lengths {frame['fx_px']:g} and {frame['fy_px']:g} px; the globe's pixels are square"
    if (frame["cx_px"], frame["cy_px"]) != (frame["width_px"] / 2, frame["height_px"] / 2):
        return f"principal point {frame['cx_px']:g}, {frame['cy_px']:g} px is not the middle of the picture"
    return None


def request_of(frame: Frame, settings: CesiumSettings) -> dict[str, Any]:
    """The body of POST /set_and_get for a frame."""
    width, height = int(frame["width_px"]), int(frame["height_px"])
    longer = max(width, height)
    fov_deg = math.degrees(2 * math.atan(longer / 2 / frame["fx_px"]))
    altitude = float(frame["alt_m"])
    if frame["altitude_datum"] == "msl":
        altitude += _undulation(frame, settings)
    clock = local_of(parse_utc(frame["time_utc"]), 0.0, "UTC")
    return {
        "sid": SESSION,
        "id": frame["frame_id"],
        "environment": {"layer": settings.layer},
        "camera": {
            "coordinates": {
                "latitude_deg": frame["lat_deg"], "longitude_deg": frame["lon_deg"], "altitude_m": altitude,
            },
            "attitude": {
                "heading_deg": frame["yaw_deg"], "pitch_deg": frame["pitch_deg"],
                "roll_deg": frame["roll_deg"],
            },
            # along the longer side, and such that their ratio is the aspect
            "fov_horizontal_deg": fov_deg,
            "fov_vertical_deg": fov_deg * height / width,
            "width_px": width,
            "height_px": height,
            "brightness": 1, "contrast": 1, "hue": 0, "saturation": 1, "gamma": 1,
            "crop_xywh_px": None, "crop_width_resize_px": None, "crop_height_resize_px": None,
        },
        "frame": {"get": True, "save": False, "save_folder_path": "", "file_extension": ".png", "data": None},
        "daytime": {
            **dict(zip(("year", "month", "day", "hour", "minute", "second"), clock, strict=True)),
            "timestamp": None,
        },
        "landmarks": {},
        "drawings": {},
    }  # fmt: skip


def _undulation(frame: Frame, settings: CesiumSettings) -> float:
    if frame["airport"] in settings.undulation_m:
        return float(settings.undulation_m[frame["airport"]])
    value = undulation_m(settings.geoid, np.array([frame["lat_deg"]]), np.array([frame["lon_deg"]]))[0]
    if not np.isfinite(value):
        raise DataError(f"{settings.geoid}: no undulation at {frame['lat_deg']}, {frame['lon_deg']}")
    return float(value)


class Cesium:
    """The page connected to one server; it is not ours to start."""

    def __init__(self, settings: CesiumSettings, size: tuple[int, int]) -> None:
        self.settings, self.size = settings, size
        self.session = requests.Session()
        self.session.trust_env = False
        self.picture: Picture | None = None

    def start(self) -> None:
        """See whether the server answers."""
        try:
            answer = self.session.get(f"{self.settings.url}/get_airports", timeout=self.settings.timeout_s)
            answer.raise_for_status()
        except requests.RequestException as error:
            raise SourceError(
                f"{self.settings.url}: no LARD Cesium server answers ({type(error).__name__}); start it and "
                "open its page in a browser"
            ) from error

    def show(self, frame: Frame) -> None:
        """Set the view and keep the picture that comes back with it."""
        url = f"{self.settings.url}/set_and_get"
        try:
            answer = self.session.post(
                url, json=request_of(frame, self.settings), timeout=self.settings.timeout_s
            )
            answer.raise_for_status()
            document = answer.json()
        except (requests.RequestException, ValueError) as error:
            raise SimulatorFault(f"{url}: {type(error).__name__}: {str(error)[:200]}") from error
        data = document.get("frame", {}).get("data") if isinstance(document, dict) else None
        if not data:
            raise SimulatorFault(f"{url}: no picture came back; is the page open in a browser?")
        if str(document.get("id", frame["frame_id"])) != frame["frame_id"]:
            raise SimulatorFault(f"{url}: the picture is of {document['id']}, not of {frame['frame_id']}")
        self.picture = _decoded(str(data), url)

    def capture(self) -> Picture:
        """The picture of the last view."""
        if self.picture is None:
            raise SimulatorFault("no picture was asked for")
        picture, self.picture = self.picture, None
        return picture

    def stop(self) -> None:
        """Let go of the connection."""
        self.session.close()


def _decoded(text: str, url: str) -> Picture:
    """RGB pixels of a base64 picture, with or without a data: prefix."""
    try:
        data = base64.b64decode(text.partition("base64,")[2] or text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise SimulatorFault(f"{url}: what came back is no base64") from error
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if pixels is None:
        raise SimulatorFault(f"{url}: what came back is no picture")
    return np.ascontiguousarray(pixels[..., ::-1])
