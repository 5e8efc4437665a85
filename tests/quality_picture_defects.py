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


def linear(*matrix: float) -> Edit:
    """Pictures turned or stretched about their middle: a matrix, row by row."""

    def change(pixels: Pixels) -> Pixels:
        turn = np.array(matrix).reshape(2, 2)
        middle = np.array([pixels.shape[1] - 1, pixels.shape[0] - 1]) / 2
        return _warped(pixels, np.column_stack([turn, middle - turn @ middle]))

    return change


def turned(degrees: float) -> Edit:
    """Pictures rolled clockwise."""
    angle = np.radians(degrees)
    return linear(np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle))


def bent(k1: float) -> Edit:
    """Pictures of a lens with radial distortion, of a field of view of 60 degrees."""

    def change(pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        middle, focal = (width - 1) / 2, width / 2 / np.tan(np.radians(30))
        x, y = np.meshgrid((np.arange(width) - middle) / focal, (np.arange(height) - middle) / focal)
        radius, true = np.hypot(x, y), np.hypot(x, y)
        for _ in range(6):
            true = radius / (1 + k1 * true**2)
        share = np.divide(true, radius, out=np.ones_like(radius), where=radius > 0)
        places = [(side * share * focal + middle).astype(np.float32) for side in (x, y)]
        return cv2.remap(pixels, *places, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)

    return change


def cut(share: float, right: float, down: float) -> Edit:
    """Pictures cropped, from 0 at the left or upper edge to 1 at the other, and enlarged to their size."""

    def change(pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        row, column = round(height * share * down), round(width * share * right)
        part = pixels[row : row + round(height * (1 - share)), column : column + round(width * (1 - share))]
        return cv2.resize(part, (width, height), interpolation=cv2.INTER_CUBIC)

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


def video(pixels: Pixels) -> Pixels:
    """Levels from 16 to 235, as video has them, read as if they went from 0 to 255."""
    return np.round(pixels * (219 / 255) + 16).astype(np.uint8)


def stretched(pixels: Pixels) -> Pixels:
    """Levels from 0 to 255 taken for those of video."""
    return np.clip(np.round((pixels - 16.0) * (255 / 219)), 0, 255).astype(np.uint8)


def aside(right: int, down: int, planes: tuple[int, ...] = (1, 2)) -> Edit:
    """Colour planes displaced against brightness: 1 of red, 2 of blue."""

    def change(pixels: Pixels) -> Pixels:
        parts = cv2.cvtColor(pixels, cv2.COLOR_BGR2YCrCb)
        for plane in planes:
            parts[..., plane] = moved(right, down)(np.ascontiguousarray(parts[..., plane]))
        return cv2.cvtColor(parts, cv2.COLOR_YCrCb2BGR)

    return change


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

WARPED: dict[str, Edit] = {
    "drawn 2% wider at the same height": linear(1.02, 0, 0, 1),
    "drawn 2% taller at the same width": linear(1, 0, 0, 1.02),
    "turned by 1 degree": turned(1.0),
    "turned by 0.3 degrees the other way": turned(-0.3),
    "of a lens that bends by k1 0.04": bent(0.04),
    "of a lens that bends by k1 -0.04": bent(-0.04),
    "cropped by 2% and enlarged": cut(0.02, 0.5, 0.5),
}
for text, change in WARPED.items():
    defect("A02", f"pictures {text}", close=True)(edit(change, "all"))

defect("I05", "two pictures exchanged")(exchange("all", 50, 1))
defect("I05", "pictures of one airport exchanged in pairs")(exchange("one airport", 1))
defect("I05", "pictures of all exchanged in pairs")(exchange("all", 1))
for text, change in (("mirrored", GEOMETRY["mirrored left-right"]), ("upside down", GEOMETRY["upside down"])):
    for group in ("the validation set", "one zone"):
        defect("I05", f"pictures of {group} {text}")(edit(change, group))


def repeated(pixels: Pixels) -> Pixels:
    """Rendered at half the size and enlarged without smoothing."""
    height, width = pixels.shape[:2]
    return cv2.resize(pixels[::2, ::2], (width, height), interpolation=cv2.INTER_NEAREST)


def dusty(pixels: Pixels) -> Pixels:
    """With a grain of dust on the lens, out of focus."""
    height, width = pixels.shape[:2]
    y, x = np.mgrid[0:height, 0:width] / width
    shade = np.exp(-((x - 0.6) ** 2 + (y - 0.42) ** 2) / (2 * 0.025**2))[..., None]
    return (pixels * (1 - 0.5 * shade)).astype(np.uint8)


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
    "with the levels of video": video,
    "with levels stretched as if they were video": stretched,
    "with colours 2 px to the right": aside(2, 0),
    "with red 3 px up and left": aside(-3, -3, (1,)),
    "with blue 4 px down": aside(0, 4, (2,)),
    "an eighth too green": lambda p: np.clip(p * np.array([1.0, 1.125, 1.0]), 0, 255).astype(np.uint8),
    "smeared by motion along their rows": lambda p: cv2.blur(p, (9, 1)),
    "smeared by motion up and down": lambda p: cv2.blur(p, (1, 5)),
    "enlarged by repeating pixels": repeated,
    "with dust on the lens": dusty,
}
for text, change in LOOKS.items():
    for group in ("one airport", "the validation set"):
        defect("I04", f"pictures of {group} {text}")(edit(change, group))
for text in (
    "nearly black", "veiled as by haze", "out of focus by 3 px", "rendered at half the size",
    "with red and blue exchanged", "with colours 2 px to the right",
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


def one_in(step: int, change: Edit, quality: int = 92) -> Change:
    """Plant a change in every step-th picture, whatever its group."""

    def plant(data: Dataset) -> None:
        for name in pictures_of(data, "all")[3::step]:
            repaint(data.root / name, change, quality)

    return plant


for text in ("nearly black", "out of focus by 3 px", "with red and blue exchanged"):
    defect("I04", f"pictures one in twenty {text}")(one_in(20, LOOKS[text]))
defect("I04", "pictures of all strongly compressed")(one_in(1, lambda p: p, 8))
defect("I04", "pictures one in twenty strongly compressed")(one_in(20, lambda p: p, 8))


def lost_blocks(pixels: Pixels) -> Pixels:
    """With a run of blocks in one colour, as after a fault of transmission."""
    broken, side = pixels.copy(), pixels.shape[0] // 16
    broken[10 * side : 12 * side, 5 * side : 13 * side] = (200, 30, 120)
    return broken


def torn_at_a_column(pixels: Pixels) -> Pixels:
    """With the right half further down."""
    torn, middle = pixels.copy(), pixels.shape[1] // 2
    torn[:, middle:] = np.roll(torn[:, middle:], pixels.shape[0] // 17, axis=0)
    return torn


defect("I04", "pictures one in a hundred with lost blocks")(one_in(100, lost_blocks))
defect("I04", "pictures one in a hundred torn at a column")(one_in(100, torn_at_a_column))


def symbols(pixels: Pixels) -> Pixels:
    """Lines and a circle as on a display, where the pilot looks."""
    marked = pixels.copy()
    cv2.circle(marked, (128, 140), 20, (0, 255, 0), 1)
    cv2.line(marked, (60, 140), (196, 140), (0, 255, 0), 1)
    return marked


for group in ("one airport", "the validation set"):
    defect("I04", f"pictures of {group} with the symbols of a display")(edit(symbols, group))
for group in ("one airport", "the validation set"):
    defect("I05", f"pictures of {group} turned by 1 degree")(edit(turned(1.0), group))
defect("I05", "one picture in a hundred upside down")(one_in(100, GEOMETRY["upside down"]))
defect("I05", "one picture in a hundred rotated by 180 degrees")(
    one_in(100, GEOMETRY["rotated by 180 degrees"])
)


@defect("U01", "mirrored copies of training pictures in the validation set")
def _(data: Dataset) -> None:
    assert data.frames is not None
    split = dict(data.frames.select("frame_id", "split").iter_rows())
    names = {part: [data.image_of[f] for f, s in split.items() if s == part] for part in ("train", "val")}
    for name, other in zip(names["val"][:6], names["train"][:6], strict=True):
        rewrite(data.root / name, (data.root / other).read_bytes())
        repaint(data.root / name, GEOMETRY["mirrored left-right"])


def copied(change: Edit, count: int = 1) -> Change:
    """Plant changed copies of training pictures as pictures of the test set."""

    def plant(data: Dataset) -> None:
        assert data.frames is not None
        split = dict(data.frames.select("frame_id", "split").iter_rows())
        names = {
            part: [data.image_of[f] for f, s in split.items() if s == part] for part in ("train", "test")
        }
        for name, other in zip(names["test"][4::9][:count], names["train"][2::31][:count], strict=True):
            rewrite(data.root / name, (data.root / other).read_bytes())
            repaint(data.root / name, change)

    return plant


COPIES: dict[str, Edit] = {
    "a third brighter": toned(1.33, 0),
    "half as bright": toned(0.5, 0),
}
for text, change in COPIES.items():
    defect("U01", f"one training picture in the test set, {text}")(copied(change))
defect("U01", "three training pictures in the test set, mirrored and darker")(
    copied(lambda p: toned(0.7, 0)(p[:, ::-1]), 3)
)


def filled(part: tuple[slice, slice], colour: tuple[int, int, int]) -> Edit:
    """Pictures with a part in one colour: a bar, a row or a column."""

    def change(pixels: Pixels) -> Pixels:
        marked = pixels.copy()
        marked[part] = colour
        return marked

    return change


WHOLE_SIDE = slice(None)
BARS: dict[str, Edit] = {
    "with a black bar of 8 px at the lower edge": filled((slice(-8, None), WHOLE_SIDE), (0, 0, 0)),
    "with a red bar of 5 px at the left edge": filled((WHOLE_SIDE, slice(0, 5)), (20, 20, 220)),
    "with a white bar of 3 px at the right edge": filled((WHOLE_SIDE, slice(-3, None)), (255, 255, 255)),
    "with a dead row": filled((slice(200, 201), WHOLE_SIDE), (0, 0, 0)),
    "with a stuck column of 2 px": filled((WHOLE_SIDE, slice(90, 92)), (255, 255, 255)),
}
for text, change in BARS.items():
    defect("I04", f"pictures one in fifty {text}")(one_in(50, change))


def dead_cells(pixels: Pixels) -> Pixels:
    """With single pixels that are always bright."""
    rng = np.random.default_rng(4)
    marked, height = pixels.copy(), pixels.shape[0]
    marked[rng.integers(height // 2, height, 60), rng.integers(0, pixels.shape[1], 60)] = 255
    return marked


STEADY: dict[str, Edit] = {
    "with a column of middling grey": filled((WHOLE_SIDE, slice(77, 78)), (110, 110, 110)),
    "with dead cells of the sensor": dead_cells,
}
for text, change in STEADY.items():
    for group in ("one airport", "the validation set"):
        defect("I04", f"pictures of {group} {text}")(edit(change, group))


def in_some(change: Edit, count: int = 1, zone: str | None = None) -> Change:
    """Plant a change in a few pictures of one airport."""

    def plant(data: Dataset) -> None:
        assert data.frames is not None
        chosen = data.frames.filter(GROUPS["one airport"])
        chosen = chosen if zone is None else chosen.filter(pl.col("zone") == zone)
        for frame_id in chosen["frame_id"].to_list()[:: 1 if count > 9 else 3][:count]:
            repaint(data.root / data.image_of[frame_id], change)

    return plant


def zones_exchanged(first: str, second: str) -> Change:
    """Plant an exchange of two pictures of one airport, of one zone each."""

    def plant(data: Dataset) -> None:
        assert data.frames is not None
        here = data.frames.filter(GROUPS["one airport"])
        names = [here.filter(pl.col("zone") == zone)["frame_id"].to_list() for zone in (first, second)]
        one, other = (data.root / data.image_of[name] for name in (names[0][0], names[1][-1]))
        contents = one.read_bytes(), other.read_bytes()
        rewrite(one, contents[1])
        rewrite(other, contents[0])

    return plant


def rolled_aside(first: float, last: float, share: float) -> Edit:
    """Rows from a share of the height to another, rolled to the side by a share of the width."""

    def change(pixels: Pixels) -> Pixels:
        torn, (height, width) = pixels.copy(), pixels.shape[:2]
        rows = slice(round(first * height), round(last * height))
        torn[rows] = np.roll(torn[rows], round(share * width), axis=1)
        return torn

    return change


BESIDE: dict[str, Change] = {
    "one picture mirrored among good ones": in_some(GEOMETRY["mirrored left-right"]),
    "three pictures of one airport shifted by 7 % aside": in_some(moved(18, 0), 3),
    "one far picture shifted by 4 % both ways": in_some(moved(10, -10), 1, "far"),
    "a near and a far picture of one airport exchanged": zones_exchanged("close", "far"),
    "two far pictures of one airport exchanged": zones_exchanged("far", "far"),
    "far pictures of one airport shifted by 1.2 %": in_some(moved(3, 0), 100, "far"),
}
for text, plant in BESIDE.items():
    defect("A02", text, places=True)(plant)
for extent in ((0.55, 0.7),):
    text = f"one picture with its rows from {extent[0]:.0%} to {extent[1]:.0%} rolled aside"
    defect("I04", text, places=True)(in_some(rolled_aside(*extent, 0.16)))
