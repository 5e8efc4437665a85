"""Measures that groups of pictures are judged by: wide searches, common shifts, horizons, poses of planes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lard.quality.checks.camera import _quantum, plane_poses
from lard.quality.groups import sampled
from lard.quality.measures.coarse import AS_IS, VIEWS, Peak, around, directions, lines_along, peak
from lard.quality.measures.coarse import agreement as agree
from lard.quality.measures.shifts import LARGER, common_shift
from lard.quality.measures.sketch import SKETCH_PX, sketches
from lard.quality.sighting import ASIDE, HAZE, _story

CORNERS = np.array([[120.0, 110.0], [135.0, 108.0], [160.0, 190.0], [95.0, 196.0]])


def runway(right: float = 0.0, down: float = 0.0) -> np.ndarray:
    """A bright outline on textured ground, moved by pixels."""
    rng = np.random.default_rng(1)
    picture = cv2.resize(rng.integers(60, 120, (20, 20)).astype(np.uint8), (256, 256))
    moved = np.round((CORNERS + np.array([right, down]) - 0.5) * 16).astype(np.int32)
    cv2.fillPoly(picture, [moved], 170, lineType=cv2.LINE_AA, shift=4)
    return np.clip(picture + rng.normal(0, 4, picture.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("move", [(0, 0), (3, -5), (-20, 11), (24, 24)])
def test_an_outline_is_found_where_it_is(move: tuple[int, int]) -> None:
    found = around(runway(*move).astype(np.float32), CORNERS, 25)
    assert found is not None
    best = peak(AS_IS, [found], 1, 1.0)
    assert np.abs(np.array(best.shift) - move).max() <= 1
    assert best.sigmas > 5
    assert (best.here < best.sigmas - 2) == (move != (0, 0))


@pytest.mark.parametrize("view", VIEWS[:5], ids=lambda view: view.name)
def test_a_turned_picture_fits_its_view_best(view: object) -> None:
    turned = {
        "mirrored left-right": lambda p: p[:, ::-1],
        "mirrored upside down": lambda p: p[::-1],
        "rotated by 180 degrees": lambda p: p[::-1, ::-1],
        "rotated by 90 degrees clockwise": lambda p: np.rot90(p, -1),
        "rotated by 90 degrees counter-clockwise": lambda p: np.rot90(p),
    }[view.name]  # type: ignore[attr-defined]
    field = directions(np.ascontiguousarray(turned(runway())))
    lines = lines_along(CORNERS, np.roll(CORNERS, -1, axis=0), (256, 256))
    here = {}
    for one in (AS_IS, *VIEWS[:5]):
        fit = agree(field, one.of(lines, 1.0), 25)
        here[one.name] = 0.0 if fit is None else peak(one, [fit], 256, 0.01).here
    assert max(here, key=lambda name: here[name]) == view.name  # type: ignore[attr-defined]


def test_along_a_line_a_displacement_shows_nothing() -> None:
    """A horizon 5 px lower, and fields that favour a place aside a little: it may be straight below."""
    rows = np.repeat(np.where(np.arange(256) < 133, 180.0, 90.0)[:, None], 256, axis=1)
    field = directions(np.clip(rows + np.random.default_rng(4).normal(0, 6, rows.shape), 0, 255))
    horizon = lines_along(np.array([[2.0, 128.0]]), np.array([[254.0, 128.0]]), (256, 256))
    fit = agree(field, horizon, 25)
    assert fit is not None
    fit[30, 29] = fit.max() + 0.1
    found = peak(AS_IS, [fit], 256, 0.009, ASIDE)
    assert found.shift == (4 / 256, 5 / 256)
    assert found.least == (0.0, found.least[1]) and 3 <= found.least[1] * 256 <= 5
    assert peak(AS_IS, [fit], 256, 0.009).least == found.shift


def test_haze_that_draws_the_horizon_down_is_told_from_a_displacement() -> None:
    """26 pictures of 320 px whose horizon lies 5 px lower, clearer there by a quarter."""
    down = Peak(AS_IS, (4 / 320, 5 / 320), 17.1, 13.7, (0.0, 4 / 320))
    aside = Peak(AS_IS, (4 / 320, 5 / 320), 17.1, 13.7, (4 / 320, 4 / 320))
    up = Peak(AS_IS, (4 / 320, -5 / 320), 17.1, 13.7, (0.0, -4 / 320))
    assert _story(down, 26, 320, HAZE) is None
    assert _story(aside, 26, 320, HAZE) is not None
    assert _story(up, 26, 320, HAZE) is not None
    lower = Peak(AS_IS, (0.0, 14 / 320), 17.1, 13.7, (0.0, 13 / 320))
    assert _story(lower, 26, 320, HAZE) is not None
    assert _story(lower, 26, 320, 0.05) is None  # in a visibility that draws it down as far


def test_too_few_lines_say_nothing() -> None:
    lines = lines_along(np.array([[np.nan, 1.0]]), np.array([[3.0, 4.0]]), (256, 256))
    assert agree(directions(runway()), lines, 5) is None
    assert around(runway().astype(np.float32), CORNERS + 5000, 25) is None


@pytest.mark.parametrize(("shift", "larger"), [((0.0, 0.0), 0.0), ((0.5, -0.3), 0.0), ((-4.0, 2.0), 0.01)])
def test_edges_share_a_shift_and_a_scale(shift: tuple[float, float], larger: float) -> None:
    rng = np.random.default_rng(2)
    angle = rng.uniform(-1.2, 1.2, 60)
    normals = np.column_stack([np.cos(angle), np.sin(angle)]) * rng.choice([-1, 1], 60)[:, None]
    places = rng.uniform(-300, 300, (60, 2))
    px_per_m = rng.uniform(0.5, 3, 60)
    offsets = normals @ np.array(shift) + larger * np.sum(normals * places, axis=1)
    offsets = offsets + 0.1 * px_per_m + rng.normal(0, 0.1, 60)
    offsets[::9] += rng.uniform(-5, 5, len(offsets[::9]))  # taxiways
    found = common_shift(normals, places, offsets, px_per_m)
    assert found is not None
    assert found.shift_px == pytest.approx(shift, abs=0.15)
    assert found.warps.get(LARGER, (0.0,))[0] == pytest.approx(larger, abs=0.001)
    assert (found.sigmas > 4.5) == any(shift)
    assert common_shift(normals[:5], places[:5], offsets[:5], px_per_m[:5]) is None


def test_pictures_name_whose_horizon_they_show() -> None:
    rng = np.random.default_rng(3)
    lines, greys = [], []
    rows, columns = np.mgrid[0:SKETCH_PX, 0:SKETCH_PX]
    for _ in range(20):
        height, slope = rng.uniform(15, 45), rng.uniform(-0.5, 0.5)
        x = np.linspace(0, SKETCH_PX, 81)
        lines.append(np.column_stack([x, height + slope * (x - 32)]))
        grey = np.where(rows + 0.5 < height + slope * (columns + 0.5 - 32), 200, 90)
        greys.append(np.clip(grey + rng.normal(0, 5, grey.shape), 0, 255).astype(np.uint8).tobytes())
    sizes, ids = np.full((20, 2), 1024.0), [f"f{k}" for k in range(20)]
    scaled = np.array(lines) * 1024 / SKETCH_PX
    assert sketches(ids, list(greys), scaled, sizes, np.zeros(len(ids), bool)).strangers() == []
    greys[3], greys[11] = greys[11], greys[3]
    found = sketches(ids, list(greys), scaled, sizes, np.zeros(len(ids), bool))
    assert {(name, text[-3:].strip()) for name, _, text in found.strangers()} == {
        ("f3", "f11"),
        ("f11", "f3"),
    }
    assert found.view(np.ones(20, bool)) == ""
    upside = [np.frombuffer(g, np.uint8).reshape(SKETCH_PX, -1)[::-1].tobytes() for g in greys]
    assert "upside down" in sketches(ids, list(upside), scaled, sizes, np.zeros(len(ids), bool)).view(
        np.ones(20, bool)
    )


@pytest.mark.parametrize("off_m", [0.0, 0.01, 1.0, 4.0])
def test_poses_of_runways_that_are_not_quite_flat(off_m: float) -> None:
    model = np.array([[-22.5, 1500, off_m], [22.5, 1500, 0], [22.5, -1500, 0], [-22.5, -1500, -off_m]])
    matrix = np.array([[886.8, 0, 512], [0, 886.8, 512], [0, 0, 1]])
    rotation = cv2.Rodrigues(np.array([np.pi / 2 + 0.05, 0.02, 0.01]))[0]
    eye = np.array([60.0, -3200.0, 140.0])
    seen = (model - eye) @ rotation.T
    pixels = seen[:, :2] / seen[:, 2:] * 886.8 + 512
    found = plane_poses(model, pixels, matrix, np.zeros(5))
    places = [-(cv2.Rodrigues(turn)[0].T @ move) for turn, move in found]
    assert min(np.linalg.norm(place - eye) for place in places) < 0.5


@pytest.mark.parametrize(("step", "quantum"), [(1.0, 1.0), (0.5, 0.5), (0.1, 0.1), (0.0, 0.0)])
def test_rounded_corners_are_recognised(step: float, quantum: float) -> None:
    corners = np.random.default_rng(4).uniform(0, 1000, (50, 4, 2))
    rounded = np.floor(corners / step) * step + (0.5 if step == 1.0 else 0.0) if step else corners
    assert _quantum(rounded) == quantum
    assert _quantum(rounded[:0]) == 0.0


def test_a_sample_has_members_of_every_group() -> None:
    ids = [f"f{k}" for k in range(1000)]
    groups = {"dataset": frozenset(ids), "rare": frozenset(ids[500:508]), "half": frozenset(ids[::2])}
    chosen = sampled(ids, groups, 20, 6)
    assert sum(one in groups["rare"] for one in chosen) == 6
    assert 20 <= len(chosen) <= 32
    assert chosen == sorted(chosen, key=ids.index)
