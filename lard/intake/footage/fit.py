"""From a file's pixels to the picture of a camera: borders trimmed, a stretch undone, bands cropped."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lard.camera import Camera
from lard.errors import SourceError

Picture = NDArray[Any]  # (h, w, 3) uint8
Borders = tuple[int, int, int, int]  # top, right, bottom, left, pixels


@dataclass(frozen=True, slots=True)
class Fit:
    """What was done to a source's pictures, and how to undo it.

    trim: borders that are no camera picture (title bar, window frame). window: size of the view before it was
    stretched to the file's size, with its own horizontal field of view. crop: part of the camera's picture to
    take away (watermark bands); the camera follows.
    """

    trim: Borders = (0, 0, 0, 0)
    window_px: tuple[int, int] | None = None
    window_fov_x_deg: float | None = None
    crop: Borders = (0, 0, 0, 0)

    def __post_init__(self) -> None:
        for name in ("trim", "crop"):
            if min(getattr(self, name)) < 0:
                raise SourceError(f"{name} is {getattr(self, name)}; expected pixels, 0 or more")
        if self.window_px is not None and min(self.window_px) <= 0:
            raise SourceError(f"window is {self.window_px[0]}x{self.window_px[1]}; expected positive pixels")
        if (self.window_px is None) != (self.window_fov_x_deg is None):
            raise SourceError(
                "a stretched picture needs both the window's size and its horizontal field of view: "
                "the replay tool sets neither, read them off the simulator"
            )

    @property
    def changes_pixels(self) -> bool:
        """Whether pictures have to be encoded again."""
        return any(self.trim) or any(self.crop) or self.window_px is not None


def fitted_camera(camera: Camera, fit: Fit) -> Camera:
    """The camera of a fitted picture, from the camera that the poses came with."""
    if fit.window_px is not None:
        assert fit.window_fov_x_deg is not None
        width = camera.width_px
        height = round(width * fit.window_px[1] / fit.window_px[0])
        focal = width / 2 / math.tan(math.radians(fit.window_fov_x_deg) / 2)
        # the height is rounded to whole pixels: the vertical focal length takes up what that leaves
        fy = focal * height / (width * fit.window_px[1] / fit.window_px[0])
        camera = Camera(width, height, focal, fy, width / 2, height / 2)
    top, right, bottom, left = fit.crop
    width, height = camera.width_px - left - right, camera.height_px - top - bottom
    if width <= 0 or height <= 0:
        raise SourceError(f"crop {fit.crop} leaves nothing of {camera.width_px}x{camera.height_px} px")
    return replace(
        camera, width_px=width, height_px=height, cx_px=camera.cx_px - left, cy_px=camera.cy_px - top
    )


def fitted(picture: Picture, camera: Camera, fit: Fit, name: str) -> Picture:
    """The picture (h, w, 3) that fitted_camera sees; SourceError when the sizes do not agree."""
    top, right, bottom, left = fit.trim
    inner = picture[top : picture.shape[0] - bottom, left : picture.shape[1] - right]
    if fit.window_px is not None:
        height = round(camera.width_px * fit.window_px[1] / fit.window_px[0])
        size = (camera.width_px, height)
        shrink = size[0] * size[1] < inner.shape[0] * inner.shape[1]
        inner = cv2.resize(inner, size, interpolation=cv2.INTER_AREA if shrink else cv2.INTER_CUBIC)
    elif inner.shape[:2] != (camera.height_px, camera.width_px):
        raise SourceError(
            f"{name}: {inner.shape[1]}x{inner.shape[0]} px, the poses' camera has "
            f"{camera.width_px}x{camera.height_px}; name the borders to trim, or the window it was "
            "stretched from"
        )
    top, right, bottom, left = fit.crop
    return np.ascontiguousarray(inner[top : inner.shape[0] - bottom, left : inner.shape[1] - right])
