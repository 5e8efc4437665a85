"""Corner models at work: the four corners of every box that a detector found in a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lard.detect.corner_files import load_corner_checkpoint, resolve_corners
from lard.detect.corner_net import CornerNet
from lard.detect.corner_windows import Floats, cut_window, out_of_window, windows_of
from lard.detect.decode import as_images
from lard.errors import naming

_AT_ONCE = 32

Corners = tuple[Floats, Floats]
"""Corners (n, 4, 2) in px, in the order of COCO keypoints, and how surely each is in the picture (n, 4):
0 where it is not given, and its place means nothing."""


@dataclass(frozen=True, slots=True)
class CornerFinder:
    """A corner model that was loaded: its name, and what finds the corners of boxes (n, 4) in a picture."""

    name: str
    file: Path
    find: Callable[[NDArray[np.uint8], Floats], Corners]


def load_corners(model: str | Path) -> CornerFinder:
    """Load a corner model by the name of a shipped one or from its checkpoint."""
    path = resolve_corners(model)
    loaded = load_corner_checkpoint(path)

    def find(image: NDArray[np.uint8], boxes: Floats) -> Corners:
        with naming(path):
            return find_corners(loaded.net, image, boxes)

    return CornerFinder(loaded.name, path, find)


def find_corners(net: CornerNet, image: NDArray[np.uint8], boxes: Floats) -> Corners:
    """Corners of each box (n, 4), corner pairs in px, of an RGB picture (h, w, 3).

    A runway whose four corners a pass gives gets its next window about these instead of the box.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    corners, presence = _pass(net, image, boxes)
    for _ in range(net.spec.passes - 1):
        whole = (presence >= net.spec.least_presence).all(axis=1)
        if not whole.any():
            break
        about = np.concatenate((corners[whole].min(axis=1), corners[whole].max(axis=1)), axis=1)
        corners[whole], presence[whole] = _pass(net, image, about)
    return corners, np.where(presence >= net.spec.least_presence, presence, 0.0)


@torch.inference_mode()
def _pass(net: CornerNet, image: NDArray[np.uint8], boxes: Floats) -> Corners:
    side, of = net.spec.input_px, next(net.parameters())
    corners, presence = np.zeros((len(boxes), 4, 2)), np.zeros((len(boxes), 4))
    windows = windows_of(boxes, net.spec)
    for start in range(0, len(boxes), _AT_ONCE):
        part = windows[start : start + _AT_ONCE]
        pixels = np.stack([cut_window(image, window, side) for window in part])
        maps = net(as_images(torch.from_numpy(pixels)).to(of.device))
        found = net.read(maps, net.spec.sharpness)
        places = found.corners_px.double().cpu().numpy()
        rows = range(start, start + len(part))
        for row, window, place in zip(rows, part, places, strict=True):
            corners[row] = out_of_window(place, window, side)
        presence[start : start + len(part)] = torch.sigmoid(found.presence).double().cpu().numpy()
    return corners, presence


def keypoints_of(corners: Floats, presence: Floats) -> list[float]:
    """COCO keypoints x, y, v of one runway's corners (4, 2), their presence (4,) as v; 0, 0, 0: not given."""
    numbers: list[float] = []
    for (x, y), v in zip(corners.tolist(), presence.tolist(), strict=True):
        numbers += [round(x, 2), round(y, 2), round(v, 4)] if v > 0 else [0.0, 0.0, 0.0]
    return numbers


def with_keypoints(rows: Sequence[dict[str, Any]], found: Corners) -> list[dict[str, Any]]:
    """Rows of COCO results with the corners of their boxes."""
    return [
        {**row, "keypoints": keypoints_of(corners, presence)}
        for row, corners, presence in zip(rows, *found, strict=True)
    ]
