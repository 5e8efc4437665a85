"""How well a network that still learns does on frames of the validation airports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch.distributed as dist

from lard.detect.config import PredictSpec
from lard.detect.crew import Place
from lard.detect.data import Picture, load_image, read_pictures
from lard.detect.decode import detect
from lard.detect.fcos import Detector
from lard.detect.masks import IGNORED, RUNWAY, mask_of
from lard.detect.segmenter import segment
from lard.score.evaluation import Evaluation
from lard.score.truth import coco_paths, holds_images, read_truth

MEASURES = ("val_ap50", "val_ap")
OF_MASKS = ("val_iou",)
"""Of models that segment, in place of those."""


class Validation:
    """Frames of the validation split, evenly drawn from all of them, and what is to be found in them."""

    def __init__(self, datasets: Sequence[Path], most: int) -> None:
        every = read_pictures(datasets, "val", shards=True)
        rows = np.unique(np.linspace(0, len(every) - 1, min(most, len(every))).round().astype(int))
        self.pictures: list[Picture] = [every[row] for row in rows]
        chosen = {picture.image_id for picture in self.pictures}
        truth = read_truth(coco_paths(datasets, "val"))
        self.truth: dict[str, Any] = {
            **truth,
            "images": [image for image in truth["images"] if int(image["id"]) in chosen],
            "annotations": [note for note in truth["annotations"] if int(note["image_id"]) in chosen],
        }

    def measure(self, net: Detector, place: Place) -> dict[str, float]:
        """MEASURES of a network; the processes share the frames and all get the same answer."""
        learning = net.training
        net.eval()
        if net.spec.segments:
            counts = self._mask_counts(net, place)
            net.train(learning)
            return dict(zip(OF_MASKS, (counts[0] / max(1, counts[1]),), strict=True))
        own = [row for picture in self.pictures[place.rank :: place.world] for row in _found(net, picture)]
        net.train(learning)
        shares: list[list[dict[str, Any]]] = [own]
        if dist.is_initialized():
            shares = [[] for _ in range(place.world)]
            dist.all_gather_object(shares, own)
        rows = sorted((row for share in shares for row in share), key=lambda row: int(row["image_id"]))
        metrics = Evaluation(self.truth, rows).metrics()
        return dict(zip(MEASURES, (float(metrics["AP50"] or 0), float(metrics["AP"] or 0)), strict=True))

    def _mask_counts(self, net: Detector, place: Place) -> list[int]:
        """Pixels of all frames that are runway and found, and those that are either."""
        own = [0, 0]
        for picture in self.pictures[place.rank :: place.world]:
            truth = mask_of(picture.polygons, ~picture.ignored, picture.height_px, picture.width_px)
            found = (segment(net, load_image(picture)) > 0) & (truth != IGNORED)
            own[0] += int((found & (truth == RUNWAY)).sum())
            own[1] += int((found | (truth == RUNWAY)).sum())
        shares: list[list[int]] = [own]
        if dist.is_initialized():
            shares = [[] for _ in range(place.world)]
            dist.all_gather_object(shares, own)
        return [sum(column) for column in zip(*shares, strict=True)]


def validation(datasets: Sequence[Path], most: int) -> Validation | None:
    """The frames to validate on, of the datasets that have some; None where none has."""
    held = [data for data in datasets if all(holds_images(path) for path in coco_paths([data], "val"))]
    return Validation(held, most) if held else None


def _found(net: Detector, picture: Picture) -> list[dict[str, Any]]:
    boxes, scores = detect(net, load_image(picture), PredictSpec())
    return [
        {"image_id": picture.image_id, "bbox": [x0, y0, x1 - x0, y1 - y0], "score": float(score)}
        for (x0, y0, x1, y1), score in zip(boxes.tolist(), scores, strict=True)
    ]
