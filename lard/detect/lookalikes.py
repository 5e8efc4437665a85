"""Clutter of the kinds that detectors were seen to take for runways on real pictures, and what codecs leave.

Light gaps between dark posts, glints on noses and wipers, panes of plain sky in a frame; and the smear of
pictures that were small, hazy, enlarged and compressed. Parts of lard.detect.clutter, painted on demand.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Colours = NDArray[np.float32]


def gaps(picture: Colours, rng: np.random.Generator) -> Colours:
    """Light strips between dark ones, straight, or bent as a glint along an edge: on (h, w, 3), 0 to 255."""
    for _ in range(int(rng.integers(1, 4))):
        picture = _gap(picture, rng) if rng.random() < 0.6 else _glint(picture, rng)
    return picture


def panes(picture: Colours, rng: np.random.Generator) -> Colours:
    """Plain four-sided patches of sky, cloud or wall, shaded evenly, most of them in a dark frame."""
    side = max(picture.shape[:2])
    for _ in range(int(rng.integers(1, 4))):
        sides = side * np.exp(rng.uniform(np.log(0.06), np.log(0.9), 2))
        middle = rng.uniform(0, picture.shape[1::-1])
        lean = rng.uniform(0.4, 1.0, 2) * 0.5  # half the upper and the lower side, so trapezia both ways up
        x = np.array([-lean[0], lean[0], lean[1], -lean[1]]) * sides[0]
        y = np.array([-0.5, -0.5, 0.5, 0.5]) * sides[1] + rng.normal(0, 0.08, 4) * sides[1]
        corners = _turned(np.stack((x, y), axis=1), rng.normal(0, 0.3)) + middle
        if rng.random() < 0.7:
            grown = middle + (corners - middle) * (1 + rng.uniform(0.05, 0.5))
            picture = _laid(picture, grown, _grey(rng, 5, 80), rng.uniform(0.3, 1.5))
        picture = _laid(picture, corners, _shade(picture.shape, rng), rng.uniform(0.3, 2.5))
    return picture


def smear(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """The whole crop (h, w, 3) RGB as a video shows it: hazy, made small and enlarged, compressed twice.

    Colour is kept at half the resolution, as video codecs do, and blocks of two compressions need not meet.
    """
    height, width = pixels.shape[:2]
    picture = pixels.astype(np.float32)
    if rng.random() < 0.4:
        veil = _grey(rng, 140, 240)
        picture = picture + (veil - picture) * np.float32(rng.uniform(0.15, 0.6))
    factor = np.exp(rng.uniform(np.log(1.2), np.log(2.6)))
    small = (max(8, round(width / factor)), max(8, round(height / factor)))
    picture = np.asarray(cv2.resize(picture, small, interpolation=cv2.INTER_AREA), np.float32)
    if rng.random() < 0.5:
        picture = np.asarray(_compressed(picture, rng), np.float32)
    how = int(rng.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC]))
    picture = np.asarray(cv2.resize(picture, (width, height), interpolation=how), np.float32)
    return _compressed(picture, rng)


def _compressed(picture: Colours, rng: np.random.Generator) -> Pixels:
    """A picture (h, w, 3) after JPEG in blocks that begin anywhere, colours at half the resolution."""
    down, right = (int(v) for v in rng.integers(0, 8, 2))
    whole = np.clip(picture, 0, 255).astype(np.uint8)
    padded = cv2.copyMakeBorder(whole, down, 0, right, 0, cv2.BORDER_REPLICATE)
    how = [
        cv2.IMWRITE_JPEG_QUALITY, int(rng.uniform(15, 75)),
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    ]  # fmt: skip
    _, code = cv2.imencode(".jpg", cv2.cvtColor(padded, cv2.COLOR_RGB2BGR), how)
    read = np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), np.uint8)
    return np.ascontiguousarray(read[down:, right:, ::-1])


def _gap(picture: Colours, rng: np.random.Generator) -> Colours:
    """A light strip, dark ones along both of its sides; nearly parallel, wider at either end."""
    side = max(picture.shape[:2])
    wide = np.exp(rng.uniform(np.log(2), np.log(max(3.0, 0.15 * side))))
    length = side * rng.uniform(0.1, 1.6)
    ends = wide * np.exp(rng.normal(0, 0.25, 2)) / 2
    beside = wide * rng.uniform(0.5, 4.0, 2)
    middle, angle = rng.uniform(0, picture.shape[1::-1]), rng.uniform(0, np.pi)
    y = np.array([-0.5, -0.5, 0.5, 0.5]) * length
    x = np.array([-ends[0], ends[0], ends[1], -ends[1]])
    around = x + np.array([-beside[0], beside[1], beside[1], -beside[0]])
    soft = rng.uniform(0.3, 1.5)
    dark, light = _grey(rng, 5, 70), _shade(picture.shape, rng)
    picture = _laid(picture, _turned(np.stack((around, y), axis=1), angle) + middle, dark, soft)
    return _laid(picture, _turned(np.stack((x, y), axis=1), angle) + middle, light, soft)


def _glint(picture: Colours, rng: np.random.Generator) -> Colours:
    """A dark rounded body with a light arc along its edge, as noses, wipers and sleeves have."""
    height, width = picture.shape[:2]
    centre = (int(rng.uniform(0, width)), int(rng.uniform(0, height)))
    axes = (int(rng.uniform(0.06, 0.6) * width) + 2, int(rng.uniform(0.03, 0.5) * height) + 2)
    turn, start = rng.uniform(0, 180), rng.uniform(0, 360)
    body, arc = np.zeros((height, width), np.uint8), np.zeros((height, width), np.uint8)
    cv2.ellipse(body, centre, axes, turn, 0, 360, (255,), -1, cv2.LINE_AA)
    inner = (max(1, int(axes[0] * rng.uniform(0.6, 0.97))), max(1, int(axes[1] * rng.uniform(0.6, 0.97))))
    thick = int(np.clip(min(axes) * rng.uniform(0.03, 0.3), 1, 14))
    end = start + rng.uniform(15, 140)
    cv2.ellipse(arc, centre, inner, turn, start, end, (255,), thick, cv2.LINE_AA)
    picture = _mixed(picture, _grey(rng, 5, 90), body, rng.uniform(0.3, 1.5))
    return _mixed(picture, _grey(rng, 140, 255), arc, rng.uniform(0.3, 2.0))


def _shade(shape: tuple[int, ...], rng: np.random.Generator) -> Colours:
    """Light colours (h, w, 3) that change evenly from one side of a crop to another."""
    height, width = shape[:2]
    first, second = _grey(rng, 120, 255), _grey(rng, 120, 255)
    along = np.linspace(0, 1, height, dtype=np.float32)[:, None] * rng.uniform(-1, 1)
    along = along + np.linspace(0, 1, width, dtype=np.float32)[None] * rng.uniform(-1, 1)
    return first + (second - first) * np.clip(along + 0.5, 0, 1)[:, :, None].astype(np.float32)


def _grey(rng: np.random.Generator, least: float, most: float) -> Colours:
    """A nearly grey colour (3,) between two levels."""
    return np.clip(rng.uniform(least, most) + rng.normal(0, 8, 3), 0, 255).astype(np.float32)


def _turned(points: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    """Points (n, 2) turned about the origin, rad."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return points @ np.array([[cosine, sine], [-sine, cosine]])


def _laid(picture: Colours, corners: NDArray[np.float64], colour: Colours, soft_px: float) -> Colours:
    """A polygon (n, 2) px of a colour, (3,) or (h, w, 3), over a picture, with a soft edge."""
    cover = np.zeros(picture.shape[:2], np.uint8)
    fixed = np.round(np.clip(corners, -4096, 4096) * 16).astype(np.int32)
    cv2.fillPoly(cover, [fixed], (255,), cv2.LINE_AA, 4)
    return _mixed(picture, colour, cover, soft_px)


def _mixed(picture: Colours, colour: Colours, cover: Pixels, soft_px: float) -> Colours:
    """A colour where a mask (h, w) of 0 to 255 covers a picture, its edge blurred."""
    weight = cv2.GaussianBlur(cover.astype(np.float32) / 255, (0, 0), soft_px)[:, :, None]
    return np.asarray(picture + (colour - picture) * weight, np.float32)
