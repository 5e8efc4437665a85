"""Approaches judged per second on one core: `python benchmarks/odd_membership.py [SPEC]`."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
import time

import numpy as np

from lard.approach import Approaches
from lard.odd import judge, load_spec, verdicts
from lard.odd.parameters import APPROACH

N = 1_000_000


def main() -> None:
    """Time verdicts alone and with margins, on approaches in and around the domain."""
    spec = load_spec(sys.argv[1] if len(sys.argv) > 1 else "odd_specs/lard_v2.yaml")
    limits = spec.limits("extended")
    lo, hi = limits[..., 0].min(axis=0), limits[..., 1].max(axis=0)
    approaches = Approaches(*np.random.default_rng(0).uniform(lo[:, None], hi[:, None], (len(APPROACH), N)))
    for name, judge_all in (("verdicts", verdicts), ("verdicts with margins", judge)):
        judge_all(spec, approaches[:1000])
        seconds = []
        for _ in range(5):
            start = time.process_time()
            judge_all(spec, approaches)
            seconds.append(time.process_time() - start)
        print(
            f"{name}: {N / min(seconds):.3g} approaches/s (best of 5, {spec.name}, {len(spec.zones)} zones)"
        )


if __name__ == "__main__":
    main()
