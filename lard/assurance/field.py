"""The square in which maps are compared: a runway and twice as much around it, not centred on it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SIDES = 3.0  # of the longer side of the runway's box
LEAST_PX = 96
DILATION_PX = 2  # of the polygon: an edge is seen by the pixels on both of its sides


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """Corners in px of the picture or window, and which of its pixels (rows, columns) are the runway's."""

    corners: tuple[int, int, int, int]
    runway: NDArray[np.bool_]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        x0, y0, x1, y1 = self.corners
        return y1 - y0, x1 - x0

    @property
    def area(self) -> float:
        """Share of its pixels that are the runway's: what a map that knows nothing has inside."""
        return float(self.runway.mean())

    def moved(self, x_px: int, y_px: int) -> Field:
        """The same field by corners of another origin."""
        x0, y0, x1, y1 = self.corners
        return replace(self, corners=(x0 + x_px, y0 + y_px, x1 + x_px, y1 + y_px))

    def cut(self, pixels: Tensor) -> Tensor:
        """The field's part of (..., h, w)."""
        x0, y0, x1, y1 = self.corners
        return pixels[..., y0:y1, x0:x1]

    def put(self, part: Tensor, pixels: Tensor) -> Tensor:
        """Pictures (b, 3, h, w) with the field replaced by parts (b, 3, rows, columns)."""
        x0, y0, x1, y1 = self.corners
        found = pixels.expand(len(part), -1, -1, -1).clone()
        found[:, :, y0:y1, x0:x1] = part
        return found

    def fill(self, pixels: Tensor) -> Tensor:
        """The mean colour of the field outside of the runway, which stands for nothing: (1, 3, 1, 1)."""
        outside = torch.from_numpy(~self.runway).to(pixels.device)
        part = self.cut(pixels)
        chosen = part[:, :, outside] if bool(outside.any()) else part.flatten(2)
        return chosen.mean(dim=2)[:, :, None, None]


def field_of(
    polygon: NDArray[np.float64],
    box: NDArray[np.float64],
    shift: NDArray[np.float64],
    frame_px: tuple[int, int],
) -> Field:
    """The field of a runway: polygon (n, 2) and box (4,) in px, cut to the frame (width, height).

    `shift` (2,) in [-1, 1] moves it by up to what keeps the runway inside: a map that favours the middle must
    not be right for that alone.
    """
    width, height = frame_px
    low, high = box[:2].clip(0, (width, height)), box[2:].clip(0, (width, height))
    side = np.minimum(max(SIDES * float((high - low).max()), LEAST_PX), (width, height)).round()
    slack = (side - (high - low)).clip(0) / 2
    corner = ((low + high) / 2 + shift * slack - side / 2).clip(0, np.array([width, height]) - side)
    x0, y0 = np.floor(corner).astype(int)
    rows, columns = int(side[1]), int(side[0])
    mask = np.zeros((rows, columns), np.uint8)
    corners = np.round(polygon - (x0, y0) - 0.5).astype(np.int32)  # pixel centres lie at halves
    cv2.fillPoly(mask, [corners], 1)
    grown = cv2.dilate(mask, np.ones((2 * DILATION_PX + 1,) * 2, np.uint8))
    return Field((int(x0), int(y0), int(x0) + columns, int(y0) + rows), np.asarray(grown > 0))
