"""Where pictures show the lines that pose and labels expect: searched widely, on small pictures, in stacks.

Every picture becomes a field of edge directions, free of brightness and of the sign of contrast. The expected
lines, runway outlines and the horizon, are laid over it at every displacement of up to a tenth of it, and the
agreement of many pictures is added up: what one picture shows hardly, a group shows plainly. Mirrors,
rotations and other scales are tried by changing the lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lard.quality.measures.reading import read_plain

Array = NDArray[np.float64]
Single = NDArray[np.float32]

SMALL_PX = 256  # least width of the small pictures
MOST_WIDE_PX = 1024
REACH = 0.1  # of the width
MOST_POINTS = 160  # of the lines of one kind
_READ = {
    1: cv2.IMREAD_GRAYSCALE,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
}
_SEGMENTS = 256  # worked out together; each may have thousands of points


@dataclass(frozen=True, slots=True)
class Lines:
    """Points (n, 2) on lines, over the picture's width, and twice their direction (n, 2) as cos and sin."""

    points: Array
    double: Array


@dataclass(frozen=True, slots=True)
class View:
    """How a picture may have been changed: a linear map of places about its middle, and its name."""

    name: str
    matrix: tuple[float, float, float, float]  # row by row

    def of(self, lines: Lines, aspect: float) -> Lines:
        """The lines as the changed picture has them; aspect: height over width."""
        a, b, c, d = self.matrix
        middle = np.array([0.5, 0.5 * aspect])
        matrix = np.array([[a, b], [c, d]])
        angle = np.arctan2(lines.double[:, 1], lines.double[:, 0]) / 2
        direction = np.column_stack([np.cos(angle), np.sin(angle)]) @ matrix.T
        turned = 2 * np.arctan2(direction[:, 1], direction[:, 0])
        return Lines(
            (lines.points - middle) @ matrix.T + middle, np.column_stack([np.cos(turned), np.sin(turned)])
        )


AS_IS = View("", (1.0, 0.0, 0.0, 1.0))
VIEWS = (
    View("mirrored left-right", (-1.0, 0.0, 0.0, 1.0)),
    View("mirrored upside down", (1.0, 0.0, 0.0, -1.0)),
    View("rotated by 180 degrees", (-1.0, 0.0, 0.0, -1.0)),
    View("rotated by 90 degrees clockwise", (0.0, -1.0, 1.0, 0.0)),
    View("rotated by 90 degrees counter-clockwise", (0.0, 1.0, -1.0, 0.0)),
    *(
        View(f"of another scale, {scale:g} times as large", (scale, 0.0, 0.0, scale))
        for scale in (0.7, 0.8, 0.87, 0.93, 1.07, 1.15, 1.25, 1.4)
    ),
)


def lines_along(starts: Array, ends: Array, size: tuple[int, int]) -> Lines:
    """Lines of segments between pixels (n, 2), as far as they lie in a picture of width and height."""
    known = np.isfinite(starts).all(axis=1) & np.isfinite(ends).all(axis=1)
    starts, ends = starts[known], ends[known]
    length = np.linalg.norm(ends - starts, axis=1)
    step = size[0] / SMALL_PX
    starts, ends, length = (values[length >= step] for values in (starts, ends, length))
    points, double = [np.zeros((0, 2))], [np.zeros((0, 2))]
    for first in range(0, len(starts), _SEGMENTS):
        part = slice(first, first + _SEGMENTS)
        start, along = starts[part], ends[part] - starts[part]
        # corners far outside the picture need no points there: as many as a diagonal has
        count = np.minimum(length[part] / step, 4000).astype(np.int64) + 1
        segment = np.repeat(np.arange(len(count)), count)
        share = (np.arange(len(segment)) - (np.cumsum(count) - count)[segment] + 0.5) / count[segment]
        place = start[segment] + share[:, None] * along[segment]
        inside = ((place > 0) & (place < np.array(size))).all(axis=1)
        angle = 2 * np.arctan2(along[:, 1], along[:, 0])
        points.append(place[inside])
        double.append(np.column_stack([np.cos(angle), np.sin(angle)])[segment[inside]])
    every, both = np.concatenate(points), np.concatenate(double)
    kept = np.linspace(0, len(every) - 1, min(len(every), MOST_POINTS)).round().astype(np.int64)
    return Lines(every[kept] / size[0], both[kept])


def read_small(path: Path, width_px: int) -> NDArray[np.uint8] | None:
    """A grey picture some SMALL_PX wide, None where it cannot be read."""
    factor = max(f for f in _READ if f == 1 or width_px >= f * SMALL_PX)
    pixels = read_plain(path, _READ[factor])
    if pixels is None or pixels.shape[1] <= MOST_WIDE_PX:
        return pixels
    # wider than its frame says: the search takes the square of the width
    height = max(1, round(pixels.shape[0] * MOST_WIDE_PX / pixels.shape[1]))
    return np.asarray(cv2.resize(pixels, (MOST_WIDE_PX, height), interpolation=cv2.INTER_AREA), np.uint8)


def directions(grey: NDArray[Any]) -> Single:
    """Twice the direction of the edge at each pixel (2, h, w), cos and sin, as long as it stands out."""
    soft = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), 0.7)
    right, down = (cv2.Sobel(soft, cv2.CV_32F, *axis, ksize=3, scale=0.125) for axis in ((1, 0), (0, 1)))
    square = right * right + down * down
    size = square + cv2.blur(square, (15, 15)) + 1.0
    return np.asarray(np.stack([(down * down - right * right) / size, -2 * right * down / size]), np.float32)


def agreement(field: Single, lines: Lines, reach: int) -> Array | None:
    """How well lines fit a field at each displacement (k, k) of up to `reach`, in standard deviations.

    Rows go downwards, columns to the right, in pixels of the field; None for too few points.
    """
    if len(lines.points) < 6:
        return None
    height, width = field.shape[1:]
    shift = np.arange(-reach, reach + 1)
    place = np.floor(lines.points * width).astype(np.int64)
    # where a displaced line leaves the picture there is nothing, as in the frame around the field
    margin = reach + 1
    wide = np.pad(field, ((0, 0), (margin, margin), (margin, margin)))
    place = np.clip(place, -1, [width, height]) + margin
    columns = place[:, 0, None] + shift
    rows = place[:, 1, None] + shift
    index = rows[:, :, None] * wide.shape[2] + columns[:, None, :]
    both = lines.double.astype(np.float32)
    each = [np.tensordot(both[:, k], wide[k].ravel()[index], axes=1) for k in (0, 1)]
    found = np.asarray(each[0] + each[1], np.float64)
    spread = float(found.std())
    return (found - found.mean()) / spread if spread > 1e-6 else None


def around(grey: Single, corners: Array, reach: int) -> Array | None:
    """Agreement (k, k) of a runway's outline (4, 2) with a picture, displaced by up to `reach` pixels."""
    size = np.array(grey.shape[::-1])
    low = np.clip(np.floor(corners.min(axis=0)) - 2 * reach, 0, size).astype(np.int64)
    high = np.clip(np.ceil(corners.max(axis=0)) + 2 * reach, 0, size).astype(np.int64)
    if (high - low < 4 * reach).any():
        return None
    part = grey[low[1] : high[1], low[0] : high[0]]
    starts = corners - low
    lines = lines_along(starts, np.roll(starts, -1, axis=0), (part.shape[1], part.shape[0]))
    return agreement(directions(part), lines, reach)


@dataclass(frozen=True, slots=True)
class Peak:
    """Where a stack of pictures agrees best: the shift over the width (right, down) and its significance.

    Along a line a displacement shows nothing: `least` is the least displaced place that is nearly as good.
    """

    view: View
    shift: tuple[float, float]
    sigmas: float
    here: float  # significance of no displacement
    least: tuple[float, float] = (0.0, 0.0)


def peak(view: View, maps: Sequence[Array], width: int, near: float, tied: float = 0.0) -> Peak:
    """The best displacement of a stack of agreements (k, k); `near` over the width counts as none, and within
    `tied` standard deviations of the best a place is nearly as good."""
    stack = np.sum(maps, axis=0) / np.sqrt(len(maps))
    reach = len(stack) // 2
    row, column = np.unravel_index(int(np.argmax(stack)), stack.shape)
    places = np.argwhere(stack >= stack.max() - tied) - reach
    down, right = places[np.argmin(np.hypot(*places.T))]
    room = max(1, round(near * width))
    here = float(stack[reach - room : reach + room + 1, reach - room : reach + room + 1].max())
    shift = (float(column - reach) / width, float(row - reach) / width)
    return Peak(view, shift, float(stack.max()), here, (float(right) / width, float(down) / width))
