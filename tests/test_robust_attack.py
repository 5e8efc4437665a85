"""Attacks: sizes kept, smallest changes in closed form, certificates not beaten, masked gradients seen."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from detect_support import write_toy
from torch import Tensor

from lard.detect.checkpoint import Checkpoint, exported, load_detector, save_detector
from lard.detect.config import ModelSpec, PredictSpec
from lard.detect.data import read_pictures
from lard.detect.fcos import Detector, Level, LipschitzFcos, build
from lard.errors import DataError
from lard.robust.balls import Norm, noise, size, within
from lard.robust.certify import firing as certified_firing
from lard.robust.certify import logit_threshold
from lard.robust.descent import attack, descend, judged, smallest
from lard.robust.goals import GOALS, Goal, goal_of
from lard.robust.layout import Layout, layout_of
from lard.robust.masking import checked, warnings
from lard.robust.scene import Scene, scene_of
from lard.robust.square import square_attack
from lard.robust.unit import firing

LIP = ModelSpec(
    family="lip-fcos", widths=(8, 16, 16), depths=(1, 1, 1), pyramid=8, towers=1, side_limits_px=(32,),
    temperature=4,
)  # fmt: skip
SIDE_PX, CELL, MARGIN = 48, (5, 6), 0.2
NORMS: tuple[Norm, ...] = ("l2", "linf")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


class Linear(Detector):
    """Logits linear in the 4 x 4 pixels of each cell: one cell fires by MARGIN, boxes are 12 px wide."""

    def __init__(self, masked: bool = False) -> None:
        super().__init__()
        self.spec, self.masked = LIP, masked
        rng = np.random.default_rng(2)
        weight = rng.standard_normal((1, 3, 4, 4))
        self.weight = torch.nn.Parameter(
            torch.from_numpy(weight / np.linalg.norm(weight)).float(), requires_grad=False
        )

    def forward(self, images: Tensor, frames: Tensor | None = None) -> list[Level]:
        fine = F.conv2d(images - 0.5, self.weight, stride=4)
        bias = torch.full_like(fine, -5.0)
        bias[:, :, CELL[0], CELL[1]] = MARGIN
        fine = fine + bias
        if self.masked:
            fine = fine + ((fine * 50).floor() / 50 - fine).detach() - (fine - fine.detach())
        coarse = torch.full((len(images), 1, images.shape[2] // 8, images.shape[3] // 8), -5.0)
        sides = [torch.full((len(images), 4, *one.shape[2:]), 6.0) for one in (fine, coarse)]
        return [Level(fine, sides[0], None), Level(coarse, sides[1], None)]


def linear_scene(masked: bool = False) -> tuple[Scene, Goal]:
    """A grey picture whose runway is the box of the cell that fires, and the goal that it vanishes."""
    y, x = (4 * place + 2 for place in CELL)
    box = np.array([[x - 6.0, y - 6.0, x + 6.0, y + 6.0]])
    pixels = torch.full((1, 3, SIDE_PX, SIDE_PX), 0.5)
    scene = Scene(Linear(masked).eval(), pixels, box, np.zeros((0, 4)), 0.5, PredictSpec())
    return scene, aimed(scene, "vanish")[1]


def aimed(scene: Scene, name: str) -> tuple[Layout, Goal]:
    with torch.no_grad():
        layout = layout_of(scene, scene.answers(torch.zeros_like(scene.pixels)))
    return layout, goal_of(name, layout, np.random.default_rng(0))


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy") / "data")


@pytest.fixture(scope="module")
def lipschitz(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """An untrained Lipschitz detector whose prior is raised so that many locations fire."""
    torch.manual_seed(3)
    net = exported(build(LIP), LIP)
    assert isinstance(net, LipschitzFcos)
    with torch.no_grad():
        net.prior.fill_(0.3)
    path = tmp_path_factory.mktemp("model") / "lip.pt"
    save_detector(net, "lip", LIP, {}, path)
    return load_detector(path)


def busy_scene(toy: Path, seed: int = 1) -> Scene:
    """An untrained plain detector on a picture of odd height, whose runway is where it fires most."""
    torch.manual_seed(seed)
    spec = ModelSpec(
        family="fcos", widths=(8, 16, 16), depths=(1, 1, 1), pyramid=8, towers=1, side_limits_px=(32,)
    )
    net = exported(build(spec), spec)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            parameter.requires_grad_(False)
            if name in ("objectness.weight", "regression.centre.weight"):
                parameter.normal_(std=0.5)
            elif name == "objectness.bias":
                parameter.zero_()
    picture = read_pictures(toy, "test")[0]
    scene = scene_of(net, picture, 0.5, PredictSpec())
    scene = replace(scene, pixels=scene.pixels[:, :, :101, :90].contiguous())
    with torch.no_grad():
        boxes, _ = scene.at_point(scene.detections(scene.answers(torch.zeros_like(scene.pixels))))
    return replace(scene, wanted=boxes[:1], ignored=boxes[:0])


@pytest.mark.parametrize("norm", NORMS)
def test_changes_keep_their_size_and_the_range_of_pixels(norm: Norm) -> None:
    rng = np.random.default_rng(0)
    for eps in (1e-3, 0.1, 3.0):
        clean = torch.from_numpy(rng.uniform(0, 1, (2, 3, 9, 7)).astype(np.float32))
        change = torch.from_numpy((rng.standard_normal((2, 3, 9, 7)) * 5).astype(np.float32))
        for one in (within(change, clean, norm, eps), noise(clean[:1], norm, eps, rng)):
            assert float(size(one, norm).max()) <= eps
            seen = clean[: len(one)] + one
            assert float(seen.min()) >= 0 and float(seen.max()) <= 1


@pytest.mark.parametrize("norm", NORMS)
def test_the_smallest_change_of_a_linear_detector_is_the_one_computed(norm: Norm) -> None:
    """The margin over the norm of the weights, dual to that of the change."""
    scene, goal = linear_scene()
    assert isinstance(scene.net, Linear)
    dual = scene.net.weight.norm() if norm == "l2" else scene.net.weight.abs().sum()
    known = MARGIN / float(dual)
    for factor in (4.0, 0.5):  # from a change that reaches the goal, and from one that does not
        start = descend(scene, goal, norm, factor * known, 5, torch.zeros_like(scene.pixels))
        assert start.reached == (factor > 1)
        best, tried = smallest(scene, goal, norm, 30, start, 100 * known)
        assert best is not None and known * (1 - 1e-4) <= best.size <= known * 1.02, best
        assert best.reached and judged(scene, goal, best.change, norm)[0].reached
        assert tried >= 0.5 * known * 0.99
    just_less = descend(scene, goal, norm, 0.995 * known, 40, torch.zeros_like(scene.pixels))
    just_more = descend(scene, goal, norm, 1.01 * known, 40, torch.zeros_like(scene.pixels))
    assert not just_less.reached and just_more.reached


def test_a_search_that_finds_nothing_says_how_far_it_went() -> None:
    scene, goal = linear_scene()
    start = descend(scene, goal, "l2", 0.01, 3, torch.zeros_like(scene.pixels))
    best, tried = smallest(scene, goal, "l2", 12, start, 0.1)
    assert best is None and 0.05 < tried <= 0.1


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", GOALS)
def test_attacks_keep_their_budget_and_larger_ones_do_no_worse(toy: Path, name: str, norm: Norm) -> None:
    scene = busy_scene(toy)
    _, goal = aimed(scene, name)
    assert goal.eligible
    before, ranks = judged(scene, goal, torch.zeros_like(scene.pixels), norm)[0], []
    for eps in (0.05, 0.2) if norm == "linf" else (0.5, 3.0):
        now = attack(scene, goal, norm, eps, 4, 2, np.random.default_rng(1), before)
        seen = scene.pixels + now.change
        assert now.size <= eps and float(size(now.change, norm)) == pytest.approx(now.size)
        assert float(seen.min()) >= 0 and float(seen.max()) <= 1
        again = judged(scene, goal, now.change, norm)[0]
        assert again.reached == now.reached == goal.reached(again.found), "read from what detection answers"
        same = attack(scene, goal, norm, eps, 4, 2, np.random.default_rng(1), before)
        assert torch.equal(same.change, now.change)
        ranks.append(now.rank)
        assert now.rank <= before.rank
        if now.reached:
            best, _ = smallest(scene, goal, norm, 5, now, 10.0)
            assert best is not None and best.size <= now.size and best.reached
        before = now
    assert ranks == sorted(ranks, reverse=True)


def test_restarts_side_by_side_find_what_they_find_one_by_one(toy: Path) -> None:
    scene = busy_scene(toy)
    _, goal = aimed(scene, "ap")
    one = attack(scene, goal, "l2", 1.0, 3, 3, np.random.default_rng(1))
    many = attack(scene, goal, "l2", 1.0, 3, 3, np.random.default_rng(1), batch=3)
    assert many.loss == pytest.approx(one.loss, abs=1e-3) and many.reached == one.reached


def test_the_grey_rim_is_out_of_reach(toy: Path) -> None:
    """A picture of no whole number of strides: the change has the picture's size, its answers the rim's."""
    scene = busy_scene(toy)
    assert scene.pixels.shape[2:] == (101, 90) and scene.filled_px == (96, 104)
    padded = F.pad(scene.pixels, (0, 6, 0, 3), value=0.5)
    with torch.no_grad():
        seen = scene.answers(torch.zeros_like(scene.pixels))
        whole = replace(scene, pixels=padded).answers(torch.zeros_like(padded))
    assert torch.equal(seen.scores, whole.scores)


def test_score_logits_are_those_of_the_scores(toy: Path, lipschitz: Checkpoint) -> None:
    picture = read_pictures(toy, "test")[0]
    for scene in (busy_scene(toy), scene_of(lipschitz.net, picture, 0.5, PredictSpec())):
        with torch.no_grad():
            answers = scene.answers(torch.zeros_like(scene.pixels))
        torch.testing.assert_close(torch.sigmoid(answers.logits), answers.scores, atol=1e-5, rtol=1e-4)


def test_no_vanishing_attack_beats_its_certificate(toy: Path, lipschitz: Checkpoint) -> None:
    """Runways where the detector fires keep firing, as many as certified, whatever size the attack has."""
    assert lipschitz.bound is not None
    score = 0.7
    picture = read_pictures(toy, "test")[0]
    scene = scene_of(lipschitz.net, picture, score, PredictSpec())
    boxes, _ = scene.detections(scene.answers(torch.zeros_like(scene.pixels)))
    picture = replace(picture, boxes=boxes[:3], ignored=np.zeros(3, bool), polygons=())
    found = certified_firing(lipschitz, picture, score)
    radii = np.sqrt(found.costs) / lipschitz.bound.network
    assert (radii > 0).sum() >= 2
    scene = scene_of(lipschitz.net, picture, score, PredictSpec())
    layout, goal = aimed(scene, "vanish")
    assert layout.limit == pytest.approx(LIP.temperature * logit_threshold(score, LIP.temperature))
    start = torch.zeros_like(scene.pixels)
    assert firing(scene, layout, start) == (found.costs > 0).sum()
    fired = []
    for eps in (*(0.999 * radii[radii > 0]), 20 * float(radii.max())):
        now = descend(scene, goal, "l2", float(eps), 12, start)
        fired.append(firing(scene, layout, now.change))
        hidden = int((np.cumsum(np.sort(radii**2)) <= eps**2 * (1 + 1e-3)).sum())  # the cheapest first
        assert fired[-1] >= len(radii) - hidden
    assert fired[-1] < fired[0], "a large attack gets somewhere"


def test_masked_gradients_are_told() -> None:
    """Logits in steps have no gradient: the search without one does more, and the report warns."""
    scene, goal = linear_scene(masked=True)
    eps = 0.2
    found = checked(scene, goal, "linf", eps, 5, 200, np.random.default_rng(0))
    assert not found["pgd"]["reached"] and found["square"]["loss"] < found["pgd"]["loss"]
    (line,) = (one for one in warnings([found], "linf", eps) if "without gradients" in one)
    assert "gradients may be masked" in line and "linf 0.2" in line
    honest, aim = linear_scene()
    fine = checked(honest, aim, "linf", eps, 5, 20, np.random.default_rng(0), (scene, goal))
    assert fine["pgd"]["reached"] and not warnings([fine], "linf", eps) and "transfer" in fine


def test_warnings_tell_of_steps_restarts_and_transfer() -> None:
    good, bad = {"loss": 0.0, "reached": True}, {"loss": 1.0, "reached": False}
    row = {
        "clean_loss": 1.0,
        "by_steps": {"10": good, "20": bad, "5": good},
        "by_start": [bad, bad, good],
        "pgd": bad,
        "transfer": good,
    }
    lines = warnings([row], "l2", 0.5)
    assert len(lines) == 3 and all("l2 0.5 on 1 of 1" in line for line in lines)
    calm = {**row, "by_steps": {"5": bad, "20": good}, "by_start": [good, bad], "pgd": good}
    assert warnings([calm], "l2", 0.5) == []


@pytest.mark.parametrize("norm", NORMS)
def test_the_search_without_gradients_stays_in_its_ball(norm: Norm) -> None:
    scene, goal = linear_scene()
    eps = 0.05 if norm == "linf" else 0.5
    found = square_attack(scene, goal, norm, eps, 60, np.random.default_rng(3))
    seen = scene.pixels + found.change
    assert found.size <= eps and float(seen.min()) >= 0 and float(seen.max()) <= 1
    assert list(found.losses) == sorted(found.losses, reverse=True) and found.losses[-1] < found.losses[0]


def test_goals_are_read_from_detections(toy: Path) -> None:
    """Each against boxes written by hand."""
    scene, _ = linear_scene()
    box, away = scene.wanted[0], np.array([0.0, 0.0, 8.0, 8.0])
    beside = box + np.array([7.0, 0.0, 7.0, 0.0])  # IoU 5 / 19
    goals = {name: aimed(scene, name)[1] for name in GOALS}

    def reached(name: str, *found: tuple[np.ndarray, float]) -> bool:  # type: ignore[type-arg]
        boxes = np.array([one for one, _ in found]).reshape(-1, 4)
        return goals[name].reached((boxes, np.array([score for _, score in found])))

    assert reached("vanish") and reached("vanish", (box, 0.49)) and reached("vanish", (away, 0.9))
    assert not reached("vanish", (box, 0.5)) and not reached("vanish", (beside, 0.9))
    assert reached("fabricate", (box, 0.9), (away, 0.5))
    assert not reached("fabricate", (box, 0.9), (away, 0.4)) and not reached("fabricate", (beside, 0.9))
    assert reached("ap", (away, 0.2)) and reached("ap", (away, 0.3), (box, 0.2))
    assert not reached("ap", (box, 0.9), (away, 0.8)) and not reached("ap")
    assert reached("move", (beside, 0.6)) and not reached("move") and not reached("move", (box, 0.6))
    square = goals["fabricate-random"].regions[0]
    assert (
        reached("fabricate-random", (np.array([*square[:2], *(square[:2] + 4)]), 0.6))
        or (np.maximum(square[:2], box[:2]) < np.minimum(square[:2] + 4, box[2:])).all()
    )
    with pytest.raises(DataError, match="expected one of vanish"):
        aimed(scene, "hide")
    empty = replace(scene, wanted=np.zeros((0, 4)))
    assert [aimed(empty, name)[1].eligible for name in GOALS] == [False, True, True, False, False]
    still = torch.zeros_like(scene.pixels)
    assert not judged(empty, aimed(empty, "move")[1], still, "l2")[0].reached, "nothing to do is not done"
    assert math.isfinite(float(aimed(empty, "fabricate")[1].losses(scene.answers(0 * scene.pixels))))
