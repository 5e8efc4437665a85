"""What servers say of themselves: limits and odd forms are honoured, nonsense is named."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tiles_support import LAT, LON, Answer, quick_http, serving, slippy_tile

from lard.errors import SourceError
from lard.ground.fetched.cache import Entry, TileCache
from lard.ground.fetched.grid import local_crs, web_mercator
from lard.ground.fetched.pictures import TileReader
from lard.ground.fetched.providers import open_source
from lard.ground.fetched.sample import TileSampler
from lard.ground.fetched.source import TileSource
from lard.ground.tiles import LevelGrid

NAMESPACES = 'xmlns="http://www.opengis.net/wmts/1.0" xmlns:ows="http://www.opengis.net/ows/1.1"'
HALF = math.pi * 6378137
SCALE = 2 * HALF / 256 / 0.00028  # scale denominator of level 0 in web mercator


def wmts(layer: str = "", matrix: str = "", head: str = "", crs: str = "urn:ogc:def:crs:EPSG::3857") -> bytes:
    """Capabilities of one layer with two matrices."""
    matrices = matrix or "".join(
        f"<TileMatrix><ows:Identifier>L{z}</ows:Identifier>"
        f"<ScaleDenominator>{SCALE / 2**z!r}</ScaleDenominator>"
        f"<TopLeftCorner>{-HALF} {HALF}</TopLeftCorner><TileWidth>256</TileWidth><TileHeight>256</TileHeight>"
        f"<MatrixWidth>{2**z}</MatrixWidth><MatrixHeight>{2**z}</MatrixHeight></TileMatrix>"
        for z in (3, 2)  # servers list them in any order
    )
    return (
        f"<Capabilities {NAMESPACES}>{head}<Contents><Layer><ows:Identifier>A</ows:Identifier>"
        f"<Format>image/jpeg</Format><TileMatrixSetLink><TileMatrixSet>S</TileMatrixSet>{layer}</TileMatrixSetLink>"
        '<ResourceURL format="image/jpeg" resourceType="tile" template="https://h/{TileMatrix}/{TileCol}/{TileRow}"/>'
        f"</Layer><TileMatrixSet><ows:Identifier>S</ows:Identifier><ows:SupportedCRS>{crs}</ows:SupportedCRS>"
        f"{matrices}</TileMatrixSet></Contents></Capabilities>"
    ).encode()


def opened(kind: str, body: bytes, folder: Path, key: str | None = None, status: int = 200) -> TileSource:
    answer: Callable[[str], Answer | None] = lambda path: (status, {}, body)  # noqa: E731
    with serving(answer) as server:
        return open_source(f"{kind}:{server.url}/x", quick_http(server, attempts=1), folder, key)[0]


def test_wmts_limits_and_order(tmp_path: Path) -> None:
    limits = (
        "<TileMatrixSetLimits><TileMatrixLimits><TileMatrix>L3</TileMatrix><MinTileRow>1</MinTileRow>"
        "<MaxTileRow>4</MaxTileRow><MinTileCol>2</MinTileCol><MaxTileCol>99</MaxTileCol></TileMatrixLimits>"
        "</TileMatrixSetLimits>"
    )
    source = opened("wmts", wmts(limits), tmp_path)
    [matrix] = source.matrices
    assert (matrix.name, matrix.col_min, matrix.col_max, matrix.row_min, matrix.row_max) == ("L3", 2, 7, 1, 4)
    coarse, fine = opened("wmts", wmts(), tmp_path / "b").matrices
    assert (coarse.name, fine.name, fine.zoom) == ("L2", "L3", 1)
    assert fine.pixel_x == pytest.approx(web_mercator(3, 3)[0].pixel_x, rel=1e-12)
    assert source.url_of is not None and source.url_of(matrix, 5, 2) == "https://h/L3/5/2"


WMTS_FAULTS = {
    "are no XML": b"<html><p>",
    "is no WMTS 1.0.0 Capabilities document": b"<html/>",
    "define XML entities": b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
    "the server answers: No such layer": b"<ExceptionReport><E>No such layer</E></ExceptionReport>",
    "is unknown to PROJ": wmts(crs="urn:ogc:def:crs:EPSG::999999"),
    "which the capabilities do not define": wmts().replace(b"<TileMatrixSet>S<", b"<TileMatrixSet>T<"),
    "has no tile matrix of S": wmts(matrix=" "),
    "is malformed": wmts().replace(b"<TileWidth>256", b"<TileWidth>many", 1),
    "the tile template wants Time": wmts().replace(b"{TileMatrix}", b"{TileMatrix}/{Time}"),
}


@pytest.mark.parametrize("message", WMTS_FAULTS)
def test_wmts_faults(tmp_path: Path, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        source = opened("wmts", WMTS_FAULTS[message], tmp_path)
        assert source.url_of is not None
        source.url_of(source.matrices[0], 0, 0)


TILE_INFO = {
    "rows": 256, "cols": 256, "origin": {"x": -HALF, "y": HALF},
    "spatialReference": {"wkid": 102100}, "lods": [{"level": 3, "resolution": 19567.88}],
}  # fmt: skip


def test_arcgis_extent_and_levels(tmp_path: Path) -> None:
    answer = {
        "tileInfo": {
            **TILE_INFO, "lods": [{"level": z, "resolution": 2 * HALF / 256 / 2**z} for z in range(4)]
        },
        "minLOD": 2, "maxLOD": 3, "copyrightText": "C",
        "fullExtent": {"xmin": 0, "ymin": 0, "xmax": 1e6, "ymax": 1e6, "spatialReference": {"wkid": 3857}},
    }  # fmt: skip
    source = opened("arcgis", json.dumps(answer).encode(), tmp_path, key="T/K")
    assert [matrix.zoom for matrix in source.matrices] == [2, 3]
    fine = source.matrices[1]
    assert (fine.crs, fine.col_min, fine.col_max, fine.row_min, fine.row_max) == ("EPSG:3857", 4, 4, 3, 3)
    assert source.url_of is not None
    assert source.url_of(fine, 4, 3).endswith("/x/tile/3/3/4?blankTile=false&token=T%2FK")
    assert "T/K" not in source.identity and "T%2FK" not in source.identity


FAULTS = [
    ("arcgis", b"<html>", "its answer is no JSON"),
    ("arcgis", b"{}", "has no tile cache"),
    ("arcgis", json.dumps({"tileInfo": {**TILE_INFO, "lods": []}}).encode(), "no levels of detail"),
    ("arcgis", json.dumps({"tileInfo": {"rows": 256}}).encode(), "tileInfo is malformed"),
    ("bing", b"nothing", "not Bing's metadata"),
    ("bing", b'{"resourceSets": []}', "not Bing's metadata"),
    ("bing", b'{"resourceSets": [{"resources": [{"vintage": 1}]}]}', "the imagery set has no tiles"),
    ("bing", b'{"authenticationResultCode": "InvalidCredentials"}', "Bing refuses the key"),
    ("bing", b'{"resourceSets": [{"resources": [{"imageUrl": "http://h/{x}"}]}]}', r"no \{quadkey\}"),
]


@pytest.mark.parametrize(("kind", "body", "message"), FAULTS)
def test_other_faults(tmp_path: Path, kind: str, body: bytes, message: str) -> None:
    with pytest.raises(SourceError, match=message) as error:
        opened(kind, body, tmp_path, key="HUSHHUSH")
    assert "HUSHHUSH" not in str(error.value)


def test_descriptions_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read: HTTP 404; check the address"):
        opened("wmts", b"", tmp_path, status=404)
    with pytest.raises(SourceError, match=r"is refused \(HTTP 403\); it may need a key: --key"):
        opened("arcgis", b"", tmp_path, status=403)
    with pytest.raises(SourceError, match="cannot be read: HTTP 500"):
        opened("arcgis", b"", tmp_path, status=500)
    with pytest.raises(SourceError, match="offline, and the capabilities is not in the cache"):
        open_source("wmts:https://h/x", quick_http(None, offline=True), tmp_path)


def test_windows_in_quarters_are_the_same_picture(tmp_path: Path) -> None:
    """A window whose tiles exceed the memory limit is made of parts; nobody can tell."""
    cache = TileCache(tmp_path, "s")
    matrices = web_mercator(0, 20)
    x = (LON + 180) / 360 * 2**17
    y = (1 - math.asinh(math.tan(math.radians(LAT))) / math.pi) / 2 * 2**17
    for i in range(-2, 3):
        for j in range(-2, 3):
            tile = (17, int(x) + i, int(y) + j)
            cache.write(tile, Entry(slippy_tile(*tile), "image/png"))
    reader = TileReader(TileSource("xyz", "t", "s", matrices, url_of=lambda *_: ""), cache)
    grid = LevelGrid(1.0, -150.0, 150.0, 300, 300)
    whole, valid = TileSampler("a", reader, matrices[17], local_crs(LAT, LON))(grid)
    parts, also = TileSampler("b", reader, matrices[17], local_crs(LAT, LON), limit_px=200_000)(grid)
    assert valid.all() and also.all()
    assert np.abs(whole.astype(int) - parts).max() <= 2
