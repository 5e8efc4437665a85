"""Any picture becomes the same upright RGB, and large ones are searched without loss."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from detect_support import bright_boxes, write_random_model
from numpy.typing import NDArray
from PIL import Image

import lard.detect
from lard.cli import main
from lard.detect.config import PredictSpec
from lard.detect.decode import Detections
from lard.detect.draw import draw_found
from lard.detect.models import SCORE, Found, Model, resolve
from lard.detect.shipped import ship
from lard.detect.tiling import locate_in_tiles, search, starts
from lard.errors import DataError, ModelError
from lard.pictures import MOST_PX, ORIENTATION, upright_rgb

BOX = (50, 20, 70, 30)  # x_min, y_min, x_max, y_max of the bright rectangle


def _bright(frame_px: tuple[int, int] | None = None) -> Model:
    return Model("bright", Path("bright"), PredictSpec(), bright_boxes, frame_px)


def _scene(width: int = 120, height: int = 80) -> NDArray[np.uint8]:
    scene = np.full((height, width, 3), 40, np.uint8)
    scene[BOX[1] : BOX[3], BOX[0] : BOX[2]] = 230
    return scene


def _as_mode(mode: str) -> Image.Image:
    """The scene in a mode; grey levels 40 and 230 in all of them."""
    scene = _scene()
    grey = scene[:, :, 0]
    if mode.startswith("I"):
        return Image.fromarray(grey.astype(np.uint16) * 257).convert(mode)
    if mode == "F":
        return Image.fromarray(grey.astype(np.float32) / 255)
    if mode == "1":
        return Image.fromarray(np.where(grey > 128, np.uint8(255), np.uint8(0))).convert("1")
    if mode in ("P", "PA"):
        return Image.fromarray(scene).quantize(16).convert(mode)
    return Image.fromarray(scene).convert(mode)


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "I", "I;16", "F"]
)
def test_every_mode_becomes_the_same_picture(mode: str) -> None:
    image = _as_mode(mode)
    assert image.mode == mode
    pixels = upright_rgb(image).pixels
    assert pixels.dtype == np.uint8 and pixels.flags.c_contiguous and pixels.flags.writeable
    expected = np.where(_scene() > 128, 255, 0) if mode == "1" else _scene()
    assert np.abs(pixels.astype(int) - expected).max() <= 2
    assert _bright().detect(image).boxes_px.tolist() == [list(BOX)]


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("L", "jpg"), ("CMYK", "jpg"), ("CMYK", "tif"), ("I;16", "png"), ("I;16", "tif"), ("F", "tif"),
     ("P", "gif"), ("P", "png"), ("LA", "png"), ("RGBA", "webp"), ("1", "png"), ("RGB", "bmp")],
)  # fmt: skip
def test_files_of_every_mode(mode: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a b [1] #2 %d.{suffix}"
    _as_mode(mode).save(path)
    assert np.abs(_bright().detect(path).boxes_px - BOX).max() <= 1


def test_transparent_pixels_show_mid_grey() -> None:
    clear = Image.new("RGBA", (4, 3), (255, 255, 255, 0))
    clear.putpixel((0, 0), (255, 255, 255, 255))  # a wholly clear one is refused
    assert (upright_rgb(clear).pixels[1:] == 128).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_lie_in_the_upright_picture(orientation: int, tmp_path: Path) -> None:
    """The stored pixels are the scene turned back, so that every orientation shows the same scene."""
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Pillow's transpositions
    stored = Image.fromarray(_scene())
    if orientation > 1:
        stored = stored.transpose(Image.Transpose(back[orientation]))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored.save(tmp_path / "p.png", exif=exif)
    assert upright_rgb(tmp_path / "p.png").exif_orientation == orientation
    for source in (tmp_path / "p.png", Image.open(tmp_path / "p.png")):
        found = _bright().detect(source)
        assert (found.width_px, found.height_px) == (120, 80)
        assert found.boxes_px.tolist() == [list(BOX)]


def test_pictures_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 90, 3), np.uint8)).save(
        tmp_path / "ok.jpg"
    )
    whole = (tmp_path / "ok.jpg").read_bytes()
    files = {"cut.jpg": whole[:2000], "empty.png": b"", "text.jpg": b"no picture", "x.heic": b"ftypheic" * 9}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match="not a picture that can be read") as error:
            upright_rgb(tmp_path / name)
        assert name in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(DataError, match="no such picture"):
        upright_rgb(tmp_path / "none.jpg")


def test_values_without_a_known_white_are_refused() -> None:
    for wrong in (np.full((4, 4), 80.0, np.float32), np.full((4, 4), np.nan, np.float32)):
        with pytest.raises(DataError, match="expected 0 to 1, scale"):
            upright_rgb(Image.fromarray(wrong))
    with pytest.raises(DataError, match="expected 0 to 65535"):
        upright_rgb(Image.fromarray(np.full((4, 4), 70000, np.int32)))


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3))],
    ids=["grey", "float", "alpha", "empty"],
)  # fmt: skip
def test_arrays_are_rgb_of_uint8(wrong: NDArray[np.uint8]) -> None:
    with pytest.raises(DataError, match=r"expected \(h, w, 3\) of uint8"):
        upright_rgb(wrong)


def test_a_huge_picture_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    for side, name in ((int(MOST_PX**0.5) + 1, "large.png"), (40_000, "bomb.png")):
        Image.new("1", (side, side)).save(tmp_path / name)
        with pytest.raises(DataError, match=f"{name}: .*more than {MOST_PX} pixels; cut or reduce it"):
            upright_rgb(tmp_path / name)


@pytest.mark.parametrize("frame_px", [(64, 64), (100, 50), (33, 200), (300, 40)])
def test_tiles_find_each_runway_once(frame_px: tuple[int, int]) -> None:
    """Small runways wherever they lie, across the cuts too, at full precision."""
    rng = np.random.default_rng(3)
    for _ in range(30):
        image = np.full((170, 210, 3), 40, np.uint8)
        x, y = rng.integers(0, 200), rng.integers(0, 162)
        image[y : y + 6, x : x + 7] = 230
        box = [[x, y, min(x + 7, 210), y + 6]]
        boxes, scores = locate_in_tiles(bright_boxes, image, frame_px, PredictSpec())
        assert boxes.tolist() == box and len(scores) == 1


def test_a_runway_larger_than_a_tile_is_found_in_the_reduced_picture() -> None:
    image = np.full((200, 300, 3), 40, np.uint8)
    image[40:160, 60:240] = 230
    boxes, _ = locate_in_tiles(bright_boxes, image, (64, 64), PredictSpec())
    assert len(boxes) == 1 and np.abs(boxes[0] - (60, 40, 240, 160)).max() <= 300 / 64


@pytest.mark.parametrize("scales", [(1.0, 2.0), (0.5, 1.0), (3.0,), (1.0, 1.5, 4.0)])
@pytest.mark.parametrize("frame_px", [None, (90, 70)])
def test_a_runway_is_found_once_in_its_own_pixels_at_all_scales(
    scales: tuple[float, ...], frame_px: tuple[int, int] | None
) -> None:
    image = np.full((120, 171, 3), 40, np.uint8)
    image[30:60, 40:100] = 230
    plan = PredictSpec(scales=scales)
    boxes, scores = search(bright_boxes, image, frame_px, plan)
    assert len(boxes) == len(scores) == 1 and np.abs(boxes[0] - (40, 30, 100, 60)).max() <= 2.5
    plain, _ = search(bright_boxes, image, None, PredictSpec())
    assert plain.tolist() == [[40, 30, 100, 60]]


def test_scales_of_the_command_are_numbers_in_range(tmp_path: Path) -> None:
    model = write_random_model(tmp_path / "m.pt")
    Image.fromarray(_scene()).save(tmp_path / "p.png")
    command = ["predict", str(model), str(tmp_path / "p.png"), "--scales"]
    assert CliRunner().invoke(main, [*command, "1,2"]).exit_code == 0
    for wrong in ("0", "nan", "1,,2", "1;2", "9", ",".join("1" * 9), ""):
        done = CliRunner().invoke(main, [*command, wrong])
        assert done.exit_code == 2 and "expected up to 8 numbers from 0.1 to 8" in done.output


@pytest.mark.parametrize(("length", "tile"), [(1, 64), (64, 64), (65, 64), (1000, 64), (70, 1), (9, 2)])
def test_tiles_cover_a_length_and_overlap(length: int, tile: int) -> None:
    first = starts(length, tile)
    assert first[0] == 0 and max(first) + tile >= length and (length <= tile or max(first) + tile == length)
    steps = np.diff(first)
    assert not len(steps) or steps.max() <= max(1, tile * 0.75 + 1)


@pytest.mark.parametrize("size", [(1, 1), (3, 1), (1, 900), (17, 31), (160, 160)])
def test_sizes_that_are_no_multiples_of_the_stride(size: tuple[int, int], tmp_path: Path) -> None:
    """Two lines: load, detect; boxes stay within the picture."""
    model = lard.detect.load(write_random_model(tmp_path / "m.pt"), score=0.0)
    found = model.detect(np.full((size[1], size[0], 3), 200, np.uint8))
    assert (found.width_px, found.height_px) == size and len(found) == len(found.boxes_px)
    assert (found.boxes_px >= 0).all() and (found.boxes_px <= (*size, *size)).all()
    assert (np.diff(found.scores) <= 0).all()


def test_the_score_leaves_out_the_rest(tmp_path: Path) -> None:
    path, image = (
        write_random_model(tmp_path / "m.pt"),
        np.random.default_rng(1).integers(0, 255, (64, 64, 3)),
    )
    every = lard.detect.load(path, score=0.0).detect(image.astype(np.uint8))
    middle = float(np.median(every.scores))
    some = lard.detect.load(path, score=middle).detect(image.astype(np.uint8))
    assert 0 < len(some) < len(every) and (some.scores >= middle).all()
    assert np.array_equal(some.boxes_px, every.boxes_px[: len(some)])
    with pytest.raises(ModelError, match=r"score: found 1\.5"):
        lard.detect.load(path, score=1.5)


def test_models_that_do_not_exist(tmp_path: Path) -> None:
    for name in ("fcos-xxl", str(tmp_path / "none.pt")):
        with pytest.raises(
            ModelError, match=r"nor the name of a shipped model \(shipped models: fcos-m, fcos-s, "
        ):
            resolve(name)
    with pytest.raises(ModelError, match="a folder; give"):
        resolve(tmp_path)


def test_shipped_models_go_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lard.detect.cards.ZOO", tmp_path)
    ship(write_random_model(tmp_path / "own.pt"), "a test", tmp_path)
    (tmp_path / "own.pt").unlink()
    for kind in (".pt", ".json"):
        (tmp_path / f"random{kind}").rename(tmp_path / f"tiny{kind}")
    assert lard.detect.load("tiny").name == "random"
    assert lard.detect.load("tiny").plan.score_floor == SCORE, "its card states no operating point"
    with pytest.raises(ModelError, match=r"\(shipped models: tiny\)"):
        resolve("large")


def test_the_package_imports_no_torch() -> None:
    seen = "print('torch' in sys.modules)"
    code = f"import sys, lard.detect; {seen}; lard.detect.load; {seen}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        _ = lard.detect.lod


@pytest.mark.parametrize("size", [(1, 1), (30, 12), (400, 300)])
def test_drawings_change_nothing_inside_a_box(size: tuple[int, int]) -> None:
    """The frame lies around the box, whose pixels stay as they are; edges of the picture do no harm."""
    width, height = size
    image = np.full((height, width, 3), 90, np.uint8)
    before = image.copy()
    inside = np.array([[width * 0.4, height * 0.5, width * 0.6, height * 0.7]]).round()
    boxes: Detections = (np.concatenate((inside, [[0.0, 0.0, width, height]])), np.array([0.9, 0.4]))
    drawn = np.asarray(draw_found(image, Found(*boxes, width, height)))
    assert drawn.shape == image.shape and np.array_equal(image, before)
    if width == 400:
        x0, y0, x1, y1 = inside[0].astype(int)
        assert (drawn[y0:y1, x0:x1] == 90).all()
        assert (drawn[y0 - 2, x0:x1] != 90).any() and (drawn[y1 + 1, x0:x1] != 90).any()
