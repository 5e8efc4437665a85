"""Models by name or file, and runways of any picture in two lines of Python."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lard.detect.cards import card_of, shipped, shipped_corners, told, weights_of
from lard.detect.config import PredictSpec
from lard.detect.corners import CornerFinder, load_corners
from lard.detect.decode import Detections
from lard.detect.predict import open_detector
from lard.detect.tiling import search
from lard.errors import ModelError
from lard.pictures import Source, upright_rgb

SCORE = 0.3
"""Detections of an own model below this score are left out unless another one is asked for."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Runways of one picture, best first: corner pairs x_min, y_min, x_max, y_max and scores in [0, 1].

    Pixels are those of the upright picture, whose size stands beside them; (0, 0) is its top-left corner.
    With a corner model: the corners of each, far left, far right, near right, near left as the landing pilot
    sees them, and how surely each is in the picture; 0 where it is not found, and its place means nothing.
    """

    boxes_px: NDArray[np.float64]  # (n, 4)
    scores: NDArray[np.float64]  # (n,)
    width_px: int
    height_px: int
    corners_px: NDArray[np.float64] | None = None  # (n, 4, 2)
    corner_scores: NDArray[np.float64] | None = None  # (n, 4) in [0, 1]

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A detector that was loaded with its score threshold."""

    name: str
    file: Path
    plan: PredictSpec
    locate: Callable[[NDArray[np.uint8]], Detections]
    frame_px: tuple[int, int] | None  # the largest width and height it takes; None: any
    corners: CornerFinder | None = None

    def detect(self, image: Source) -> Found:
        """Runways of a picture: a path, a Pillow image or an array (h, w, 3) of uint8, RGB.

        EXIF orientation is applied first. A picture too large to be seen at once is searched in tiles that
        overlap and, for runways larger than those, once more as a whole at reduced size.
        """
        pixels = upright_rgb(image).pixels
        height, width = pixels.shape[:2]
        boxes, scores = search(self.locate, pixels, self.frame_px, self.plan)
        if self.corners is None:
            return Found(boxes, scores, width, height)
        return Found(boxes, scores, width, height, *self.corners.find(pixels, boxes))


def resolve(model: str | Path) -> Path:
    """The file of a shipped model's name, or of an own checkpoint or ONNX file."""
    names = shipped()
    if str(model) in names:
        return weights_of(str(model))
    if str(model) in shipped_corners():
        raise ModelError(f"{model}: a corner model, no detector; give it with --corners beside a detector")
    path = Path(model)
    if path.is_file():
        return path
    if path.is_dir():
        raise ModelError(f"{path}: a folder; give the checkpoint or ONNX file in it")
    known = f"shipped models: {', '.join(names)}" if names else "no models ship yet"
    raise ModelError(
        f"{model}: neither a file nor the name of a shipped model ({known});"
        " give the path of a checkpoint that lard train wrote, or of an ONNX file"
    )


def load(
    model: str | Path,
    score: float | None = None,
    plan: PredictSpec | None = None,
    corners: str | Path | None = None,
) -> Model:
    """Load a model by name or file; `score` is the least of a detection, `plan` the rest of the choice.

    Without a score that of a shipped model is the operating point of its card for pictures searched as the
    plan says, at several scales else the one of a single scale; that of another model is SCORE. Relative
    and blended scores without an operating point ask for a score.
    `corners` is the name or checkpoint of a corner model, which finds the four corners of each detection.
    """
    path = resolve(model)
    plan = plan or PredictSpec()
    if score is None:
        score = _operating_point(str(model), plan)
    if not 0 <= score < 1:
        raise ModelError(f"score: found {score}; expected a number of at least 0 and below 1")
    plan = plan.model_copy(update={"score_floor": score})
    opened = open_detector(path, plan)
    finder = None if corners is None else load_corners(corners)
    return Model(opened.name, path, plan, opened.locate, opened.frame_px, finder)


def _operating_point(model: str, plan: PredictSpec) -> float:
    """The least score of a detection where none is given."""
    card = card_of(model) if model in shipped() else None
    way = (plan.scales, plan.relative, plan.blend)
    stated = card.threshold_of(way) if card else None
    if stated is None and (plan.relative or plan.blend):
        raise ModelError(
            f"{model}: no card states an operating point of this search{told(way)}; give a score, chosen on"
            " pictures of your own or by lard score --val"
        )
    if stated is None and card:
        stated = card.score_threshold
    return SCORE if stated is None else stated
