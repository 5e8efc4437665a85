"""Terrain models: the same land read from every format, CRS and datum; bad files named with their remedy."""

import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from rasterio.transform import from_origin

from lard.errors import DataError
from lard.ground.terrain.dem import load_dem, undulation_m

LAT, LON = 47.5, 8.5


def land(lat_deg: np.ndarray, lon_deg: np.ndarray) -> np.ndarray:
    """A smooth land: a slope with a hill."""
    north, east = (np.asarray(lat_deg) - LAT) * 111e3, (np.asarray(lon_deg) - LON) * 75e3
    return 400 + 0.02 * north - 0.01 * east + 120 * np.exp(-(north**2 + east**2) / 2e6)


def raster(
    path: Path, crs: str = "EPSG:4326", half: int = 60, step: float = 1 / 1200,
    shift: tuple[int, int] = (0, 0), dtype: str = "float32", nodata: float | None = None,
    unit: str | None = None, scale: float = 1.0, hole: slice | None = None,
) -> Path:  # fmt: skip
    """A GeoTIFF of the land: 2 half cells a side about the middle, moved by whole rasters."""
    to = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    x0, y0 = to.transform(LON, LAT)
    side = 2 * half
    left, top = x0 + (shift[0] * side - half) * step, y0 - (shift[1] * side - half) * step
    x, y = np.meshgrid(left + (np.arange(side) + 0.5) * step, top - (np.arange(side) + 0.5) * step)
    lon, lat = to.transform(x, y, direction="INVERSE")
    heights = land(lat, lon) / scale
    if hole is not None:
        heights[hole, hole] = -32768 if nodata is None else nodata
    with rasterio.open(
        path, "w", driver="GTiff", width=side, height=side, count=1, dtype=dtype, crs=crs, nodata=nodata,
        transform=from_origin(left, top, step, step),
    ) as target:  # fmt: skip
        target.write(heights.astype(dtype), 1)
        if unit is not None:
            target.set_band_unit(1, unit)
    return path


def places(count: int = 300, reach: float = 0.04) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    return LAT + rng.uniform(-reach, reach, count), LON + rng.uniform(-reach, reach, count)


@pytest.mark.parametrize(
    ("crs", "step"),
    [("EPSG:4326", 1 / 1200), ("EPSG:32632", 80.0), ("EPSG:3035", 80.0), ("EPSG:3857", 120.0)],
)
def test_a_raster_gives_its_land_in_any_crs(tmp_path: Path, crs: str, step: float) -> None:
    lat, lon = places(reach=0.03)
    heights = load_dem(raster(tmp_path / "a.tif", crs, step=step)).heights(lat, lon)
    np.testing.assert_allclose(heights, land(lat, lon), atol=0.25)


def test_tiles_in_a_folder_are_one_land_without_seams(tmp_path: Path) -> None:
    for i in (0, 1):
        for j in (0, 1):
            raster(tmp_path / f"t{i}{j}.tif", shift=(i, j))
    dem = load_dem(tmp_path)
    assert len(dem.layers) == 1
    corner = LON + 60 / 1200, LAT - 60 / 1200  # where the four meet, between their outermost posts
    offset = np.linspace(-2e-3, 2e-3, 81)
    for lat, lon in (
        (corner[1] + 0 * offset, corner[0] + offset),
        (corner[1] + offset, corner[0] + 0 * offset),
    ):
        np.testing.assert_allclose(dem.heights(lat, lon), land(lat, lon), atol=0.1)


def test_a_finer_model_goes_before_a_coarser_one(tmp_path: Path) -> None:
    raster(tmp_path / "coarse.tif", half=30, step=1 / 300)
    raster(tmp_path / "fine.tif", half=30, step=1 / 3600, scale=0.5)  # tells itself by twice the height
    dem = load_dem(tmp_path)
    inside, outside = dem.heights(np.array([LAT, LAT + 0.05]), np.array([LON, LON + 0.05]))
    assert inside == pytest.approx(2 * land(LAT, LON), abs=1)
    assert outside == pytest.approx(land(LAT + 0.05, LON + 0.05), abs=1)


def test_points_far_apart_are_averaged_over(tmp_path: Path) -> None:
    path = raster(tmp_path / "a.tif", step=1 / 3600)
    with rasterio.open(path, "r+") as source:
        heights = source.read(1)
        source.write(heights + 50.0 * ((np.indices(heights.shape).sum(axis=0)) % 2 * 2 - 1), 1)
    lat, lon = places(reach=0.01)
    rough = load_dem(path).heights(lat, lon, step_m=400.0)
    assert np.abs(rough - land(lat, lon)).max() < 6  # not the 50 m of the posts


@pytest.mark.parametrize(("posts", "zipped"), [(1201, False), (3601, True)])
def test_srtm_files(tmp_path: Path, posts: int, zipped: bool) -> None:
    lat, lon = np.meshgrid(
        48 - np.arange(posts) / (posts - 1), 8 + np.arange(posts) / (posts - 1), indexing="ij"
    )
    heights = np.rint(land(lat, lon))
    heights[10:20, 10:20] = -32768
    path = tmp_path / "N47E008.hgt"
    path.write_bytes(heights.astype(">i2").tobytes())
    if zipped:
        with zipfile.ZipFile(
            tmp_path / "N47E008.hgt.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1
        ) as archive:
            archive.write(path, path.name)
        path.unlink()
        path = tmp_path / "N47E008.hgt.zip"
    dem = load_dem(path)
    some_lat, some_lon = places(reach=0.4)
    np.testing.assert_allclose(dem.heights(some_lat, some_lon), land(some_lat, some_lon), atol=1.2)
    void = dem.heights(np.array([48 - 15 / (posts - 1)]), np.array([8 + 15 / (posts - 1)]))
    assert np.isnan(void).all()
    assert dem.heights(np.array([47.0]), np.array([8.0])) == pytest.approx(land(47.0, 8.0), abs=0.6)


def terrarium(root: Path, zoom: int, reach: int = 1, pixels: int = 256) -> None:
    """Terrarium tiles of the land around its middle."""
    to = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:3857", always_xy=True)
    half = 20037508.342789244
    size = 2 * half / 2**zoom
    x, y = to.transform(LON, LAT)
    middle = int((x + half) // size), int((half - y) // size)
    for i in range(middle[0] - reach, middle[0] + reach + 1):
        for j in range(middle[1] - reach, middle[1] + reach + 1):
            place = (np.arange(pixels) + 0.5) / pixels
            px, py = np.meshgrid(-half + (i + place) * size, half - (j + place) * size)
            lon, lat = to.transform(px, py, direction="INVERSE")
            value = land(lat, lon) + 32768
            coded = np.stack([value // 256, value % 256, (value % 1) * 256], -1).astype(np.uint8)
            path = root / f"{zoom}/{i}/{j}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(coded).save(path)


def test_terrarium_tiles_by_folder_and_by_template(tmp_path: Path) -> None:
    terrarium(tmp_path, 12)
    terrarium(tmp_path, 9)
    lat, lon = places(reach=0.03)
    for path in (tmp_path, f"{tmp_path}/{{z}}/{{x}}/{{y}}.png"):
        dem = load_dem(path)
        np.testing.assert_allclose(dem.heights(lat, lon), land(lat, lon), atol=0.2)
        assert dem.heights(np.array([LAT + 0.15]), np.array([LON]))[0] == pytest.approx(
            land(LAT + 0.15, LON), abs=3
        )  # only the coarse zoom is there
    coarse = load_dem(tmp_path).heights(lat, lon, step_m=250.0)
    np.testing.assert_allclose(coarse, land(lat, lon), atol=8)


@settings(max_examples=25, deadline=None)
@given(st.floats(-500, 8000))
def test_terrarium_codes_256ths_of_a_metre(tmp_path_factory: pytest.TempPathFactory, height: float) -> None:
    from lard.ground.terrain.rasters import read_terrarium

    value = height + 32768
    path = tmp_path_factory.mktemp("t") / "0.png"
    coded = np.array([value // 256, value % 256, (value % 1) * 256], np.uint8)
    Image.fromarray(np.broadcast_to(coded, (4, 4, 3)).copy()).save(path)
    assert np.abs(read_terrarium(path, 4) - height).max() <= 1 / 256 + 1e-3


def geoid_grid(path: Path, undulation: float) -> Path:
    """A .gtx grid of one undulation for the whole earth."""
    header = struct.pack(">ddddii", -90.0, -180.0, 10.0, 10.0, 19, 37)
    path.write_bytes(header + np.full(19 * 37, undulation, ">f4").tobytes())
    return path


def test_ellipsoidal_heights_come_down_by_the_geoid_and_up_the_other_way(tmp_path: Path) -> None:
    raster(tmp_path / "a.tif")
    geoid_grid(tmp_path / "geoid.gtx", 48.0)
    lat, lon = places(20)
    assert undulation_m(str(tmp_path / "geoid.gtx"), lat, lon) == pytest.approx(48.0)
    (tmp_path / "terrain.json").write_text(
        json.dumps({"vertical_datum": "ellipsoidal", "geoid": "geoid.gtx"})
    )
    down = load_dem(tmp_path / "a.tif", "msl").heights(lat, lon)
    np.testing.assert_allclose(down, land(lat, lon) - 48, atol=0.3)
    np.testing.assert_allclose(load_dem(tmp_path / "a.tif", "ellipsoidal").heights(lat, lon), down + 48)
    other = tmp_path / "msl"
    other.mkdir()
    raster(other / "a.tif")
    (other / "terrain.json").write_text(json.dumps({"vertical_datum": "EGM96", "geoid": "../geoid.gtx"}))
    np.testing.assert_allclose(load_dem(other, "ellipsoidal").heights(lat, lon), down + 96)


def test_a_three_dimensional_crs_says_that_heights_are_ellipsoidal(tmp_path: Path) -> None:
    raster(tmp_path / "a.tif", "EPSG:4979")
    with pytest.raises(DataError, match=r"geoid.*terrain\.json"):
        load_dem(tmp_path / "a.tif")
    raster(tmp_path / "b.tif", "EPSG:4326+5773")
    assert "EGM96" in load_dem(tmp_path / "b.tif").summary()


@pytest.mark.parametrize("stated", [True, False])
def test_feet_are_read_as_feet_when_stated(tmp_path: Path, stated: bool) -> None:
    path = raster(tmp_path / "a.tif", unit="ft" if stated else None, scale=0.3048)
    if not stated:
        (tmp_path / "terrain.json").write_text('{"unit": "ft"}')
    lat, lon = places(50, 0.03)
    np.testing.assert_allclose(load_dem(path).heights(lat, lon), land(lat, lon), atol=0.3)


def test_undeclared_srtm_voids_and_declared_ones(tmp_path: Path) -> None:
    for name, options in (("a", {"dtype": "int16"}), ("b", {"nodata": -9999.0})):
        dem = load_dem(raster(tmp_path / f"{name}.tif", hole=slice(50, 70), **options))  # type: ignore[arg-type]
        assert np.isnan(dem.heights(np.array([LAT]), np.array([LON]))).all()
        assert np.isfinite(dem.heights(np.array([LAT + 0.02]), np.array([LON]))).all()


def test_a_digest_tells_of_the_files_near_by_only(tmp_path: Path) -> None:
    raster(tmp_path / "here.tif")
    raster(tmp_path / "away.tif", shift=(9, 0))
    digest = load_dem(tmp_path).digest(LAT, LON, 3000)
    assert "here.tif" in digest and "away.tif" not in digest
    with pytest.raises(DataError, match="no terrain within"):
        load_dem(tmp_path).digest(LAT + 5, LON, 3000)


def test_bad_files_are_named_with_what_was_expected(tmp_path: Path) -> None:
    def fault(name: str, content: bytes | None = None, datum: str = "msl") -> str:
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(DataError) as caught:
            load_dem(path, datum).heights(np.array([LAT]), np.array([LON]))
        assert name in str(caught.value)
        return str(caught.value)

    assert "no such" in fault("missing.tif")
    assert "not a readable" in fault("junk.tif", b"II*\0junk")
    assert "zip" in fault("N47E008.hgt.zip", b"PK no")
    assert "N35W121" in fault("alps.hgt", b"\0" * 100)
    with rasterio.open(
        tmp_path / "bare.tif", "w", driver="GTiff", width=4, height=4, count=1, dtype="int16"
    ) as file:
        file.write(np.ones((1, 4, 4), np.int16))
    assert "no CRS" in fault("bare.tif")
    (tmp_path / "empty").mkdir()
    assert "no terrain in this folder" in fault("empty")
    raster(tmp_path / "fathoms.tif", unit="fathom")
    assert "terrain.json" in fault("fathoms.tif")
    for k, turned in enumerate([(1, 1, 8, 1, 1, 47), (1e-200, 0, 8, 0, -1e-200, 47)]):
        with rasterio.open(raster(tmp_path / f"flat{k}.tif"), "r+") as file:
            file.transform = rasterio.Affine(*turned)
        assert "pixels have no size" in fault(f"flat{k}.tif")
    with rasterio.open(raster(tmp_path / "wide.tif"), "r+") as file:
        file.transform = rasterio.Affine(1.2e6, 0.001, -22, 0, -0.0005, 64.155)
    assert "nowhere on the earth" in fault("wide.tif")
    raster(tmp_path / "void.tif", hole=slice(50, 70), nodata=None)
    with rasterio.open(tmp_path / "void.tif", "r+") as file:
        file.write(np.full((1, 120, 120), -99999, np.float32))
    assert "nodata" in fault("void.tif")
    whole = raster(tmp_path / "cut.tif").read_bytes()
    assert "damaged" in fault("cut.tif", whole[: len(whole) // 2]) or "readable" in fault("cut.tif")
    (tmp_path / "terrain.json").write_text('{"unit": "cubit"}')
    assert "cubit" in fault_of_sidecar(tmp_path)


def fault_of_sidecar(folder: Path) -> str:
    with pytest.raises(DataError) as caught:
        load_dem(raster(folder / "ok.tif"))
    return str(caught.value)


def test_a_missing_geoid_grid_says_where_to_get_one(tmp_path: Path) -> None:
    raster(tmp_path / "a.tif")
    (tmp_path / "terrain.json").write_text(json.dumps({"vertical_datum": "ellipsoidal", "geoid": "none.gtx"}))
    with pytest.raises(DataError, match=r"none\.gtx.*cdn\.proj\.org"):
        load_dem(tmp_path / "a.tif")
    (tmp_path / "none.gtx").write_bytes(b"no grid")
    load_dem.cache_clear()
    with pytest.raises(DataError, match="PROJ"):
        load_dem(tmp_path / "a.tif")
