"""The LARD Cesium HTTP interface against a local server that answers as documented, empty or wrongly."""

import base64
import io
import json
import math
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from labels_support import database, frames_of
from PIL import Image

from lard.camera import Camera
from lard.errors import DataError, SourceError
from lard.simulators.cesium import CesiumSettings, render_cesium, request_of

CAMERA = Camera.from_fov(96, 64, 60.0)
STATED = CesiumSettings(undulation_m={"KXYZ": -30.5}, licence="terms of the imagery", attribution="its owner")


def frames(n: int = 3) -> pl.DataFrame:
    return frames_of(database(), n, camera=CAMERA).sort("frame_id")


class Globe:
    """Answers /set_and_get with a picture of the size asked for; the first `broken` answers are broken."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.broken: list[Any] = []
        globe = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None: ...

            def answer(self, document: object) -> None:
                body = json.dumps(document).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self) -> None:
                self.answer(["KXYZ"])

            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                globe.requests.append(request)
                if globe.broken:
                    return self.answer(globe.broken.pop(0))
                camera = request["camera"]
                seed = int(abs(camera["coordinates"]["latitude_deg"]) * 1e6) % 2**32
                shape = (camera["height_px"], camera["width_px"], 3)
                buffer = io.BytesIO()
                Image.fromarray(np.random.default_rng(seed).integers(0, 255, shape, np.uint8)).save(
                    buffer, "PNG"
                )
                request["frame"]["data"] = base64.b64encode(buffer.getvalue()).decode()
                return self.answer(request)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def globe() -> Iterator[Globe]:
    running = Globe()
    yield running
    running.server.shutdown()
    running.server.server_close()


@given(st.integers(64, 4000), st.integers(64, 4000), st.floats(200, 6000))
def test_the_globe_sees_with_the_frames_focal_length(width: int, height: int, focal: float) -> None:
    frame = frames(1).row(0, named=True) | {"width_px": width, "height_px": height, "fx_px": focal}
    camera = request_of(frame, STATED)["camera"]
    aspect = camera["fov_horizontal_deg"] / camera["fov_vertical_deg"]
    # a Cesium frustum: fov along the longer side, the other one from the aspect
    half = math.tan(math.radians(camera["fov_horizontal_deg"]) / 2)
    half_y = half / aspect if aspect > 1 else half
    assert half_y == pytest.approx(height / 2 / focal, rel=1e-9)
    assert half_y * aspect == pytest.approx(width / 2 / focal, rel=1e-9)


def test_altitudes_are_taken_above_the_ellipsoid() -> None:
    frame = frames(1).row(0, named=True)
    assert request_of(frame, STATED)["camera"]["coordinates"]["altitude_m"] == pytest.approx(
        frame["alt_m"] - 30.5
    )
    own = frame | {"altitude_datum": "wgs84"}
    assert request_of(own, STATED)["camera"]["coordinates"]["altitude_m"] == frame["alt_m"]


def test_frames_become_a_dataset(globe: Globe, tmp_path: Path) -> None:
    settings = replace(STATED, url=globe.url)
    manifest = render_cesium(frames(), tmp_path / "data", database(), settings)
    assert [r["id"] for r in globe.requests] == manifest["frame_id"].to_list()
    assert manifest["attribution"].to_list() == ["its owner"] * 3
    render_cesium(frames(), tmp_path / "data", database(), settings)
    assert len(globe.requests) == 3, "finished frames are kept"


def test_a_lost_picture_is_asked_for_again(globe: Globe, tmp_path: Path) -> None:
    globe.broken = [{"frame": {"data": None}}, {"frame": {"data": "%%%"}}]
    assert len(render_cesium(frames(2), tmp_path / "data", database(), replace(STATED, url=globe.url))) == 2
    globe.broken = [{"frame": {"data": None}}] * 9
    with pytest.raises(SourceError, match="is the page open in a browser"):
        render_cesium(frames(2), tmp_path / "other", database(), replace(STATED, url=globe.url))


def test_what_is_missing_is_said_first(globe: Globe, tmp_path: Path) -> None:
    settings = replace(STATED, url=globe.url)
    for change, text in (
        ({"undulation_m": {}}, "nothing gives the geoid at KXYZ"),
        ({"licence": ""}, "licence and attribution"),
        ({"url": "http://127.0.0.1:9"}, "no LARD Cesium server answers"),
    ):
        with pytest.raises((DataError, SourceError), match=text):
            render_cesium(frames(), tmp_path / "x", database(), replace(settings, **change))  # type: ignore[arg-type]
        assert not list(tmp_path.iterdir()), "a run that made nothing leaves nothing"
    with pytest.raises(DataError, match="pixels are square"):
        render_cesium(frames().with_columns(fy_px=pl.col("fx_px") * 2), tmp_path / "x", database(), settings)


def test_a_run_that_made_nothing_leaves_nothing(tmp_path: Path) -> None:
    """No folder, no journal, whole or in parts; what others put into the folder stays."""
    nobody = replace(STATED, url="http://127.0.0.1:9")
    for part in ((0, 1), (0, 2)):
        with pytest.raises(SourceError, match="no LARD Cesium server answers"):
            render_cesium(frames(8), tmp_path / "new" / "x", database(), nobody, shard=part)
        assert not list(tmp_path.iterdir())
    theirs = tmp_path / "x" / "images" / "holiday.jpg"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"theirs")
    with pytest.raises(SourceError):
        render_cesium(frames(), tmp_path / "x", database(), nobody)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [theirs]
