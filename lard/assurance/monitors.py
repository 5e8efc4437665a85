"""Monitors of the domain: five alarms of a picture, fitted to training airports, set on validation airports.

Every alarm is larger the stranger the picture. Of a model of constant L the alarms of logits and of pooled
features move by at most a known multiple of L * eps under perturbations of norm eps, and the learnt distance
does so beside any model: those constants go with the alarms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lard.assurance.domains import Shot
from lard.assurance.features import Look, looks_of
from lard.assurance.mahalanobis import LEAST_ROWS, Gaussian, fit_gaussian
from lard.assurance.ocsdf import Distance, learn
from lard.assurance.ranks import Alarms
from lard.assurance.thresholds import PICTURES, Rule, threshold_by
from lard.detect.checkpoint import Checkpoint
from lard.errors import DataError, ModelError
from lard.progress import track

Floats = NDArray[np.float64]

FIRING, ENERGY, MAHALANOBIS, BOTH, DISTANCE = ALARMS = (
    "firing score", "energy", "mahalanobis", "energy + mahalanobis", "signed distance",
)  # fmt: skip
SAYS = {
    FIRING: "minus the largest logit of the picture: the detector sees nothing it is sure of (baseline)",
    ENERGY: "minus log(sum over cells of exp(T z)) / T of the logits z",
    MAHALANOBIS: "distance of the pooled pyramid features, means and deviations of each channel, from"
    " those of the training airports, shrunk covariance",
    BOTH: "energy and Mahalanobis distance, each in deviations of the validation airports, added",
    DISTANCE: "minus a signed distance to the training airports' pictures at 64 x 64, learnt by a 1-Lipschitz"
    " network of one class (OCSDF); it does not look at the detector",
}


@dataclass(frozen=True, slots=True)
class Monitor:
    """Fitted alarms of one model's pictures, and the thresholds at which each stops the detector."""

    model: str
    model_sha256: str
    constant: float | None  # L of the model, from pixels in [0, 1] to logits and features
    gaussian: Gaussian
    centres: Floats  # (2,) of energy and Mahalanobis distance, on validation airports
    widths: Floats  # (2,) their deviations
    distance: Distance
    false_stops: float
    thresholds: Mapping[str, float]
    learnt_on: Mapping[str, int]  # airport: pictures
    set_on: Mapping[str, int]
    rule: Rule = PICTURES  # by which thresholds were set

    def alarms(self, looks: Sequence[Look], airports: Sequence[str]) -> dict[str, Alarms]:
        """The alarms of looked-at pictures, by name; ModelError for looks of a model of another shape."""
        pooled = np.stack([one.pooled for one in looks])
        if pooled.shape[1] != len(self.gaussian.mean):
            raise ModelError(
                f"{pooled.shape[1]} pooled features, the monitor was fitted to {len(self.gaussian.mean)};"
                " give the model it was fitted to"
            )
        places = np.array(airports)
        raw = _raw(self.gaussian, self.distance, looks, pooled)
        scaled = [
            (raw[name] - self.centres[k]) / self.widths[k] for k, name in enumerate((ENERGY, MAHALANOBIS))
        ]
        raw[BOTH] = scaled[0] + scaled[1]
        constants = self._constants(looks)
        return {name: Alarms(raw[name], places, constants.get(name)) for name in ALARMS}

    def _constants(self, looks: Sequence[Look]) -> dict[str, Floats]:
        """What each alarm can move by per norm of the pixels, where that is known: (n,) each."""
        found = {DISTANCE: self.distance.constant * np.array([one.gain for one in looks])}
        if self.constant is None:
            return found
        logits = np.full(len(looks), self.constant)
        # pictures of one size share their constant
        sizes: dict[tuple[int, ...], float] = {}
        for one in looks:
            key = tuple(int(count) for count in one.cells)
            if key not in sizes:
                sizes[key] = self.gaussian.constant(one.pooling)
        pooled = self.constant * np.array([sizes[tuple(int(count) for count in one.cells)] for one in looks])
        both = logits / self.widths[0] + pooled / self.widths[1]
        return found | {FIRING: logits, ENERGY: logits, MAHALANOBIS: pooled, BOTH: both}


def _raw(gaussian: Gaussian, distance: Distance, looks: Sequence[Look], pooled: Floats) -> dict[str, Floats]:
    return {
        FIRING: np.array([-one.peak for one in looks]),
        ENERGY: np.array([-one.energy for one in looks]),
        MAHALANOBIS: gaussian.distances(pooled),
        DISTANCE: -distance.scores(np.stack([one.small for one in looks])),
    }


@dataclass(frozen=True, slots=True)
class Seen:
    """Looks at pictures and the airports of these, in the same order."""

    looks: Sequence[Look]
    airports: Sequence[str]

    def counts(self) -> dict[str, int]:
        """Pictures of each airport."""
        return {name or "unnamed": self.airports.count(name) for name in sorted(set(self.airports))}


def look_at(
    checkpoint: Checkpoint, weights_sha256: str, shots: Sequence[Shot], folder: Path | None, title: str
) -> Seen:
    """Look at pictures, with progress; looks are kept in the folder and taken from there."""
    looks = looks_of(checkpoint, weights_sha256, track(shots, title, unit="images"), folder)
    return Seen(list(looks), [shot.airport for shot in shots])


def check_sets(
    training: Sequence[str], validation: Sequence[str], false_stops: float, rule: Rule = PICTURES
) -> None:
    """DataError for pictures, by their airports, that no monitor can be fitted to or set on."""
    if shared := sorted((set(training) & set(validation)) - {""}):
        raise DataError(
            f"airport {shared[0]} is in both splits ({len(shared)} airports are); false stops must be counted"
            " on airports that nothing was fitted to"
        )
    if len(training) < LEAST_ROWS:
        raise DataError(
            f"{len(training)} training pictures inside the domain to fit to; give at least {LEAST_ROWS}"
        )
    threshold_by(rule, np.zeros(len(validation)), validation, false_stops)


def fit(
    model: str,
    model_sha256: str,
    constant: float | None,
    training: Seen,
    validation: Seen,
    false_stops: float,
    steps: int,
    seed: int,
    rule: Rule = PICTURES,
) -> Monitor:
    """Fit the alarms to training pictures; validation ones set each threshold for a rate of false stops, by a
    rule of lard.assurance.thresholds.

    DataError for sets too small, for airports in both, and for a rate that the pictures cannot support.
    """
    check_sets(training.airports, validation.airports, false_stops, rule)
    pooled = np.stack([one.pooled for one in training.looks])
    gaussian = fit_gaussian(pooled)
    distance = learn(np.stack([one.small for one in training.looks]), steps, seed)
    own = np.stack([one.pooled for one in validation.looks])
    raw = _raw(gaussian, distance, validation.looks, own)
    pair = np.stack([raw[ENERGY], raw[MAHALANOBIS]])
    widths = pair.std(axis=1)
    if not (np.isfinite(pair).all() and (widths > 0).all()):
        raise DataError("validation pictures all alarm alike; give pictures that differ")
    blank = Monitor(
        model, model_sha256, constant, gaussian, pair.mean(axis=1), widths, distance, false_stops, {},
        training.counts(), validation.counts(),
    )  # fmt: skip
    alarms = blank.alarms(validation.looks, validation.airports)
    thresholds = {
        name: threshold_by(rule, alarm.values, alarm.airports, false_stops) for name, alarm in alarms.items()
    }
    return Monitor(
        model, model_sha256, constant, gaussian, blank.centres, widths, distance, false_stops, thresholds,
        blank.learnt_on, blank.set_on, rule,
    )  # fmt: skip
