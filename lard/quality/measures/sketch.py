"""Horizons laid over sketches of all pictures: which picture shows whose horizon, and how it is turned."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lard.quality.measures.coarse import AS_IS, VIEWS, Lines, View, lines_along
from lard.quality.measures.pictures import SKETCH_PX

Array = NDArray[np.float64]
Fields = NDArray[np.float32]

POINTS = 48  # on each horizon
FEWEST_POINTS = 30  # of a horizon, over as many picture widths as SMALL_PX: shorter ones tell nothing
LAYERS = (-1, 0, 1, 2)  # sketch pixels that haze may move the visible edge by, downwards more
COMPARED = 150  # horizons of other frames that each picture is compared with
LOW, LOW_SHARE = 0.45, 0.62  # agreement with its own horizon, and its share of the best, of a stranger
ALIKE = 0.06  # agreements that are the same
CLEARLY = 0.15  # by how much the best must be better
SEEN = 0.55  # agreement with a horizon that a picture shows; what is less is seen by chance
ASIDE, FEWEST_CELLS = 0.06, 24  # of the height: what is clear of a horizon; cells of each side
FLAT = VIEWS[:5]  # views that keep the scale


@dataclass(frozen=True, slots=True)
class Sketches:
    """Edge directions (n, 2, SKETCH_PX^2) of pictures and the horizon expected in each."""

    ids: tuple[str, ...]
    fields: Fields
    lines: tuple[Lines, ...]
    veiled: NDArray[np.bool_]  # (n,) clouds, whose edges are long as horizons are, or haze that hides those

    def view(self, inside: NDArray[np.bool_]) -> str:
        """How the pictures of a group look turned, when that fits much better than as they are; else ""."""
        rows = np.flatnonzero(inside)
        scores = {view.name: float(np.mean(self._own(rows, view))) for view in (AS_IS, *FLAT)}
        name = max(scores, key=lambda one: scores[one])
        # half of what a true horizon gives, beyond what another story gives by chance in so many
        margin = 0.12 + 0.4 / np.sqrt(len(rows))
        return name if scores[name] > scores[""] + margin else ""

    def _own(self, rows: NDArray[np.int64], view: View) -> Array:
        return np.array([_score(view.of(self.lines[k], 1.0), self.fields[k : k + 1])[0] for k in rows])

    def strangers(self) -> list[tuple[str, float, str]]:
        """Pictures that show a horizon far from their own: frame, agreement and what they seem to show."""
        count = len(self.ids)
        if count < 8:
            return []
        rows = np.arange(count)
        own = self._own(rows, AS_IS)
        best = own.copy()
        for k in np.unique(np.linspace(0, count - 1, min(count, COMPARED)).round().astype(np.int64)):
            best = np.maximum(best, _score(self.lines[k], self.fields))
        usual = float(np.median(own))
        suspects = np.flatnonzero(
            (own < min(LOW, 0.7 * usual)) & (own < LOW_SHARE * best) & (best > own + CLEARLY)
        )
        found = []
        for k in suspects.tolist():
            all_ = np.array([_score(lines, self.fields[k : k + 1])[0] for lines in self.lines])
            if all_.max() < (max(SEEN, usual) if self.veiled[k] else SEEN):
                continue
            text = "shows a horizon that is not its pose's"
            if all_.max() > own[k] + CLEARLY:
                # of those that fit alike, the nearest in the table: exchanges are between neighbours
                alike = np.flatnonzero(all_ > all_.max() - ALIKE)
                other = self.ids[int(alike[np.argmin(np.abs(alike - k))])]
                text = f"shows another frame: its horizon is that of {other}"
            found.append((self.ids[k], float(own[k]), text))
        return found


def sky_below(colours: NDArray[np.uint8], horizon: Array, size: tuple[int, int]) -> float | None:
    """By how much a picture's part below its horizon (k, 2) is sky rather than the part above it: the lesser
    of how much bluer and how much brighter it is, grey levels. colours: (n, n, 3) blue-green-red.

    None where one side of the horizon is hardly in the picture.
    """
    line = horizon[np.isfinite(horizon).all(axis=1)]
    if len(line) < 2:
        return None
    order = np.argsort(line[:, 0])
    count = len(colours)
    x, y = np.meshgrid(*2 * [(np.arange(count) + 0.5) / count])
    edge = np.interp(x[0], line[order, 0] / size[0], line[order, 1] / size[1])
    values = colours.astype(np.float64)
    above, below = values[y < edge - ASIDE], values[y > edge + ASIDE]
    if min(len(above), len(below)) < FEWEST_CELLS:
        return None
    bluer = np.subtract(*((part[:, 0] - part[:, 2]).mean() for part in (below, above)))
    return float(min(bluer, below.mean() - above.mean()))


def sketches(
    ids: list[str], greys: list[bytes | None], horizons_px: Array, sizes: Array, veiled: NDArray[np.bool_]
) -> Sketches:
    """Sketches of the pictures (n) whose horizon (n, k, 2) is long enough in them; sizes (n, 2) in pixels."""
    kept, fields, lines, behind = [], [], [], []
    for name, grey, line, size, veil in zip(
        ids, greys, horizons_px, sizes.tolist(), veiled.tolist(), strict=True
    ):
        if grey is None:
            continue
        found = lines_along(line[:-1], line[1:], (int(size[0]), int(size[1])))
        if len(found.points) < FEWEST_POINTS:
            continue
        # sketches are square, whatever the picture
        points = found.points * np.array([1.0, size[0] / size[1]])
        pick = np.linspace(0, len(points) - 1, POINTS).round().astype(np.int64)
        kept.append(name)
        behind.append(veil)
        lines.append(Lines(points[pick], found.double[pick]))
        fields.append(_field(np.frombuffer(grey, np.uint8).reshape(SKETCH_PX, SKETCH_PX)))
    empty = np.zeros((0, 2, SKETCH_PX**2), np.float32)
    stacked = np.stack(fields) if fields else empty
    return Sketches(tuple(kept), stacked, tuple(lines), np.array(behind, np.bool_))


def _field(grey: NDArray[np.uint8]) -> Fields:
    """Twice the edge direction (2, SKETCH_PX^2) of a sketch, as far as edges stand out."""
    soft = grey.astype(np.float32)
    right, down = (cv2.Sobel(soft, cv2.CV_32F, *axis, ksize=3, scale=0.125) for axis in ((1, 0), (0, 1)))
    square = right * right + down * down
    size = square + cv2.blur(square, (9, 9)) + 1.0
    both = np.stack([(down * down - right * right) / size, -2 * right * down / size])
    return np.asarray(both.reshape(2, -1), np.float32)


def _score(lines: Lines, fields: Fields) -> Array:
    """Agreement (n,) of a horizon with fields (n, 2, m): the best of some layers near it."""
    columns = np.clip(np.floor(lines.points[:, 0] * SKETCH_PX), 0, SKETCH_PX - 1).astype(np.int64)
    rows = np.floor(lines.points[:, 1] * SKETCH_PX).astype(np.int64)
    double = lines.double.astype(np.float32)
    found = np.full(len(fields), -1.0)
    for layer in LAYERS:
        index = np.clip(rows + layer, 0, SKETCH_PX - 1) * SKETCH_PX + columns
        total = fields[:, 0][:, index] @ double[:, 0] + fields[:, 1][:, index] @ double[:, 1]
        found = np.maximum(found, total / len(index))
    return found
