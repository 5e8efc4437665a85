"""Certified boxes: intervals, the argument through suppression, AP, and attacks on tiny networks."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from detect_support import write_toy
from pydantic import ValidationError
from robust_support import SIDE_PX, SPEC, pictures
from scipy.special import expit

from lard.cli import main
from lard.detect.audit import audit
from lard.detect.checkpoint import exported, load_detector, save_detector
from lard.detect.config import ModelSpec, PredictSpec
from lard.detect.decode import Detections, boxes_of, cells_of, select
from lard.detect.fcos import LipschitzFcos, build
from lard.detect.loss import Targets, assign, detection_loss, flatten
from lard.detect.ortho import OrthoConv2d
from lard.robust.box_field import BoxField, box_field, least_iou, region_of
from lard.robust.kept_boxes import Boxed, certified_ap50, fires_most, kept_for_sure
from lard.score.boxes import corners, extents, iou
from lard.score.evaluation import Evaluation
from lard.tables import read_json

PLAN = PredictSpec(score_floor=0.0)
BOXES = SPEC.model_copy(update={"certified_boxes": True, "box_gain": 2.0})


def _field(rng: np.random.Generator, count: int = 24) -> BoxField:
    """Locations on a grid of 8 px with random answers; neighbours overlap."""
    centres = np.asarray(rng.integers(1, 8, (count, 2)) * 8.0, np.float64)
    logits = -np.sort(-rng.normal(0, 0.3, count)).astype(np.float64)
    units = rng.normal(0.9, 0.3, (count, 4))
    return BoxField(logits, units, centres, np.full(count, 8.0), 1.5, 6.0, -math.inf)


def _moved(field: BoxField, change: np.ndarray) -> BoxField:
    """The same after a displacement (n, 5) of its answers."""
    return replace(field, logits=field.logits + change[:, 0], units=field.units + change[:, 1:])


def _kept(field: BoxField) -> Detections:
    """What prediction keeps of it in a picture of 72 px."""
    boxes, _ = field.boxes()
    scores = expit(field.temperature * field.logits).astype(np.float32)
    return select(boxes.astype(np.float32), scores, [len(scores)], (72, 72), PLAN)


def _right(found: Detections, box: np.ndarray, threshold: float, temperature: float) -> bool:
    boxes, scores = found
    above = scores >= expit(temperature * threshold)
    return bool((iou(extents(boxes[above]), extents(box[None])) >= 0.5).any())


def test_the_least_overlap_lies_at_a_corner_of_the_intervals() -> None:
    rng = np.random.default_rng(1)
    wanted = np.array([20.0, 20.0, 50.0, 40.0])
    low = wanted + rng.uniform(-8, 2, (30, 4))
    high = low + rng.uniform(0, 9, (30, 4))
    least = least_iou(low, high, wanted)
    inside = low + (high - low) * rng.random((4000, 30, 4))
    drawn = np.stack([iou(extents(inside[:, k]), extents(wanted[None]))[:, 0] for k in range(30)], axis=1)
    assert (drawn >= least - 1e-12).all()
    assert (drawn.min(axis=0) - least).max() < 0.2, "and not far below what boxes reach"
    exact = least_iou(wanted[None] + 5 * np.array([1, 1, -1, -1]), wanted[None], wanted)
    assert exact == pytest.approx([20 * 10 / (30 * 20)])


def test_boxes_of_an_overlap_lie_in_the_region() -> None:
    rng = np.random.default_rng(2)
    box = np.array([30.0, 30.0, 60.0, 50.0])
    region = region_of(box, 0.5)
    others = np.concatenate((rng.uniform(0, 60, (20_000, 2)), rng.uniform(20, 99, (20_000, 2))), axis=1)
    others = others[(others[:, 2:] > others[:, :2] + 1).all(axis=1)]
    good = others[iou(extents(others), extents(box[None]))[:, 0] >= 0.5]
    assert len(good) > 50
    assert (good[:, :2] >= region[:2]).all() and (good[:, 2:] <= region[2:]).all()


def test_coordinates_stay_in_their_intervals() -> None:
    rng = np.random.default_rng(3)
    field = _field(rng)
    low, high = field.boxes(0.2)
    for _ in range(50):
        change = rng.normal(size=(len(field.logits), 5))
        boxes, _ = _moved(field, 0.2 * change / np.linalg.norm(change)).boxes()
        assert ((boxes >= low) & (boxes <= high)).all()


def _worst_changes(
    field: BoxField, box: np.ndarray, norm: float, rng: np.random.Generator
) -> list[np.ndarray]:
    """Displacements that an attacker would try: duels of two locations, boxes shrunk and shifted, noise."""
    count, found = len(field.logits), []
    best = int(np.argmax(field.logits * (least_iou(*field.boxes(), box) >= 0.5)))
    for other in range(count):
        duel = np.zeros((count, 5))
        duel[best, 0], duel[other, 0] = -1, 1
        shifted = duel.copy()
        shifted[other, 1:] = rng.normal(0, 1, 4)
        found += [duel, shifted]
    for signs in ((-1, -1, -1, -1), (1, 1, 1, 1), (1, -1, -1, 1)):
        shrunk = np.zeros((count, 5))
        shrunk[best, 1:] = signs
        found.append(shrunk)
    found += [rng.normal(size=(count, 5)) for _ in range(10)]
    return [norm * change / max(float(np.linalg.norm(change)), 1e-12) for change in found]


def test_no_displacement_within_the_bound_takes_the_right_box_away() -> None:
    """Thousands of displacements of random answers, some of them tight duels; none may succeed."""
    rng = np.random.default_rng(4)
    certified = tried = 0
    for _ in range(150):
        field = _field(rng)
        box = field.boxes()[0][0] + rng.normal(0, 1, 4)
        threshold = float(field.logits[0]) - rng.uniform(0.05, 0.5)
        norm = float(rng.choice([0.01, 0.03, 0.1]))
        if not kept_for_sure(field, box[None], threshold, norm, PLAN)[0]:
            continue
        certified += 1
        for change in _worst_changes(field, box, norm * (1 - 1e-9), rng):
            tried += 1
            assert _right(_kept(_moved(field, change)), box, threshold, field.temperature)
    assert certified >= 15 and tried >= 800


def test_a_duel_is_won_just_beyond_the_bound() -> None:
    """Two locations, one right: the other takes over from a difference of sqrt(2) B on, and not before."""
    units = np.array([[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 3.67]])
    centres = np.array([[32.0, 24.0], [32.0, 24.0]])
    norm = 0.05
    for gap, sure in ((math.sqrt(2) * norm + 0.01, True), (math.sqrt(2) * norm - 0.01, False)):
        field = BoxField(np.array([0.5, 0.5 - gap]), units, centres, np.full(2, 8.0), 1.5, 6.0, -math.inf)
        box = field.boxes()[0][0]
        assert kept_for_sure(field, box[None], 0.0, norm, PLAN)[0] == sure
        change = np.zeros((2, 5))
        change[:, 0] = norm / math.sqrt(2) * np.array([-1, 1])
        assert _right(_kept(_moved(field, change)), box, 0.0, 6.0) == sure, "and so says the attack"


def test_what_is_not_held_and_saturated_scores_count_against_a_certificate() -> None:
    field = replace(_field(np.random.default_rng(5), 1), logits=np.array([0.5]))
    box = field.boxes()[0]
    assert kept_for_sure(field, box, 0.0, 0.01, PLAN)[0]
    assert not kept_for_sure(replace(field, rest=0.495), box, 0.0, 0.01, PLAN)[0]
    assert not kept_for_sure(field, box, 0.495, 0.01, PLAN)[0], "it may fall silent"
    two = BoxField(
        np.array([9.0, 8.0]), np.array([[1.0] * 4, [1.0, 1.0, 1.0, 3.67]]), np.array([[32.0, 24.0]] * 2),
        np.full(2, 8.0), 1.5, 6.0, -math.inf,
    )  # fmt: skip
    assert not kept_for_sure(two, two.boxes()[0][:1], 0.0, 0.01, PLAN)[0], "float32 scores of both are 1"
    assert fires_most(two, 9.5, 0.7, PLAN) == 1 and fires_most(two, 9.5, 2.0, PLAN) == 2
    assert fires_most(replace(two, rest=9.0), 9.5, 0.7, PLAN) == PLAN.max_boxes


def test_ap_never_falls_below_its_bound() -> None:
    rng = np.random.default_rng(6)
    fields = [_field(rng, 8) for _ in range(12)]
    boxes = [field.boxes()[0][:1] + rng.normal(0, 1, (1, 4)) for field in fields]
    thresholds = sorted({float(one) - 1e-6 for field in fields for one in field.logits[:3]})
    bounds = []
    for norm in (1e-6, 0.02, 0.05, 0.2):
        boxed = [Boxed(f, b, b, norm) for f, b in zip(fields, boxes, strict=True)]
        bound = certified_ap50(boxed, thresholds, PLAN)
        assert bound is not None
        bounds.append(bound)
        for _ in range(12):
            moved = [
                _moved(f, change)
                for f, b in zip(fields, boxes, strict=True)
                for change in [_worst_changes(f, b[0], norm * (1 - 1e-9), rng)[int(rng.integers(12))]]
            ]
            assert _ap50(moved, boxes) >= bound - 1e-9
    assert bounds == sorted(bounds, reverse=True) and bounds[0] > 0.1, bounds
    crowd = Boxed(fields[0], boxes[0], np.concatenate((boxes[0], boxes[0] + 4)), 0.02)
    assert not crowd.apart()[0] and certified_ap50([crowd], thresholds, PLAN) == 0


def _ap50(fields: list[BoxField], boxes: list[np.ndarray]) -> float:
    images = [{"id": k, "file_name": f"{k}.jpg", "width": 72, "height": 72} for k in range(len(fields))]
    notes = [
        {"id": k, "image_id": k, "category_id": 1, "bbox": extents(box)[0].tolist(), "iscrowd": 0}
        for k, box in enumerate(boxes)
    ]
    truth = {"images": images, "annotations": notes, "categories": [{"id": 1, "name": "runway"}]}
    rows = [
        {"image_id": k, "category_id": 1, "bbox": box.tolist(), "score": float(score)}
        for k, field in enumerate(fields)
        for found in [_kept(field)]
        for box, score in zip(extents(found[0]), found[1], strict=True)
    ]
    return float(Evaluation(truth, rows).metrics()["AP50"] or 0.0)


def _net(seed: int) -> LipschitzFcos:
    torch.manual_seed(seed)
    net = exported(build(BOXES), BOXES)
    assert isinstance(net, LipschitzFcos)
    with torch.no_grad():
        net.sides.fill_(0.6)
    return net


def _detections(net: LipschitzFcos, pixels: torch.Tensor) -> Detections:
    levels = net(pixels)
    scores = torch.cat([net.scores(level).flatten(1) for level in levels], dim=1)[0]
    cells = cells_of(net.spec.strides_px, SIDE_PX, SIDE_PX)
    return select(
        boxes_of(levels, net.spec.strides_px)[0].numpy(), scores.numpy(), cells, (SIDE_PX,) * 2, PLAN
    )


def test_the_head_shares_one_constant_and_gives_the_boxes_that_are_predicted() -> None:
    net = _net(1)
    bound = audit(net)
    assert bound.network == pytest.approx(1.0, abs=1e-3)
    pixels = pictures(2, 1)
    with torch.no_grad():
        answers = [torch.cat([one.flatten(1) for one in net.joint(part[None])], dim=1) for part in pixels]
        distance = float((pixels[0] - pixels[1]).norm())
        assert 0 < float((answers[0] - answers[1]).norm()) <= bound.constant * distance * (1 + 1e-5)
        field = box_field(net, net.joint(pixels[:1]), 10_000)
        boxes = boxes_of(net(pixels[:1]), net.spec.strides_px)[0].double().numpy()
        logits = flatten(net(pixels[:1]))[0][0].double().numpy()
    order = np.argsort(-logits, kind="stable")
    assert field.logits == pytest.approx(logits[order]) and field.rest == -math.inf
    assert np.abs(field.boxes()[0] - boxes[order]).max() < 1e-3
    with pytest.raises(ValidationError, match="certified_boxes belongs to lip-fcos"):
        ModelSpec(family="fcos", certified_boxes=True)


def test_the_head_learns_and_is_exported_as_it_is() -> None:
    torch.manual_seed(0)
    net = build(BOXES)
    assert isinstance(net, LipschitzFcos) and not hasattr(net, "regression")
    boxes = np.array([[8.0, 8.0, 28.0, 24.0]])
    wanted, sides = assign(boxes, np.empty((0, 4)), SIDE_PX, SIDE_PX, BOXES)
    targets = Targets(torch.from_numpy(wanted)[None], torch.from_numpy(sides)[None])
    pixels, losses = pictures(1, 1), []
    steps = torch.optim.Adam(net.parameters(), lr=0.02)
    for _ in range(20):
        terms = detection_loss(net(pixels), targets, BOXES, float((wanted == 1).sum()))
        steps.zero_grad()
        sum(terms.values(), torch.zeros(())).backward()
        steps.step()
        for module in net.modules():
            if isinstance(module, OrthoConv2d):
                module.retract()
        losses.append(float(terms["box"].detach()))
    assert losses[-1] < 0.9 * losses[0], "boxes come nearer"
    assert net.sides.grad is not None and bool(net.sides.grad.abs().sum() > 0)
    for module in net.modules():
        if isinstance(module, OrthoConv2d):
            for _ in range(8):  # large steps leave kernels a little off
                module.retract()
    plain = exported(net, BOXES)
    assert isinstance(plain, LipschitzFcos)
    assert audit(plain).network == pytest.approx(1.0, abs=1e-3)
    with torch.no_grad():
        for ours, theirs in zip(net.eval()(pixels), plain(pixels), strict=True):
            assert float((ours.distances_px - theirs.distances_px).abs().max()) < 0.05


def test_attacks_on_tiny_networks_take_no_certified_box_away() -> None:
    """Descent at the largest certified norm, against the box, the logit and in favour of its rivals."""
    held = 0
    for seed in range(5):
        net = _net(seed)
        constant = audit(net).network * (1 + 1e-4)
        for pixels in pictures(3, seed).split(1):
            with torch.no_grad():
                field = box_field(net, net.joint(pixels), 10_000)
                found = _detections(net, pixels)
            wanted = found[0][:1]
            if (wanted[:, :2] < 1).any() or (wanted[:, 2:] > SIDE_PX - 1).any():
                continue
            threshold = float(field.logits[0]) - 0.3
            sizes = np.geomspace(1e-4, 0.3, 40)
            sure = [kept_for_sure(field, wanted, threshold, constant * eps, PLAN)[0] for eps in sizes]
            if not any(sure):
                continue
            eps = float(sizes[np.flatnonzero(sure).max()])
            held += 1
            for goal in ("silence", "shrink", "rivals"):
                attacked = _descend(net, pixels, wanted, eps, goal)
                assert float((attacked - pixels).norm()) <= eps * (1 + 1e-6)
                with torch.no_grad():
                    assert _right(_detections(net, attacked), wanted[0], threshold, net.spec.temperature), (
                        goal
                    )
    assert held >= 4


def _descend(
    net: LipschitzFcos, clean: torch.Tensor, wanted: np.ndarray, eps: float, goal: str
) -> torch.Tensor:
    """Ten steps of the full norm along the gradient of what the attacker wants."""
    box = torch.from_numpy(wanted[0]).float()
    change = torch.zeros_like(clean)
    for _ in range(10):
        change = change.detach().requires_grad_()
        levels = net(clean + change)
        logits = flatten(levels)[0][0]
        boxes = boxes_of(levels, net.spec.strides_px)[0]
        off = (boxes - box).abs().sum(dim=1)
        right = off.detach() < 0.4 * float((box[2:] - box[:2]).sum())
        if goal == "shrink":
            loss = -(off * right * torch.sigmoid(8 * logits)).sum()
        else:
            loss = (logits * right).sum()
        if goal == "rivals":
            loss = loss - torch.logsumexp(8 * logits[~right], dim=0)
        (gradient,) = torch.autograd.grad(loss, change)
        with torch.no_grad():
            step = change - eps * gradient / gradient.norm().clamp(min=1e-12)
            change = step * min(1.0, eps * (1 - 1e-4) / max(float(step.norm()), 1e-12))
    return (clean + change).detach()


def test_the_command_certifies_boxes_of_checkpoints_that_declare_them(tmp_path: Path) -> None:
    toy = write_toy(tmp_path / "toy")
    net = _net(2)
    with torch.no_grad():
        net.prior.fill_(0.5)
    save_detector(net, "boxed", BOXES, {}, tmp_path / "m.pt")
    assert load_detector(tmp_path / "m.pt").net.spec.certified_boxes
    out = tmp_path / "out"
    words = ["certify", tmp_path / "m.pt", "--data", toy, "--score", 0.5, "--eps", "0.001,0.5", "--out", out]
    for _ in range(2):  # the second time from what the first one kept
        done = CliRunner().invoke(main, [str(word) for word in words])
        assert done.exit_code == 0, done.output
    told = read_json(out / "certificates.json")
    assert "after non-maximum suppression" in told["claims"]["certified_box_recall"]
    for row in told["by_eps"].values():
        assert row["certified_box_recall"] is not None and row["certified_AP50"] is not None
        assert row["certified_box_recall"] <= told["clean"]["as_scored"]["recall"] + 1e-9
    assert (corners(extents(np.array([[1.0, 2, 3, 4]]))) == [[1, 2, 3, 4]]).all()
