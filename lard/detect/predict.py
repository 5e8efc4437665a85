"""Detections of a trained model on whole frames, as a COCO results file."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lard.detect.boxes import nms
from lard.detect.checkpoint import load_detector
from lard.detect.config import PredictSpec
from lard.detect.data import Picture, load_image, read_pictures
from lard.detect.fcos import Detector, channels_last
from lard.detect.loss import locations_px
from lard.progress import track
from lard.tables import write_json

CATEGORY = 1


def predict(
    checkpoint: str | Path,
    dataset: str | Path,
    out: str | Path,
    plan: PredictSpec,
    name: str | None = None,
    processes: int = 1,
) -> int:
    """Write the COCO results of a checkpoint on a split, whatever `processes`; return how many boxes."""
    load_detector(checkpoint, name)  # a bad checkpoint is reported once, before any process starts
    pictures = read_pictures(dataset, plan.split)
    rows: list[dict[str, Any]] = []
    title = f"predict {Path(out).stem}"
    for found in track(_results(Path(checkpoint), pictures, plan, processes), title, len(pictures), "images"):
        rows.extend(found)
    rows.sort(key=lambda row: (row["image_id"], -row["score"], row["bbox"]))
    write_json(rows, out)
    return len(rows)


def _results(
    checkpoint: Path, pictures: list[Picture], plan: PredictSpec, processes: int
) -> Iterator[list[dict[str, Any]]]:
    if processes == 1:
        _start(checkpoint, plan)
        yield from map(_one, pictures)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        processes, mp_context=context, initializer=_start, initargs=(checkpoint, plan)
    ) as pool:
        yield from pool.map(_one, pictures, chunksize=4)


_WORKER: dict[str, Any] = {}


def _start(checkpoint: Path, plan: PredictSpec) -> None:
    torch.set_num_threads(1)  # one thread per process: the same sums however many processes run
    cv2.setNumThreads(1)
    _WORKER["net"] = channels_last(load_detector(checkpoint).net)
    _WORKER["plan"] = plan


def _one(picture: Picture) -> list[dict[str, Any]]:
    boxes, scores = detect(_WORKER["net"], load_image(picture), _WORKER["plan"])
    return [
        {
            "image_id": picture.image_id,
            "category_id": CATEGORY,
            "bbox": [round(float(value), 2) for value in (x0, y0, x1 - x0, y1 - y0)],
            "score": round(float(score), 5),
        }
        for (x0, y0, x1, y1), score in zip(boxes, scores, strict=True)
    ]


def to_input(image: NDArray[np.uint8], multiple: int) -> Tensor:
    """An RGB picture (h, w, 3) as (1, 3, h', w') in [0, 1], filled up with mid grey to whole strides."""
    height, width = image.shape[:2]
    pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float() / 255
    pad = (0, -width % multiple, 0, -height % multiple)
    return torch.nn.functional.pad(pixels, pad, value=0.5) if any(pad) else pixels


@torch.inference_mode()
def detect(
    net: Detector, image: NDArray[np.uint8], plan: PredictSpec
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Boxes (n, 4) as corner pairs in px and scores (n,) of one RGB picture, best first."""
    height, width = image.shape[:2]
    strides = net.spec.strides_px
    pixels = to_input(image, strides[-1]).to(memory_format=torch.channels_last)
    boxes, scores = [], []
    for stride, level in zip(strides, net(pixels), strict=True):
        score = net.scores(level).flatten().double().numpy()
        best = np.flatnonzero(score >= plan.score_floor)
        best = best[np.argsort(-score[best], kind="stable")[: plan.per_level]]
        points = locations_px(pixels.shape[2], pixels.shape[3], stride)[best].astype(np.float64)
        sides = level.distances_px[0].flatten(1).double().numpy().T[best]
        boxes.append(np.concatenate((points - sides[:, :2], points + sides[:, 2:]), axis=1))
        scores.append(score[best])
    found, score = np.concatenate(boxes), np.concatenate(scores)
    found = found.clip(0, (width, height, width, height))
    solid = (found[:, 2:] - found[:, :2]).min(axis=1) > 0.01 if len(found) else np.zeros(0, dtype=bool)
    found, score = found[solid], score[solid]
    kept = nms(found, score, plan.nms_iou, plan.max_boxes)
    return found[kept], score[kept]
