"""Stripes, bars and steps in brightness profiles across a line, to a fraction of a sample."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

Array = NDArray[np.float64]
Grey = NDArray[Any]

STEP_PX = 0.25
MIN_CONTRAST = 4.0  # grey levels
RESOLVED_PX = 7.5
"""Least length of bars in the picture: in shorter ones the threshold's step cannot be told from theirs."""
STRIPE_GAIN = 1.6  # how much less the misfit must be with a stripe before the bars to believe in one
_BLURS_PX = (0.4, 0.55, 0.7, 0.9, 1.2)


def samples(grey: Grey, points: Array, normal: Array, reach_px: float) -> Array:
    """Brightness (k, m) across a line at each of its points (k, 2), every STEP_PX to +-reach, bilinear."""
    steps = np.arange(round(2 * reach_px / STEP_PX) + 1) * STEP_PX - reach_px
    where = points[:, None, :] + steps[None, :, None] * normal - 0.5  # pixel centres are at +0.5
    x, y = where[..., 0].astype(np.float32), where[..., 1].astype(np.float32)
    return np.asarray(cv2.remap(grey, x, y, cv2.INTER_LINEAR), np.float64)


def _smooth(profile: Array, sigma_px: float) -> Array:
    blurred = cv2.GaussianBlur(
        profile.astype(np.float32)[None, :], (0, 0), sigma_px / STEP_PX, borderType=cv2.BORDER_REPLICATE
    )
    return np.asarray(blurred[0], np.float64)


def ridge(profile: Array, width_px: float) -> float | None:
    """Place (index, fractional) of the one bright stripe of a profile; None when nothing stands out.

    The brightest place starts a fit of three levels (before, on and behind a stripe of known width, blurred):
    a plain peak would lean towards the brighter neighbour by up to a third of a pixel.
    """
    smooth = _smooth(profile, 0.5)
    best = int(np.argmax(smooth))
    if not 2 <= best < len(smooth) - 2:
        return None
    prominence = float(smooth[best]) - max(float(smooth[: best + 1].min()), float(smooth[best:].min()))
    if prominence < MIN_CONTRAST:
        return None
    half = round((width_px / 2 + 2.5) / STEP_PX)
    start, end = max(best - half, 0), min(best + half + 1, len(profile))
    x = (np.arange(start, end, dtype=np.float64) - best) * STEP_PX
    shifts: Array = np.linspace(-1.5, 1.5, 61)
    misfits = np.stack([_misfit(profile[start:end], x, shifts, width_px, blur) for blur in _BLURS_PX])
    row, place = np.unravel_index(int(np.argmin(misfits)), misfits.shape)
    if not 0 < place < len(shifts) - 1:
        return None  # no stripe of that width here
    return best + (shifts[place] + (_peak(-misfits[row], int(place)) - place) * 0.05) / STEP_PX


def _misfit(profile: Array, x: Array, shifts: Array, width_px: float, blur_px: float) -> Array:
    """Squared misfit (k,) of the best three levels around a blurred stripe at each shift."""
    root = np.sqrt(2) * blur_px
    left = 0.5 * (1 + erf((x - shifts[:, None] + width_px / 2) / root))
    right = 0.5 * (1 + erf((x - shifts[:, None] - width_px / 2) / root))
    basis = np.stack([1 - left, left - right, right], axis=-1)  # (k, m, 3)
    normal = np.einsum("kmi,kmj->kij", basis, basis) + 1e-9 * np.eye(3)
    levels = np.linalg.solve(normal, np.einsum("kmi,m->ki", basis, profile)[..., None])
    return np.asarray(np.sum((np.matmul(basis, levels)[..., 0] - profile) ** 2, axis=1))


def bars(profile: Array, marks_px: Array) -> float | None:
    """Place (index, fractional) of the start of threshold bars in a profile across it; None without bars.

    profile: brightness every STEP_PX, its middle where the bars should start; marks_px: start and end of the
    bars, the threshold, then start and end of each stripe across that may be painted before the bars
    (3 + 2 n,), on the profile's axis. The model is a blurred staircase: what lies before the threshold,
    pavement, perhaps a stripe on either, bars, anything behind them. Bars shorter than RESOLVED_PX cannot be
    told from the other steps.
    """
    reach = (len(profile) - 1) * STEP_PX / 2
    x = np.asarray(np.arange(len(profile)) * STEP_PX - reach, np.float64)
    sign = 1.0 if marks_px[1] > marks_px[0] else -1.0
    edges = sign * (marks_px - marks_px[0])
    profile, limit = (profile if sign > 0 else profile[::-1]), reach - 1.0
    if edges[1] < RESOLVED_PX or float(np.ptp(profile)) < 2 * MIN_CONTRAST:
        return None
    stripes = [edges[:0], *edges[3:].reshape(-1, 2)]
    coarse: Array = np.arange(-limit, limit + 0.01, 0.25)
    fine: Array = np.linspace(-1.0, 1.0, 41)
    best = (np.inf, 0.0)
    for shifts, blurs in ((coarse, (0.7,)), (fine, _BLURS_PX)):
        tried: Array = best[1] + shifts
        fits = []
        for stripe in stripes:
            misfit, shift = min(
                _stairs(profile, x, tried, (edges[2], edges[1]), stripe, blur) for blur in blurs
            )
            fits.append((misfit * (STRIPE_GAIN if len(stripe) else 1.0), shift))
        best = min(fits)
    if not np.isfinite(best[0]) or abs(best[1]) > limit - 0.05:
        return None
    return (reach + sign * best[1]) / STEP_PX


def _stairs(
    profile: Array, x: Array, shifts: Array, steps: tuple[float, float], stripe: Array, blur_px: float
) -> tuple[float, float]:
    """Least squared misfit of bars at one of the shifts (k,), and that shift; inf if none are bright.

    steps: threshold and end of the bars, px from their start; stripe: the same of a stripe's edges, or none.
    """
    root = np.sqrt(2) * blur_px

    def rise(at_px: float) -> Array:
        return np.asarray(0.5 * (1 + erf((x - shifts[:, None] - at_px) / root)))

    threshold, begin, end = rise(steps[0]), rise(0.0), rise(steps[1])
    columns = [1 - threshold, threshold - begin, begin - end, end]
    if len(stripe):
        columns.append(rise(stripe[0]) - rise(stripe[1]))
    basis = np.stack(columns, axis=-1)
    normal = np.einsum("kmi,kmj->kij", basis, basis) + 1e-3 * np.eye(len(columns))
    levels = np.linalg.solve(normal, np.einsum("kmi,m->ki", basis, profile)[..., None])
    misfit = np.sum((np.matmul(basis, levels)[..., 0] - profile) ** 2, axis=1)
    bright = levels[:, 2, 0] - levels[:, 1, 0] > 2 * MIN_CONTRAST
    if len(stripe):
        bright &= levels[:, 4, 0] > 2 * MIN_CONTRAST
    misfit = np.where(bright, misfit, np.inf)
    k = int(np.argmin(misfit))
    shift = float(shifts[k])
    if 0 < k < len(shifts) - 1 and np.isfinite(misfit[k - 1 : k + 2]).all():
        shift += (_peak(-misfit, k) - k) * float(shifts[1] - shifts[0])
    return float(misfit[k]), shift


def step(profile: Array, sign: float = 0.0) -> float | None:
    """Place (index, fractional) of the strongest step, upwards or downwards by the sign, or either for 0."""
    slope = np.gradient(_smooth(profile, 0.7))
    slope = np.abs(slope) if sign == 0 else slope * sign
    best = int(np.argmax(slope))
    if not 2 <= best < len(slope) - 2:
        return None
    near = profile[max(best - 8, 0) : best + 9]
    return None if float(np.ptp(near)) < 2 * MIN_CONTRAST else _peak(slope, best)


def _peak(values: Array, best: int) -> float:
    a, b, c = values[best - 1 : best + 2]
    bend = a - 2 * b + c
    return float(best + (0.5 * (a - c) / bend if bend < 0 else 0.0))
