"""Imagery smaller than the horizon: its reach, what goes on beyond it, and how much of a picture that is."""

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import rasterio
from PIL import Image
from rasterio.transform import from_origin
from shapely import Polygon, contains_xy
from tiles_support import quick_http, serving, slippy_answer

from lard.airports.files import open_database
from lard.camera import Camera, intrinsics
from lard.errors import SourceError
from lard.ground.continued import Beyond, seam
from lard.ground.cover import CONTINUED, IMAGERY, NOTHING, Cover, shown_at, write_cover
from lard.ground.fetched.fetch import fetch_ground
from lard.ground.fetched.grid import local_crs
from lard.ground.fetched.known import known_fit
from lard.ground.fetched.local import ground_of_rasters
from lard.ground.fetched.plan import REACH_FACTORS, GroundRequest
from lard.ground.fetched.providers import open_source
from lard.ground.fetched.reach import within
from lard.ground.holes import runway_zones
from lard.ground.pyramid import load_ground
from lard.ground.tiles import LevelGrid
from lard.quality.checks.imagery import imagery_in_view
from lard.quality.dataset import Dataset
from lard.render.beyond import FLAT_SHARE, PAINTED_SHARE, beyond_remarks, beyond_shares

DB = open_database()
LFPO = DB.airport("LFPO")
ZONES = runway_zones(LFPO, LFPO.lat_deg, LFPO.lon_deg)
GSD_M = 8.0


def _photo(path: Path, half_x_m: float, half_y_m: float, colour: tuple[int, int, int] = (200, 30, 90)) -> str:
    """A photo of one colour around LFPO, on the airport's own map; its source."""
    width, height = round(2 * half_x_m / GSD_M), round(2 * half_y_m / GSD_M)
    place = from_origin(-half_x_m, half_y_m, GSD_M, GSD_M)
    profile = {"driver": "GTiff", "width": width, "height": height, "count": 3, "dtype": "uint8"}
    with rasterio.open(
        path, "w", **profile, crs=local_crs(LFPO.lat_deg, LFPO.lon_deg), transform=place
    ) as out:
        out.write(np.broadcast_to(np.array(colour, np.uint8)[:, None, None], (3, height, width)))
    return f"raster:{path}#repeated=keep"


def _square(half_m: float, cell_m: float = 10.0) -> Cover:
    side = round(2 * half_m / cell_m)
    return Cover(LevelGrid(cell_m, -half_m, half_m, side, side), np.ones((side, side), bool))


def test_a_cover_knows_its_reach() -> None:
    cover = _square(500)
    assert cover.reach_m == pytest.approx(500) and cover.bounds == (-500, -500, 500, 500)
    assert cover.at(np.array([499.0, 501.0, np.nan]), np.zeros(3)).tolist() == [True, False, False]
    assert cover.holds(LevelGrid(5, -500, 500, 200, 200)) and not cover.holds(
        LevelGrid(5, -500, 500, 201, 200)
    )
    cover.mask[10, 70] = False  # 205 m east, 395 m north
    assert cover.reach_m == pytest.approx(390)
    cover.mask[:] = False
    assert cover.reach_m == 0 and cover.bounds is None


@pytest.mark.parametrize("edge_m", [700.0, 2000.0, 4200.0, 9000.0, 15_000.0, 80_000.0])
def test_levels_end_within_the_edge(edge_m: float) -> None:
    found = within(GroundRequest(0.5), edge_m)
    assert found is not None and found.reach_m <= 3000
    widest = found.reach_m * REACH_FACTORS[found.levels - 1]
    assert 0.9 * min(edge_m, 20_000) <= widest <= edge_m
    assert within(GroundRequest(0.5), 90) is None


def test_a_reach_beyond_the_photo_is_refused_before_the_work_with_one_that_fits(tmp_path: Path) -> None:
    source = _photo(tmp_path / "p.tif", 5000, 4000)
    request = GroundRequest(GSD_M, 3000, 5)
    with pytest.raises(SourceError, match=r"holds 4.8% of the 40.4 x 40.4 km .*--reach \d+ --levels 3 fits"):
        ground_of_rasters(LFPO, source, tmp_path / "g", request)
    assert not (tmp_path / "g").exists()
    manifest, _ = ground_of_rasters(LFPO, source, tmp_path / "g", request, free=True)
    last = manifest["levels"][-1]
    half_m = last["width_px"] * last["gsd_m"] / 2
    assert 3600 < half_m <= 4000 and "imagery" not in manifest and not manifest["holes"]


def test_painted_ground_goes_on_in_the_colours_of_the_rim(tmp_path: Path) -> None:
    source = _photo(tmp_path / "p.tif", 4400, 3000)
    request = GroundRequest(GSD_M, jpeg_quality=None, beyond="painted")
    made, kept = ground_of_rasters(
        LFPO, source, tmp_path / "g", request, free=True, beyond=Beyond.of(LFPO, DB)
    )
    assert not kept and made["beyond"]["filled_with"] == "painted" and not made["holes"]
    assert "CC0-1.0" in made["licence"] and "Procedural" in made["attribution"]
    folder = tmp_path / "g/LFPO"
    ground = load_ground(folder).read_all()
    assert ground.levels[-1].x_min_m <= -40_000
    fine, entry = ground.level_array(0), ground.levels[0]
    x = entry.x_min_m + (np.arange(entry.width_px) + 0.5) * GSD_M
    y = entry.y_max_m - (np.arange(entry.height_px) + 0.5) * GSD_M
    where = shown_at(folder, made, *np.meshgrid(x, y))
    assert set(np.unique(where)) <= {IMAGERY, CONTINUED}
    # the photo's own pixels in its middle and around every runway; near its colour beyond
    inner = (np.abs(x)[None, :] < 4000) & (np.abs(y)[:, None] < 2600)
    assert (fine[inner] == (200, 30, 90)).all()
    beyond = ground.level_array(3)[:20].reshape(-1, 3).astype(float)
    assert beyond.std(axis=0).max() > 3 and np.abs(beyond.mean(axis=0) - (200, 30, 90)).max() < 40
    again, kept = ground_of_rasters(
        LFPO, source, tmp_path / "g", request, free=True, beyond=Beyond.of(LFPO, DB)
    )
    assert kept and again == made


def test_the_seam_spares_runways() -> None:
    """Of imagery that ends 1 m behind a runway's zone, no pixel near the runway is painted over."""
    zone = ZONES[0]
    x0, y0, x1, y1 = zone.box
    cell = 10.0
    grid = LevelGrid(cell, x0 - 300, y1 + 300, int((x1 - x0 + 600) / cell), int((y1 - y0 + 600) / cell))
    x = grid.x_min_m + (np.arange(grid.width_px) + 0.5) * cell
    mask = np.broadcast_to(x >= x0 - 2 * cell, (grid.height_px, grid.width_px)).copy()
    weight = seam(Cover(grid, mask), [zone])
    y = grid.y_max_m - (np.arange(grid.height_px) + 0.5) * cell
    near = contains_xy(Polygon(zone.polygon), *np.meshgrid(x, y))
    assert (weight[near] == 1).all() and (weight[~mask] == 0).all()


def _served(box_m: float) -> tuple[float, float, float, float]:
    d_lat, d_lon = box_m / 111_200, box_m / (111_320 * math.cos(math.radians(LFPO.lat_deg)))
    return LFPO.lat_deg - d_lat, LFPO.lon_deg - d_lon, LFPO.lat_deg + d_lat, LFPO.lon_deg + d_lon


def test_a_server_is_asked_for_its_rim_first(tmp_path: Path) -> None:
    """A few tiles are asked for before a reach is refused, and one that fits is named."""
    south, west, north, east = _served(6000)

    def answer(path: str) -> tuple[int, dict[str, str], bytes] | None:
        zoom, col, row = (int(part) for part in path.strip("/").removesuffix(".png").split("/"))
        lon = (col + 0.5) / 2**zoom * 360 - 180
        lat = math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * (row + 0.5) / 2**zoom))))
        return slippy_answer(path) if south < lat < north and west < lon < east else None

    with serving(answer) as server:
        http = quick_http(server)
        source, cache = open_source(
            f"xyz:{server.url}/{{z}}/{{x}}/{{y}}.png#zooms=10-14", http, tmp_path / "cache"
        )
        request = GroundRequest(7.0, 3000, 5)
        with pytest.raises(SourceError, match=r"holds not all of the .*--reach \d+ --levels 3 fits"):
            fetch_ground(LFPO, source, cache, http, tmp_path / "g", request)
        assert sum(server.asked.values()) < 200 and not (tmp_path / "g").exists()
        fits = known_fit(source, cache, LFPO, request)
        found = fetch_ground(LFPO, source, cache, http, tmp_path / "g", request, free=True)
    half_m = found.manifest["levels"][-1]["width_px"] * found.manifest["levels"][-1]["gsd_m"] / 2
    assert fits is not None and found.manifest["request"]["reach_m"] == fits.reach_m
    assert 3000 < half_m < 6000 and not found.manifest["holes"]
    assert found.report.fetched + found.report.kept == found.report.wanted + len(
        found.report.new - set(found.report.digests)
    )


def _frames(
    alt_m: float, pitch_deg: float, east_m: float = 0.0, visibility_m: float = 30_000.0
) -> pl.DataFrame:
    lon = LFPO.lon_deg + east_m / (111_320 * math.cos(math.radians(LFPO.lat_deg)))
    row = {
        "frame_id": "a", "airport": "LFPO", "lat_deg": LFPO.lat_deg, "lon_deg": lon,
        "alt_m": LFPO.elevation_m + alt_m, "yaw_deg": 0.0, "pitch_deg": pitch_deg, "roll_deg": 0.0,
        "earth_model": "wgs84", "visibility_m": visibility_m, **intrinsics(Camera.from_fov(480, 360, 60)),
    }  # fmt: skip
    return pl.DataFrame([row])


def _ground_of(tmp_path: Path, half_m: float, **more: object) -> dict[str, tuple[Path, dict[str, object]]]:
    """A ground folder whose only level is 40 x 40 km, imagery within half_m of its middle."""
    level = {"gsd_m": 100.0, "x_min_m": -20_000.0, "y_max_m": 20_000.0, "width_px": 400, "height_px": 400}
    manifest = {"lat0_deg": LFPO.lat_deg, "lon0_deg": LFPO.lon_deg, "levels": [level | {"tiles": []}], **more}
    manifest["imagery"] = write_cover(_square(half_m), tmp_path)
    return {"LFPO": (tmp_path, manifest)}


def test_half_a_picture_beyond_the_photo_is_half(tmp_path: Path) -> None:
    """Straight down over the photo's eastern edge, the right half of the picture is beyond it."""
    grounds = _ground_of(tmp_path, 2000)
    shares = beyond_shares(_frames(300, -90, east_m=2000), grounds, DB)
    assert shares[FLAT_SHARE][0] == pytest.approx(0.5, abs=0.03) and shares[PAINTED_SHARE][0] == 0
    assert beyond_shares(_frames(300, -90), grounds, DB)[FLAT_SHARE][0] == 0
    painted = beyond_shares(_frames(300, -90, east_m=2000), _ground_of(tmp_path, 2000, beyond={}), DB)
    assert painted[PAINTED_SHARE][0] == pytest.approx(0.5, abs=0.03) and painted[FLAT_SHARE][0] == 0
    text = beyond_remarks(shares)
    assert len(text) == 1 and "1 of 1 pictures look beyond the imagery" in text[0]


def test_sky_and_what_haze_hides_do_not_count(tmp_path: Path) -> None:
    grounds = _ground_of(tmp_path, 2000)
    clear = beyond_shares(_frames(100, 0), grounds, DB)[FLAT_SHARE][0]
    hazy = beyond_shares(_frames(100, 0, visibility_m=1900.0), grounds, DB)[FLAT_SHARE][0]
    assert 0 < clear < 0.1 and hazy == 0
    assert beyond_shares(_frames(100, 45), grounds, DB)[FLAT_SHARE][0] == 0
    # 2,000 m away from 100 m up is 2.86 degrees below the horizon, of 46.8 degrees in all
    rows = np.tan(np.radians(2.86)) / (2 * np.tan(np.radians(23.4)))
    assert clear == pytest.approx(rows, abs=1.5 / 36)


def test_without_a_cover_holes_of_one_colour_are_beyond() -> None:
    level = {"gsd_m": 10.0, "x_min_m": -100.0, "y_max_m": 100.0, "width_px": 20, "height_px": 20, "tiles": []}
    box = {"x_min_m": 0.0, "y_min_m": -100.0, "x_max_m": 100.0, "y_max_m": 100.0}
    manifest = {"levels": [level], "holes": [{"filled_from": "mean colour", **box}]}
    x, y = np.array([-50.0, 50.0, 150.0]), np.zeros(3)
    assert shown_at(Path("nowhere"), manifest, x, y).tolist() == [IMAGERY, NOTHING, NOTHING]
    manifest["holes"][0]["filled_from"] = "zoom 12"
    assert shown_at(Path("nowhere"), manifest, x, y).tolist() == [IMAGERY, IMAGERY, NOTHING]


def test_a_damaged_cover_is_named(tmp_path: Path) -> None:
    grounds = _ground_of(tmp_path, 2000)
    Image.new("1", (3, 3)).save(tmp_path / "imagery.png")
    with pytest.raises(SourceError, match=r"imagery\.png: damaged"):
        beyond_shares(_frames(300, -90), grounds, DB)
    grounds["LFPO"][1]["imagery"] = {"file": "../../x"}
    with pytest.raises(SourceError, match="imagery: lacks"):
        beyond_shares(_frames(300, -90), grounds, DB)


def test_the_requirement_judges_both_shares(tmp_path: Path) -> None:
    names = ["a", "b", "c"]
    manifest = pl.DataFrame({"frame_id": names, FLAT_SHARE: [0.0, 0.3, math.nan], PAINTED_SHARE: [0.6, 0, 0]})
    limits = {"max_flat_share": 0.1, "max_painted_share": 1.0, "max_frames": 0.0}
    found = imagery_in_view(Dataset(tmp_path, "lard", "x", manifest=manifest), limits)
    assert not found.passed and [offence.subject for offence in found.offences] == ["b", "c"]
    assert imagery_in_view(Dataset(tmp_path, "lard", "x", manifest=manifest[:1]), limits).passed
    strict = limits | {"max_painted_share": 0.5}
    assert not imagery_in_view(Dataset(tmp_path, "lard", "x", manifest=manifest[:1]), strict).passed
    silent = manifest.select("frame_id")
    assert imagery_in_view(Dataset(tmp_path, "lard", "x", manifest=silent), limits).passed is None
