"""The loss of bags asks for margins that can be met; Lipschitz weights are found again for another start."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from detect_support import write_toy
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from lard.detect.audit import audit
from lard.detect.bags import Bags, bag_loss, bag_norms, padded, ring_energy, worst_background
from lard.detect.batches import Share
from lard.detect.checkpoint import load_detector, read_tensors, write_tensors
from lard.detect.config import BagSpec, ModelSpec, TrainSpec, parse_params
from lard.detect.data import read_pictures
from lard.detect.fcos import LipschitzFcos, build
from lard.detect.learner import new_learner
from lard.detect.loss import Targets, assign, assign_owned, detection_loss
from lard.detect.ortho import OrthoConv2d, factors
from lard.detect.start import read_start
from lard.detect.train import train
from lard.errors import ModelError, SpecError

SPEC = BagSpec(margin=1.0, share=0.4, background=0.1, weight=1.0, background_weight=1.0)
LIP = ModelSpec(
    family="lip-fcos",
    widths=(8, 16, 16),
    depths=(1, 1, 1),
    pyramid=8,
    towers=1,
    side_limits_px=(32,),
    loss="bag",
    centre_radius=2.5,
)
PLAN = TrainSpec(steps=3, batch=4, crops_per_image=2, crop_px=64, processes=1, save_every=2)


def bags_of(owners: list[list[int]], energies: list[list[float]]) -> Bags:
    return Bags(torch.tensor(owners), torch.tensor(energies, dtype=torch.float64))


def loss_of(logits: Tensor, bags: Bags, spec: BagSpec = SPEC, progress: float = 1.0) -> Tensor:
    return bag_loss(logits, (bags.owners >= 0).long(), bags, spec, progress)


def test_known_norms_and_margins() -> None:
    """Two runways in the first picture, of norms 0.5 and -0.1; none in the second."""
    logits = torch.tensor([[0.3, 0.4, -0.1, -0.2, -0.5], [-0.5, -0.5, -0.5, -0.5, -0.5]], dtype=torch.float64)
    bags = bags_of([[0, 0, 1, 1, -1], [-1] * 5], [[5.0, 0.5], [0.0, 0.0]])
    norms, held = bag_norms(logits, bags)
    torch.testing.assert_close(norms, torch.tensor([[0.5, -0.1], [0, 0]], dtype=torch.float64))
    assert held.tolist() == [[True, True], [False, False]]
    # min(1, 0.4 * 5) - 0.5 and 0.4 * 0.5 + 0.1; the background is 0.4 further down than it must be
    assert float(loss_of(logits, bags)) == pytest.approx(0.5 + 0.3)
    heavier = SPEC.model_copy(update={"weight": 3.0, "margin": 0.6})
    assert float(loss_of(logits, bags, heavier)) == pytest.approx(3 * (0.1 + 0.3))
    ramp = SPEC.model_copy(update={"ramp": 0.5})
    for progress, margin in ((0.0, 0.1), (0.25, 0.55), (0.5, 1.0), (1.0, 1.0)):
        expected = max(margin - 0.5, 0) + min(margin, 0.2) + 0.1
        assert float(loss_of(logits, bags, ramp, progress)) == pytest.approx(expected)


@pytest.mark.parametrize("shape", ["hinge", "emma"])
def test_a_silent_runway_has_a_gradient_and_a_met_margin_none(shape: str) -> None:
    spec = SPEC.model_copy(update={"shape": shape, "sharpness": 40.0})
    bags = bags_of([[0, 0, 0, -1]], [[2.0]])
    silent = torch.tensor([[-0.3, -0.2, -0.4, -0.9]], dtype=torch.float64, requires_grad=True)
    (pull,) = torch.autograd.grad(loss_of(silent, bags, spec), silent)
    assert float(pull[0, 1]) < -0.9 and pull[0, [0, 2]].tolist() == [0, 0], "the nearest location is raised"
    firing = torch.tensor([[0.3, 0.4, -0.1, -0.9]], dtype=torch.float64, requires_grad=True)
    (pull,) = torch.autograd.grad(loss_of(firing, bags, spec), firing)
    np.testing.assert_allclose(pull[0, 1] / pull[0, 0], 4 / 3, rtol=1e-9)  # along the logits themselves
    met = torch.tensor([[0.6, 0.8, -0.1, -0.9]], dtype=torch.float64, requires_grad=True)
    (pull,) = torch.autograd.grad(loss_of(met, bags, spec), met)
    assert float(pull.abs().max()) < 1e-3


def test_a_faint_runway_never_pulls_for_ever() -> None:
    """Logits that a jointly 1-Lipschitz map can have: both sides of the margin within half of the energy."""
    energy, cells = 0.3, 9
    bags = bags_of([[0] * cells + [-1]], [[energy]])
    reach = 0.45 * energy / math.sqrt(cells)
    logits = torch.tensor([[reach] * cells + [-1.0]], dtype=torch.float64, requires_grad=True)
    loss = loss_of(logits, bags)
    assert float(loss.detach()) == 0 and float(torch.autograd.grad(loss, logits)[0].abs().max()) == 0
    fixed = torch.relu(SPEC.margin - logits[0, :cells]).sum()  # what a hinge of each location goes on asking
    assert float(fixed.detach()) > 8


@settings(max_examples=80, deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=1, max_size=60), st.sampled_from([0.02, 0.1, 0.5]))
def test_the_background_bound_is_above_the_largest_and_near_it(values: list[float], margin: float) -> None:
    logits = torch.tensor([values, values], dtype=torch.float64)
    background = torch.ones_like(logits, dtype=torch.bool)
    background[1, 1:] = False
    bound = worst_background(logits, background, margin)
    for row, highest in zip(bound.tolist(), (max(values), values[0]), strict=True):
        assert highest - 1e-9 <= row <= highest + margin / 2 + 1e-9
    none = worst_background(logits, torch.zeros_like(background), margin)
    assert none.tolist() == [-math.inf] * 2


def test_background_below_its_margin_costs_nothing_and_above_half_of_it_something() -> None:
    bags = bags_of([[-1] * 50], [[0.0]])
    assert float(loss_of(torch.full((1, 50), -0.1001, dtype=torch.float64), bags)) == 0
    spiked = torch.full((1, 50), -1.0, dtype=torch.float64)
    spiked[0, 7] = -0.03
    spiked.requires_grad_()
    loss = loss_of(spiked, bags)
    assert float(loss.detach()) == pytest.approx(0.02, abs=1e-6)
    (push,) = torch.autograd.grad(loss, spiked)
    assert float(push[0, 7]) == pytest.approx(1, abs=1e-6) and bool((push >= 0).all())


@pytest.mark.parametrize("shape", ["hinge", "emma"])
def test_order_of_locations_and_runways_and_what_is_ignored_change_nothing(shape: str) -> None:
    spec = SPEC.model_copy(update={"shape": shape})
    rng = np.random.default_rng(2)
    logits = torch.from_numpy(rng.normal(-0.1, 0.3, (3, 40)))
    owners = torch.from_numpy(rng.integers(-1, 3, (3, 40)))
    objectness = torch.where(owners >= 0, 1, torch.from_numpy(rng.integers(-1, 1, (3, 40))))
    energies = torch.from_numpy(rng.uniform(0.1, 4, (3, 3)))
    whole = float(bag_loss(logits, objectness, Bags(owners, energies), spec))
    place = torch.from_numpy(rng.permutation(40))
    mixed = bag_loss(logits[:, place], objectness[:, place], Bags(owners[:, place], energies), spec)
    assert float(mixed) == pytest.approx(whole, rel=1e-12)
    turned = Bags(torch.where(owners >= 0, (owners + 1) % 3, -1), energies.roll(1, dims=1))
    assert float(bag_loss(logits, objectness, turned, spec)) == pytest.approx(whole, rel=1e-12)
    wider = Bags(owners, torch.cat((energies, torch.zeros(3, 2)), dim=1))
    assert float(bag_loss(logits, objectness, wider, spec)) == pytest.approx(whole, rel=1e-12)
    other = torch.where(objectness == -1, torch.full_like(logits, 9.0), logits)
    assert float(bag_loss(other, objectness, Bags(owners, energies), spec)) == pytest.approx(whole, rel=1e-12)


def test_gradients_are_those_of_finite_differences() -> None:
    rng = np.random.default_rng(4)
    logits = torch.from_numpy(rng.normal(0, 0.3, (2, 12))).requires_grad_()
    owners = torch.from_numpy(rng.integers(-1, 2, (2, 12)))
    bags = Bags(owners, torch.full((2, 2), 9.0, dtype=torch.float64))
    assert torch.autograd.gradcheck(lambda z: loss_of(z, bags), (logits,), eps=1e-7)


@pytest.mark.parametrize("shape", ["hinge", "emma"])
def test_raising_all_logits_alike_does_not_pay(shape: str) -> None:
    """A norm of 25 locations grows 5 times as fast as they do: the background has to outweigh that."""
    bags = bags_of([[0] * 25 + [-1] * 75], [[9.0]])
    usual = BagSpec.model_validate({"shape": shape})
    weaker = usual.model_copy(update={"background_weight": 1.0})
    for level in (0.01, 0.1, 0.15):
        logits = torch.full((1, 100), level, dtype=torch.float64, requires_grad=True)
        for spec, sign in ((usual, 1), (weaker, -1)):
            (push,) = torch.autograd.grad(loss_of(logits, bags, spec), logits)
            if shape == "hinge" or sign > 0:
                assert sign * float(push.sum()) > 0


@pytest.mark.parametrize("shape", ["hinge", "emma"])
def test_margins_over_the_background_do_not_see_what_raises_all(shape: str) -> None:
    """Only the background's own term changes then: by as much as all were raised, once a picture."""
    rng = np.random.default_rng(8)
    spec = SPEC.model_copy(update={"shape": shape, "over": "background", "background_weight": 1e-9})
    logits = torch.from_numpy(rng.normal(0.3, 0.2, (2, 40)))
    owners = torch.from_numpy(rng.integers(-1, 2, (2, 40)))
    bags = Bags(owners, torch.full((2, 2), 9.0, dtype=torch.float64))
    before, after = float(loss_of(logits, bags, spec)), float(loss_of(logits + 0.7, bags, spec))
    assert after == pytest.approx(before, abs=1e-6)
    alone = bags_of([[0] * 40], [[9.0]])  # no background to be above: zero counts
    assert float(loss_of(torch.zeros(1, 40, dtype=torch.float64), alone, SPEC)) == pytest.approx(1.0)
    over = SPEC.model_copy(update={"over": "background"})
    assert float(loss_of(torch.zeros(1, 40, dtype=torch.float64), alone, over)) == pytest.approx(1.0)
    known = bags_of([[0, 0, -1], [-1, -1, -1]], [[9.0], [0.0]])
    two = torch.tensor([[0.3, 0.4, -0.9], [-9.0, -9.0, -0.2]], dtype=torch.float64)
    assert float(loss_of(two, known, over)) == pytest.approx(1 - math.hypot(0.5, 0.6), abs=1e-6)


def test_descent_sets_runways_and_background_apart_at_zero() -> None:
    """From all alike: after it the threshold zero parts them, and no runway stands above its share."""
    logits = torch.full((1, 30), -0.2, dtype=torch.float64, requires_grad=True)
    bags = bags_of([[0] * 4 + [1] * 4 + [-1] * 22], [[1.0, 8.0]])
    optimiser = torch.optim.SGD([logits], lr=0.02)
    for _ in range(250):
        optimiser.zero_grad()
        loss_of(logits, bags).backward()
        optimiser.step()
    norms, _ = bag_norms(logits.detach(), bags)
    np.testing.assert_allclose(norms[0], [0.4, 1.0], atol=0.03)
    assert float(logits.detach()[0, 8:].max()) < -0.04


def test_energy_of_a_runway_by_its_rim() -> None:
    """A flat square on flat ground: contrast times the root of its values; an offset changes nothing."""
    ground = np.full((64, 64, 3), 100, np.uint8)
    square = np.array([[20.0, 24], [36, 24], [36, 40], [20, 40]])
    pixels = ground.copy()
    pixels[24:40, 20:36] = 151
    assert ring_energy(pixels, square) == pytest.approx(0.2 * math.sqrt(3 * 16 * 16), rel=1e-5)
    assert ring_energy(np.asarray(pixels + 50, np.uint8), square) == pytest.approx(
        ring_energy(pixels, square), rel=1e-4
    )
    assert ring_energy(ground, square) == pytest.approx(0, abs=1e-3)
    assert ring_energy(
        np.asarray(cv2.flip(pixels, 1), np.uint8), square * (-1, 1) + (64, 0)
    ) == pytest.approx(ring_energy(pixels, square), rel=0.15)
    assert ring_energy(pixels, square + 500) == 0
    assert ring_energy(pixels, np.array([[-9.0, -9], [99, -9], [99, 99], [-9, 99]])) == math.inf
    table = padded([np.array([1.0, math.inf]), np.array([]), np.array([2.0])])
    assert table.tolist() == [[1, math.inf], [0, 0], [2, 0]] and padded([np.array([])]).shape == (1, 1)


def test_locations_of_a_runway_and_those_that_are_in_neither_account() -> None:
    boxes = np.array([[8.0, 8, 40, 40], [44, 44, 56, 60]])
    objectness, distances, owners = assign_owned(boxes, np.empty((0, 4)), 64, 64, LIP)
    fine, coarse = owners[:256].reshape(16, 16), owners[256:].reshape(8, 8)
    assert set(fine[fine >= 0]) == {1} and set(coarse[coarse >= 0]) == {0}  # by their longer sides
    assert bool(((objectness == 1) == (owners >= 0)).all()) and bool((distances[owners >= 0] > 0).all())
    around = objectness[256:].reshape(8, 8)
    assert around[0, 0] == -1 and around[5, 5] == -1  # within a stride of the box, nothing asked of them
    assert around[6, 6] == 0 and objectness[:256].reshape(16, 16)[4, 4] == 0  # beyond; of another level
    focal = LIP.model_copy(update={"loss": "focal", "centre_radius": 1.5})
    large = np.array([[4.0, 4, 60, 60]])
    plain, _ = assign(large, np.empty((0, 4)), 64, 64, focal)
    wide, _ = assign(large, np.empty((0, 4)), 64, 64, LIP)
    assert (plain == -1).sum() == 0 and (plain == 1).sum() == 4**2 and (wide == 1).sum() == 6**2


def test_a_batch_carries_each_runway_with_its_energy(tmp_path: Path) -> None:
    pictures = read_pictures(write_toy(tmp_path / "data"), "train")
    parts = Share(pictures, LIP, PLAN, 0, 0).cut(0)
    owners, energies = parts[4], parts[5]
    assert owners.shape == parts[2].shape and energies.shape[0] == 4
    for own, energy in zip(owners, energies, strict=True):
        found = {int(k) for k in own.unique()} - {-1}
        assert found == set(range(int((energy > 0).sum()))), "the locations of each, and an energy above zero"
    assert len(Share(pictures, LIP.model_copy(update={"loss": "focal"}), PLAN, 0, 0).cut(0)) == 4


def test_the_loss_does_not_depend_on_how_a_step_is_shared() -> None:
    """Terms of two halves, each divided by the runways of the step, add up to the whole."""
    rng = np.random.default_rng(6)
    net = build(LIP)
    images = torch.from_numpy(rng.random((2, 3, 64, 64))).float()
    targets = []
    for box in ([8.0, 8, 30, 30], [20.0, 10, 60, 50]):
        objectness, distances, owners = assign_owned(np.array([box]), np.empty((0, 4)), 64, 64, LIP)
        parts = [torch.from_numpy(part)[None] for part in (objectness, distances, owners)]
        targets.append(Targets(parts[0], parts[1], Bags(parts[2], torch.ones(1, 1))))
    both = Targets(
        torch.cat([one.objectness for one in targets]),
        torch.cat([one.distances_px for one in targets]),
        Bags(torch.cat([one.bags.owners for one in targets if one.bags]), torch.ones(2, 1)),
    )
    net.eval()
    with torch.no_grad():
        count = float((both.objectness == 1).sum())
        whole = detection_loss(net(images), both, LIP, count, 2.0)
        halves = [
            detection_loss(net(image[None]), one, LIP, count, 2.0)
            for image, one in zip(images, targets, strict=True)
        ]
    for name, value in whole.items():
        torch.testing.assert_close(halves[0][name] + halves[1][name], value, rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match="needs the bags"):
        detection_loss(net(images), Targets(both.objectness, both.distances_px), LIP, count)


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ({"base": "lip-fcos-s", "bag": {}}, "set loss: bag"),
        ({"base": "lip-fcos-s", "loss": "bag", "offset": 0.1}, "set offset: 0"),
        ({"base": "fcos-s", "loss": "bag"}, "belong to Lipschitz"),
        ({"base": "lip-fcos-s", "loss": "bag", "bag": {"share": 0.6}}, "bag.share"),
        ({"base": "lip-fcos-s", "loss": "bag", "bag": {"margin": 0}}, "bag.margin"),
        ({"base": "lip-fcos-s", "loss": "bag", "bag": {"over": "all"}}, "bag.over"),
        ({"base": "lip-fcos-s", "loss": "bag", "bag": {"background": -0.1}}, "bag.background"),
        ({"base": "lip-fcos-s", "loss": "bag", "bag": {"ramp": 1.5}}, "bag.ramp"),
        ({"base": "lip-fcos-s", "loss": "bag", "bag": {"shape": "square"}}, "bag.shape"),
        ({"base": "lip-fcos-s", "loss": "bag", "bag": {"weight": float("nan")}}, "bag.weight"),
        ({"base": "lip-fcos-s", "centre_radius": 0}, "centre_radius"),
    ],
)
def test_bad_parameters_are_refused_in_one_line(model: dict[str, object], told: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_params({"models": {"m": model}}, "params.yaml")
    text = str(caught.value)
    assert text.startswith("params.yaml: models.m") and told in text and "\n" not in text


def test_orthogonal_weights_are_not_decayed() -> None:
    learner = new_learner(LIP, PLAN, torch.device("cpu"))
    assert isinstance(learner.net, LipschitzFcos)
    free = {id(one) for one in learner.net.regression.parameters()}
    for group in learner.optimiser.param_groups:
        if group["weight_decay"]:
            assert {id(one) for one in group["params"]} <= free


@pytest.mark.parametrize(
    ("inputs", "outputs", "kernel", "stride"),
    [(8, 8, 3, 1), (4, 16, 3, 1), (24, 8, 3, 1), (8, 16, 2, 2), (16, 8, 2, 2), (8, 1, 1, 1), (6, 7, 5, 1)],
)
def test_factors_of_a_finished_kernel_give_it_again(
    inputs: int, outputs: int, kernel: int, stride: int
) -> None:
    torch.manual_seed(kernel + inputs)
    layer = OrthoConv2d(inputs, outputs, kernel, stride)
    wanted = layer.to_plain().weight.detach()
    other = OrthoConv2d(inputs, outputs, kernel, stride).double()
    mix, planes = factors(other, wanted)
    other.load_state_dict({"mix": mix, "planes": planes, "bias": layer.bias.detach()})
    torch.testing.assert_close(other.weight().float(), wanted, rtol=0, atol=1e-6)
    torch.testing.assert_close(mix.mT @ mix, torch.eye(mix.shape[1]).double(), rtol=0, atol=1e-6)


def test_a_lipschitz_model_goes_on_where_another_ended(tmp_path: Path) -> None:
    """Trained with bags, then gone on with at a rate of nothing: the same kernels and constant."""
    toy = write_toy(tmp_path / "data")
    first = train("a", LIP, PLAN, toy, tmp_path / "a", tmp_path / "work")
    still = LIP.model_copy(update={"learning_rate": 1e-12})
    plan = PLAN.model_copy(update={"ema": 0.0})
    second = train("b", still, plan, toy, tmp_path / "b", tmp_path / "work", start=first)
    before, after = load_detector(first), load_detector(second)
    assert after.bound is not None and after.bound.constant == pytest.approx(1, abs=1e-4)
    for (name, one), (_, other) in zip(before.net.named_modules(), after.net.named_modules(), strict=True):
        if isinstance(one, nn.Conv2d) and not name.startswith("regression"):
            torch.testing.assert_close(other.weight, one.weight, rtol=0, atol=1e-5)
    odd = LIP.model_copy(update={"certified_boxes": True})
    with pytest.raises(ModelError, match="--start: certified_boxes is False, the model to train has True"):
        read_start(first, odd)


def test_a_kernel_that_is_no_composition_of_factors_is_refused(tmp_path: Path) -> None:
    torch.manual_seed(0)
    toy = write_toy(tmp_path / "data")
    path = train("a", LIP, PLAN, toy, tmp_path / "a", tmp_path / "work")
    tensors, meta = read_tensors(path)
    tensors["tower.0.weight"] = tensors["tower.0.weight"] * 0.5
    net = build(LIP, exported=True)
    net.load_state_dict(tensors)
    assert isinstance(net, LipschitzFcos)
    write_tensors(tensors, {**meta, "lipschitz": audit(net).to_json()}, tmp_path / "half.pt")
    with pytest.raises(ModelError, match=r"half.pt: --start: tower.0 is no composition"):
        read_start(tmp_path / "half.pt", LIP)
