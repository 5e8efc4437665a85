"""Defects of pictures, at sizes from just above what must be noticed to absurd, in one group and in all."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from typing import Any

import cv2
import numpy as np
import polars as pl
from PIL import Image
from quality_defects import Change
from quality_defects import _repaint as repaint
from quality_defects import _rewrite as rewrite
from quality_defects import defect as defect_of

from lard.quality import Dataset

Pixels = np.ndarray
Edit = Callable[[Pixels], Pixels]


def moved(right: float, down: float) -> Edit:
    """Pictures shifted by pixels."""
    matrix = np.array([[1, 0, right], [0, 1, down]], np.float32)
    return partial(_warped, matrix=matrix)


def scaled(scale: float) -> Edit:
    """Pictures of another field of view: larger about their middle."""

    def change(pixels: Pixels) -> Pixels:
        middle = (pixels.shape[1] - 1) / 2
        matrix = np.array([[scale, 0, (1 - scale) * middle], [0, scale, (1 - scale) * middle]], np.float32)
        return _warped(pixels, matrix)

    return change


def _warped(pixels: Pixels, matrix: Pixels) -> Pixels:
    size = (pixels.shape[1], pixels.shape[0])
    return cv2.warpAffine(pixels, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def toned(gain: float, lift: float) -> Edit:
    """Pictures of another exposure or with a veil."""
    return lambda pixels: np.clip(pixels * gain + lift, 0, 255).astype(np.uint8)


def blurred(sigma_px: float) -> Edit:
    """Pictures out of focus."""
    return lambda pixels: cv2.GaussianBlur(pixels, (0, 0), sigma_px)


def enlarged(pixels: Pixels) -> Pixels:
    """Rendered at half the size."""
    height, width = pixels.shape[:2]
    small = cv2.resize(pixels, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def grey(pixels: Pixels) -> Pixels:
    """Without colour."""
    return np.repeat(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)[..., None], 3, axis=2)


def noisy(pixels: Pixels) -> Pixels:
    """With the noise of a sensor at night."""
    noise = np.random.default_rng(1).normal(0, 25, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


def tinted(pixels: Pixels) -> Pixels:
    """With a white balance for lamplight."""
    return np.clip(pixels * np.array([0.75, 1.0, 1.2]), 0, 255).astype(np.uint8)


defect = partial(defect_of, files=True, alone=True)
GROUPS: dict[str, pl.Expr] = {
    "one airport": pl.col("airport") == "EGLL",
    "the validation set": pl.col("split") == "val",
    "one zone": pl.col("zone") == "close",
    "all": pl.lit(True),
}


def pictures_of(data: Dataset, group: str) -> list[str]:
    """Pictures of a group."""
    assert data.frames is not None
    return [data.image_of[name] for name in data.frames.filter(GROUPS[group])["frame_id"]]


def edit(change: Edit, group: str) -> Change:
    """Plant a change in the pictures of a group."""

    def plant(data: Dataset) -> None:
        for name in pictures_of(data, group):
            repaint(data.root / name, change)

    return plant


def exchange(group: str, step: int, most: int = 1_000_000) -> Change:
    """Plant an exchange of each picture with the one `step` further on, in a group."""

    def plant(data: Dataset) -> None:
        names = pictures_of(data, group)
        names = names[: 2 * step * max(1, min(most, len(names) // (2 * step)))]
        contents = {name: (data.root / name).read_bytes() for name in names}
        for k, name in enumerate(names):
            other = k + step if (k // step) % 2 == 0 else k - step
            rewrite(data.root / name, contents[names[min(other, len(names) - 1)]])

    return plant


GEOMETRY: dict[str, Edit] = {
    "mirrored left-right": lambda p: p[:, ::-1],
    "upside down": lambda p: p[::-1],
    "rotated by 180 degrees": lambda p: p[::-1, ::-1],
    "rotated by 90 degrees": lambda p: np.rot90(p),
    "shifted by 6 of 256 px": moved(6, 0),
    "shifted by 15 of 256 px": moved(-15, 0),
    "shifted by 24 of 256 px both ways": moved(18, -24),
    "drawn 1.25 times as large": scaled(1.25),
    "drawn 0.7 times as large": scaled(0.7),
}
for text, change in GEOMETRY.items():
    for group in ("one airport", "all"):
        defect("A02", f"pictures of {group} {text}")(edit(change, group))
FINE: dict[str, Edit] = {
    "half a pixel to the right": moved(0.5, 0),
    "half a pixel up": moved(0, -0.5),
    "2 px to the left": moved(-2, 0),
    "9 px down": moved(0, 9),
    "30 px to the right": moved(30, 0),
    "100 px up and left": moved(-100, -60),
}
for text, change in FINE.items():
    defect("A02", f"pictures shifted {text}", close=True)(edit(change, "all"))
for scale in (1.005, 1.03, 1.1):
    name = f"pictures drawn {scale - 1:.1%} larger"
    defect("A02", name, close=True)(edit(scaled(scale), "all"))

defect("I05", "two pictures exchanged")(exchange("all", 50, 1))
defect("I05", "pictures of one airport exchanged in pairs")(exchange("one airport", 1))
defect("I05", "pictures of all exchanged in pairs")(exchange("all", 1))
for text, change in (("mirrored", GEOMETRY["mirrored left-right"]), ("upside down", GEOMETRY["upside down"])):
    for group in ("the validation set", "one zone"):
        defect("I05", f"pictures of {group} {text}")(edit(change, group))

LOOKS: dict[str, Edit] = {
    "a third darker": toned(0.67, 0),
    "nearly black": toned(0.25, 0),
    "a third brighter": toned(1.33, 0),
    "veiled as by haze": toned(0.6, 80),
    "out of focus by 0.8 px": blurred(0.8),
    "out of focus by 3 px": blurred(3.0),
    "rendered at half the size": enlarged,
    "with red and blue exchanged": lambda p: np.ascontiguousarray(p[..., ::-1]),
    "without colour": grey,
    "with a sensor's noise": noisy,
    "balanced for lamplight": tinted,
}
for text, change in LOOKS.items():
    for group in ("one airport", "the validation set"):
        defect("I04", f"pictures of {group} {text}")(edit(change, group))
for text in (
    "nearly black", "veiled as by haze", "out of focus by 3 px", "rendered at half the size",
    "with red and blue exchanged",
):  # fmt: skip
    defect("I04", f"pictures of all {text}")(edit(LOOKS[text], "all"))


def framed(thick_px: int, sideways: bool) -> Edit:
    """Black bars at two edges."""

    def change(pixels: Pixels) -> Pixels:
        framed_ = pixels.copy()
        turned = framed_.swapaxes(0, 1) if sideways else framed_
        turned[:thick_px] = turned[-thick_px:] = 0
        return framed_

    return change


def tile_missing(pixels: Pixels) -> Pixels:
    """A tile of the ground in plain grey."""
    height, width = pixels.shape[:2]
    holed = pixels.copy()
    holed[height * 5 // 8 : height * 7 // 8, width // 4 : width // 2] = 128
    return holed


for group in ("one airport", "the validation set"):
    defect("I04", f"pictures of {group} with a tile of the ground missing")(edit(tile_missing, group))
    defect("I04", f"pictures of {group} in a letter box of 3 px")(edit(framed(3, False), group))
    defect("I04", f"pictures of {group} in a pillar box of 12 px")(edit(framed(12, True), group))


def saved(group: str, mode: str = "RGB", **options: Any) -> Change:
    """Plant another coding of the same pictures."""

    def plant(data: Dataset) -> None:
        for name in pictures_of(data, group):
            stream = io.BytesIO()
            with Image.open(data.root / name) as picture:
                picture.convert(mode).save(stream, "JPEG", quality=95, **options)
            rewrite(data.root / name, stream.getvalue())

    return plant


TURNED = Image.Exif()
TURNED[0x0112] = 3
# a profile's header and description are all that is read of it
WIDE_GAMUT = bytes(128) + b"Adobe RGB (1998)"
defect("I04", "pictures of one airport stated upside down by EXIF")(
    saved("one airport", exif=TURNED.tobytes())
)
defect("I04", "pictures of the validation set in CMYK")(saved("the validation set", "CMYK"))
defect("I04", "pictures of one airport with a wide colour profile")(
    saved("one airport", icc_profile=WIDE_GAMUT)
)
