"""The worst failures of detectors at their operating point: false alarms, and large runways missed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lard.report.thumbs import thumbnail
from lard.score.boxes import iou
from lard.score.evaluation import Evaluation

Array = NDArray[np.float64]
Places = NDArray[np.int64]
IOU = 0.5
SHOWN = 5
RED_BGR, GREEN_BGR, GREY_BGR = (38, 38, 214), (90, 200, 60), (190, 190, 190)


def failures(
    evaluations: Mapping[str, Evaluation], points: Mapping[str, float | None], root: Path
) -> list[dict[str, Any]]:
    """Per model, thumbnails of the largest runways it missed and of its most confident false alarms.

    Both as the scores count them at the model's operating point; a model without one is left out.
    """
    found = []
    for model in sorted(evaluations):
        point = points.get(model)
        if point is None:
            continue
        judged = evaluations[model]
        missed, alarms = judge(judged, point)
        shown = [_missed(judged, k, point, root) for k in _spread(judged.runway_image, missed)]
        shown += [_alarm(judged, k, point, root) for k in _spread(judged.image, alarms)]
        found.append(
            {
                "model": model,
                "score": point,
                "pictures": shown,
                "missed": len(missed),
                "alarms": len(alarms),
            }
        )
    return found


def judge(judged: Evaluation, point: float) -> tuple[Places, Places]:
    """Rows of the required runways missed, the largest first, and of false alarms, the best scored first."""
    found, above = judged.matches(), judged.scores >= point
    hit = np.zeros(len(judged.runways), bool)
    hit[found.taken[0][found.right[0] & above]] = True
    missed = np.flatnonzero(~hit & ~judged.crowd)
    alarms = np.flatnonzero(above & ~found.right[0] & ~found.skipped[0])
    size = judged.runways[missed, 2:].min(axis=1) if len(missed) else np.zeros(0)
    return (
        missed[np.lexsort((missed, -size))],
        alarms[np.lexsort((alarms, -judged.scores[alarms]))],
    )


def _spread(image: Places, rows: Places) -> list[int]:
    """The first few rows, one per picture; image (all rows,) is the place of each row's picture."""
    kept: dict[int, int] = {}
    for row in rows.tolist():
        if len(kept) < SHOWN:
            kept.setdefault(int(image[row]), row)
    return list(kept.values())


def _missed(judged: Evaluation, row: int, point: float, root: Path) -> dict[str, str]:
    note = judged.truth["annotations"][judged.notes[row]]
    width, height = judged.runways[row, 2:]
    text = f"missed runway {note.get('runway', '')} of {width:.0f} x {height:.0f} px"
    return _picture(judged, int(judged.runway_image[row]), point, judged.runways[row], text, root)


def _alarm(judged: Evaluation, row: int, point: float, root: Path) -> dict[str, str]:
    place = int(judged.image[row])
    shown = judged.runways[judged.runway_image == place]
    twice = bool((iou(judged.boxes[row : row + 1], shown) >= IOU).any())
    text = f"{'runway detected twice' if twice else 'false alarm'}, score {judged.scores[row]:.2f}"
    return _picture(judged, place, point, judged.boxes[row], text, root)


def _picture(
    judged: Evaluation, place: int, point: float, focus: Sequence[float] | Array, text: str, root: Path
) -> dict[str, str]:
    """A thumbnail with the runways and the detections that count, around a box x, y, width, height."""
    image = judged.pictures[place]
    name = str(image["file_name"])
    path = root / name if (root / name).is_file() else root / "images" / name
    runways = np.flatnonzero(judged.runway_image == place)
    rows = np.flatnonzero((judged.image == place) & (judged.scores >= point))
    outlines = [(_corners(judged.runways[k]), GREY_BGR if judged.crowd[k] else GREEN_BGR) for k in runways]
    outlines += [(_corners(judged.boxes[k]), RED_BGR) for k in rows]
    x, y, width, height = (float(value) for value in focus)
    return {
        "image": thumbnail(path, outlines, (x, y, x + width, y + height)),
        "name": str(image.get("frame_id", name)),
        "text": text,
    }


def _corners(box: Array) -> Array:
    x, y, width, height = box
    return np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]], np.float64)
