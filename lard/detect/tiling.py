"""Detections in pictures at several scales, and in overlapping tiles of what is too large at once."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from lard.detect.config import PredictSpec
from lard.detect.decode import Detections, nms
from lard.detect.rescoring import MOST, against_rivals, agreed, chosen

OVERLAP = 0.25  # of a tile's side
BORDER_PX = 1.0
WHOLE_PX = 9_500_000
"""A picture up to so many pixels (a 4K frame has 8.3 million) passes through a network at once."""
TILE_PX = 2048


def search(
    locate: Callable[[NDArray[np.uint8]], Detections],
    image: NDArray[np.uint8],
    frame_px: tuple[int, int] | None,
    plan: PredictSpec,
) -> Detections:
    """Detections of an RGB picture (h, w, 3) at every scale of the plan, in pixels of the picture.

    Scores are the mean of the scales', boxes as well in a plan that blends, and in a relative plan scores are
    against the best of the picture; for that `locate` is to give the faint detections too
    (lard.detect.rescoring.faintly). frame_px (width, height) is the most that `locate` takes; None: any
    picture of up to WHOLE_PX pixels.
    """
    if plan.scales == (1.0,) and not plan.relative:
        return locate_in_tiles(locate, image, _frame(image, frame_px), plan)
    height, width = image.shape[:2]
    views = []
    for scale in plan.scales:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        seen = image if scale == 1 else np.asarray(cv2.resize(image, size, interpolation=how), np.uint8)
        found, score = locate_in_tiles(locate, seen, _frame(seen, frame_px), plan)
        views.append((found / (np.array([*size, *size]) / np.array([width, height, width, height])), score))
    together = agreed(views, plan.nms_iou, plan.blend)
    return chosen(against_rivals(together) if plan.relative else together, plan)


def _frame(image: NDArray[np.uint8], frame_px: tuple[int, int] | None) -> tuple[int, int]:
    """The most that is seen at once of a picture."""
    if frame_px is not None:
        return frame_px
    height, width = image.shape[:2]
    return (width, height) if width * height <= WHOLE_PX else (TILE_PX, TILE_PX)


def locate_in_tiles(
    locate: Callable[[NDArray[np.uint8]], Detections],
    image: NDArray[np.uint8],
    frame_px: tuple[int, int],
    plan: PredictSpec,
) -> Detections:
    """Detections of an RGB picture (h, w, 3) by a detector of pictures up to frame_px (width, height).

    Boxes that touch a cut are left to the tile beside it, or to the reduced picture if they are larger than
    the overlap; then non-maximum suppression over all.
    """
    (height, width), (most_x, most_y) = image.shape[:2], frame_px
    if width <= most_x and height <= most_y:
        return locate(image)
    boxes, scores = [], []
    for y in starts(height, most_y):
        for x in starts(width, most_x):
            tile = np.ascontiguousarray(image[y : y + most_y, x : x + most_x])
            found, score = locate(tile)
            found = found + np.array([x, y, x, y])
            whole = ~_touches_cut(found, (x, y, x + tile.shape[1], y + tile.shape[0]), (width, height))
            boxes.append(found[whole])
            scores.append(score[whole])
    found, score = _reduced(locate, image, frame_px)
    return _best(np.concatenate([*boxes, found]), np.concatenate([*scores, score]), plan)


def _best(boxes: NDArray[np.float64], scores: NDArray[np.float64], plan: PredictSpec) -> Detections:
    """The best of boxes (n, 4) that overlap, best first."""
    best = np.argsort(-scores, kind="stable")[:MOST]
    kept = best[nms(boxes[best], scores[best], plan.nms_iou, plan.max_boxes)]
    return boxes[kept], scores[kept]


def starts(length_px: int, tile_px: int) -> list[int]:
    """First pixels of tiles of a side that cover a length evenly, each a quarter or more over the next."""
    if length_px <= tile_px:
        return [0]
    step = max(1, math.floor(tile_px * (1 - OVERLAP)))
    gaps = math.ceil((length_px - tile_px) / step)
    return [i * (length_px - tile_px) // gaps for i in range(gaps + 1)]


def _touches_cut(
    boxes: NDArray[np.float64], tile: tuple[int, int, int, int], size_px: tuple[int, int]
) -> NDArray[np.bool_]:
    """Which boxes (n, 4) reach a border of the tile that is none of the picture's: (n,)."""
    low = np.array([tile[0] > 0, tile[1] > 0]) & (boxes[:, :2] < np.array(tile[:2]) + BORDER_PX)
    high = np.array([tile[2] < size_px[0], tile[3] < size_px[1]]) & (
        boxes[:, 2:] > np.array(tile[2:]) - BORDER_PX
    )
    return np.asarray((low | high).any(axis=1))


def _reduced(
    locate: Callable[[NDArray[np.uint8]], Detections], image: NDArray[np.uint8], frame_px: tuple[int, int]
) -> Detections:
    """Detections of the picture made small enough to be seen at once, in its own pixels."""
    height, width = image.shape[:2]
    factor = min(frame_px[0] / width, frame_px[1] / height)
    small = (max(1, math.floor(width * factor)), max(1, math.floor(height * factor)))
    boxes, scores = locate(np.asarray(cv2.resize(image, small, interpolation=cv2.INTER_AREA), np.uint8))
    return boxes * (np.array([width, height, width, height]) / np.array([*small, *small])), scores
