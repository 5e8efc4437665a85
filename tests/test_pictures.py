"""Pictures of others are stored upright, in 8 bits and without flags, and every reader sees the same."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from lard.cli import main
from lard.detect.data import Picture, load_image
from lard.errors import DataError
from lard.labels.draw import open_image
from lard.pictures import ORIENTATION, upright_jpeg, upright_rgb, upright_size
from lard.quality.measures.coarse import read_small
from lard.quality.measures.pictures import decode
from lard.quality.measures.reading import read_plain
from lard.report.explorer_thumbs import size_of

SIZE = (120, 80)


def scene() -> np.ndarray:
    """A dark picture (80, 120, 3) with a bright top-left corner, which tells how it is turned."""
    pixels = np.full((SIZE[1], SIZE[0], 3), 40, np.uint8)
    pixels[:30, :40] = (230, 180, 90)
    return pixels


def turned(path: Path, orientation: int) -> Path:
    """The scene stored turned, with the flag that turns it back."""
    back = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(scene()).transpose(back[orientation]).save(path, quality=95, exif=exif)
    return path


def annotate(folder: Path, name: str) -> None:
    shape = {"label": "runway 09L", "points": [[10, 5], [20, 5], [30, 25], [5, 25]], "shape_type": "polygon"}
    document = {"shapes": [shape], "imagePath": name, "imageWidth": SIZE[0], "imageHeight": SIZE[1]}
    (folder / f"{Path(name).stem}.json").write_text(json.dumps(document))


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_turned_photographs_are_stored_as_shown(tmp_path: Path, orientation: int) -> None:
    """All readers of the imported picture see the scene upright, whether or not they heed the flag."""
    folder, out = tmp_path / "photos", tmp_path / "out"
    folder.mkdir()
    turned(folder / "a.jpg", orientation)
    annotate(folder, "a.jpg")
    ran = CliRunner().invoke(main, ["annotated", str(folder), "--out", str(out)])
    assert ran.exit_code == 0, ran.output
    stored = out / "images/a.jpg"
    with Image.open(stored) as image:
        assert ORIENTATION not in image.getexif() and image.size == SIZE
        plain = np.asarray(image.convert("RGB"))
    picture = Picture(1, stored, *SIZE, np.zeros((0, 4)), (), np.zeros(0, bool))
    for pixels in (
        plain,
        load_image(picture),
        np.asarray(open_image(stored)),
        cv2.imread(str(stored))[..., ::-1],
    ):
        assert np.abs(pixels.astype(int) - scene()).mean() < 4


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_sizes_in_headers_are_those_of_the_pixels(tmp_path: Path, suffix: str, orientation: int) -> None:
    """Pillow turns the size of a TIFF itself, that of no other format: nothing is turned twice."""
    path, exif = tmp_path / f"a.{suffix}", Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(scene()).save(path, exif=exif)
    upright = SIZE if orientation < 5 else SIZE[::-1]
    with Image.open(path) as image:
        assert upright_size(image) == size_of(path) == upright
    assert upright_rgb(path).pixels.shape == (upright[1], upright[0], 3)
    if suffix in ("jpg", "tif"):  # imports store the others upright before OpenCV sees them
        seen = read_plain(path, cv2.IMREAD_COLOR)
        assert seen is not None and np.abs(seen[..., ::-1].astype(int) - upright_rgb(path).pixels).max() < 9


@pytest.mark.parametrize(("side", "code"), [(SIZE[::-1], 0), (SIZE, 2)])
def test_a_turned_tiff_is_annotated_as_it_is_seen(tmp_path: Path, side: tuple[int, int], code: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    Image.fromarray(scene()).save(tmp_path / "a.tif", exif=exif)
    shape = {"label": "runway", "points": [[10, 5], [20, 5], [30, 25], [5, 25]], "shape_type": "polygon"}
    document = {"shapes": [shape], "imagePath": "a.tif", "imageWidth": side[0], "imageHeight": side[1]}
    (tmp_path / "a.json").write_text(json.dumps(document))
    ran = CliRunner().invoke(main, ["annotated", str(tmp_path), "--out", str(tmp_path / "out")])
    assert ran.exit_code == code, ran.output
    if not code:
        with Image.open(tmp_path / "out/images/a.jpg") as image:
            assert image.size == SIZE[::-1]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_a_picture_that_is_wholly_transparent_shows_nothing(tmp_path: Path, mode: str) -> None:
    picture = Image.fromarray(scene()).convert(mode)
    picture.putalpha(0)
    picture.save(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a\.png: wholly transparent"):
        upright_rgb(tmp_path / "a.png")
    picture.putpixel((5, 5), (9, 9, 9, 255)[-len(picture.getbands()) :])
    picture.save(tmp_path / "a.png")
    assert upright_rgb(tmp_path / "a.png").pixels.shape == (SIZE[1], SIZE[0], 3)


def test_upright_jpeg_files_stay_to_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(scene()).save(path, quality=80)
    assert upright_jpeg(path) == (path.read_bytes(), SIZE)
    body, size = upright_jpeg(turned(tmp_path / "b.jpg", 6))
    assert size == SIZE and body != (tmp_path / "b.jpg").read_bytes()


@pytest.mark.parametrize("mode", ["L", "I;16", "F", "CMYK", "P", "RGBA", "LA", "1"])
@pytest.mark.parametrize("name", ["a [1].tif", "b #2.tif", "ü%20 é.tif"])
def test_every_mode_becomes_plain_colour(tmp_path: Path, mode: str, name: str) -> None:
    """16 bits and floats are scaled, palettes and inks converted; the name has what shells stumble over."""
    grey = np.asarray(Image.fromarray(scene()).convert("L"))
    if mode == "I;16":
        picture = Image.fromarray(grey.astype(np.uint16) * 257)
    elif mode == "F":
        picture = Image.fromarray(grey.astype(np.float32) / 255)
    else:
        picture = Image.fromarray(scene()).convert(mode)
    picture.save(tmp_path / name)
    body, size = upright_jpeg(tmp_path / name)
    assert size == SIZE
    pixels = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)
    assert pixels.shape == (SIZE[1], SIZE[0], 3)
    assert np.abs(pixels.astype(int) - upright_rgb(tmp_path / name).pixels[..., ::-1]).mean() < 6
    if mode != "1":
        assert abs(pixels.mean() - scene().mean()) < 12


@pytest.mark.parametrize("white", [4080, 1020, 200])
def test_fewer_bits_are_not_taken_for_sixteen(tmp_path: Path, white: int) -> None:
    """A camera's values up to 4080 would be black, and those of 8 bits too; as 8 bits they would be white."""
    path = tmp_path / "a.png"
    Image.fromarray(np.full((8, 8), white, np.uint16)).save(path)
    with pytest.raises(DataError, match=rf"a\.png: whole numbers up to {white} of 65535.*stretch them"):
        upright_rgb(path)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
@pytest.mark.parametrize(("factor", "good"), [(257, True), (16, False), (4, False), (1, False)])
def test_colours_of_fewer_bits_are_not_taken_for_sixteen(
    tmp_path: Path, name: str, factor: int, good: bool
) -> None:
    """Cameras of 10 and 12 bits write colours too, of which eight bits leave black."""
    path = tmp_path / name
    cv2.imwrite(str(path), scene()[..., ::-1].astype(np.uint16) * factor)
    if good:
        assert np.abs(upright_rgb(path).pixels.astype(int) - scene()).max() <= 1
    else:
        with pytest.raises(DataError, match=rf"{name}: colours of 16 bits that stay below \d+ of 65536"):
            upright_rgb(path)


def test_near_infrared_that_is_called_alpha_is_named(tmp_path: Path) -> None:
    """Most writers call a fourth band alpha unless told otherwise."""
    path = tmp_path / "a.tif"
    near = Image.fromarray(np.tile(np.arange(SIZE[0], dtype=np.uint8) % 251, (SIZE[1], 1)))
    Image.merge("RGBA", [*Image.fromarray(scene()).split(), near]).save(path)
    with pytest.raises(DataError, match=r"a\.tif: \d+% of its alpha is neither clear nor opaque: near-inf"):
        upright_rgb(path)


def test_near_infrared_is_no_transparency(tmp_path: Path) -> None:
    """A fourth band that nothing calls alpha is passed over."""
    path = tmp_path / "a.tif"
    Image.merge("RGBX", [*Image.fromarray(scene()).split(), Image.new("L", SIZE, 7)]).save(path)
    assert np.abs(upright_rgb(path).pixels.astype(int) - scene()).max() == 0


def test_pictures_of_a_dataset_are_read_by_their_mode(tmp_path: Path) -> None:
    """Training and prediction see what import and drawing see, also of 16 bits and with transparency."""
    path = tmp_path / "a.png"
    clear = np.dstack([scene(), np.full(SIZE[::-1], 0, np.uint8)])
    clear[0, 0] = 255  # nothing but clear pixels is refused
    Image.fromarray(clear).save(path)
    picture = Picture(1, path, *SIZE, np.zeros((0, 4)), (), np.zeros(0, bool))
    assert (load_image(picture) == upright_rgb(path).pixels).all() and (load_image(picture)[1:] == 128).all()


@pytest.mark.parametrize("form", ["png", "jpg"])
def test_a_header_of_billions_of_pixels_is_no_picture(tmp_path: Path, form: str) -> None:
    """One damaged byte states them; decoders raise errors of their own, or take all memory there is."""
    path = tmp_path / f"a.{form}"
    Image.fromarray(scene()).save(path)
    raw = bytearray(path.read_bytes())
    place = raw.index(b"IHDR") + 4 if form == "png" else raw.index(b"\xff\xc0") + 5
    size = struct.pack(">II", 60_000, 60_000) if form == "png" else struct.pack(">HH", 60_000, 60_000)
    raw[place : place + len(size)] = size
    if form == "png":
        raw[place + 13 : place + 17] = struct.pack(">I", zlib.crc32(raw[place - 4 : place + 13]))
    path.write_bytes(raw)
    for flags in (cv2.IMREAD_COLOR, cv2.IMREAD_GRAYSCALE, cv2.IMREAD_REDUCED_GRAYSCALE_8):
        assert read_plain(path, flags) is None
    assert decode(bytes(raw)) is None and read_small(path, 256) is None
    with pytest.raises(DataError, match=rf"a\.{form}: more than|a\.{form}: 60000x60000 px"):
        upright_rgb(path)


def test_a_picture_wider_than_its_frame_says_is_searched_small(tmp_path: Path) -> None:
    """The search takes the square of the width: a damaged width in a table made it last minutes."""
    path = tmp_path / "a.jpg"
    Image.new("L", (3000, 1500)).save(path)
    small = read_small(path, 256)
    assert small is not None and small.shape == (512, 1024)
