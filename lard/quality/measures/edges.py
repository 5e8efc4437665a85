"""Where painted edges lie in a picture, to a fraction of a pixel.

A painted line is found as the stripe in the brightness across it, the median of many places along it, so that
other markings and texture do not matter; the threshold as the start of the bars behind it, with or without a
stripe across before them. What is estimated is by how much the label has to be moved, and widened, to fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lard.quality.measures.paint import PAINTS, Paint
from lard.quality.measures.profiles import STEP_PX, bars, ridge, samples

Array = NDArray[np.float64]
Grey = NDArray[Any]

REACH_PX = 6.0
PLACES = 60


@dataclass(frozen=True, slots=True)
class Alignment:
    """How far the paint lies from the label: shift of the whole (x, y) and of each side outwards, pixels."""

    shift_px: tuple[float, float]
    widen_px: float

    @property
    def distance_px(self) -> float:
        """Length of the shift."""
        return float(np.hypot(*self.shift_px))


@dataclass(frozen=True, slots=True)
class Edge:
    """A side stripe as found: its middle and outward normal in pixels, how far it lies from the label's."""

    place: Array  # (2,)
    normal: Array  # (2,)
    offset_px: float
    px_per_m: float  # of the runway's width, there


def side_edges(
    grey: Grey, corners_px: Array, width_m: float, length_m: float, paint: Paint = PAINTS["standard"]
) -> tuple[Edge, ...]:
    """The side stripes seen, left before right, of a runway by its label's corners TL, TR, BR, BL (4, 2)."""
    to_px = _to_px(corners_px, width_m, length_m)
    inner, stripe_m = width_m / 2 - paint.inset(width_m), paint.stripe(width_m)
    along = np.linspace(0.0, min(length_m, 1500.0), 400)
    found = []
    for side in (-1.0, 1.0):
        line = _line(to_px, np.full(400, side * inner), along, grey.shape)
        if line is None:
            continue
        points, normal = line
        # the stripe narrows with distance: its width where the line's middle lies in the picture
        middle, beyond = (
            _project(to_px, np.column_stack([np.full(400, side * (inner + more)), along]))
            for more in (0.0, 1.0)
        )
        place = np.argmin(np.linalg.norm(middle - points.mean(axis=0), axis=1))
        outwards = beyond[place] - middle[place]
        normal = normal if normal @ outwards > 0 else -normal
        scale = abs(float(normal @ outwards))
        offset = ridge(_profile(grey, points, normal), stripe_m * scale)
        if offset is not None:
            found.append(Edge(points.mean(axis=0), normal, offset * STEP_PX - REACH_PX, scale))
    return tuple(found)


def align(
    grey: Grey, corners_px: Array, width_m: float, length_m: float, paint: Paint = PAINTS["standard"]
) -> Alignment | None:
    """Shift of the paint against the label's corners TL, TR, BR, BL (4, 2); None where too little is seen."""
    edges = side_edges(grey, corners_px, width_m, length_m, paint)
    return aligned(grey, corners_px, edges, width_m, length_m, paint)


def aligned(
    grey: Grey,
    corners_px: Array,
    edges: tuple[Edge, ...],
    width_m: float,
    length_m: float,
    paint: Paint = PAINTS["standard"],
) -> Alignment | None:
    """The same from side stripes that were found already, and the threshold bars."""
    if len(edges) < 2:
        return None
    to_px = _to_px(corners_px, width_m, length_m)
    rows = [[*edge.normal, 1.0] for edge in edges]
    offsets = [edge.offset_px for edge in edges]
    line = _line(to_px, np.linspace(-0.42, 0.42, 200) * width_m, np.full(200, paint.bars_m[0]), grey.shape)
    if line is None:
        return None
    points, normal = line
    marks = np.array(paint.marks_m)
    marks_px = (_project(to_px, np.column_stack([0 * marks, marks])) - points.mean(axis=0)) @ normal
    offset = bars(np.mean(samples(grey, points, normal, REACH_PX), axis=0), marks_px)
    if offset is None:
        return None
    rows.append([normal[0], normal[1], 0.0])
    offsets.append(offset * STEP_PX - REACH_PX)
    matrix = np.array(rows)
    if np.linalg.cond(matrix) > 30.0:
        return None
    dx, dy, widen = np.linalg.solve(matrix, np.array(offsets))
    return Alignment((float(dx), float(dy)), float(widen))


def straight(
    grey: NDArray[np.float32], camera: Mapping[str, Array], corners: Array
) -> tuple[NDArray[np.float32], Array]:
    """A picture and corners (4, 2) as the same camera without distortion would have them."""
    fx, fy, cx, cy = (float(camera[name][0]) for name in ("fx_px", "fy_px", "cx_px", "cy_px"))
    k1, k2, k3 = (float(camera[name][0]) for name in ("k1", "k2", "k3"))
    bends = np.array([k1, k2, 0.0, 0.0, k3])
    # OpenCV has the first pixel's centre at 0
    matrix = np.array([[fx, 0, cx - 0.5], [0, fy, cy - 0.5], [0, 0, 1.0]])
    straight = cv2.undistortPoints(corners.reshape(-1, 1, 2) - 0.5, matrix, bends, P=matrix)
    picture = np.asarray(cv2.undistort(grey, matrix, bends), np.float32)
    return picture, np.asarray(straight, np.float64).reshape(-1, 2) + 0.5


def bars_length_px(corners_px: Array, width_m: float, length_m: float, paint: Paint) -> float:
    """Length in the picture of the threshold bars of a runway by its label's corners (4, 2)."""
    start, end = _project(_to_px(corners_px, width_m, length_m), np.column_stack([np.zeros(2), paint.bars_m]))
    return float(np.linalg.norm(end - start))


def _to_px(corners_px: Array, width_m: float, length_m: float) -> Array:
    """Homography (3, 3) from metres across and along the runway to pixels."""
    ground = np.array(
        [[-width_m / 2, length_m], [width_m / 2, length_m], [width_m / 2, 0.0], [-width_m / 2, 0.0]],
        np.float32,
    )
    return cv2.getPerspectiveTransform(ground, corners_px.astype(np.float32)).astype(np.float64)


def _project(to_px: Array, ground: Array) -> Array:
    """Pixels (n, 2) of ground positions (n, 2): across and along the runway, metres."""
    homogeneous = np.column_stack([ground, np.ones(len(ground))]) @ to_px.T
    return np.asarray(homogeneous[:, :2] / homogeneous[:, 2:])


def _line(to_px: Array, across: Array, along: Array, shape: tuple[int, ...]) -> tuple[Array, Array] | None:
    """Points (k, 2) evenly spaced in the picture on a ground line, and its unit normal; None if short."""
    pixels = _project(to_px, np.column_stack([across, along]))
    margin = REACH_PX + 1
    inside = (
        (pixels[:, 0] > margin)
        & (pixels[:, 0] < shape[1] - margin)
        & (pixels[:, 1] > margin)
        & (pixels[:, 1] < shape[0] - margin)
    )
    if inside.sum() < 10:
        return None
    # where the runway is narrower than the reach, one stripe would be taken for the other
    centre = _project(to_px, np.column_stack([np.zeros_like(along), along]))
    if not np.allclose(across, 0) and np.ptp(along) > 0:
        inside &= np.linalg.norm(pixels - centre, axis=1) > REACH_PX + 1.0
    kept = pixels[inside]
    if len(kept) < 5 or np.linalg.norm(kept[-1] - kept[0]) < 8.0:
        return None
    direction = (kept[-1] - kept[0]) / np.linalg.norm(kept[-1] - kept[0])
    places = np.linspace(0.0, 1.0, PLACES)[:, None]
    return kept[0] + places * (kept[-1] - kept[0]), np.array([-direction[1], direction[0]])


def _profile(grey: Grey, points: Array, normal: Array) -> Array:
    return np.asarray(np.median(samples(grey, points, normal, REACH_PX), axis=0))
