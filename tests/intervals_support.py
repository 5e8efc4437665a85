"""A made-up world of airports and detectors, to see how often intervals hold and tests err."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Floats = NDArray[np.float64]
FRAMES = 50


@dataclass(frozen=True, slots=True)
class Drawn:
    """Detections of all airports, best first: airport, right or not (detections,); runways (airports,)."""

    airport: NDArray[np.int64]
    right: NDArray[np.bool_]
    runways: NDArray[np.int64]


def draw(rng: np.random.Generator, airports: int, mean: float, spread: float) -> Drawn:
    """Airports of random difficulty (logit of the chance to find a runway) and rate of false alarms."""
    ease = mean + spread * rng.standard_normal(airports)
    alarms = rng.poisson(0.3 * FRAMES * np.exp(0.8 * rng.standard_normal(airports) - 0.32))
    runways = rng.integers(FRAMES, FRAMES * 3 // 2 + 1, airports)
    place, right, score = [], [], []
    for k in range(airports):
        clear = ease[k] + rng.standard_normal(runways[k])
        hit = rng.random(runways[k]) < expit(clear)
        sure = expit(0.3 + 0.5 * clear[hit] + 0.8 * rng.standard_normal(hit.sum()))
        place.append(np.full(len(sure) + alarms[k], k))
        right.append(np.arange(len(sure) + alarms[k]) < len(sure))
        score.append(np.concatenate((sure, expit(-1 + 0.8 * rng.standard_normal(alarms[k])))))
    order = np.argsort(-np.concatenate(score), kind="stable")
    return Drawn(np.concatenate(place)[order], np.concatenate(right)[order], runways)


def average_precision(found: Drawn, weights: Floats) -> Floats:
    """Area under the precision envelope with airports counted so often: (draws, airports) -> (draws,)."""
    counted = weights[:, found.airport]
    hits = np.cumsum(counted * found.right, axis=1)
    precision = hits / np.maximum(np.cumsum(counted, axis=1), 1e-9)
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    gained = np.diff(hits, axis=1, prepend=0)
    return np.asarray((envelope * gained).sum(axis=1) / (weights @ found.runways))


def by_airport(found: Drawn) -> Floats:
    """AP of each airport alone: (airports,)."""
    return average_precision(found, np.eye(len(found.runways)))


def whole_and_without(found: Drawn) -> tuple[float, Floats]:
    """AP of all airports, and without each of them (airports,)."""
    count = len(found.runways)
    whole = average_precision(found, np.ones((1, count)))
    return float(whole[0]), average_precision(found, 1 - np.eye(count))
