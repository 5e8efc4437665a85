"""The checks' own geometry: against PROJ's topocentric operation and against the project's first path."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer

from lard.airports import load_shipped
from lard.approach import Approaches, approach_of, height_m, pose_of, slant_m
from lard.camera import Camera, project, to_camera
from lard.errors import DataError
from lard.quality.measures import geometry
from lard.quality.measures.edges import align
from lard.quality.measures.horizon import _first_break
from lard.quality.measures.profiles import STEP_PX, ridge
from lard.quality.measures.sun import solar_clock, sun_elevation_deg

CAMERA = Camera.from_fov(1024, 1024, 60.0)


def arrays_of(poses: object) -> dict[str, np.ndarray]:
    names = ("lat_deg", "lon_deg", "alt_m", "yaw_deg", "pitch_deg", "roll_deg")
    return {name: getattr(poses, name) for name in names}


@settings(max_examples=30, deadline=None)
@given(st.floats(-85, 85), st.floats(-180, 180), st.floats(-100, 9000), st.floats(0, 360))
def test_position_agrees_with_topocentric(lat: float, lon: float, alt: float, bearing: float) -> None:
    point = geometry.cart(np.array([lat + 0.01, lon, alt - 50]), "wgs84")
    topocentric = Transformer.from_pipeline(
        f"+proj=pipeline +step +proj=topocentric +ellps=WGS84 +lat_0={lat} +lon_0={lon} +h_0={alt}"
    )
    east, north, up = topocentric.transform(*point)
    pose = {"lat_deg": [lat], "lon_deg": [lon], "alt_m": [alt], "yaw_deg": [bearing], "pitch_deg": [0.0]}
    pose = {name: np.array(values) for name, values in {**pose, "roll_deg": [0.0]}.items()}
    forward, right, down = geometry.body_coordinates(point[None, None], pose, "wgs84")[0, 0]
    angle = np.radians(bearing)
    assert forward == pytest.approx(north * np.cos(angle) + east * np.sin(angle), abs=1e-5)
    assert right == pytest.approx(east * np.cos(angle) - north * np.sin(angle), abs=1e-5)
    assert down == pytest.approx(-up, abs=1e-5)


@pytest.mark.parametrize("earth", ["wgs84", "sphere6371010"])
def test_both_paths_agree(earth: str) -> None:
    from dataclasses import replace

    rng = np.random.default_rng(1)
    for airport in ("KATL", "FAOR", "PHTO", "BIKF"):
        runway = replace(load_shipped().airport(airport).runways[0], earth=earth)
        drawn = Approaches(
            rng.uniform(280, 6000, 20), rng.uniform(-3, 3, 20), rng.uniform(1.8, 5.2, 20),
            rng.uniform(-24, 24, 20), rng.uniform(-15, 5, 20), rng.uniform(-30, 30, 20),
        )  # fmt: skip
        poses = pose_of(runway, drawn)
        expected = project(to_camera(runway.corners_ecef(), poses), CAMERA)
        corners = np.broadcast_to(np.array(runway.corners), (20, 4, 3))
        camera = {name: np.full(20, getattr(CAMERA, name)) for name in ("fx_px", "fy_px", "cx_px", "cy_px")}
        found = geometry.pixels(geometry.cart(corners, earth), arrays_of(poses), camera, earth)
        np.testing.assert_allclose(found, expected, atol=1e-6)
        values = geometry.approach_values(corners, arrays_of(poses), earth, 0.0, 305.0)
        again = approach_of(runway, poses)
        for name in ("along_track_m", "lateral_deg", "vertical_deg", "yaw_offset_deg"):
            tolerance = 1e-3 if name.endswith("_m") else 1e-5
            np.testing.assert_allclose(values[name], getattr(again, name), atol=tolerance)
        np.testing.assert_allclose(values["slant_m"], slant_m(runway, poses), atol=1e-3)
        np.testing.assert_allclose(values["height_m"], height_m(runway, poses), atol=1e-6)


def test_sloping_plane_sees_the_slope() -> None:
    """On a runway that climbs by 1 %, a camera on the extended surface is at zero height."""
    ground = np.array(
        [[50.02, 8.0, 122.24], [50.02, 8.0006, 122.24], [50.0, 8.0006, 100.0], [50.0, 8.0, 100.0]]
    )
    pose = {"lat_deg": [49.99], "lon_deg": [8.0003], "alt_m": [88.88], "yaw_deg": [0.0], "pitch_deg": [0.0]}
    pose = {name: np.array(values) for name, values in {**pose, "roll_deg": [0.0]}.items()}
    level = geometry.approach_values(ground[None], pose, "wgs84", 0.0, 305.0)
    sloping = geometry.approach_values(ground[None], pose, "wgs84", 0.0, 305.0, level=False)
    assert level["vertical_deg"][0] < -0.4
    assert abs(sloping["vertical_deg"][0]) < 0.05


def test_unknown_earth_model() -> None:
    with pytest.raises(DataError, match="flat"):
        geometry.cart(np.zeros(3), "flat")


@pytest.mark.parametrize(
    ("time", "lat", "lon", "expected"),
    [
        ("2024-06-20T12:00:00Z", 23.44, 0.0, 89.6),
        ("2024-12-21T12:00:00Z", 66.56, 0.0, 0.0),
        ("2024-03-20T12:00:00Z", 0.0, 0.0, 88.0),
        ("2024-06-20T00:00:00Z", 51.5, 0.0, -15.1),
    ],
)
def test_sun(time: str, lat: float, lon: float, expected: float) -> None:
    assert sun_elevation_deg([time], np.array([lat]), np.array([lon]))[0] == pytest.approx(expected, abs=0.6)


def test_clock() -> None:
    hours, days = solar_clock(["2024-03-01T12:00:00Z", "soon"], np.array([90.0, 0.0]))
    assert hours[0] == pytest.approx(18.0)
    assert days[0] == 61
    assert np.isnan(hours[1])


def test_edges_without_edges() -> None:
    flat = np.full((200, 200), 90, np.float32)
    corners = np.array([[95, 80], [105, 80], [130, 150], [70, 150]], np.float64)
    assert align(flat, corners, 45.0, 3000.0) is None
    assert ridge(np.full(49, 5.0), 1.0) is None
    assert _first_break(np.linspace(0, 10, 100)) is None
    assert _first_break(np.concatenate([np.linspace(0, 10, 60), np.full(40, 30.0)])) == 60


def test_ridge_is_found_to_a_fraction_of_a_pixel() -> None:
    x = np.arange(-6.0, 6.01, 0.25)
    for true in (-2.3, 0.0, 0.17, 3.6):
        found = ridge(100 * np.exp(-((x - true) ** 2) / 2), 1.0)
        assert found is not None
        assert found * STEP_PX - 6.0 == pytest.approx(true, abs=0.02)


def test_a_bent_picture_is_projected_as_opencv_does() -> None:
    rng = np.random.default_rng(4)
    n = 20
    pose = {
        "lat_deg": rng.uniform(-60, 60, n), "lon_deg": rng.uniform(-180, 180, n), "alt_m": np.full(n, 400.0),
        "yaw_deg": np.zeros(n), "pitch_deg": np.zeros(n), "roll_deg": np.zeros(n),
    }  # fmt: skip
    camera = {
        name: np.full(n, value)
        for name, value in (("fx_px", 800.0), ("fy_px", 810.0), ("cx_px", 500.0), ("cy_px", 490.0))
    }
    camera |= {"k1": np.full(n, -0.12), "k2": np.full(n, 0.03), "k3": np.full(n, -0.002)}
    eye = geometry.cart(np.column_stack([pose["lat_deg"], pose["lon_deg"], pose["alt_m"]]), "wgs84")
    points = eye[:, None, :] + rng.normal(0, 900, (n, 6, 3))
    body = geometry.body_coordinates(points, pose, "wgs84")
    found = geometry.pixels(points, pose, camera, "wgs84")
    matrix = np.array([[800.0, 0, 500], [0, 810, 490], [0, 0, 1]])
    for k in range(n):
        ahead = (body[k, :, 0] > 0) & (np.hypot(body[k, :, 1], body[k, :, 2]) < body[k, :, 0])
        if ahead.any():
            cam = body[k, ahead][:, [1, 2, 0]]
            expected = cv2.projectPoints(
                cam, np.zeros(3), np.zeros(3), matrix, np.array([-0.12, 0.03, 0, 0, -0.002])
            )[0][:, 0]
            np.testing.assert_allclose(found[k, ahead], expected, atol=1e-6)
