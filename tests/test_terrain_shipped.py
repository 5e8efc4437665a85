"""The shipped relief: its posts far away, the sea level, runways as they are, and approaches free of land."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
import rasterio
import shapely
from click.testing import CliRunner
from render_scene import make_airport, make_scene

from lard.airports import Airport, Runway, RunwayDatabase, load_shipped
from lard.airports.coastline import rings_near
from lard.approach import Approaches, pose_of
from lard.camera import Camera
from lard.cli import main
from lard.errors import DataError
from lard.ground.terrain.dem import load_dem
from lard.ground.terrain.land import terrain_about, terrain_heights
from lard.ground.terrain.map import geodetic_from_map, map_from_geodetic
from lard.ground.terrain.patch import FILE, NO_POST
from lard.ground.terrain.shipped import in_use, located
from lard.ground.terrain.surface import points_on, surface_of
from lard.labels.occlusion import TerrainByAirport, hidden_fraction
from lard.labels.table import label_frames
from lard.odd import load_spec
from lard.quality.land import other_land
from lard.quality.measures.terrain import refuse_shipped, terrain_fit
from lard.quality.skyline import behind_hills, hill_deg
from lard.render.driver import render_frames

DB = load_shipped()
DEM = load_dem("shipped")


def posts_about(airport: Airport) -> tuple[np.ndarray, ...]:
    """Latitude, longitude, height, and place on the airport's map of posts within 80 km to either side."""
    with rasterio.open(FILE) as source:
        heights, at = source.read(1), source.transform
    row, column = np.nonzero(heights != NO_POST)
    lon, lat = at.c + (column + 0.5) * at.a, at.f + (row + 0.5) * at.e
    near = (np.abs(lat - airport.lat_deg) < 1) & (np.abs(lon - airport.lon_deg) < 2)
    lat, lon, height = lat[near], lon[near], heights[row[near], column[near]].astype(float)
    x, y = map_from_geodetic(lat, lon, airport.lat_deg, airport.lon_deg)
    kept = (np.abs(x) < 80_000) & (np.abs(y) < 80_000)
    return lat[kept], lon[kept], height[kept], x[kept], y[kept]


def approaches(airport: Airport, along_m: np.ndarray, lateral_deg: float, vertical_deg: float):
    """Runway ends, and poses of each before its threshold."""
    zeros = np.zeros(len(along_m))
    for end in airport.runways:
        yield (
            end,
            pose_of(end, Approaches(along_m, zeros + lateral_deg, zeros + vertical_deg, zeros, zeros, zeros)),
        )


def test_posts_are_met_where_they_have_full_weight() -> None:
    airport = DB.airport("LSZH")
    lat, lon, height, x, y = posts_about(airport)
    assert len(height) > 300
    np.testing.assert_allclose(DEM.told(lat, lon), height, atol=1e-6)
    far = np.hypot(x, y) > 20_000
    for end in airport.runways:  # beside the planes before thresholds, and far from their sides
        ahead = np.degrees(np.arctan2(x, y)) - end.heading_deg + 180
        far &= np.abs((ahead + 180) % 360 - 180) > 30
    assert far.sum() > 100
    np.testing.assert_allclose(DEM.heights(lat[far], lon[far]), height[far], rtol=0.06)
    high = np.argmax(height)
    assert height[high] > 2000 and y[high] < -40_000  # the Alps lie in the south
    lat, lon, height, x, y = posts_about(DB.airport("SKBO"))
    below = (height < 2500) & (np.hypot(x, y) > 20_000)  # its runways: no approach keeps these down
    assert below.sum() > 100
    np.testing.assert_allclose(DEM.heights(lat[below], lon[below]), height[below], atol=1e-6)


def test_between_posts_land_is_smooth_and_within_them() -> None:
    airport = DB.airport("LSZH")
    step_m = 25.0
    along = np.arange(-80_000, 80_000, step_m)
    for x, y in ((along, along * 0.3 - 20_000), (0 * along + 31_000, along)):
        slope = np.diff(DEM.heights(*geodetic_from_map(x, y, airport.lat_deg, airport.lon_deg))) / step_m
        assert np.abs(slope).max() < 0.35
        assert np.abs(np.diff(slope)).max() < 0.005  # no edges
    _, _, height, x, y = posts_about(airport)
    rng = np.random.default_rng(1)
    px, py = rng.uniform(-70_000, 70_000, (2, 2000))
    told = DEM.told(*geodetic_from_map(px, py, airport.lat_deg, airport.lon_deg))
    reach = (np.abs(px[:, None] - x) < 9_400) & (np.abs(py[:, None] - y) < 9_400)
    assert (told <= np.where(reach, height, -np.inf).max(axis=1) + 1e-6).all()
    assert (told >= np.where(reach, height, np.inf).min(axis=1) - 1e-6).all()


@pytest.mark.parametrize("icao", ["SKBO", "KSEA"])
def test_runways_are_untouched_and_land_beside_them_is_theirs(icao: str) -> None:
    airport = DB.airport(icao)
    plain, relief = surface_of(airport), surface_of(airport, dem=DEM)
    for rectangle in relief.strips:
        x, y = points_on(rectangle)
        np.testing.assert_allclose(relief.heights(x, y), plain.heights(x, y), atol=1e-6)
    altitudes = [corner[2] for end in airport.runways for corner in end.corners]
    x, y = np.random.default_rng(2).uniform(-900, 900, (2, 500)) + relief.strips[0, :2, None]
    beside = DEM.heights(*geodetic_from_map(x, y, relief.lat0_deg, relief.lon0_deg))
    assert beside.min() > min(altitudes) - 5 and beside.max() < max(altitudes) + 5


def test_the_drawn_surface_is_the_land_of_labels() -> None:
    airport = DB.airport("SEQM")
    surface = surface_of(airport, dem=DEM)
    x, y = np.random.default_rng(3).uniform(-60_000, 60_000, (2, 3000))
    place = geodetic_from_map(x, y, airport.lat_deg, airport.lon_deg)
    drawn = surface.heights(x, y)
    np.testing.assert_allclose(drawn, terrain_heights([Path("shipped")], *place, "msl"), atol=5.0)
    assert drawn.max() > 3500 > 2500 > drawn.min()
    along = np.linspace(500, 20_000, 100)
    for end, poses in approaches(airport, along, 0.0, 2.0):
        x, y = map_from_geodetic(poses.lat_deg, poses.lon_deg, airport.lat_deg, airport.lon_deg)
        assert (poses.alt_m - surface.heights(x, y)).min() > 10, end.ident


@pytest.mark.parametrize("icao", ["PHNL", "RJBB", "KSEA"])
def test_the_sea_is_level_and_no_land_lies_below_it(icao: str) -> None:
    airport = DB.airport(icao)
    x, y = np.random.default_rng(4).uniform(-55_000, 55_000, (2, 1500))
    lat, lon = geodetic_from_map(x, y, airport.lat_deg, airport.lon_deg)
    points, land = shapely.points(lon, lat), np.zeros(len(lat), bool)
    rings = rings_near(airport.lat_deg, airport.lon_deg, np.array([0.6, 0.6]))
    assert rings
    for ring in rings:
        land ^= shapely.contains(shapely.make_valid(shapely.Polygon(ring)), points)
    away = np.full(len(lat), np.inf)
    for rectangle in surface_of(airport).strips:
        away = np.minimum(away, np.hypot(x - rectangle[0], y - rectangle[1]) - rectangle[4])
    heights = DEM.heights(lat, lon)
    sea = ~land & (away > 3500)
    assert sea.sum() > 100
    np.testing.assert_allclose(heights[sea], 0.0, atol=1e-6)
    assert heights.min() > -1e-6 and heights[land].max() > 100


def test_every_approach_of_every_shipped_airport_is_free_of_land() -> None:
    """From 500 m before the threshold on, land stays below a plane of 1.5 degrees."""
    along = np.concatenate([np.arange(100.0, 2000.0, 100.0), np.arange(2000.0, 20_001.0, 500.0)])
    count = 0
    for airport in DB.airports.values():
        for lateral_deg in (-3.0, 0.0, 3.0):
            for end, poses in approaches(airport, along, lateral_deg, 2.0):
                land = DEM.heights(poses.lat_deg, poses.lon_deg)
                gap = poses.alt_m - land
                where = f"{airport.icao} {end.ident} at {lateral_deg} degrees"
                assert np.isfinite(land).all() and (gap > 0).all(), where
                assert gap[along >= 1000].min() > 20, where
                rise = land - end.ltp[2] - np.tan(np.radians(1.5)) * along
                assert rise[along >= 500].max() < along[rise.argmax()] ** 2 / 1.2e7, where  # the earth's bend
                count += 1
    assert count == 3 * sum(len(airport.runways) for airport in DB.airports.values())


def test_nothing_hides_on_an_approach_and_mountains_do_from_behind() -> None:
    airport = DB.airport("SEQM")

    def land(lat_deg: np.ndarray, lon_deg: np.ndarray) -> np.ndarray:
        return terrain_heights([Path("shipped")], lat_deg, lon_deg, "msl")

    along = np.linspace(300, 6000, 20)
    for end, poses in approaches(airport, along, 3.0, 1.9):
        assert (hidden_fraction(end, poses, land) == 0).all()
    _, _, height, x, y = posts_about(airport)
    top = np.argmax(np.where(np.hypot(x, y) < 50_000, height, 0))
    lat, lon = geodetic_from_map(x[top] * 1.25, y[top] * 1.25, airport.lat_deg, airport.lon_deg)
    end, poses = next(approaches(airport, along[:1], 0.0, 3.0))
    valley = float(DEM.heights(lat, lon))
    behind = replace(poses, lat_deg=np.array([lat]), lon_deg=np.array([lon]), alt_m=np.array([valley + 50]))
    assert hidden_fraction(end, behind, land)[0] == 1.0


def moved(icao: str, code: str, up_m: float, east_deg: float) -> RunwayDatabase:
    """The shipped table with one airport elsewhere, or under another code."""
    airport = DB.airport(icao)

    def there(runway: Runway) -> Runway:
        corners = tuple((lat, lon + east_deg, alt + up_m) for lat, lon, alt in runway.corners)
        return replace(runway, airport=code, corners=corners)

    own = replace(
        airport, icao=code, lon_deg=airport.lon_deg + east_deg, elevation_m=airport.elevation_m + up_m,
        runways=tuple(map(there, airport.runways)),
    )  # fmt: skip
    others = {name: other for name, other in DB.airports.items() if name != icao}
    return replace(DB, name="own", airports={**others, code: own})


@pytest.mark.parametrize(
    ("code", "up_m", "east_deg"),
    [
        ("KSEA", -120.0, 0.0),
        ("KSEA", 500.0, 0.0),
        ("KSEA", 0.0, 0.12),
        ("ZZZZ", 0.0, 0.0),
        ("ZZZZ", -90.0, -0.12),
    ],
)
def test_own_runways_are_levelled_for_and_free_on_their_approaches(
    code: str, up_m: float, east_deg: float
) -> None:
    db = moved("KSEA", code, up_m, east_deg)
    airport = db.airport(code)
    land = terrain_about([Path("shipped")], db, airport)
    along = np.linspace(300, 6000, 12)
    for lateral_deg in (0.0, 3.0):
        for end, poses in approaches(airport, along, lateral_deg, 1.9):
            assert (hidden_fraction(end, poses, land) == 0).all(), end.ident
    along = np.arange(1000.0, 20_001.0, 500.0)
    for end, poses in approaches(airport, along, 0.0, 2.0):
        assert (poses.alt_m - land(poses.lat_deg, poses.lon_deg)).min() > 15, end.ident
    model = DEM.levelled_by(in_use(airport, db))
    surface = surface_of(airport, dem=model)  # no offset is found between runways and land
    assert np.isfinite(surface.far_height_m).all() and surface.far_height_m.max() > 500
    assert model.digest(airport.lat_deg, airport.lon_deg, 0.0) != DEM.digest(
        airport.lat_deg, airport.lon_deg, 0.0
    )


def test_the_shipped_runways_keep_the_land_as_it_is() -> None:
    again = replace(DB, name="own", airports={"KSEA": replace(DB.airport("KSEA"), name="another name")})
    assert in_use(again.airport("KSEA"), again) == ()
    assert all(in_use(airport, DB) == () for airport in DB.airports.values())
    far = moved("KSEA", "KSEA", -120.0, 0.0)
    assert in_use(far.airport("SKBO"), far) == ()


def test_labels_take_the_land_of_each_frames_airport() -> None:
    db = moved("KSEA", "KSEA", -120.0, 0.0)
    rows = []
    for icao in ("KSEA", "SEQM"):
        end = db.airport(icao).runways[0]
        pose = pose_of(end, Approaches(3000.0, 0.0, 3.0, 0.0, -3.0, 0.0))
        names = ("lat_deg", "lon_deg", "alt_m", "yaw_deg", "pitch_deg", "roll_deg")
        camera = Camera.from_fov(1024, 1024, 60.0)
        rows.append({
            "frame_id": f"{icao}_0", "airport": icao, "runway": end.ident, "zone": "near", "split": "train",
            "earth_model": "wgs84", "altitude_datum": "msl", "visibility_m": 60000.0, "seed": 3,
            "time_utc": "2024-06-01T12:00:00Z", "along_track_m": 3000.0, "vertical_deg": 3.0,
            "lateral_deg": 0.0, "yaw_offset_deg": 0.0,
            **{name: float(getattr(pose, name)[0]) for name in names},
            **{name: getattr(camera, name) for name in Camera.__dataclass_fields__},
        })  # fmt: skip
    frames = pl.DataFrame(rows)
    land = TerrainByAirport(partial(terrain_about, [Path("shipped")], db))
    labels = label_frames(frames, db, load_spec("odd_specs/lard_v2.yaml"), land).filter("is_target")
    assert labels["hidden_fraction"].to_list() == [0.0, 0.0]
    shipped = label_frames(
        frames,
        db,
        load_spec("odd_specs/lard_v2.yaml"),
        partial(terrain_heights, [Path("shipped")], datum="msl"),
    )
    assert shipped.filter("is_target")["hidden_fraction"].to_list() == [1.0, 0.0]  # as labels were before


def test_other_airports_and_datums_are_told_in_a_line(tmp_path: Path) -> None:
    other = make_airport(47.0, 8.0)  # within the posts of Zurich
    assert np.isfinite(DEM.heights(np.array(47.0), np.array(8.0)))
    with pytest.raises(
        DataError, match=r"terrain shipped: does not cover XTST .* 84 shipped airports; name a"
    ):
        surface_of(other, dem=DEM)
    assert np.isnan(DEM.heights(np.array([0.0, -47.5]), np.array([-30.0, -171.0]))).all()  # and antipodes
    with pytest.raises(DataError, match="above mean sea level, runways above the ellipsoid"):
        load_dem("shipped", "ellipsoidal")
    with pytest.raises(DataError, match="takes its height at runways from them"):
        refuse_shipped([Path("shipped")])
    assert located("shipped") == "shipped" and Path(located("here.tif")).is_absolute()
    told = CliRunner().invoke(main, ["terrain", "report", "SKBO", "--dem", "shipped", "--limit", "100"])
    assert told.exit_code == 0 and "ETOPO5" in told.output and "2 runways, 0 flagged" in told.output
    told = CliRunner().invoke(main, ["preview", "SKBO", "14L", "--dem", str(tmp_path / "none.tif")])
    assert told.exit_code == 2 and "none.tif' does not exist; expected 'shipped', a raster" in told.output
    told = CliRunner().invoke(
        main, ["dqr", "run", str(tmp_path), "--terrain", "shipped", "--out", str(tmp_path / "out")]
    )
    assert told.exit_code == 2 and "--terrain shipped: the shipped relief takes" in told.output


def test_a_report_tells_of_the_posts_and_not_of_what_they_were_brought_to() -> None:
    airport = DB.airport("LSZH")
    strip = airport.runways[0]
    lat, lon = np.array([strip.ltp[0]]), np.array([strip.ltp[1]])
    fit = terrain_fit(strip, DEM)
    assert fit.first_m == pytest.approx(DEM.told(lat, lon)[0] - strip.ltp[2], abs=1e-6)
    assert abs(fit.first_m) > 50  # a valley that the posts do not know
    assert DEM.heights(lat, lon)[0] == pytest.approx(strip.ltp[2], abs=1.0)


def test_hills_above_the_horizon_are_known_where_the_manifest_tells_of_them() -> None:
    rows, corners = [], []
    for icao, ident in (("SEQM", "18"), ("EHAM", "18R")):
        end = DB.airport(icao).runway(ident)
        pose = pose_of(end, Approaches(3000.0, 0.0, 3.0, 0.0, -3.0, 0.0))
        of_pose = {name: float(getattr(pose, name)[0]) for name in ("lat_deg", "lon_deg", "alt_m", "yaw_deg")}
        sizes = {"width_px": 1024, "height_px": 1024, "fx_px": 887.0, "fy_px": 887.0}
        rows.append({"frame_id": icao, "airport": icao, "runway": ident, **of_pose, **sizes})
        flat = [value for corner in end.corners for value in corner]
        corners.append({"airport": icao, "runway": ident, "corners": flat})
    frames, ends = pl.DataFrame(rows), pl.DataFrame(corners)
    hills = hill_deg(frames, frames["alt_m"].to_numpy() - ends["corners"].list.get(11).to_numpy(), DB)
    assert 2.0 < hills[0] < 5.0 and hills[1] < 0.1  # Quito's mountains, Holland
    for terrain, told in (("; terrain shipped (relief 1, ETOPO5)", [True, False]), ("", [False, False])):
        manifest = frames.select("frame_id", pl.lit(f"renderer 1; painted{terrain}").alias("source_version"))
        data = SimpleNamespace(manifest=manifest, database=DB, runway_corners=ends)
        assert behind_hills(data, frames).tolist() == told  # type: ignore[arg-type]


def test_manifests_and_keys_tell_of_the_relief(tmp_path: Path) -> None:
    airport = DB.airport("SEQM")
    end = airport.runways[0]
    make_scene(tmp_path / "ground" / "SEQM", airport, size=(512, 512), gsd_m=8.0, levels=3)
    pose = pose_of(end, Approaches(3000.0, 0.0, 3.0, 0.0, -3.0, 0.0))
    names = ("lat_deg", "lon_deg", "alt_m", "yaw_deg", "pitch_deg", "roll_deg")
    camera = Camera.from_fov(96, 64, 60.0)
    row = {
        "frame_id": "SEQM_0", "airport": "SEQM", "runway": end.ident, "zone": "near", "split": "train",
        "earth_model": "wgs84", "altitude_datum": "msl", "visibility_m": 60000.0, "seed": 3,
        "time_utc": "2024-06-01T12:00:00Z", "along_track_m": 3000.0, "vertical_deg": 3.0, "lateral_deg": 0.0,
        "yaw_offset_deg": 0.0, **{name: float(getattr(pose, name)[0]) for name in names},
        **{name: getattr(camera, name) for name in Camera.__dataclass_fields__},
    }  # fmt: skip
    frames = pl.DataFrame([row])
    plain = render_frames(frames, tmp_path / "ground", tmp_path / "plain", 1, DB)
    relief = render_frames(frames, tmp_path / "ground", tmp_path / "relief", 1, DB, dem="shipped")
    assert plain["sha256"][0] != relief["sha256"][0]
    assert relief["source_version"][0] == f"{plain['source_version'][0]}; terrain shipped (relief 1, ETOPO5)"
    assert relief.drop("sha256", "source_version").equals(plain.drop("sha256", "source_version"))
    digests = {
        DEM.digest(DB.airport(code).lat_deg, DB.airport(code).lon_deg, 0.0) for code in ("SEQM", "SKBO")
    }
    assert len(digests) == 2


def test_labels_of_another_terrain_than_the_pictures_are_told() -> None:
    shipped = "shipped (relief 1, ETOPO5)"
    manifest = pl.DataFrame(
        {"source_version": [f"renderer 1; painted; terrain {shipped}", "renderer 1; painted"]}
    )
    both = SimpleNamespace(manifest=manifest, meta={"terrain": [{"name": shipped}]})
    (told,) = other_land(both)  # type: ignore[arg-type]
    assert told.subject == "dataset.json:terrain" and "1 pictures were drawn without terrain" in told.message
    other = SimpleNamespace(manifest=manifest[:1], meta={"terrain": [{"name": "srtm"}]})
    (told,) = other_land(other)  # type: ignore[arg-type]
    assert f"drawn on the terrain {shipped}, the labels are of srtm" in told.message
    for good in (both.meta, {}):
        same = SimpleNamespace(manifest=manifest[:1], meta=good)
        assert list(other_land(same)) == []  # type: ignore[arg-type]
