"""From tiles to ground folders: holes, what is refused, what is recorded, checks, resolution, a picture."""

import json
import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import rasterio
from click.testing import CliRunner
from render_scene import make_airport
from tiles_support import (
    LAT,
    LON,
    Answer,
    Server,
    pattern,
    quick_http,
    serving,
    slippy_answer,
    worst_shift_px,
)

from lard.airports.files import export_database
from lard.airports.model import RunwayDatabase
from lard.approach import Approaches, pose_of
from lard.camera import Camera, project, to_camera
from lard.cli import main
from lard.errors import SourceError
from lard.geodesy import ecef_from_geodetic
from lard.ground.fetched.fetch import GroundResult, fetch_ground
from lard.ground.fetched.plan import GroundRequest, request_grids
from lard.ground.fetched.providers import open_source
from lard.ground.fetched.verify import verify_cache, verify_ground
from lard.ground.holes import runway_zones
from lard.ground.pyramid import load_ground
from lard.ground.resolution import check_resolution, found_gsd_m, needed_gsd_m
from lard.ground.terrain.surface import surface_of
from lard.render.renderer import Conditions, render_frame
from lard.tables import FRAMES, write_table

AIRPORT = make_airport(length_m=100)
DB = RunwayDatabase("test", "1", "wgs84", "ellipsoidal", {"XTST": AIRPORT})
REACH = GroundRequest(gsd_m=1.0, reach_m=350, levels=2, jpeg_quality=None)


def tile_at(zoom: int, lat: float, lon: float) -> tuple[int, int]:
    x = (lon + 180) / 360 * 2**zoom
    y = (1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2 * 2**zoom
    return int(x), int(y)


def without(*tiles: tuple[int, int, int], answer: Answer = (404, {}, b"")) -> Callable[[str], Answer | None]:
    """The painted server without some tiles."""
    names = {f"/{z}/{x}/{y}.png" for z, x, y in tiles}
    return lambda path: answer if path in names else slippy_answer(path)


def make(server: Server, folder: Path, **changes: object) -> GroundResult:
    http = quick_http(server, attempts=1)
    source, cache = open_source(f"xyz:{server.url}/{{z}}/{{x}}/{{y}}.png#zooms=14-17", http, folder / "cache")
    settings = {"gsd_m": 1.0, "reach_m": 350, "levels": 2, "jpeg_quality": None, **changes}
    return fetch_ground(AIRPORT, source, cache, http, folder / "ground", GroundRequest(**settings))  # type: ignore[arg-type]


NORTH = (LAT + 400 / 111170, LON)
CORNER = (17, *tile_at(17, *NORTH))
RUNWAY = (17, *tile_at(17, LAT, LON))


def test_a_hole_near_a_runway_names_it(tmp_path: Path) -> None:
    with serving(without(RUNWAY)) as server:
        for allow in (False, True):
            with pytest.raises(
                SourceError, match=r"hole over or near runway 07/25: tile 17/\d+/\d+, HTTP 404, x -?\d+"
            ):
                make(server, tmp_path, allow_holes=allow)
    assert not (tmp_path / "ground" / "XTST" / "manifest.json").exists()


def test_other_holes_need_leave_and_are_recorded(tmp_path: Path) -> None:
    with serving(without(CORNER)) as server:
        with pytest.raises(
            SourceError, match=r"1 holes among \d+ tiles of zoom 17, none near a runway(?s:.)*--allow-holes"
        ):
            make(server, tmp_path, reach_m=560)
        result = make(server, tmp_path, allow_holes=True, reach_m=560)
    holes = result.manifest["holes"]
    assert {hole["filled_from"] for hole in holes} == {"zoom 16"} and {hole["level"] for hole in holes} == {0}
    assert result.manifest["source"]["missing_tiles"] == [{"tile": list(CORNER), "reason": "HTTP 404"}]
    # the filled rectangle is the tile's, and holds the coarser picture of the same place
    [hole] = holes
    side = 256 * 0.8160
    assert hole["x_max_m"] - hole["x_min_m"] == pytest.approx(side, abs=2.5)
    assert worst_shift_px(result.folder) < 0.1
    findings = [str(finding) for finding in verify_ground(result.folder, DB)]
    assert any("in 1 holes filled from zoom 16" in text for text in findings)
    assert any("licence is unstated" in text for text in findings)
    assert not any(text.startswith("error") for text in findings)


def test_holes_at_every_zoom_take_the_mean_colour_and_say_so(tmp_path: Path) -> None:
    x, y = CORNER[1:]
    column = [(17 - k, x >> k, y >> k) for k in range(4)]
    with serving(without(*column)) as server:
        result = make(server, tmp_path, allow_holes=True, levels=1)
    assert {hole["filled_from"] for hole in result.manifest["holes"]} == {"mean colour"}


def test_failed_tiles_are_tried_again_by_the_next_run(tmp_path: Path) -> None:
    with serving(without(CORNER, answer=(500, {}, b""))) as server:
        with pytest.raises(SourceError, match=r"HTTP 500(?s:.)*run again to try the failed ones once more"):
            make(server, tmp_path)
        server.answer = slippy_answer
        result = make(server, tmp_path)
    assert result.report.fetched > 0 and not result.manifest["holes"]


def test_grey_tiles_that_say_so_are_holes(tmp_path: Path) -> None:
    grey = 200, {"Content-Type": "image/jpeg", "X-VE-Tile-Info": "no-tile"}, b"a grey picture"
    with serving(without(CORNER, answer=grey)) as server:
        with pytest.raises(SourceError, match=r"no imagery \(X-VE-Tile-Info: no-tile\)"):
            make(server, tmp_path, reach_m=560)
        result = make(server, tmp_path, reach_m=560, allow_holes=True)
    assert result.manifest["holes"][0]["filled_from"] == "zoom 16"


def test_same_bytes_again_kept_and_repaired(tmp_path: Path) -> None:
    with serving(slippy_answer) as server:
        first = make(server, tmp_path, jpeg_quality=90)
        files = {path.name: path.read_bytes() for path in first.folder.iterdir()}
        assert make(server, tmp_path, jpeg_quality=90).kept
        (first.folder / "level0_000_000.tif").write_bytes(b"x")
        (first.folder / "level7_000_000.tif").write_bytes(b"stale")
        again = make(server, tmp_path, jpeg_quality=90)
    assert not again.kept
    assert {path.name: path.read_bytes() for path in first.folder.iterdir()} == files


def test_coarser_levels_by_averaging_or_from_their_own_zooms(tmp_path: Path) -> None:
    with serving(slippy_answer) as server:
        average = make(server, tmp_path / "a")
        zooms = make(server, tmp_path / "z", coarse="zooms")
    for result in (average, zooms):
        assert worst_shift_px(result.folder, 1) < 0.1
    assert average.report.wanted < zooms.report.wanted
    fine = load_ground(average.folder).read_all()
    a, b = (fine.level_array(level).astype(float) for level in (0, 1))
    rows, columns = a.shape[0] // 2, a.shape[1] // 2
    top = round((fine.levels[1].y_max_m - fine.levels[0].y_max_m) / 2)
    left = round((fine.levels[0].x_min_m - fine.levels[1].x_min_m) / 2)
    mean = a.reshape(rows, 2, columns, 2, 3).mean(axis=(1, 3))
    assert np.abs(b[top : top + rows, left : left + columns] - mean).max() <= 0.5


def test_grids_enclose_every_runway_and_nest() -> None:
    long = make_airport(length_m=3000, offset_m=1500)
    zones = runway_zones(long, LAT, LON)
    grids = request_grids(zones, GroundRequest(gsd_m=0.5, reach_m=500))
    for fine, coarse in pairwise(grids):
        assert coarse.gsd_m == 2 * fine.gsd_m
        assert coarse.x_min_m <= fine.x_min_m and coarse.x_max_m >= fine.x_max_m
        assert (
            (fine.x_min_m - coarse.x_min_m) % coarse.gsd_m
            == 0
            == (coarse.y_max_m - fine.y_max_m) % coarse.gsd_m
        )
    for zone in zones:
        assert grids[0].x_min_m <= zone.box[0] and grids[0].y_max_m >= zone.box[3]


def test_too_coarse_and_too_much_are_refused(tmp_path: Path) -> None:
    with serving(slippy_answer) as server:
        with pytest.raises(
            SourceError, match=r"finest zoom 17 has 0.816 m per pixel at XTST; 0.5 m is wanted.*--gsd 0.82"
        ):
            make(server, tmp_path, gsd_m=0.5)
        with pytest.raises(SourceError, match=r"more than 10; ask for less"):
            make(server, tmp_path, max_tiles=10)
        assert not server.asked


def frames_of(along_m: list[float], camera: Camera) -> pl.DataFrame:
    approach = Approaches(np.array(along_m), 0.0, 3.0, 0.0, -3.0, 0.0)
    poses = pose_of(AIRPORT.runway("07"), approach)
    names = ("lat_deg", "lon_deg", "alt_m", "yaw_deg", "pitch_deg", "roll_deg")
    fixed = {
        "airport": "XTST", "runway": "07", "zone": "z", "split": "train", "earth_model": "wgs84",
        "lateral_deg": 0.0,
        "vertical_deg": 3.0, "yaw_offset_deg": 0.0, "altitude_datum": "ellipsoidal", "visibility_m": 15000.0,
        "time_utc": "2024-06-01T12:00:00Z", "seed": 3,
        **{name: getattr(camera, name) for name in Camera.__dataclass_fields__},
    }  # fmt: skip
    table = pl.DataFrame(
        {
            "frame_id": [f"F{i}" for i in range(len(along_m))], "along_track_m": along_m,
            **{name: getattr(poses, name) for name in names},
        }
    )  # fmt: skip
    return table.with_columns(**{name: pl.lit(value) for name, value in fixed.items()}).select(list(FRAMES))


def test_needed_resolution_is_that_of_the_nearest_runway_point() -> None:
    camera = Camera.from_fov(1000, 1000, 60)
    needed = needed_gsd_m(frames_of([2000.0, 400.0], camera), {"XTST": AIRPORT})
    focal = 500 / math.tan(math.radians(30))
    for along, row in zip((2000.0, 400.0), needed.sort("frame_id").iter_rows(named=True), strict=True):
        assert row["needed_gsd_m"] == pytest.approx(along / focal, rel=0.02)
        assert row["runway"] == "07"
    away = frames_of([400.0], camera).with_columns(yaw_deg=pl.col("yaw_deg") + 180)
    assert len(needed_gsd_m(away, {"XTST": AIRPORT})) == 0


def test_imagery_too_coarse_for_the_nearest_pose(capsys: pytest.CaptureFixture[str]) -> None:
    level = {
        "gsd_m": 2.0,
        "x_min_m": -512.0,
        "y_max_m": 512.0,
        "width_px": 512,
        "height_px": 512,
        "tiles": [],
    }
    grounds = {"XTST": {"lat0_deg": LAT, "lon0_deg": LON, "levels": [level]}}
    camera = Camera.from_fov(1000, 1000, 60)
    [fine] = check_resolution(frames_of([4000.0], camera), grounds, DB)
    assert fine.ratio < 1 and capsys.readouterr().err == ""
    check_resolution(frames_of([4000.0, 400.0], camera), grounds, DB)
    assert (
        "2 m per pixel at runway 07; frame F1 sees it with 0.46 m per pixel (ratio 4.3)"
        in capsys.readouterr().err
    )
    with pytest.raises(SourceError, match=r"frame F1 .*; make it with --gsd 0.11, at most 0.93"):
        check_resolution(frames_of([4000.0, 100.0], camera), grounds, DB)
    assert check_resolution(frames_of([100.0], camera), grounds, DB, refuse_ratio=None)[0].ratio > 10


def test_sparse_levels_count_where_their_tiles_are() -> None:
    fine = {
        "gsd_m": 0.5, "x_min_m": -512.0, "y_max_m": 512.0, "width_px": 2048, "height_px": 2048,
        "sparse": True,
        "tiles": [{"col_px": 0, "row_px": 0, "width_px": 256, "height_px": 256}],
    }  # fmt: skip
    coarse = {
        "gsd_m": 1.0,
        "x_min_m": -512.0,
        "y_max_m": 512.0,
        "width_px": 1024,
        "height_px": 1024,
        "tiles": [],
    }
    x, y = np.array([-500.0, 0.0, 900.0]), np.array([500.0, 0.0, 0.0])
    assert found_gsd_m({"levels": [fine, coarse]}, x, y).tolist() == [0.5, 1.0, math.inf]


def test_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LARD_OFFLINE", raising=False)
    export_database(DB, tmp_path / "runways", "table")
    write_table(frames_of([300.0], Camera.from_fov(1000, 1000, 60)), tmp_path / "f.parquet", FRAMES)

    def lard(*words: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, ["tiles", *words])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.output

    with serving(slippy_answer) as server:
        host = ["--allow-host", f"127.0.0.1:{server.port}"]
        fetch = [
            "fetch", "XTST", "--source", f"xyz:{server.url}/{{z}}/{{x}}/{{y}}.png?apikey=HUSH", "--gsd", "1",
            "--reach", "200", "--levels", "2", "--runways", "runways", "--out", "g", "--cache", "c",
            "--rate", "1000",
            "--licence", "CC BY 4.0", "--attribution", "A & B",
        ]  # fmt: skip
        code, text = lard(*fetch)
        assert code == 2 and "private address 127.0.0.1" in text and "--allow-host 127.0.0.1" in text
        code, text = lard(*fetch, *host, "--dry-run")
        assert code == 0 and "XTST level 0: 1 m from zoom 17" in text and not server.asked
        code, text = lard(*fetch, *host)
        assert code == 0 and "g/XTST: written" in text and "attribution: A & B" in text, text
    code, text = lard(*fetch, "--offline")
    assert code == 0 and "was up to date" in text
    code, text = lard("info", "g")
    assert code == 0 and "licence      CC BY 4.0" in text and "1 m per pixel, 0.49 x 0.46 km" in text, text
    code, text = lard("info", "c")
    assert code == 0 and "tile cache" in text and "zoom 17" in text and "apikey=***" in text
    code, text = lard("verify", "g", "--runways", "runways", "--frames", "f.parquet")
    assert (
        code == 0 and "warning: XTST: XTST: ground imagery of 1 m" in text and "0.35 m is needed" in text
    ), text
    tile = next((tmp_path / "c").rglob("17/*/*.tile"))
    tile.write_bytes(tile.read_bytes()[:-3])
    ground = tmp_path / "g" / "XTST" / "level1_000_000.tif"
    ground.write_bytes(ground.read_bytes()[:-100])
    assert lard("verify", "c", "--quiet")[0] == 1
    code, text = lard("verify", "g", "--runways", "runways", "--quiet")
    assert code == 1 and "level1_000_000.tif: its SHA-256 is not the manifest's" in text
    code, text = lard("verify", "runways")
    assert code == 2 and "neither a tile cache" in text
    code, text = lard("fetch", "XTST", "--source", "bing:Aerial", "--runways", "runways")
    assert code == 2 and "Bing Maps needs a key" in text
    assert not any(b"HUSH" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_verify_sees_runways_outside_and_bad_manifests(tmp_path: Path) -> None:
    with serving(slippy_answer) as server:
        folder = make(server, tmp_path, reach_m=200, levels=1).folder
    far = make_airport(length_m=3000)
    findings = verify_ground(folder, RunwayDatabase("t", "1", "wgs84", "ellipsoidal", {"XTST": far}))
    assert any("runway 07/25 reaches out of the finest level by" in str(finding) for finding in findings)
    [cache] = (tmp_path / "cache").glob("xyz-*/")
    assert [finding.severity for finding in verify_cache(cache)] == ["note"]
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["levels"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert "lacks levels" in str(verify_ground(folder, DB)[0])


def test_from_a_server_to_a_picture(tmp_path: Path) -> None:
    """The picture shows each place in the colour its latitude and longitude have."""
    with serving(slippy_answer) as server:
        folder = make(server, tmp_path, reach_m=600, levels=3, jpeg_quality=95).folder
    ground = load_ground(folder)
    surface = surface_of(AIRPORT, ground.lat0_deg, ground.lon0_deg)
    camera = Camera.from_fov(400, 300, 60)
    pose = pose_of(AIRPORT.runway("07"), Approaches(np.array([120.0]), 0.0, 30.0, 0.0, -35.0, 4.0))
    image = render_frame(ground, surface, pose, camera, Conditions(visibility_m=1e6)).astype(float)
    lat, lon = np.meshgrid(LAT + np.linspace(-1, 1, 60) * 1e-3, LON + np.linspace(-1, 1, 60) * 1e-3)
    places = ecef_from_geodetic(lat.ravel(), lon.ravel(), float(surface.z_far_m))
    pixels = project(to_camera(places, pose)[0], camera)
    inside = (pixels > 4).all(axis=1) & (pixels[:, 0] < 396) & (pixels[:, 1] < 296) & (pixels[:, 1] > 60)
    assert inside.sum() > 100
    x, y = np.floor(pixels[inside]).astype(int).T
    expected = pattern(lat.ravel()[inside], lon.ravel()[inside])
    assert np.corrcoef(image[y, x, 0], expected[:, 0])[0, 1] > 0.95
    assert np.corrcoef(image[y, x, 1], expected[:, 1])[0, 1] > 0.95


def test_rasters_with_faults_say_how_to_mend_them(tmp_path: Path) -> None:
    from lard.ground.fetched.local import ground_of_rasters

    def build(name: str = "a.tif") -> None:
        ground_of_rasters(
            AIRPORT, f"raster:{tmp_path}/{name}#repeated=keep", tmp_path / "g", GroundRequest(1.0, 200, 1)
        )

    def write(name: str, count: int = 3, dtype: str = "uint8", **options: object) -> Path:
        transform = rasterio.transform.from_bounds(LON - 0.01, LAT - 0.01, LON + 0.01, LAT + 0.01, 2400, 2400)
        settings = {"crs": "EPSG:4326", "transform": transform, **options}
        with rasterio.open(
            tmp_path / name,
            "w",
            driver="GTiff",
            width=2400,
            height=2400,
            count=count,
            dtype=dtype,
            **settings,
        ) as target:
            target.write(np.full((count, 2400, 2400), 90, dtype))
        return tmp_path / name

    path = write("a.tif")
    build()
    with rasterio.open(path, "r+") as target:
        target.nodata = 0
        target.write(np.zeros((3, 40, 40), np.uint8), window=rasterio.windows.Window(1180, 1180, 40, 40))
    with pytest.raises(SourceError, match=r"a.tif has no imagery over or near runway 07/25 \(x -"):
        build()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(SourceError, match=r"a.tif: cannot be read"):
        build()
    cases = {
        "one.tif": ({"count": 1}, "1 band of uint8; expected three.*gdal_translate -b 1 -b 1 -b 1"),
        "deep.tif": ({"dtype": "uint16"}, "3 bands of uint16.*-ot Byte -scale"),
        "flat.tif": ({"transform": rasterio.Affine.identity()}, "has the CRS EPSG:4326 but no transform"),
        "thin.tif": ({"transform": rasterio.Affine(1, 1, 8, 1, 1, 47)}, "has .* but pixels of no size"),
        "bare.tif": ({"crs": None}, "no CRS"),
    }
    for name, (options, message) in cases.items():
        write(name, **options)  # type: ignore[arg-type]
        with pytest.raises(SourceError, match=f"{name}: {message}"):
            build(name)
    with pytest.raises(SourceError, match="no such file; expected rasters"):
        build("nothing*.tif")
    with pytest.raises(
        SourceError, match=r"b.tif: \w+: the rasters have 0.92.* m per pixel; 0.2 m is wanted"
    ):
        write("b.tif")
        ground_of_rasters(AIRPORT, f"raster:{tmp_path}/b.tif", tmp_path / "g", GroundRequest(0.2, 200, 1))
