"""Attacks by gradient: projected descent of a given size, and the search for the smallest change."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from lard.detect.decode import Detections
from lard.robust.balls import Norm, noise, on_sphere, size, steepest, within
from lard.robust.goals import Goal
from lard.robust.scene import Scene

LAST_PACE = 0.05  # of the first step's length
WIDEST, NARROWEST = 0.3, 0.01  # shares by which the smallest change's radius moves, first and last
BEYOND = 4.0  # times the largest eps: where the search for the smallest change gives up
BISECTIONS = 6


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """The best change (1, 3, h, w) of an attack on one picture, and the losses of all its steps."""

    change: Tensor
    size: float
    loss: float
    reached: bool
    found: Detections
    losses: tuple[float, ...] = field(default=())

    @property
    def rank(self) -> tuple[bool, float]:
        """Lower is better for the attacker: the goal first, then the loss."""
        return not self.reached, self.loss


def best_of(outcomes: Iterable[Outcome]) -> Outcome:
    """The attacker's best; the first of equals."""
    return min(outcomes, key=lambda outcome: outcome.rank)


def judged(scene: Scene, goal: Goal, change: Tensor, norm: Norm) -> list[Outcome]:
    """What changes (b, 3, h, w) do, without gradients."""
    with torch.no_grad():
        answers = scene.answers(change)
        losses = goal.losses(answers)
    found = [scene.detections(answers, item) for item in range(len(change))]
    return _outcomes(goal, change, norm, losses, found)


def felt(scene: Scene, goal: Goal, change: Tensor, norm: Norm) -> tuple[list[Outcome], Tensor]:
    """What changes (b, 3, h, w) do, and the gradient of each one's loss."""
    change = change.detach().requires_grad_(True)
    answers = scene.answers(change)
    losses = goal.losses(answers)
    (gradient,) = torch.autograd.grad(losses.sum(), change)
    found = [scene.detections(answers, item) for item in range(len(change))]
    return _outcomes(goal, change.detach(), norm, losses.detach(), found), gradient


def _outcomes(
    goal: Goal, change: Tensor, norm: Norm, losses: Tensor, found: list[Detections]
) -> list[Outcome]:
    sizes = size(change, norm)
    return [
        Outcome(
            change[item : item + 1],
            float(sizes[item]),
            float(losses[item]),
            goal.eligible and goal.reached(found[item]),
            found[item],
        )
        for item in range(len(change))
    ]


def descend(
    scene: Scene, goal: Goal, norm: Norm, eps: float, steps: int, starts: Tensor, stop: bool = True
) -> Outcome:
    """The best of projected descents from starts (b, 3, h, w), side by side, within radius eps.

    With `stop` they end once one of them reaches a goal that leaves nothing to gain.
    """
    change = within(starts, scene.pixels, norm, eps)
    best: Outcome | None = None
    losses = []
    for step in range(steps):
        outcomes, gradient = felt(scene, goal, change, norm)
        best = best_of(outcomes if best is None else [best, *outcomes])
        losses.append(min(one.loss for one in outcomes))
        if stop and goal.ends and best.reached:
            break
        moved = change - eps * pace(step, steps) * steepest(gradient, norm)
        change = within(moved, scene.pixels, norm, eps)
    else:
        outcomes = judged(scene, goal, change, norm)
        best = best_of(outcomes if best is None else [best, *outcomes])
        losses.append(min(one.loss for one in outcomes))
    return Outcome(best.change, best.size, best.loss, best.reached, best.found, tuple(losses))


def attack(
    scene: Scene,
    goal: Goal,
    norm: Norm,
    eps: float,
    steps: int,
    restarts: int,
    rng: np.random.Generator,
    before: Outcome | None = None,
    batch: int = 1,
) -> Outcome:
    """The best change within eps: from none, from that of a smaller radius, and from random ones.

    What a smaller radius reached is kept, so that a larger one never does worse.
    """
    if before is not None and before.reached and goal.ends:
        return before
    first = torch.zeros_like(scene.pixels) if before is None else before.change
    drawn = [noise(scene.pixels, norm, eps, rng) for _ in range(restarts - 1)]
    starts = [first, *drawn]
    done = [] if before is None else [before]
    for place in range(0, len(starts), batch):
        done.append(descend(scene, goal, norm, eps, steps, torch.cat(starts[place : place + batch])))
        if goal.ends and done[-1].reached:
            break
    return best_of(done)


def smallest(
    scene: Scene, goal: Goal, norm: Norm, steps: int, start: Outcome, most: float
) -> tuple[Outcome | None, float]:
    """The smallest change found that reaches a goal, None if none did, and the largest radius tried.

    The radius shrinks after each change that reaches the goal and grows after each that does not, by shares
    that shrink; the direction follows the gradient. The best one is then shortened along itself.
    """
    change = start.change
    best = start if start.reached else None
    radius = start.size or most / (4 * BEYOND)
    tried = start.size
    for step in range(steps):
        (now,), gradient = felt(scene, goal, change, norm)
        share = NARROWEST + (WIDEST - NARROWEST) * pace(step, steps)
        if now.reached:
            best = now if best is None or now.size < best.size else best
            if best.size == 0:
                break
            radius = min(now.size, best.size) * (1 - share)
        else:
            tried = max(tried, now.size)
            radius = min(radius * (1 + share), most, math.inf if best is None else best.size)
        moved = change - radius * pace(step, steps) * steepest(gradient, norm)
        change = on_sphere(moved, scene.pixels, norm, radius)
    if steps and (best is None or best.size > 0):
        (last,) = judged(scene, goal, change, norm)
        tried = max(tried, last.size)
        if last.reached and (best is None or last.size < best.size):
            best = last
    return (None if best is None else shortened(scene, goal, norm, best)), tried


def shortened(scene: Scene, goal: Goal, norm: Norm, outcome: Outcome) -> Outcome:
    """The shortest change along one that reaches its goal which still does, by bisection."""
    low, high, best = 0.0, 1.0, outcome
    for _ in range(BISECTIONS if outcome.size > 0 else 0):
        middle = (low + high) / 2 if low > 0 else 0.9 * high
        (now,) = judged(scene, goal, outcome.change * middle, norm)
        if now.reached:
            high, best = middle, now
        else:
            low = middle
    return best


def pace(step: int, steps: int) -> float:
    """Length of a step as a share of the first: half a cosine."""
    return LAST_PACE + (1 - LAST_PACE) * (1 + math.cos(math.pi * step / max(1, steps))) / 2
