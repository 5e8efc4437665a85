"""Small datasets by airport, and small models with features, for the monitors' tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from lard.detect.checkpoint import exported, save_detector
from lard.detect.config import ModelSpec
from lard.detect.fcos import build

SIDE_PX = 96
AIRPORTS = {
    "train": ("KATL", "LFPO"),
    "val": ("BIRK", "SBGR"),
    "test": ("EGLL", "FAOR", "HECA", "KSEA", "LFPG", "RJTT"),
}


def scene(seed: list[int], dark: bool = False) -> NDArray[np.uint8]:
    """Sky above ground with a bright strip, of varied shades; dark ones are like nights."""
    rng = np.random.default_rng(seed)
    pixels = np.empty((SIDE_PX, SIDE_PX, 3))
    horizon = int(rng.integers(25, 40))
    pixels[:horizon] = rng.normal((150, 180, 215), 12)
    pixels[horizon:] = rng.normal((95, 110, 70), 12)
    x = int(rng.integers(30, 60))
    pixels[horizon + 8 : horizon + 30, x : x + 12] = 190
    pixels += rng.normal(0, 6, pixels.shape)
    return np.clip(pixels * (0.12 if dark else 1.0), 0, 255).astype(np.uint8)


def write_picture(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write RGB pixels without loss."""
    cv2.imwrite(str(path), pixels[:, :, ::-1])


def write_split(folder: Path, split: str, per_airport: int, verdict: str = "IN_ODD") -> Path:
    """Write coco/<split>.json and its pictures: one runway each, the same number of every airport."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "coco").mkdir(exist_ok=True)
    images: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    first = 1000 * (1 + list(AIRPORTS).index(split))
    for place, airport in enumerate(AIRPORTS[split]):
        for number in range(per_airport):
            image_id = first + 100 * place + number
            name = f"images/{image_id}.png"
            write_picture(folder / name, scene([image_id]))
            images.append(
                {"id": image_id, "file_name": name, "width": SIDE_PX, "height": SIDE_PX, "airport": airport}
            )
            note = {"id": image_id, "image_id": image_id, "category_id": 1, "bbox": [35, 40, 14, 22]}
            notes.append(note | {"area": 308, "iscrowd": 0, "verdict": verdict})
    document = {"images": images, "annotations": notes, "categories": [{"id": 1, "name": "runway"}]}
    (folder / "coco" / f"{split}.json").write_text(json.dumps(document))
    return folder


def write_model(path: Path, family: str, seed: int = 1) -> Path:
    """Write the checkpoint of a tiny untrained network whose scores spread; either family."""
    torch.manual_seed(seed)
    lipschitz: dict[str, Any] = {"temperature": 8.0} if family == "lip-fcos" else {}
    spec = ModelSpec.model_validate(
        {"family": family, "widths": (8, 16, 16), "depths": (1, 1, 1), "pyramid": 8, "towers": 1,
         "side_limits_px": (32,)} | lipschitz
    )  # fmt: skip
    net = exported(build(spec), spec)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name in ("objectness.weight", "regression.centre.weight"):
                parameter.normal_(std=0.5)
            elif name in ("objectness.bias", "prior"):
                parameter.zero_()
    save_detector(net, family, spec, {"airports": {"train": ["KATL", "LFPO"]}}, path)
    return path
