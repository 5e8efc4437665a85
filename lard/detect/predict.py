"""Detections of a trained model on whole frames, as a COCO results file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from lard.detect.checkpoint import load_detector
from lard.detect.config import PredictSpec
from lard.detect.corners import CornerFinder, load_corners, with_keypoints
from lard.detect.data import Picture, load_image, read_pictures
from lard.detect.decode import Detections, detect_all
from lard.detect.deploy import open_onnx
from lard.detect.fcos import channels_last
from lard.detect.rescoring import faintly
from lard.detect.tiling import search
from lard.errors import DataError, ModelError, naming
from lard.progress import track
from lard.score.truth import Paths
from lard.tables import write_json
from lard.workers import Shares, run_tasks, workers_of

CATEGORY = 1


def predict(
    checkpoint: str | Path,
    datasets: Paths,
    out: str | Path,
    plan: PredictSpec,
    name: str | None = None,
    processes: str | int = 1,
    corners: str | Path | None = None,
) -> int:
    """Write the COCO results of a checkpoint or ONNX file on a split; return how many boxes.

    `corners`, the checkpoint of a corner model, adds the corners of each box as keypoints. The results do not
    depend on the processes, which may be any workers (lard.workers.workers_of).
    """
    open_detector(Path(checkpoint), plan, name)  # a bad file is reported once, before any process starts
    finder = None if corners is None else load_corners(corners).file
    pictures = read_pictures(datasets, plan.split, shards=True)
    place = os.path.realpath(out)
    if Path(place).exists() and place in {os.path.realpath(picture.file) for picture in pictures}:
        raise DataError(f"--out {out}: is one of the pictures; name another file")
    rows: list[dict[str, Any]] = []
    title = f"predict {Path(out).stem}"
    results = _results(Path(checkpoint), finder, pictures, plan, processes)
    for found in track(results, title, len(pictures), "images"):
        rows.extend(found)
    rows.sort(key=lambda row: (row["image_id"], -row["score"], row["bbox"]))
    write_json(rows, out)
    return len(rows)


def _results(
    checkpoint: Path, corners: Path | None, pictures: list[Picture], plan: PredictSpec, processes: str | int
) -> Iterator[list[dict[str, Any]]]:
    """Rows of each picture, in any order."""
    find = partial(_rows_of, checkpoint.absolute(), corners and corners.absolute(), plan)
    # a worker may stand in another folder
    pictures = [replace(picture, path=picture.path.absolute()) for picture in pictures]
    shares = Shares(reads=(checkpoint, *([corners] if corners else ()), *(one.file for one in pictures[:1])))
    count = max(_AT_ONCE, plan.batch)
    parts = [pictures[start : start + count] for start in range(0, len(pictures), count)]
    for found in run_tasks(workers_of(processes, shares), find, parts):
        yield from found


_AT_ONCE = 4  # pictures of a task, or a batch of them
_LocateAll = Callable[[Sequence[NDArray[np.uint8]]], list[Detections]]
_opened: dict[tuple[Any, ...], tuple[_LocateAll, CornerFinder | None]] = {}
"""The one detector this process holds, and the corner model beside it."""


def _rows_of(
    checkpoint: Path, corners: Path | None, plan: PredictSpec, pictures: list[Picture]
) -> list[list[dict[str, Any]]]:
    """COCO result rows of each picture."""
    torch.set_num_threads(1)  # one thread per process: the same sums however many processes run
    cv2.setNumThreads(1)
    if plan.device == "cuda" and torch.cuda.device_count() > 1:
        torch.cuda.set_device(os.getpid() % torch.cuda.device_count())  # workers start with numbers in a row
    stats = [(file, file.stat()) for file in (checkpoint, corners) if file is not None]
    key = (*((file, found.st_mtime_ns, found.st_size) for file, found in stats), plan.model_dump_json())
    if key not in _opened:
        _opened.clear()
        opened = open_detector(checkpoint, plan)
        # frames of a dataset are seen as they are, of whatever size; at other scales as any picture is
        locate_all = opened.locate_all
        if plan.scales != (1.0,) or plan.relative:
            one = partial(search, opened.locate, frame_px=opened.frame_px, plan=plan)
            locate_all = partial(_each, one)
        _opened[key] = (locate_all, None if corners is None else load_corners(corners))
    locate_all, finder = _opened[key]
    images = [load_image(picture) for picture in pictures]
    return [
        _rows(picture, image, found, finder)
        for picture, image, found in zip(pictures, images, locate_all(images), strict=True)
    ]


def _each(
    locate: Callable[[NDArray[np.uint8]], Detections], images: Sequence[NDArray[np.uint8]]
) -> list[Detections]:
    return [locate(image) for image in images]


class Opened(NamedTuple):
    """A detector ready to use: its name, what finds runways in a picture or in several, its only size."""

    name: str
    locate: Callable[[NDArray[np.uint8]], Detections]
    frame_px: tuple[int, int] | None  # None: any
    locate_all: _LocateAll


def open_detector(path: Path, plan: PredictSpec, name: str | None = None) -> Opened:
    """Open a checkpoint, or a file that ends in .onnx."""
    plan = faintly(plan)
    if path.suffix == ".onnx":
        onnx = open_onnx(path, plan)
        return Opened(onnx.name, onnx, onnx.frame_px, partial(_each, onnx))
    if plan.device == "cuda" and not torch.cuda.is_available():
        raise ModelError("predict.device: cuda is not available here; set it to cpu")
    checkpoint = load_detector(path, name)
    net = channels_last(checkpoint.net).to(plan.device)

    def locate_all(images: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        with naming(path):
            return detect_all(net, images, plan)

    return Opened(checkpoint.name, lambda image: locate_all([image])[0], None, locate_all)


def _rows(
    picture: Picture, image: NDArray[np.uint8], found: Detections, finder: CornerFinder | None
) -> list[dict[str, Any]]:
    boxes, scores = found
    rows: list[dict[str, Any]] = [
        {
            "image_id": picture.image_id,
            "category_id": CATEGORY,
            "bbox": [round(float(value), 2) for value in (x0, y0, x1 - x0, y1 - y0)],
            "score": round(float(score), 5),
        }
        for (x0, y0, x1, y1), score in zip(boxes, scores, strict=True)
    ]
    return rows if finder is None else with_keypoints(rows, finder.find(image, boxes))
