"""Pictures of others, of any mode, size and orientation, as upright RGB arrays or as plain JPEG files."""

from __future__ import annotations

import io
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from lard.errors import DataError

Source = str | Path | Image.Image | NDArray[np.uint8]
"""What is taken as a picture: a path, a Pillow image, an RGB array (h, w, 3) of uint8."""
SUFFIXES = (
    ".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp", ".gif", ".jp2", ".ppm", ".pgm", ".pnm",
    ".avif",
)  # fmt: skip
MOST_PX = 100_000_000
ORIENTATION = 0x0112  # the EXIF tag
_ON_ITS_SIDE = (5, 6, 7, 8)  # orientations that exchange width and height
_TIFF_WIDTH, _TIFF_HEIGHT = 0x0100, 0x0101
CLEAR = (128, 128, 128)  # what shines through transparent pixels: the networks' zero
JPEG_QUALITY = 95
_TWELVE_BITS, _EIGHT_BITS = 4095, 255
_DEEP = re.compile(r"(?:LA|RGB[AXa]?|CMYK);16[BLN]")  # how Pillow calls such data
_SOFT_SHARE = 0.25  # of a picture with soft edges, generously


@dataclass(frozen=True, slots=True, eq=False)
class Upright:
    """A picture ready for a detector: RGB (h, w, 3), and the EXIF orientation that was applied (1: none)."""

    pixels: NDArray[np.uint8]
    exif_orientation: int


def upright_rgb(source: Source, content: bytes | None = None) -> Upright:
    """Decode, turn upright and bring to 8-bit RGB; DataError in one line for what cannot be.

    `content` holds the bytes of a source that is no file of its own, whose path then is but a name.
    """
    if isinstance(source, np.ndarray):
        return Upright(_checked(source), 1)
    name = "image" if isinstance(source, Image.Image) else str(source)
    if not isinstance(source, Image.Image) and content is None and not Path(source).is_file():
        raise DataError(f"{name}: no such picture")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, about sizes and odd tags: sizes are checked here
        try:
            if isinstance(source, Image.Image):
                return _of_image(source, name)
            with Image.open(source if content is None else io.BytesIO(content)) as image:
                return _of_image(image, name)
        except DataError:
            raise
        except Image.DecompressionBombError as error:
            raise DataError(f"{name}: more than {MOST_PX} pixels; cut or reduce it") from error
        except Exception as error:  # a broken file makes decoders raise errors of any class
            raise unreadable(name, error) from error


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Width and height of an opened picture after its EXIF orientation, without decoding it.

    Pillow's size of a TIFF is the turned one already (or not yet: it depends on its version), so the sides
    that a TIFF's own tags state are turned; those of other formats are stored as they lie in the file.
    """
    size = image.size
    tags = getattr(image, "tag_v2", None)
    if image.format == "TIFF" and tags is not None:
        size = int(tags[_TIFF_WIDTH]), int(tags[_TIFF_HEIGHT])
    turned = image.getexif().get(ORIENTATION) in _ON_ITS_SIDE
    return (size[1], size[0]) if turned else (size[0], size[1])


def unreadable(path: object, error: Exception) -> DataError:
    """The error of a broken picture, with what its decoder says in a line without the file's name."""
    text = " ".join(str(error).replace(f" {str(path)!r}", "").split())
    told = text[:200] or type(error).__name__
    return DataError(f"{path}: not a picture that can be read ({told}); save it again")


def upright_jpeg(path: Path) -> tuple[bytes, tuple[int, int]]:
    """A picture as the bytes of an upright JPEG without EXIF orientation, and its width and height.

    A JPEG of 8-bit colour or grey that is upright stays as it is, to the byte.
    """
    found = upright_rgb(path)
    height, width = found.pixels.shape[:2]
    with Image.open(path) as image:
        plain = image.format == "JPEG" and image.mode in ("RGB", "L") and found.exif_orientation == 1
    if plain:
        return path.read_bytes(), (width, height)
    stream = io.BytesIO()
    Image.fromarray(found.pixels).save(stream, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return stream.getvalue(), (width, height)


def plain_colour(path: Path | io.BytesIO) -> bool:
    """Whether a file holds 8-bit colour or grey, which every decoder reads alike."""
    try:
        with Image.open(path) as image:
            opaque = image.mode in ("RGB", "L") and "transparency" not in image.info
            return image.format in ("JPEG", "PNG") and opaque
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False


def _checked(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise DataError(
            f"image: found an array {array.shape} of {array.dtype}; expected (h, w, 3) of uint8, RGB"
        )
    _check_size(array.shape[1], array.shape[0], "image")
    return np.require(array, requirements=["C", "W"])  # torch takes no read-only array


def _check_size(width_px: int, height_px: int, name: str) -> None:
    if width_px * height_px > MOST_PX:
        raise DataError(f"{name}: {width_px}x{height_px} px, more than {MOST_PX} pixels; cut or reduce it")
    if width_px == 0 or height_px == 0:
        raise DataError(f"{name}: {width_px}x{height_px} px; expected at least one pixel")


def _of_image(image: Image.Image, name: str) -> Upright:
    _check_size(image.width, image.height, name)
    deep = _of_16_bits(image)  # before the EXIF flags of a PNG are read, which decodes it
    orientation = image.getexif().get(ORIENTATION, 1)
    turned = ImageOps.exif_transpose(image)
    pixels = _rgb(turned, name)
    if deep and not turned.mode.startswith(("I", "F")):
        _check_depth(pixels, name)
    known = isinstance(orientation, int) and 1 <= orientation <= 8
    return Upright(np.require(pixels, requirements=["C", "W"]), orientation if known else 1)


def _of_16_bits(image: Image.Image) -> bool:
    """Whether a file that is not yet decoded holds 16 bits of each colour."""
    return any(_DEEP.search(str(tile)) for tile in getattr(image, "tile", []))


def _rgb(image: Image.Image, name: str) -> NDArray[np.uint8]:
    """8-bit RGB (h, w, 3) of an image of any mode."""
    if image.mode.startswith(("I", "F")):
        grey = _grey(np.asarray(image), image.mode, name)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        straight = image.convert("RGBA")
        _check_alpha(np.asarray(straight)[:, :, 3], name)
        below = Image.new("RGBA", image.size, (*CLEAR, 255))
        return np.asarray(Image.alpha_composite(below, straight).convert("RGB"))
    return np.asarray(image.convert("RGB"))


def _check_alpha(alpha: NDArray[np.uint8], name: str) -> None:
    """DataError for a picture of which nothing is to be seen, and for a fourth band that is no alpha.

    Writers of rasters call a fourth band alpha by default, whatever it holds.
    """
    if not alpha.any():
        raise DataError(f"{name}: wholly transparent, nothing of it is to be seen; save it without alpha")
    between = float(np.mean((alpha > 0) & (alpha < 255)))
    if between > _SOFT_SHARE:
        raise DataError(
            f"{name}: {between:.0%} of its alpha is neither clear nor opaque: near-infrared? Save the three "
            "colours only"
        )


def _check_depth(pixels: NDArray[np.uint8], name: str) -> None:
    """DataError for colours of 16 bits that use the lower bits only: 8 bits of them are black."""
    high = int(pixels.max())
    if high <= _TWELVE_BITS >> 8:
        raise DataError(
            f"{name}: colours of 16 bits that stay below {256 * (high + 1)} of 65536, as pictures of fewer "
            "bits hold them; stretch them to 16 bits or save 8 bits"
        )


def _grey(values: NDArray[np.generic], mode: str, name: str) -> NDArray[np.uint8]:
    """8-bit grey of integers up to 65535 or floats up to 1, black and white being the ends of that range."""
    white = 1.0 if mode.startswith("F") else 65535.0
    level = values.astype(np.float32)
    low, high = float(level.min()), float(level.max())
    if not (low >= 0 and high <= white):  # NaN too
        raise DataError(
            f"{name}: values from {low:g} to {high:g} in mode {mode}; expected 0 to {white:g}, scale them"
        )
    if not mode.startswith("F") and 0 < high <= _TWELVE_BITS:
        bits = "8" if high <= _EIGHT_BITS else "10 or 12"
        raise DataError(
            f"{name}: whole numbers up to {high:g} of {white:g}, as pictures of {bits} bits hold them; "
            "stretch them to 16 bits or save 8 bits"
        )
    return np.asarray(np.rint(level * (255 / white)), dtype=np.uint8)
