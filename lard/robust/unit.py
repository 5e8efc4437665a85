"""One attack on one picture over all sizes, which goes on where it was interrupted.

Each size leaves a file with what was found, and the change that the next one starts from; an attack that
was stopped ends with the same bytes as one that was not.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lard.detect.checkpoint import Checkpoint, load_detector
from lard.detect.config import PredictSpec
from lard.detect.data import Picture
from lard.detect.fcos import channels_last
from lard.documents import read_json
from lard.errors import DataError
from lard.files import atomic_path, frame_rng, write_json
from lard.robust.balls import Norm
from lard.robust.descent import BEYOND, Outcome, attack, judged, smallest
from lard.robust.gallery import panel
from lard.robust.goals import Goal, goal_of
from lard.robust.kept import read_arrays, write_arrays
from lard.robust.layout import Layout, layout_of
from lard.robust.masking import checked
from lard.robust.scene import Scene, rows_of, scene_of
from lard.score.boxes import extents, iou

CATEGORY = 1
AT_ONCE_PX = 1 << 20  # of pictures side by side: restarts of small pictures share passes


@dataclass(frozen=True, slots=True)
class AttackPlan:
    """Norm and sizes of the attacks in pixels of [0, 1], ascending, and how hard they try."""

    norm: Norm
    eps: tuple[float, ...]
    steps: int
    restarts: int
    smallest_steps: int
    queries: int
    seed: int


@dataclass(frozen=True, slots=True)
class Target:
    """A detector under attack and the score from which its detections count."""

    name: str
    file: Path
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """One goal against one detector on one picture, and the folder that keeps what is done of it."""

    plan: AttackPlan
    target: Target
    goal: str
    picture: Picture
    folder: Path
    checks: str | None = None  # file of the checks, None: not made
    shows: bool = False
    transfer: Target | None = None


@cache
def opened(file: Path) -> Checkpoint:
    """A detector ready for attacks; nothing of it learns."""
    loaded = load_detector(file)
    channels_last(loaded.net)
    for parameter in loaded.net.parameters():
        parameter.requires_grad_(False)
    return loaded


def staged_scene(
    target: Target, picture: Picture, plan: AttackPlan, goal: str
) -> tuple[Scene, Layout, Goal, Outcome]:
    """The picture before a detector, the goal there, and what holds without a change."""
    scene = scene_of(opened(target.file).net, picture, target.score, PredictSpec())
    zero = torch.zeros_like(scene.pixels)
    with torch.no_grad():
        layout = layout_of(scene, scene.answers(zero))
    aim = goal_of(goal, layout, frame_rng(plan.seed, f"{picture.image_id}/place"))
    return scene, layout, aim, judged(scene, aim, zero, plan.norm)[0]


def run(unit: Unit) -> dict[str, Any]:
    """The rows of a unit, made or read: of each size with 0, of the smallest change, of the checks."""
    done, drawn = unit.folder / "done.json", unit.folder / "panel.png"
    torch.set_num_threads(1)  # the same sums however many processes run
    found = kept_json(done, "image_id", "eligible", "frame_px", "sizes")
    if found is None or (unit.shows and not whole(drawn)):
        _attack(unit, done, drawn)
        found = dict(read_json(done))
    if unit.checks is not None and found["eligible"]:
        checks = unit.folder / unit.checks
        told = kept_json(checks, "eps")
        if told is None:
            write_json(_checks(unit), checks)
            told = read_json(checks)
        found["checks"] = told
    return found


def kept_json(path: Path, *keys: str) -> dict[str, Any] | None:
    """An object that an earlier run kept; None where there is none, or a damaged one: it is made again."""
    try:
        found = read_json(path) if path.is_file() else None
    except DataError:
        return None
    return found if isinstance(found, dict) and all(key in found for key in keys) else None


def whole(path: Path) -> bool:
    """Whether a picture is there that can be read to its end."""
    try:
        with Image.open(path) as image:
            image.load()
    except (OSError, ValueError, SyntaxError):  # SyntaxError: PIL's word for a broken PNG
        return False
    return True


def _attack(unit: Unit, done: Path, drawn: Path) -> None:
    """Do all of a unit but the checks, and leave its files."""
    scene, layout, goal, clean = staged_scene(unit.target, unit.picture, unit.plan, unit.goal)
    sizes, shown = _sizes(unit, scene, layout, goal, clean)
    about: dict[str, Any] = {
        "image_id": unit.picture.image_id,
        "eligible": goal.eligible,
        "frame_px": list(scene.frame_px),
        "sizes": sizes,
    }
    if unit.plan.smallest_steps and goal.eligible:
        about["smallest"] = _smallest(unit, scene, goal, sizes, clean)
    if unit.shows:
        title = f"{unit.target.name}, {unit.goal}, picture {unit.picture.image_id}"
        with atomic_path(drawn) as temporary:
            panel(scene, layout, goal, shown, unit.plan.norm, title).save(temporary, "PNG")
    write_json(about, done)
    for left in [*unit.folder.glob("size-*.json"), *unit.folder.glob("change-*.npz")]:
        left.unlink()


def _sizes(
    unit: Unit, scene: Scene, layout: Layout, goal: Goal, clean: Outcome
) -> tuple[list[dict[str, Any]], Outcome]:
    """A row for each size, and the outcome to be shown: the first that reaches the goal, else the last."""
    rows = [_row(unit, scene, layout, 0.0, clean)]
    best, shown = clean, None
    for place, eps in enumerate(unit.plan.eps):
        row_file, change_file = (
            unit.folder / f"{kind}" for kind in (f"size-{place}.json", f"change-{place}.npz")
        )
        row, kept = kept_json(row_file, "eps", "reached", "found"), _read_outcome(change_file)
        if row is not None and kept is not None:
            best = kept
            rows.append(row)
        else:
            if goal.eligible:
                rng = frame_rng(unit.plan.seed, f"{unit.picture.image_id}/{unit.goal}/{eps!r}")
                plan = unit.plan
                batch = max(1, AT_ONCE_PX // (scene.frame_px[0] * scene.frame_px[1]))
                best = attack(scene, goal, plan.norm, eps, plan.steps, plan.restarts, rng, best, batch)
            rows.append(_row(unit, scene, layout, eps, best))
            _write_outcome(best, change_file)
            write_json(rows[-1], row_file)
        shown = best if shown is None or not shown.reached else shown
    return rows, shown or best


def _row(unit: Unit, scene: Scene, layout: Layout, eps: float, outcome: Outcome) -> dict[str, Any]:
    row: dict[str, Any] = {
        "eps": eps,
        "size": round(outcome.size, 6),
        "loss": round(outcome.loss, 6),
        "reached": outcome.reached,
        "found": rows_of(outcome.found, unit.picture.image_id, CATEGORY),
    }
    if unit.goal == "vanish" and opened(unit.target.file).bound is not None:
        row["firing"] = firing(scene, layout, outcome.change)
    return row


@torch.no_grad()
def firing(scene: Scene, layout: Layout, change: Tensor) -> int:
    """Required runways of which a location still fires that fires on the clean picture with a right box.

    A location serves the runway that its clean box overlaps most; this is what firing certificates speak of.
    """
    clean, now = scene.answers(torch.zeros_like(change)), scene.answers(change)
    fired = np.flatnonzero((clean.logits[0] > layout.limit).cpu().numpy())
    if not len(fired) or not len(scene.wanted):
        return 0
    boxes = clean.boxes[0, fired].double().cpu().numpy()
    shares = iou(extents(boxes), extents(scene.wanted))
    still = (now.logits[0, fired] > layout.limit).cpu().numpy() & (shares.max(axis=1) >= 0.5)
    return len(np.unique(shares.argmax(axis=1)[still]))


def _smallest(
    unit: Unit, scene: Scene, goal: Goal, sizes: list[dict[str, Any]], clean: Outcome
) -> dict[str, Any]:
    """The smallest change that reaches the goal, searched from the first size that does, else the last."""
    if clean.reached:
        return {"size": 0.0, "searched_to": 0.0}
    place = next((k for k, row in enumerate(sizes[1:]) if row["reached"]), len(sizes) - 2)
    start, plan = _read_outcome(unit.folder / f"change-{place}.npz"), unit.plan
    assert start is not None  # _sizes has just read or written it
    best, tried = smallest(scene, goal, plan.norm, plan.smallest_steps, start, BEYOND * plan.eps[-1])
    return {"size": None if best is None else round(best.size, 6), "searched_to": round(tried, 6)}


def _checks(unit: Unit) -> dict[str, Any]:
    """Signs of masked gradients, at the middle one of the sizes."""
    plan = unit.plan
    scene, _, goal, _ = staged_scene(unit.target, unit.picture, plan, unit.goal)
    rng = frame_rng(plan.seed, f"{unit.picture.image_id}/{unit.goal}/checks")
    other = None
    if unit.transfer is not None:
        found = staged_scene(unit.transfer, unit.picture, plan, unit.goal)
        other = (found[0], found[2])
    eps = checked_eps(plan)
    return {"eps": eps, **checked(scene, goal, plan.norm, eps, plan.steps, plan.queries, rng, other)}


def checked_eps(plan: AttackPlan) -> float:
    """The size at which the checks are made: the middle one."""
    return plan.eps[(len(plan.eps) - 1) // 2]


def _write_outcome(outcome: Outcome, path: Path) -> None:
    """All of an outcome that what follows rests on, to the last bit."""
    boxes, scores = outcome.found
    change = outcome.change.cpu().numpy()
    told = np.array([outcome.size, outcome.loss, outcome.reached], np.float64)
    write_arrays({"change": change, "told": told, "boxes": boxes, "scores": scores}, path)


def _read_outcome(path: Path) -> Outcome | None:
    """An outcome that was kept; None where there is none, or a damaged one."""
    held = read_arrays(path, ("change", "told", "boxes", "scores"))
    if held is None or held["told"].shape != (3,):
        return None
    size, loss, reached = map(float, held["told"])
    found = (held["boxes"], held["scores"])
    return Outcome(torch.from_numpy(held["change"]), size, loss, bool(reached), found)
