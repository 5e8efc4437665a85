"""A real HTTP server of painted tiles that can misbehave, and a pattern that tells where its pixels lie."""

import io
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from PIL import Image
from pyproj import Transformer

from lard.geodesy import ecef_from_geodetic, to_enu
from lard.ground.fetched.address import Redactor
from lard.ground.fetched.http import Http, HttpSettings
from lard.ground.pyramid import load_ground

LAT, LON = 47.0, 8.0
WAVE_LON_DEG, WAVE_LAT_DEG = 24.0 / 76000, 24.0 / 111000
"""Wave lengths of the pattern: about 24 m."""


M_PER_LON_DEG, M_PER_LAT_DEG = 76060.0, 111170.0


def pattern(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """Grey levels (..., 3) at places: waves eastwards, northwards and across."""
    u, v = 2 * np.pi * (lon - LON) / WAVE_LON_DEG, 2 * np.pi * (lat - LAT) / WAVE_LAT_DEG
    return 127.5 + 100 * np.stack([np.sin(u), np.sin(v), np.sin(0.5 * u + 0.3 * v)], axis=-1)


def png(colours: np.ndarray, form: str = "PNG") -> bytes:
    stream = io.BytesIO()
    quick = {"compress_level": 1} if form == "PNG" else {}
    Image.fromarray(np.rint(colours).astype(np.uint8)).save(stream, form, **quick)
    return stream.getvalue()


@cache
def slippy_tile(zoom: int, x: int, y: int, size: int = 256) -> bytes:
    """A web mercator tile of the pattern, by the formulas of the slippy map, not by ours."""
    i = (np.arange(size) + 0.5) / size
    lon = (x + i) / 2**zoom * 360 - 180
    lat = np.degrees(np.arctan(np.sinh(np.pi * (1 - 2 * (y + i) / 2**zoom))))
    return png(pattern(*np.meshgrid(lat, lon, indexing="ij")))


@cache
def crs_tile(crs: str, left: float, top: float, pixel: float, col: int, row: int, size: int = 256) -> bytes:
    """A tile of the pattern in some CRS, from the origin of the grid and its pixel size."""
    x = left + (col * size + np.arange(size) + 0.5) * pixel
    y = top - (row * size + np.arange(size) + 0.5) * pixel
    to_geodetic = Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    lon, lat = to_geodetic.transform(*np.meshgrid(x, y))
    return png(pattern(lat, lon))


def worst_shift_px(folder: Path, level: int = 0, cell: int = 64) -> float:
    """Largest displacement of a level's pixels against the pattern, fitted in nine cells from rim to rim."""
    ground = load_ground(folder).read_all()
    image, entry = ground.level_array(level).astype(float), ground.levels[level]
    gsd, worst = entry.gsd_m, 0.0
    rows = np.linspace(0, entry.height_px - cell, 3).astype(int)
    columns = np.linspace(0, entry.width_px - cell, 3).astype(int)
    for r, c in ((int(r), int(c)) for r in rows for c in columns):
        x, y = np.meshgrid(
            entry.x_min_m + (c + np.arange(cell) + 0.5) * gsd,
            entry.y_max_m - (r + np.arange(cell) + 0.5) * gsd,
        )
        lat, lon = _geodetic(x, y, ground.lat0_deg, ground.lon0_deg)
        expected = pattern(lat, lon) - 127.5
        east = (pattern(lat, lon + 1e-8) - 127.5 - expected) * (gsd / (1e-8 * M_PER_LON_DEG))
        south = (pattern(lat - 1e-8, lon) - 127.5 - expected) * (gsd / (1e-8 * M_PER_LAT_DEG))
        basis = np.column_stack([a[..., :2].ravel() for a in (expected, east, south)])
        seen = image[r : r + cell, c : c + cell, :2].ravel() - 127.5
        gain, by_x, by_y = np.linalg.lstsq(basis, seen, rcond=None)[0]
        worst = max(worst, abs(by_x / gain), abs(by_y / gain))
        assert gain > 0.7, f"the pattern is lost: gain {gain:.2f} at row {r}, column {c} of level {level}"
    return worst


def _geodetic(x: np.ndarray, y: np.ndarray, lat0: float, lon0: float) -> tuple[np.ndarray, np.ndarray]:
    """Places of map coordinates: Newton on the east and north of the ellipsoid's points."""
    lat, lon = lat0 + y / 111000.0, lon0 + x / (111320.0 * np.cos(np.radians(lat0)))
    for _ in range(6):
        enu = to_enu(ecef_from_geodetic(lat, lon, 0.0), lat0, lon0, 0.0)
        lat = lat + (y - enu[..., 1]) / 111200.0
        lon = lon + (x - enu[..., 0]) / (111320.0 * np.cos(np.radians(lat)))
    assert np.abs(enu[..., 0] - x).max() < 1e-4 and np.abs(enu[..., 1] - y).max() < 1e-4
    return lat, lon


Answer = tuple[int, dict[str, str], bytes]


class Server:
    """Answers with `answer(path)`; counts requests, and knows how to misbehave."""

    def __init__(self, answer: Callable[[str], Answer | None]) -> None:
        self.answer = answer
        self.asked: Counter[str] = Counter()
        self.agents: set[str] = set()
        self.times_s: list[float] = []
        self.truncate: set[str] = set()
        self.drip_s = 0.0
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                owner.asked[self.path] += 1
                owner.agents.add(self.headers.get("User-Agent", ""))
                owner.times_s.append(time.monotonic())
                found = owner.answer(self.path)
                if found is None:
                    found = 404, {}, b"no such tile"
                status, headers, body = found
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.path in owner.truncate:
                    body = body[: len(body) // 2]
                    self.close_connection = True
                try:
                    if owner.drip_s:
                        for byte in body:
                            self.wfile.write(bytes([byte]))
                            time.sleep(owner.drip_s)
                    else:
                        self.wfile.write(body)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.port = self._http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


@contextmanager
def serving(answer: Callable[[str], Answer | None]) -> Iterator[Server]:
    server = Server(answer)
    server.start()
    try:
        yield server
    finally:
        server.close()


def slippy_answer(path: str) -> Answer | None:
    """/z/x/y.png of the pattern."""
    zoom, x, y = (int(part) for part in path.partition("?")[0].strip("/").removesuffix(".png").split("/"))
    return 200, {"Content-Type": "image/png"}, slippy_tile(zoom, x, y)


def quick_http(server: Server | None, **changes: object) -> Http:
    """The network for tests: fast, and allowed to ask this server."""
    hosts = (f"127.0.0.1:{server.port}",) if server is not None else ()
    settings = {
        "rate_per_s": 1000.0, "attempts": 3, "backoff_s": 0.01, "allow_hosts": hosts,
        "read_timeout_s": 5.0, **changes,
    }  # fmt: skip
    return Http(HttpSettings(**settings), Redactor())  # type: ignore[arg-type]


@contextmanager
def raw(*parts: bytes, pause_s: float = 0.0, forever: bytes = b"") -> Iterator[int]:
    """A socket that sends these bytes whatever is asked, then repeats `forever` until the reader leaves."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    def talk(connection: socket.socket) -> None:
        try:
            connection.recv(65536)
            for part in parts:
                connection.sendall(part)
            while forever:
                connection.sendall(forever)
                time.sleep(pause_s)
            connection.close()
        except OSError:
            connection.close()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()
