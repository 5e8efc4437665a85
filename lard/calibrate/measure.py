"""Where painted and paved lines of runways lie in pictures, against where they are projected.

Side lines are cut into short pieces, each measured across itself: the ridge of the side stripe where one is
painted, else the step from shoulder to pavement. Along the runway, the first edge of the threshold bars.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.stats import theilslopes

from lard.calibrate.scene import Scene, project_points
from lard.errors import DataError
from lard.progress import track
from lard.quality.measures.paint import Paint
from lard.quality.measures.profiles import RESOLVED_PX, STEP_PX, bars, ridge, samples, step
from lard.quality.measures.reading import read_plain

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Grey = NDArray[Any]

POINTS = 24
PIECES = 12
PIECE_PX = 24.0
SHORT_PIECE_PX = 12.0
MIN_PIECE_PX = 8.0
LEAST_PIECES = 3
IN_LINE_PX = 0.75
TRUST_POWER = 6.0
MOSTLY = 0.5  # of the pieces of a view in which a step was found: so many stripes are no chance
KINDS = ("stripe", "edge", "bars")


@dataclass(frozen=True, slots=True)
class Measured:
    """Offsets (n,) in pixels along unit normals (n, 2), of points on runways (view, across, along)."""

    view: Ints
    across: Array  # share of the half width
    along: Array  # share of the length
    normal: Array
    offset_px: Array
    trust: Array  # weight beside a line that the picture resolves
    kind: Ints  # index into KINDS

    def __len__(self) -> int:
        return len(self.view)


@dataclass(frozen=True, slots=True)
class _Line:
    """A piece of a line to measure: POINTS points between two shares across and along."""

    view: int
    across: Array
    along: Array
    kind: int
    reach_px: float
    width_px: float = 0.0  # of a stripe
    marks: tuple[float, ...] = ()  # of bars: Paint.marks_m as shares of the length


def measure(
    scene: Scene, theta: Array, views: Ints, image_of: Callable[[str], Path], reach_px: float, workers: int,
    paint: Paint, with_bars: bool = True,
) -> Measured:  # fmt: skip
    """Measure side lines, and threshold bars if wanted, that the parameters put into the views' pictures."""
    frames: dict[int, list[int]] = {}
    for view in views:
        frames.setdefault(int(scene.frame[view]), []).append(int(view))

    def work(item: tuple[int, list[int]]) -> list[tuple[float, ...]]:
        frame, mine = item
        path = image_of(scene.frame_ids[frame])
        grey = read_plain(path, cv2.IMREAD_GRAYSCALE)
        if grey is None:
            raise DataError(f"{path}: no picture that can be read; render it again or drop the frame")
        stated = (scene.camera["height_px"][mine[0]], scene.camera["width_px"][mine[0]])
        if grey.shape != stated:
            raise DataError(
                f"{path}: {grey.shape[1]}x{grey.shape[0]} px, the frames table says "
                f"{stated[1]:.0f}x{stated[0]:.0f}; mend the table or the picture"
            )
        return [
            row
            for view in mine
            for row in _measure_view(scene, theta, view, grey, reach_px, paint, with_bars)
        ]

    with ThreadPoolExecutor(max(1, workers)) as pool:
        found = list(track(pool.map(work, sorted(frames.items())), "measure", total=len(frames), unit="img"))
    rows = np.array([row for part in found for row in part], np.float64).reshape(-1, 8)
    return Measured(
        rows[:, 0].astype(np.int64), rows[:, 1], rows[:, 2], rows[:, 3:5], rows[:, 5],
        rows[:, 6], rows[:, 7].astype(np.int64),
    )  # fmt: skip


def _measure_view(
    scene: Scene, theta: Array, view: int, grey: Grey, reach_px: float, paint: Paint, with_bars: bool
) -> list[tuple[float, ...]]:
    rows = []
    for line in _lines(scene, theta, view, reach_px, paint, with_bars):
        points = _pixels(scene, theta, view, line.across, line.along)
        direction = points[-1] - points[0]
        length = float(np.hypot(*direction))
        if not np.isfinite(length) or length < MIN_PIECE_PX or not _inside(points, grey, line.reach_px + 2):
            continue
        normal = np.array([-direction[1], direction[0]]) / length
        found = samples(grey, points, normal, line.reach_px)
        if KINDS[line.kind] == "stripe":
            offset = ridge(np.median(found, axis=0), line.width_px)
        elif KINDS[line.kind] == "edge":
            offset = step(np.median(found, axis=0))
        else:
            marks = _pixels(scene, theta, view, np.zeros(len(line.marks)), np.array(line.marks))
            offset = bars(np.mean(found, axis=0), (marks - points.mean(axis=0)) @ normal)
        if offset is not None:
            middle = POINTS // 2
            rows.append(
                (view, line.across[middle], line.along[middle], *normal, offset * STEP_PX - line.reach_px,
                 _trust(line), line.kind)
            )  # fmt: skip
    stripes, edges, rest = ([row for row in rows if row[-1] == kind] for kind in range(3))
    return [*_of_sides(stripes, edges), *rest]


def _trust(line: _Line) -> float:
    """Of a stripe narrower than a pixel place and blur are one: it leans to its brighter side."""
    return min(line.width_px, 1.0) ** TRUST_POWER if KINDS[line.kind] == "stripe" else 1.0


def _of_sides(stripes: list[tuple[float, ...]], edges: list[tuple[float, ...]]) -> list[tuple[float, ...]]:
    """The pieces of a view's sides that count: one law per view, as a stripe and an edge are not one line.

    Beside a stripe that is seen in places the strongest step is its own side or a shoulder's.
    """
    plain = len(stripes) < MOSTLY * len(edges)
    return _in_line(stripes) or (_in_line(edges) if plain else [])


def _in_line(rows: list[tuple[float, ...]]) -> list[tuple[float, ...]]:
    """Pieces of a side that agree on a straight line; sides of fewer than LEAST_PIECES such are left out.

    An error of pose or runway moves and turns a side as a whole; a piece that lies elsewhere is of
    something else.
    """
    kept = []
    for sign in (-1.0, 1.0):
        side = np.array([row for row in rows if row[1] * sign > 0])
        if len(side) < LEAST_PIECES:
            continue
        # along the side in the picture, not on the ground: pieces are evenly spaced there
        place = np.arange(len(side), dtype=np.float64)
        slope, start, *_ = theilslopes(side[:, 5], place)
        near = np.abs(side[:, 5] - start - slope * place) < IN_LINE_PX
        if near.sum() >= max(LEAST_PIECES, 0.6 * len(side)):
            kept += [tuple(row) for row in side[near]]
    return kept


def _lines(
    scene: Scene, theta: Array, view: int, reach_px: float, paint: Paint, with_bars: bool
) -> list[_Line]:
    """Pieces worth measuring in a view, evenly spread in the picture."""
    width, length = float(scene.width_m[view]), float(scene.length_m[view])
    size = np.array([scene.camera["width_px"][view], scene.camera["height_px"][view]])
    fine = np.linspace(0.0, 1.0, 400)
    middle = _pixels(scene, theta, view, np.zeros(400), fine)
    lines = []
    for side in (-1.0, 1.0):
        edge = _pixels(scene, theta, view, np.full(400, side), fine)
        half_px = np.hypot(*(edge - middle).T)
        with np.errstate(invalid="ignore"):
            margin = reach_px + 3.0
            seen = (half_px > 4.0) & (edge > margin).all(axis=1) & (edge < size - margin).all(axis=1)
        place = np.flatnonzero(seen)
        if len(place) < 8:
            continue
        run = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(edge[place], axis=0).T))])
        # a short side is cut finer: fewer than LEAST_PIECES say nothing about a straight line
        pieces = max(run[-1] / PIECE_PX, min(run[-1] / SHORT_PIECE_PX, LEAST_PIECES))
        pieces = int(np.clip(pieces, 1, PIECES))
        cuts = np.interp(np.linspace(0, run[-1], pieces + 1), run, fine[place])
        for start, end in pairwise(cuts):
            along = np.linspace(start, end, POINTS)
            reach = min(reach_px, 0.4 * float(np.interp(end, fine[place], half_px[place])))
            half = float(np.interp(along.mean(), fine[place], half_px[place]))
            stripe_px = half * 2 * paint.stripe(width) / width
            kinds = ((0, 1 - 2 * paint.inset(width) / width), (1, 1.0))
            for kind, share in kinds if paint.edges else kinds[:1]:
                lines.append(_Line(view, np.full(POINTS, side * share), along, kind, reach, stripe_px))
    if not with_bars:
        return lines
    marks_m = np.array(paint.marks_m)
    for far in (False, True):
        if scene.displaced[view, int(far)]:
            continue  # arrows and a transverse bar lie before a displaced threshold
        marks = (length - marks_m if far else marks_m) / length
        ends = _pixels(scene, theta, view, np.zeros(2), marks[:2])
        bars_px = float(np.hypot(*(ends[1] - ends[0])))
        if np.isfinite(bars_px) and bars_px > RESOLVED_PX:
            across = np.linspace(-0.84, 0.84, POINTS)
            start = np.full(POINTS, marks[0])
            lines.append(_Line(view, across, start, 2, reach_px, marks=tuple(marks)))
    return lines


def _pixels(scene: Scene, theta: Array, view: int, across: Array, along: Array) -> Array:
    return project_points(scene, theta, np.full(len(across), view), across, along)


def _inside(points: Array, grey: Grey, margin: float) -> bool:
    size = np.array(grey.shape[::-1])
    return bool(((points > margin) & (points < size - margin)).all())
