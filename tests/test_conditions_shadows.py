"""Shadows: as long as the sun is low, away from it, the same as rays find them."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

from lard.errors import SourceError
from lard.ground.objects import COARSE, Objects, load_objects
from lard.render.shadows import shade_near, shade_of
from lard.tables import sha256_file

FRAME = np.array([-100.0, 100.0, 2.0])


def towards(azimuth_deg: float, elevation_deg: float) -> np.ndarray:
    a, e = np.radians([azimuth_deg, elevation_deg])
    return np.array([np.sin(a) * np.cos(e), np.cos(a) * np.cos(e), np.sin(e)])


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 360), st.floats(8, 70))
def test_a_towers_shadow_has_its_length_and_direction(azimuth_deg: float, elevation_deg: float) -> None:
    height = np.zeros((201, 201), np.uint8)
    height[100, 100] = 60  # 30 m
    shade = shade_of(Objects(height, 0.5, FRAME), towards(azimuth_deg, elevation_deg))
    rows, columns = np.nonzero(shade < 200)
    away = np.array([-np.sin(np.radians(azimuth_deg)), -np.cos(np.radians(azimuth_deg))])
    if len(rows) == 0:
        assert 30 / np.tan(np.radians(elevation_deg)) < 15, "only a very short shadow may be lost"
        return
    reach = np.column_stack([(columns - 100) * 2.0, (100 - rows) * 2.0])
    along, across = reach @ away, reach @ np.array([-away[1], away[0]])
    length = min(30 / np.tan(np.radians(elevation_deg)), 200.0 / max(abs(away)))
    assert abs(along.max() - length) < 0.12 * length + 5.0
    assert along.min() > -6.0 and np.abs(across).max() < 6.0


@settings(max_examples=15, deadline=None)
@given(st.floats(0, 360), st.floats(5, 50), st.integers(0, 100))
def test_shadows_are_those_that_rays_find(azimuth_deg: float, elevation_deg: float, seed: int) -> None:
    """Against a march from every cell towards the sun over nearest cells."""
    rng = np.random.default_rng(seed)
    height = np.zeros((60, 70), np.uint8)
    for _ in range(12):
        j, i = rng.integers(4, 50), rng.integers(4, 60)
        height[j : j + rng.integers(3, 8), i : i + rng.integers(3, 8)] = rng.integers(8, 50)
    sun = towards(azimuth_deg, elevation_deg)
    got = shade_of(Objects(height, 0.5, FRAME), sun)
    across = np.hypot(sun[0], sun[1])
    j, i = np.mgrid[0:60, 0:70]
    dark = np.zeros(height.shape, bool)
    for way_m in np.arange(1.0, 140.0, 0.5):
        y = np.rint(j - way_m / 2 * sun[1] / across).astype(int)
        x = np.rint(i + way_m / 2 * sun[0] / across).astype(int)
        inside = (y >= 0) & (y < 60) & (x >= 0) & (x < 70)
        top = np.where(inside, height[np.clip(y, 0, 59), np.clip(x, 0, 69)], 0) * 0.5
        dark |= top > height * 0.5 + way_m * sun[2] / across
    assert np.mean((got < 128) != dark) < 0.04, "they differ only along edges"


def test_nothing_casts_no_shadow_and_cloud_softens_them() -> None:
    flat = Objects(np.zeros((40, 40), np.uint8), 0.5, FRAME)
    assert (shade_of(flat, towards(120, 20)) == 255).all()
    height = np.zeros((80, 80), np.uint8)
    height[30:34, 30:34] = 40
    objects = Objects(height, 0.5, FRAME)
    hard, soft = (shade_of(objects, towards(45, 25), s).astype(int) for s in (0.0, 0.6))
    assert np.abs(np.diff(hard, axis=0)).max() > np.abs(np.diff(soft, axis=0)).max()
    assert (shade_of(objects, np.array([0.0, 0.0, 1.0])) == 255).all()


BOX = (100.0, 340.0, -360.0, -120.0)


@pytest.mark.parametrize("azimuth_deg", [20.0, 130.0, 255.0])
def test_shade_in_full_detail_is_that_of_the_whole(azimuth_deg: float) -> None:
    rng = np.random.default_rng(3)
    height = np.zeros((403, 398), np.uint8)
    for j, i in rng.integers(0, 380, (150, 2)):
        height[j : j + 8, i : i + 8] = rng.integers(6, 40)
    objects, sun = Objects(height, 0.5, FRAME), towards(azimuth_deg, 15.0)
    whole = shade_of(objects, sun).astype(int)
    near, coarse = shade_near(objects, objects.pooled(), sun, 0.0, BOX)
    assert near is not None
    column, row = np.round((near.frame[:2] - FRAME[:2]) / (FRAME[2], -FRAME[2])).astype(int)
    inside = whole[row : row + near.grey.shape[0], column : column + near.grey.shape[1]]
    assert near.grey.shape == inside.shape == (120, 120)
    assert np.mean(np.abs(near.grey - inside) > 40) < 0.03, "rounding moves edges by a cell"
    assert abs(coarse.grey.mean() - whole.mean()) < 25, "the coarser part is about as dark"
    assert coarse.frame[2] == COARSE * FRAME[2] and (coarse.frame[:2] == FRAME[:2]).all()
    assert shade_near(objects, objects.pooled(), sun, 0.0, (9000.0, 9900.0, 0.0, 10.0))[0] is None


def test_objects_of_a_ground_folder_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "objects.tif"
    profile = {"driver": "GTiff", "width": 6, "height": 4, "count": 1, "dtype": "uint8",
               "transform": rasterio.Affine(2, 0, -6, 0, -2, 4)}  # fmt: skip
    with rasterio.open(path, "w", **profile) as out:
        out.write(np.full((1, 4, 6), 7, np.uint8))
    entry = {
        "file": "objects.tif", "gsd_m": 2.0, "x_min_m": -6.0, "y_max_m": 4.0, "width_px": 6, "height_px": 4,
        "sha256": sha256_file(path), "unit_m": 0.5,
    }  # fmt: skip
    loaded = load_objects(tmp_path, {"objects": entry})
    assert loaded is not None and (loaded.height == 7).all() and loaded.frame.tolist() == [-6.0, 4.0, 2.0]
    assert load_objects(tmp_path, {}) is None
    with pytest.raises(SourceError, match=r"objects: lacks unit_m"):
        load_objects(tmp_path, {"objects": {k: v for k, v in entry.items() if k != "unit_m"}})
    with pytest.raises(SourceError, match="expected uint8 of 9 x 4"):
        load_objects(tmp_path, {"objects": {**entry, "width_px": 9}})
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(SourceError, match=r"objects.tif: damaged"):
        load_objects(tmp_path, {"objects": entry})
