"""The running X-Plane: a frame is shown by placing the aircraft, and its picture is a screenshot's middle.

The aircraft is put where the pilot's eye then stands at the frame's pose: the eye is metres away from the
aircraft's reference point. The field of view is that of the whole window, so that its middle, cut to the
frame's size, has the frame's focal length.
"""

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lard.camera import Poses, cam_from_ecef
from lard.errors import SourceError
from lard.geodesy import geodetic_from_ecef, wrap_deg
from lard.render.journal import Picture
from lard.scenario.formats_model import parse_utc
from lard.simulators.core import Frame, SimulatorFault
from lard.simulators.xplane import packets
from lard.simulators.xplane.link import Link, UdpLink, WebLink
from lard.simulators.xplane.settings import XPlaneSettings

_POSITION = "sim/flightmodel/position/"
_PLACED = tuple(_POSITION + name for name in ("latitude", "longitude", "elevation", "theta", "phi", "psi"))
_EYE = tuple(f"sim/graphics/view/pilots_head_{axis}" for axis in "xyz")
_WINDOW = ("sim/graphics/view/window_width", "sim/graphics/view/window_height")
_LOADING = "sim/graphics/scenery/async_scenery_load_in_progress"
_FOV = "sim/graphics/view/field_of_view_deg"
_M_PER_SM = 1609.344
_QUIET_POLLS = 4  # looks at a screenshot that neither grows nor gets company
_FAR_M = 20_000.0  # a jump of more loads other scenery


def window_fov_deg(fx_px: float, window_width_px: float) -> float:
    """Full horizontal field of view of a window whose middle has the focal length fx_px."""
    return math.degrees(2 * math.atan(window_width_px / 2 / fx_px))


def aircraft_position(frame: Frame, eye_m: tuple[float, float, float]) -> tuple[float, float, float]:
    """Latitude, longitude (degrees), altitude (m) of the aircraft whose pilot's eye is at the pose.

    eye_m: the eye in the aircraft's axes, right, up and backwards of its reference point, metres.
    """
    poses = Poses(
        *(frame[name] for name in ("lat_deg", "lon_deg", "alt_m", "yaw_deg", "pitch_deg", "roll_deg"))
    )
    rotation, origin = cam_from_ecef(poses)
    right, up, back = eye_m
    lat, lon, alt = geodetic_from_ecef(origin[0] - rotation[0].T @ np.array([right, -up, -back]))
    return float(lat), float(lon), float(alt)


class XPlane:
    """The one running X-Plane; it is not ours to start or to end."""

    def __init__(self, settings: XPlaneSettings, size: tuple[int, int], version: int) -> None:
        self.settings, self.size, self.version = settings, size, version
        self.udp: UdpLink | None = None
        self.link: Link | None = None
        self.eye_m = (0.0, 0.0, 0.0)
        self.window = (0, 0)
        self.last: Mapping[str, Any] | None = None
        self.written: dict[str, float] = {}

    def start(self) -> None:
        """Connect, take the forward view without panel and learn the window's size and the eye's place."""
        settings = self.settings
        self.udp = UdpLink(settings.host, settings.port, settings.timeout_s)
        self.link = WebLink(settings.web_url, settings.timeout_s) if settings.web_url else self.udp
        self.link.command("sim/view/forward_with_nothing")
        self._write({"sim/time/sim_speed": 0.0, "sim/time/use_system_time": 0.0})
        values = self.link.read([*_WINDOW, *_EYE])
        self.window = (round(values[_WINDOW[0]]), round(values[_WINDOW[1]]))
        self.eye_m = (values[_EYE[0]], values[_EYE[1]], values[_EYE[2]])
        if self.window[0] < self.size[0] or self.window[1] < self.size[1]:
            raise SourceError(
                f"X-Plane's window is {self.window[0]}x{self.window[1]} px, smaller than the frames' "
                f"{self.size[0]}x{self.size[1]}; enlarge it (Settings > Graphics)"
            )

    def _write(self, values: Mapping[str, float]) -> None:
        assert self.link is not None
        changed = {name: value for name, value in values.items() if self.written.get(name) != value}
        if changed:
            self.link.write(changed)
            self.written.update(changed)

    def show(self, frame: Frame) -> None:
        """Set time, weather and field of view, put the aircraft there, wait for scenery and verify."""
        assert self.udp is not None and self.link is not None
        moment = parse_utc(frame["time_utc"])
        self._write(
            {
                "sim/time/local_date_days": float(moment.timetuple().tm_yday - 1),
                "sim/time/zulu_time_sec": float(moment.hour * 3600 + moment.minute * 60 + moment.second),
                _FOV: window_fov_deg(frame["fx_px"], self.window[0]),
                **self._weather(frame),
            }
        )
        place = aircraft_position(frame, self.eye_m)
        packet = packets.vehx(*place, frame["yaw_deg"], frame["pitch_deg"], frame["roll_deg"])
        # twice: X-Plane works the first one's elevation out at the place it comes from
        self.udp.send(packet)
        self.udp.send(packet)
        far = self.last is None or _distance_m(self.last, frame) > _FAR_M
        self._wait_for_scenery(far)
        for _ in range(3):
            seen = self.link.read(_PLACED)
            if _misplaced(seen, place, frame) is None:
                break
            self.udp.send(packet)
            self.udp.send(packet)
            time.sleep(self.settings.settle_s / 4)
        else:
            raise SimulatorFault(f"X-Plane does not go to the pose: {_misplaced(seen, place, frame)}")
        self.last = dict(frame)

    def _weather(self, frame: Frame) -> dict[str, float]:
        visibility_m = float(frame["visibility_m"])
        cloud, rain = float(frame.get("cloud_fraction") or 0.0), float(frame.get("rain_mm_h") or 0.0)
        if self.version >= 120000:
            region = "sim/weather/region/"
            return {
                region + "visibility_reported_sm": visibility_m / _M_PER_SM,
                region + "cloud_coverage_percent[0]": cloud,
                region + "rain_percent": min(rain / 50.0, 1.0),
            }
        return {
            "sim/weather/use_real_weather_bool": 0.0,
            "sim/weather/visibility_reported_m": visibility_m,
            "sim/weather/cloud_type[0]": float(round(4 * cloud)),
            "sim/weather/rain_percent": min(rain / 50.0, 1.0),
        }

    def _wait_for_scenery(self, far: bool) -> None:
        assert self.link is not None
        settings = self.settings
        deadline = time.monotonic() + settings.load_timeout_s
        calm = 0
        wanted = 3 if far else 1
        while calm < wanted:
            time.sleep(settings.settle_s / wanted)
            calm = 0 if self.link.read([_LOADING])[_LOADING] else calm + 1
            if time.monotonic() > deadline:
                raise SimulatorFault(f"X-Plane is still loading scenery after {settings.load_timeout_s:g} s")

    def capture(self) -> Picture:
        """Ask for a screenshot, wait for its file and cut the middle out of it."""
        assert self.link is not None
        folder = self.settings.screenshots
        before = {path.name for path in folder.iterdir()}
        self.link.command("sim/operation/screenshot")
        path = _new_file(folder, before, self.settings.screenshot_timeout_s)
        pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if pixels is None:
            raise SimulatorFault(f"{path.name}: X-Plane's screenshot cannot be read")
        height, width = pixels.shape[:2]
        if (width, height) != self.window:
            raise SimulatorFault(
                f"{path.name}: {width}x{height} px, X-Plane's window has {self.window[0]}x{self.window[1]}; "
                "its size was changed, or the display is scaled"
            )
        left, top = (width - self.size[0]) / 2, (height - self.size[1]) / 2
        if left % 1 or top % 1:
            raise SourceError(
                f"X-Plane's window of {width}x{height} px and frames of {self.size[0]}x{self.size[1]} differ "
                "by an odd number of pixels: the middle would lie half a pixel off; change the window by one"
            )
        cut = pixels[int(top) : int(top) + self.size[1], int(left) : int(left) + self.size[0], ::-1]
        return np.ascontiguousarray(cut)

    def stop(self) -> None:
        """Let go of the connection; X-Plane runs on."""
        if self.link is not None:
            self.link.close()
        if self.udp is not None:
            self.udp.close()
        self.link = self.udp = None
        self.written.clear()


def _new_file(folder: Path, before: set[str], timeout_s: float) -> Path:
    """The one picture that has appeared in a folder and stopped growing."""
    deadline = time.monotonic() + timeout_s
    size, quiet = -1, 0
    while time.monotonic() < deadline:
        new = sorted(
            p for p in folder.iterdir() if p.name not in before and p.suffix.lower() in (".png", ".jpg")
        )
        if len(new) > 1:
            raise SimulatorFault(
                f"{folder}: {len(new)} new screenshots ({', '.join(p.name for p in new[:3])}); one was asked "
                "for, nothing says which belongs to the frame"
            )
        if new:
            now = new[0].stat().st_size
            quiet = quiet + 1 if now == size and now > 0 else 0
            if quiet == _QUIET_POLLS:
                return new[0]
            size = now
        time.sleep(0.05)
    raise SimulatorFault(
        f"{folder}: no screenshot within {timeout_s:g} s; is this the folder that X-Plane writes to?"
    )


def _distance_m(a: Mapping[str, Any], b: Mapping[str, Any]) -> float:
    north = (a["lat_deg"] - b["lat_deg"]) * 111_000.0
    east = float(wrap_deg(a["lon_deg"] - b["lon_deg"])) * 111_000.0 * math.cos(math.radians(a["lat_deg"]))
    return math.hypot(north, east)


def _misplaced(seen: Mapping[str, float], place: tuple[float, float, float], frame: Frame) -> str | None:
    """What of a read-back pose is off, or None: 32-bit degrees are metres, so only gross errors show."""
    lat, lon, alt, pitch, roll, yaw = (seen[name] for name in _PLACED)
    limits = (
        ("latitude", lat - place[0], 3e-5), ("longitude", float(wrap_deg(lon - place[1])), 5e-5),
        ("elevation", alt - place[2], 0.5), ("pitch", pitch - frame["pitch_deg"], 0.01),
        ("roll", float(wrap_deg(roll - frame["roll_deg"])), 0.01),
        ("heading", float(wrap_deg(yaw - frame["yaw_deg"])), 0.01),
    )  # fmt: skip
    wrong = [f"{name} off by {off:.5g}" for name, off, limit in limits if not abs(off) <= limit]
    return ", ".join(wrong) or None
