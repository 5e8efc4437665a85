"""Servers and files that mean ill or are merely odd: one line each, bounded in time, nothing good lost."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp
from rasterio.transform import from_origin
from render_scene import make_airport
from tiles_support import Answer, png, quick_http, raw, serving, slippy_tile

from lard.airports.files import open_database
from lard.errors import SourceError
from lard.ground.fetched.connection import STALL_BYTES, Watch
from lard.ground.fetched.download import fetch_tiles
from lard.ground.fetched.fetch import GroundRequest, fetch_ground, plan_levels
from lard.ground.fetched.grid import across_180, tile_on_map, web_mercator
from lard.ground.fetched.http import Http, HttpSettings, RefusedError, TransientError, _retry_after_s
from lard.ground.fetched.local import open_rasters
from lard.ground.fetched.providers import open_source
from lard.ground.fetched.rasters import RasterSampler, local_crs
from lard.ground.fetched.sample import TileSampler
from lard.ground.tiles import LevelGrid

HALF = 20037508.342789244
PNG = {"Content-Type": "image/png"}


def asked(port: int, **changes: object) -> Http:
    settings = {"rate_per_s": 1000.0, "attempts": 1, "allow_hosts": (f"127.0.0.1:{port}",), **changes}
    return Http(HttpSettings(**settings))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "target",
    [b"http://[::1/x", b"http://h\xe9te/x", b"http://a:99999/", b"http://a:b/", b"\xff\xfe", b"http://]/"],
)
def test_redirects_to_what_is_no_address(target: bytes) -> None:
    answer = b"HTTP/1.1 302 Found\r\nLocation: " + target + b"\r\nContent-Length: 0\r\n\r\n"
    with raw(answer) as port, pytest.raises((RefusedError, SourceError, TransientError)) as caught:
        asked(port).get(f"http://127.0.0.1:{port}/x", 1000)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize("text", ["²", "٣", "1e400", "9" * 400, "soon", "Mon, 99 Foo 0000", "-5", "nan"])
def test_odd_pauses_are_no_pauses(text: str) -> None:
    assert _retry_after_s({"Retry-After": text}) is None
    assert _retry_after_s({"Retry-After": "12"}) == 12.0


@pytest.mark.parametrize(
    ("start", "drip"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"),
        (b"HTTP/1.1 200 OK\r\nX-Long: ", b"a"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x"),
    ],
)
def test_the_deadline_holds_for_every_part_of_an_answer(start: bytes, drip: bytes) -> None:
    """Headers, interim answers, chunk sizes and bodies that drip end with the deadline, not with patience."""
    begun = time.monotonic()
    with raw(start, pause_s=0.05, forever=drip) as port, pytest.raises(TransientError) as caught:
        asked(port, deadline_s=0.6, read_timeout_s=30.0).get(f"http://127.0.0.1:{port}/x", 1 << 20)
    assert time.monotonic() - begun < 10
    assert "took longer than 0.6 s" in str(caught.value) or "headers" in str(caught.value)


def test_the_deadline_holds_while_a_connection_is_made_secure() -> None:
    """A TLS record of 16 KB that comes byte by byte: each arrives in time, the whole never does."""
    begun = time.monotonic()
    with (
        raw(b"\x16\x03\x03\x40\x00", pause_s=0.05, forever=b"\x02") as port,
        pytest.raises(TransientError, match=r"took longer than 0.6 s"),
    ):
        asked(port, deadline_s=0.6, read_timeout_s=30.0).get(f"https://127.0.0.1:{port}/x", 1 << 20)
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\nab", b"\x00\xff\r\n\r\n", b""]
)
def test_answers_that_are_no_http(answer: bytes) -> None:
    with raw(answer) as port:
        try:
            asked(port).get(f"http://127.0.0.1:{port}/x", 1000)
        except (TransientError, RefusedError) as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("address", ["http://[::1/{z}/{x}/{y}", "http://a:99999/{z}/{x}/{y}"])
def test_addresses_of_the_user_that_are_none(tmp_path: Path, address: str) -> None:
    with pytest.raises(SourceError, match=r"expected http\(s\)://host"):
        open_source(f"xyz:{address}", quick_http(None), tmp_path)


GOOD = {
    "tileInfo": {
        "rows": 256, "cols": 256, "origin": {"x": -HALF, "y": HALF}, "spatialReference": {"wkid": 102100},
        "lods": [{"level": 3, "resolution": 19567.88}],
    },
}  # fmt: skip
BAD = (
    b"<html>busy</html>",
    b'{"error": {"code": 500}}',
    b'{"error": "busy"}',
    b'{"tileInfo": 7}',
    b'{"tileInfo": {"spatialReference": "x", "origin": [], "lods": {}}}',
    b"[" * 5000,
    json.dumps(GOOD).replace("19567.88", "NaN").encode(),
    json.dumps(GOOD).replace("19567.88", "-1").encode(),
    json.dumps(GOOD).replace("102100", "999999").encode(),
    json.dumps(GOOD).replace('"cols": 256', '"cols": 0').encode(),
)


def test_a_bad_description_never_replaces_a_good_one(tmp_path: Path) -> None:
    """What was understood last is what offline work goes on with."""
    bodies = [json.dumps(GOOD).encode()]

    def answer(path: str) -> Answer:
        return 200, {"Content-Type": "application/json"}, bodies[-1]

    with serving(answer) as server:
        spec = f"arcgis:{server.url}/rest/services/N/MapServer"
        first, _ = open_source(spec, quick_http(server), tmp_path)
        for body in BAD:
            bodies.append(body)
            with pytest.raises(SourceError) as caught:
                open_source(spec, quick_http(server), tmp_path)
            assert "\n" not in str(caught.value)
    offline, _ = open_source(spec, quick_http(None, offline=True), tmp_path)
    assert offline.matrices == first.matrices


def test_one_picture_over_the_runway_is_no_ground(tmp_path: Path) -> None:
    """A grey "no imagery" tile wherever nothing is; real tiles around it do not help."""
    airport = make_airport(length_m=100)
    grey = png(np.full((256, 256, 3), 204.0))
    request = GroundRequest(gsd_m=1.0, reach_m=250, levels=1, jpeg_quality=None)
    with serving(lambda path: (200, PNG, grey)) as server:
        spec, http = f"xyz:{server.url}/{{z}}/{{x}}/{{y}}.png", quick_http(server)
        source, cache = open_source(spec, http, tmp_path / "cache")
        with pytest.raises(
            SourceError, match=r"the same picture \d+ times, over or near runway .*placeholder="
        ):
            fetch_ground(airport, source, cache, http, tmp_path / "ground", request)
        assert not (tmp_path / "ground").exists()
        source, cache = open_source(f"{spec}#repeated=keep", http, tmp_path / "cache")
        fetch_ground(airport, source, cache, http, tmp_path / "ground", request)


def test_too_many_tiles_are_refused_before_they_are_listed(tmp_path: Path) -> None:
    source, _ = open_source("xyz:http://h/{z}/{x}/{y}#zooms=0-24", quick_http(None), tmp_path)
    request = GroundRequest(gsd_m=0.05, reach_m=50_000, levels=1, max_tiles=1000)
    begun = time.monotonic()
    with pytest.raises(SourceError, match=r"take up to [\d,]{9,} tiles, more than 1000"):
        plan_levels(source, make_airport(), request)
    assert time.monotonic() - begun < 5


def test_tiles_over_180_degrees_are_those_of_both_sides() -> None:
    """Columns go on round the earth; the places of tiles on the map are those of the plain matrix."""
    plain = web_mercator(16, 16)[0]
    turned, local = across_180(plain), local_crs(10.0, 179.999)
    for col in (0, 1, plain.col_max - 1, plain.col_max):
        ours, theirs = tile_on_map(turned, col, 30000, local), tile_on_map(plain, col, 30000, local)
        assert ours.x_min_m == pytest.approx(theirs.x_min_m, abs=0.01)
        assert ours.y_max_m == pytest.approx(theirs.y_max_m, abs=0.01)
    assert turned.tile(plain.col_max + 1, 5) == (16, 0, 5)


class _TwoSides:
    """Tiles that are red west of 180 degrees and green east of it."""

    def pixels(self, tile: tuple[int, int, int]) -> np.ndarray:
        assert 0 <= tile[1] < 2**16
        colour = (200, 0, 0, 255) if tile[1] > 2**15 else (0, 200, 0, 255)
        return np.full((256, 256, 4), colour, np.uint8)


def test_the_map_goes_on_over_180_degrees() -> None:
    """A window around 180 degrees: its west half from the last column, its east half from the first."""
    local = local_crs(10.0, 179.9999)
    matrix = across_180(web_mercator(16, 16)[0])
    sampler = TileSampler("zoom 16", _TwoSides(), matrix, local)  # type: ignore[arg-type]
    pixels, filled = sampler(LevelGrid(2.0, -200.0, 200.0, 200, 200))
    assert filled.all()
    change = 100 + round(0.0001 * 111_320 * np.cos(np.radians(10.0)) / 2.0)  # column of 180 degrees
    assert (pixels[:, : change - 3, 0] == 200).all() and (pixels[:, change + 3 :, 1] == 200).all()


def _raster(path: Path, left: float, bands: int = 3, **changes: object) -> Path:
    pixels = np.full((bands, 100, 100), 120, np.uint8)
    options = {"crs": "EPSG:4326", "transform": from_origin(left, 10.05, 0.001, 0.001), **changes}
    with rasterio.open(
        path, "w", driver="GTiff", width=100, height=100, count=bands, dtype="uint8", **options
    ) as out:
        out.write(pixels)
        out.colorinterp = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)[:bands]
    return path


@pytest.mark.parametrize(
    ("left", "lon0"),
    [(-77.05, -77.0), (282.95, -77.0), (179.95, 180.0), (179.95, -179.999), (-180.05, 179.999)],
)
def test_longitudes_beyond_180_are_the_same_places(tmp_path: Path, left: float, lon0: float) -> None:
    sampler = RasterSampler.of([_raster(tmp_path / "a.tif", left)], "XTST", 10.0, lon0)
    pixels, filled = sampler(LevelGrid(20.0, -1000.0, 1000.0, 100, 100))
    assert filled.all() and (pixels == 120).all()


def test_rasters_of_a_site_grid_and_with_near_infrared_are_refused(tmp_path: Path) -> None:
    site = 'LOCAL_CS["Site grid",UNIT["metre",1],AXIS["Easting",EAST],AXIS["Northing",NORTH]]'
    path = _raster(tmp_path / "site.tif", 0.0, crs=site)
    with pytest.raises(SourceError, match=r"site\.tif: its coordinates are those of a site"):
        RasterSampler.of([path], "XTST", 10.0, 0.0)
    path = _raster(tmp_path / "nir.tif", 0.0, bands=4)
    with pytest.raises(SourceError, match=r"band 4 is called alpha, but 100% of it .*near-infrared"):
        RasterSampler.of([path], "XTST", 10.0, 0.0)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("grey", "has one colour only over or near runway"),
        ("faint", "has one colour only over or near runway"),
        ("blocks", r"has the same colour in \d+ whole blocks over or near runway"),
        ("photo", ""),
    ],
)
def test_a_raster_of_one_colour_is_no_ground(tmp_path: Path, what: str, message: str) -> None:
    """As of a server's tiles: a placeholder, whole or in part, unless told that it is the ground."""
    airport = open_database().airport("LFPO")
    side, half_m = 1000, 4000.0
    rng = np.random.default_rng(3)
    pixels = rng.integers(60, 200, (3, side, side), np.uint8)
    if what == "grey":
        pixels[:] = 204
    elif what == "faint":
        pixels = 200 + pixels // 50
    elif what == "blocks":
        pixels[:, np.arange(side) // 80 % 2 == 1] = 204
    with rasterio.open(
        tmp_path / "a.tif", "w", driver="GTiff", width=side, height=side, count=3, dtype="uint8",
        crs=local_crs(airport.lat_deg, airport.lon_deg), transform=from_origin(-half_m, half_m, 8, 8),
    ) as out:  # fmt: skip
        out.write(pixels)
    request = GroundRequest(8.0, 3000, 1)
    if message:
        with pytest.raises(SourceError, match=f"LFPO: a.tif {message} .*a placeholder for missing imagery"):
            open_rasters(airport, f"raster:{tmp_path}/a.tif", request)
    open_rasters(airport, f"raster:{tmp_path}/a.tif{'#repeated=keep' if message else ''}", request)
    with pytest.raises(SourceError, match="unknown option repeated; expected licence, attribution, repeated"):
        open_rasters(airport, f"raster:{tmp_path}/a.tif#repeated=drop", request)


def test_pictures_are_pictures_whatever_they_are_called(tmp_path: Path) -> None:
    tile = (17, 68448, 46063)
    with serving(lambda path: (200, {"Content-Type": "text/plain"}, slippy_tile(*tile))) as server:
        source, cache = open_source(f"xyz:{server.url}/{{z}}/{{x}}/{{y}}.png", quick_http(server), tmp_path)
        assert fetch_tiles(source, [tile], cache, quick_http(server)).fetched == 1


def test_a_server_whose_answers_drip_is_given_up() -> None:
    begun = time.monotonic()
    with (
        raw(b"HTTP/1.1 200 OK\r\n\r\n", pause_s=0.02, forever=b"x") as port,
        pytest.raises(
            SourceError, match=r"^127\.0\.0\.1: 8 answers in a row came too slowly, .* drips"
        ) as told,
    ):
        asked(port, stall_s=0.2, attempts=9, backoff_s=0.001).get(f"http://127.0.0.1:{port}/x", 1 << 20)
    assert time.monotonic() - begun < 5
    assert "\n" not in str(told.value)


def test_a_slow_answer_that_goes_on_is_waited_for() -> None:
    watch = Watch(deadline_s=30.0, first_s=0.05, stall_s=0.2)
    with watch:
        for size in range(STALL_BYTES, 6 * STALL_BYTES, STALL_BYTES):
            watch.came(size)
            time.sleep(0.1)
        assert not watch.expired
        time.sleep(0.3)
        assert watch.expired and "drips" in watch.fault


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"HTTP/1.1 abc OK\r\n\r\n", "begins with 'HTTP/1.1 abc OK', which is no HTTP status"),
        (b"", "closed the connection without an answer"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n", "more than 100 headers"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000 + b"\r\n\r\n", "longer than 65536 bytes"),
    ],
)
def test_what_is_no_http_is_told_as_a_sentence(answer: bytes, told: str) -> None:
    with raw(answer) as port, pytest.raises(TransientError, match=told) as caught:
        asked(port).get(f"http://127.0.0.1:{port}/x", 1000)
    assert "Error(" not in str(caught.value) and "('" not in str(caught.value)
