"""A runway before a detector: the part of the picture that decides its score, and that score.

The score of a runway is the largest logit, above the operating point, of the locations that would fire there:
those whose box of the clean picture it overlaps best, by half. It is a function of the pixels alone, since
these locations stay the same whatever is changed. It is positive while the runway fires.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from lard.assurance.field import Field, field_of
from lard.detect.audit import LipschitzBound
from lard.detect.config import PredictSpec
from lard.detect.data import Picture
from lard.detect.decode import boxes_of, cells_of
from lard.detect.fcos import Detector, LipschitzFcos
from lard.detect.loss import locations_px
from lard.robust.certify import Reach, answered, owners_of
from lard.robust.scene import GREY, Scene, scene_of

Corners = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One runway of a picture before a detector; all places are px of the window."""

    scene: Scene  # of the window: pixels (1, 3, h, w)
    window: Corners  # in the picture filled up to whole strides
    cells: Tensor  # (k,) locations of the window that would fire at the runway
    limit: float  # the score logit of the operating point
    serving: bool  # False: no box overlaps the runway, the locations are those in it
    field: Field
    reach: Reach | None  # of a Lipschitz detector
    cut_off: float  # by how much the window's score differs from the picture's, of their size

    @property
    def pixels(self) -> Tensor:
        """The window (1, 3, h, w)."""
        return self.scene.pixels

    def above(self, pixels: Tensor) -> Tensor:
        """Logits of the runway's locations above the operating point: (b, 3, h, w) -> (b, k)."""
        net = self.scene.net
        if isinstance(net, LipschitzFcos):  # its scores need no boxes
            features = net.features(pixels.contiguous(memory_format=torch.channels_last))
            levels = [net.tower(one) + net.prior[level] for level, one in enumerate(features)]
            logits = torch.cat([level.flatten(1) for level in levels], dim=1)[:, self.cells]
            return logits - self.limit / net.spec.temperature
        logits = self.scene.answers(pixels - self.scene.pixels).logits[:, self.cells]
        return (logits - self.limit) / net.spec.temperature

    def score(self, pixels: Tensor) -> Tensor:
        """The largest of them: (b, 3, h, w) -> (b,)."""
        return self.above(pixels).amax(dim=1)

    def distance(self, pixels: Tensor) -> Tensor:
        """Norm of what fires, (b, 3, h, w) -> (b,): what must go before the runway falls silent."""
        return torch.linalg.vector_norm(self.above(pixels).clamp(min=0), dim=1)


@dataclass(frozen=True, slots=True)
class Sight:
    """A detector that is explained, and what holds for all pictures before it."""

    net: Detector
    bound: LipschitzBound | None
    score: float  # the operating point
    margins_px: tuple[int, ...]  # of each level: how far its locations look


def view_of(sight: Sight, picture: Picture, runway: int, shift: NDArray[np.float64]) -> View:
    """The view of a required runway, by its place among them; the field is put about it by `shift` (2,)."""
    whole = scene_of(sight.net, picture, sight.score, PredictSpec())
    (width, height), (full_width, full_height) = whole.frame_px, whole.filled_px
    filled = F.pad(whole.pixels, (0, full_width - width, 0, full_height - height), value=GREY)
    limit = float(np.log(sight.score / (1 - sight.score)))
    wanted = whole.wanted
    with torch.no_grad():
        if sight.bound is None:
            reach, clean = None, whole.answers(torch.zeros_like(whole.pixels))
            logits, boxes = clean.logits[0], clean.boxes[0]
        else:
            levels, reach = answered(sight.net, filled, sight.bound)
            logits = torch.cat([level.logits.flatten(1) for level in levels], dim=1)[0]
            logits = logits * sight.net.spec.temperature
            boxes = boxes_of(levels, sight.net.spec.strides_px)[0]
    cells, serving = _serving(boxes.double().numpy(), wanted, runway, sight, (full_height, full_width))
    polygon = picture.polygons[np.flatnonzero(~picture.ignored)[runway]]
    field = field_of(polygon, wanted[runway], shift, (width, height))
    window = _window(cells, field.corners, sight, (full_width, full_height))
    x0, y0, x1, y1 = window
    scene = replace(whole, pixels=filled[:, :, y0:y1, x0:x1].contiguous())
    here = torch.from_numpy(_inside(cells, window, sight, (full_width, full_height)))
    view = View(scene, window, here, limit, serving, field.moved(-x0, -y0), reach, 0.0)
    with torch.no_grad():
        seen = float(view.score(view.pixels)[0])
    full = (float(logits[torch.from_numpy(cells)].amax()) - limit) / sight.net.spec.temperature
    return replace(view, cut_off=abs(seen - full) / max(abs(full), abs(seen), 1e-9))


def _serving(
    boxes: NDArray[np.float64],
    wanted: NDArray[np.float64],
    runway: int,
    sight: Sight,
    filled: tuple[int, int],
) -> tuple[NDArray[np.int64], bool]:
    """Locations that would fire at a runway; where no box does, those in it, or the nearest one."""
    own = np.flatnonzero(owners_of(boxes, wanted) == runway)
    if len(own):
        return own, True
    centres = np.concatenate([locations_px(*filled, stride) for stride in sight.net.spec.strides_px])
    box = wanted[runway]
    held = np.flatnonzero(((centres >= box[:2]) & (centres <= box[2:])).all(axis=1))
    if len(held):
        return held, False
    far = ((centres - (box[:2] + box[2:]) / 2) ** 2).sum(axis=1)
    return np.array([int(far.argmin())], np.int64), False


def _window(cells: NDArray[np.int64], field: Corners, sight: Sight, filled_px: tuple[int, int]) -> Corners:
    """Whole strides of the picture that hold the field and all that the locations see."""
    width, height = filled_px
    if sight.net.spec.normalise:
        return 0, 0, width, height  # every pixel moves the mean of the frame
    low, high = np.array(field[:2], np.float64), np.array(field[2:], np.float64)
    for level, rows, columns in _places(cells, sight, filled_px):
        stride, margin = sight.net.spec.strides_px[level], sight.margins_px[level]
        x, y = (columns + 0.5) * stride, (rows + 0.5) * stride
        low = np.minimum(low, (x.min() - margin, y.min() - margin))
        high = np.maximum(high, (x.max() + margin, y.max() + margin))
    coarse = sight.net.spec.strides_px[-1]
    low = np.floor(low.clip(0) / coarse) * coarse
    high = np.minimum(np.ceil(high / coarse) * coarse, filled_px)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _inside(
    cells: NDArray[np.int64], window: Corners, sight: Sight, filled_px: tuple[int, int]
) -> NDArray[np.int64]:
    """The same locations by their numbers in the window."""
    x0, y0, x1, y1 = window
    counts = cells_of(sight.net.spec.strides_px, y1 - y0, x1 - x0)
    found = []
    for level, rows, columns in _places(cells, sight, filled_px):
        stride = sight.net.spec.strides_px[level]
        across = (x1 - x0) // stride
        found.append(sum(counts[:level]) + (rows - y0 // stride) * across + columns - x0 // stride)
    return np.concatenate(found)


def _places(
    cells: NDArray[np.int64], sight: Sight, filled_px: tuple[int, int]
) -> list[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
    """Level, rows and columns of locations, level by level."""
    width, height = filled_px
    found, first = [], 0
    for level, count in enumerate(cells_of(sight.net.spec.strides_px, height, width)):
        own = cells[(cells >= first) & (cells < first + count)] - first
        if len(own):
            found.append((level, *np.divmod(own, width // sight.net.spec.strides_px[level])))
        first += count
    return found
