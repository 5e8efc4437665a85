"""Measures of colour, common warps and horizons under clouds, on drawn pictures whose truth is known."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import polars as pl
import pytest

from lard.quality.checks.appearance import unexplained
from lard.quality.checks.strays import strays
from lard.quality.measures.chroma import LAGS, WAYS, colour_lags, displaced
from lard.quality.measures.coarse import lines_along
from lard.quality.measures.edges import straight
from lard.quality.measures.grain import line_changes, plain_box, repeats
from lard.quality.measures.horizon import GRID, level_profile, stacked_level
from lard.quality.measures.likeness import TURNS, turned_pairs
from lard.quality.measures.pictures import _blocks
from lard.quality.measures.shifts import BENT, LARGER, TALLER, TURNED, common_shift
from lard.quality.measures.sketch import sky_below

SIZE = 256


def fields(seed: int) -> np.ndarray:
    """Fields of one colour each (512, 512, 3), with a little noise."""
    rng = np.random.default_rng(seed)
    patches = cv2.resize(
        rng.integers(30, 220, (24, 24, 3)).astype(np.uint8), (512, 512), interpolation=cv2.INTER_NEAREST
    )
    return np.clip(patches + rng.normal(0, 2, patches.shape), 0, 255).astype(np.uint8)


def beside(picture: np.ndarray, plane: int, right: int, down: int) -> np.ndarray:
    """A picture whose plane of red (1) or blue (2) lies beside its brightness."""
    parts = cv2.cvtColor(picture, cv2.COLOR_BGR2YCrCb)
    parts[..., plane] = np.roll(parts[..., plane], (down, right), axis=(0, 1))
    return cv2.cvtColor(parts, cv2.COLOR_YCrCb2BGR)


@pytest.mark.parametrize(
    ("plane", "right", "down", "way"),
    [(1, 4, 0, WAYS[0]), (1, -6, 0, WAYS[0]), (2, 2, 0, WAYS[1]), (1, 0, 3, WAYS[2]), (2, 0, -4, WAYS[3])],
)
def test_colour_beside_brightness_is_found(plane: int, right: int, down: int, way: str) -> None:
    lags = np.array([colour_lags(beside(fields(k), plane, right, down)) for k in range(10)])
    found = {name: (px, sigmas) for name, px, sigmas in displaced(lags)}
    assert found[way][0] == pytest.approx(right + down, abs=0.7)
    assert found[way][1] > 5
    assert not any(abs(px) > 1 and sigmas > 3 for name, (px, sigmas) in found.items() if name != way)


def test_colour_at_its_place_is_not_displaced() -> None:
    lags = np.array([colour_lags(fields(k)) for k in range(10)])
    assert lags.shape == (10, 4 * LAGS)
    assert all(abs(px) < 0.5 for _, px, _ in displaced(lags))


@pytest.mark.parametrize("picture", [np.zeros((512, 512, 3), np.uint8), np.zeros((16, 16, 3), np.uint8)])
def test_pictures_without_colour_say_nothing(picture: np.ndarray) -> None:
    lags = np.array([colour_lags(picture)] * 8)
    assert not lags.any()
    assert displaced(lags) == []


def test_what_columns_explain_is_taken_off() -> None:
    rng = np.random.default_rng(3)
    air, sun = rng.uniform(1, 5, 200), rng.uniform(10, 60, 200)
    values = 2.0 + 0.5 * air - 0.03 * sun + 0.02 * air * sun + 0.1 * air**2 + rng.normal(0, 0.01, 200)
    values[:20] += 1.0  # another exposure of a tenth
    rest = unexplained(values, pl.DataFrame({"visibility_m": air, "sun_elevation_deg": sun}))
    assert np.abs(rest[20:]).max() < 0.05
    assert np.median(rest[:20]) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(
    "told",
    [
        pl.DataFrame({"visibility_m": [5.0] * 60}),
        pl.DataFrame({"visibility_m": [None, *range(59)]}, schema={"visibility_m": pl.Float64}),
        pl.DataFrame(),
    ],
    ids=["constant", "with a gap", "none"],
)
def test_columns_that_tell_nothing_leave_values_as_they_are(told: pl.DataFrame) -> None:
    values = np.random.default_rng(4).normal(7.0, 1.0, 60)
    rest = unexplained(values, told)
    assert np.ptp(values - rest) == pytest.approx(0.0, abs=1e-9)
    assert np.median(rest) == pytest.approx(0.0, abs=0.3)


def test_few_values_are_not_explained_away() -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(0, 1, 12)
    told = pl.DataFrame({name: rng.normal(0, 1, 12) for name in ("visibility_m", "pitch_deg")})
    assert np.ptp(values - unexplained(values, told)) == pytest.approx(0.0, abs=1e-9)


REACH = 300.0
WARPS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    LARGER: lambda x, y: np.column_stack([x, y]),
    TALLER: lambda x, y: np.column_stack([0 * x, y]),
    TURNED: lambda x, y: np.column_stack([-y, x]),
    BENT: lambda x, y: np.column_stack([x, y]) * ((x**2 + y**2) / REACH**2)[:, None],
}


@pytest.mark.parametrize("name", [*WARPS, ""])
def test_what_edges_share_is_named(name: str) -> None:
    rng = np.random.default_rng(6)
    angle = rng.uniform(-1.4, 1.4, 120)
    normals = np.column_stack([np.cos(angle), np.sin(angle)]) * rng.choice([-1, 1], 120)[:, None]
    places = rng.uniform(-1, 1, (120, 2)) * REACH
    offsets = rng.normal(0, 0.1, 120)
    if name:
        offsets += 0.01 * np.sum(normals * WARPS[name](*places.T), axis=1)
    found = common_shift(normals, places, offsets, rng.uniform(0.5, 3, 120))
    assert found is not None
    large = {n: share for n, (share, error) in found.warps.items() if abs(share) > 4.5 * error}
    assert list(large) == ([name] if name else [])
    if name:
        # shares are of the farthest edge's distance
        assert large[name] == pytest.approx(0.01, abs=0.003)
    assert found.distance_px < 0.3


@pytest.mark.parametrize("k1", [0.08, -0.08])
def test_a_bent_picture_is_made_straight(k1: float) -> None:
    values = {"fx_px": 220.0, "fy_px": 220.0, "cx_px": 128.0, "cy_px": 128.0, "k1": k1, "k2": 0.0, "k3": 0.0}
    camera = {name: np.array([value]) for name, value in values.items()}
    true = np.array([[60.0, 70.0], [180.0, 64.0], [200.0, 190.0], [40.0, 200.0]])
    x, y = ((true - 128.0) / 220.0).T
    bend = 1 + k1 * (x**2 + y**2)
    bent = np.column_stack([x * bend, y * bend]) * 220.0 + 128.0
    picture = np.zeros((SIZE, SIZE), np.float32)
    for place in bent:  # blurred dots, whose centres are found to a fraction of a pixel
        grid = np.arange(SIZE) + 0.5
        picture += 200 * np.exp(-((grid - place[0]) ** 2 + (grid[:, None] - place[1]) ** 2) / 8).astype(
            np.float32
        )
    flat, corners = straight(picture, camera, bent)
    assert corners == pytest.approx(true, abs=0.02)
    for px, py in true:
        part = flat[int(py) - 8 : int(py) + 9, int(px) - 8 : int(px) + 9]
        rows, columns = np.mgrid[int(py) - 8 : int(py) + 9, int(px) - 8 : int(px) + 9] + 0.5
        assert float((part * columns).sum() / part.sum()) == pytest.approx(px, abs=0.15)
        assert float((part * rows).sum() / part.sum()) == pytest.approx(py, abs=0.15)


def clouded(seed: int, down: float) -> tuple[np.ndarray, np.ndarray]:
    """Clouds over fields whose edge lies `down` of the height below a rolled line, and that line."""
    rng = np.random.default_rng(seed)
    slope, middle = np.tan(rng.uniform(-0.4, 0.4)), rng.uniform(90, 150)
    x = np.arange(SIZE) + 0.5
    line = middle + slope * (x - SIZE / 2)
    sky = cv2.resize(
        rng.integers(150, 245, (9, 6)).astype(np.uint8), (SIZE, SIZE), interpolation=cv2.INTER_CUBIC
    )
    ground = cv2.resize(rng.integers(60, 120, (20, 20)).astype(np.uint8), (SIZE, SIZE))
    below = x[:, None] > line[None, :] + down * SIZE
    picture = np.where(below, ground, sky) + rng.normal(0, 3, (SIZE, SIZE))
    return np.clip(picture, 0, 255).astype(np.uint8), np.column_stack([x, line])


@pytest.mark.parametrize("down", [0.0, 0.03, -0.02, 0.08])
def test_horizons_under_clouds_are_found_together(down: float) -> None:
    profiles = []
    for seed in range(12):
        picture, line = clouded(seed, down)
        profiles.append(level_profile(picture, lines_along(line[:-1], line[1:], (SIZE, SIZE))))
    level = stacked_level([p for p in profiles if p is not None], 0.01)
    assert level.down == pytest.approx(down, abs=0.006)
    assert level.sigmas > 5
    assert (level.here < level.sigmas) == (abs(down) > 0.01)
    assert profiles[0] is not None and profiles[0].shape == GRID.shape


def test_a_picture_without_its_horizon_has_no_profile() -> None:
    line = np.array([[0.0, -500.0], [256.0, -500.0]])
    assert level_profile(clouded(1, 0.0)[0], lines_along(line[:-1], line[1:], (SIZE, SIZE))) is None


def looks_of(count: int = 60) -> pl.DataFrame:
    """Looks of pictures of four airports as they vary by day in clear air."""
    rng = np.random.default_rng(8)
    return pl.DataFrame(
        {
            "frame_id": [f"f{k:03d}" for k in range(count)],
            "airport": [f"A{k % 4}" for k in range(count)],
            "source": ["ortho"] * count,
            "blue_sky": rng.normal(90, 15, count),
            "sky_tint": rng.normal(0, 0.02, count),
            "sky": rng.normal(150, 12, count),
            "detail": rng.normal(-0.3, 0.1, count),
            "noise": rng.normal(1.2, 0.3, count),
            "blocks": rng.normal(1.4, 0.1, count),
            "repeats": rng.normal(1.03, 0.03, count),
            "sky_green": rng.normal(0.0, 0.01, count),
        }
    )


def with_one(looks: pl.DataFrame, name: str, value: float) -> pl.DataFrame:
    return looks.with_columns(pl.when(pl.col("frame_id") == "f010").then(value).otherwise(name).alias(name))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("blue_sky", -90.0, "red and blue"),
        ("sky_tint", -0.5, "veil"),
        ("sky", 60.0, "exposure"),
        ("detail", -1.2, "blurred"),
        ("noise", 4.0, "noise"),
        ("blocks", 4.0, "compressed"),
        ("repeats", 1.8, "enlarged"),
        ("sky_green", 0.2, "greener"),
    ],
)
def test_a_picture_unlike_all_others_is_named(name: str, value: float, said: str) -> None:
    looks = looks_of()
    assert strays(looks, looks.select("frame_id")) == []
    found = strays(with_one(looks, name, value), looks.select("frame_id"))
    assert [offence.subject for offence in found] == ["f010"]
    assert said in found[0].message


def test_strays_are_not_what_an_airport_or_a_stated_condition_explains() -> None:
    looks = looks_of()
    snow = looks.with_columns(pl.when(pl.col("airport") == "A1").then(60.0).otherwise("sky").alias("sky"))
    assert strays(snow, looks.select("frame_id")) == []
    stated = looks.select("frame_id", (pl.int_range(pl.len()) % 3).cast(pl.Float64).alias("exposure_ev"))
    assert strays(with_one(looks, "sky", 60.0), stated) == []
    few = looks.head(20)
    assert strays(with_one(few, "sky", 60.0), few.select("frame_id")) == []


def test_blocks_tell_strong_compression_after_it_was_saved_anew() -> None:
    def saved(picture: np.ndarray, quality: int) -> np.ndarray:
        return cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 0)

    grey = cv2.cvtColor(cv2.GaussianBlur(fields(1), (0, 0), 2), cv2.COLOR_BGR2GRAY)
    values = [_blocks(line_changes(saved(saved(grey, quality), 95))) for quality in (95, 70, 6)]
    assert values[0] < values[1] < values[2]
    assert values[0] < 1.7
    assert values[2] > 3.4
    assert _blocks(line_changes(np.zeros((8, 8), np.uint8))) == 1.0


def test_a_sky_below_the_horizon_is_seen_by_its_colour() -> None:
    colours = np.empty((16, 16, 3), np.uint8)
    colours[:7], colours[7:] = (200, 170, 130), (80, 95, 100)
    line = np.array([[0.0, 430.0], [1024.0, 460.0]])
    value = sky_below(colours, line, (1024, 1024))
    assert value is not None and value < -50
    turned = sky_below(colours[::-1], line, (1024, 1024))
    assert turned is not None and turned > 25
    assert sky_below(colours, line - [0.0, 800.0], (1024, 1024)) is None


@pytest.mark.parametrize("turn", list(TURNS))
def test_turned_copies_are_found(turn: str) -> None:
    sketches = [cv2.resize(fields(k), (64, 64), interpolation=cv2.INTER_AREA)[..., 0] for k in range(12)]
    copy = TURNS[turn](sketches[4][None])[0].astype(np.int16) + 2
    sketches.append(copy.clip(0, 255).astype(np.uint8))
    table = pl.DataFrame(
        {
            "image": [f"{k}.jpg" for k in range(13)],
            "sketch": [np.ascontiguousarray(s).tobytes() for s in sketches],
        }
    )
    assert turned_pairs(table, 6) == [("4.jpg", "12.jpg", turn)]
    assert turned_pairs(table.head(12), 6) == []
    assert turned_pairs(table.head(1), 6) == []


def test_pixels_that_repeat_are_told_from_the_steps_of_a_plain_sky() -> None:
    grey = fields(3)[..., 1]
    doubled = grey[::2, ::2].repeat(2, axis=0).repeat(2, axis=1)
    sky = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 2, axis=0) * np.ones((1, 512), np.uint8)
    assert repeats(line_changes(doubled)) > 1.6
    assert repeats(line_changes(grey)) < 1.2
    assert repeats(line_changes(sky)) < 1.2
    assert repeats(line_changes(np.zeros((8, 8), np.uint8))) == 1.0


def test_a_box_of_one_level_is_found_where_it_stands_off() -> None:
    grey = np.random.default_rng(2).integers(90, 130, (128, 128)).astype(np.uint8)
    assert plain_box(grey) == []
    grey[40:60, 24:80] = 200
    assert plain_box(grey) == [24, 40, 56, 20]
    grey[40:60, 24:80] = np.arange(90, 118, 0.5)[None].astype(np.uint8)
    assert plain_box(grey) == []
    assert plain_box(np.zeros((4, 4), np.uint8)) == []
