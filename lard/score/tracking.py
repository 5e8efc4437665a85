"""A baseline tracker: constant velocity, least total distance, confirmed by hits.

Centre, width and height of a box move each at constant velocity (Kalman filter; noise in units of the box's
size, so that one covariance serves all four). Detections go to tracks so that the sum of distances between
centres, in diagonals, is least: boxes of ten pixels that shake do not overlap, which rules out IoU.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from lard.score.boxes import Floats


@dataclass(frozen=True, slots=True)
class Tracking:
    """Settings of the tracker."""

    gate_diagonals: float = 1.0  # a detection farther from where a track expects it starts another
    confirm: int = 3  # hits before a track is shown
    most_missed: int = 5  # frames in a row without a hit after which a track ends
    measured_sd: float = 0.05  # of a box's side, in sizes
    acceleration_sd: float = 4.0  # sizes / s^2


@dataclass(slots=True)
class _Track:
    number: int
    state: Floats  # (2, 4) centre x, y, width, height and their rates per second
    covariance: Floats  # (2, 2) in sizes
    score: float
    hits: int = 1
    missed: int = 0
    row: Mapping[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> float:
        return float(np.sqrt(np.maximum(self.state[0, 2:], 1e-3).prod()))

    def predict(self, step_s: float, settings: Tracking) -> None:
        move = np.array([[1.0, step_s], [0.0, 1.0]])
        noise = np.array([step_s**2 / 2, step_s]) * settings.acceleration_sd
        self.state = move @ self.state
        self.covariance = move @ self.covariance @ move.T + np.outer(noise, noise)

    def update(self, measured: Floats, row: Mapping[str, Any], settings: Tracking) -> None:
        gain = self.covariance[:, 0] / (self.covariance[0, 0] + settings.measured_sd**2)
        self.state = self.state + np.outer(gain, measured - self.state[0])
        self.covariance = self.covariance - np.outer(gain, self.covariance[0])
        self.hits, self.missed, self.score, self.row = self.hits + 1, 0, float(row["score"]), row


def track(
    frames: Sequence[Sequence[Mapping[str, Any]]],
    time_s: Floats,
    image_ids: Sequence[int],
    settings: Tracking,
    first_number: int = 1,
) -> list[dict[str, Any]]:
    """Boxes of confirmed tracks, frame by frame, as COCO results with `track_id`.

    A track that misses a frame is shown where it is expected, with its last score.
    """
    tracks: list[_Track] = []
    number = first_number
    shown: list[dict[str, Any]] = []
    for k, rows in enumerate(frames):
        for known in tracks:
            known.predict(float(time_s[k] - time_s[k - 1]), settings)
        boxes = np.array([row["bbox"] for row in rows], np.float64).reshape(-1, 4)
        measured = np.concatenate([boxes[:, :2] + boxes[:, 2:] / 2, boxes[:, 2:]], axis=1)
        free = set(range(len(rows)))
        for known, place in _assigned(tracks, measured, settings):
            if place is None:
                known.missed += 1
            else:
                known.update(measured[place], rows[place], settings)
                free.discard(place)
        tracks = [known for known in tracks if known.missed <= settings.most_missed]
        for place in sorted(free):
            start = np.stack([measured[place], np.zeros(4)])
            spread = np.diag([settings.measured_sd**2, 1.0])
            tracks.append(_Track(number, start, spread, float(rows[place]["score"]), row=rows[place]))
            number += 1
        shown += [_row(known, image_ids[k]) for known in tracks if known.hits >= settings.confirm]
    return shown


def _assigned(
    tracks: Sequence[_Track], measured: Floats, settings: Tracking
) -> list[tuple[_Track, int | None]]:
    """Each track with the place of its detection, None for none."""
    if not tracks or not len(measured):
        return [(known, None) for known in tracks]
    at = np.array([known.state[0] for known in tracks])
    diagonal = np.hypot(*np.moveaxis((at[:, None, 2:] + measured[None, :, 2:]) / 2, -1, 0))
    cost = np.linalg.norm(at[:, None, :2] - measured[None, :, :2], axis=-1) / np.maximum(diagonal, 1e-6)
    cost = np.where(cost <= settings.gate_diagonals, cost, 1e3)
    pairs = dict(zip(*(ends.tolist() for ends in linear_sum_assignment(cost)), strict=True))
    return [
        (known, pairs[k] if k in pairs and cost[k, pairs[k]] < 1e3 else None)
        for k, known in enumerate(tracks)
    ]


def _row(known: _Track, image_id: int) -> dict[str, Any]:
    x, y, width, height = known.state[0]
    width, height = max(width, 1e-3), max(height, 1e-3)
    return {
        "image_id": image_id,
        "category_id": known.row["category_id"],
        "bbox": [float(v) for v in (x - width / 2, y - height / 2, width, height)],
        "score": known.score,
        "track_id": known.number,
    }
