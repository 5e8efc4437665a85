"""A local endpoint that speaks X-Plane's documented packets and Web API, and loses or delays some."""

import json
import re
import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import numpy as np
from PIL import Image

POSITION = "sim/flightmodel/position/"


class FakeXPlane:
    """State of the UDP and the web side; every `lose`-th packet is dropped, every `late`-th answered late."""

    def __init__(
        self, screenshots: Path, window: tuple[int, int] = (200, 120), lose: int = 0, late: int = 0
    ) -> None:
        self.screenshots, self.lose, self.late = screenshots, lose, late
        self.values: dict[str, float] = {
            "sim/version/xplane_internal_version": 120105.0,
            "sim/graphics/view/window_width": float(window[0]),
            "sim/graphics/view/window_height": float(window[1]),
            "sim/graphics/view/pilots_head_x": -0.5,
            "sim/graphics/view/pilots_head_y": 1.25,
            "sim/graphics/view/pilots_head_z": -4.0,
            "sim/graphics/scenery/async_scenery_load_in_progress": 0.0,
            **{
                POSITION + name: 0.0 for name in ("latitude", "longitude", "elevation", "theta", "phi", "psi")
            },
        }
        self.placed: tuple[float, ...] = ()
        self.packets: list[bytes] = []
        self.commands: list[str] = []
        self.stuck: set[str] = set()
        self.shots = 0
        self.extra_shots = 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(0.05)
        self.port = self.socket.getsockname()[1]
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()
        self.web: ThreadingHTTPServer | None = None

    def close(self) -> None:
        self.ended.set()
        self.thread.join()
        self.socket.close()
        if self.web is not None:
            self.web.shutdown()
            self.web.server_close()

    def _serve(self) -> None:
        asked: dict[int, tuple[str, tuple[str, int]]] = {}
        count = 0
        while not self.ended.is_set():
            try:
                packet, sender = self.socket.recvfrom(4096)
            except TimeoutError:
                packet = b""
            count += bool(packet)
            if packet and not (self.lose and count % self.lose == 0):
                self.packets.append(packet)
                self._take(packet, sender, asked)
            for number, (name, whom) in list(asked.items()):
                if self.late and number % self.late == 0:
                    time.sleep(0.02)
                    self.values.setdefault(name, 0.0)
                self.socket.sendto(b"RREF," + struct.pack("<if", number, self.values.get(name, 0.0)), whom)

    def _take(
        self, packet: bytes, sender: tuple[str, int], asked: dict[int, tuple[str, tuple[str, int]]]
    ) -> None:
        head = packet[:5]
        if head == b"RREF\0":
            assert len(packet) == 413
            per_second, number = struct.unpack("<ii", packet[5:13])
            name = packet[13:].split(b"\0")[0].decode()
            asked.pop(number, None)
            if per_second:
                asked[number] = (name, sender)
        elif head == b"DREF\0":
            assert len(packet) == 509
            self.set(packet[9:].split(b"\0")[0].decode(), struct.unpack("<f", packet[5:9])[0])
        elif head == b"VEHX\0":
            assert len(packet) == 45
            self.place(struct.unpack("<idddfff", packet[5:]))
        elif head == b"CMND\0":
            self.run(packet[5:].split(b"\0")[0].decode())

    def set(self, name: str, value: float) -> None:
        if name not in self.stuck:
            self.values[name] = value

    def place(self, pose: tuple[float, ...]) -> None:
        self.placed = pose[1:]
        for name, value in zip(
            ("latitude", "longitude", "elevation", "psi", "theta", "phi"), pose[1:], strict=True
        ):
            self.values[POSITION + name] = value

    def run(self, name: str) -> None:
        self.commands.append(name)
        if name == "sim/operation/screenshot":
            for _ in range(1 + self.extra_shots):
                width, height = (
                    int(self.values[f"sim/graphics/view/window_{side}"]) for side in ("width", "height")
                )
                seed = int(abs(self.placed[0] * 1e6)) % 2**32
                pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)
                self.shots += 1
                Image.fromarray(pixels).save(self.screenshots / f"shot {self.shots:04d}.png")

    def serve_web(self) -> str:
        """Start the Web API; its address."""
        fake, names = self, [*self.values, "sim/time/sim_speed"]
        commands = ["sim/view/forward_with_nothing", "sim/operation/screenshot"]

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None: ...

            def answer(self, document: object, status: int = 200) -> None:
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self) -> None:
                url = urlparse(self.path)
                if url.path == "/api/capabilities":
                    return self.answer({"api": {"versions": ["v1", "v2"]}, "x-plane": {"version": "12.1.5"}})
                if url.path in ("/api/v2/datarefs", "/api/v2/commands"):
                    wanted = parse_qs(url.query)["filter[name]"][0]
                    known = commands if url.path.endswith("commands") else names
                    if (
                        known is names
                        and wanted.startswith("sim/")
                        and wanted not in names
                        and "absent" not in wanted
                    ):
                        names.append(wanted)
                    found = [{"id": i, "name": name} for i, name in enumerate(known) if name == wanted]
                    return self.answer({"data": found})
                number = int(re.findall(r"/datarefs/(\d+)/value", url.path)[0])
                return self.answer({"data": fake.values.get(self.key(number, url.query), 0.0)})

            def key(self, number: int, query: str) -> str:
                index = parse_qs(query).get("index")
                return names[number] + (f"[{index[0]}]" if index else "")

            def body(self) -> dict[str, float]:
                return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

            def do_PATCH(self) -> None:
                url = urlparse(self.path)
                number = int(re.findall(r"/datarefs/(\d+)/value", url.path)[0])
                fake.set(self.key(number, url.query), self.body()["data"])
                self.answer({})

            def do_POST(self) -> None:
                self.body()
                fake.run(commands[int(re.findall(r"/command/(\d+)/activate", self.path)[0])])
                self.answer({})

        self.web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.web.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.web.server_port}"
