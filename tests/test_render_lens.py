"""Radial distortion: project and its inverse, the compiled ray, pictures and labels that agree."""

from dataclasses import fields
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from render_scene import GRASS, RUNWAY, make_airport, make_scene

from lard.approach import Approaches, pose_of
from lard.camera import Camera, project, ray_directions, to_camera, true_radius
from lard.errors import DataError
from lard.labels.view import view_runway
from lard.render.kernels import rays
from lard.render.kernels.layout import VIEW, View
from lard.render.reference import reference_pixels
from lard.render.renderer import Quality, clear_day, render_frame, view_record

BARREL = (-0.22, 0.05, -0.004)
CUSHION = (0.15, -0.02, 0.0)
TURNING = (0.2, 0.1, -0.1)
"""Grows up to the corners of a wide picture and turns back right behind them."""


def lens(width: int, fov_deg: float, k: tuple[float, float, float]) -> Camera:
    f = width / 2 / np.tan(np.radians(fov_deg) / 2)
    return Camera(width, width, f, 1.02 * f, 0.49 * width, 0.52 * width, *k)


def eye(camera: Camera) -> View:
    """What the kernels know of a camera that looks along the third axis."""
    view = np.zeros((), VIEW)[()]
    for field in fields(camera):
        view[field.name] = getattr(camera, field.name)
    view["fold_radius"], view["rotation"] = camera.fold_radius, np.eye(3)
    return view


@settings(deadline=None, max_examples=400)
@given(
    st.floats(-0.6, 0.6), st.floats(-0.4, 0.4), st.floats(-0.3, 0.3), st.floats(20, 120),
    st.floats(0, 1), st.floats(0, 1),
)  # fmt: skip
@example(*TURNING, 91.4, 1.0, 1.0)
@example(*TURNING, 91.4, 0.0, 0.0)
@example(-0.3, 0.0, 0.0, 62.0, 1.0, 1.0)
def test_project_and_its_inverse(k1: float, k2: float, k3: float, fov: float, u: float, v: float) -> None:
    """For every lens that is not refused, along the rays of labels and along those of pictures."""
    try:
        camera = lens(800, fov, (k1, k2, k3))
    except DataError:
        assume(False)
    pixel = np.array([u, v]) * 800
    direction = ray_directions(camera, pixel)
    np.testing.assert_allclose(project(direction * 123.0, camera), pixel, atol=1e-7)
    *drawn, norm = rays.ray(*pixel, eye(camera))
    np.testing.assert_allclose(project(np.array(drawn), camera), pixel, atol=1e-7)
    np.testing.assert_allclose(np.array(drawn) / norm, direction, atol=1e-9)


@settings(deadline=None)
@given(st.floats(-0.6, 0.6), st.floats(-0.4, 0.4), st.floats(-0.3, 0.3), st.floats(0, 50))
def test_the_inverse_is_finite_and_grows_beyond_the_picture(
    k1: float, k2: float, k3: float, radius: float
) -> None:
    try:
        camera = lens(800, 20, (k1, k2, k3))
    except DataError:
        assume(False)
    near, far = true_radius(np.array([radius, radius + 1e-3]), camera)
    assert np.isfinite([near, far]).all() and 0 <= near <= far
    np.testing.assert_array_equal(true_radius(np.array([[np.nan, 0.0]]), camera), [[np.nan, 0.0]])


def test_distortion_is_that_of_opencv() -> None:
    camera = lens(640, 70, BARREL)
    rng = np.random.default_rng(1)
    points = np.column_stack([rng.uniform(-0.6, 0.6, (50, 2)), np.ones(50)]) * rng.uniform(5, 900, (50, 1))
    coefficients = np.array([camera.k1, camera.k2, 0, 0, camera.k3])
    expected, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), camera.matrix, coefficients)
    np.testing.assert_allclose(project(points, camera), expected[:, 0], atol=1e-9)


def test_a_lens_that_folds_the_picture_is_refused() -> None:
    with pytest.raises(DataError, match="fold the picture"):
        lens(640, 90, (-0.5, 0.0, 0.0))
    for wrong in (float("nan"), float("inf"), 1e308):
        for sign in (-1, 1):
            with pytest.raises(DataError, match=r"camera k1, k2, k3 are .*; expected numbers from -1e"):
                lens(640, 90, (0.0, 0.0, sign * wrong))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    airport = make_airport(length_m=1200, rise_m=6.0)
    return airport, *make_scene(tmp_path_factory.mktemp("lens"), airport, size=(1664, 2944), gsd_m=0.5)


def test_the_kernel_sees_along_the_same_rays(scene) -> None:  # type: ignore[no-untyped-def]
    airport, _, surface = scene
    camera = lens(512, 70, BARREL)
    pose = pose_of(airport.runway("07"), Approaches(800.0, 1.0, 3.0, 2.0, -3.0, 12.0))
    view = view_record(surface, pose, camera, Quality())
    rotation = view["rotation"]
    for pixel in np.random.default_rng(2).uniform(0, 512, (40, 2)):
        *direction, norm = rays.ray(*pixel, view)
        np.testing.assert_allclose(rotation @ direction / norm, ray_directions(camera, pixel), atol=1e-12)


@pytest.mark.parametrize("k", [BARREL, CUSHION])
@pytest.mark.parametrize("along_m", [250.0, 900.0, 3000.0])
def test_runways_fill_their_bent_labels(scene, k: tuple[float, float, float], along_m: float) -> None:  # type: ignore[no-untyped-def]
    airport, ground, surface = scene
    camera = lens(768, 60 if along_m < 1000 else 25, k)
    runway = airport.runway("07")
    pose = pose_of(runway, Approaches(along_m, 3.0, 3.0, 6.0, -12.0 if along_m < 1000 else -4.0, 10.0))
    image = render_frame(ground, surface, pose, camera, atmosphere=clear_day(1e12, pose))
    cover = (image[..., 0].astype(float) - GRASS[0]) / (RUNWAY[0] - GRASS[0])
    view = view_runway(to_camera(runway.corners_ecef(), pose), camera)
    polygon = view.polygons_px[0, : view.counts[0]]
    assert len(polygon) > 100  # bent edges
    mask = np.zeros((768 * 8, 768 * 8), np.uint8)
    cv2.fillPoly(mask, [np.rint(polygon * 8 * 16 - 8).astype(np.int32)], 1, shift=4)
    expected = mask.reshape(768, 8, 768, 8).mean(axis=(1, 3))
    # compared next to the runway only: sky and far ground have other colours
    near = cv2.dilate((expected > 0).astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    cover = np.where(near, cover, 0.0)
    perimeter = np.linalg.norm(np.diff(polygon, axis=0, append=polygon[:1]), axis=1).sum()
    # signed error: where the edges lie on the whole; absolute error: blur besides
    assert abs((cover - expected).sum()) / perimeter < 0.1
    assert np.abs(cover - expected).sum() / perimeter < 0.45
    shift = _centre(cover) - _centre(expected)
    assert np.abs(shift).max() < 0.13  # the mask itself is off by up to an eighth of a pixel


def _centre(cover: np.ndarray) -> np.ndarray:
    weight = np.clip(cover, 0, 1)
    rows, columns = np.mgrid[: cover.shape[0], : cover.shape[1]]
    return np.array([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()


@pytest.mark.parametrize(
    "camera",
    [
        Camera(160, 120, 110.0, 112.0, 76.0, 64.0, *BARREL),
        Camera(160, 160, 78.125, 78.125, 80.0, 80.0, *TURNING),
    ],
)
def test_bent_pictures_agree_with_the_oracle(scene, camera: Camera) -> None:  # type: ignore[no-untyped-def]
    airport, ground, surface = scene
    pose = pose_of(airport.runway("25"), Approaches(600.0, 2.0, 4.0, -3.0, -5.0, 17.0))
    image = render_frame(ground, surface, pose, camera, None, Quality(supersample=3), clear_day(9000.0, pose))
    rows, columns = np.mgrid[0 : camera.height_px : 3, 0 : camera.width_px : 3]
    pixels = np.stack([columns.ravel(), rows.ravel()], -1)
    expected = reference_pixels(ground, surface, pose, camera, pixels, 9000.0, (4, 12))
    difference = np.abs(image[pixels[:, 1], pixels[:, 0]] - expected).max(axis=1)
    assert np.median(difference) <= 0.6
    assert np.quantile(difference, 0.98) < 6


def test_fractions_of_bent_runways(scene, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    airport, _, _ = scene
    runway = airport.runway("07")
    camera = lens(640, 60, BARREL)
    inside = pose_of(runway, Approaches(2500.0, 0.0, 3.0, 0.0, -3.0, 0.0))
    view = view_runway(to_camera(runway.corners_ecef(), inside), camera)
    assert view.visible_fraction[0] == 1.0
    corners = view.corners_px[0]
    polygon = view.polygons_px[0, : view.counts[0]]
    for corner in corners:  # exact, and vertices of the polygon
        assert np.abs(polygon - corner).sum(axis=1).min() < 1e-9
    above = pose_of(runway, Approaches(-300.0, 0.0, 60.0, 0.0, -10.0, 0.0))  # partly behind
    view = view_runway(to_camera(runway.corners_ecef(), above), camera)
    assert 0 <= view.visible_fraction[0] < 1
    assert (view.polygons_px >= 0).all()
