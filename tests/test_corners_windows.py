"""Windows about boxes and what corner networks read in them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from corners_support import LIP, PLAIN, random_corners, runway_picture, write_cornered

from lard.detect.audit import audit
from lard.detect.config import TrainSpec
from lard.detect.corner_crops import jittered, read_cornered, samples_of
from lard.detect.corner_loss import CornerTargets, corner_loss, normal_maps
from lard.detect.corner_net import LipschitzCorners, build_corners, corner_gain_px
from lard.detect.corner_windows import GREY, cut_window, into_window, out_of_window, windows_of
from lard.detect.corners import find_corners, keypoints_of
from lard.errors import DataError, ModelError
from lard.score.keypoints import keypoint_fault


def test_windows_hold_their_boxes_and_points_come_back() -> None:
    boxes = np.array([[10.0, 20.0, 30.0, 80.0], [5.0, 5.0, 5.0, 5.0], [90.0, 50.0, 700.0, 51.0]])
    windows = windows_of(boxes, PLAIN)
    assert (windows[:, :2] < boxes[:, :2]).all() and (windows[:, 2:] > boxes[:, 2:]).all()
    sides = windows[:, 2:] - windows[:, :2]
    assert (sides.min(axis=1) >= PLAIN.least_aspect * sides.max(axis=1) - 1e-9).all()
    points = np.random.default_rng(0).uniform(-50, 200, (4, 2))
    for window in windows:
        there = into_window(points, window, 48)
        np.testing.assert_allclose(out_of_window(there, window, 48), points, atol=1e-9)
    turned = windows_of(boxes[:, [2, 3, 0, 1]], PLAIN)
    np.testing.assert_allclose(turned, windows, err_msg="corner pairs in any order")
    with pytest.raises(ModelError, match="finite"):
        windows_of(np.array([[0, 0, np.nan, 3]]), PLAIN)


@pytest.mark.parametrize("size", [(7.3, 11.9), (48.4, 48.4), (55.5, 90.2), (150.4, 201.7), (20.0, 180.0)])
def test_pixels_of_a_window_are_those_of_its_places(size: tuple[float, float]) -> None:
    """On a ramp the colour tells the place: half a pixel off would show, enlarged or reduced."""
    ramp = np.broadcast_to(np.arange(240, dtype=np.uint8)[None, :, None], (240, 240, 3)).copy()
    low = np.array([18.37, 15.81])
    window = np.concatenate((low, low + size))
    x_px = low[0] + (np.arange(48) + 0.5) * size[0] / 48
    cut = cut_window(ramp, window, 48)[:, :, 0].astype(float)
    np.testing.assert_allclose(cut, np.tile(x_px - 0.5, (48, 1)), atol=1.01)
    assert abs((cut - (x_px - 0.5)).mean()) < 0.25
    across = cut_window(np.ascontiguousarray(ramp.transpose(1, 0, 2)), window[[1, 0, 3, 2]], 48)
    np.testing.assert_array_equal(across[:, :, 0].T, cut)


def test_a_window_beyond_the_border_is_grey_there() -> None:
    white = np.full((40, 60, 3), 255, np.uint8)
    cut = cut_window(white, np.array([-24.0, 8.0, 24.0, 56.0]), 48)
    assert (cut[:30, :23] == GREY).all() and (cut[:31, 26:] == 255).all() and (cut[34:] == GREY).all()
    nowhere = cut_window(white, np.array([500.0, -300.0, 548.0, -252.0]), 48)
    assert (nowhere == GREY).all()


def test_corners_are_read_between_the_cells() -> None:
    places = torch.tensor([[[20.3, 17.9], [30.0, 9.25], [25.5, 40.1], [8.8, 33.3]]])
    net = build_corners(PLAIN)
    maps = normal_maps(places / 2, 24, 24).clamp(min=1e-30).log().view(1, 4, 24, 24)
    with torch.no_grad():
        found = net.read(maps)
    np.testing.assert_allclose(found.corners_px.numpy(), places.numpy(), atol=0.02)
    np.testing.assert_allclose(found.log_shares.exp().sum(2).numpy(), 1, atol=1e-5)


def test_the_loss_is_least_at_the_corners_and_says_nothing_of_absent_ones() -> None:
    net = build_corners(PLAIN)
    places = torch.tensor([[[20.0, 17.0], [30.0, 9.0], [25.0, 40.0], [8.0, 33.0]]])
    present = torch.tensor([[1.0, 1.0, 1.0, 0.0]])

    def loss(moved_px: float, corner: int) -> torch.Tensor:
        guess = places.clone()
        guess[0, corner, 0] += moved_px
        maps = normal_maps(guess / 2, 24, 24).clamp(min=1e-30).log().view(1, 4, 24, 24)
        return corner_loss(net.read(maps), CornerTargets(places, present), 2, 3.0, 4.0).detach()

    right = loss(0.0, 0)
    assert right[0] < 0.01 and (loss(3.0, 0)[:2] > right[:2] + 0.05).all()
    np.testing.assert_allclose(loss(3.0, 3)[:2].numpy(), right[:2].numpy(), atol=1e-5)


def test_heat_maps_of_the_lipschitz_family_move_no_more_than_pixels() -> None:
    torch.manual_seed(3)
    net = build_corners(LIP)
    assert isinstance(net, LipschitzCorners)
    bound = audit(net)
    assert bound.constant == pytest.approx(1, abs=1e-5)
    windows = torch.rand(4, 3, 48, 48)
    with torch.no_grad():
        for size in (1e-3, 0.1, 10.0):
            change = torch.randn_like(windows)
            change *= size / change.flatten(1).norm(dim=1)[:, None, None, None]
            moved = (net(windows + change) - net(windows)).flatten(1).norm(dim=1)
            assert (moved <= size * bound.constant * (1 + 1e-4)).all()
    net.merges[0] = torch.nn.Sequential(net.merges[0], torch.nn.BatchNorm2d(16))
    with pytest.raises(ModelError, match=r"merges\.0\.1: BatchNorm2d has no Lipschitz bound"):
        audit(net)


def test_a_corner_moves_no_more_than_its_gain_says() -> None:
    """And the bound is not idle: two equal peaks far apart come near to it."""
    net = build_corners(LIP)
    net.log_gain.data.fill_(math.log(5.0))
    torch.manual_seed(0)
    bound = corner_gain_px(net, 48)
    maps = torch.randn(64, 4, 24, 24)
    maps[0], maps[0, :, 12, 0], maps[0, :, 12, 23] = -9.0, 0.0, 0.0
    maps.requires_grad_()
    found = net.read(maps, LIP.sharpness).corners_px
    steepest = torch.autograd.grad(found[:, 0, 0].sum(), maps)[0].flatten(1).norm(dim=1)
    assert (steepest <= bound * (1 + 1e-5)).all() and steepest[0] > 0.99 * bound


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cornered(tmp_path_factory.mktemp("cornered") / "data", train=6, test=2)


def test_training_windows_show_the_corners_that_they_name(data: Path) -> None:
    """Inside a corner it is bright, outside dark, mirrored or not, far left first."""
    plan = TrainSpec(crops_per_image=12, batch=24, processes=1)
    spec = PLAIN.model_copy(update={"input_px": 96, "empty": 0.0})
    seen = 0
    for serial, one in enumerate(read_cornered(data, "train")):
        for sample in samples_of(one, serial, plan, spec):
            if not sample.present.all():
                continue
            seen += 1
            left_far, right_far, right_near, left_near = sample.corners_px
            assert left_far[0] < right_far[0] and left_near[0] < right_near[0]
            assert left_far[1] < left_near[1] and right_far[1] < right_near[1]
            middle = sample.corners_px.mean(axis=0)
            for corner in sample.corners_px:
                away = (corner - middle) / np.linalg.norm(corner - middle)
                inside, outside = (np.floor(corner + away * step).astype(int) for step in (-7.0, 7.0))
                if (outside >= 0).all() and (outside < 96).all():
                    grey = sample.pixels.mean(axis=2)
                    assert grey[inside[1], inside[0]] > grey[outside[1], outside[0]]
    assert seen > 40
    empty = spec.model_copy(update={"empty": 0.99})
    one = read_cornered(data, "train")[0]
    assert np.mean([sample.present.any() for sample in samples_of(one, 0, plan, empty)]) < 0.3


def test_moved_boxes_err_as_told() -> None:
    rng = np.random.default_rng(0)
    box = np.array([100.0, 50.0, 140.0, 110.0])
    spec = PLAIN.model_copy(update={"jitter": 0.05, "jitter_px": 1.0, "coarse": 0.0})
    moved = np.array([jittered(box, rng, spec) for _ in range(2000)]) - box
    np.testing.assert_allclose(moved.std(axis=0), [3.0, 4.0, 3.0, 4.0], rtol=0.1)
    np.testing.assert_allclose(moved.mean(axis=0), 0, atol=0.3)


def test_annotations_without_corners_are_refused(data: Path, tmp_path: Path) -> None:
    (tmp_path / "coco").mkdir()
    text = (data / "coco" / "train.json").read_text()
    (tmp_path / "coco" / "train.json").write_text(text.replace('"keypoints"', '"other"'))
    with pytest.raises(DataError, match=r"train\.json: the ground truth has no corners \(keypoints\)"):
        read_cornered(tmp_path, "train")


def test_boxes_of_no_size_over_the_border_and_none_at_all_have_answers() -> None:
    picture = runway_picture(random_corners(np.random.default_rng(1)))
    net = build_corners(PLAIN).eval()
    boxes = np.array(
        [[30.0, 30, 30, 30], [-40, 120, 20, 400], [150, -5, 170, 10], [1e6, 1e6, 1e6 + 5, 1e6 + 5]]
    )
    corners, presence = find_corners(net, picture, boxes)
    assert corners.shape == (4, 4, 2) and np.isfinite(corners).all()
    assert ((presence == 0) | ((presence >= 0.5) & (presence <= 1))).all()
    none = find_corners(net, picture, np.zeros((0, 4)))
    assert none[0].shape == (0, 4, 2) and none[1].shape == (0, 4)


def test_keypoints_are_ours_and_those_not_given_are_zero() -> None:
    corners = np.array([[1.234, 2.0], [-3.0, 4.0], [5.0, 6.0], [7.0, 8.0]])
    points = keypoints_of(corners, np.array([0.9, 0.75, 0.0, 1.0]))
    assert points == [1.23, 2.0, 0.9, -3.0, 4.0, 0.75, 0.0, 0.0, 0.0, 7.0, 8.0, 1.0]
    assert keypoint_fault(points, (640.0, 480.0)) == ""
