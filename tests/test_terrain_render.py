"""Pictures on terrain: runways stay on their labels, slopes are lit; the report and its command."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from render_scene import RUNWAY, make_airport, make_scene
from terrain_land import dem_of, hills, write_land

from lard.airports.model import RunwayDatabase
from lard.airports.table import write_table_folder
from lard.approach import Approaches, pose_of
from lard.camera import Camera, project, to_camera
from lard.cli import main
from lard.ground.terrain.surface import surface_of
from lard.quality.measures.terrain import terrain_fit
from lard.render.relief import LEVEL, relief_of, relief_raster
from lard.render.renderer import Conditions, render_frame


def test_a_runway_on_hills_is_drawn_where_its_labels_are(tmp_path: Path) -> None:
    airport = make_airport(elevation_m=470.0, rise_m=20.0)
    ground, _ = make_scene(tmp_path / "ground", airport)
    surface = surface_of(airport, dem=dem_of(tmp_path / "hills.tif", hills))
    camera, runway = Camera.from_fov(640, 480, 50.0), airport.runway("07")
    values = (1200.0, 0.0, 4.0, 0.0, -4.0, 5.0)
    pose = pose_of(runway, Approaches(*(np.array([value]) for value in values)))
    image = render_frame(ground, surface, pose, camera, Conditions(1e6))
    u, v = project(to_camera(runway.corners_ecef()[None], pose), camera)[0].T
    rows, columns = np.indices(image.shape[:2]) + 0.5
    inside = np.ones(image.shape[:2], bool)
    for k in range(4):  # TL, TR, BR, BL: clockwise on the picture
        a, b = k, (k + 1) % 4
        inside &= (u[b] - u[a]) * (rows - v[a]) - (v[b] - v[a]) * (columns - u[a]) > 0
    around = (columns > u.min() - 9) & (columns < u.max() + 9) & (rows > v.min() - 9) & (rows < v.max() + 9)
    bright = (image[..., 0] > (RUNWAY[0] + 40) / 2) & around
    assert inside.sum() > 300
    assert (bright & inside).sum() / (bright | inside).sum() > 0.93


def test_slopes_to_the_sun_are_bright_and_level_ground_is_neutral(tmp_path: Path) -> None:
    airport = make_airport(elevation_m=430.0)
    surface = surface_of(
        airport, dem=dem_of(tmp_path / "r.tif", lambda e, n: 430 + 60 * np.sin(e / 300) + 0 * n)
    )
    sun = np.array([np.cos(np.radians(30)), 0.0, np.sin(np.radians(30))])  # in the east
    relief = relief_of(surface, sun).astype(float)
    row = relief.shape[0] // 2 - 60
    east = (np.arange(relief.shape[1]) - relief.shape[1] / 2 + 0.5) * 40.0
    near = (np.abs(east) > 2500) & (np.abs(east) < 3500)
    slope = 60 / 300 * np.cos(east / 300)
    expected = LEVEL * (np.sin(np.radians(30)) - np.cos(np.radians(30)) * slope) / 0.5 / np.hypot(1, slope)
    assert np.abs(relief[row] - expected)[near].max() < 6
    assert relief[0, 0] == LEVEL
    assert relief_raster(surface_of(airport), sun) is None
    raster = relief_raster(surface, sun)
    assert raster is not None
    np.testing.assert_array_equal(raster.frame, [-24000.0, 24000.0, 40.0])


@pytest.fixture
def place(tmp_path: Path) -> Path:
    airport = make_airport(elevation_m=430.0, rise_m=10.0)
    db = RunwayDatabase("test", "1", "wgs84", "msl", {"XTST": airport})
    write_table_folder(db, tmp_path / "db")
    write_land(tmp_path / "land.tif", lambda e, n: 436.0 + 0 * e + 0 * n, 47.0, 8.0, 0.05)
    return tmp_path


def test_the_report_tells_ends_slopes_and_rms(place: Path) -> None:
    from lard.ground.terrain.dem import load_dem

    fit = terrain_fit(make_airport(elevation_m=430.0, rise_m=10.0).runway("07"), load_dem(place / "land.tif"))
    assert (fit.first_m, fit.last_m) == pytest.approx((6.0, -4.0), abs=1e-3)
    assert fit.mean_m == pytest.approx(1.0, abs=0.01)
    assert fit.rms_m == pytest.approx(np.sqrt(1 + 100 / 12), abs=0.1)
    assert fit.runway_slope_percent == pytest.approx(0.5, abs=1e-3)
    assert fit.terrain_slope_percent == pytest.approx(0, abs=1e-3)
    assert not fit.faults(7.0) and "+6.0 m" in fit.faults(5.0)[0]


def test_lard_terrain_report(place: Path) -> None:
    run = CliRunner().invoke
    common = ["--runways", str(place / "db"), "--dem", str(place / "land.tif")]
    out = place / "stations.csv"
    result = run(main, ["terrain", "report", "XTST", *common, "--limit", "5", "--out", str(out)])
    assert result.exit_code == 0 and "1 flagged" in result.output, result.output
    stations = pl.read_csv(out)
    assert stations["terrain_minus_runway_m"].to_numpy()[[0, -1]] == pytest.approx([6.0, -4.0], abs=1e-3)
    write_land(place / "away.tif", lambda e, n: 0 * e + 0 * n, 10.0, 10.0, 0.01)
    bad = run(main, ["terrain", "report", "XTST", *common[:2], "--dem", str(place / "away.tif")])
    assert bad.exit_code == 2 and "covers none of XTST 07/25" in bad.output
