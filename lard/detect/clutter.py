"""Clutter painted around the runways of training crops: what real pictures show and our ground does not.

Domain randomisation (Tobin et al., IROS 2017): variety transfers, likeness is not needed. No part covers a
runway, so labels stay true; only `camera` (blur, sharpening, colour, JPEG) and `smear` change the whole crop.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from lard.detect.lookalikes import gaps, panes, smear

Pixels = NDArray[np.uint8]
Colours = NDArray[np.float32]

ClutterPart = Literal[
    "texture", "patches", "strokes", "houses", "sky", "clouds", "frame", "panel", "text", "camera",
    "gaps", "panes", "smear",
]  # fmt: skip
PARTS: tuple[ClutterPart, ...] = get_args(ClutterPart)
"""Parts of the clutter in the order they are painted; each can be left out on its own."""
USUAL: tuple[ClutterPart, ...] = PARTS[: PARTS.index("camera") + 1]
"""Those that are painted unless others are asked for; what was added later (lard.detect.lookalikes) is not
among them, so that a recipe gives the crops it gave before."""

_FEATHER_PX = 1.5
_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ:.-/ "


def clutter(
    pixels: Pixels,
    polygons: Sequence[NDArray[np.float64]],
    rng: np.random.Generator,
    parts: Sequence[ClutterPart],
) -> Pixels:
    """A crop (h, w, 3) RGB with clutter outside the runways' polygons, each (n, 2) px.

    Every part draws from a generator of its own: leaving one out leaves the others as they were.
    """
    own = dict(zip(PARTS, rng.spawn(len(PARTS)), strict=True))
    picture = pixels.astype(np.float32)
    painted = picture
    for part in PARTS:
        if part in parts and part in _PAINTERS and own[part].random() < _SHARES[part]:
            painted = _PAINTERS[part](painted.copy(), own[part])
    keep = kept(pixels.shape[:2], polygons)[:, :, None]
    mixed = keep * picture + (1 - keep) * painted
    result: Pixels = np.clip(mixed, 0, 255).astype(np.uint8)
    if "smear" in parts and own["smear"].random() < _SHARES["smear"]:
        result = smear(result, own["smear"])
    if "camera" in parts and own["camera"].random() < _SHARES["camera"]:
        result = _camera(result, own["camera"])
    return result


def kept(shape: tuple[int, ...], polygons: Sequence[NDArray[np.float64]]) -> Colours:
    """How much (h, w) of each pixel stays: 1 on runways and just beside them, feathered down to 0."""
    mask = np.zeros(shape, np.uint8)
    for polygon in polygons:
        cv2.fillPoly(mask, [fixed_point(polygon)], 1, lineType=cv2.LINE_8, shift=4)
    if not mask.any():
        return mask.astype(np.float32)
    away_px = cv2.distanceTransform(1 - mask, cv2.DIST_L2, 3)
    return np.clip(2 - away_px / _FEATHER_PX, 0, 1).astype(np.float32)


def fixed_point(corners: NDArray[np.floating]) -> NDArray[np.int32]:
    """Corners (n, 2) px in sixteenths, cv2's `shift` 4, within what it can hold."""
    return np.round(np.clip(corners, -4096, 4096) * 16).astype(np.int32)


def fractal(shape: tuple[int, int], rng: np.random.Generator, rough: float) -> Colours:
    """Value noise (h, w), mean 0, deviation 1: octaves of halving size, each `rough` times as strong."""
    height, width = shape
    side = max(shape)
    cells, strength = float(rng.uniform(1, 6)), 1.0
    total = np.zeros((1, 1), np.float32)
    while True:
        across = min(round(cells) + 2, side)
        total = np.asarray(cv2.resize(total, (across, across), interpolation=cv2.INTER_CUBIC), np.float32)
        total += strength * rng.standard_normal((across, across), dtype=np.float32)
        if across == side:
            break
        cells, strength = cells * 2, strength * rough
    total = total[:height, :width]
    return (total - total.mean()) / max(float(total.std()), 1e-6)


def _colour(rng: np.random.Generator) -> Colours:
    """A colour of the land, the sea or a town (3,): mostly dull, of any lightness."""
    grey = rng.uniform(15, 240)
    return np.clip(grey + rng.normal(0, rng.choice([6.0, 25.0, 60.0]), 3), 0, 255).astype(np.float32)


def _texture(picture: Colours, rng: np.random.Generator) -> Colours:
    """Land of other colours and grain instead of what is there or blended with it; at times below one row."""
    shape = picture.shape[:2]
    first, second = _colour(rng), _colour(rng)
    share = 0.5 + fractal(shape, rng, rng.uniform(0.4, 1.0)) * rng.uniform(0.1, 0.6)
    if rng.random() < 0.3:  # fields and lots: few flat shades with edges
        steps = int(rng.integers(2, 6))
        share = np.round(share * steps) / steps
    land = first + (second - first) * np.clip(share, 0, 1)[:, :, None]
    land += fractal(shape, rng, 1.0)[:, :, None] * rng.uniform(0, 18)
    blend = 1.0 if rng.random() < 0.5 else rng.uniform(0.2, 0.9)
    weight = np.full((shape[0], 1, 1), blend, np.float32)
    if rng.random() < 0.5:
        weight[: int(rng.integers(0, shape[0]))] = 0
    return picture + (land - picture) * weight


def _houses(picture: Colours, rng: np.random.Generator) -> Colours:
    """Scattered rectangles of any turn, like roofs, cars and greenhouses, often with a shadow."""
    height, width = picture.shape[:2]
    count = int(rng.integers(5, 90))
    middle = rng.uniform(0, (width, height))
    spread = rng.uniform(0.1, 1.0) * np.array([width, height])
    size = rng.uniform(1.5, 14)
    turn = rng.uniform(0, 180)
    for place in rng.normal(middle, spread, (count, 2)):
        sides = size * np.exp(rng.normal(0, 0.5, 2))
        turned = float(turn + rng.choice([0, 90]) + rng.normal(0, 4))
        box = ((float(place[0]), float(place[1])), (float(sides[0]), float(sides[1])), turned)
        corners = np.asarray(cv2.boxPoints(box), np.float64)
        if rng.random() < 0.5:
            _fill(picture, corners + sides.min() * 0.4, np.full(3, rng.uniform(10, 60)))
        _fill(picture, corners, _colour(rng))
    return picture


def _strokes(picture: Colours, rng: np.random.Generator) -> Colours:
    """Lines like roads, rivers, coasts, railways and cables: bent or straight, often side by side."""
    height, width = picture.shape[:2]
    for _ in range(int(rng.integers(1, 7))):
        start, end = rng.uniform(-0.2, 1.2, (2, 2)) * (width, height)
        bend = rng.normal(0, rng.choice([0.0, 0.1, 0.4]), 2) * max(width, height)
        t = np.linspace(0, 1, 24)[:, None]
        course = (1 - t) ** 2 * start + 2 * t * (1 - t) * ((start + end) / 2 + bend) + t**2 * end
        colour = tuple(float(value) for value in _colour(rng))
        thickness = int(np.clip(np.exp(rng.uniform(0, 2.5)), 1, 12))
        apart = np.array([rng.uniform(-15, 15), rng.uniform(4, 20)])
        for line in range(int(rng.integers(1, 3))):
            points = np.round((course + line * apart) * 16).astype(np.int32)
            cv2.polylines(picture, [points], False, colour, thickness, cv2.LINE_AA, 4)
    return picture


def _patches(picture: Colours, rng: np.random.Generator) -> Colours:
    """Large plain polygons: sea, lakes, forests, fields; some are four-sided and long, as runways are."""
    height, width = picture.shape[:2]
    for _ in range(int(rng.integers(1, 4))):
        middle = rng.uniform(0, (width, height))
        if rng.random() < 0.5:
            angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(4, 10))))
            radii = rng.uniform(0.1, 0.6) * width * rng.uniform(0.6, 1.2, len(angles))
            corners = middle + radii[:, None] * np.stack((np.cos(angles), np.sin(angles)), axis=1)
        else:
            corners = _strip(middle, width, rng)
        layer = picture.copy()
        _fill(layer, corners, _colour(rng))
        if rng.random() < 0.5:
            layer += fractal((height, width), rng, 1.0)[:, :, None] * rng.uniform(0, 8)
        picture = picture + (layer - picture) * np.float32(rng.uniform(0.5, 1.0))
    return picture


def _strip(middle: NDArray[np.float64], width_px: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Corners (4, 2) of something long, wider at one end as in perspective, lying mostly across or aslant."""
    length, near = width_px * rng.uniform(0.2, 1.5), width_px * rng.uniform(0.01, 0.15)
    far = near * rng.uniform(0.3, 1.0)
    x = np.array([-near, near, far, -far]) / 2
    y = np.array([0.5, 0.5, -0.5, -0.5]) * length
    angle = rng.uniform(0.25 * np.pi, 0.75 * np.pi)  # upright ones would look like runways on approach
    cosine, sine = np.cos(angle), np.sin(angle)
    return middle + np.stack((cosine * x - sine * y, sine * x + cosine * y), axis=1)


def _clouds(picture: Colours, rng: np.random.Generator) -> Colours:
    """Soft bright blobs, or a veil of haze that thickens upwards or downwards."""
    height, width = picture.shape[:2]
    white = np.float32(rng.uniform(150, 255))
    if rng.random() < 0.3:
        veil = np.linspace(rng.uniform(0, 0.9), rng.uniform(0, 0.9), height, dtype=np.float32)[:, None, None]
        return picture + (white - picture) * veil
    cover = np.zeros((height, width), np.float32)
    for _ in range(int(rng.integers(1, 7))):
        centre = rng.uniform(0, (width, height))
        axes = rng.uniform(0.03, 0.4, 2) * width
        cv2.ellipse(
            cover, (int(centre[0]), int(centre[1])), (int(axes[0]) + 1, int(axes[1] * 0.5) + 1),
            float(rng.uniform(-30, 30)), 0, 360, float(rng.uniform(0.4, 1.0)), -1,
        )  # fmt: skip
    cover = _blurred(cover, rng.uniform(1, 0.06 * width + 1))
    cover *= np.clip(1 + 0.3 * fractal((height, width), rng, 0.6), 0, 1.5)
    return picture + (white - picture) * np.clip(cover, 0, 1)[:, :, None]


def _sky(picture: Colours, rng: np.random.Generator) -> Colours:
    """A sky above a slanted row: a gradient of any hour with clouds that have edges and darker undersides."""
    height, width = picture.shape[:2]
    grey, blue = rng.uniform(120, 245), rng.uniform(0, 90)
    above = np.array([grey - blue, grey - 0.5 * blue, grey], np.float32)
    below = above + (np.float32(rng.uniform(180, 250)) - above) * np.float32(rng.uniform(0, 1))
    if rng.random() < 0.2:  # low sun
        below = below * np.array([1.0, rng.uniform(0.7, 1), rng.uniform(0.4, 0.9)], np.float32)
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    sky = above + (below - above) * down
    noise = fractal((height, width), rng, rng.uniform(0.4, 0.9))
    edge = np.exp(rng.uniform(-3, 0.5))
    cover = np.clip((noise - rng.uniform(-1, 2.5)) / edge, 0, 1) * np.float32(rng.uniform(0.5, 1))
    under = np.roll(cover, int(rng.integers(-6, 7)), axis=0) * np.float32(rng.uniform(0, 90))
    cloud = np.float32(rng.uniform(190, 255)) - under[:, :, None] + noise[:, :, None] * rng.uniform(0, 12)
    sky = sky + (cloud - sky) * cover[:, :, None]
    return picture + (sky - picture) * _side(height, width, rng.uniform(0.1, 1.5), rng.normal(0, 0.2))


def _panel(picture: Colours, rng: np.random.Generator) -> Colours:
    """A cockpit below a slanted row: a dark surface full of displays, dials, knobs, lettering, sleeves."""
    height, width = picture.shape[:2]
    grain = fractal((height, width), rng, rng.uniform(0.5, 1))[:, :, None] * rng.uniform(0, 12)
    plain = _colour(rng) * np.float32(rng.choice([0.15, 0.3, 0.6]))
    layer = np.clip(plain + grain, 0, 255).astype(np.uint8)  # cv2 writes on bytes only
    for _ in range(int(rng.integers(0, 5))):  # hands, sleeves, seats, shelves
        middle, axes = rng.uniform(0, (width, height)), rng.uniform(0.04, 0.4, 2) * width
        turn = (float(middle[0]), float(middle[1])), (float(axes[0]), float(axes[1])), rng.uniform(0, 180)
        cv2.ellipse(layer, turn, tuple(float(v) for v in _colour(rng)), -1, cv2.LINE_AA)
    size = np.exp(rng.uniform(0.7, 3.3))
    for place in rng.uniform(0, (width, height), (int(rng.integers(5, 70)), 2)):
        sides = size * np.exp(rng.normal(0, 0.5, 2))
        colour = rng.uniform(0, 255, 3) if rng.random() < 0.5 else np.full(3, rng.uniform(0, 255))
        ink, (x, y) = tuple(float(v) for v in colour), (int(place[0]), int(place[1]))
        kind = rng.integers(4)
        if kind == 0:
            around = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * sides / 2
            _fill(layer, place + around, colour)
        elif kind == 1:
            hollow = int(rng.choice([-1, 1, 2]))
            cv2.circle(layer, (x, y), int(sides[0] / 2) + 1, ink, hollow, cv2.LINE_AA)
        elif kind == 2:
            end = place + rng.normal(0, 2 * size, 2)
            cv2.line(layer, (x, y), (int(end[0]), int(end[1])), ink, int(rng.integers(1, 4)), cv2.LINE_AA)
        else:
            words = "".join(rng.choice(list(_LETTERS), int(rng.integers(1, 7))))
            cv2.putText(layer, words, (x, y), cv2.FONT_HERSHEY_SIMPLEX, size / 30 + 0.15, ink, 1)
    return picture + (layer - picture) * (1 - _side(height, width, rng.uniform(0, 0.9), rng.normal(0, 0.4)))


def _side(height: int, width: int, share: float, slope: float) -> Colours:
    """1 above a slanted line that crosses the middle at a share of the height, 0 below it: (h, w, 1)."""
    line = height * share + (np.arange(width, dtype=np.float32) - width / 2) * np.float32(slope)
    above = line - np.arange(height, dtype=np.float32)[:, None]
    return np.clip(above + 0.5, 0, 1)[:, :, None].astype(np.float32)


def _frame(picture: Colours, rng: np.random.Generator) -> Colours:
    """Parts of a cockpit or an airframe before the camera: edges, posts, arcs, instruments."""
    height, width = picture.shape[:2]
    colour = _colour(rng) * np.float32(rng.choice([0.15, 0.4, 1.0]))
    kind = rng.integers(3)
    if kind == 0:  # glare shield or window frame along a side
        depth = rng.uniform(0.05, 0.5)
        ends = depth + rng.normal(0, 0.12, 2)
        corners = np.array([[0, 1], [1, 1], [1, 1 - ends[1]], [0, 1 - ends[0]]]) - 0.5
        turned = corners @ np.array(
            [[[1, 0], [0, 1]], [[0, 1], [-1, 0]], [[-1, 0], [0, -1]], [[0, -1], [1, 0]]][rng.integers(4)]
        )
        _fill(picture, (turned + 0.5) * (width, height), colour)
    elif kind == 1:  # post, wiper or propeller blade
        start, end = rng.uniform(0, 1, (2, 2)) * (width, height)
        cv2.line(
            picture, tuple(int(v) for v in start), tuple(int(v) for v in 2 * end - start),
            tuple(float(v) for v in colour), int(rng.uniform(2, 0.12 * width + 3)), cv2.LINE_AA,
        )  # fmt: skip
    else:  # nose, spinner or instrument
        centre = rng.uniform(0, (width, height))
        axes = (int(rng.uniform(0.05, 0.5) * width), int(rng.uniform(0.05, 0.4) * width))
        filled = -1 if rng.random() < 0.7 else int(rng.integers(1, 8))
        cv2.ellipse(
            picture,
            (int(centre[0]), int(centre[1])),
            axes,
            0,
            0,
            360,
            tuple(float(v) for v in colour),
            filled,
            cv2.LINE_AA,
        )
    return picture


def _text(picture: Colours, rng: np.random.Generator) -> Colours:
    """Overlaid lettering: time stamps, logos, readings, at times on a plate."""
    height, width = picture.shape[:2]
    for _ in range(int(rng.integers(1, 4))):
        words = "".join(rng.choice(list(_LETTERS), int(rng.integers(2, 16))))
        scale, thickness = rng.uniform(0.25, 1.4), int(rng.integers(1, 4))
        face = int(rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX]))
        (wide, high), _ = cv2.getTextSize(words, face, scale, thickness)
        x, y = int(rng.uniform(-0.3, 1) * width), int(rng.uniform(0, 1) * height)
        if rng.random() < 0.3:
            plate = np.array(
                [[x - 3, y + 4], [x + wide + 3, y + 4], [x + wide + 3, y - high - 4], [x - 3, y - high - 4]]
            )
            _fill(picture, plate, np.full(3, rng.uniform(0, 255)))
        colour = np.full(3, rng.choice([255.0, 230.0, 20.0])) if rng.random() < 0.7 else _colour(rng)
        ink = np.zeros((height, width), np.uint8)  # cv2 writes on bytes only
        cv2.putText(ink, words, (x, y), face, scale, (255,), thickness, cv2.LINE_AA)
        cover = ink.astype(np.float32) * np.float32(rng.uniform(0.4, 1.0) / 255)
        picture = picture + (colour.astype(np.float32) - picture) * cover[:, :, None]
    return picture


def _camera(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """What cameras, screens and codecs do to the whole crop: blur, sharpening, faded colour, JPEG."""
    picture = pixels.astype(np.float32)
    if rng.random() < 0.35:
        picture = _blurred(picture, rng.uniform(0.4, 1.3))
    if rng.random() < 0.3:
        soft = _blurred(picture, rng.uniform(0.6, 2.0))
        picture = picture + (picture - soft) * np.float32(rng.uniform(0.3, 1.5))
    if rng.random() < 0.5:
        grey = picture.mean(axis=2, keepdims=True)
        picture = grey + (picture - grey) * np.float32(rng.uniform(0.0, 1.6))
    if rng.random() < 0.3:  # haze or glare over all: less contrast
        lift = np.float32(rng.uniform(60, 230))
        picture = picture + (lift - picture) * np.float32(rng.uniform(0.1, 0.5))
    changed: Pixels = np.clip(picture, 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        quality = int(rng.uniform(25, 90))
        _, code = cv2.imencode(".jpg", changed, [cv2.IMWRITE_JPEG_QUALITY, quality])
        changed = np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), np.uint8)
    return changed


def _blurred(picture: Colours, sigma_px: float) -> Colours:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma_px), np.float32)


def _fill(picture: Colours | Pixels, corners: NDArray[np.floating], colour: NDArray[np.floating]) -> None:
    cv2.fillPoly(picture, [fixed_point(corners)], tuple(float(value) for value in colour), cv2.LINE_AA, 4)


_PAINTERS = {
    "texture": _texture, "patches": _patches, "strokes": _strokes, "houses": _houses, "sky": _sky,
    "clouds": _clouds, "frame": _frame, "panel": _panel, "text": _text, "gaps": gaps, "panes": panes,
}  # fmt: skip
_SHARES = {
    "texture": 0.7, "patches": 0.35, "strokes": 0.45, "houses": 0.5, "sky": 0.25, "clouds": 0.3,
    "frame": 0.25, "panel": 0.15, "text": 0.25, "camera": 0.7, "gaps": 0.4, "panes": 0.3, "smear": 0.4,
}  # fmt: skip
