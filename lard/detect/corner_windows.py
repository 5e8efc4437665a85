"""Windows about boxes: where they lie, their pixels, and the way of points into them and back."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lard.detect.corner_spec import CornerSpec
from lard.errors import ModelError

Floats = NDArray[np.float64]
GREY = 128
"""Beyond the picture, the networks' zero as in crops."""


def windows_of(boxes: Floats, spec: CornerSpec) -> Floats:
    """The window of each box (n, 4), both corner pairs in px; boxes of no size have one as well.

    Windows may hang over the border of the picture.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    if not np.isfinite(boxes).all():
        raise ModelError("boxes must be finite to look for corners in them")
    low, high = np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])
    half = (high - low) * (0.5 + spec.margin) + spec.pad_px
    half = np.maximum(half, spec.least_aspect * half.max(axis=1, keepdims=True))
    middle = (low + high) / 2
    return np.concatenate((middle - half, middle + half), axis=1)


def into_window(points: Floats, window: Floats, input_px: int) -> Floats:
    """Points (..., 2) of the picture in px of the resampled window (4,)."""
    return (points - window[:2]) * (input_px / (window[2:] - window[:2]))


def out_of_window(points: Floats, window: Floats, input_px: int) -> Floats:
    """Points (..., 2) of the resampled window (4,) in px of the picture."""
    return window[:2] + points * ((window[2:] - window[:2]) / input_px)


def cut_window(image: NDArray[np.uint8], window: Floats, input_px: int) -> NDArray[np.uint8]:
    """A window (4,) of a picture (h, w, 3) resampled to (input_px, input_px, 3), grey beyond the border.

    Whole pixels are averaged where it shrinks, so that nothing finer than its pixels is left, then
    resampled linearly.
    """
    step = (window[2:] - window[:2]) / input_px  # px of the picture per px of the window, x and y
    factor = np.maximum(1, np.floor(step)).astype(int)
    first = np.floor(window[:2]).astype(int) - factor
    cells = np.ceil((window[2:] - first) / factor).astype(int) + 1
    patch = cut_patch(image, first, first + cells * factor)
    if (factor > 1).any():
        patch = np.asarray(
            cv2.resize(patch, (int(cells[0]), int(cells[1])), interpolation=cv2.INTER_AREA), np.uint8
        )
    scale = step / factor
    shift = (window[:2] - first) / factor + scale / 2 - 0.5  # centres of pixels lie at +0.5
    back = np.array([[scale[0], 0.0, shift[0]], [0.0, scale[1], shift[1]]])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (input_px, input_px)
    return np.asarray(cv2.warpAffine(patch, back, size, flags=how, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def cut_patch(image: NDArray[np.uint8], low: NDArray[np.int64], high: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Whole pixels from low (2,) up to high (2,), x and y, of a picture (h, w, 3); grey beyond the border."""
    height, width = image.shape[:2]
    patch = np.full((int(high[1] - low[1]), int(high[0] - low[0]), 3), GREY, np.uint8)
    x0, y0 = np.clip(low, 0, (width, height))
    x1, y1 = np.clip(high, 0, (width, height))
    if x1 > x0 and y1 > y0:
        patch[y0 - low[1] : y1 - low[1], x0 - low[0] : x1 - low[0]] = image[y0:y1, x0:x1]
    return patch
