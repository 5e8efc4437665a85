"""The procedural ortho-photo on disk: places, edges, averages, bytes."""

import itertools
import json
import re
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer

from lard.airports import Airport, Runway, RunwayDatabase, load_shipped
from lard.airports.layout import strips_around
from lard.errors import AirportError
from lard.geodesy import geodesic_direct
from lard.ground.painted.airport import build_ground, painter_files, prepare
from lard.ground.painted.levels import (
    Averages,
    Reach,
    halve,
    paint_window,
    reaches_for,
)
from lard.ground.painted.markings import marked_like_faa
from lard.ground.painted.paint import Quad, Surface, pack, paint
from lard.ground.painted.regions import REGIONS, palette_for, region_of
from lard.ground.painted.seasons import SEASONS, in_season, snow_cover
from lard.ground.tiles import BLOCK_PX, LevelGrid

REACHES = (Reach(60.0), Reach(130.0), Reach(400.0))
SPARSE = (Reach(20.0, True), Reach(60.0, True, 500.0, 50.0, 0.1), Reach(200.0, True), Reach(500.0))


def an_airport(heading_deg: float = 90.0, length_m: float = 640.0) -> Airport:
    lat, lon = 48.0, 2.0
    half = length_m / 2
    start = geodesic_direct(lat, lon, heading_deg + 180, half)
    end = geodesic_direct(lat, lon, heading_deg, half)
    ident = f"{round(heading_deg / 10) or 36:02d}"
    other = f"{(round(heading_deg / 10) + 18 - 1) % 36 + 1:02d}"
    ends = [(float(p[0]), float(p[1]), 100.0) for p in (start, end)]
    runways = tuple(
        Runway.from_thresholds("TEST", a, b, near, far, 30.0, marking="nonprecision")
        for a, b, near, far in ((ident, other, *ends), (other, ident, *ends[::-1]))
    )
    return Airport("TEST", "Test field", "FR", lat, lon, 100.0, runways)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ground")
    build_ground(an_airport(), root, seed=3, gsd_m=0.5, reaches=REACHES)
    return root / "TEST"


def read_level(folder: Path, number: int) -> tuple[np.ndarray, dict]:
    level = json.loads((folder / "manifest.json").read_text())["levels"][number]
    out = np.zeros((level["height_px"], level["width_px"], 3), np.uint8)
    for tile in level["tiles"]:
        with rasterio.open(folder / tile["file"]) as source:
            part = np.moveaxis(source.read(), 0, -1)
            assert source.bounds.left == level["x_min_m"] + tile["col_px"] * level["gsd_m"]
            assert source.bounds.top == level["y_max_m"] - tile["row_px"] * level["gsd_m"]
        out[tile["row_px"] :, tile["col_px"] :][: part.shape[0], : part.shape[1]] = part
    return out, level


def test_key_covers_the_modules_that_decide_pixels() -> None:
    """What the painter imports of the ground, directly or not, is in its digest, and nothing else."""
    root = Path(__file__).parent.parent
    reached, waiting = set(), [root / "lard/ground/painted/airport.py"]
    while waiting:
        path = waiting.pop()
        reached.add(path)
        names = re.findall(r"^ *from (lard\.ground[\w.]*) import (.*)", path.read_text(), re.M)
        dotted = [name for name, _ in names] + [f"{name}.{what}" for name, what in names]
        files = {root / f"{name.replace('.', '/')}.py" for name in dotted}
        waiting += [file for file in files if file.is_file() and file not in reached]
    assert set(painter_files()) == reached


def test_runway_lies_where_its_corners_say(built: Path) -> None:
    """Sample the picture along the threshold by latitude and longitude: stripes inside, none outside."""
    image, level = read_level(built, 0)
    with rasterio.open(built / "l0_r000_c000.tif") as source:
        to_plane = Transformer.from_crs("EPSG:4979", source.crs, always_xy=True)
    runway = an_airport().runway("09")
    bl, br = runway.corners[3], runway.corners[2]
    x, y = to_plane.transform([bl[1], br[1]], [bl[0], br[0]])
    column = round((min(x) + 21 - level["x_min_m"]) / 0.5)  # 21 m beyond the threshold, through the stripes
    rows = (level["y_max_m"] - np.array(y)) / 0.5
    profile = image[:, column - 20 : column + 24].mean(axis=(1, 2))
    north, south = round(rows[0]), round(rows[1])
    inside = profile[north + 1 : south - 1]
    bright = inside > 180
    assert np.count_nonzero(np.diff(bright.astype(int)) == 1) == 8
    assert (profile[north - 40 : north - 2] < 180).all()
    assert (profile[south + 2 : south + 40] < 180).all()
    # the outermost stripes' outer edges, at half height, lie evenly about the centreline
    level_at = (np.median(inside[bright]) + np.median(inside[~bright])) / 2
    rise = np.flatnonzero((inside[:-1] < level_at) & (inside[1:] >= level_at))[0]
    fall = np.flatnonzero((inside[:-1] >= level_at) & (inside[1:] < level_at))[-1]
    cross = [k + (level_at - inside[k]) / (inside[k + 1] - inside[k]) + north + 1.5 for k in (rise, fall)]
    assert abs(np.mean(cross) - rows.mean()) * 0.5 < 0.06
    assert (cross[1] - cross[0]) * 0.5 == pytest.approx(2 * 8 * (15 - 0.9) / 8, abs=0.15)


@settings(max_examples=25, deadline=None)
@given(angle=st.floats(0, 6.28), offset_m=st.floats(-1, 1), gsd_m=st.sampled_from([0.25, 0.5, 1.0]))
def test_edges_are_exact_to_centimetres(angle: float, offset_m: float, gsd_m: float) -> None:
    """A white half plane's edge, found by the covered area in a round window, is where the corner says."""
    ahead = np.array([np.cos(angle), np.sin(angle)])
    side = np.array([-ahead[1], ahead[0]])
    corners = (
        np.array([-60 * ahead, 60 * ahead, 60 * ahead + 90 * side, -60 * ahead + 90 * side]) + offset_m * side
    )
    image = np.zeros((160, 160, 4), np.uint8)
    half = 80 * gsd_m
    quad = Quad(corners, Surface.PLAIN, (250.0, 250.0, 250.0), 1.0, (0.0, 0.0, 1.0, 0.0), 0.0)
    paint(image, np.zeros((160, 160), np.uint8), -half, half, gsd_m, pack([quad]), 1)
    centre = (np.arange(160) + 0.5) * gsd_m - half
    x, y = np.meshgrid(centre, -centre)
    along, across = x * ahead[0] + y * ahead[1], x * side[0] + y * side[1]
    cut = half * 0.6
    window = (np.abs(along) < cut) & (np.abs(across) < cut)
    covered = image[..., 0][window].astype(float).sum() / 250.0
    # share of the window that is white times its extent, from the far side back to the edge
    edge = cut - covered / np.count_nonzero(window) * 2 * cut
    assert abs(edge - offset_m) < 0.05 + 0.02 * gsd_m


def test_thin_lines_keep_their_weight() -> None:
    line = np.array([[-40.0, 3.1], [40.0, 3.1], [40.0, 3.3], [-40.0, 3.3]])
    image = np.zeros((64, 64, 4), np.uint8)
    paint(
        image,
        np.zeros((64, 64), np.uint8),
        -16.0,
        16.0,
        0.5,
        pack([Quad(line, Surface.PLAIN, (250.0,) * 3, grain=0.0)]),
        1,
    )
    assert image[:, 32, 0].sum() / 250.0 * 0.5 == pytest.approx(0.2, abs=0.01)


def test_coarser_levels_are_averages_of_finer(built: Path) -> None:
    for number in (1, 2):
        fine, grid = read_level(built, number - 1)
        coarse, outer = read_level(built, number)
        row = round((outer["y_max_m"] - grid["y_max_m"]) / outer["gsd_m"])
        column = round((grid["x_min_m"] - outer["x_min_m"]) / outer["gsd_m"])
        average = halve(fine).astype(int)
        same = coarse[row : row + average.shape[0], column : column + average.shape[1]].astype(int)
        assert np.abs(average - same).mean() < 2.0  # JPEG
        assert np.abs((average - same).mean(axis=(0, 1))).max() < 0.3


@pytest.mark.parametrize("reaches", [REACHES, SPARSE, reaches_for(0.25)])
@pytest.mark.parametrize("gsd_m", [0.25, 0.3])
def test_levels_share_pixel_edges(reaches: tuple[Reach, ...], gsd_m: float) -> None:
    grids = prepare(an_airport(35.0), 5, gsd_m, reaches).grids
    for fine, coarse in itertools.pairwise(grids):
        for low, high in ((coarse.x_min_m, fine.x_min_m), (fine.y_max_m, coarse.y_max_m)):
            steps = (high - low) / coarse.gsd_m
            assert steps == pytest.approx(round(steps), abs=1e-6)
        assert fine.x_min_m >= coarse.x_min_m - 1e-6
        assert fine.x_max_m <= coarse.x_max_m + 1e-6
        assert fine.y_min_m >= coarse.y_min_m - 1e-6
        assert fine.width_px % 2 == fine.height_px % 2 == 0


def test_sparse_levels_hold_whole_blocks_around_the_runways() -> None:
    grid = prepare(an_airport(35.0), 5, 0.25, SPARSE).grids[0]
    assert grid.cover is not None
    assert 0.0 < grid.cover.mean() < 0.7
    held = np.zeros((grid.height_px, grid.width_px), int)
    for row, column, height, width in grid.windows():
        assert all(value % BLOCK_PX == 0 for value in (row, column, height, width))
        held[row : row + height, column : column + width] += 1
    assert held.max() == 1
    assert (held[::BLOCK_PX, ::BLOCK_PX] == grid.cover).all()
    dense = prepare(an_airport(35.0), 5, 0.25, SPARSE).grids[-1]
    assert sum(h * w for *_, h, w in dense.windows()) == dense.width_px * dense.height_px
    rows, columns = np.nonzero(held == 0)
    x, y = grid.x_min_m + (columns + 0.5) * 0.25, grid.y_max_m - (rows + 0.5) * 0.25
    ahead = np.array([np.sin(np.radians(35.0)), np.cos(np.radians(35.0))])
    along, across = x * ahead[0] + y * ahead[1], x * ahead[1] - y * ahead[0]
    assert not ((np.abs(along) < 320.0) & (np.abs(across) < 15.0 + 19.0)).any()


def test_sparse_and_dense_levels_show_the_same_ground() -> None:
    """Ground under a sparse finer level is its average; beside it, it is what a dense level would show."""
    ground = prepare(an_airport(35.0), 5, 0.5, (Reach(20.0, True), Reach(300.0)))
    fine, coarse = ground.grids
    pieces = [
        (row // 2, column // 2, halve(paint_window(ground, fine, (row, column, height, width))))
        for row, column, height, width in fine.windows()
    ]
    window = (0, 0, coarse.height_px, coarse.width_px)
    mixed = paint_window(ground, coarse, window, Averages(fine, pieces)).astype(int)
    alone = paint_window(ground, coarse, window).astype(int)
    same = (mixed == alone).all(axis=-1)
    covered = sum(piece.shape[0] * piece.shape[1] for *_, piece in pieces)
    assert (~same).sum() <= covered
    assert np.abs((mixed - alone)[~same].mean(axis=0))[:3].max() < 3.0


def test_windows_join_without_seams() -> None:
    ground = prepare(an_airport(35.0), 5, 1.0, REACHES)
    grid = LevelGrid(1.0, -256.0, 256.0, 512, 512)
    whole = paint_window(ground, grid, (0, 0, 512, 512))
    parts = np.hstack([paint_window(ground, grid, (0, c, 512, 256)) for c in (0, 256)])
    assert np.abs(whole.astype(int) - parts).max() <= 1


@pytest.mark.parametrize("heading_deg", [20.0, 200.0])
def test_levels_agree_in_colour_where_they_meet(heading_deg: float) -> None:
    """Ground painted at 4 m per pixel has the colour of the average of the same ground painted at 1 m."""
    ground = prepare(an_airport(heading_deg), 11, 1.0, REACHES)
    fine = paint_window(ground, LevelGrid(1.0, 600.0, 1624.0, 1024, 1024), (0, 0, 1024, 1024))
    coarse = paint_window(ground, LevelGrid(4.0, 600.0, 1624.0, 256, 256), (0, 0, 256, 256))
    difference = halve(halve(fine)).astype(float) - coarse
    assert np.abs(difference.mean(axis=(0, 1))).max() < 3.0
    # crowns and houses that only the finer level can show average out over 32 m
    assert np.abs(difference[..., :3].reshape(32, 8, 32, 8, 3).mean(axis=(1, 3))).mean() < 3.0
    assert np.abs(difference[..., :3]).mean() < 10.0


def test_tiles_are_cloud_optimised(built: Path) -> None:
    """Tiled, the directory before the pixels, and marked as such by GDAL."""
    files = sorted(built.glob("*.tif"))
    assert built / "objects.tif" in files
    for path in files:
        with rasterio.open(path) as source:
            assert source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
            assert source.block_shapes[0] == (256, 256)
        data = path.read_bytes()
        order = "<" if data[:2] == b"II" else ">"
        assert struct.unpack(order + "H", data[2:4]) == (42,)
        (directory,) = struct.unpack(order + "I", data[4:8])
        assert directory < 300
        with rasterio.open(path) as source:
            first = int(source.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", bidx=1))
        assert first > directory


def test_heights_lie_over_what_stands(tmp_path: Path) -> None:
    """objects.tif has the 2 m level's cells; runways are flat, woods and houses are not."""
    manifest = build_ground(an_airport(), tmp_path, seed=3, gsd_m=1.0, reaches=(*SPARSE[:1], Reach(1200.0)))
    entry, level = manifest["objects"], manifest["levels"][1]
    place = ("gsd_m", "x_min_m", "y_max_m", "width_px", "height_px")
    assert [entry[name] for name in place] == [level[name] for name in place]
    assert entry["gsd_m"] == 2.0
    assert entry["unit_m"] == 0.5
    with rasterio.open(tmp_path / "TEST" / entry["file"]) as source:
        heights = source.read(1)
        assert source.nodata is None
        assert (source.width, source.height) == (entry["width_px"], entry["height_px"])
    y, x = np.mgrid[: heights.shape[0], : heights.shape[1]] * 2.0 + 1.0
    x, y = entry["x_min_m"] + x, entry["y_max_m"] - y
    runway = (np.abs(x) < 320.0) & (np.abs(y) < 15.0)
    assert (heights[runway] == 0).all()
    assert heights.max() * 0.5 > 4.0
    assert heights.max() * 0.5 < 80.0


def test_same_inputs_same_bytes_and_a_damaged_folder_is_mended(built: Path, tmp_path: Path) -> None:
    airport = an_airport()
    first = json.loads((built / "manifest.json").read_text())
    build_ground(airport, tmp_path, seed=3, gsd_m=0.5, reaches=REACHES)
    folder = tmp_path / "TEST"
    assert json.loads((folder / "manifest.json").read_text()) == first
    # intact: nothing is written again
    stamp = (folder / "manifest.json").stat().st_mtime_ns
    build_ground(airport, tmp_path, seed=3, gsd_m=0.5, reaches=REACHES)
    assert (folder / "manifest.json").stat().st_mtime_ns == stamp
    # killed half-way: no manifest, a truncated tile, a stray temporary
    (folder / "manifest.json").unlink()
    (folder / "l0_r000_c000.tif").write_bytes(b"half")
    (folder / ".l1.abc.tmp.tif").write_bytes(b"")
    (folder / "notes.txt").write_text("of others, and none of our business")
    (folder / "mine").mkdir()
    build_ground(airport, tmp_path, seed=3, gsd_m=0.5, reaches=REACHES)
    (folder / "notes.txt").unlink()
    (folder / "mine").rmdir()
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == {
        p.name: p.read_bytes() for p in built.iterdir()
    }


def test_a_changed_tile_or_input_builds_again(built: Path, tmp_path: Path) -> None:
    build_ground(an_airport(), tmp_path, seed=3, gsd_m=0.5, reaches=REACHES)
    tile = tmp_path / "TEST" / "l1_r000_c000.tif"
    good = tile.read_bytes()
    tile.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    build_ground(an_airport(), tmp_path, seed=3, gsd_m=0.5, reaches=REACHES)
    assert tile.read_bytes() == good
    manifest = build_ground(an_airport(), tmp_path, seed=4, gsd_m=0.5, reaches=REACHES)
    assert manifest["seed"] == 4
    assert tile.read_bytes() != good


def test_bad_inputs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AirportError, match="XXXX"):
        build_ground("XXXX", tmp_path)
    with pytest.raises(AirportError, match="no runways"):
        build_ground(replace(an_airport(), runways=()), tmp_path)
    with pytest.raises(AirportError, match=r"monsoon.*summer"):
        build_ground(an_airport(), tmp_path, season="monsoon")
    with pytest.raises(AirportError, match="gsd_m"):
        build_ground(an_airport(), tmp_path, gsd_m=0.0)
    assert not (tmp_path / "TEST" / "manifest.json").exists()


@given(lat=st.floats(-90, 90), lon=st.floats(-180, 180))
def test_every_place_has_a_region(lat: float, lon: float) -> None:
    assert region_of(lat, lon) in REGIONS


@given(
    lat=st.floats(-80, 80), lon=st.floats(-180, 180), height_m=st.floats(-300, 4000), seed=st.integers(0, 99)
)
def test_colours_of_every_season_are_colours(lat: float, lon: float, height_m: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    palette = palette_for(lat, lon, rng)
    for season in SEASONS:
        look = in_season(palette, season, lat, height_m, np.random.default_rng(seed))
        colours = np.array([*look.crops, look.grass, look.forest, look.second, look.water, look.soil])
        assert (colours >= 0.0).all() and (colours <= 255.0).all()
        # runways are grey: land stays apart from them in colour or in brightness
        assert look.region == palette.region
    assert in_season(palette, "summer", lat, height_m, rng) == palette


@given(st.sampled_from(["bocage", "prairie", "boreal", "paddy"]), st.floats(30, 75), st.floats(0, 3000))
def test_snow_lies_where_it_is_cold(region: str, lat: float, height_m: float) -> None:
    cover = snow_cover(region, lat, height_m, 0.0)
    assert 0.0 <= cover <= snow_cover(region, lat + 2.0, height_m, 0.0) <= 1.0
    assert cover <= snow_cover(region, lat, height_m + 300.0, 0.0)
    assert snow_cover("tropical", lat, height_m, 1.0) == 0.0
    assert snow_cover(region, 70.0, 0.0, -1.0) == 1.0
    assert snow_cover(region, -70.0, 0.0, -1.0) == 1.0


def test_seasons_change_colours_and_nothing_else(tmp_path: Path) -> None:
    """Runways, heights and the pattern of the land stay; the white of winter does not hide a runway."""
    airport = replace(an_airport(), elevation_m=1500.0)
    window = LevelGrid(2.0, -500.0, 500.0, 500, 500)
    pictures = {
        season: paint_window(prepare(airport, 3, 1.0, REACHES, season), window, (0, 0, 500, 500))
        for season in SEASONS
    }
    summer, winter = pictures["summer"].astype(int), pictures["winter"].astype(int)
    assert (summer[..., 3] == winter[..., 3]).all()
    runway = summer[245:255, 120:380, :3]
    assert np.abs(runway - winter[245:255, 120:380, :3]).mean() < 2.0
    assert winter[..., :3].mean() > summer[..., :3].mean() + 60
    keys = {build_ground(airport, tmp_path, 3, 4.0, season, REACHES[2:])["key"] for season in SEASONS}
    assert len(keys) == 4
    assert json.loads((tmp_path / "TEST" / "manifest.json").read_text())["season"] == SEASONS[-1]


def test_ten_airports_do_not_look_alike() -> None:
    """Mean colours around ten airports of the world lie apart, and so do their layouts."""
    db = load_shipped()
    names = ["KATL", "LFBO", "EHAM", "YSSY", "OMDB", "BIKF", "PHTO", "HKJK", "LEBL", "RJTT"]
    means, thumbs = [], []
    for name in names:
        ground = prepare(db.airport(name), 1, 0.25)
        image = paint_window(ground, LevelGrid(32.0, -3072.0, 3072.0, 192, 192), (0, 0, 192, 192))
        means.append(image[..., :3].mean(axis=(0, 1)))
        thumbs.append(image[..., :3].astype(float).mean(axis=-1))
    apart = [np.abs(a - b).max() for a, b in itertools.combinations(means, 2)]
    assert np.median(apart) > 12.0
    alike = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in itertools.combinations(thumbs, 2)]
    assert max(alike) < 0.6


def test_country_decides_the_paint() -> None:
    assert marked_like_faa(load_shipped().airport("PHTO"))
    assert not marked_like_faa(load_shipped().airport("MMMX"))
    assert not marked_like_faa(an_airport())


def test_neighbours_are_painted_where_they_lie_and_change_nothing_else(tmp_path: Path) -> None:
    """A runway of another airport, 5 km north, on the coarse level; the airport itself keeps every pixel."""
    own = an_airport()
    lat, lon, _ = geodesic_direct(own.lat_deg, own.lon_deg, 0.0, 5000.0)
    ends = [geodesic_direct(lat, lon, 90.0, d)[:2] for d in (-1500.0, 1500.0)]
    near, far = [(float(p[0]), float(p[1]), 100.0) for p in ends]
    runways = tuple(
        Runway.from_thresholds("NEXT", *idents, *points, 60.0, source="survey", date="2026-01-01")
        for idents, points in ((("09", "27"), (near, far)), (("27", "09"), (far, near)))
    )
    other = Airport("NEXT", "Next", "FR", float(lat), float(lon), 100.0, runways)
    twin = replace(own, icao="TWIN", runways=tuple(replace(r, airport="TWIN") for r in own.runways))
    db = RunwayDatabase("x", "1", "wgs84", "msl", {"TEST": own, "NEXT": other, "TWIN": twin})
    around = strips_around(db, own, 20_000.0)
    assert [(airport.icao, strip.ident) for airport, strip in around] == [("NEXT", "09")]
    assert strips_around(db, own, 3000.0) == ()
    reaches = (Reach(60.0), Reach(8000.0))
    plain, both = prepare(own, 3, 8.0, reaches), prepare(own, 3, 8.0, reaches, neighbours=around)
    grid = LevelGrid(8.0, -4096.0, 8192.0, 1024, 1024)
    before, after = (paint_window(g, grid, (0, 0, 1024, 1024))[..., :3].astype(int) for g in (plain, both))
    changed = np.abs(after - before).max(axis=-1) > 0
    rows, columns = np.nonzero(changed)
    north, east = 8192.0 - 8.0 * rows, -4096.0 + 8.0 * columns
    assert changed.sum() > 3000 * 60 / 64 * 0.8
    assert np.abs(north - 5000.0).max() < 80.0 and np.abs(east).max() < 1500.0 + 160.0
    keys = {
        build_ground(own, tmp_path, 3, 4.0, reaches=REACHES[2:], neighbours=n)["key"] for n in ((), around)
    }
    assert len(keys) == 2
    manifest = json.loads((tmp_path / "TEST" / "manifest.json").read_text())
    assert manifest["attribution"].endswith("runway positions: source unstated; survey 2026-01-01")
