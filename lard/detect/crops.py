"""The crops a training step sees: windows of pictures with their runways, cluttered, mirrored and relit."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from lard.camera import cam_from_ned
from lard.detect.clutter import clutter, fixed_point
from lard.detect.config import TrainSpec
from lard.detect.data import Picture, load_image

MIN_VISIBLE = 0.5
"""A runway cut by a crop counts when this share of its polygon stays in the crop; else it is ignored: with a
quarter, bare asphalt and other plain surfaces were learnt as runways."""
FITTING = 0.75
"""Share of the crops about a runway that take all of it in."""
MIN_SIDE_PX = 3.0
MIN_EXTRA_SIDE_PX, MIN_EXTRA_ASPECT = 6.0, 0.4
"""Runways that need not be found are taught all the same when they look like those that must be: at least so
large and, as seen on an approach, at least so high for their width."""


LEAST_CONTRAST_GREY = 3.0
"""A runway that stands out by less, from its surroundings or within itself, is in the picture for no one."""
_LOOKED_AT_PX = 128
_AROUND_PX = 4.0


@dataclass(frozen=True, slots=True)
class Crop:
    """A training sample: pixels (crop, crop, 3) uint8, boxes and ignored regions (n, 4) in crop pixels.

    frame (4,) are mean and deviation of the frame it is cut from, in [0, 1], under the same light. outlines
    are all polygons (k, 2) in crop pixels, with whether each is a positive, a runway whose box is.
    """

    pixels: NDArray[np.uint8]
    boxes: NDArray[np.float64]
    ignored: NDArray[np.float64]
    frame: NDArray[np.float64]
    outlines: tuple[NDArray[np.float64], ...] = ()
    taught: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool))


def pictures_of_step(step: int, count: int, total: int, seed: int) -> list[tuple[int, int]]:
    """(serial, picture index) of the `count` pictures of a step, known from the step alone."""
    chosen = []
    for serial in range(step * count, (step + 1) * count):
        epoch, place = divmod(serial, total)
        chosen.append((serial, int(_order(seed, epoch, total)[place])))
    return chosen


@lru_cache(maxsize=2)
def _order(seed: int, epoch: int, total: int) -> NDArray[np.int64]:
    """The order in which a pass shows the pictures; kept, as that of a million takes 25 ms to draw."""
    return np.random.default_rng([seed, 1, epoch]).permutation(total)


def taught(picture: Picture, spec: TrainSpec) -> NDArray[np.bool_]:
    """Which runways of a picture are positives in training; the others are ignored: (n,)."""
    if spec.positives == "required" or not len(picture.boxes):
        return ~picture.ignored
    width, height = (picture.boxes[:, 2:] - picture.boxes[:, :2]).T
    alike = (np.minimum(width, height) >= MIN_EXTRA_SIDE_PX) & (height >= MIN_EXTRA_ASPECT * width)
    extra: NDArray[np.bool_] = ~picture.ignored | alike
    return extra


def crops_of(picture: Picture, serial: int, spec: TrainSpec) -> list[Crop]:
    """The crops one visit of a picture gives: around runways, near them and anywhere."""
    rng = np.random.default_rng([spec.seed, 2, serial])
    image = load_image(picture)
    teach = taught(picture, spec) & discernible(picture, image)
    levels = _levels(image)
    return [_crop(picture, image, teach, levels, rng, spec) for _ in range(spec.crops_per_image)]


def discernible(picture: Picture, image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which runways of a picture haze, cloud and darkness leave something of to see: (n,)."""
    return np.array([_contrast(image, one) >= LEAST_CONTRAST_GREY for one in picture.polygons], dtype=bool)


def _contrast(image: NDArray[np.uint8], polygon: NDArray[np.float64]) -> float:
    """Grey levels by which a polygon's mean differs from its surroundings' or its smoothed pixels from it."""
    size = np.array([image.shape[1], image.shape[0]])
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    around = np.maximum(_AROUND_PX, 0.25 * (high - low))
    x0, y0 = np.floor(np.clip(low - around, 0, size)).astype(int)
    x1, y1 = np.ceil(np.clip(high + around, 0, size)).astype(int)
    if min(x1 - x0, y1 - y0) < 3:
        return 0.0
    window = image[y0:y1, x0:x1]
    shrink = min(1.0, _LOOKED_AT_PX / max(window.shape[:2]))
    if shrink < 1:
        small = cv2.resize(window, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        window = np.asarray(small, np.uint8)
    within = np.zeros(window.shape[:2], np.uint8)
    corners = (polygon - (x0, y0)) * (np.array(window.shape[1::-1]) / (x1 - x0, y1 - y0))
    cv2.fillPoly(within, [fixed_point(corners)], 1, cv2.LINE_8, 4)
    beside = cv2.dilate(within, np.ones((3, 3), np.uint8)) == 0
    if not within.any() or not beside.any():
        return np.inf  # it fills the picture, or is too small to measure: nothing speaks against it
    raw = window.astype(np.float32)
    apart = np.abs(raw[within > 0].mean(axis=0) - raw[beside].mean(axis=0))
    inside = cv2.blur(raw, (3, 3))[within > 0]
    return float(max(apart.max(), inside.std(axis=0).max()))


def _crop(
    picture: Picture,
    image: NDArray[np.uint8],
    teach: NDArray[np.bool_],
    levels: NDArray[np.float64],
    rng: np.random.Generator,
    spec: TrainSpec,
) -> Crop:
    x, y, side = _square(picture, np.flatnonzero(teach), rng, spec)
    pixels = _window(image, x, y, side)
    scale = spec.crop_px / side
    if side != spec.crop_px:
        shrink = cv2.INTER_AREA if side > spec.crop_px else cv2.INTER_LINEAR
        pixels = cv2.resize(pixels, (spec.crop_px, spec.crop_px), interpolation=shrink).astype(np.uint8)
    boxes: list[NDArray[np.float64]] = []
    ignored: list[NDArray[np.float64]] = []
    outlines: list[NDArray[np.float64]] = []
    positive: list[bool] = []
    for box, polygon, wanted in zip(picture.boxes, picture.polygons, teach, strict=True):
        if box[2] <= x or box[3] <= y or box[0] >= x + side or box[1] >= y + side:
            continue
        whole = (polygon - (x, y)) * scale
        part = clip_to_square(whole, float(spec.crop_px))
        if len(part) < 3:
            continue
        low, high = part.min(axis=0), part.max(axis=0)
        seen = polygon_area(part) / max(polygon_area(whole), 1e-9)
        usable = seen >= MIN_VISIBLE and (high - low).min() >= MIN_SIDE_PX and wanted
        if seen > 0.999 and wanted:  # an untouched runway keeps its label, however small
            usable = True
        (boxes if usable else ignored).append(np.concatenate((low, high)))
        outlines.append(whole)
        positive.append(bool(usable))
    if spec.clutter and rng.random() < spec.clutter:
        pixels = clutter(
            pixels, [(polygon - (x, y)) * scale for polygon in picture.polygons], rng, spec.clutter_parts
        )
    found = np.array(boxes).reshape(-1, 4)
    skipped = np.array(ignored).reshape(-1, 4)
    if rng.random() < 0.5:
        pixels = np.asarray(cv2.flip(pixels, 1), np.uint8)
        found, skipped = _mirror(found, spec.crop_px), _mirror(skipped, spec.crop_px)
        outlines = [one * (-1, 1) + (spec.crop_px, 0) for one in outlines]
    table = light(rng)
    frame = _seen_under(table, levels)
    lit = photometric(np.ascontiguousarray(pixels), table, rng)
    return Crop(lit, found, skipped, frame, tuple(outlines), np.array(positive, dtype=bool))


def _square(
    picture: Picture, wanted: NDArray[np.intp], rng: np.random.Generator, spec: TrainSpec
) -> tuple[int, int, int]:
    """Top-left corner and side of a crop: holding a runway, beside one, on the horizon, or anywhere.

    Most crops that are to hold a runway larger than they would be grow until it fits.
    """
    side = spec.crop_px / float(np.exp(rng.uniform(-1, 1) * np.log(spec.zoom)))
    kind = rng.random()
    if kind >= 1 - spec.horizon_share:
        x = rng.uniform(0, picture.width_px)
        centre = np.array([x, horizon_y_px(picture, x) + rng.uniform(-0.25, 0.5) * side])  # more ground
        return _placed(picture, centre, side)
    if len(wanted) == 0 or kind >= spec.centred_share + spec.near_share:
        side = round(side)
        room = np.maximum(np.array([picture.width_px, picture.height_px]) - side, 0)
        return int(rng.integers(0, room[0] + 1)), int(rng.integers(0, room[1] + 1)), side
    box = picture.boxes[rng.choice(wanted)]
    centre, size = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
    if kind < spec.centred_share:
        if rng.random() < FITTING:
            whole = min(size.max() * rng.uniform(1.1, 1.6), max(picture.width_px, picture.height_px))
            side = max(side, whole)
        slack = np.maximum((side - size) / 2, side / 8)
    else:
        slack = np.full(2, side)
    return _placed(picture, centre + rng.uniform(-1, 1, 2) * slack, side)


def _placed(picture: Picture, centre: NDArray[np.float64], side: float) -> tuple[int, int, int]:
    """A square about a centre, moved into the picture where it fits."""
    room = np.maximum(np.array([picture.width_px, picture.height_px]) - round(side), 0)
    x, y = np.clip(centre - side / 2, 0, room)
    return int(x), int(y), round(side)


def horizon_y_px(picture: Picture, x_px: float) -> float:
    """Height of the horizon in a column of a picture; without its camera and pose, that of the runways."""
    camera, pose = picture.info.get("camera"), picture.info.get("pose")
    angles = [(pose or {}).get(key) for key in ("yaw_deg", "pitch_deg", "roll_deg")]
    if camera is None or camera.get("fx_px") is None or None in angles:
        rows = picture.boxes[:, [1, 3]]
        return float(rows.mean()) if len(rows) else picture.height_px / 2
    attitude = cam_from_ned(*(np.array([angle]) for angle in angles))
    down = attitude.reshape(3, 3)[:, 2]  # in the camera: x right, y down, z ahead
    aside = (x_px - camera["cx_px"]) / camera["fx_px"]
    drop = -(aside * down[0] + down[2]) / max(down[1], 1e-3)  # the ray (aside, drop, 1) is level
    return float(camera["cy_px"] + camera["fy_px"] * drop)


def _window(image: NDArray[np.uint8], x: int, y: int, side: int) -> NDArray[np.uint8]:
    """Cut a square, filled up with mid grey (the networks' zero) where the picture is smaller."""
    window = image[y : y + side, x : x + side]
    if window.shape[:2] == (side, side):
        return window
    padded = np.full((side, side, 3), 128, dtype=np.uint8)
    padded[: window.shape[0], : window.shape[1]] = window
    return padded


def _mirror(boxes: NDArray[np.float64], width_px: int) -> NDArray[np.float64]:
    """Boxes of the mirrored picture."""
    return np.stack((width_px - boxes[:, 2], boxes[:, 1], width_px - boxes[:, 0], boxes[:, 3]), axis=1)


def _levels(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Shares of the 256 levels of each channel (3, 256) of an image, from every fourth row and column."""
    few = image[::4, ::4]
    return np.stack([np.bincount(few[:, :, k].ravel(), minlength=256) / few[:, :, k].size for k in range(3)])


def _seen_under(table: NDArray[np.uint8], levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of each channel and deviation of all pixels (4,) of an image of such levels under a light."""
    values = table.T / 255.0
    mean = (levels * values).sum(axis=1)
    spread = np.sqrt((levels * (values - mean[:, None]) ** 2).sum(axis=1).mean())
    return np.array([*mean, spread])


def light(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Random exposure, contrast, gamma and white balance as one table per channel: (256, 3)."""
    level = np.linspace(0, 1, 256)
    gamma, contrast, shift = (
        np.exp(rng.uniform(-0.25, 0.25)),
        rng.uniform(0.75, 1.25),
        rng.uniform(-0.08, 0.08),
    )
    curve = (level**gamma - 0.5) * contrast + 0.5 + shift
    return np.clip(curve[:, None] * rng.uniform(0.93, 1.07, 3) * 255, 0, 255).astype(np.uint8)


def photometric(
    pixels: NDArray[np.uint8], table: NDArray[np.uint8], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Pixels under a light, sometimes with noise."""
    changed = cv2.LUT(pixels, table.reshape(256, 1, 3))
    if rng.random() < 0.2:
        noise = rng.normal(0, rng.uniform(1, 6), pixels.shape)
        changed = np.clip(changed + noise, 0, 255)
    return changed.astype(np.uint8)


def polygon_area(polygon: NDArray[np.float64]) -> float:
    """Area of a polygon (n, 2), whichever way it turns."""
    x, y = polygon[:, 0], polygon[:, 1]
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def clip_to_square(polygon: NDArray[np.float64], side: float) -> NDArray[np.float64]:
    """Sutherland-Hodgman against [0, side]²: (n, 2) -> (m, 2), m = 0 when nothing remains."""
    for axis, sign, limit in ((0, 1.0, 0.0), (0, -1.0, -side), (1, 1.0, 0.0), (1, -1.0, -side)):
        if not len(polygon):
            break
        depth = sign * polygon[:, axis] - limit
        if (depth >= 0).all():
            continue
        ahead = np.roll(polygon, -1, axis=0)
        ahead_depth = np.roll(depth, -1)
        points = []
        for start, end, inside, outside in zip(polygon, ahead, depth, ahead_depth, strict=True):
            if inside >= 0:
                points.append(start)
            if (inside >= 0) != (outside >= 0):
                points.append(start + (end - start) * (inside / (inside - outside)))
        polygon = np.array(points).reshape(-1, 2)
    return polygon
