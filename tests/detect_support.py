"""Tiny datasets in COCO form and tiny models for the detection tests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lard.detect.batches import Share
from lard.detect.checkpoint import exported, save_detector
from lard.detect.config import ModelSpec, parse_params
from lard.detect.decode import Detections
from lard.detect.fcos import build
from lard.errors import SpecError

SIZE_PX = 160


def refused_in_one_line(model: dict[str, object], told: str) -> None:
    """Hold that parameters of a model are refused in a line that names file and model, and tells so."""
    with pytest.raises(SpecError) as caught:
        parse_params({"models": {"m": model}}, "params.yaml")
    text = str(caught.value)
    assert text.startswith("params.yaml: models.m") and told in text and "\n" not in text


@contextmanager
def cut_off(at: int) -> Iterator[None]:
    """Training is interrupted in a step, and is held to end by that."""
    whole = Share.cut

    def killed(share: Share, step: int) -> tuple[torch.Tensor, ...]:
        if step == at:
            raise KeyboardInterrupt
        return whole(share, step)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Share, "cut", killed)
        yield


def write_toy(folder: Path, train: int = 6, test: int = 4) -> Path:
    """Write images and coco/{train,test}.json with one or two runways each, the last test image empty."""
    (folder / "images").mkdir(parents=True)
    (folder / "coco").mkdir()
    for number, (split, count) in enumerate({"train": train, "test": test}.items()):
        images, notes = [], []
        for place in range(count):
            rng = np.random.default_rng([number, place])
            pixels = rng.normal(90, 12, (SIZE_PX, SIZE_PX, 3))
            name = f"images/{split}_{place}.jpg"
            empty = split == "test" and place == count - 1
            for runway in range(0 if empty else 1 + place % 2):
                x, y = rng.uniform(20, 70, 2) + runway * 50
                width, height = rng.uniform(10, 30, 2)
                quad = np.array([[x + 3, y], [x + width - 3, y], [x + width, y + height], [x, y + height]])
                cv2.fillPoly(pixels, [np.round(quad).astype(np.int32)], (230.0, 230.0, 225.0))
                notes.append(
                    {
                        "id": len(notes) + 1,
                        "image_id": place + 1,
                        "category_id": 1,
                        "bbox": [x, y, width, height],
                        "area": width * height,
                        "iscrowd": int(split == "test" and runway == 1),
                        "segmentation": [quad.ravel().tolist()],
                    }
                )
            cv2.imwrite(str(folder / name), np.clip(pixels, 0, 255).astype(np.uint8))
            images.append(
                {
                    "id": place + 1,
                    "file_name": name,
                    "width": SIZE_PX,
                    "height": SIZE_PX,
                    "airport": "KATL" if place % 2 else "LFPO",
                    "zone": ("far", "medium", "near")[place % 3],
                }
            )
        document = {"images": images, "annotations": notes, "categories": [{"id": 1, "name": "runway"}]}
        (folder / "coco" / f"{split}.json").write_text(json.dumps(document))
    return folder


def write_plain(folder: Path, count: int = 4) -> Path:
    """Write coco/train.json: lossless pictures of a bright rectangle each, on whole pixels of dark ground."""
    (folder / "images").mkdir(parents=True)
    (folder / "coco").mkdir()
    images, notes = [], []
    for number in range(1, count + 1):
        rng = np.random.default_rng([7, number])
        x, y = (int(value) for value in rng.integers(50, 90, 2))
        width, height = (int(value) for value in rng.integers(12, 30, 2))
        pixels = np.full((SIZE_PX, SIZE_PX, 3), 40, dtype=np.uint8)
        pixels[y : y + height, x : x + width] = 220
        cv2.imwrite(str(folder / f"images/{number}.png"), pixels)
        size = {"width": SIZE_PX, "height": SIZE_PX}
        images.append({"id": number, "file_name": f"images/{number}.png", **size})
        box = [x, y, width, height]
        note = {"id": number, "image_id": number, "category_id": 1, "bbox": box, "iscrowd": 0}
        notes.append({**note, "area": width * height})
    document = {"images": images, "annotations": notes, "categories": [{"id": 1, "name": "runway"}]}
    (folder / "coco" / "train.json").write_text(json.dumps(document))
    return folder


def runway_note(
    image_id: int, box: list[float], target: bool, slant_m: float, verdict: str = "IN_ODD"
) -> dict:  # type: ignore[type-arg]
    """A COCO annotation with what the project's export adds."""
    return {
        "image_id": image_id, "category_id": 1, "bbox": box, "area": box[2] * box[3], "is_target": target,
        "iscrowd": int(verdict != "IN_ODD"), "slant_m": slant_m, "verdict": verdict,
    }  # fmt: skip


def write_random_model(path: Path) -> Path:
    """Write the checkpoint of a tiny untrained network whose scores spread around one half."""
    torch.manual_seed(1)
    spec = ModelSpec(
        family="fcos", widths=(8, 16, 16), depths=(1, 1, 1), pyramid=8, towers=1, side_limits_px=(32,)
    )
    net = exported(build(spec), spec)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name in ("objectness.weight", "regression.centre.weight"):
                parameter.normal_(std=0.5)
            elif name == "objectness.bias":
                parameter.zero_()
    save_detector(net, "random", spec, {}, path)
    return path


def bright_boxes(image: NDArray[np.uint8]) -> Detections:
    """A detector without a network: the box around the bright pixels of a picture, with score 0.9."""
    bright = image.mean(axis=2) > 128
    if not bright.any():
        return np.zeros((0, 4)), np.zeros(0)
    rows, columns = np.flatnonzero(bright.any(axis=1)), np.flatnonzero(bright.any(axis=0))
    box = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    return np.array([box], np.float64), np.array([0.9])


def write_toy_to_tune(folder: Path, test: int) -> Path:
    """A toy whose training pictures are its validation split too."""
    write_toy(folder, test=test)
    (folder / "coco" / "val.json").write_text((folder / "coco" / "train.json").read_text())
    return folder
