"""Detections of a trained model on whole frames, as a COCO results file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
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
from lard.detect.decode import Detections, detect
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
    pictures = read_pictures(datasets, plan.split)
    place = os.path.realpath(out)
    if Path(place).exists() and any(os.path.realpath(picture.path) == place for picture in pictures):
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
    shares = Shares(reads=(checkpoint, *([corners] if corners else ()), *(one.path for one in pictures[:1])))
    parts = [pictures[start : start + _AT_ONCE] for start in range(0, len(pictures), _AT_ONCE)]
    for found in run_tasks(workers_of(processes, shares), find, parts):
        yield from found


_AT_ONCE = 4  # pictures of a task
_Locate = Callable[[NDArray[np.uint8]], Detections]
_opened: dict[tuple[Any, ...], tuple[_Locate, CornerFinder | None]] = {}
"""The one detector this process holds, and the corner model beside it."""


def _rows_of(
    checkpoint: Path, corners: Path | None, plan: PredictSpec, pictures: list[Picture]
) -> list[list[dict[str, Any]]]:
    """COCO result rows of each picture."""
    torch.set_num_threads(1)  # one thread per process: the same sums however many processes run
    cv2.setNumThreads(1)
    stats = [(file, file.stat()) for file in (checkpoint, corners) if file is not None]
    key = (*((file, found.st_mtime_ns, found.st_size) for file, found in stats), plan.model_dump_json())
    if key not in _opened:
        _opened.clear()
        opened = open_detector(checkpoint, plan)
        # frames of a dataset are seen as they are, of whatever size; at other scales as any picture is
        locate = opened.locate
        if plan.scales != (1.0,) or plan.relative:
            locate = partial(search, opened.locate, frame_px=opened.frame_px, plan=plan)
        _opened[key] = (locate, None if corners is None else load_corners(corners))
    return [_rows(picture, *_opened[key]) for picture in pictures]


class Opened(NamedTuple):
    """A detector ready to use: its name, what finds runways in a picture, and the only size it takes."""

    name: str
    locate: Callable[[NDArray[np.uint8]], Detections]
    frame_px: tuple[int, int] | None  # None: any


def open_detector(path: Path, plan: PredictSpec, name: str | None = None) -> Opened:
    """Open a checkpoint, or a file that ends in .onnx."""
    plan = faintly(plan)
    if path.suffix == ".onnx":
        onnx = open_onnx(path, plan)
        return Opened(onnx.name, onnx, onnx.frame_px)
    if plan.device == "cuda" and not torch.cuda.is_available():
        raise ModelError("predict.device: cuda is not available here; set it to cpu")
    checkpoint = load_detector(path, name)
    net = channels_last(checkpoint.net).to(plan.device)

    def locate(image: NDArray[np.uint8]) -> Detections:
        with naming(path):
            return detect(net, image, plan)

    return Opened(checkpoint.name, locate, None)


def _rows(picture: Picture, locate: _Locate, finder: CornerFinder | None) -> list[dict[str, Any]]:
    image = load_image(picture)
    boxes, scores = locate(image)
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
