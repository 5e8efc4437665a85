"""Geodesy, camera and approach: round trips and differential checks against PROJ."""

import numpy as np
import pyproj
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lard.airports.model import Runway
from lard.approach import Approaches, approach_of, pose_of
from lard.camera import Camera, Poses, cam_from_ned, project, ray_directions, to_camera
from lard.errors import DataError
from lard.geodesy import (
    EARTH_MODELS,
    ecef_from_geodetic,
    enu_from_ecef,
    geodesic_direct,
    geodesic_inverse,
    geodetic_from_ecef,
    wrap_deg,
)

latitudes = st.floats(-89, 89)
longitudes = st.floats(-180, 180)
headings = st.floats(0, 360, exclude_max=True)


@st.composite
def runways(draw: st.DrawFn) -> Runway:
    lat, lon, heading = draw(latitudes), draw(longitudes), draw(headings)
    earth = draw(st.sampled_from(EARTH_MODELS))
    length, slope = draw(st.floats(800, 5000)), draw(st.floats(-0.02, 0.02))
    alt = draw(st.floats(-50, 4000))
    far_lat, far_lon, _ = geodesic_direct(lat, lon, heading, length, earth)
    return Runway.from_thresholds(
        "TEST", "09", "27", (lat, lon, alt), (float(far_lat), float(far_lon), alt + slope * length), 45.0,
        earth=earth,
    )  # fmt: skip


approaches = st.builds(
    Approaches,
    along_track_m=st.floats(500, 12_000),  # nearer, a double's 1e-9 m of ECEF is more than 1e-9 deg
    lateral_deg=st.floats(-60, 60),
    vertical_deg=st.floats(-5, 60),
    yaw_offset_deg=st.floats(-179, 179),
    pitch_deg=st.floats(-80, 80),
    roll_deg=st.floats(-180, 180),
)


@given(latitudes, longitudes, st.floats(-5000, 50_000), st.sampled_from(EARTH_MODELS))
def test_geodetic_and_ecef_are_inverses(lat: float, lon: float, alt: float, earth: str) -> None:
    back = geodetic_from_ecef(ecef_from_geodetic(lat, lon, alt, earth), earth)
    assert back[0] == pytest.approx(lat, abs=1e-12)
    assert wrap_deg(back[1] - lon) == pytest.approx(0, abs=1e-12)
    assert back[2] == pytest.approx(alt, abs=1e-7)


@given(latitudes, longitudes, st.floats(-5000, 50_000))
def test_ecef_agrees_with_proj(lat: float, lon: float, alt: float) -> None:
    transformer = pyproj.Transformer.from_pipeline(
        "+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad +step +proj=cart +ellps=WGS84"
    )
    expected = transformer.transform(lon, lat, alt)
    np.testing.assert_allclose(ecef_from_geodetic(lat, lon, alt), expected, atol=1e-6, rtol=0)


def test_unknown_earth_model_is_refused() -> None:
    with pytest.raises(DataError, match="flat"):
        ecef_from_geodetic(0, 0, 0, "flat")


@given(runways(), approaches)
@settings(max_examples=300)
def test_approach_and_pose_are_inverses(runway: Runway, approach: Approaches) -> None:
    poses = pose_of(runway, approach)
    back = approach_of(runway, poses)
    assert back.along_track_m[0] == pytest.approx(approach.along_track_m[0], abs=1e-6)
    for name in ("lateral_deg", "vertical_deg", "pitch_deg", "roll_deg"):
        assert getattr(back, name)[0] == pytest.approx(getattr(approach, name)[0], abs=1e-9), name
    assert wrap_deg(back.yaw_offset_deg - approach.yaw_offset_deg)[0] == pytest.approx(0, abs=1e-9)
    again = pose_of(runway, back)
    shift = ecef_from_geodetic(poses.lat_deg, poses.lon_deg, poses.alt_m, runway.earth)
    shift = shift - ecef_from_geodetic(again.lat_deg, again.lon_deg, again.alt_m, runway.earth)
    assert np.abs(shift).max() < 1e-6


@given(runways(), st.floats(-3, 3), st.floats(1.8, 5.2), st.floats(280, 6000))
def test_signs_are_the_pilots(runway: Runway, lateral: float, vertical: float, along: float) -> None:
    approach = Approaches(along, lateral, vertical, 0.0, 0.0, 0.0)
    poses = pose_of(runway, approach)
    camera = Camera.from_fov(1024, 1024, 120)
    pixels = project(to_camera(runway.corners_ecef(), poses), camera)[0]
    (tl, tr, br, bl) = pixels
    assert br[0] > bl[0] and tr[0] > tl[0], "right corners are right of left ones in a level view"
    assert bl[1] > tl[1] and br[1] > tr[1], "the threshold is nearer, so lower in the picture"
    # right of the centreline, the runway lies to the left
    middle = pixels.mean(axis=0)[0] - 512
    # north turns between camera and threshold near the poles: judge only clear cases
    if abs(lateral) > 0.5 and abs(runway.ltp[0]) < 60:
        assert np.sign(middle) == -np.sign(lateral)


@given(runways())
def test_reciprocal_ends_share_their_corners(runway: Runway) -> None:
    other = Runway.from_thresholds("TEST", "27", "09", runway.fpap, runway.ltp, 45.0, earth=runway.earth)
    np.testing.assert_allclose(other.corners_ecef()[[2, 3, 0, 1]], runway.corners_ecef(), atol=1e-4)
    assert runway.width_m == pytest.approx(45.0, abs=1e-6)


@given(latitudes, longitudes, headings, st.floats(100, 5000))
def test_heading_is_the_geodesic_azimuth(lat: float, lon: float, heading: float, length: float) -> None:
    far_lat, far_lon, _ = geodesic_direct(lat, lon, heading, length)
    runway = Runway.from_thresholds(
        "TEST", "09", "27", (lat, lon, 0.0), (float(far_lat), float(far_lon), 0.0), 45.0
    )
    azimuth, _, distance = geodesic_inverse(lat, lon, far_lat, far_lon)
    assert wrap_deg(runway.heading_deg - azimuth) == pytest.approx(0, abs=1e-5)
    assert runway.length_m == pytest.approx(distance, abs=1e-3)


attitudes = st.tuples(st.floats(-180, 180), st.floats(-89, 89), st.floats(-180, 180))


@given(attitudes)
def test_attitude_is_a_rotation(attitude: tuple[float, float, float]) -> None:
    matrix = cam_from_ned(*(np.array([a]) for a in attitude))[0]
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1)


@pytest.mark.parametrize(
    ("yaw", "pitch", "roll", "ned", "expected"),
    [
        (0, 0, 0, (1, 0, 0), (0, 0, 1)),  # looking north, north is forward
        (90, 0, 0, (0, 1, 0), (0, 0, 1)),  # yaw is clockwise: east is forward
        (0, 0, 0, (0, 1, 0), (1, 0, 0)),  # east is right
        (0, 10, 0, (1, 0, 0), (0, np.sin(np.radians(10)), np.cos(np.radians(10)))),  # nose up: horizon sinks
        (0, 0, 10, (0, 1, 0), (np.cos(np.radians(10)), -np.sin(np.radians(10)), 0)),  # right wing down
    ],
)
def test_attitude_signs(yaw: float, pitch: float, roll: float, ned: tuple, expected: tuple) -> None:
    matrix = cam_from_ned(np.array([yaw]), np.array([pitch]), np.array([roll]))[0]
    np.testing.assert_allclose(matrix @ np.array(ned), expected, atol=1e-12)


@given(latitudes, longitudes, st.floats(0, 3000), attitudes, st.floats(-3000, 3000), st.floats(500, 9000))
def test_projection_agrees_with_proj_topocentric(
    lat: float, lon: float, alt: float, attitude: tuple, sideways: float, ahead: float
) -> None:
    """An independent chain: PROJ's topocentric frame and three elementary rotations, to 1e-6 px."""
    poses = Poses(lat, lon, alt, *attitude)
    rotation = cam_from_ned(poses.yaw_deg, poses.pitch_deg, poses.roll_deg)[0]
    ned = rotation.T @ np.array([sideways, 200.0, ahead])
    point_ecef = ecef_from_geodetic(lat, lon, alt) + enu_from_ecef(lat, lon).T @ ned[[1, 0, 2]] * [1, 1, 1]
    camera = Camera.from_fov(1024, 1024, 60)
    ours = project(to_camera(point_ecef[None], poses), camera)[0, 0]

    topocentric = pyproj.Transformer.from_pipeline(
        f"+proj=topocentric +ellps=WGS84 +lon_0={lon!r} +lat_0={lat!r} +h_0={alt!r}"
    )
    east, north, up = topocentric.transform(*point_ecef)
    yaw, pitch, roll = np.radians(attitude)
    # turn the world by minus yaw about down, minus pitch about right, minus roll about forward
    forward, right = north * np.cos(yaw) + east * np.sin(yaw), east * np.cos(yaw) - north * np.sin(yaw)
    depth, lifted = forward * np.cos(pitch) + up * np.sin(pitch), up * np.cos(pitch) - forward * np.sin(pitch)
    x, y = right * np.cos(roll) - lifted * np.sin(roll), -lifted * np.cos(roll) - right * np.sin(roll)
    if depth < 1:
        return
    theirs = np.array([512 + camera.fx_px * x / depth, 512 + camera.fy_px * y / depth])
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-6)


@given(st.floats(1, 1023), st.floats(1, 767))
def test_rays_and_projection_are_inverses(x: float, y: float) -> None:
    camera = Camera.from_fov(1024, 768, 60, 40)
    np.testing.assert_allclose(project(ray_directions(camera, np.array([x, y])) * 1234, camera), [x, y])
    assert camera.fov_deg == pytest.approx((60, 40))


def test_points_behind_the_camera_have_no_pixel() -> None:
    camera = Camera.from_fov(100, 100, 60)
    assert np.isnan(project(np.array([[0, 0, -1.0], [1, 1, 0.0]]), camera)).all()


@pytest.mark.parametrize("fov_deg", [0, -5, 180, 400])
def test_impossible_field_of_view_is_refused(fov_deg: float) -> None:
    with pytest.raises(DataError, match="fov_x_deg"):
        Camera.from_fov(100, 100, fov_deg)
