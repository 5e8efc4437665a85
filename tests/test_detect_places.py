"""Labels, targets and boxes agree on where a runway is, to the pixel, the cell and the side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from detect_support import write_plain, write_toy

from lard.detect.config import ModelSpec, PredictSpec, TrainSpec
from lard.detect.crops import crops_of
from lard.detect.data import read_pictures
from lard.detect.decode import boxes_of, cells_of
from lard.detect.fcos import Level
from lard.detect.loss import assign, locations_px
from lard.detect.predict import predict
from lard.detect.train import train
from lard.score.scores import score

SPEC = ModelSpec(
    family="fcos", widths=(8, 16, 16), depths=(1, 1, 1), pyramid=16, towers=1, side_limits_px=(32,)
)
PLAN = TrainSpec(
    steps=150, batch=8, crops_per_image=2, crop_px=96, processes=1, ema=0.9, save_every=1000,
    centred_share=0.6, near_share=0.2,
)  # fmt: skip


@pytest.mark.parametrize(("zoom", "slack_px"), [(1.0, 0.0), (1.4, 1.0)])
def test_labels_of_crops_lie_on_the_pixels(zoom: float, slack_px: float, tmp_path: Path) -> None:
    """On bright rectangles a label's sides are where the brightness changes, flipped or not."""
    plan = TrainSpec(crop_px=64, batch=24, crops_per_image=12, centred_share=1, near_share=0, zoom=zoom)
    checked = 0
    for serial, picture in enumerate(read_pictures(write_plain(tmp_path / "data"), "train")):
        for crop in crops_of(picture, serial, plan):
            bright = crop.pixels.mean(axis=2) > 128
            if len(crop.boxes) != 1 or len(crop.ignored):
                continue
            rows, columns = np.flatnonzero(bright.any(axis=1)), np.flatnonzero(bright.any(axis=0))
            seen = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float64)
            assert np.abs(seen - crop.boxes[0]).max() <= slack_px + 1e-9, f"{seen} labelled {crop.boxes[0]}"
            checked += 1
    assert checked > 30


def test_a_location_answers_with_the_box_around_its_centre() -> None:
    """Row 2, column 3 of stride 4 has its centre at x 14, y 10; distances are left, top, right, bottom."""
    distances = torch.zeros(1, 4, 5, 6)
    distances[0, :, 2, 3] = torch.tensor([1.0, 2.0, 3.0, 4.0])
    coarse = torch.zeros(1, 4, 2, 3)
    coarse[0, :, 1, 0] = torch.tensor([4.0, 3.0, 2.0, 1.0])
    logits = torch.zeros(1, 1, 1, 1)
    boxes = boxes_of([Level(logits, distances, None), Level(logits, coarse, None)], (4, 8))[0]
    assert boxes.shape == (5 * 6 + 2 * 3, 4)
    assert boxes[2 * 6 + 3].tolist() == [13, 8, 17, 14]
    assert boxes[5 * 6 + 1 * 3 + 0].tolist() == [0, 9, 6, 13]
    assert locations_px(20, 24, 4)[2 * 6 + 3].tolist() == [14, 10]


def test_wanted_distances_give_back_the_box() -> None:
    """What a perfect network answers is decoded to the very boxes that were wanted, sides in their order."""
    rng = np.random.default_rng(3)
    for _ in range(20):
        size = rng.uniform(9, 70, 2)  # wider than a coarse cell: none is without a centre
        low = rng.uniform(0, 128 - size)
        box = np.concatenate((low, low + size))
        objectness, distances = assign(box[None], np.empty((0, 4)), 128, 128, SPEC)
        levels, first = [], 0
        for stride, count in zip(SPEC.strides_px, cells_of(SPEC.strides_px, 128, 128), strict=True):
            side = 128 // stride
            part = torch.from_numpy(distances[first : first + count]).T.reshape(1, 4, side, side)
            levels.append(Level(part, part, None))
            first += count
        found = boxes_of(levels, SPEC.strides_px)[0].numpy()[objectness == 1]
        assert len(found) and np.abs(found - box).max() < 0.11, "no side is wanted nearer than 0.1 px"


def test_four_pictures_are_learnt_by_heart(tmp_path: Path) -> None:
    """A tiny network that sees four pictures again and again finds their runways."""
    toy = write_toy(tmp_path / "data", train=4)
    checkpoint = train("m", SPEC, PLAN, toy, tmp_path / "m", tmp_path / "work")
    results = tmp_path / "results.json"
    predict(checkpoint, toy, results, PredictSpec(split="train"))
    found = score(toy / "coco" / "train.json", results, tmp_path / "score.json", "m")["overall"]
    assert found["AP50"] > 0.9, found
