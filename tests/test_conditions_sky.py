"""Clouds and the sun above the horizon: as many as asked, only in the sky, the sun where it stands."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lard.camera import Camera, Poses, cam_from_ned
from lard.render.clouds import paint_sky, paints_sky
from lard.render.conditions import Conditions
from lard.render.daylight import atmosphere_of, layer_of

CAMERA = Camera.from_fov(320, 240, 60)


def pose(yaw_deg: float = 30.0, pitch_deg: float = 0.0, roll_deg: float = 0.0) -> Poses:
    return Poses(47.0, 8.0, 100.0, yaw_deg, pitch_deg, roll_deg)  # type: ignore[arg-type]


def painted(conditions: Conditions, view: Poses) -> np.ndarray:
    colours = np.full((240, 320, 3), 120.0, np.float32)
    paint_sky(colours, view, CAMERA, conditions, atmosphere_of(conditions, 0.0, 100.0, 47.0), 1500.0)
    return colours


@settings(max_examples=15, deadline=None)
@given(st.floats(-25, 25), st.floats(-40, 40))
def test_the_ground_stays_as_it_is(pitch_deg: float, roll_deg: float) -> None:
    view = pose(pitch_deg=pitch_deg, roll_deg=roll_deg)
    got = painted(Conditions(cloud_fraction=0.7, noise_key="c"), view)
    y, x = np.mgrid[:240, :320] + 0.5
    rays = np.stack([(x - 160) / CAMERA.fx_px, (y - 120) / CAMERA.fy_px, np.ones_like(x)], -1)
    up = -(rays @ cam_from_ned(view.yaw_deg, view.pitch_deg, view.roll_deg)[0])[..., 2]
    assert (got[up / np.linalg.norm(rays, axis=-1) < -0.005] == 120.0).all()


def test_more_cloud_covers_more_of_the_sky() -> None:
    shares = []
    for cloud in (0.1, 0.3, 0.5, 0.7, 0.9, 1.0):
        covered = []
        for key in "abcdef":
            got = painted(Conditions(cloud_fraction=cloud, noise_key=key), pose(pitch_deg=50.0))
            covered.append(np.mean(np.abs(got - 120.0).max(axis=2) > 15.0))
        shares.append(np.mean(covered))
    assert np.all(np.diff(shares) > 0), shares
    assert shares[0] < 0.35 and 0.25 < shares[2] < 0.8 and shares[-1] > 0.95, shares


def test_the_sun_is_drawn_where_it_stands() -> None:
    conditions = Conditions(sun_elevation_deg=12.0, sun_azimuth_deg=38.0)
    view = pose(yaw_deg=30.0)
    got = painted(conditions, view).sum(axis=2)
    y, x = np.argwhere(got > got.max() - 1.0).mean(axis=0) + 0.5
    ray = np.array([(x - 160) / CAMERA.fx_px, (y - 120) / CAMERA.fy_px, 1.0])
    north, east, down = (
        ray / np.linalg.norm(ray) @ cam_from_ned(view.yaw_deg, view.pitch_deg, view.roll_deg)[0]
    )
    assert np.degrees(np.arctan2(east, north)) == pytest.approx(38.0, abs=0.2)
    assert np.degrees(np.arcsin(-down)) == pytest.approx(12.0, abs=0.2)


def test_nothing_is_painted_without_need() -> None:
    noon = Conditions()
    assert not paints_sky(pose(), CAMERA, noon, atmosphere_of(noon, 0.0, 100.0, 47.0), 1000.0)
    night = Conditions(sun_elevation_deg=-10.0, sun_azimuth_deg=30.0)
    assert not paints_sky(pose(), CAMERA, night, atmosphere_of(night, 0.0, 100.0, 47.0), 1000.0)


def test_a_camera_in_the_clouds_sees_a_layer_instead() -> None:
    overcast = Conditions(cloud_fraction=1.0, cloud_base_m=300.0)
    assert layer_of(overcast, 50.0, 200.0) is None
    layer = layer_of(overcast, 50.0, 400.0)
    assert layer is not None and layer.bottom_m == 350.0
    assert not paints_sky(pose(), CAMERA, overcast, atmosphere_of(overcast, 0.0, 100.0, 47.0), 50.0)
