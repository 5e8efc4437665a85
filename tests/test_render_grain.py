"""Detail below the texels of painted ground: where it is drawn, where not, and that it stays in its place."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from render_scene import make_airport, make_scene

from lard.airports import load_shipped
from lard.airports.model import Airport
from lard.approach import Approaches, pose_of
from lard.camera import Camera
from lard.errors import SourceError
from lard.ground.painted.airport import plane_strip
from lard.ground.pyramid import ABSENT, GroundPyramid, load_ground
from lard.ground.terrain.surface import Surface
from lard.render.kernels import grain, layout
from lard.render.renderer import clear_day, render_colours

Scene = tuple[Airport, GroundPyramid, Surface]
CAMERA = Camera.from_fov(200, 160, 60.0)
STRENGTH, SEED = 0.1, 5
NO_STRIPS = np.zeros((0, 6))
TABLE = np.array([[0.5, 0.0, 128.0, 256, 256, 0, 0, 256], [1.0, 0.0, 256.0, 256, 256, 0, 1, 256]])
THERE = np.zeros(2, np.uint8)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    airport = make_airport(length_m=1200)
    folder = tmp_path_factory.mktemp("grain")
    ground, surface = make_scene(folder, airport, size=(1536, 2048), levels=4)
    return airport, ground, surface


def pictures(scene: Scene, along_m: float, vertical_deg: float) -> tuple[np.ndarray, np.ndarray]:
    """The same view without grain and with it, (h, w, 3) grey levels."""
    airport, ground, surface = scene
    pose = pose_of(airport.runway("07"), Approaches(along_m, 0.0, vertical_deg, 0.0, -8.0, 2.0))
    both = []
    for strength in (0.0, STRENGTH):
        ground.grain = strength
        both.append(render_colours(ground, surface, pose, CAMERA, clear_day(30_000.0, pose)))
    ground.grain = 0.0
    return both[0], both[1]


def lights(
    x: np.ndarray, y_m: float, major_m: float, seed: int = SEED, strips: np.ndarray = NO_STRIPS
) -> np.ndarray:
    """Light (n,) on evenly spaced map points of one row."""
    s, suns, view = np.zeros(layout.SPAN_SIZE), np.ones(len(x)), np.zeros((), layout.VIEW)[()]
    view["grain"], view["grain_seed"], view["zone_margin_m"] = STRENGTH, seed, 12.0
    view["smooth_count"], view["smooth"][: len(strips)] = len(strips), strips
    s[layout.W], s[layout.X], s[layout.Y] = 1.0, x[0], y_m
    s[layout.CHANGE + layout.X] = x[1] - x[0]
    middle = float(x[len(x) // 2])
    grain.roughen(s, len(x), middle, y_m, major_m, view, THERE, TABLE, True, suns)
    return suns


def test_ground_seen_from_high_up_keeps_its_pixels(scene: Scene) -> None:
    plain, rough = pictures(scene, 1800.0, 8.0)
    assert (plain == rough).all()


def test_near_ground_has_grain_and_runways_have_none(scene: Scene) -> None:
    plain, rough = pictures(scene, 120.0, 0.8)
    runway = cv2.dilate((plain[..., 0] > 60).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    runway[: CAMERA.height_px // 3] = False  # the sky
    assert runway.sum() > 200 and (plain[runway] == rough[runway]).all()
    below = plain[-30:] != rough[-30:]
    assert below.mean() > 0.9, "the grass before the threshold is a few metres away"
    assert abs(rough[-30:].mean() / plain[-30:].mean() - 1) < 0.03, "no brighter and no darker"


def test_grain_stays_where_it_is_on_the_map() -> None:
    x = 10.0 + 0.1 * np.arange(32)
    whole, part = lights(x, 60.0, 0.1), lights(x[8:24], 60.0, 0.1)
    assert whole[8:24] == pytest.approx(part, abs=1e-12)
    assert np.abs(lights(x, 60.0, 0.1, seed=6) - whole).max() > 0.02
    assert np.abs(np.diff(whole)).max() < 0.15, "no jumps at the nodes of its lattice"


@pytest.mark.parametrize(("major_m", "least"), [(0.05, 0.03), (0.2, 0.02)])
def test_grain_is_no_light_of_its_own(major_m: float, least: float) -> None:
    rows = [lights(2.0 + 1.3 * np.arange(64), 20.0 + 1.7 * k, major_m) for k in range(60)]
    assert np.mean(rows) == pytest.approx(1.0, abs=0.004)
    assert least < np.std(rows) < 0.12


def test_grain_fades_as_texels_shrink_below_pixels() -> None:
    x = 10.0 + 0.3 * np.arange(64)
    spread = [float(np.std(lights(x, 60.0, major))) for major in (0.06, 0.12, 0.25, 0.4, 0.49, 0.5, 0.9)]
    assert spread == sorted(spread, reverse=True)
    assert spread[-2:] == [0.0, 0.0] and spread[-3] < 1e-3


def test_where_fine_texels_are_absent_the_coarser_ones_count() -> None:
    gone = THERE.copy()
    gone[0] = ABSENT
    assert grain.texel_m(40.0, 40.0, THERE, TABLE) == 0.5
    assert grain.texel_m(40.0, 40.0, gone, TABLE) == 1.0
    assert grain.texel_m(200.0, 40.0, THERE, TABLE) == 1.0
    assert grain.texel_m(4000.0, 40.0, THERE, TABLE) == 1.0


def test_grain_comes_in_beyond_a_runway_s_zone() -> None:
    strips = np.array([[0.0, 60.0, 1.0, 0.0, 20.0, 10.0]])  # its end at x = 20
    x = 0.25 * np.arange(400)
    change = np.abs(lights(x, 60.0, 0.05, strips=strips) - 1.0)
    assert (change[x <= 32.0] == 0.0).all()
    assert 0.0 < change[(x > 33) & (x < 37)].max() < change[x > 52].max()


def manifest_with(scene: Scene, folder: Path, entries: dict[str, object]) -> Path:
    shutil.copytree(scene[1].folder, folder)
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))
    return folder


def test_pavement_before_a_threshold_has_none(scene: Scene, tmp_path: Path) -> None:
    """The grass before the threshold is said to be paved, 200 m out."""
    airport, _, surface = scene
    x, y, ux, uy, half, _ = surface.strips[0]
    paved = [x - (half + 100) * ux, y - (half + 100) * uy, ux, uy, 100.0, 60.0]
    ground = load_ground(manifest_with(scene, tmp_path / "ground", {"smooth": [paved]}))
    plain, rough = pictures((airport, ground, surface), 120.0, 0.8)
    assert (plain[-30:, 60:140] == rough[-30:, 60:140]).all()


def test_painted_ground_says_what_of_it_is_smooth() -> None:
    strip = plane_strip(load_shipped().airport("MMMX").strips[0], None, 19.4, -99.1, False, 1)
    x, y, ux, uy, half, wide = strip.smooth
    assert half == pytest.approx(
        (strip.near.length_m + strip.near.displaced_m + strip.near.pad_m + strip.far.pad_m) / 2, abs=0.01
    )
    assert (wide, float(np.hypot(ux, uy))) == (strip.near.width_m / 2, pytest.approx(1.0))
    edge = strip.at(np.array([[-strip.near.displaced_m - strip.near.pad_m, 0.0]]))[0]
    assert edge == pytest.approx([x - half * ux, y - half * uy], abs=0.05)


@pytest.mark.parametrize(
    "entries",
    [
        *({"grain": value} for value in (2.0, -0.1, "much", True, None)),
        *({"smooth": value} for value in ([[1.0, 2.0]], [["a"] * 6], 3, None, [[1e12] * 6])),
    ],
)
def test_a_manifest_with_a_bad_grain_is_refused(
    scene: Scene, tmp_path: Path, entries: dict[str, object]
) -> None:
    with pytest.raises(SourceError, match=next(iter(entries))):
        load_ground(manifest_with(scene, tmp_path / "ground", entries))
