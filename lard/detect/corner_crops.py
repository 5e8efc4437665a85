"""Training windows of corner models: boxes moved as detectors move them, cluttered, mirrored and relit."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lard.detect.clutter import clutter
from lard.detect.config import TrainSpec
from lard.detect.corner_spec import CornerSpec
from lard.detect.corner_windows import Floats, cut_patch, cut_window, into_window, windows_of
from lard.detect.crops import discernible, light, photometric, taught
from lard.detect.data import Picture, load_image, read_pictures
from lard.errors import DataError
from lard.score.keypoints import corners_of, truth_fault
from lard.score.truth import Paths, coco_paths, read_truth

MIRRORED = [1, 0, 3, 2]
"""Left corners become right ones in a mirrored picture."""
_TRIES = 4
_NATIVE = 2.0
"""Windows up to so many times the input are cluttered before they are resampled: clutter is then as sharp as
the picture, however much a far runway is enlarged."""
_BESIDE_PX = 2
_EMPTY_SHARE = 0.04
"""Of a picture's sides, the size of boxes in pictures that have none."""


@dataclass(frozen=True, slots=True)
class Cornered:
    """A picture with the corners of its runways: (n, 4, 2) px, and which are in the picture: (n, 4)."""

    picture: Picture
    corners_px: Floats
    seen: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Sample:
    """A training window (s, s, 3) uint8 with corners (4, 2) in its px, and which of them it shows (4,)."""

    pixels: NDArray[np.uint8]
    corners_px: Floats
    present: NDArray[np.bool_]


def read_cornered(datasets: Paths, split: str) -> list[Cornered]:
    """Pictures of a split with their corners; DataError where its annotations have none."""
    paths = coco_paths(datasets, split)
    truth = read_truth(paths)
    if fault := truth_fault(truth):
        named = ", ".join(map(str, paths))
        raise DataError(f"{named}: {fault}; corner models learn from those of lard export coco")
    notes: dict[int, list[dict[str, object]]] = {}
    for note in truth["annotations"]:
        notes.setdefault(int(note["image_id"]), []).append(note)
    found = []
    for picture in read_pictures(datasets, split, truth, shards=True):
        corners, flags = corners_of(notes.get(picture.image_id, []))
        found.append(Cornered(picture, corners, flags == 2))
    return found


def samples_of(one: Cornered, serial: int, plan: TrainSpec, spec: CornerSpec) -> list[Sample]:
    """The windows that one visit of a picture gives, known from the serial number alone."""
    rng = np.random.default_rng([plan.seed, 3, serial])
    image = load_image(one.picture)
    usable = taught(one.picture, plan) & discernible(one.picture, image) & one.seen.any(axis=1)
    rows = np.flatnonzero(usable)
    return [_sample(one, image, rows, rng, plan, spec) for _ in range(plan.crops_per_image)]


def jittered(box: Floats, rng: np.random.Generator, spec: CornerSpec) -> Floats:
    """A box (4,) whose four sides err as a detector's do; the larger errors are rarer."""
    sides = np.tile(box[2:] - box[:2], 2)
    rough = 3.0 if rng.random() < spec.coarse else 1.0
    moved = box + rng.normal(0, 1, 4) * rough * (spec.jitter * sides + spec.jitter_px)
    return np.concatenate((np.minimum(moved[:2], moved[2:]), np.maximum(moved[:2], moved[2:])))


def _sample(
    one: Cornered,
    image: NDArray[np.uint8],
    rows: NDArray[np.intp],
    rng: np.random.Generator,
    plan: TrainSpec,
    spec: CornerSpec,
) -> Sample:
    side, row = spec.input_px, -1
    window = _empty(one, rng, spec) if len(rows) == 0 or rng.random() < spec.empty else None
    if window is None and len(rows):
        row = int(rng.choice(rows))
        window = windows_of(jittered(one.picture.boxes[row], rng, spec), spec)[0]
    if window is None:  # runways everywhere and none to learn from: a corner of the picture shows nothing
        window = windows_of(np.zeros(4), spec)[0]
    pixels = _pixels(one.picture, image, window, rng, plan, spec)
    corners, present = np.zeros((4, 2)), np.zeros(4, bool)
    if row >= 0:
        corners = into_window(one.corners_px[row], window, side)
        present = one.seen[row] & (corners > 0).all(axis=1) & (corners < side).all(axis=1)
    if rng.random() < 0.5:
        pixels = np.asarray(cv2.flip(pixels, 1), np.uint8)
        corners = np.stack((side - corners[:, 0], corners[:, 1]), axis=1)[MIRRORED]
        present = present[MIRRORED]
    return Sample(np.ascontiguousarray(pixels), corners, present)


def _empty(one: Cornered, rng: np.random.Generator, spec: CornerSpec) -> Floats | None:
    """A window of a runway's size that shows no corner of any; None where a few tries find no place."""
    boxes = one.picture.boxes
    frame = np.array([one.picture.width_px, one.picture.height_px], np.float64)
    for _ in range(_TRIES):
        size = frame * _EMPTY_SHARE
        if len(boxes):
            box = boxes[rng.integers(len(boxes))]
            size = box[2:] - box[:2]
        size = size * np.exp(rng.normal(0, 0.4, 2))
        middle = rng.uniform(0, frame)
        window = windows_of(np.concatenate((middle - size / 2, middle + size / 2)), spec)[0]
        points = one.corners_px[one.seen]
        if not ((points > window[:2]) & (points < window[2:])).all(axis=1).any():
            return window
    return None


def _pixels(
    picture: Picture,
    image: NDArray[np.uint8],
    window: Floats,
    rng: np.random.Generator,
    plan: TrainSpec,
    spec: CornerSpec,
) -> NDArray[np.uint8]:
    """A window as a network in training sees it: with clutter around the runways, under a random light."""
    cluttered = plan.clutter > 0 and rng.random() < plan.clutter
    table = light(rng)
    side = spec.input_px
    if (window[2:] - window[:2]).max() <= _NATIVE * side:
        low = np.floor(window[:2]).astype(int) - _BESIDE_PX
        pixels = cut_patch(image, low, np.ceil(window[2:]).astype(int) + _BESIDE_PX)
        if cluttered:
            pixels = clutter(pixels, [polygon - low for polygon in picture.polygons], rng, plan.clutter_parts)
        return cut_window(photometric(pixels, table, rng), window - np.tile(low, 2), side)
    pixels = cut_window(image, window, side)
    if cluttered:
        polygons = [into_window(polygon, window, side) for polygon in picture.polygons]
        pixels = clutter(pixels, polygons, rng, plan.clutter_parts)
    return photometric(pixels, table, rng)
