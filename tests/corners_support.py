"""Pictures of bright runways on dark ground whose corners are known to a fraction of a pixel."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from lard.detect.corner_files import save_corners
from lard.detect.corner_net import build_corners
from lard.detect.corner_spec import CornerSpec

SIZE_PX = 160
FINE = 8  # pictures are drawn so many times larger and averaged
SMALL = {"widths": (8, 16, 16), "depths": (0, 1, 1), "merge": 8, "input_px": 48, "learning_rate": 0.01}
PLAIN = CornerSpec(family="corners", **SMALL)  # type: ignore[arg-type]
LIP = CornerSpec(family="lip-corners", **{**SMALL, "merge": 16})  # type: ignore[arg-type]


def runway_picture(corners: NDArray[np.float64], size_px: int = SIZE_PX) -> NDArray[np.uint8]:
    """A picture (h, w, 3) with a bright quadrilateral of corners (4, 2) px."""
    large = np.full((size_px * FINE, size_px * FINE, 3), 60, np.uint8)
    points = np.round((corners * FINE - 0.5) * 16).astype(np.int32)
    cv2.fillPoly(large, [points], (200, 200, 200), cv2.LINE_8, 4)
    return np.asarray(cv2.resize(large, (size_px, size_px), interpolation=cv2.INTER_AREA), np.uint8)


def random_corners(rng: np.random.Generator) -> NDArray[np.float64]:
    """Corners (4, 2) px, top left, top right, bottom right, bottom left, of a runway as seen on approach."""
    x, y = rng.uniform(40, 90, 2)
    near, far = rng.uniform(18, 34), rng.uniform(6, 12)
    height, lean = rng.uniform(20, 45), rng.uniform(-12, 12)
    middle = x + near / 2 + lean
    return np.array([[middle - far / 2, y], [middle + far / 2, y], [x + near, y + height], [x, y + height]])


def write_cornered(folder: Path, train: int = 12, test: int = 8) -> Path:
    """Write images and coco/{train,val,test}.json, a runway with keypoints in each; val is test again."""
    (folder / "images").mkdir(parents=True)
    (folder / "coco").mkdir()
    for number, (split, count) in enumerate({"train": train, "test": test}.items()):
        images, notes = [], []
        for place in range(1, count + 1):
            corners = random_corners(np.random.default_rng([number, place]))
            name = f"images/{split}_{place}.png"
            cv2.imwrite(str(folder / name), runway_picture(corners))
            low, high = corners.min(axis=0), corners.max(axis=0)
            box = [*low, *(high - low)]
            points = [value for x, y in corners for value in (x, y, 2)]
            about = {"id": place, "image_id": place, "category_id": 1, "bbox": box, "iscrowd": 0}
            notes.append({**about, "segmentation": [corners.ravel().tolist()], "keypoints": points})
            notes[-1]["area"] = float(np.prod(high - low))
            size = {"width": SIZE_PX, "height": SIZE_PX}
            images.append({"id": place, "file_name": name, **size, "airport": f"{split.upper()}"})
        category = {"id": 1, "name": "runway"}
        document = json.dumps({"images": images, "annotations": notes, "categories": [category]})
        (folder / "coco" / f"{split}.json").write_text(document)
    (folder / "coco" / "val.json").write_text(document)
    return folder


def write_random_corners(path: Path, spec: CornerSpec = PLAIN) -> Path:
    """Write the checkpoint of an untrained corner model."""
    torch.manual_seed(2)
    save_corners(build_corners(spec).eval(), "random-corners", {}, path)
    return path
