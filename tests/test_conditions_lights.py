"""Airfield lights: where they stand, what a pilot sees of them, and how exactly they are drawn."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from render_scene import make_airport

from lard.airports.vocabulary import usual_approach_lights
from lard.approach import Approaches, pose_of
from lard.camera import Camera, Poses, cam_from_ecef, project, to_camera
from lard.ground.terrain.surface import surface_of
from lard.render.atmosphere import air_vector
from lard.render.conditions import Conditions
from lard.render.daylight import white_cd_m2
from lard.render.light_drawing import add_light, light_picture, light_splats, papi_white
from lard.render.lights import COLOURS, KINDS, PAPI_DEG, LightField, lights_of

AIRPORT = make_airport(elevation_m=120.0, rise_m=12.0)
SURFACE = surface_of(AIRPORT)
FIELD = lights_of(AIRPORT, SURFACE)
CAMERA = Camera.from_fov(640, 480, 50)
NIGHT = Conditions(sun_elevation_deg=-20.0, lights_fraction=1.0)


def kind(field: LightField, name: str, runway: str = "07") -> LightField:
    return field[(field.kind == KINDS.index(name)) & (field.runway == runway)]


def pose_at(along_m: float, vertical_deg: float = 3.0) -> Poses:
    return pose_of(AIRPORT.runway("07"), Approaches(np.array([along_m]), 0.0, vertical_deg, 0.0, -3.0, 0.0))


def test_edge_lights_frame_the_runway_and_turn_amber() -> None:
    runway = AIRPORT.runway("07")
    edge = kind(FIELD, "edge")
    corners = runway.corners_ecef()
    axis = corners[0] - corners[3]
    length = np.linalg.norm(axis)
    s = (edge.position - corners[3]) @ axis / length
    assert s.min() == pytest.approx(0, abs=0.2) and s.max() == pytest.approx(length, abs=0.2)
    assert np.diff(np.unique(np.round(s))).max() <= 61
    across = (corners[2] - corners[3]) / np.linalg.norm(corners[2] - corners[3])
    t = (edge.position - corners[3]) @ across
    assert np.all((np.abs(t + 1.5) < 0.1) | (np.abs(t - runway.width_m - 1.5) < 0.1))
    amber = np.all(edge.colour == COLOURS["amber"], axis=1)
    assert np.array_equal(amber, s > length - 600 + 0.5)
    normal = np.cross(across, axis / length)
    assert np.abs((edge.position - corners[3]) @ normal).max() < 0.6, "they stand on the runway's plane"


def test_lights_of_runways_without_lights_do_not_exist() -> None:
    dark = tuple(dataclasses.replace(runway, lighted=False) for runway in AIRPORT.runways)
    assert len(lights_of(dataclasses.replace(AIRPORT, runways=dark), SURFACE)) == 0


def test_only_precision_runways_have_all_lights() -> None:
    for marking, missing in (
        ("precision", set()),
        ("nonprecision", {"centreline", "touchdown", "flash"}),
        ("basic", {"centreline", "touchdown", "flash", "approach"}),
    ):
        lights = usual_approach_lights(marking)
        runways = tuple(
            dataclasses.replace(runway, marking=marking, approach_lights=lights) for runway in AIRPORT.runways
        )
        field = lights_of(dataclasses.replace(AIRPORT, runways=runways), SURFACE)
        assert {KINDS[k] for k in np.unique(field.kind)} == set(KINDS) - missing


@settings(max_examples=40, deadline=None)
@given(st.floats(400, 6000), st.floats(1.5, 5.0))
def test_papi_shows_white_for_every_angle_exceeded(along_m: float, vertical_deg: float) -> None:
    """Against the angle in the plane of the runway's flat earth."""
    papi = kind(FIELD, "papi")
    camera = cam_from_ecef(pose_at(along_m, vertical_deg))[1][0]
    white = papi_white(papi, camera)
    pose = pose_at(along_m, vertical_deg)
    away = np.linalg.norm(camera - papi.position, axis=1)
    angle = np.degrees(np.arcsin((pose.alt_m[0] - papi.height_m - away**2 / (2 * 6.37e6)) / away))
    sure = np.abs(angle - np.array(PAPI_DEG)) > 0.06
    np.testing.assert_allclose(white[sure], (angle > np.array(PAPI_DEG))[sure])
    assert np.all(np.diff(white) >= 0), "the outer units turn white first"


def test_on_the_path_two_are_white_and_two_red() -> None:
    papi = kind(FIELD, "papi")
    up, along = papi.up[0], papi.axis[0] - papi.up[0] * (papi.axis[0] @ papi.up[0])
    along /= np.linalg.norm(along)
    eye = papi.position.mean(axis=0) + 3000 * (np.cos(np.radians(3)) * along + np.sin(np.radians(3)) * up)
    np.testing.assert_allclose(papi_white(papi, eye), [0, 0, 1, 1])


def test_lamps_shine_one_way() -> None:
    behind = pose_of(AIRPORT.runway("25"), Approaches(np.array([1200.0]), 0.0, 3.0, 0.0, -3.0, 0.0))
    air = air_vector(20000.0, float(behind.alt_m[0]))
    none = light_splats(FIELD[FIELD.runway == "07"], behind, CAMERA, air, NIGHT)
    assert len(none) == 0
    assert len(light_splats(FIELD[FIELD.runway == "25"], behind, CAMERA, air, NIGHT)) > 100


def test_light_follows_allards_law() -> None:
    """The light in a picture against I exp(-beta d) / d^2 over the solid angle of a pixel."""
    field = kind(FIELD, "threshold")
    field = field[np.arange(len(field)) == len(field) // 2]
    for along_m, visibility_m in ((800.0, 30000.0), (2500.0, 9000.0)):
        pose = pose_at(along_m)
        air = air_vector(visibility_m, float(pose.alt_m[0]))
        got = light_picture(field, pose, CAMERA, air, NIGHT)
        assert got is not None
        away = to_camera(field.position, pose)[0, 0]
        distance = np.linalg.norm(away)
        depth = 3.912 / visibility_m * distance
        back = cam_from_ecef(pose)[1][0] - field.position[0]
        angle = np.degrees(np.arccos(back @ field.axis[0] / distance))
        lux = field.intensity_cd[0] * (0.03 + 0.97 * np.exp(-((angle / 14) ** 2))) / distance**2
        direct = lux * np.exp(-depth) * CAMERA.fx_px**2 * (distance / away[2]) ** 3 / white_cd_m2(NIGHT)
        scattered = 0.2 * np.exp(-0.5 * depth) * (1 - np.exp(-0.5 * depth)) / np.exp(-depth)
        assert got[0][..., 1].sum() == pytest.approx(direct * (1 + scattered) * COLOURS["green"][1], rel=0.02)


@settings(max_examples=30, deadline=None)
@given(st.floats(-0.5, 0.5), st.floats(600, 3000))
def test_a_light_is_drawn_where_it_projects(yaw_deg: float, along_m: float) -> None:
    field = kind(FIELD, "threshold")
    field = field[np.arange(len(field)) == 3]
    pose = pose_of(AIRPORT.runway("07"), Approaches(np.array([along_m]), 0.0, 3.0, yaw_deg, -3.0, 2.0))
    air = air_vector(1e6, float(pose.alt_m[0]))
    got = light_picture(field, pose, CAMERA, air, NIGHT)
    assert got is not None
    picture, (rows, columns) = got
    weight = picture[rows, columns, 1].astype(float)
    y, x = np.mgrid[rows, columns] + 0.5
    centre = np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum()
    np.testing.assert_allclose(centre, project(to_camera(field.position, pose), CAMERA)[0, 0], atol=0.02)


def test_one_flashing_light_is_frozen_and_the_frame_decides_which() -> None:
    flash = kind(FIELD, "flash")
    pose = pose_at(2500.0)
    air = air_vector(20000.0, float(pose.alt_m[0]))
    rows = set()
    for key in "abcdefgh":
        got = light_picture(flash, pose, CAMERA, air, dataclasses.replace(NIGHT, noise_key=key))
        assert got is not None
        rows.add(int(got[0].sum(axis=(1, 2)).argmax()))
    assert len(rows) > 3


def test_added_light_brightens_and_keeps_its_hue() -> None:
    picture = np.full((4, 4, 3), 40.0, np.float32)
    light = np.zeros_like(picture)
    light[1, 2] = 30.0 * np.array(COLOURS["red"])
    add_light(picture, light)
    assert (picture[0] == 40.0).all() and picture[1, 2, 0] > 255 and picture[1, 2, 2] < 0.6 * picture[1, 2, 0]
