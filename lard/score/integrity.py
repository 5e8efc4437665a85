"""Whether four corners fit the runway's known geometry, and how wrong a pose may be that passes the test.

Eight coordinates less six unknowns of the pose leave two degrees of freedom: with corners of independent
normal errors of one standard deviation the residual's square over the variance is chi-square of two degrees.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.stats import chi2, ncx2, norm

from lard.score.boxes import Floats
from lard.score.corners import groups, spread
from lard.score.pnp import Solved
from lard.score.pose import POSITION, placed
from lard.score.sightings import Geometry, Sightings

FREEDOM = 2
RATES = (0.05, 0.01, 0.001)
MOVED_PX = (1.0, 2.0, 5.0, 10.0, 20.0)
_DIRECTIONS = 8
LEVELS = (*POSITION, "horizontal_m")
"""What a position is bounded in; horizontal is the distance along and across together."""
_SEEN = 1e-9
"""Share of a corner's move that the residual must show; less is told from rounding by nothing."""


@dataclass(frozen=True, slots=True)
class Integrity:
    """What the test is designed for; corner_sigma_px is of each coordinate of a corner."""

    corner_sigma_px: float = 1.0
    false_alarm_rate: float = 0.01
    risk: float = 1e-3  # that the error is beyond the protection level, and no alarm, with one corner wrong


@dataclass(frozen=True, slots=True)
class Parity:
    """Of n poses: what the residual shows of errors of the corners, and what the position takes from them."""

    projector: Floats  # (n, 8, 8) residual from errors
    gain: Floats  # (n, 3, 8) along, cross, height in metres per px


def parity_of(solved: Solved) -> Parity:
    """The linear maps at each pose."""
    size = np.linalg.norm(solved.jacobian, axis=1)
    q, r = np.linalg.qr(solved.jacobian / size[:, None, :])
    gain = np.linalg.solve(r, np.swapaxes(q, 1, 2)) / size[:, :, None]
    signs = placed(np.ones((1, 3)))[0]
    return Parity(np.eye(8) - q @ np.swapaxes(q, 1, 2), gain[:, 3:] * signs[:, None])


def statistic(solved: Solved, sigma_px: float) -> Floats:
    """Squared residual over the variance (n,): chi-square of two degrees where corners err as stated."""
    return (solved.residual_px**2).sum(axis=1) / sigma_px**2


def threshold(false_alarm_rate: float) -> float:
    """The statistic from which there is an alarm."""
    return float(chi2.isf(false_alarm_rate, FREEDOM))


def noncentrality(false_alarm_rate: float, missed: float) -> float:
    """How far off the statistic's mean must be to stay unnoticed only so often."""
    limit = threshold(false_alarm_rate)
    high = 1.0
    while ncx2.cdf(limit, FREEDOM, high) > missed:
        high *= 2
    return float(brentq(lambda value: ncx2.cdf(limit, FREEDOM, value) - missed, 0.0, high, xtol=1e-10))


def detection_probability(parity: Parity, moved_px: float, design: Integrity) -> Floats:
    """Chance (n, 4) of an alarm when a corner is off by so much in any direction."""
    angle = 2 * np.pi * np.arange(_DIRECTIONS) / _DIRECTIONS
    move = moved_px / design.corner_sigma_px * np.stack([np.cos(angle), np.sin(angle)], -1)
    shown = np.einsum("di,ncij,dj->ncd", move, _blocks(parity), move)
    limit = threshold(design.false_alarm_rate)
    roots = np.sqrt(np.maximum(shown, 0.0))
    # the function is smooth in the root: its values between 4,001 places are within 1e-6 of a straight line
    table = np.linspace(0.0, max(float(roots.max(initial=0.0)), 1.0), 4001)
    # beyond the edge by 40 standard deviations nothing is left to compute
    chance = ncx2.sf(limit, FREEDOM, np.minimum(table, np.sqrt(limit) + 40.0) ** 2)
    return np.asarray(np.interp(roots, table, chance)).mean(axis=2)


def _blocks(parity: Parity) -> Floats:
    """What the residual shows of each corner's move: (n, 4, 2, 2)."""
    n = len(parity.projector)
    pairs = parity.projector.reshape(n, 4, 2, 4, 2)
    return np.stack([pairs[:, k, :, k] for k in range(4)], axis=1)


def nominal_levels(parity: Parity, design: Integrity) -> Floats:
    """Along, cross, height and horizontal (n, 4) in metres that normal errors exceed at the risk."""
    covariance = parity.gain @ np.swapaxes(parity.gain, 1, 2) * design.corner_sigma_px**2
    sigma = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    sigma_flat = np.sqrt(np.linalg.eigvalsh(covariance[:, :2, :2])[:, -1])
    flat = np.sqrt(chi2.isf(design.risk, 2)) * sigma_flat
    return np.column_stack([norm.isf(design.risk / 2) * sigma, flat])


def protection_levels(parity: Parity, design: Integrity) -> Floats:
    """Along, cross, height and horizontal (n, 4) in metres; infinite where a corner's move goes unseen.

    Whatever one corner does, the chance of an error beyond the level without an alarm is at most the risk:
    a move that is noticed less often moves the pose by no more than slope times the root of noncentrality,
    the rest of the level holds the normal errors; a greater one is noticed.
    """
    bias = np.sqrt(noncentrality(design.false_alarm_rate, design.risk)) * design.corner_sigma_px
    blocks, n = _blocks(parity), len(parity.gain)
    values, vectors = np.linalg.eigh(blocks)
    with np.errstate(divide="ignore"):
        weight = np.where(values > _SEEN, 1 / np.sqrt(np.maximum(values, _SEEN)), np.inf)
    gain = np.moveaxis(parity.gain.reshape(n, 3, 4, 2), 2, 1)  # (n, 4, 3, 2)
    with np.errstate(invalid="ignore"):
        root = np.nan_to_num((gain @ vectors) * weight[:, :, None, :], nan=np.inf)
    slope = np.sqrt((root**2).sum(axis=3)).max(axis=1)  # (n, 3)
    flat = _greatest(root[:, :, :2]).max(axis=1)
    return np.column_stack([slope, flat]) * bias + nominal_levels(parity, design)


def _greatest(matrix: Floats) -> Floats:
    """Greatest singular values of matrices (..., 2, 2), infinite where one of its numbers is."""
    finite = np.asarray(np.isfinite(matrix).all(axis=(-2, -1)))
    filled: Floats = np.where(finite[..., None, None], matrix, 0.0)
    values = np.linalg.svd(filled, compute_uv=False)[..., 0]
    return np.where(finite, values, np.inf)


def integrity_report(
    found: Sightings, solved: Solved, known: Geometry, truth: Mapping[str, Any], design: Integrity
) -> dict[str, Any]:
    """Alarms, chances of noticing a moved corner and protection levels of poses that were found (n,)."""
    values = statistic(solved, design.corner_sigma_px)
    alarm = values > threshold(design.false_alarm_rate)
    parity = parity_of(solved)
    levels = protection_levels(parity, design)
    errors = np.abs(placed(solved.camera_m) - placed(known.camera_m))
    errors = np.column_stack([errors, np.hypot(errors[:, 0], errors[:, 1])])
    beyond = errors > levels
    report: dict[str, Any] = {
        **asdict(design),
        "degrees_of_freedom": FREEDOM,
        "threshold": threshold(design.false_alarm_rate),
        "detections": len(values),
        "alarms": int(alarm.sum()),
        "alarm_rate": float(alarm.mean()),
        # the deviation with which the residuals would be as large as they are
        "fitted_sigma_px": float(np.sqrt((solved.residual_px**2).sum() / (FREEDOM * len(values)))),
        "alarm_rate_at": {f"{rate:g}": float((values > threshold(rate)).mean()) for rate in RATES},
        "detection_probability": {
            f"{moved:g}": _told(detection_probability(parity, moved, design)) for moved in MOVED_PX
        },
        "nominal": _told_levels(nominal_levels(parity, design)),
        "protection": _told_levels(levels),
        "beyond_without_alarm": {
            name: float((beyond[:, k] & ~alarm).mean()) for k, name in enumerate(LEVELS)
        },
    }
    for kind, name, rows in groups(found, truth):
        if kind == "distance":
            entry = {"detections": len(rows), "alarm_rate": float(alarm[rows].mean())}
            report.setdefault("by_distance", {})[name] = entry | _told_levels(levels[rows])
    return report


def _told(chance: Floats) -> dict[str, float]:
    """Mean over poses and corners, and the mean of each pose's worst corner."""
    return {"mean": float(chance.mean()), "worst_corner": float(chance.min(axis=1).mean())}


def _told_levels(levels: Floats) -> dict[str, Any]:
    """Median and 95 % of each level; None where so many are infinite."""
    told: dict[str, Any] = {}
    for k, name in enumerate(LEVELS):
        with np.errstate(invalid="ignore"):
            values = spread(levels[:, k])
        told[name] = {key: value if np.isfinite(value) else None for key, value in values.items()}
    return told
