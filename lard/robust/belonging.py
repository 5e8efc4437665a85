"""Whether results are those of a model: its own detections of a few of their pictures are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lard.detect.checkpoint import Checkpoint
from lard.detect.config import PredictSpec
from lard.detect.data import load_image, read_pictures
from lard.detect.decode import detect
from lard.errors import DataError
from lard.robust.scene import found_in
from lard.robust.subject import evenly
from lard.score.boxes import extents, iou
from lard.score.truth import Paths, image_path, several

LOOKED_AT = 3
"""Pictures that are compared, evenly drawn from those with detections."""
LEAST_IOU, MOST_APART = 0.7, 0.05
"""What results in another arithmetic (bfloat16) may differ by: overlap of the best box, and its score."""


def check_belongs(
    checkpoint: Checkpoint,
    datasets: Paths,
    split: str,
    truth: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    plan: PredictSpec,
    where: Path,
) -> bool:
    """DataError where a model does not find the best detections of these results in most of a few pictures.

    False, nothing compared: results without any detection, a plan that searches other scales or whose
    scores are relative, or pictures that are not there.
    """
    folders = several(datasets)
    below = folders[0] if len(folders) == 1 else Path()
    there = all(image_path(below, str(image["file_name"])).is_file() for image in truth["images"])
    if plan.scales != (1.0,) or plan.relative or not rows or not there:
        return False
    by_picture: dict[int, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_picture.setdefault(int(row["image_id"]), []).append(row)
    pictures = [one for one in read_pictures(datasets, split, truth) if one.image_id in by_picture]
    plan = plan.model_copy(update={"precision": "float32", "score_floor": 0.0})
    chosen = evenly(pictures, LOOKED_AT)
    own = 0
    for picture in chosen:
        told, scores = found_in(by_picture[picture.image_id])
        best = int(np.argmax(scores))
        boxes, found = detect(checkpoint.net, load_image(picture), plan)
        overlap = iou(extents(told[best : best + 1]), extents(boxes))[0]
        own += bool(((overlap >= LEAST_IOU) & (np.abs(found - scores[best]) <= MOST_APART)).any())
    if 2 * own <= len(chosen):
        raise DataError(
            f"{where}: results of another model: {checkpoint.name} finds the best detection of {own} of"
            f" {len(chosen)} pictures looked at; predict them with it"
        )
    return True
