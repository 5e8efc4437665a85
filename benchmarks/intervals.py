"""How often intervals over airports hold and tests over airports err, in a made-up world of detectors.

python benchmarks/intervals.py              # 1,000 worlds per row; some minutes
python benchmarks/intervals.py --draws 200
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from lard.score.inference import jackknife_interval, sign_flip

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from intervals_support import Drawn, average_precision, by_airport, draw, whole_and_without

Floats = NDArray[np.float64]
WORLDS = ((2.2, 0.8), (0.5, 1.0), (3.5, 1.2))
"""Mean and spread over airports of the logit of the chance to find a runway."""
AIRPORTS = (3, 4, 5, 6, 8, 10, 15, 20)
RESAMPLES = 400
Interval = tuple[float, float] | None


def resampled(found: Drawn, rng: np.random.Generator) -> Floats:
    """AP of draws of airports with replacement: (RESAMPLES,)."""
    count = len(found.runways)
    times = [np.bincount(rng.integers(0, count, count), minlength=count) for _ in range(RESAMPLES)]
    return average_precision(found, np.array(times, np.float64))


def percentile(found: Drawn, rng: np.random.Generator) -> Interval:
    """Percentiles of draws of airports."""
    low, high = np.quantile(resampled(found, rng), [0.025, 0.975])
    return float(low), float(high)


def bca(found: Drawn, rng: np.random.Generator) -> Interval:
    """Bias-corrected and accelerated percentiles."""
    drawn = resampled(found, rng)
    whole, without = whole_and_without(found)
    below = np.clip(np.mean(drawn < whole) + np.mean(drawn == whole) / 2, 1 / RESAMPLES, 1 - 1 / RESAMPLES)
    bias = stats.norm.ppf(below)
    gaps = without.mean() - without
    pull = (gaps**3).sum() / (6 * (gaps**2).sum() ** 1.5 + 1e-30)
    z = bias + stats.norm.ppf([0.025, 0.975])
    low, high = np.quantile(drawn, stats.norm.cdf(bias + z / (1 - pull * z)))
    return float(low), float(high)


def plain_jackknife(found: Drawn, rng: np.random.Generator) -> Interval:
    """Jackknife and Student's t without the logit."""
    whole, without = whole_and_without(found)
    count = len(without)
    half = stats.t.ppf(0.975, count - 1) * np.sqrt((count - 1) ** 2 / count * without.var(ddof=1))
    return whole - float(half), whole + float(half)


def chosen(found: Drawn, rng: np.random.Generator) -> Interval:
    """What lard.score.inference does."""
    interval = jackknife_interval(*whole_and_without(found))
    return None if interval is None else (interval[0], interval[1])


METHODS: dict[str, Callable[[Drawn, np.random.Generator], Interval]] = {
    "percentile": percentile, "BCa": bca, "jackknife t": plain_jackknife, "jackknife t, logit": chosen,
}  # fmt: skip


def coverage(draws: int) -> None:
    """Share of 95 % intervals that hold the AP of very many airports, and their mean width."""
    for mean, spread in WORLDS:
        rng = np.random.default_rng([0, int(10 * mean)])
        ones = np.ones((1, 300))
        truth = float(np.mean([average_precision(draw(rng, 300, mean, spread), ones)[0] for _ in range(20)]))
        for airports in AIRPORTS:
            held, width = dict.fromkeys(METHODS, 0), dict.fromkeys(METHODS, 0.0)
            for _ in range(draws):
                found = draw(rng, airports, mean, spread)
                for name, method in METHODS.items():
                    low, high = method(found, rng) or (np.nan, np.nan)
                    held[name] += int(low <= truth <= high)
                    width[name] += (high - low) / draws
            cells = "  ".join(f"{name} {held[name] / draws:.3f} ({width[name]:.2f})" for name in METHODS)
            print(f"AP {truth:.3f}, {airports:2d} airports: {cells}", flush=True)


def errors(draws: int) -> None:
    """Share of draws where p of the sign-flip test is at most 0.05: equal models, and a better one."""
    mean, spread = WORLDS[0]
    for airports in (2, 3, 5, 6, 8, 10, 15, 20):
        rng = np.random.default_rng([1, airports])
        shares = {}
        for title, gain in (("equal", 0.0), ("better by 0.6 in logit", 0.6)):
            small = 0
            for _ in range(draws):  # airports are drawn apart for each: less alike than in a true pair
                first, second = (by_airport(draw(rng, airports, mean + g, spread)) for g in (0.0, gain))
                small += sign_flip(second - first).p <= 0.05
            shares[title] = small / draws
        cells = ", ".join(f"{title} {share:.3f}" for title, share in shares.items())
        print(
            f"{airports:2d} airports, smallest p {2.0 ** (1 - airports):.2g}: p <= 0.05 {cells}", flush=True
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=1000)
    given = parser.parse_args()
    errors(given.draws)
    coverage(given.draws)
