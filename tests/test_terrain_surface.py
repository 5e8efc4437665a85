"""Runways keep their planes on any terrain, and the land runs into them without a step."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from render_scene import make_airport
from terrain_land import dem_of, hills, write_land

from lard.errors import DataError
from lard.geodesy import geodesic_direct
from lard.ground.terrain import blend
from lard.ground.terrain.dem import load_dem
from lard.ground.terrain.model import FAR_REACH_M
from lard.ground.terrain.surface import (
    Surface,
    geodetic_from_map,
    map_from_geodetic,
    points_on,
    surface_of,
)


@pytest.fixture(scope="module")
def on_hills(tmp_path_factory: pytest.TempPathFactory) -> tuple[Surface, Surface]:
    """The surface of a runway on hills, and of the same runway without a terrain model."""
    airport = make_airport(elevation_m=430.0, rise_m=25.0)
    dem = dem_of(tmp_path_factory.mktemp("dem") / "hills.tif", hills)
    return surface_of(airport, dem=dem), surface_of(airport)


def test_runways_keep_their_planes(on_hills: tuple[Surface, Surface]) -> None:
    surface, flat = on_hills
    x, y = points_on(surface.strips[0])
    np.testing.assert_allclose(surface.heights(x, y), flat.heights(x, y), atol=1e-6)
    cx, cy, ux, uy, half_length, half_width = surface.strips[0]
    along = np.linspace(-half_length - 1.5, half_length + 1.5, 200)
    for side in (-half_width - 1.5, half_width + 1.5):  # cells at the edge have all their posts on the plane
        px, py = cx + along * ux - side * uy, cy + along * uy + side * ux
        np.testing.assert_allclose(surface.heights(px, py), flat.heights(px, py), atol=1e-5)


def test_land_away_from_runways_is_the_model(on_hills: tuple[Surface, Surface], tmp_path: Path) -> None:
    surface, _ = on_hills
    dem = dem_of(tmp_path / "hills.tif", hills)
    rng = np.random.default_rng(1)
    angle, distance = rng.uniform(0, 2 * np.pi, 400), rng.uniform(2000, 3500, 400)
    x = surface.strips[0, 0] + distance * np.cos(angle)
    y = surface.strips[0, 1] + distance * np.sin(angle)
    natural = dem.heights(*geodetic_from_map(x, y, surface.lat0_deg, surface.lon0_deg))
    assert np.abs(surface.heights(x, y) - natural).max() < 1.5  # posts of 20 m on one-second land
    assert np.abs(surface.heights(x, y) - natural).mean() < 0.15


def test_no_steps_and_no_cliffs(on_hills: tuple[Surface, Surface]) -> None:
    surface, _ = on_hills
    north, east = np.gradient(surface.height_m, surface.step_m)
    ground = 75 / 480 + 40 / 350 + 12 / 90 + 12 / 110 + 0.004
    assert np.hypot(north, east).max() < ground + blend.EMBANKMENT_SLOPE + 0.05
    bend = np.abs(np.diff(surface.height_m, 2, axis=0)).max() / surface.step_m
    assert bend < 0.3  # change of slope from one cell of 20 m to the next


def test_near_and_far_grid_meet_exactly(on_hills: tuple[Surface, Surface]) -> None:
    surface, _ = on_hills
    rim = -surface.x_min_m
    along = np.linspace(-rim, rim, 3001)
    for edge in (-rim, rim):
        for x, y in ((edge, along), (along, edge)):
            x, y = np.broadcast_arrays(x, y)
            inside = surface.heights(x * (1 - 1e-12), y * (1 - 1e-12))
            outside = surface.heights(x + np.sign(edge) * 1e-7, y + np.sign(edge) * 1e-7)
            np.testing.assert_allclose(inside, outside, atol=1e-5)


def test_the_far_rim_and_beyond_lie_at_z_far(on_hills: tuple[Surface, Surface]) -> None:
    surface, _ = on_hills
    edge = np.linspace(-FAR_REACH_M, FAR_REACH_M, 50)
    np.testing.assert_allclose(
        surface.heights(edge, np.full(50, FAR_REACH_M - 1e-6)), surface.z_far_m, atol=1e-3
    )
    assert surface.heights(np.array([1e6]), np.array([0.0]))[0] == surface.z_far_m
    assert surface.z_far_m <= 430.0


def test_map_and_geodetic_are_inverse() -> None:
    x, y = np.meshgrid(np.linspace(-4e4, 4e4, 9), np.linspace(-4e4, 4e4, 9))
    back = map_from_geodetic(*geodetic_from_map(x, y, 64.0, -20.0), 64.0, -20.0)
    np.testing.assert_allclose(back, (x, y), atol=1e-6)


@settings(max_examples=200)
@given(st.floats(-800, 800), st.floats(0, 5000), st.floats(0, 500))
def test_cut_and_fill_is_bounded_and_leaves_gentle_land(gap: float, distance: float, plane: float) -> None:
    height = float(blend.cut_and_fill(np.array(plane + gap), np.array(plane), np.array(distance)))
    assert abs(height - plane) <= min(abs(gap), blend.EMBANKMENT_SLOPE * distance) + 1e-6
    if abs(gap) < 0.2 * blend.EMBANKMENT_SLOPE * distance**2 / (distance + blend.EMBANKMENT_ROUNDING_M):
        assert height - plane == pytest.approx(gap, abs=1e-3 * abs(gap) + 1e-6)


def test_an_offset_runway_gets_an_embankment_not_a_moved_land(tmp_path: Path) -> None:
    """9 m between model and runway stay 9 m away from it: the land is not shifted to fit."""
    dem = dem_of(tmp_path / "flat.tif", lambda e, n: 439.0 + 0 * e + 0 * n)
    surface = surface_of(make_airport(elevation_m=430.0), dem=dem)
    cx, cy, ux, uy, _, half_width = surface.strips[0]
    side = np.array([0.0, half_width, 100.0, 250.0, 600.0])
    heights = surface.heights(cx - side * uy, cy + side * ux)
    assert heights[:2] == pytest.approx(430.0, abs=0.2)
    assert 430.2 < heights[2] < 437
    assert heights[3:] == pytest.approx(439.0, abs=0.2)


def test_small_voids_are_closed_and_wide_ones_lead_down(tmp_path: Path) -> None:
    def holed(east: np.ndarray, north: np.ndarray) -> np.ndarray:
        height = hills(east, north)
        small = (np.abs(east - 1500) < 200) & (np.abs(north - 1500) < 200)
        return np.where(small | (east < -3000), -9999.0, height)

    surface = surface_of(make_airport(elevation_m=430.0), dem=dem_of(tmp_path / "holed.tif", holed))
    assert np.isfinite(surface.height_m).all() and np.isfinite(surface.far_height_m).all()
    x, y = np.meshgrid(np.linspace(1250, 1750, 30), np.linspace(1250, 1750, 30))
    assert surface.heights(x, y).min() > 300 and surface.heights(x, y).max() < 580
    assert np.abs(np.diff(surface.heights(x, y), axis=1)).max() < 12
    assert surface.heights(np.array([-9000.0]), np.array([0.0]))[0] == pytest.approx(surface.z_far_m, abs=0.1)


def test_bad_terrain_under_a_runway_is_refused(tmp_path: Path) -> None:
    airport = make_airport(elevation_m=430.0)
    lat, lon, _ = geodesic_direct(47.0, 8.0, 70.0, 1000.0)
    path = write_land(tmp_path / "void.tif", hills, 47.0, 8.0, 0.12)
    with rasterio.open(path, "r+") as raster:
        heights = raster.read(1)
        row, column = raster.index(float(lon), float(lat))
        heights[row - 8 : row + 8, column - 8 : column + 8] = -9999.0
        raster.write(heights, 1)
    with pytest.raises(DataError, match=r"void\.tif: no data on .* of runway XTST 07"):
        surface_of(airport, dem=load_dem(path))
    away = dem_of(tmp_path / "away.tif", hills, 10.0, 10.0, 0.02)
    with pytest.raises(DataError, match="does not cover runway XTST 07"):
        surface_of(airport, dem=away)
    feet = dem_of(tmp_path / "feet.tif", lambda e, n: hills(e, n) / 0.3048)
    with pytest.raises(DataError, match=r"feet read as metres.*terrain\.json"):
        surface_of(airport, dem=feet)
