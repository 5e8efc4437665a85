"""Whether an attack can be believed: signs that gradients are masked, which would flatter a model.

A loss that more steps or more restarts do not lower, an attack made on another model that does more, or a
search without gradients that does more: each is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from lard.robust.balls import Norm, noise
from lard.robust.descent import Outcome, best_of, descend, judged
from lard.robust.goals import Goal
from lard.robust.scene import Scene
from lard.robust.square import square_attack

RESTARTS = 3
SLACK = 0.02  # of the loss at the clean picture, by which two losses may differ without a word


def checked(
    scene: Scene,
    goal: Goal,
    norm: Norm,
    eps: float,
    steps: int,
    queries: int,
    rng: np.random.Generator,
    other: tuple[Scene, Goal] | None = None,
) -> dict[str, Any]:
    """Losses of one picture by steps, by restarts, without gradients, by an attack on another model."""
    zero = torch.zeros_like(scene.pixels)
    (clean,) = judged(scene, goal, zero, norm)
    by_steps = {
        count: descend(scene, goal, norm, eps, count, zero, stop=False)
        for count in sorted({max(1, steps // 2), steps, 2 * steps})
    }
    plain = by_steps[steps]
    restarts = [plain] + [
        descend(scene, goal, norm, eps, steps, noise(scene.pixels, norm, eps, rng), stop=False)
        for _ in range(RESTARTS - 1)
    ]
    found: dict[str, Any] = {
        "clean_loss": clean.loss,
        "by_steps": {str(count): _told(outcome) for count, outcome in by_steps.items()},
        "by_start": [_told(outcome) for outcome in restarts],
        "pgd": _told(best_of(restarts)),
    }
    if queries:
        found["square"] = _told(square_attack(scene, goal, norm, eps, queries, rng))
    if other is not None:
        made = descend(*other, norm, eps, steps, zero, stop=False)
        found["transfer"] = _told(judged(scene, goal, made.change, norm)[0])
    return found


def _told(outcome: Outcome) -> dict[str, Any]:
    return {"loss": outcome.loss, "reached": outcome.reached}


def warnings(found: Sequence[Mapping[str, Any]], norm: Norm, eps: float) -> list[str]:
    """A line for each sign of masked gradients in the checks of some pictures."""
    at = f"at {norm} {eps:g}"
    lines = []
    for name, what in (("square", "the search without gradients"), ("transfer", "the other model's attack")):
        rows = [row for row in found if name in row]
        stronger = sum(_stronger(row[name], row["pgd"], row) for row in rows)
        if stronger:
            lines.append(
                f"{what} does more than the gradient attack {at} on {stronger} of {len(rows)} pictures:"
                " gradients may be masked; do not read the curves as robustness, use more steps and restarts"
            )
    idle = 0
    for row in found:
        runs = [row["by_steps"][key] for key in sorted(row["by_steps"], key=int)]
        idle += len(runs) > 1 and _stronger(runs[0], runs[-1], row)
    if idle:
        lines.append(
            f"four times as many steps do less {at} on {idle} of {len(found)} pictures: the loss is not"
            " smooth there"
        )
    lucky = sum(
        not row["by_start"][0]["reached"] and any(one["reached"] for one in row["by_start"]) for row in found
    )
    if lucky:
        lines.append(
            f"random starts reach the goal {at} on {lucky} of {len(found)} pictures where the clean start"
            " does not: use --restarts"
        )
    return lines


def _stronger(one: Mapping[str, Any], other: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Whether one outcome does more than another: it alone reaches the goal, or its loss is clearly lower."""
    if one["reached"] != other["reached"]:
        return bool(one["reached"])
    slack = SLACK * max(1e-6, abs(row["clean_loss"] - other["loss"]))
    return not one["reached"] and bool(one["loss"] < other["loss"] - slack)
