"""Pictures of one ground laid over each other: what agrees, what is displaced, and what does not tell."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lard.airports import load_shipped
from lard.quality.measures import geometry
from lard.quality.measures.ground import (
    SMALL_PX,
    Reference,
    correlation,
    from_plane,
    match,
    packed,
    structure,
    unpacked,
)
from lard.quality.measures.offsets import Offset, shared
from lard.quality.measures.rolled import rolled
from lard.quality.neighbours import Neighbours, displaced_groups


def scene(seed: int = 1) -> np.ndarray:
    """Fields of two sizes."""
    rng = np.random.default_rng(seed)
    sizes = [cv2.resize(rng.normal(0, 20, (n, n)), (SMALL_PX, SMALL_PX)) for n in (16, 48)]
    return np.clip(110 + sum(sizes), 0, 255).astype(np.uint8)


def expected(grey: np.ndarray) -> Reference:
    return Reference(structure(grey), np.ones(grey.shape, np.float32))


def test_the_map_of_the_plane_puts_corners_where_the_projection_does() -> None:
    corners = np.array(load_shipped().airport("EGLL").runway("09L").corners)
    pose = {
        "lat_deg": np.array([51.4776, 51.49]), "lon_deg": np.array([-0.53, -0.35]),
        "alt_m": np.array([200.0, 350.0]),
        "yaw_deg": np.array([88.0, 262.0]), "pitch_deg": np.array([-4.0, -7.0]),
        "roll_deg": np.array([6.0, -3.0]),
    }  # fmt: skip
    camera = {
        name: np.full(2, value)
        for name, value in {
            "width_px": 1024.0,
            "height_px": 768.0,
            "fx_px": 900.0,
            "fy_px": 880.0,
            "cx_px": 500.0,
            "cy_px": 390.0,
        }.items()
    }
    points = geometry.cart(corners, "wgs84")
    truth = geometry.pixels(np.broadcast_to(points, (2, 4, 3)), pose, camera, "wgs84")
    maps = from_plane(corners, pose, camera, "wgs84")
    # the same plane: the corner's place on it is found through one picture, and drawn in the other
    small = truth * SMALL_PX / 1024 - 0.5
    first = np.concatenate([small[0], np.ones((4, 1))], axis=1) @ np.linalg.inv(maps[0]).T
    there = first @ maps[1].T
    assert np.abs(there[:, :2] / there[:, 2:] - small[1]).max() < 0.2


def test_brightness_and_contrast_do_not_matter() -> None:
    grey = scene()
    other = np.clip(0.5 * grey + 90, 0, 255).astype(np.uint8)
    assert correlation(structure(other), expected(grey)) > 0.95
    assert correlation(structure(scene(2)), expected(grey)) < 0.15
    assert correlation(structure(grey[:, ::-1].copy()), expected(grey)) < 0.15


@pytest.mark.parametrize("move", [(6, 0), (-9, 5), (0, -11)])
def test_a_displacement_is_found(move: tuple[int, int]) -> None:
    found = match(structure(np.roll(scene(), move, axis=(1, 0))), expected(scene()))
    assert (found.right_px, found.down_px) == move
    assert found.elsewhere > 0.8
    assert found.here < 0.2


def test_a_plain_sky_agrees_with_nothing() -> None:
    sky = np.full((SMALL_PX, SMALL_PX), 200, np.uint8)
    found = match(structure(sky), expected(scene()))
    assert max(found.here, found.elsewhere) < 0.05


def test_rolled_rows_are_found_and_whole_pictures_have_none() -> None:
    torn = scene()
    torn[70:95] = np.roll(torn[70:95], 20, axis=1)
    run = rolled(structure(torn), expected(scene()))
    assert run is not None
    assert (abs(run.first - 70) <= 2, abs(run.last - 95) <= 2, run.right_px) == (True, True, 20)
    assert run.aside > 0.7
    assert run.here < 0.2
    whole = rolled(structure(scene()), expected(scene()))
    assert whole is None or whole.aside < 0.25


def test_rows_without_a_reference_are_not_judged() -> None:
    unseen = Reference(structure(scene()), np.zeros((SMALL_PX, SMALL_PX), np.float32))
    assert rolled(structure(scene(2)), unseen) is None


def test_a_shift_that_a_zone_shares_is_told_by_other_zones_and_directions() -> None:
    rng = np.random.default_rng(3)
    shift = {"far": np.array([1.5, -0.5]), "close": np.zeros(2)}
    pairs = []
    for one, other, scale in (("far", "close", 0.5), ("far", "far", -1.0), ("close", "close", -1.2)):
        for _ in range(15):
            turn = scale * np.eye(2)
            noise = rng.normal(0, 0.1, 2) if rng.random() > 0.1 else rng.uniform(-5, 5, 2)
            pairs.append(Offset(one, other, shift[one] - turn @ shift[other] + noise, turn))
    found = shared(pairs)
    assert np.abs(found["far"].px - shift["far"]).max() < 0.15
    assert np.abs(found["close"].px).max() < 0.15
    assert shared(pairs[:4]) == {}


def test_ground_that_is_level_where_runways_lean_is_no_displacement() -> None:
    """Pairs along one approach, larger by a quarter to a half: they lie aside as by the lean of the plane."""
    rng = np.random.default_rng(6)
    scales = rng.uniform(1.2, 1.5, 30)
    leaning, flat = [], []
    for scale in scales:
        moved = np.array([1.9, 0.3]) * (scale - 1.0) + rng.normal(0, 0.03, 2)
        leaning.append(Offset("far", "far", moved, scale * np.eye(2), np.array([2.0, 0.4]) * (scale - 1.0)))
        flat.append(Offset("far", "far", moved, scale * np.eye(2)))
    found = {"XLEA": tuple(leaning), "XFLA": tuple(flat)}
    assert shared(leaning)["far"].level_px == pytest.approx(np.hypot(2.0, 0.4), rel=0.01)
    assert shared(flat)["far"].level_px == 0.0
    told = displaced_groups(Neighbours({}, (), {}, found, ()), {})
    assert [name for name, _, _ in told] == ["airport XFLA, zone far"]


def test_the_level_plane_goes_through_the_middle_of_the_runways() -> None:
    corners = np.array(load_shipped().airport("HKJK").runway("24").corners)
    pose = {"lat_deg": np.array([-1.28]), "lon_deg": np.array([36.97]), "alt_m": np.array([1900.0])}
    pose |= {
        name: np.array([value])
        for name, value in zip(("yaw_deg", "pitch_deg", "roll_deg"), (240.0, -5.0, 2.0), strict=True)
    }
    camera = {
        name: np.array([value])
        for name, value in zip(
            ("width_px", "height_px", "fx_px", "fy_px", "cx_px", "cy_px"),
            (320.0, 320.0, 277.0, 277.0, 160.0, 160.0),
            strict=True,
        )
    }
    lean, level = (from_plane(corners, pose, camera, "wgs84", flat) for flat in (False, True))
    middle = np.array([0.0, 0.0, 1.0])
    assert level[0] @ middle == pytest.approx(lean[0] @ middle)
    ahead = np.array([4000.0, 2300.0, 1.0])  # beyond the threshold of 24
    flat, leaning = level[0] @ ahead, lean[0] @ ahead
    assert 1.0 < leaning[1] / leaning[2] - flat[1] / flat[2] < 20.0, (
        "leaning down towards 24, the ground lies lower"
    )


def test_small_pictures_keep_their_shape_and_lenses_are_straightened() -> None:
    grey = cv2.resize(scene(), (640, 480))
    camera = {
        "width_px": 640.0,
        "height_px": 480.0,
        "fx_px": 500.0,
        "fy_px": 500.0,
        "cx_px": 320.0,
        "cy_px": 240.0,
    }
    plain = unpacked(packed(grey), camera)
    bent = unpacked(packed(grey), camera | {"k1": 0.1, "k2": 0.0, "k3": 0.0})
    assert plain is not None
    assert bent is not None
    assert plain.shape == bent.shape == (96, SMALL_PX)
    assert np.abs(plain[40:56, 56:72].astype(int) - bent[40:56, 56:72]).max() <= 12
    assert np.abs(plain.astype(int) - bent).max() > 20
    assert unpacked(b"none", camera) is None
