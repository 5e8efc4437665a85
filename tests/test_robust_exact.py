"""Erasure energies from pictures of the same frames without runways, and the ground for these."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner, Result
from detect_support import write_toy
from numpy.typing import NDArray
from robust_support import SPEC, random_net
from test_ground_build import REACHES, an_airport

from lard.cli import main
from lard.detect.checkpoint import save_detector
from lard.detect.data import Picture, picture_pixels, read_pictures
from lard.errors import DataError
from lard.ground.painted.airport import input_key, prepare
from lard.ground.painted.levels import paint_window
from lard.ground.tiles import LevelGrid
from lard.robust.exact_erasure import bare_pictures, exact_energies, surroundings

SIDE = 96


def _square(x: float, y: float, side: float) -> NDArray[np.float64]:
    return np.array([[x, y], [x + side, y], [x + side, y + side], [x, y + side]], np.float64)


def _picture(path: Path, *polygons: NDArray[np.float64]) -> Picture:
    boxes = np.array([[*p.min(axis=0), *p.max(axis=0)] for p in polygons]).reshape(-1, 4)
    return Picture(1, path, SIDE, SIDE, boxes, polygons, np.zeros(len(polygons), bool))


def _write(path: Path, image: NDArray[np.uint8]) -> Path:
    cv2.imwrite(str(path), image[:, :, ::-1])
    return path


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    return _write(tmp_path / "bare.png", np.full((SIDE, SIDE, 3), 100, np.uint8))


def test_the_energy_is_the_norm_of_the_difference_about_the_runway(bare: Path) -> None:
    image = np.full((SIDE, SIDE, 3), 100, np.uint8)
    image[20:30, 40:50] = (151, 100, 100)  # 51 of 255 are 0.2, on 100 pixels of one channel
    image[32, 45, 1] = 202  # and a shoulder beside it: 0.4
    one = exact_energies(image, bare, _picture(bare, _square(40, 20, 10)))
    assert one == pytest.approx([np.sqrt(100 * 0.2**2 + 0.4**2)])
    assert exact_energies(image, bare, _picture(bare)).shape == (0,)


def test_what_changes_counts_for_the_nearest_runway(bare: Path) -> None:
    image = np.full((SIDE, SIDE, 3), 100, np.uint8)
    image[50, 30, 0] = 151  # nearer to the left one
    image[50, 66, 0] = 202  # nearer to the right one
    image[10, 40, 0] = 151  # about neither: 30 px away at least, beyond the diagonal of 11 px and 16 px
    picture = _picture(bare, _square(20, 46, 8), _square(70, 46, 8))
    assert exact_energies(image, bare, picture) == pytest.approx([0.2, 0.4])
    crossing = _picture(bare, _square(20, 40, 20), _square(28, 44, 20))
    about, _ = surroundings(crossing.polygons, (SIDE, SIDE))
    assert about[0][50, 32] and about[1][50, 32], "inside of both, it is about both"
    assert exact_energies(image, bare, crossing)[0] == pytest.approx(0.2)


def test_pictures_that_are_no_pair_are_refused(bare: Path, tmp_path: Path) -> None:
    picture = _picture(bare, _square(40, 20, 10))
    dark = np.full((SIDE, SIDE, 3), 60, np.uint8)
    with pytest.raises(
        DataError, match=r"bare\.png: differs from .* in 100.0% of the pixels off all runways"
    ):
        exact_energies(dark, bare, picture)
    with pytest.raises(DataError, match=r"bare\.png: 96x96 px, .* has 64x96; render the same frames"):
        exact_energies(dark[:, :64], bare, picture)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: has none of the 1 pictures \(bare.png first\)"):
        bare_pictures(tmp_path, tmp_path / "empty", [picture])
    with pytest.raises(DataError, match="2 datasets for 1 of --data"):
        bare_pictures(tmp_path, [tmp_path, tmp_path], [picture])


def test_ground_without_runways_is_the_same_everywhere_else() -> None:
    airport = an_airport(35.0)
    window = LevelGrid(1.0, -900.0, 900.0, 1800, 1800)
    painted, without = (
        paint_window(prepare(airport, 5, 1.0, REACHES, runways=drawn), window, (0, 0, 1800, 1800)).astype(int)
        for drawn in (True, False)
    )
    changed = (painted != without).any(axis=-1)
    rows, columns = np.nonzero(changed)
    x, y = window.x_min_m + columns + 0.5, window.y_max_m - rows - 0.5
    ahead = np.array([np.sin(np.radians(35.0)), np.cos(np.radians(35.0))])
    along, across = x * ahead[0] + y * ahead[1], x * ahead[1] - y * ahead[0]
    length, half = np.ptp(along), np.abs(across).max()
    assert half < 15.0 + 8.0 + 1.5, "runway, shoulder and the width of a pixel"
    assert changed.sum() > 0.8 * length * 30.0, "all of the runway is gone"
    assert (painted[changed] - without[changed])[:, :3].any(axis=1).all()
    keys = {input_key(airport, 5, 1.0, REACHES, "summer", painted=drawn) for drawn in (True, False)}
    assert len(keys) == 2


def _certify(*words: object) -> Result:
    return CliRunner().invoke(main, ["certify", *map(str, words)])


def test_the_command_says_which_energies_are_exact(tmp_path: Path) -> None:
    toy = write_toy(tmp_path / "toy")
    save_detector(random_net(3), "lip", SPEC, {}, tmp_path / "lip.pt")
    other = tmp_path / "without"
    (other / "images").mkdir(parents=True)
    pictures = read_pictures(toy, "test")
    for picture in pictures[:2]:
        image = picture_pixels(picture.path)[:, :, ::-1].copy()
        near = surroundings(picture.polygons, image.shape[:2])[1]
        image[near] = 90
        cv2.imwrite(str(other / "images" / picture.path.name), image, [cv2.IMWRITE_JPEG_QUALITY, 100])
    options = [tmp_path / "lip.pt", "--data", toy, "--score", 0.5, "--eps", 0.1, "--out", tmp_path / "out"]
    assert _certify(*options).exit_code == 0, "estimates first: what is kept of pictures must not serve again"
    done = _certify(*options, "--without", other)
    assert done.exit_code == 0, done.output
    table = pl.read_csv(tmp_path / "out/runways.csv")
    exact = table["image_id"].is_in([picture.image_id for picture in pictures[:2]])
    assert (table["erasure_method"] == pl.Series(np.where(exact, "exact", "estimate"))).all()
    told = json.loads((tmp_path / "out/certificates.json").read_text())["erasure"]
    assert told["runways_by_method"] == {"exact": int(exact.sum()), "estimate": int((~exact).sum())}
    assert "exact:" in told["method"] and "estimate:" in told["method"]
    shutil.rmtree(other / "images")
    refused = _certify(*options, "--without", other)
    assert refused.exit_code == 2 and "has none of the 4 pictures" in refused.output
