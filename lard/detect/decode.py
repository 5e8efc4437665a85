"""From pixels to detections: the network's answers as boxes and scores, and the choice among them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lard.detect.config import PredictSpec
from lard.detect.fcos import Detector, Level
from lard.detect.precision import computed_in
from lard.errors import ModelError
from lard.score.boxes import extents, iou

Detections = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Boxes (n, 4) as corner pairs in px and scores (n,) in [0, 1]."""


class Decoder(nn.Module):
    """A detector that answers with boxes and scores of every location; this is what export-model writes."""

    def __init__(self, net: Detector) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(b, 3, h, w) in [0, 1] -> boxes (b, n, 4), corner pairs in px, scores (b, n); fine levels first."""
        levels = self.net(images)
        scores = [self.net.scores(level).flatten(1) for level in levels]
        return boxes_of(levels, self.net.spec.strides_px), torch.cat(scores, dim=1)


def boxes_of(levels: Sequence[Level], strides_px: Sequence[int]) -> Tensor:
    """The box of every location: (b, n, 4), corner pairs in px; fine levels first, each row by row."""
    boxes = []
    for stride, level in zip(strides_px, levels, strict=True):
        distances = level.distances_px
        rows, columns = distances.shape[2:]
        y = (torch.arange(rows, device=distances.device, dtype=distances.dtype) + 0.5) * stride
        x = (torch.arange(columns, device=distances.device, dtype=distances.dtype) + 0.5) * stride
        left, top, right, bottom = distances.unbind(dim=1)  # (b, rows, columns) each
        sides = (x - left, y[:, None] - top, x + right, y[:, None] + bottom)
        boxes.append(torch.stack(sides, dim=-1).flatten(1, 2))
    return torch.cat(boxes, dim=1)


def cells_of(spec_strides_px: Sequence[int], height_px: int, width_px: int) -> list[int]:
    """Number of locations of each level for pictures of a size."""
    return [(height_px // stride) * (width_px // stride) for stride in spec_strides_px]


def to_input(image: NDArray[np.uint8], multiple: int) -> Tensor:
    """An RGB picture (h, w, 3) as (1, 3, h', w') in [0, 1], filled up with mid grey to whole strides."""
    height, width = image.shape[:2]
    pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float() / 255
    pad = (0, -width % multiple, 0, -height % multiple)
    return torch.nn.functional.pad(pixels, pad, value=0.5) if any(pad) else pixels


def as_images(pixels: Tensor) -> Tensor:
    """Bytes (b, h, w, 3) as (b, 3, h, w) in [0, 1]."""
    return pixels.permute(0, 3, 1, 2).float() / 255


def select(
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    cells: Sequence[int],
    frame_px: tuple[int, int],
    plan: PredictSpec,
) -> Detections:
    """The detections of one picture of frame_px (width, height), best first, from all its locations.

    Of each level the best `per_level` locations that reach the score floor; their boxes cut to the picture;
    then greedy non-maximum suppression over all levels.
    """
    width, height = frame_px
    chosen, first = [], 0
    for count in cells:
        level = scores[first : first + count].astype(np.float64)
        best = np.flatnonzero(level >= plan.score_floor)
        chosen.append(first + best[np.argsort(-level[best], kind="stable")[: plan.per_level]])
        first += count
    kept = np.concatenate(chosen)
    found = boxes[kept].astype(np.float64).clip(0, (width, height, width, height))
    score = scores[kept].astype(np.float64)
    solid = (found[:, 2:] - found[:, :2]).min(axis=1) > 0.01 if len(found) else np.zeros(0, dtype=bool)
    found, score = found[solid], score[solid]
    best = nms(found, score, plan.nms_iou, plan.max_boxes)
    return found[best], score[best]


def nms(
    boxes: NDArray[np.float64], scores: NDArray[np.float64], most_iou: float, limit: int
) -> NDArray[np.int64]:
    """Greedy non-maximum suppression: boxes (n, 4) as corner pairs, at most `limit` indices.

    Best first; ties keep the input order.
    """
    order = np.argsort(-scores, kind="stable")
    sorted_boxes = extents(boxes[order])
    overlapping = iou(sorted_boxes, sorted_boxes) > most_iou
    alive = np.ones(len(order), dtype=bool)
    kept: list[int] = []
    for rank in range(len(order)):
        if not alive[rank]:
            continue
        kept.append(rank)
        if len(kept) == limit:
            break
        alive &= ~overlapping[rank]
    return order[np.array(kept, dtype=np.int64)]


def refuse_unbounded(boxes: NDArray[np.float32], scores: NDArray[np.float32]) -> None:
    """ModelError where an answer of a network holds NaN or infinity, which comparisons would hide."""
    if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
        raise ModelError("answers with numbers that are not finite; train or export the model again")


def detect(net: Detector, image: NDArray[np.uint8], plan: PredictSpec) -> Detections:
    """Detections of one RGB picture (h, w, 3), best first."""
    return detect_all(net, [image], plan)[0]


def detect_all(net: Detector, images: Sequence[NDArray[np.uint8]], plan: PredictSpec) -> list[Detections]:
    """Detections of RGB pictures (h, w, 3), best first; `plan.batch` of one size go through at once."""
    found: list[Detections | None] = [None] * len(images)
    by_size: dict[tuple[int, ...], list[int]] = {}
    for place, image in enumerate(images):
        by_size.setdefault(image.shape, []).append(place)
    for places in by_size.values():
        for start in range(0, len(places), plan.batch):
            some = places[start : start + plan.batch]
            for place, one in zip(some, _detect(net, [images[k] for k in some], plan), strict=True):
                found[place] = one
    return [one for one in found if one is not None]


@torch.inference_mode()
def _detect(net: Detector, images: list[NDArray[np.uint8]], plan: PredictSpec) -> list[Detections]:
    """Detections of pictures of one size, together."""
    device = next(net.parameters()).device
    pixels = torch.cat([to_input(image, net.spec.strides_px[-1]) for image in images])
    if device.type == "cuda":
        pixels = pixels.pin_memory()
    pixels = pixels.to(device, non_blocking=True, memory_format=torch.channels_last)
    with computed_in(plan.precision, device.type):
        boxes, scores = Decoder(net)(pixels)
    cells = cells_of(net.spec.strides_px, pixels.shape[2], pixels.shape[3])
    found, score = boxes.float().cpu().numpy(), scores.float().cpu().numpy()
    refuse_unbounded(found, score)
    size = images[0].shape[1::-1]
    return [select(*pair, cells, size, plan) for pair in zip(found, score, strict=True)]
