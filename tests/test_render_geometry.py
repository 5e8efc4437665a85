"""Where the renderer puts things: runway edges against labels, the horizon, the surface, the oracle."""

from pathlib import Path

import numpy as np
import pytest
from render_scene import GRASS, RUNWAY, make_airport, make_scene

from lard.airports.model import Airport, Runway
from lard.approach import Approaches, pose_of
from lard.camera import Camera, Poses, project, to_camera
from lard.errors import DataError, SourceError
from lard.geodesy import ecef_from_geodetic, geodesic_direct, geodetic_from_ecef, to_enu
from lard.ground.pyramid import GroundPyramid
from lard.ground.terrain.surface import Surface, map_from_geodetic, surface_of
from lard.render.conditions import Conditions
from lard.render.kernels import rays
from lard.render.reference import reference_pixels
from lard.render.renderer import Quality, clear_day, render_frame, view_record

CLEAR_M = 1e12
Scene = tuple[Airport, GroundPyramid, Surface]

SCENES = {
    "level": make_airport(length_m=1200),
    "high_sloped_far": make_airport(elevation_m=400.0, rise_m=18.0, offset_m=8000.0, length_m=1200),
    "sphere": make_airport(lat_deg=-33.0, elevation_m=50.0, rise_m=-6.0, offset_m=3000.0, length_m=1200),
}


@pytest.fixture(scope="module", params=SCENES)
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    airport = SCENES[request.param]
    ground, surface = make_scene(tmp_path_factory.mktemp("scene"), airport, size=(1664, 2944), gsd_m=0.5)
    if request.param == "sphere":
        surface = surface_of(airport, ground.lat0_deg, ground.lon0_deg, "sphere6371010")
    return airport, ground, surface


def pose_at(runway: Runway, surface: Surface, *values: float) -> Poses:
    """A pose by approach values, carried over to the surface's earth model."""
    pose = pose_of(runway, Approaches(*values))
    return Poses(
        pose.lat_deg, pose.lon_deg, pose.alt_m, pose.yaw_deg, pose.pitch_deg, pose.roll_deg, surface.earth
    )


def edge_error_px(cover: np.ndarray, start: np.ndarray, end: np.ndarray, reach: float) -> float:
    """Greatest distance, at the ends, of a line fitted to the measured edge from the label's line.

    NaN for an edge too short to be measured clear of its neighbours.
    """
    steep = abs(end[1] - start[1]) >= abs(end[0] - start[0])
    if not steep:
        cover, start, end = cover.T, start[::-1], end[::-1]
    if start[1] > end[1]:
        start, end = end, start
    slope = (end[0] - start[0]) / (end[1] - start[1])
    guard = 1.5 + reach * (abs(slope) + 2)  # keeps the windows clear of the neighbouring edges
    places, errors = [], []
    for row in range(max(int(start[1] + guard), 0), min(int(end[1] - guard), cover.shape[0])):
        x = start[0] + slope * (row + 0.5 - start[1])
        left, right = int(np.floor(x - reach)), int(np.ceil(x + reach))
        if left < 0 or right > cover.shape[1]:
            continue
        strip = cover[row, left:right]
        place = right - strip.sum() if strip[-1] > strip[0] else left + strip.sum()
        places.append((row + 0.5 - start[1]) / (end[1] - start[1]))
        errors.append(place - x)
    if len(places) < 2:
        return np.nan
    fit = np.polyfit(places, errors, 1)
    ends = np.clip([0.0, 1.0], min(places), max(places))
    return float(np.abs(np.polyval(fit, ends)).max() / np.hypot(1, slope))


VIEWS = {
    # along m, lateral deg, vertical deg, yaw offset deg, pitch deg, roll deg; width px, fov deg
    "near": ((200.0, 0.5, 3.0, 1.0, -4.0, 0.0), 1024, 60.0),
    "near_rolled": ((300.0, -2.0, 3.5, 2.0, -5.0, 30.0), 1024, 60.0),
    "middle": ((1500.0, 1.0, 3.0, 0.5, -3.0, -12.0), 1024, 60.0),
    "far_rolled": ((4000.0, -1.0, 3.0, -1.0, -3.0, 30.0), 1024, 12.0),
    "far_narrow": ((6000.0, 0.3, 3.0, 0.4, -3.0, 2.0), 1024, 20.0),
}


@pytest.mark.parametrize("view", VIEWS)
def test_runway_edges_lie_on_the_labels(scene: Scene, view: str) -> None:
    airport, ground, surface = scene
    values, width, fov_deg = VIEWS[view]
    runway = airport.runway("07")
    camera = Camera.from_fov(width, width, fov_deg)
    pose = pose_at(runway, surface, *values)
    image = render_frame(ground, surface, pose, camera, atmosphere=clear_day(CLEAR_M, pose))
    cover = (image[..., 0].astype(float) - GRASS[0]) / (RUNWAY[0] - GRASS[0])
    corners = project(to_camera(runway.corners_ecef(surface.earth), pose)[0], camera)
    tl, tr, br, bl = corners
    reach = float(np.clip(0.35 * min(np.hypot(*(tr - tl)), np.hypot(*(tl - bl))), 2.0, 4.0))
    errors = [edge_error_px(cover, start, end, reach) for start, end in ((bl, br), (br, tr), (bl, tl))]
    assert np.isfinite(errors).any()
    assert np.nanmax(errors) < 0.1


def test_pictures_agree_with_the_oracle(scene: Scene) -> None:
    airport, ground, surface = scene
    camera = Camera(160, 120, 150.0, 140.0, 70.0, 66.0)
    pose = pose_at(airport.runway("25"), surface, 900.0, 2.0, 4.0, -3.0, -2.0, 17.0)
    image = render_frame(
        ground, surface, pose, camera, Conditions(visibility_m=9000.0), Quality(supersample=3)
    )
    rows, columns = np.mgrid[0:120:3, 0:160:3]
    pixels = np.stack([columns.ravel(), rows.ravel()], -1)
    expected = reference_pixels(ground, surface, pose, camera, pixels, 9000.0, (4, 12))
    difference = np.abs(image[pixels[:, 1], pixels[:, 0]] - expected).max(axis=1)
    assert np.median(difference) <= 0.6
    assert np.quantile(difference, 0.98) < 6


def test_horizon_is_where_geometry_says(scene: Scene) -> None:
    airport, _, surface = scene
    camera = Camera.from_fov(400, 400, 50.0)
    pose = pose_at(airport.runway("07"), surface, 3000.0, 0.0, 5.0, 10.0, 2.0, -20.0)
    lat, lon, alt = float(pose.lat_deg[0]), float(pose.lon_deg[0]), float(pose.alt_m[0])
    azimuths = np.arange(0.0, 360.0, 2.0)
    # where the line of sight is tangent to the surface; 0.6 px below it there is ground, 0.6 px above it sky
    above = alt - surface.z_far_m
    reach = np.sqrt(2 * 6371000.0 * above)
    ring_lat, ring_lon, _ = geodesic_direct(lat, lon, azimuths, reach)
    points = ecef_from_geodetic(ring_lat, ring_lon, surface.z_far_m, surface.earth)
    pixels = project(to_camera(points, pose)[0], camera)
    ahead = np.isfinite(pixels[:, 0]) & (np.abs(pixels - 200).max(axis=1) < 190)
    assert ahead.sum() >= 3
    for x, y in pixels[ahead]:
        down = np.array([np.sin(np.radians(-20.0)), np.cos(np.radians(-20.0))])
        for side, seen in ((0.6, True), (-0.6, False)):
            u, v = np.array([x, y]) + side * down
            assert _meets_ground(surface, pose, camera, u, v) is seen


def _meets_ground(surface: Surface, pose: Poses, camera: Camera, u: float, v: float) -> bool:
    view = view_record(surface, pose, camera, Quality())
    ray = np.array([(u - camera.cx_px) / camera.fx_px, (v - camera.cy_px) / camera.fy_px, 1.0])
    d = view["rotation"].T @ ray
    return bool(rays.intersect(d[0], d[1], d[2], 0.0, view, surface.height_m, np.zeros((0, 0)))[0] > 0)


def test_surface_holds_every_corner_of_crossing_runways() -> None:
    lat, lon, _ = geodesic_direct(47.0, 8.0, 100.0, 900.0)
    far_lat, far_lon, _ = geodesic_direct(lat, lon, 330.0, 1900.0)
    a, b = (float(lat), float(lon), 431.0), (float(far_lat), float(far_lon), 417.0)
    crossing = (
        Runway.from_thresholds("XTST", "15", "33", b, a, 60.0),
        Runway.from_thresholds("XTST", "33", "15", a, b, 60.0),
    )
    airport = make_airport(elevation_m=420.0, rise_m=15.0, length_m=2500, extra=crossing)
    surface = surface_of(airport)
    for runway in airport.runways:
        lat_deg, lon_deg, alt = np.array(runway.corners).T
        x, y = map_from_geodetic(lat_deg, lon_deg, surface.lat0_deg, surface.lon0_deg)
        np.testing.assert_allclose(surface.heights(x, y), alt, atol=2e-3)
    slopes = np.hypot(*np.gradient(surface.height_m, surface.step_m))
    assert slopes.max() < 0.15
    assert surface.height_m[0, 0] == surface.z_far_m


def test_runway_edges_are_straight_in_space() -> None:
    airport = make_airport(elevation_m=300.0, rise_m=40.0, length_m=4000)
    surface = surface_of(airport)
    bl, tl = airport.runway("07").corners_ecef()[[3, 0]]
    along = bl + np.linspace(0, 1, 50)[:, None] * (tl - bl)
    lat, lon, alt = geodetic_from_ecef(along)
    x, y = map_from_geodetic(lat, lon, surface.lat0_deg, surface.lon0_deg)
    np.testing.assert_allclose(surface.heights(x, y), alt, atol=2e-3)
    middle = to_enu(along[25], surface.lat0_deg, surface.lon0_deg, 0.0)
    assert np.isfinite(middle).all()


def test_any_view_is_a_picture(scene: Scene) -> None:
    airport, ground, surface = scene
    camera = Camera(64, 48, 30.0, 40.0, -10.0, 60.0)
    for pitch in (-90.0, -40.0, 0.0, 60.0, 90.0):
        for roll in (-170.0, 0.0, 95.0):
            pose = pose_at(airport.runway("07"), surface, 500.0, 0.0, 3.0, 0.0, pitch, roll)
            image = render_frame(ground, surface, pose, camera)
            assert image.shape == (48, 64, 3)
            assert image.std() < 128
    assert (image == render_frame(ground, surface, pose, camera)).all()


def test_bad_views_are_refused(scene: Scene) -> None:
    airport, ground, surface = scene
    camera = Camera.from_fov(32, 32, 60.0)
    pose = pose_at(airport.runway("07"), surface, 500.0, 0.0, 3.0, 0.0, 0.0, 0.0)
    low = Poses(pose.lat_deg, pose.lon_deg, -80.0, 0.0, 0.0, 0.0, surface.earth)
    with pytest.raises(DataError, match="below the ground"):
        render_frame(ground, surface, low, camera)
    other = "wgs84" if surface.earth != "wgs84" else "sphere6371010"
    with pytest.raises(DataError, match="earth model"):
        render_frame(ground, surface, Poses(46.0, 8.0, 900.0, 0.0, 0.0, 0.0, other), camera)
    with pytest.raises(DataError, match="visibility_m"):
        render_frame(ground, surface, pose, camera, Conditions(visibility_m=0.0))
    with pytest.raises(SourceError, match="origin"):
        render_frame(ground, surface_of(airport, airport.lat_deg + 0.01, 8.0, surface.earth), pose, camera)


def test_memory_follows_the_budget(scene: Scene) -> None:
    airport, ground, surface = scene
    camera = Camera.from_fov(128, 128, 60.0)
    pose = pose_at(airport.runway("07"), surface, 400.0, 0.0, 3.0, 0.0, -10.0, 0.0)
    free = render_frame(ground, surface, pose, camera)
    small = GroundPyramid(Path(ground.folder), ground.manifest, ground.digest, budget_bytes=1)
    assert (render_frame(small, surface, pose, camera) == free).all()
    assert small.loaded_bytes < ground.loaded_bytes
