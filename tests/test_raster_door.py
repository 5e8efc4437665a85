"""A raster file shows its own pixels, or those of files on this machine: never a server's, nor raw bytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine, from_origin
from tiles_support import Server, serving

from lard.errors import DataError, LardError, SourceError
from lard.ground.fetched.raster_files import checked_raster, describe_raster
from lard.ground.fetched.rasters import RasterSampler
from lard.ground.raster_door import opened_raster
from lard.ground.terrain.rasters import open_raster
from lard.ground.tiles import LevelGrid

CRS = "+proj=ortho +lat_0=10 +lon_0=10 +ellps=WGS84"
HEAD = (
    '<VRTDataset rasterXSize="100" rasterYSize="100"><SRS>EPSG:4326</SRS>'
    "<GeoTransform>10, 0.001, 0, 10.05, 0, -0.001</GeoTransform>{beside}"
)
BANDS = "".join(
    f'<VRTRasterBand dataType="Byte" band="{band}"><SimpleSource>{{source}}<SourceBand>{band}</SourceBand>'
    "</SimpleSource></VRTRasterBand>"
    for band in (1, 2, 3)
)
WMS = (
    '<GDAL_WMS><Service name="TMS"><ServerUrl>{url}/${{z}}/${{x}}/${{y}}.png</ServerUrl></Service>'
    "<DataWindow><UpperLeftX>-180</UpperLeftX><UpperLeftY>90</UpperLeftY><LowerRightX>180</LowerRightX><LowerRightY>-90"
    "</LowerRightY><TileLevel>4</TileLevel></DataWindow><Projection>EPSG:4326</Projection><BandsCount>3"
    "</BandsCount></GDAL_WMS>"
)
META = '<Metadata domain="{domain}"><MDI key="{key}">/vsicurl/elsewhere</MDI></Metadata>'


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(lambda _: None) as found:
        yield found


def raster(path: Path, bands: int = 3) -> Path:
    with rasterio.open(
        path, "w", driver="GTiff", width=100, height=100, count=bands, dtype="uint8", crs="EPSG:4326",
        transform=from_origin(10, 10.05, 0.001, 0.001),
    ) as out:  # fmt: skip
        out.write(np.random.default_rng(1).integers(0, 255, (bands, 100, 100), np.uint8))
    return path


def vrt(path: Path, source: str, beside: str = "", bands: str = BANDS) -> Path:
    path.write_text(HEAD.format(beside=beside) + bands.format(source=source) + "</VRTDataset>")
    return path


def named(name: object, relative: int = 0) -> str:
    return f'<SourceFilename relativeToVRT="{relative}">{name}</SourceFilename>'


def test_vrts_of_files_here_are_read(tmp_path: Path) -> None:
    """Beside it, elsewhere, below another VRT, whatever the file is called."""
    raster(tmp_path / "a.tif").rename(tmp_path / "strange name.dat")
    vrt(tmp_path / "one.vrt", named("strange name.dat", 1))
    vrt(tmp_path / "two.vrt", named(tmp_path / "one.vrt"))
    for name in ("strange name.dat", "one.vrt", "two.vrt"):
        assert checked_raster(tmp_path / name, CRS).bands == (1, 2, 3)


@pytest.mark.parametrize(
    ("source", "beside", "message"),
    [
        (named("/vsicurl/{url}/a.tif"), "", "which is no file here; copy the raster here first"),
        (named("/vsicurl_streaming/{url}/a.tif"), "", "is no file here"),
        (named("/vsizip//vsicurl/{url}/a.zip/a.tif"), "", "is no file here"),
        (named("{url}/a.tif"), "", "is no file here"),
        (named("WMTS:{url}/wmts"), "", "is no file here"),
        (named("vrt:///vsicurl/{url}/a.tif"), "", "is no file here"),
        (named(WMS.replace("<", "&lt;")), "", "is no file here"),
        (named("<![CDATA[" + WMS + "]]>"), "", "describes a server"),
        (named("wms.xml", 1), "", r"wms\.xml: describes a server"),
        (named("deep.vrt", 1), "", r"deep\.vrt: reads '/vsicurl/"),
        (named("itself.vrt", 1), "", "is made of itself"),
        (named("text.txt", 1), "", "cannot be read"),
        (named("a.tif<!-- -->x", 1), "", "a SourceFilename without a name"),
        ('<sourcefilename>/vsicurl/{url}/a.tif</sourcefilename>', "", "is no file here"),
        (named("a.tif", 1), "<Overview>" + named("/vsicurl/{url}/o") + "</Overview>", "no file here"),
        (named("a.tif", 1), META.format(domain="OVERVIEWS", key="OVERVIEW_FILE"), "to what lies elsewhere"),
        (named("a.tif", 1), META.format(domain="GEOLOCATION", key="X_DATASET"), "to what lies elsewhere"),
        (named("a.tif", 1), "<SourceDataset>/vsicurl/{url}/a</SourceDataset>", "no file here"),
        (named("a.tif", 1), "<Metadata>", "not valid XML"),
    ],
)  # fmt: skip
def test_vrts_that_lead_elsewhere_are_refused(
    tmp_path: Path, server: Server, source: str, beside: str, message: str
) -> None:
    """In one line, before GDAL asks anybody; a band of raw bytes and declared entities too."""
    raster(tmp_path / "a.tif")
    (tmp_path / "wms.xml").write_text(WMS.format(url=server.url))
    (tmp_path / "text.txt").write_text("root:x:0:0\n")
    vrt(tmp_path / "deep.vrt", named(f"/vsicurl/{server.url}/a.tif"))
    path = vrt(tmp_path / "itself.vrt", "{source}", "{beside}")
    text = path.read_text().replace("{source}", source).replace("{beside}", beside)
    path.write_text(text.replace("{url}", server.url).replace("${{", "${").replace("}}", "}"))
    with pytest.raises(SourceError, match=message) as caught:
        checked_raster(path, CRS)
    assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)
    with pytest.raises(LardError):
        describe_raster(path)
    with pytest.raises(DataError):
        open_raster(path)
    assert not server.asked


def test_raw_bytes_and_entities_are_refused(tmp_path: Path) -> None:
    raw = '<VRTRasterBand dataType="Byte" band="1" subClass="VRTRawRasterBand">{source}</VRTRasterBand>'
    with pytest.raises(SourceError, match="reads raw bytes of another file"):
        checked_raster(vrt(tmp_path / "raw.vrt", named("/etc/passwd"), bands=raw), CRS)
    path = vrt(tmp_path / "bomb.vrt", named("a.tif", 1))
    path.write_text('<!DOCTYPE x [<!ENTITY a "b">]>' + path.read_text())
    with pytest.raises(SourceError, match="declares entities"):
        checked_raster(path, CRS)


@pytest.mark.parametrize("name", ["a.tif", "server.xml", "index.gti.xml"])
def test_files_of_servers_are_refused_whatever_they_are_called(
    tmp_path: Path, server: Server, name: str
) -> None:
    (tmp_path / name).write_text(WMS.format(url=server.url))
    with pytest.raises(SourceError, match="describes a server"):
        checked_raster(tmp_path / name, CRS)
    assert not server.asked


def test_overviews_elsewhere_are_not_asked_for(tmp_path: Path, server: Server) -> None:
    """In a file beside, refused; in a tag of the file itself, not followed."""
    path = raster(tmp_path / "a.tif")
    with rasterio.open(path, "r+") as out:
        out.update_tags(ns="OVERVIEWS", OVERVIEW_FILE=f"/vsicurl/{server.url}/o.tif")
    with opened_raster(path, SourceError) as source:
        assert source.read(1).shape == (100, 100)
    path.with_name("a.tif.aux.xml").write_text(
        '<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">'
        f"{WMS.format(url=server.url).replace('<', '&lt;')}</MDI></Metadata></PAMDataset>"
    )
    with pytest.raises(SourceError, match=r"a\.tif\.aux\.xml: refers to what lies elsewhere"):
        checked_raster(path, CRS)
    assert not server.asked


@pytest.mark.parametrize("turned", ["south up", "mirrored"])
def test_a_raster_lies_where_it_lies_whichever_way_its_rows_and_columns_run(
    turned: str, tmp_path: Path
) -> None:
    straight = raster(tmp_path / "a.tif")
    with rasterio.open(straight) as source:
        pixels, profile, place = source.read(), source.profile, source.transform
    if turned == "south up":
        pixels, place = pixels[:, ::-1], place @ Affine.translation(0, 100) @ Affine.scale(1, -1)
    else:
        pixels, place = pixels[:, :, ::-1], place @ Affine.translation(100, 0) @ Affine.scale(-1, 1)
    other = tmp_path / "b.tif"
    with rasterio.open(other, "w", **{**profile, "transform": place}) as out:
        out.write(pixels)
    grid = LevelGrid(20.0, -1000.0, 1000.0, 100, 100)
    (want, filled), (got, filled_too) = (
        RasterSampler.of([path], "XXAA", 10.0, 10.05)(grid) for path in (straight, other)
    )
    assert filled.any() and (filled == filled_too).all()
    assert np.abs(want.astype(int) - got)[filled].mean() < 1.0


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("term", [0, 2, 4, 5])
def test_a_transform_that_is_no_numbers_is_named(value: float, term: int, tmp_path: Path) -> None:
    terms = [0.001, 0.0, 10.0, 0.0, -0.001, 10.05]
    terms[term] = value
    pixels = np.zeros((3, 8, 8), np.uint8)
    for kind, bands in ((SourceError, 3), (DataError, 1)):
        path = tmp_path / f"{bands}.tif"
        with rasterio.open(
            path, "w", driver="GTiff", width=8, height=8, count=bands, dtype="uint8", crs="EPSG:4326",
            transform=Affine(*terms),
        ) as out:  # fmt: skip
            out.write(pixels[:bands])
        with pytest.raises(kind, match=str(path)):
            if bands == 3:
                checked_raster(path, CRS)
            else:
                open_raster(path)
