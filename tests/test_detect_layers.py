"""Orthogonal layers, the audit that measures them, and the boxes, targets and losses around them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lard.detect.audit import audit, bound_of, conv_bound, polyphase
from lard.detect.checkpoint import exported
from lard.detect.config import ModelSpec
from lard.detect.decode import nms
from lard.detect.fcos import Level, LipschitzFcos, build
from lard.detect.loss import (
    Targets,
    assign,
    centerness_of,
    detection_loss,
    focal,
    giou_loss,
    hinge_kr,
    locations_px,
)
from lard.detect.ortho import HalfUpsample, MaxMin, OrthoConv2d, newton_schulz, orthonormal, retract_all
from lard.errors import ModelError
from lard.score.boxes import extents, iou

LIP = ModelSpec(
    family="lip-fcos", widths=(8, 16, 16), depths=(1, 1, 1), pyramid=8, towers=1, side_limits_px=(32,)
)
PLAIN = ModelSpec(
    family="fcos", widths=(8, 16, 16), depths=(1, 1, 1), pyramid=8, towers=1, side_limits_px=(32,)
)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def operator(layer: nn.Module, shape: tuple[int, int, int]) -> torch.Tensor:
    """The layer as a matrix on pictures of a shape (c, h, w), bias removed."""
    size = int(np.prod(shape))
    basis = torch.eye(size, dtype=torch.float64).reshape(size, *shape)
    return (layer(basis) - layer(torch.zeros_like(basis))).flatten(1).T


@pytest.mark.parametrize(("inputs", "outputs", "kernel", "stride"), [
    (8, 8, 3, 1), (4, 12, 3, 1), (12, 4, 3, 1), (6, 6, 1, 1), (8, 1, 1, 1), (4, 16, 2, 2), (8, 16, 2, 2),
])  # fmt: skip
def test_orthogonal_convolutions_never_expand(inputs: int, outputs: int, kernel: int, stride: int) -> None:
    layer = OrthoConv2d(inputs, outputs, kernel, stride).double().to_plain()
    layer.double().requires_grad_(False)
    singular = torch.linalg.svdvals(operator(layer, (inputs, 8, 8)))
    assert float(singular.max()) == pytest.approx(1.0, abs=1e-6)
    assert conv_bound(layer) == pytest.approx(1.0, abs=1e-5)
    if stride > 1 and outputs == inputs * stride**2:
        assert float(singular.min()) == pytest.approx(1.0, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 5),
    st.integers(1, 5),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(4, 9),
    st.integers(0, 9999),
)
def test_bound_covers_any_convolution(
    inputs: int, outputs: int, kernel: int, stride: int, size: int, seed: int
) -> None:
    torch.manual_seed(seed)
    layer = nn.Conv2d(inputs, outputs, kernel, stride, (kernel - 1) // 2).double().requires_grad_(False)
    if size < kernel:
        return
    exact = float(torch.linalg.svdvals(operator(layer, (inputs, size, size))).max())
    assert exact <= conv_bound(layer) * (1 + 1e-9)


def test_bound_is_tight_for_a_strided_kernel() -> None:
    layer = nn.Conv2d(3, 4, 3, 2, 1).double().requires_grad_(False)
    exact = float(torch.linalg.svdvals(operator(layer, (3, 24, 24))).max())
    assert exact <= conv_bound(layer) <= 1.1 * exact
    assert polyphase(layer.weight, 2).shape == (4, 12, 2, 2)


def test_retraction_pulls_back_after_a_step() -> None:
    layer = OrthoConv2d(8, 8)
    with torch.no_grad():
        for raw in (layer.mix, layer.planes):
            raw.add_(0.05 * torch.randn_like(raw))
    single = newton_schulz(layer.mix.detach())
    for _ in range(6):
        retract_all(layer)
    gram = layer.mix.T @ layer.mix
    assert torch.allclose(gram, torch.eye(8), atol=1e-5)
    assert (single.T @ single - torch.eye(8)).norm() < 0.5
    assert torch.allclose(orthonormal(layer.mix), layer.mix, atol=1e-5)


def test_maxmin_and_upsampling_are_isometries() -> None:
    x, y = torch.randn(2, 8, 4, 4), torch.randn(2, 8, 4, 4)
    assert torch.allclose(MaxMin()(x).norm(), x.norm())
    assert torch.allclose(HalfUpsample()(x).norm(), x.norm())
    assert (MaxMin()(x) - MaxMin()(y)).norm() <= (x - y).norm() + 1e-6
    assert torch.allclose(MaxMin()(x).sort(dim=1).values, x.sort(dim=1).values, atol=1e-6)


def test_logits_are_jointly_lipschitz() -> None:
    """The spectral norm of the Jacobian of all logits at a random picture stays below the constant."""
    net = exported(build(LIP), LIP).double()
    assert isinstance(net, LipschitzFcos)
    constant = audit(net).constant

    def logits(pixels: torch.Tensor) -> torch.Tensor:
        return torch.cat([level.logits.flatten() for level in net(pixels)])

    jacobian = torch.autograd.functional.jacobian(logits, torch.rand(1, 3, 16, 16, dtype=torch.float64))
    largest = float(torch.linalg.svdvals(jacobian.reshape(jacobian.shape[0], -1)).max())
    assert 0.1 < largest <= constant + 1e-9
    assert constant == pytest.approx(1.0, abs=1e-4)


def test_export_keeps_the_answers() -> None:
    net = build(LIP).eval()
    plain = exported(net, LIP)
    assert not any(isinstance(module, OrthoConv2d) for module in plain.modules())
    pixels = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        for before, after in zip(net(pixels), plain(pixels), strict=True):
            assert torch.allclose(before.logits, after.logits, atol=1e-4)
            assert torch.allclose(before.distances_px, after.distances_px, rtol=1e-3)


@pytest.mark.parametrize(
    ("planted", "message"),
    [
        (nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect"), "padding mode"),
        (nn.Conv2d(8, 8, 3, padding=1, groups=2), "not covered"),
        (nn.MaxPool2d(3, 2, 1), "overlapping"),
        (nn.Upsample(scale_factor=2, mode="bilinear"), "bilinear upsampling"),
        (nn.Upsample(scale_factor=2, mode="nearest"), "nearest upsampling"),
        (nn.BatchNorm2d(8), "no Lipschitz bound"),
        (nn.Conv2d(8, 8, 3, padding=1), "Lipschitz bound"),
    ],
)
def test_audit_finds_a_planted_layer(planted: nn.Module, message: str) -> None:
    if isinstance(planted, nn.Conv2d):
        with torch.no_grad():
            planted.weight.mul_(3)
    net = exported(build(LIP), LIP)
    assert isinstance(net, LipschitzFcos)
    net.stages[0].append(planted)
    with pytest.raises(ModelError, match=message) as caught:
        audit(net)
    assert "stages.0.4" in str(caught.value)


def test_harmless_pooling_passes_the_audit() -> None:
    assert bound_of([("pool", nn.MaxPool2d(2, 2)), ("relu", nn.ReLU())], 1.0).constant == 1.0


def greedy(boxes: np.ndarray, scores: np.ndarray, most_iou: float) -> list[int]:
    """The textbook loop."""
    left = sorted(range(len(boxes)), key=lambda index: (-scores[index], index))
    kept = []
    while left:
        best = left.pop(0)
        kept.append(best)
        left = [
            other for other in left if iou(extents(boxes[[best]]), extents(boxes[[other]]))[0, 0] <= most_iou
        ]
    return kept


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 25))
def test_nms_is_the_greedy_one(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 20, (count, 2))
    boxes = np.concatenate((corner, corner + rng.uniform(1, 15, (count, 2))), axis=1)
    scores = np.round(rng.random(count), 1)
    assert nms(boxes, scores, 0.4, 100).tolist() == greedy(boxes, scores, 0.4)
    assert len(nms(boxes, scores, 0.4, 3)) <= 3


def test_giou_loss_knows_perfect_and_disjoint() -> None:
    wanted = torch.tensor([[2.0, 2.0, 2.0, 2.0]])
    assert float(giou_loss(wanted, wanted)) == pytest.approx(0, abs=1e-6)
    assert float(giou_loss(torch.tensor([[1.0, 1.0, 1.0, 1.0]]), wanted)) == pytest.approx(0.75)


def test_targets_at_the_right_level_and_place() -> None:
    boxes = np.array([[8.0, 8.0, 20.0, 24.0], [30.0, 4.0, 33.0, 6.0], [0.0, 0.0, 60.0, 50.0]])
    objectness, distances = assign(boxes, np.empty((0, 4)), 64, 64, PLAIN)
    fine = objectness[: 16 * 16].reshape(16, 16)
    points = locations_px(64, 64, 4)
    assert fine[3, 3] == 1 and fine[0, 12] == 0
    for place in np.flatnonzero(objectness[: 16 * 16]):
        x, y = points[place]
        left, top, right, bottom = distances[place]
        box = np.array([x - left, y - top, x + right, y + bottom])
        assert np.abs(boxes[:2] - box).sum(axis=1).min() < 5
    assert fine[1, 7] == 1 or fine[1, 8] == 1, "a box without a cell centre gets the nearest one"
    assert objectness[16 * 16 :].sum() > 0, "the large box belongs to the coarse level"


def test_ignored_regions_are_neither_positive_nor_negative() -> None:
    nothing, ignored = np.empty((0, 4)), np.array([[0.0, 0.0, 16.0, 16.0]])
    objectness, _ = assign(nothing, ignored, 32, 32, PLAIN)
    assert (objectness == -1).sum() == 16 + 4 and (objectness == 1).sum() == 0
    objectness, _ = assign(np.array([[2.0, 2.0, 14.0, 14.0]]), ignored, 32, 32, PLAIN)
    assert (objectness == 1).sum() > 0, "a runway inside an ignored region still counts"


def test_losses_prefer_right_answers_and_skip_ignored_ones() -> None:
    objectness = torch.tensor([[1.0, 0.0, -1.0]])
    right, wrong = torch.tensor([[2.0, -2.0, 5.0]]), torch.tensor([[-2.0, 2.0, 5.0]])
    positive, known = (objectness == 1).float(), objectness >= 0
    assert focal(right, positive, known) < 0.1 * focal(wrong, positive, known)
    assert torch.equal(focal(right, positive, known), focal(right + 9 * ~known, positive, known))
    assert hinge_kr(right, objectness, 0.5) < 0 < hinge_kr(wrong, objectness, 0.5)
    assert torch.equal(hinge_kr(right, objectness, 0.5), hinge_kr(right + 9 * ~known, objectness, 0.5))


@settings(max_examples=50, deadline=None)
@given(offset=st.floats(0.01, 2), logit=st.floats(-3, 3))
def test_an_offset_asks_for_logits_beyond_it_on_both_sides(offset: float, logit: float) -> None:
    """Runways pay as if their logit were lower by the offset, background as if it were higher."""
    spec = LIP.model_copy(update={"temperature": 5.0, "offset": offset})
    plain = spec.model_copy(update={"offset": 0.0})

    def objectness(value: float, wanted: float, model: ModelSpec) -> float:
        level = Level(torch.full((1, 1, 1, 1), value), torch.ones(1, 4, 1, 1), None)
        targets = Targets(torch.full((1, 1), wanted), torch.ones(1, 1, 4))
        return float(detection_loss([level], targets, model, 1.0)["objectness"])

    assert objectness(logit, 1.0, spec) == pytest.approx(objectness(logit - offset, 1.0, plain), rel=1e-4)
    assert objectness(logit, 0.0, spec) == pytest.approx(objectness(logit + offset, 0.0, plain), rel=1e-4)
    assert objectness(logit, 1.0, spec) > objectness(logit, 1.0, plain)


def test_centerness_is_one_at_the_centre() -> None:
    assert centerness_of(torch.tensor([[3.0, 2.0, 3.0, 2.0]])).item() == pytest.approx(1.0)
    assert centerness_of(torch.tensor([[1.0, 2.0, 4.0, 2.0]])).item() == pytest.approx(0.5)
