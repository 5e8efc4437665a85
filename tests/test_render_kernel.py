"""The compiled renderer part by part: air, shade, sparse levels, noise, memory, squares of pixels."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.windows import Window
from render_scene import make_airport, make_scene

from lard.airports.model import Airport
from lard.approach import Approaches, pose_of
from lard.camera import Camera, Poses
from lard.errors import SourceError
from lard.ground.pyramid import ABSENT, BLOCK_PX, GroundPyramid, load_ground
from lard.ground.terrain.surface import Surface
from lard.render.atmosphere import (
    Atmosphere,
    Layer,
    Raster,
    air_vector,
    ground_through_air,
    horizon_colours,
    shade_map,
    sky_colours,
    sky_palette,
    sky_through_layer,
)
from lard.render.conditions import Conditions
from lard.render.kernels import air as airs
from lard.render.kernels import footprint, lattice, layout, rays
from lard.render.reference import reference_pixels
from lard.render.renderer import Quality, clear_day, develop, render_colours, render_frame, view_record

Scene = tuple[Airport, GroundPyramid, Surface]
CAMERA = Camera.from_fov(160, 120, 60.0)


def fields(x_m: np.ndarray, y_m: np.ndarray) -> np.ndarray:
    value = 110 + 40 * np.sin(x_m / 31.0) * np.cos(y_m / 17.0)
    return np.stack([value, value * 1.1, value * 0.7], -1)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    airport = make_airport(length_m=1200, elevation_m=100.0)
    folder = tmp_path_factory.mktemp("kernel")
    ground, surface = make_scene(folder, airport, size=(1536, 2048), gsd_m=1.0, levels=4, texture=fields)
    return airport, ground, surface


def pose_at(airport: Airport, along_m: float = 700.0, pitch: float = -4.0) -> Poses:
    return pose_of(airport.runway("07"), Approaches(along_m, 1.0, 3.0, 2.0, pitch, 6.0))


LAYERS = (
    None,
    Layer(150.0, 180.0, 0.01, (180.0, 185.0, 190.0)),
    Layer(0.0, 400.0, 0.004, (90.0, 80.0, 70.0)),
)


@settings(deadline=None)  # the first call compiles
@given(
    st.sampled_from(LAYERS), st.floats(300, 50000), st.floats(5, 3000), st.floats(0.01, 1.5),
    st.floats(0, 6.2),
)  # fmt: skip
def test_air_is_that_of_the_reference(
    layer: Layer | None, visibility: float, height: float, down: float, azimuth: float
) -> None:
    camera_m, ground_m, horizon_m = 100.0 + height, 100.0, 60000.0
    air = air_vector(visibility, camera_m, layer)
    sky = sky_palette(visibility)
    sky[3], sky[4] = (40.0, 20.0, 5.0), (0.6, -0.64, 0.48)  # a glow towards a low sun
    view = np.zeros((), layout.VIEW)[()]
    view["horizon_m"], view["up"], view["horizon_rad"] = horizon_m, (0, 0, 1), -0.01
    d = np.array([np.cos(azimuth) * np.cos(down), np.sin(azimuth) * np.cos(down), -np.sin(down)])
    distance, point = height / np.sin(down), np.zeros(layout.POINT_SIZE)
    airs.through_air(distance, ground_m, d[0], d[1], view, sky, air, point)
    colour = np.array([120.0, 90.0, 60.0])
    expected = ground_through_air(
        colour[None],
        np.array([distance]),
        np.array([ground_m]),
        horizon_colours(d[None], sky),
        air,
        horizon_m,
    )
    got = point[layout.CLEAR] * colour + point[layout.ADD : layout.ADD + 3]
    np.testing.assert_allclose(got, expected[0], atol=1e-6)
    up = d * [1, 1, -1]
    airs.sky_point(*up, 1.0, view, sky, air, point)
    elevation = np.array([down + 0.01])
    expected = sky_through_layer(sky_colours(elevation, sky, up[None]), elevation, air)
    np.testing.assert_allclose(point[layout.ADD : layout.ADD + 3], expected[0], atol=1e-6)


def test_floats_developed_are_the_picture(scene: Scene) -> None:
    airport, ground, surface = scene
    pose = pose_at(airport)
    conditions = Conditions(9000.0, 1.1, 2.0, 5, "frame/noise")
    sky = clear_day(9000.0, pose)
    picture = render_frame(ground, surface, pose, CAMERA, conditions, None, sky)
    colours = render_colours(ground, surface, pose, CAMERA, sky)
    assert (develop(colours, conditions) == picture).all()


def test_noise_is_normal_and_keyed() -> None:
    grey = np.full((300, 400, 3), 128.0, np.float32)
    one = develop(grey, Conditions(noise_sigma=6.0, noise_seed=1, noise_key="a")).astype(float) - 128
    other = develop(grey, Conditions(noise_sigma=6.0, noise_seed=1, noise_key="b")).astype(float) - 128
    assert abs(one.mean()) < 0.05
    assert abs(one.std() - 6.0) < 0.06
    np.testing.assert_allclose(np.quantile(one, [0.16, 0.84]), [-6, 6], atol=0.6)
    flat = [one.ravel(), other.ravel(), np.roll(one, 1, 0).ravel(), np.roll(one, 1, 1).ravel()]
    flat += [np.roll(one, 1, 2).ravel()]
    correlation = np.corrcoef(flat) - np.eye(5)
    assert np.abs(correlation).max() < 0.01
    assert (develop(grey, Conditions(gain=0.5)) == 64).all()


def test_shade_takes_its_share_of_the_light(scene: Scene) -> None:
    airport, ground, surface = scene
    pose = pose_at(airport, -300.0, -60.0)  # nothing but the imagery
    frame = np.array([-5000.0, 5000.0, 10.0])
    air, sky = air_vector(1e12, 1e4, shadow_depth=0.5), sky_palette(1e12)
    lit = render_colours(ground, surface, pose, CAMERA, Atmosphere(air, sky))
    bright, dark = np.full((1000, 1000), 255, np.uint8), np.zeros((1000, 1000), np.uint8)

    def under(near: Raster | None, coarse: Raster | None, relief: Raster | None) -> np.ndarray:
        shade = shade_map(near, coarse, relief)
        return render_colours(ground, surface, pose, CAMERA, Atmosphere(air, sky, *shade))

    np.testing.assert_allclose(under(Raster(bright, frame), None, None), lit, rtol=1e-5)
    shaded = under(Raster(dark, frame), None, None)
    np.testing.assert_allclose(shaded, 0.5 * lit, rtol=1e-5)
    # the finer raster goes first, the coarser one holds beyond it, slopes multiply
    far_away = np.array([90000.0, 90000.0, 10.0])
    np.testing.assert_array_equal(under(Raster(bright, far_away), Raster(dark, frame), None), shaded)
    np.testing.assert_array_equal(under(Raster(dark, frame), Raster(bright, frame), None), shaded)
    level, steep = np.full((40, 30), 128, np.uint8), np.full((40, 30), 64, np.uint8)
    wide = np.array([-15000.0, 20000.0, 1000.0])
    np.testing.assert_allclose(under(Raster(bright, frame), None, Raster(level, wide)), lit, rtol=1e-5)
    np.testing.assert_allclose(under(None, Raster(bright, frame), Raster(steep, wide)), 0.75 * lit, rtol=1e-5)
    dark[:, ::2] = 255
    pose = pose_at(airport, 200.0, -20.0)
    lit = render_colours(ground, surface, pose, CAMERA, Atmosphere(air, sky))
    striped = under(Raster(dark, frame), None, None)
    assert (striped > 0.49 * lit).all()
    assert (striped < 1.01 * lit).all()
    assert (striped / lit).std() > 0.05


def test_illuminant_colours_the_ground_only(scene: Scene) -> None:
    airport, ground, surface = scene
    pose = pose_at(airport, pitch=0.0)
    sky = sky_palette(1e6)
    day = render_colours(ground, surface, pose, CAMERA, Atmosphere(air_vector(1e6, 150.0), sky))
    red = air_vector(1e6, 150.0, illuminant=(0.5, 0.1, 0.1))
    dusk = render_colours(ground, surface, pose, CAMERA, Atmosphere(red, sky))
    assert (dusk[:20] == day[:20]).all()
    np.testing.assert_allclose(dusk[-30:, :, 0] / day[-30:, :, 0], 0.5, atol=0.03)


def _sparse(ground: GroundPyramid, folder: Path) -> Path:
    """The ground with its finest level in the western half of its blocks only."""
    shutil.copytree(ground.folder, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    level = manifest["levels"][0]
    (tile,) = level["tiles"]
    half = level["width_px"] // 2
    with rasterio.open(folder / tile["file"]) as source:
        pixels = source.read(window=Window(0, 0, half, source.height))
        with rasterio.open(folder / "west.tif", "w", **{**source.profile, "width": half}) as target:
            target.write(pixels)
    level["sparse"] = True
    level["tiles"] = [
        {"file": "west.tif", "col_px": 0, "row_px": 0, "width_px": half, "height_px": level["height_px"]}
    ]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_sparse_levels_show_the_coarser_one_elsewhere(scene: Scene, tmp_path: Path) -> None:
    airport, ground, surface = scene
    folder = _sparse(ground, tmp_path / "sparse")
    sparse = load_ground(folder)
    level = sparse.levels[0]
    assert level.sparse
    assert 0 < level.covered.sum() < level.covered.size
    pose = pose_at(airport, 200.0)
    dense_picture = render_frame(ground, surface, pose, CAMERA).astype(float)
    picture = render_frame(sparse, surface, pose, CAMERA)
    states = sparse.blocks[: level.blocks_across * level.blocks_down].reshape(level.covered.shape)
    assert ((states == ABSENT) == ~level.covered).all()
    assert np.abs(picture - dense_picture).mean() < 3  # the same land, a little softer
    rows, columns = np.mgrid[0:120:4, 0:160:4]
    pixels = np.stack([columns.ravel(), rows.ravel()], -1)
    expected = reference_pixels(sparse, surface, pose, CAMERA, pixels, 20000.0, (4, 12))
    difference = np.abs(picture[pixels[:, 1], pixels[:, 0]] - expected).max(axis=1)
    assert np.quantile(difference, 0.97) < 6
    sparse.trim()
    sparse.read_all()
    again = sparse.blocks[: states.size].reshape(states.shape)
    assert ((again == ABSENT) == (states == ABSENT)).all()


def test_bad_sparse_levels_are_named(scene: Scene, tmp_path: Path) -> None:
    folder = _sparse(scene[1], tmp_path / "sparse")
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["levels"][-1]["sparse"] = True
    path.write_text(json.dumps(manifest))
    with pytest.raises(SourceError, match="coarsest level must cover"):
        load_ground(folder)
    manifest["levels"][-1]["sparse"] = False
    manifest["levels"][0]["tiles"][0]["width_px"] = BLOCK_PX - 3
    path.write_text(json.dumps(manifest))
    with pytest.raises(SourceError, match="whole blocks of 256 px"):
        load_ground(folder)


def test_memory_stays_bounded_over_many_frames(scene: Scene) -> None:
    airport, ground, surface = scene
    budget = 4 * BLOCK_PX**2 * 4
    small = GroundPyramid(Path(ground.folder), ground.manifest, ground.digest, budget_bytes=budget)
    most, trims, before = 0, 0, 0
    for along in np.linspace(100, 1500, 25):
        pose = pose_at(airport, along, -12.0)
        picture = render_frame(small, surface, pose, CAMERA)
        trims += small.loaded_bytes < before
        before = small.loaded_bytes
        one = GroundPyramid(Path(ground.folder), ground.manifest, ground.digest)
        render_frame(one, surface, pose, CAMERA)
        most = max(most, one.loaded_bytes)
        assert small.loaded_bytes <= budget + most
    assert trims >= 1
    assert (picture == render_frame(ground, surface, pose, CAMERA)).all()


def test_first_and_later_frames_are_the_same(scene: Scene) -> None:
    airport, ground, surface = scene
    pose = pose_at(airport, 300.0)
    cold = GroundPyramid(Path(ground.folder), ground.manifest, ground.digest)
    first = render_frame(cold, surface, pose, CAMERA)
    assert (render_frame(cold, surface, pose, CAMERA) == first).all()
    assert (render_frame(ground.read_all(), surface, pose, CAMERA) == first).all()


@pytest.mark.parametrize("roll", [0.0, 35.0, -90.0, 171.0])
@pytest.mark.parametrize("pitch", [-85.0, -25.0, -2.0, 12.0])
def test_squares_agree_with_rays_met_one_by_one(scene: Scene, pitch: float, roll: float) -> None:
    """Ground seen at every pixel's middle, by the squares' planes, against intersect's."""
    airport, _, surface = scene
    pose = pose_of(airport.runway("07"), Approaches(900.0, 2.0, 4.0, 8.0, pitch, roll))
    view = view_record(surface, pose, CAMERA, Quality())
    none, sky, air = np.zeros((0, 0)), sky_palette(1e6), air_vector(1e6, 200.0)
    points = np.zeros((2, 2, layout.POINT_SIZE))
    middle, plane, s = np.zeros(layout.POINT_SIZE), np.zeros((4, layout.CHANGE)), np.zeros(layout.SPAN_SIZE)
    size = 16
    checked = 0
    for j in range(0, 112, size):
        for i in range(0, 160, size):
            for b in range(2):
                for a in range(2):
                    lattice.meet(
                        i + a * size + 0.5, j + b * size + 0.5, view, surface.height_m, none, none, sky, air,
                        points[b, a],
                    )  # fmt: skip
            lattice.meet(
                i + size / 2 + 0.5, j + size / 2 + 0.5, view, surface.height_m, none, none, sky, air, middle
            )
            fits = lattice.fits(points, 0, 0, 1, size, middle, lattice.ZONE_TOLERANCE_PX, j, i, none)
            if not fits or middle[layout.KIND] == 0:
                continue
            lattice.plane_of(points, 0, 0, 1, size, plane)
            for dj, di in ((3, 5), (11, 2), (15, 15), (8, 14)):
                lattice.row_of(plane, float(dj), float(di), size, s)
                x, y, _, _, major, minor = footprint.footprint(s, 0.0, 1.0)
                direction = rays.ray(i + di + 0.5, j + dj + 0.5, view)
                _, ex, ey, *_ = rays.intersect(*direction[:3], 0.0, view, surface.height_m, none)
                assert np.hypot(x - ex, y - ey) < 0.06 * major + 0.02 * minor
                checked += 1
    assert checked > 0 or pitch > 0
