"""Detections in pictures and videos that belong to no dataset, as one JSON file and as drawings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from lard.detect.corners import with_keypoints
from lard.detect.draw import draw_found
from lard.detect.inputs import FORMAT, Input, Inputs, drawing_names
from lard.detect.models import Found, Model
from lard.detect.video import Video, VideoWriter
from lard.errors import DataError
from lard.files import path_fault
from lard.pictures import upright_rgb
from lard.progress import Meter
from lard.score.keypoints import NAMES
from lard.tables import atomic_path

CATEGORY: dict[str, Any] = {"id": 1, "name": "runway"}
JPEG_QUALITY = 92


@dataclass(slots=True)
class _Results:
    """What has been found so far: pictures and frames, their detections, files that could not be read."""

    images: list[dict[str, Any]] = field(default_factory=list)
    detections: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)

    def add(self, found: Found, about: dict[str, Any]) -> None:
        image_id = len(self.images) + 1
        self.images.append({"id": image_id, "width": found.width_px, "height": found.height_px, **about})
        rows: list[dict[str, Any]] = []
        for (x0, y0, x1, y1), score in zip(found.boxes_px, found.scores, strict=True):
            bbox = [round(float(value), 2) for value in (x0, y0, x1 - x0, y1 - y0)]
            row = {"image_id": image_id, "category_id": CATEGORY["id"], "bbox": bbox}
            rows.append({**row, "score": round(float(score), 5)})
        if found.corners_px is not None and found.corner_scores is not None:
            rows = with_keypoints(rows, (found.corners_px, found.corner_scores))
        self.detections.extend(rows)


def predict_anywhere(
    model: Model, inputs: Inputs, draw: Path | None = None, every: int = 1
) -> dict[str, Any]:
    """Detections of pictures and videos (every n-th frame), drawn into a folder if one is given.

    Returns the document of docs/detect.md, in which `failed` names the files that could not be read.
    """
    results = _Results()
    names = drawing_names(inputs.files)
    pictures = sum(not entry.is_video for entry in inputs.files)
    with _one_thread(), Meter("predict", pictures, "pictures") as meter:
        for entry, name in zip(inputs.files, names, strict=True):
            out = None if draw is None else draw / name
            try:
                if out is not None:
                    _check_name(entry)
                if entry.is_video:
                    _video(model, entry, out, name, every, results)
                else:
                    _picture(model, entry, out, name, results)
            except DataError as error:
                results.failed.append({"file_name": entry.path.as_posix(), "error": str(error)})
            if not entry.is_video:
                meter.advance(note=entry.path.name)
    about = {"name": model.name, "file": model.file.name, "score": model.plan.score_floor}
    plan = model.plan
    about |= {"scales": list(plan.scales), "relative": plan.relative, "blend": plan.blend}
    category = CATEGORY
    if model.corners is not None:
        about["corners"] = {"name": model.corners.name, "file": model.corners.file.name}
        category = {**CATEGORY, "keypoints": list(NAMES)}
    return {
        "format": FORMAT,
        "model": about,
        "categories": [category],
        "images": results.images,
        "detections": results.detections,
        "failed": results.failed,
    }


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread for the networks, as in the dataset form: the same sums on every machine, busy or not."""
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


def _check_name(entry: Input) -> None:
    """DataError where no drawing can be named after a file."""
    if fault := path_fault(entry.below.as_posix()):
        raise DataError(f"{entry.path.as_posix()!r}: {fault} in its name; rename it to have it drawn")


def _picture(model: Model, entry: Input, out: Path | None, name: Path, results: _Results) -> None:
    picture = upright_rgb(entry.path)
    found = model.detect(picture.pixels)
    about: dict[str, Any] = {"file_name": entry.path.as_posix(), "exif_orientation": picture.exif_orientation}
    if out is not None:
        _save(picture.pixels, found, out)
        about["drawn"] = name.as_posix()
    results.add(found, about)


def _save(pixels: NDArray[np.uint8], found: Found, out: Path) -> None:
    with atomic_path(out) as temporary:
        draw_found(pixels, found).save(temporary, quality=JPEG_QUALITY)


def _video(model: Model, entry: Input, out: Path | None, name: Path, every: int, results: _Results) -> None:
    video = Video(entry.path)
    drawn = {} if out is None else {"drawn": name.as_posix()}
    total = None if video.stated is None else -(-video.stated // every)
    with ExitStack() as stack:
        meter = stack.enter_context(Meter(f"predict {entry.path.name}", total, "frames"))
        writer = None
        for frame in video.frames(every):
            found = model.detect(frame.pixels)
            if out is not None and writer is None:
                writer = stack.enter_context(
                    VideoWriter(stack.enter_context(atomic_path(out)), video.rate_hz / every)
                )
            if writer is not None:
                writer.add(np.asarray(draw_found(frame.pixels, found)))
            about = {
                "file_name": entry.path.as_posix(),
                "frame": frame.number,
                "time_s": round(frame.time_s, 3),
            }
            results.add(found, {**about, **drawn})
            meter.advance()
    video.check_whole()  # what came before the break is kept, the drawn video too
