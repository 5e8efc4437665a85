"""Seeded random motions on a fixed time grid: Dryden gusts near the ground, smooth guidance errors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import signal

Array = NDArray[np.float64]

_FOOT_M = 0.3048


def dryden_scales(height_m: Array, wind_6m_m_s: float) -> tuple[Array, Array, Array, Array]:
    """Length scales (horizontal, vertical) in metres and standard deviations (horizontal, vertical) in m/s.

    MIL-F-8785C below 1,000 ft, for the wind at 6 m (20 ft); kept constant above, and below 10 ft.
    """
    feet = np.clip(height_m / _FOOT_M, 10.0, 1000.0)
    shape = 0.177 + 0.000823 * feet
    vertical_sd = np.full_like(feet, 0.1 * wind_6m_m_s)
    return feet / shape**1.2 * _FOOT_M, feet * _FOOT_M, vertical_sd / shape**0.4, vertical_sd


def dryden_gusts(
    height_m: Array, airspeed_m_s: float, wind_6m_m_s: float, step_s: float, rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    """Gusts (n,) in m/s along, across and up, with Dryden spectra, as the scales change with height."""
    length, length_up, sd, sd_up = dryden_scales(height_m, wind_6m_m_s)
    along = sd * _first_order(step_s * airspeed_m_s / length, rng)
    across = sd * _transverse(step_s * airspeed_m_s / length, rng)
    up = sd_up * _transverse(step_s * airspeed_m_s / length_up, rng)
    return along, across, up


def smooth_error(n: int, step_s: float, time_constant_s: float, rng: np.random.Generator) -> Array:
    """Stationary process (n,) of unit variance whose rate and acceleration are continuous too."""
    # four equal lags: an aircraft that follows the error banks with its second derivative
    decay = np.exp(-4 * step_s / time_constant_s)
    settling = int(np.ceil(8 * time_constant_s / step_s))
    impulse = np.zeros(settling)
    impulse[0] = 1.0
    noise = rng.standard_normal(settling + n)
    for _ in range(4):
        impulse, noise = (signal.lfilter([1 - decay], [1, -decay], x) for x in (impulse, noise))
    return noise[settling:] / np.sqrt((impulse**2).sum())


def _first_order(x: Array, rng: np.random.Generator) -> Array:
    """Gauss-Markov process (n,) of unit variance; x = step / time constant at each step."""
    decay = np.exp(-x)
    noise = rng.standard_normal(len(x))
    value, values = noise[0], np.empty(len(x))
    for k in range(len(x)):
        values[k] = value
        value = decay[k] * value + np.sqrt(1 - decay[k] ** 2) * noise[(k + 1) % len(x)]
    return values


def _transverse(x: Array, rng: np.random.Generator) -> Array:
    """Unit-variance process (n,) with Dryden's transverse spectrum (1 + sqrt(3) s) / (1 + s)^2."""
    value, rate = _second_order(x, rng)
    return value / 2 + rate * np.sqrt(3) / 2


def _second_order(x: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """States (n,), both of unit variance, of 1 / (1 + s)^2 driven by white noise; x = step / time constant.

    The transition over a step is exact, and its noise keeps the covariance the identity also while the
    time constant changes: Q = I - T T'.
    """
    decay = np.exp(-x)
    t11, t12, t21, t22 = decay * (1 + x), decay * x, -decay * x, decay * (1 - x)
    q11 = np.sqrt(np.maximum(1 - t11**2 - t12**2, 0.0))
    q12 = -(t11 * t21 + t12 * t22)
    lower = np.divide(q12, q11, out=np.zeros_like(q11), where=q11 > 0)
    q22 = np.sqrt(np.maximum(1 - t21**2 - t22**2 - lower**2, 0.0))
    noise = rng.standard_normal((len(x) + 1, 2))
    value, rate = noise[-1]
    values, rates = np.empty(len(x)), np.empty(len(x))
    for k in range(len(x)):
        values[k], rates[k] = value, rate
        a, b = noise[k]
        value, rate = (
            t11[k] * value + t12[k] * rate + q11[k] * a,
            t21[k] * value + t22[k] * rate + lower[k] * a + q22[k] * b,
        )
    return values, rates
