"""One running FlightGear: its processes, what it is told, and when its picture is ready.

Its clock is frozen at the frame's time: then the picture stops changing once everything is loaded, and that
is what is waited for, after the view it reports and the ground under the thresholds are right.
"""

import contextlib
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from lard.errors import SourceError
from lard.geodesy import ecef_from_geodetic, geodesic_inverse, wrap_deg
from lard.render.journal import Picture
from lard.scenario.formats_model import parse_utc
from lard.simulators.core import Frame, SimulatorFault
from lard.simulators.flightgear.framebuffer import Screen
from lard.simulators.flightgear.install import Installation, airport_meshes
from lard.simulators.flightgear.process import Child, cache_root, free_port, own_folder, port_free
from lard.simulators.flightgear.properties import Properties
from lard.simulators.flightgear.settings import FlightGearSettings, field_of_view_deg, properties_of

_LOADED_WITHIN_M = 12_000.0  # FlightGear keeps the tiles of at least this distance around the camera
_Running = TypeVar("_Running", Child, Screen)

# FlightGear runs this once per drawn frame: a counter, runway points without ground, and what the view shows
_PROBE = """
globals.lard_points = [];
globals.lard_count = 0;
globals.lard_probe = func {
  globals.lard_count += 1;
  var missing = 0;
  foreach (var p; globals.lard_points) {
    var ground = geodinfo(p[0], p[1]);
    if (ground == nil or ground[1] == nil) missing += 1;
  }
  var v = props.globals.getNode("/sim/current-view");
  setprop("/lard/seen", sprintf("%d %d %.4f %.4f %.4f %.6f %.6f %.6f %.6f %.3f %s",
    globals.lard_count, missing,
    v.getValue("viewer-x-m"), v.getValue("viewer-y-m"), v.getValue("viewer-z-m"),
    getprop("/orientation/heading-deg"), getprop("/orientation/pitch-deg"), getprop("/orientation/roll-deg"),
    v.getValue("field-of-view"), getprop("/environment/visibility-m"), getprop("/sim/time/gmt")));
  settimer(globals.lard_probe, 0, 1);
};
globals.lard_probe();
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What FlightGear says it shows: the probe's line."""

    count: int
    missing: int
    view_ecef: tuple[float, float, float]
    yaw_deg: float
    pitch_deg: float
    roll_deg: float
    fov_deg: float
    visibility_m: float
    gmt: str

    @classmethod
    def of_text(cls, text: object) -> "Seen | None":
        """The probe's line read; None when it has not run yet or says something else."""
        parts = str(text).split()
        try:
            numbers = [float(part) for part in parts[:10]]
            x, y, z, yaw, pitch, roll, fov, visibility = numbers[2:]
            return cls(
                int(numbers[0]), int(numbers[1]), (x, y, z), yaw, pitch, roll, fov, visibility, parts[10]
            )
        except (ValueError, IndexError):
            return None

    def misfits(self, frame: Frame) -> list[str]:
        """What differs from the frame asked for."""
        wanted = ecef_from_geodetic(frame["lat_deg"], frame["lon_deg"], frame["alt_m"])
        checks = {
            "position m": (float(np.linalg.norm(np.subtract(self.view_ecef, wanted))), 1e-3),
            "yaw deg": (float(wrap_deg(self.yaw_deg - frame["yaw_deg"])), 1e-4),
            "pitch deg": (self.pitch_deg - frame["pitch_deg"], 1e-4),
            "roll deg": (float(wrap_deg(self.roll_deg - frame["roll_deg"])), 1e-4),
            "field of view deg": (self.fov_deg - field_of_view_deg(frame), 1e-4),
            "visibility m": (self.visibility_m - frame["visibility_m"], 1.0),
        }
        faults = [
            f"{name} off by {gap:.4g}" for name, (gap, limit) in checks.items() if not abs(gap) <= limit
        ]
        if self.gmt != f"{parse_utc(frame['time_utc']):%Y-%m-%dT%H:%M:%S}":
            faults.append(f"time {self.gmt}, expected {frame['time_utc']}")
        return faults


def _changed_px(picture: Picture, other: Picture) -> int:
    """Pixels that differ at all."""
    return int((picture != other).any(axis=-1).sum())


class FlightGear:
    """One FlightGear with its screen, its D-Bus and its home folder; see core.Simulator."""

    CONFIRMED = 3  # answers, each a drawn frame, after the pose is confirmed; the picture lags by one or two
    ARRIVED = (16, 6)  # confirmed answers and calm ones where objects still load: after a start or a jump
    CALM = 2e-5  # share of the pixels that may change from one answer to the next: blinking lights
    AGAIN = 20  # wrong answers after which a frame is set once more
    MAX_ANSWERS = 80

    def __init__(
        self, installation: Installation, settings: FlightGearSettings,
        points: Mapping[str, list[tuple[float, float]]], number: int, size: tuple[int, int],
    ) -> None:  # fmt: skip
        self.installation, self.settings, self.points, self.size = installation, settings, points, size
        self.port = settings.port + number if settings.port else 0
        self.window = (size[0] * settings.supersample, size[1] * settings.supersample)
        self.stack = contextlib.ExitStack()
        self.stopped = False
        self.airport = self.frame_id = ""
        self.watched: list[list[float]] = []

    def start(self) -> None:
        """Start screen, bus and simulator, and wait until it draws scenery and answers."""
        if self.port and not port_free(self.port):
            raise SourceError(
                f"port {self.port} is in use; stop what listens there (ss -ltnp) or set flightgear.port to 0"
            )
        self.port = self.port or free_port()
        home = self.stack.enter_context(own_folder(cache_root() / "flightgear"))
        self.home = home
        self._room_for(home)
        self.screen = self._child(Screen(*self.window, home))
        # an abstract socket: nothing is left behind, whatever ends the bus
        bus_address = f"unix:abstract=lard-{os.getpid()}-{self.port}"
        bus = ["dbus-daemon", "--session", "--nofork", "--nopidfile", f"--address={bus_address}"]
        self.bus = self._child(Child(bus, home / "dbus.log", ending="TERM"))
        env = {
            **os.environ, "DISPLAY": self.screen.display, "HOME": str(home), "FG_HOME": str(home),
            "XDG_RUNTIME_DIR": str(home), "QT_QPA_PLATFORM": "offscreen", "LIBGL_ALWAYS_SOFTWARE": "1",
            "DBUS_SESSION_BUS_ADDRESS": bus_address,
        }  # fmt: skip
        self.program = self._child(Child(self._command(), home / "fgfs.log", env))
        self._wait_for_start()

    def _child(self, child: _Running) -> _Running:
        self.stack.callback(child.stop)
        return child

    def _room_for(self, home: Path) -> None:
        """SourceError when the home's file system cannot hold the navigation cache and the screen."""
        free = shutil.disk_usage(home).free
        needed = 60_000_000 + (0 if any(home.glob("navdata*")) else 250_000_000)
        if free < needed:
            raise SourceError(
                f"{home}: {free / 1e6:.0f} MB free, expected {needed / 1e6:.0f} MB for FlightGear's caches; "
                "make room or set LARD_CACHE to another folder"
            )

    def _command(self) -> list[str]:
        root, drawn = self.installation.root, self.settings
        extra = [folder for folder in self.installation.scenery if folder != root / "Scenery"]
        return [
            str(self.installation.program), f"--fg-root={root}",
            *([f"--fg-scenery={os.pathsep.join(map(str, extra))}"] if extra else []),
            "--aircraft=ufo", "--fdm=null", f"--airport={self._start_airport()}",
            f"--geometry={self.window[0]}x{self.window[1]}", "--fov=60",
            "--disable-fullscreen", "--disable-sound", "--disable-hud", "--disable-panel",
            "--disable-splash-screen", "--disable-terrasync", "--disable-real-weather-fetch",
            "--disable-ai-models", "--disable-ai-traffic", "--disable-clouds3d",
            f"--{'enable' if drawn.objects else 'disable'}-random-objects",
            f"--prop:bool:/sim/rendering/random-vegetation={str(drawn.vegetation).lower()}",
            "--prop:/sim/menubar/visibility=false",
            "--prop:/sim/rendering/filtering=1",  # anisotropic filtering takes minutes in software
            "--prop:/sim/freeze/clock=true", "--prop:/environment/clouds/status=false",
            f"--httpd=127.0.0.1:{self.port}", "--log-level=warn",
            "--log-class=general,terrain,gl,view,io,environment,aircraft,event,astro,systems",
        ]  # fmt: skip

    def _start_airport(self) -> str:
        """An airport with scenery: FlightGear loads it before it answers."""
        meshes = airport_meshes(self.installation.scenery)
        return next((icao for icao in sorted(self.points) if icao in meshes), min(meshes, default="PHNL"))

    def _wait_for_start(self) -> None:
        end = time.monotonic() + self.settings.start_timeout_s
        # a first start may draw nothing for a while: short questions until it answers, patient ones after
        while True:
            self._demand_alive()
            if time.monotonic() > end:
                raise SimulatorFault(
                    f"FlightGear did not start within {self.settings.start_timeout_s:g} s; "
                    f"{self.program.tail()}"
                )
            try:
                probe = Properties(self.port, min(10.0, self.settings.answer_timeout_s))
                home, loaded = probe.get("/sim/fg-home"), probe.get("/sim/sceneryloaded")
            except SimulatorFault:
                time.sleep(0.3)
                continue
            finally:
                probe.close()
            if Path(str(home)) != self.home:
                raise SourceError(
                    f"port {self.port} is answered by another simulator (home {home}); "
                    "set flightgear.port to 0"
                )
            if loaded in (True, "true", 1):
                break
            time.sleep(0.3)
        self.properties = Properties(self.port, self.settings.answer_timeout_s)
        self.properties.run(_PROBE)
        width, height = (self.properties.get(f"/sim/startup/{name}") for name in ("xsize", "ysize"))
        if (width, height) != self.window:
            raise SourceError(
                f"FlightGear's window is {width} x {height} px, expected "
                f"{self.window[0]} x {self.window[1]}; ask for a smaller picture or less supersample"
            )

    def _demand_alive(self) -> None:
        if self.stopped:
            raise SimulatorFault("stopped")
        for child in (self.screen.server, self.bus, self.program):
            if not child.alive:
                raise SimulatorFault(f"{child.name} {child.ended()}; {child.tail()}")

    def show(self, frame: Frame) -> None:
        """Set the frame's pose, time and weather; wait for its runways' ground and a picture that stays."""
        try:
            points = self._points_near(frame)
            if points != self.watched:
                self.properties.run(f"globals.lard_points = {points};")
                self.watched = points
            before = self.screen.capture()
            self.properties.set(properties_of(frame, self.settings))
            self._settle(frame, before)
            self.airport, self.frame_id = frame["airport"], frame["frame_id"]
        except SimulatorFault as fault:
            self._demand_alive()
            raise SimulatorFault(f"FlightGear: {fault}; {self.program.tail()}") from fault

    def _points_near(self, frame: Frame) -> list[list[float]]:
        """Thresholds of the frame's airport whose ground FlightGear loads, as a Nasal literal."""
        points = np.array(self.points[frame["airport"]])
        distance = geodesic_inverse(frame["lat_deg"], frame["lon_deg"], points[:, 0], points[:, 1])[2]
        return [[float(lat), float(lon)] for lat, lon in points[np.asarray(distance) < _LOADED_WITHIN_M]]

    def _settle(self, frame: Frame, before: Picture) -> None:
        """Wait until ground and view are right and the picture, another than `before`, hardly changes."""
        arrived = frame["airport"] != self.airport
        confirmed_least, calm_least = self.ARRIVED if arrived else (self.CONFIRMED, 1)
        limit_px = max(16.0, self.CALM * before.shape[0] * before.shape[1])
        confirmed, calm, wrong, last, misfits = 0, 0, 0, before, ["no answer yet"]
        for _ in range(self.MAX_ANSWERS):
            self._demand_alive()
            seen = Seen.of_text(self.properties.get("/lard/seen"))
            misfits = seen.misfits(frame) if seen else ["the probe does not run"]
            if seen and seen.missing:
                misfits.append(f"{seen.missing} thresholds without scenery")
            if misfits:
                confirmed, calm, wrong = 0, 0, wrong + 1
                if wrong % self.AGAIN == 0:
                    self.properties.set(properties_of(frame, self.settings))
                continue
            confirmed += 1
            picture = self.screen.capture()
            calm = calm + 1 if _changed_px(picture, last) <= limit_px else 0
            last = picture
            if confirmed < confirmed_least or calm < calm_least:
                continue
            if frame["frame_id"] == self.frame_id or _changed_px(picture, before) > limit_px:
                return
        why = "; ".join(misfits) or "the picture keeps changing, or is the one before"
        raise SimulatorFault(f"not settled within {self.MAX_ANSWERS} frames: {why}")

    def capture(self) -> Picture:
        """The picture shown, shrunk to the size asked for."""
        picture = np.ascontiguousarray(self.screen.capture())
        if self.settings.supersample == 1:
            return picture
        return np.asarray(cv2.resize(picture, self.size, interpolation=cv2.INTER_AREA))

    def stop(self) -> None:
        """End all processes; may be called from another thread."""
        self.stopped = True
        self.stack.pop_all().close()
