"""Stand-ins for fgfs, Xvfb and dbus-daemon, run as programs: what FlightGear answers, without FlightGear.

`fake_installation` makes a folder of them. The fake fgfs keeps a property tree behind the HTTP interface,
draws a plain colour that encodes its latitude into Xvfb's framebuffer file, and misbehaves as FAKE_FG asks:
hang=N, die=N (at the N-th frame set, once), stuck (always), wrong, late, small, deaf, empty.
"""

import gzip
import json
import os
import stat
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np


def colour_of(lat_deg: float) -> tuple[int, int, int]:
    """The colour that the fake draws at a latitude: 0.001 degrees make one level of red."""
    level = round((lat_deg - 47.0) * 1000) % 200
    return 20 + level, 220 - level, 60


def xwd(width: int, height: int, rgb: tuple[int, int, int]) -> bytes:
    """An XWD file of one colour with a darker band at the bottom, so that it is not blank."""
    header = struct.pack(
        ">25I", 100, 7, 2, 24, width, height, 0, 0, 32, 0, 32, 32, 4 * width, 4, 0xFF0000, 0xFF00, 0xFF,
        8, 256, 0, width, height, 0, 0, 0,
    )  # fmt: skip
    pixels = np.zeros((height, width, 4), np.uint8)
    pixels[..., :3] = rgb[::-1]
    pixels[height - height // 8 :, :, :3] //= 2
    return header + pixels.tobytes()


def fake_installation(
    folder: Path, airports: tuple[str, ...] = ("XTST",), version: str = "2020.3.16"
) -> dict[str, str]:
    """Make the programs and a data root; the environment that finds them."""
    programs, root = folder / "bin", folder / "root"
    programs.mkdir(parents=True, exist_ok=True)
    for name in ("fgfs", "Xvfb", "dbus-daemon"):
        path = programs / name
        path.write_text(f'#!/bin/sh\nexec {sys.executable} -E {Path(__file__).resolve()} {name} "$@"\n')
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    tiles = root / "Scenery" / "Terrain" / "e000n40" / "e008n47"
    tiles.mkdir(parents=True, exist_ok=True)
    (root / "version").write_text(version + "\n")
    for icao in airports:
        (tiles / f"{icao}.btg.gz").write_bytes(gzip.compress(struct.pack("<IIH", 0x53470007, 0, 0)))
    return {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "LARD_FGFS": str(programs / "fgfs"),
        "FG_ROOT": str(root), "LARD_CACHE": str(folder / "cache"), "FG_SCENERY": "",
    }  # fmt: skip


def _option(arguments: list[str], name: str) -> str:
    return next(a.split("=", 1)[1] for a in arguments if a.startswith(name + "="))


def xvfb(arguments: list[str]) -> None:
    width, height, _ = (int(x) for x in arguments[arguments.index("-screen") + 2].split("x"))
    folder = Path(arguments[arguments.index("-fbdir") + 1])
    (folder / "Xvfb_screen0").write_bytes(xwd(width, height, (0, 0, 0)))
    os.write(int(arguments[arguments.index("-displayfd") + 1]), b"77\n")
    time.sleep(600)


class Fake:
    """State of the fake simulator."""

    def __init__(self, arguments: list[str]) -> None:
        self.home = Path(os.environ["FG_HOME"])
        self.size = tuple(int(x) for x in _option(arguments, "--geometry").split("x"))
        self.mode, _, at = os.environ.get("FAKE_FG", "ok").partition("=")
        self.at = int(at or 1)
        self.values: dict[str, object] = {
            "/sim/fg-home": str(self.home), "/sim/sceneryloaded": True,
            "/sim/startup/xsize": self.size[0] - (self.mode == "small"), "/sim/startup/ysize": self.size[1],
        }  # fmt: skip
        self.shown: dict[str, object] = {}
        self.sets = self.count = self.behind = 0

    def set(self, node: dict, path: str = "") -> None:
        for child in node.get("children", []):
            index = f"[{child['index']}]" if child.get("index") else ""
            here = f"{path}/{child['name']}{index}"
            if "value" in child:
                self.values[here] = child["value"]
            self.set(child, here)

    def frame_set(self) -> None:
        self.sets += 1
        self.behind = 4 if self.mode == "late" else 1
        once = self.home.parent / "misbehaved"
        if self.sets == self.at and self.mode in ("hang", "die") and not once.exists():
            once.touch()
            self.misbehave(self.mode)
        if self.mode == "stuck":
            print("fatal: no such luck", flush=True)
            self.misbehave("die")

    def misbehave(self, how: str) -> None:
        if how == "die":
            os._exit(3)
        time.sleep(600)

    def seen(self) -> str:
        """One drawn frame: the pose catches up, then the picture a frame later."""
        self.count += 1
        self.behind = max(self.behind - 1, -2)
        if self.behind <= 0:
            self.shown = dict(self.values)
        if self.behind <= -1:
            self.draw()
        v = self.shown
        if "/position/latitude-deg" not in v:
            return "1 0 0 0 0 0 0 0 60 0 -"
        lat, lon, alt = (np.radians(v["/position/latitude-deg"]), np.radians(v["/position/longitude-deg"]),
                         v["/position/altitude-ft"] * 0.3048)  # fmt: skip
        a, e2 = 6378137.0, 0.0066943799901413165
        n = a / np.sqrt(1 - e2 * np.sin(lat) ** 2)
        x, y = (n + alt) * np.cos(lat) * np.cos(lon), (n + alt) * np.cos(lat) * np.sin(lon)
        z = (n * (1 - e2) + alt) * np.sin(lat) + (3.0 if self.mode == "wrong" else 0.0)
        gmt = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(v["/sim/time/cur-time-override"]))
        missing = 2 if self.mode == "empty" else 0
        return (
            f"{self.count} {missing} {x:.4f} {y:.4f} {z:.4f} {v['/orientation/heading-deg']:.6f} "
            f"{v['/orientation/pitch-deg']:.6f} {v['/orientation/roll-deg']:.6f} "
            f"{v['/sim/current-view/field-of-view']:.6f} {v['/environment/visibility-m']:.3f} {gmt}"
        )

    def draw(self) -> None:
        rgb = (
            colour_of(self.shown["/position/latitude-deg"])
            if "/position/latitude-deg" in self.shown
            else (0, 0, 9)
        )
        (self.home / "Xvfb_screen0").write_bytes(xwd(*self.size, rgb))


def fgfs(arguments: list[str]) -> None:
    fake = Fake(arguments)
    if fake.mode == "deaf":
        time.sleep(600)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 65536  # one packet per answer

        def log_message(self, *_: object) -> None:
            """Quiet."""

        def answer(self, text: str) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def do_GET(self) -> None:
            path = self.path.removeprefix("/json")
            value = fake.seen() if path == "/lard/seen" else fake.values.get(path)
            self.answer(json.dumps({"path": path, "value": value}))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path == "/json/":
                fake.set(body)
                fake.frame_set()
            self.answer("{}")

    host, port = _option(arguments, "--httpd").split(":")
    server = HTTPServer((host, int(port)), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("[INFO] fake FlightGear", flush=True)
    time.sleep(600)


if __name__ == "__main__":
    {"Xvfb": xvfb, "fgfs": fgfs, "dbus-daemon": lambda _: time.sleep(600)}[sys.argv[1]](sys.argv[2:])
