"""Every kind of source puts its pixels where they belong, and says plainly when it cannot."""

import json
import math
import sqlite3
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from rasterio.transform import Affine
from render_scene import make_airport
from tiles_support import (
    LAT,
    LON,
    Answer,
    Server,
    crs_tile,
    pattern,
    quick_http,
    serving,
    slippy_answer,
    slippy_tile,
    worst_shift_px,
)

from lard.errors import SourceError
from lard.ground.fetched.fetch import GroundResult, fetch_ground
from lard.ground.fetched.grid import quadkey, web_mercator, zoom_for
from lard.ground.fetched.local import ground_of_rasters
from lard.ground.fetched.plan import GroundRequest
from lard.ground.fetched.providers import open_source
from lard.ground.fetched.rasters import RasterSampler
from lard.ground.tiles import LevelGrid

AIRPORT = make_airport(length_m=100)
REQUEST = GroundRequest(gsd_m=1.0, reach_m=120, levels=2, jpeg_quality=None)
PNG = {"Content-Type": "image/png"}


def make(spec: str, server: Server | None, folder: Path, key: str | None = None) -> GroundResult:
    http = quick_http(server)
    source, cache = open_source(spec, http, folder / "cache", key)
    return fetch_ground(AIRPORT, source, cache, http, folder / "ground", REQUEST)


def check_places(result: GroundResult) -> None:
    """The finest level may interpolate tiles of its own resolution; the next is made of it."""
    assert worst_shift_px(result.folder, 0) < 0.1
    assert worst_shift_px(result.folder, 1) < 0.1
    assert not result.report.holes and not result.report.failed


def test_quadkeys_are_the_published_ones() -> None:
    # "Bing Maps Tile System": tile (3, 5) of level 3 is "213"; level 1 is 0 1 / 2 3
    assert quadkey(3, 3, 5) == "213"
    assert [quadkey(1, x, y) for y in (0, 1) for x in (0, 1)] == ["0", "1", "2", "3"]
    assert quadkey(10, 486, 332) == "0313102310"


@given(st.integers(1, 23).flatmap(lambda z: st.tuples(st.just(z), *[st.integers(0, 2**z - 1)] * 2)))
def test_a_quadkey_is_the_path_down_the_tree(tile: tuple[int, int, int]) -> None:
    zoom, x, y = tile
    key = quadkey(zoom, x, y)
    assert len(key) == zoom and key.startswith(quadkey(zoom - 1, x // 2, y // 2))
    assert int(key, 4) == sum((((x >> b) & 1) + 2 * ((y >> b) & 1)) << (2 * b) for b in range(zoom))


@given(st.floats(-80, 80), st.floats(-179, 179), st.integers(0, 22))
def test_ground_size_follows_the_latitude(lat: float, lon: float, zoom: int) -> None:
    # on the sphere of the projection a pixel is 156543.034 cos(lat) / 2^zoom; the ellipsoid differs below 1 %
    sphere = 156543.03392804097 * math.cos(math.radians(lat)) / 2**zoom
    assert web_mercator(zoom, zoom)[0].gsd_m(lat, lon) == pytest.approx(sphere, rel=0.01)


def test_the_zoom_is_the_coarsest_that_is_fine_enough() -> None:
    matrices = web_mercator(0, 20)
    assert zoom_for(matrices, 0.5, 48.7, 2.4).zoom == 18  # 0.394 m; 17 has 0.79
    assert zoom_for(matrices, 0.3, 0.0, 0.0).zoom == 19  # 0.299 m
    assert zoom_for(matrices, 0.01, 0.0, 0.0).zoom == 20  # the finest there is


def test_xyz(tmp_path: Path) -> None:
    with serving(slippy_answer) as server:
        result = make(f"xyz:{server.url}/{{z}}/{{x}}/{{y}}.png#attribution=A&licence=CC0", server, tmp_path)
        assert any("lard/" in agent for agent in server.agents)
    check_places(result)
    assert (result.manifest["attribution"], result.manifest["licence"]) == ("A", "CC0")
    assert result.manifest["source"]["levels"][0]["zoom"] == 17


@pytest.mark.parametrize("spec", ["tms:{url}/{{z}}/{{x}}/{{y}}.png", "xyz:{url}/{{z}}/{{x}}/{{-y}}.png"])
def test_rows_from_the_south(tmp_path: Path, spec: str) -> None:
    def answer(path: str) -> Answer:
        zoom, x, y = (int(part) for part in path.strip("/").removesuffix(".png").split("/"))
        return 200, PNG, slippy_tile(zoom, x, 2**zoom - 1 - y)

    with serving(answer) as server:
        check_places(make(spec.format(url=server.url), server, tmp_path))


def test_a_folder_of_tiles_subdomains_and_bigger_tiles(tmp_path: Path) -> None:
    with serving(slippy_answer_512) as server:
        spec = f"xyz:{server.url}/{{s}}/{{z}}/{{x}}/{{y}}.png#tile=512&subdomains=u,v&zooms=5-17"
        result = make(spec, server, tmp_path)
        check_places(result)
        assert {path.split("/")[1] for path in server.asked} == {"u", "v"}
    assert result.manifest["source"]["levels"][0]["zoom"] == 16
    folder = tmp_path / "tiles"
    for tile in _tiles_near(17, 3) + _tiles_near(16, 2):
        path = folder / str(tile[0]) / str(tile[1]) / f"{tile[2]}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(slippy_tile(*tile))
    result = make(f"xyz:{folder}/{{z}}/{{x}}/{{y}}.png", None, tmp_path / "local")
    check_places(result)
    assert str(tmp_path) not in json.dumps(result.manifest)


def slippy_answer_512(path: str) -> Answer:
    zoom, x, y = (int(part) for part in path.removesuffix(".png").split("/")[2:])
    return 200, PNG, slippy_tile(zoom, x, y, 512)


def _tiles_near(zoom: int, reach: int) -> list[tuple[int, int, int]]:
    x = int((LON + 180) / 360 * 2**zoom)
    y = int((1 - math.asinh(math.tan(math.radians(LAT))) / math.pi) / 2 * 2**zoom)
    around = range(-reach, reach + 1)
    return [(zoom, x + i, y + j) for i in around for j in around]


PLACE: dict[str, str] = {}
KEY = "s3cret-Key/42"


def bing_answer(path: str) -> Answer | None:
    parts = urlsplit(path)
    if parts.path.startswith("/REST/"):
        query = parse_qs(parts.query)
        if query["key"] != [KEY]:
            return 401, {}, json.dumps({"authenticationResultCode": "InvalidCredentials"}).encode()
        area = {"bbox": [LAT - 1, LON - 1, LAT + 1, LON + 1], "zoomMin": 1, "zoomMax": 21}
        far = {"bbox": [-10, -10, -9, -9], "zoomMin": 1, "zoomMax": 21}
        resource = {
            "imageUrl": PLACE["url"] + "/{subdomain}/a{quadkey}.jpeg?g=14009&mkt={culture}",
            "imageUrlSubdomains": ["t0", "t1"], "imageWidth": 256, "imageHeight": 256,
            "zoomMin": 1, "zoomMax": 19,
            "imageryProviders": [
                {"attribution": "© Near Corp", "coverageAreas": [area]},
                {"attribution": "© Far Corp", "coverageAreas": [far]},
            ],
        }  # fmt: skip
        body = {"authenticationResultCode": "ValidCredentials", "resourceSets": [{"resources": [resource]}]}
        return 200, {"Content-Type": "application/json"}, json.dumps(body).encode()
    digits = parts.path.split("/a")[-1].removesuffix(".jpeg")
    x = sum((int(d) & 1) << (len(digits) - 1 - i) for i, d in enumerate(digits))
    y = sum((int(d) >> 1) << (len(digits) - 1 - i) for i, d in enumerate(digits))
    return 200, PNG, slippy_tile(len(digits), x, y)


def test_bing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("LARD_BING_KEY", raising=False)
    with serving(bing_answer) as server:
        PLACE["url"] = server.url
        spec = f"bing:{server.url}/REST/v1/Imagery/Metadata/Aerial"
        with pytest.raises(SourceError, match="LARD_BING_KEY"):
            make(spec, server, tmp_path)
        assert not server.asked
        with pytest.raises(SourceError, match=r"refused.*check the key") as wrong:
            make(spec, server, tmp_path, "wr0ng")
        assert "wr0ng" not in str(wrong.value)
        monkeypatch.setenv("LARD_BING_KEY", KEY)
        result = make(spec, server, tmp_path)
    check_places(result)
    assert result.manifest["attribution"] == "© Near Corp"
    assert result.manifest["source"]["note"] == "generation 14009"
    shown = capfd.readouterr()
    for path in tmp_path.rglob("*"):
        assert "s3cret" not in str(path)
        assert path.is_dir() or b"s3cret" not in path.read_bytes()
    assert "s3cret" not in shown.out + shown.err
    # all of it again without network or key
    monkeypatch.delenv("LARD_BING_KEY")
    http = quick_http(None, offline=True)
    source, cache = open_source(spec, http, tmp_path / "cache")
    again = fetch_ground(AIRPORT, source, cache, http, tmp_path / "ground", REQUEST)
    assert again.kept and again.manifest == result.manifest


UTM = "EPSG:32632"
UTM_ORIGIN = (400000.0, 5300000.0)
UTM_PIXELS = {0: 4.0, 1: 2.0, 2: 1.0, 3: 0.5}


def arcgis_answer(path: str) -> Answer | None:
    parts = urlsplit(path)
    if parts.path == "/arcgis/rest/services/Ortho/MapServer":
        body = {
            "mapName": "Ortho", "copyrightText": "Land survey", "tileInfo": {
                "rows": 256, "cols": 256, "dpi": 96, "format": "PNG",
                "origin": {"x": UTM_ORIGIN[0], "y": UTM_ORIGIN[1]},
                "spatialReference": {"wkid": 32632, "latestWkid": 32632},
                "lods": [{"level": z, "resolution": p, "scale": p * 3779.5} for z, p in UTM_PIXELS.items()],
            },
            "fullExtent": {
                "xmin": LON - 0.05, "ymin": LAT - 0.05, "xmax": LON + 0.05, "ymax": LAT + 0.05,
                "spatialReference": {"wkid": 4326},
            },
        }  # fmt: skip
        return 200, {"Content-Type": "application/json"}, json.dumps(body).encode()
    if "/Broken/" in parts.path:
        return 200, {}, json.dumps({"error": {"code": 499, "message": "Token Required"}}).encode()
    level, row, col = (int(part) for part in parts.path.split("/tile/")[1].split("/"))
    assert parts.query == "blankTile=false"
    return 200, PNG, crs_tile(UTM, *UTM_ORIGIN, UTM_PIXELS[level], col, row)


def test_arcgis_in_utm(tmp_path: Path) -> None:
    with serving(arcgis_answer) as server:
        base = f"arcgis:{server.url}/arcgis/rest/services"
        result = make(f"{base}/Ortho/MapServer", server, tmp_path)
        with pytest.raises(SourceError, match="499: Token Required; a token goes into --key"):
            make(f"{base}/Broken/MapServer", server, tmp_path)
    check_places(result)
    assert result.manifest["attribution"] == "Land survey"
    assert result.manifest["source"]["levels"][0]["zoom"] == 2


def matrix_set(
    name: str, crs: str, corner: str, metres: float, pixels: dict[int, float], size: tuple[int, int]
) -> str:
    """XML of a tile matrix set; metres per unit of the CRS."""
    matrices = "".join(
        f"<TileMatrix><ows:Identifier>{name}:{z}</ows:Identifier>"
        f"<ScaleDenominator>{pixel * metres / 0.00028!r}</ScaleDenominator>"
        f"<TopLeftCorner>{corner}</TopLeftCorner>"
        f"<TileWidth>256</TileWidth><TileHeight>256</TileHeight><MatrixWidth>{size[0]}</MatrixWidth>"
        f"<MatrixHeight>{size[1]}</MatrixHeight></TileMatrix>"
        for z, pixel in pixels.items()
    )
    return (
        f"<TileMatrixSet><ows:Identifier>{name}</ows:Identifier><ows:SupportedCRS>{crs}</ows:SupportedCRS>"
        f"{matrices}</TileMatrixSet>"
    )


DEGREES = {z: 360 / 256 / 2 ** (z + 1) for z in (16, 17, 18)}
MERCATOR = {z: 2 * math.pi * 6378137 / 256 / 2**z for z in (15, 16, 17)}
BIG = (1 << 20, 1 << 20)


def capabilities(url: str, rest: bool) -> bytes:
    links = "".join(
        f"<TileMatrixSetLink><TileMatrixSet>{name}</TileMatrixSet></TileMatrixSetLink>"
        for name in ("GEO", "UTM", "PM")
    )
    resource = (
        f'<ResourceURL format="image/png" resourceType="tile" '
        f'template="{url}/rest/{{Style}}/{{TileMatrixSet}}/{{TileMatrix}}/{{TileRow}}/{{TileCol}}.png"/>'
    )
    layer = (
        "<Layer><ows:Title>Ortho 20</ows:Title><ows:Identifier>ORTHO</ows:Identifier>"
        '<Style isDefault="true"><ows:Identifier>normal</ows:Identifier></Style>'
        f"<Format>image/png</Format>{links}{resource if rest else ''}</Layer>"
    )
    half = math.pi * 6378137
    sets = (
        matrix_set("GEO", "urn:ogc:def:crs:EPSG::4326", "90.0 -180.0", math.pi * 6378137 / 180, DEGREES, BIG)
        + matrix_set("UTM", "urn:ogc:def:crs:EPSG::32632", "400000 5300000", 1.0, UTM_PIXELS, BIG)
        + matrix_set("PM", "urn:ogc:def:crs:EPSG::3857", f"{-half} {half}", 1.0, MERCATOR, BIG)
    )
    return (
        '<?xml version="1.0"?><Capabilities xmlns="http://www.opengis.net/wmts/1.0" '
        'xmlns:ows="http://www.opengis.net/ows/1.1" '
        'xmlns:xlink="http://www.w3.org/1999/xlink" version="1.0.0">'
        "<ows:ServiceIdentification><ows:Fees>none</ows:Fees>"
        "<ows:AccessConstraints>Licence Ouverte</ows:AccessConstraints></ows:ServiceIdentification>"
        "<ows:ServiceProvider><ows:ProviderName>Survey</ows:ProviderName></ows:ServiceProvider>"
        '<ows:OperationsMetadata><ows:Operation name="GetTile"><ows:DCP><ows:HTTP>'
        f'<ows:Get xlink:href="{url}/kvp?"/></ows:HTTP></ows:DCP></ows:Operation></ows:OperationsMetadata>'
        f"<Contents>{layer}{sets}</Contents></Capabilities>"
    ).encode()


def wmts_tile(name: str, matrix: str, row: int, col: int) -> bytes:
    zoom = int(matrix.split(":")[1])
    if name == "PM":
        return slippy_tile(zoom, col, row)
    if name == "GEO":
        return crs_tile("OGC:CRS84", -180.0, 90.0, DEGREES[zoom], col, row)
    return crs_tile(UTM, *UTM_ORIGIN, UTM_PIXELS[zoom], col, row)


def wmts_answer(rest: bool) -> Callable[[str], Answer | None]:
    def answer(path: str) -> Answer | None:
        parts = urlsplit(path)
        if parts.path == "/caps":
            assert parse_qs(parts.query)["REQUEST"] == ["GetCapabilities"]
            return 200, {"Content-Type": "text/xml"}, capabilities(PLACE["url"], rest)
        if parts.path.startswith("/rest/"):
            style, name, matrix, row, col = parts.path.removesuffix(".png").split("/")[2:]
            assert style == "normal"
            return 200, PNG, wmts_tile(name, matrix, int(row), int(col))
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        assert (query["SERVICE"], query["REQUEST"], query["VERSION"]) == ("WMTS", "GetTile", "1.0.0")
        assert (query["LAYER"], query["STYLE"], query["FORMAT"]) == ("ORTHO", "normal", "image/png")
        body = wmts_tile(
            query["TILEMATRIXSET"], query["TILEMATRIX"], int(query["TILEROW"]), int(query["TILECOL"])
        )
        return 200, PNG, body

    return answer


@pytest.mark.parametrize(("name", "rest"), [("", True), ("GEO", True), ("UTM", False)])
def test_wmts(tmp_path: Path, name: str, rest: bool) -> None:
    answer = wmts_answer(rest)
    with serving(answer) as server:
        PLACE["url"] = server.url
        spec = f"wmts:{server.url}/caps#layer=ORTHO" + (f"&matrixset={name}" if name else "")
        result = make(spec, server, tmp_path)
        with pytest.raises(SourceError, match="no layer 'X'; the server offers ORTHO"):
            make(f"wmts:{server.url}/caps#layer=X", server, tmp_path)
    check_places(result)
    assert (name or "PM") in result.manifest["source"]["note"]
    assert result.manifest["attribution"] == "Ortho 20 - Survey"
    assert result.manifest["licence"] == "Licence Ouverte"


def test_mbtiles(tmp_path: Path) -> None:
    path = tmp_path / "a.mbtiles"
    with sqlite3.connect(path) as db:
        db.execute("create table metadata (name text, value text)")
        db.execute("create table tiles (zoom_level int, tile_column int, tile_row int, tile_data blob)")
        bounds = f"{LON - 1},{LAT - 1},{LON + 1},{LAT + 1}"
        db.executemany(
            "insert into metadata values (?, ?)",
            [("name", "A"), ("format", "png"), ("attribution", "B"), ("bounds", bounds)],
        )
        for zoom, x, y in _tiles_near(17, 2) + _tiles_near(16, 2):
            row = (zoom, x, 2**zoom - 1 - y, slippy_tile(zoom, x, y))
            db.execute("insert into tiles values (?, ?, ?, ?)", row)
    db.close()
    result = make(f"mbtiles:{path}", None, tmp_path)
    check_places(result)
    assert result.manifest["attribution"] == "B"
    assert str(tmp_path) not in json.dumps(result.manifest)
    assert make(f"mbtiles:{path}", None, tmp_path).kept
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(SourceError, match=r"a.mbtiles: (not a readable|damaged)"):
        make(f"mbtiles:{path}", None, tmp_path)


@pytest.mark.parametrize("crs", ["EPSG:32632", "EPSG:4326", "EPSG:3035"])
def test_rasters_of_any_crs(tmp_path: Path, crs: str) -> None:
    pixel = 0.5 if crs != "EPSG:4326" else 5e-6
    from pyproj import Transformer

    x, y = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(LON, LAT)
    side = 1300 if crs != "EPSG:4326" else 1700
    left, top = x - side / 2 * pixel, y + side / 2 * pixel
    columns = left + (np.arange(side) + 0.5) * pixel
    rows = top - (np.arange(side) + 0.5) * pixel
    lon, lat = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(*np.meshgrid(columns, rows))
    with rasterio.open(
        tmp_path / "a.tif", "w", driver="GTiff", width=side, height=side, count=3, dtype="uint8", crs=crs,
        transform=Affine(pixel, 0, left, 0, -pixel, top), tiled=True,
    ) as target:  # fmt: skip
        target.write(np.moveaxis(np.rint(pattern(lat, lon)).astype(np.uint8), -1, 0))
        target.build_overviews([2, 4], rasterio.enums.Resampling.average)
    manifest, _ = ground_of_rasters(AIRPORT, f"raster:{tmp_path}/*.tif", tmp_path / "ground", REQUEST)
    assert worst_shift_px(tmp_path / "ground" / "XTST", 0) < 0.1
    assert worst_shift_px(tmp_path / "ground" / "XTST", 1) < 0.1
    assert str(tmp_path) not in json.dumps(manifest)
    # a window that begins at the origin with pixels of one metre, which GDAL takes for no georeferencing
    sampler = RasterSampler.of([tmp_path / "a.tif"], "XTST", LAT, LON)
    around, _ = sampler(LevelGrid(1.0, -32.0, 32.0, 64, 64))
    quarter, _ = sampler(LevelGrid(1.0, 0.0, 0.0, 32, 32))
    assert np.abs(around[32:, 32:].astype(int) - quarter).max() <= 2


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nonsense", "is no kind of source"),
        ("ftp:host/{z}/{x}/{y}", "is no kind of source; expected KIND:ADDRESS"),
        ("xyz:https://h/{z}/{x}.png", r"expected \{z\}, \{x\} and \{y\}"),
        ("xyz:https://h/{z}/{x}/{y}/{w}.png", r"unknown field \{w\}"),
        ("xyz:https://h/{z}/{x}/{y}?k={key}", "wants a {key}; give --key or set LARD_TILE_KEY"),
        ("xyz:https://h/{z}/{x}/{y}#zooms=9-3", "zooms is '9-3'"),
        ("xyz:https://h/{z}/{x}/{y}#colour=red", "unknown option colour"),
        ("xyz:https://h/{z}/{x}/{y}#zooms", "expected #name=value"),
        ("xyz:/nowhere/at/all/{z}/{x}/{y}.png", "nor an existing folder"),
        ("mbtiles:/nowhere.mbtiles", "no such file"),
        ("wmts:", "no address"),
    ],
)
def test_bad_specifications(tmp_path: Path, spec: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LARD_TILE_KEY", raising=False)
    with pytest.raises(SourceError, match=message):
        open_source(spec, quick_http(None), tmp_path)
