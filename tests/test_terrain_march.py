"""First hits of rays on terrain against a dense walk along every ray and the formula of the smooth earth."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from render_scene import make_airport
from terrain_land import dem_of, hills

from lard.airports.model import Airport
from lard.approach import Approaches, pose_of
from lard.camera import Camera
from lard.errors import DataError
from lard.geodesy import from_enu, geodetic_from_ecef
from lard.ground.terrain.surface import Surface, map_from_geodetic, surface_of
from lard.render.kernels.layout import EDGE, View
from lard.render.kernels.rays import ray
from lard.render.renderer import Quality, view_record
from lard.render.terrain_march import edge_pixels, march, march_parts, start_depths

CAMERA = Camera.from_fov(160, 120, 60.0)


@pytest.fixture(scope="module")
def airport() -> Airport:
    return make_airport(elevation_m=430.0, rise_m=25.0)


@pytest.fixture(scope="module")
def surface(airport: Airport, tmp_path_factory: pytest.TempPathFactory) -> Surface:
    return surface_of(airport, dem=dem_of(tmp_path_factory.mktemp("dem") / "hills.tif", hills))


def view_of(
    airport: Airport, surface: Surface, along_m: float = 1500.0, vertical_deg: float = 6.0,
    yaw_deg: float = 0.0, pitch_deg: float = -3.0, roll_deg: float = 0.0, camera: Camera = CAMERA,
) -> View:  # fmt: skip
    values = (along_m, 0.0, vertical_deg, yaw_deg, pitch_deg, roll_deg)
    approach = Approaches(*(np.array([value]) for value in values))
    return view_record(surface, pose_of(airport.runway("07"), approach), camera, Quality())


def rays(view: View, pixels: np.ndarray) -> np.ndarray:
    """ENU directions (n, 3) of depth 1 through image points (n, 2): u, v."""
    rotation = view["rotation"]
    x = (pixels[:, 0] - view["cx_px"]) / view["fx_px"]
    y = (pixels[:, 1] - view["cy_px"]) / view["fy_px"]
    return np.stack([x, y, np.ones(len(x))], -1) @ rotation


def walked(view: View, surface: Surface, directions: np.ndarray) -> np.ndarray:
    """First crossing of each ray, by steps that grow with the distance, through geodetic coordinates."""
    t = np.concatenate(
        [np.arange(1, 4000, 3.0), np.arange(4000, 40000, 15.0), np.arange(40000, 120000, 100.0)]
    )
    found = np.full(len(directions), np.nan)
    for k, direction in enumerate(directions):
        points = view["camera_m"] + t[:, None] * direction
        lat, lon, height = geodetic_from_ecef(
            from_enu(points, surface.lat0_deg, surface.lon0_deg, 0.0, surface.earth), surface.earth
        )
        gap = height - surface.heights(*map_from_geodetic(lat, lon, surface.lat0_deg, surface.lon0_deg))
        below = np.flatnonzero(gap <= 0)
        if below.size and below[0] > 0:
            i = below[0]
            found[k] = t[i - 1] + (t[i] - t[i - 1]) * gap[i - 1] / (gap[i - 1] - gap[i])
        elif below.size:
            found[k] = t[0]
    return found


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.floats(200, 6000), st.floats(3, 12), st.floats(-180, 180), st.floats(-60, 10), st.floats(-60, 60),
    st.integers(0, 1000),
)  # fmt: skip
def test_rays_end_where_a_dense_walk_ends(
    airport: Airport, surface: Surface, along: float, vertical: float, yaw: float, pitch: float, roll: float,
    seed: int,
) -> None:  # fmt: skip
    view = view_of(airport, surface, along, vertical, yaw, pitch, roll)
    try:
        start = march(view, surface)
    except DataError:
        height = surface.heights(*map_from_geodetic(*camera_place(view, surface)[:2], 47.0, 8.0))
        assert camera_place(view, surface)[2] <= height + 1e-6
        return
    rng = np.random.default_rng(seed)
    rows, columns = rng.integers(0, 120, 60), rng.integers(0, 160, 60)
    change = np.isnan(start[1:]) != np.isnan(start[:-1])
    edge_rows, edge_columns = np.nonzero(change)
    chosen = rng.permutation(len(edge_rows))[:30]
    rows = np.concatenate([rows, edge_rows[chosen], edge_rows[chosen] + 1])
    columns = np.concatenate([columns, edge_columns[chosen], edge_columns[chosen]])
    expected = walked(view, surface, rays(view, np.stack([columns + 0.5, rows + 0.5], -1)))
    found = start[rows, columns]
    agree = np.abs(found / expected - 1) < 2e-3
    agree |= np.isnan(found) & np.isnan(expected)
    # a walk of steps, too, misses what it steps over: in doubt the neighbouring rays decide
    for k in np.flatnonzero(~agree):
        around = np.stack(np.meshgrid([-0.1, 0.1], [-0.1, 0.1]), -1).reshape(-1, 2)
        others = walked(view, surface, rays(view, np.array([columns[k] + 0.5, rows[k] + 0.5]) + around))
        others = np.nan_to_num(np.append(others, expected[k]), nan=1e9)
        value = np.nan_to_num(found[k], nan=1e9)
        assert others.min() * 0.99 <= value <= others.max() * 1.01, (rows[k], columns[k], value, others)


def camera_place(view: View, surface: Surface) -> tuple[float, float, float]:
    point = from_enu(view["camera_m"], surface.lat0_deg, surface.lon0_deg, 0.0)
    lat, lon, height = geodetic_from_ecef(point)
    return float(lat), float(lon), float(height)


@pytest.mark.parametrize("earth", ["wgs84", "sphere6371010"])
@pytest.mark.parametrize("roll", [0.0, 35.0])
def test_a_level_earth_gives_the_formula(earth: str, roll: float) -> None:
    """Without runways in the way: the quadric at z_far, as the kernel solves it."""
    plain = make_airport(elevation_m=100.0)
    surface = surface_of(plain, earth=earth)
    level = Surface(
        surface.lat0_deg, surface.lon0_deg, earth, 100.0, -200.0, -200.0, 20.0, np.full((21, 21), 100.0),
        surface.strips, np.full((81, 81), 100.0), -4000.0, -4000.0, 100.0,
    )  # fmt: skip
    values = (2500.0, 0.0, 5.0, 20.0, -4.0, roll)
    pose = pose_of(replace(plain.runway("07"), earth=earth), Approaches(*(np.array([v]) for v in values)))
    view = view_record(level, pose, CAMERA, Quality())
    start = march(view, level)
    v, u = np.indices(start.shape) + 0.5
    d = rays(view, np.stack([u.ravel(), v.ravel()], -1))
    matrix = view["shell_matrix"]
    beta = d @ view["shell"]
    disc = beta**2 - np.einsum("ni,ij,nj->n", d, matrix, d) * view["shell_level"]
    hit = (beta < 0) & (disc >= 0)
    expected = np.where(hit, view["shell_level"] / (np.sqrt(np.maximum(disc, 0)) - beta), np.nan)
    expected = expected.reshape(start.shape)
    assert (np.isnan(start) == np.isnan(expected)).all()
    per_px = np.hypot(*(np.nanmedian(np.diff(1 / expected, axis=axis)) for axis in (0, 1)))
    shift_px = np.abs(1 / start - 1 / expected)[np.isfinite(expected)] / per_px
    assert np.median(shift_px) < 1e-2 and shift_px.max() < 0.06


def test_a_hill_hides_what_lies_behind(airport: Airport, tmp_path: Path) -> None:
    """A wall 300 m high across the approach: no ray that points below its crest passes it."""

    def wall(east: np.ndarray, north: np.ndarray) -> np.ndarray:
        along = east * np.sin(np.radians(70)) + north * np.cos(np.radians(70))
        return 430 + 300 * np.exp(-(((along + 1500) / 150) ** 2)) + 0 * east

    surface = surface_of(airport, dem=dem_of(tmp_path / "wall.tif", wall))
    view = view_of(airport, surface, 4000.0, 3.0)
    start = march(view, surface)
    column = start[:, 80]
    assert np.isnan(column[:50]).all()
    assert np.nanmax(column) < 3100  # the runway, 4 km ahead, is hidden
    assert np.isfinite(march(view_of(airport, surface, 4000.0, 12.0, pitch_deg=-12.0), surface)[60, 80])


def test_parts_of_a_pixel_are_rays_of_a_larger_picture(airport: Airport, surface: Surface) -> None:
    pixels = np.array([[60, 80], [50, 3], [119, 159], [0, 0], [56, 90]])
    parts = march_parts(view_of(airport, surface), surface, pixels, 2)
    fine = view_of(airport, surface, camera=Camera.from_fov(320, 240, 60.0))
    whole = march_parts(fine, surface, np.argwhere(np.ones((240, 320))), 1).reshape(240, 320)
    for (row, column), four in zip(pixels, parts, strict=True):
        block = whole[2 * row : 2 * row + 2, 2 * column : 2 * column + 2].ravel()
        np.testing.assert_allclose(four, block, rtol=1e-5)


def test_a_camera_inside_a_hill_is_refused(airport: Airport, tmp_path: Path) -> None:
    steep = surface_of(
        airport,
        dem=dem_of(tmp_path / "steep.tif", lambda e, n: 430 + 0.5 * np.maximum(np.hypot(e, n) - 2200, 0)),
    )
    with pytest.raises(DataError, match="below the terrain"):
        march(view_of(airport, steep, 3000.0, 3.0), steep)


def test_pixels_at_a_skyline_hold_their_parts(airport: Airport, surface: Surface) -> None:
    view = view_of(airport, surface)
    plain, packed = march(view, surface), start_depths(view, surface, 2)
    edges = edge_pixels(plain)
    assert (packed[:120] <= EDGE).sum() == edges.sum() > 100
    np.testing.assert_array_equal(packed[:120][~edges], plain[~edges])
    assert edges[:-1][np.isnan(plain[:-1]) != np.isnan(plain[1:])].all()
    parts = march_parts(view, surface, np.argwhere(edges), 2)
    np.testing.assert_array_equal(packed[120:].ravel()[: parts.size], parts.ravel())
    assert edges.mean() < 0.1
    assert start_depths(view, surface, 1).shape == plain.shape


def test_rays_of_a_distorting_lens(airport: Airport, surface: Surface) -> None:
    lens = replace(CAMERA, k1=-0.2, k2=0.05)
    view = view_of(airport, surface, camera=lens)
    start = march(view, surface)
    pixels = np.array([(5, 100), (155, 110), (80, 70), (20, 60), (140, 90)])
    directions = np.array([ray(u + 0.5, v + 0.5, view)[:3] for u, v in pixels.tolist()])
    expected = walked(view, surface, directions)
    np.testing.assert_allclose(start[pixels[:, 1], pixels[:, 0]], expected, rtol=2e-3)
    plain = march(view_of(airport, surface), surface)
    assert np.abs(start[110, 155] / plain[110, 155] - 1) > 0.01
