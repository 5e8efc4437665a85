"""Muon for orthogonal matrices: tangent steps, their polar factors, and models that train with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from detect_support import cut_off, refused_in_one_line, write_toy
from torch import Tensor, nn

from lard.detect.audit import audit
from lard.detect.checkpoint import exported, load_detector
from lard.detect.config import ModelSpec, MuonSpec, TrainSpec
from lard.detect.fcos import LipschitzFcos, build
from lard.detect.muon import QUINTICS, along_grassmann, along_stiefel, optimiser_of, polar
from lard.detect.ortho import OrthoConv2d, orthonormal, retract_all
from lard.detect.train import train

LIP = ModelSpec(
    family="lip-fcos", widths=(8, 16, 16), depths=(1, 1, 1), pyramid=8, towers=1, side_limits_px=(32,),
    optimiser="muon",
)  # fmt: skip
PLAN = TrainSpec(steps=6, batch=4, crops_per_image=2, crop_px=64, processes=1, save_every=2, validate_every=0)
SHAPES = [(3, 12, 12), (2, 16, 8), (1, 9, 9), (4, 20, 1)]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def drawn(shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Matrices with orthonormal columns and steps from them."""
    return orthonormal(torch.randn(shape).double()), torch.randn(shape).double()


def composed(values: Tensor) -> Tensor:
    """What the iterations make of singular values."""
    for a, b, c in QUINTICS:
        values = a * values + b * values**3 + c * values**5
    return values


@pytest.mark.parametrize("shape", SHAPES)
def test_a_tangent_step_is_orthogonal_to_every_normal_one(shape: tuple[int, ...]) -> None:
    """Normal to the orthonormal matrices at W are the W S with S symmetric."""
    point, step = drawn(shape)
    tangent = along_stiefel(point, step)
    other = torch.randn(shape[0], shape[-1], shape[-1]).double()
    normal = point @ (other + other.mT)
    assert torch.einsum("kij,kij->k", tangent, normal).abs().max() < 1e-12
    assert torch.allclose(along_stiefel(point, tangent), tangent, atol=1e-13)
    product = point.mT @ tangent
    assert torch.allclose(product, -product.mT, atol=1e-13), "columns stay orthonormal to first order"
    across = along_grassmann(point, step)
    assert (point.mT @ across).abs().max() < 1e-13
    assert torch.allclose(along_stiefel(point, across), across, atol=1e-13)


def test_singular_values_come_near_one() -> None:
    """Of a diagonal matrix every column is scaled to length 1: all singular values are then alike."""
    wide = torch.diag(torch.logspace(-6, 6, 13).double())
    assert torch.allclose(polar(wide), composed(torch.ones(1).double()) * torch.eye(13).double())
    known = torch.linspace(0.03, 1, 2000).double()
    assert (composed(known) - 1).abs().max() < 0.0319
    for shape in [(40, 20), (24, 24), (3, 64, 32)]:
        matrix = torch.randn(shape).double()
        scale = (matrix.mT @ matrix).abs().sum(-1).rsqrt()
        before = torch.linalg.svdvals(matrix * scale[..., None, :])
        assert before.max() <= 1 + 1e-12, "the scaled matrix never expands"
        found = torch.linalg.svdvals(polar(matrix))
        torch.testing.assert_close(found.sort().values, composed(before).sort().values)
        assert (found[before >= 0.03] - 1).abs().max() < 0.0319 and found.max() < 1.15
    assert torch.equal(polar(torch.zeros(4, 3)), torch.zeros(4, 3))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_step_descends_and_stays_in_the_tangent_space(shape: tuple[int, ...]) -> None:
    """It wins more than half of what steepest descent in the spectral norm wins, the nuclear norm."""
    point, gradient = drawn(shape)
    for along in (along_stiefel, along_grassmann):
        if along is along_grassmann and shape[-2] == shape[-1]:
            continue  # there is one range alone
        pull = along(point, gradient)
        step = along(point, polar(pull))
        won = (step * gradient).sum(dim=(1, 2))
        assert (won > 0.5 * torch.linalg.svdvals(pull).sum(-1)).all()
        if along is along_grassmann:
            torch.testing.assert_close(step, polar(pull), rtol=0, atol=1e-12)


class Pair(nn.Module):
    """A 3x3 orthogonal layer and a plain one beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.turned, self.plain = OrthoConv2d(8, 8), nn.Conv2d(8, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Both answers."""
        return torch.cat((self.turned(x), self.plain(x)), dim=1)


def test_a_kernel_is_found_again_by_turning_towards_it() -> None:
    """The wanted layer is a few turns away, so that the loss goes to zero; all matrices stay orthonormal."""
    net, wanted = Pair(), Pair()
    wanted.load_state_dict(net.state_dict())
    with torch.no_grad():
        for raw in (wanted.turned.mix, wanted.turned.planes):
            raw.copy_(orthonormal(raw + 0.1 * torch.randn_like(raw)))
        wanted.plain.weight.add_(0.1)
    optimiser, parameters = optimiser_of(net, 0.01, 0.0, MuonSpec(turn=0.03, momentum=0.9))
    assert len({id(one) for one in parameters}) == len(list(net.parameters())) == len(parameters)
    pictures = torch.randn(8, 8, 12, 12)
    goal, losses = wanted(pictures).detach(), []
    for step in range(80):
        for group in optimiser.param_groups:
            group["lr"] = 0.01 * (1 - step / 80)
        optimiser.zero_grad()
        loss = (net(pictures) - goal).square().mean()
        loss.backward()
        optimiser.step()
        retract_all(net)
        losses.append(loss.item())
    assert losses[-1] < 0.03 * losses[0]
    for raw in (net.turned.mix, *net.turned.planes):
        torch.testing.assert_close(raw.T @ raw, torch.eye(raw.shape[1]), atol=1e-4, rtol=0)


def test_the_first_step_turns_by_the_angle_and_others_move_as_adamw_moves_them() -> None:
    net, twin = Pair(), Pair()
    twin.load_state_dict(net.state_dict())
    optimiser, _ = optimiser_of(net, 0.01, 0.1, MuonSpec(turn=0.04))
    plain, _ = optimiser_of(twin, 0.01, 0.1, None)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    pictures = torch.randn(4, 8, 12, 12)
    for one, mover in ((net, optimiser), (twin, plain)):
        one(pictures).square().sum().add(one(pictures).sum()).backward()
        mover.step()
    retract_all(net)
    for name in ("plain.weight", "plain.bias", "turned.bias"):
        assert torch.equal(net.state_dict()[name], twin.state_dict()[name])
    for name in ("turned.mix", "turned.planes"):
        old, new = (
            before[name].view(-1, *before[name].shape[-2:]),
            net.state_dict()[name].view(-1, *before[name].shape[-2:]),
        )
        # the largest singular value of the change is 2 sin(angle / 2), of a polar factor of at most 1.15
        assert 0.9 * 0.04 < torch.linalg.svdvals(new - old).max() < 1.15 * 0.04


def test_the_constant_stays_one_while_a_model_turns() -> None:
    net = build(LIP)
    optimiser, parameters = optimiser_of(net, 0.01, 0.0, MuonSpec(turn=0.3))
    for _ in range(10):
        for parameter in parameters:
            parameter.grad = torch.randn_like(parameter)
        optimiser.step()
        retract_all(net)
    raw = [
        one for layer in net.modules() if isinstance(layer, OrthoConv2d) for one in (layer.mix, *layer.planes)
    ]
    assert all((one.T @ one - torch.eye(one.shape[1])).abs().max() < 0.02 for one in raw)
    plain = exported(net, LIP)
    assert isinstance(plain, LipschitzFcos)
    assert 0.99 < audit(plain).constant <= 1 + 1e-4


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ({"base": "fcos-s", "optimiser": "muon"}, "a fcos model has none; set optimiser: adamw"),
        ({"base": "lip-fcos-s", "muon": {}}, "muon belongs to optimiser: muon, found optimiser: adamw"),
        ({"base": "lip-fcos-s", "optimiser": "sgd"}, "optimiser"),
        ({"base": "lip-fcos-s", "optimiser": "muon", "muon": {"turn": 0.6}}, "muon.turn"),
        ({"base": "lip-fcos-s", "optimiser": "muon", "muon": {"momentum": 1}}, "muon.momentum"),
    ],
)  # fmt: skip
def test_bad_parameters_are_refused_in_one_line(model: dict[str, object], told: str) -> None:
    refused_in_one_line(model, told)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy") / "data")


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_two_processes_and_a_run_that_was_cut_off_end_with_the_same_bytes(
    precision: str, toy: Path, tmp_path: Path
) -> None:
    plan = PLAN.model_copy(update={"precision": precision})
    whole = train("m", LIP, plan, toy, tmp_path / "whole", tmp_path / "work")
    bound = load_detector(whole).bound
    assert bound is not None and bound.constant == pytest.approx(1, abs=1e-4)
    other = train(
        "m", LIP.model_copy(update={"optimiser": "adamw"}), plan, toy, tmp_path / "a", tmp_path / "work"
    )
    assert other.read_bytes() != whole.read_bytes()
    with cut_off(at=5):
        train("m", LIP, plan, toy, tmp_path / "cut", tmp_path / "work")
    again = train("m", LIP, plan, toy, tmp_path / "cut", tmp_path / "work")
    assert again.read_bytes() == whole.read_bytes()
    if precision == "float32":
        shared = TrainSpec.model_validate({**plan.model_dump(), "processes": 2})
        two = train("m", LIP, shared, toy, tmp_path / "two", tmp_path / "work")
        assert two.read_bytes() == whole.read_bytes()
        assert np.all((two.parent / "log.csv").read_bytes() == (whole.parent / "log.csv").read_bytes())
