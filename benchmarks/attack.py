"""CPU seconds of one pass of an attack, beside the forward and backward pass of the bare network.

python benchmarks/attack.py                             # one thread, fcos-s and lip-fcos-m-robust
python benchmarks/attack.py fcos-m lip-fcos-s           # the shipped models named
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
import torch

from lard.detect.cards import card_of, weights_of
from lard.detect.config import PredictSpec
from lard.robust.balls import steepest, within
from lard.robust.descent import felt
from lard.robust.goals import goal_of
from lard.robust.layout import layout_of
from lard.robust.scene import Scene
from lard.robust.unit import opened

SIDE_PX, REPEATS, EPS = 1024, 2, 0.5


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU seconds of one call, after a first one that is not counted; the least of several."""
    work()
    found = []
    for _ in range(REPEATS):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found)


def measure(name: str) -> None:
    """Print both passes of a shipped model on a random picture with a runway in it."""
    torch.set_num_threads(1)
    pixels = torch.from_numpy(np.random.default_rng(0).uniform(0, 1, (1, 3, SIDE_PX, SIDE_PX))).float()
    box = np.array([[500.0, 500.0, 560.0, 540.0]])
    net, score = opened(weights_of(name)).net, card_of(name).score_threshold or 0.5
    scene = Scene(net, pixels, box, np.zeros((0, 4)), score, PredictSpec())
    zero = torch.zeros_like(pixels)
    with torch.no_grad():
        goal = goal_of("vanish", layout_of(scene, scene.answers(zero)), np.random.default_rng(0))

    def bare() -> None:
        seen = pixels.clone().contiguous(memory_format=torch.channels_last).requires_grad_(True)
        torch.autograd.grad(sum(level.logits.sum() + level.distances_px.sum() for level in net(seen)), seen)

    def step() -> None:
        _, gradient = felt(scene, goal, zero, "l2")
        within(zero - EPS * steepest(gradient, "l2"), pixels, "l2", EPS)

    network, whole = cpu_seconds(bare), cpu_seconds(step)
    print(f"{name:>20}  network {network:.2f} s, step of an attack {whole:.2f} s ({whole / network:.2f} x)")


if __name__ == "__main__":
    for one in sys.argv[1:] or ["fcos-s", "lip-fcos-m-robust"]:
        measure(one)
