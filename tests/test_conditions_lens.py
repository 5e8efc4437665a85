"""Lens, rain and sensor: nothing moves, and each effect keeps to its place."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from render_scene import make_airport

from lard.approach import Approaches, pose_of
from lard.camera import Camera, Poses, project, to_camera
from lard.ground.terrain.surface import surface_of
from lard.render.atmosphere import Atmosphere
from lard.render.conditions import Conditions
from lard.render.daylight import atmosphere_of
from lard.render.lens import blurred_by_motion, defocused, motion_px, vignetted, watermarked
from lard.render.rain import add_drops, add_streaks, wet_runways

CAMERA = Camera.from_fov(320, 240, 60)
AIRPORT = make_airport(elevation_m=50.0)
SURFACE = surface_of(AIRPORT)


@settings(max_examples=25, deadline=None)
@given(
    st.floats(-60, 60), st.floats(-60, 60), st.floats(-60, 60),
    st.floats(5, 40), st.integers(60, 260), st.integers(60, 180),
)  # fmt: skip
def test_motion_blur_stays_centred_on_the_pose(
    yaw: float, pitch: float, roll: float, shutter_ms: float, x: int, y: int
) -> None:
    picture = np.zeros((240, 320, 3), np.float32)
    picture[y - 1 : y + 2, x - 1 : x + 2] = 100.0
    conditions = Conditions(
        shutter_ms=shutter_ms, yaw_rate_deg_s=yaw, pitch_rate_deg_s=pitch, roll_rate_deg_s=roll
    )
    got = blurred_by_motion(picture, CAMERA, conditions)[..., 0]
    assert got.sum() == pytest.approx(900.0, rel=0.03)
    rows, columns = np.mgrid[:240, :320]
    centre = np.array([(columns * got).sum(), (rows * got).sum()]) / got.sum()
    np.testing.assert_allclose(centre, [x, y], atol=0.12)


def test_motion_is_that_of_the_camera() -> None:
    """A yaw to the right by a known angle moves a far point to the left by that angle's pixels."""
    conditions = Conditions(shutter_ms=20.0, yaw_rate_deg_s=30.0)
    flow = motion_px(CAMERA, conditions)
    middle = flow[flow.shape[0] // 2, flow.shape[1] // 2]
    assert middle[0] == pytest.approx(-CAMERA.fx_px * np.radians(0.6), rel=0.02)
    up = motion_px(CAMERA, Conditions(shutter_ms=20.0, pitch_rate_deg_s=30.0))
    assert up[3, 5, 1] == pytest.approx(CAMERA.fy_px * np.radians(0.6), rel=0.05), "nose up: things go down"
    right = motion_px(CAMERA, Conditions(shutter_ms=20.0, roll_rate_deg_s=90.0))
    assert right[0, 5, 0] < 0 < right[-1, 5, 0], "right wing down: the scene turns anticlockwise"
    assert right[4, -1, 1] < 0 < right[4, 0, 1]


def test_nothing_asked_is_nothing_done() -> None:
    picture = np.random.default_rng(1).random((240, 320, 3), np.float32)
    image = np.zeros((240, 320, 3), np.uint8)
    assert blurred_by_motion(picture, CAMERA, Conditions(shutter_ms=20.0)) is picture
    assert defocused(picture, 0.0) is picture and vignetted(picture, CAMERA, 0.0) is picture
    assert watermarked(image, 0, {}) is image


def test_vignette_darkens_the_corners_by_its_fraction() -> None:
    picture = np.full((240, 320, 3), 100.0, np.float32)
    got = vignetted(picture, CAMERA, 0.4)
    assert got[0, 0, 0] == pytest.approx(60, abs=1) and got[120, 160, 0] == pytest.approx(100, abs=0.1)


def test_watermark_bands_are_as_high_as_declared() -> None:
    image = np.full((240, 320, 3), 200, np.uint8)
    got = watermarked(image, 20, {"attribution": "Somebody"})
    assert (got[20:220] == 200).all() and (got[[5, -5]] != 200).any()
    assert (got[:20] == 144).mean() > 0.5 and (got[:20] > 200).any() and (got[-20:] > 200).any()


def view(along_m: float) -> tuple[Poses, Conditions, Atmosphere]:
    pose = pose_of(AIRPORT.runway("07"), Approaches(np.array([along_m]), 0.0, 3.0, 1.0, -3.0, 4.0))
    conditions = Conditions(rain_mm_h=5.0, cloud_fraction=1.0, noise_key="wet")
    return pose, conditions, atmosphere_of(conditions, SURFACE.z_far_m, float(pose.alt_m[0]), 47.0)


@pytest.mark.parametrize("along_m", [150.0, 900.0])
def test_only_the_runway_is_wet(along_m: float) -> None:
    pose, conditions, atmosphere = view(along_m)
    colours = np.full((240, 320, 3), 90.0, np.float32)
    wet_runways(colours, AIRPORT, SURFACE, pose, CAMERA, atmosphere, conditions)
    changed = np.abs(colours - 90.0).max(axis=2) > 0.5
    corners = project(to_camera(AIRPORT.runway("07").corners_ecef(), pose), CAMERA)[0]
    y, x = np.mgrid[:240, :320] + 0.5
    inside = np.ones((240, 320), bool)
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):  # clockwise, with y downwards
        inside &= (b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0]) > -0.75 * np.hypot(*(b - a))
    assert changed.sum() > 30 and not (changed & ~inside).any()
    assert not (~changed & inside)[5:-5, 5:-5].any() or inside.sum() < 2 * changed.sum()


def test_wetness_mirrors_a_bright_sky_at_a_low_angle() -> None:
    pose, conditions, atmosphere = view(900.0)
    dark = np.full((240, 320, 3), 30.0, np.float32)
    wet_runways(dark, AIRPORT, SURFACE, pose, CAMERA, atmosphere, conditions)
    assert dark.max() > 40, "a grazing look at dark, wet pavement shows the sky"
    night = Atmosphere(atmosphere.air, atmosphere.sky * 0.05)
    black = np.full((240, 320, 3), 30.0, np.float32)
    wet_runways(black, AIRPORT, SURFACE, pose, CAMERA, night, conditions)
    assert black.min() < 26, "under a dark sky it only gets darker"


def test_drops_keep_to_themselves_and_belong_to_the_frame() -> None:
    gradient = np.repeat(np.linspace(0, 200, 240, dtype=np.float32)[:, None, None], 320, axis=1)
    scene = np.ascontiguousarray(np.repeat(gradient, 3, axis=2))
    pictures = {}
    for key in ("a", "b"):
        pictures[key] = scene.copy()
        add_drops(pictures[key], Conditions(lens_drops=12, noise_key=key))
    again = scene.copy()
    add_drops(again, Conditions(lens_drops=12, noise_key="a"))
    assert np.array_equal(again, pictures["a"]) and not np.array_equal(pictures["a"], pictures["b"])
    assert 0.002 < np.mean(np.abs(again - scene).max(axis=2) > 1) < 0.2


def test_streaks_are_few_and_faint() -> None:
    scene = np.full((240, 320, 3), 80.0, np.float32)
    conditions = Conditions(rain_mm_h=8.0, cloud_fraction=1.0, noise_key="r")
    add_streaks(scene, CAMERA, conditions)
    assert scene.min() >= 80.0 and scene.max() < 200.0 and 0.001 < np.mean(scene[..., 0] > 82) < 0.25
